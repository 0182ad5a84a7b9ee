//! The LNS against a client that is spoken by hand: the way up, and what clients get wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod common;

use common::*;
use hex_literal::hex;
use l2tp::codec::{Cdn, ControlHeader, Message, ResultCode, Start, StopCcn};
use l2tp::{CloseReason, Config, DropReason, Event, PeerResult};
use wire::{PeerId, Ports, Secret};

#[test]
fn sccrp_holds_exactly_seven_avps() {
    let mut server = endpoint(
        Config {
            host_name: "lns".into(),
            ..Config::default()
        },
        1,
    );
    let mut body = Vec::new();
    Message::Sccrq(sccrq(77)).emit(&mut body);
    let mut bytes = Vec::new();
    ControlHeader {
        tunnel: 0,
        session: 0,
        ns: 0,
        nr: 0,
    }
    .emit(&body, &mut bytes);
    server.handle_message(at(1.0), PEER, SERVER_PORTS, &bytes);
    let l2tp::Output::Transmit(transmit) = server.poll_output().unwrap() else {
        panic!()
    };
    let (_, body) = control(&transmit.bytes);
    let head = hex!(
        "8008 0000 0000 0002  8008 0000 0002 0100  800a 0000 0003 00000003
         8009 0000 0007 6c6e73  000a 0000 0008 61646974  8008 0000 0009"
    );
    assert_eq!(body[..head.len()], head);
    assert_ne!(body[head.len()..head.len() + 2], [0, 0]);
    assert_eq!(body[head.len() + 2..], hex!("8008 0000 000a 0008"));
    assert_eq!(server.poll_output(), None);
}

#[test]
fn what_a_peer_calls_itself_reaches_no_terminal_raw() {
    let mut script = Script::new(Config::default());
    let name = "PC\u{202e}\x1b[2J\0".as_bytes().to_vec();
    let request = Start {
        host_name: Some(name),
        ..sccrq(77)
    };
    let answers = script.say(0, &Message::Sccrq(request));
    let [Answer::Message(_, Message::Sccrp(reply))] = &answers[..] else {
        panic!("{answers:?}");
    };
    script.tunnel = reply.assigned_tunnel_id.unwrap();
    let answers = script.say(0, &Message::Scccn(None));
    let [_, Answer::Event(Event::TunnelUp(up))] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(up.info.host_name, "PC[2J");
}

#[test]
fn a_phone_with_a_window_of_one_gets_its_session() {
    let (mut script, session) = with_session(Config::default());
    assert!(script.server.has_session(session));
    // mtpd leaves with a StopCCN and a result code of two bytes.
    let stop = StopCcn {
        assigned_tunnel_id: Some(77),
        result: Some(ResultCode {
            result: 6,
            error: None,
            message: String::new(),
        }),
    };
    let answers = script.say(0, &Message::StopCcn(stop.clone()));
    let reason = CloseReason::Peer(PeerResult {
        of_tunnel: true,
        result: stop.result.clone(),
        cause: None,
    });
    let [Answer::Zlb(_), rest @ ..] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(
        rest,
        [
            Answer::Event(Event::SessionDown {
                session,
                reason: reason.clone()
            }),
            Answer::Event(Event::TunnelDown {
                tunnel: session.tunnel,
                reason
            }),
        ]
    );

    // RFC 2661 §5.7: for a full retransmission cycle the StopCCN is acknowledged again.
    script.wait(30.0);
    script.ns -= 1;
    assert!(matches!(
        script.say(0, &Message::StopCcn(stop.clone()))[..],
        [Answer::Zlb(_)]
    ));
    script.wait(2.0);
    assert_eq!(script.server.tunnel_count(), 0);
    script.ns -= 1;
    assert_eq!(script.say(0, &Message::StopCcn(stop)), []);
}

#[test]
fn nothing_more_is_in_flight_to_a_window_of_one() {
    let mut script = with_tunnel(Config::default());
    // Two calls without acknowledging in between: the second answer waits for the first.
    let nr = script.nr;
    assert!(matches!(
        script.say(0, &icrq(1))[..],
        [Answer::Message(
            ControlHeader { session: 1, .. },
            Message::Icrp(_)
        )]
    ));
    script.nr = nr;
    assert!(matches!(script.say(0, &icrq(2))[..], [Answer::Zlb(_)]));
    script.nr = nr + 1;
    assert!(matches!(
        script.say_body(0, &[])[..],
        [Answer::Message(
            ControlHeader { session: 2, .. },
            Message::Icrp(_)
        )]
    ));
}

#[test]
fn a_repeated_sccrq_gets_the_same_sccrp_and_no_second_tunnel() {
    let mut script = Script::new(Config::default());
    let first = script.say(0, &Message::Sccrq(sccrq(77)));
    script.wait(0.5);
    (script.ns, script.nr) = (0, 0);
    let second = script.say(0, &Message::Sccrq(sccrq(77)));
    assert_eq!(first, second);
    assert_eq!(script.server.tunnel_count(), 1);
    assert_eq!(script.server.counters().repeated_requests, 1);
    // Another id is another tunnel.
    (script.ns, script.nr) = (0, 0);
    script.say(0, &Message::Sccrq(sccrq(78)));
    assert_eq!(script.server.tunnel_count(), 2);
}

#[test]
fn an_old_tunnel_ends_when_its_client_starts_again_with_the_same_id() {
    let (mut script, session) = with_session(Config::default());
    let established = script.tunnel;
    // A straggler is only acknowledged.
    let request = |script: &mut Script| {
        (script.tunnel, script.ns, script.nr) = (0, 0, 0);
        script.say(0, &Message::Sccrq(sccrq(77)))
    };
    assert!(matches!(request(&mut script)[..], [Answer::Zlb(_)]));
    script.wait(10.0);
    let answers = request(&mut script);
    let [
        Answer::Event(Event::SessionDown {
            session: ended,
            reason: CloseReason::Restarted,
        }),
        Answer::Event(Event::TunnelDown { .. }),
        Answer::Message(_, Message::Sccrp(reply)),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(*ended, session);
    assert_ne!(reply.assigned_tunnel_id, Some(established));
}

#[test]
fn a_stop_ccn_with_a_wrong_tunnel_id_closes_by_its_avp() {
    for wrong in [0, 77, 0xffff] {
        let (mut script, _) = with_session(Config::default());
        assert_ne!(script.tunnel, wrong);
        script.tunnel = wrong;
        let stop = |id| {
            Message::StopCcn(StopCcn {
                assigned_tunnel_id: Some(id),
                result: None,
            })
        };
        assert_eq!(script.say(0, &stop(78)), [], "somebody else's id");
        script.ns -= 1;
        let answers = script.say(0, &stop(77));
        assert!(matches!(
            answers[..],
            [
                Answer::Zlb(_),
                Answer::Event(Event::SessionDown { .. }),
                Answer::Event(Event::TunnelDown { .. }),
            ]
        ));
    }
}

#[test]
fn a_cdn_with_a_wrong_session_id_closes_by_its_avp() {
    let (mut script, session) = with_session(Config::default());
    let cdn = |id| {
        Message::Cdn(Cdn {
            assigned_session_id: Some(id),
            ..Cdn::default()
        })
    };
    assert!(matches!(script.say(0, &cdn(89))[..], [Answer::Zlb(_)]));
    let answers = script.say(0, &cdn(88));
    let [
        Answer::Zlb(_),
        Answer::Event(Event::SessionDown { session: ended, .. }),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(*ended, session);
}

#[test]
fn answers_go_where_the_sccrq_came_from() {
    let mut script = Script::new(Config::default());
    script.ports = Ports {
        local: 1701,
        remote: 50_001,
    };
    script.say(0, &Message::Sccrq(sccrq(77)));
    let mut bytes = Vec::new();
    let header = ControlHeader {
        tunnel: 0,
        session: 0,
        ns: 0,
        nr: 0,
    };
    let mut body = Vec::new();
    Message::Sccrq(sccrq(77)).emit(&mut body);
    header.emit(&body, &mut bytes);
    let elsewhere = Ports {
        local: 1701,
        remote: 50_002,
    };
    script
        .server
        .handle_message(script.now, script.peer, elsewhere, &bytes);
    assert_eq!(
        script.answers().len(),
        1,
        "checked there to go to port 50001"
    );
}

#[test]
fn a_window_that_is_overrun_is_dropped_and_recovers() {
    let mut script = with_tunnel(Config {
        receive_window: 2,
        ..Config::default()
    });
    let next = script.ns;
    for (ns, expected) in [
        (next + 2, DropReason::OutsideWindow),
        (next - 1, DropReason::Duplicate),
    ] {
        script.ns = ns;
        let before = script.server.counters().dropped(expected);
        assert!(matches!(
            script.say(0, &Message::Hello)[..],
            [Answer::Zlb(_)]
        ));
        assert_eq!(script.server.counters().dropped(expected), before + 1);
    }
    script.ns = next;
    let answers = script.say(0, &Message::Hello);
    let [Answer::Zlb(zlb)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(zlb.nr, next + 1);
}

#[test]
fn many_peers_are_told_apart() {
    let mut script = Script::new(Config::default());
    let mut tunnels = Vec::new();
    for peer in 0..3_000 {
        (script.peer, script.tunnel, script.ns, script.nr) = (PeerId(peer), 0, 0, 0);
        let answers = script.say(0, &Message::Sccrq(sccrq(1)));
        let [Answer::Message(_, Message::Sccrp(reply))] = &answers[..] else {
            panic!()
        };
        tunnels.push(reply.assigned_tunnel_id.unwrap());
    }
    for (peer, tunnel) in tunnels.iter().enumerate() {
        (script.peer, script.tunnel) = (PeerId(peer as u64), *tunnel);
        (script.ns, script.nr) = (1, 1);
        assert!(matches!(
            script.say(0, &Message::Scccn(None))[..],
            [Answer::Zlb(_), Answer::Event(Event::TunnelUp(_))]
        ));
    }
    assert_eq!(script.server.tunnel_count(), 3_000);
    let secret = Config {
        secret: Some(Secret::from(&b"hidden"[..])),
        ..Config::default()
    };
    assert!(!format!("{secret:?}").contains("hidden"));
}
