//! The control loop: one task that owns the engine, carries out its outputs in their order, and
//! brings in what happens. Server and client are this loop with different [`Host`]s.
//!
//! ```text
//! worker thread ──upcalls──→ ┌────────┐ ──commands──→ worker thread
//! compute pool  ──results──→ │ engine │ ──jobs──────→ compute pool
//! other threads ──answers──→ │        │ ──requests──→ whoever takes long
//! timer, notices ──────────→ └────────┘ ──events────→ log, status
//! ```
//!
//! Everything about a peer goes through the queue of one worker, first in, first out: an SA is
//! installed before the message leaves that lets the peer use it, and removed after what was sealed
//! with it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use dataplane::DataPlane;
use engine::{
    Answer, Engine, Event, Login, Output, Reason, Request, RequestId, SessionInfo, Verdict,
};
use tokio::sync::{Notify, mpsc};
use tracing::debug;
use wire::{Instant, PeerId};

use crate::io::clock;
use crate::io::compute::{Pool, Results, Urgency};
use crate::io::worker::{self, Command, FromPeer, Inside, Lost, Parts, Upcalls, Workers};
use crate::io::{raw::RawSocket, tun::TunQueues, udp::UdpSocket};

/// The longest sleep: the runtime's clock stands still while the machine is suspended, ours does
/// not.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How often the signs of life of sessions are collected when nothing else is to be done.
const NOTICE_INTERVAL: Duration = Duration::from_secs(5);
/// Messages that are dealt with before the packet threads are woken for what they brought, and
/// before whatever else there is has its turn.
const ROUND: usize = 32;

/// Where answers go that come later. There is at most one for each request.
pub type Answers = mpsc::UnboundedSender<(RequestId, Answer)>;

/// What server and client do differently.
pub trait Host {
    /// Decides whether somebody may log in. It may be that this shows users to have changed, of
    /// which `engine` must know before it hears the verdict.
    fn login(&mut self, login: Login, engine: &mut Engine) -> Verdict;
    /// Makes everything around a session ready for its traffic. `None`: the answer comes later,
    /// through [`Shell::answers`]. The error is a sentence.
    fn prepare(&mut self, _: RequestId, _: &SessionInfo) -> Option<Result<(), String>> {
        Some(Ok(()))
    }
    /// A device is gone, where there are any.
    fn lost(&mut self, _: Instant, _: Lost, _: &mut Engine) {}
    /// Something happened. The data plane still knows what the event is about.
    fn event(&mut self, event: Event, plane: &DataPlane);
}

/// Something for the engine.
#[derive(Debug)]
pub enum Input {
    /// From a packet thread.
    Upcall(worker::Upcall<FromPeer>),
    /// A computation is done.
    Computed(RequestId, Box<ike::JobResult>),
    /// The answer to a request that took its time.
    Answered(RequestId, Box<Answer>),
    /// A packet thread has lost a device.
    Lost(Lost),
    /// The data plane has noticed something.
    Notices,
    /// Something is due.
    Timeout,
}

/// The engine and everything it needs to have an effect.
pub struct Shell {
    /// The engine.
    pub engine: Engine,
    /// The tables it shares with the packet threads.
    pub plane: Arc<DataPlane>,
    workers: Workers,
    upcalls: Upcalls<FromPeer>,
    notices: Arc<Notify>,
    lost: mpsc::UnboundedReceiver<Lost>,
    pool: Pool<(RequestId, ike::JobResult)>,
    computed: Results<(RequestId, ike::JobResult)>,
    answers: Answers,
    answered: mpsc::UnboundedReceiver<(RequestId, Answer)>,
    collected: Instant,
    /// See [`Self::gather_deadlines`].
    tick: Duration,
    /// The last input was something due or noticed: messages have their turn now.
    tended: bool,
    unanswered: u64,
}

/// Where packets of one packet thread come from and go to.
pub struct Wiring {
    /// UDP sockets.
    pub udp: Vec<UdpSocket>,
    /// Sockets for protocol 50.
    pub raw: Vec<RawSocket>,
    /// The TUN device, or what takes its place.
    pub inside: Inside,
}

impl Shell {
    /// Starts the threads, a packet thread for each wiring. There are as many of these as `plane` has
    /// been told.
    ///
    /// # Errors
    /// When the kernel gives none.
    pub fn start(
        engine: Engine,
        plane: DataPlane,
        wirings: Vec<Wiring>,
        cores: worker::Cores,
        limits: worker::Limits,
    ) -> anyhow::Result<Self> {
        let plane = Arc::new(plane);
        let notices = Arc::new(Notify::new());
        let (sender, upcalls) = worker::upcalls(&limits);
        let (tell_lost, lost) = mpsc::unbounded_channel();
        debug_assert_eq!(plane.config().threads, wirings.len());
        let cookies = engine.cookies();
        let parts = wirings.into_iter().enumerate();
        let parts = parts.map(|(number, wiring)| Parts {
            number,
            udp: wiring.udp,
            raw: wiring.raw,
            inside: wiring.inside,
            plane: Arc::clone(&plane),
            upcalls: sender.clone(),
            cookies: cookies.clone(),
            limits,
            notices: Arc::clone(&notices),
            lost: tell_lost.clone(),
        });
        let workers = Workers::start(parts.collect(), cores)?;
        // What is left of it is the workers'.
        drop(sender);
        let (pool, computed) = Pool::new()?;
        let (answers, answered) = mpsc::unbounded_channel();
        let collected = clock::now();
        Ok(Self {
            engine,
            plane,
            workers,
            upcalls,
            notices,
            lost,
            pool,
            computed,
            answers,
            answered,
            collected,
            tick: Duration::ZERO,
            tended: false,
            unanswered: 0,
        })
    }

    /// The packet threads.
    pub const fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Where answers go to requests that a [`Host`] did not answer at once.
    pub fn answers(&self) -> Answers {
        self.answers.clone()
    }

    /// Lets so many computations wait, where the default is less: for who has thousands of dials
    /// under way, of which each that finds no room has failed.
    pub fn queue_computations(&mut self, most: usize) {
        self.pool.accept(most);
    }

    /// Lets what is due wait for the next multiple of `tick`: the echoes, greetings and keep-alives of
    /// ten thousand idle sessions would else be as many occasions to wake this thread and the packet
    /// threads. Little against any timer of the protocols, it is nothing that a peer could notice.
    pub const fn gather_deadlines(&mut self, tick: Duration) {
        self.tick = tick;
    }

    /// Handshake messages that no thread had time for.
    pub const fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// Messages that wait for the engine: out of SAs, with cookies of ours, and first ones.
    pub fn waiting(&self) -> [usize; 3] {
        self.upcalls.waiting()
    }

    /// Waits for something to happen. Cancelling this loses nothing.
    ///
    /// What is due or noticed and what has come take turns when there is always some of both: a
    /// flood of messages must not keep the timers waiting, nor the timers of ten thousand peers
    /// the messages.
    ///
    /// # Errors
    /// When all packet threads have ended, which they never do by themselves.
    pub async fn next(&mut self) -> anyhow::Result<Input> {
        let now = clock::now();
        let due = self.engine.poll_timeout();
        let due = due.map(|(at, _)| round_up(at, self.tick) - now);
        let sleep = due.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP);
        let tend = !self.tended;
        // Not left to the sleep below: a new one is never over at once, and each time that
        // something else is ready it is given up for another.
        if tend && sleep.is_zero() {
            self.tended = true;
            return Ok(Input::Timeout);
        }
        let input = tokio::select! {
            biased;
            () = self.notices.notified(), if tend => Input::Notices,
            Some((id, result)) = self.computed.recv() => Input::Computed(id, Box::new(result)),
            Some(lost) = self.lost.recv() => Input::Lost(lost),
            Some((id, answer)) = self.answered.recv() => Input::Answered(id, Box::new(answer)),
            upcall = self.upcalls.recv() => match upcall {
                Some(upcall) => Input::Upcall(upcall),
                None => bail!("the packet threads have ended"),
            },
            () = self.notices.notified() => Input::Notices,
            () = tokio::time::sleep(sleep) => Input::Timeout,
        };
        self.tended = matches!(input, Input::Notices | Input::Timeout);
        Ok(input)
    }

    /// Deals with one input, with messages and results that have come by then, and with everything
    /// that follows from them.
    ///
    /// # Errors
    /// When a packet thread has ended.
    pub async fn handle(&mut self, input: Input, host: &mut dyn Host) -> anyhow::Result<()> {
        self.take(input, host).await?;
        for _ in 1..ROUND {
            let Some(input) = self.waiting_input() else {
                break;
            };
            self.tended = false;
            self.take(input, host).await?;
        }
        self.workers.wake();
        Ok(())
    }

    /// A result or a message that is there already.
    fn waiting_input(&mut self) -> Option<Input> {
        if let Some((id, result)) = self.computed.recv_now() {
            return Some(Input::Computed(id, Box::new(result)));
        }
        self.upcalls.recv_now().map(Input::Upcall)
    }

    async fn take(&mut self, input: Input, host: &mut dyn Host) -> anyhow::Result<()> {
        let now = clock::now();
        match input {
            Input::Computed(id, result) => {
                self.engine
                    .handle_answer(now, id, Answer::Computed(*result));
            }
            Input::Answered(id, answer) => self.engine.handle_answer(now, id, *answer),
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
            Input::Lost(lost) => host.lost(now, lost, &mut self.engine),
            Input::Notices => self.collect(now, host).await?,
            Input::Timeout => {
                if now - self.collected >= NOTICE_INTERVAL || self.is_due(now) {
                    self.collect(now, host).await?;
                }
                self.engine.handle_timeout(now);
            }
        }
        self.carry_out_all(host).await
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
        self.carry_out_all(host).await
    }

    /// Carries out everything the engine wants.
    ///
    /// # Errors
    /// When a packet thread has ended.
    pub async fn drain(&mut self, host: &mut dyn Host) -> anyhow::Result<()> {
        self.carry_out_all(host).await?;
        self.workers.wake();
        Ok(())
    }

    /// The same, without waking the packet threads yet.
    async fn carry_out_all(&mut self, host: &mut dyn Host) -> anyhow::Result<()> {
        while let Some(output) = self.engine.poll_output() {
            self.carry_out(output, host).await?;
        }
        Ok(())
    }

    /// Ends a peer as if this process had died: nothing of it is said to anybody.
    ///
    /// # Errors
    /// When a packet thread has ended.
    pub async fn abandon(&mut self, peer: PeerId, host: &mut dyn Host) -> anyhow::Result<()> {
        // Nobody's else but this peer's is what comes then.
        self.drain(host).await?;
        self.engine.close_peer(clock::now(), peer, Reason::Done);
        while let Some(output) = self.engine.poll_output() {
            let is_said = matches!(
                output,
                Output::Transmit { .. }
                    | Output::SealControl { .. }
                    | Output::SealPpp { .. }
                    | Output::SealIp { .. }
            );
            if !is_said {
                self.carry_out(output, host).await?;
            }
        }
        self.workers.wake();
        Ok(())
    }

    async fn carry_out(&mut self, output: Output, host: &mut dyn Host) -> anyhow::Result<()> {
        let command = match output {
            Output::Transmit { path, bytes } => Command::Send { path, bytes },
            Output::SealControl { peer, ports, bytes } => {
                Command::SealControl { peer, ports, bytes }
            }
            Output::SealPpp { session, frame } => Command::SealPpp { session, frame },
            Output::SealIp { session, packet } => Command::SealIp { session, packet },
            Output::DataPlane(update) => Command::Apply(update),
            Output::Deliver { peer, ports, bytes } => Command::Deliver { peer, ports, bytes },
            Output::Request(id, request) => {
                self.request(id, request, host);
                return Ok(());
            }
            Output::Event(event) => {
                host.event(event, &self.plane);
                return Ok(());
            }
        };
        Ok(self.workers.send(command).await?)
    }

    /// Tells a packet thread something: the one that owns the peer that it is about.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn command(&mut self, command: Command) -> anyhow::Result<()> {
        self.workers.send(command).await?;
        self.workers.wake();
        Ok(())
    }

    /// Gives each packet thread other queues of the TUN device.
    ///
    /// # Errors
    /// When one of them has ended.
    pub async fn renew(&self, queues: Vec<TunQueues>) -> anyhow::Result<()> {
        Ok(self.workers.renew(queues).await?)
    }

    fn request(&mut self, id: RequestId, request: Request, host: &mut dyn Host) {
        match request {
            Request::Compute(job) => {
                // The peer sends again, and by then there may be room.
                let urgency = match job.begins_handshake() {
                    true => Urgency::Beginning,
                    false => Urgency::Finishing,
                };
                if let Err(full) = self.pool.submit(urgency, move || (id, job.run())) {
                    self.unanswered = self.unanswered.saturating_add(1);
                    debug!("a handshake is not answered: {full}");
                    self.engine
                        .handle_answer(clock::now(), id, Answer::Unavailable);
                }
            }
            Request::Login(login) => {
                let verdict = host.login(login, &mut self.engine);
                self.engine
                    .handle_answer(clock::now(), id, Answer::Login(verdict));
            }
            Request::Prepare(info) => {
                if let Some(result) = host.prepare(id, &info) {
                    self.engine
                        .handle_answer(clock::now(), id, Answer::Prepared(result));
                }
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
            Request::Packets { session } => {
                let usage = self.plane.session_usage(session).unwrap_or_default();
                let packets = usage.received.packets.saturating_add(usage.sent.packets);
                self.engine
                    .handle_answer(clock::now(), id, Answer::Packets(packets));
            }
        }
    }

    /// Lets the packet threads send what is queued, and ends them.
    pub fn finish(self) {
        if !self.workers.finish() {
            debug!("a packet thread did not end orderly");
        }
        // The tables have room for everybody who may come. Taking them apart, slot by slot with a
        // look at every thread that might be reading, can take longer than all the goodbyes did;
        // whoever finishes is about to end, and then the kernel takes them back at once.
        std::mem::forget(self.plane);
    }
}

/// The first multiple of `tick` from `at` on.
fn round_up(at: Instant, tick: Duration) -> Instant {
    let over = at.since_boot().as_nanos().checked_rem(tick.as_nanos());
    match over.map(|over| u64::try_from(over).map(Duration::from_nanos)) {
        Some(Ok(over)) if !over.is_zero() => at + tick.saturating_sub(over),
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use rand_core::SeedableRng;
    use wire::{Carrier, Path, Rng, Secret};

    use super::*;
    use crate::io::ports::ephemeral;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn deadlines_are_met_at_the_next_tick_and_never_early() {
        let at = |ms| Instant::from_boot(Duration::from_millis(ms));
        let tick = Duration::from_millis(20);
        for (due, met) in [
            (0, 0),
            (1, 20),
            (19, 20),
            (20, 20),
            (21, 40),
            (90_001, 90_020),
        ] {
            assert_eq!(round_up(at(due), tick), at(met), "{due}");
            assert_eq!(round_up(at(due), Duration::ZERO), at(due));
        }
    }

    /// More IKE messages wait than are read here, and a retransmission is overdue.
    #[tokio::test]
    async fn a_flood_does_not_keep_the_timers_waiting_nor_they_the_flood() {
        let sockets = ephemeral(HERE).unwrap();
        let server = sockets[0].local();
        let [client, _] = ephemeral(HERE).unwrap();
        let plane = DataPlane::new(dataplane::Config::for_peers(4));
        let slots = plane.config().slots;
        let mut engine = Engine::new(engine::Config::default(), slots, Rng::seed_from_u64(1));
        let path = |carrier| Path {
            local: server,
            remote: SocketAddr::new(HERE, 9),
            carrier,
        };
        let began = clock::now();
        engine.dial(
            began,
            engine::Dial {
                ike: path(Carrier::Ike),
                natt: path(Carrier::NatT),
                key: Secret::from(&b"key"[..]),
                force_udp: true,
                link: ppp::Config::client("user", Secret::from(&b"password"[..])),
                habits: engine::Habits::default(),
                routed: true,
            },
        );
        let (inside, _packets) = mpsc::channel(1);
        let wiring = Wiring {
            udp: sockets.into(),
            raw: Vec::new(),
            inside: Inside::Queue(inside),
        };
        let mut shell = Shell::start(
            engine,
            plane,
            vec![wiring],
            worker::Cores::default(),
            worker::Limits::default(),
        )
        .unwrap();
        let to_server = Path {
            local: client.local(),
            remote: server,
            carrier: Carrier::Ike,
        };
        for _ in 0..100 {
            let mut message = [7; 28];
            message[8..16].fill(0); // it begins something
            client.send(&to_server, &message).unwrap();
        }
        // The dialled peer asks for its computation, and then for a repetition of its message.
        while shell
            .engine
            .poll_timeout()
            .is_none_or(|(at, _)| at > clock::now())
        {
            std::thread::sleep(Duration::from_millis(20));
            assert!(clock::now() - began < Duration::from_secs(20));
        }
        let mut turns = Vec::new();
        for _ in 0..6 {
            turns.push(match shell.next().await.unwrap() {
                Input::Timeout => "due",
                Input::Upcall(_) => "message",
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(
            turns,
            ["due", "message", "due", "message", "due", "message"]
        );
    }
}
