//! Whole encrypted messages: padding, CBC chaining, and the chain inside (RFC 2409 App. B).

use wire::DecodeError;
use zeroize::Zeroizing;

use super::{Iv, Keymat};
use crate::codec::{Chain, ChainBuilder, Flags, Header, PayloadType, Trailing};

/// How an encrypted message is filled up to whole blocks, always with zeros (RFC 2409 App. B).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Padding {
    /// With as few bytes as are needed.
    #[default]
    Least,
    /// With at least one byte: a whole block where none would be needed.
    Always,
}

/// A decrypted message. Nothing in it is authenticated yet.
pub struct Opened {
    plain: Zeroizing<Vec<u8>>,
    first: PayloadType,
    next: Iv,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({} bytes)", self.plain.len())
    }
}

impl Opened {
    /// Its payloads.
    ///
    /// # Errors
    /// Bytes that are no chain of payloads. The usual reason is a wrong key: garbage seldom
    /// looks like a chain.
    pub fn chain(&self) -> Result<Chain<'_>, DecodeError> {
        Chain::parse(self.first, &self.plain, Trailing::Padding)
    }

    /// The decrypted bytes, with padding.
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// The IV of the exchange's next message. To be kept only once this message proved
    /// authentic.
    pub const fn next_iv(&self) -> Iv {
        self.next
    }
}

impl Keymat {
    /// Encrypts a chain and puts the header before it: the whole message, and the IV of the
    /// exchange's next one. The header's first payload and encryption flag are set here.
    pub fn seal(&self, header: Header, chain: &ChainBuilder, iv: &Iv) -> (Vec<u8>, Iv) {
        let mut body = Zeroizing::new(chain.encode());
        let least = match self.padding() {
            Padding::Least => body.len().max(1),
            Padding::Always => body.len().saturating_add(1),
        };
        let padded = self.key().cipher().padded_len(least);
        body.resize(padded, 0);
        // The length is right by construction and the IV belongs to the suite.
        let next = self.key().encrypt(iv, &mut body).unwrap_or(*iv);
        let flags = Flags(header.flags.0 | Flags::ENCRYPTION.0);
        let header = Header {
            next: chain.first(),
            flags,
            ..header
        };
        (header.emit(&body), next)
    }

    /// Decrypts the body of a message.
    ///
    /// # Errors
    /// A body that is not a whole number of blocks, or empty.
    pub fn open(&self, header: &Header, body: &[u8], iv: &Iv) -> Result<Opened, DecodeError> {
        let mut plain = Zeroizing::new(body.to_vec());
        let next = self.key().decrypt(iv, &mut plain)?;
        Ok(Opened {
            plain,
            first: header.next,
            next,
        })
    }
}
