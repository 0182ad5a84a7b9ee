//! A client that is spoken by hand, message by message: what our own initiator never says, and
//! real clients do.

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

/// QUIRK(Cisco): vendor ids and XAUTH after KE, one that is new every time, and a set of NAT-D
/// payloads for each draft.
#[test]
fn strange_payloads_in_messages_3_and_5_change_nothing() {
    let mut host = Host::new(config());
    let ways = Ways {
        message_3: vec![
            vendor(XAUTH),
            vendor("00112233445566778899aabbccddeeff"),
            (PayloadType::NAT_D_DRAFT_02, vec![1; 20]),
            (PayloadType::NAT_D_DRAFT_02, vec![2; 20]),
            (PayloadType(200), vec![3; 5]),
        ],
        message_5: vec![
            vendor(XAUTH),
            vendor("ff"),
            (
                PayloadType::NOTIFICATION,
                Notification::bare(NotifyType(31_000)).to_body(),
            ),
        ],
        ..Ways::default()
    };
    let client = host.connect(1, &ways);
    assert_eq!(host.nat(), ike::Nat::default());
    let mut asked = Asked::new(1);
    asked.udp = false;
    host.quick_mode(&client, &asked);
    assert_eq!(host.children()[0].mode, EspMode::Raw);
}

#[test]
fn aes_without_a_key_length_is_aes_128() {
    let mut host = Host::new(config());
    let ways = Ways {
        key_length: false,
        ..Ways::default()
    };
    let client = host.connect(1, &ways);
    let mut asked = Asked::new(1);
    asked.key_length = false;
    host.quick_mode(&client, &asked);
    assert_eq!(host.children()[0].suite.to_string(), "aes128-sha1");
    assert_eq!(host.children()[0].inbound.encryption.expose().len(), 16);
}

/// [MS-IKEE] §3.8.4.1: a nonce between HASH and D, both under the hash. And whatever else.
#[test]
fn an_acknowledged_delete_is_a_delete() {
    let mut host = Host::new(config());
    let client = host.connect(1, &Ways::default());
    let asked = Asked::new(1);
    host.quick_mode(&client, &asked);
    let delete = Delete::esp(&[asked.spi]);
    let chain = ChainBuilder::new()
        .with(PayloadType::NONCE, &[5_u8; 24][..])
        .with(PayloadType::VENDOR_ID, &[6_u8; 16][..])
        .with(PayloadType::DELETE, &delete);
    host.say(client.path, &client.inform(0x77, chain));
    assert!(
        matches!(
            host.events.last(),
            Some(Event::ChildDown {
                reason: CloseReason::PeerDeleted,
                ..
            })
        ),
        "{:?}",
        host.events.last()
    );
}

/// QUIRK(Windows): KB 818043. The identities come back byte for byte all the same.
#[test]
fn a_name_in_place_of_the_clients_address_means_the_client() {
    let mut host = Host::new(config());
    let client = host.connect(1, &Ways::default());
    host.quick_mode(&client, &Asked::new(1));
    let mut asked = Asked::new(2);
    asked.id_i.identity = Identity::Fqdn("pc.example.org".into());
    let answer = host.quick_mode(&client, &asked);
    let ids: Vec<_> = answer
        .iter()
        .filter(|(kind, _)| *kind == PayloadType::ID)
        .collect();
    assert_eq!(ids[0].1, asked.id_i.to_body());
    assert_eq!(ids[1].1, asked.id_r.to_body());
    let traffic = host.children()[1].initiator_traffic;
    assert_eq!((traffic.address, traffic.port), (Some(ip(CLIENT)), 1701));
}

/// QUIRK(Apple): goes on asking under an IKE SA that it has deleted.
#[test]
fn a_quick_mode_under_a_deleted_ike_sa_is_met_with_silence() {
    let mut host = Host::new(config());
    let client = host.connect(1, &Ways::default());
    host.quick_mode(&client, &Asked::new(1));
    let delete = Delete::isakmp(client.cookies.0, client.cookies.1);
    let chain = ChainBuilder::new().with(PayloadType::DELETE, &delete);
    host.say(client.path, &client.inform(0x77, chain));
    assert!(matches!(host.events.last(), Some(Event::SaDown { .. })));
    let (events, spis) = (host.events.len(), host.spis);
    for id in [1, 2] {
        let (message, _) = client.ask(&Asked::new(id));
        assert!(host.say(client.path, &message).is_empty());
    }
    assert_eq!((host.events.len(), host.spis), (events, spis));
    assert_eq!(host.server.counters().unknown_cookies, 2);
}

/// QUIRK(Windows): message ids count from 1 under every IKE SA, and Main Modes run in parallel
/// from one address and port.
#[test]
fn small_message_ids_under_several_ike_sas_are_told_apart() {
    let mut host = Host::new(config());
    let clients: Vec<Client> = (1..4)
        .map(|number| host.connect(number, &Ways::default()))
        .collect();
    for (place, client) in clients.iter().enumerate() {
        for id in 1..4 {
            let mut asked = Asked::new(id);
            asked.spi += 0x100 * u32::try_from(place).expect("few");
            host.quick_mode(client, &asked);
            let (again, _) = client.ask(&asked);
            assert_eq!(host.say(client.path, &again).len(), 1, "the same answer");
        }
    }
    assert_eq!((host.children().len(), host.spis), (9, 9));
    let confirmed = host.events.iter();
    let confirmed = confirmed.filter(|event| matches!(event, Event::ChildConfirmed { .. }));
    assert_eq!(confirmed.count(), 9);
}

/// A new IKE SA deletes what the old one made, after the new child SA is up or before.
#[test]
fn a_new_ike_sa_speaks_for_the_child_sas_of_the_old_one() {
    for before in [true, false] {
        let mut host = Host::new(config());
        let old = host.connect(1, &Ways::default());
        host.quick_mode(&old, &Asked::new(1));
        // From port 500 again, as Apple does when 4500 does not answer; or on 4500 at once.
        let ways = Ways {
            port: if before { 500 } else { 4500 },
            ..Ways::default()
        };
        let new = host.connect(2, &ways);
        let delete = |host: &mut Host| {
            let chain = ChainBuilder::new()
                .with(PayloadType::DELETE, &Delete::esp(&[Asked::new(1).spi]))
                .with(
                    PayloadType::DELETE,
                    &Delete::isakmp(old.cookies.0, old.cookies.1),
                );
            host.say(new.path, &new.inform(0x99, chain));
        };
        if before {
            delete(&mut host);
        }
        host.quick_mode(&new, &Asked::new(2));
        if !before {
            delete(&mut host);
        }
        let down = |wanted: fn(&Event) -> bool| host.events.iter().filter(|e| wanted(e)).count();
        assert_eq!(down(|e| matches!(e, Event::ChildDown { .. })), 1);
        assert_eq!(down(|e| matches!(e, Event::SaDown { .. })), 1);
        assert_eq!(host.server.occupancy(), (0, 1));
    }
}

/// After a move of the client's address, which ESP has shown, questions and DELETEs go to the new
/// place, and a new IKE SA from there speaks for what the old one made.
#[test]
fn requests_follow_esp_to_another_address() {
    let mut ways = Ways {
        server: PUBLIC,
        ..Ways::default()
    };
    ways.vendor_ids.push(VendorId::dead_peer_detection().0);
    let mut host = Host::new(Config::default());
    let client = host.connect(1, &ways);
    host.quick_mode(&client, &Asked::new(1));
    let (sa, child) = host
        .events
        .iter()
        .find_map(|event| match event {
            Event::ChildUp { sa, child, .. } => Some((*sa, *child)),
            _ => None,
        })
        .expect("a child SA");
    let mut elsewhere = client.path;
    elsewhere.remote = "203.0.113.77:61000".parse().expect("an address");
    host.server.follow(host.now, sa, elsewhere);
    host.now = host.now + seconds(33);
    host.server.handle_timeout(host.now);
    // A question, and a NAT keepalive, since the server is behind a NAT itself.
    let mut asked = Vec::new();
    while let Some(output) = host.server.poll_output() {
        if let Output::Transmit { path, bytes } = output {
            asked.push((path, bytes.len() > 1));
        }
    }
    assert!(asked.contains(&(elsewhere, true)), "{asked:?}");
    assert!(
        asked.iter().all(|(path, _)| *path == elsewhere),
        "{asked:?}"
    );
    // Its answer goes where it came from, if that is elsewhere again.
    let mut third = client.path;
    third.remote = "203.0.113.78:62000".parse().expect("an address");
    let question =
        Notification::dead_peer(NotifyType::R_U_THERE, client.cookies.0, client.cookies.1, 5);
    let chain = ChainBuilder::new().with(PayloadType::NOTIFICATION, &question);
    assert_eq!(host.say(third, &client.inform(0x55, chain)).len(), 1);
    assert_eq!(host.sent.last().expect("an answer").0, third);

    let delete = ChainBuilder::new().with(PayloadType::DELETE, &Delete::esp(&[Asked::new(1).spi]));
    host.say(third, &client.inform(0x56, delete));
    let ended = host
        .events
        .iter()
        .any(|event| matches!(event, Event::ChildDown { child: ended, .. } if *ended == child));
    assert!(ended, "{:?}", host.events);
}

/// DESIGN: the server is behind a 1:1 NAT. What it says about itself, to whom, and where ESP goes.
#[test]
fn a_server_behind_nat_is_shown_as_its_clients_take_it() {
    for (name, id, public_address, hidden) in [
        ("Windows, learnt", WINDOWS, None, true),
        ("Windows, known", WINDOWS, Some(ip(PUBLIC)), true),
        ("Apple, learnt", APPLE, None, false),
        ("Apple, known", APPLE, Some(ip(PUBLIC)), true),
        ("strongSwan, learnt", XAUTH, None, false),
        ("strongSwan, known", XAUTH, Some(ip(PUBLIC)), true),
    ] {
        let mut host = Host::new(Config {
            public_address,
            ..config()
        });
        let mut ways = Ways {
            server: PUBLIC,
            ..Ways::default()
        };
        ways.vendor_ids.push(vendor(id).1);
        let client = host.connect(1, &ways);
        // The receiver's end comes first (RFC 3947 §3.2).
        let [theirs, ours] = &client.nat_d[..] else {
            panic!("{name}: {:?}", client.nat_d);
        };
        let sees_itself = *theirs == client.nat_d_of(CLIENT, 500);
        let sees_server = *ours == client.nat_d_of(PUBLIC, 500);
        // Hidden: the server is where the client thinks, and the client is behind a NAT.
        assert_eq!((sees_server, sees_itself), (hidden, !hidden), "{name}");
        assert_eq!(sees_server, *ours != client.nat_d_of(INSIDE, 500), "{name}");
        let nat = host.nat();
        assert!(
            nat.here && nat.any() && nat.forced == hidden,
            "{name}: {nat:?}"
        );
        let identity = ip(if public_address.is_some() {
            PUBLIC
        } else {
            INSIDE
        });
        assert_eq!(client.server_identity, identity.into(), "{name}");
        let answer = host.quick_mode(&client, &Asked::new(1));
        let originals: Vec<_> = answer
            .iter()
            .filter(|(kind, _)| *kind == PayloadType::NAT_OA)
            .map(|(_, body)| body.clone())
            .collect();
        assert_eq!(originals, [nat_oa(CLIENT), nat_oa(PUBLIC)], "{name}");
        let child = host.children()[0];
        assert_eq!(
            (child.mode, child.path.carrier),
            (EspMode::Udp, Carrier::NatT)
        );
    }
}

/// Phones sleep; others that say nothing for so long are gone.
#[test]
fn silence_is_forgiven_those_who_sleep() {
    for (id, dozes, lasts) in [(APPLE, true, 600), (XAUTH, false, 80)] {
        let mut host = Host::new(Config::default());
        let mut ways = Ways {
            server: PUBLIC,
            ..Ways::default()
        };
        ways.vendor_ids.push(vendor(id).1);
        ways.vendor_ids.push(VendorId::dead_peer_detection().0);
        let client = host.connect(1, &ways);
        host.quick_mode(&client, &Asked::new(1));
        let Some(Event::SaUp { info, .. }) = host.events.first() else {
            panic!("{:?}", host.events);
        };
        assert_eq!(info.make.dozes(), dozes, "{}", info.make);
        let since = host.now;
        let died = loop {
            let (at, _) = host.server.poll_timeout().expect("a deadline");
            host.now = at;
            host.server.handle_timeout(at);
            let mut dead = false;
            while let Some(output) = host.server.poll_output() {
                dead |= matches!(output, Output::Event(Event::DeadPeer { .. }));
            }
            if dead {
                break at - since;
            }
        };
        assert!(
            died >= seconds(lasts) && died < seconds(lasts + 60),
            "{id}: {died:?}"
        );
    }
}
