//! From the names IKE negotiates to the algorithms of the data plane.
//!
//! `ike` and `esp` do not know each other; this is where they meet.

use esp::{Cipher, Integrity, Keys, Suite};
use ike::{EspEncryption, EspIntegrity, EspSa, EspSuite, KeyBits};

/// The algorithms of a child SA.
pub(crate) const fn suite(negotiated: EspSuite) -> Suite {
    let cipher = match negotiated.encryption {
        EspEncryption::TripleDesCbc => Cipher::TripleDesCbc,
        EspEncryption::AesCbc(KeyBits::B128) => Cipher::AesCbc128,
        EspEncryption::AesCbc(KeyBits::B192) => Cipher::AesCbc192,
        EspEncryption::AesCbc(KeyBits::B256) => Cipher::AesCbc256,
        EspEncryption::AesGcm16(KeyBits::B128) => Cipher::AesGcm128,
        EspEncryption::AesGcm16(KeyBits::B192) => Cipher::AesGcm192,
        EspEncryption::AesGcm16(KeyBits::B256) => Cipher::AesGcm256,
    };
    let integrity = match negotiated.integrity {
        EspIntegrity::None => None,
        EspIntegrity::Md5 => Some(Integrity::HmacMd5_96),
        EspIntegrity::Sha1 => Some(Integrity::HmacSha1_96),
        EspIntegrity::Sha256 => Some(Integrity::HmacSha256_128),
        EspIntegrity::Sha384 => Some(Integrity::HmacSha384_192),
        EspIntegrity::Sha512 => Some(Integrity::HmacSha512_256),
    };
    Suite::new(cipher, integrity)
}

/// The keys of one direction.
pub(crate) fn keys(sa: &EspSa) -> Keys {
    Keys {
        encryption: sa.encryption.clone(),
        integrity: sa.integrity.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_want_keys_of_the_same_length() {
        use EspEncryption::{AesCbc, AesGcm16, TripleDesCbc};
        let ciphers = [KeyBits::B128, KeyBits::B192, KeyBits::B256];
        let with_mac = ciphers.map(AesCbc).into_iter().chain([TripleDesCbc]);
        let macs = [
            EspIntegrity::Md5,
            EspIntegrity::Sha1,
            EspIntegrity::Sha256,
            EspIntegrity::Sha384,
            EspIntegrity::Sha512,
        ];
        let all = with_mac
            .flat_map(|cipher| macs.map(|mac| EspSuite::new(cipher, mac)))
            .chain(ciphers.map(|bits| EspSuite::new(AesGcm16(bits), EspIntegrity::None)));
        for negotiated in all {
            let lengths = suite(negotiated).key_lengths();
            assert_eq!(
                lengths.encryption,
                negotiated.encryption_key_len(),
                "{negotiated:?}"
            );
            assert_eq!(
                lengths.integrity,
                negotiated.integrity_key_len(),
                "{negotiated:?}"
            );
            assert!(suite(negotiated).check().is_ok());
        }
    }
}
