//! Hash algorithms, and their HMACs as pseudo-random functions (RFC 2409 §4, RFC 2104).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use wire::Secret;
use zeroize::Zeroizing;

use crate::codec::HashId;

/// A hash algorithm that phase 1 may choose; its HMAC is the PRF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// MD5. Weak: only by option.
    Md5,
    /// SHA-1. As an HMAC not touched by its collisions.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// Runs an expression with `$D` as the type of the algorithm.
macro_rules! with_digest {
    ($algorithm:expr, $D:ident => $body:expr) => {
        match $algorithm {
            HashAlgorithm::Md5 => {
                type $D = Md5;
                $body
            }
            HashAlgorithm::Sha1 => {
                type $D = Sha1;
                $body
            }
            HashAlgorithm::Sha256 => {
                type $D = Sha256;
                $body
            }
            HashAlgorithm::Sha384 => {
                type $D = Sha384;
                $body
            }
            HashAlgorithm::Sha512 => {
                type $D = Sha512;
                $body
            }
        }
    };
}

impl HashAlgorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
    ];

    /// The algorithm of a number in a proposal, if it is implemented.
    pub const fn from_id(id: HashId) -> Option<Self> {
        match id {
            HashId::MD5 => Some(Self::Md5),
            HashId::SHA1 => Some(Self::Sha1),
            HashId::SHA256 => Some(Self::Sha256),
            HashId::SHA384 => Some(Self::Sha384),
            HashId::SHA512 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Its number in a proposal.
    pub const fn id(self) -> HashId {
        match self {
            Self::Md5 => HashId::MD5,
            Self::Sha1 => HashId::SHA1,
            Self::Sha256 => HashId::SHA256,
            Self::Sha384 => HashId::SHA384,
            Self::Sha512 => HashId::SHA512,
        }
    }

    /// Length of its output in bytes.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash of the parts, one after the other.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        with_digest!(self, D => {
            let mut digest = D::new();
            for part in parts {
                digest.update(part);
            }
            digest.finalize().to_vec()
        })
    }

    /// The HMAC of the parts, one after the other, under `key`: RFC 2409's `prf(key, parts)`.
    pub fn prf(self, key: &[u8], parts: &[&[u8]]) -> Secret {
        with_digest!(self, D => {
            // An HMAC takes keys of any length; the error cannot happen.
            let Ok(mut mac) = <Hmac<D> as KeyInit>::new_from_slice(key) else {
                return Secret::default();
            };
            for part in parts {
                mac.update(part);
            }
            let output = Zeroizing::new(mac.finalize().into_bytes());
            Secret::from(output.as_slice())
        })
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id())
    }
}
