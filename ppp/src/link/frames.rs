//! Frames in and out: who is to have a packet, and what is done with LCP packets that are no
//! part of the negotiation.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use wire::Instant;

use super::{Link, Phase};
use crate::automaton::State;
use crate::frame::{Compression, Frame, Protocol};
use crate::habits::AddressControl;
use crate::negotiation::Negotiation;
use crate::packet::{Code, Packet};
use crate::user::printable;
use crate::{CloseReason, Method, Output};

/// Protocol-Rejects sent per second at most: a peer that floods us learns it from the first few.
const REJECTS_PER_SECOND: u32 = 16;

impl Link {
    pub(super) fn on_frame(&mut self, now: Instant, frame: &Frame<'_>) {
        if frame.protocol == Protocol::IPV4 {
            return self.note_data(now);
        }
        let own_method = self.lcp.protocol.agreed().method.map(Method::protocol);
        match (frame.protocol, self.phase) {
            (Protocol::LCP, _) => self.on_lcp_frame(now, frame),
            (protocol, Phase::Authenticate | Phase::Network) if Some(protocol) == own_method => {
                self.note_data(now);
                self.on_authentication_frame(now, frame);
            }
            (Protocol::IPCP, Phase::Network) => {
                self.note_data(now);
                self.on_ipcp_frame(now, frame);
            }
            (protocol, Phase::Network) if self.answers_companion(protocol, frame) => {
                self.note_data(now);
                self.on_companion_settled(now, protocol);
            }
            (_, Phase::Network) => {
                self.note_data(now);
                self.reject_protocol(now, frame);
            }
            // Before the network phase everything else is to be dropped silently
            // (RFC 1661 §3.4, §3.5), and after it as well.
            _ => tracing::debug!(protocol = ?frame.protocol, phase = ?self.phase, "too early"),
        }
    }

    fn on_lcp_frame(&mut self, now: Instant, frame: &Frame<'_>) {
        let packet = match Packet::parse(frame.information) {
            Ok(packet) => packet,
            Err(error) => return tracing::debug!(%error, "malformed LCP packet"),
        };
        self.lcp_heard = true;
        let carries_magic = matches!(packet.code, Code::ECHO_REQUEST | Code::ECHO_REPLY);
        if carries_magic && self.lcp.protocol.is_own(packet.data) {
            // A reply with our own number is a mistake seen in the field; a request is an echo of
            // ours. Neither shows that somebody else is there.
            return tracing::debug!("LCP echo with our own magic number");
        }
        self.note_data(now);
        match packet.code {
            Code::PROTOCOL_REJECT => self.on_protocol_reject(now, packet.data),
            Code::ECHO_REPLY | Code::DISCARD_REQUEST => {}
            // QUIRK(Windows): three of these follow the opening of LCP. A Code-Reject, which the
            // automaton would send for a code it does not know, ends the connection.
            Code::IDENTIFICATION => {
                let text = printable(packet.data.get(4..).unwrap_or_default());
                tracing::debug!(%text, "the peer identifies itself");
            }
            Code::TIME_REMAINING => {}
            Code::TERMINATE_REQUEST => {
                let text = farewell(packet.data);
                self.cause.get_or_insert(CloseReason::PeerTerminated(text));
                let negotiating = matches!(
                    self.lcp.state(),
                    State::ReqSent | State::AckRcvd | State::AckSent
                );
                self.drive_lcp(now, |lcp, cx| lcp.handle_packet(&packet, cx));
                if negotiating {
                    // The automaton would go on asking; somebody who hangs up before LCP is open
                    // does not like what we ask for.
                    self.close(now, CloseReason::PeerTerminated(String::new()));
                }
            }
            _ => self.drive_lcp(now, |lcp, cx| lcp.handle_packet(&packet, cx)),
        }
    }

    fn on_ipcp_frame(&mut self, now: Instant, frame: &Frame<'_>) {
        match Packet::parse(frame.information) {
            Ok(packet) if self.is_early(&packet) => {
                tracing::debug!("answer to IPCP before the server's request");
            }
            Ok(packet) => self.drive_ipcp(now, |ipcp, cx| ipcp.handle_packet(&packet, cx)),
            Err(error) => tracing::debug!(%error, "malformed IPCP packet"),
        }
    }

    /// Whether our habit is not to look at this IPCP packet yet.
    fn is_early(&self, packet: &Packet<'_>) -> bool {
        let answer = matches!(
            packet.code,
            Code::CONFIGURE_ACK | Code::CONFIGURE_NAK | Code::CONFIGURE_REJECT
        );
        let state = self.ipcp.as_ref().map(Negotiation::state);
        let acknowledged = matches!(state, Some(State::AckSent | State::Opened));
        self.config.habits.ipcp_after_server && answer && !acknowledged
    }

    /// RFC 1661 §5.7, for a protocol of ours that the peer does not have.
    fn on_protocol_reject(&mut self, now: Instant, data: &[u8]) {
        let Some(number) = data.first_chunk().copied() else {
            return;
        };
        if !self.lcp.is_open() {
            return;
        }
        match Protocol(u16::from_be_bytes(number)) {
            Protocol::LCP => self.close(now, CloseReason::ProtocolRejected("LCP")),
            Protocol::PAP | Protocol::CHAP if self.phase == Phase::Authenticate => {
                let reason = self.lcp.protocol.refused();
                self.close(now, reason);
            }
            Protocol::IPCP if self.ipcp.is_some() => {
                self.close(now, CloseReason::NetworkRefused);
            }
            other => {
                tracing::debug!(protocol = ?other, "the peer rejects a protocol");
                self.on_companion_settled(now, other);
            }
        }
    }

    /// Tells the peer that we do not do `frame.protocol` (RFC 1661 §5.7).
    fn reject_protocol(&mut self, now: Instant, frame: &Frame<'_>) {
        let period = Duration::from_secs(1);
        if !self.lcp.is_open() || !self.rejects.spend(now, period, REJECTS_PER_SECOND) {
            return;
        }
        tracing::debug!(protocol = ?frame.protocol, "protocol rejected");
        // Code, identifier, length and protocol take six bytes of the peer's MRU.
        let room = usize::from(self.lcp.protocol.agreed().peer_mru.saturating_sub(6));
        let mut data = frame.protocol.0.to_be_bytes().to_vec();
        data.extend_from_slice(frame.information.get(..room).unwrap_or(frame.information));
        let id = self.next_lcp_id();
        let packet = Packet {
            code: Code::PROTOCOL_REJECT,
            id,
            data: &data,
        }
        .emit();
        self.transmit(Protocol::LCP, &packet);
    }

    pub(super) fn transmit(&mut self, protocol: Protocol, packet: &[u8]) {
        let agreed = self.lcp.protocol.agreed();
        let open = self.lcp.is_open();
        let agreed_acfc = open && agreed.acfc;
        let (address_control, lcp) = match self.config.habits.address_control {
            AddressControl::Standard => (agreed_acfc, false),
            AddressControl::AgreedEvenForLcp => (agreed_acfc, agreed_acfc),
            AddressControl::NeverSent => (true, true),
            AddressControl::AlwaysSent => (false, false),
        };
        let compression = Compression {
            protocol: open && agreed.pfc,
            address_control,
            lcp,
        };
        let frame = Frame {
            protocol,
            information: packet,
        };
        self.outputs
            .push_back(Output::Transmit(frame.emit(compression)));
    }
}

/// What a Terminate-Request says, for people.
///
/// QUIRK(Windows): instead of a text it sends its magic number, `003ccd74` and the number of the
/// error that its user sees.
fn farewell(data: &[u8]) -> String {
    match data {
        [_, _, _, _, 0x00, 0x3c, 0xcd, 0x74, a, b, c, d, ..] => {
            match u32::from_be_bytes([*a, *b, *c, *d]) {
                0 => String::new(),
                error => format!("error {error}"),
            }
        }
        _ => printable(data.get(..64).unwrap_or(data)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn farewells_are_texts_or_numbers_of_windows() {
        assert_eq!(farewell(b"User request"), "User request");
        assert_eq!(farewell(b""), "");
        assert_eq!(farewell(b"E=?^\x00<\xcdt\x00\x00\x02\xb3"), "error 691");
        assert_eq!(farewell(b"r\x8cFo\x00<\xcdt\x00\x00\x00\x00"), "");
        assert_eq!(farewell(&[b'a'; 300]).len(), 64);
    }
}
