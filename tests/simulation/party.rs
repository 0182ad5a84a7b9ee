//! One end: the engine and the data plane of a host, without sockets and threads.
//!
//! This does by hand, in virtual time, what the program does with threads: it carries out the
//! engine's outputs in their order and brings in what arrives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dataplane::{Buffer, DataPlane, Egress, Ingress, NatT, Update};
use engine::{
    AddressPolicy, AddressRange, Answer, Cause, Config, Dial, Engine, Event, Failure, Output,
    Reason, Request, RequestId, Server, SessionInfo, Terms, Upcall, Verdict,
};
use ppp::Method;
use ppp::auth::Check;
use rand_core::SeedableRng;
use wire::{Carrier, Instant, Path, PeerId, Ports, Rng, Secret};

use crate::datagram::{isakmp, unchecked};
use crate::echo::echo_reply;
use crate::net::{Datagram, HostId, Network, Protocol};

/// The pre-shared key of all parties that have the right one.
pub const KEY: &[u8] = b"a key that both sides share";
/// The inner address of the server.
pub const SERVER_INSIDE: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 1);

/// Somebody who may log in.
#[derive(Clone)]
pub struct User {
    pub password: &'static str,
    pub address: AddressPolicy,
}

/// What leaves a party, and where it can be tampered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// An ISAKMP message, without marker.
    Isakmp,
    /// An L2TP control message, before it is sealed.
    Control,
    /// A PPP control frame, before it is sealed.
    Ppp,
    /// A sealed packet.
    Esp,
}

/// What a party sends instead of what it means to send: any number of other things.
pub type Tamper = Box<dyn FnMut(Layer, Vec<u8>) -> Vec<Vec<u8>>>;

/// One end.
pub struct Party {
    pub host: HostId,
    pub address: IpAddr,
    pub engine: Engine,
    pub plane: DataPlane,
    pub users: BTreeMap<&'static str, User>,
    /// Keys, by label, that are for one user only.
    pub key_users: BTreeMap<String, &'static str>,
    /// What the engine reported.
    pub events: Vec<(Instant, Event)>,
    /// IP packets that came out of the tunnel.
    pub received: Vec<Vec<u8>>,
    /// The ISAKMP messages that left, from when this is set.
    pub tap: Option<Vec<Datagram>>,
    /// What a firewall in front of it keeps from it.
    pub firewall: Option<fn(&Datagram) -> bool>,
    /// Lets everybody in, as a server does that does not know the passwords.
    pub believes_everybody: bool,
    /// Changes what leaves.
    pub tamper: Option<Tamper>,
    /// The host sleeps: it hears nothing, and its timers wait.
    pub asleep: bool,
    /// How long a computation takes.
    pub compute: Duration,
    jobs: VecDeque<(Instant, RequestId, ike::Job)>,
    /// What has come out of ESP for the engine, and when. As in the program, it waits until all has been
    /// opened that came with it.
    upcalls: VecDeque<(Instant, Upcall)>,
    /// The peers that have had an outbound SA.
    armed: BTreeSet<PeerId>,
    buffer: Buffer,
    /// Whether echo requests out of the tunnel are answered, as a kernel does.
    pub answers_pings: bool,
}

/// The configuration of a server for up to `clients` clients.
pub fn server_config(methods: &[Method]) -> Config {
    let mut link = ppp::Config::server("l2tpd");
    if let ppp::Role::Server(server) = &mut link.role {
        server.methods = methods.to_vec();
    }
    let range = AddressRange::new(
        Ipv4Addr::new(10, 10, 1, 2).into(),
        Ipv4Addr::new(10, 10, 200, 254).into(),
    );
    Config {
        server: Some(Server {
            link,
            local: SERVER_INSIDE,
            dns: [Some(Ipv4Addr::new(10, 10, 1, 53)), None],
            wins: [None, None],
            parameters: engine::dhcp::Parameters::default(),
            ranges: range.into_iter().collect(),
            reserved: [Ipv4Addr::new(10, 10, 1, 77).into()].into(),
            idle_timeout: None,
            session_timeout: None,
            session_limit: None,
        }),
        ..Config::default()
    }
}

/// The configuration of a client.
pub fn client_config() -> Config {
    Config {
        ike: ike::Config {
            respond: false,
            ..ike::Config::default()
        },
        ..Config::default()
    }
}

/// Ports of a second client of one engine.
pub const SECOND_IKE: u16 = 1500;
pub const SECOND_NATT: u16 = 5500;

impl Party {
    pub fn new(host: HostId, address: IpAddr, config: Config, seed: u64) -> Self {
        let plane_config =
            dataplane::Config::for_peers(if config.server.is_some() { 2048 } else { 4 });
        let mut engine = Engine::new(config, plane_config.slots, Rng::seed_from_u64(seed));
        engine.set_keys(Arc::new(ike::Keyring::for_anybody(
            "test",
            Secret::from(KEY),
        )));
        Self {
            host,
            address,
            engine,
            plane: DataPlane::new(plane_config),
            users: [
                (
                    "alice",
                    User {
                        password: "wonderland",
                        address: AddressPolicy::any(),
                    },
                ),
                (
                    "bob",
                    User {
                        password: "builder",
                        address: AddressPolicy::only(Ipv4Addr::new(10, 10, 1, 77)),
                    },
                ),
            ]
            .into(),
            key_users: BTreeMap::new(),
            events: Vec::new(),
            received: Vec::new(),
            tap: None,
            firewall: None,
            tamper: None,
            asleep: false,
            believes_everybody: false,
            compute: Duration::from_millis(2),
            jobs: VecDeque::new(),
            upcalls: VecDeque::new(),
            armed: BTreeSet::new(),
            buffer: Buffer::default(),
            answers_pings: true,
        }
    }

    /// What it takes to connect to `server`.
    pub fn dialling(&self, server: IpAddr, user: &str, password: &str) -> Dial {
        let path = |port, carrier| Path {
            local: SocketAddr::new(self.address, port),
            remote: SocketAddr::new(server, port),
            carrier,
        };
        Dial {
            ike: path(500, Carrier::Ike),
            natt: path(4500, Carrier::NatT),
            key: Secret::from(KEY),
            force_udp: false,
            link: ppp::Config::client(user, Secret::from(password.as_bytes())),
            habits: engine::Habits::default(),
            routed: true,
        }
    }

    pub fn dial(&mut self, now: Instant, net: &mut Network, dial: Dial) -> PeerId {
        let peer = self.engine.dial(now, dial);
        self.drain(now, net);
        peer
    }

    /// A datagram has arrived.
    pub fn on_datagram(&mut self, now: Instant, net: &mut Network, datagram: Datagram) {
        if self.asleep || self.firewall.is_some_and(|stops| stops(&datagram)) {
            return;
        }
        let Datagram {
            src,
            dst,
            protocol,
            mut bytes,
        } = datagram;
        let path = |carrier| Path {
            local: dst,
            remote: src,
            carrier,
        };
        match (protocol, dst.port()) {
            (Protocol::Udp, 500 | SECOND_IKE) => {
                if let Some(message) = unchecked(&bytes) {
                    self.engine
                        .handle_datagram(now, path(Carrier::Ike), message);
                }
            }
            (Protocol::Udp, 4500 | SECOND_NATT) => match dataplane::classify_natt(&mut bytes) {
                NatT::Ike(message) => {
                    if let Some(message) = unchecked(message) {
                        self.engine
                            .handle_datagram(now, path(Carrier::NatT), message);
                    }
                }
                NatT::Esp(packet) => {
                    let mut packet = packet.to_vec();
                    self.on_esp(now, net, path(Carrier::NatT), &mut packet);
                }
                NatT::Keepalive | NatT::Malformed => {}
            },
            (Protocol::Esp, _) => self.on_esp(now, net, path(Carrier::Raw), &mut bytes),
            (Protocol::Udp, _) => {}
        }
        self.drain(now, net);
    }

    fn on_esp(&mut self, now: Instant, net: &mut Network, path: Path, packet: &mut [u8]) {
        let ingress = self.plane.ingress(now, path, packet);
        let came = sorted(ingress);
        self.collect(now, net);
        self.on_opened(now, net, came);
    }

    fn on_opened(&mut self, now: Instant, net: &mut Network, came: Came) {
        match came {
            Came::Ip(packet) => {
                let reply = self.answers_pings.then(|| echo_reply(&packet)).flatten();
                self.received.push(packet);
                if let Some(reply) = reply {
                    self.send_ip(now, net, &reply);
                }
            }
            Came::Upcall(upcall) => self.upcalls.push_back((now, upcall)),
            Came::Nothing => {}
        }
    }

    /// Hands what packets left behind to the engine.
    fn collect(&mut self, now: Instant, net: &mut Network) {
        for notice in self.plane.notices() {
            self.engine.handle_notice(now, notice);
            self.drain(now, net);
        }
    }

    /// Sends an IP packet into the tunnel, as if it had come from the TUN.
    pub fn send_ip(&mut self, now: Instant, net: &mut Network, packet: &[u8]) -> bool {
        self.buffer.load(packet).expect("a packet that fits");
        let egress = self.plane.egress(&mut self.buffer);
        self.on_egress(now, net, egress)
    }

    /// Sends an L2TP message under a peer's SA, whatever it is, unless it is too long to be sent
    /// at all.
    pub fn send_control(
        &mut self,
        now: Instant,
        net: &mut Network,
        peer: PeerId,
        ports: Ports,
        message: &[u8],
    ) -> bool {
        if self.buffer.load(message).is_err() {
            return false;
        }
        let egress = self.plane.seal_control(peer, ports, &mut self.buffer);
        self.on_egress(now, net, egress)
    }

    /// Sends a PPP frame in a session, likewise.
    pub fn send_ppp(
        &mut self,
        now: Instant,
        net: &mut Network,
        session: engine::SessionId,
        frame: &[u8],
    ) -> bool {
        if self.buffer.load(frame).is_err() {
            return false;
        }
        let egress = self.plane.seal_ppp(session, &mut self.buffer);
        self.on_egress(now, net, egress)
    }

    fn tampered(&mut self, layer: Layer, bytes: Vec<u8>) -> Vec<Vec<u8>> {
        match &mut self.tamper {
            Some(tamper) => tamper(layer, bytes),
            None => vec![bytes],
        }
    }

    fn on_egress(&mut self, now: Instant, net: &mut Network, egress: Egress) -> bool {
        match egress {
            Egress::Sealed { path, .. } => {
                let protocol = match path.carrier {
                    Carrier::Raw => Protocol::Esp,
                    Carrier::NatT | Carrier::Ike => Protocol::Udp,
                };
                let bytes = self.buffer.packet().to_vec();
                for bytes in self.tampered(Layer::Esp, bytes) {
                    let datagram = Datagram {
                        src: path.local,
                        dst: path.remote,
                        protocol,
                        bytes,
                    };
                    net.send(now, self.host, datagram);
                }
                true
            }
            Egress::Reply | Egress::Fragments(_) | Egress::Dropped(_) => false,
        }
    }

    /// When something falls due.
    pub fn next_at(&self) -> Option<Instant> {
        if self.asleep {
            return None;
        }
        let timeout = self.engine.poll_timeout().map(|(at, _)| at);
        let job = self.jobs.front().map(|(at, ..)| *at);
        let upcall = self.upcalls.front().map(|(at, _)| *at);
        [timeout, job, upcall].into_iter().flatten().min()
    }

    pub fn on_time(&mut self, now: Instant, net: &mut Network) {
        while let Some((_, upcall)) = self.upcalls.pop_front() {
            self.engine.handle_upcall(now, upcall);
            self.drain(now, net);
        }
        while self.jobs.front().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, id, job)) = self.jobs.pop_front() else {
                break;
            };
            self.engine
                .handle_answer(now, id, Answer::Computed(job.run()));
            self.drain(now, net);
        }
        if self.engine.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.collect(now, net);
            self.engine.handle_timeout(now);
            self.drain(now, net);
        }
    }

    /// Carries out everything the engine wants.
    pub fn drain(&mut self, now: Instant, net: &mut Network) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { path, bytes } => {
                    for bytes in self.tampered(Layer::Isakmp, bytes) {
                        let datagram = isakmp(path, bytes);
                        if let Some(tap) = &mut self.tap {
                            tap.push(datagram.clone());
                        }
                        net.send(now, self.host, datagram);
                    }
                }
                Output::SealControl { peer, ports, bytes } => {
                    let is_armed = self.armed.contains(&peer);
                    assert!(is_armed, "sealed for peer {peer} without an SA");
                    for bytes in self.tampered(Layer::Control, bytes) {
                        self.send_control(now, net, peer, ports, &bytes);
                    }
                }
                Output::SealPpp { session, frame } => {
                    for frame in self.tampered(Layer::Ppp, frame) {
                        self.send_ppp(now, net, session, &frame);
                    }
                }
                Output::SealIp { session, packet } => {
                    self.buffer.load(&packet).expect("a packet that fits");
                    let egress = self.plane.seal_ip(session, &mut self.buffer);
                    self.on_egress(now, net, egress);
                }
                Output::DataPlane(update) => {
                    let shown = format!("{update:?}");
                    self.note_update(&update);
                    if let Err(error) = self.plane.apply(update) {
                        panic!("the engine asked for what cannot be: {error}: {shown}");
                    }
                }
                Output::Deliver {
                    peer,
                    ports,
                    mut bytes,
                } => {
                    let came = sorted(self.plane.deliver(peer, ports, &mut bytes));
                    self.on_opened(now, net, came);
                }
                Output::Request(id, request) => self.on_request(now, id, request),
                Output::Event(event) => self.events.push((now, event)),
            }
        }
    }

    /// Keeps the books of who may be sealed for: from the first outbound SA on.
    fn note_update(&mut self, update: &Update) {
        match update {
            Update::ActivateOutbound { peer, .. } => {
                self.armed.insert(*peer);
            }
            Update::JoinPeer { from, into } if self.armed.remove(from) => {
                self.armed.insert(*into);
            }
            Update::RemovePeer { peer } => {
                self.armed.remove(peer);
            }
            _ => {}
        }
    }

    fn on_request(&mut self, now: Instant, id: RequestId, request: Request) {
        match request {
            Request::Compute(job) => self.jobs.push_back((now + self.compute, id, job)),
            Request::Login(login) => {
                let user = login
                    .request
                    .user
                    .as_str()
                    .and_then(|name| self.users.get(name));
                let check = user.map(|user| {
                    let password = Secret::from(user.password.as_bytes());
                    (
                        login.request.exchange.check(&login.request.user, &password),
                        Arc::new(Terms::with_addresses(user.address.clone())),
                    )
                });
                let account = login.request.user.clone();
                let own = self.key_users.get(&login.key);
                let others_key = own.is_some_and(|users| account.as_str() != Some(users));
                let verdict = match check {
                    Some((_, terms)) if self.believes_everybody => Verdict::Accept {
                        account,
                        proof: Some(ppp::mschapv2::AuthenticatorResponse([0; 20])),
                        terms,
                    },
                    Some((Check::Passed(_), _)) if others_key => Verdict::Reject {
                        cause: Cause::KeyOfAnotherUser,
                        why: format!("the key {} is not for this user", login.key),
                    },
                    Some((Check::Passed(proof), terms)) => Verdict::Accept {
                        account,
                        proof,
                        terms,
                    },
                    Some((Check::Failed, _)) => Verdict::Reject {
                        cause: Cause::WrongPassword,
                        why: "wrong password".into(),
                    },
                    None => Verdict::Reject {
                        cause: Cause::UnknownUser,
                        why: "no such user".into(),
                    },
                };
                self.engine.handle_answer(now, id, Answer::Login(verdict));
            }
            Request::Prepare(_) => {
                self.engine.handle_answer(now, id, Answer::Prepared(Ok(())));
            }
            Request::Usage {
                peer,
                inbound,
                outbound,
            } => {
                let bytes = self
                    .plane
                    .inbound_usage(inbound)
                    .map_or(0, |usage| usage.traffic.bytes)
                    + self
                        .plane
                        .outbound_usage(peer, outbound)
                        .map_or(0, |u| u.traffic.bytes);
                self.engine.handle_answer(now, id, Answer::Usage(bytes));
            }
            Request::Packets { session } => {
                let usage = self.plane.session_usage(session).unwrap_or_default();
                let packets = usage.received.packets + usage.sent.packets;
                self.engine.handle_answer(now, id, Answer::Packets(packets));
            }
        }
    }

    /// The sessions that carry traffic.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.engine.sessions().collect()
    }

    /// Why peers have ended.
    pub fn endings(&self) -> Vec<&Reason> {
        let down = self.events.iter().filter_map(|(_, event)| match event {
            Event::PeerDown { reason, .. } => Some(reason),
            _ => None,
        });
        down.collect()
    }

    /// Everything that was reported of attempts that failed, logins too.
    pub fn failures(&self) -> Vec<&Failure> {
        let failed = self.events.iter().filter_map(|(_, event)| match event {
            Event::Refused(failure) | Event::LoginFailed { failure, .. } => Some(failure.as_ref()),
            _ => None,
        });
        failed.collect()
    }

    /// All sentences about somebody who was turned away.
    pub fn refusals(&self) -> Vec<&str> {
        let refused = self.events.iter().filter_map(|(_, event)| match event {
            Event::Refused(failure) => Some(failure.what.as_str()),
            _ => None,
        });
        refused.collect()
    }
}

/// What came out of an ESP packet, on its own.
enum Came {
    Ip(Vec<u8>),
    Upcall(Upcall),
    Nothing,
}

fn sorted(ingress: Ingress<'_>) -> Came {
    match ingress {
        Ingress::Ip { packet, .. } => Came::Ip(packet.to_vec()),
        Ingress::Control {
            peer,
            ports,
            message,
        } => Came::Upcall(Upcall::Control {
            peer,
            ports,
            bytes: message.to_vec(),
        }),
        Ingress::Ppp { session, frame, .. } => Came::Upcall(Upcall::Ppp {
            session,
            frame: frame.to_vec(),
        }),
        Ingress::Dhcp {
            session, message, ..
        } => Came::Upcall(Upcall::Dhcp {
            session,
            message: message.to_vec(),
        }),
        Ingress::Stray {
            peer,
            ports,
            tunnel,
            session,
            message,
        } => Came::Upcall(Upcall::Stray {
            peer,
            ports,
            ids: (tunnel, session),
            bytes: message.to_vec(),
        }),
        Ingress::Dropped(_) => Came::Nothing,
    }
}
