//! DHCPINFORM through the whole tunnel: what the server tells reaches the client, and nothing is
//! said where nothing is asked or known.

use std::net::Ipv4Addr;
use std::time::Duration;

use engine::Event;
use engine::dhcp::{Counters, Habits, Parameters, Route, habits};

use crate::link::Conditions;
use crate::net::Realm;
use crate::party::{SERVER_INSIDE, client_config, server_config};
use crate::world::{Index, SERVER, World};

fn routes() -> Vec<Route> {
    let route = |a, b, c, width| Route::new(Ipv4Addr::new(a, b, c, 0), width, SERVER_INSIDE);
    vec![route(10, 0, 0, 8), route(192, 168, 7, 24)]
}

/// A server that has something to tell, and a client that has connected to it.
fn connected(parameters: Parameters, inform: Option<Habits>) -> (World, Index) {
    let mut server = server_config(&[ppp::Method::MsChapV2]);
    server.server.as_mut().expect("a server").parameters = parameters;
    let mut world = World::new(1, server, Conditions::delayed(Duration::from_millis(20)));
    let client = world.add(
        Realm::INTERNET,
        "198.51.100.7",
        client_config(),
        Conditions::delayed(Duration::from_millis(20)),
    );
    world.dial(client, |dial| dial.habits.dhcp = inform);
    let up = world.run_until(Duration::from_secs(30), |world| {
        !world.party(client).sessions().is_empty() && !world.server().sessions().is_empty()
    });
    assert!(up);
    (world, client)
}

fn told() -> Parameters {
    Parameters::new(routes(), "corp.example").expect("short")
}

/// DHCP packets that came out of the tunnel at the server, for its TUN.
fn strays(world: &mut World, party: Index) -> usize {
    let packets = &world.party(party).received;
    packets
        .iter()
        .filter(|packet| packet.get(9) == Some(&17) && packet.get(22..24) == Some(&[0, 67]))
        .count()
}

#[test]
fn routes_and_domain_reach_clients_of_every_habit() {
    for (name, habits) in [
        ("adit", habits::adit()),
        ("windows", habits::windows()),
        ("apple", habits::apple()),
    ] {
        let (mut world, client) = connected(told(), Some(habits));
        world.run_for(Duration::from_secs(20));
        let session = &world.party(client).sessions()[0];
        assert_eq!(session.routes, routes(), "{name}");
        assert_eq!(session.domain.as_deref(), Some("corp.example"), "{name}");
        let informed = world
            .party(client)
            .events
            .iter()
            .filter(|(_, event)| matches!(event, Event::SessionInformed(_)))
            .count();
        assert_eq!(informed, 1, "{name}");
        let once = Counters {
            answered: 1,
            ..Counters::default()
        };
        assert_eq!(world.server().engine.dhcp_counters(), once, "{name}");
        assert_eq!(strays(&mut world, SERVER), 0, "{name}");
    }
}

/// Without anything to tell, whoever runs a DHCP server behind the TUN keeps it.
#[test]
fn a_server_with_nothing_to_tell_leaves_requests_to_the_host() {
    for (habits, tries) in [(habits::windows(), 3), (habits::apple(), 4)] {
        let (mut world, client) = connected(Parameters::default(), Some(habits));
        world.run_for(Duration::from_secs(60));
        assert_eq!(strays(&mut world, SERVER), tries);
        assert!(world.party(client).sessions()[0].routes.is_empty());
        assert_eq!(world.server().engine.dhcp_counters(), Counters::default());
    }
}

#[test]
fn a_client_without_the_habit_asks_nothing() {
    let (mut world, client) = connected(told(), None);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.server().engine.dhcp_counters(), Counters::default());
    assert_eq!(strays(&mut world, SERVER), 0);
    assert!(world.party(client).sessions()[0].routes.is_empty());
}

/// DISCOVER, REQUEST, nonsense and a flood: counted, and never answered.
#[test]
fn other_messages_are_counted_only() {
    let (mut world, client) = connected(told(), None);
    let inner = world.party(client).sessions()[0].local_address;
    let send = |world: &mut World, message: &[u8]| {
        let std::net::IpAddr::V4(inner) = inner else {
            panic!("IPv4");
        };
        let builder = etherparse::PacketBuilder::ipv4(inner.octets(), [255; 4], 64).udp(68, 67);
        let mut packet = Vec::new();
        builder.write(&mut packet, message).expect("a vector");
        assert!(world.send_ip(client, &packet));
        world.run_for(Duration::from_secs(2));
    };
    let message = |kind: u8| {
        let mut message = vec![1, 8, 0, 0, 1, 2, 3, 4];
        message.resize(236, 0);
        message.extend([0x63, 0x82, 0x53, 0x63, 53, 1, kind, 255]);
        message
    };
    let received = world.party(client).received.len();
    for kind in [1, 3, 4, 7, 0, 255] {
        send(&mut world, &message(kind));
    }
    send(&mut world, b"nonsense");
    send(&mut world, &[]);
    let counters = world.server().engine.dhcp_counters();
    assert_eq!(
        (counters.answered, counters.ignored, counters.malformed),
        (0, 6, 2)
    );
    assert_eq!(world.party(client).received.len(), received, "no answers");

    send(&mut world, &message(8));
    assert_eq!(world.server().engine.dhcp_counters().answered, 1);
    // The client did not ask by habit, so that the answer goes to its TUN.
    let answer = world
        .party(client)
        .received
        .last()
        .expect("an answer")
        .clone();
    let header = etherparse::Ipv4HeaderSlice::from_slice(&answer).expect("IPv4");
    assert_eq!(
        header.header_checksum(),
        header.to_header().calc_header_checksum()
    );
    assert_eq!(
        (header.source_addr(), header.destination_addr()),
        (SERVER_INSIDE, addr(inner))
    );
    let udp = etherparse::UdpHeaderSlice::from_slice(&answer[20..]).expect("UDP");
    assert_eq!((udp.source_port(), udp.destination_port()), (67, 68));
    let sum = udp
        .to_header()
        .calc_checksum_ipv4(&header.to_header(), &answer[28..])
        .expect("short");
    assert_eq!(udp.checksum(), sum);
}

fn addr(address: std::net::IpAddr) -> Ipv4Addr {
    match address {
        std::net::IpAddr::V4(address) => address,
        std::net::IpAddr::V6(_) => panic!("IPv4 only"),
    }
}
