//! DHCP goes up, and whatever else a client says in its first seconds goes where it belongs.

use super::*;
use crate::{Dhcp, DropReason};

const EVERYBODY: Ipv4Addr = Ipv4Addr::BROADCAST;

fn udp(source: Ipv4Addr, destination: Ipv4Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv4(source.octets(), destination.octets(), 128)
        .udp(ports.0, ports.1);
    let mut packet = Vec::new();
    builder.write(&mut packet, payload).unwrap();
    packet
}

fn plane(updates: Vec<Update>, remote: Remote, dhcp: Option<Dhcp>) -> DataPlane {
    let plane = DataPlane::new(Config {
        isolate_clients: true,
        ..Config::for_peers(16)
    });
    apply(&plane, updates);
    let network = Network {
        dhcp,
        ..network(remote)
    };
    let set = Update::SetNetwork {
        session: SESSION,
        network: Some(network),
    };
    apply(&plane, [set]);
    plane
}

fn answering(dhcp: Option<Dhcp>) -> DataPlane {
    let updates = server_updates(GCM, Carrier::NatT);
    plane(updates, Remote::Address(CLIENT.into()), dhcp)
}

/// What became of a packet: "up" with the message, "tun", or why it was dropped.
fn fate(plane: &DataPlane, mut esp: Vec<u8>) -> String {
    match plane.ingress(now(), path(Carrier::NatT), &mut esp) {
        Ingress::Dhcp {
            peer,
            session,
            message,
        } => {
            assert_eq!((peer, session), (PEER, SESSION));
            format!("up {}", String::from_utf8_lossy(message))
        }
        Ingress::Ip { .. } => "tun".to_owned(),
        Ingress::Dropped(reason) => format!("{reason:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_go_up_from_who_they_say_they_are_from() {
    let plane = answering(Some(Dhcp::Server));
    let mut forge = Forge::new();
    let mut fate_of = |packet: &[u8]| fate(&plane, forge.ip(packet));
    let request = udp(CLIENT, EVERYBODY, (68, 67), b"inform");
    assert_eq!(fate_of(&request), "up inform");
    assert_eq!(fate_of(&udp(CLIENT, GATEWAY, (68, 67), b"x")), "up x");
    let mut padded = request.clone();
    padded.extend([0; 30]);
    assert_eq!(fate_of(&padded), "up inform", "padding of PPP");

    // Somebody else's server, other ports, a fragment, an unlikely source.
    assert_eq!(fate_of(&udp(CLIENT, WORLD, (68, 67), b"x")), "tun");
    assert_eq!(fate_of(&udp(CLIENT, EVERYBODY, (67, 68), b"x")), "tun");
    assert_eq!(fate_of(&udp(CLIENT, EVERYBODY, (1068, 67), b"x")), "tun");
    let mut fragment = request.clone();
    fragment[6] = 0x20;
    assert_eq!(fate_of(&fragment), "tun");
    let mut short = request.clone();
    short[25] = 4;
    assert_eq!(fate_of(&short), "tun", "a UDP length that cannot be");
    let forged = udp(WORLD, EVERYBODY, (68, 67), b"x");
    assert_eq!(fate_of(&forged), "SpoofedSource");
    let unset = udp(Ipv4Addr::UNSPECIFIED, EVERYBODY, (68, 67), b"discover");
    assert_eq!(fate_of(&unset), "SpoofedSource");
}

#[test]
fn nothing_goes_up_where_nobody_answers() {
    let request = udp(CLIENT, EVERYBODY, (68, 67), b"inform");
    let plane = answering(None);
    assert_eq!(fate(&plane, Forge::new().ip(&request)), "tun");
}

#[test]
fn a_client_hears_its_server() {
    let server = answering(None);
    let client = plane(
        client_updates(GCM, Carrier::NatT),
        Remote::Any,
        Some(Dhcp::Client),
    );
    // The "gateway" of a session is our own inner address: here, of the tests' client.
    let mut buffer = buffer(&udp(GATEWAY, EVERYBODY, (67, 68), b"ack"));
    let Egress::Sealed { .. } = server.seal_ip(SESSION, &mut buffer) else {
        panic!("not sealed");
    };
    assert_eq!(fate(&client, buffer.packet().to_vec()), "up ack");
    let sent = server.session_usage(SESSION).unwrap().sent;
    assert_eq!((sent.packets, sent.bytes), (1, 31));
}

#[test]
fn a_session_that_asks_without_end_is_not_heard() {
    let plane = answering(Some(Dhcp::Server));
    let mut forge = Forge::new();
    let request = udp(CLIENT, EVERYBODY, (68, 67), b"inform");
    let fates: Vec<String> = (0..100).map(|_| fate(&plane, forge.ip(&request))).collect();
    let up = fates.iter().filter(|fate| *fate == "up inform").count();
    assert_eq!(up, 8);
    assert_eq!(plane.dropped(DropReason::DhcpTooOften), 92);
    let other = udp(CLIENT, WORLD, (68, 67), b"x");
    assert_eq!(fate(&plane, forge.ip(&other)), "tun", "traffic goes on");
}

/// QUIRK(Windows): what it sends in its first seconds besides DHCP. It must reach the TUN, where
/// the host does with it what it does with any other packet; no attack is counted.
#[test]
fn the_first_seconds_of_windows_are_harmless() {
    let plane = answering(Some(Dhcp::Server));
    let mut forge = Forge::new();
    // IGMPv3 report for 239.255.255.250, with the Router Alert option: a header of six words.
    let mut igmp = vec![
        0x46, 0, 0, 40, 0, 0, 0, 0, 1, 2, 0, 0, 10, 10, 1, 2, 224, 0, 0, 22, 0x94, 4, 0, 0,
    ];
    igmp.extend([0x22, 0, 0xea, 3, 0, 0, 0, 1, 4, 0, 0, 0, 239, 255, 255, 250]);
    crate::net::ip::fill_v4_checksum(&mut igmp[..24]);
    let llmnr = Ipv4Addr::new(224, 0, 0, 252);
    let ssdp = Ipv4Addr::new(239, 255, 255, 250);
    let harmless = [
        igmp,
        udp(CLIENT, EVERYBODY, (137, 137), &[0; 68]),
        udp(CLIENT, EVERYBODY, (138, 138), &[0; 201]),
        udp(CLIENT, llmnr, (55124, 5355), &[0; 33]),
        udp(CLIENT, ssdp, (50000, 1900), &[0; 130]),
        udp(CLIENT, WORLD, (52997, 53), &[0; 34]),
    ];
    for packet in &harmless {
        assert_eq!(fate(&plane, forge.ip(packet)), "tun", "{packet:02x?}");
    }
    assert!(plane.drops().all(|(_, count)| count == 0));
}
