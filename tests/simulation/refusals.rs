//! Every way not to get in, and what the logs say about it.

use std::time::Duration;

use engine::{AddressRange, Event};
use ppp::Method;
use wire::Secret;

use crate::link::Conditions;
use crate::net::Realm;
use crate::party::{client_config, server_config};
use crate::world::{Index, World};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(15));

fn world(server: engine::Config, client: engine::Config) -> (World, Index) {
    let mut world = World::new(1, server, WAN);
    let client = world.add(Realm::INTERNET, "203.0.113.5", client, WAN);
    (world, client)
}

fn fails(world: &mut World, client: Index) -> String {
    let ended = world.run_until(Duration::from_secs(120), |world| {
        !world.party(client).endings().is_empty()
    });
    assert!(ended, "the client never gave up\n{}", world.report());
    assert_eq!(world.server().sessions().len(), 0);
    world.party(client).endings()[0].to_string()
}

/// Nothing of the attempt is left after a while.
fn forgotten(world: &mut World) {
    world.run_for(Duration::from_secs(300));
    assert_eq!(
        world.server().engine.peers().count(),
        0,
        "{}",
        world.report()
    );
    assert_eq!(world.server().engine.addresses_in_use(), 0);
}

#[test]
fn a_wrong_key_is_called_by_its_name() {
    let (mut world, client) = world(server_config(&[Method::MsChapV2]), client_config());
    world.dial(client, |dial| dial.key = Secret::from(&b"another key"[..]));
    fails(&mut world, client);
    let refusals = world.server().refusals().join("\n");
    assert!(
        refusals.contains("pre-shared key does not match"),
        "{refusals}"
    );
    assert!(!refusals.contains("malformed"), "{refusals}");
    forgotten(&mut world);
}

#[test]
fn a_wrong_password_is_691_and_a_line_with_user_and_address() {
    for (seed, method) in [Method::MsChapV2, Method::Chap, Method::Pap]
        .into_iter()
        .enumerate()
    {
        let (mut world, client) = world(server_config(&[method]), client_config());
        world.dial_as(client, "alice", "wrong", |dial| {
            if let ppp::Role::Client(client) = &mut dial.link.role {
                client.methods = vec![method];
            }
        });
        let began = world.now;
        let why = fails(&mut world, client);
        assert!(
            world.now - began < Duration::from_secs(5),
            "{}",
            world.report()
        );
        if method == Method::MsChapV2 {
            assert!(why.contains("691"), "{why}");
        }
        let failed = world
            .server()
            .events
            .iter()
            .find_map(|(_, event)| match event {
                Event::LoginFailed { user, failure } => Some((user.clone(), failure.clone())),
                _ => None,
            });
        let (user, failure) = failed.expect("a failed login");
        assert_eq!(user, "alice", "{seed}");
        assert_eq!(failure.outer.ip().to_string(), "203.0.113.5");
        assert_eq!(failure.what, "wrong password");
        forgotten(&mut world);
    }
}

#[test]
fn an_unknown_user_learns_no_more_than_one_with_a_wrong_password() {
    let (mut world, client) = world(server_config(&[Method::MsChapV2]), client_config());
    world.dial_as(client, "mallory", "x", |_| {});
    let unknown = fails(&mut world, client);
    let (mut world2, client) = self::world(server_config(&[Method::MsChapV2]), client_config());
    world2.dial_as(client, "alice", "x", |_| {});
    let wrong = fails(&mut world2, client);
    assert_eq!(unknown.replace("mallory", "alice"), wrong);
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    // It accepts whatever comes, but cannot prove that it knows the password.
    let (mut world, client) = world(server_config(&[Method::MsChapV2]), client_config());
    world.dial_as(client, "alice", "something else", |_| {});
    world.server().believes_everybody = true;
    let why = fails(&mut world, client);
    assert!(why.contains("not the server it claims to be"), "{why}");
}

#[test]
fn without_a_common_proposal_the_sentence_names_the_option() {
    let weak = ike::Policy::new(&[ike::LegacyOption::Android]);
    let mut config = client_config();
    config.ike.policy = weak.with_groups(&["modp1024"]).unwrap();
    let (mut world, client) = world(server_config(&[Method::MsChapV2]), config);
    world.dial(client, |_| {});
    let why = fails(&mut world, client);
    let refusals = world.server().refusals().join("\n");
    assert!(refusals.contains("legacy-android"), "{refusals}");
    assert!(refusals.contains("MODP-1024"), "{refusals}");
    assert!(why.contains("NO-PROPOSAL-CHOSEN"), "{why}");
    forgotten(&mut world);
}

#[test]
fn a_method_that_is_not_allowed_is_named() {
    let (mut world, client) = world(server_config(&[Method::MsChapV2]), client_config());
    world.dial(client, |dial| {
        if let ppp::Role::Client(client) = &mut dial.link.role {
            client.methods = vec![Method::Pap];
        }
    });
    let why = fails(&mut world, client);
    assert!(why.contains("MS-CHAPv2") && why.contains("pap"), "{why}");
    forgotten(&mut world);
    let refusals = world.server().refusals().join("\n");
    assert!(
        refusals.starts_with("PPP: the client refuses to authenticate with mschap-v2"),
        "{refusals}"
    );
}

#[test]
fn an_exhausted_pool_is_said_to_be_exhausted() {
    let why = |ranges: &[&str], others: usize| {
        let mut config = server_config(&[Method::MsChapV2]);
        if let Some(server) = &mut config.server {
            let single = |text: &&str| {
                let address = text.parse().unwrap();
                AddressRange::new(address, address).unwrap()
            };
            server.ranges = ranges.iter().map(single).collect();
        }
        let (mut world, client) = world(config, client_config());
        for number in 0..others {
            let address = format!("203.0.113.{}", 100 + number);
            let other = world.add(Realm::INTERNET, &address, client_config(), WAN);
            world.dial(other, |_| {});
            world.run_for(Duration::from_secs(10));
        }
        assert_eq!(world.server().sessions().len(), others);
        world.dial(client, |_| {});
        let ended = world.run_until(Duration::from_secs(120), |world| {
            !world.party(client).endings().is_empty()
        });
        assert!(ended, "{}", world.report());
        let mut events = world.server().events.iter();
        events.find_map(|(_, event)| match event {
            Event::LoginFailed { failure, .. } => Some(failure.what.clone()),
            _ => None,
        })
    };
    assert_eq!(
        why(&["10.10.1.2"], 1).as_deref(),
        Some("all addresses of the pool that the user may have are in use")
    );
    assert_eq!(why(&[], 0).as_deref(), Some("the pool has no addresses"));
}

#[test]
fn a_server_that_is_not_there_is_given_up() {
    let (mut world, client) = world(server_config(&[Method::MsChapV2]), client_config());
    let host = world.server().host;
    world.net.set_conditions(host, Conditions::DOWN);
    world.dial(client, |_| {});
    let why = fails(&mut world, client);
    assert!(why.contains("no answer"), "{why}");
}
