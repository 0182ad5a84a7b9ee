//! Main Modes that are begun and never finished.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ike::{Config, Limits, Output};
use wire::{Carrier, Path};

use crate::harness::{CLIENT, Pair, SERVER, Side, ip, quiet, seconds};

/// Message 1 with another cookie, from somewhere else.
fn forged(message: &[u8], number: u32, source: IpAddr) -> (Path, Vec<u8>) {
    let mut bytes = message.to_vec();
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    let path = Path {
        local: SocketAddr::new(ip(SERVER), 500),
        remote: SocketAddr::new(source, 500),
        carrier: Carrier::Ike,
    };
    (path, bytes)
}

fn message_1() -> Vec<u8> {
    let mut pair = Pair::new(99);
    let (now, initiate) = (pair.now, pair.initiate());
    pair.client.initiate(now, initiate);
    match pair.client.poll_output() {
        Some(Output::Transmit { bytes, .. }) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hundred_thousand_forged_beginnings_stay_bounded_and_a_client_gets_in() {
    let mut pair = Pair::new(1);
    let message = message_1();
    let flood = |pair: &mut Pair, range: std::ops::Range<u32>| {
        let now = pair.now;
        for number in range {
            let source = Ipv4Addr::from_bits(0x0b00_0000 + number * 7);
            let (path, bytes) = forged(&message, number, source.into());
            pair.server.handle_datagram(now, path, &bytes);
            while pair.server.poll_output().is_some() {}
        }
    };
    // Two seconds, of which one goes by until it is seen that nobody goes on.
    for step in 0..200 {
        flood(&mut pair, step * 500..(step + 1) * 500);
        pair.run_for(std::time::Duration::from_millis(10));
    }
    let limits = Limits::default();
    assert_eq!(pair.server.occupancy(), (limits.half_open_total, 0));
    let counters = pair.server.counters();
    assert_eq!(
        counters.main_modes - counters.evicted,
        limits.half_open_total as u64
    );
    assert!(counters.evicted > 25_000, "{counters:?}");
    assert_eq!(pair.server.waiting(), 0);
    // In the midst of it a real client: some hundred more arrive between its messages.
    pair.connect();
    for step in 0..20 {
        flood(&mut pair, 200_000 + step * 100..200_000 + step * 100 + 100);
        pair.run_for(std::time::Duration::from_millis(10));
    }
    pair.run_for(seconds(5));
    assert!(pair.agreed_child().is_some());
    pair.run_for(seconds(60));
    assert_eq!(
        pair.server.occupancy(),
        (0, 1),
        "the rest is forgotten after 30 seconds"
    );
}

#[test]
fn one_source_cannot_have_more_than_its_share() {
    let mut pair = Pair::new(2);
    let message = message_1();
    for number in 0..1000 {
        let (path, bytes) = forged(
            &message,
            number,
            "203.0.113.77".parse().expect("an address"),
        );
        pair.inject(Side::Server, path, &bytes);
    }
    assert_eq!(
        pair.server.occupancy().0,
        Limits::default().half_open_per_source
    );
}

#[test]
fn those_who_sent_message_3_do_not_give_way_to_those_who_did_not() {
    let config = Config {
        limits: Limits {
            half_open_per_source: 4,
            ..Limits::default()
        },
        timing: quiet(),
        ..Config::default()
    };
    let mut pair = Pair::with(3, Config::default(), config);
    pair.connect();
    // Message 3 has come and message 4 is on its way.
    pair.run_for(std::time::Duration::from_millis(31));
    assert_eq!(pair.server.occupancy(), (1, 0));
    let message = pair.sent[0].bytes.clone();
    for number in 0..1000 {
        let (path, bytes) = forged(&message, number, ip(CLIENT));
        pair.inject(Side::Server, path, &bytes);
    }
    assert_eq!(pair.server.occupancy().0, 4);
    pair.run_for(seconds(3));
    assert!(pair.agreed_child().is_some());
}

/// Whoever forges its address does not learn our cookie: a message 3 without it costs no
/// computation, sends nothing to that address, and gives no better place among the half-open.
#[test]
fn message_3_without_our_cookie_does_nothing() {
    let mut pair = Pair::with(5, Config::default(), Config::default());
    pair.connect();
    pair.run_for(std::time::Duration::from_millis(25));
    let [message_1, _, message_3] = &pair.sent[..] else {
        panic!("{} messages", pair.sent.len());
    };
    let source = "203.0.113.77".parse().expect("an address");
    let (path, first) = forged(&message_1.bytes, 1, source);
    let (_, mut third) = forged(&message_3.bytes, 1, source);
    third[8..16].fill(0);
    let now = pair.now;
    let mut answers = |bytes: &[u8]| {
        pair.server.handle_datagram(now, path, bytes);
        std::iter::from_fn(|| pair.server.poll_output()).collect::<Vec<_>>()
    };
    assert!(matches!(answers(&first)[..], [Output::Transmit { .. }]));
    assert!(matches!(answers(&first)[..], [Output::Transmit { .. }]));
    let nothing = answers(&third);
    assert!(nothing.is_empty(), "{nothing:?}");
    assert_eq!(pair.server.counters().repeated, 1);
}

#[test]
fn an_unknown_cookie_is_met_with_silence() {
    let mut pair = Pair::new(4);
    pair.connect();
    pair.run_for(seconds(2));
    let mut message = pair.sent[4].bytes.clone();
    message[12] ^= 1;
    let path = Path {
        local: pair.sent[4].path.remote,
        remote: pair.sent[4].path.local,
        carrier: pair.sent[4].path.carrier,
    };
    let sent = pair.sent.len();
    pair.inject(Side::Server, path, &message);
    assert_eq!(
        (pair.sent.len(), pair.server.counters().unknown_cookies),
        (sent, 1)
    );
}
