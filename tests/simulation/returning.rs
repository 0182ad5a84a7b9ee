//! Coming back: after a crash, from another network, beside others at the same address.

use std::time::Duration;

use engine::Event;
use ppp::Method;

use crate::link::Conditions;
use crate::nat::Behaviour;
use crate::net::Realm;
use crate::party::{client_config, server_config};
use crate::world::{Index, World, ip};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(15));

fn world() -> World {
    World::new(11, server_config(&[Method::MsChapV2]), WAN)
}

fn connect(world: &mut World, client: Index) {
    world.dial(client, |_| {});
    let up = world.run_until(Duration::from_secs(10), |world| world.is_up(client));
    assert!(up, "{}", world.report());
}

fn endings(world: &mut World) -> Vec<String> {
    let events = &world.server().events;
    let down = events.iter().filter_map(|(_, event)| match event {
        Event::SessionDown(_, reason) => Some(reason.to_string()),
        _ => None,
    });
    down.collect()
}

#[test]
fn a_client_that_crashed_and_dials_again_takes_the_place_of_its_former_self() {
    let mut world = world();
    let client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    for round in 0..3 {
        connect(&mut world, client);
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.server().sessions().len(), 1, "{}", world.report());
        assert_eq!(endings(&mut world).len(), round);
        world.restart(client, client_config());
    }
    assert_eq!(world.server().engine.addresses_in_use(), 1);
    let reasons = endings(&mut world);
    assert!(
        reasons
            .iter()
            .all(|reason| reason == "the client has started again"),
        "{reasons:?}"
    );
}

#[test]
fn a_neighbour_behind_the_same_translator_is_left_alone_by_that() {
    let mut world = world();
    let nat = world.add_nat("198.51.100.9", Behaviour::HOME, WAN);
    let one = world.add(
        nat.realm(),
        "192.168.1.10",
        client_config(),
        Conditions::IDEAL,
    );
    let other = world.add(
        nat.realm(),
        "192.168.1.11",
        client_config(),
        Conditions::IDEAL,
    );
    connect(&mut world, one);
    connect(&mut world, other);
    world.restart(one, client_config());
    connect(&mut world, one);
    world.run_for(Duration::from_secs(120));
    assert!(
        world.ping(other, 1) && world.ping(one, 2),
        "{}",
        world.report()
    );
    assert_eq!(world.server().sessions().len(), 2, "{}", world.report());
}

#[test]
fn a_user_with_a_fixed_address_brings_it_along_from_another_network() {
    let mut world = world();
    let at_home = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    let away = world.add(Realm::INTERNET, "198.51.100.5", client_config(), WAN);
    for client in [at_home, away] {
        world.dial_as(client, "bob", "builder", |_| {});
        let up = world.run_until(Duration::from_secs(10), |world| world.is_up(client));
        assert!(up, "{}", world.report());
    }
    world.run_for(Duration::from_secs(1));
    assert!(world.ping(away, 1), "{}", world.report());
    let sessions = world.server().sessions();
    assert_eq!(sessions.len(), 1, "{}", world.report());
    assert_eq!(sessions[0].path.remote.ip(), ip("198.51.100.5"));
    assert_eq!(sessions[0].remote_address, ip("10.10.1.77"));
}
