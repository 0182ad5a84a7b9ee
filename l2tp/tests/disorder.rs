//! Messages of all kinds in any order, well-formed and not, from several peers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::*;
use l2tp::codec::{CallConnected, Cdn, ControlHeader, Message, Start, StopCcn};
use l2tp::{CloseReason, Config, Event, Output, SessionId, TunnelId};
use proptest::prelude::*;
use wire::PeerId;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happening {
    Message {
        peer: u64,
        tunnel: u8,
        session: u8,
        /// Ns and Nr; those that are due if absent.
        numbers: Option<(u16, u16)>,
        kind: u8,
        /// Which bit of the message is wrong.
        flip: Option<u16>,
    },
    Wait(f64),
    Data(u8),
    Forget(u64),
    CloseTunnel(u8),
    CloseSession(u8),
    Open(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let rarely = |strategy| prop::option::weighted(0.1, strategy);
    let numbers = prop::option::weighted(0.1, (0..6u16, 0..6u16));
    let message = (
        0..3u64,
        0..4u8,
        0..3u8,
        numbers,
        0..16u8,
        rarely(any::<u16>()),
    );
    prop_oneof![
        40 => message.prop_map(|(peer, tunnel, session, numbers, kind, flip)| {
            Happening::Message { peer, tunnel, session, numbers, kind, flip }
        }),
        3 => (0.0..40.0f64).prop_map(Happening::Wait),
        1 => (0..4u8).prop_map(Happening::Data),
        1 => (0..3u64).prop_map(Happening::Forget),
        1 => (0..4u8).prop_map(Happening::CloseTunnel),
        1 => (0..4u8).prop_map(Happening::CloseSession),
        1 => (0..3u64).prop_map(Happening::Open),
    ]
}

fn message(kind: u8) -> Vec<u8> {
    let start = Start {
        receive_window: Some(2),
        ..Start::default()
    };
    let start = |id| Start {
        assigned_tunnel_id: Some(id),
        ..start.clone()
    };
    let message = match kind {
        0 | 1 => Message::Sccrq(start(5)),
        2 => Message::Sccrq(start(6)),
        3 => Message::Sccrp(start(7)),
        4 | 5 => Message::Scccn(None),
        6 => icrq(3),
        7 => icrq(4),
        8 => Message::Icrp(Some(9)),
        9 | 10 => Message::Iccn(CallConnected::default()),
        11 => Message::Cdn(Cdn {
            assigned_session_id: Some(3),
            ..Cdn::default()
        }),
        12 => Message::StopCcn(StopCcn {
            assigned_tunnel_id: Some(5),
            result: None,
        }),
        13 => Message::Hello,
        14 => Message::Ocrq(Some(1)),
        _ => return Vec::new(),
    };
    let mut body = Vec::new();
    message.emit(&mut body);
    body
}

/// Follows the events: each thing that came up goes down once, and nothing else does.
#[derive(Default)]
struct Ledger {
    tunnels: BTreeSet<TunnelId>,
    sessions: BTreeSet<SessionId>,
    /// Opened by us: they end with an event even if they never came up.
    opened: BTreeSet<TunnelId>,
    seen_tunnels: Vec<TunnelId>,
    seen_sessions: Vec<SessionId>,
}

impl Ledger {
    fn read(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Transmit(transmit) => {
                    control(&transmit.bytes);
                }
                Output::Event(Event::TunnelUp(up)) => {
                    assert!(self.tunnels.insert(up.tunnel));
                    self.seen_tunnels.push(up.tunnel);
                }
                Output::Event(Event::SessionUp(up)) => {
                    assert!(self.tunnels.contains(&up.session.tunnel));
                    assert!(self.sessions.insert(up.session));
                    self.seen_sessions.push(up.session);
                }
                Output::Event(Event::SessionDown { session, .. }) => {
                    let opened = self.opened.contains(&session.tunnel);
                    assert!(self.sessions.remove(&session) || opened, "{session}");
                }
                Output::Event(Event::TunnelDown { tunnel, .. }) => {
                    assert!(!self.sessions.iter().any(|session| session.tunnel == tunnel));
                    let opened = self.opened.remove(&tunnel);
                    assert!(self.tunnels.remove(&tunnel) || opened, "{tunnel}");
                }
                Output::Event(Event::Refused { refusal, .. }) => {
                    assert!(!refusal.to_string().is_empty());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_happens_the_books_balance(happenings in prop::collection::vec(happening(), 0..120)) {
        let mut script = Script::new(Config::default());
        let mut ledger = Ledger::default();
        // Peer, our tunnel id, the peer's; and the numbers that the peer is to use next.
        let mut known: Vec<(u64, u16, u16)> = Vec::new();
        let mut due: BTreeMap<(u64, u16), (u16, u16)> = BTreeMap::new();
        let mut sessions: Vec<u16> = Vec::new();
        for happening in happenings {
            let now = script.now;
            match happening {
                Happening::Message { peer, tunnel, session, numbers, kind, flip } => {
                    // Mostly one of the latest tunnels, under its own peer.
                    let named = known.iter().rev().nth(tunnel.into()).copied();
                    let named = if kind < 3 { None } else { named };
                    let (peer, tunnel, remote) = named.unwrap_or((peer, 0, 0));
                    let due = *due.get(&(peer, remote)).unwrap_or(&(0, 0));
                    let (ns, nr) = numbers.unwrap_or(due);
                    let session = sessions.iter().rev().nth(session.into()).copied();
                    let session = session.filter(|_| (8..13).contains(&kind)).unwrap_or(0);
                    let mut bytes = Vec::new();
                    ControlHeader { tunnel, session, ns, nr }.emit(&message(kind), &mut bytes);
                    if let Some(flip) = flip {
                        let at = usize::from(flip / 8) % bytes.len();
                        bytes[at] ^= 1 << (flip % 8);
                    }
                    script.server.handle_message(now, PeerId(peer), SERVER_PORTS, &bytes);
                }
                Happening::Wait(seconds) => {
                    script.now = now + std::time::Duration::from_secs_f64(seconds);
                    script.server.handle_timeout(script.now);
                }
                Happening::Data(n) => {
                    if let Some(tunnel) = ledger.seen_tunnels.iter().rev().nth(n.into()) {
                        script.server.note_data(now, *tunnel);
                    }
                }
                Happening::Forget(peer) => script.server.forget_peer(now, PeerId(peer)),
                Happening::CloseTunnel(n) => {
                    if let Some(tunnel) = ledger.seen_tunnels.iter().rev().nth(n.into()) {
                        script.server.close_tunnel(now, *tunnel, CloseReason::Administrative);
                    }
                }
                Happening::CloseSession(n) => {
                    if let Some(session) = ledger.seen_sessions.iter().rev().nth(n.into()) {
                        script.server.close_session(now, *session, CloseReason::Administrative);
                    }
                }
                Happening::Open(peer) => {
                    let id = script.server.open_tunnel(now, PeerId(peer), CLIENT_PORTS, Arc::default());
                    ledger.opened.insert(id);
                    known.push((peer, id.id, 7));
                    due.remove(&(peer, 7));
                }
            }
            let outputs = outputs(&mut script.server);
            // The ids that the answers reveal are what later messages name.
            for output in &outputs {
                if let Output::Transmit(transmit) = output {
                    let (header, body) = control(&transmit.bytes);
                    let (peer, remote) = (transmit.peer.0, header.tunnel);
                    let next = header.ns.wrapping_add(u16::from(!body.is_empty()));
                    due.insert((peer, remote), (header.nr, next));
                    match Message::parse(&body, None).map(|received| received.message) {
                        Ok(Message::Sccrp(start)) => {
                            known.extend(start.assigned_tunnel_id.map(|id| (peer, id, remote)));
                        }
                        Ok(Message::Icrp(id)) => sessions.extend(id),
                        _ => {}
                    }
                }
            }
            prop_assert!(outputs.len() <= 64, "{} outputs for one input", outputs.len());
            ledger.read(outputs);
        }
        // Left alone, everything ends, and nothing is left.
        for _ in 0..2_000 {
            let Some((at, _)) = script.server.poll_timeout() else { break };
            script.now = script.now.max(at);
            script.server.handle_timeout(script.now);
            ledger.read(outputs(&mut script.server));
        }
        prop_assert_eq!(script.server.poll_timeout(), None);
        prop_assert_eq!(script.server.tunnel_count(), 0);
        prop_assert!(ledger.tunnels.is_empty() && ledger.sessions.is_empty());
        prop_assert!(ledger.opened.is_empty());
    }
}
