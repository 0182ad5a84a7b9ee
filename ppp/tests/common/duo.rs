//! A server and a client with somebody's habits, in virtual time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::net::Ipv4Addr;
use std::time::Duration;

use ppp::frame::{Frame, Protocol};
use ppp::habits::Habits;
use ppp::packet::{Code, Packet};
use ppp::{Config, Event, Link, Method, NetworkConfig, NetworkUp, Output, Role, Verdict, auth};
use rand_core::{Rng as _, SeedableRng};
use wire::{Instant, Rng, Secret};

/// No name servers: what Windows and Apple ask for has to be rejected.
pub const NETWORK: NetworkConfig = NetworkConfig {
    local: Ipv4Addr::new(10, 0, 0, 1),
    peer: Ipv4Addr::new(10, 0, 0, 9),
    dns: [Some(Ipv4Addr::new(10, 0, 0, 1)), None],
    wins: [None; 2],
};

pub const LATENCY: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Server,
    Client,
}

/// A frame that was sent: milliseconds since the start, by whom, and what.
pub type Sent = (u128, Side, Vec<u8>);

/// A server and a client, ten milliseconds apart, in virtual time.
pub struct Duo {
    pub start: Instant,
    pub now: Instant,
    pub server: Link,
    pub client: Link,
    pub sent: Vec<Sent>,
    pub events: Vec<(u128, Side, Event)>,
    /// Frames under way to the other side.
    pub air: Vec<(Instant, Side, Vec<u8>)>,
    /// One frame in so many is lost.
    pub loss: Option<u32>,
    pub rng: Rng,
}

impl Duo {
    pub fn new(habits: Habits) -> Self {
        Self::with(habits, &[Method::MsChapV2], &[Method::MsChapV2])
    }

    /// A server that asks for compressed fields itself, as pppd does.
    pub fn compressing(habits: Habits) -> Self {
        let mut server = Config::server("l2tpd");
        server.compression = true;
        Self::between(server, Self::client(habits))
    }

    pub fn client(habits: Habits) -> Config {
        let mut client = Config::client("CORP\\ann", Secret::from(&b"right"[..]));
        client.habits = habits;
        client
    }

    pub fn with(habits: Habits, offered: &[Method], known: &[Method]) -> Self {
        let mut server = Config::server("l2tpd");
        let mut client = Self::client(habits);
        match (&mut server.role, &mut client.role) {
            (Role::Server(server), Role::Client(client)) => {
                server.methods = offered.to_vec();
                client.methods = known.to_vec();
            }
            _ => unreachable!(),
        }
        Self::between(server, client)
    }

    pub fn between(server: Config, client: Config) -> Self {
        let start = Instant::from_boot(Duration::from_secs(1000));
        let mut duo = Self {
            start,
            now: start,
            server: Link::new(server, Rng::seed_from_u64(1)),
            client: Link::new(client, Rng::seed_from_u64(2)),
            sent: Vec::new(),
            events: Vec::new(),
            air: Vec::new(),
            loss: None,
            rng: Rng::seed_from_u64(3),
        };
        duo.server.open(start);
        duo.client.open(start);
        duo.drain();
        duo
    }

    pub fn millis(&self) -> u128 {
        (self.now - self.start).as_millis()
    }

    pub fn drain(&mut self) {
        let at = self.millis();
        for side in [Side::Server, Side::Client] {
            loop {
                let link = match side {
                    Side::Server => &mut self.server,
                    Side::Client => &mut self.client,
                };
                match link.poll_output() {
                    None => break,
                    Some(Output::Transmit(frame)) => {
                        self.sent.push((at, side, frame.clone()));
                        let lost = |one_in| self.rng.next_u32().is_multiple_of(one_in);
                        if !self.loss.is_some_and(lost) {
                            self.air.push((self.now + LATENCY, side, frame));
                        }
                    }
                    Some(Output::Event(event)) => self.events.push((at, side, event)),
                    Some(Output::Request(request)) => {
                        let password = Secret::from(&b"right"[..]);
                        let check = request.exchange.check(&request.user, &password);
                        let auth::Check::Passed(authenticator_response) = check else {
                            panic!("the password is right");
                        };
                        let verdict = Verdict::Accept {
                            authenticator_response,
                            network: NETWORK,
                        };
                        self.server.handle_verdict(self.now, request.id, verdict);
                    }
                }
            }
        }
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = [&self.server, &self.client].map(|link| link.poll_timeout());
            let timers = timers.into_iter().flatten().map(|(at, _)| at);
            let next = timers.chain(self.air.iter().map(|(at, _, _)| *at)).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if let Some(place) = self.air.iter().position(|(at, _, _)| *at <= self.now) {
                let (_, from, frame) = self.air.remove(place);
                match from {
                    Side::Server => self.client.handle_frame(self.now, &frame),
                    Side::Client => self.server.handle_frame(self.now, &frame),
                }
            } else {
                self.server.handle_timeout(self.now);
                self.client.handle_timeout(self.now);
            }
            self.drain();
        }
    }

    /// When a side came online, and with what.
    pub fn online(&self, of: Side) -> Option<(u128, NetworkUp)> {
        self.events
            .iter()
            .find_map(|(at, side, event)| match event {
                Event::NetworkUp(up) if *side == of => Some((*at, *up)),
                _ => None,
            })
    }

    pub fn packets(&self, of: Side, protocol: Protocol) -> Vec<(u128, Code, u8, Vec<u8>)> {
        let of_side = self.sent.iter().filter(|(_, side, _)| *side == of);
        let read = of_side.filter_map(|(at, _, bytes)| {
            let frame = Frame::parse(bytes).unwrap();
            let packet = Packet::parse(frame.information).ok()?;
            let wanted = frame.protocol == protocol;
            wanted.then(|| (*at, packet.code, packet.id, packet.data.to_vec()))
        });
        read.collect()
    }

    /// The whole first Configure-Request of a protocol from the client.
    pub fn request(&self, protocol: Protocol) -> Vec<u8> {
        let list = self.packets(Side::Client, protocol);
        let found = list.iter().find(|sent| sent.1 == Code::CONFIGURE_REQUEST);
        let (_, code, id, data) = found.unwrap();
        let (code, id) = (*code, *id);
        Packet { code, id, data }.emit()
    }
}
