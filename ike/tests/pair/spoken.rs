//! A client that is spoken by hand, message by message: what our own initiator never says, and
//! real clients do.

mod quirks;

use std::net::SocketAddr;
use std::sync::Arc;

use ike::codec::{
    Attribute, Chain, ChainBuilder, Delete, ExchangeType, Flags, Header, Identification, MessageId,
    Notification, NotifyType, PayloadBody as _, PayloadType, Proposal, ProtocolId, Sa, Trailing,
    Transform, VendorId,
};
use ike::crypto::{Cipher, Group, HashAlgorithm, Iv, Keymat, Phase1Suite, Transcript};
use ike::{
    Answer, CloseReason, Config, Cookie, Endpoint, EspMode, Event, Identity, Keyring, Output,
    Request,
};
use rand_core::SeedableRng as _;
use wire::{Carrier, Instant, Path, Rng, Secret};

use crate::harness::{ip, quiet, seconds};

const KEY: &[u8] = b"correct horse";
/// The client's address, and that of the server as the client knows it and as it is.
const CLIENT: &str = "198.51.100.9";
const PUBLIC: &str = "192.0.2.1";
const INSIDE: &str = "172.16.0.5";
/// What a client behind a NAT says of itself.
const PRIVATE: &str = "192.168.1.10";
const WINDOWS: &str = "1e2b516905991c7d7c96fcbfb587e46100000009";
const APPLE: &str = "4df37928e9fc4fd1b3262170d515c662";
const XAUTH: &str = "09002689dfd6b712";

type Payloads = Vec<(PayloadType, Vec<u8>)>;

/// What the client does otherwise than others.
struct Ways {
    vendor_ids: Vec<Vec<u8>>,
    /// More payloads in messages 3 and 5, after all others.
    message_3: Payloads,
    message_5: Payloads,
    /// Where the client sends to.
    server: &'static str,
    key_length: bool,
    port: u16,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            vendor_ids: vec![VendorId::rfc_3947().0],
            message_3: Vec::new(),
            message_5: Vec::new(),
            server: INSIDE,
            key_length: true,
            port: 500,
        }
    }
}

fn vendor(hex_digits: &str) -> (PayloadType, Vec<u8>) {
    let bytes = hex::decode(hex_digits).expect("digits");
    (PayloadType::VENDOR_ID, bytes)
}

/// The server with the client's end of the wire.
struct Host {
    server: Endpoint,
    now: Instant,
    events: Vec<Event>,
    sent: Vec<(Path, Vec<u8>)>,
    spis: u32,
}

/// The client's side of an IKE SA.
struct Client {
    path: Path,
    cookies: (Cookie, Cookie),
    keymat: Keymat,
    last_block: Iv,
    /// NAT-D payloads of message 4.
    nat_d: Vec<Vec<u8>>,
    /// The server's identity in message 6.
    server_identity: Identity,
    hasher: HashAlgorithm,
}

impl Host {
    fn new(config: Config) -> Self {
        let mut server = Endpoint::new(config, Rng::seed_from_u64(1));
        let key = Secret::from(KEY);
        server.set_keys(Arc::new(Keyring::for_anybody("test", key)));
        Self {
            server,
            now: Instant::from_boot(seconds(1000)),
            events: Vec::new(),
            sent: Vec::new(),
            spis: 0,
        }
    }

    /// Lets a message arrive; the answers.
    fn say(&mut self, path: Path, message: &[u8]) -> Vec<Vec<u8>> {
        let before = self.sent.len();
        self.server.handle_datagram(self.now, path, message);
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Transmit { path, bytes } => self.sent.push((path, bytes)),
                Output::Request(id, Request::Compute(job)) => {
                    let answer = Answer::Computed(job.run());
                    self.server.handle_answer(self.now, id, answer);
                }
                Output::Request(id, Request::Spi { .. }) => {
                    self.spis += 1;
                    let answer = Answer::Spi(Some(0x1000 + self.spis));
                    self.server.handle_answer(self.now, id, answer);
                }
                Output::Event(event) => self.events.push(event),
            }
        }
        self.sent[before..].iter().map(|(_, b)| b.clone()).collect()
    }

    fn connect(&mut self, number: u8, ways: &Ways) -> Client {
        let path = Path {
            local: SocketAddr::new(ip(INSIDE), ways.port),
            remote: SocketAddr::new(ip(CLIENT), ways.port),
            carrier: if ways.port == 4500 {
                Carrier::NatT
            } else {
                Carrier::Ike
            },
        };
        let cookie_i = Cookie([number; 8]);
        let header = |cookie_r| Header {
            initiator: cookie_i,
            responder: cookie_r,
            next: PayloadType::NONE,
            version: Header::VERSION_1_0,
            exchange: ExchangeType::MAIN_MODE,
            flags: Flags::NONE,
            message_id: MessageId::PHASE_1,
        };
        let sa = phase_1_offer(ways.key_length);
        let mut message_1 = ChainBuilder::new().with(PayloadType::SA, &sa);
        for id in &ways.vendor_ids {
            message_1.push(PayloadType::VENDOR_ID, id);
        }
        let [message_2] = &self.say(path, &message_1.message(header(Cookie::ZERO)))[..] else {
            panic!("no message 2: {:?}", self.events);
        };
        let cookie_r = Header::parse(message_2).expect("a message").0.responder;

        let suite = Phase1Suite {
            cipher: if ways.key_length {
                Cipher::Aes256
            } else {
                Cipher::Aes128
            },
            hash: HashAlgorithm::Sha1,
            group: Group::Modp2048,
        };
        let private = suite
            .group
            .private_value(&mut Rng::seed_from_u64(number.into()));
        let (public_i, nonce_i) = (private.public_value(), vec![number; 32]);
        let nat_d = |address: &str, port: u16| {
            let address: std::net::Ipv4Addr = address.parse().expect("an address");
            let parts: [&[u8]; 4] = [
                &cookie_i.0,
                &cookie_r.0,
                &address.octets(),
                &port.to_be_bytes(),
            ];
            suite.hash.digest(&parts)
        };
        let mut message_3 = ChainBuilder::new()
            .with(PayloadType::KE, &public_i)
            .with(PayloadType::NONCE, &nonce_i);
        for (kind, body) in &ways.message_3 {
            message_3.push(*kind, body);
        }
        message_3
            .push(PayloadType::NAT_D, &nat_d(ways.server, ways.port))
            .push(PayloadType::NAT_D, &nat_d(CLIENT, ways.port));
        let [message_4] = &self.say(path, &message_3.message(header(cookie_r)))[..] else {
            panic!("no message 4: {:?}", self.events);
        };
        let (_, body) = Header::parse(message_4).expect("a message");
        let chain = Chain::parse(PayloadType::KE, body, Trailing::Nothing).expect("a chain");
        let of = |kind| chain.first(kind).expect("a payload").body.to_vec();
        let transcript = Transcript {
            cookie_i,
            cookie_r,
            nonce_i,
            nonce_r: of(PayloadType::NONCE),
            public_i,
            public_r: of(PayloadType::KE),
            sa_i: sa.to_body(),
        };
        let nat_d = chain.all(PayloadType::NAT_D).map(|p| p.body.to_vec());
        let nat_d: Vec<_> = nat_d.collect();
        let shared = private
            .shared_secret(&transcript.public_r)
            .expect("a secret");
        let keymat = Keymat::from_psk(suite, KEY, &transcript, &shared);

        let path = Path {
            local: SocketAddr::new(ip(INSIDE), 4500),
            remote: SocketAddr::new(ip(CLIENT), 4500),
            carrier: Carrier::NatT,
        };
        let id = Identification {
            protocol: 0,
            port: 0,
            identity: ip(PRIVATE).into(),
        };
        let mut message_5 = ChainBuilder::new().with(PayloadType::ID, &id).with(
            PayloadType::HASH,
            &keymat.hash_i(&transcript, &id.to_body()),
        );
        for (kind, body) in &ways.message_5 {
            message_5.push(*kind, body);
        }
        let first_iv = suite.first_iv(&transcript);
        let (message_5, iv) = keymat.seal(header(cookie_r), &message_5, &first_iv);
        let [message_6] = &self.say(path, &message_5)[..] else {
            panic!("no message 6: {:?}", self.events);
        };
        let (answer, body) = Header::parse(message_6).expect("a message");
        let opened = keymat.open(&answer, body, &iv).expect("whole blocks");
        let chain = opened.chain().expect("the right key");
        let id = chain.first(PayloadType::ID).expect("an identity").body;
        let expected = keymat.hash_r(&transcript, id);
        assert_eq!(
            chain.first(PayloadType::HASH).expect("a hash").body,
            expected
        );
        Client {
            path,
            cookies: (cookie_i, cookie_r),
            server_identity: Identification::parse(id).expect("an identity").identity,
            last_block: opened.next_iv(),
            keymat,
            nat_d,
            hasher: suite.hash,
        }
    }

    /// Messages 1 to 3 of Quick Mode; the payloads of message 2.
    fn quick_mode(&mut self, client: &Client, asked: &Asked) -> Payloads {
        let (message, iv) = client.ask(asked);
        let answers = self.say(client.path, &message);
        let [message_2] = &answers[..] else {
            panic!("no message 2: {:?}", self.events);
        };
        let id = MessageId(asked.message_id);
        let (header, body) = Header::parse(message_2).expect("a message");
        let opened = client
            .keymat
            .open(&header, body, &iv)
            .expect("whole blocks");
        let chain = opened.chain().expect("the right key");
        let hash = chain.nth(0).expect("a hash");
        let nonce_i = [7; 16];
        let expected = client.keymat.hash_2(id, &nonce_i, chain.after(&hash));
        assert_eq!(hash.body, expected);
        let nonce_r = chain.first(PayloadType::NONCE).expect("a nonce").body;
        let hash_3 = client.keymat.hash_3(id, &nonce_i, nonce_r);
        let message_3 = ChainBuilder::new().with(PayloadType::HASH, &hash_3);
        let header = client.header(ExchangeType::QUICK_MODE, id);
        let (message_3, _) = client.keymat.seal(header, &message_3, &opened.next_iv());
        assert!(self.say(client.path, &message_3).is_empty());
        let payloads = chain.iter().map(|p| (p.kind, p.body.to_vec()));
        payloads.collect()
    }

    fn children(&self) -> Vec<&ike::ChildSa> {
        let up = self.events.iter().filter_map(|event| match event {
            Event::ChildUp { details, .. } => Some(&**details),
            _ => None,
        });
        up.collect()
    }

    fn nat(&self) -> ike::Nat {
        let info = self.events.iter().rev().find_map(|event| match event {
            Event::SaUp { info, .. } => Some(info),
            _ => None,
        });
        info.expect("an SA").nat
    }
}

/// A Quick Mode of the client's.
struct Asked {
    message_id: u32,
    spi: u32,
    id_i: Identification,
    id_r: Identification,
    key_length: bool,
    udp: bool,
}

impl Asked {
    fn new(message_id: u32) -> Self {
        let udp = |address: &str| Identification {
            protocol: 17,
            port: 1701,
            identity: ip(address).into(),
        };
        Self {
            message_id,
            spi: 0xc000_0000 + message_id,
            id_i: udp(PRIVATE),
            id_r: udp(PUBLIC),
            key_length: true,
            udp: true,
        }
    }
}

impl Client {
    fn header(&self, exchange: ExchangeType, message_id: MessageId) -> Header {
        Header {
            initiator: self.cookies.0,
            responder: self.cookies.1,
            next: PayloadType::NONE,
            version: Header::VERSION_1_0,
            exchange,
            flags: Flags::NONE,
            message_id,
        }
    }

    /// An encrypted message that begins an exchange, with the IV of the next.
    fn begin(&self, exchange: ExchangeType, id: u32, mut chain: ChainBuilder) -> (Vec<u8>, Iv) {
        let id = MessageId(id);
        let hash = self.keymat.hash_1(id, &chain.encode());
        chain.prepend(PayloadType::HASH, &hash);
        let iv = self.keymat.suite().exchange_iv(&self.last_block, id);
        self.keymat.seal(self.header(exchange, id), &chain, &iv)
    }

    fn inform(&self, id: u32, chain: ChainBuilder) -> Vec<u8> {
        self.begin(ExchangeType::INFORMATIONAL, id, chain).0
    }

    fn ask(&self, asked: &Asked) -> (Vec<u8>, Iv) {
        // AES-CBC, HMAC-SHA1, one hour.
        let mut attributes = vec![
            Attribute::basic(1, 1),
            Attribute::variable_u32(2, 3600),
            Attribute::basic(4, if asked.udp { 4 } else { 2 }),
            Attribute::basic(5, 2),
        ];
        if asked.key_length {
            attributes.push(Attribute::basic(6, 256));
        }
        let offer = Sa::new(vec![Proposal {
            number: 1,
            protocol: ProtocolId::ESP,
            spi: asked.spi.to_be_bytes().to_vec(),
            transforms: vec![Transform {
                number: 1,
                id: 12,
                attributes,
            }],
        }]);
        let chain = ChainBuilder::new()
            .with(PayloadType::SA, &offer)
            .with(PayloadType::NONCE, &[7_u8; 16][..])
            .with(PayloadType::ID, &asked.id_i)
            .with(PayloadType::ID, &asked.id_r)
            .with(PayloadType::NAT_OA, &nat_oa(PRIVATE))
            .with(PayloadType::NAT_OA, &nat_oa(PUBLIC));
        self.begin(ExchangeType::QUICK_MODE, asked.message_id, chain)
    }

    fn nat_d_of(&self, address: &str, port: u16) -> Vec<u8> {
        let address: std::net::Ipv4Addr = address.parse().expect("an address");
        let (i, r) = self.cookies;
        let port = port.to_be_bytes();
        self.hasher.digest(&[&i.0, &r.0, &address.octets(), &port])
    }
}

fn nat_oa(address: &str) -> Vec<u8> {
    ike::codec::NatOa(ip(address)).to_body()
}

/// AES-CBC, SHA-1, MODP-2048, pre-shared key, eight hours.
fn phase_1_offer(key_length: bool) -> Sa {
    let mut attributes = vec![
        Attribute::basic(1, 7),
        Attribute::basic(2, 2),
        Attribute::basic(4, 14),
        Attribute::basic(3, 1),
        Attribute::basic(11, 1),
        Attribute::variable_u32(12, 28_800),
    ];
    if key_length {
        attributes.insert(1, Attribute::basic(14, 256));
    }
    Sa::new(vec![Proposal {
        number: 1,
        protocol: ProtocolId::ISAKMP,
        spi: Vec::new(),
        transforms: vec![Transform {
            number: 1,
            id: 1,
            attributes,
        }],
    }])
}

fn config() -> Config {
    Config {
        timing: quiet(),
        ..Config::default()
    }
}
