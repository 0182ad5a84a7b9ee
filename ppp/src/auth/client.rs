//! The client's end of authentication: shows, and with MS-CHAPv2 checks what the server shows.

use rand_core::Rng as _;
use wire::{Instant, Rng};
use zeroize::Zeroizing;

use super::mschapv2::{self, AuthenticatorResponse, Failure, NtHash};
use super::{Method, chap, pap};
use crate::config::{ClientConfig, Timers};
use crate::packet::Packet;
use crate::user::printable;

/// Wrong user name or password.
const LOGON_FAILURE: u32 = 691;

/// What follows from a packet or a timeout.
pub(crate) enum Step {
    /// Send this packet of the method's protocol.
    Send(Vec<u8>),
    /// The server has let us in, and shown that it may.
    Accepted,
    /// The server has not.
    Refused { code: u32, message: String },
    /// The server let us in without knowing the password.
    NotGenuine,
}

/// What we have shown. Kept after acceptance, because the server may not know that we know.
struct Shown {
    id: u8,
    /// The challenge it answers, to recognise copies of it; empty for PAP.
    challenge: Vec<u8>,
    packet: Zeroizing<Vec<u8>>,
    /// What a genuine server will show in turn, with MS-CHAPv2.
    proof: Option<AuthenticatorResponse>,
    tries: u32,
    /// When to repeat it.
    deadline: Option<Instant>,
    /// The server has answered.
    settled: bool,
}

pub(crate) struct Client {
    method: Method,
    /// `None` until the server has asked.
    shown: Option<Shown>,
    accepted: bool,
}

impl Client {
    pub fn new(method: Method) -> Self {
        Self {
            method,
            shown: None,
            accepted: false,
        }
    }

    /// With PAP we begin; otherwise the server does.
    pub fn start(&mut self, now: Instant, config: &ClientConfig, timers: &Timers) -> Option<Step> {
        if self.method != Method::Pap {
            return None;
        }
        let (user, password) = (config.user.as_bytes(), config.password.expose());
        let data = Zeroizing::new(pap::Request { user, password }.emit());
        let packet = Packet {
            code: pap::REQUEST,
            id: 1,
            data: &data,
        }
        .emit();
        Some(self.show(now, timers, 1, Vec::new(), packet, None))
    }

    fn show(
        &mut self,
        now: Instant,
        timers: &Timers,
        id: u8,
        challenge: Vec<u8>,
        packet: Vec<u8>,
        proof: Option<AuthenticatorResponse>,
    ) -> Step {
        let (packet, deadline) = (Zeroizing::new(packet), Some(now + timers.restart));
        let step = Step::Send(packet.to_vec());
        self.shown = Some(Shown {
            id,
            challenge,
            packet,
            proof,
            tries: 1,
            deadline,
            settled: false,
        });
        step
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.shown.as_ref().and_then(|shown| shown.deadline)
    }

    /// Repeats itself: the answer may have been lost. After the last time it goes on waiting,
    /// because a server may ask its user's telephone; the link has a deadline.
    pub fn handle_timeout(&mut self, now: Instant, timers: &Timers) -> Option<Step> {
        let shown = self.shown.as_mut()?;
        shown.deadline.filter(|deadline| *deadline <= now)?;
        if shown.tries >= timers.max_authenticate {
            shown.deadline = None;
            return None;
        }
        shown.tries = shown.tries.saturating_add(1);
        shown.deadline = Some(now + timers.restart);
        Some(Step::Send(shown.packet.to_vec()))
    }

    /// Takes a packet of the method's protocol.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        config: &ClientConfig,
        timers: &Timers,
        rng: &mut Rng,
    ) -> Option<Step> {
        match (self.method, packet.code) {
            (Method::Pap, pap::ACK) | (Method::Chap | Method::MsChapV2, chap::SUCCESS) => {
                self.on_success(packet)
            }
            (Method::Pap, pap::NAK) | (Method::Chap | Method::MsChapV2, chap::FAILURE) => {
                self.on_failure(packet)
            }
            (Method::Chap | Method::MsChapV2, chap::CHALLENGE) => {
                self.on_challenge(now, packet, config, timers, rng)
            }
            _ => None,
        }
    }

    fn on_challenge(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        config: &ClientConfig,
        timers: &Timers,
        rng: &mut Rng,
    ) -> Option<Step> {
        let asked = chap::Value::parse(packet.data).ok()?;
        // A copy gets the same response: another one, with another challenge of ours in it, would
        // not fit the server's answer to the first.
        if let Some(shown) = &self.shown
            && shown.id == packet.id
            && shown.challenge == asked.value
        {
            return Some(Step::Send(shown.packet.to_vec()));
        }
        let user = config.user.as_bytes();
        let (value, proof) = if self.method == Method::MsChapV2 {
            let challenge: [u8; 16] = asked.value.try_into().ok()?;
            let mut peer_challenge = [0; 16];
            rng.fill_bytes(&mut peer_challenge);
            let hash = NtHash::of(&config.password);
            let nt_response = mschapv2::nt_response(user, &hash, &challenge, &peer_challenge);
            let proof = mschapv2::authenticator_response(
                user,
                &hash,
                &challenge,
                &peer_challenge,
                &nt_response,
            );
            let response = mschapv2::Response {
                peer_challenge,
                nt_response,
                flags: 0,
            };
            (response.emit(), Some(proof))
        } else if asked.value.is_empty() {
            return None;
        } else {
            (
                chap::response(packet.id, asked.value, &config.password).to_vec(),
                None,
            )
        };
        let data = chap::Value {
            value: &value,
            name: user,
        }
        .emit();
        let response = Packet {
            code: chap::RESPONSE,
            id: packet.id,
            data: &data,
        }
        .emit();
        Some(self.show(
            now,
            timers,
            packet.id,
            asked.value.to_vec(),
            response,
            proof,
        ))
    }

    /// The answer counts only for what we have shown last, and once.
    fn settle(&mut self, packet: &Packet<'_>) -> Option<&Shown> {
        let shown = self.shown.as_mut().filter(|shown| shown.id == packet.id)?;
        shown.deadline = None;
        (!std::mem::replace(&mut shown.settled, true)).then_some(&*shown)
    }

    fn on_success(&mut self, packet: &Packet<'_>) -> Option<Step> {
        let shown = self.settle(packet)?;
        if let Some(expected) = &shown.proof {
            let proof = AuthenticatorResponse::from_success_message(packet.data);
            if !proof.is_some_and(|proof| proof.matches(expected)) {
                return Some(Step::NotGenuine);
            }
        }
        // A later challenge of the same session changes nothing.
        let first = !self.accepted;
        self.accepted = true;
        first.then_some(Step::Accepted)
    }

    fn on_failure(&mut self, packet: &Packet<'_>) -> Option<Step> {
        self.settle(packet)?;
        let text = match self.method {
            Method::Pap => pap::parse_message(packet.data),
            Method::Chap | Method::MsChapV2 => packet.data,
        };
        let (code, message) = match Failure::parse(text) {
            Some(failure) if self.method == Method::MsChapV2 => (failure.code, failure.message),
            _ => (LOGON_FAILURE, printable(text)),
        };
        let message = if message.is_empty() {
            explain(code).to_owned()
        } else {
            message
        };
        Some(Step::Refused { code, message })
    }
}

/// The error numbers of RFC 2759 §6 in words.
fn explain(code: u32) -> &'static str {
    match code {
        646 => "the account may not log on at this time",
        647 => "the account is disabled",
        648 => "the password has expired",
        649 => "the account has no dial-in permission",
        LOGON_FAILURE => "wrong user name or password",
        709 => "the password could not be changed",
        _ => "the server gave no reason",
    }
}
