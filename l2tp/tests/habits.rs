//! Clients with the habits of others against our server: what they send, when, and that they get
//! their session without delay and end it at once.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use std::sync::Arc;

use common::*;
use hex_literal::hex;
use l2tp::codec::{ControlHeader, Message, MessageType, message_type};
use l2tp::habits::{self, Farewell, Habits, ResultForm};
use l2tp::{CloseReason, Config, Counters, DropReason, Event, SessionUp, TunnelId};
use wire::{Instant, Ports};

type Client = (&'static str, fn() -> Habits);

const ALL: [Client; 13] = [
    ("adit", Habits::default),
    ("windows-xp", habits::windows_xp),
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
    ("cisco", habits::cisco),
    ("dlink", habits::dlink),
    ("misaddressed", misaddressed),
];

/// A tunnel id of its own in the header of StopCCN, as some Windows had it.
fn misaddressed() -> Habits {
    let mut habits = habits::windows_xp();
    habits.farewell.misaddressed = true;
    habits
}

fn pair(habits: &Habits, host_name: &str) -> Pair {
    seeded(habits, host_name, Weather::default(), 5)
}

fn seeded(habits: &Habits, host_name: &str, weather: Weather, seed: u64) -> Pair {
    let config = Config::default();
    let client = Config {
        host_name: host_name.to_owned(),
        receive_window: habits
            .introduction
            .receive_window
            .unwrap_or(config.receive_window),
        ..config.clone()
    };
    Pair::new(client, config, weather, seed)
}

fn open(pair: &mut Pair, habits: Habits) -> TunnelId {
    pair.client
        .open_tunnel(pair.now, PEER, CLIENT_PORTS, Arc::new(habits))
}

/// What one side sent: time, header and AVPs.
fn sent(pair: &Pair, side: Side) -> Vec<(Instant, ControlHeader, Vec<u8>)> {
    let of_side = pair.sent.iter().filter(|(_, from, _)| *from == side);
    of_side
        .map(|(at, _, bytes)| {
            let (header, body) = control(bytes);
            (*at, header, body)
        })
        .collect()
}

/// The AVPs of the first message of `kind` that the client sent.
fn body(pair: &Pair, kind: MessageType) -> Option<Vec<u8>> {
    let list = sent(pair, Side::Client);
    let found = list
        .into_iter()
        .find(|(_, _, body)| message_type(body) == Some(kind));
    found.map(|(_, _, body)| body)
}

fn session_up(pair: &Pair, side: Side) -> SessionUp {
    let found = pair.events.iter().find_map(|(from, event)| match event {
        Event::SessionUp(up) if *from == side => Some(up.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{:?}", pair.events))
}

/// Every client has its session after as many round trips as it makes, and when it goes, its
/// tunnel goes at once.
#[test]
fn every_client_gets_its_session_and_leaves() {
    for (name, habits) in ALL {
        let habits = habits();
        let mut pair = pair(&habits, "DESKTOP-1234567");
        let tunnel = open(&mut pair, habits.clone());
        // Ten milliseconds each way: five steps, or eight for a client that waits twice.
        pair.run(if habits.waits_for_acknowledgement {
            0.081
        } else {
            0.051
        });
        for side in [Side::Client, Side::Server] {
            assert_eq!(pair.count(side, is_session_up), 1, "{name} {side:?}");
        }
        assert_eq!(
            session_up(&pair, Side::Client).length,
            habits.length_in_data,
            "{name}"
        );
        assert!(!session_up(&pair, Side::Server).length, "{name}");
        let theirs = session_up(&pair, Side::Server).session.tunnel;
        // An hour, in which data flows.
        for _ in 0..360 {
            pair.run(10.0);
            pair.server.note_data(pair.now, theirs);
            pair.client.note_data(pair.now, tunnel);
        }
        assert_eq!(pair.count(Side::Server, is_session_down), 0, "{name}");
        assert_eq!(pair.count(Side::Client, is_session_down), 0, "{name}");

        pair.client
            .close_tunnel(pair.now, tunnel, CloseReason::Done);
        pair.run(0.021);
        for wanted in [is_session_down, is_tunnel_down] {
            assert_eq!(pair.count(Side::Server, wanted), 1, "{name}");
            assert_eq!(pair.count(Side::Client, wanted), 1, "{name}");
        }
        let reason = pair.events.iter().find_map(|(side, event)| match event {
            Event::TunnelDown { reason, .. } if *side == Side::Server => Some(reason.clone()),
            _ => None,
        });
        let Some(CloseReason::Peer(result)) = reason else {
            panic!("{name}: {reason:?}");
        };
        let result = result.result.unwrap().result;
        assert!(result == 1 || result == 6, "{name}: {result}");
        pair.run(100.0);
        assert_eq!(
            (pair.client.tunnel_count(), pair.server.tunnel_count()),
            (0, 0),
            "{name}"
        );
        let refused = |event: &Event| matches!(event, Event::Refused { .. });
        assert_eq!(pair.count(Side::Server, refused), 0, "{name}");
    }
}

/// The same over a network that loses one datagram in twenty: sooner or later.
#[test]
fn every_client_gets_its_session_over_a_bad_network() {
    for (name, habits) in ALL {
        for seed in 0..20 {
            let habits = habits();
            let weather = Weather {
                loss: 5,
                duplication: 5,
                jitter: 100,
            };
            let mut pair = seeded(&habits, "DESKTOP-1234567", weather, seed);
            open(&mut pair, habits);
            pair.run(30.0);
            assert_eq!(pair.count(Side::Server, is_session_up), 1, "{name}");
            assert_eq!(pair.count(Side::Client, is_session_up), 1, "{name}");
        }
    }
}

fn in_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All that a client says in clear, without what is drawn.
#[test]
fn what_each_client_says() {
    let mut text = String::new();
    for (name, habits) in ALL {
        let mut habits = habits();
        // What is drawn would hide what is not.
        habits.ids = habits::Ids::Smallest;
        habits.serial = habits.serial.or(Some(0xdddd_dddd));
        let mut pair = pair(&habits, "DESKTOP-1234567");
        let tunnel = open(&mut pair, habits);
        pair.run(1.0);
        pair.client
            .close_tunnel(pair.now, tunnel, CloseReason::Done);
        pair.run(1.0);
        text += &format!("{name}\n");
        for kind in [
            MessageType::SCCRQ,
            MessageType::ICRQ,
            MessageType::ICCN,
            MessageType::CDN,
            MessageType::STOP_CCN,
        ] {
            let body = body(&pair, kind).map_or("-".to_owned(), |body| in_hex(&body));
            text += &format!("  {kind}: {body}\n");
        }
    }
    insta::assert_snapshot!(text);
}

/// 108 bytes on the wire with a computer name of fifteen characters.
#[test]
fn windows_10_introduces_itself_with_108_bytes() {
    let mut pair = pair(&habits::windows_10(), "DESKTOP-1234567");
    open(&mut pair, habits::windows_10());
    pair.run(1.0);
    let expected = hex!(
        "c802006c0000000000000000
         8008000000000001 8008000000020100 800a0000000300000001 800a0000000400000000
         0008000000060a00 8015000000074445534b544f502d31323334353637
         000f000000084d6963726f736f6674 8008000000090001 80080000000a0008"
    );
    assert_eq!(pair.sent[0].2, expected);
    assert_eq!(expected.len(), 108);
}

/// The second connection of a recorded Windows: every AVP of every message but the proof of the
/// tunnel secret, which that one had.
#[test]
fn windows_xp_is_like_the_recorded_one() {
    let Some(path) = shared("captures/l2tp/winxp-l2tp-full-session.pcap") else {
        return;
    };
    let client = [192, 168, 101, 233];
    let recorded: Vec<_> = control_messages(&path)
        .into_iter()
        .filter(|(datagram, _, _)| datagram.from == client)
        .collect();
    let of = |kind: MessageType| {
        let found = recorded
            .iter()
            .find(|(_, _, body)| message_type(body) == Some(kind));
        found.map(|(_, _, body)| body.clone())
    };
    let mut pair = pair(&habits::windows_xp(), "albatross.dev.hsd.com.au");
    let tunnel = open(&mut pair, habits::windows_xp());
    pair.run(1.0);
    pair.client
        .close_tunnel(pair.now, tunnel, CloseReason::Done);
    pair.run(1.0);
    // The recorded one counted on: its tunnel 1 had just ended.
    let mut request = body(&pair, MessageType::SCCRQ).unwrap();
    let at = request.len() - 9;
    assert_eq!(std::mem::replace(&mut request[at], 2), 1);
    assert_eq!(Some(request), of(MessageType::SCCRQ));
    for kind in [
        MessageType::ICRQ,
        MessageType::ICCN,
        MessageType::CDN,
        MessageType::STOP_CCN,
    ] {
        assert!(of(kind).is_some(), "{kind}");
        assert_eq!(body(&pair, kind), of(kind), "{kind}");
    }
}

/// xl2tpd 1.3 of the laboratory, up to the ids that it draws.
#[test]
fn network_manager_is_like_the_recorded_xl2tpd() {
    let Some(path) = shared("adit-lab/strongswan-nonat/inside.pcap") else {
        return;
    };
    let server = [192, 0, 2, 1];
    let recorded: Vec<_> = control_messages(&path)
        .into_iter()
        .filter(|(datagram, _, _)| datagram.from != server)
        .collect();
    let habits = habits::network_manager_strongswan();
    let mut pair = pair(&habits, "lab");
    open(&mut pair, habits);
    pair.run(1.0);
    for kind in [MessageType::SCCRQ, MessageType::ICRQ, MessageType::ICCN] {
        let found = recorded
            .iter()
            .find(|(_, _, body)| message_type(body) == Some(kind));
        let [theirs, ours] = [found.unwrap().2.clone(), body(&pair, kind).unwrap()].map(|body| {
            let mut message = Message::parse(&body, None).unwrap().message;
            match &mut message {
                Message::Sccrq(start) => start.assigned_tunnel_id = Some(1),
                Message::Icrq(call) => call.assigned_session_id = Some(1),
                _ => {}
            }
            // Order and mandatory bits as well.
            let heads: Vec<_> = l2tp::codec::avps(&body)
                .0
                .iter()
                .map(|avp| (avp.kind, avp.mandatory, avp.value.len()))
                .collect();
            (message, heads)
        });
        assert_eq!(ours, theirs, "{kind}");
    }
}

/// The client's messages to a server that is not there: seconds since the first.
fn rhythm(habits: Habits) -> (Vec<f64>, f64) {
    let mut client = endpoint(Config::default(), 3);
    let start = at(1_000.0);
    client.open_tunnel(start, PEER, CLIENT_PORTS, Arc::new(habits));
    let (mut times, mut now) = (Vec::new(), start);
    loop {
        for output in outputs(&mut client) {
            match output {
                l2tp::Output::Transmit(transmit) => {
                    let (header, body) = control(&transmit.bytes);
                    if message_type(&body) == Some(MessageType::SCCRQ) {
                        assert_eq!((header.tunnel, header.ns, header.nr), (0, 0, 0));
                        times.push((now - start).as_secs_f64());
                    }
                }
                l2tp::Output::Event(Event::TunnelDown { .. }) => {
                    return (times, (now - start).as_secs_f64());
                }
                l2tp::Output::Event(_) => {}
            }
        }
        now = client.poll_timeout().unwrap().0;
        client.handle_timeout(now);
    }
}

#[test]
fn each_client_repeats_itself_in_its_own_rhythm() {
    let (times, end) = rhythm(habits::apple());
    assert_eq!(times, (0..=60).map(f64::from).collect::<Vec<_>>());
    assert_eq!(end, 61.0);
    let (times, _) = rhythm(habits::android());
    assert_eq!(times[..4], [0.0, 2.0, 4.0, 6.0]);
    assert_eq!(times.len(), 31);
    let (times, end) = rhythm(habits::windows_10());
    assert_eq!(times, [0.0, 1.0, 3.0, 7.0, 15.0, 23.0]);
    assert_eq!(end, 30.0);
}

/// HELLOs that only wake IPsec up are counted and nothing else, even when the tunnel exists.
#[test]
fn hellos_on_tunnel_zero_are_ignored() {
    let mut pair = pair(&habits::apple(), "Anns-MacBook");
    open(&mut pair, habits::apple());
    pair.run(1.0);
    let wake_ups: Vec<_> = sent(&pair, Side::Client).into_iter().take(12).collect();
    for (_, header, body) in &wake_ups[..11] {
        assert_eq!(message_type(body), Some(MessageType::HELLO));
        assert_eq!((header.tunnel, header.ns, header.nr), (0, 0, 0));
    }
    assert_eq!(message_type(&wake_ups[11].2), Some(MessageType::SCCRQ));
    let dropped = |counters: &Counters| counters.dropped(DropReason::TunnelZero);
    assert_eq!(dropped(pair.server.counters()), 11);
    let before = sent(&pair, Side::Server).len();
    // Late ones, whatever their numbers say.
    for ns in 0..11 {
        let mut bytes = Vec::new();
        let header = ControlHeader {
            ns,
            ..wake_ups[0].1
        };
        header.emit(&wake_ups[0].2, &mut bytes);
        pair.server
            .handle_message(pair.now, PEER, SERVER_PORTS, &bytes);
    }
    pair.run(1.0);
    assert_eq!(dropped(pair.server.counters()), 22);
    assert_eq!(sent(&pair, Side::Server).len(), before);
    assert_eq!(pair.count(Side::Server, is_session_down), 0);
}

/// mtpd sends ICRQ when SCCCN is acknowledged, and begins with PPP when ICCN is.
#[test]
fn android_waits_for_acknowledgements() {
    let habits = habits::android();
    let mut pair = pair(&habits, "unused");
    open(&mut pair, habits);
    pair.run(1.0);
    let start = pair.sent[0].0;
    let flow: Vec<_> = pair
        .sent
        .iter()
        .map(|(at, side, bytes)| {
            let kind = message_type(&control(bytes).1);
            let kind = kind.map_or("ZLB".to_owned(), |kind| kind.to_string());
            (*side, kind, (*at - start).as_millis())
        })
        .collect();
    let expected = [
        (Side::Client, "SCCRQ", 0),
        (Side::Server, "SCCRP", 10),
        (Side::Client, "SCCCN", 20),
        (Side::Server, "ZLB", 30),
        (Side::Client, "ICRQ", 40),
        (Side::Server, "ICRP", 50),
        (Side::Client, "ICCN", 60),
        (Side::Server, "ZLB", 70),
    ];
    let expected = expected.map(|(side, kind, at)| (side, kind.to_owned(), at));
    assert_eq!(flow, expected);
    let first = pair.events.iter().find(|(_, event)| is_session_up(event));
    assert_eq!(first.unwrap().0, Side::Server, "before the client itself");
}

/// It asks for its tunnel for a minute, and the session does not run out of time meanwhile.
#[test]
fn android_takes_a_late_answer() {
    let habits = habits::android();
    let mut pair = pair(&habits, "unused");
    pair.weather.loss = 100;
    open(&mut pair, habits);
    pair.run(39.0);
    pair.weather.loss = 0;
    pair.run(2.0);
    for side in [Side::Client, Side::Server] {
        assert_eq!(pair.count(side, is_session_up), 1, "{:?}", pair.events);
    }
    assert_eq!(pair.count(Side::Client, is_session_down), 0);
}

/// mtpd looks at nothing that is not exactly as it expects it, and at nobody else's port.
#[test]
fn a_strict_client_drops_what_is_not_exact() {
    let mut client = endpoint(Config::default(), 3);
    let now = at(1_000.0);
    let habits = Arc::new(habits::android());
    let tunnel = client.open_tunnel(now, PEER, CLIENT_PORTS, habits);
    outputs(&mut client);
    let mut body = Vec::new();
    let mut reply = sccrq(9);
    reply.host_name = Some(b"server".to_vec());
    Message::Sccrp(reply).emit(&mut body);
    let header = ControlHeader {
        tunnel: tunnel.id,
        session: 0,
        ns: 0,
        nr: 1,
    };
    let mut exact = Vec::new();
    header.emit(&body, &mut exact);
    let mut optional = exact.clone();
    optional[12] = 0;
    let padded = [&exact[..], &[0]].concat();
    let mut priority = exact.clone();
    priority[0] |= 1;
    for bytes in [&optional, &padded, &priority] {
        client.handle_message(now, PEER, CLIENT_PORTS, bytes);
        assert_eq!(outputs(&mut client), []);
    }
    let other = Ports {
        remote: 1702,
        ..CLIENT_PORTS
    };
    client.handle_message(now, PEER, other, &exact);
    assert_eq!(outputs(&mut client), []);
    assert_eq!(client.counters().dropped(DropReason::Malformed), 4);
    client.handle_message(now, PEER, CLIENT_PORTS, &exact);
    assert!(!outputs(&mut client).is_empty());
}

/// A peer that puts 0 for our tunnel id means its only tunnel, and is not heard if it has two.
#[test]
fn tunnel_zero_means_the_only_tunnel_of_its_peer() {
    let mut pair = pair(&habits::dlink(), "DIR-300");
    open(&mut pair, habits::dlink());
    pair.run(200.0);
    let hellos = sent(&pair, Side::Client)
        .iter()
        .filter(|(_, header, body)| {
            header.tunnel == 0 && message_type(body) == Some(MessageType::HELLO)
        })
        .count();
    assert!(hellos >= 1, "keeps alive with tunnel id 0");
    assert_eq!(pair.server.counters().dropped(DropReason::TunnelZero), 0);
    assert_eq!(pair.count(Side::Server, is_session_up), 1);
    assert_eq!(pair.count(Side::Server, is_tunnel_down), 0);

    let (mut script, _) = with_session(Config::default());
    let first = script.tunnel;
    (script.tunnel, script.ns) = (0, 0);
    script.say(0, &Message::Sccrq(sccrq(78)));
    script.tunnel = 0;
    assert_eq!(script.say(0, &icrq(89)), [], "which of the two?");
    assert_eq!(script.server.counters().dropped(DropReason::TunnelZero), 1);
    script.tunnel = first;
}

/// CDN and StopCCN whose Result Code no parser can make sense of end what they name.
#[test]
fn farewells_are_understood_whatever_their_result() {
    let bodies: [&[u8]; 5] = [
        // Apple: 14 bytes claimed, 8 there, swapped.
        &hex!("8008 0000 0000 0004  8008 0000 0009 004d  800e 0000 0001 0100"),
        // The same with the Result Code first, which swallows the rest.
        &hex!("8008 0000 0000 0004  800e 0000 0001 0100  8008 0000 0009 004d"),
        // Android.
        &hex!("8008 0000 0000 0004  8008 0000 0009 004d  8008 0000 0001 0006"),
        // Nothing in it.
        &hex!("8008 0000 0000 0004"),
        // An odd number of bytes, and an AVP that is cut off.
        &hex!("8008 0000 0000 0004  8007 0000 0001 01  8008 0000"),
    ];
    for body in bodies {
        let (mut script, _) = with_session(Config::default());
        let answers = script.say_body(0, body);
        let down = |answer: &Answer| matches!(answer, Answer::Event(Event::TunnelDown { .. }));
        assert!(answers.iter().any(down), "{body:02x?}: {answers:?}");
        assert!(matches!(answers[0], Answer::Zlb(_)), "{body:02x?}");
    }
    for code in [&hex!("800e 0000 0001 0300")[..], &hex!("8007 0000 0001 03")] {
        let (mut script, session) = with_session(Config::default());
        let head = hex!("8008 0000 0000 000e  8008 0000 000e 0058");
        let answers = script.say_body(session.id, &[&head, code].concat());
        let down = |answer: &Answer| matches!(answer, Answer::Event(Event::SessionDown { .. }));
        assert!(answers.iter().any(down), "{code:02x?}: {answers:?}");
        assert!(matches!(answers[0], Answer::Zlb(_)), "{code:02x?}");
    }
}

/// Our own way is what it always was.
#[test]
fn the_default_is_our_own_way() {
    let habits = Habits::default();
    assert_eq!(
        habits.farewell,
        Farewell {
            messages: habits::Farewells::AsNeeded,
            result: None,
            form: ResultForm::Full,
            misaddressed: false
        }
    );
    let mut pair = pair(&habits, "adit");
    open(&mut pair, habits);
    pair.run(1.0);
    let mut request = body(&pair, MessageType::SCCRQ).unwrap();
    let at = request.len() - 10;
    request[at..at + 2].copy_from_slice(&[0, 0]);
    let expected = hex!(
        "8008000000000001 8008000000020100 800a0000000300000003 800a0000000400000000
         0008000000060001 800a0000000761646974 000a0000000861646974
         8008000000090000 80080000000a0008"
    );
    assert_eq!(request, expected);
}
