//! Payloads that are nothing but bytes: key exchange, nonce, hash (RFC 2408 §3.7, §3.13, §3.11).

use wire::DecodeError;
use wire::emit::Emit;

use super::PayloadBody;

/// A Diffie-Hellman public value as sent: big-endian and of the group's size, or x followed by y.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyExchange(pub Vec<u8>);

impl KeyExchange {
    /// Reads the body of a KE payload. Whether its size fits the group is for the group to say.
    ///
    /// # Errors
    /// An empty body.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        if body.is_empty() {
            return Err(DecodeError::new(0, "empty key exchange"));
        }
        Ok(Self(body.to_vec()))
    }
}

impl PayloadBody for KeyExchange {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put(&self.0);
    }
}

/// A nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(pub Vec<u8>);

impl Nonce {
    /// Smallest length in bytes (RFC 2409 §5).
    pub const MIN: usize = 8;
    /// Largest length in bytes (RFC 2409 §5).
    pub const MAX: usize = 256;

    /// Reads the body of a NONCE payload.
    ///
    /// # Errors
    /// A length outside 8 to 256 bytes.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        if !(Self::MIN..=Self::MAX).contains(&body.len()) {
            return Err(DecodeError::new(
                0,
                "nonce of a length outside 8 to 256 bytes",
            ));
        }
        Ok(Self(body.to_vec()))
    }
}

impl PayloadBody for Nonce {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put(&self.0);
    }
}

/// The output of a hash function. To be compared in constant time.
#[derive(Debug, Clone)]
pub struct HashData(pub Vec<u8>);

impl HashData {
    /// Reads the body of a HASH payload.
    ///
    /// # Errors
    /// An empty body.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        if body.is_empty() {
            return Err(DecodeError::new(0, "empty hash"));
        }
        Ok(Self(body.to_vec()))
    }
}

impl PayloadBody for HashData {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put(&self.0);
    }
}
