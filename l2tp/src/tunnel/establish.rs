//! How a tunnel comes up: SCCRQ, SCCRP and SCCCN (RFC 2661 §5.1, §7.2).

use rand_core::Rng as _;
use wire::Ports;

use super::connection::Tunnel;
use super::table::{Event as Step, State};
use super::{Context, authentication};
use crate::codec::{BearerCapabilities, FramingCapabilities, Message, MessageType, Start};
use crate::reliable::DEFAULT_WINDOW;
use crate::{CloseReason, PeerInfo, Refusal};

impl Tunnel {
    /// Takes over what SCCRQ or SCCRP says, and prepares the answer to its Challenge, which is to
    /// go out in a message of type `answer_in`.
    pub(super) fn learn(
        &mut self,
        cx: &Context<'_>,
        answer_in: MessageType,
        remote_id: u16,
        start: &Start,
    ) {
        let window = start.receive_window.unwrap_or(DEFAULT_WINDOW).max(1);
        self.remote_id = remote_id;
        self.channel.set_peer_window(window);
        self.info = PeerInfo {
            host_name: printable(start.host_name.as_deref()),
            vendor_name: printable(start.vendor_name.as_deref()),
            firmware_revision: start.firmware_revision,
            framing: start.framing,
            receive_window: window,
            authenticated: false,
        };
        if let (Some(secret), Some(challenge)) = (&cx.config.secret, &start.challenge) {
            self.answer = Some(authentication::response(answer_in, secret, challenge));
        }
    }

    pub(super) fn on_sccrp(
        &mut self,
        cx: &mut Context<'_>,
        ports: Ports,
        start: &Start,
        fault: Option<Refusal>,
    ) {
        if self.state != State::WaitCtlReply {
            return self.refuse(cx, Step::Sccrp, Refusal::OutOfOrder(MessageType::SCCRP));
        }
        // Even a refusal wants to be addressed.
        self.remote_id = start.assigned_tunnel_id.unwrap_or_default();
        let secret = cx.config.secret.as_ref();
        let checked = fault.map_or(Ok(()), Err).and_then(|()| {
            let id = authentication::check_start(MessageType::SCCRP, start, secret)?;
            let (challenge, response) = (self.challenge.as_deref(), &start.challenge_response);
            let kind = MessageType::SCCRP;
            authentication::check_response(kind, secret, challenge, response.as_ref())?;
            Ok(id)
        });
        match checked {
            Ok(remote_id) => {
                self.learn(cx, MessageType::SCCCN, remote_id, start);
                if let Some(backoff) = &self.habits.retransmit {
                    self.channel.set_backoff(backoff.clone());
                }
                self.info.authenticated = self.challenge.is_some();
                // RFC 2661 §8.1: the other end may answer from another port.
                self.ports.remote = ports.remote;
                self.step(cx, Step::Sccrp, CloseReason::Done);
            }
            Err(refusal) => self.refuse(cx, Step::SccrpRefused, refusal),
        }
    }

    pub(super) fn on_scccn(
        &mut self,
        cx: &mut Context<'_>,
        response: Option<&[u8; 16]>,
        fault: Option<Refusal>,
    ) {
        if self.state != State::WaitCtlConn {
            return self.refuse(cx, Step::Scccn, Refusal::OutOfOrder(MessageType::SCCCN));
        }
        let secret = cx.config.secret.as_ref();
        let challenge = self.challenge.as_deref();
        let checked = fault.map_or(Ok(()), Err).and_then(|()| {
            authentication::check_response(MessageType::SCCCN, secret, challenge, response)
        });
        match checked {
            Ok(()) => {
                self.info.authenticated = self.challenge.is_some();
                self.step(cx, Step::Scccn, CloseReason::Done);
            }
            Err(refusal) => self.refuse(cx, Step::ScccnRefused, refusal),
        }
    }

    pub(super) fn send_sccrq(&mut self, cx: &mut Context<'_>) {
        self.challenge = own_challenge(cx);
        let (config, introduction) = (cx.config, &self.habits.introduction);
        let host_name = introduction.host_name.as_deref();
        let mut host_name = cut(host_name.unwrap_or(config.host_name.as_bytes()));
        if introduction.terminated_host_name {
            host_name.push(0);
        }
        let vendor_name = introduction.vendor_name.as_deref();
        let firmware_revision = introduction.firmware_revision;
        let request = Start {
            protocol_version: Some((1, 0)),
            framing: Some(introduction.framing),
            bearer: Some(BearerCapabilities(0)),
            firmware_revision: Some(firmware_revision.unwrap_or(config.firmware_revision)),
            host_name: Some(host_name),
            vendor_name: Some(cut(vendor_name.unwrap_or(config.vendor_name.as_bytes()))),
            assigned_tunnel_id: Some(self.id.id),
            receive_window: Some(self.habits.receive_window(config)),
            challenge: self.challenge.clone(),
            ..Start::default()
        };
        self.send(cx, 0, &Message::Sccrq(request));
    }

    pub(super) fn send_sccrp(&mut self, cx: &mut Context<'_>) {
        self.challenge = own_challenge(cx);
        let config = cx.config;
        // Not one AVP more than needed: QUIRK(Apple, Android) they break on surprises.
        let reply = Start {
            protocol_version: Some((1, 0)),
            framing: Some(FramingCapabilities::BOTH),
            host_name: Some(cut(config.host_name.as_bytes())),
            vendor_name: Some(cut(config.vendor_name.as_bytes())),
            assigned_tunnel_id: Some(self.id.id),
            receive_window: Some(config.receive_window.max(1)),
            challenge: self.challenge.clone(),
            challenge_response: self.answer,
            ..Start::default()
        };
        self.send(cx, 0, &Message::Sccrp(reply));
    }
}

fn own_challenge(cx: &mut Context<'_>) -> Option<Vec<u8>> {
    let wanted = cx.config.challenge && cx.config.secret.is_some();
    wanted.then(|| {
        let mut challenge = vec![0; authentication::CHALLENGE];
        cx.rng.fill_bytes(&mut challenge);
        challenge
    })
}

/// A configured name within the bounds of an AVP.
fn cut(name: &[u8]) -> Vec<u8> {
    name.iter().copied().take(255).collect()
}

/// A peer's text, fit for logs.
fn printable(bytes: Option<&[u8]>) -> String {
    let text = String::from_utf8_lossy(bytes.unwrap_or_default());
    let shown = text.chars().filter(|c| wire::is_printable(*c));
    shown.take(64).collect()
}
