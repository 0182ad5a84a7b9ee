//! Hiding of AVP values (RFC 2661 §4.3).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use md5::{Digest, Md5};
use wire::emit::Emit;
use wire::{DecodeError, Secret};
use zeroize::Zeroize;

use super::registry::AvpType;

/// Bytes of an MD5 digest, and of the blocks that are masked with it.
const BLOCK: usize = 16;

/// Masks or unmasks `text` in place: a stream whose next block depends on the last one's
/// ciphertext. `masked` tells which side of the mask `text` is on.
fn stream(kind: AvpType, secret: &Secret, vector: &[u8], text: &mut [u8], masked: bool) {
    let mut digest = Md5::new();
    digest.update(kind.0.to_be_bytes());
    digest.update(secret.expose());
    digest.update(vector);
    let mut mask = digest.finalize();
    for block in text.chunks_mut(BLOCK) {
        let mut cipher = [0; BLOCK];
        for ((byte, mask), cipher) in block.iter_mut().zip(mask.iter()).zip(cipher.iter_mut()) {
            let other = *byte ^ mask;
            *cipher = if masked { *byte } else { other };
            *byte = other;
        }
        let mut digest = Md5::new();
        digest.update(secret.expose());
        digest.update(cipher.get(..block.len()).unwrap_or(&cipher));
        mask = digest.finalize();
    }
    mask.zeroize();
}

/// The hidden form of a value: its length, the value and `padding`, masked. The padding conceals
/// the length; both together must fit an AVP.
pub fn hide(
    kind: AvpType,
    value: &[u8],
    padding: &[u8],
    secret: &Secret,
    vector: &[u8],
) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len().saturating_add(padding.len()).saturating_add(2));
    text.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
    text.put(value);
    text.put(padding);
    stream(kind, secret, vector, &mut text, false);
    text
}

/// The value behind its hidden form.
///
/// # Errors
/// If the length inside does not fit: most likely the secrets differ.
pub fn reveal(
    kind: AvpType,
    hidden: &[u8],
    secret: &Secret,
    vector: &[u8],
) -> Result<Vec<u8>, DecodeError> {
    let mut text = hidden.to_vec();
    stream(kind, secret, vector, &mut text, true);
    let value = text.split_first_chunk::<2>().and_then(|(length, rest)| {
        rest.get(..usize::from(u16::from_be_bytes(*length)))
            .map(<[u8]>::to_vec)
    });
    text.zeroize();
    value.ok_or(DecodeError::new(
        0,
        "hidden AVP that the tunnel secret does not open",
    ))
}
