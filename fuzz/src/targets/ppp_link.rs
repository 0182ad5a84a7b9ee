//! A link, either end of it, with somebody at the other end who says anything at all, right answers among
//! it: whatever was said, a link that hears no more comes to its end.

use std::net::Ipv4Addr;
use std::time::Duration;

use ppp::frame::{Compression, Frame, Protocol};
use ppp::{Authenticate, Config, Event, Link, Method, NetworkConfig, Output, Role, Verdict, auth};
use rand_core::SeedableRng;
use wire::{Instant, Rng, Secret};

use crate::input::Input;

const NETWORK: NetworkConfig = NetworkConfig {
    local: Ipv4Addr::new(10, 10, 1, 1),
    peer: Ipv4Addr::new(10, 10, 1, 2),
    dns: [Some(Ipv4Addr::new(10, 10, 1, 53)), None],
    wins: [None, None],
};

struct Bench {
    link: Link,
    now: Instant,
    /// The last request of each protocol that the link has sent.
    asked: Vec<(Protocol, Vec<u8>)>,
    requests: Vec<Authenticate>,
    is_down: bool,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.byte();
    let mut config = match options & 1 {
        0 => Config::server("l2tpd"),
        _ => Config::client("ann", Secret::from(&b"right"[..])),
    };
    let all = [Method::MsChapV2, Method::Chap, Method::Pap];
    let methods = all[usize::from(options >> 1 & 3) % 3..].to_vec();
    match &mut config.role {
        Role::Server(server) => server.methods = methods,
        Role::Client(client) => client.methods = methods,
    }
    let mut bench = Bench {
        link: Link::new(config, Rng::seed_from_u64(3)),
        now: Instant::from_boot(Duration::from_secs(9_000)),
        asked: Vec::new(),
        requests: Vec::new(),
        is_down: false,
    };
    bench.link.open(bench.now);
    bench.drain();
    while !input.is_empty() && !bench.is_down {
        let kind = input.byte();
        match kind {
            0..=9 => bench.wait(Duration::from_millis(input.number().into())),
            10..=14 => bench.wait(Duration::from_secs(input.byte().into())),
            15..=29 => bench.decide(kind & 1 == 0),
            30..=59 => bench.give(input.bytes()),
            // A packet of one of the protocols there are, its length right.
            60..=149 => {
                let protocol =
                    input.choose(&[Protocol::LCP, Protocol::IPCP, Protocol::CHAP, Protocol::PAP]);
                let (code, id) = (input.byte() % 16, input.byte());
                let data = input.bytes();
                let code = ppp::packet::Code(code);
                let packet = ppp::packet::Packet { code, id, data }.emit();
                bench.frame(protocol, &packet);
            }
            // What the link has asked for last, with an answer's code: Ack, Nak, Reject.
            _ => {
                let protocol = input.choose(&[Protocol::LCP, Protocol::IPCP]);
                let asked = bench.asked.iter().rev().find(|(of, _)| *of == protocol);
                if let Some((_, packet)) = asked {
                    let mut packet = packet.clone();
                    packet[0] = 2 + (kind & 3) % 3;
                    bench.frame(protocol, &packet);
                }
            }
        }
    }
    // With nothing heard any more its own questions end it.
    bench.wait(Duration::from_secs(3_600));
    assert!(bench.is_down);
    assert_eq!(bench.link.poll_timeout(), None);
}

impl Bench {
    fn frame(&mut self, protocol: Protocol, information: &[u8]) {
        let frame = Frame {
            protocol,
            information,
        };
        self.give(&frame.emit(Compression::default()));
    }

    fn give(&mut self, bytes: &[u8]) {
        self.link.handle_frame(self.now, bytes);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.link.poll_output() {
            match output {
                Output::Transmit(bytes) => {
                    let frame = Frame::parse(&bytes).expect("a frame of ours");
                    if frame.information.first() == Some(&1) {
                        self.asked.retain(|(of, _)| *of != frame.protocol);
                        let packet = frame.information.to_vec();
                        self.asked.push((frame.protocol, packet));
                    }
                }
                Output::Event(Event::Down { .. }) => {
                    assert!(!self.is_down, "it ends once");
                    self.is_down = true;
                }
                Output::Event(_) => {}
                Output::Request(request) => self.requests.push(request),
            }
        }
    }

    /// Answers the last login: rightly, or with a refusal whatever it was.
    fn decide(&mut self, rightly: bool) {
        let Some(request) = self.requests.last() else {
            return;
        };
        let password = Secret::from(&b"right"[..]);
        let check = request.exchange.check(&request.user, &password);
        let verdict = match check {
            auth::Check::Passed(authenticator_response) if rightly => Verdict::Accept {
                authenticator_response,
                network: NETWORK,
            },
            // Who refuses all would never get to IPCP.
            auth::Check::Failed if rightly => Verdict::Accept {
                authenticator_response: None,
                network: NETWORK,
            },
            _ => Verdict::Reject {
                code: 691,
                message: "No".to_owned(),
            },
        };
        self.link.handle_verdict(self.now, request.id, verdict);
        self.drain();
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..10_000 {
            match self.link.poll_timeout() {
                Some((at, _)) if at <= end => {
                    self.now = self.now.max(at);
                    self.link.handle_timeout(self.now);
                    self.drain();
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("time does not pass: {:?}", self.link.poll_timeout());
    }
}
