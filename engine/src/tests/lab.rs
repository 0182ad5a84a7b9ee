//! A server's engine, and clients that speak L2TP and PPP with it.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use dataplane::{AddSession, Update};
use ppp::auth::Check;
use rand_core::SeedableRng;
use wire::{Carrier, Instant, Path, PeerId, Ports, Rng, Secret};

use crate::peer::{Child, Peer};
use crate::{
    AddressPolicy, AddressRange, Answer, Cause, Config, Engine, Event, GuardPolicy, Output,
    Request, RequestId, Server, SessionId, SessionInfo, SessionLimit, Terms, Upcall, Verdict,
};

/// The password of everybody.
const PASSWORD: &[u8] = b"opens sesame";
/// The address of bob; everybody else has one of the pool.
pub(super) const OF_BOB: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 77);
const PORTS: Ports = Ports {
    local: 1701,
    remote: 1701,
};

/// Names one program that speaks L2TP with the server.
pub(super) type ClientId = usize;

/// One program that speaks L2TP: what is lost when it is killed.
struct Client {
    /// Through whose SAs it speaks.
    peer: PeerId,
    user: &'static str,
    password: &'static [u8],
    l2tp: l2tp::Endpoint,
    tunnel: l2tp::TunnelId,
    link: Option<Link>,
    alive: bool,
}

struct Link {
    /// The server's numbers of the call.
    ids: (u16, u16),
    link: ppp::Link,
    up: bool,
    down: Option<ppp::CloseReason>,
}

pub(super) struct Lab {
    pub(super) engine: Engine,
    pub(super) now: Instant,
    clients: Vec<Client>,
    sessions: BTreeMap<SessionId, AddSession>,
    networks: BTreeMap<SessionId, dataplane::Network>,
    events: Vec<Event>,
    /// Whether requests to prepare wait in `preparing` for [`Lab::answer`].
    pub(super) slow: bool,
    /// Whether logins wait in `thoughts` for [`Lab::reject_all`].
    pub(super) thinking: bool,
    thoughts: VecDeque<RequestId>,
    /// Logins that were asked about.
    pub(super) asked: u32,
    /// How often a client sends each authentication packet.
    pub(super) copies: usize,
    /// Whether clients want sequence numbers in data messages (Sequencing Required).
    pub(super) sequencing: bool,
    /// How clients speak PPP.
    pub(super) habits: ppp::Habits,
    preparing: VecDeque<(RequestId, SessionInfo)>,
    /// What was said of sessions' networks and logins, and to the data plane, in order.
    pub(super) order: Vec<&'static str>,
    /// What users are let in on, where that is not what everybody gets.
    pub(super) terms: BTreeMap<&'static str, Terms>,
    /// IP packets of all sessions together.
    pub(super) packets: u64,
}

impl Lab {
    pub(super) fn new(session_limit: Option<SessionLimit>) -> Self {
        Self::with_guard(session_limit, GuardPolicy::default())
    }

    pub(super) fn with_guard(session_limit: Option<SessionLimit>, guard: GuardPolicy) -> Self {
        let range = AddressRange::new(
            Ipv4Addr::new(10, 10, 1, 2).into(),
            Ipv4Addr::new(10, 10, 1, 9).into(),
        );
        let config = Config {
            server: Some(Server {
                link: ppp::Config::server("l2tpd"),
                local: Ipv4Addr::new(10, 10, 1, 1),
                dns: [None; 2],
                wins: [None; 2],
                parameters: crate::dhcp::Parameters::default(),
                ranges: range.into_iter().collect(),
                reserved: [OF_BOB.into()].into(),
                idle_timeout: None,
                session_timeout: None,
                session_limit,
            }),
            guard,
            ..Config::default()
        };
        let slots = dataplane::Config::for_peers(8).slots;
        Self {
            engine: Engine::new(config, slots, Rng::seed_from_u64(1)),
            now: Instant::from_boot(Duration::from_secs(5_000)),
            clients: Vec::new(),
            sessions: BTreeMap::new(),
            networks: BTreeMap::new(),
            events: Vec::new(),
            slow: false,
            thinking: false,
            thoughts: VecDeque::new(),
            asked: 0,
            copies: 1,
            sequencing: false,
            habits: ppp::Habits::default(),
            preparing: VecDeque::new(),
            order: Vec::new(),
            terms: [("bob", Terms::with_addresses(AddressPolicy::only(OF_BOB)))].into(),
            packets: 0,
        }
    }

    /// A peer whose SAs are up.
    pub(super) fn add_peer(&mut self, address: Ipv4Addr) -> PeerId {
        let id = PeerId(self.engine.next_id());
        let path = Path {
            local: ([192, 0, 2, 1], 4500).into(),
            remote: (address, 4500).into(),
            carrier: Carrier::NatT,
        };
        let mut peer = Peer::new(id);
        peer.info = Some(ike::SaInfo {
            initiator: false,
            path,
            proven: path.remote.ip(),
            cookies: (ike::Cookie([1; 8]), ike::Cookie([2; 8])),
            peer_identity: ike::Identity::Ipv4(address),
            suite: "aes256-sha1-ecp384".to_owned(),
            lifetime: Duration::from_secs(28_800),
            nat: ike::Nat::default(),
            nat_traversal: None,
            key: ike::KeyName::only("everybody's"),
            make: ike::Make::Unknown,
            dpd: false,
            started: self.now,
            established: self.now,
        });
        peer.path = Some(path);
        let integrity = Some(esp::Integrity::HmacSha1_96);
        peer.suite = Some(esp::Suite::new(esp::Cipher::AesCbc256, integrity));
        // A peer without a child SA would not be kept.
        peer.children.insert(
            ike::ChildId(id.0),
            Box::new(Child {
                inbound: 0,
                outbound: 0,
                kilobytes: None,
                initiator: false,
                measuring: false,
                half: crate::peer::OutboundHalf::Active,
            }),
        );
        self.engine.peers.insert(id, Box::new(peer));
        id
    }

    /// A program at `peer` calls the server and logs in.
    pub(super) fn dial(&mut self, peer: PeerId, user: &'static str) -> ClientId {
        self.dial_with(peer, user, PASSWORD)
    }

    /// The same with another password than everybody's.
    pub(super) fn dial_with(
        &mut self,
        peer: PeerId,
        user: &'static str,
        password: &'static [u8],
    ) -> ClientId {
        let number = self.clients.len();
        let seed = u64::try_from(number).expect("few") + 100;
        let mut l2tp = l2tp::Endpoint::new(l2tp::Config::default(), Rng::seed_from_u64(seed));
        let tunnel = l2tp.open_tunnel(self.now, peer, PORTS, Arc::default());
        self.clients.push(Client {
            peer,
            user,
            password,
            l2tp,
            tunnel,
            link: None,
            alive: true,
        });
        self.pump();
        number
    }

    /// The same as [`Self::dial`], by a peer of its own; it must get in.
    pub(super) fn connect(&mut self, address: Ipv4Addr, user: &'static str) -> ClientId {
        let peer = self.add_peer(address);
        let client = self.dial(peer, user);
        assert!(self.is_up(client), "{:?}", self.events);
        client
    }

    /// A program ends without a word.
    pub(super) fn kill(&mut self, client: ClientId) {
        self.clients[client].alive = false;
    }

    pub(super) fn peer_of(&self, client: ClientId) -> PeerId {
        self.clients[client].peer
    }

    pub(super) fn is_up(&self, client: ClientId) -> bool {
        let link = self.clients[client].link.as_ref();
        link.is_some_and(|link| link.up && link.down.is_none())
    }

    /// Why a client's link has ended, in words.
    pub(super) fn why(&self, client: ClientId) -> String {
        let link = self.clients[client].link.as_ref();
        link.and_then(|link| link.down.as_ref())
            .map_or_else(|| "it is up".to_owned(), ToString::to_string)
    }

    /// The server's session of a client.
    pub(super) fn session_of(&self, client: ClientId) -> Option<SessionId> {
        let (peer, ids) = (
            self.clients[client].peer,
            self.clients[client].link.as_ref()?.ids,
        );
        let mut found = self.sessions.values().filter(|session| {
            session.peer == peer && (session.local_tunnel, session.local_session) == ids
        });
        found.next().map(|session| session.session)
    }

    /// How large packets of a session may be that come from its client.
    pub(super) fn mru_of(&self, session: Option<SessionId>) -> Option<u16> {
        Some(self.networks.get(&session?)?.mru)
    }

    /// Who is logged in, with which address, in the order of coming up.
    pub(super) fn online(&self) -> Vec<(String, String)> {
        let sessions = self.engine.sessions();
        sessions
            .map(|info| (info.user, info.remote_address.to_string()))
            .collect()
    }

    /// Why sessions have ended, and logins failed, since this was last asked.
    pub(super) fn news(&mut self) -> Vec<String> {
        let events = std::mem::take(&mut self.events).into_iter();
        let words = events.filter_map(|event| match event {
            Event::SessionDown(info, reason) => Some(format!("{} down: {reason}", info.user)),
            Event::LoginFailed { user, failure } => {
                Some(format!("{user} failed: {}", failure.what))
            }
            Event::Refused(failure) => Some(format!("refused: {}", failure.what)),
            Event::Slowed(slowed) => Some(format!("{:?} waits {:?}", slowed.who, slowed.wait)),
            Event::PeerDown { reason, .. } => Some(format!("peer gone: {reason}")),
            _ => None,
        });
        words.collect()
    }

    pub(super) fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let now = self.now;
            self.engine.handle_timeout(now);
            for client in self.clients.iter_mut().filter(|client| client.alive) {
                client.l2tp.handle_timeout(now);
                if let Some(link) = &mut client.link {
                    link.link.handle_timeout(now);
                }
            }
            self.pump();
        }
        self.now = end;
    }

    fn next_at(&self) -> Option<Instant> {
        let clients = self.clients.iter().filter(|client| client.alive);
        let theirs = clients.flat_map(|client| {
            let link = client
                .link
                .as_ref()
                .and_then(|link| link.link.poll_timeout());
            let l2tp = client.l2tp.poll_timeout();
            [link.map(|(at, _)| at), l2tp.map(|(at, _)| at)]
        });
        let own = self.engine.poll_timeout().map(|(at, _)| at);
        theirs.chain([own]).flatten().min()
    }

    /// Hands messages over until nobody has any more.
    pub(super) fn pump(&mut self) {
        loop {
            if let Some(output) = self.engine.poll_output() {
                self.on_engine_output(output);
            } else if !(0..self.clients.len()).any(|client| self.poll_client(client)) {
                return;
            }
        }
    }

    fn on_engine_output(&mut self, output: Output) {
        let now = self.now;
        match output {
            Output::SealControl { peer, bytes, .. } => {
                let there = self.clients.iter_mut();
                for client in there.filter(|client| client.peer == peer && client.alive) {
                    client.l2tp.handle_message(now, peer, PORTS, &bytes);
                }
            }
            Output::SealPpp { session, frame } => {
                let Some(session) = self.sessions.get(&session) else {
                    return;
                };
                let ids = (session.local_tunnel, session.local_session);
                let there = self.clients.iter_mut();
                for client in there.filter(|c| c.peer == session.peer && c.alive) {
                    if let Some(link) = client.link.as_mut().filter(|link| link.ids == ids) {
                        link.link.handle_frame(now, &frame);
                    }
                }
            }
            Output::DataPlane(Update::AddSession(session)) => {
                self.sessions.insert(session.session, session);
            }
            Output::DataPlane(Update::RemoveSession { session }) => {
                self.sessions.remove(&session);
            }
            Output::DataPlane(Update::SetNetwork { session, network }) => {
                let open = network.is_some();
                if let Some(network) = network {
                    self.networks.insert(session, network);
                }
                self.order.push(if open { "opened" } else { "closed" });
            }
            Output::Request(id, Request::Login(login)) => self.on_login(id, &login),
            Output::Request(id, Request::Packets { .. }) => {
                let answer = Answer::Packets(self.packets);
                self.engine.handle_answer(now, id, answer);
            }
            Output::Request(id, Request::Prepare(info)) => {
                self.order.push("prepare");
                self.preparing.push_back((id, *info));
                if !self.slow {
                    self.answer(Ok(()));
                }
            }
            Output::Event(event) => {
                self.order.extend(match &event {
                    Event::LoggedIn(_) => Some("in"),
                    Event::LoggedOut(_) => Some("out"),
                    Event::SessionUp(_) => Some("up"),
                    Event::SessionDown(..) => Some("down"),
                    _ => None,
                });
                self.events.push(event);
            }
            _ => {}
        }
    }

    /// Answers the oldest request to prepare; tells what it was about, if there was one.
    pub(super) fn answer(&mut self, result: Result<(), String>) -> Option<SessionInfo> {
        let (id, info) = self.take_request()?;
        self.engine
            .handle_answer(self.now, id, Answer::Prepared(result));
        Some(info)
    }

    /// The oldest request to prepare.
    pub(super) fn take_request(&mut self) -> Option<(RequestId, SessionInfo)> {
        self.preparing.pop_front()
    }

    fn on_login(&mut self, id: RequestId, login: &crate::Login) {
        self.asked += 1;
        if self.thinking {
            return self.thoughts.push_back(id);
        }
        let verdict = self.judge(login);
        self.engine
            .handle_answer(self.now, id, Answer::Login(verdict));
    }

    fn judge(&self, login: &crate::Login) -> Verdict {
        let name = &login.request.user;
        let account = ppp::UserName::new(name.without_domain()).expect("a short name");
        let terms = account.as_str().and_then(|name| self.terms.get(name));
        let terms = Arc::new(terms.cloned().unwrap_or_default());
        match login.request.exchange.check(name, &Secret::from(PASSWORD)) {
            Check::Passed(proof) => Verdict::Accept {
                account,
                proof,
                terms,
            },
            Check::Failed => Verdict::Reject {
                cause: Cause::WrongPassword,
                why: "wrong password".to_owned(),
            },
        }
    }

    /// Answers all logins that wait in `thoughts`: they are turned away.
    pub(super) fn reject_all(&mut self, cause: Cause) {
        while let Some(id) = self.thoughts.pop_front() {
            let verdict = Verdict::Reject {
                cause,
                why: cause.name().to_owned(),
            };
            self.engine
                .handle_answer(self.now, id, Answer::Login(verdict));
        }
        self.pump();
    }

    /// Takes one thing that a client wants; whether there was any.
    fn poll_client(&mut self, number: ClientId) -> bool {
        let now = self.now;
        let client = &mut self.clients[number];
        if !client.alive {
            return false;
        }
        let peer = client.peer;
        if let Some(output) = client.l2tp.poll_output() {
            match output {
                l2tp::Output::Transmit(l2tp::Transmit { ports, bytes, .. }) => {
                    let bytes = match self.sequencing {
                        true => demanding_numbers(bytes),
                        false => bytes,
                    };
                    let upcall = Upcall::Control { peer, ports, bytes };
                    self.engine.handle_upcall(now, upcall);
                }
                l2tp::Output::Event(l2tp::Event::SessionUp(up)) => {
                    let mut config =
                        ppp::Config::client(client.user, Secret::from(client.password));
                    config.habits = self.habits.clone();
                    let mut link = ppp::Link::new(config, Rng::seed_from_u64(7));
                    link.open(now);
                    client.link = Some(Link {
                        ids: (up.remote_tunnel, up.remote_session),
                        link,
                        up: false,
                        down: None,
                    });
                }
                l2tp::Output::Event(_) => {}
            }
            return true;
        }
        let Some(link) = &mut client.link else {
            return false;
        };
        let Some(output) = link.link.poll_output() else {
            return false;
        };
        match output {
            ppp::Output::Transmit(frame) => {
                let ids = link.ids;
                let mut sessions = self.sessions.values();
                let session = sessions
                    .find(|s| s.peer == peer && (s.local_tunnel, s.local_session) == ids)
                    .map(|session| session.session);
                if let Some(session) = session {
                    // CHAP, behind address and control.
                    let chap = frame.starts_with(&[0xff, 0x03, 0xc2, 0x23]);
                    for _ in 0..if chap { self.copies } else { 1 } {
                        let frame = frame.clone();
                        let upcall = Upcall::Ppp { session, frame };
                        self.engine.handle_upcall(now, upcall);
                    }
                }
            }
            ppp::Output::Event(ppp::Event::NetworkUp(_)) => link.up = true,
            ppp::Output::Event(ppp::Event::NetworkDown) => link.up = false,
            ppp::Output::Event(ppp::Event::Down { reason }) => {
                link.down = Some(reason);
                let tunnel = client.tunnel;
                client
                    .l2tp
                    .close_tunnel(now, tunnel, l2tp::CloseReason::Done);
            }
            ppp::Output::Event(_) | ppp::Output::Request(_) => {}
        }
        true
    }
}

/// An L2TP message; if it is ICCN, with Sequencing Required (RFC 2661 §4.4.4) behind its AVPs.
fn demanding_numbers(mut message: Vec<u8>) -> Vec<u8> {
    // Behind the header is the Message Type.
    if message.get(12..20) == Some(&[0x80, 8, 0, 0, 0, 0, 0, 12][..]) {
        message.extend([0x80, 6, 0, 0, 0, 39]);
        let length = u16::try_from(message.len()).expect("a short message");
        message[2..4].copy_from_slice(&length.to_be_bytes());
    }
    message
}
