//! CHAP (RFC 1994): its packets, and the MD5 algorithm. MS-CHAPv2 uses the same packets.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use wire::emit::Emit;
use wire::parse::{self, Parsed};
use wire::{DecodeError, Secret};

use crate::packet::Code;

/// Challenge.
pub const CHALLENGE: Code = Code(1);
/// Response.
pub const RESPONSE: Code = Code(2);
/// Success.
pub const SUCCESS: Code = Code(3);
/// Failure.
pub const FAILURE: Code = Code(4);

/// The data of a Challenge or a Response (RFC 1994 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// The challenge, or the response to it; at most 255 bytes.
    pub value: &'a [u8],
    /// The name of the system that sends the packet. No terminator.
    pub name: &'a [u8],
}

impl<'a> Value<'a> {
    /// Reads the data of a packet.
    pub fn parse(data: &'a [u8]) -> Result<Self, DecodeError> {
        fn value(input: &[u8]) -> Parsed<'_, Value<'_>> {
            let (input, size) = parse::u8("value size", input)?;
            let (name, value) = parse::take("value", usize::from(size), input)?;
            Ok((&[], Value { value, name }))
        }
        parse::finish(data, value)
    }

    /// Writes the data of a packet. A value of more than 255 bytes is cut.
    pub fn emit(&self) -> Vec<u8> {
        let value = self.value.get(..255).unwrap_or(self.value);
        let mut out = Vec::with_capacity(value.len().saturating_add(self.name.len()));
        out.put_u8(u8::try_from(value.len()).unwrap_or(255));
        out.put(value);
        out.put(self.name);
        out
    }
}

/// The response to `challenge`: MD5 of identifier, secret and challenge (RFC 1994 §4.1).
pub fn response(id: u8, challenge: &[u8], password: &Secret) -> [u8; 16] {
    Md5::new()
        .chain_update([id])
        .chain_update(password.expose())
        .chain_update(challenge)
        .finalize()
        .into()
}

/// Whether `shown` is the response to `challenge`, in constant time.
pub fn verify(id: u8, challenge: &[u8], shown: &[u8; 16], password: &Secret) -> bool {
    response(id, challenge, password).ct_eq(shown).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Value<'_>, DecodeError> {
        Value::parse(bytes)
    }

    wire::codec_pairs! { parse, Value::emit,
        named: [2, 0xaa, 0xbb, b'p'] => Value { value: &[0xaa, 0xbb], name: b"p" },
        nameless: [1, 0xaa] => Value { value: &[0xaa], name: &[] },
    }

    #[test]
    fn a_value_beyond_the_packet_is_an_error() {
        assert_eq!(parse(&[2, 0xaa]).unwrap_err(), DecodeError::new(1, "value"));
        assert_eq!(parse(&[]).unwrap_err().what, "value size");
    }

    #[test]
    fn every_input_of_the_hash_counts() {
        let password = Secret::from(&b"secret"[..]);
        let shown = response(7, &[1; 16], &password);
        assert!(verify(7, &[1; 16], &shown, &password));
        assert!(!verify(8, &[1; 16], &shown, &password));
        assert!(!verify(7, &[2; 16], &shown, &password));
        assert!(!verify(7, &[1; 16], &shown, &Secret::from(&b"Secret"[..])));
    }
}
