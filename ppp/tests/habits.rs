//! Clients with the habits of others against our server: what they send, that they are online
//! without delay, and that whatever they ask for beside IP does not keep them from it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;
#[path = "common/duo.rs"]
mod duo;

use std::net::Ipv4Addr;
use std::time::Duration;

use common::{Captured, frames, shared};
use duo::{Duo, LATENCY, NETWORK, Sent, Side};
use hex_literal::hex;
use ppp::frame::{Compression, Frame, Protocol};
use ppp::habits::{self, AddressControl, Habits, Start};
use ppp::packet::{Code, Packet};
use ppp::{CloseReason, Event, Method, Phase};
use rand_core::SeedableRng;
use wire::{Instant, Rng};

type Client = (&'static str, fn() -> Habits);

const ALL: [Client; 10] = [
    ("adit", Habits::default),
    ("windows-7", habits::windows_7),
    ("windows-10", habits::windows_10),
    ("apple", habits::apple),
    ("android", habits::android),
    ("chromeos", habits::chromeos),
    (
        "networkmanager-strongswan",
        habits::network_manager_strongswan,
    ),
    (
        "networkmanager-libreswan",
        habits::network_manager_libreswan,
    ),
    ("mikrotik", habits::mikrotik),
    ("vpn-client-pro", habits::vpn_client_pro),
];

/// Whatever a client asks for, it is online after its own round trips: our server costs none of
/// them a second.
#[test]
fn every_client_is_online_at_once_and_stays() {
    for (name, habits) in ALL {
        let mut duo = Duo::new(habits());
        duo.run(Duration::from_secs(10));
        for side in [Side::Server, Side::Client] {
            let Some((at, up)) = duo.online(side) else {
                panic!("{name} {side:?}: {:?}", duo.events);
            };
            assert!(at <= 200, "{name} {side:?}: {at} ms");
            let (local, peer) = (NETWORK.local, NETWORK.peer);
            match side {
                Side::Server => assert_eq!((up.local, up.peer), (local, peer), "{name}"),
                Side::Client => assert_eq!((up.local, up.peer), (peer, local), "{name}"),
            }
        }
        let (_, client) = duo.online(Side::Client).unwrap();
        assert_eq!(client.dns, NETWORK.dns, "{name}");
        assert_eq!(client.wins, [None; 2], "{name}");
        let codes = duo.packets(Side::Server, Protocol::LCP);
        assert!(
            codes.iter().all(|sent| sent.1 != Code::CODE_REJECT),
            "{name}"
        );
        // An hour of silence, but for echoes.
        duo.run(Duration::from_secs(3_600));
        assert_eq!(duo.server.phase(), Phase::Network, "{name}");
        assert_eq!(duo.client.phase(), Phase::Network, "{name}");
        let downs = |event: &Event| matches!(event, Event::NetworkDown | Event::Down { .. });
        assert!(
            !duo.events.iter().any(|(_, _, event)| downs(event)),
            "{name}"
        );
        // It hangs up, and our server knows at once.
        let before = duo.millis();
        duo.client
            .close(duo.now, CloseReason::Administrative(String::new()));
        duo.drain();
        duo.run(Duration::from_secs(10));
        let ends: Vec<_> = duo
            .events
            .iter()
            .filter(|(_, _, event)| matches!(event, Event::NetworkDown))
            .map(|(at, side, _)| (*at - before, *side))
            .collect();
        assert_eq!(ends, [(0, Side::Client), (10, Side::Server)], "{name}");
        assert_eq!(duo.server.phase(), Phase::Ended, "{name}");
        assert_eq!(duo.client.phase(), Phase::Ended, "{name}");
    }
}

/// One frame in fifteen is lost: everybody is online before the link's deadline, and keeps the
/// connection it has.
#[test]
fn every_client_gets_online_over_a_bad_network() {
    for (name, habits) in ALL {
        for seed in 0..20 {
            let mut duo = Duo::new(habits());
            duo.loss = Some(15);
            duo.rng = Rng::seed_from_u64(seed);
            duo.run(Duration::from_secs(58));
            for side in [Side::Server, Side::Client] {
                assert!(
                    duo.online(side).is_some(),
                    "{name} {seed}: {:?}",
                    duo.events
                );
            }
            let ends = |event: &Event| matches!(event, Event::NetworkDown | Event::Down { .. });
            assert!(
                !duo.events.iter().any(|(_, _, event)| ends(event)),
                "{name} {seed}: {:?}",
                duo.events
            );
        }
    }
}

/// A server whose IPCP is not ready costs Windows two seconds. Ours is never asked twice.
#[test]
fn windows_waits_after_a_terminate_ack() {
    let mut duo = Duo::new(habits::windows_10());
    let asked = |duo: &Duo| {
        let requests = duo.packets(Side::Client, Protocol::IPCP).into_iter();
        let requests = requests.filter(|sent| sent.1 == Code::CONFIGURE_REQUEST);
        requests.map(|sent| (sent.0, sent.2)).collect::<Vec<_>>()
    };
    while asked(&duo).is_empty() {
        duo.run(Duration::from_millis(1));
    }
    let (at, id) = asked(&duo)[0];
    // Another server: the request never reaches ours.
    duo.air.clear();
    let (code, data) = (Code::TERMINATE_ACK, &[][..]);
    let refusal = Frame {
        protocol: Protocol::IPCP,
        information: &Packet { code, id, data }.emit(),
    };
    let refusal = refusal.emit(Compression::default());
    duo.air.push((duo.now + LATENCY, Side::Server, refusal));
    duo.run(Duration::from_millis(1_900));
    assert_eq!(asked(&duo).len(), 1);
    duo.run(Duration::from_secs(3));
    assert_eq!(asked(&duo)[1].0, at + 2_000);
    assert!(duo.online(Side::Client).is_some());
}

/// The requests of every client, magic numbers blanked.
#[test]
fn what_each_client_asks_for() {
    let mut text = String::new();
    for (name, habits) in ALL {
        let mut duo = Duo::new(habits());
        duo.run(Duration::from_secs(1));
        text += &format!("{name}\n");
        for protocol in [
            Protocol::LCP,
            Protocol::IPV6CP,
            Protocol::CCP,
            Protocol::IPCP,
            Protocol::ACSP,
        ] {
            let list = duo.packets(Side::Client, protocol);
            if list.iter().any(|sent| sent.1 == Code::CONFIGURE_REQUEST) {
                let mut request = duo.request(protocol);
                blank_magic(protocol, &mut request);
                let request: String = request.iter().map(|b| format!("{b:02x}")).collect();
                text += &format!("  {protocol:?}: {request}\n");
            }
        }
    }
    insta::assert_snapshot!(text);
}

/// Puts zeros where an LCP packet has a magic number.
fn blank_magic(protocol: Protocol, packet: &mut [u8]) {
    if protocol != Protocol::LCP {
        return;
    }
    match Code(packet[0]) {
        Code::CONFIGURE_REQUEST | Code::CONFIGURE_ACK => {
            let mut at = 4;
            while at < packet.len() {
                if packet[at] == 5 {
                    packet[at + 2..at + 6].fill(0);
                }
                at += usize::from(packet[at + 1]);
            }
        }
        Code::IDENTIFICATION | Code::ECHO_REPLY | Code::TERMINATE_REQUEST => packet[4..8].fill(0),
        _ => {}
    }
}

/// The frames that Windows sends of its own accord until IP is negotiated, in the recording and
/// by us: order, identifiers, options, and whether `ff03` is in front.
#[test]
fn windows_is_like_the_recorded_one() {
    let Some(root) = shared() else { return };
    let recorded = frames(&root.join("captures/ppp/pptp-mschapv2-mppe-lulu.pcap"));
    let client = Ipv4Addr::new(192, 168, 2, 5);
    let from_client = |c: &&Captured| c.from == client;
    let theirs: Vec<_> = recorded
        .iter()
        .filter(from_client)
        .map(|c| c.bytes.clone())
        .collect();
    let mut duo = Duo::compressing(habits::windows_7());
    duo.run(Duration::from_secs(1));
    let of_client = |sent: &&Sent| sent.1 == Side::Client;
    let ours: Vec<_> = duo
        .sent
        .iter()
        .filter(of_client)
        .map(|sent| sent.2.clone())
        .collect();
    let [theirs, ours] = [theirs, ours].map(|list| own_words(&list));
    // LCP with callback and without, three Identifications, IPV6CP, CCP and IPCP.
    assert_eq!(ours[..8], theirs[..8]);
    assert_eq!(ours[7].0, Protocol::IPCP);
}

/// What a client says that is no answer, without what is drawn or its own name.
fn own_words(list: &[Vec<u8>]) -> Vec<(Protocol, bool, Vec<u8>)> {
    let mut words = Vec::new();
    for bytes in list {
        let Ok(frame) = Frame::parse(bytes) else {
            continue;
        };
        let mut packet = frame.information.to_vec();
        let own = matches!(
            (frame.protocol, packet.first()),
            (Protocol::LCP, Some(1 | 12))
                | (Protocol::IPCP | Protocol::IPV6CP | Protocol::CCP, Some(1))
        );
        if !own {
            continue;
        }
        blank_magic(frame.protocol, &mut packet);
        if frame.protocol == Protocol::IPV6CP {
            packet[6..].fill(0);
        }
        // The name of the computer, and the sixteen bytes that are no text.
        if packet[0] == 12 && packet[1] > 2 {
            let text = packet.windows(8).any(|w| w == b"MSRAS-0-");
            packet.truncate(if text { 16 } else { 8 });
            packet[2..4].fill(0);
        }
        words.push((frame.protocol, bytes.starts_with(&[0xff, 0x03]), packet));
    }
    words
}

/// Windows has not begun to listen when our first request comes. Ours goes out again the moment
/// its own arrives, and no restart timer has to run out.
#[test]
fn a_deaf_client_gets_our_request_again_at_once() {
    let mut duo = Duo::new(habits::windows_10());
    duo.run(Duration::from_secs(1));
    let ours = duo.packets(Side::Server, Protocol::LCP);
    let requests: Vec<_> = ours
        .iter()
        .filter(|sent| sent.1 == Code::CONFIGURE_REQUEST)
        .map(|sent| sent.0)
        .collect();
    assert_eq!(requests, [0, 40], "its request left at 30 ms");
    let rejects: Vec<_> = ours
        .iter()
        .filter(|sent| sent.1 == Code::CONFIGURE_REJECT)
        .map(|sent| (sent.0, sent.3.clone()))
        .collect();
    assert_eq!(rejects, [(40, hex!("0d0306").to_vec())]);
    let (at, _) = duo.online(Side::Client).unwrap();
    assert!(at <= 150, "{at} ms");
    // Its identifiers go on across protocols, and LCP has no `ff03` any more.
    let idents: Vec<_> = duo
        .packets(Side::Client, Protocol::LCP)
        .into_iter()
        .filter(|sent| sent.1 == Code::IDENTIFICATION)
        .map(|sent| (sent.2, sent.3.get(4..).unwrap().to_vec()))
        .collect();
    let ids: Vec<_> = idents.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [2, 3, 4]);
    assert_eq!(idents[0].1, b"MSRASV5.20");
    assert!(std::str::from_utf8(&idents[2].1).is_err(), "no text");
}

/// A farewell of Windows: its magic number and a number of its own, repeated after two seconds
/// if nobody answers.
#[test]
fn windows_says_farewell_twice() {
    let mut duo = Duo::new(habits::windows_10());
    duo.run(Duration::from_secs(1));
    let before = duo.millis();
    duo.client
        .close(duo.now, CloseReason::Administrative(String::new()));
    // The server is gone.
    duo.server.close(duo.now, CloseReason::LowerLayerDown);
    duo.drain();
    duo.run(Duration::from_secs(10));
    let sent: Vec<_> = duo
        .packets(Side::Client, Protocol::LCP)
        .into_iter()
        .filter(|sent| sent.1 == Code::TERMINATE_REQUEST)
        .collect();
    let times: Vec<_> = sent.iter().map(|sent| sent.0 - before).collect();
    assert_eq!(times, [0, 2_000]);
    assert_eq!(sent[0].3[4..], hex!("003ccd7400000000"));
}

/// Apple goes nowhere before its ACSP has an answer: a Protocol-Reject, as soon as it is asked.
#[test]
fn what_is_not_spoken_is_rejected_at_once() {
    for (habits, protocols) in [
        (habits::apple(), &[Protocol::ACSP][..]),
        (habits::windows_10(), &[Protocol::IPV6CP, Protocol::CCP]),
        (habits::network_manager_libreswan(), &[Protocol::IPV6CP]),
    ] {
        let mut duo = Duo::new(habits);
        duo.run(Duration::from_secs(10));
        for protocol in protocols {
            let asked = duo.packets(Side::Client, *protocol);
            assert_eq!(asked.len(), 1, "{protocol:?} is asked for once");
            let rejects = duo.packets(Side::Server, Protocol::LCP);
            let number = protocol.0.to_be_bytes();
            let rejected: Vec<_> = rejects
                .iter()
                .filter(|sent| sent.1 == Code::PROTOCOL_REJECT && sent.3.starts_with(&number))
                .map(|sent| sent.0)
                .collect();
            assert_eq!(rejected, [asked[0].0 + 10], "{protocol:?}");
        }
    }
    // It does wait: IPCP alone does not bring it online.
    let mut apple = Duo::new(habits::apple());
    let rejected = |duo: &Duo| {
        let sent = duo.packets(Side::Server, Protocol::LCP);
        sent.iter().any(|sent| sent.1 == Code::PROTOCOL_REJECT)
    };
    while !rejected(&apple) {
        apple.run(Duration::from_millis(1));
    }
    let reject = |(_, from, frame): &(Instant, Side, Vec<u8>)| {
        let frame = Frame::parse(frame).unwrap();
        *from == Side::Server && frame.information[0] == Code::PROTOCOL_REJECT.0
    };
    apple.air.retain(|frame| !reject(frame));
    apple.run(Duration::from_secs(1));
    assert!(apple.online(Side::Server).is_some() && apple.online(Side::Client).is_none());
    apple.run(Duration::from_secs(5));
    let (at, _) = apple.online(Side::Client).unwrap();
    assert!((3_000..3_200).contains(&at), "asked again: {at} ms");
}

/// VJ compression is rejected, and so are the name servers we do not have: all in one answer.
#[test]
fn one_reject_names_everything() {
    for (habits, expected) in [
        (habits::apple(), hex!("0206002d0f01 830600000000").to_vec()),
        (
            habits::windows_10(),
            hex!("820600000000 830600000000 840600000000").to_vec(),
        ),
    ] {
        let mut duo = Duo::new(habits);
        duo.run(Duration::from_secs(1));
        let answers = duo.packets(Side::Server, Protocol::IPCP);
        let rejects: Vec<_> = answers
            .iter()
            .filter(|sent| sent.1 == Code::CONFIGURE_REJECT)
            .map(|sent| sent.3.clone())
            .collect();
        assert_eq!(rejects, [expected]);
    }
}

/// A client that does not like our first method names EAP and then MS-CHAPv2.
#[test]
fn suggestions_are_heard() {
    let offered = [Method::Pap, Method::Chap, Method::MsChapV2];
    let mut duo = Duo::with(habits::apple(), &offered, &[Method::MsChapV2]);
    duo.run(Duration::from_secs(1));
    let naks: Vec<_> = duo
        .packets(Side::Client, Protocol::LCP)
        .into_iter()
        .filter(|sent| sent.1 == Code::CONFIGURE_NAK)
        .map(|sent| sent.3)
        .collect();
    assert_eq!(naks[0], hex!("0304c227"));
    assert_eq!(naks[1], hex!("0305c22381"));
    assert!(duo.online(Side::Client).is_some(), "{:?}", duo.events);
}

/// pppd with a connect-delay of five seconds begins when it hears us, which is at once.
#[test]
fn a_listening_client_begins_with_our_first_word() {
    let habits = habits::chromeos();
    assert_eq!(habits.start, Start::Listening(Duration::from_secs(5)));
    let mut duo = Duo::new(habits.clone());
    duo.run(Duration::from_secs(1));
    assert_eq!(duo.packets(Side::Client, Protocol::LCP)[0].0, 10);
    // Without us it begins by itself.
    let mut alone = Duo::new(habits);
    alone.air.clear();
    alone.server.close(alone.now, CloseReason::LowerLayerDown);
    alone.drain();
    alone.run(Duration::from_secs(6));
    assert_eq!(alone.packets(Side::Client, Protocol::LCP)[0].0, 5_000);
    // And may be closed before.
    let mut closed = Duo::new(habits::chromeos());
    closed
        .client
        .close(closed.now, CloseReason::Administrative(String::new()));
    assert_eq!(closed.client.phase(), Phase::Ended);
}

/// Frames without `ff03` from the first one on, and with it for ever.
#[test]
fn address_and_control_may_be_there_or_not() {
    for (form, expected) in [
        (AddressControl::NeverSent, false),
        (AddressControl::AlwaysSent, true),
    ] {
        let habits = Habits {
            address_control: form,
            compression: Some(true),
            ..Habits::default()
        };
        let mut duo = Duo::new(habits);
        duo.run(Duration::from_secs(1));
        let mut sent = duo.sent.iter().filter(|sent| sent.1 == Side::Client);
        assert!(sent.all(|sent| sent.2.starts_with(&[0xff, 0x03]) == expected));
        let (_, up) = duo.online(Side::Client).unwrap();
        assert!(duo.online(Side::Server).is_some());
        assert_eq!(up.acfc, form == AddressControl::NeverSent);
    }
}

/// Answers to its IPCP request mean nothing to "VPN Client Pro" before it has acknowledged our
/// address: our request is the first IPCP packet that leaves.
#[test]
fn our_address_is_told_before_anything_is_answered() {
    let mut duo = Duo::new(habits::vpn_client_pro());
    duo.run(Duration::from_secs(1));
    let first = duo.packets(Side::Server, Protocol::IPCP)[0].clone();
    assert_eq!(first.1, Code::CONFIGURE_REQUEST);
    let requests = duo.packets(Side::Client, Protocol::IPCP);
    let repeated = requests
        .iter()
        .filter(|sent| sent.1 == Code::CONFIGURE_REQUEST && sent.0 > 500)
        .count();
    assert_eq!(repeated, 0, "no answer was lost on it");
}

/// What LCP and IPCP ask for by default is what it always was.
#[test]
fn the_default_is_our_own_way() {
    let mut duo = Duo::new(Habits::default());
    duo.run(Duration::from_secs(1));
    let mut request = duo.request(Protocol::LCP);
    blank_magic(Protocol::LCP, &mut request);
    assert_eq!(request, hex!("0101000e 01040578 050600000000"));
    assert_eq!(
        duo.request(Protocol::IPCP),
        hex!("01010016 030600000000 810600000000 830600000000")
    );
}
