use std::time::Duration;

use super::*;
use crate::link::Oversize;
use crate::nat::{Dependence, EspPolicy, PortChoice, Rebind};

const START: Instant = Instant::from_boot(Duration::from_secs(1));
const LAST: Instant = Instant::from_boot(Duration::MAX);
const FAST: Conditions = Conditions::delayed(Duration::from_millis(5));

const SERVER: &str = "192.0.2.1";
const CLIENT: &str = "192.168.1.2";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn datagram(src: &str, dst: &str, bytes: &[u8]) -> Datagram {
    let end = |text: &str| text.parse().expect("an endpoint");
    Datagram {
        src: end(src),
        dst: end(dst),
        protocol: Protocol::Udp,
        bytes: bytes.to_vec(),
    }
}

fn answer(to: &Datagram, bytes: &[u8]) -> Datagram {
    Datagram {
        src: to.dst,
        dst: to.src,
        protocol: to.protocol,
        bytes: bytes.to_vec(),
    }
}

fn drain(net: &mut Network) -> Vec<Delivery> {
    std::iter::from_fn(|| net.poll_delivery(LAST)).collect()
}

/// A server on the internet, a translator, and a client behind it.
fn office(seed: u64, behaviour: Behaviour) -> (Network, HostId, NatId, HostId) {
    let mut net = Network::new(seed);
    let server = net.add_host(Realm::INTERNET, ip(SERVER), FAST);
    let nat = net.add_nat(Realm::INTERNET, ip("203.0.113.1"), behaviour, FAST);
    let client = net.add_host(nat.realm(), ip(CLIENT), FAST);
    (net, server, nat, client)
}

#[test]
fn a_datagram_takes_the_time_of_both_links() {
    let mut net = Network::new(0);
    let a = net.add_host(Realm::INTERNET, ip("192.0.2.1"), FAST);
    let b = net.add_host(Realm::INTERNET, ip("192.0.2.2"), FAST);
    let sent = datagram("192.0.2.1:500", "192.0.2.2:500", b"hello");
    net.send(START, a, sent.clone());

    let halfway = START + Duration::from_millis(5);
    let arrival = START + Duration::from_millis(10);
    assert_eq!(net.next_at(), Some(halfway));
    assert_eq!(net.poll_delivery(halfway), None);
    assert_eq!(net.next_at(), Some(arrival));
    assert_eq!(
        net.poll_delivery(arrival),
        Some(Delivery {
            at: arrival,
            host: b,
            datagram: sent
        })
    );
    assert_eq!(net.next_at(), None);
}

#[test]
fn a_translator_stands_in_for_the_client() {
    let (mut net, server, _, client) = office(0, Behaviour::HOME);
    net.send(
        START,
        client,
        datagram("192.168.1.2:500", "192.0.2.1:500", b"ask"),
    );
    let [at_server] = &drain(&mut net)[..] else {
        panic!("one delivery")
    };
    assert_eq!(at_server.host, server);
    assert_eq!(
        at_server.datagram,
        datagram("203.0.113.1:500", "192.0.2.1:500", b"ask")
    );

    net.send(at_server.at, server, answer(&at_server.datagram, b"reply"));
    let [at_client] = &drain(&mut net)[..] else {
        panic!("one delivery")
    };
    assert_eq!(at_client.host, client);
    assert_eq!(
        at_client.datagram,
        datagram("192.0.2.1:500", "192.168.1.2:500", b"reply")
    );
    assert_eq!(
        at_client.at - START,
        Duration::from_millis(30),
        "three links each way"
    );
}

#[test]
fn hosts_with_one_address_behind_two_translators_are_two() {
    let (mut net, server, _, first) = office(0, Behaviour::HOME);
    let other = net.add_nat(Realm::INTERNET, ip("203.0.113.2"), Behaviour::HOME, FAST);
    let second = net.add_host(other.realm(), ip(CLIENT), FAST);
    for (host, outer) in [(first, "203.0.113.1:500"), (second, "203.0.113.2:500")] {
        net.send(
            START,
            host,
            datagram("192.168.1.2:500", "192.0.2.1:500", b"ask"),
        );
        let [at_server] = &drain(&mut net)[..] else {
            panic!("one delivery")
        };
        assert_eq!(at_server.datagram.src.to_string(), outer);
        net.send(at_server.at, server, answer(&at_server.datagram, b"reply"));
        assert_eq!(
            drain(&mut net).iter().map(|d| d.host).collect::<Vec<_>>(),
            [host]
        );
    }
}

#[test]
fn behind_one_translator_hosts_meet_directly_and_through_its_outer_address() {
    let behaviour = Behaviour {
        filtering: Dependence::Endpoint,
        ..Behaviour::HOME
    };
    let (mut net, _, nat, client) = office(0, behaviour);
    let neighbour = net.add_host(nat.realm(), ip("192.168.1.3"), FAST);
    net.send(
        START,
        neighbour,
        datagram("192.168.1.3:500", "192.168.1.2:500", b"direct"),
    );
    let [direct] = &drain(&mut net)[..] else {
        panic!("one delivery")
    };
    assert_eq!(
        (direct.host, direct.datagram.src.ip()),
        (client, ip("192.168.1.3"))
    );

    net.send(
        START,
        client,
        datagram("192.168.1.2:500", "192.0.2.1:500", b"makes a mapping"),
    );
    drain(&mut net);
    net.send(
        START,
        neighbour,
        datagram("192.168.1.3:4500", "203.0.113.1:500", b"round"),
    );
    let [round] = &drain(&mut net)[..] else {
        panic!("one delivery")
    };
    assert_eq!(
        (round.host, round.datagram.src.ip()),
        (client, ip("203.0.113.1"))
    );
}

#[test]
fn a_translator_behind_a_translator() {
    let (mut net, server, carrier, _) = office(0, Behaviour::SYMMETRIC);
    let home = net.add_nat(carrier.realm(), ip("100.64.0.9"), Behaviour::HOME, FAST);
    let client = net.add_host(home.realm(), ip(CLIENT), FAST);
    net.send(
        START,
        client,
        datagram("192.168.1.2:500", "192.0.2.1:500", b"ask"),
    );
    let [at_server] = &drain(&mut net)[..] else {
        panic!("one delivery")
    };
    assert_eq!(at_server.datagram.src.ip(), ip("203.0.113.1"));
    net.send(at_server.at, server, answer(&at_server.datagram, b"reply"));
    let [at_client] = &drain(&mut net)[..] else {
        panic!("one delivery")
    };
    assert_eq!(
        (at_client.host, at_client.datagram.dst.ip()),
        (client, ip(CLIENT))
    );
}

#[test]
fn after_a_change_of_address_the_old_one_is_dead_and_the_new_one_works() {
    let (mut net, server, nat, client) = office(0, Behaviour::HOME);
    let ask = datagram("192.168.1.2:4500", "192.0.2.1:4500", b"ask");
    net.send(START, client, ask.clone());
    let before = drain(&mut net).remove(0);

    net.rebind(nat, Rebind::Address(ip("203.0.113.77")));
    net.send(before.at, server, answer(&before.datagram, b"too late"));
    assert_eq!(drain(&mut net), []);
    assert_eq!(net.stats().unroutable, 1);

    net.send(before.at, client, ask);
    let after = drain(&mut net).remove(0);
    assert_eq!(after.datagram.src.to_string(), "203.0.113.77:4500");
    net.send(after.at, server, answer(&after.datagram, b"reply"));
    assert_eq!(drain(&mut net).len(), 1);
}

#[test]
fn a_change_of_ports_is_seen_by_the_server() {
    let (mut net, _, nat, client) = office(0, Behaviour::HOME);
    let mut ports = Vec::new();
    for _ in 0..2 {
        net.send(
            START,
            client,
            datagram("192.168.1.2:4500", "192.0.2.1:4500", b"ask"),
        );
        ports.push(drain(&mut net).remove(0).datagram.src.port());
        net.rebind(nat, Rebind::Ports);
    }
    assert_eq!(ports[0], 4500);
    assert_ne!(ports[1], 4500);
    assert_eq!(net.nat(nat).mappings(), 1);
}

#[test]
fn protocol_50_stops_at_the_translator_until_its_behaviour_changes() {
    let (mut net, server, nat, client) = office(0, Behaviour::HOME);
    let esp = Datagram {
        protocol: Protocol::Esp,
        ..datagram("192.168.1.2:0", "192.0.2.1:0", b"sealed")
    };
    net.send(START, client, esp.clone());
    assert_eq!(drain(&mut net), []);
    assert_eq!(net.stats().refused, 1);

    net.set_behaviour(
        nat,
        Behaviour {
            esp: EspPolicy::Pass,
            ..Behaviour::HOME
        },
    );
    net.send(START, client, esp);
    let [at_server] = &drain(&mut net)[..] else {
        panic!("one delivery")
    };
    assert_eq!(
        (at_server.host, at_server.datagram.src),
        (server, "203.0.113.1:0".parse().expect("an endpoint"))
    );
    net.send(START, server, answer(&at_server.datagram, b"sealed too"));
    assert_eq!(drain(&mut net).len(), 1);
}

#[test]
fn a_server_behind_its_own_address() {
    let (mut net, _, _, client) = office(0, Behaviour::HOME);
    let cloud = net.add_nat(Realm::INTERNET, ip("198.51.100.1"), Behaviour::HOME, FAST);
    let server = net.add_host(cloud.realm(), ip("10.0.0.5"), FAST);
    net.set_one_to_one(cloud, Some(ip("10.0.0.5")));
    net.send(
        START,
        client,
        datagram("192.168.1.2:500", "198.51.100.1:500", b"ask"),
    );
    let [at_server] = &drain(&mut net)[..] else {
        panic!("one delivery")
    };
    assert_eq!(
        (at_server.host, at_server.datagram.dst.ip()),
        (server, ip("10.0.0.5"))
    );
    net.send(START, server, answer(&at_server.datagram, b"reply"));
    let [at_client] = &drain(&mut net)[..] else {
        panic!("one delivery")
    };
    assert_eq!(
        (at_client.host, at_client.datagram.src.ip()),
        (client, ip("198.51.100.1"))
    );
}

#[test]
fn a_host_that_moves_leaves_its_datagrams_behind() {
    let (mut net, server, nat, client) = office(0, Behaviour::HOME);
    net.send(
        START,
        client,
        datagram("192.168.1.2:500", "192.0.2.1:500", b"ask"),
    );
    let ask = drain(&mut net).remove(0);
    net.send(ask.at, server, answer(&ask.datagram, b"reply"));
    assert_eq!(
        net.poll_delivery(ask.at + Duration::from_millis(12)),
        None,
        "behind the translator"
    );
    net.move_host(client, Realm::INTERNET, ip("198.51.100.7"));
    assert_eq!(drain(&mut net), []);

    net.send(
        START,
        client,
        datagram("198.51.100.7:500", "192.0.2.1:500", b"ask again"),
    );
    assert_eq!(
        drain(&mut net).remove(0).datagram.src.ip(),
        ip("198.51.100.7")
    );
    let newcomer = net.add_host(nat.realm(), ip(CLIENT), FAST);
    assert_ne!(newcomer, client, "the old address is free");
}

#[test]
fn conditions_are_those_of_each_direction() {
    let (mut net, server, nat, client) = office(0, Behaviour::HOME);
    *net.down(client) = Conditions::DOWN;
    net.send(
        START,
        client,
        datagram("192.168.1.2:500", "192.0.2.1:500", b"ask"),
    );
    let ask = drain(&mut net).remove(0);
    net.send(ask.at, server, answer(&ask.datagram, b"reply"));
    assert_eq!(drain(&mut net), [], "down is dead");
    assert_eq!(
        net.history().last().map(|r| r.fate),
        Some(Fate::Link(Loss::Chance))
    );

    net.set_conditions(client, FAST);
    net.send(ask.at, server, answer(&ask.datagram, b"reply"));
    assert_eq!(drain(&mut net).len(), 1);

    *net.up(nat) = Conditions {
        mtu: 1000,
        oversize: Oversize::Drop,
        ..FAST
    };
    net.send(
        START,
        client,
        datagram("192.168.1.2:500", "192.0.2.1:500", &[0; 973]),
    );
    net.send(
        START,
        client,
        datagram("192.168.1.2:500", "192.0.2.1:500", &[0; 972]),
    );
    assert_eq!(drain(&mut net).len(), 1);
    assert_eq!(net.stats().links.oversize, 1);
}

/// Sends a thousand datagrams both ways through everything that can go wrong, with a rebinding on
/// the way, and returns what arrived and the history's last lines.
fn troubled(seed: u64) -> (Vec<Delivery>, Stats, String) {
    let behaviour = Behaviour {
        ports: PortChoice::Random,
        ..Behaviour::HOME
    };
    let (mut net, server, nat, client) = office(seed, behaviour);
    let conditions = Conditions {
        latency: Duration::from_millis(20),
        jitter: Duration::from_millis(30),
        loss: 0.05,
        duplication: 0.05,
        reordering: 0.05,
        corruption: 0.01,
        ..Conditions::IDEAL
    };
    net.set_all_conditions(conditions);
    let mut deliveries = Vec::new();
    for i in 0..=1000u32 {
        let now = if i == 1000 {
            LAST
        } else {
            START + Duration::from_millis(10) * i
        };
        while let Some(delivery) = net.poll_delivery(now) {
            if delivery.host == server {
                net.send(
                    delivery.at,
                    server,
                    answer(&delivery.datagram, &delivery.datagram.bytes),
                );
            }
            deliveries.push(delivery);
        }
        if i == 1000 {
            break;
        }
        if i == 500 {
            net.rebind(nat, Rebind::Ports);
        }
        net.send(
            now,
            client,
            datagram("192.168.1.2:4500", "192.0.2.1:4500", &i.to_be_bytes()),
        );
    }
    let history = net.history().map(|record| format!("{record}\n")).collect();
    (deliveries, net.stats(), history)
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let (deliveries, stats, history) = troubled(42);
    assert_eq!((deliveries.clone(), stats, history.clone()), troubled(42));
    assert_eq!(
        stats.sent,
        1000 + deliveries.iter().filter(|d| d.host == HostId(0)).count() as u64
    );
    assert_eq!(stats.delivered, deliveries.len() as u64);
    assert!(
        stats.refused > 0,
        "answers to the port of before the rebinding"
    );
    assert_eq!(history.lines().count(), HISTORY);

    let (others, ..) = troubled(43);
    assert_ne!(deliveries, others);
}

#[test]
fn deliveries_come_in_the_order_of_time() {
    let (deliveries, ..) = troubled(7);
    assert!(deliveries.len() > 1500);
    assert!(deliveries.is_sorted_by_key(|delivery| delivery.at));
}

#[test]
fn what_is_due_together_arrives_in_the_order_of_departure() {
    let (mut net, _, _, client) = office(0, Behaviour::HOME);
    for i in 0..100u8 {
        net.send(
            START,
            client,
            datagram("192.168.1.2:500", "192.0.2.1:500", &[i]),
        );
    }
    let order: Vec<u8> = drain(&mut net)
        .iter()
        .map(|d| d.datagram.bytes[0])
        .collect();
    assert_eq!(order, (0..100).collect::<Vec<_>>());
}

#[test]
fn every_datagram_is_accounted_for() {
    let (_, stats, _) = troubled(9);
    let Stats {
        sent,
        delivered,
        unroutable,
        refused,
        links,
    } = stats;
    assert_eq!(
        sent + links.duplicated,
        delivered + unroutable + refused + links.lost + links.oversize,
        "{stats:?}"
    );
}
