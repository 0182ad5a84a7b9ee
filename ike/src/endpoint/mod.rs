//! All IKE SAs of a host.

mod admission;
mod children;
mod fragments;
mod incoming;
mod informational;
mod main_mode;
mod quick_mode;
mod timeouts;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use wire::{Few, Instant, Path, Rng, Secret};

use crate::census::Census;
use crate::codec::{Cookie, Identity, MessageId};
use crate::context::{Asker, Context};
use crate::crypto::Group;
use crate::fragment::{FragmentCounters, Reassembly};
use crate::habits::FirstPort;
use crate::half_open::HalfOpen;
use crate::quick_mode::QuickMode;
use crate::sa::{Party, Phase, Sa};
use crate::{
    Answer, ChildId, CloseReason, Config, Cookies, Event, Habits, Keyring, Output, Refusal,
    RequestId, SaId, SaInfo, Timer,
};

/// What the initiator needs to know.
#[derive(Debug, Clone)]
pub struct Initiate {
    /// From here to the peer's port 500. The local address must be the one the peer will see
    /// without NAT, not a wildcard.
    pub ike: Path,
    /// From here to the peer's port 4500: where Main Mode goes on when there is a NAT. The local
    /// port may be any.
    pub natt: Path,
    /// The pre-shared key.
    pub key: Secret,
    /// Our phase 1 identity; the local address if there is none.
    pub identity: Option<Identity>,
    /// Falsify the hash of our own end, so that ESP goes in UDP even without a NAT: for a process
    /// that may not use raw sockets.
    pub force_udp: bool,
    /// Our end of the traffic: the UDP port L2TP is spoken from; 1701 or ephemeral.
    pub l2tp_port: u16,
    /// The group for perfect forward secrecy, if it is wanted.
    pub pfs: Option<Group>,
    /// What is put on the wire, and when: our own way, or that of another client.
    pub habits: Habits,
}

/// What was seen and not worth an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Datagrams handed in.
    pub received: u64,
    /// Datagrams handed out.
    pub sent: u64,
    /// Messages that are not ISAKMP, or whose payloads do not follow their format.
    pub malformed: u64,
    /// Messages with cookies that name no IKE SA here.
    pub unknown_cookies: u64,
    /// Encrypted messages that do not decrypt or whose hash is wrong.
    pub unauthentic: u64,
    /// Messages that came again.
    pub repeated: u64,
    /// Messages that fit no exchange, or not its state.
    pub unexpected: u64,
    /// Half-open IKE SAs that gave way to newer ones.
    pub evicted: u64,
    /// Quick Modes beyond those that one IKE SA, or with powers to compute one address, may have
    /// under way.
    pub crowded_quick_modes: u64,
    /// Child SAs that gave way to newer ones of the same IKE SA.
    pub crowded_children: u64,
    /// First messages that had to wait for their answer.
    pub waited: u64,
    /// First messages that found no room to wait, or gave way to others there.
    pub turned_away: u64,
    /// Half-open IKE SAs that were never finished.
    pub half_open_timeouts: u64,
    /// Main Modes begun by others.
    pub main_modes: u64,
    /// Quick Modes begun by others.
    pub quick_modes: u64,
    /// Refusals, reported or not.
    pub refused: u64,
    /// Messages in pieces.
    pub fragments: FragmentCounters,
}

/// A child SA that exists.
#[derive(Debug)]
struct Child {
    /// The IKE SA it belongs to; it may be gone.
    sa: SaId,
    party: Party,
    inbound: u32,
    outbound: u32,
    /// Whether we proposed it, and so replace it.
    initiator: bool,
    confirmed: bool,
    /// The Quick Mode that made it.
    message_id: MessageId,
    /// The Quick Mode that is to replace it is under way.
    rekeying: bool,
    /// The peer has been told of its end, which comes when its successor is up.
    told: bool,
}

/// What one party has.
#[derive(Debug, Default)]
struct Members {
    sas: Few<SaId>,
    children: Few<ChildId>,
}

/// All IKE SAs of a host.
#[derive(Debug)]
pub struct Endpoint {
    context: Context,
    // Boxed: ids only grow, which leaves every node of such a map half empty.
    sas: BTreeMap<SaId, Box<Sa>>,
    /// IKE SAs that others started, by our cookie.
    responding: BTreeMap<Cookie, SaId>,
    /// IKE SAs that we started, by our cookie.
    initiating: BTreeMap<Cookie, SaId>,
    /// IKE SAs that others started, by what identifies a repetition of message 1.
    firsts: BTreeMap<(Cookie, SocketAddr), SaId>,
    half_open: HalfOpen,
    established: Census,
    children: BTreeMap<ChildId, Child>,
    /// Child SAs by whose they are and the SPI the peer knows them by.
    by_spi: BTreeMap<(Party, u32), ChildId>,
    parties: BTreeMap<Party, Members>,
    /// Child SAs under way that are to replace others.
    replacing: BTreeMap<ChildId, ChildId>,
    fragments: Reassembly,
}

impl Endpoint {
    /// An endpoint without keys and SAs.
    pub fn new(config: Config, rng: Rng) -> Self {
        Self {
            context: Context::new(config, rng),
            sas: BTreeMap::new(),
            responding: BTreeMap::new(),
            initiating: BTreeMap::new(),
            firsts: BTreeMap::new(),
            half_open: HalfOpen::default(),
            established: Census::default(),
            children: BTreeMap::new(),
            by_spi: BTreeMap::new(),
            parties: BTreeMap::new(),
            replacing: BTreeMap::new(),
            fragments: Reassembly::default(),
        }
    }

    /// Sets the pre-shared keys for Main Modes that others start from now on.
    pub fn set_keys(&mut self, keys: Arc<Keyring>) {
        self.context.key_history.keep(keys.names());
        self.context.keys = keys;
    }

    /// Takes an ISAKMP message, without the non-ESP marker.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        self.context.now = now;
        self.on_datagram(path, datagram);
    }

    /// Does what is due. Calls without need do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.context.now = now;
        while let Some((owner, timer)) = self.context.timers.pop(now) {
            self.on_timer(owner, timer);
        }
    }

    /// Takes the answer to a request. Answers to requests that no longer matter are ignored.
    pub fn handle_answer(&mut self, now: Instant, request: RequestId, answer: Answer) {
        self.context.now = now;
        let done = matches!(answer, Answer::Computed(_));
        self.context.admission.note_answer(now, request, done);
        self.context.powers.note_answer(request);
        self.on_answer(request, answer);
        self.admit_waiting();
    }

    fn on_answer(&mut self, request: RequestId, answer: Answer) {
        match (self.context.take_asker(request), answer) {
            (Some(Asker::MainMode(sa)), Answer::Computed(result)) => {
                self.on_main_mode_computed(sa, result);
            }
            (Some(Asker::QuickMode(sa, id)), Answer::Computed(result)) => {
                self.on_quick_mode_computed(sa, id, result);
            }
            (Some(Asker::QuickMode(sa, id)), Answer::Spi(Some(spi))) => self.on_spi(sa, id, spi),
            (Some(Asker::MainMode(sa)), Answer::Unavailable) => self.on_main_mode_unavailable(sa),
            (Some(Asker::QuickMode(sa, id)), Answer::Spi(None)) => self.on_no_spi(sa, id),
            (Some(Asker::QuickMode(sa, id)), Answer::Unavailable) => {
                self.on_quick_mode_not_computed(sa, id);
            }
            // The exchange is gone; the SPI must not be lost with it.
            (_, Answer::Spi(Some(spi))) => self.context.event(Event::SpiUnused(spi)),
            _ => {}
        }
    }

    /// The next thing to do; to be called until `None` after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.context.next_output()
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        self.context.timers.next()
    }

    /// Starts a Main Mode. It replaces nothing: there may be others under way or established with
    /// the same peer.
    pub fn initiate(&mut self, now: Instant, initiate: Initiate) -> SaId {
        self.context.now = now;
        let path = match initiate.habits.first_port {
            FirstPort::Ike => initiate.ike,
            FirstPort::NatT => initiate.natt,
        };
        self.begin_main_mode(Box::new(initiate), path, None)
    }

    /// Starts a Quick Mode. `None` if the IKE SA is not established.
    ///
    /// When it fails, [`Event::ChildDown`] says so.
    pub fn start_child(&mut self, now: Instant, sa: SaId) -> Option<ChildId> {
        self.context.now = now;
        self.begin_child(sa, None)
    }

    /// Starts a Quick Mode that is to replace `child`, because its volume or its sequence numbers
    /// run out. Only for child SAs that we proposed; does nothing while one is under way.
    pub fn rekey_child(&mut self, now: Instant, child: ChildId) {
        self.context.now = now;
        self.on_child_rekey(child);
    }

    /// Starts a Main Mode that is to replace `sa` before its time. Only for IKE SAs that we
    /// started; does nothing while one is under way. When it is up, [`Event::SaRekeyed`] says so.
    pub fn rekey_sa(&mut self, now: Instant, sa: SaId) {
        self.context.now = now;
        self.on_sa_rekey(sa);
    }

    /// The peer's first valid ESP packet has come on `child`: as good as Quick Mode message 3.
    pub fn confirm_child(&mut self, now: Instant, child: ChildId) {
        self.context.now = now;
        self.on_traffic(child);
        self.on_confirmed(child, QuickMode::RespondInUse);
    }

    /// The peer's ESP comes over `path` now, and ESP to it goes there: a NAT has given it another
    /// address or port. Questions of ours and DELETEs go there too. Answers go where the question
    /// comes from, as always.
    pub fn follow(&mut self, now: Instant, sa: SaId, path: Path) {
        self.context.now = now;
        self.on_esp_moved(sa, path);
    }

    /// A valid ESP packet has come lately on `child`: the peer is alive. Calls at intervals of
    /// seconds are enough.
    pub fn note_traffic(&mut self, now: Instant, child: ChildId) {
        self.context.now = now;
        self.on_traffic(child);
    }

    /// Ends a child SA and tells the peer.
    pub fn delete_child(&mut self, now: Instant, child: ChildId) {
        self.context.now = now;
        self.end_child(child, CloseReason::Requested);
    }

    /// Ends an IKE SA and the child SAs that belong to it, and tells the peer.
    pub fn close(&mut self, now: Instant, sa: SaId, reason: CloseReason) {
        self.context.now = now;
        self.end_sa(sa, reason);
    }

    /// What is known about an IKE SA, if it is established.
    pub fn info(&self, sa: SaId) -> Option<SaInfo> {
        let sa = self.sas.get(&sa)?;
        match &sa.phase {
            Phase::Established(established) => Some(established.info(&sa.frame)),
            _ => None,
        }
    }

    /// How to tell messages with cookies of ours from others, for whoever receives them.
    pub fn cookies(&self) -> Cookies {
        self.context.cookies.clone()
    }

    /// How many IKE SAs are half-open and how many are established.
    pub const fn occupancy(&self) -> (usize, usize) {
        (self.half_open.len(), self.established.total())
    }

    /// Bytes that messages cost of which some fragments have not come.
    pub const fn fragment_bytes(&self) -> usize {
        self.fragments.bytes()
    }

    /// How many first messages wait for their answer.
    pub fn waiting(&self) -> usize {
        self.context.admission.len()
    }

    /// What was seen and not worth an event.
    pub const fn counters(&self) -> Counters {
        self.context.counters
    }

    /// The refusals that no [`Event::Refused`] told of, because the same had been told lately, or
    /// too much at once of peers that may be forged: one of each kind, and how many there were.
    pub fn refused_silently(&self) -> impl Iterator<Item = (&Refusal, u64)> {
        self.context.refused_silently()
    }
}
