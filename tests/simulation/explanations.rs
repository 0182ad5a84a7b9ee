//! Each attempt that fails is reported once, with its cause; one that does not fail is not.

use std::time::Duration;

use engine::{Cause, Event, Profile, Reason, Stage};
use ppp::Method;
use wire::Secret;

use crate::link::Conditions;
use crate::nat::Behaviour;
use crate::net::{Datagram, Protocol, Realm};
use crate::party::{client_config, server_config};
use crate::world::{Index, SERVER, World};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(15));

fn world(seed: u64) -> (World, Index) {
    let mut world = World::new(seed, server_config(&[Method::MsChapV2]), WAN);
    let client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    (world, client)
}

/// A client behind a NAT.
fn world_with_nat(seed: u64) -> (World, Index) {
    let mut world = World::new(seed, server_config(&[Method::MsChapV2]), WAN);
    let nat = world.add_nat("198.51.100.9", Behaviour::HOME, WAN);
    let client = world.add(nat.realm(), "192.168.1.5", client_config(), WAN);
    (world, client)
}

/// Lets everything run out, and returns the one failure that the server has reported.
fn only_failure(world: &mut World) -> (Cause, Stage, String) {
    world.run_for(Duration::from_secs(400));
    let report = world.report();
    let failures = world.server().failures();
    assert_eq!(failures.len(), 1, "{failures:#?}\n{report}");
    let failure = failures[0];
    (failure.cause, failure.stage, failure.what.clone())
}

fn expect(world: &mut World, cause: Cause, stage: Stage) {
    let found = only_failure(world);
    assert_eq!((found.0, found.1), (cause, stage), "{}", found.2);
    assert_eq!(world.server().engine.peers().count(), 0);
}

/// Runs until the server has seen a stage completed.
fn run_to(world: &mut World, stage: Stage) {
    let reached = world.run_until(Duration::from_secs(20), |world| {
        world
            .server()
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::Progress { stage: s, .. } if *s == stage))
    });
    assert!(reached, "{}", world.report());
}

fn is_natt(datagram: &Datagram) -> bool {
    datagram.protocol == Protocol::Udp && datagram.dst.port() == 4500
}

fn is_esp(datagram: &Datagram) -> bool {
    datagram.protocol == Protocol::Esp
}

fn everything(_: &Datagram) -> bool {
    true
}

#[test]
fn nobody_who_gets_in_stays_in_and_leaves_is_a_failure() {
    for (seed, (mut world, client)) in [world(1), world_with_nat(2)].into_iter().enumerate() {
        world.dial(client, |_| {});
        let up = world.run_until(Duration::from_secs(10), |world| world.is_up(client));
        assert!(up, "{seed} {}", world.report());
        // Both phases are renewed in this time.
        world.run_for(Duration::from_secs(9 * 3600));
        assert!(world.is_up(client), "{seed} {}", world.report());
        world.with(client, |engine, now| engine.close_all(now));
        world.run_for(Duration::from_secs(7200));
        assert_eq!(world.server().engine.peers().count(), 0);
        let failures = world.server().failures();
        assert!(failures.is_empty(), "{seed} {failures:#?}");
    }
}

#[test]
fn a_wrong_key() {
    let (mut world, client) = world(3);
    world.dial(client, |dial| dial.key = Secret::from(&b"another key"[..]));
    expect(&mut world, Cause::WrongKey, Stage::Phase1);
}

#[test]
fn answers_that_do_not_arrive() {
    let (mut world, client) = world(4);
    world.party(client).firewall = Some(everything);
    world.dial(client, |_| {});
    expect(&mut world, Cause::Unheard, Stage::Phase1);
}

#[test]
fn port_4500_closed() {
    let (mut world, client) = world_with_nat(5);
    world.server().firewall = Some(is_natt);
    world.dial(client, |_| {});
    expect(&mut world, Cause::NeverFinished, Stage::Phase1);
}

#[test]
fn a_client_that_stops_after_phase_1() {
    let (mut world, client) = world_with_nat(6);
    world.party(client).firewall = Some(|datagram| datagram.src.port() == 4500);
    world.dial(client, |_| {});
    expect(&mut world, Cause::NoPhase2, Stage::Phase2);
}

#[test]
fn protocol_50_lost() {
    let (mut world, client) = world(7);
    world.server().firewall = Some(is_esp);
    world.dial(client, |_| {});
    expect(&mut world, Cause::L2tpSilent, Stage::Tunnel);
}

/// The deadline of the attempt, not the end of the client's patience.
#[test]
fn a_client_that_keeps_its_keys_and_says_nothing() {
    let (mut world, client) = world(8);
    world.server().firewall = Some(is_esp);
    world.dial(client, |_| {});
    run_to(&mut world, Stage::Phase1);
    world.party(client).firewall = Some(everything);
    let said = world.run_until(Duration::from_secs(65), |world| {
        !world.server().failures().is_empty()
    });
    assert!(said, "{}", world.report());
}

#[test]
fn a_client_that_vanishes_in_the_middle_of_ppp() {
    let cases = [
        (Stage::Session, Cause::LcpTimeout, Stage::Link),
        (
            Stage::Link,
            Cause::AuthenticationTimeout,
            Stage::Authentication,
        ),
    ];
    for (seed, (vanishes_after, cause, stage)) in cases.into_iter().enumerate() {
        let (mut world, client) = world(9 + seed as u64);
        world.dial(client, |_| {});
        run_to(&mut world, vanishes_after);
        world.server().firewall = Some(everything);
        world.party(client).firewall = Some(everything);
        let found = {
            world.run_for(Duration::from_secs(900));
            let failures = world.server().failures();
            assert_eq!(failures.len(), 1, "{failures:#?}");
            (failures[0].cause, failures[0].stage)
        };
        assert_eq!(found, (cause, stage), "{}", world.report());
    }
}

#[test]
fn a_client_that_is_told_to_stop() {
    for (stage, next) in [
        (Stage::Tunnel, Stage::Session),
        (Stage::Session, Stage::Link),
    ] {
        let (mut world, client) = world(20);
        let peer = world.dial(client, |_| {});
        run_to(&mut world, stage);
        world.with(client, |engine, now| {
            engine.close_peer(now, peer, Reason::Done)
        });
        expect(&mut world, Cause::HungUp, next);
    }
}

#[test]
fn logins() {
    let cases = [
        ("alice", "wrong", Cause::WrongPassword),
        ("mallory", "x", Cause::UnknownUser),
    ];
    for (user, password, cause) in cases {
        let (mut world, client) = world(30);
        world.dial_as(client, user, password, |_| {});
        expect(&mut world, cause, Stage::Authentication);
        let named = world.server().events.iter().any(
            |(_, event)| matches!(event, Event::LoginFailed { user: name, .. } if name == user),
        );
        assert!(named, "{}", world.report());
    }
}

#[test]
fn a_second_attempt_is_reported_again() {
    let (mut world, client) = world(31);
    for round in 1..=3 {
        world.dial_as(client, "alice", "wrong", |_| {});
        world.run_for(Duration::from_secs(100));
        let failures = world.server().failures();
        assert_eq!(failures.len(), round, "{failures:#?}");
    }
}

#[test]
fn no_method_in_common() {
    let (mut world, client) = world(32);
    world.dial(client, |dial| {
        if let ppp::Role::Client(client) = &mut dial.link.role {
            client.methods = vec![Method::Pap];
        }
    });
    expect(
        &mut world,
        Cause::NoCommonAuthentication,
        Stage::Authentication,
    );
    let help = world.server().failures()[0].help();
    assert!(help.contains("ppp.authentication"), "{help}");
}

#[test]
fn no_proposal_in_common_names_the_option() {
    let weak = ike::Policy::new(&[ike::LegacyOption::Android]);
    let mut config = client_config();
    config.ike.policy = weak.with_groups(&["modp1024"]).expect("a known name");
    let mut world = World::new(33, server_config(&[Method::MsChapV2]), WAN);
    let client = world.add(Realm::INTERNET, "203.0.113.5", config, WAN);
    world.dial(client, |_| {});
    expect(&mut world, Cause::NoIkeProposal, Stage::Phase1);
    let help = world.server().failures()[0].help();
    assert_eq!(help, "add \"legacy-android\" to `ipsec.legacy`");
}

#[test]
fn an_exhausted_pool() {
    let mut config = server_config(&[Method::MsChapV2]);
    if let Some(server) = &mut config.server {
        server.ranges.clear();
    }
    let mut world = World::new(34, config, WAN);
    let client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    world.dial(client, |_| {});
    expect(&mut world, Cause::NoAddressLeft, Stage::Authentication);
}

/// What this server itself ends is nobody's failure.
#[test]
fn a_server_that_shuts_down() {
    let (mut world, client) = world(35);
    world.dial(client, |_| {});
    run_to(&mut world, Stage::Session);
    world.with(SERVER, |engine, now| engine.close_all(now));
    world.run_for(Duration::from_secs(10));
    let failures = world.server().failures();
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Every client, with a key that is wrong and with a password that is: who it is, and what its
/// user sees there.
#[test]
fn each_client_is_named_with_what_it_shows() {
    let phase_1 = |profile| match profile {
        Profile::Windows7 => ("Windows 7", Some("error 789")),
        Profile::Windows10 | Profile::Windows11 => ("Windows 8 or later", Some("error 789")),
        Profile::MacOs | Profile::Ios => {
            ("Apple", Some("\"The L2TP-VPN server did not respond.\""))
        }
        Profile::Android => ("Android", Some("\"Unsuccessful\"")),
        Profile::ChromeOs => ("ChromeOS", Some("AUTHENTICATION_FAILED in its log")),
        Profile::NetworkManagerStrongswan => {
            ("strongSwan", Some("AUTHENTICATION_FAILED in its log"))
        }
        Profile::NetworkManagerLibreswan => ("libreswan", Some("AUTHENTICATION_FAILED in its log")),
        Profile::MikroTik => ("racoon", None),
        Profile::Adit => ("unknown", None),
    };
    let login = |profile| match profile {
        Profile::Windows7 => ("Windows 7", Some("error 691")),
        Profile::Windows10 | Profile::Windows11 => ("Windows 8 or later", Some("error 691")),
        Profile::MacOs | Profile::Ios => ("Apple", Some("\"Authentication failed.\"")),
        Profile::Adit => ("adit", None),
        Profile::MikroTik => ("MikroTik", None),
        Profile::Android => ("Android", Some("\"Unsuccessful\"")),
        other => (phase_1(other).0, None),
    };
    for (seed, profile) in Profile::ALL.into_iter().enumerate() {
        let failure = |cause: Cause, password: &str, change: fn(&mut engine::Dial)| {
            let mut server = server_config(&[Method::MsChapV2]);
            server.ike.policy = ike::Policy::new(&ike::LegacyOption::ALL);
            let mut world = World::new(40 + seed as u64, server, WAN);
            let client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
            world.dial_as(client, "alice", password, |dial| {
                dial.habits = profile.habits();
                change(dial);
            });
            world.run_for(Duration::from_secs(300));
            let failures = world.server().failures();
            assert_eq!(failures.len(), 1, "{profile}: {failures:#?}");
            assert_eq!(failures[0].cause, cause, "{profile}: {failures:#?}");
            (failures[0].make.to_string(), failures[0].shown())
        };
        let (make, shown) = failure(Cause::WrongKey, "wonderland", |dial| {
            dial.key = Secret::from(&b"another key"[..]);
        });
        assert_eq!((make.as_str(), shown), phase_1(profile), "{profile}");
        let (make, shown) = failure(Cause::WrongPassword, "wrong", |_| {});
        assert_eq!((make.as_str(), shown), login(profile), "{profile}");
    }
}
