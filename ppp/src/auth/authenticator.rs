//! The server's end of authentication: asks, passes what is shown to whoever can check it, answers.

use rand_core::Rng as _;
use wire::{Instant, Rng, Secret};

use super::mschapv2::{self, Failure};
use super::{Exchange, Method, chap, pap};
use crate::UserName;
use crate::config::Timers;
use crate::event::{AuthenticateId, Verdict};
use crate::packet::Packet;

/// What a client reads when it is let in.
const WELCOME: &str = "Welcome";

/// What follows from a packet, a timeout or a verdict.
pub(crate) enum Step {
    /// Send this packet of the method's protocol.
    Send(Vec<u8>),
    /// These credentials need a verdict.
    Check(UserName, Exchange),
    /// The client does not answer.
    GiveUp,
}

/// How far it has come.
enum Progress {
    /// For the client to show something.
    Waiting {
        tries: u32,
        deadline: Option<Instant>,
    },
    /// For the verdict. A client that repeats itself meanwhile is not heard again.
    Checking {
        request: AuthenticateId,
        user: UserName,
        packet_id: u8,
    },
    /// A client that repeats itself gets the answer again, whatever it shows now: it has one try
    /// (RFC 1994 §4.1, RFC 1334 §2.2.1).
    Answered { accepted: bool, message: Vec<u8> },
}

pub(crate) struct Authenticator {
    method: Method,
    name: Vec<u8>,
    id: u8,
    challenge: [u8; 16],
    progress: Progress,
}

impl Authenticator {
    pub fn new(method: Method, name: &str, rng: &mut Rng) -> Self {
        let mut challenge = [0; 16];
        rng.fill_bytes(&mut challenge);
        let [id, ..] = rng.next_u32().to_le_bytes();
        let progress = Progress::Waiting {
            tries: 0,
            deadline: None,
        };
        Self {
            method,
            name: name.as_bytes().to_vec(),
            id,
            challenge,
            progress,
        }
    }

    /// Asks the client. With PAP it is the client that begins.
    pub fn start(&mut self, now: Instant, timers: &Timers) -> Option<Step> {
        (self.method != Method::Pap).then(|| self.challenge(now, timers))
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self.progress {
            Progress::Waiting { deadline, .. } => deadline,
            Progress::Checking { .. } | Progress::Answered { .. } => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant, timers: &Timers) -> Option<Step> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        Some(self.challenge(now, timers))
    }

    fn challenge(&mut self, now: Instant, timers: &Timers) -> Step {
        if let Progress::Waiting { tries, deadline } = &mut self.progress {
            if *tries >= timers.max_authenticate {
                *deadline = None;
                return Step::GiveUp;
            }
            *tries = tries.saturating_add(1);
            *deadline = Some(now + timers.restart);
        }
        let data = chap::Value {
            value: &self.challenge,
            name: &self.name,
        }
        .emit();
        Step::Send(
            Packet {
                code: chap::CHALLENGE,
                id: self.id,
                data: &data,
            }
            .emit(),
        )
    }

    /// Takes a packet of the method's protocol. `request` names the request that may come of it.
    pub fn handle_packet(&mut self, packet: &Packet<'_>, request: AuthenticateId) -> Option<Step> {
        let expected = match self.method {
            Method::Pap => packet.code == pap::REQUEST,
            Method::Chap | Method::MsChapV2 => {
                packet.code == chap::RESPONSE && packet.id == self.id
            }
        };
        if !expected {
            tracing::debug!(
                code = packet.code.0,
                id = packet.id,
                "authentication packet ignored"
            );
            return None;
        }
        match &mut self.progress {
            Progress::Answered { .. } => self.answer(packet.id).map(Step::Send),
            // The answer goes to the latest copy.
            Progress::Checking { packet_id, .. } => {
                *packet_id = packet.id;
                None
            }
            Progress::Waiting { .. } => {
                let (user, exchange) = self.read(packet)?;
                let (packet_id, name) = (packet.id, user.clone());
                self.progress = Progress::Checking {
                    request,
                    user: name,
                    packet_id,
                };
                Some(Step::Check(user, exchange))
            }
        }
    }

    /// What the packet shows; `None` if it is malformed or its name too long.
    fn read(&self, packet: &Packet<'_>) -> Option<(UserName, Exchange)> {
        let id = packet.id;
        if self.method == Method::Pap {
            let request = pap::Request::parse(packet.data).ok()?;
            let password = Secret::from(request.password);
            return Some((UserName::new(request.user)?, Exchange::Pap { password }));
        }
        let shown = chap::Value::parse(packet.data).ok()?;
        let exchange = if self.method == Method::MsChapV2 {
            let response = mschapv2::Response::parse(shown.value).ok()?;
            Exchange::MsChapV2 {
                id,
                challenge: self.challenge,
                response,
            }
        } else {
            let response = shown.value.try_into().ok()?;
            Exchange::Chap {
                id,
                challenge: self.challenge.to_vec(),
                response,
            }
        };
        Some((UserName::new(shown.name)?, exchange))
    }

    /// The user that waits for the verdict on `request`, if it is that one.
    pub fn awaits(&self, request: AuthenticateId) -> Option<UserName> {
        match &self.progress {
            Progress::Checking {
                request: pending,
                user,
                ..
            } if *pending == request => Some(user.clone()),
            _ => None,
        }
    }

    /// Turns the verdict into the packet that tells the client. An acceptance must come with the
    /// proof that MS-CHAPv2 needs.
    pub fn on_verdict(&mut self, verdict: &Verdict, rng: &mut Rng) -> Option<Vec<u8>> {
        let Progress::Checking { packet_id, .. } = self.progress else {
            return None;
        };
        let (accepted, message) = match (verdict, self.method) {
            (
                Verdict::Accept {
                    authenticator_response,
                    ..
                },
                Method::MsChapV2,
            ) => (
                true,
                authenticator_response.as_ref()?.success_message(WELCOME),
            ),
            (Verdict::Accept { .. }, Method::Chap) => (true, WELCOME.as_bytes().to_vec()),
            (Verdict::Accept { .. }, Method::Pap) => (true, pap::emit_message(WELCOME)),
            (Verdict::Reject { code, message }, Method::MsChapV2) => {
                // Clients expect a challenge even where no retry is allowed (RFC 2759 §6).
                let mut challenge = [0; 16];
                rng.fill_bytes(&mut challenge);
                let (code, message) = (*code, message.clone());
                let failure = Failure {
                    code,
                    retry: false,
                    challenge: Some(challenge),
                    message,
                };
                (false, failure.emit())
            }
            (Verdict::Reject { message, .. }, Method::Chap) => (false, message.as_bytes().to_vec()),
            (Verdict::Reject { message, .. }, Method::Pap) => (false, pap::emit_message(message)),
        };
        self.progress = Progress::Answered { accepted, message };
        self.answer(packet_id)
    }

    fn answer(&self, id: u8) -> Option<Vec<u8>> {
        let Progress::Answered { accepted, message } = &self.progress else {
            return None;
        };
        let code = match (self.method, accepted) {
            (Method::Pap, true) => pap::ACK,
            (Method::Pap, false) => pap::NAK,
            (_, true) => chap::SUCCESS,
            (_, false) => chap::FAILURE,
        };
        Some(
            Packet {
                code,
                id,
                data: message,
            }
            .emit(),
        )
    }
}
