//! Two endpoints, a link between them that can lose, repeat, delay and falsify, NATs on either
//! side, and a clock. Jobs run inline.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ike::{
    Answer, ChildId, ChildSa, Config, Endpoint, Event, Initiate, Job, JobResult, Keyring, Output,
    Request, RequestId, SaId, Timing,
};
use rand_core::{Rng as _, SeedableRng as _};
use wire::{Carrier, Instant, Path, Rng, Secret};

pub const CLIENT: &str = "10.0.0.2";
pub const SERVER: &str = "192.0.2.1";
pub const CLIENT_NAT: &str = "198.51.100.9";
pub const SERVER_INSIDE: &str = "172.16.0.5";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What the link does to datagrams: chances in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub loss: u32,
    pub duplication: u32,
    pub corruption: u32,
    /// Up to so many milliseconds more than the least delay.
    pub jitter: u32,
}

#[derive(Debug, Clone)]
pub struct Sent {
    pub at: Instant,
    pub from: Side,
    pub path: Path,
    pub bytes: Vec<u8>,
}

pub struct Pair {
    pub now: Instant,
    pub client: Endpoint,
    pub server: Endpoint,
    pub faults: Faults,
    /// A NAT in front of the client.
    pub client_nat: bool,
    /// Its address outside.
    pub nat_address: IpAddr,
    /// A 1:1 NAT in front of the server.
    pub server_nat: bool,
    /// Whether the client asks for a child SA as soon as an IKE SA it began is up.
    pub auto_child: bool,
    pub key: Secret,
    pub force_udp: bool,
    pub pfs: Option<ike::crypto::Group>,
    pub habits: ike::Habits,
    pub l2tp_port: u16,
    /// The side that has no time to compute.
    pub busy: Option<Side>,
    /// Where there is one: what the server is to compute, unanswered.
    pub held: Option<Vec<(RequestId, Job)>>,
    pub events: Vec<(Instant, Side, Event)>,
    pub sent: Vec<Sent>,
    /// The shared secrets the client has computed.
    pub secrets: Vec<Secret>,
    /// Datagrams on this carrier are lost, both ways.
    pub blocked: Option<Carrier>,
    /// SPIs given and not given back, per side.
    pub spis: BTreeMap<(Side, u32), ChildId>,
    pub children: BTreeMap<(Side, ChildId), ChildSa>,
    pub sas: BTreeMap<(Side, SaId), ike::SaInfo>,
    in_flight: BTreeMap<(Instant, u64), (Side, Path, Vec<u8>)>,
    counter: u64,
    rng: Rng,
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Pair {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, Config::default(), Config::default())
    }

    pub fn with(seed: u64, client: Config, server: Config) -> Self {
        let mut rng = Rng::seed_from_u64(seed);
        let client = Config {
            respond: false,
            ..client
        };
        let key = Secret::from(&b"correct horse"[..]);
        let mut pair = Self {
            now: Instant::from_boot(seconds(1000)),
            client: Endpoint::new(client, Rng::seed_from_u64(rng.next_u64())),
            server: Endpoint::new(server, Rng::seed_from_u64(rng.next_u64())),
            faults: Faults::default(),
            client_nat: false,
            nat_address: ip(CLIENT_NAT),
            server_nat: false,
            auto_child: true,
            key: key.clone(),
            force_udp: false,
            pfs: None,
            habits: ike::Habits::default(),
            l2tp_port: 1701,
            busy: None,
            held: None,
            events: Vec::new(),
            sent: Vec::new(),
            secrets: Vec::new(),
            blocked: None,
            spis: BTreeMap::new(),
            children: BTreeMap::new(),
            sas: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            counter: 0,
            rng,
        };
        pair.server
            .set_keys(Arc::new(Keyring::for_anybody("ipsec.secrets:1", key)));
        pair
    }

    pub fn endpoint(&mut self, side: Side) -> &mut Endpoint {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    pub fn initiate(&self) -> Initiate {
        let path = |local, remote, carrier| Path {
            local: SocketAddr::new(ip(CLIENT), local),
            remote: SocketAddr::new(ip(SERVER), remote),
            carrier,
        };
        Initiate {
            ike: path(500, 500, Carrier::Ike),
            natt: path(4500, 4500, Carrier::NatT),
            key: self.key.clone(),
            identity: None,
            force_udp: self.force_udp,
            l2tp_port: self.l2tp_port,
            pfs: self.pfs,
            habits: self.habits.clone(),
        }
    }

    /// Starts a Main Mode from the client.
    pub fn connect(&mut self) -> SaId {
        let (now, initiate) = (self.now, self.initiate());
        let sa = self.client.initiate(now, initiate);
        self.drain();
        sa
    }

    /// The path as the receiver sees it.
    fn translate(&self, from: Side, path: Path) -> Path {
        let (mut source, mut target) = (path.local, path.remote);
        match from {
            Side::Client => {
                if self.client_nat {
                    source.set_ip(self.nat_address);
                    source.set_port(source.port().wrapping_add(10_000));
                }
                if self.server_nat {
                    target.set_ip(ip(SERVER_INSIDE));
                }
            }
            Side::Server => {
                if self.server_nat {
                    source.set_ip(ip(SERVER));
                }
                if self.client_nat {
                    target.set_ip(ip(CLIENT));
                    target.set_port(target.port().wrapping_sub(10_000));
                }
            }
        }
        Path {
            local: target,
            remote: source,
            carrier: path.carrier,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.next_u32() % 100 < percent
    }

    fn send(&mut self, from: Side, path: Path, bytes: Vec<u8>) {
        self.sent.push(Sent {
            at: self.now,
            from,
            path,
            bytes: bytes.clone(),
        });
        if self.chance(self.faults.loss) || self.blocked == Some(path.carrier) {
            return;
        }
        let copies = if self.chance(self.faults.duplication) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let mut bytes = bytes.clone();
            if self.chance(self.faults.corruption) {
                let place = self.rng.next_u32() as usize % bytes.len();
                bytes[place] ^= 1 << (self.rng.next_u32() % 8);
            }
            let extra = match self.faults.jitter {
                0 => 0,
                jitter => self.rng.next_u32() % jitter,
            };
            let at = self.now + Duration::from_millis(10 + u64::from(extra));
            self.counter += 1;
            let path = self.translate(from, path);
            self.in_flight
                .insert((at, self.counter), (from.other(), path, bytes));
        }
    }

    /// Takes all outputs of both sides.
    pub fn drain(&mut self) {
        for side in [Side::Client, Side::Server] {
            while let Some(output) = self.endpoint(side).poll_output() {
                self.on_output(side, output);
            }
        }
    }

    fn on_output(&mut self, side: Side, output: Output) {
        let now = self.now;
        match output {
            Output::Transmit { path, bytes } => self.send(side, path, bytes),
            Output::Request(id, Request::Compute(job)) => {
                if let (Some(held), Side::Server) = (&mut self.held, side) {
                    return held.push((id, job));
                }
                let answer = match self.busy == Some(side) {
                    true => Answer::Unavailable,
                    false => Answer::Computed(job.run()),
                };
                if let Answer::Computed(JobResult::DiffieHellman(Ok(outcome))) = &answer
                    && side == Side::Client
                {
                    self.secrets.extend(outcome.shared.clone());
                }
                self.endpoint(side).handle_answer(now, id, answer);
            }
            Output::Request(id, Request::Spi { child, .. }) => {
                self.counter += 1;
                let spi = 0x1000 + self.counter as u32;
                self.spis.insert((side, spi), child);
                self.endpoint(side)
                    .handle_answer(now, id, Answer::Spi(Some(spi)));
            }
            Output::Event(event) => self.on_event(side, event),
        }
    }

    fn on_event(&mut self, side: Side, event: Event) {
        let now = self.now;
        match &event {
            Event::SaUp { sa, info } => {
                let rekeyed = self.auto_child && side == Side::Client;
                let first = !self.sas.keys().any(|(known, _)| *known == Side::Client);
                self.sas.insert((side, *sa), (**info).clone());
                if rekeyed && first {
                    self.client
                        .start_child(now, *sa)
                        .expect("an established IKE SA");
                }
            }
            Event::SaDown { sa, .. } => {
                self.sas.remove(&(side, *sa));
            }
            Event::ChildUp { child, details, .. } => {
                assert!(self.spis.contains_key(&(side, details.inbound.spi)));
                self.children.insert((side, *child), (**details).clone());
            }
            Event::ChildDown { child, .. } => {
                if let Some(details) = self.children.remove(&(side, *child)) {
                    self.spis.remove(&(side, details.inbound.spi));
                }
            }
            Event::SpiUnused(spi) => {
                self.spis.remove(&(side, *spi));
            }
            _ => {}
        }
        self.events.push((now, side, event));
    }

    /// Lets a datagram arrive that nobody of the two has sent.
    pub fn inject(&mut self, to: Side, path: Path, bytes: &[u8]) {
        let now = self.now;
        self.endpoint(to).handle_datagram(now, path, bytes);
        self.drain();
    }

    /// Lets time pass until `end`.
    pub fn run_until(&mut self, end: Instant) {
        self.drain();
        loop {
            let packet = self.in_flight.keys().next().map(|(at, _)| *at);
            let timers = [self.client.poll_timeout(), self.server.poll_timeout()];
            let timer = timers.iter().flatten().map(|(at, _)| *at).min();
            let Some(next) = packet
                .into_iter()
                .chain(timer)
                .min()
                .filter(|at| *at <= end)
            else {
                break;
            };
            self.now = self.now.max(next);
            let now = self.now;
            if packet == Some(next) {
                let (_, (to, path, bytes)) = self.in_flight.pop_first().expect("a packet");
                // A keepalive does not reach IKE.
                if bytes.len() > 1 {
                    self.endpoint(to).handle_datagram(now, path, &bytes);
                }
            } else {
                self.client.handle_timeout(now);
                self.server.handle_timeout(now);
            }
            self.drain();
        }
        self.now = self.now.max(end);
    }

    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// The newest child SA of one side, if its partner agrees about everything.
    pub fn agreed_child(&self) -> Option<(&ChildSa, &ChildSa)> {
        let client = self
            .children
            .iter()
            .rev()
            .find(|((side, _), _)| *side == Side::Client)?
            .1;
        let server = self
            .children
            .iter()
            .find(|((side, _), c)| *side == Side::Server && c.inbound.spi == client.outbound.spi)?
            .1;
        let same = client.outbound == server.inbound
            && client.inbound == server.outbound
            && client.suite == server.suite
            && client.mode == server.mode
            && client.lifetime == server.lifetime;
        assert!(same, "both sides have other ideas:\n{client:?}\n{server:?}");
        Some((client, server))
    }

    pub fn has(&self, side: Side, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events
            .iter()
            .any(|(_, on, event)| *on == side && wanted(event))
    }

    pub fn count(&self, side: Side, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events
            .iter()
            .filter(|(_, on, event)| *on == side && wanted(event))
            .count()
    }

    /// The sentences of all refusals of one side.
    pub fn refusals(&self, side: Side) -> Vec<String> {
        let texts = self.events.iter().filter_map(|(_, on, event)| match event {
            Event::Refused { refusal, .. } if *on == side => Some(refusal.to_string()),
            _ => None,
        });
        texts.collect()
    }
}

/// Timing without Dead Peer Detection, for tests that count datagrams.
pub fn quiet() -> Timing {
    Timing {
        dpd_idle: Duration::ZERO,
        ..Timing::default()
    }
}
