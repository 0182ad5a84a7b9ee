//! Bytes against captures and against the standards, and abuse.

use std::net::Ipv4Addr;

use proptest::prelude::*;
use rand_core::SeedableRng;
use wire::Rng;

use super::message::{Message, MessageType, OptionCode};
use super::parameters::{Parameters, Site, acknowledge};
use super::routes::{self, Route};
use super::{Inform, habits};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 2, 234);

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn route(text: &str) -> Route {
    let (address, width) = text.split_once('/').unwrap();
    Route::new(address.parse().unwrap(), width.parse().unwrap(), SERVER)
}

fn parameters() -> Parameters {
    Parameters::new(
        vec![route("10.0.0.0/8"), route("192.168.7.0/24")],
        "corp.example",
    )
    .unwrap()
}

/// What RFC 3442 has as examples, with another router.
#[test]
fn destinations_are_as_long_as_they_must_be() {
    for (text, bytes) in [
        ("0.0.0.0/0", "00"),
        ("10.0.0.0/8", "08 0a"),
        ("10.0.0.0/24", "18 0a 00 00"),
        ("10.17.0.0/16", "10 0a 11"),
        ("10.27.129.0/24", "18 0a 1b 81"),
        ("10.229.0.128/25", "19 0a e5 00 80"),
        ("10.198.122.47/32", "20 0a c6 7a 2f"),
    ] {
        let mut expected = hex(bytes);
        expected.extend(SERVER.octets());
        assert_eq!(routes::emit(&[route(text)]), expected, "{text}");
        assert_eq!(routes::parse(&expected), Ok(vec![route(text)]), "{text}");
        assert_eq!(route(text).to_string(), text);
    }
    assert!(routes::parse(&[33, 1, 2, 3, 4, 5, 0, 0, 0, 0]).is_err());
    assert!(routes::parse(&[8, 10, 1, 1, 1]).is_err(), "cut off");
}

#[test]
fn answers_to_windows() {
    let mut inform = Inform::new(habits::windows(), &mut Rng::seed_from_u64(1));
    let packet = inform.request(CLIENT).unwrap();
    let request = Message::parse(&packet[28..]).unwrap();
    let site = Site {
        local: SERVER,
        dns: [Some(Ipv4Addr::new(10, 10, 1, 53)), None],
        wins: [None, None],
        parameters: &parameters(),
    };
    let bytes = acknowledge(&request, &site).emit();
    let mut expected = hex("02 08 00 00");
    expected.extend(&packet[32..36]);
    // secs, flags; ciaddr; yiaddr, siaddr, giaddr, chaddr, sname, file.
    expected.extend(hex("0000 0000 c0a802ea"));
    expected.extend([0; 12 + 16 + 64 + 128]);
    expected.extend(hex(
        "63825363 350105 36040a0a0101 0104ffffffff 06040a0a0135 0f0c636f72702e6578616d706c65",
    ));
    let routes = "08 0a 0a0a0101 18 c0a807 0a0a0101";
    expected.extend(hex(&format!("79 0e {routes} f9 0e {routes}")));
    expected.extend([61, 17, 0]);
    expected.extend(&request.option(OptionCode::CLIENT_IDENTIFIER).unwrap()[1..]);
    expected.push(255);
    expected.resize(300.max(expected.len()), 0);
    assert_eq!(bytes, expected);

    let given = inform.answer(&Message::parse(&bytes).unwrap()).unwrap();
    assert_eq!(given.routes, [route("10.0.0.0/8"), route("192.168.7.0/24")]);
    assert_eq!(given.domain.as_deref(), Some("corp.example"));
    assert_eq!(given.dns, [Ipv4Addr::new(10, 10, 1, 53)]);
}

#[test]
fn windows_asks_as_the_reference_says() {
    let mut inform = Inform::new(habits::windows(), &mut Rng::seed_from_u64(1));
    let packets: Vec<Vec<u8>> = (0..2).map(|_| inform.request(CLIENT).unwrap()).collect();
    assert!(packets.iter().all(|packet| packet.len() == 328));
    let packet = &packets[0];
    assert_eq!(packet[..4], [0x45, 0, 1, 0x48]);
    assert_eq!(packet[6..10], [0, 0, 128, 17]);
    assert_eq!(packet[12..20], [192, 168, 2, 234, 255, 255, 255, 255]);
    assert_eq!(packet[20..26], [0, 68, 0, 67, 1, 52]);
    assert_eq!(packet[28..32], [1, 8, 0, 0]);
    assert_eq!(packet[36..40], [6, 0, 0, 0], "six seconds, byte-swapped");
    assert_eq!(packets[1][36..40], [9, 0, 0, 0]);
    assert_eq!(packet[40..44], CLIENT.octets());
    let options = &packet[28 + 240..];
    assert_eq!(options[..6], [53, 1, 8, 61, 17, 0]);
    let behind = [12, 15]
        .into_iter()
        .chain(*b"WINDOWS-CLIENT1")
        .chain([60, 8])
        .chain(*b"MSFT 5.0")
        .chain([55, 6, 6, 44, 43, 1, 249, 15, 255, 0, 0]);
    assert_eq!(options[22..], behind.collect::<Vec<_>>());
    assert!(inform.goes_on());
}

#[test]
fn apple_asks_four_times() {
    let mut inform = Inform::new(habits::apple(), &mut Rng::seed_from_u64(1));
    let mut sent = 0;
    while inform.goes_on() {
        let packet = inform.request(CLIENT).unwrap();
        let message = Message::parse(&packet[28..]).unwrap();
        assert_eq!((message.hardware_type, message.hardware_len), (8, 6));
        let identifier = message.option(OptionCode::CLIENT_IDENTIFIER).unwrap();
        assert_eq!(identifier.len(), 7);
        sent += 1;
    }
    assert_eq!(sent, 4);
}

/// The IP packets that a Windows client sent through PPTP, and that the collection decrypted.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "data that is not ours, read in place"
)]
fn the_requests_of_a_real_windows() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    let root = std::env::var("ADIT_SHARED").unwrap_or_else(|_| beside.to_owned());
    let name = "data/captures/ppp/pptp-mschapv2-mppe-lulu.pcap.mppe-decrypted.json";
    let Ok(text) = std::fs::read_to_string(format!("{root}/{name}")) else {
        println!("skipped: no ADIT_SHARED data");
        return;
    };
    // Each frame is one line of hexadecimal: protocol, IPv4 with a source of 192.168.2.234.
    let frames = text
        .split('"')
        .filter(|word| word.starts_with("002145000148"))
        .map(hex);
    let real: Vec<Vec<u8>> = frames.map(|frame| frame[2..].to_vec()).collect();
    assert_eq!(real.len(), 2);

    // Ours differ in what is random, and in the name of the host: with those put in, not at all.
    let mut inform = Inform::new(habits::windows(), &mut Rng::seed_from_u64(1));
    for real in real {
        let message = Message::parse(&real[28..]).unwrap();
        assert_eq!(message.message_type(), Some(MessageType::INFORM));
        assert_eq!(message.emit(), &real[28..], "a round trip");
        let ours = inform.request(CLIENT).unwrap();
        let mut like = Message::parse(&ours[28..]).unwrap();
        like.transaction = message.transaction;
        for (code, value) in &mut like.options {
            if [OptionCode::CLIENT_IDENTIFIER, OptionCode::HOST_NAME].contains(code) {
                let there = message.option(*code).unwrap();
                assert_eq!(value.len(), there.len());
                *value = there;
            }
        }
        assert_eq!(like.emit(), &real[28..]);
        // Headers: all but identification and checksums.
        assert_eq!(ours[..4], real[..4]);
        assert_eq!(ours[6..10], real[6..10]);
        assert_eq!(ours[12..26], real[12..26]);
        // And the real one is answered.
        let site = Site {
            local: SERVER,
            dns: [None, None],
            wins: [None, None],
            parameters: &parameters(),
        };
        let answer = acknowledge(&message, &site);
        assert_eq!(answer.client, CLIENT.octets());
        assert_eq!(answer.message_type(), Some(MessageType::ACK));
    }
}

#[test]
fn what_does_not_fit_is_refused_when_it_is_configured() {
    let many = |count: u8| -> Vec<Route> {
        (0..count)
            .map(|n| Route::new([10, n, 0, 0].into(), 16, SERVER))
            .collect()
    };
    assert!(Parameters::new(many(18), "corp.example").is_ok());
    let error = Parameters::new(many(20), "corp.example").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the routes and the domain take 298 bytes in the answers to clients, which have room for 282"
    );
    // The largest that is taken, asked for by the greediest client, keeps to 576 bytes.
    let parameters = Parameters::new(many(19), "co.example").unwrap();
    let request = Message {
        op: Message::REQUEST,
        options: vec![(OptionCode::CLIENT_IDENTIFIER, vec![7; 255])],
        ..Message::default()
    };
    let dns = [Some(SERVER), Some(SERVER)];
    let site = Site {
        local: SERVER,
        dns,
        wins: dns,
        parameters: &parameters,
    };
    let answer = acknowledge(&request, &site);
    assert!(answer.emit().len() + 28 <= 576);
    assert!(answer.option(OptionCode::MICROSOFT_ROUTES).is_some());
    assert!(answer.option(OptionCode::CLIENT_IDENTIFIER).is_none());
}

#[test]
fn only_the_answer_to_the_question_counts() {
    let mut inform = Inform::new(habits::adit(), &mut Rng::seed_from_u64(1));
    let packet = inform.request(CLIENT).unwrap();
    let request = Message::parse(&packet[28..]).unwrap();
    let site = Site {
        local: SERVER,
        dns: [None, None],
        wins: [None, None],
        parameters: &parameters(),
    };
    let good = acknowledge(&request, &site);
    assert!(inform.answer(&good).is_some());
    let mut other = good.clone();
    other.transaction ^= 1;
    assert_eq!(inform.answer(&other), None);
    let mut other = good.clone();
    other.op = Message::REQUEST;
    assert_eq!(inform.answer(&other), None);
    let mut other = good.clone();
    other.options[0].1 = vec![6];
    assert_eq!(inform.answer(&other), None, "DHCPNAK");
    // Microsoft's option alone, in two pieces, and a domain that no resolver should see.
    let mut other = good;
    other.options = vec![
        (OptionCode::MESSAGE_TYPE, vec![5]),
        (OptionCode::MICROSOFT_ROUTES, vec![8, 10, 10]),
        (OptionCode::DOMAIN_NAME, b"a b; rm".to_vec()),
        (OptionCode::MICROSOFT_ROUTES, vec![10, 1, 1]),
    ];
    let given = inform.answer(&other).unwrap();
    assert_eq!(given.routes, [route("10.0.0.0/8")]);
    assert_eq!(given.domain, None);
}

proptest! {
    #[test]
    fn nothing_that_comes_does_harm(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..700), like: bool,
    ) {
        if like && bytes.len() >= 240 {
            bytes[236..240].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
        }
        if let Ok(message) = Message::parse(&bytes) {
            let written = message.emit();
            prop_assert!(written.len() <= bytes.len().max(300) + 1);
            prop_assert_eq!(Message::parse(&written), Ok(message.clone()));
            let parameters = parameters();
            let site = Site { local: SERVER, dns: [None; 2], wins: [None; 2], parameters: &parameters };
            prop_assert!(acknowledge(&message, &site).emit().len() + 28 <= 576);
            let mut inform = Inform::new(habits::adit(), &mut Rng::seed_from_u64(1));
            inform.request(CLIENT);
            let _ = inform.answer(&message);
        }
        let _ = routes::parse(&bytes);
    }

    #[test]
    fn routes_are_read_as_they_are_written(
        list in proptest::collection::vec((any::<u32>(), 0..=32_u8, any::<u32>()), 0..40),
    ) {
        let list: Vec<Route> = list
            .into_iter()
            .map(|(network, width, router)| Route::new(network.into(), width, router.into()))
            .collect();
        prop_assert_eq!(routes::parse(&routes::emit(&list)), Ok(list));
    }
}
