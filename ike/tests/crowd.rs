//! More at once than can be done at once: thousands of clients that come back after a restart, and a
//! flood of forged first messages beside clients that connect.
//!
//! In virtual time, with a server like the real one: a control loop that takes its time for each
//! message, queues of a certain length in front of it, and one thread that computes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails that way, and tells what it has seen"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ike::{
    Answer, Config, Cookies, Endpoint, Event, Habits, Initiate, JobResult, Keyring, Limits, Output,
    Policy, Provenance, Request, RequestId, SaId,
};
use rand_core::{Rng as _, SeedableRng as _};
use wire::{Carrier, Instant, Path, Rng, Secret};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// One way.
const DISTANCE: Duration = Duration::from_millis(25);
/// What the control loop needs for a message, or for the result of a computation.
const TURN: Duration = Duration::from_micros(40);
/// What the search for one key takes.
const TRIAL: Duration = Duration::from_micros(200);
/// Places in the queues of the packet threads.
const KNOWN: usize = 1_024;
const FIRST: usize = 512;
/// Jobs that begin something and are accepted.
const BEGINNINGS: usize = 2_048;

const fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// The pauses of Windows and of strongSwan between repetitions.
fn habits(number: usize) -> Habits {
    let pauses: &[u64] = match number % 2 {
        0 => &[1_000, 2_000, 4_000, 8_000, 16_000, 18_000],
        _ => &[4_000, 7_200, 12_960, 23_328, 41_990, 75_582],
    };
    Habits {
        retransmit: Some(pauses.iter().map(|pause| milliseconds(*pause)).collect()),
        ..Habits::default()
    }
}

fn policy() -> Policy {
    // A cheap group: what a computation takes is said by the simulation.
    Policy::new(&[])
        .with_groups(&["ecp256"])
        .expect("a known group")
}

enum Arrival {
    AtServer(Path, Vec<u8>),
    AtCrowd(Path, Vec<u8>),
}

/// A server with queues, a control loop and one thread that computes.
struct Server {
    endpoint: Endpoint,
    cookies: Cookies,
    known: VecDeque<(Path, Vec<u8>)>,
    first: VecDeque<(Path, Vec<u8>)>,
    results: VecDeque<(RequestId, JobResult)>,
    finishing: VecDeque<(RequestId, ike::Job)>,
    beginning: VecDeque<(RequestId, ike::Job)>,
    running: Option<(Instant, RequestId, ike::Job)>,
    /// What a shared secret takes.
    power: Duration,
    free_at: Instant,
    spis: u32,
    lost: usize,
    foreign: usize,
}

impl Server {
    fn new(limits: Limits, power: Duration) -> Self {
        let config = Config {
            policy: policy(),
            limits,
            ..Config::default()
        };
        let mut endpoint = Endpoint::new(config, Rng::seed_from_u64(1));
        let key = Secret::from(&b"correct horse"[..]);
        endpoint.set_keys(Arc::new(Keyring::for_anybody("ipsec.secrets:1", key)));
        Self {
            cookies: endpoint.cookies(),
            endpoint,
            known: VecDeque::new(),
            first: VecDeque::new(),
            results: VecDeque::new(),
            finishing: VecDeque::new(),
            beginning: VecDeque::new(),
            running: None,
            power,
            free_at: Instant::BOOT,
            spis: 256,
            lost: 0,
            foreign: 0,
        }
    }

    /// What a packet thread does with a datagram.
    fn receive(&mut self, path: Path, bytes: Vec<u8>) {
        let (queue, most) = match self.cookies.provenance(path, &bytes) {
            Provenance::Known => (&mut self.known, KNOWN),
            Provenance::First => (&mut self.first, FIRST),
            Provenance::Foreign => {
                self.foreign += 1;
                return;
            }
        };
        if queue.len() < most {
            queue.push_back((path, bytes));
        } else {
            self.lost += 1;
        }
    }

    /// When it does something next.
    fn next_at(&self) -> Option<Instant> {
        let waits = !(self.known.is_empty() && self.first.is_empty() && self.results.is_empty());
        let timeout = self.endpoint.poll_timeout().map(|(at, _)| at);
        let turn = if waits {
            Some(self.free_at)
        } else {
            timeout.map(|at| at.max(self.free_at))
        };
        let done = self.running.as_ref().map(|(at, ..)| *at);
        [turn, done].into_iter().flatten().min()
    }

    fn act(&mut self, now: Instant) {
        if let Some((at, id, job)) = self.running.take() {
            if at <= now {
                self.results.push_back((id, job.run()));
            } else {
                self.running = Some((at, id, job));
            }
        }
        if self.free_at <= now {
            if self
                .endpoint
                .poll_timeout()
                .is_some_and(|(at, _)| at <= now)
            {
                self.endpoint.handle_timeout(now);
            }
            if let Some((id, result)) = self.results.pop_front() {
                self.endpoint
                    .handle_answer(now, id, Answer::Computed(result));
                self.free_at = now + TURN;
            } else if let Some((path, bytes)) =
                self.known.pop_front().or_else(|| self.first.pop_front())
            {
                self.endpoint.handle_datagram(now, path, &bytes);
                self.free_at = now + TURN;
            }
        }
        self.compute(now);
    }

    fn compute(&mut self, now: Instant) {
        if self.running.is_none()
            && let Some((id, job)) = self
                .finishing
                .pop_front()
                .or_else(|| self.beginning.pop_front())
        {
            let takes = if job.begins_handshake() {
                self.power
            } else {
                TRIAL
            };
            self.running = Some((now + takes, id, job));
        }
    }

    fn on_request(&mut self, now: Instant, id: RequestId, request: Request) {
        match request {
            Request::Compute(job) if !job.begins_handshake() => self.finishing.push_back((id, job)),
            Request::Compute(job) if self.beginning.len() < BEGINNINGS => {
                self.beginning.push_back((id, job));
            }
            Request::Compute(_) => self.endpoint.handle_answer(now, id, Answer::Unavailable),
            Request::Spi { .. } => {
                self.spis += 1;
                let spi = Answer::Spi(Some(self.spis));
                self.endpoint.handle_answer(now, id, spi);
            }
        }
    }
}

/// A server, everybody else in one endpoint, and the way between.
struct World {
    now: Instant,
    server: Server,
    crowd: Endpoint,
    spis: u32,
    flying: BTreeMap<(Instant, u64), Arrival>,
    sent: u64,
    began: BTreeMap<SaId, Instant>,
    /// How long each took that is up.
    up: BTreeMap<SaId, Duration>,
    failed: BTreeSet<SaId>,
    /// A first message, as forged ones look.
    template: Vec<u8>,
}

impl World {
    fn new(limits: Limits, power: Duration) -> Self {
        let config = Config {
            policy: policy(),
            respond: false,
            ..Config::default()
        };
        Self {
            now: Instant::from_boot(Duration::from_secs(1_000)),
            server: Server::new(limits, power),
            crowd: Endpoint::new(config, Rng::seed_from_u64(2)),
            spis: 256,
            flying: BTreeMap::new(),
            sent: 0,
            began: BTreeMap::new(),
            up: BTreeMap::new(),
            failed: BTreeSet::new(),
            template: Vec::new(),
        }
    }

    fn dial(&mut self, number: usize) {
        let address = Ipv4Addr::from_bits(0x6440_0000 + u32::try_from(number).unwrap());
        let path = |port, carrier| Path {
            local: (address, port).into(),
            remote: (SERVER, port).into(),
            carrier,
        };
        let initiate = Initiate {
            ike: path(500, Carrier::Ike),
            natt: path(4500, Carrier::NatT),
            key: Secret::from(&b"correct horse"[..]),
            identity: None,
            force_udp: false,
            l2tp_port: 1701,
            pfs: None,
            habits: habits(number),
        };
        let sa = self.crowd.initiate(self.now, initiate);
        self.began.insert(sa, self.now);
        self.drain();
    }

    fn send(&mut self, arrival: Arrival) {
        self.sent += 1;
        // No two take quite as long.
        let at = self.now + DISTANCE + Duration::from_micros(self.sent * 7 % 5_000);
        self.flying.insert((at, self.sent), arrival);
    }

    fn drain(&mut self) {
        while let Some(output) = self.crowd.poll_output() {
            match output {
                Output::Transmit { path, bytes } => {
                    if self.template.is_empty() {
                        self.template.clone_from(&bytes);
                    }
                    let path = reverse(path);
                    self.send(Arrival::AtServer(path, bytes));
                }
                Output::Request(id, Request::Compute(job)) => {
                    let answer = Answer::Computed(job.run());
                    self.crowd.handle_answer(self.now, id, answer);
                }
                Output::Request(id, Request::Spi { .. }) => {
                    self.spis += 1;
                    let spi = Answer::Spi(Some(self.spis));
                    self.crowd.handle_answer(self.now, id, spi);
                }
                Output::Event(Event::SaUp { sa, .. }) => {
                    self.crowd.start_child(self.now, sa);
                }
                Output::Event(Event::ChildUp { sa, .. }) => {
                    self.up.insert(sa, self.now - self.began[&sa]);
                }
                Output::Event(Event::SaDown { sa, .. }) => {
                    self.failed.insert(sa);
                }
                Output::Event(_) => {}
            }
        }
        while let Some(output) = self.server.endpoint.poll_output() {
            match output {
                Output::Transmit { path, bytes } => {
                    if self.began.len() >= usize::try_from(guest(path)).unwrap_or(usize::MAX) {
                        self.send(Arrival::AtCrowd(reverse(path), bytes));
                    }
                }
                Output::Request(id, request) => self.server.on_request(self.now, id, request),
                Output::Event(_) => {}
            }
        }
    }

    /// Lets everything happen up to `end`.
    fn run_until(&mut self, end: Instant) {
        loop {
            let times = [
                self.flying.first_key_value().map(|((at, _), _)| *at),
                self.server.next_at(),
                self.crowd.poll_timeout().map(|(at, _)| at),
            ];
            let Some(at) = times.into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            while let Some(entry) = self.flying.first_entry()
                && entry.key().0 <= self.now
            {
                match entry.remove() {
                    Arrival::AtServer(path, bytes) => self.server.receive(path, bytes),
                    Arrival::AtCrowd(path, bytes) => {
                        self.crowd.handle_datagram(self.now, path, &bytes);
                        self.drain();
                    }
                }
            }
            if self
                .crowd
                .poll_timeout()
                .is_some_and(|(at, _)| at <= self.now)
            {
                self.crowd.handle_timeout(self.now);
            }
            self.server.act(self.now);
            self.drain();
            self.server.compute(self.now);
        }
        self.now = end;
    }

    /// The time in which this part of those that are up was up.
    fn percentile(&self, percent: usize) -> Duration {
        let mut all: Vec<Duration> = self.up.values().copied().collect();
        all.sort_unstable();
        all[(all.len() - 1) * percent / 100]
    }

    fn report(&self, what: &str) {
        println!(
            "{what}: {} of {} up, {} failed; half {:?}, 95 % {:?}, all {:?}; {:?}, {} lost in queues",
            self.up.len(),
            self.began.len(),
            self.failed.len(),
            self.percentile(50),
            self.percentile(95),
            self.percentile(100),
            self.server.endpoint.counters(),
            self.server.lost,
        );
    }
}

fn reverse(path: Path) -> Path {
    Path {
        local: path.remote,
        remote: path.local,
        carrier: path.carrier,
    }
}

/// The number of the client at the other end; one that nobody has, for a forged address.
fn guest(path: Path) -> u32 {
    match path.remote.ip() {
        IpAddr::V4(address) => address.to_bits().wrapping_sub(0x6440_0000),
        IpAddr::V6(_) => u32::MAX,
    }
}

/// All dial within a tenth of a second.
fn all_return(clients: usize, power: Duration, limits: Limits) -> World {
    let mut world = World::new(limits, power);
    let start = world.now;
    for number in 0..clients {
        if number % 100 == 0 {
            let part = u32::try_from(number).unwrap();
            world.run_until(start + milliseconds(100) * part / u32::try_from(clients).unwrap());
        }
        world.dial(number);
    }
    world.run_until(start + Duration::from_secs(60));
    world
}

/// Forged first messages, `rate` a second, beside fifty clients a second with addresses of their own.
fn flooded(rate: u64, span: Duration, limits: Limits) -> World {
    let mut world = World::new(limits, milliseconds(2));
    let (start, mut rng) = (world.now, Rng::seed_from_u64(3));
    let mut dialled = 0;
    let steps = u64::try_from(span.as_millis()).unwrap();
    for step in 0..steps {
        if step % 20 == 0 {
            world.dial(dialled);
            dialled += 1;
        }
        for number in step * rate / 1_000..(step + 1) * rate / 1_000 {
            let mut forged = world.template.clone();
            rng.fill_bytes(&mut forged[..8]);
            // A message 5 for an IKE SA that nobody has, each other time.
            if number % 2 == 0 {
                let mut bad = forged.clone();
                rng.fill_bytes(&mut bad[8..16]);
                world.send(Arrival::AtServer(from(rng.next_u32() | 1 << 31), bad));
            }
            world.send(Arrival::AtServer(from(rng.next_u32() | 1 << 31), forged));
        }
        world.run_until(start + milliseconds(step + 1));
    }
    world.run_until(start + span + Duration::from_secs(10));
    world
}

fn from(address: u32) -> Path {
    Path {
        local: (SERVER, 500).into(),
        remote: SocketAddr::from((Ipv4Addr::from_bits(address), 500)),
        carrier: Carrier::Ike,
    }
}

#[test]
fn ten_thousand_come_back_at_once_and_all_are_up_within_a_minute() {
    let world = all_return(10_000, milliseconds(2), Limits::default());
    world.report("all at once");
    assert_eq!((world.up.len(), world.failed.len()), (10_000, 0));
}

/// A processor that is ten times as slow.
#[test]
fn those_that_are_begun_are_finished_however_slow_the_processor() {
    let world = all_return(3_000, milliseconds(15), Limits::default());
    world.report("all at once, slowly");
    assert_eq!((world.up.len(), world.failed.len()), (3_000, 0));
}

#[test]
fn a_flood_of_forged_beginnings_keeps_hardly_anybody_out() {
    let world = flooded(17_000, Duration::from_secs(4), Limits::default());
    world.report("flood");
    let (up, all) = (world.up.len(), world.began.len());
    assert!(up * 100 >= all * 95 && all == 200, "{up} of {all}");
    assert!(world.failed.is_empty());
    assert!(world.percentile(50) < milliseconds(600));
    assert!(world.server.foreign > 30_000, "{}", world.server.foreign);
}
