//! An IKE endpoint with everything that it asks for, and two of them that agree on keys.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ike::codec::{Chain, Header, PayloadType, Phase1Offer, Sa, Trailing};
use ike::crypto::{Cipher, Group, HashAlgorithm, Keymat, Phase1Suite, Transcript};
use ike::{
    Answer, Config, DhOutcome, Endpoint, Event, Initiate, Job, JobResult, Keyring, Limits, Output,
    Request, SaId,
};
use rand_core::SeedableRng;
use wire::{Carrier, Instant, Path, Rng, Secret};

pub const KEY: &[u8] = b"a key that both sides share";

/// Small, so that inputs of a few hundred bytes reach them.
pub const LIMITS: Limits = Limits {
    half_open_per_source: 4,
    half_open_total: 8,
    backlog: Duration::from_secs(1),
    waiting: 4,
    established_total: 8,
    established_per_source: 6,
    keys_per_trial: 4,
    undecryptable: 3,
    message_size: 8192,
    fragment_bytes: 16_384,
    fragmented_per_source: 2,
    quick_modes_per_sa: 4,
    children_per_sa: 4,
};

pub struct Side {
    pub endpoint: Endpoint,
    pub sent: VecDeque<(Path, Vec<u8>)>,
    /// IKE SAs that are established, in the order of their coming up.
    pub sas: Vec<SaId>,
    /// The shared secrets of all exchanges so far.
    pub shared: Vec<Secret>,
    /// SPIs that are given out.
    pub spis: Vec<u32>,
    last_spi: u32,
}

impl Side {
    pub fn new(respond: bool, seed: u64) -> Self {
        // The quickest of the groups, that an execution takes no longer than it must.
        let policy = ike::Policy::default().with_groups(&["ecp256"]);
        let config = Config {
            policy: policy.expect("a group that there is"),
            limits: LIMITS,
            respond,
            ..Config::default()
        };
        let mut endpoint = Endpoint::new(config, Rng::seed_from_u64(seed));
        endpoint.set_keys(Arc::new(Keyring::for_anybody("a key", Secret::from(KEY))));
        Self {
            endpoint,
            sent: VecDeque::new(),
            sas: Vec::new(),
            shared: Vec::new(),
            spis: Vec::new(),
            last_spi: 0x1000,
        }
    }

    /// Takes everything that the endpoint has to say. `run` does its computations.
    pub fn drain(&mut self, now: Instant, run: &mut dyn FnMut(Job) -> JobResult) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { path, bytes } => self.sent.push_back((path, bytes)),
                Output::Request(id, Request::Compute(job)) => {
                    let result = run(job);
                    if let JobResult::DiffieHellman(Ok(outcome)) = &result {
                        self.shared.extend(outcome.shared.clone());
                    }
                    let answer = Answer::Computed(result);
                    self.endpoint.handle_answer(now, id, answer);
                }
                Output::Request(id, Request::Spi { .. }) => {
                    self.last_spi += 1;
                    self.spis.push(self.last_spi);
                    let answer = Answer::Spi(Some(self.last_spi));
                    self.endpoint.handle_answer(now, id, answer);
                }
                Output::Event(event) => self.on_event(&event),
            }
        }
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::SaUp { sa, .. } => self.sas.push(*sa),
            Event::SaDown { sa, .. } => self.sas.retain(|known| known != sa),
            Event::ChildUp { details, .. } => {
                assert!(self.spis.contains(&details.inbound.spi), "an SPI of ours");
            }
            Event::SpiUnused(spi) => self.spis.retain(|known| known != spi),
            _ => {}
        }
    }

    pub fn give(&mut self, now: Instant, path: Path, bytes: &[u8]) {
        self.endpoint.handle_datagram(now, path, bytes);
        self.drain(now, &mut Job::run);
    }

    /// Lets time pass, at most for `span`.
    pub fn wait(&mut self, now: &mut Instant, span: Duration) {
        let end = *now + span;
        for _ in 0..10_000 {
            match self.endpoint.poll_timeout() {
                Some((at, _)) if at <= end => {
                    *now = (*now).max(at);
                    self.endpoint.handle_timeout(*now);
                    self.drain(*now, &mut Job::run);
                }
                _ => {
                    *now = end;
                    return;
                }
            }
        }
        panic!("time does not pass: {:?}", self.endpoint.poll_timeout());
    }

    /// Nobody says anything any more: what is left after `span` is nothing.
    pub fn ends_empty(&mut self, now: &mut Instant, span: Duration) {
        self.wait(now, span);
        assert_eq!(self.endpoint.occupancy(), (0, 0));
        assert_eq!(self.endpoint.poll_timeout(), None);
    }
}

pub fn start() -> Instant {
    Instant::from_boot(Duration::from_secs(9_000))
}

pub fn path(local: [u8; 4], remote: [u8; 4], ports: (u16, u16), carrier: Carrier) -> Path {
    Path {
        local: SocketAddr::from((local, ports.0)),
        remote: SocketAddr::from((remote, ports.1)),
        carrier,
    }
}

pub fn reversed(path: Path) -> Path {
    Path {
        local: path.remote,
        remote: path.local,
        ..path
    }
}

pub const CLIENT: [u8; 4] = [203, 0, 113, 5];
pub const SERVER: [u8; 4] = [192, 0, 2, 1];

/// A server after message 4 of a Main Mode with a client, and what an eavesdropper would need to know to go
/// on in the client's place.
pub struct Handshake {
    pub server: Side,
    pub suite: Phase1Suite,
    pub transcript: Transcript,
    pub keymat: Keymat,
    /// The header of the messages that follow.
    pub header: Header,
    /// Where they come from, as the server sees it.
    pub path: Path,
    /// Message 5 of the real client.
    pub fifth: Vec<u8>,
}

/// What the three exponentiations up to there give, always the same: all randomness is from fixed seeds. Done
/// once, for they would be most of an execution.
static KNOWN: Mutex<Vec<DhOutcome>> = Mutex::new(Vec::new());

fn remembered() -> impl FnMut(Job) -> JobResult {
    let copy = |outcome: &DhOutcome| DhOutcome {
        private: outcome.private.clone(),
        public: outcome.public.clone(),
        shared: outcome.shared.clone(),
    };
    let mut place = 0;
    move |job| {
        let mut known = KNOWN
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = known.get(place).map(copy);
        place += 1;
        if let Some(outcome) = found {
            return JobResult::DiffieHellman(Ok(outcome));
        }
        let result = job.run();
        if let JobResult::DiffieHellman(Ok(outcome)) = &result {
            known.push(copy(outcome));
        }
        result
    }
}

impl Handshake {
    pub fn up_to_message_4(now: Instant) -> Self {
        let (mut client, mut server) = (Side::new(false, 1), Side::new(true, 2));
        let mut run = remembered();
        let initiate = Initiate {
            ike: path(CLIENT, SERVER, (500, 500), Carrier::Ike),
            natt: path(CLIENT, SERVER, (4500, 4500), Carrier::NatT),
            key: Secret::from(KEY),
            identity: None,
            force_udp: true,
            l2tp_port: 1701,
            pfs: None,
            habits: ike::Habits::default(),
        };
        client.endpoint.initiate(now, initiate);
        client.drain(now, &mut run);
        let mut messages = Vec::new();
        for _ in 0..2 {
            for client_speaks in [true, false] {
                let (from, to) = match client_speaks {
                    true => (&mut client, &mut server),
                    false => (&mut server, &mut client),
                };
                let (path, bytes) = from.sent.pop_front().expect("a message of Main Mode");
                to.endpoint.handle_datagram(now, reversed(path), &bytes);
                to.drain(now, &mut run);
                messages.push(bytes);
            }
        }
        let (path, fifth) = client.sent.pop_front().expect("message 5");
        let (suite, transcript) = agreed(&messages);
        let shared = client.shared.last().expect("a shared secret").clone();
        let keymat = Keymat::from_psk(suite, KEY, &transcript, &shared);
        let (header, _) = Header::parse(&fifth).expect("a header");
        Self {
            server,
            suite,
            transcript,
            keymat,
            header,
            path: reversed(path),
            fifth,
        }
    }

    /// Gives the server the client's own message 5, and returns what it answers.
    pub fn finish(&mut self, now: Instant) {
        let (path, fifth) = (self.path, self.fifth.clone());
        self.server.give(now, path, &fifth);
    }
}

/// What the first four messages of a Main Mode, all in clear, agree on.
fn agreed(messages: &[Vec<u8>]) -> (Phase1Suite, Transcript) {
    let body = |place: usize, kind| {
        let (header, body) = Header::parse(&messages[place]).expect("a header");
        let chain = Chain::parse(header.next, body, Trailing::Nothing).expect("payloads");
        chain.first(kind).expect("a payload").body.to_vec()
    };
    let (header, _) = Header::parse(&messages[1]).expect("a header");
    let transcript = Transcript {
        cookie_i: header.initiator,
        cookie_r: header.responder,
        nonce_i: body(2, PayloadType::NONCE),
        nonce_r: body(3, PayloadType::NONCE),
        public_i: body(2, PayloadType::KE),
        public_r: body(3, PayloadType::KE),
        sa_i: body(0, PayloadType::SA),
    };
    let chosen = Sa::parse(&body(1, PayloadType::SA)).expect("a choice");
    let offer = Phase1Offer::read(&chosen.proposals[0].transforms[0]);
    let suite = Phase1Suite {
        cipher: Cipher::from_id(offer.encryption.expect("a cipher"), offer.key_bits)
            .expect("a known cipher"),
        hash: HashAlgorithm::from_id(offer.hash.expect("a hash")).expect("a known hash"),
        group: Group::from_id(offer.group.expect("a group")).expect("a known group"),
    };
    (suite, transcript)
}
