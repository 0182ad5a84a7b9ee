//! Whether a server sees what it is meant to see.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use ike::codec::Header;
use ike::{Config, Endpoint, Output};
use rand_core::SeedableRng as _;
use wire::{Carrier, Instant, Path, Rng};

use super::exchange::{Begun, Exchanges, first_messages};
use super::message::Messages;
use super::{Flood, Report, packet};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    flood: Flood,
}

fn messages(kinds: &str, exchanges: &Arc<Exchanges>) -> Messages {
    let line = [
        "flood",
        "192.0.2.1",
        "--forged",
        "100.64.0.0/10",
        "--kinds",
        kinds,
    ];
    Messages::new(&Line::parse_from(line).flood, Arc::clone(exchanges))
}

/// Source, port of the server, payload.
fn taken_apart(packet: &[u8]) -> (SocketAddrV4, u16, &[u8]) {
    let field = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    assert_eq!(usize::from(field(2)), packet.len(), "the length in IP");
    assert_eq!(
        usize::from(field(24)),
        packet.len() - 20,
        "the length in UDP"
    );
    assert_eq!(&packet[16..20], [192, 0, 2, 1]);
    let source = Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15]);
    let from = SocketAddrV4::new(source, field(20));
    (from, field(22), &packet[packet::PAYLOAD..])
}

fn next(messages: &mut Messages, report: &mut Report) -> Vec<u8> {
    let mut packet = Vec::new();
    messages.next(&mut packet, report);
    packet
}

#[test]
fn every_client_is_one_that_a_server_lets_in() {
    let server = Ipv4Addr::new(192, 0, 2, 1);
    for (number, message) in first_messages(server, 1).iter().enumerate() {
        let mut server = Endpoint::new(Config::default(), Rng::seed_from_u64(7));
        let path = Path {
            local: SocketAddr::from(([192, 0, 2, 1], 500)),
            remote: SocketAddr::from(([192, 0, 2, 2], 500)),
            carrier: Carrier::Ike,
        };
        server.handle_datagram(Instant::from_boot(Duration::from_secs(1)), path, message);
        assert_eq!(server.occupancy().0, 1, "client {number}");
    }
}

#[test]
fn first_messages_are_answered() {
    let mut server = Endpoint::new(Config::default(), Rng::seed_from_u64(7));
    let now = Instant::from_boot(Duration::from_secs(1));
    let mut messages = messages("firsts", &Arc::default());
    let mut report = Report::default();
    for number in 0..50 {
        let packet = next(&mut messages, &mut report);
        let (from, port, message) = taken_apart(&packet);
        assert!(from.ip().octets()[0] == 100 && from.ip().octets()[1] & 0xc0 == 64);
        assert_eq!((from.port(), port), (500, 500));
        let path = Path {
            local: SocketAddr::from(([192, 0, 2, 1], 500)),
            remote: from.into(),
            carrier: Carrier::Ike,
        };
        server.handle_datagram(now, path, message);
        let answers = std::iter::from_fn(|| server.poll_output())
            .filter(|output| matches!(output, Output::Transmit { .. }))
            .count();
        assert_eq!((answers, server.occupancy().0), (1, number + 1));
    }
    assert_eq!(report.firsts, 50);
}

#[test]
fn fifth_messages_have_cookies_of_exchanges_and_invented_ones() {
    let exchanges = Arc::new(Exchanges::default());
    let mut messages = messages("fifths", &exchanges);
    let mut report = Report::default();
    let mut packet = next(&mut messages, &mut report);
    let (from, port, payload) = taken_apart(&packet);
    let marker = if port == 4500 { 4 } else { 0 };
    // What a client would send next looks the same from outside.
    let begun = Begun::of_fifth(from, port == 4500, &payload[marker..]).unwrap();
    let cookies = (begun.header.initiator, begun.header.responder);
    exchanges.add(begun);
    for _ in 0..200 {
        packet = next(&mut messages, &mut report);
        let (sender, port, payload) = taken_apart(&packet);
        let marker = if port == 4500 { 4 } else { 0 };
        assert_eq!(payload[..marker], [0; 4][..marker]);
        let (header, body) = Header::parse(&payload[marker..]).unwrap();
        assert!(body.len() % 16 == 0 && !body.is_empty());
        let known = (header.initiator, header.responder) == cookies;
        assert_eq!(known, sender == from);
    }
    assert!(report.fifths_of_exchanges > 60 && report.fifths_invented > 60);
}

#[test]
fn kinds_take_turns() {
    let line = Line::parse_from(["flood", "192.0.2.1"]);
    let mut messages = Messages::new(&line.flood, Arc::default());
    let mut report = Report::default();
    for _ in 0..300 {
        let packet = next(&mut messages, &mut report);
        taken_apart(&packet);
    }
    let fifths = report.fifths_invented + report.fifths_of_exchanges;
    assert_eq!([report.garbage, report.firsts, fifths], [100; 3]);
}
