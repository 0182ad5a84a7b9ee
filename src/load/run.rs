//! The loop: clients begin, stay and leave as they should, while the control loop goes on.

use std::time::Duration;

use dataplane::DataPlane;
use engine::{Engine, Reason};
use rand_core::Rng as _;
use tokio::sync::mpsc;
use wire::{Instant, PeerId};

use super::agenda::Task;
use super::clients::Clients;
use super::pace::Pace;
use super::plan::Plan;
use super::progress::{Progress, Snapshot};
use super::report::{Outcome, Process};
use super::traffic::Pings;
use crate::cli::Failure;
use crate::cli::load::Leave;
use crate::client::Signals;
use crate::io::clock;
use crate::io::worker::{self, Command, Inside};
use crate::server::generator;
use crate::settings::plane_config;
use crate::shell::{Shell, Wiring};

/// Clients that connect at a time, if nothing else is said.
const AT_ONCE: u32 = 64;
/// Things done in one turn: messages have their turn after that.
const ROUND: usize = 64;
/// Dials begun in one turn. Each is answered, so a machine that begins more than it finishes would be
/// a bottleneck that thousands of real clients are not.
const DIALS: usize = 4;
/// Packets out of the tunnels that wait to be looked at.
const INSIDE_QUEUE: usize = 8_192;
/// Clients that say goodbye each second: as many as a server can hear without losing some.
const GOODBYES: f64 = 2_000.0;
/// How long answers to pings are waited for.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// So many failures without a single success are no load, but a mistake.
const HOPELESS: u64 = 100;
/// The longest time between two looks at the clock.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// Where the whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Clients connect.
    Ramp,
    /// They stay until then.
    Hold { until: Instant },
    /// Nothing more is begun; what was begun has until then.
    Settle { since: Instant, until: Instant },
    /// They leave.
    Leave,
    /// It is over.
    Over,
}

/// A load, while it lasts.
pub(super) struct Run {
    plan: Plan,
    shell: Shell,
    clients: Clients,
    packets: mpsc::Receiver<Vec<u8>>,
    pings: Pings,
    stage: Stage,
    /// The first client that has not dialled yet.
    fresh: u32,
    ramp: Pace,
    churn: Option<Pace>,
    stream: Option<Pace>,
    streamed: u64,
    goodbyes: Pace,
    leaving: Vec<u32>,
    /// Leaves so far, for those that go every other one.
    left: u64,
    progress: Progress,
    outcome: Outcome,
}

impl Run {
    /// Opens the sockets and starts the threads.
    ///
    /// # Errors
    /// As a sentence.
    pub(super) fn start(mut plan: Plan) -> Result<Self, Failure> {
        let most = usize::try_from(plan.clients).unwrap_or(usize::MAX);
        // Those that vanish are still in the tables while others take their places.
        let plane = DataPlane::new(plane_config(most.saturating_add(1_024)));
        let mut rng = generator()?;
        let engine = Engine::new(plan.engine_config(), plane.config().slots, generator()?);
        let (inside, packets) = mpsc::channel(INSIDE_QUEUE);
        let wiring = Wiring {
            udp: plan.open()?,
            raw: Vec::new(),
            inside: Inside::Queue(inside),
        };
        let mut shell = Shell::start(
            engine,
            plane,
            vec![wiring],
            worker::Cores::default(),
            worker::Limits::NONE,
        )?;
        shell.queue_computations(most.saturating_mul(2));
        let now = clock::now();
        let arguments = &plan.arguments;
        let default = arguments.rate.is_none().then_some(AT_ONCE);
        let at_once = arguments.at_once.or(default);
        let at_once = at_once.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
        let identifier = u16::try_from(rng.next_u32() >> 16).unwrap_or(0);
        let clients = Clients::new(
            now,
            plan.clients,
            plan.endpoints(),
            arguments.redial,
            arguments.ping,
            rng,
        );
        Ok(Self {
            ramp: Pace::new(now, arguments.rate, at_once),
            stream: None,
            churn: None,
            streamed: 0,
            goodbyes: Pace::new(now, Some(GOODBYES), None),
            pings: Pings::new(identifier),
            progress: Progress::new(now, arguments.progress, plan.clients),
            outcome: Outcome::new(now),
            leaving: Vec::new(),
            left: 0,
            fresh: 0,
            stage: Stage::Ramp,
            packets,
            clients,
            shell,
            plan,
        })
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// When a packet thread has ended, or signals cannot be received.
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        let mut signals = Signals::new()?;
        while self.stage != Stage::Over {
            let now = clock::now();
            self.turn(now).await?;
            let sleep = self.next_at().map_or(LONGEST_SLEEP, |at| {
                at.saturating_since(now).min(LONGEST_SLEEP)
            });
            tokio::select! {
                () = signals.next() => self.on_signal(clock::now()),
                Some(packet) = self.packets.recv() => {
                    self.on_packet(&packet);
                    while let Ok(packet) = self.packets.try_recv() {
                        self.on_packet(&packet);
                    }
                }
                input = self.shell.next() => {
                    self.shell.handle(input?, &mut self.clients).await?;
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
        self.progress.finish();
        Ok(())
    }

    /// Ends the threads, and tells what came of it all.
    pub(super) fn finish(self) -> (Plan, Outcome, super::tally::Tally) {
        let mut outcome = self.outcome;
        for counters in self.shell.workers().counters() {
            for (name, count) in counters.lost() {
                let sum = outcome.drops.entry(name).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        self.shell.finish();
        outcome.process = Process::now();
        (self.plan, outcome, self.clients.tally)
    }

    /// Begins everything that is due.
    async fn turn(&mut self, now: Instant) -> anyhow::Result<()> {
        for _ in 0..ROUND {
            let Some(due) = self.clients.agenda.pop(now) else {
                break;
            };
            match due.task {
                Task::GiveUp => {
                    let limit = self.plan.arguments.timeout;
                    if let Some(peer) = self.clients.give_up(&due, limit) {
                        self.close(peer, true).await?;
                    }
                }
                Task::Redial => self.clients.redial(&due),
                Task::Ping => self.ping(now, due.slot, due.turn).await?,
            }
        }
        match self.stage {
            Stage::Ramp | Stage::Hold { .. } => {
                self.begin(now).await?;
                self.stream(now).await?;
                self.replace(now).await?;
            }
            Stage::Settle { .. } => self.begin(now).await?,
            Stage::Leave => self.take_leave(now).await?,
            Stage::Over => {}
        }
        while self.advance(now) {}
        let snapshot = Snapshot::of(self.stage, &self.clients);
        self.progress.show(now, &snapshot);
        Ok(())
    }

    /// Lets clients dial: first those that come again, which no rate holds up.
    async fn begin(&mut self, now: Instant) -> anyhow::Result<()> {
        for _ in 0..DIALS.min(self.ramp.room(self.clients.connecting())) {
            let Some(slot) = self.clients.next_queued() else {
                break;
            };
            self.dial(now, slot).await?;
        }
        let due = self.ramp.due(now, self.clients.connecting()).min(DIALS);
        for _ in 0..due {
            if self.fresh >= self.plan.clients || self.stage != Stage::Ramp {
                break;
            }
            self.dial(now, self.fresh).await?;
            self.fresh = self.fresh.saturating_add(1);
            self.ramp.note(1);
        }
        Ok(())
    }

    async fn dial(&mut self, now: Instant, slot: u32) -> anyhow::Result<()> {
        let endpoint = self.clients.endpoint(slot);
        let dial = endpoint.and_then(|endpoint| self.plan.dial(slot, endpoint));
        if let Some(dial) = dial {
            let peer = self.shell.engine.dial(now, dial);
            let patience = self.plan.arguments.timeout;
            self.clients.on_dialled(now, slot, peer, patience);
            self.shell.drain(&mut self.clients).await?;
        }
        Ok(())
    }

    async fn ping(&mut self, now: Instant, slot: u32, turn: u32) -> anyhow::Result<()> {
        let lasts = matches!(self.stage, Stage::Ramp | Stage::Hold { .. });
        let Some(interval) = self.plan.arguments.ping.filter(|_| lasts) else {
            return Ok(());
        };
        if let Some((_, current)) = self.clients.session(slot)
            && current == turn
        {
            self.clients.agenda.add(super::agenda::Due {
                at: now + interval,
                task: Task::Ping,
                slot,
                turn,
            });
            self.send(now, slot, 0).await?;
        }
        Ok(())
    }

    /// Sends pings of a size, through one session after the other.
    async fn stream(&mut self, now: Instant) -> anyhow::Result<()> {
        let Some(pace) = &mut self.stream else {
            return Ok(());
        };
        let due = pace.due(now, 0).min(ROUND);
        pace.note(due);
        let length = usize::from(self.plan.arguments.send.unwrap_or_default());
        for _ in 0..due {
            self.streamed = self.streamed.wrapping_add(1);
            if let Some(slot) = self.clients.in_turn(self.streamed) {
                self.send(now, slot, length).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, now: Instant, slot: u32, length: usize) -> anyhow::Result<()> {
        let Some((up, turn)) = self.clients.session(slot) else {
            return Ok(());
        };
        if let Some(packet) = self.pings.make(now, (slot, turn), &up, length) {
            let tally = &mut self.clients.tally;
            tally.sent = tally.sent.saturating_add(1);
            let session = up.session;
            self.shell
                .command(Command::SealIp { session, packet })
                .await?;
        }
        Ok(())
    }

    fn on_packet(&mut self, packet: &[u8]) {
        if let Some(took) = self.pings.read(clock::now(), &self.clients, packet) {
            self.clients.tally.on_answer(took);
        }
    }

    /// Lets clients leave, and others take their places.
    async fn replace(&mut self, now: Instant) -> anyhow::Result<()> {
        let Some(pace) = &mut self.churn else {
            return Ok(());
        };
        let due = pace.due(now, 0).min(ROUND);
        pace.note(due);
        for _ in 0..due {
            if let Some(slot) = self.clients.any_up()
                && let Some(peer) = self.clients.leave(slot)
            {
                self.close(peer, false).await?;
                self.clients.replace(slot);
            }
        }
        Ok(())
    }

    /// Ends a peer. Those that have never been up say so in any case: they have been started by
    /// mistake, as it were.
    async fn close(&mut self, peer: PeerId, always_politely: bool) -> anyhow::Result<()> {
        let politely = always_politely || {
            self.left = self.left.wrapping_add(1);
            match self.plan.arguments.leave {
                Leave::Politely => true,
                Leave::Vanish => false,
                Leave::Mixed => self.left.is_multiple_of(2),
            }
        };
        if !politely {
            return self.shell.abandon(peer, &mut self.clients).await;
        }
        self.shell
            .engine
            .close_peer(clock::now(), peer, Reason::Done);
        self.shell.drain(&mut self.clients).await
    }

    async fn take_leave(&mut self, now: Instant) -> anyhow::Result<()> {
        let due = self.goodbyes.due(now, 0).min(ROUND);
        self.goodbyes.note(due);
        for _ in 0..due {
            let Some(slot) = self.leaving.pop() else {
                break;
            };
            if let Some(peer) = self.clients.leave(slot) {
                self.close(peer, false).await?;
            }
        }
        Ok(())
    }

    /// Goes on to the next stage, when it is time. Returns whether it did.
    fn advance(&mut self, now: Instant) -> bool {
        let before = self.stage;
        let tally = &self.clients.tally;
        match self.stage {
            Stage::Ramp if tally.up == 0 && tally.failed >= HOPELESS => {
                self.outcome.hopeless = true;
                self.begin_leave(now);
            }
            Stage::Ramp if self.fresh == self.plan.clients && self.clients.is_settled() => {
                self.outcome.ramp_ended = Some(now);
                self.outcome.ramp_up = tally.up;
                let arguments = &self.plan.arguments;
                self.churn = arguments.churn.map(|rate| Pace::new(now, Some(rate), None));
                self.stream = arguments
                    .packets
                    .map(|rate| Pace::new(now, Some(rate), None));
                self.stage = Stage::Hold {
                    until: now + arguments.hold,
                };
            }
            Stage::Hold { until } if now >= until => {
                self.stage = Stage::Settle {
                    since: now,
                    until: now + self.plan.arguments.timeout.max(LAST_ANSWERS),
                };
            }
            Stage::Settle { since, until } => {
                let answered = tally.answered >= tally.sent || now >= since + LAST_ANSWERS;
                if now >= until || (answered && self.clients.is_settled()) {
                    self.begin_leave(now);
                }
            }
            Stage::Leave if self.leaving.is_empty() => {
                self.outcome.ended = now;
                self.stage = Stage::Over;
            }
            _ => {}
        }
        self.stage != before
    }

    fn begin_leave(&mut self, now: Instant) {
        self.clients.stop_redialling();
        self.outcome.up = self.clients.up();
        self.outcome.hold_ended = Some(now);
        self.goodbyes = Pace::new(now, Some(GOODBYES), None);
        self.leaving = match self.plan.arguments.leave {
            // There is nothing to do for it.
            Leave::Vanish => Vec::new(),
            Leave::Politely | Leave::Mixed => self.clients.everybody(),
        };
        self.stage = Stage::Leave;
    }

    fn on_signal(&mut self, now: Instant) {
        match self.stage {
            Stage::Leave | Stage::Over => {
                self.outcome.ended = now;
                self.stage = Stage::Over;
            }
            _ => {
                self.outcome.interrupted = true;
                self.begin_leave(now);
            }
        }
    }

    /// When something is due by the clock.
    fn next_at(&self) -> Option<Instant> {
        let agenda = self.clients.agenda.next();
        let pace = |pace: &Option<Pace>| pace.and_then(|pace| pace.next());
        let ramp = self.ramp.next().filter(|_| {
            self.stage == Stage::Ramp
                && self.fresh < self.plan.clients
                && self.ramp.room(self.clients.connecting()) > 0
        });
        let stage = match self.stage {
            Stage::Hold { until } => Some(until),
            Stage::Leave => self.goodbyes.next(),
            Stage::Ramp | Stage::Settle { .. } | Stage::Over => None,
        };
        let traffic = match self.stage {
            Stage::Hold { .. } => [pace(&self.churn), pace(&self.stream)],
            _ => [None, None],
        };
        let queued = self.has_more().then_some(Instant::BOOT);
        [agenda, ramp, stage, queued]
            .into_iter()
            .chain(traffic)
            .flatten()
            .min()
    }

    /// Whether clients could dial right now, and were left for the next turn.
    fn has_more(&self) -> bool {
        let begins = matches!(
            self.stage,
            Stage::Ramp | Stage::Hold { .. } | Stage::Settle { .. }
        );
        let waits = self.clients.has_queued()
            || (self.stage == Stage::Ramp
                && self.fresh < self.plan.clients
                && self.plan.arguments.rate.is_none());
        begins && waits && self.ramp.room(self.clients.connecting()) > 0
    }
}
