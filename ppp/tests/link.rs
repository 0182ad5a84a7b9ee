//! One link, frame by frame: what a peer may do, and what it gets for it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "common/bench.rs"]
mod bench;

use std::time::Duration;

use bench::{Bench, NETWORK};
use ppp::frame::Protocol;
use ppp::{CloseReason, Config, Event, Link, Method, Output, Role, Timer};
use wire::Secret;

/// QUIRK(Windows): it lost our first request.
#[test]
fn an_unanswered_request_is_repeated_at_the_first_sign_of_life() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    let first = bench.sent[0].1.clone();
    assert_eq!(first[..8], [1, 1, 0, 19, 1, 4, 5, 0x78]);
    assert_eq!(first[8..13], [3, 5, 0xc2, 0x23, 0x81]);
    assert_eq!(first[13..15], [5, 6]);
    let windows = [
        1, 0, 0, 21, 1, 4, 5, 0x78, 5, 6, 0x0c, 0x6f, 0x35, 0x48, 7, 2, 8, 2, 13, 3, 6,
    ];
    let sent = bench.lcp(&windows);
    assert_eq!(sent, [first, vec![4, 0, 0, 7, 13, 3, 6]]);
    // Once only.
    let mut again = windows;
    again[1] = 1;
    assert_eq!(bench.lcp(&again), [vec![4, 1, 0, 7, 13, 3, 6]]);
}

#[test]
fn everything_to_be_rejected_is_rejected_at_once_and_before_any_nak() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    let mut request = vec![1, 9, 0, 0];
    request.extend([1, 4, 0, 10]); // an MRU below all reason
    request.extend([4, 4, 0xc0, 0x25]); // link quality
    request.extend([13, 3, 6, 17, 4, 5, 0xdc, 18, 2, 19, 3, 0]); // callback, multilink
    request.extend([3, 4, 0xc0, 0x23]); // we are to log in there
    request.extend([99, 2]); // unknown
    request[3] = u8::try_from(request.len()).unwrap();
    let sent = bench.lcp(&request);
    let mut rejected = vec![4, 9, 0, 0];
    rejected.extend_from_slice(&request[8..]);
    rejected[3] = u8::try_from(rejected.len()).unwrap();
    assert_eq!(sent.last(), Some(&rejected));
    assert_eq!(
        bench.lcp(&[1, 10, 0, 8, 1, 4, 0, 10]),
        [vec![3, 10, 0, 8, 1, 4, 0, 128]]
    );
    // Five Naks in all (Max-Failure), then it may not have the option at all.
    for id in 11..15 {
        assert_eq!(bench.lcp(&[1, id, 0, 8, 1, 4, 0, 10])[0][0], 3);
    }
    assert_eq!(
        bench.lcp(&[1, 15, 0, 8, 1, 4, 0, 10]),
        [vec![4, 15, 0, 8, 1, 4, 0, 10]]
    );
}

#[test]
fn a_smaller_mru_is_taken_and_a_larger_one_is_not() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    let sent = bench.lcp(&[3, 1, 0, 8, 1, 4, 0x05, 0x00]);
    assert_eq!(sent[0][1..8], [2, 0, 19, 1, 4, 0x05, 0x00]);
    let sent = bench.lcp(&[3, 2, 0, 8, 1, 4, 0x05, 0xdc]);
    assert_eq!(sent[0][4..8], [1, 4, 0x05, 0x00]);
    bench.open_lcp();
    let Some(Event::LcpUp(up)) = bench.events.last() else {
        unreachable!()
    };
    assert_eq!(
        (up.local_mru, up.peer_mru, up.pfc, up.acfc),
        (1280, 1400, false, false)
    );
}

/// Each Nak resets the restart counter, so their number has a limit of its own.
#[test]
fn a_peer_that_is_never_content_is_left_to_the_timer() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    let mut answered = 0;
    for _ in 0..100 {
        let id = bench.sent.last().unwrap().1[1];
        answered += bench.lcp(&[3, id, 0, 10, 5, 6, 1, 2, 3, 4]).len();
    }
    assert_eq!(answered, 20);
    bench.wait(Duration::from_secs(11));
    assert_eq!(bench.reason(), &CloseReason::LcpTimeout);
}

#[test]
fn answers_that_fit_no_request_are_ignored() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    let ours = bench.sent[0].1.clone();
    let mut wrong_id = ours.clone();
    wrong_id[..2].copy_from_slice(&[2, 77]);
    let mut wrong_options = ours.clone();
    wrong_options[0] = 2;
    wrong_options[7] ^= 1;
    for packet in [
        &wrong_id[..],
        &wrong_options,
        &[4, 1, 0, 4],           // rejects nothing
        &[4, 1, 0, 7, 13, 3, 6], // rejects what we did not ask for
        &[3, 1, 0, 6, 1, 9],     // an option beyond the packet
        &[2, 1, 0, 200],         // a length beyond the frame
        &[2],
    ] {
        assert_eq!(bench.lcp(packet), Vec::<Vec<u8>>::new(), "{packet:?}");
    }
    bench.open_lcp();
}

#[test]
fn codes_are_tolerated_rejected_and_answered_as_they_should() {
    let mut bench = Bench::opened();
    for code in [11, 12, 13] {
        assert_eq!(
            bench.lcp(&[code, 2, 0, 9, 1, 2, 3, 4, b'x']),
            Vec::<Vec<u8>>::new()
        );
    }
    let sent = bench.lcp(&[9, 44, 0, 10, 1, 2, 3, 4, 0xaa, 0xbb]);
    assert_eq!(
        (sent[0][..4].to_vec(), &sent[0][8..]),
        (vec![10, 44, 0, 10], &[0xaa, 0xbb][..])
    );
    let sent = bench.lcp(&[55, 6, 0, 5, 1]);
    assert_eq!((sent[0][0], &sent[0][4..]), (7, &[55, 6, 0, 5, 1][..]));
    // IPCP has no echo.
    let sent = bench.ipcp(&[9, 1, 0, 8, 0, 0, 0, 0]);
    assert_eq!(
        (sent[0][0], &sent[0][4..]),
        (7, &[9, 1, 0, 8, 0, 0, 0, 0][..])
    );
    assert!(
        bench.events.last()
            == bench
                .events
                .iter()
                .find(|e| matches!(e, Event::NetworkUp(_)))
    );
}

#[test]
fn foreign_protocols_are_rejected_with_their_content_but_not_without_end() {
    let mut bench = Bench::opened();
    for number in [
        0x80fd, 0x8057, 0x8235, 0xc02b, 0x8281, 0x802b, 0x002d, 0x002f, 0x0057, 0xc227,
    ] {
        let sent = bench.give(Protocol(number), &[1, 1, 0, 4]);
        let [(Protocol::LCP, packet)] = &sent[..] else {
            panic!("{number:04x}: {sent:?}")
        };
        let [high, low] = number.to_be_bytes();
        assert_eq!((packet[0], &packet[4..]), (8, &[high, low, 1, 1, 0, 4][..]));
    }
    bench.now = bench.now + Duration::from_secs(2);
    let rejects: usize = (0..1000)
        .map(|_| bench.give(Protocol::CCP, &[0; 1500]).len())
        .sum();
    assert_eq!(rejects, 16);
    assert_eq!(bench.sent.last().unwrap().1.len(), 1400);
}

#[test]
fn the_network_is_announced_before_the_peer_may_use_it() {
    let bench = Bench::opened();
    let position = |what: &str| bench.order.iter().position(|o| o == what).unwrap();
    assert!(
        position("NetworkUp") < position("IPCP 2"),
        "{:?}",
        bench.order
    );
    // IPCP asks as soon as the client is let in.
    assert_eq!(position("IPCP 1"), position("CHAP 3") + 2);
    let Some(Event::NetworkUp(up)) = bench.events.last() else {
        unreachable!()
    };
    assert_eq!((up.local, up.peer), (NETWORK.local, NETWORK.peer));
    assert_eq!((up.dns, up.wins), (NETWORK.dns, NETWORK.wins));
}

#[test]
fn addresses_and_name_servers_are_given() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    bench.open_lcp();
    bench.respond(b"ann", "right");
    bench.decide();
    // As Windows asks: address, DNS, WINS, secondary DNS, secondary WINS; and VJ as macOS does.
    let mut request = vec![1, 6, 0, 40, 2, 6, 0, 0x2d, 15, 1];
    for kind in [3, 129, 130, 131, 132] {
        request.extend([kind, 6, 0, 0, 0, 0]);
    }
    let mut rejected = vec![4, 6, 0, 22, 2, 6, 0, 0x2d, 15, 1];
    rejected.extend([130, 6, 0, 0, 0, 0, 131, 6, 0, 0, 0, 0]);
    assert_eq!(bench.ipcp(&request), [rejected]);
    let rest = [
        1, 7, 0, 22, 3, 6, 0, 0, 0, 0, 129, 6, 0, 0, 0, 0, 132, 6, 0, 0, 0, 0,
    ];
    let right = [3, 6, 10, 0, 0, 9, 129, 6, 10, 0, 0, 1, 132, 6, 10, 0, 0, 3];
    assert_eq!(bench.ipcp(&rest), [[&[3, 7, 0, 22][..], &right].concat()]);
    // Somebody else's address is no better than none, and no address is not enough.
    let foreign = [1, 8, 0, 10, 3, 6, 10, 0, 0, 8];
    assert_eq!(bench.ipcp(&foreign), [[3, 8, 0, 10, 3, 6, 10, 0, 0, 9]]);
    assert_eq!(
        bench.ipcp(&[1, 9, 0, 4]),
        [[3, 9, 0, 10, 3, 6, 10, 0, 0, 9]]
    );
    let good = [&[1, 10, 0, 22][..], &right].concat();
    assert_eq!(bench.ipcp(&good), [[&[2, 10, 0, 22][..], &right].concat()]);
}

#[test]
fn the_peer_may_hang_up_at_any_time() {
    let mut bench = Bench::opened();
    let sent = bench.lcp(&[5, 30, 0, 7, b'b', b'y', b'e']);
    assert_eq!(sent, [[6, 30, 0, 4]]);
    assert_eq!(bench.events.last(), Some(&Event::NetworkDown));
    bench.wait(Duration::from_secs(1));
    assert_eq!(
        bench.reason(),
        &CloseReason::PeerTerminated("bye".to_owned())
    );

    let mut bench = Bench::server(&[Method::MsChapV2]);
    assert_eq!(bench.lcp(&[5, 1, 0, 4])[0], [6, 1, 0, 4]);
    bench.wait(Duration::from_secs(2));
    assert!(matches!(bench.reason(), CloseReason::PeerTerminated(_)));

    // IP alone: the link is of no more use.
    let mut bench = Bench::opened();
    assert_eq!(bench.ipcp(&[5, 30, 0, 4]), [[6, 30, 0, 4]]);
    assert_eq!(bench.events.last(), Some(&Event::NetworkDown));
    bench.wait(Duration::from_secs(4));
    assert!(matches!(bench.reason(), CloseReason::PeerTerminated(_)));
}

#[test]
fn what_the_peer_rejects_for_good_ends_the_link() {
    let mut bench = Bench::opened();
    bench.lcp(&[8, 1, 0, 10, 0x80, 0x21, 1, 1, 0, 4]);
    bench.wait(Duration::from_secs(3));
    assert_eq!(bench.reason(), &CloseReason::NetworkRefused);

    let mut bench = Bench::server(&[Method::MsChapV2]);
    bench.open_lcp();
    bench.lcp(&[8, 1, 0, 10, 0xc2, 0x23, 1, 1, 0, 4]);
    bench.wait(Duration::from_secs(3));
    assert!(matches!(
        bench.reason(),
        CloseReason::AuthenticationRefused { .. }
    ));

    // Protocols we never sent may be rejected as it likes.
    let mut bench = Bench::opened();
    bench.lcp(&[8, 1, 0, 10, 0x80, 0xfd, 1, 1, 0, 4]);
    bench.lcp(&[7, 1, 0, 8, 12, 1, 0, 4]);
    assert!(matches!(bench.events.last(), Some(Event::NetworkUp(_))));
}

#[test]
fn a_link_that_never_gets_there_ends() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    bench.open_lcp();
    bench.respond(b"ann", "right");
    assert_eq!(bench.link.poll_timeout().unwrap().1, Timer::Echo);
    bench.decide();
    // IPCP requests go on and on, each with another wish.
    for id in 0..80u8 {
        bench.wait(Duration::from_secs(1));
        bench.ipcp(&[1, id, 0, 10, 3, 6, 1, 1, 1, id]);
    }
    assert_eq!(bench.reason(), &CloseReason::NetworkTimeout);
}

#[test]
fn compression_is_used_only_where_the_peer_allows_it() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    bench.lcp(&[1, 1, 0, 8, 7, 2, 8, 2]);
    bench.ack(Protocol::LCP);
    let Some(Event::LcpUp(up)) = bench.events.last() else {
        panic!()
    };
    assert!(up.pfc && up.acfc);
    bench
        .link
        .handle_frame(bench.now, &[0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0]);
    let Some(Output::Transmit(echo)) = bench.link.poll_output() else {
        panic!()
    };
    assert_eq!(echo[..5], [0xff, 0x03, 0xc0, 0x21, 10]);
    let (due, _) = bench.link.poll_timeout().unwrap();
    bench.link.handle_timeout(due);
    let Some(Output::Transmit(challenge)) = bench.link.poll_output() else {
        panic!()
    };
    assert_eq!(challenge[..3], [0xc2, 0x23, 1]);
}

#[test]
fn a_client_takes_what_it_is_given() {
    let mut config = Config::client("ann", Secret::from(&b"right"[..]));
    if let Role::Client(client) = &mut config.role {
        client.methods = vec![Method::Pap];
    }
    let mut bench = Bench::new(config);
    bench.lcp(&[1, 1, 0, 8, 3, 4, 0xc0, 0x23]);
    let sent = bench.ack(Protocol::LCP);
    let login = [&[1, 1, 0, 14, 3][..], b"ann", &[5], b"right"].concat();
    assert_eq!(sent, [(Protocol::PAP, login)]);
    let sent = bench.give(Protocol::PAP, &[2, 1, 0, 5, 0]);
    let zeros = [0; 4];
    let ask = [
        &[1, 1, 0, 22, 3, 6][..],
        &zeros,
        &[129, 6],
        &zeros,
        &[131, 6],
        &zeros,
    ]
    .concat();
    assert_eq!(sent[0].1, ask);
    // The second DNS server is rejected, the rest corrected; nonsense is not taken.
    let sent = bench.ipcp(&[4, 1, 0, 10, 131, 6, 0, 0, 0, 0]);
    assert_eq!(sent[0].len(), 16);
    let nak = [
        3, 2, 0, 22, 3, 6, 10, 0, 0, 9, 129, 6, 10, 0, 0, 1, 131, 6, 1, 1, 1, 1,
    ];
    let sent = bench.ipcp(&nak);
    assert_eq!(sent[0][4..], [3, 6, 10, 0, 0, 9, 129, 6, 10, 0, 0, 1]);
    bench.ack(Protocol::IPCP);
    bench.ipcp(&[1, 1, 0, 10, 3, 6, 10, 0, 0, 1]);
    let Some(Event::NetworkUp(up)) = bench.events.last() else {
        panic!("{:?}", bench.events)
    };
    assert_eq!((up.local, up.peer), (NETWORK.peer, NETWORK.local));
    assert_eq!(up.dns, [Some(NETWORK.local), None]);
}

/// For the owner that wants something to be on its way, say through a new path.
#[test]
fn a_probe_is_sent_at_once_and_not_counted() {
    let mut bench = Bench::opened();
    for _ in 0..20 {
        bench.link.probe(bench.now);
        bench.drain();
        let (protocol, packet) = bench.sent.last().unwrap();
        assert_eq!((*protocol, packet[0], packet.len()), (Protocol::LCP, 9, 8));
        bench.wait(Duration::from_secs(1));
    }
    assert!(matches!(bench.events.last(), Some(Event::NetworkUp(_))));
    let mut early = Bench::server(&[Method::MsChapV2]);
    early.link.probe(early.now);
    assert!(early.link.poll_output().is_none());
}

/// Tens of thousands of links live in one process.
#[test]
fn a_link_is_small() {
    let size = size_of::<Link>();
    assert!(size < 2048, "{size} bytes");
}

#[test]
fn a_client_without_an_address_hangs_up() {
    let mut config = Config::client("ann", Secret::from(&b"right"[..]));
    if let Role::Client(client) = &mut config.role {
        client.allow_unauthenticated = true;
    }
    let mut bench = Bench::new(config);
    bench.lcp(&[1, 1, 0, 10, 5, 6, 1, 2, 3, 4]);
    bench.ack(Protocol::LCP);
    bench.ack(Protocol::IPCP);
    bench.ipcp(&[1, 1, 0, 10, 3, 6, 10, 0, 0, 1]);
    bench.wait(Duration::from_secs(3));
    assert_eq!(bench.reason(), &CloseReason::NoAddress);
    assert!(
        !bench
            .events
            .iter()
            .any(|event| matches!(event, Event::NetworkUp(_)))
    );
}

/// Windows repeats a request under a new identifier. That is no reason to take the network away;
/// one that goes on asking means it.
#[test]
fn a_repeated_request_with_another_identifier_changes_nothing() {
    let mut bench = Bench::opened();
    for id in [6, 7] {
        let answers = bench.ipcp(&[1, id, 0, 10, 3, 6, 10, 0, 0, 9]);
        assert_eq!(answers, [[2, id, 0, 10, 3, 6, 10, 0, 0, 9]]);
        assert!(matches!(bench.events.last(), Some(Event::NetworkUp(_))));
        bench.wait(Duration::from_secs(2));
    }
    let answers = bench.ipcp(&[1, 8, 0, 10, 3, 6, 10, 0, 0, 9]);
    let codes: Vec<_> = answers.iter().map(|packet| packet[0]).collect();
    assert_eq!(codes, [1, 2], "a request of ours, and an Ack");
    assert!(matches!(bench.events.last(), Some(Event::NetworkDown)));
}
