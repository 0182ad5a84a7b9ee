//! ECP groups: P-256, P-384, P-521 as IKE uses them (RFC 5903).
//!
//! A public value is x followed by y, each of the field's length (§7); the shared secret is x
//! alone (§9). A peer's point is checked to lie on the curve; these curves have prime order, so
//! that no point of small order exists.

use elliptic_curve::sec1::{FromSec1Point, Sec1Point, ToSec1Point};
use elliptic_curve::{Generate, PublicKey, SecretKey};
use p256::NistP256;
use p384::NistP384;
use p521::NistP521;
use wire::{Rng, Secret};
use zeroize::Zeroizing;

use super::{Group, InvalidPublicValue};

/// Runs an expression with `$C` as the curve of the group; `$other` for groups of another kind.
macro_rules! with_curve {
    ($group:expr, $C:ident => $body:expr, $other:expr) => {
        match $group {
            Group::Ecp256 => {
                type $C = NistP256;
                $body
            }
            Group::Ecp384 => {
                type $C = NistP384;
                $body
            }
            Group::Ecp521 => {
                type $C = NistP521;
                $body
            }
            _ => $other,
        }
    };
}

/// Draws a number between 1 and the curve's order.
pub(super) fn private_value(group: Group, rng: &mut Rng) -> Secret {
    with_curve!(group, C => {
        let key = SecretKey::<C>::generate_from_rng(rng);
        let bytes = Zeroizing::new(key.to_bytes());
        Secret::from(bytes.as_slice())
    }, Secret::default())
}

/// Whether the bytes are a number between 1 and the curve's order.
pub(super) fn is_private_value(group: Group, bytes: &[u8]) -> bool {
    bytes.len() == group.private_len()
        && with_curve!(group, C => SecretKey::<C>::from_slice(bytes).is_ok(), false)
}

/// The point of the private value, as x and y. Empty if that value is none, which
/// [`is_private_value`] has ruled out.
pub(super) fn public_value(group: Group, private: &[u8]) -> Vec<u8> {
    with_curve!(group, C => {
        let Ok(key) = SecretKey::<C>::from_slice(private) else { return Vec::new() };
        let point = key.public_key().to_sec1_point(false);
        // The first byte is SEC 1's mark of an uncompressed point, which IKE leaves out.
        point.as_bytes().get(1..).unwrap_or_default().to_vec()
    }, Vec::new())
}

/// x of the common point.
pub(super) fn shared_secret(
    group: Group,
    private: &[u8],
    peer: &[u8],
) -> Result<Secret, InvalidPublicValue> {
    if peer.len() != group.public_len() {
        return Err(InvalidPublicValue::SIZE);
    }
    with_curve!(group, C => {
        let coordinates = peer.try_into().map_err(|_| InvalidPublicValue::SIZE)?;
        let point = Sec1Point::<C>::from_untagged_bytes(coordinates);
        let public = Option::<PublicKey<C>>::from(PublicKey::<C>::from_sec1_point(&point))
            .ok_or(InvalidPublicValue::OFF_CURVE)?;
        let key = SecretKey::<C>::from_slice(private)
            .map_err(|_| InvalidPublicValue::OFF_CURVE)?;
        let shared = key.diffie_hellman(&public);
        Ok(Secret::from(shared.raw_secret_bytes().as_slice()))
    }, Err(InvalidPublicValue::SIZE))
}
