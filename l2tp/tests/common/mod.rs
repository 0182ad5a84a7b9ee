//! Two endpoints and a network between them, in virtual time; and a client spoken by hand.
#![allow(dead_code, clippy::disallowed_methods)]

mod pcap;
mod script;

use std::collections::BTreeMap;
use std::time::Duration;

use l2tp::codec::{ControlHeader, Header};
use l2tp::{Config, Endpoint, Event, Output};
use rand_core::{Rng as _, SeedableRng};
use wire::{Instant, PeerId, Ports, Rng};

#[allow(unused_imports)]
pub use self::{pcap::*, script::*};

pub const SERVER_PORTS: Ports = Ports {
    local: 1701,
    remote: 49_152,
};
pub const CLIENT_PORTS: Ports = Ports {
    local: 49_152,
    remote: 1701,
};
pub const PEER: PeerId = PeerId(7);

pub fn at(seconds: f64) -> Instant {
    Instant::from_boot(Duration::from_secs_f64(seconds))
}

pub fn endpoint(config: Config, seed: u64) -> Endpoint {
    Endpoint::new(config, Rng::seed_from_u64(seed))
}

/// Drains the queue.
pub fn outputs(endpoint: &mut Endpoint) -> Vec<Output> {
    std::iter::from_fn(|| endpoint.poll_output()).collect()
}

/// Reads a control message that an endpoint sent.
pub fn control(bytes: &[u8]) -> (ControlHeader, Vec<u8>) {
    match Header::parse(bytes) {
        Ok(Header::Control(header, body)) => {
            assert_eq!(
                bytes.len(),
                12 + body.len(),
                "exactly as long as the header says"
            );
            (header, body.to_vec())
        }
        other => panic!("not a control message: {other:?}"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// What the network does to datagrams, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub loss: u32,
    pub duplication: u32,
    /// Datagrams take between 10 and `10 + jitter` milliseconds, and so overtake each other.
    pub jitter: u32,
}

/// What one side has in flight, as seen from outside.
#[derive(Debug)]
struct Flight {
    /// The other side's receive window.
    window: u16,
    /// The highest Nr that reached this side.
    acknowledged: u16,
}

pub struct Pair {
    pub client: Endpoint,
    pub server: Endpoint,
    pub now: Instant,
    pub weather: Weather,
    pub events: Vec<(Side, Event)>,
    /// All that was sent, with the time.
    pub sent: Vec<(Instant, Side, Vec<u8>)>,
    wire: BTreeMap<(Instant, u64), (Side, Vec<u8>)>,
    count: u64,
    rng: Rng,
    flights: [Flight; 2],
}

impl Pair {
    pub fn new(client: Config, server: Config, weather: Weather, seed: u64) -> Self {
        let flight = |window| Flight {
            window,
            acknowledged: 0,
        };
        Self {
            flights: [flight(server.receive_window), flight(client.receive_window)],
            client: endpoint(client, seed.wrapping_mul(2)),
            server: endpoint(server, seed.wrapping_mul(2).wrapping_add(1)),
            now: at(1_000.0),
            weather,
            events: Vec::new(),
            sent: Vec::new(),
            wire: BTreeMap::new(),
            count: 0,
            rng: Rng::seed_from_u64(!seed),
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.next_u32() % 100 < percent
    }

    fn post(&mut self, to: Side, bytes: Vec<u8>) {
        let jitter = self.rng.next_u32() % (self.weather.jitter + 1);
        let arrival = self.now + Duration::from_millis(10 + u64::from(jitter));
        self.count += 1;
        self.wire.insert((arrival, self.count), (to, bytes));
    }

    /// Takes what both sides have put out.
    pub fn drain(&mut self) {
        for side in [Side::Client, Side::Server] {
            let (endpoint, to) = match side {
                Side::Client => (&mut self.client, Side::Server),
                Side::Server => (&mut self.server, Side::Client),
            };
            for output in outputs(endpoint) {
                match output {
                    Output::Event(event) => self.events.push((side, event)),
                    Output::Transmit(transmit) => {
                        assert_eq!(transmit.peer, PEER);
                        self.watch_window(side, &transmit.bytes);
                        self.sent.push((self.now, side, transmit.bytes.clone()));
                        if self.chance(self.weather.duplication) {
                            self.post(to, transmit.bytes.clone());
                        }
                        if !self.chance(self.weather.loss) {
                            self.post(to, transmit.bytes);
                        }
                    }
                }
            }
        }
    }

    fn watch_window(&mut self, side: Side, bytes: &[u8]) {
        let (header, body) = control(bytes);
        let flight = &self.flights[side as usize];
        if !body.is_empty() {
            let ahead = header.ns.wrapping_sub(flight.acknowledged);
            assert!(
                ahead < flight.window,
                "{side:?}: {ahead} ahead of {}",
                flight.window
            );
        }
    }

    /// Lets the next thing happen that is due until `end`; false if nothing is.
    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.wire.first_key_value().map(|((at, _), _)| *at);
        let timers = [&self.client, &self.server].map(|e| e.poll_timeout().map(|(at, _)| at));
        let next = [arrival, timers[0], timers[1]].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let (_, (to, bytes)) = self.wire.pop_first().unwrap();
            let (header, _) = control(&bytes);
            let flight = &mut self.flights[to as usize];
            if (1..0x8000).contains(&header.nr.wrapping_sub(flight.acknowledged)) {
                flight.acknowledged = header.nr;
            }
            match to {
                Side::Server => self
                    .server
                    .handle_message(self.now, PEER, SERVER_PORTS, &bytes),
                Side::Client => self
                    .client
                    .handle_message(self.now, PEER, CLIENT_PORTS, &bytes),
            }
        } else {
            // Both: a spurious call does nothing.
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
        self.drain();
        true
    }

    pub fn run(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        self.drain();
        while self.step(end) {}
        self.now = end;
    }

    pub fn count(&self, side: Side, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events
            .iter()
            .filter(|(s, event)| *s == side && wanted(event))
            .count()
    }
}

pub fn is_session_up(event: &Event) -> bool {
    matches!(event, Event::SessionUp(_))
}

pub fn is_session_down(event: &Event) -> bool {
    matches!(event, Event::SessionDown { .. })
}

pub fn is_tunnel_up(event: &Event) -> bool {
    matches!(event, Event::TunnelUp(_))
}

pub fn is_tunnel_down(event: &Event) -> bool {
    matches!(event, Event::TunnelDown { .. })
}
