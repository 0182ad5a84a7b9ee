//! A server with a tunnel and a session, and a client that says anything at all with the right header: what
//! is held stays within limits, and ends when nobody answers any more.

use std::time::Duration;

use l2tp::codec::{ControlHeader, Header};
use l2tp::{Config, Endpoint, Event, Habits, Output};
use rand_core::SeedableRng;
use wire::{Instant, PeerId, Ports, Rng, Secret};

use crate::input::Input;

const PEER: PeerId = PeerId(7);
const PORTS: Ports = Ports {
    local: 1701,
    remote: 1701,
};

struct Server {
    endpoint: Endpoint,
    now: Instant,
    /// What it sent.
    sent: Vec<Vec<u8>>,
    /// The number that it waits for.
    next: u16,
    /// The last that it has sent, which acknowledges it.
    own: u16,
    /// Tunnel ids that have come up and not gone.
    up: usize,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.byte();
    let config = Config {
        secret: (options & 1 != 0).then(|| Secret::from(&b"l2tpsecret"[..])),
        ..Config::default()
    };
    let most = config.limits.tunnels_per_peer;
    let mut server = Server {
        endpoint: Endpoint::new(config.clone(), Rng::seed_from_u64(1)),
        now: Instant::from_boot(Duration::from_secs(9_000)),
        sent: Vec::new(),
        next: 0,
        own: 0,
        up: 0,
    };
    let tunnel = server.connect(config);
    while !input.is_empty() {
        match input.byte() {
            0..=15 => server.wait(Duration::from_millis(input.number().into())),
            16..=19 => server.wait(Duration::from_secs(input.byte().into())),
            // As it is.
            20..=79 => server.give(input.bytes()),
            // Behind the header that is due.
            kind => {
                let session = match kind & 3 {
                    0 => input.number(),
                    _ => 0,
                };
                let header = ControlHeader {
                    tunnel,
                    session,
                    ns: server.next,
                    nr: server.own,
                };
                let mut message = Vec::new();
                header.emit(input.bytes(), &mut message);
                server.give(&message);
            }
        }
        assert!(server.endpoint.tunnel_count() <= most);
    }
    server.wait(Duration::from_secs(86_400));
    assert_eq!(server.endpoint.tunnel_count(), 0);
    assert_eq!(server.endpoint.poll_timeout(), None);
    assert_eq!(server.up, 0, "what came up has gone down");
}

impl Server {
    /// A client opens a tunnel and makes a call; the server's tunnel id.
    fn connect(&mut self, config: Config) -> u16 {
        let mut client = Endpoint::new(config, Rng::seed_from_u64(2));
        client.open_tunnel(
            self.now,
            PEER,
            PORTS,
            std::sync::Arc::new(Habits::default()),
        );
        let mut tunnel = 0;
        for _ in 0..16 {
            while let Some(output) = client.poll_output() {
                if let Output::Transmit(transmit) = output {
                    if let Ok(Header::Control(header, _)) = Header::parse(&transmit.bytes) {
                        tunnel = header.tunnel;
                    }
                    self.give(&transmit.bytes);
                }
            }
            for bytes in std::mem::take(&mut self.sent) {
                client.handle_message(self.now, PEER, PORTS, &bytes);
            }
        }
        assert_eq!(self.up, 2, "a tunnel and a session");
        tunnel
    }

    fn give(&mut self, bytes: &[u8]) {
        self.endpoint.handle_message(self.now, PEER, PORTS, bytes);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    if let Ok(Header::Control(header, body)) = Header::parse(&transmit.bytes) {
                        self.next = header.nr;
                        self.own = header.ns.wrapping_add(u16::from(!body.is_empty()));
                    }
                    self.sent.push(transmit.bytes);
                }
                Output::Event(Event::TunnelUp(_) | Event::SessionUp(_)) => self.up += 1,
                Output::Event(Event::TunnelDown { .. } | Event::SessionDown { .. }) => {
                    self.up -= 1;
                }
                Output::Event(_) => {}
            }
        }
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..10_000 {
            match self.endpoint.poll_timeout() {
                Some((at, _)) if at <= end => {
                    self.now = self.now.max(at);
                    self.endpoint.handle_timeout(self.now);
                    self.drain();
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("time does not pass: {:?}", self.endpoint.poll_timeout());
    }
}
