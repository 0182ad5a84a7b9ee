//! Packets on their way out and in.

use etherparse::{PacketBuilder, TcpOptionElement};

use super::outbox::leave;
use super::*;
use crate::DropReason;
use crate::net::ip::{self, Header};
use crate::net::{icmp, udp};
use crate::offload::VnetHeader;

#[test]
fn both_directions_with_every_suite_by_udp_and_raw() {
    for carrier in [Carrier::NatT, Carrier::Raw] {
        for suite in Suite::all() {
            let (client, server) = (client(suite, carrier), server(suite, carrier));
            let path = path(carrier);
            for len in [0, 1, 100, 1372] {
                let up = packet(CLIENT, WORLD, &vec![1; len]);
                assert_eq!(
                    receive(&server, path, send(&client, &up)),
                    up,
                    "{suite} {len}"
                );
                let down = packet(WORLD, CLIENT, &vec![2; len]);
                assert_eq!(receive(&client, reversed(path), send(&server, &down)), down);
            }
            let usage = server.session_usage(SESSION).unwrap();
            assert_eq!((usage.sent.packets, usage.received.packets), (4, 4));
            assert_eq!(usage.sent.bytes, 4 * 28 + 1473);
            assert_eq!(server.inbound_usage(SERVER_SPI).unwrap().sequence, 4);
            assert_eq!(server.outbound_usage(PEER, CLIENT_SPI).unwrap().sequence, 4);
            assert_eq!(server.peer_usage(PEER).unwrap().heard, 4);
            assert_eq!(server.peer_usage(PEER).unwrap().last_heard, Some(now()));
            assert!(server.drops().all(|(_, count)| count == 0));
        }
    }
}

/// What the client puts on the wire, taken apart by the ESP crate alone.
fn opened(suite: Suite, mut sealed: Vec<u8>) -> Vec<u8> {
    let opener = esp::Opener::new(suite, &keys(suite, TO_SERVER)).unwrap();
    let range = opener.open(&mut sealed).unwrap().payload;
    sealed[range].to_vec()
}

#[test]
fn the_headers_are_the_plain_ones_that_all_peers_take() {
    let inner = packet(CLIENT, WORLD, b"hello");
    let by_udp = opened(CBC, send(&client(CBC, Carrier::NatT), &inner));
    let front = [
        0x06, 0xa5, 0x06, 0xa5, 0, 51, 0, 0, 0, 2, 0, 10, 0, 20, 0xff, 3, 0, 0x21,
    ];
    assert_eq!(by_udp[..18], front);
    assert_eq!(by_udp[18..], inner);

    // Raw: the same with a checksum over the outer addresses.
    let mut raw = opened(CBC, send(&client(CBC, Carrier::Raw), &inner));
    let sum = [raw[6], raw[7]];
    let outer = path(Carrier::Raw);
    udp::fill_checksum(&mut raw, outer.remote.ip(), outer.local.ip());
    assert_eq!([raw[6], raw[7]], sum);
    assert_ne!(sum, [0, 0]);
    raw[6..8].fill(0);
    assert_eq!(raw, by_udp);
}

#[test]
fn compressed_and_numbered_headers_where_the_peer_wants_them() {
    let client = DataPlane::new(Config::for_peers(1));
    let mut updates = client_updates(CBC, Carrier::NatT);
    let Some(Update::SetNetwork {
        network: Some(network),
        ..
    }) = updates.last_mut()
    else {
        panic!()
    };
    (network.acfc, network.pfc) = (true, true);
    let Update::AddSession(session) = &mut updates[3] else {
        panic!()
    };
    session.sequencing = true;
    apply(&client, updates);
    let server = server(CBC, Carrier::NatT);
    for ns in 0..3 {
        let inner = packet(CLIENT, WORLD, b"hello");
        let sealed = send(&client, &inner);
        let front = [0x08, 2, 0, 10, 0, 20, 0, ns, 0, 0, 0x21];
        assert_eq!(opened(CBC, sealed.clone())[8..19], front);
        assert_eq!(receive(&server, path(Carrier::NatT), sealed), inner);
    }
}

#[test]
fn raw_where_udp_was_negotiated_and_the_other_way_round() {
    let (client, server) = (client(CBC, Carrier::NatT), server(CBC, Carrier::NatT));
    let inner = packet(CLIENT, WORLD, b"hello");
    assert_eq!(
        receive(&server, path(Carrier::Raw), send(&client, &inner)),
        inner
    );
    assert!(
        !server
            .notices()
            .iter()
            .any(|n| matches!(n, crate::Notice::Moved { .. }))
    );
}

#[test]
fn padding_behind_the_packet_is_cut_off() {
    let server = server(GCM, Carrier::NatT);
    let inner = packet(CLIENT, WORLD, b"hello");
    let mut padded = inner.clone();
    padded.extend([0; 9]);
    let sealed = Forge::new().ip(&padded);
    assert_eq!(receive(&server, path(Carrier::NatT), sealed), inner);
}

#[test]
fn frames_in_every_form_and_of_other_protocols() {
    let server = server(GCM, Carrier::NatT);
    let mut forge = Forge::new();
    let inner = packet(CLIENT, WORLD, b"hello");
    for front in [
        &[0xff, 3, 0, 0x21][..],
        &[0xff, 3, 0x21],
        &[0, 0x21],
        &[0x21],
    ] {
        let sealed = forge.ppp(&[front, &inner].concat());
        assert_eq!(receive(&server, path(Carrier::NatT), sealed), inner);
    }
    let echo = [0xff, 3, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0];
    let mut sealed = forge.ppp(&echo);
    let got = server.ingress(now(), path(Carrier::NatT), &mut sealed);
    assert_eq!(
        got,
        Ingress::Ppp {
            peer: PEER,
            session: SESSION,
            frame: &mut echo.clone()
        }
    );
}

#[test]
fn ipv6_passes_only_where_it_is_open() {
    let (client, server) = (client(GCM, Carrier::NatT), server(GCM, Carrier::NatT));
    let path = path(Carrier::NatT);
    let set = |ipv6| {
        let network = Network {
            ipv6,
            ..network(Remote::Any)
        };
        Update::SetNetwork {
            session: SESSION,
            network: Some(network),
        }
    };
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let (source, destination) = (address("fe80::1"), address("ff02::2"));
    let six = icmp::echo_request(source, destination, 1, 1, b"hello").unwrap();
    apply(&client, [set(true)]);

    // The client sends it all the same, to somebody who would take any address.
    apply(&server, [set(false)]);
    let mut sealed = send(&client, &six);
    let got = server.ingress(now(), path, &mut sealed);
    assert_eq!(
        got,
        Ingress::Ppp {
            peer: PEER,
            session: SESSION,
            frame: &mut [&[0xff, 3, 0, 0x57][..], &six].concat()
        }
    );
    let nowhere = Egress::Dropped(DropReason::NoSession);
    assert_eq!(server.egress(&mut buffer(&six)), nowhere);
    assert_eq!(server.seal_ip(SESSION, &mut buffer(&six)), nowhere);
    let (left, _) = leave(&server, &[(VnetHeader::PLAIN, six.clone())]);
    assert!(left.is_empty());
    assert_eq!(server.dropped(DropReason::NoSession), 3);

    apply(&server, [set(true)]);
    assert_eq!(receive(&server, path, send(&client, &six)), six);
    let sealed = send(&server, &six);
    assert_eq!(receive(&client, reversed(path), sealed), six);
    let (left, _) = leave(&server, &[(VnetHeader::PLAIN, six.clone())]);
    assert_eq!(left.len(), 1);
}

/// A SYN made by etherparse.
fn syn(source: Ipv4Addr, destination: Ipv4Addr, mss: u16) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
        .tcp(1000, 80, 1, 1000)
        .syn()
        .options(&[TcpOptionElement::MaximumSegmentSize(mss)])
        .unwrap();
    let mut packet = Vec::new();
    builder.write(&mut packet, &[]).unwrap();
    packet
}

#[test]
fn segment_sizes_are_limited_both_ways() {
    let (client, server) = (client(GCM, Carrier::NatT), server(GCM, Carrier::NatT));
    let sealed = send(&server, &syn(WORLD, CLIENT, 1460));
    let got = receive(&client, reversed(path(Carrier::NatT)), sealed);
    assert_eq!(got, syn(WORLD, CLIENT, 1360));
    // Not by the sender, who could be anybody: by us.
    let sealed = Forge::new().ip(&syn(CLIENT, WORLD, 1460));
    assert_eq!(
        receive(&server, path(Carrier::NatT), sealed),
        syn(CLIENT, WORLD, 1360)
    );
}

#[test]
fn long_packets_are_cut_and_reassemble_to_the_original() {
    let (client, server) = (client(CBC, Carrier::NatT), server(CBC, Carrier::NatT));
    let mut long = packet(
        WORLD,
        CLIENT,
        &(0..=255).cycle().take(1465).collect::<Vec<u8>>(),
    );
    long[6] = 0;
    ip::fill_v4_checksum(&mut long[..20]);
    let source = buffer(&long);
    let mut sent = source.clone();
    let Egress::Fragments(mut fragments) = server.egress(&mut sent) else {
        panic!()
    };
    assert_eq!(sent.packet(), source.packet());
    let mut piece = Buffer::default();
    let mut payload: Vec<u8> = Vec::new();
    while let Some(egress) = server.egress_fragment(&mut fragments, &sent, &mut piece) {
        assert_eq!(
            egress,
            Egress::Sealed {
                peer: PEER,
                path: path(Carrier::NatT)
            }
        );
        let sealed = piece.packet().to_vec();
        let got = receive(&client, reversed(path(Carrier::NatT)), sealed);
        let header = Header::parse(&got).unwrap();
        assert!(got.len() <= 1400);
        assert_eq!(header.fragment_offset, payload.len());
        payload.extend(&got[20..]);
    }
    assert_eq!(payload, long[20..]);
    assert_eq!(server.session_usage(SESSION).unwrap().sent.packets, 2);
}

#[test]
fn long_packets_that_may_not_be_cut_are_answered() {
    let server = server(CBC, Carrier::NatT);
    let long = icmp::echo_request(v4(WORLD), v4(CLIENT), 1, 1, &[0; 1373]).unwrap();
    let mut buffer = buffer(&long);
    assert_eq!(server.egress(&mut buffer), Egress::Reply);
    let answer = Header::parse(buffer.packet()).unwrap();
    // Not from our address, with which it would not get past this host.
    assert_eq!((answer.source, answer.destination), (v4(CLIENT), v4(WORLD)));
    assert_eq!(buffer.packet()[20..22], [3, 4]);
    assert_eq!(buffer.packet()[26..28], 1400_u16.to_be_bytes());
    assert_eq!(server.dropped(DropReason::TooBig), 1);
}

#[test]
fn ping_from_user_space() {
    let (client, server) = (client(GCM, Carrier::NatT), server(GCM, Carrier::NatT));
    let question = icmp::echo_request(v4(CLIENT), v4(GATEWAY), 7, 1, b"adit").unwrap();
    let asked = receive(&server, path(Carrier::NatT), send(&client, &question));
    let answer = icmp::echo_reply(&asked).unwrap();
    let got = receive(
        &client,
        reversed(path(Carrier::NatT)),
        send(&server, &answer),
    );
    let echo = icmp::parse_echo_reply(&got).unwrap();
    assert_eq!(
        (echo.source, echo.identifier, echo.data),
        (v4(GATEWAY), 7, &b"adit"[..])
    );
}

#[test]
fn control_messages_and_frames_both_ways() {
    let (client, server) = (client(CBC, Carrier::NatT), server(CBC, Carrier::NatT));
    let message = [0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 0, 0, 0];
    let ports = Ports {
        local: 1701,
        remote: 49_152,
    };
    let mut sealed = buffer(&message);
    let sent = client.seal_control(PEER, ports, &mut sealed);
    assert_eq!(
        sent,
        Egress::Sealed {
            peer: PEER,
            path: reversed(path(Carrier::NatT))
        }
    );
    // To a port that is not ours.
    let got = server.ingress(now(), path(Carrier::NatT), sealed.packet_mut());
    assert_eq!(got, Ingress::Dropped(DropReason::WrongPort));

    let ports = Ports {
        local: 49_152,
        remote: 1701,
    };
    let mut sealed = buffer(&message);
    client.seal_control(PEER, ports, &mut sealed);
    let got = server.ingress(now(), path(Carrier::NatT), sealed.packet_mut());
    let ports = Ports {
        local: 1701,
        remote: 49_152,
    };
    assert_eq!(
        got,
        Ingress::Control {
            peer: PEER,
            ports,
            message: &mut message.clone()
        }
    );

    let frame = [0xff, 3, 0xc0, 0x21, 1, 1, 0, 4];
    let mut sealed = buffer(&frame);
    server.seal_ppp(SESSION, &mut sealed);
    let got = client.ingress(now(), reversed(path(Carrier::NatT)), sealed.packet_mut());
    assert_eq!(
        got,
        Ingress::Ppp {
            peer: PEER,
            session: SESSION,
            frame: &mut frame.clone()
        }
    );
}
