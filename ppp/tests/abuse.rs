//! One link, and a peer that means ill: no way in without a login, and nothing without end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "common/bench.rs"]
mod bench;

use std::time::Duration;

use bench::{Bench, NETWORK};
use ppp::frame::Protocol;
use ppp::packet::{Code, Packet};
use ppp::{CloseReason, Config, Event, Method, Phase, Verdict, chap, mschapv2};
use proptest::prelude::*;
use wire::Secret;

/// An LCP Configure-Request that no other one equals.
fn fresh_request(n: u8) -> [u8; 10] {
    [1, n, 0, 10, 5, 6, 9, 9, 9, n]
}

#[test]
fn negotiating_anew_gains_no_time_for_who_does_not_log_in() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    let start = bench.now;
    bench.open_lcp();
    while bench.link.phase() != Phase::Ended {
        bench.wait(Duration::from_secs(8));
        bench.lcp(&fresh_request(bench.sent.len() as u8));
        bench.ack(Protocol::LCP);
        assert!(bench.now - start < Duration::from_secs(80));
    }
    assert!(matches!(
        bench.reason(),
        CloseReason::AuthenticationTimeout | CloseReason::Deadline(_)
    ));
}

#[test]
fn a_peer_that_never_stops_negotiating_is_hung_up_on() {
    // Before the login, where each round may ask for a verdict.
    let mut bench = Bench::server(&[Method::MsChapV2]);
    bench.open_lcp();
    for n in 0..20 {
        bench.respond(b"ann", "guess");
        bench.lcp(&fresh_request(n));
        bench.ack(Protocol::LCP);
    }
    assert_eq!(bench.requests.len(), 9);
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.reason(), &CloseReason::Renegotiations);

    // And after it, where each round tells the owner of a network. The first two of each round pass
    // for repetitions.
    let mut bench = Bench::opened();
    for n in 20..60 {
        bench.ipcp(&[1, n, 0, 10, 3, 6, 10, 0, 0, 9]);
        bench.ack(Protocol::IPCP);
    }
    let networks = |e: &&Event| matches!(e, Event::NetworkUp(_));
    assert_eq!(bench.events.iter().filter(networks).count(), 9);
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.reason(), &CloseReason::Renegotiations);
}

#[test]
fn what_is_longer_than_any_mru_is_not_looked_at() {
    let mut bench = Bench::server(&[Method::MsChapV2]);
    let request = |options: usize| {
        let data = [2, 6, 0, 0, 0, 0].repeat(options);
        let code = Code::CONFIGURE_REQUEST;
        let (id, data) = (7, &data[..]);
        Packet { code, id, data }.emit()
    };
    assert_eq!(bench.lcp(&request(249)).last().unwrap()[0], 2);
    assert!(bench.lcp(&request(250)).is_empty());
}

/// Packets that are nearly right, for every protocol.
fn packets() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let protocol = prop::sample::select(vec![0xc021, 0xc023, 0xc223, 0x8021, 0x80fd, 0x0021]);
    let option = (0u8..20, 0u8..7, any::<[u8; 4]>()).prop_map(|(kind, length, value)| {
        [
            &[kind, length][..],
            &value[..usize::from(length.saturating_sub(2)).min(4)],
        ]
        .concat()
    });
    let body = prop_oneof![
        prop::collection::vec(option, 0..5).prop_map(|options| options.concat()),
        prop::collection::vec(any::<u8>(), 0..60),
    ];
    (protocol, 0u8..15, 0u8..6, body, -2i32..3).prop_map(|(protocol, code, id, body, skew)| {
        let length = u16::try_from((body.len() as i32 + 4 + skew).max(0)).unwrap();
        let [high, low] = length.to_be_bytes();
        (protocol, [&[code, id, high, low][..], &body].concat())
    })
}

/// What somebody without a password may try, one letter each.
fn attempt(bench: &mut Bench, what: u8, n: u8) {
    let sent = bench.sent.iter().rev();
    let challenge = sent.clone().find(|s| s.0 == Protocol::CHAP && s.1[0] == 1);
    let id = challenge.map_or(n, |sent| sent.1[1]);
    let asked = |protocol| sent.clone().any(|s| s.0 == protocol && s.1[0] == 1);
    match what {
        b'r' => drop(bench.lcp(&fresh_request(n))),
        b'a' => drop(bench.ack(Protocol::LCP)),
        b'n' => {
            let last = sent.clone().find(|s| s.0 == Protocol::LCP && s.1[0] == 1);
            let id = last.unwrap().1[1];
            bench.lcp(&[3, id, 0, 8, 3, 4, 0xc0, 0x23]);
        }
        // Every code of CHAP and PAP, those included that only the other side may send.
        b'c' => drop(bench.give(Protocol::CHAP, &[1 + n % 4, id, 0, 4])),
        b'p' => drop(bench.give(Protocol::PAP, &[1 + n % 3, id, 0, 8, 1, b'x', 1, b'y'])),
        b'g' if challenge.is_some() => drop(bench.respond(b"ann", "guess")),
        b'b' if challenge.is_some() => {
            // Our own challenge come back, and its answer as if we had been asked.
            let mut back = challenge.unwrap().1.clone();
            bench.give(Protocol::CHAP, &back);
            back[0] = 2;
            bench.give(Protocol::CHAP, &back);
        }
        b'i' => drop(bench.ipcp(&[1, n, 0, 10, 3, 6, 10, 0, 0, 9])),
        b'I' if asked(Protocol::IPCP) => drop(bench.ack(Protocol::IPCP)),
        b't' => drop(bench.lcp(&[6, n, 0, 4])),
        b'w' => drop(bench.wait(Duration::from_millis(u64::from(n) * 10))),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    /// Without an acceptance of the login that is under way there is no network, nor a word of
    /// IPCP, in whatever order things come.
    #[test]
    fn there_is_no_way_past_the_verdict(list in prop::collection::vec(
        (prop::sample::select(b"rrraaancpgbiItwv".to_vec()), any::<u8>()), 0..60))
    {
        let mut bench = Bench::server(&[Method::MsChapV2, Method::Pap]);
        let mut stale = Vec::new();
        for (what, n) in list {
            let openings = bench.events.len();
            attempt(&mut bench, what, n);
            if bench.events[openings..].iter().any(|e| matches!(e, Event::LcpUp(_))) {
                stale = bench.requests.clone();
            }
            // An acceptance of what was shown before LCP was negotiated anew comes too late.
            if let (b'v', Some(request)) = (what, stale.last()) {
                let authenticator_response = Some(mschapv2::AuthenticatorResponse([0; 20]));
                let verdict = Verdict::Accept { authenticator_response, network: NETWORK };
                bench.link.handle_verdict(bench.now, request.id, verdict);
                bench.drain();
            }
            let passed = |e: &Event| matches!(e, Event::Authenticated { .. } | Event::NetworkUp(_));
            prop_assert!(!bench.events.iter().any(passed));
            prop_assert!(!bench.sent.iter().any(|sent| sent.0 == Protocol::IPCP));
        }
    }

    /// A server that does not know the password gets nothing from a client either.
    #[test]
    fn a_client_goes_on_with_nobody_who_proves_nothing(list in prop::collection::vec(
        (prop::sample::select(b"rmmaaacsiItw".to_vec()), any::<u8>()), 0..60))
    {
        let mut bench = Bench::new(Config::client("ann", Secret::from(&b"right"[..])));
        for (what, n) in list {
            match what {
                b'm' => drop(bench.lcp(&[1, n, 0, 15, 3, 5, 0xc2, 0x23, 0x81, 5, 6, 9, 9, 9, n])),
                b'c' => {
                    let value = [&[1, n, 0, 21, 16][..], &[n; 16]].concat();
                    bench.give(Protocol::CHAP, &value);
                }
                b's' => {
                    let shown = bench.sent.iter().rev().find(|s| s.0 == Protocol::CHAP);
                    let id = shown.map_or(n, |sent| sent.1[1]);
                    let data = format!("S={}", "00".repeat(20));
                    let (code, data) = (chap::SUCCESS, data.as_bytes());
                    bench.give(Protocol::CHAP, &Packet { code, id, data }.emit());
                }
                other => attempt(&mut bench, other, n),
            }
            let passed = |e: &Event| matches!(e, Event::Authenticated { .. } | Event::NetworkUp(_));
            prop_assert!(!bench.events.iter().any(passed));
            prop_assert!(!bench.sent.iter().any(|sent| sent.0 == Protocol::IPCP));
        }
    }
}

proptest! {
    /// Whatever comes, in whatever state: no panic, few answers, and an end once silence falls.
    #[test]
    fn no_packet_does_harm(
        list in prop::collection::vec((packets(), 0u64..700), 0..60), opened: bool, client: bool,
    ) {
        let mut bench = if opened {
            Bench::opened()
        } else if client {
            Bench::new(Config::client("ann", Secret::from(&b"right"[..])))
        } else {
            Bench::server(&[Method::MsChapV2, Method::Pap])
        };
        for ((protocol, packet), pause) in list {
            let sent = bench.give(Protocol(protocol), &packet);
            prop_assert!(sent.len() <= 4, "{sent:02x?}");
            bench.wait(Duration::from_millis(pause));
        }
        bench.wait(Duration::from_secs(600));
        let down = matches!(bench.events.last(), Some(Event::Down { .. }));
        prop_assert!(down);
        prop_assert_eq!(bench.link.poll_timeout(), None);
    }
}
