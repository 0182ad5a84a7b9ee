//! How a peer proves who it is, frame by frame: methods, repetitions, and what is no proof.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "common/bench.rs"]
mod bench;

use std::time::Duration;

use bench::{Bench, NETWORK};
use ppp::frame::Protocol;
use ppp::packet::Packet;
use ppp::{CloseReason, Config, Event, Exchange, Method, Phase, Role, Verdict, chap, mschapv2};
use wire::Secret;

#[test]
fn a_repeated_response_counts_once_and_gets_the_same_answer() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    bench.open_lcp();
    for _ in 0..3 {
        assert!(bench.respond(b"CORP\\ann", "right").is_empty());
    }
    assert_eq!(bench.requests.len(), 1);
    assert_eq!(bench.requests[0].user.as_bytes(), b"CORP\\ann");
    let answer = bench.decide()[0].clone();
    assert_eq!((answer.0, answer.1[0]), (Protocol::CHAP, 3));
    assert!(answer.1[4..].starts_with(b"S="));
    // The same answer, whatever is shown now.
    assert_eq!(
        bench.respond(b"ann", "right"),
        std::slice::from_ref(&answer)
    );
    assert_eq!(
        bench.respond(b"bob", "guess"),
        std::slice::from_ref(&answer)
    );
    assert_eq!(bench.requests.len(), 1);
}

#[test]
fn a_refused_user_is_told_and_hung_up_on() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    bench.open_lcp();
    bench.respond(b"ann", "wrong");
    let sent = bench.decide();
    let failure = mschapv2::Failure::parse(&sent[0].1[4..]).unwrap();
    assert_eq!((sent[0].1[0], failure.code, failure.retry), (4, 691, false));
    assert!(failure.challenge.is_some());
    let text = String::from_utf8(sent[0].1[4..].to_vec()).unwrap();
    assert!(
        text.starts_with("E=691 R=0 C=") && text.ends_with(" V=3 M=No"),
        "{text}"
    );
    assert_eq!((sent[1].0, sent[1].1[0]), (Protocol::LCP, 5));
    let id = sent[1].1[1];
    bench.lcp(&[6, id, 0, 4]);
    let reason = bench.reason();
    assert_eq!(reason.disconnect_cause().code, 16);
    assert_eq!(
        reason.to_string(),
        "authentication of user ann with mschap-v2 failed: No (error 691)"
    );
    assert_eq!(bench.link.phase(), Phase::Ended);
    assert!(
        bench
            .give(Protocol::LCP, &[9, 1, 0, 8, 0, 0, 0, 0])
            .is_empty()
    );
}

#[test]
fn an_acceptance_without_proof_is_a_failure_of_ours() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    bench.open_lcp();
    bench.respond(b"ann", "right");
    let verdict = Verdict::Accept {
        authenticator_response: None,
        network: NETWORK,
    };
    let id = bench.requests[0].id;
    bench.link.handle_verdict(bench.now, id, verdict);
    bench.drain();
    bench.wait(Duration::from_secs(3));
    assert_eq!(bench.reason(), &CloseReason::ProofMissing);
}

#[test]
fn malformed_responses_are_no_attempt() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    bench.open_lcp();
    let (id, _) = bench.challenge();
    let long_name = [&[49][..], &[0; 49], &[b'a'; 300]].concat();
    for data in [&[][..], &[16; 17], &[49; 20], &long_name] {
        let packet = Packet {
            code: chap::RESPONSE,
            id,
            data,
        }
        .emit();
        assert!(bench.give(Protocol::CHAP, &packet).is_empty());
    }
    let other = Packet {
        code: chap::RESPONSE,
        id: id.wrapping_add(1),
        data: &[0; 54],
    }
    .emit();
    assert!(bench.give(Protocol::CHAP, &other).is_empty());
    assert!(bench.requests.is_empty());
    // The Challenge is repeated, the same each time, and not for ever.
    let repeated = bench.wait(Duration::from_secs(9));
    assert_eq!(repeated.len(), 9);
    assert!(repeated.iter().all(|packet| packet[..] == repeated[0]));
    bench.wait(Duration::from_secs(5));
    assert_eq!(bench.reason(), &CloseReason::AuthenticationTimeout);
}

#[test]
fn eap_is_answered_with_what_we_have() {
    let mut bench = Bench::server(&[Method::MsChapV2, Method::Chap]);
    let sent = bench.lcp(&[3, 1, 0, 8, 3, 4, 0xc2, 0x27]);
    assert_eq!(sent[0][8..13], [3, 5, 0xc2, 0x23, 0x81]);
    // Its second choice is one of ours.
    let sent = bench.lcp(&[3, 2, 0, 9, 3, 5, 0xc2, 0x23, 0x05]);
    assert_eq!(sent[0][8..13], [3, 5, 0xc2, 0x23, 0x05]);
    // Its third is not; ours stands, but not without end.
    for id in 3..5 {
        assert_eq!(
            bench.lcp(&[3, id, 0, 8, 3, 4, 0xc0, 0x23])[0][8..13],
            [3, 5, 0xc2, 0x23, 5]
        );
    }
    let sent = bench.lcp(&[3, 5, 0, 8, 3, 4, 0xc0, 0x23]);
    assert_eq!(sent.last().unwrap()[0], 5);
    bench.wait(Duration::from_secs(3));
    let CloseReason::AuthenticationRefused { wanted, .. } = bench.reason() else {
        panic!()
    };
    assert_eq!(wanted, "PAP");
}

/// QUIRK(pppd): one that may do PAP and no CHAP answers every CHAP with EAP.
#[test]
fn eap_again_leads_to_the_next_method() {
    for methods in [
        &[Method::MsChapV2, Method::Pap][..],
        &[Method::MsChapV2, Method::Chap, Method::Pap],
    ] {
        let mut bench = Bench::server(methods);
        let mut id = 0;
        for chap in &methods[..methods.len() - 1] {
            id += 1;
            let sent = bench.lcp(&[3, id, 0, 8, 3, 4, 0xc2, 0x27]);
            assert_eq!(sent[0][8..12], [3, 5, 0xc2, 0x23], "{chap}");
            id += 1;
            bench.lcp(&[3, id, 0, 8, 3, 4, 0xc2, 0x27]);
        }
        let (_, last) = bench.sent.last().unwrap();
        assert_eq!(last[8..12], [3, 4, 0xc0, 0x23]);
        bench.open_lcp();
        let Some(Event::LcpUp(up)) = bench.events.last() else {
            panic!()
        };
        assert_eq!(up.method, Some(Method::Pap));
    }
}

#[test]
fn late_copies_disturb_nothing_and_a_new_request_starts_anew() {
    let mut bench = Bench::opened();
    let copy = [1, 1, 0, 14, 1, 4, 5, 0x78, 5, 6, 1, 2, 3, 4];
    let mut ack = copy.to_vec();
    ack[0] = 2;
    assert_eq!(bench.lcp(&copy), [ack]);
    assert!(bench.ack(Protocol::LCP).is_empty());
    assert!(bench.ack(Protocol::IPCP).is_empty());
    assert!(matches!(bench.events.last(), Some(Event::NetworkUp(_))));

    let new = [1, 2, 0, 14, 1, 4, 5, 0x00, 5, 6, 9, 9, 9, 9];
    let sent = bench.lcp(&new);
    assert_eq!((sent[0][0], sent[1][0]), (1, 2));
    assert_eq!(bench.events.last(), Some(&Event::NetworkDown));
    assert_eq!(bench.link.phase(), Phase::Establish);
    // Nothing is remembered of who it was.
    bench.ack(Protocol::LCP);
    assert!(bench.ipcp(&[1, 5, 0, 10, 3, 6, 10, 0, 0, 9]).is_empty());
    bench.respond(b"bob", "right");
    assert_eq!(bench.requests.len(), 2);
    bench.decide();
    bench.ack(Protocol::IPCP);
    bench.ipcp(&[1, 5, 0, 10, 3, 6, 10, 0, 0, 9]);
    let Some(Event::NetworkUp(up)) = bench.events.last() else {
        panic!()
    };
    assert_eq!(up.peer_mru, 1280);
}

#[test]
fn a_verdict_counts_only_for_its_own_request() {
    let mut bench = Bench::server(&[Method::Pap]);
    bench.open_lcp();
    let packet = [
        1, 7, 0, 14, 3, b'a', b'n', b'n', 5, b'r', b'i', b'g', b'h', b't',
    ];
    bench.give(Protocol::PAP, &packet);
    assert!(matches!(bench.requests[0].exchange, Exchange::Pap { .. }));
    // LCP starts anew while the checker thinks.
    bench.lcp(&[1, 2, 0, 10, 5, 6, 9, 9, 9, 9]);
    bench.ack(Protocol::LCP);
    assert!(bench.decide().is_empty());
    bench.give(Protocol::PAP, &packet);
    let late = bench.requests[0].id;
    let verdict = Verdict::Accept {
        authenticator_response: None,
        network: NETWORK,
    };
    bench.link.handle_verdict(bench.now, late, verdict);
    assert!(bench.link.poll_output().is_none());
    let sent = bench.decide();
    assert_eq!(
        (sent[0].0, sent[0].1[..2].to_vec()),
        (Protocol::PAP, vec![2, 7])
    );
}

#[test]
fn a_server_that_asks_for_nothing_is_refused_unless_allowed() {
    for allowed in [false, true] {
        let mut config = Config::client("ann", Secret::from(&b"right"[..]));
        if let Role::Client(client) = &mut config.role {
            client.allow_unauthenticated = allowed;
        }
        let mut bench = Bench::new(config);
        bench.lcp(&[1, 1, 0, 10, 5, 6, 1, 2, 3, 4]);
        bench.ack(Protocol::LCP);
        if allowed {
            assert_eq!(bench.link.phase(), Phase::Network);
        } else {
            bench.wait(Duration::from_secs(3));
            assert_eq!(bench.reason(), &CloseReason::ServerUnauthenticated);
        }
    }
}
