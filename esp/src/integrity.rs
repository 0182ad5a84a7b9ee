//! Message authentication with the key already absorbed.

use ::sha1::Sha1;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Sha256, Sha384, Sha512};

use crate::MAX_ICV_LEN;
use crate::lanes::hmac::{Hash, LaneHmac};
use crate::lanes::{BreakEven, LANES, SideBySide, sha1, sha256};
use crate::suite::{Integrity, KeyError};

/// HMAC states that have taken in the two padded keys; each packet works on a copy, which saves
/// two of the compressions.
pub(crate) enum Authenticator {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>, Lanes<sha1::Sha1, 5>),
    Sha256(Hmac<Sha256>, Lanes<sha256::Sha256, 8>),
    Sha384(Box<Hmac<Sha384>>),
    Sha512(Box<Hmac<Sha512>>),
}

/// The same in lanes, if there are any, and when to use them.
pub(crate) struct Lanes<H, const WORDS: usize> {
    hmac: Option<LaneHmac<H, WORDS>>,
    from: BreakEven,
}

impl<H: Hash<WORDS>, const WORDS: usize> Lanes<H, WORDS> {
    fn new(key: &[u8], from: BreakEven) -> Self {
        let hmac = LaneHmac::new(key);
        Self { hmac, from }
    }

    /// `None` if they are not worth a pass.
    fn icvs(&self, messages: &[&[u8]]) -> Option<[[u8; MAX_ICV_LEN]; LANES]> {
        let hmac = self.hmac.as_ref()?;
        let lengths = messages.iter().map(|message| message.len());
        if !self.from.is_reached(lengths) {
            return None;
        }
        let mut all = [&[][..]; LANES];
        all.iter_mut()
            .zip(messages)
            .for_each(|(to, from)| *to = from);
        Some(hmac.sum(&all).map(|digest| {
            let mut icv = [0; MAX_ICV_LEN];
            let bytes = icv.iter_mut().zip(digest.as_flattened());
            bytes.for_each(|(to, from)| *to = *from);
            icv
        }))
    }
}

fn absorb<M: KeyInit>(key: &[u8]) -> Result<M, KeyError> {
    M::new_from_slice(key).map_err(|_| KeyError::IntegrityKeyLength)
}

impl Authenticator {
    pub(crate) fn new(integrity: Integrity, key: &[u8]) -> Result<Self, KeyError> {
        if key.len() != integrity.key_len() {
            return Err(KeyError::IntegrityKeyLength);
        }
        let guess = SideBySide::default();
        match integrity {
            Integrity::HmacMd5_96 => absorb(key).map(Self::Md5),
            Integrity::HmacSha1_96 => Ok(Self::Sha1(absorb(key)?, Lanes::new(key, guess.sha1))),
            Integrity::HmacSha256_128 | Integrity::HmacSha256_96 => {
                Ok(Self::Sha256(absorb(key)?, Lanes::new(key, guess.sha256)))
            }
            Integrity::HmacSha384_192 => absorb(key).map(Box::new).map(Self::Sha384),
            Integrity::HmacSha512_256 => absorb(key).map(Box::new).map(Self::Sha512),
        }
    }

    /// From how many messages on they go side by side.
    pub(crate) const fn side_by_side(&mut self, from: SideBySide) {
        match self {
            Self::Sha1(_, lanes) => lanes.from = from.sha1,
            Self::Sha256(_, lanes) => lanes.from = from.sha256,
            Self::Md5(_) | Self::Sha384(_) | Self::Sha512(_) => {}
        }
    }

    /// The check value over `message`, in front; the caller knows how much of it counts.
    pub(crate) fn icv(&self, message: &[u8]) -> [u8; MAX_ICV_LEN] {
        match self {
            Self::Md5(state) => sum(state, message),
            Self::Sha1(state, ..) => sum(state, message),
            Self::Sha256(state, _) => sum(state, message),
            Self::Sha384(state) => sum(&**state, message),
            Self::Sha512(state) => sum(&**state, message),
        }
    }

    /// The check values over at most [`LANES`] messages, if that is quicker side by side than one
    /// after another.
    pub(crate) fn together(&self, messages: &[&[u8]]) -> Option<[[u8; MAX_ICV_LEN]; LANES]> {
        match self {
            Self::Sha1(_, lanes) => lanes.icvs(messages),
            Self::Sha256(_, lanes) => lanes.icvs(messages),
            Self::Md5(_) | Self::Sha384(_) | Self::Sha512(_) => None,
        }
    }

    /// The check values over at most [`LANES`] messages.
    pub(crate) fn icvs(&self, messages: &[&[u8]]) -> [[u8; MAX_ICV_LEN]; LANES] {
        self.together(messages).unwrap_or_else(|| {
            let mut icvs = [[0; MAX_ICV_LEN]; LANES];
            for (icv, message) in icvs.iter_mut().zip(messages) {
                *icv = self.icv(message);
            }
            icvs
        })
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
    use crate::lanes::Wide;

    #[test]
    fn it_goes_by_what_it_was_told() {
        let [mut sha1, mut sha256] = [
            (Integrity::HmacSha1_96, 20),
            (Integrity::HmacSha256_128, 32),
        ]
        .map(|(integrity, len)| Authenticator::new(integrity, &vec![1; len]).unwrap());
        for count in [2, 9, LANES] {
            let packets = vec![&[7; 1400][..]; count];
            for authenticator in [&mut sha1, &mut sha256] {
                authenticator.side_by_side(SideBySide::from(count));
                let lanes = Wide::new().is_some();
                assert_eq!(authenticator.together(&packets).is_some(), lanes);
                assert!(authenticator.together(&packets[1..]).is_none());
            }
        }
    }
}
