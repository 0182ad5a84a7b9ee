//! The LNS against a client that is spoken by hand: what it does not put up with.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod common;

use std::sync::Arc;

use common::*;
use hex_literal::hex;
use l2tp::codec::{AvpType, Cdn, ControlHeader, ErrorCode, Message, Start, StopCcn, Vendor};
use l2tp::{Config, DropReason, Event, Refusal};
use wire::PeerId;

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

    let second_call = |config| {
        let mut script = with_tunnel(config);
        script.say(0, &icrq(1));
        let answers = script.say(0, &icrq(2));
        let [Answer::Message(header, Message::Cdn(cdn)), event] = &answers[..] else {
            panic!("{answers:?}");
        };
        let result = cdn.result.as_ref().unwrap().result;
        assert_eq!((header.session, result), (2, 4));
        refusal(event).clone()
    };
    assert_eq!(second_call(config), Refusal::Sessions(1));
    let mut config = Config::default();
    config.limits.sessions_per_peer = 1;
    assert_eq!(second_call(config), Refusal::SessionsOfPeer(1));
    let mut config = Config::default();
    config.limits.sessions = 1;
    assert_eq!(second_call(config), Refusal::SessionsInAll(1));
}

#[test]
fn tunnels_that_only_linger_make_room() {
    let mut config = Config::default();
    config.limits.tunnels_per_peer = 2;
    let mut script = Script::new(config);
    // The same id each time, as a client that draws badly may send it.
    let id = 1;
    for round in 1..50 {
        (script.tunnel, script.ns, script.nr) = (0, 0, 0);
        let answers = script.say(0, &Message::Sccrq(sccrq(id)));
        let [Answer::Message(_, Message::Sccrp(reply))] = &answers[..] else {
            panic!("{round}: {answers:?}");
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
        .open_tunnel(client.now, client.peer, client.ports, Arc::default());
    client.answers();
    let (code, refusal) = stopped(&client.say(0, &Message::Sccrq(sccrq(77))));
    assert_eq!((code.result, refusal), (4, Refusal::TunnelTowardsClient));
}
