//! The LNS against a client that is spoken by hand: silence, timers and the end.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod common;

use std::time::Duration;

use common::*;
use l2tp::codec::{Cdn, DisconnectCode, DisconnectDirection, ErrorCode, Message};
use l2tp::{CloseReason, Config, DisconnectCause, Event, Refusal, SessionId};

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
        script.server.note_data(script.now, session.tunnel);
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

/// A tunnel that is known to sleep is given more time than others, and not for ever.
#[test]
fn patience_with_one_tunnel_is_longer_and_ends() {
    let (mut script, session) = with_session(Config::default());
    let patience = Duration::from_secs(600);
    script.server.set_patience(session.tunnel, patience);
    script.wait(595.0);
    assert!(script.server.has_session(session));
    script.wait(30.0);
    assert!(!script.server.has_session(session));
}

#[test]
fn anything_heard_puts_the_hello_off() {
    let (mut script, session) = with_session(Config::default());
    for _ in 0..10 {
        assert_eq!(script.wait(59.0), []);
        script.server.note_data(script.now, session.tunnel);
        assert_eq!(script.wait(59.0), []);
        assert!(matches!(
            script.say(0, &Message::Hello)[..],
            [Answer::Zlb(_)]
        ));
    }
}

/// QUIRK(xl2tpd): killed and started again, it comes back over the IPsec connection that is there.
#[test]
fn data_does_not_keep_a_tunnel_that_was_left_behind() {
    let (mut script, old) = with_session(Config::default());
    script.wait(20.0);
    (script.tunnel, script.ns, script.nr) = (0, 0, 0);
    let answers = script.say(0, &Message::Sccrq(sccrq(78)));
    let [Answer::Message(_, Message::Sccrp(reply))] = &answers[..] else {
        panic!("{answers:?}");
    };
    script.tunnel = reply.assigned_tunnel_id.unwrap();
    script.say(0, &Message::Scccn(None));
    let answers = script.say(0, &icrq(89));
    let [Answer::Message(_, Message::Icrp(Some(new)))] = answers[..] else {
        panic!("{answers:?}");
    };
    let new = SessionId {
        tunnel: tunnel_id(&script),
        id: new,
    };
    script.say(new.id, &iccn());

    let mut ended = Vec::new();
    for _ in 0..20 {
        script.server.note_data(script.now, new.tunnel);
        ended.extend(script.wait(10.0));
        script.say(0, &Message::Hello);
    }
    ended.retain(|answer| matches!(answer, Answer::Event(_)));
    let (session, tunnel) = (old, old.tunnel);
    let reason = CloseReason::Unanswered;
    let expected = [
        Event::SessionDown {
            session,
            reason: reason.clone(),
        },
        Event::TunnelDown { tunnel, reason },
    ];
    assert_eq!(ended, expected.map(Answer::Event));
    assert!(script.server.has_session(new));
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
