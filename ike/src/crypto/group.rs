//! Diffie-Hellman groups: what they share, whatever their arithmetic.

use std::fmt;

use rand_core::Rng as _;
use wire::{Rng, Secret};
use zeroize::Zeroizing;

use super::{ecp, modp};
use crate::codec::GroupId;

/// A Diffie-Hellman group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Group 2 (RFC 2409 §6.2). Weak: only by option.
    Modp1024,
    /// Group 5 (RFC 3526 §2). Weak: only by option.
    Modp1536,
    /// Group 14 (RFC 3526 §3).
    Modp2048,
    /// Group 15 (RFC 3526 §4).
    Modp3072,
    /// Group 16 (RFC 3526 §5).
    Modp4096,
    /// Group 19 (RFC 5903 §3.1).
    Ecp256,
    /// Group 20 (RFC 5903 §3.2).
    Ecp384,
    /// Group 21 (RFC 5903 §3.3).
    Ecp521,
}

/// A public value that no honest party sends: of the wrong size, outside the group, or one of
/// the few that give the result away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Diffie-Hellman public value is {reason}")]
pub struct InvalidPublicValue {
    /// What is wrong with it, in words.
    pub reason: &'static str,
}

impl InvalidPublicValue {
    pub(super) const SIZE: Self = Self {
        reason: "of the wrong size for the group",
    };
    pub(super) const TRIVIAL: Self = Self {
        reason: "not between 1 and p-1",
    };
    pub(super) const OFF_CURVE: Self = Self {
        reason: "not a point of the curve",
    };
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Modp1024,
        Self::Modp1536,
        Self::Modp2048,
        Self::Modp3072,
        Self::Modp4096,
        Self::Ecp256,
        Self::Ecp384,
        Self::Ecp521,
    ];

    /// The group of a number in a proposal, if it is implemented.
    pub const fn from_id(id: GroupId) -> Option<Self> {
        match id {
            GroupId::MODP_1024 => Some(Self::Modp1024),
            GroupId::MODP_1536 => Some(Self::Modp1536),
            GroupId::MODP_2048 => Some(Self::Modp2048),
            GroupId::MODP_3072 => Some(Self::Modp3072),
            GroupId::MODP_4096 => Some(Self::Modp4096),
            GroupId::ECP_256 => Some(Self::Ecp256),
            GroupId::ECP_384 => Some(Self::Ecp384),
            GroupId::ECP_521 => Some(Self::Ecp521),
            _ => None,
        }
    }

    /// Its number in a proposal.
    pub const fn id(self) -> GroupId {
        match self {
            Self::Modp1024 => GroupId::MODP_1024,
            Self::Modp1536 => GroupId::MODP_1536,
            Self::Modp2048 => GroupId::MODP_2048,
            Self::Modp3072 => GroupId::MODP_3072,
            Self::Modp4096 => GroupId::MODP_4096,
            Self::Ecp256 => GroupId::ECP_256,
            Self::Ecp384 => GroupId::ECP_384,
            Self::Ecp521 => GroupId::ECP_521,
        }
    }

    /// Length of a public value in bytes: the prime's, or twice the field's.
    pub const fn public_len(self) -> usize {
        match self {
            Self::Modp1024 => 128,
            Self::Modp1536 => 192,
            Self::Modp2048 => 256,
            Self::Modp3072 => 384,
            Self::Modp4096 => 512,
            Self::Ecp256 => 64,
            Self::Ecp384 => 96,
            Self::Ecp521 => 132,
        }
    }

    /// Length of a shared secret in bytes: the prime's, or the field's (RFC 5903 §9: x only).
    pub const fn shared_len(self) -> usize {
        match self {
            Self::Ecp256 => 32,
            Self::Ecp384 => 48,
            Self::Ecp521 => 66,
            _ => self.public_len(),
        }
    }

    /// Length of a private value in bytes.
    ///
    /// For MODP groups: at least twice the group's strength (about 80, 96, 112, 128 and 152 bits
    /// by NIST SP 800-57 part 1 and RFC 3526 §8), and never below 256 bits. A longer exponent
    /// would cost time in proportion and add nothing.
    pub const fn private_len(self) -> usize {
        match self {
            Self::Modp1024 | Self::Modp1536 | Self::Modp2048 | Self::Ecp256 => 32,
            Self::Modp3072 => 40,
            Self::Modp4096 | Self::Ecp384 => 48,
            Self::Ecp521 => 66,
        }
    }

    /// Whether the group is an elliptic curve.
    pub const fn is_curve(self) -> bool {
        matches!(self, Self::Ecp256 | Self::Ecp384 | Self::Ecp521)
    }

    /// Draws a private value. Cheap: the power is computed by [`crate::Job`].
    pub fn private_value(self, rng: &mut Rng) -> PrivateValue {
        if self.is_curve() {
            return PrivateValue {
                group: self,
                bytes: ecp::private_value(self, rng),
            };
        }
        let mut bytes = Zeroizing::new(vec![0; self.private_len()]);
        rng.fill_bytes(&mut bytes);
        PrivateValue {
            group: self,
            bytes: Secret::from(bytes.as_slice()),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id())
    }
}

/// The private half of a Diffie-Hellman exchange.
#[derive(Clone)]
pub struct PrivateValue {
    group: Group,
    bytes: Secret,
}

impl fmt::Debug for PrivateValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateValue({}, ..)", self.group)
    }
}

impl PrivateValue {
    /// A private value that is known already: big-endian, of any length up to that of a public
    /// value for MODP, of exactly [`Group::private_len`] for a curve.
    ///
    /// `None` for a value that is too long, or zero, or not below the order of the curve.
    pub fn from_bytes(group: Group, bytes: &[u8]) -> Option<Self> {
        let is_fit = match group.is_curve() {
            true => ecp::is_private_value(group, bytes),
            false => bytes.len() <= group.public_len() && bytes.iter().any(|byte| *byte != 0),
        };
        is_fit.then(|| Self {
            group,
            bytes: Secret::from(bytes),
        })
    }

    /// Its group.
    pub const fn group(&self) -> Group {
        self.group
    }

    /// The public value g^x, of exactly [`Group::public_len`] bytes. Slow: milliseconds.
    pub fn public_value(&self) -> Vec<u8> {
        match self.group.is_curve() {
            true => ecp::public_value(self.group, self.bytes.expose()),
            false => modp::public_value(self.group, self.bytes.expose()),
        }
    }

    /// The shared secret with the owner of `peer`, of exactly [`Group::shared_len`] bytes. Slow:
    /// milliseconds.
    ///
    /// # Errors
    /// A public value that does not belong to the group.
    pub fn shared_secret(&self, peer: &[u8]) -> Result<Secret, InvalidPublicValue> {
        match self.group.is_curve() {
            true => ecp::shared_secret(self.group, self.bytes.expose(), peer),
            false => modp::shared_secret(self.group, self.bytes.expose(), peer),
        }
    }

    /// [`Self::public_value`] and [`Self::shared_secret`], for less than both take where that can
    /// be.
    ///
    /// # Errors
    /// A public value that does not belong to the group.
    pub fn exchange(&self, peer: &[u8]) -> Result<(Vec<u8>, Secret), InvalidPublicValue> {
        match self.group.is_curve() {
            true => ecp::exchange(self.group, self.bytes.expose(), peer),
            // The peer's value first: when it is no good, the other power need not be computed.
            false => {
                let shared = self.shared_secret(peer)?;
                Ok((self.public_value(), shared))
            }
        }
    }
}
