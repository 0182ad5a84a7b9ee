//! A server and a client over a link that loses, repeats and reorders, in virtual time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ppp::{
    ClientConfig, CloseReason, Config, Event, Link, Method, NetworkConfig, NetworkUp, Output,
    Phase, Role, ServerConfig, Verdict, auth,
};
use rand_core::{Rng as _, SeedableRng};
use wire::{Instant, Rng, Secret};

const NETWORK: NetworkConfig = NetworkConfig {
    local: Ipv4Addr::new(10, 10, 1, 1),
    peer: Ipv4Addr::new(10, 10, 1, 2),
    dns: [Some(Ipv4Addr::new(10, 10, 1, 1)), None],
    wins: [None, None],
};

/// What the network does, in percent.
#[derive(Clone, Copy)]
struct Weather {
    loss: u32,
    copies: u32,
    /// How much later than its minimum a frame may arrive, in milliseconds.
    jitter: u32,
}

const CALM: Weather = Weather {
    loss: 0,
    copies: 0,
    jitter: 0,
};

struct Simulation {
    now: Instant,
    weather: Weather,
    rng: Rng,
    links: [Link; 2],
    events: [Vec<Event>; 2],
    /// Frames under way: when, a number that keeps the order, to which link.
    air: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    frames: u64,
    checks: usize,
    password: Secret,
    /// The server's checker answers with another user's proof.
    forged: bool,
    /// Verdicts under way.
    verdict_delay: Duration,
    verdicts: BTreeMap<(Instant, u32), (ppp::AuthenticateId, Verdict)>,
}

fn config(server: &[Method], client: &[Method], password: &str) -> [Config; 2] {
    let mut configs = [
        Config::server("l2tpd"),
        Config::client("CORP\\ann", Secret::from(password.as_bytes())),
    ];
    for config in &mut configs {
        match &mut config.role {
            Role::Server(ServerConfig { methods, .. }) => *methods = server.to_vec(),
            Role::Client(ClientConfig { methods, .. }) => *methods = client.to_vec(),
        }
    }
    configs
}

impl Simulation {
    fn new(seed: u64, weather: Weather, configs: [Config; 2]) -> Self {
        let mut rng = Rng::seed_from_u64(seed);
        let links = configs.map(|config| Link::new(config, Rng::seed_from_u64(rng.next_u64())));
        Self {
            now: Instant::from_boot(Duration::from_secs(1000)),
            weather,
            rng,
            links,
            events: [Vec::new(), Vec::new()],
            air: BTreeMap::new(),
            frames: 0,
            checks: 0,
            password: Secret::from(&b"right"[..]),
            forged: false,
            verdict_delay: Duration::ZERO,
            verdicts: BTreeMap::new(),
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.next_u32() % 100 < percent
    }

    fn send(&mut self, from: usize, frame: Vec<u8>) {
        if self.chance(self.weather.loss) {
            return;
        }
        let copies = 1 + u64::from(self.chance(self.weather.copies));
        for _ in 0..copies {
            let jitter = u64::from(self.rng.next_u32() % (self.weather.jitter + 1));
            let arrival = self.now + Duration::from_millis(5 + jitter);
            self.frames += 1;
            self.air
                .insert((arrival, self.frames), (1 - from, frame.clone()));
        }
    }

    fn drain(&mut self) {
        for at in 0..2 {
            while let Some(output) = self.links[at].poll_output() {
                match output {
                    Output::Transmit(frame) => self.send(at, frame),
                    Output::Event(event) => self.events[at].push(event),
                    Output::Request(request) => {
                        self.checks += 1;
                        let verdict = match request.exchange.check(&request.user, &self.password) {
                            auth::Check::Passed(mut authenticator_response) => {
                                if let (true, Some(proof)) =
                                    (self.forged, authenticator_response.as_mut())
                                {
                                    proof.0[0] ^= 1;
                                }
                                Verdict::Accept {
                                    authenticator_response,
                                    network: NETWORK,
                                }
                            }
                            auth::Check::Failed => Verdict::Reject {
                                code: 691,
                                message: "Wrong user name or password".to_owned(),
                            },
                        };
                        let due = self.now + self.verdict_delay;
                        self.verdicts
                            .insert((due, request.id.0), (request.id, verdict));
                    }
                }
            }
        }
    }

    /// Runs until `until`, or until nothing is left to happen.
    fn run(&mut self, until: Duration) {
        let end = self.now + until;
        self.drain();
        loop {
            let timeouts = self
                .links
                .iter()
                .filter_map(|link| Some(link.poll_timeout()?.0))
                .min();
            let next = [
                timeouts,
                self.air.keys().next().map(|key| key.0),
                self.verdicts.keys().next().map(|key| key.0),
            ];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.air.first_entry()
                && entry.key().0 <= self.now
            {
                let (to, frame) = entry.remove();
                self.links[to].handle_frame(self.now, &frame);
                self.drain();
            }
            while let Some(entry) = self.verdicts.first_entry()
                && entry.key().0 <= self.now
            {
                let (id, verdict) = entry.remove();
                self.links[0].handle_verdict(self.now, id, verdict);
                self.drain();
            }
            self.links
                .iter_mut()
                .for_each(|link| link.handle_timeout(self.now));
            self.drain();
        }
    }

    fn open(&mut self) {
        let now = self.now;
        self.links.iter_mut().for_each(|link| link.open(now));
    }

    /// What the last word about the network was.
    fn network(&self, at: usize) -> Option<NetworkUp> {
        self.events[at].iter().rev().find_map(|event| match event {
            Event::NetworkUp(up) => Some(Some(*up)),
            Event::NetworkDown | Event::Down { .. } => Some(None),
            _ => None,
        })?
    }

    fn ended(&self, at: usize) -> Option<&CloseReason> {
        match self.events[at].last() {
            Some(Event::Down { reason }) => Some(reason),
            _ => None,
        }
    }

    /// Down is the last word, said once; network up and down alternate.
    fn assert_orderly(&self, seed: u64) {
        for events in &self.events {
            let mut up = false;
            for (at, event) in events.iter().enumerate() {
                match event {
                    Event::NetworkUp(_) => assert!(!std::mem::replace(&mut up, true), "{seed}"),
                    Event::NetworkDown => assert!(std::mem::take(&mut up), "{seed}"),
                    Event::Down { .. } => {
                        assert!(!up && at + 1 == events.len(), "seed {seed}: {events:?}");
                    }
                    Event::LcpUp(_) | Event::Authenticated { .. } => assert!(!up, "{seed}"),
                }
            }
        }
    }
}

const ALL: [Method; 3] = [Method::MsChapV2, Method::Chap, Method::Pap];

#[test]
fn a_calm_link_is_up_in_a_few_round_trips() {
    for method in ALL {
        let mut simulation = Simulation::new(1, CALM, config(&[method], &[method], "right"));
        simulation.open();
        simulation.run(Duration::from_millis(100));
        let (server, client) = (
            simulation.network(0).unwrap(),
            simulation.network(1).unwrap(),
        );
        assert_eq!((server.local, server.peer), (NETWORK.local, NETWORK.peer));
        assert_eq!((client.local, client.peer), (NETWORK.peer, NETWORK.local));
        assert_eq!(client.dns, NETWORK.dns);
        assert_eq!((server.local_mru, server.peer_mru), (1400, 1400));
        assert_eq!(simulation.checks, 1);
        simulation.assert_orderly(1);
    }
}

#[test]
fn five_percent_of_loss_always_ends_in_a_connection() {
    for seed in 0..300u64 {
        let method = ALL[usize::try_from(seed % 3).unwrap()];
        let weather = Weather {
            loss: 5,
            copies: 5,
            jitter: 30,
        };
        let mut simulation = Simulation::new(seed, weather, config(&[method], &[method], "right"));
        simulation.verdict_delay = Duration::from_millis(seed % 7 * 50);
        simulation.open();
        simulation.run(Duration::from_secs(58));
        for at in 0..2 {
            assert!(
                simulation.network(at).is_some(),
                "seed {seed}: {:?}",
                simulation.events
            );
        }
        simulation.assert_orderly(seed);
    }
}

/// At such loss a try may fail, but both sides know it, or both are connected.
#[test]
fn twenty_percent_of_loss_ends_in_agreement() {
    let mut connected = 0;
    for seed in 0..300u64 {
        let method = ALL[usize::try_from(seed % 3).unwrap()];
        let weather = Weather {
            loss: 20,
            copies: 10,
            jitter: 300,
        };
        let mut simulation = Simulation::new(seed, weather, config(&[method], &[method], "right"));
        simulation.open();
        simulation.run(Duration::from_secs(100));
        simulation.weather = CALM;
        simulation.run(Duration::from_secs(400));
        simulation.assert_orderly(seed);
        let up = [0, 1].map(|at| simulation.network(at).is_some());
        assert_eq!(up[0], up[1], "seed {seed}: {:?}", simulation.events);
        if up[0] {
            connected += 1;
        } else {
            assert!(
                simulation.ended(0).is_some() && simulation.ended(1).is_some(),
                "seed {seed}"
            );
        }
    }
    assert!(connected >= 285, "{connected} of 300");
}

#[test]
fn the_same_seed_gives_the_same_frames() {
    let run = || {
        let weather = Weather {
            loss: 20,
            copies: 10,
            jitter: 300,
        };
        let mut simulation = Simulation::new(9, weather, config(&ALL, &ALL, "right"));
        simulation.open();
        simulation.run(Duration::from_secs(30));
        (
            simulation.frames,
            simulation.now,
            format!("{:?}", simulation.events),
        )
    };
    assert_eq!(run(), run());
}

#[test]
fn a_wrong_password_is_told_to_both_once() {
    for method in ALL {
        for seed in 0..30 {
            let weather = Weather {
                loss: 5,
                copies: 20,
                jitter: 20,
            };
            let mut simulation =
                Simulation::new(seed, weather, config(&[method], &[method], "wrong"));
            simulation.open();
            simulation.run(Duration::from_secs(70));
            assert_eq!(simulation.checks, 1, "seed {seed}");
            let Some(CloseReason::AuthenticationFailed {
                user, code: 691, ..
            }) = simulation.ended(0)
            else {
                panic!("seed {seed}: {:?}", simulation.events);
            };
            assert_eq!(user.to_string(), "CORP\\ann");
            assert!(simulation.ended(1).is_some(), "seed {seed}");
            simulation.assert_orderly(seed);
        }
        let mut simulation = Simulation::new(0, CALM, config(&[method], &[method], "wrong"));
        simulation.open();
        simulation.run(Duration::from_secs(5));
        let reason = simulation.ended(1).unwrap().to_string();
        assert!(
            reason.contains("Wrong user name or password (error 691)"),
            "{reason}"
        );
        assert!(simulation.network(1).is_none());
    }
}

#[test]
fn a_server_without_the_password_is_found_out() {
    let mut simulation = Simulation::new(
        3,
        CALM,
        config(&[Method::MsChapV2], &[Method::MsChapV2], "right"),
    );
    simulation.forged = true;
    simulation.open();
    simulation.run(Duration::from_secs(5));
    assert!(matches!(
        simulation.ended(1),
        Some(CloseReason::ServerNotGenuine { .. })
    ));
    assert!(matches!(
        simulation.ended(0),
        Some(CloseReason::PeerTerminated(_))
    ));
    assert!(simulation.network(1).is_none());
}

#[test]
fn methods_are_agreed_on_or_not() {
    use Method::{Chap, MsChapV2, Pap};
    let agreed = |server: &[Method], client: &[Method]| {
        let mut simulation = Simulation::new(5, CALM, config(server, client, "right"));
        simulation.open();
        simulation.run(Duration::from_secs(20));
        simulation.assert_orderly(5);
        let method = simulation.events[0].iter().find_map(|event| match event {
            Event::Authenticated { method, .. } => Some(*method),
            _ => None,
        });
        method.ok_or_else(|| [0, 1].map(|at| simulation.ended(at).cloned()))
    };
    assert_eq!(agreed(&[MsChapV2, Chap, Pap], &[Pap]), Ok(Pap));
    assert_eq!(agreed(&[MsChapV2, Chap], &[Chap, MsChapV2]), Ok(MsChapV2));
    assert_eq!(agreed(&[MsChapV2, Pap], &[Chap, Pap]), Ok(Pap));
    let [server, client] = agreed(&[MsChapV2], &[Pap]).unwrap_err();
    assert_eq!(
        server,
        Some(CloseReason::AuthenticationRefused {
            offered: vec![MsChapV2],
            wanted: "PAP".to_owned()
        })
    );
    assert!(client.is_some());
}

#[test]
fn a_link_to_oneself_is_recognised() {
    for role in 0..2 {
        let [server, client] = config(&ALL, &ALL, "right");
        let config = if role == 0 { server } else { client };
        let mut link = Link::new(config, Rng::seed_from_u64(8));
        let mut now = Instant::BOOT;
        link.open(now);
        let mut reason = None;
        for _ in 0..200 {
            while let Some(output) = link.poll_output() {
                match output {
                    Output::Transmit(frame) => link.handle_frame(now, &frame),
                    Output::Event(Event::Down { reason: why }) => reason = Some(why),
                    Output::Event(event) => panic!("{event:?}"),
                    Output::Request(_) => panic!("a request"),
                }
            }
            now = now + Duration::from_millis(500);
            link.handle_timeout(now);
        }
        assert_eq!(reason, Some(CloseReason::LoopedBack), "role {role}");
    }
}

#[test]
fn silence_ends_a_link() {
    // Nobody there at all.
    let weather = Weather { loss: 100, ..CALM };
    let mut simulation = Simulation::new(1, weather, config(&ALL, &ALL, "right"));
    simulation.open();
    simulation.run(Duration::from_secs(15));
    assert_eq!(simulation.ended(0), Some(&CloseReason::NoLcp));
    assert_eq!(simulation.links[0].phase(), Phase::Ended);
    assert_eq!(simulation.links[0].poll_timeout(), None);

    // Gone later: six unanswered questions, 30 s apart, then goodbye.
    let mut simulation = Simulation::new(2, CALM, config(&ALL, &ALL, "right"));
    simulation.open();
    simulation.run(Duration::from_secs(600));
    assert!(simulation.network(0).is_some() && simulation.network(1).is_some());
    simulation.weather = weather;
    simulation.run(Duration::from_secs(170));
    assert!(simulation.ended(0).is_none());
    simulation.run(Duration::from_secs(45));
    assert!(matches!(
        simulation.ended(0),
        Some(CloseReason::EchoTimeout { requests: 6, .. })
    ));
}

#[test]
fn data_is_a_sign_of_life() {
    let mut simulation = Simulation::new(2, CALM, config(&ALL, &ALL, "right"));
    simulation.open();
    simulation.run(Duration::from_secs(1));
    simulation.weather.loss = 100;
    let frames = simulation.frames;
    for _ in 0..60 {
        simulation.run(Duration::from_secs(20));
        let now = simulation.now;
        simulation
            .links
            .iter_mut()
            .for_each(|link| link.note_data(now));
    }
    assert_eq!(simulation.frames, frames);
    assert!(simulation.network(0).is_some());
}

#[test]
fn both_sides_learn_of_a_close() {
    for closer in 0..2 {
        let mut simulation = Simulation::new(4, CALM, config(&ALL, &ALL, "right"));
        simulation.open();
        simulation.run(Duration::from_secs(1));
        let now = simulation.now;
        let reason = CloseReason::Administrative("maintenance".to_owned());
        simulation.links[closer].close(now, reason.clone());
        simulation.run(Duration::from_secs(5));
        simulation.assert_orderly(4);
        assert_eq!(simulation.ended(closer), Some(&reason));
        let told = CloseReason::PeerTerminated("Closed by the administrator".to_owned());
        assert_eq!(simulation.ended(1 - closer), Some(&told));
    }
}

#[test]
fn a_checker_that_never_answers_does_not_hold_the_link() {
    let mut simulation = Simulation::new(6, CALM, config(&ALL, &ALL, "right"));
    simulation.verdict_delay = Duration::from_secs(100);
    simulation.open();
    simulation.run(Duration::from_secs(70));
    assert_eq!(
        simulation.ended(0),
        Some(&CloseReason::AuthenticationTimeout)
    );
    // The late verdict changes nothing.
    simulation.run(Duration::from_secs(100));
    simulation.assert_orderly(6);
}
