//! The whole engine, with its data plane, for clients and a network that do what the input says: datagrams are
//! lost, repeated, overtaken, changed before and after they are sealed; time jumps; passwords change, keys are
//! loaded anew, sessions are closed, clients vanish and come back.
//!
//! What must hold, whatever they do:
//!
//! - what the engine wants of the data plane can be done, and nothing is sealed for a peer before it has an SA
//!   (`Party` sees to both);
//! - half-open SAs, peers, sessions, addresses, deadlines and questions stay within what the configuration and
//!   the number of peers allow;
//! - when all have said goodbye and some time has passed, nothing is left, neither in the engine nor in the
//!   tables of the data plane.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine::{AddressRange, Config, Reason};
use ppp::Method;
use wire::{Carrier, Instant, PeerId, Ports, Secret};

use crate::datagram;
use crate::echo;
use crate::input::Input;
use crate::mutator::Mutator;
use crate::net::{Datagram, HostId, Network, Protocol};
use crate::party::{self, Layer, Party};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const CLIENTS: usize = 3;
/// So many datagrams wait on the network at most; the oldest are lost.
const IN_FLIGHT: usize = 64;
/// So many addresses are lent: fewer than there may be clients.
const POOL: usize = 2;
const HALF_OPEN: usize = 6;

/// Which message of a layer is changed next, and how.
type Changes = Rc<RefCell<VecDeque<(Layer, u64)>>>;

struct World {
    now: Instant,
    net: Network,
    in_flight: VecDeque<Datagram>,
    server: Party,
    clients: Vec<Party>,
    changes: Vec<Changes>,
    /// Clients so far, for the randomness of the next.
    born: u64,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(input.byte());
    while !input.is_empty() {
        world.step(&mut input);
        world.check();
    }
    world.end();
}

fn quick(mut config: Config) -> Config {
    let policy = config.ike.policy.with_groups(&["ecp256"]);
    config.ike.policy = policy.expect("a group that there is");
    config
}

fn server_config(options: u8) -> Config {
    let all = [Method::MsChapV2, Method::Chap, Method::Pap];
    let mut config = quick(party::server_config(&all[usize::from(options & 3) % 3..]));
    config.ike.limits.half_open_per_source = HALF_OPEN / 2;
    config.ike.limits.half_open_total = HALF_OPEN;
    if let Some(server) = &mut config.server {
        let last = u8::try_from(POOL + 1).unwrap_or(u8::MAX);
        let range = AddressRange::new(
            Ipv4Addr::new(10, 10, 1, 2).into(),
            Ipv4Addr::new(10, 10, 1, last).into(),
        );
        server.ranges = range.into_iter().collect();
        server.idle_timeout = (options & 4 != 0).then_some(Duration::from_secs(300));
        server.session_timeout = (options & 8 != 0).then_some(Duration::from_secs(1_000));
        server.session_limit = (options & 16 != 0).then_some(engine::SessionLimit {
            sessions: std::num::NonZeroU32::MIN,
            beyond: match options & 32 {
                0 => engine::AtLimit::Replace,
                _ => engine::AtLimit::Refuse,
            },
        });
    }
    config
}

impl World {
    fn new(options: u8) -> Self {
        let mut server = Party::new(HostId, SERVER, server_config(options), 1);
        server.compute = Duration::from_millis(u64::from(options >> 6));
        let mut world = Self {
            now: Instant::from_boot(Duration::from_secs(9_000)),
            net: Network::default(),
            in_flight: VecDeque::new(),
            server,
            clients: Vec::new(),
            changes: Vec::new(),
            born: 1,
        };
        for index in 0..CLIENTS {
            let (client, changes) = world.newborn(index);
            world.clients.push(client);
            world.changes.push(changes);
        }
        world
    }

    /// A client whose host has just started.
    fn newborn(&mut self, index: usize) -> (Party, Changes) {
        self.born += 1;
        let host = u8::try_from(index + 5).unwrap_or(5);
        let address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, host));
        let mut client = Party::new(HostId, address, quick(party::client_config()), self.born);
        client.compute = Duration::ZERO;
        let changes = Changes::default();
        let planned = Rc::clone(&changes);
        client.tamper = Some(Box::new(move |layer, bytes| {
            let mut planned = planned.borrow_mut();
            match planned.front() {
                Some((of, seed)) if *of == layer => {
                    let changed = Mutator::new(*seed).change(layer, &bytes);
                    planned.pop_front();
                    vec![changed]
                }
                _ => vec![bytes],
            }
        }));
        (client, changes)
    }

    /// Carries out what the next bytes of the input say.
    fn step(&mut self, input: &mut Input<'_>) {
        let (kind, detail) = (input.byte(), input.byte());
        let index = usize::from(detail) % CLIENTS;
        match kind % 24 {
            0 | 1 => self.dial(index, detail),
            2..=4 => self.deliver(usize::from(detail)),
            5..=7 => self.settle(),
            8 => drop(self.in_flight.remove(usize::from(detail))),
            9 => {
                let again = self.in_flight.get(usize::from(detail)).cloned();
                self.in_flight.extend(again);
            }
            10 => {
                let (place, bits) = (input.number(), input.byte());
                self.change(usize::from(detail), place, bits);
            }
            11 => self.inject(index, detail, input.bytes()),
            12 => {
                let layer = match detail >> 4 & 3 {
                    0 => Layer::Isakmp,
                    1 => Layer::Control,
                    2 => Layer::Ppp,
                    _ => Layer::Esp,
                };
                let mut planned = self.changes[index].borrow_mut();
                if planned.len() < 8 {
                    planned.push_back((layer, u64::from(input.number())));
                }
            }
            13 => self.wait(Duration::from_millis(u64::from(detail) * 10)),
            14 => self.wait(Duration::from_secs(u64::from(detail))),
            15 => self.wait(Duration::from_secs(u64::from(detail) * 120)),
            16 => self.send_control(index, input.bytes()),
            17 => self.send_ppp(index, input.bytes()),
            18 => self.send_ip(index, detail, input.bytes()),
            19 => self.operate(detail),
            20 => {
                let (client, changes) = self.newborn(index);
                self.clients[index] = client;
                self.changes[index] = changes;
            }
            21 => {
                let (now, net) = (self.now, &mut self.net);
                self.clients[index].engine.close_all(now);
                self.clients[index].drain(now, net);
            }
            22 => self.server.compute = Duration::from_millis(u64::from(detail) * 20),
            _ => {
                let password = match detail & 1 {
                    0 => "wonderland",
                    _ => "another",
                };
                if let Some(alice) = self.server.users.get_mut("alice") {
                    alice.password = password;
                }
            }
        }
        self.gather();
    }

    fn gather(&mut self) {
        self.in_flight
            .extend(std::iter::from_fn(|| self.net.poll_sent()));
        let excess = self.in_flight.len().saturating_sub(IN_FLIGHT);
        self.in_flight.drain(..excess);
    }

    fn dial(&mut self, index: usize, detail: u8) {
        let client = &mut self.clients[index];
        // A client has one connection, which may carry all its traffic.
        if client.engine.occupancy().peers > 0 {
            return;
        }
        let (user, password) = match detail >> 4 & 3 {
            0 => ("alice", "wrong"),
            1 => ("bob", "builder"),
            _ => ("alice", "wonderland"),
        };
        let mut dial = client.dialling(SERVER, user, password);
        dial.force_udp = detail & 0x80 != 0;
        if detail & 0x40 != 0 && detail & 0x80 == 0 {
            dial.key = Secret::from(&b"not the key"[..]);
        }
        client.dial(self.now, &mut self.net, dial);
    }

    /// A datagram arrives, whatever has been sent before it.
    fn deliver(&mut self, place: usize) {
        let place = place.min(self.in_flight.len().saturating_sub(1));
        if let Some(datagram) = self.in_flight.remove(place) {
            self.arrive(datagram);
        }
    }

    fn arrive(&mut self, datagram: Datagram) {
        let to = datagram.dst.ip();
        let mut parties = std::iter::once(&mut self.server).chain(&mut self.clients);
        if let Some(party) = parties.find(|party| party.address == to) {
            party.on_datagram(self.now, &mut self.net, datagram);
        }
    }

    /// Everything that is on its way arrives, and what is sent for it, for a while.
    fn settle(&mut self) {
        for _ in 0..200 {
            self.gather();
            match self.in_flight.pop_front() {
                Some(datagram) => self.arrive(datagram),
                // Computations take their time.
                None if !self.pass(Duration::from_millis(100)) => return,
                None => {}
            }
        }
    }

    /// Lets one thing fall due that does so within `span`; whether there was one.
    fn pass(&mut self, span: Duration) -> bool {
        let end = self.now + span;
        let parties = std::iter::once(&mut self.server).chain(&mut self.clients);
        let next = parties
            .filter_map(|party| Some((party.next_at()?, party)))
            .min_by_key(|(at, _)| *at);
        match next {
            Some((at, party)) if at <= end => {
                self.now = self.now.max(at);
                party.on_time(self.now, &mut self.net);
                self.gather();
                true
            }
            _ => false,
        }
    }

    /// Time passes, and nothing arrives in it.
    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..50_000 {
            let left = end - self.now;
            if !self.pass(left) {
                self.now = end;
                return;
            }
        }
        panic!(
            "time does not pass: {:?}",
            self.server.engine.poll_timeout()
        );
    }

    /// Bits of a datagram change on its way; one of IKE arrives as if its sender had meant it.
    fn change(&mut self, place: usize, at: u16, bits: u8) {
        let Some(datagram) = self.in_flight.get_mut(place) else {
            return;
        };
        let flip = |bytes: &mut Vec<u8>| {
            let at = usize::from(at) % bytes.len().max(1);
            match bits {
                0 => bytes.truncate(at),
                bits => bytes
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|byte| *byte ^= bits),
            }
        };
        let carrier = match datagram.dst.port() {
            500 => Carrier::Ike,
            4500 if datagram.bytes.starts_with(&[0; 4]) => Carrier::NatT,
            _ => return flip(&mut datagram.bytes),
        };
        // Its checksum stands behind it.
        let marker = if carrier == Carrier::NatT { 4 } else { 0 };
        let end = datagram.bytes.len().saturating_sub(2).max(marker);
        let Some(message) = datagram.bytes.get(marker..end) else {
            return;
        };
        let mut message = message.to_vec();
        flip(&mut message);
        let path = wire::Path {
            local: datagram.src,
            remote: datagram.dst,
            carrier,
        };
        *datagram = datagram::isakmp(path, message);
    }

    /// A client's host sends anything at all.
    fn inject(&mut self, index: usize, detail: u8, bytes: &[u8]) {
        let from = self.clients[index].address;
        let datagram = |port: u16, protocol| Datagram {
            src: (from, port).into(),
            dst: (SERVER, port).into(),
            protocol,
            bytes: bytes.to_vec(),
        };
        let ike = |port: u16, carrier| wire::Path {
            local: (from, port).into(),
            remote: (SERVER, port).into(),
            carrier,
        };
        let datagram = match detail >> 4 & 3 {
            0 => datagram::isakmp(ike(500, Carrier::Ike), bytes.to_vec()),
            1 => datagram::isakmp(ike(4500, Carrier::NatT), bytes.to_vec()),
            2 => datagram(4500, Protocol::Udp),
            _ => datagram(0, Protocol::Esp),
        };
        self.arrive(datagram);
    }

    /// A client says anything at all under its SA.
    fn send_control(&mut self, index: usize, message: &[u8]) {
        let client = &mut self.clients[index];
        let Some(PeerId(peer)) = client.engine.peers().map(|peer| peer.peer).next() else {
            return;
        };
        let ports = Ports {
            local: 1701,
            remote: 1701,
        };
        client.send_control(self.now, &mut self.net, PeerId(peer), ports, message);
    }

    fn send_ppp(&mut self, index: usize, frame: &[u8]) {
        let client = &mut self.clients[index];
        if let Some(session) = client.sessions().first() {
            client.send_ppp(self.now, &mut self.net, session.session, frame);
        }
    }

    /// A ping, either way, or any packet.
    fn send_ip(&mut self, index: usize, detail: u8, bytes: &[u8]) {
        let party = match detail & 0x80 {
            0 => &mut self.clients[index],
            _ => &mut self.server,
        };
        let Some(session) = party.sessions().into_iter().next() else {
            return;
        };
        let packet = match bytes.is_empty() {
            true => echo::ping(session.local_address, session.remote_address, 1),
            false => bytes.to_vec(),
        };
        if packet.len() <= 1_400 {
            party.send_ip(self.now, &mut self.net, &packet);
        }
    }

    /// What an administrator does.
    fn operate(&mut self, detail: u8) {
        let (now, server) = (self.now, &mut self.server);
        let session = server.sessions().first().map(|info| info.session);
        let peer = server.engine.peers().map(|peer| peer.peer).next();
        match detail % 6 {
            0 => {
                if let Some(session) = session {
                    server.engine.close_session(now, session);
                }
            }
            1 => {
                if let Some(peer) = peer {
                    server.engine.close_peer(now, peer, Reason::Operator);
                }
            }
            2 => {
                let key: &[u8] = match detail & 0x80 {
                    0 => party::KEY,
                    _ => b"another key",
                };
                let keys = ike::Keyring::for_anybody("loaded", Secret::from(key));
                server.engine.set_keys(Arc::new(keys));
            }
            3 => {
                let reserved = Ipv4Addr::new(10, 10, 1, 2 + (detail >> 6));
                server.engine.set_reserved([reserved.into()].into());
            }
            4 => server.believes_everybody = detail & 0x80 != 0,
            _ => server.engine.close_all(now),
        }
        server.drain(now, &mut self.net);
    }

    /// What must hold after every step.
    fn check(&mut self) {
        let server = &mut self.server;
        // Nobody reads them here, and an input may be long.
        server.events.clear();
        server.received.clear();
        let engine = server.engine.occupancy();
        let plane = server.plane.occupancy();
        assert!(engine.half_open <= HALF_OPEN, "{engine:?}");
        // Those of the pool, and one that is bob's.
        assert!(engine.addresses <= POOL + 1, "{engine:?}");
        assert!(engine.addresses <= engine.sessions, "{engine:?}");
        assert!(plane.peers <= engine.peers, "{plane:?} {engine:?}");
        assert!(plane.sessions <= engine.sessions, "{plane:?} {engine:?}");
        assert!(plane.inbound <= engine.spis, "{plane:?} {engine:?}");
        assert!(
            engine.timers <= 4 * (engine.peers + engine.sessions),
            "{engine:?}"
        );
        let busy = engine.half_open + engine.ike_sas + engine.sessions + engine.child_sas;
        assert!(engine.requests <= 4 * (busy + 1), "{engine:?}");
        for client in &mut self.clients {
            client.events.clear();
            client.received.clear();
        }
    }

    /// All say goodbye, and after some time there is nothing left of them.
    fn end(mut self) {
        let now = self.now;
        for client in &mut self.clients {
            client.engine.close_all(now);
            client.drain(now, &mut self.net);
        }
        self.settle();
        self.clients.clear();
        self.server.engine.close_all(self.now);
        self.server.drain(self.now, &mut self.net);
        self.wait(Duration::from_secs(400));
        let (engine, plane) = (
            self.server.engine.occupancy(),
            self.server.plane.occupancy(),
        );
        assert_eq!((engine, plane), Default::default());
        assert_eq!(self.server.engine.poll_timeout(), None);
    }
}
