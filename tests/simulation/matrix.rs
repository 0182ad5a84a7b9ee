//! Every client there is, in every place, with every method: connects, has traffic both ways, and
//! leaves nothing behind.
//!
//! Prints a table: a line for each client, a word for each cell.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use engine::Profile;
use ike::LegacyOption;
use ppp::Method;
use wire::Carrier;

use crate::echo::{ping, pings};
use crate::link::Conditions;
use crate::nat::Behaviour;
use crate::net::Realm;
use crate::party::{client_config, server_config};
use crate::world::{Index, SERVER, World, ip};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(15));

/// Where client and server are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Open,
    ClientBehindNat,
    BothBehindNat,
    TwoBehindOneNat,
}

impl Place {
    const ALL: [(Self, &str); 4] = [
        (Self::Open, "no NAT"),
        (Self::ClientBehindNat, "NAT"),
        (Self::BothBehindNat, "NAT both sides"),
        (Self::TwoBehindOneNat, "two behind NAT"),
    ];
}

const METHODS: [Method; 3] = [Method::MsChapV2, Method::Chap, Method::Pap];

/// What the administrator must allow for a client that is not admitted otherwise.
pub fn options(profile: Profile) -> &'static [LegacyOption] {
    match profile {
        Profile::Android => &[LegacyOption::Android],
        Profile::MikroTik => &[LegacyOption::PfsModp1024],
        _ => &[],
    }
}

/// The groups that cost least of those that each client offers, for thousands of handshakes; and
/// whatever options clients need.
pub fn affordable(mut config: engine::Config) -> engine::Config {
    let options = [LegacyOption::Android, LegacyOption::PfsModp1024];
    let policy = ike::Policy::new(&options).with_groups(&["ecp256", "modp1024", "modp2048"]);
    config.ike.policy = policy.expect("known groups");
    config
}

/// A server in its place, and its clients in theirs.
fn world(seed: u64, server: engine::Config, place: Place) -> (World, Vec<Index>) {
    let mut config = server;
    if place == Place::BothBehindNat {
        config.ike.public_address = Some(ip("198.51.100.1"));
    }
    let mut world = World::new(seed, config, WAN);
    if place == Place::BothBehindNat {
        let nat = world.add_nat("198.51.100.1", Behaviour::HOME, WAN);
        let host = world.server().host;
        world.net.move_host(host, nat.realm(), ip("10.0.0.5"));
        world.net.set_one_to_one(nat, Some(ip("10.0.0.5")));
        world.server().address = ip("198.51.100.1");
    }
    if place == Place::Open {
        let client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
        return (world, vec![client]);
    }
    let nat = world.add_nat("198.51.100.9", Behaviour::HOME, WAN);
    let count = if place == Place::TwoBehindOneNat {
        2
    } else {
        1
    };
    let client = |last| {
        let address = format!("192.168.1.{last}");
        world.add(nat.realm(), &address, client_config(), Conditions::IDEAL)
    };
    let clients = (10..10 + count).map(client).collect();
    (world, clients)
}

pub fn dial(world: &mut World, client: Index, profile: Profile) -> wire::PeerId {
    world.dial(client, |dial| {
        dial.habits = profile.habits();
        if let ppp::Role::Client(client) = &mut dial.link.role {
            client.methods = METHODS.to_vec();
        }
    })
}

/// One cell: panics if anything is wrong.
fn cell(profile: Profile, place: Place, method: Method) {
    let mut server = server_config(&[method]);
    server.ike.policy = ike::Policy::new(options(profile));
    let (mut world, clients) = world(1, server, place);
    let mut peers = Vec::new();
    for client in &clients {
        peers.push(dial(&mut world, *client, profile));
        world.run_for(Duration::from_millis(300));
    }
    for (number, client) in (1..).zip(&clients) {
        let up = world.run_until(Duration::from_secs(30), |world| world.is_up(*client));
        assert!(up, "not up\n{}", world.report());
        assert!(world.ping(*client, number), "no reply\n{}", world.report());
        let info = world.party(*client).sessions().remove(0);
        let request = ping(info.remote_address, info.local_address, number + 100);
        assert!(world.send_ip(SERVER, &request));
        let answered = world.run_until(Duration::from_secs(2), |world| {
            pings(&world.server().received, true).contains(&(number + 100))
        });
        assert!(answered, "no reply to the server\n{}", world.report());
    }
    let sessions = world.server().sessions();
    assert_eq!(sessions.len(), clients.len(), "{}", world.report());
    for session in sessions {
        assert_eq!(session.authentication, Some(method));
        let carrier = if place == Place::Open {
            Carrier::Raw
        } else {
            Carrier::NatT
        };
        assert_eq!(session.path.carrier, carrier);
    }
    for (client, peer) in clients.iter().zip(peers) {
        world.with(*client, |engine, now| {
            engine.close_peer(now, peer, engine::Reason::Done);
        });
    }
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.server().sessions().len(), 0, "{}", world.report());
    world.run_for(Duration::from_secs(200));
    world.assert_server_is_empty();
    for client in clients {
        let party = world.party(client);
        let held = (party.engine.occupancy(), party.plane.occupancy());
        assert_eq!(held, Default::default(), "the client keeps something");
    }
}

#[test]
fn every_client_in_every_place_with_every_method() {
    let mut table = String::from("matrix ");
    let _ = write!(table, "{:26}", "");
    for (_, name) in Place::ALL {
        let _ = write!(table, "{name:24}");
    }
    let mut failed = 0;
    for profile in Profile::ALL {
        let _ = write!(table, "\nmatrix {:26}", profile.name());
        for (place, _) in Place::ALL {
            let mut cells = String::new();
            for method in METHODS {
                let passed = catch_unwind(AssertUnwindSafe(|| cell(profile, place, method)));
                if passed.is_err() {
                    failed += 1;
                    println!("failed: {profile}, {place:?}, {method:?}");
                }
                let name = match passed {
                    Ok(()) => method.name().to_owned(),
                    Err(_) => format!("FAIL:{}", method.name()),
                };
                let _ = write!(cells, "{name} ");
            }
            let _ = write!(table, "{cells:24}");
        }
    }
    println!("{table}");
    let cells = Profile::ALL.len() * Place::ALL.len() * METHODS.len();
    println!("matrix {} of {cells} cells passed", cells - failed);
    assert_eq!(failed, 0);
}

/// Without its option, a client that needs one is refused with a sentence that names it.
#[test]
fn without_their_options_the_sentence_names_them() {
    for profile in Profile::ALL {
        let [option] = options(profile) else { continue };
        let (mut world, clients) = world(
            1,
            server_config(&[Method::MsChapV2]),
            Place::ClientBehindNat,
        );
        dial(&mut world, clients[0], profile);
        let limit = Duration::from_secs(200);
        let ended = world.run_until(limit, |world| !world.party(clients[0]).endings().is_empty());
        assert!(ended, "{profile} never gave up\n{}", world.report());
        let refusals = world.server().refusals().join("\n");
        assert!(refusals.contains(option.name()), "{profile}: {refusals}");
        world.run_for(Duration::from_secs(400));
        world.assert_server_is_empty();
    }
}
