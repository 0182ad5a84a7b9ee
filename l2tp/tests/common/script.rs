//! A client that is spoken by hand.

use std::time::Duration;

use l2tp::codec::{
    CallConnected, CallRequest, ControlHeader, ErrorCode, FramingCapabilities, Message, ResultCode,
    Start,
};
use l2tp::{Config, Endpoint, Event, Output, Refusal, SessionId, TunnelId};
use wire::{Instant, PeerId, Ports};

use super::{PEER, SERVER_PORTS, at, control, endpoint, outputs};

/// A client that says exactly what it is told to, against a server endpoint.
pub struct Script {
    pub server: Endpoint,
    pub now: Instant,
    pub peer: PeerId,
    pub ports: Ports,
    /// The server's tunnel id, once known.
    pub tunnel: u16,
    pub ns: u16,
    pub nr: u16,
}

/// What a server answered: messages (None for a ZLB) and events, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Zlb(ControlHeader),
    Message(ControlHeader, Message),
    Event(Event),
}

impl Script {
    pub fn new(config: Config) -> Self {
        Self {
            server: endpoint(config, 1),
            now: at(1_000.0),
            peer: PEER,
            ports: SERVER_PORTS,
            tunnel: 0,
            ns: 0,
            nr: 0,
        }
    }

    /// Sends a message with the next number and acknowledges all that came.
    pub fn say(&mut self, session: u16, message: &Message) -> Vec<Answer> {
        let mut body = Vec::new();
        message.emit(&mut body);
        self.say_body(session, &body)
    }

    pub fn say_body(&mut self, session: u16, body: &[u8]) -> Vec<Answer> {
        let header = ControlHeader {
            tunnel: self.tunnel,
            session,
            ns: self.ns,
            nr: self.nr,
        };
        self.ns = self.ns.wrapping_add(u16::from(!body.is_empty()));
        self.raw(&header, body)
    }

    pub fn raw(&mut self, header: &ControlHeader, body: &[u8]) -> Vec<Answer> {
        let mut bytes = Vec::new();
        header.emit(body, &mut bytes);
        self.server
            .handle_message(self.now, self.peer, self.ports, &bytes);
        self.answers()
    }

    pub fn wait(&mut self, seconds: f64) -> Vec<Answer> {
        let end = self.now + Duration::from_secs_f64(seconds);
        let mut answers = Vec::new();
        while let Some((at, _)) = self.server.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.server.handle_timeout(self.now);
            answers.extend(self.answers());
        }
        self.now = end;
        answers
    }

    pub fn answers(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        for output in outputs(&mut self.server) {
            answers.push(match output {
                Output::Event(event) => Answer::Event(event),
                Output::Transmit(transmit) => {
                    assert_eq!((transmit.peer, transmit.ports), (self.peer, self.ports));
                    let (header, body) = control(&transmit.bytes);
                    if body.is_empty() {
                        Answer::Zlb(header)
                    } else {
                        self.nr = header.ns.wrapping_add(1);
                        Answer::Message(header, Message::parse(&body, None).unwrap().message)
                    }
                }
            });
        }
        answers
    }
}

/// The SCCRQ of a phone: window 1, no vendor name.
pub fn sccrq(id: u16) -> Start {
    Start {
        protocol_version: Some((1, 0)),
        host_name: Some(b"anonymous".to_vec()),
        framing: Some(FramingCapabilities::BOTH),
        assigned_tunnel_id: Some(id),
        receive_window: Some(1),
        ..Start::default()
    }
}

pub fn icrq(id: u16) -> Message {
    Message::Icrq(CallRequest {
        assigned_session_id: Some(id),
        serial: Some(1),
        bearer: None,
    })
}

pub fn iccn() -> Message {
    Message::Iccn(CallConnected {
        tx_speed: Some(1_000_000),
        ..CallConnected::default()
    })
}

/// A script whose tunnel 77 is established.
pub fn with_tunnel(config: Config) -> Script {
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
pub fn with_session(config: Config) -> (Script, SessionId) {
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

pub fn tunnel_id(script: &Script) -> TunnelId {
    TunnelId {
        peer: script.peer,
        id: script.tunnel,
    }
}

pub fn refusal(answer: &Answer) -> &Refusal {
    match answer {
        Answer::Event(Event::Refused { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    }
}

/// The one StopCCN among the answers and the refusal reported with it.
pub fn stopped(answers: &[Answer]) -> (ResultCode, Refusal) {
    let [Answer::Message(header, Message::StopCcn(stop)), event] = answers else {
        panic!("{answers:?}");
    };
    assert_eq!((header.session, header.tunnel), (0, 77));
    assert!(stop.assigned_tunnel_id.is_some_and(|id| id != 0));
    (stop.result.clone().unwrap(), refusal(event).clone())
}

pub fn result(code: u16, error: ErrorCode) -> ResultCode {
    ResultCode {
        result: code,
        error: Some(error),
        message: String::new(),
    }
}
