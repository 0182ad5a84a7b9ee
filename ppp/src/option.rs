//! Configuration options (RFC 1661 §6): type, length, value.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

/// One option. What its type means depends on the protocol: see [`lcp`] and [`ipcp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigOption<'a> {
    /// The option's type.
    pub kind: u8,
    /// Its value, without type and length; at most 253 bytes.
    pub value: &'a [u8],
}

/// Types of LCP's options.
pub mod lcp {
    /// Maximum-Receive-Unit, two bytes (RFC 1661 §6.1).
    pub const MRU: u8 = 1;
    /// Async-Control-Character-Map, four bytes (RFC 1662 §7.1).
    pub const ACCM: u8 = 2;
    /// Authentication-Protocol, two bytes and more (RFC 1661 §6.2).
    pub const AUTHENTICATION: u8 = 3;
    /// Quality-Protocol (RFC 1661 §6.3).
    pub const QUALITY: u8 = 4;
    /// Magic-Number, four bytes (RFC 1661 §6.4).
    pub const MAGIC: u8 = 5;
    /// Protocol-Field-Compression, no value (RFC 1661 §6.5).
    pub const PFC: u8 = 7;
    /// Address-and-Control-Field-Compression, no value (RFC 1661 §6.6).
    pub const ACFC: u8 = 8;
    /// Callback (RFC 1570 §2.3).
    pub const CALLBACK: u8 = 13;
    /// Multilink Maximum-Received-Reconstructed-Unit (RFC 1990 §5.1.1).
    pub const MRRU: u8 = 17;
    /// Short sequence numbers of multilink (RFC 1990 §5.1.2).
    pub const SHORT_SEQUENCE: u8 = 18;
    /// Endpoint discriminator of multilink (RFC 1990 §5.1.3).
    pub const ENDPOINT: u8 = 19;
}

/// Types of IPCP's options.
pub mod ipcp {
    /// IP-Addresses, two addresses, deprecated (RFC 1332 §3.1).
    pub const ADDRESSES: u8 = 1;
    /// IP-Compression-Protocol (RFC 1332 §3.2).
    pub const COMPRESSION: u8 = 2;
    /// IP-Address, four bytes (RFC 1332 §3.3).
    pub const ADDRESS: u8 = 3;
    /// Primary DNS server, four bytes (RFC 1877 §1.1).
    pub const DNS_PRIMARY: u8 = 129;
    /// Primary NetBIOS name server (RFC 1877 §1.2).
    pub const WINS_PRIMARY: u8 = 130;
    /// Secondary DNS server (RFC 1877 §1.3).
    pub const DNS_SECONDARY: u8 = 131;
    /// Secondary NetBIOS name server (RFC 1877 §1.4).
    pub const WINS_SECONDARY: u8 = 132;
}

/// Reads all options of a Configure packet.
pub fn parse(bytes: &[u8]) -> Result<Vec<ConfigOption<'_>>, DecodeError> {
    parse::finish(bytes, |input| parse::many(input, option))
}

fn option(input: &[u8]) -> Parsed<'_, ConfigOption<'_>> {
    let (rest, kind) = parse::u8("option type", input)?;
    let (body, length) = parse::u8("option length", rest)?;
    let Some(length) = usize::from(length).checked_sub(2) else {
        return parse::fault("option length below the header's", rest);
    };
    let (rest, value) = parse::take("option value", length, body)?;
    Ok((rest, ConfigOption { kind, value }))
}

impl ConfigOption<'_> {
    /// Appends the option to `out`. A value that exceeds the length field is cut.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let value = self.value.get(..253).unwrap_or(self.value);
        out.put_u8(self.kind);
        out.put_u8(u8::try_from(value.len()).unwrap_or(253).saturating_add(2));
        out.put(value);
    }

    /// The value, if it has exactly `N` bytes.
    pub fn array<const N: usize>(&self) -> Option<[u8; N]> {
        self.value.try_into().ok()
    }
}

/// Appends an option made of `kind` and `value`.
pub fn put(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    ConfigOption { kind, value }.emit(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn emit(options: &Vec<ConfigOption<'_>>) -> Vec<u8> {
        let mut out = Vec::new();
        for option in options {
            option.emit(&mut out);
        }
        out
    }

    wire::codec_pairs! { parse, emit,
        none: [] => vec![],
        windows: [1, 4, 5, 0x78, 7, 2, 13, 3, 6] => vec![
            ConfigOption { kind: lcp::MRU, value: &[5, 0x78] },
            ConfigOption { kind: lcp::PFC, value: &[] },
            ConfigOption { kind: lcp::CALLBACK, value: &[6] },
        ],
    }

    #[test]
    fn lengths_are_checked() {
        assert_eq!(parse(&[1]).unwrap_err().what, "option length");
        assert_eq!(
            parse(&[1, 1]).unwrap_err().what,
            "option length below the header's"
        );
        assert_eq!(
            parse(&[7, 2, 1, 4, 5]).unwrap_err(),
            DecodeError::new(4, "option value")
        );
    }

    proptest! {
        #[test]
        fn lists_survive_the_round_trip(
            list in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..=253)), 0..8),
        ) {
            let options: Vec<_> =
                list.iter().map(|(kind, value)| ConfigOption { kind: *kind, value }).collect();
            let bytes = emit(&options);
            prop_assert_eq!(parse(&bytes), Ok(options));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            if let Ok(options) = parse(&bytes) {
                prop_assert_eq!(emit(&options), bytes);
            }
        }
    }
}
