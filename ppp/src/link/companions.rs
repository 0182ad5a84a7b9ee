//! The network protocols beside IPCP that a client asks for out of habit. Each is asked for until
//! the server answers, in whatever way; nothing is ever sent by them.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use wire::Instant;

use super::Link;
use crate::frame::{Frame, Protocol};
use crate::habits::Identifiers;
use crate::negotiation::Negotiation;
use crate::packet::{Code, Packet};

/// One protocol that was asked for and has not been answered.
pub(super) struct Companion {
    protocol: Protocol,
    /// The identifier of the last request.
    id: u8,
    options: Vec<u8>,
    /// Whether IP waits for the answer.
    awaited: bool,
    tries: u32,
    deadline: Instant,
}

impl Link {
    /// Asks for those that come before IPCP, or for those that come after it.
    pub(super) fn ask_companions(&mut self, now: Instant, first: bool) {
        let config = Arc::clone(&self.config);
        let wanted = |companion: &&crate::habits::Companion| companion.first == first;
        for habit in config.habits.companions.iter().filter(wanted) {
            self.companions.push(Companion {
                protocol: habit.protocol,
                id: 0,
                options: habit.options.clone(),
                awaited: habit.awaited,
                tries: 0,
                deadline: now,
            });
            self.ask_companion(now, habit.protocol);
        }
    }

    fn ask_companion(&mut self, now: Instant, protocol: Protocol) {
        let habits = &self.config.habits;
        let shared = habits.identifiers == Identifiers::SharedFromZero;
        let restart = self.config.timers.restart;
        let found = self.companions.iter_mut();
        let Some(companion) = found.into_iter().find(|c| c.protocol == protocol) else {
            return;
        };
        if companion.tries == 0 || habits.fresh_identifiers {
            let last = if shared { self.last_id } else { companion.id };
            companion.id = last.wrapping_add(1);
        }
        if shared {
            self.last_id = companion.id;
        }
        companion.tries = companion.tries.saturating_add(1);
        companion.deadline = now + restart;
        let request = Packet {
            code: Code::CONFIGURE_REQUEST,
            id: companion.id,
            data: &companion.options,
        };
        let packet = request.emit();
        self.transmit(protocol, &packet);
    }

    pub(super) fn companion_deadline(&self) -> Option<Instant> {
        self.companions.iter().map(|c| c.deadline).min()
    }

    /// Asks again, or goes on without.
    pub(super) fn on_companion_timeout(&mut self, now: Instant) {
        let due: Vec<(Protocol, u32)> = self
            .companions
            .iter()
            .filter(|companion| companion.deadline <= now)
            .map(|companion| (companion.protocol, companion.tries))
            .collect();
        for (protocol, tries) in due {
            if tries < self.config.timers.max_configure {
                self.ask_companion(now, protocol);
            } else {
                self.on_companion_settled(now, protocol);
            }
        }
    }

    /// Whether a frame is the answer to what we asked for by `protocol`.
    pub(super) fn answers_companion(&self, protocol: Protocol, frame: &Frame<'_>) -> bool {
        let found = self.companions.iter().find(|c| c.protocol == protocol);
        let (Some(companion), Ok(packet)) = (found, Packet::parse(frame.information)) else {
            return false;
        };
        let answer = matches!(
            packet.code,
            Code::CONFIGURE_ACK | Code::CONFIGURE_NAK | Code::CONFIGURE_REJECT
        );
        answer && packet.id == companion.id
    }

    /// `protocol` has been answered, rejected or given up.
    pub(super) fn on_companion_settled(&mut self, now: Instant, protocol: Protocol) {
        let before = self.companions.len();
        self.companions.retain(|c| c.protocol != protocol);
        let open = self.ipcp.as_ref().is_some_and(Negotiation::is_open);
        if self.companions.len() < before && open && !self.network_up {
            self.on_ipcp_up(now);
        }
    }

    /// Whether IP has to wait for an answer.
    pub(super) fn awaits_companion(&self) -> bool {
        self.companions.iter().any(|companion| companion.awaited)
    }
}
