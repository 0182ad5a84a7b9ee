//! Cookies of ours, and how to tell them from anybody's.
//!
//! Half of each cookie that we choose is random, and the other half a tag over it under a key that is
//! drawn at start. Whoever forges packets without having had one of ours hits the tag once in 2³² tries,
//! so that a packet thread can keep what is forged away from the exchanges that are under way, with no
//! table and without asking anybody. The responder's cookie is bound to the initiator's as well;
//! to no address, since clients go on with other ports, and sometimes addresses, than they
//! began with.

use std::fmt;

use aes::Aes128;
use cipher::{BlockCipherEncrypt, KeyInit};
use rand_core::Rng as _;
use subtle::ConstantTimeEq as _;
use wire::{Carrier, Path, Rng};
use zeroize::Zeroizing;

use crate::codec::{Cookie, Header};

/// The half of a cookie that is random, and the length of the tag.
const HALF: usize = 4;

/// Tells cookies of one [`Endpoint`](crate::Endpoint) from others. Cheap to clone, and of
/// no use to anybody who would choose cookies for it.
#[derive(Clone)]
pub struct Cookies(Aes128);

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookies(…)")
    }
}

/// What the cookies of a message say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// There is no responder's cookie: it begins something.
    First,
    /// One of the cookies is ours: its sender has had a message of ours, or has seen one.
    Known,
    /// Both are foreign: forged, garbage, or of an IKE SA from before the start.
    Foreign,
}

impl Cookies {
    /// Draws a key.
    pub fn new(rng: &mut Rng) -> Self {
        let mut key = Zeroizing::new([0; 16]);
        rng.fill_bytes(&mut *key);
        Self(Aes128::new(&(*key).into()))
    }

    /// Whose the cookies of an ISAKMP message are. What is too short to have any is foreign.
    pub fn provenance(&self, path: Path, datagram: &[u8]) -> Provenance {
        let message = without_marker(path, datagram);
        let Some((initiator, responder)) = message
            .split_first_chunk()
            .and_then(|(initiator, rest)| Some((initiator, rest.first_chunk()?)))
        else {
            return Provenance::Foreign;
        };
        let (initiator, responder) = (Cookie(*initiator), Cookie(*responder));
        if responder.is_zero() {
            Provenance::First
        } else if self.is_ours(Some(initiator), responder) || self.is_ours(None, initiator) {
            Provenance::Known
        } else {
            Provenance::Foreign
        }
    }

    /// A cookie for us as the initiator; never zero.
    pub fn initiator(&self, rng: &mut Rng) -> Cookie {
        self.draw(None, rng)
    }

    /// A cookie for us as the responder to `initiator`; never zero.
    pub fn responder(&self, initiator: Cookie, rng: &mut Rng) -> Cookie {
        self.draw(Some(initiator), rng)
    }

    fn draw(&self, bound: Option<Cookie>, rng: &mut Rng) -> Cookie {
        loop {
            let random = rng.next_u32().to_be_bytes();
            let [a, b, c, d] = random;
            let [e, f, g, h] = self.tag(bound, random);
            let cookie = Cookie([a, b, c, d, e, f, g, h]);
            if !cookie.is_zero() {
                return cookie;
            }
        }
    }

    fn is_ours(&self, bound: Option<Cookie>, cookie: Cookie) -> bool {
        cookie.0.split_first_chunk().is_some_and(|(random, tag)| {
            let expected = self.tag(bound, *random);
            expected.as_slice().ct_eq(tag).into()
        })
    }

    /// One block of the cipher is a keyed hash of a message that fits into it: the random half, the
    /// cookie it is bound to, and whether there is one.
    fn tag(&self, bound: Option<Cookie>, random: [u8; HALF]) -> [u8; HALF] {
        let role = u8::from(bound.is_some());
        let bound = bound.unwrap_or(Cookie::ZERO);
        let mut block = aes::Block::default();
        block
            .iter_mut()
            .zip(random.into_iter().chain(bound.0).chain([role]))
            .for_each(|(byte, value)| *byte = value);
        self.0.encrypt_block(&mut block);
        block.first_chunk().copied().unwrap_or_default()
    }
}

/// QUIRK(Apple): some releases put a second non-ESP marker in front of the message. A cookie that
/// starts with four zero bytes is told from it by the length field.
pub(crate) fn without_marker(path: Path, datagram: &[u8]) -> &[u8] {
    let mut rest = datagram;
    while path.carrier == Carrier::NatT
        && let Some(([0, 0, 0, 0], after)) = rest.split_first_chunk()
    {
        let fits = Header::parse(rest)
            .is_ok_and(|(_, body)| body.len().saturating_add(Header::LEN) == rest.len());
        if fits {
            break;
        }
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng as _;

    use super::*;

    const PATH: Path = Path {
        local: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 500),
        remote: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5),
        carrier: Carrier::NatT,
    };

    fn message(initiator: Cookie, responder: Cookie) -> Vec<u8> {
        let mut bytes = [initiator.0, responder.0].concat();
        bytes.extend([5, 0x10, 2, 0, 0, 0, 0, 0, 0, 0, 0, 28]);
        bytes
    }

    #[test]
    fn cookies_of_ours_are_known_with_the_peers_and_no_others_are() {
        let mut rng = Rng::seed_from_u64(1);
        let (ours, others) = (Cookies::new(&mut rng), Cookies::new(&mut rng));
        for _ in 0..1_000 {
            let foreign = Cookie(rng.next_u64().to_be_bytes());
            let responder = ours.responder(foreign, &mut rng);
            let asked = message(foreign, responder);
            assert_eq!(ours.provenance(PATH, &asked), Provenance::Known);
            assert_eq!(others.provenance(PATH, &asked), Provenance::Foreign);
            // Another initiator cannot use it.
            let other = Cookie(rng.next_u64().to_be_bytes());
            let stolen = message(other, responder);
            assert_eq!(ours.provenance(PATH, &stolen), Provenance::Foreign);

            let initiator = ours.initiator(&mut rng);
            let asking = message(initiator, foreign);
            assert_eq!(ours.provenance(PATH, &asking), Provenance::Known);
            assert_eq!(others.provenance(PATH, &asking), Provenance::Foreign);
            let first = message(foreign, Cookie::ZERO);
            assert_eq!(ours.provenance(PATH, &first), Provenance::First);
        }
        assert_eq!(ours.provenance(PATH, &[1; 15]), Provenance::Foreign);
    }

    #[test]
    fn a_second_marker_hides_no_cookie() {
        let mut rng = Rng::seed_from_u64(2);
        let ours = Cookies::new(&mut rng);
        let foreign = Cookie([7; 8]);
        let responder = ours.responder(foreign, &mut rng);
        for (cookie, expected) in [
            (responder, Provenance::Known),
            (Cookie::ZERO, Provenance::First),
            (Cookie([9; 8]), Provenance::Foreign),
        ] {
            let marked = [&[0; 4], &message(foreign, cookie)[..]].concat();
            assert_eq!(ours.provenance(PATH, &marked), expected);
        }
    }

    #[test]
    fn half_of_each_cookie_is_random() {
        let mut rng = Rng::seed_from_u64(3);
        let ours = Cookies::new(&mut rng);
        let drawn: std::collections::BTreeSet<Cookie> = (0..10_000)
            .map(|_| ours.responder(Cookie([7; 8]), &mut rng))
            .collect();
        assert!(drawn.len() > 9_990, "{}", drawn.len());
    }
}
