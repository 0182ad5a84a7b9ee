//! Message authentication with the key already absorbed.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::MAX_ICV_LEN;
use crate::lanes::sha1::LaneHmac;
use crate::lanes::{LANES, SideBySide};
use crate::suite::{Integrity, KeyError};

/// HMAC states that have taken in the two padded keys; each packet works on a copy, which saves
/// two of the compressions.
pub(crate) enum Authenticator {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>, LaneHmac, SideBySide),
    Sha256(Hmac<Sha256>),
    Sha384(Box<Hmac<Sha384>>),
    Sha512(Box<Hmac<Sha512>>),
}

fn absorb<M: KeyInit>(key: &[u8]) -> Result<M, KeyError> {
    M::new_from_slice(key).map_err(|_| KeyError::IntegrityKeyLength)
}

impl Authenticator {
    pub(crate) fn new(integrity: Integrity, key: &[u8]) -> Result<Self, KeyError> {
        if key.len() != integrity.key_len() {
            return Err(KeyError::IntegrityKeyLength);
        }
        match integrity {
            Integrity::HmacMd5_96 => absorb(key).map(Self::Md5),
            Integrity::HmacSha1_96 => {
                let lanes = LaneHmac::new(key).ok_or(KeyError::IntegrityKeyLength)?;
                absorb(key).map(|state| Self::Sha1(state, lanes, SideBySide::default()))
            }
            Integrity::HmacSha256_128 | Integrity::HmacSha256_96 => absorb(key).map(Self::Sha256),
            Integrity::HmacSha384_192 => absorb(key).map(Box::new).map(Self::Sha384),
            Integrity::HmacSha512_256 => absorb(key).map(Box::new).map(Self::Sha512),
        }
    }

    /// From how many messages on they are worth a pass; only HMAC-SHA1 has passes.
    pub(crate) const fn side_by_side(&mut self, from: SideBySide) {
        if let Self::Sha1(_, _, present) = self {
            *present = from;
        }
    }

    /// The check value over `message`, in front; the caller knows how much of it counts.
    pub(crate) fn icv(&self, message: &[u8]) -> [u8; MAX_ICV_LEN] {
        match self {
            Self::Md5(state) => sum(state, message),
            Self::Sha1(state, ..) => sum(state, message),
            Self::Sha256(state) => sum(state, message),
            Self::Sha384(state) => sum(&**state, message),
            Self::Sha512(state) => sum(&**state, message),
        }
    }

    /// Whether messages of these lengths are quicker side by side than one after another.
    pub(crate) fn is_quicker(&self, lengths: impl Iterator<Item = usize>) -> bool {
        matches!(self, Self::Sha1(_, _, from) if from.is_worth(lengths))
    }

    /// The check values over at most [`LANES`] messages.
    pub(crate) fn icvs(&self, messages: &[&[u8]]) -> [[u8; MAX_ICV_LEN]; LANES] {
        let mut icvs = [[0; MAX_ICV_LEN]; LANES];
        match self {
            Self::Sha1(_, lanes, _)
                if self.is_quicker(messages.iter().map(|message| message.len())) =>
            {
                let mut all = [&[][..]; LANES];
                all.iter_mut()
                    .zip(messages)
                    .for_each(|(to, from)| *to = from);
                for (icv, digest) in icvs.iter_mut().zip(lanes.sum(&all)) {
                    icv.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
                }
            }
            _ => {
                for (icv, message) in icvs.iter_mut().zip(messages) {
                    *icv = self.icv(message);
                }
            }
        }
        icvs
    }
}

fn sum<M: Mac + Clone>(state: &M, message: &[u8]) -> [u8; MAX_ICV_LEN] {
    let full = state.clone().chain_update(message).finalize().into_bytes();
    let mut icv = [0; MAX_ICV_LEN];
    icv.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    icv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_by_what_it_was_told() {
        let mut sha1 = Authenticator::new(Integrity::HmacSha1_96, &[1; 20]).unwrap();
        for from in [2, LANES, LANES + 1].map(SideBySide::from) {
            sha1.side_by_side(from);
            assert!(matches!(sha1, Authenticator::Sha1(_, _, told) if told == from));
        }
    }
}
