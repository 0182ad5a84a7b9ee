//! The LNS against a client that is spoken by hand: each rule and each quirk on its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod common;

use common::*;
use hex_literal::hex;
use l2tp::codec::{
    AvpType, CallConnected, CallRequest, Cdn, ControlHeader, DisconnectCode, DisconnectDirection,
    ErrorCode, FramingCapabilities, Message, ResultCode, Start, StopCcn, Vendor,
};
use l2tp::{
    CloseReason, Config, DisconnectCause, DropReason, Event, PeerResult, Refusal, SessionId,
    TunnelId,
};
use wire::{PeerId, Ports, Secret};

/// The SCCRQ of a phone: window 1, no vendor name.
fn sccrq(id: u16) -> Start {
    Start {
        protocol_version: Some((1, 0)),
        host_name: Some(b"anonymous".to_vec()),
        framing: Some(FramingCapabilities::BOTH),
        assigned_tunnel_id: Some(id),
        receive_window: Some(1),
        ..Start::default()
    }
}

fn icrq(id: u16) -> Message {
    Message::Icrq(CallRequest {
        assigned_session_id: Some(id),
        serial: Some(1),
        bearer: None,
    })
}

fn iccn() -> Message {
    Message::Iccn(CallConnected {
        tx_speed: Some(1_000_000),
        ..CallConnected::default()
    })
}

/// A script whose tunnel 77 is established.
fn with_tunnel(config: Config) -> Script {
    let mut script = Script::new(config);
    let answers = script.say(0, &Message::Sccrq(sccrq(77)));
    let [Answer::Message(header, Message::Sccrp(reply))] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(
        (header.tunnel, header.session, header.ns, header.nr),
        (77, 0, 0, 1)
    );
    script.tunnel = reply.assigned_tunnel_id.unwrap();
    let answers = script.say(0, &Message::Scccn(None));
    let [Answer::Zlb(zlb), Answer::Event(Event::TunnelUp(up))] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!((zlb.tunnel, zlb.ns, zlb.nr), (77, 1, 2));
    assert_eq!((up.remote_id, up.tunnel.id), (77, script.tunnel));
    script
}

/// The same with a session, 88 to the client.
fn with_session(config: Config) -> (Script, SessionId) {
    let mut script = with_tunnel(config);
    let answers = script.say(0, &icrq(88));
    let [Answer::Message(header, Message::Icrp(Some(ours)))] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!((header.tunnel, header.session), (77, 88));
    let ours = *ours;
    let answers = script.say(ours, &iccn());
    // The acknowledgement comes before the event that makes PPP speak.
    let [Answer::Zlb(_), Answer::Event(Event::SessionUp(up))] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(
        (up.remote_tunnel, up.remote_session, up.session.id),
        (77, 88, ours)
    );
    (script, up.session)
}

fn tunnel_id(script: &Script) -> TunnelId {
    TunnelId {
        peer: script.peer,
        id: script.tunnel,
    }
}

fn refusal(answer: &Answer) -> &Refusal {
    match answer {
        Answer::Event(Event::Refused { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    }
}

/// The one StopCCN among the answers and the refusal reported with it.
fn stopped(answers: &[Answer]) -> (ResultCode, Refusal) {
    let [Answer::Message(header, Message::StopCcn(stop)), event] = answers else {
        panic!("{answers:?}");
    };
    assert_eq!((header.session, header.tunnel), (0, 77));
    assert!(stop.assigned_tunnel_id.is_some_and(|id| id != 0));
    (stop.result.clone().unwrap(), refusal(event).clone())
}

fn result(code: u16, error: ErrorCode) -> ResultCode {
    ResultCode {
        result: code,
        error: Some(error),
        message: String::new(),
    }
}

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
fn tunnel_zero_is_for_sccrq_alone() {
    let mut script = Script::new(Config::default());
    for message in [Message::Hello, Message::Scccn(None), icrq(1), Message::Wen] {
        assert_eq!(script.say(0, &message), []);
    }
    assert_eq!(script.say_body(0, &[]), []);
    assert_eq!(script.server.counters().dropped(DropReason::TunnelZero), 5);
    (script.ns, script.nr) = (0, 0);
    assert_eq!(
        script.say(0, &Message::Sccrq(sccrq(77))).len(),
        1,
        "and it still works"
    );
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
fn a_peer_cannot_touch_the_tunnel_of_another() {
    let (mut script, session) = with_session(Config::default());
    script.peer = PeerId(8);
    let stop = StopCcn {
        assigned_tunnel_id: Some(77),
        result: None,
    };
    assert_eq!(script.say(0, &Message::StopCcn(stop)), []);
    assert_eq!(script.say(session.id, &Message::Cdn(Cdn::default())), []);
    assert_eq!(
        script.server.counters().dropped(DropReason::UnknownTunnel),
        2
    );
    assert!(script.server.has_session(session));
    // It may have one of its own with the same id on its side.
    (script.tunnel, script.ns, script.nr) = (0, 0, 0);
    assert!(matches!(
        script.say(0, &Message::Sccrq(sccrq(77)))[..],
        [Answer::Message(_, Message::Sccrp(_))]
    ));
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
fn what_an_sccrq_may_not_ask_for() {
    let version = Start {
        protocol_version: Some((2, 0)),
        ..sccrq(77)
    };
    let challenge = Start {
        challenge: Some(b"prove it".to_vec()),
        ..sccrq(77)
    };
    let nothing = ErrorCode::NONE;
    let ask = |request: Start| {
        let mut script = Script::new(Config::default());
        let answers = script.say(0, &Message::Sccrq(request));
        assert_eq!(script.server.tunnel_count(), 0, "no state is kept");
        assert_eq!(script.server.poll_timeout(), None);
        answers
    };
    assert_eq!(
        stopped(&ask(version)),
        (result(5, nothing), Refusal::ProtocolVersion(2, 0))
    );
    let (code, refusal) = stopped(&ask(challenge));
    assert_eq!((code.result, refusal), (4, Refusal::NoSecret));
    assert_eq!(
        code.message,
        "the peer demands L2TP tunnel authentication and no tunnel secret is set here; \
         set the same L2TP secret on both sides or remove it from the peer"
    );
    // Without an id there is nobody to answer.
    for id in [None, Some(0)] {
        let answers = ask(Start {
            assigned_tunnel_id: id,
            ..sccrq(77)
        });
        let [Answer::Event(Event::Refused { refusal, .. })] = &answers[..] else {
            panic!("{answers:?}");
        };
        assert_eq!(
            refusal.to_string(),
            "the peer sent SCCRQ without a usable Assigned Tunnel ID AVP"
        );
    }
    // Leniency: neither version nor capabilities nor names.
    let bare = Start {
        assigned_tunnel_id: Some(77),
        ..Start::default()
    };
    assert!(matches!(
        ask_ok(bare)[..],
        [Answer::Message(_, Message::Sccrp(_))]
    ));
}

fn ask_ok(request: Start) -> Vec<Answer> {
    Script::new(Config::default()).say(0, &Message::Sccrq(request))
}

#[test]
fn unknown_avps_that_are_mandatory_end_what_they_are_part_of() {
    let unknown = hex!("8008 0311 0001 0000");
    let with = |message: &Message| {
        let mut body = Vec::new();
        message.emit(&mut body);
        body.extend(unknown);
        body
    };
    let mandatory = |refusal: &Refusal| {
        assert!(
            matches!(
                refusal,
                Refusal::MandatoryAvp {
                    vendor: Vendor(0x311),
                    avp: AvpType(1),
                    ..
                }
            ),
            "{refusal:?}"
        );
    };
    let expected = result(2, ErrorCode::MANDATORY_AVP);

    let mut script = Script::new(Config::default());
    let (code, refusal) = stopped(&script.say_body(0, &with(&Message::Sccrq(sccrq(77)))));
    mandatory(&refusal);
    assert_eq!(code, expected);

    // In a message of a session: that session.
    let mut script = with_tunnel(Config::default());
    let answers = script.say_body(0, &with(&icrq(88)));
    let [
        Answer::Message(header, Message::Cdn(cdn)),
        Answer::Event(Event::Refused { refusal, .. }),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    mandatory(refusal);
    assert_eq!((header.session, cdn.result.as_ref()), (88, Some(&expected)));

    let answers = script.say(0, &icrq(89));
    let [Answer::Message(_, Message::Icrp(Some(ours)))] = answers[..] else {
        panic!()
    };
    let answers = script.say_body(ours, &with(&iccn()));
    let [
        Answer::Message(_, Message::Cdn(cdn)),
        Answer::Event(Event::Refused { refusal, .. }),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    mandatory(refusal);
    assert_eq!(
        (cdn.assigned_session_id, cdn.result.as_ref()),
        (Some(ours), Some(&expected))
    );

    // In a message of the tunnel: the tunnel.
    let answers = script.say_body(0, &with(&Message::Hello));
    let [
        Answer::Message(_, Message::StopCcn(stop)),
        Answer::Event(Event::TunnelDown { .. }),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(stop.result.as_ref(), Some(&expected));
}

#[test]
fn optional_oddities_are_skipped() {
    let mut script = with_tunnel(Config::default());
    for body in [
        &hex!("8008 0000 0000 0006  0008 0311 0001 0000")[..],
        &hex!("0008 0000 0000 7777"),
        &hex!("8008 0000 0000 000f"),
        &hex!("8008 0000 0000 0010"),
    ] {
        assert!(
            matches!(script.say_body(0, body)[..], [Answer::Zlb(_)]),
            "{body:02x?}"
        );
    }
    let answers = script.say_body(0, &hex!("8008 0000 0000 7777"));
    let [
        Answer::Message(_, Message::StopCcn(_)),
        Answer::Event(Event::TunnelDown { reason, .. }),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(
        reason.to_string(),
        "the peer insists on message type 30583, which is not supported"
    );
}

#[test]
fn messages_out_of_place_end_the_tunnel_or_the_session() {
    let mut script = with_tunnel(Config::default());
    let answers = script.say(0, &Message::Scccn(None));
    let [
        Answer::Message(_, Message::StopCcn(stop)),
        Answer::Event(Event::TunnelDown { .. }),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(stop.result.as_ref().unwrap().result, 7);

    let (mut script, session) = with_session(Config::default());
    let answers = script.say(session.id, &iccn());
    let [
        Answer::Message(header, Message::Cdn(_)),
        Answer::Event(Event::SessionDown { .. }),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(header.session, 88);
    assert!(!script.server.has_session(session));
}

#[test]
fn outgoing_calls_are_refused() {
    let mut script = with_tunnel(Config::default());
    let answers = script.say(0, &Message::Ocrq(Some(5)));
    let [Answer::Message(header, Message::Cdn(cdn)), event] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(
        (header.session, cdn.result.as_ref().unwrap().result),
        (5, 5)
    );
    assert_eq!(refusal(event), &Refusal::OutgoingCall);
}

#[test]
fn half_open_tunnels_and_sessions_do_not_stay() {
    let mut script = Script::new(Config::default());
    script.say(0, &Message::Sccrq(sccrq(77)));
    script.nr = 0;
    let answers = script.wait(29.9);
    assert!(
        answers
            .iter()
            .all(|a| matches!(a, Answer::Message(_, Message::Sccrp(_))))
    );
    assert_eq!(answers.len(), 5);
    // The StopCCN has to wait: SCCRP fills the window of 1.
    let answers = script.wait(0.2);
    assert_eq!(
        answers.iter().map(refusal).collect::<Vec<_>>(),
        [&Refusal::HalfOpen("tunnel")]
    );
    script.wait(31.0);
    assert_eq!(
        (script.server.tunnel_count(), script.server.poll_timeout()),
        (0, None)
    );

    let mut script = with_tunnel(Config::default());
    script.say(0, &icrq(88));
    script.say_body(0, &[]);
    let answers = script.wait(31.0);
    let [Answer::Message(_, Message::Cdn(cdn)), event] = &answers[..2] else {
        panic!("{answers:?}");
    };
    assert_eq!(cdn.result.as_ref().unwrap().result, 10);
    assert_eq!(refusal(event), &Refusal::HalfOpen("session"));
}

#[test]
fn a_tunnel_without_sessions_is_closed() {
    let mut script = with_tunnel(Config::default());
    assert_eq!(script.wait(59.9), []);
    let answers = script.wait(0.2);
    let [
        Answer::Message(_, Message::StopCcn(stop)),
        Answer::Event(Event::TunnelDown {
            reason: CloseReason::Empty,
            ..
        }),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(stop.result, Some(result(1, ErrorCode::NONE)));
    // Acknowledged or not, it is gone after a cycle.
    script.wait(31.0);
    assert_eq!(script.server.tunnel_count(), 0);
}

#[test]
fn a_dozing_phone_keeps_its_session_as_long_as_data_flows() {
    let (mut script, session) = with_session(Config::default());
    assert_eq!(script.wait(59.9), []);
    let nr = script.nr;
    let hellos = script.wait(60.0);
    assert!(hellos.len() >= 5, "1, 2, 4, 8, 8 ... seconds apart");
    assert!(
        hellos
            .iter()
            .all(|a| matches!(a, Answer::Message(_, Message::Hello)))
    );
    script.nr = nr;
    // Never an acknowledgement, only data, now and then.
    for _ in 0..20 {
        script.server.note_data(script.now, script.peer);
        let hellos = script.wait(140.0);
        assert!(
            hellos
                .iter()
                .all(|a| matches!(a, Answer::Message(_, Message::Hello)))
        );
    }
    assert!(script.server.has_session(session));
    let answers = script.wait(30.0);
    assert!(
        matches!(
            answers[..],
            [
                ..,
                Answer::Event(Event::SessionDown {
                    reason: CloseReason::Unanswered,
                    ..
                }),
                Answer::Event(Event::TunnelDown { .. })
            ]
        ),
        "{answers:?}"
    );
}

#[test]
fn anything_heard_puts_the_hello_off() {
    let (mut script, _) = with_session(Config::default());
    for _ in 0..10 {
        assert_eq!(script.wait(59.0), []);
        script.server.note_data(script.now, script.peer);
        assert_eq!(script.wait(59.0), []);
        assert!(matches!(
            script.say(0, &Message::Hello)[..],
            [Answer::Zlb(_)]
        ));
    }
}

#[test]
fn limits_hold_for_peers_sessions_and_in_all() {
    let mut config = Config::default();
    config.limits.tunnels_per_peer = 2;
    config.limits.tunnels = 3;
    config.limits.sessions_per_tunnel = 1;
    let mut script = Script::new(config.clone());
    let ask = |script: &mut Script, peer, id| {
        (script.peer, script.tunnel, script.ns, script.nr) = (PeerId(peer), 0, 0, 0);
        script.say(0, &Message::Sccrq(sccrq(id)))
    };
    assert_eq!(ask(&mut script, 1, 75).len(), 1);
    assert_eq!(ask(&mut script, 1, 76).len(), 1);
    let resources = result(2, ErrorCode::RESOURCES);
    assert_eq!(
        stopped(&ask(&mut script, 1, 77)),
        (resources.clone(), Refusal::TunnelsOfPeer(2))
    );
    assert_eq!(ask(&mut script, 2, 77).len(), 1);
    assert_eq!(
        stopped(&ask(&mut script, 3, 77)),
        (resources, Refusal::Tunnels(3))
    );

    let mut script = with_tunnel(config);
    script.say(0, &icrq(1));
    let answers = script.say(0, &icrq(2));
    let [Answer::Message(header, Message::Cdn(cdn)), event] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(
        (header.session, cdn.result.as_ref().unwrap().result),
        (2, 4)
    );
    assert_eq!(refusal(event), &Refusal::Sessions(1));
}

#[test]
fn tunnels_that_only_linger_make_room() {
    let mut config = Config::default();
    config.limits.tunnels_per_peer = 2;
    let mut script = Script::new(config);
    for id in 1..50 {
        (script.tunnel, script.ns, script.nr) = (0, 0, 0);
        let answers = script.say(0, &Message::Sccrq(sccrq(id)));
        let [Answer::Message(_, Message::Sccrp(reply))] = &answers[..] else {
            panic!("{id}: {answers:?}");
        };
        script.tunnel = reply.assigned_tunnel_id.unwrap();
        let stop = StopCcn {
            assigned_tunnel_id: Some(id),
            result: None,
        };
        let answers = script.say(0, &Message::StopCcn(stop));
        let [Answer::Zlb(_), event] = &answers[..] else {
            panic!("{answers:?}")
        };
        assert_eq!(
            refusal(event).to_string(),
            "the peer gave up before the tunnel was established: no reason given"
        );
        assert!(script.server.tunnel_count() <= 2);
    }
}

#[test]
fn forgetting_a_peer_sends_nothing() {
    let (mut script, session) = with_session(Config::default());
    script.server.forget_peer(script.now, script.peer);
    let reason = CloseReason::PathGone;
    assert_eq!(
        script.answers(),
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
    assert_eq!(
        (script.server.tunnel_count(), script.server.poll_timeout()),
        (0, None)
    );
    script.server.forget_peer(script.now, script.peer);
    assert_eq!(script.answers(), []);
}

#[test]
fn cdn_carries_the_cause_of_ppp() {
    let (mut script, session) = with_session(Config::default());
    let cause = DisconnectCause {
        code: DisconnectCode::AUTHENTICATION_FAILED,
        protocol: 0xc223,
        direction: DisconnectDirection::PEER,
        message: "wrong password".into(),
    };
    let reason = CloseReason::Ppp(cause.clone());
    script
        .server
        .close_session(script.now, session, reason.clone());
    let answers = script.answers();
    let [
        Answer::Message(header, Message::Cdn(cdn)),
        Answer::Event(event),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!((header.session, cdn.cause.as_ref()), (88, Some(&cause)));
    assert_eq!(cdn.assigned_session_id, Some(session.id));
    assert_eq!(
        *event,
        Event::SessionDown {
            session,
            reason: reason.clone()
        }
    );
    assert_eq!(
        reason.to_string(),
        "PPP ended: authentication failed at the far end (\"wrong password\")"
    );
    script.server.close_session(script.now, session, reason);
    assert_eq!(script.answers(), [], "once is enough");
}

#[test]
fn causes_that_peers_give_are_told() {
    let (mut script, session) = with_session(Config::default());
    let cause = DisconnectCause {
        code: DisconnectCode::LCP_ECHO_TIMEOUT,
        protocol: 0xc021,
        direction: DisconnectDirection::LOCAL,
        message: String::new(),
    };
    let cdn = Cdn {
        result: Some(result(2, ErrorCode::RESOURCES).with_message("line")),
        assigned_session_id: Some(88),
        cause: Some(cause),
    };
    let answers = script.say(session.id, &Message::Cdn(cdn));
    let [
        Answer::Zlb(_),
        Answer::Event(Event::SessionDown { reason, .. }),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(
        reason.to_string(),
        "closed by the peer: general error, insufficient resources (\"line\"); \
         PPP: LCP echo requests were not answered at the near end"
    );
}

#[test]
fn stop_ccn_leaves_before_the_events() {
    let (mut script, session) = with_session(Config::default());
    let tunnel = tunnel_id(&script);
    script
        .server
        .close_tunnel(script.now, tunnel, CloseReason::ShuttingDown);
    let answers = script.answers();
    let [
        Answer::Message(_, Message::StopCcn(stop)),
        Answer::Event(Event::SessionDown { session: ended, .. }),
        Answer::Event(Event::TunnelDown { .. }),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(
        (*ended, stop.result.clone()),
        (session, Some(result(6, ErrorCode::NONE)))
    );
    // It is repeated until it is acknowledged, for one cycle.
    let repeated = script.wait(31.0);
    assert_eq!(repeated.len(), 5);
    assert_eq!(script.server.tunnel_count(), 0);
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
fn an_endless_message_and_data_are_dropped() {
    let mut script = with_tunnel(Config::default());
    let mut bytes = Vec::new();
    let header = ControlHeader {
        tunnel: script.tunnel,
        session: 0,
        ns: 2,
        nr: 1,
    };
    header.emit(&[0; 5_000], &mut bytes);
    script
        .server
        .handle_message(script.now, script.peer, script.ports, &bytes);
    script.server.handle_message(
        script.now,
        script.peer,
        script.ports,
        &hex!("0002 0001 0001 c021"),
    );
    assert_eq!(script.answers(), []);
    assert_eq!(script.server.counters().dropped(DropReason::Malformed), 1);
    assert_eq!(script.server.counters().dropped(DropReason::NotControl), 1);
}

#[test]
fn a_server_does_not_call_its_client() {
    // Our client's server asks for a tunnel itself, which no server does.
    let mut client = Script::new(Config::default());
    client
        .server
        .open_tunnel(client.now, client.peer, client.ports);
    client.answers();
    let (code, refusal) = stopped(&client.say(0, &Message::Sccrq(sccrq(77))));
    assert_eq!((code.result, refusal), (4, Refusal::TunnelTowardsClient));
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
