//! Garbage, forgery and floods: what they leave behind, and who still gets in.

use std::time::Duration;

use ppp::Method;
use rand_core::{Rng as _, SeedableRng};
use wire::{Carrier, Path, Rng};

use crate::datagram::isakmp;
use crate::echo::{ping, pings};
use crate::link::Conditions;
use crate::net::{Datagram, Protocol, Realm};
use crate::party::{client_config, server_config};
use crate::world::{Index, World, ip};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(5));

fn world() -> (World, Index, Index) {
    let mut world = World::new(1, server_config(&[Method::MsChapV2]), WAN);
    let client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
    let mallory = world.add(Realm::INTERNET, "203.0.113.66", client_config(), WAN);
    (world, client, mallory)
}

fn connect(world: &mut World, client: Index) {
    world.dial(client, |_| {});
    let up = world.run_until(Duration::from_secs(20), |world| world.is_up(client));
    assert!(up, "{}", world.report());
}

#[test]
fn garbage_on_any_port_leaves_no_state() {
    let (mut world, client, mallory) = world();
    let mut rng = Rng::seed_from_u64(1);
    for number in 0..20_000_u32 {
        let mut bytes = vec![0; (rng.next_u32() % 300) as usize];
        rng.fill_bytes(&mut bytes);
        let (protocol, port) = [
            (Protocol::Udp, 500),
            (Protocol::Udp, 4500),
            (Protocol::Udp, 1701),
            (Protocol::Esp, 0),
        ][number as usize % 4];
        let src = std::net::SocketAddr::new(ip("203.0.113.66"), port);
        let dst = std::net::SocketAddr::new(ip("192.0.2.1"), port);
        let message = |carrier| {
            let (local, remote) = (src, dst);
            let path = Path {
                local,
                remote,
                carrier,
            };
            isakmp(path, bytes.clone())
        };
        let datagram = match number % 8 {
            0 | 4 => message(Carrier::Ike),
            // Behind the marker.
            1 => message(Carrier::NatT),
            _ => Datagram {
                src,
                dst,
                protocol,
                bytes,
            },
        };
        world.send_raw(mallory, datagram);
        if number % 100 == 0 {
            world.run_for(Duration::from_millis(10));
        }
    }
    world.run_for(Duration::from_secs(1));
    let received = world.server().engine.ike_counters().received;
    assert!(received > 7_400, "{received} of 7,500 received");
    world.assert_server_is_empty();
    assert_eq!(
        world
            .server()
            .events
            .iter()
            .filter(|(_, e)| matches!(e, engine::Event::Progress { .. }))
            .count(),
        0
    );
    connect(&mut world, client);
    assert!(world.ping(client, 1));
}

#[test]
fn a_client_cannot_send_from_an_address_that_is_not_its_own() {
    let (mut world, client, _) = world();
    connect(&mut world, client);
    let info = world.party(client).sessions().remove(0);
    world.server().received.clear();
    world.send_ip(client, &ping(ip("10.10.1.200"), info.remote_address, 5));
    world.send_ip(client, &ping(info.local_address, info.remote_address, 6));
    world.run_for(Duration::from_secs(1));
    assert_eq!(pings(&world.server().received, false), [6]);
    assert_eq!(
        world
            .server()
            .plane
            .dropped(dataplane::DropReason::SpoofedSource),
        1
    );
}

#[test]
fn replayed_packets_are_dropped() {
    let (mut world, client, _) = world();
    connect(&mut world, client);
    let twice = Conditions {
        duplication: 1.0,
        ..WAN
    };
    let host = world.party(client).host;
    *world.net.up(host) = twice;
    world.server().received.clear();
    let info = world.party(client).sessions().remove(0);
    for number in 0..10 {
        world.send_ip(
            client,
            &ping(info.local_address, info.remote_address, number),
        );
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(
        pings(&world.server().received, false),
        (0..10).collect::<Vec<_>>()
    );
}

#[test]
fn a_flood_of_forged_first_messages_keeps_nobody_out() {
    let (mut world, client, mallory) = world();
    // A real first message, sent from tens of thousands of forged addresses.
    world.party(mallory).tap = Some(Vec::new());
    world.dial(mallory, |_| {});
    let first = world
        .party(mallory)
        .tap
        .take()
        .unwrap_or_default()
        .remove(0);
    for number in 0..20_000_u32 {
        let mut bytes = first.bytes.clone();
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let src = std::net::SocketAddr::new(
            std::net::Ipv4Addr::from(0x0b00_0000 + number / 3).into(),
            500,
        );
        world.send_raw(
            mallory,
            Datagram {
                src,
                bytes,
                ..first.clone()
            },
        );
        if number % 1000 == 999 {
            world.run_for(Duration::from_millis(20));
        }
        if number == 10_000 {
            world.dial(client, |_| {});
        }
    }
    let up = world.run_until(Duration::from_secs(30), |world| world.is_up(client));
    assert!(up, "{}", world.report());
    assert!(world.server().engine.half_open() <= 4096);
    world.run_for(Duration::from_secs(120));
    assert_eq!(
        world.server().engine.half_open(),
        0,
        "half-open SAs time out"
    );
}

#[test]
fn a_message_of_a_peer_that_is_gone_begins_nothing() {
    let (mut world, _, _) = world();
    let mut start = vec![0xc8, 2, 0, 53, 0, 0, 0, 0, 0, 0, 0, 0];
    start.extend([0x80, 8, 0, 0, 0, 0, 0, 1]); // Message Type: SCCRQ
    start.extend([0x80, 8, 0, 0, 0, 2, 1, 0]); // Protocol Version
    start.extend([0x80, 10, 0, 0, 0, 3, 0, 0, 0, 3]); // Framing Capabilities
    start.extend([0x80, 7, 0, 0, 0, 7, b'x']); // Host Name
    start.extend([0x80, 8, 0, 0, 0, 9, 0, 7]); // Assigned Tunnel ID
    let upcall = engine::Upcall::Control {
        peer: wire::PeerId(4711),
        ports: wire::Ports {
            local: 1701,
            remote: 1701,
        },
        bytes: start,
    };
    world.with(crate::world::SERVER, |engine, now| {
        engine.handle_upcall(now, upcall)
    });
    world.run_for(Duration::from_secs(10));
    let unsent = dataplane::DropReason::UnknownPeer;
    assert_eq!(world.server().plane.dropped(unsent), 0);
}
