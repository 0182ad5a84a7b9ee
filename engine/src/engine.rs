//! The engine itself: its tables, its entrances, and the draining of its children.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand_core::SeedableRng;
use wire::{Few, Instant, Path, PeerId, Rng, Source};

use crate::ending::Ending;
use crate::guard::Guard;
use crate::kin::Kindred;
use crate::peer::Peer;
use crate::session::Session;
use crate::timers::{Timer, Timers};
use crate::users::Users;
use crate::{
    Answer, Cause, Config, Event, GuardStatus, Output, PeerStatus, Pool, Reason, Request,
    RequestId, SessionId, SessionInfo, Upcall, Verdict, dhcp,
};

/// All peers and sessions of this host. See the [crate] for how to drive it.
pub struct Engine {
    pub(crate) config: Config,
    /// Settings of the server's links, shared by all of them.
    pub(crate) server_link: Option<Arc<ppp::Config>>,
    /// The same for clients that sleep for long.
    pub(crate) dozing_link: Option<Arc<ppp::Config>>,
    pub(crate) rng: Rng,
    pub(crate) ike: ike::Endpoint,
    pub(crate) l2tp: l2tp::Endpoint,
    pub(crate) spis: dataplane::SpiAllocator,
    pub(crate) pool: Pool,
    // Boxed: ids only grow, which leaves every node of such a map half empty.
    pub(crate) peers: BTreeMap<PeerId, Box<Peer>>,
    pub(crate) sessions: BTreeMap<SessionId, Box<Session>>,
    pub(crate) by_sa: BTreeMap<ike::SaId, PeerId>,
    pub(crate) by_child: BTreeMap<ike::ChildId, PeerId>,
    pub(crate) by_spi: BTreeMap<u32, ike::ChildId>,
    pub(crate) by_call: BTreeMap<l2tp::SessionId, SessionId>,
    pub(crate) kindred: Kindred,
    pub(crate) by_endpoint: BTreeMap<SocketAddr, Few<PeerId>>,
    /// The sessions of each user who was let in.
    pub(crate) users: Users,
    /// Who has failed too often.
    pub(crate) guard: Guard,
    /// The last peer that each peer has absorbed, and into which.
    pub(crate) joined: BTreeMap<PeerId, PeerId>,
    /// IKE SAs that we started and that are up, but whose place is told by the next event.
    pub(crate) successors: BTreeMap<ike::SaId, Box<ike::SaInfo>>,
    pub(crate) requests: BTreeMap<RequestId, Pending>,
    pub(crate) timers: Timers,
    pub(crate) dhcp: dhcp::Counters,
    /// Links that have been touched and not drained.
    pub(crate) touched: BTreeSet<SessionId>,
    pub(crate) endings: VecDeque<Ending>,
    outputs: VecDeque<Output>,
    last_id: u64,
}

/// What an answer is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pending {
    /// A computation that IKE waits for.
    Ike(ike::RequestId),
    /// A login.
    Login(SessionId),
    /// A session whose link is held.
    Prepare(SessionId),
    /// How many packets a session has carried.
    Packets(SessionId),
    /// How much a child SA has carried.
    Usage(ike::ChildId),
}

impl Engine {
    /// An engine without peers. `slots` is how many inbound SAs the data plane has room for.
    pub fn new(config: Config, slots: dataplane::SlotCount, mut rng: Rng) -> Self {
        let server = config.server.as_ref();
        let pool = server.map_or_else(Pool::default, |server| {
            let mut reserved = server.reserved.clone();
            reserved.insert(server.local.into());
            Pool::new(server.ranges.clone(), reserved)
        });
        Self {
            server_link: server.map(|server| Arc::new(server.link.clone())),
            dozing_link: server.map(|server| {
                let doze = config.timing.doze;
                Arc::new(patient(server.link.clone(), doze))
            }),
            ike: ike::Endpoint::new(config.ike.clone(), Rng::from_rng(&mut rng)),
            l2tp: l2tp::Endpoint::new(config.l2tp.clone(), Rng::from_rng(&mut rng)),
            guard: Guard::new(config.guard.clone()),
            spis: dataplane::SpiAllocator::new(slots, Rng::from_rng(&mut rng)),
            config,
            rng,
            pool,
            peers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            by_sa: BTreeMap::new(),
            by_child: BTreeMap::new(),
            by_spi: BTreeMap::new(),
            by_call: BTreeMap::new(),
            kindred: Kindred::default(),
            by_endpoint: BTreeMap::new(),
            users: Users::default(),
            joined: BTreeMap::new(),
            successors: BTreeMap::new(),
            requests: BTreeMap::new(),
            timers: Timers::default(),
            dhcp: dhcp::Counters::default(),
            touched: BTreeSet::new(),
            endings: VecDeque::new(),
            outputs: VecDeque::new(),
            last_id: 0,
        }
    }

    /// Replaces the pre-shared keys. What is up stays up.
    pub fn set_keys(&mut self, keys: Arc<ike::Keyring>) {
        self.ike.set_keys(keys);
    }

    /// Replaces the addresses that are fixed for one user. What is up stays up.
    pub fn set_reserved(&mut self, mut reserved: BTreeSet<std::net::IpAddr>) {
        if let Some(server) = &mut self.config.server {
            reserved.insert(server.local.into());
            server.reserved.clone_from(&reserved);
            self.pool.reserve(reserved);
        }
    }

    /// An ISAKMP message has come, its non-ESP marker already taken off.
    ///
    /// Of a source that has tried too many wrong keys, only what belongs to established IKE SAs
    /// is heard until its wait is over.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, bytes: &[u8]) {
        let source = Source::of(path.remote.ip());
        if self.guard.holds_handshakes(now, source) && self.ike.is_handshake(path, bytes) {
            return self.guard.note_dropped();
        }
        self.ike.handle_datagram(now, path, bytes);
        self.drain(now);
    }

    /// The data plane has something that it does not deal with itself.
    pub fn handle_upcall(&mut self, now: Instant, upcall: Upcall) {
        self.on_upcall(now, upcall);
        self.drain(now);
    }

    /// The data plane has noticed something.
    pub fn handle_notice(&mut self, now: Instant, notice: dataplane::Notice) {
        self.on_notice(now, notice);
        self.drain(now);
    }

    /// The answer to a [`Request`]. One that is no longer waited for is ignored.
    pub fn handle_answer(&mut self, now: Instant, id: RequestId, answer: Answer) {
        match (self.requests.remove(&id), answer) {
            (Some(Pending::Ike(id)), Answer::Computed(result)) => {
                self.ike
                    .handle_answer(now, id, ike::Answer::Computed(result));
            }
            (Some(Pending::Login(session)), Answer::Login(verdict)) => {
                self.on_verdict(now, session, id, verdict);
            }
            (Some(Pending::Prepare(session)), Answer::Prepared(result)) => {
                self.on_prepared(now, session, result);
            }
            (Some(Pending::Prepare(session)), Answer::Unavailable) => {
                let why = "nobody prepares sessions".to_owned();
                self.on_prepared(now, session, Err(why));
            }
            (Some(Pending::Usage(child)), Answer::Usage(bytes)) => {
                self.on_usage(now, child, bytes);
            }
            (Some(Pending::Packets(session)), Answer::Packets(packets)) => {
                self.on_packets(now, session, packets);
            }
            (Some(Pending::Ike(id)), Answer::Unavailable) => {
                self.ike.handle_answer(now, id, ike::Answer::Unavailable);
            }
            (Some(Pending::Login(session)), Answer::Unavailable) => {
                let cause = Cause::UsersUnavailable;
                let why = "the passwords cannot be looked up".to_owned();
                self.on_verdict(now, session, id, Verdict::Reject { cause, why });
            }
            // An answer of the wrong kind is the caller's mistake; the request stays unanswered.
            (Some(_) | None, _) => {}
        }
        self.drain(now);
    }

    /// Time has passed. Calls that come early do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ike.handle_timeout(now);
        self.l2tp.handle_timeout(now);
        while let Some(timer) = self.timers.pop(now) {
            self.on_timer(now, timer);
        }
        self.drain(now);
    }

    /// When [`Self::handle_timeout`] is to be called next, and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let ike = self.ike.poll_timeout().map(|(at, _)| (at, "IKE"));
        let l2tp = self.l2tp.poll_timeout().map(|(at, _)| (at, "L2TP"));
        let own = self.timers.next().map(|(at, timer)| match timer {
            Timer::Link(_) => (at, "PPP"),
            Timer::Inform(_) => (at, "DHCP"),
            Timer::Idle(_) | Timer::Expiry(_) => (at, "session"),
            Timer::Grace(_) | Timer::Doubt(_) | Timer::Attempt(_) => (at, "peer"),
        });
        [ike, l2tp, own].into_iter().flatten().min()
    }

    /// The next thing to do. To be called until `None` after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        wire::pop_front(&mut self.outputs)
    }

    /// Ends a session, and its peer with it when nothing else lives there.
    pub fn close_session(&mut self, now: Instant, session: SessionId) {
        self.end_session(session, Reason::Operator);
        self.drain(now);
    }

    /// Ends a session whose own interface is gone: somebody has removed it.
    pub fn interface_gone(&mut self, now: Instant, session: SessionId) {
        self.end_session(session, Reason::InterfaceGone);
        self.drain(now);
    }

    /// Ends one peer with everything that is its.
    pub fn close_peer(&mut self, now: Instant, peer: PeerId, reason: Reason) {
        self.end_peer(peer, reason, true);
        self.drain(now);
    }

    /// Says goodbye to every peer, once and without waiting for answers: Terminate-Request, StopCCN
    /// (which ends the calls too, RFC 2661 §5.7), DELETE of the ESP SAs, DELETE of the IKE SA.
    pub fn close_all(&mut self, now: Instant) {
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        for peer in peers {
            self.end_peer(peer, Reason::ShuttingDown, true);
        }
        self.drain(now);
    }

    /// Forgets that logins of a user have failed, and ends what follows from it; how much there
    /// was to forget. The same for [`Self::forgive_source`] and [`Self::forgive_all`].
    pub fn forgive_user(&mut self, user: &ppp::UserName) -> usize {
        self.guard.forgive_user(user)
    }

    /// Forgets what has failed from a source.
    pub fn forgive_source(&mut self, source: Source) -> usize {
        self.guard.forgive_source(source)
    }

    /// Forgets everything that has failed.
    pub fn forgive_all(&mut self) -> usize {
        self.guard.forgive_all()
    }

    /// Who has to wait because of failures.
    pub fn guard_status(&self, now: Instant) -> GuardStatus {
        self.guard.status(now)
    }

    /// The sessions that carry traffic.
    pub fn sessions(&self) -> impl Iterator<Item = SessionInfo> + '_ {
        self.sessions
            .values()
            .filter_map(|session| self.session_info(session))
    }

    /// All peers.
    pub fn peers(&self) -> impl Iterator<Item = PeerStatus> + '_ {
        self.peers.values().filter_map(|peer| peer.status())
    }

    /// How to tell IKE messages with cookies of ours from others, for whoever receives them.
    pub fn cookies(&self) -> ike::Cookies {
        self.ike.cookies()
    }

    /// How many handshakes wait for others to be finished.
    pub fn waiting(&self) -> usize {
        self.ike.waiting()
    }

    /// What IKE has dropped and done.
    pub fn ike_counters(&self) -> ike::Counters {
        self.ike.counters()
    }

    /// How many IKE SAs are half-open.
    pub fn half_open(&self) -> usize {
        self.ike.occupancy().0
    }

    /// What L2TP has dropped.
    pub fn l2tp_counters(&self) -> &l2tp::Counters {
        self.l2tp.counters()
    }

    /// How many addresses are out.
    pub fn addresses_in_use(&self) -> usize {
        self.pool.in_use()
    }

    /// How many of them are of the ranges; those that are fixed for users may lie elsewhere.
    pub fn addresses_lent(&self) -> usize {
        self.pool.lent()
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.output(Output::Event(event));
    }

    pub(crate) fn request(&mut self, pending: Pending, request: Request) -> RequestId {
        let id = RequestId(self.next_id());
        self.requests.insert(id, pending);
        self.output(Output::Request(id, request));
        id
    }

    /// A number never given before, for whatever needs a name.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Deals with everything the children have to say, and with what follows from it.
    pub(crate) fn drain(&mut self, now: Instant) {
        self.drain_children(now);
        while let Some(ending) = self.endings.pop_front() {
            self.on_ending(now, ending);
            self.drain_children(now);
        }
    }

    pub(crate) fn drain_children(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.ike.poll_output() {
                self.on_ike_output(now, output);
            } else if let Some(output) = self.l2tp.poll_output() {
                self.on_l2tp_output(now, output);
            } else if let Some(session) = self.touched.pop_first() {
                self.drain_link(now, session);
            } else {
                break;
            }
        }
    }
}

/// Settings of a link that lives through a silence of `doze`: as many unanswered echo requests as
/// go into it.
pub(crate) fn patient(mut link: ppp::Config, doze: Duration) -> ppp::Config {
    if let Some(interval) = link.timers.echo_interval {
        let echoes = doze.as_secs() / interval.as_secs().max(1);
        let echoes = u32::try_from(echoes).unwrap_or(u32::MAX);
        link.timers.echo_failures = link.timers.echo_failures.max(echoes);
    }
    link
}
