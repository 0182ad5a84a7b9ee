//! One link whose peer is spoken by hand.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::Ipv4Addr;
use std::time::Duration;

use ppp::frame::{Compression, Frame, Protocol};
use ppp::packet::Packet;
use ppp::{
    Authenticate, CloseReason, Config, Event, Link, Method, NetworkConfig, Output, Role, Verdict,
    auth, chap, mschapv2,
};
use rand_core::SeedableRng;
use wire::{Instant, Rng, Secret};

/// What an accepted user gets.
pub const NETWORK: NetworkConfig = NetworkConfig {
    local: Ipv4Addr::new(10, 0, 0, 1),
    peer: Ipv4Addr::new(10, 0, 0, 9),
    dns: [Some(Ipv4Addr::new(10, 0, 0, 1)), None],
    wins: [None, Some(Ipv4Addr::new(10, 0, 0, 3))],
};

/// The peer, by hand.
pub struct Bench {
    pub link: Link,
    pub now: Instant,
    pub sent: Vec<(Protocol, Vec<u8>)>,
    pub events: Vec<Event>,
    pub requests: Vec<Authenticate>,
    /// Events and the codes of frames, in the order in which they came out.
    pub order: Vec<String>,
}

impl Bench {
    pub fn new(config: Config) -> Self {
        let mut bench = Self {
            link: Link::new(config, Rng::seed_from_u64(3)),
            now: Instant::from_boot(Duration::from_secs(50)),
            sent: Vec::new(),
            events: Vec::new(),
            requests: Vec::new(),
            order: Vec::new(),
        };
        bench.link.open(bench.now);
        bench.drain();
        bench
    }

    pub fn server(methods: &[Method]) -> Self {
        let mut config = Config::server("l2tpd");
        if let Role::Server(server) = &mut config.role {
            server.methods = methods.to_vec();
        }
        Self::new(config)
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.link.poll_output() {
            match output {
                Output::Transmit(bytes) => {
                    let frame = Frame::parse(&bytes).unwrap();
                    self.order
                        .push(format!("{:?} {}", frame.protocol, frame.information[0]));
                    self.sent.push((frame.protocol, frame.information.to_vec()));
                }
                Output::Event(event) => {
                    let name = format!("{event:?}");
                    self.order
                        .push(name.split([' ', '(']).next().unwrap().to_owned());
                    self.events.push(event);
                }
                Output::Request(request) => self.requests.push(request),
            }
        }
    }

    /// Gives the link a packet and returns what it sends at once.
    pub fn give(&mut self, protocol: Protocol, packet: &[u8]) -> Vec<(Protocol, Vec<u8>)> {
        let before = self.sent.len();
        let frame = Frame {
            protocol,
            information: packet,
        };
        self.link
            .handle_frame(self.now, &frame.emit(Compression::default()));
        self.drain();
        self.sent[before..].to_vec()
    }

    pub fn lcp(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.give(Protocol::LCP, packet)
            .into_iter()
            .map(|sent| sent.1)
            .collect()
    }

    pub fn ipcp(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.give(Protocol::IPCP, packet)
            .into_iter()
            .map(|sent| sent.1)
            .collect()
    }

    pub fn wait(&mut self, time: Duration) -> Vec<Vec<u8>> {
        let before = self.sent.len();
        let end = self.now + time;
        while let Some((due, _)) = self.link.poll_timeout().filter(|timeout| timeout.0 <= end) {
            self.now = due;
            self.link.handle_timeout(due);
            self.drain();
        }
        self.now = end;
        self.sent[before..]
            .iter()
            .map(|sent| sent.1.clone())
            .collect()
    }

    /// The last Configure-Request of `protocol`, turned into its Ack.
    pub fn ack(&mut self, protocol: Protocol) -> Vec<(Protocol, Vec<u8>)> {
        let last = |sent: &&(Protocol, Vec<u8>)| sent.0 == protocol && sent.1[0] == 1;
        let mut ack = self.sent.iter().rev().find(last).unwrap().1.clone();
        ack[0] = 2;
        self.give(protocol, &ack)
    }

    /// LCP opens with a peer that asks for MRU 1400 and a magic number.
    pub fn open_lcp(&mut self) {
        self.lcp(&[1, 1, 0, 14, 1, 4, 5, 0x78, 5, 6, 1, 2, 3, 4]);
        self.ack(Protocol::LCP);
        assert!(matches!(self.events.last(), Some(Event::LcpUp(_))));
    }

    pub fn challenge(&self) -> (u8, [u8; 16]) {
        let sent = self
            .sent
            .iter()
            .rev()
            .find(|s| s.0 == Protocol::CHAP && s.1[0] == 1)
            .unwrap();
        (sent.1[1], sent.1[5..21].try_into().unwrap())
    }

    pub fn respond(&mut self, user: &[u8], password: &str) -> Vec<(Protocol, Vec<u8>)> {
        let (id, challenge) = self.challenge();
        let peer_challenge = [7; 16];
        let hash = mschapv2::NtHash::of(&Secret::from(password.as_bytes()));
        let nt_response = mschapv2::nt_response(user, &hash, &challenge, &peer_challenge);
        let value = mschapv2::Response {
            peer_challenge,
            nt_response,
            flags: 0,
        }
        .emit();
        let data = chap::Value {
            value: &value,
            name: user,
        }
        .emit();
        self.give(
            Protocol::CHAP,
            &Packet {
                code: chap::RESPONSE,
                id,
                data: &data,
            }
            .emit(),
        )
    }

    /// Answers the last request for a verdict as a checker would that knows the password "right".
    pub fn decide(&mut self) -> Vec<(Protocol, Vec<u8>)> {
        let request = self.requests.last().unwrap().clone();
        let password = Secret::from(&b"right"[..]);
        let verdict = match request.exchange.check(&request.user, &password) {
            auth::Check::Passed(authenticator_response) => Verdict::Accept {
                authenticator_response,
                network: NETWORK,
            },
            auth::Check::Failed => Verdict::Reject {
                code: 691,
                message: "No".to_owned(),
            },
        };
        let before = self.sent.len();
        self.link.handle_verdict(self.now, request.id, verdict);
        self.drain();
        self.sent[before..].to_vec()
    }

    /// A server with the network open.
    pub fn opened() -> Self {
        let mut bench = Self::server(&[Method::MsChapV2]);
        bench.open_lcp();
        bench.respond(b"ann", "right");
        bench.decide();
        bench.ack(Protocol::IPCP);
        bench.ipcp(&[1, 5, 0, 10, 3, 6, 10, 0, 0, 9]);
        assert!(matches!(bench.events.last(), Some(Event::NetworkUp(_))));
        bench
    }

    pub fn reason(&self) -> &CloseReason {
        match self.events.last() {
            Some(Event::Down { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }
}
