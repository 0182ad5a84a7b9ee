//! Handshakes with everything in them changed: each message, whatever it is sealed in, is preceded
//! and followed by changed ones. Somebody who is connected notices nothing, newcomers get in, and
//! nothing is left at the end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use engine::Profile;
use ppp::Method;
use wire::{Carrier, Path};

use crate::captures::{datagrams, shared};
use crate::datagram::isakmp;
use crate::link::Conditions;
use crate::matrix::{self, affordable};
use crate::mutator::Mutator;
use crate::nat::Behaviour;
use crate::net::{Datagram, Protocol, Realm};
use crate::party::{Layer, client_config, server_config};
use crate::world::{Index, World, ip};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(5));
/// Changed messages for each handshake.
const COUNT: usize = 10_000;
/// After so many of them a newcomer connects.
const BATCH: usize = 1_000;

/// What was sent, by layer.
type Tally = Rc<RefCell<BTreeMap<Layer, usize>>>;

/// Puts changed messages around those of a party.
fn tamper(seed: u64, tally: Tally) -> crate::party::Tamper {
    let mut mutator = Mutator::new(seed);
    Box::new(move |layer, message| {
        mutator.learn(layer, &message);
        // Mostly the real one comes first, and the handshake goes on; a message that is left alone
        // now and then lets it get further still.
        let (before, after) = match mutator.below(6) {
            // What is sealed already can hardly be changed in many ways, and there is much of it.
            _ if layer == Layer::Esp && mutator.below(10) > 0 => (0, 0),
            0 => (2, 4),
            1 => (1, 0),
            2..=4 => (0, 6),
            _ => (0, 0),
        };
        *tally.borrow_mut().entry(layer).or_default() += before + after;
        let mut messages: Vec<_> = (0..before + after)
            .map(|_| mutator.change(layer, &message))
            .collect();
        messages.insert(before, message);
        messages
    })
}

struct Scene {
    world: World,
    profile: Profile,
    bystander: Index,
    mallory: Index,
    number: u32,
    /// Sessions that came up in spite of it all.
    ups: usize,
    attempts: usize,
}

impl Scene {
    fn connect(&mut self, client: Index) {
        self.world.dial(client, |_| {});
        let limit = Duration::from_secs(20);
        let up = self.world.run_until(limit, |world| world.is_up(client));
        assert!(up, "not up\n{}", self.world.report());
        self.ping(client);
    }

    fn ping(&mut self, client: Index) {
        self.number += 1;
        let heard = self.world.ping(client, self.number);
        assert!(heard, "no reply\n{}", self.world.report());
    }

    /// Somebody new connects and leaves, and the one who is there is still there.
    fn newcomer(&mut self) {
        let address = format!("203.0.113.{}", 100 + self.number % 100);
        let (config, conditions) = (affordable(client_config()), Conditions::IDEAL);
        let newcomer = self
            .world
            .add(Realm::INTERNET, &address, config, conditions);
        self.connect(newcomer);
        self.leave(newcomer);
        self.ping(self.bystander);
    }

    fn leave(&mut self, client: Index) {
        let close = |engine: &mut engine::Engine, now| engine.close_all(now);
        self.world.with(client, close);
        self.world.run_for(Duration::from_millis(100));
    }

    /// One attempt of the one who changes everything.
    fn attempt(&mut self) {
        let mallory = self.mallory;
        self.attempts += 1;
        matrix::dial(&mut self.world, mallory, self.profile);
        let before = self.world.party(mallory).endings().len();
        let limit = Duration::from_secs(60);
        self.world.run_until(limit, |world| {
            world.is_up(mallory) || world.party(mallory).endings().len() > before
        });
        if self.world.is_up(mallory) {
            self.ups += 1;
            for number in 0..3 {
                self.world.ping(mallory, number);
            }
        }
        self.leave(mallory);
    }
}

fn handshake(seed: u64, profile: Profile, nat: Option<Behaviour>) {
    let mut world = World::new(seed, affordable(server_config(&[Method::MsChapV2])), WAN);
    let client = || affordable(client_config());
    let bystander = world.add(Realm::INTERNET, "203.0.113.5", client(), WAN);
    let mallory = match nat {
        Some(behaviour) => {
            let nat = world.add_nat("198.51.100.9", behaviour, WAN);
            world.add(nat.realm(), "192.168.1.10", client(), Conditions::IDEAL)
        }
        None => world.add(Realm::INTERNET, "203.0.113.66", client(), WAN),
    };
    let mut scene = Scene {
        world,
        profile,
        bystander,
        mallory,
        number: 0,
        ups: 0,
        attempts: 0,
    };
    scene.connect(bystander);
    let tally = Tally::default();
    scene.world.party(mallory).tamper = Some(tamper(seed, tally.clone()));
    let mut newcomers = 0;
    loop {
        scene.attempt();
        let done = tally.borrow().values().sum::<usize>();
        if done >= newcomers * BATCH {
            scene.newcomer();
            newcomers += 1;
        }
        if done >= COUNT {
            break;
        }
    }
    let tally = tally.borrow();
    println!(
        "mutations: {profile}: {COUNT} changed messages in {} attempts, {} of which got in: {tally:?}",
        scene.attempts, scene.ups
    );
    assert!(
        tally.values().all(|count| *count > COUNT / 100),
        "{tally:?}"
    );
    assert_eq!(tally.len(), 4, "all layers are reached");
    scene.world.party(mallory).tamper = None;
    scene.leave(mallory);
    scene.leave(bystander);
    scene.world.run_for(Duration::from_secs(600));
    scene.world.assert_server_is_empty();
}

#[test]
fn of_our_own_handshake_without_nat() {
    handshake(1, Profile::Adit, None);
}

#[test]
fn of_our_own_handshake_behind_nat() {
    handshake(2, Profile::Adit, Some(Behaviour::HOME));
}

#[test]
fn of_the_handshake_of_windows() {
    handshake(3, Profile::Windows10, Some(Behaviour::HOME));
}

#[test]
fn of_the_handshake_of_apple() {
    handshake(4, Profile::MacOs, Some(Behaviour::HOME));
}

#[test]
fn of_the_handshake_of_android() {
    handshake(5, Profile::Android, Some(Behaviour::HOME));
}

#[test]
fn of_the_handshakes_of_strongswan_and_libreswan() {
    handshake(6, Profile::NetworkManagerStrongswan, None);
    handshake(7, Profile::NetworkManagerLibreswan, None);
}

#[test]
fn of_the_handshake_of_mikrotik() {
    handshake(8, Profile::MikroTik, Some(Behaviour::HOME));
}

/// A message of a recorded client: whether it went to the port of NAT traversal, and what it was.
struct Recorded {
    carrier: Carrier,
    layer: Layer,
    bytes: Vec<u8>,
}

/// What a real client sent to a real server.
fn recorded(name: &str) -> Option<Vec<Recorded>> {
    const MARKER: [u8; 4] = [0; 4];
    let all = datagrams(&shared(&format!("adit-lab/{name}/outside.pcap"))?);
    let client = all.first()?.source.ip();
    let sent = all.into_iter().filter(|sent| sent.source.ip() == client);
    let read = |sent: crate::captures::Datagram| {
        let carrier = match sent.destination.port() {
            500 => Carrier::Ike,
            4500 => Carrier::NatT,
            _ => return None,
        };
        let message = match carrier {
            Carrier::NatT => sent.payload.strip_prefix(&MARKER),
            _ => Some(&sent.payload[..]),
        };
        let layer = message.map_or(Layer::Esp, |_| Layer::Isakmp);
        let bytes = message.map_or(sent.payload.clone(), <[u8]>::to_vec);
        Some(Recorded {
            carrier,
            layer,
            bytes,
        })
    };
    Some(sent.filter_map(read).collect())
}

/// Recorded handshakes are sent again with the responder's cookie replaced by the one that the
/// server gave this time. So messages 1 and 3 are good, and with message 5 it ends, because the
/// Diffie-Hellman value is another; all that follows meets a half-open SA.
fn replay(name: &str) {
    let Some(messages) = recorded(name) else {
        return;
    };
    let mut config = affordable(server_config(&[Method::MsChapV2]));
    // Whoever replays handshakes has no key, and would soon not be heard any more.
    config.guard.key_failures = 0;
    let mut world = World::new(9, config, WAN);
    let client = || affordable(client_config());
    let bystander = world.add(Realm::INTERNET, "203.0.113.5", client(), WAN);
    let mallory = world.add(Realm::INTERNET, "203.0.113.66", client(), WAN);
    let mut scene = Scene {
        world,
        profile: Profile::Adit,
        bystander,
        mallory,
        number: 0,
        ups: 0,
        attempts: 0,
    };
    scene.connect(bystander);
    let mut mutator = Mutator::new(9);
    let (mut done, mut newcomers, mut answered) = (0, 0, 0);
    while done < COUNT {
        scene.attempts += 1;
        scene.world.server().tap = Some(Vec::new());
        let attempt = u32::try_from(scene.attempts).expect("few").to_be_bytes();
        for message in &messages {
            let mut bytes = message.bytes.clone();
            if message.layer == Layer::Isakmp {
                bytes[..4].copy_from_slice(&attempt);
                let answers = scene.world.server().tap.iter().flatten();
                let cookies = |sent: &Datagram| {
                    let place = if sent.src.port() == 4500 { 4 } else { 0 };
                    let cookies = sent.bytes.get(place..place + 16)?;
                    cookies.starts_with(&attempt).then(|| cookies[8..].to_vec())
                };
                let cookie = answers.filter_map(cookies).next_back();
                if let (Some(cookie), false) = (cookie, bytes[8..16] == [0; 8]) {
                    bytes[8..16].copy_from_slice(&cookie);
                }
            }
            mutator.learn(message.layer, &bytes);
            let (before, after) = [(0, 4), (2, 2), (1, 0), (0, 0)][mutator.below(4)];
            let mut all: Vec<_> = (0..before + after)
                .map(|_| mutator.change(message.layer, &bytes))
                .collect();
            all.insert(before, bytes);
            done += before + after;
            for bytes in all {
                let port = if message.carrier == Carrier::NatT {
                    4500
                } else {
                    500
                };
                let path = Path {
                    local: SocketAddr::new(ip("203.0.113.66"), port),
                    remote: SocketAddr::new(ip("192.0.2.1"), port),
                    carrier: message.carrier,
                };
                let datagram = match message.layer {
                    Layer::Isakmp => isakmp(path, bytes),
                    _ => Datagram {
                        src: path.local,
                        dst: path.remote,
                        protocol: Protocol::Udp,
                        bytes,
                    },
                };
                scene.world.send_raw(mallory, datagram);
            }
            scene.world.run_for(Duration::from_millis(50));
        }
        let answers = scene.world.server().tap.take().unwrap_or_default();
        let is_message_4 = |sent: &&Datagram| sent.bytes.len() > 200;
        answered += answers.iter().filter(is_message_4).count();
        scene.world.run_for(Duration::from_secs(2));
        if done >= newcomers * BATCH {
            scene.newcomer();
            newcomers += 1;
        }
    }
    println!(
        "mutations: {name}: {COUNT} changed messages in {} attempts",
        scene.attempts
    );
    assert!(
        answered > scene.attempts / 4,
        "message 3 is hardly ever taken"
    );
    scene.leave(bystander);
    scene.world.run_for(Duration::from_secs(400));
    scene.world.assert_server_is_empty();
}

#[test]
fn of_recorded_handshakes_of_real_clients() {
    for name in [
        "strongswan-nonat",
        "strongswan-nat",
        "strongswan-nonat-chapmd5",
        "libreswan-nonat",
        "libreswan-nat",
    ] {
        replay(name);
    }
}
