//! Several pre-shared keys for clients from anywhere, and keys that are for one user.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use engine::{AtLimit, Event, SessionLimit};
use ppp::Method;
use wire::Secret;

use crate::link::Conditions;
use crate::net::Realm;
use crate::party::{KEY, client_config, server_config};
use crate::world::{Index, World, ip};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(15));

fn key(label: &str) -> ike::Key {
    ike::Key {
        label: label.to_owned(),
        selectors: vec![ike::Selector::Any],
        secret: Secret::from(format!("the key of {label}").as_bytes()),
    }
}

/// A server with a general key, one for alice and one for bob.
fn world(limit: Option<SessionLimit>) -> World {
    let mut config = server_config(&[Method::MsChapV2]);
    if let Some(server) = &mut config.server {
        server.session_limit = limit;
    }
    let mut world = World::new(5, config, WAN);
    let general = ike::Key {
        secret: Secret::from(KEY),
        ..key("general")
    };
    let keys = vec![general, key("alice's"), key("bob's")];
    let server = world.server();
    server.engine.set_keys(Arc::new(ike::Keyring::new(keys)));
    server.key_users = [("alice's".to_owned(), "alice"), ("bob's".to_owned(), "bob")].into();
    world
}

fn dial(world: &mut World, client: Index, user: &str, whose: &str) -> bool {
    let password = if user == "bob" {
        "builder"
    } else {
        "wonderland"
    };
    let secret = key(whose).secret;
    world.dial_as(client, user, password, |dial| dial.key = secret);
    world.run_until(Duration::from_secs(10), |world| world.is_up(client))
}

fn endings(world: &mut World) -> Vec<String> {
    let events = &world.server().events;
    let down = events.iter().filter_map(|(_, event)| match event {
        Event::SessionDown(info, reason) => Some(format!("{}: {reason}", info.path.remote.ip())),
        _ => None,
    });
    down.collect()
}

fn failures(world: &mut World) -> Vec<String> {
    let events = &world.server().events;
    let failed = events.iter().filter_map(|(_, event)| match event {
        Event::LoginFailed { user, failure } => Some(format!("{user}: {}", failure.what)),
        _ => None,
    });
    failed.collect()
}

#[test]
fn everybody_comes_in_with_a_key_of_his_own_and_status_names_it() {
    let mut world = world(None);
    let one = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    let two = world.add(Realm::INTERNET, "203.0.113.6", client_config(), WAN);
    let three = world.add(Realm::INTERNET, "203.0.113.7", client_config(), WAN);
    assert!(
        dial(&mut world, one, "alice", "alice's"),
        "{}",
        world.report()
    );
    assert!(dial(&mut world, two, "bob", "bob's"), "{}", world.report());
    world.dial(three, |_| {});
    assert!(world.run_until(Duration::from_secs(10), |world| world.is_up(three)));
    let keys: Vec<String> = world
        .server()
        .sessions()
        .into_iter()
        .map(|s| s.key)
        .collect();
    assert_eq!(keys, ["alice's", "bob's", "general"]);
    for (number, client) in (1..).zip([one, two, three]) {
        assert!(world.ping(client, number), "{}", world.report());
    }
}

#[test]
fn somebody_elses_key_is_refused_like_a_wrong_password() {
    let mut world = world(None);
    let client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    assert!(!dial(&mut world, client, "alice", "bob's"));
    let ending = world.party(client).endings()[0].to_string();
    assert!(ending.contains("691"), "{ending}");
    assert_eq!(
        failures(&mut world),
        ["alice: the key bob's is not for this user"]
    );
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.server().engine.peers().count(), 0);
    assert!(
        dial(&mut world, client, "alice", "alice's"),
        "{}",
        world.report()
    );
}

#[test]
fn a_key_that_nobody_has_is_refused_whatever_the_number_of_keys() {
    let mut world = world(None);
    let client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    assert!(!dial(&mut world, client, "alice", "mallory's"));
    let refusals = world.server().refusals().join("\n");
    assert!(refusals.contains("any of the 3 configured"), "{refusals}");
}

fn one(beyond: AtLimit) -> Option<SessionLimit> {
    let sessions = NonZeroU32::MIN;
    Some(SessionLimit { sessions, beyond })
}

#[test]
fn the_same_user_from_another_network_replaces_the_session_at_once() {
    let mut world = world(one(AtLimit::Replace));
    let home = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    let away = world.add(Realm::INTERNET, "198.51.100.5", client_config(), WAN);
    for user in ["alice", "bob"] {
        let whose = format!("{user}'s");
        assert!(dial(&mut world, home, user, &whose), "{}", world.report());
        let before = world.server().sessions()[0].remote_address;
        assert!(dial(&mut world, away, user, &whose), "{}", world.report());
        world.run_for(Duration::from_secs(1));
        let sessions = world.server().sessions();
        assert_eq!(sessions.len(), 1, "{}", world.report());
        assert_eq!(sessions[0].path.remote.ip(), ip("198.51.100.5"));
        assert_eq!(sessions[0].remote_address, before);
        assert!(!world.is_up(home), "the old one is told");
        assert!(world.ping(away, 1), "{}", world.report());
        world.with(away, |engine, now| engine.close_all(now));
        world.run_for(Duration::from_secs(5));
    }
    let replaced = "203.0.113.5: replaced by a newer session of the same user";
    let endings = endings(&mut world);
    assert_eq!(
        endings.iter().filter(|line| *line == replaced).count(),
        2,
        "{endings:?}"
    );
    assert_eq!(world.server().engine.addresses_in_use(), 0);
}

#[test]
fn a_session_that_has_vanished_is_replaced_as_well() {
    let mut world = world(one(AtLimit::Replace));
    let home = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    let away = world.add(Realm::INTERNET, "198.51.100.5", client_config(), WAN);
    assert!(dial(&mut world, home, "bob", "bob's"), "{}", world.report());
    let host = world.party(home).host;
    world.net.set_conditions(host, Conditions::DOWN);
    assert!(dial(&mut world, away, "bob", "bob's"), "{}", world.report());
    world.run_for(Duration::from_secs(600));
    assert!(world.ping(away, 1), "{}", world.report());
    assert_eq!(world.server().engine.peers().count(), 1);
    assert_eq!(endings(&mut world).len(), 1);
}

#[test]
fn a_second_session_can_be_refused_with_649() {
    let mut world = world(one(AtLimit::Refuse));
    let home = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    let away = world.add(Realm::INTERNET, "198.51.100.5", client_config(), WAN);
    assert!(
        dial(&mut world, home, "alice", "alice's"),
        "{}",
        world.report()
    );
    assert!(!dial(&mut world, away, "alice", "alice's"));
    let ending = world.party(away).endings()[0].to_string();
    assert!(ending.contains("649"), "{ending}");
    assert_eq!(
        failures(&mut world),
        ["alice: the user has 1 session already, as many as allowed"]
    );
    assert!(world.ping(home, 1), "{}", world.report());
}
