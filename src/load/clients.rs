//! All clients: what each is doing, found by its place, its peer, or among those that are up.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use dataplane::{DataPlane, SessionId};
use engine::{Cause, Engine, Event, Login, Reason, SessionInfo, Stage, Verdict};
use rand_core::Rng as _;
use wire::{Instant, PeerId};

use super::agenda::{Agenda, Due, Task};
use super::tally::Tally;
use crate::client::too_late;
use crate::io::clock;
use crate::shell::Host;

/// How long a client waits that failed so often in a row, before it dials again.
const PAUSES: [u64; 6] = [1, 2, 4, 8, 16, 30];

/// What a client is doing.
#[derive(Debug, Clone)]
enum Phase {
    /// Nothing, or nothing any more.
    Idle,
    /// It waits for its turn to dial.
    Queued,
    /// It waits until it dials again.
    Waiting,
    Connecting {
        peer: PeerId,
        begun: Instant,
        /// When the last stage was complete, and which it was.
        mark: Instant,
        reached: Option<Stage>,
    },
    Up(Up),
}

/// A client with a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Up {
    pub(super) peer: PeerId,
    pub(super) session: SessionId,
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    /// Its place among those that are up.
    place: usize,
}

#[derive(Debug, Clone)]
struct Client {
    phase: Phase,
    /// Where it is: one of [`super::plan::Plan::endpoints`].
    endpoint: u32,
    /// Counts its dials, so that what was meant for an earlier one is recognised.
    turn: u32,
    /// Dials in a row that have failed.
    failures: usize,
    /// When it lost its session, until it has one again.
    lost: Option<Instant>,
}

/// All clients.
pub(super) struct Clients {
    all: Vec<Client>,
    by_peer: BTreeMap<PeerId, u32>,
    /// Those that are up, in no order.
    up: Vec<u32>,
    /// Those that are to dial as soon as they may.
    queued: VecDeque<u32>,
    /// Where nobody is, the place that was left last at the end.
    vacant: VecDeque<u32>,
    connecting: usize,
    waiting: usize,
    redial: bool,
    rng: wire::Rng,
    pub(super) agenda: Agenda,
    pub(super) tally: Tally,
    /// How often each pings.
    ping: Option<Duration>,
}

impl Clients {
    /// `count` clients, none of which is there yet, and places for `endpoints`, as many at least.
    pub(super) fn new(
        now: Instant,
        count: u32,
        endpoints: u32,
        redial: bool,
        ping: Option<Duration>,
        rng: wire::Rng,
    ) -> Self {
        let client = |endpoint| Client {
            phase: Phase::Idle,
            endpoint,
            turn: 0,
            failures: 0,
            lost: None,
        };
        Self {
            all: (0..count).map(client).collect(),
            by_peer: BTreeMap::new(),
            up: Vec::new(),
            queued: VecDeque::new(),
            vacant: (count..endpoints).collect(),
            connecting: 0,
            waiting: 0,
            redial,
            rng,
            agenda: Agenda::default(),
            tally: Tally::new(now),
            ping,
        }
    }

    fn get(&mut self, slot: u32) -> Option<&mut Client> {
        self.all.get_mut(usize::try_from(slot).ok()?)
    }

    /// How many are connecting.
    pub(super) const fn connecting(&self) -> usize {
        self.connecting
    }

    /// How many have a session.
    pub(super) fn up(&self) -> usize {
        self.up.len()
    }

    /// Whether no client that has begun is still about to come up.
    pub(super) fn is_settled(&self) -> bool {
        self.connecting == 0 && self.waiting == 0 && self.queued.is_empty()
    }

    /// The next that is to dial again, or in somebody's place.
    pub(super) fn next_queued(&mut self) -> Option<u32> {
        let slot = self.queued.pop_front()?;
        if let Some(client) = self.get(slot) {
            client.phase = Phase::Idle;
        }
        Some(slot)
    }

    /// Whether there is one.
    pub(super) fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Where a client is.
    pub(super) fn endpoint(&self, slot: u32) -> Option<u32> {
        let client = self.all.get(usize::try_from(slot).ok()?);
        client.map(|client| client.endpoint)
    }

    /// A client has dialled.
    pub(super) fn on_dialled(&mut self, now: Instant, slot: u32, peer: PeerId, patience: Duration) {
        let Some(client) = self.get(slot) else { return };
        client.turn = client.turn.wrapping_add(1);
        let turn = client.turn;
        client.phase = Phase::Connecting {
            peer,
            begun: now,
            mark: now,
            reached: None,
        };
        self.by_peer.insert(peer, slot);
        self.connecting = self.connecting.saturating_add(1);
        self.tally.begun = self.tally.begun.saturating_add(1);
        self.agenda.add(Due {
            at: now + patience,
            task: Task::GiveUp,
            slot,
            turn,
        });
    }

    /// One of those that are up: the `number`th, round and round.
    pub(super) fn in_turn(&self, number: u64) -> Option<u32> {
        let count = u64::try_from(self.up.len()).ok()?;
        let place = usize::try_from(number.checked_rem(count)?).ok()?;
        self.up.get(place).copied()
    }

    /// Any of those that are up.
    pub(super) fn any_up(&mut self) -> Option<u32> {
        let number = self.rng.next_u64();
        self.in_turn(number)
    }

    /// A client's session and its turn, if it has one.
    pub(super) fn session(&self, slot: u32) -> Option<(Up, u32)> {
        let client = self.all.get(usize::try_from(slot).ok()?)?;
        match client.phase {
            Phase::Up(up) => Some((up, client.turn)),
            _ => None,
        }
    }

    /// A client leaves, from whatever it is doing; the peer that is to be closed then. What the
    /// engine says about that peer from now on is nobody's.
    pub(super) fn leave(&mut self, slot: u32) -> Option<PeerId> {
        let before = std::mem::replace(&mut self.get(slot)?.phase, Phase::Idle);
        let peer = match before {
            Phase::Up(up) => {
                self.vacate(up);
                up.peer
            }
            Phase::Connecting { peer, .. } => {
                self.connecting = self.connecting.saturating_sub(1);
                peer
            }
            other => {
                if let Some(client) = self.get(slot) {
                    client.phase = other;
                }
                return None;
            }
        };
        self.by_peer.remove(&peer);
        Some(peer)
    }

    /// Somebody else takes the place of a client that has left.
    pub(super) fn replace(&mut self, slot: u32) {
        self.tally.left = self.tally.left.saturating_add(1);
        let elsewhere = self.vacant.pop_front();
        let Some(client) = self.get(slot) else { return };
        (client.failures, client.lost) = (0, None);
        if let Some(endpoint) = elsewhere {
            let before = std::mem::replace(&mut client.endpoint, endpoint);
            self.vacant.push_back(before);
        }
        self.queue(slot);
    }

    /// A client has not come up in its time; the peer that is to be closed.
    pub(super) fn give_up(&mut self, due: &Due, limit: Duration) -> Option<PeerId> {
        let client = self
            .get(due.slot)
            .filter(|client| client.turn == due.turn)?;
        let Phase::Connecting { reached, .. } = client.phase else {
            return None;
        };
        let peer = self.leave(due.slot)?;
        self.on_failed(due.at, due.slot, reached, &too_late(limit, reached));
        Some(peer)
    }

    /// A client that has waited dials again.
    pub(super) fn redial(&mut self, due: &Due) {
        let client = self.get(due.slot);
        if client
            .is_some_and(|client| client.turn == due.turn && matches!(client.phase, Phase::Waiting))
        {
            self.waiting = self.waiting.saturating_sub(1);
            self.queue(due.slot);
        }
    }

    /// All that are to say goodbye.
    pub(super) fn everybody(&self) -> Vec<u32> {
        self.by_peer.values().copied().collect()
    }

    /// From now on who fails or is lost stays so.
    pub(super) fn stop_redialling(&mut self) {
        self.redial = false;
    }

    fn queue(&mut self, slot: u32) {
        if let Some(client) = self.get(slot) {
            client.phase = Phase::Queued;
            self.queued.push_back(slot);
        }
    }

    /// Takes a client out of those that are up.
    fn vacate(&mut self, up: Up) {
        if up.place < self.up.len() {
            self.up.swap_remove(up.place);
        }
        if let Some(moved) = self.up.get(up.place).copied()
            && let Some(Phase::Up(other)) = self.get(moved).map(|client| &mut client.phase)
        {
            other.place = up.place;
        }
    }

    fn on_failed(&mut self, now: Instant, slot: u32, reached: Option<Stage>, why: &str) {
        let stage = reached.map_or(Stage::Phase1, Stage::next);
        self.tally.on_failed(stage, why);
        if !self.redial {
            return;
        }
        let Some(client) = self.get(slot) else { return };
        let pause = PAUSES.get(client.failures).or(PAUSES.last());
        client.failures = client.failures.saturating_add(1);
        client.phase = Phase::Waiting;
        let due = Due {
            at: now + Duration::from_secs(pause.copied().unwrap_or_default()),
            task: Task::Redial,
            slot,
            turn: client.turn,
        };
        self.waiting = self.waiting.saturating_add(1);
        self.agenda.add(due);
    }

    fn on_progress(&mut self, now: Instant, peer: PeerId, stage: Stage) {
        let Some(slot) = self.by_peer.get(&peer).copied() else {
            return;
        };
        let Some(Phase::Connecting { mark, reached, .. }) =
            self.get(slot).map(|client| &mut client.phase)
        else {
            return;
        };
        if reached.is_none_or(|reached| reached < stage) {
            let took = now.saturating_since(*mark);
            (*mark, *reached) = (now, Some(stage));
            self.tally.on_stage(stage, took);
        }
    }

    fn on_session_up(&mut self, now: Instant, info: &SessionInfo) {
        let Some(slot) = self.by_peer.get(&info.peer).copied() else {
            return;
        };
        self.on_progress(now, info.peer, Stage::Network);
        let place = self.up.len();
        let Some(client) = self.get(slot) else { return };
        let up = |place| Up {
            peer: info.peer,
            session: info.session,
            local: info.local_address,
            remote: info.remote_address,
            place,
        };
        let begun = match client.phase {
            Phase::Connecting { begun, .. } => begun,
            // The link was negotiated anew.
            Phase::Up(before) => {
                client.phase = Phase::Up(up(before.place));
                return;
            }
            _ => return,
        };
        client.phase = Phase::Up(up(place));
        client.failures = 0;
        let (lost, turn) = (client.lost.take(), client.turn);
        self.up.push(slot);
        self.connecting = self.connecting.saturating_sub(1);
        let took = now.saturating_since(begun);
        self.tally.on_up(now, took, self.up.len());
        if let Some(lost) = lost {
            self.tally.on_returned(now.saturating_since(lost));
        }
        if let Some(interval) = self.ping {
            // Those that have come up together do not ping together.
            let part = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
            self.agenda.add(Due {
                at: now + interval.mul_f64(part),
                task: Task::Ping,
                slot,
                turn,
            });
        }
    }

    fn on_peer_down(&mut self, now: Instant, peer: PeerId, reason: &Reason) {
        let Some(slot) = self.by_peer.get(&peer).copied() else {
            return;
        };
        let client = self.get(slot).map(|client| client.phase.clone());
        let Some(phase) = client else { return };
        self.leave(slot);
        match phase {
            Phase::Connecting { reached, .. } => {
                self.on_failed(now, slot, reached, &reason.to_string());
            }
            Phase::Up(_) => {
                self.tally.on_lost(&reason.to_string());
                if self.redial
                    && let Some(client) = self.get(slot)
                {
                    client.lost = Some(now);
                    self.queue(slot);
                }
            }
            Phase::Idle | Phase::Queued | Phase::Waiting => {}
        }
    }
}

impl Host for Clients {
    fn login(&mut self, _: Login, _: &mut Engine) -> Verdict {
        Verdict::Reject {
            cause: Cause::Other,
            why: "a client lets nobody in".to_owned(),
        }
    }

    fn event(&mut self, event: Event, _: &DataPlane) {
        let now = clock::now();
        match event {
            Event::Progress { peer, stage } => self.on_progress(now, peer, stage),
            Event::SessionUp(info) => self.on_session_up(now, &info),
            Event::PeerDown { peer, reason } => self.on_peer_down(now, peer, &reason),
            // The end of a session is the end of its peer, and a refusal leads to it.
            Event::SessionDown(..)
            | Event::SessionInformed(_)
            | Event::Refused(_)
            | Event::LoggedIn(_)
            | Event::LoggedOut(_)
            | Event::LoginFailed { .. }
            | Event::Slowed(_) => {}
        }
    }
}

#[cfg(test)]
#[path = "clients_tests.rs"]
mod tests;
