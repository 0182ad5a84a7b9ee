//! Phones whose kernels cut SHA-256 to 96 bits.

use std::time::Duration;

use ike::{LegacyOption, Policy};

use crate::echo::{ping, pings};
use crate::link::Conditions;
use crate::net::Realm;
use crate::party::{SERVER_INSIDE, client_config, server_config};
use crate::world::{Index, World};

/// A server with some options, and a phone that offers nothing but SHA-256 and is wrong about it.
fn world(options: &[LegacyOption]) -> (World, Index) {
    let mut server = server_config(&[ppp::Method::MsChapV2]);
    server.ike.policy = Policy::new(options);
    let mut phone = client_config();
    phone.truncate_sha256 = true;
    phone.ike.policy = Policy::new(&[])
        .with_esp(&["aes256-sha256"])
        .expect("a suite");
    let conditions = Conditions::delayed(Duration::from_millis(20));
    let mut world = World::new(1, server, conditions);
    let client = world.add(Realm::INTERNET, "198.51.100.7", phone, conditions);
    world.dial(client, |_| ());
    (world, client)
}

#[test]
fn they_get_in_where_the_option_is_on() {
    let (mut world, client) = world(&[LegacyOption::EspSha256Cut]);
    let up = |world: &mut World| !world.party(client).sessions().is_empty();
    assert!(world.run_until(Duration::from_secs(30), up));
    world.run_for(Duration::from_secs(1));
    for party in [crate::world::SERVER, client] {
        let session = &world.party(party).sessions()[0];
        assert_eq!(session.phase2, "aes256-sha256-96");
    }
    let inner = world.party(client).sessions()[0].local_address;
    for number in 0..10 {
        assert!(world.send_ip(client, &ping(inner, SERVER_INSIDE.into(), number)));
        world.run_for(Duration::from_millis(100));
    }
    let replies = pings(&world.party(client).received, true);
    assert_eq!(replies, (0..10).collect::<Vec<_>>());
}

#[test]
fn they_do_not_otherwise() {
    let (mut world, client) = world(&[]);
    let up = |world: &mut World| !world.party(client).sessions().is_empty();
    assert!(!world.run_until(Duration::from_secs(60), up));
    assert!(world.server().sessions().is_empty());
}

/// With the option on, somebody who does it right keeps the 128 bits.
#[test]
fn others_notice_nothing() {
    let mut server = server_config(&[ppp::Method::MsChapV2]);
    server.ike.policy = Policy::new(&[LegacyOption::EspSha256Cut]);
    let mut laptop = client_config();
    laptop.ike.policy = Policy::new(&[])
        .with_esp(&["aes256-sha256"])
        .expect("a suite");
    let conditions = Conditions::delayed(Duration::from_millis(20));
    let mut world = World::new(1, server, conditions);
    let client = world.add(Realm::INTERNET, "198.51.100.7", laptop, conditions);
    world.dial(client, |_| ());
    let up = |world: &mut World| !world.party(client).sessions().is_empty();
    assert!(world.run_until(Duration::from_secs(30), up));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server().sessions()[0].phase2, "aes256-sha256");
}
