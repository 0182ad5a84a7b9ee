//! The control loop: one task that owns the engine, carries out its outputs in their order, and
//! brings in what happens. Server and client are this loop with different [`Host`]s.
//!
//! ```text
//! worker thread ──upcalls──→ ┌────────┐ ──commands──→ worker thread
//! compute pool  ──results──→ │ engine │ ──jobs──────→ compute pool
//! timer, notices ──────────→ └────────┘ ──events────→ log, status
//! ```
//!
//! Everything for the worker goes through one queue, first in, first out: an SA is installed
//! before the message leaves that lets the peer use it, and removed after what was sealed with it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use dataplane::DataPlane;
use engine::{Answer, Engine, Event, Login, Output, Request, RequestId, Verdict};
use tokio::sync::Notify;
use tracing::debug;
use wire::Instant;

use crate::io::clock;
use crate::io::compute::{Pool, Results};
use crate::io::worker::{self, Command, FromPeer, Inside, Parts, Upcalls, Worker};
use crate::io::{raw::RawSocket, udp::UdpSocket};

/// The longest sleep: the runtime's clock stands still while the machine is suspended, ours does
/// not.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How often the signs of life of sessions are collected when nothing else is to be done.
const NOTICE_INTERVAL: Duration = Duration::from_secs(5);

/// What server and client do differently.
pub trait Host {
    /// Decides whether somebody may log in.
    fn login(&mut self, login: Login) -> Verdict;
    /// Something happened. The data plane still knows what the event is about.
    fn event(&mut self, event: Event, plane: &DataPlane);
}

/// Something for the engine.
#[derive(Debug)]
pub enum Input {
    /// From the packet thread.
    Upcall(worker::Upcall<FromPeer>),
    /// A computation is done.
    Computed(RequestId, Box<ike::JobResult>),
    /// The data plane has noticed something.
    Notices,
    /// Something is due.
    Timeout,
}

/// The engine and everything it needs to have an effect.
pub struct Shell {
    /// The engine.
    pub engine: Engine,
    /// The tables it shares with the packet thread.
    pub plane: Arc<DataPlane>,
    worker: Worker,
    upcalls: Upcalls<FromPeer>,
    notices: Arc<Notify>,
    pool: Pool<(RequestId, ike::JobResult)>,
    computed: Results<(RequestId, ike::JobResult)>,
    collected: Instant,
    unanswered: u64,
}

/// Where packets come from and go to.
pub struct Wiring {
    /// UDP sockets.
    pub udp: Vec<UdpSocket>,
    /// Sockets for protocol 50.
    pub raw: Vec<RawSocket>,
    /// The TUN device, or what takes its place.
    pub inside: Inside,
}

impl Shell {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the kernel gives none.
    pub fn start(engine: Engine, plane: DataPlane, wiring: Wiring) -> anyhow::Result<Self> {
        let plane = Arc::new(plane);
        let notices = Arc::new(Notify::new());
        let (sender, upcalls) = worker::upcalls();
        let worker = Worker::start(Parts {
            number: 0,
            udp: wiring.udp,
            raw: wiring.raw,
            inside: wiring.inside,
            plane: Arc::clone(&plane),
            upcalls: sender,
            notices: Arc::clone(&notices),
        })?;
        let (pool, computed) = Pool::new()?;
        let collected = clock::now();
        Ok(Self {
            engine,
            plane,
            worker,
            upcalls,
            notices,
            pool,
            computed,
            collected,
            unanswered: 0,
        })
    }

    /// What the packet thread counts.
    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// Handshake messages that no thread had time for.
    pub const fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// Waits for something to happen. Cancelling this loses nothing.
    ///
    /// # Errors
    /// When the packet thread has ended, which it never does by itself.
    pub async fn next(&mut self) -> anyhow::Result<Input> {
        let now = clock::now();
        let due = self.engine.poll_timeout().map(|(at, _)| at - now);
        let sleep = due.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP);
        tokio::select! {
            biased;
            Some((id, result)) = self.computed.recv() => Ok(Input::Computed(id, Box::new(result))),
            upcall = self.upcalls.recv() => match upcall {
                Some(upcall) => Ok(Input::Upcall(upcall)),
                None => bail!("the packet thread has ended"),
            },
            () = self.notices.notified() => Ok(Input::Notices),
            () = tokio::time::sleep(sleep) => Ok(Input::Timeout),
        }
    }

    /// Deals with one input and everything that follows from it.
    ///
    /// # Errors
    /// When the packet thread has ended.
    pub async fn handle(&mut self, input: Input, host: &mut dyn Host) -> anyhow::Result<()> {
        let now = clock::now();
        match input {
            Input::Computed(id, result) => {
                self.engine
                    .handle_answer(now, id, Answer::Computed(*result));
            }
            Input::Upcall(worker::Upcall::Ike(message)) => {
                self.engine
                    .handle_datagram(now, message.path, &message.bytes);
            }
            Input::Upcall(worker::Upcall::Authenticated(upcall)) => {
                // What the packet left behind comes before what was in it: the first packet on a
                // new SA confirms the SA.
                self.collect(now, host).await?;
                self.engine.handle_upcall(now, upcall);
            }
            Input::Notices => self.collect(now, host).await?,
            Input::Timeout => {
                if now - self.collected >= NOTICE_INTERVAL || self.is_due(now) {
                    self.collect(now, host).await?;
                }
                self.engine.handle_timeout(now);
            }
        }
        self.drain(host).await
    }

    fn is_due(&self, now: Instant) -> bool {
        self.engine.poll_timeout().is_some_and(|(at, _)| at <= now)
    }

    /// Hands what packets left behind to the engine.
    async fn collect(&mut self, now: Instant, host: &mut dyn Host) -> anyhow::Result<()> {
        self.collected = now;
        for notice in self.plane.notices() {
            self.engine.handle_notice(now, notice);
        }
        self.drain(host).await
    }

    /// Carries out everything the engine wants.
    ///
    /// # Errors
    /// When the packet thread has ended.
    pub async fn drain(&mut self, host: &mut dyn Host) -> anyhow::Result<()> {
        while let Some(output) = self.engine.poll_output() {
            let command = match output {
                Output::Transmit { path, bytes } => Command::Send { path, bytes },
                Output::SealControl { peer, ports, bytes } => {
                    Command::SealControl { peer, ports, bytes }
                }
                Output::SealPpp { session, frame } => Command::SealPpp { session, frame },
                Output::DataPlane(update) => Command::Apply(update),
                Output::Deliver { peer, ports, bytes } => Command::Deliver { peer, ports, bytes },
                Output::Request(id, request) => {
                    self.request(id, request, host);
                    continue;
                }
                Output::Event(event) => {
                    host.event(event, &self.plane);
                    continue;
                }
            };
            self.command(command).await?;
        }
        Ok(())
    }

    /// Tells the packet thread something.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn command(&self, command: Command) -> anyhow::Result<()> {
        Ok(self.worker.commands().send(command).await?)
    }

    fn request(&mut self, id: RequestId, request: Request, host: &mut dyn Host) {
        match request {
            Request::Compute(job) => {
                // The peer sends again, and by then there may be room.
                if let Err(full) = self.pool.submit(move || (id, job.run())) {
                    self.unanswered = self.unanswered.saturating_add(1);
                    debug!("a handshake is not answered: {full}");
                    self.engine
                        .handle_answer(clock::now(), id, Answer::Unavailable);
                }
            }
            Request::Login(login) => {
                let verdict = host.login(login);
                self.engine
                    .handle_answer(clock::now(), id, Answer::Login(verdict));
            }
            Request::Usage {
                peer,
                inbound,
                outbound,
            } => {
                let inbound = self.plane.inbound_usage(inbound);
                let outbound = self.plane.outbound_usage(peer, outbound);
                let bytes = [inbound, outbound]
                    .into_iter()
                    .flatten()
                    .fold(0_u64, |sum, usage| sum.saturating_add(usage.traffic.bytes));
                self.engine
                    .handle_answer(clock::now(), id, Answer::Usage(bytes));
            }
        }
    }

    /// Lets the packet thread send what is queued, and ends it.
    pub fn finish(self) {
        if !self.worker.finish() {
            debug!("the packet thread did not end orderly");
        }
    }
}
