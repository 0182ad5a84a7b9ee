//! The packet all control protocols share: code, identifier, length, data (RFC 1661 §5).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

/// What a packet is for. LCP and the network control protocols share these; PAP and CHAP have
/// numbers of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u8);

impl Code {
    /// Configure-Request (RFC 1661 §5.1).
    pub const CONFIGURE_REQUEST: Self = Self(1);
    /// Configure-Ack (§5.2).
    pub const CONFIGURE_ACK: Self = Self(2);
    /// Configure-Nak (§5.3).
    pub const CONFIGURE_NAK: Self = Self(3);
    /// Configure-Reject (§5.4).
    pub const CONFIGURE_REJECT: Self = Self(4);
    /// Terminate-Request (§5.5).
    pub const TERMINATE_REQUEST: Self = Self(5);
    /// Terminate-Ack (§5.5).
    pub const TERMINATE_ACK: Self = Self(6);
    /// Code-Reject (§5.6).
    pub const CODE_REJECT: Self = Self(7);
    /// Protocol-Reject (§5.7), LCP only.
    pub const PROTOCOL_REJECT: Self = Self(8);
    /// Echo-Request (§5.8), LCP only.
    pub const ECHO_REQUEST: Self = Self(9);
    /// Echo-Reply (§5.8), LCP only.
    pub const ECHO_REPLY: Self = Self(10);
    /// Discard-Request (§5.9), LCP only.
    pub const DISCARD_REQUEST: Self = Self(11);
    /// Identification (RFC 1570 §2.1), LCP only.
    pub const IDENTIFICATION: Self = Self(12);
    /// Time-Remaining (RFC 1570 §2.2), LCP only.
    pub const TIME_REMAINING: Self = Self(13);
}

/// One packet of a control or authentication protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is for.
    pub code: Code,
    /// Matches replies with requests.
    pub id: u8,
    /// What follows, as long as the length field says.
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet. Bytes beyond its length are padding and ignored (RFC 1661 §5).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        parse::finish(bytes, packet)
    }

    /// Writes the packet.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.data.len().saturating_add(4));
        out.put_u8(self.code.0);
        out.put_u8(self.id);
        out.put_len16(2, |out| out.put(self.data));
        out
    }
}

fn packet(input: &[u8]) -> Parsed<'_, Packet<'_>> {
    let (rest, code) = parse::u8("code", input)?;
    let (rest, id) = parse::u8("identifier", rest)?;
    let (body, length) = parse::be_u16("length", rest)?;
    let Some(length) = usize::from(length).checked_sub(4) else {
        return parse::fault("length below the header's", rest);
    };
    let (_padding, data) = parse::take("length beyond the frame", length, body)?;
    Ok((
        &[],
        Packet {
            code: Code(code),
            id,
            data,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
        Packet::parse(bytes)
    }

    wire::codec_pairs! { parse, Packet::emit,
        empty: [5, 1, 0, 4] => Packet { code: Code::TERMINATE_REQUEST, id: 1, data: &[] },
        with_data: [9, 2, 0, 8, 1, 2, 3, 4] =>
            Packet { code: Code::ECHO_REQUEST, id: 2, data: &[1, 2, 3, 4] },
    }

    #[test]
    fn padding_is_ignored_and_short_frames_are_errors() {
        assert_eq!(parse(&[6, 1, 0, 4, 0, 0]).unwrap().data, &[0u8; 0]);
        assert_eq!(
            parse(&[6, 1, 0, 3, 0]).unwrap_err().what,
            "length below the header's"
        );
        assert_eq!(
            parse(&[6, 1, 0, 9, 0]).unwrap_err().what,
            "length beyond the frame"
        );
        assert_eq!(parse(&[6, 1, 0]).unwrap_err().what, "length");
    }
}
