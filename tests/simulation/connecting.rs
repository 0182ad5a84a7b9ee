//! Every way to get in.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use engine::{Event, Profile, Stage};
use ppp::Method;
use wire::Carrier;

use crate::link::Conditions;
use crate::matrix;
use crate::nat::Behaviour;
use crate::net::Realm;
use crate::party::{Layer, SERVER_INSIDE, client_config, server_config};
use crate::world::{Index, World, ip};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(15));

/// A server, and a client behind `nat` if there is one.
fn world(seed: u64, server: engine::Config, nat: Option<Behaviour>) -> (World, Index) {
    let mut world = World::new(seed, server, WAN);
    let client = match nat {
        Some(behaviour) => {
            let nat = world.add_nat("198.51.100.9", behaviour, WAN);
            world.add(
                nat.realm(),
                "192.168.1.10",
                client_config(),
                Conditions::IDEAL,
            )
        }
        None => world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN),
    };
    (world, client)
}

fn connect(world: &mut World, client: Index) {
    let up = world.run_until(Duration::from_secs(10), |world| world.is_up(client));
    assert!(up, "not up\n{}", world.report());
    assert!(world.ping(client, 1), "no reply\n{}", world.report());
}

#[test]
fn without_nat_esp_travels_as_protocol_50() {
    let (mut world, client) = world(1, server_config(&[Method::MsChapV2]), None);
    world.dial(client, |_| {});
    connect(&mut world, client);
    let session = world.server().sessions().remove(0);
    assert_eq!(session.path.carrier, Carrier::Raw);
    assert_eq!(session.user, "alice");
    assert_eq!(session.local_address, SERVER_INSIDE);
    assert!(!session.nat.any());
    assert_eq!(session.phase1, "aes256-sha256-ecp384");
    assert_eq!(session.phase2, "aes256gcm16");
    let ours = world.party(client).sessions().remove(0);
    assert_eq!(ours.local_address, session.remote_address);
    assert_eq!(ours.dns[0], Some("10.10.1.53".parse().unwrap()));
    assert_eq!(ours.dns[1], None);
}

#[test]
fn behind_nat_esp_travels_in_udp() {
    for (seed, behaviour) in [(1, Behaviour::HOME), (2, Behaviour::SYMMETRIC)] {
        let (mut world, client) = world(seed, server_config(&[Method::MsChapV2]), Some(behaviour));
        world.dial(client, |_| {});
        connect(&mut world, client);
        let session = world.server().sessions().remove(0);
        assert_eq!(session.path.carrier, Carrier::NatT);
        assert_eq!(session.path.remote.ip(), ip("198.51.100.9"));
        assert_eq!(session.identity, "192.168.1.10");
        assert!(session.nat.peer && !session.nat.here);
    }
}

/// Their first LCP request follows on the message that opens the session, and arrives before the
/// server's engine has made anything of that. Who repeats it after three seconds is kept waiting if it is lost.
#[test]
fn those_that_begin_ppp_at_once_need_not_begin_again() {
    for profile in [
        Profile::MacOs,
        Profile::Ios,
        Profile::ChromeOs,
        Profile::Adit,
    ] {
        let mut server = server_config(&[Method::MsChapV2]);
        server.ike.policy = ike::Policy::new(matrix::options(profile));
        let (mut world, client) = world(1, server, Some(Behaviour::HOME));
        matrix::dial(&mut world, client, profile);
        let up = world.run_until(Duration::from_secs(2), |world| world.is_up(client));
        assert!(up, "{profile:?} is not up\n{}", world.report());
        let mut drops = world.server().plane.drops();
        assert_eq!(drops.find(|(_, count)| *count > 0), None, "{profile:?}");
    }
}

#[test]
fn encapsulation_can_be_forced_by_either_side() {
    let mut config = server_config(&[Method::MsChapV2]);
    config.ike.encapsulation = ike::Encapsulation::Always;
    let (mut server_wants, client) = world(1, config, None);
    server_wants.dial(client, |_| {});
    connect(&mut server_wants, client);
    assert_eq!(
        server_wants.server().sessions()[0].path.carrier,
        Carrier::NatT
    );

    let (mut client_wants, client) = world(2, server_config(&[Method::MsChapV2]), None);
    client_wants.dial(client, |dial| dial.force_udp = true);
    connect(&mut client_wants, client);
    assert_eq!(
        client_wants.server().sessions()[0].path.carrier,
        Carrier::NatT
    );
}

#[test]
fn main_mode_may_start_on_the_nat_traversal_port() {
    let (mut world, client) = world(1, server_config(&[Method::MsChapV2]), Some(Behaviour::HOME));
    world.dial(client, |dial| dial.ike = dial.natt);
    connect(&mut world, client);
}

#[test]
fn a_server_behind_a_port_forward_is_reached() {
    let mut config = server_config(&[Method::MsChapV2]);
    config.ike.public_address = Some(ip("198.51.100.1"));
    let mut world = World::new(1, config, WAN);
    let nat = world.add_nat("198.51.100.1", Behaviour::HOME, WAN);
    let host = world.server().host;
    world.net.move_host(host, nat.realm(), ip("10.0.0.5"));
    world.net.set_one_to_one(nat, Some(ip("10.0.0.5")));
    world.server().address = ip("198.51.100.1");
    let client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    world.dial(client, |_| {});
    connect(&mut world, client);
    let info = world.party(client).sessions().remove(0);
    assert_eq!(
        info.identity, "198.51.100.1",
        "the identity is the public address"
    );
    assert!(
        info.nat.here && !info.nat.peer,
        "the client sees a NAT before itself only: {:?}",
        info.nat
    );
    assert_eq!(
        info.path.carrier,
        Carrier::NatT,
        "protocol 50 is not forwarded"
    );
}

#[test]
fn each_method_of_authentication_works() {
    for (seed, method) in [(1, Method::MsChapV2), (2, Method::Chap), (3, Method::Pap)] {
        let (mut world, client) = world(seed, server_config(&[method]), None);
        world.dial(client, |dial| {
            if let ppp::Role::Client(client) = &mut dial.link.role {
                client.methods = vec![Method::MsChapV2, Method::Chap, Method::Pap];
            }
        });
        connect(&mut world, client);
        assert_eq!(world.server().sessions()[0].authentication, Some(method));
    }
}

#[test]
fn each_suite_works_with_and_without_nat() {
    let suites = [
        "aes256gcm16",
        "aes192gcm16",
        "aes128gcm16",
        "aes256-sha256",
        "aes256-sha384",
        "aes256-sha512",
        "aes256-sha1",
        "aes192-sha1",
        "aes128-sha256",
        "aes128-sha1",
        "3des-sha1",
        "aes128-md5",
    ];
    let options = [ike::LegacyOption::TripleDes, ike::LegacyOption::Md5];
    for (seed, suite) in suites.into_iter().enumerate() {
        for nat in [None, Some(Behaviour::HOME)] {
            let policy = ike::Policy::new(&options).with_esp(&[suite]).unwrap();
            let mut config = server_config(&[Method::MsChapV2]);
            config.ike.policy = policy.clone();
            let (mut world, client) = world(seed as u64, config, nat);
            world.party(client).engine = {
                let mut config = client_config();
                config.ike.policy = policy;
                let slots = dataplane::SlotCount::for_peers(4);
                use rand_core::SeedableRng;
                engine::Engine::new(config, slots, wire::Rng::seed_from_u64(seed as u64))
            };
            world.dial(client, |_| {});
            connect(&mut world, client);
            assert_eq!(world.server().sessions()[0].phase2, suite);
        }
    }
}

#[test]
fn a_fixed_address_is_given_and_never_lent() {
    let mut world = World::new(1, server_config(&[Method::MsChapV2]), WAN);
    let bob = world.add(Realm::INTERNET, "203.0.113.6", client_config(), WAN);
    let mut alices = Vec::new();
    for last in 10..100 {
        let address = format!("203.0.113.{last}");
        alices.push(world.add(
            Realm::INTERNET,
            &address,
            client_config(),
            Conditions::IDEAL,
        ));
    }
    for alice in &alices {
        world.dial(*alice, |_| {});
    }
    world.run_for(Duration::from_secs(5));
    world.dial_as(bob, "bob", "builder", |_| {});
    connect(&mut world, bob);
    let mut addresses: Vec<_> = world
        .server()
        .sessions()
        .iter()
        .map(|session| session.remote_address)
        .collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 91, "everybody has an address of his own");
    assert_eq!(
        world.party(bob).sessions()[0].local_address,
        ip("10.10.1.77")
    );
}

#[test]
fn a_fixed_address_that_was_taken_from_its_user_is_gone_at_the_next_login() {
    let (mut world, client) = world(1, server_config(&[Method::MsChapV2]), None);
    world.dial_as(client, "bob", "builder", |_| {});
    connect(&mut world, client);
    let session = world.party(client).sessions().remove(0);
    assert_eq!(session.local_address, ip("10.10.1.77"));
    if let Some(bob) = world.server().users.get_mut("bob") {
        bob.address = engine::AddressPolicy::any();
    }
    // A Configure-Request makes both negotiate anew within the same session (RFC 1661 §4.3), when
    // it cannot be a late copy any more.
    world.run_for(Duration::from_secs(60));
    let upcall = engine::Upcall::Ppp {
        session: session.session,
        frame: vec![0xff, 0x03, 0xc0, 0x21, 1, 0x77, 0, 4],
    };
    world.with(client, |engine, now| engine.handle_upcall(now, upcall));
    assert!(!world.is_up(client));
    connect(&mut world, client);
    let again = world.server().sessions().remove(0);
    assert_eq!(again.remote_address, ip("10.10.1.2"), "{}", world.report());
    assert_eq!(world.server().engine.addresses_in_use(), 1);
}

#[test]
fn the_stages_come_in_order_at_both_ends() {
    let (mut world, client) = world(1, server_config(&[Method::MsChapV2]), None);
    world.dial(client, |_| {});
    connect(&mut world, client);
    let stages = |events: &[(wire::Instant, Event)]| -> Vec<Stage> {
        events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Progress { stage, .. } => Some(*stage),
                _ => None,
            })
            .collect()
    };
    let all = [
        Stage::Phase1,
        Stage::Phase2,
        Stage::Tunnel,
        Stage::Session,
        Stage::Link,
        Stage::Authentication,
        Stage::Network,
    ];
    assert_eq!(stages(&world.party(client).events), all);
    assert_eq!(stages(&world.server().events), all);
}

#[test]
fn fifty_clients_with_one_inner_address_share_one_outer_address() {
    let mut world = World::new(1, server_config(&[Method::MsChapV2]), WAN);
    let carrier = world.add_nat("198.51.100.9", Behaviour::HOME, WAN);
    let mut clients = Vec::new();
    for number in 0..50 {
        let address = ip(&format!("100.64.0.{}", number + 1));
        let home = world
            .net
            .add_nat(carrier.realm(), address, Behaviour::HOME, Conditions::IDEAL);
        clients.push(world.add(
            home.realm(),
            "192.168.1.10",
            client_config(),
            Conditions::IDEAL,
        ));
    }
    for client in &clients {
        world.dial(*client, |_| {});
        world.run_for(Duration::from_millis(100));
    }
    world.run_for(Duration::from_secs(5));
    for (number, client) in clients.iter().enumerate() {
        assert!(
            world.ping(*client, number as u32),
            "client {number}\n{}",
            world.report()
        );
    }
    assert_eq!(world.server().sessions().len(), 50);
}

#[test]
fn everything_is_given_back_when_a_client_hangs_up() {
    let (mut world, client) = world(1, server_config(&[Method::MsChapV2]), Some(Behaviour::HOME));
    for round in 0..5 {
        let peer = world.dial(client, |_| {});
        connect(&mut world, client);
        world.with(client, |engine, now| {
            engine.close_peer(now, peer, engine::Reason::Done)
        });
        world.run_for(Duration::from_secs(90));
        for party in [
            world.server().engine.addresses_in_use(),
            world.server().engine.peers().count(),
        ] {
            assert_eq!(party, 0, "round {round}\n{}", world.report());
        }
        assert_eq!(world.party(client).engine.peers().count(), 0);
    }
}

#[test]
fn the_server_says_goodbye_to_everybody() {
    let (mut world, client) = world(1, server_config(&[Method::MsChapV2]), None);
    world.dial(client, |_| {});
    connect(&mut world, client);
    world.with(crate::world::SERVER, |engine, now| engine.close_all(now));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server().engine.peers().count(), 0);
    assert!(!world.is_up(client), "{}", world.report());
    assert_eq!(world.party(client).endings().len(), 1, "{}", world.report());
}

/// Layer by layer from the top, each message once; and nobody waits for an answer, which cannot
/// come here. A call ends with its tunnel, whose StopCCN says so (RFC 2661 §5.7): a CDN before it
/// would take its place where the client's receive window has room for one message only.
#[test]
fn goodbye_is_said_once_in_every_layer() {
    let (mut world, client) = world(1, server_config(&[Method::MsChapV2]), None);
    world.dial(client, |_| {});
    connect(&mut world, client);
    let said = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&said);
    world.server().tamper = Some(Box::new(move |layer, bytes| {
        if layer != Layer::Esp {
            heard.borrow_mut().push(described(layer, &bytes));
        }
        vec![bytes]
    }));
    world.net.set_all_conditions(Conditions::DOWN);
    world.with(crate::world::SERVER, |engine, now| engine.close_all(now));
    let order = [
        "Terminate-Request",
        "StopCCN",
        "Informational",
        "Informational",
    ];
    assert_eq!(*said.borrow(), order);
    world.run_for(Duration::from_secs(120));
    assert_eq!(*said.borrow(), order);
    assert_eq!(world.server().engine.peers().count(), 0);
}

/// What a message of a goodbye is.
fn described(layer: Layer, bytes: &[u8]) -> &'static str {
    match (layer, bytes) {
        // RFC 1661 §5.5, behind the number of LCP.
        (Layer::Ppp, [0xc0, 0x21, 5, ..] | [0xff, 0x03, 0xc0, 0x21, 5, ..]) => "Terminate-Request",
        // RFC 2661 §3.2: the Message Type AVP is the first, its value behind a header of 12 and 6
        // bytes.
        (Layer::Control, _) => match bytes.get(18..20) {
            Some([0, 14]) => "CDN",
            Some([0, 4]) => "StopCCN",
            _ => "another control message",
        },
        // RFC 2408 §3.1: the exchange type.
        (Layer::Isakmp, _) if bytes.get(18) == Some(&5) => "Informational",
        _ => "something else",
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let trace = |seed| {
        let (mut world, client) = world(
            seed,
            server_config(&[Method::MsChapV2]),
            Some(Behaviour::HOME),
        );
        world.party(client).tap = Some(Vec::new());
        world.dial(client, |_| {});
        connect(&mut world, client);
        world.party(client).tap.take()
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}
