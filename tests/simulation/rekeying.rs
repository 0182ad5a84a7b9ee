//! Staying in for long, with nothing lost.

use std::sync::Arc;
use std::time::Duration;

use ppp::Method;
use wire::Secret;

use crate::echo::pings;
use crate::link::Conditions;
use crate::nat::{Behaviour, Rebind};
use crate::net::Realm;
use crate::party::{KEY, client_config, server_config};
use crate::world::{Index, World};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(20));

/// Both lifetimes as short as they may be.
fn impatient() -> engine::Config {
    let mut config = client_config();
    config.ike.timing.ike_lifetime = Duration::from_secs(420);
    config.ike.timing.child_lifetime = Duration::from_secs(300);
    config
}

/// Pings in both directions ten times a second for `span`, and says which numbers were lost.
fn ping_all_along(world: &mut World, client: Index, span: Duration) -> (Vec<u32>, Vec<u32>) {
    let info = world.party(client).sessions().remove(0);
    let (inside, server) = (info.local_address, info.remote_address);
    let rounds = u32::try_from(span.as_millis() / 100).expect("a short test");
    for number in 0..rounds {
        world.send_ip(client, &crate::echo::ping(inside, server, number));
        world.send_ip(
            crate::world::SERVER,
            &crate::echo::ping(server, inside, number),
        );
        world.run_for(Duration::from_millis(100));
    }
    world.run_for(Duration::from_secs(2));
    let missing = |got: Vec<u32>| {
        let got: std::collections::BTreeSet<u32> = got.into_iter().collect();
        (0..rounds).filter(|number| !got.contains(number)).collect()
    };
    let from_client = missing(pings(&world.party(client).received, true));
    let from_server = missing(pings(&world.server().received, true));
    (from_client, from_server)
}

fn twenty_minutes(nat: bool) {
    let mut world = World::new(3, server_config(&[Method::MsChapV2]), WAN);
    let client = if nat {
        let nat = world.add_nat("198.51.100.9", Behaviour::HOME, WAN);
        world.add(nat.realm(), "192.168.1.10", impatient(), Conditions::IDEAL)
    } else {
        world.add(Realm::INTERNET, "203.0.113.5", impatient(), WAN)
    };
    world.dial(client, |_| {});
    assert!(world.run_until(Duration::from_secs(10), |world| world.is_up(client)));
    // A reload: the same key, in another line of the file.
    let moved = ike::Keyring::for_anybody("ipsec.secrets:2", Secret::from(KEY));
    world.server().engine.set_keys(Arc::new(moved));
    let started = world.server().engine.ike_counters();
    let (from_client, from_server) =
        ping_all_along(&mut world, client, Duration::from_secs(20 * 60));
    let counters = world.server().engine.ike_counters();
    assert!(
        counters.main_modes - started.main_modes >= 2
            && counters.quick_modes - started.quick_modes >= 3,
        "both phases were to be rekeyed: {counters:?}"
    );
    assert_eq!(
        (from_client, from_server),
        (vec![], vec![]),
        "{}",
        world.report()
    );
    assert_eq!(world.server().sessions().len(), 1);
    // An IKE SA that is rekeyed just now is a peer of its own until its first child SA shows
    // whose it is; all others have joined the first.
    let peers: Vec<_> = world.server().engine.peers().collect();
    let (joined, young): (Vec<_>, Vec<_>) = peers.iter().partition(|peer| peer.tunnels > 0);
    assert_eq!(joined.len(), 1, "{peers:?}");
    assert!(
        young.len() <= 1 && young.iter().all(|peer| peer.child_sas == 0),
        "{peers:?}"
    );
}

#[test]
fn twenty_minutes_with_rekeys_of_both_phases_lose_nothing() {
    twenty_minutes(false);
}

#[test]
fn twenty_minutes_behind_nat_lose_nothing_either() {
    twenty_minutes(true);
}

#[test]
fn the_translator_may_change_its_mind() {
    let mut world = World::new(3, server_config(&[Method::MsChapV2]), WAN);
    let nat = world.add_nat("198.51.100.9", Behaviour::HOME, WAN);
    let client = world.add(
        nat.realm(),
        "192.168.1.10",
        client_config(),
        Conditions::IDEAL,
    );
    world.dial(client, |_| {});
    assert!(world.run_until(Duration::from_secs(10), |world| world.is_up(client)));
    assert!(world.ping(client, 1));
    for (number, event) in [
        Rebind::Ports,
        Rebind::Address(crate::world::ip("198.51.100.77")),
        Rebind::Ports,
    ]
    .into_iter()
    .enumerate()
    {
        world.net.rebind(nat, event);
        // The reply to the first packet from elsewhere may still go to the old place.
        world.ping(client, 100);
        let number = u32::try_from(number).unwrap() + 2;
        assert!(world.ping(client, number), "{}", world.report());
    }
}

/// INITIAL-CONTACT speaks of the endpoint it comes from, and there the one that has moved is no
/// longer.
#[test]
fn a_client_that_has_moved_is_not_ended_by_whoever_gets_its_old_place() {
    let mut world = World::new(3, server_config(&[Method::MsChapV2]), WAN);
    let behind = |world: &mut World, address: &str| {
        let nat = world.add_nat(address, Behaviour::HOME, WAN);
        let (inside, config) = (nat.realm(), client_config());
        (
            nat,
            world.add(inside, "192.168.1.10", config, Conditions::IDEAL),
        )
    };
    let (nat, first) = behind(&mut world, "198.51.100.9");
    world.dial(first, |_| {});
    assert!(world.run_until(Duration::from_secs(10), |world| world.is_up(first)));
    let elsewhere = Rebind::Address(crate::world::ip("198.51.100.77"));
    world.net.rebind(nat, elsewhere);
    world.ping(first, 1);
    assert!(world.ping(first, 2), "{}", world.report());

    let (_, second) = behind(&mut world, "198.51.100.9");
    world.dial(second, |_| {});
    assert!(world.run_until(Duration::from_secs(10), |world| world.is_up(second)));
    assert!(world.ping(second, 3), "{}", world.report());
    assert!(world.ping(first, 4), "{}", world.report());
}

#[test]
fn an_idle_session_stays_up_for_a_day() {
    let mut world = World::new(5, server_config(&[Method::MsChapV2]), WAN);
    let nat = world.add_nat("198.51.100.9", Behaviour::HOME, WAN);
    let client = world.add(
        nat.realm(),
        "192.168.1.10",
        client_config(),
        Conditions::IDEAL,
    );
    world.dial(client, |_| {});
    assert!(world.run_until(Duration::from_secs(10), |world| world.is_up(client)));
    world.run_for(Duration::from_secs(24 * 3600));
    assert!(world.ping(client, 1), "{}", world.report());
    assert_eq!(world.server().engine.peers().count(), 1);
}

#[test]
fn a_client_that_vanishes_is_cleared_away() {
    let mut world = World::new(5, server_config(&[Method::MsChapV2]), WAN);
    let client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    world.dial(client, |_| {});
    assert!(world.run_until(Duration::from_secs(10), |world| world.is_up(client)));
    let host = world.party(client).host;
    world.net.set_conditions(host, Conditions::DOWN);
    world.run_for(Duration::from_secs(1200));
    assert_eq!(world.server().sessions().len(), 0, "{}", world.report());
    assert_eq!(world.server().engine.addresses_in_use(), 0);
}

/// As Windows under load, which rekeys after every 250 megabytes: some Quick Modes a minute, and
/// Main Modes between them.
#[test]
fn rekeying_several_times_a_minute_loses_nothing() {
    for nat in [false, true] {
        let mut config = client_config();
        config.ike.timing.lifetime_floor = Duration::from_secs(5);
        config.ike.timing.ike_lifetime = Duration::from_secs(30);
        config.ike.timing.child_lifetime = Duration::from_secs(10);
        let mut world = World::new(7, server_config(&[Method::MsChapV2]), WAN);
        let client = if nat {
            let nat = world.add_nat("198.51.100.9", Behaviour::HOME, WAN);
            world.add(nat.realm(), "192.168.1.10", config, Conditions::IDEAL)
        } else {
            world.add(Realm::INTERNET, "203.0.113.5", config, WAN)
        };
        world.dial(client, |_| {});
        assert!(world.run_until(Duration::from_secs(10), |world| world.is_up(client)));
        let (from_client, from_server) =
            ping_all_along(&mut world, client, Duration::from_secs(180));
        let counters = world.server().engine.ike_counters();
        assert!(
            counters.quick_modes >= 15 && counters.main_modes >= 5,
            "{counters:?}"
        );
        assert_eq!(
            (from_client, from_server),
            (vec![], vec![]),
            "{}",
            world.report()
        );
        let peers: Vec<_> = world.server().engine.peers().collect();
        assert!(
            peers.iter().map(|peer| peer.child_sas).sum::<usize>() < 8,
            "old child SAs go: {peers:?}"
        );
    }
}

/// IKE itself has said nothing since: its questions follow the ESP.
#[test]
fn dead_peer_detection_asks_where_esp_comes_from() {
    let mut config = server_config(&[Method::MsChapV2]);
    config.ike.timing.dpd_idle = Duration::from_secs(5);
    let mut world = World::new(9, config, WAN);
    let nat = world.add_nat("198.51.100.9", Behaviour::HOME, WAN);
    let mut config = client_config();
    config.ike.timing.dpd_idle = Duration::ZERO;
    let client = world.add(nat.realm(), "192.168.1.10", config, Conditions::IDEAL);
    world.dial(client, |_| {});
    assert!(world.run_until(Duration::from_secs(10), |world| world.is_up(client)));
    let before = world.server().sessions()[0].path.remote;
    world.net.rebind(nat, Rebind::Ports);
    world.ping(client, 1);
    assert!(world.ping(client, 2), "{}", world.report());
    let after = world.server().sessions()[0].path.remote;
    assert_ne!(before, after);
    world.server().tap = Some(Vec::new());
    world.run_for(Duration::from_secs(20));
    let asked = world.server().tap.take().unwrap();
    assert!(!asked.is_empty());
    assert!(
        asked.iter().all(|datagram| datagram.dst == after),
        "{asked:?}"
    );
    world.run_for(Duration::from_secs(600));
    assert!(world.ping(client, 3), "{}", world.report());
}
