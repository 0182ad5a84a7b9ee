//! ECP groups: P-256, P-384, P-521 as IKE uses them (RFC 5903).
//!
//! A public value is x followed by y, each of the field's length (§7); the shared secret is x
//! alone (§9). A peer's point is checked to lie on the curve; these curves have prime order, so
//! that no point of small order exists.

use aws_lc_rs::agreement::{
    Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, UnparsedPublicKey, agree,
};
use rand_core::Rng as _;
use wire::{Rng, Secret};
use zeroize::Zeroizing;

use super::{Group, InvalidPublicValue};

/// SEC 1's mark of an uncompressed point (§2.3.3), which IKE leaves out.
const UNCOMPRESSED: u8 = 4;

/// The order of P-256 (FIPS 186-4 §D.1.2.3).
const ORDER_256: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// The order of P-384 (§D.1.2.4).
const ORDER_384: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
/// The order of P-521 (§D.1.2.5).
const ORDER_521: [u8; 66] = [
    0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xfa, 0x51, 0x86, 0x87, 0x83, 0xbf, 0x2f, 0x96, 0x6b, 0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09,
    0xa5, 0xd0, 0x3b, 0xb5, 0xc9, 0xb8, 0x89, 0x9c, 0x47, 0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38,
    0x64, 0x09,
];

/// The curve of a group, and its order.
const fn curve(group: Group) -> Option<(&'static Algorithm, &'static [u8])> {
    match group {
        Group::Ecp256 => Some((&ECDH_P256, &ORDER_256)),
        Group::Ecp384 => Some((&ECDH_P384, &ORDER_384)),
        Group::Ecp521 => Some((&ECDH_P521, &ORDER_521)),
        _ => None,
    }
}

/// Draws a number between 1 and the curve's order.
pub(super) fn private_value(group: Group, rng: &mut Rng) -> Secret {
    let mut bytes = Zeroizing::new(vec![0; group.private_len()]);
    loop {
        rng.fill_bytes(&mut bytes);
        // An order of 521 bits leaves seven of the first byte unused.
        if let (Group::Ecp521, Some(first)) = (group, bytes.first_mut()) {
            *first &= 1;
        }
        // What is drawn again is as good as random: even for P-256 it happens once in 2^32 times.
        if is_private_value(group, &bytes) || !group.is_curve() {
            return Secret::from(bytes.as_slice());
        }
    }
}

/// Whether the bytes are a number between 1 and the curve's order.
pub(super) fn is_private_value(group: Group, bytes: &[u8]) -> bool {
    let Some((_, order)) = curve(group) else {
        return false;
    };
    bytes.len() == order.len() && bytes.iter().any(|byte| *byte != 0) && is_below(bytes, order)
}

/// Compares big-endian numbers of one length by subtracting all of them, so that the time says
/// nothing about where they differ.
fn is_below(bytes: &[u8], bound: &[u8]) -> bool {
    let digits = bytes.iter().rev().zip(bound.iter().rev());
    let borrow = digits.fold(0, |borrow, (byte, bound)| {
        let difference = u16::from(*byte)
            .wrapping_sub(u16::from(*bound))
            .wrapping_sub(borrow);
        difference >> 15
    });
    borrow == 1
}

/// The point of the private value, as x and y. Empty if that value is none, which
/// [`is_private_value`] has ruled out.
pub(super) fn public_value(group: Group, private: &[u8]) -> Vec<u8> {
    key(group, private).map_or_else(Vec::new, |key| point(&key))
}

/// x of the common point.
pub(super) fn shared_secret(
    group: Group,
    private: &[u8],
    peer: &[u8],
) -> Result<Secret, InvalidPublicValue> {
    let key = key(group, private).ok_or(InvalidPublicValue::SIZE)?;
    common(group, &key, peer)
}

/// [`public_value`] and [`shared_secret`], for less than both take.
pub(super) fn exchange(
    group: Group,
    private: &[u8],
    peer: &[u8],
) -> Result<(Vec<u8>, Secret), InvalidPublicValue> {
    let key = key(group, private).ok_or(InvalidPublicValue::SIZE)?;
    let shared = common(group, &key, peer)?;
    Ok((point(&key), shared))
}

/// The private value with its point: computing that is what takes time.
fn key(group: Group, private: &[u8]) -> Option<PrivateKey> {
    let (algorithm, _) = curve(group)?;
    PrivateKey::from_private_key(algorithm, private).ok()
}

fn point(key: &PrivateKey) -> Vec<u8> {
    let point = key.compute_public_key();
    let coordinates = point
        .as_ref()
        .ok()
        .and_then(|point| point.as_ref().get(1..));
    coordinates.unwrap_or_default().to_vec()
}

fn common(group: Group, key: &PrivateKey, peer: &[u8]) -> Result<Secret, InvalidPublicValue> {
    if peer.len() != group.public_len() {
        return Err(InvalidPublicValue::SIZE);
    }
    let mut point = vec![UNCOMPRESSED];
    point.extend_from_slice(peer);
    let peer = UnparsedPublicKey::new(key.algorithm(), &point);
    agree(key, peer, InvalidPublicValue::OFF_CURVE, |x| {
        Ok(Secret::from(x))
    })
}
