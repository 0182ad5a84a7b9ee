//! NAT traversal: who is behind a NAT, what each side says, where ESP goes.

use ike::codec::{Chain, Header, PayloadType, Trailing, VendorId};
use ike::habits::OldSa;
use ike::{CloseReason, Config, Encapsulation, EspMode, Event, Output, SaId};
use wire::{Carrier, Path};

use crate::harness::{CLIENT, CLIENT_NAT, Pair, SERVER, SERVER_INSIDE, Side, ip, quiet, seconds};

fn server(encapsulation: Encapsulation, public: bool) -> Config {
    let public_address = public.then(|| ip(SERVER));
    Config {
        encapsulation,
        public_address,
        timing: quiet(),
        ..Config::default()
    }
}

/// The whole matrix: NAT at the client, NAT at the server, what the server is told to do, and
/// whether the client forces UDP.
#[test]
fn every_combination_connects_and_uses_udp_exactly_when_it_must() {
    let mut table = String::new();
    for case in 0..32 {
        let bit = |place: u32| case >> place & 1 == 1;
        let (client_nat, server_nat, always, public, force) =
            (bit(0), bit(1), bit(2), bit(3), bit(4));
        let encapsulation = if always {
            Encapsulation::Always
        } else {
            Encapsulation::Auto
        };
        let mut pair = Pair::with(case, Config::default(), server(encapsulation, public));
        (pair.client_nat, pair.server_nat, pair.force_udp) = (client_nat, server_nat, force);
        pair.connect();
        pair.run_for(seconds(2));
        let (child, theirs) = pair.agreed_child().unwrap_or_else(|| panic!("case {case}"));
        let udp = client_nat || server_nat || always || force;
        assert_eq!(child.mode == EspMode::Udp, udp, "case {case}");
        let ours = pair
            .sas
            .iter()
            .find(|((side, _), _)| *side == Side::Client)
            .expect("an SA")
            .1;
        assert_eq!(ours.path.carrier == Carrier::NatT, udp, "case {case}");
        if udp {
            assert_eq!(theirs.path.carrier, Carrier::NatT);
            let expected = if client_nat {
                (CLIENT_NAT, 14_500)
            } else {
                (CLIENT, 4500)
            };
            assert_eq!(
                (theirs.path.remote.ip(), theirs.path.remote.port()),
                (ip(expected.0), expected.1)
            );
            assert_eq!(theirs.nat_oa, Some((ip(CLIENT), ip(SERVER))));
            let server_end = if server_nat && public { SERVER } else { "" };
            if !server_end.is_empty() {
                // Told under the address in IDcr, not under the inner one.
                assert_eq!(child.nat_oa.expect("two").1, ip(server_end));
                assert_eq!(ours.peer_identity, ip(SERVER).into());
            }
        }
        table.push_str(&format!(
            "nat: client {client_nat:5} server {server_nat:5} | always {always:5} public {public:5} \
             force {force:5} | {:?} client sees {:?}\n",
            child.mode, ours.nat
        ));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_server_behind_nat_with_a_public_address_looks_as_if_it_were_not() {
    let mut pair = Pair::with(3, Config::default(), server(Encapsulation::Auto, true));
    pair.server_nat = true;
    pair.connect();
    pair.run_for(seconds(2));
    let info = pair
        .sas
        .iter()
        .find(|((side, _), _)| *side == Side::Client)
        .expect("an SA")
        .1;
    assert!(!info.nat.peer && info.nat.here, "{:?}", info.nat);
    let info = pair
        .sas
        .iter()
        .find(|((side, _), _)| *side == Side::Server)
        .expect("an SA")
        .1;
    assert!(info.nat.here && info.nat.forced, "{:?}", info.nat);
    assert_eq!(info.path.local.ip(), ip(SERVER_INSIDE));
}

#[test]
fn keepalives_go_out_on_the_nat_t_port_only() {
    let mut pair = Pair::with(
        4,
        Config {
            timing: quiet(),
            ..Config::default()
        },
        server(Encapsulation::Auto, false),
    );
    pair.client_nat = true;
    pair.connect();
    pair.run_for(seconds(65));
    let lone: Vec<_> = pair
        .sent
        .iter()
        .filter(|sent| sent.bytes.len() == 1)
        .collect();
    assert_eq!(lone.len(), 3);
    assert!(
        lone.iter()
            .all(|s| s.bytes == [0xff] && s.path.carrier == Carrier::NatT)
    );
    assert!(lone.iter().all(|sent| sent.from == Side::Client));
    assert_eq!(lone[1].at - lone[0].at, seconds(20));

    let mut pair = Pair::new(5);
    pair.connect();
    pair.run_for(seconds(65));
    assert!(
        pair.sent.iter().all(|sent| sent.bytes.len() > 1),
        "there is no NAT"
    );
}

#[test]
fn main_mode_may_start_on_the_nat_t_port() {
    let mut pair = Pair::new(6);
    pair.client_nat = true;
    let mut initiate = pair.initiate();
    initiate.ike = initiate.natt;
    let now = pair.now;
    pair.client.initiate(now, initiate);
    pair.run_for(seconds(2));
    assert!(pair.agreed_child().is_some());
    assert!(
        pair.sent
            .iter()
            .all(|sent| sent.path.carrier == Carrier::NatT)
    );
}

#[test]
fn a_second_marker_is_skipped() {
    let mut pair = Pair::new(7);
    let initiate = pair.initiate();
    let now = pair.now;
    pair.client.initiate(
        now,
        ike::Initiate {
            ike: initiate.natt,
            ..initiate
        },
    );
    let Some(Output::Transmit { path, bytes }) = pair.client.poll_output() else {
        panic!()
    };
    let path = Path {
        local: path.remote,
        remote: path.local,
        carrier: path.carrier,
    };
    pair.inject(Side::Server, path, &[&[0; 4], bytes.as_slice()].concat());
    assert_eq!(pair.server.occupancy(), (1, 0));
}

/// Takes a vendor id out of message 1 as it passes.
fn without(message: &[u8], ids: &[VendorId]) -> Vec<u8> {
    let (header, body) = Header::parse(message).expect("a message");
    let chain = Chain::parse(header.next, body, Trailing::Nothing).expect("a chain");
    let mut kept = ike::codec::ChainBuilder::new();
    for payload in chain.iter() {
        let dropped =
            payload.kind == PayloadType::VENDOR_ID && ids.iter().any(|id| id.0 == payload.body);
        if !dropped {
            kept.push(payload.kind, payload.body);
        }
    }
    kept.message(header)
}

#[test]
fn the_drafts_are_spoken_with_those_who_know_no_better() {
    let rfc = VendorId::rfc_3947();
    let cases = [
        (vec![rfc.clone()], "NAT-T draft 03"),
        (vec![rfc.clone(), VendorId::draft_03()], "NAT-T draft 02"),
        (
            vec![rfc, VendorId::draft_03(), VendorId::draft_02_newline()],
            "NAT-T draft 02",
        ),
    ];
    for (dropped, name) in cases {
        let mut pair = Pair::new(8);
        pair.client_nat = true;
        let (now, initiate) = (pair.now, pair.initiate());
        pair.client.initiate(now, initiate);
        let Some(Output::Transmit { path, bytes }) = pair.client.poll_output() else {
            panic!()
        };
        let path = Path {
            local: path.remote,
            remote: "198.51.100.9:10500".parse().expect("an address"),
            carrier: path.carrier,
        };
        pair.inject(Side::Server, path, &without(&bytes, &dropped));
        pair.run_for(seconds(2));
        let (child, _) = pair.agreed_child().expect("a child SA");
        assert_eq!(child.mode, EspMode::Udp);
        let infos: Vec<_> = pair.sas.values().map(|info| info.nat_traversal).collect();
        assert_eq!(infos, [Some(name); 2]);
    }
}

#[test]
fn a_peer_is_followed_to_its_new_port_by_fresh_messages_only() {
    let mut pair = Pair::with(9, Config::default(), server(Encapsulation::Always, false));
    pair.connect();
    pair.run_for(seconds(2));
    let (now, sa) = (
        pair.now,
        pair.sas
            .keys()
            .find(|(s, _)| *s == Side::Client)
            .expect("an SA")
            .1,
    );
    let before = pair.sent.len();
    pair.client.start_child(now, sa).expect("established");
    pair.drain();
    let message = pair.sent[before].clone();
    let moved = |port| Path {
        local: message.path.remote,
        remote: std::net::SocketAddr::new(ip(CLIENT), port),
        carrier: Carrier::NatT,
    };
    pair.inject(Side::Server, moved(7777), &message.bytes);
    assert!(pair.has(
        Side::Server,
        |e| matches!(e, Event::PathChanged { path, .. }
        if *path == moved(7777))
    ));
    // The same message from elsewhere is a repetition: it moves nothing, and the answer goes
    // where the original came from.
    let before = pair.sent.len();
    pair.inject(Side::Server, moved(8888), &message.bytes);
    assert_eq!(
        pair.count(Side::Server, |e| matches!(e, Event::PathChanged { .. })),
        1
    );
    assert_eq!(pair.sent[before].path.remote.port(), 7777);
}

/// The IKE SAs of the server, the oldest first.
fn server_sas(pair: &Pair) -> Vec<SaId> {
    let sas = pair.sas.keys().filter(|(side, _)| *side == Side::Server);
    sas.map(|(_, sa)| *sa).collect()
}

/// Ends the oldest child SA of the client, which tells the server.
fn delete_first_child(pair: &mut Pair) {
    let mut children = pair.children.keys();
    let first = children.find(|(side, _)| *side == Side::Client);
    let (now, child) = (pair.now, first.expect("a child SA").1);
    pair.client.delete_child(now, child);
    pair.run_for(seconds(1));
}

/// The public address changes after phase 1 was rekeyed: the child SA is still that of an IKE SA
/// which is gone.
#[test]
fn a_new_address_takes_along_the_child_sas_of_an_ike_sa_that_is_gone() {
    let mut pair = Pair::with(11, Config::default(), server(Encapsulation::Auto, false));
    pair.client_nat = true;
    let sa = pair.connect();
    pair.run_for(seconds(2));
    let now = pair.now;
    pair.client.rekey_sa(now, sa);
    pair.run_for(seconds(20));
    assert_eq!(pair.sas.len(), 2, "the old one is deleted");
    pair.nat_address = ip("198.51.100.77");
    // The client asks whether the server lives, from there.
    pair.run_for(seconds(130));
    assert!(!pair.has(Side::Server, |event| matches!(
        event,
        Event::SaDown {
            reason: CloseReason::NoChild,
            ..
        }
    )));
    delete_first_child(&mut pair);
    assert!(pair.children.is_empty());
}

/// What comes first from the new address is ESP, under the older of two IKE SAs.
#[test]
fn the_ike_sas_of_a_client_move_together_and_not_those_of_another_one() {
    let client = Config {
        timing: quiet(),
        ..Config::default()
    };
    let mut pair = Pair::with(12, client, server(Encapsulation::Auto, false));
    pair.client_nat = true;
    pair.habits.ike_rekey.old = OldSa::LeftToExpire;
    let sa = pair.connect();
    pair.run_for(seconds(2));
    let now = pair.now;
    pair.client.rekey_sa(now, sa);
    pair.run_for(seconds(2));
    // Another client with the same name behind the same NAT.
    let mut initiate = pair.initiate();
    initiate.natt.local.set_port(4501);
    let now = pair.now;
    let other = pair.client.initiate(now, initiate);
    pair.run_for(seconds(2));
    let now = pair.now;
    pair.client.start_child(now, other).expect("established");
    pair.run_for(seconds(2));

    let sas = server_sas(&pair);
    let [older, newer, other] = &sas[..] else {
        panic!("{sas:?}");
    };
    let path_of = |pair: &Pair, sa: &SaId| pair.server.info(*sa).expect("established").path;
    let (before, others) = (path_of(&pair, older), path_of(&pair, other));
    assert_ne!(before.remote.port(), others.remote.port());
    pair.nat_address = ip("198.51.100.77");
    let mut moved = before;
    moved.remote.set_ip(pair.nat_address);
    let now = pair.now;
    pair.server.follow(now, *older, moved);
    assert_eq!(path_of(&pair, newer), moved);
    assert_eq!(path_of(&pair, other), others);
    // The DELETE comes over the newer one, and finds what is the older one's.
    delete_first_child(&mut pair);
    let at_server = pair.children.keys().filter(|(on, _)| *on == Side::Server);
    assert_eq!(at_server.count(), 1);
}

/// Whoever has the keys can send from any address, and takes nobody along who is there.
#[test]
fn a_borrowed_address_is_left_alone() {
    let client = Config {
        timing: quiet(),
        ..Config::default()
    };
    let mut pair = Pair::with(13, client, server(Encapsulation::Auto, false));
    pair.client_nat = true;
    pair.connect();
    pair.run_for(seconds(2));
    pair.nat_address = ip("198.51.100.77");
    pair.connect();
    pair.run_for(seconds(2));

    let sas = server_sas(&pair);
    let [victim, borrower] = &sas[..] else {
        panic!("{sas:?}");
    };
    let path_of = |pair: &Pair, sa: &SaId| pair.server.info(*sa).expect("established").path;
    let (there, elsewhere) = (path_of(&pair, victim), path_of(&pair, borrower));
    for path in [there, elsewhere] {
        let now = pair.now;
        pair.server.follow(now, *borrower, path);
        assert_eq!(path_of(&pair, borrower), path);
        assert_eq!(path_of(&pair, victim), there);
    }
}

/// Message 1 with one more vendor id.
fn with_vendor_id(message: &[u8], id: &[u8]) -> Vec<u8> {
    let (header, body) = Header::parse(message).expect("a message");
    let chain = Chain::parse(header.next, body, Trailing::Nothing).expect("a chain");
    let mut longer = ike::codec::ChainBuilder::new();
    for payload in chain.iter() {
        longer.push(payload.kind, payload.body);
    }
    longer.push(PayloadType::VENDOR_ID, id);
    longer.message(header)
}

/// Windows refuses a server that looks NATed: it gets its own hash back, and is told that it is
/// itself behind a NAT, even when nobody has configured our public address.
#[test]
fn windows_does_not_see_the_nat_in_front_of_the_server() {
    let mut pair = Pair::with(10, Config::default(), server(Encapsulation::Auto, false));
    pair.server_nat = true;
    let (now, initiate) = (pair.now, pair.initiate());
    pair.client.initiate(now, initiate);
    let Some(Output::Transmit { path, bytes }) = pair.client.poll_output() else {
        panic!()
    };
    let windows = b"\x1e\x2b\x51\x69\x05\x99\x1c\x7d\x7c\x96\xfc\xbf\xb5\x87\xe4\x61\0\0\0\x09";
    let arrived = Path {
        local: std::net::SocketAddr::new(ip(SERVER_INSIDE), 500),
        remote: path.local,
        carrier: path.carrier,
    };
    pair.inject(Side::Server, arrived, &with_vendor_id(&bytes, windows));
    pair.run_for(seconds(2));
    let info = |side| {
        pair.sas
            .iter()
            .find(|((on, _), _)| *on == side)
            .expect("an SA")
            .1
    };
    let (client, server) = (info(Side::Client), info(Side::Server));
    assert!(server.make.is_windows());
    assert!(client.nat.here && !client.nat.peer, "{:?}", client.nat);
    assert_eq!(
        pair.agreed_child().expect("a child SA").0.mode,
        EspMode::Udp
    );
}
