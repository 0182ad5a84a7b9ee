//! The PPP frame (RFC 1661 §2, RFC 1662 §3.1): address and control, protocol, information.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use std::fmt;

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

/// A PPP protocol number (two bytes; those below 0x0100 may be written as one, RFC 1661 §6.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u16);

impl Protocol {
    /// IPv4 packets.
    pub const IPV4: Self = Self(0x0021);
    /// IPv6 packets.
    pub const IPV6: Self = Self(0x0057);
    /// TCP/IP headers compressed after Van Jacobson (RFC 1144).
    pub const VJ_COMPRESSED: Self = Self(0x002d);
    /// The uncompressed counterpart of [`Self::VJ_COMPRESSED`].
    pub const VJ_UNCOMPRESSED: Self = Self(0x002f);
    /// Internet Protocol Control Protocol (RFC 1332).
    pub const IPCP: Self = Self(0x8021);
    /// IPv6 Control Protocol (RFC 5072).
    pub const IPV6CP: Self = Self(0x8057);
    /// Compression Control Protocol (RFC 1962).
    pub const CCP: Self = Self(0x80fd);
    /// Apple Client Server Protocol.
    pub const ACSP: Self = Self(0x8235);
    /// Link Control Protocol (RFC 1661).
    pub const LCP: Self = Self(0xc021);
    /// Password Authentication Protocol (RFC 1334).
    pub const PAP: Self = Self(0xc023);
    /// Challenge Handshake Authentication Protocol (RFC 1994).
    pub const CHAP: Self = Self(0xc223);
    /// Extensible Authentication Protocol (RFC 3748).
    pub const EAP: Self = Self(0xc227);
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::IPV4 => "IPv4",
            Self::IPV6 => "IPv6",
            Self::VJ_COMPRESSED => "VJ compressed TCP",
            Self::VJ_UNCOMPRESSED => "VJ uncompressed TCP",
            Self::IPCP => "IPCP",
            Self::IPV6CP => "IPV6CP",
            Self::CCP => "CCP",
            Self::ACSP => "ACSP",
            Self::LCP => "LCP",
            Self::PAP => "PAP",
            Self::CHAP => "CHAP",
            Self::EAP => "EAP",
            _ => return write!(f, "0x{:04x}", self.0),
        };
        f.write_str(name)
    }
}

/// One frame, without flags and check sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the information is.
    pub protocol: Protocol,
    /// Everything after the protocol field.
    pub information: &'a [u8],
}

/// Which fields of a frame are shortened when it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compression {
    /// Protocols below 0x0100 in one byte.
    pub protocol: bool,
    /// No address and control field.
    pub address_control: bool,
    /// Not even in front of LCP packets, against RFC 1661 §6.6.
    pub lcp: bool,
}

impl<'a> Frame<'a> {
    /// Reads a frame in any of its forms, whatever has been negotiated.
    ///
    /// QUIRK(Windows): once ACFC is agreed it leaves out `ff03` even in front of LCP packets,
    /// against RFC 1661 §6.6. There is no ambiguity: `ff` is no protocol (RFC 1661 §6.5).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        parse::finish(bytes, frame)
    }

    /// Writes the frame, shortened as `compression` allows. LCP packets are not shortened
    /// (RFC 1661 §6.5, §6.6) unless it says so, and only protocols below 0x0100 fit one byte.
    pub fn emit(&self, compression: Compression) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.information.len().saturating_add(4));
        let short = if self.protocol == Protocol::LCP {
            compression.lcp
        } else {
            compression.address_control
        };
        if !short {
            out.put(&[0xff, 0x03]);
        }
        match u8::try_from(self.protocol.0) {
            // RFC 1661 §6.5: 0xff would be taken for the address field.
            Ok(short) if compression.protocol && short != 0xff => out.put_u8(short),
            _ => out.put_u16(self.protocol.0),
        }
        out.put(self.information);
        out
    }
}

fn frame(input: &[u8]) -> Parsed<'_, Frame<'_>> {
    let input = input.strip_prefix(&[0xff, 0x03]).unwrap_or(input);
    let (after_first, first) = parse::u8("protocol field", input)?;
    // Protocol numbers are odd and their upper byte is even (RFC 1661 §2), so the lowest bit of
    // the first byte tells how long the field is.
    let (information, protocol) = if first & 1 == 1 {
        (after_first, Protocol(u16::from(first)))
    } else {
        let (rest, number) = parse::be_u16("protocol field", input)?;
        if number & 1 == 0 {
            return parse::fault("even protocol number", input);
        }
        (rest, Protocol(number))
    };
    Ok((
        &[],
        Frame {
            protocol,
            information,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_a_frame_reads_the_same() {
        let expected = Frame {
            protocol: Protocol::IPV4,
            information: &[0x45, 0],
        };
        for bytes in [
            &[0xff, 0x03, 0x00, 0x21, 0x45, 0x00][..],
            &[0xff, 0x03, 0x21, 0x45, 0x00],
            &[0x00, 0x21, 0x45, 0x00],
            &[0x21, 0x45, 0x00],
        ] {
            assert_eq!(Frame::parse(bytes), Ok(expected), "{bytes:02x?}");
        }
    }

    #[test]
    fn lcp_is_never_shortened_and_may_come_shortened() {
        let both = Compression {
            protocol: true,
            address_control: true,
            lcp: false,
        };
        let lcp = Frame {
            protocol: Protocol::LCP,
            information: &[9, 1, 0, 4],
        };
        assert_eq!(lcp.emit(both), [0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 4]);
        assert_eq!(Frame::parse(&[0xc0, 0x21, 9, 1, 0, 4]), Ok(lcp));
        let ipcp = Frame {
            protocol: Protocol::IPCP,
            information: &[1],
        };
        assert_eq!(ipcp.emit(both), [0x80, 0x21, 1]);
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        assert_eq!(Frame::parse(&[]).unwrap_err().what, "protocol field");
        assert_eq!(Frame::parse(&[0xff, 0x03]).unwrap_err().offset, 2);
        assert_eq!(Frame::parse(&[0xc0]).unwrap_err().what, "protocol field");
        assert_eq!(
            Frame::parse(&[0xc0, 0x22]).unwrap_err().what,
            "even protocol number"
        );
    }

    #[test]
    fn a_protocol_that_would_look_like_an_address_is_never_shortened() {
        let frame = Frame {
            protocol: Protocol(0x00ff),
            information: &[3, 0xc0],
        };
        let compression = Compression {
            protocol: true,
            address_control: true,
            lcp: false,
        };
        let bytes = frame.emit(compression);
        assert_eq!(bytes, [0, 0xff, 3, 0xc0]);
        assert_eq!(Frame::parse(&bytes), Ok(frame));
    }

    proptest! {
        #[test]
        fn frames_survive_the_round_trip(
            high in 0u8..=0x7f, low in 0u8..=0x7f, information: Vec<u8>, pfc: bool, acfc: bool,
        ) {
            // An upper byte that is even, a lower one that is odd.
            let number = u16::from_be_bytes([high << 1, low << 1 | 1]);
            let frame = Frame { protocol: Protocol(number), information: &information };
            let bytes = frame.emit(Compression { protocol: pfc, address_control: acfc, lcp: acfc });
            prop_assert_eq!(Frame::parse(&bytes), Ok(frame));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = Frame::parse(&bytes);
        }
    }
}
