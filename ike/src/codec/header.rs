//! The ISAKMP header (RFC 2408 §3.1).

use std::fmt;

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

use super::{ExchangeType, PayloadType};

/// One party's cookie: together the two name an IKE SA.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub [u8; 8]);

impl Cookie {
    /// The responder's cookie in the very first message.
    pub const ZERO: Self = Self([0; 8]);

    /// Whether all eight bytes are zero.
    pub const fn is_zero(self) -> bool {
        u64::from_be_bytes(self.0) == 0
    }
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Names an exchange under an IKE SA; zero in phase 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u32);

impl MessageId {
    /// The message id of phase 1.
    pub const PHASE_1: Self = Self(0);
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The header's flag bits (RFC 2408 §3.1). Unknown bits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Everything after the header is encrypted.
    pub const ENCRYPTION: Self = Self(1);
    /// The sender waits for the other side to confirm the SA.
    pub const COMMIT: Self = Self(2);
    /// Authenticated, not encrypted (an Informational of key recovery).
    pub const AUTHENTICATION_ONLY: Self = Self(4);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The header of a message: 28 bytes.
///
/// The length field is not part of the value: [`Header::parse`] uses it to delimit the body, and
/// [`Header::emit`] takes the body it has to describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The initiator's cookie. "Initiator" is of phase 1, whoever starts later exchanges.
    pub initiator: Cookie,
    /// The responder's cookie; zero in the first message.
    pub responder: Cookie,
    /// Kind of the first payload.
    pub next: PayloadType,
    /// Major version in the upper four bits, minor in the lower.
    pub version: u8,
    /// Which exchange this is.
    pub exchange: ExchangeType,
    /// Flags.
    pub flags: Flags,
    /// Which of the exchanges under this SA.
    pub message_id: MessageId,
}

impl Header {
    /// Length of the header in bytes.
    pub const LEN: usize = 28;
    /// Version 1.0, the only one of ISAKMP.
    pub const VERSION_1_0: u8 = 0x10;

    /// Splits a datagram (without non-ESP marker) into header and body.
    ///
    /// The body ends where the header's length field says. Bytes after that are ignored: some
    /// senders pad their datagrams. The version is kept and not judged, so that a message of
    /// IKEv2 can be recognised and counted as such.
    ///
    /// # Errors
    /// Fewer than 28 bytes, or a length field that is below 28 or beyond the datagram.
    pub fn parse(datagram: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        parse::finish(datagram, |input| {
            let (input, (header, body)) = Self::parse_parts(input)?;
            let (_, _padding) = parse::rest(input)?;
            Ok((&[], (header, body)))
        })
    }

    fn parse_parts(input: &[u8]) -> Parsed<'_, (Self, &[u8])> {
        let (input, initiator) = parse::array("initiator cookie", input)?;
        let (input, responder) = parse::array("responder cookie", input)?;
        let (input, next) = parse::u8("next payload", input)?;
        let (input, version) = parse::u8("version", input)?;
        let (input, exchange) = parse::u8("exchange type", input)?;
        let (input, flags) = parse::u8("flags", input)?;
        let (input, message_id) = parse::be_u32("message id", input)?;
        let length_field = input;
        let (input, length) = parse::be_u32("message length", input)?;
        let body = usize::try_from(length)
            .ok()
            .and_then(|l| l.checked_sub(Self::LEN));
        let Some(body) = body else {
            return parse::fault("message length below that of the header", length_field);
        };
        let Some((body, input)) = input.split_at_checked(body) else {
            return parse::fault("message length beyond the datagram", length_field);
        };
        let header = Self {
            initiator: Cookie(initiator),
            responder: Cookie(responder),
            next: PayloadType(next),
            version,
            exchange: ExchangeType(exchange),
            flags: Flags(flags),
            message_id: MessageId(message_id),
        };
        Ok((input, (header, body)))
    }

    /// The whole message: this header, with the length filled in, and `body` as it is.
    pub fn emit(&self, body: &[u8]) -> Vec<u8> {
        let length = Self::LEN.saturating_add(body.len());
        let mut out = Vec::with_capacity(length);
        out.put(&self.initiator.0);
        out.put(&self.responder.0);
        out.put_u8(self.next.0);
        out.put_u8(self.version);
        out.put_u8(self.exchange.0);
        out.put_u8(self.flags.0);
        out.put_u32(self.message_id.0);
        out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        out.put(body);
        out
    }

    /// Whether the message is encrypted.
    pub const fn is_encrypted(&self) -> bool {
        self.flags.contains(Flags::ENCRYPTION)
    }
}
