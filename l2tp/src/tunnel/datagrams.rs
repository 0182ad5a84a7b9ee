//! A tunnel's messages as bytes: what is put out, and what is looked at at all.

use wire::{PeerId, Ports};

use super::Context;
use super::connection::Tunnel;
use super::table::State;
use crate::codec::{ControlHeader, Message, emit_hidden};
use crate::habits::HeaderId;
use crate::{Output, Role, Transmit};

impl Tunnel {
    pub(super) fn send(&mut self, cx: &mut Context<'_>, session: u16, message: &Message) {
        let body = self.encode(cx, message);
        if self.channel.send(session, body).is_err() {
            // The peer acknowledges nothing and still makes us say more; its timers end it.
            tracing::debug!(tunnel = %self.id, kind = %message.kind(), "send queue full, dropped");
        }
    }

    /// Puts out what may be sent now, and the acknowledgement if nothing else carried it.
    pub fn flush(&mut self, cx: &mut Context<'_>) {
        let tunnel = self.header_id();
        let (peer, ports) = (self.id.peer, self.ports);
        while let Some(segment) = self.channel.poll_transmit(cx.now) {
            let repeated = u64::from(segment.repeated);
            cx.counters.retransmitted = cx.counters.retransmitted.saturating_add(repeated);
            let (session, ns, nr) = (segment.session, segment.ns, segment.nr);
            let header = ControlHeader {
                tunnel,
                session,
                ns,
                nr,
            };
            transmit(cx, peer, ports, header, segment.body);
        }
        if let Some((ns, nr)) = self.channel.poll_acknowledgement()
            && self.remote_id != 0
        {
            let header = ControlHeader {
                tunnel,
                session: 0,
                ns,
                nr,
            };
            transmit(cx, peer, ports, header, &[]);
        }
    }

    /// The tunnel id of the headers that we send.
    fn header_id(&self) -> u16 {
        match self.state {
            State::Established if self.habits.header == HeaderId::Zero => 0,
            State::Closed if self.habits.farewell.misaddressed => self.id.id,
            _ => self.remote_id,
        }
    }

    pub(super) fn encode(&self, cx: &mut Context<'_>, message: &Message) -> Vec<u8> {
        let (list, mut body) = (self.habits.arrange(message), Vec::new());
        // Who calls and speaks of no secret has none, and could not read what is hidden.
        let shared = self.role == Role::Client || self.answer.is_some() || self.challenge.is_some();
        match &cx.config.secret {
            Some(secret) if cx.config.hide && shared => {
                emit_hidden(&list, secret, cx.rng, &mut body)
            }
            _ => self.habits.emit(&list, &mut body),
        }
        body
    }

    /// A HELLO outside of any tunnel, and so without numbers worth the name.
    pub(super) fn send_wake_up(&self, cx: &mut Context<'_>) {
        let header = ControlHeader {
            tunnel: 0,
            session: 0,
            ns: 0,
            nr: 0,
        };
        let mut body = Vec::new();
        Message::Hello.emit(&mut body);
        transmit(cx, self.id.peer, self.ports, header, &body);
    }

    /// Whether `bytes` from `ports` are a control message that is looked at at all.
    pub fn accepts(&self, ports: Ports, bytes: &[u8]) -> bool {
        !self.habits.strict || (ports.remote == self.ports.remote && is_exact(bytes))
    }
}

fn transmit(cx: &mut Context<'_>, peer: PeerId, ports: Ports, header: ControlHeader, body: &[u8]) {
    let mut bytes = Vec::new();
    header.emit(body, &mut bytes);
    cx.counters.sent = cx.counters.sent.saturating_add(1);
    cx.out
        .push_back(Output::Transmit(Transmit { peer, ports, bytes }));
}

/// Whether a control message has nothing in it that could be otherwise: flags, length, and a ZLB's
/// emptiness or a mandatory Message Type in front.
fn is_exact(bytes: &[u8]) -> bool {
    const MESSAGE_TYPE: [u8; 6] = [0x80, 0x08, 0, 0, 0, 0];
    let Some(([0xc8, 0x02, high, low], _)) = bytes.split_first_chunk() else {
        return false;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let body = bytes.get(12..).unwrap_or_default();
    length == bytes.len() && (body.is_empty() || body.starts_with(&MESSAGE_TYPE))
}
