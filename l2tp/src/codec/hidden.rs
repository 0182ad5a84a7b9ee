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

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    const VECTOR: [u8; 16] = hex!("000102030405060708090a0b0c0d0e0f");

    fn secret() -> Secret {
        Secret::from(&b"l2tpsecret"[..])
    }

    /// The hidden forms were computed with a few lines of Python after RFC 2661 §4.3.
    #[test]
    fn known_answers() {
        let id = hide(
            AvpType::ASSIGNED_TUNNEL_ID,
            &[0x12, 0x34],
            &[],
            &secret(),
            &VECTOR,
        );
        assert_eq!(id, hex!("95c80ce2"));
        let name = b"a vendor name of more than thirty-two bytes";
        let long = hide(
            AvpType::VENDOR_NAME,
            name,
            &[0, 1, 2, 3, 4],
            &secret(),
            &VECTOR,
        );
        let expected = hex!(
            "f2e16c2ac783543e3ea13b74fe669e3315bf6672db7c8bf3ff238b10de2e4550d31a1d9e983740438f603dbd19bb77def3da"
        );
        assert_eq!(long, expected);
        assert_eq!(
            reveal(AvpType::VENDOR_NAME, &long, &secret(), &VECTOR).unwrap(),
            name
        );
    }

    #[test]
    fn another_secret_type_or_vector_does_not_open_it() {
        let kind = AvpType::VENDOR_NAME;
        let hidden = hide(kind, b"value", &[0; 9], &secret(), &VECTOR);
        let other = Secret::from(&b"l2tpsecreT"[..]);
        assert_ne!(
            reveal(kind, &hidden, &other, &VECTOR).as_deref(),
            Ok(&b"value"[..])
        );
        assert_ne!(
            reveal(kind, &hidden, &secret(), &[1; 16]).as_deref(),
            Ok(&b"value"[..])
        );
        let other = AvpType::HOST_NAME;
        assert_ne!(
            reveal(other, &hidden, &secret(), &VECTOR).as_deref(),
            Ok(&b"value"[..])
        );
        assert!(reveal(kind, &[], &secret(), &VECTOR).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(
            kind: u16,
            value in prop::collection::vec(any::<u8>(), 0..80),
            padding in prop::collection::vec(any::<u8>(), 0..40),
            vector in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let hidden = hide(AvpType(kind), &value, &padding, &secret(), &vector);
            prop_assert_eq!(reveal(AvpType(kind), &hidden, &secret(), &vector), Ok(value));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = reveal(AvpType(1), &bytes, &secret(), &[]);
        }
    }
}
