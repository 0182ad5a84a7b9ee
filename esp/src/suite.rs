//! Names of algorithms, and every length that follows from them.

use std::fmt;

use wire::Secret;

use crate::HEADER_LEN;

/// An encryption algorithm with its key length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cipher {
    /// AES-CBC with a 128-bit key (RFC 3602).
    AesCbc128,
    /// AES-CBC with a 192-bit key (RFC 3602).
    AesCbc192,
    /// AES-CBC with a 256-bit key (RFC 3602).
    AesCbc256,
    /// Triple DES in CBC mode with three keys (RFC 2451). Weak: its blocks have 64 bits.
    TripleDesCbc,
    /// AES-GCM with a 128-bit key and a check value of 16 bytes (RFC 4106).
    AesGcm128,
    /// AES-GCM with a 192-bit key and a check value of 16 bytes (RFC 4106).
    AesGcm192,
    /// AES-GCM with a 256-bit key and a check value of 16 bytes (RFC 4106).
    AesGcm256,
}

impl Cipher {
    /// Whether the cipher authenticates by itself and so goes without an [`Integrity`].
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AesGcm128 | Self::AesGcm192 | Self::AesGcm256)
    }

    /// Bytes of key material, with the salt of 4 bytes that RFC 4106 §8.1 puts behind the key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCbc128 => 16,
            Self::AesCbc192 | Self::TripleDesCbc => 24,
            Self::AesCbc256 => 32,
            Self::AesGcm128 => 20,
            Self::AesGcm192 => 28,
            Self::AesGcm256 => 36,
        }
    }

    /// Bytes of the initialisation vector carried in each packet.
    pub const fn iv_len(self) -> usize {
        match self {
            Self::AesCbc128 | Self::AesCbc192 | Self::AesCbc256 => 16,
            Self::TripleDesCbc | Self::AesGcm128 | Self::AesGcm192 | Self::AesGcm256 => 8,
        }
    }

    /// What the encrypted part is padded to a multiple of: the block of the cipher, and for a
    /// stream cipher the 4 bytes of RFC 4303 §2.4.
    pub const fn alignment(self) -> usize {
        match self {
            Self::AesCbc128 | Self::AesCbc192 | Self::AesCbc256 => 16,
            Self::TripleDesCbc => 8,
            Self::AesGcm128 | Self::AesGcm192 | Self::AesGcm256 => 4,
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AesCbc128 => "aes128",
            Self::AesCbc192 => "aes192",
            Self::AesCbc256 => "aes256",
            Self::TripleDesCbc => "3des",
            Self::AesGcm128 => "aes128gcm16",
            Self::AesGcm192 => "aes192gcm16",
            Self::AesGcm256 => "aes256gcm16",
        })
    }
}

/// An integrity algorithm with the length its check value is cut to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Integrity {
    /// HMAC-MD5-96 (RFC 2403). Weak.
    HmacMd5_96,
    /// HMAC-SHA1-96 (RFC 2404).
    HmacSha1_96,
    /// HMAC-SHA2-256-128 (RFC 4868).
    HmacSha256_128,
    /// HMAC-SHA2-256 cut to 96 bits, as a draft before RFC 4868 had it and Android 6 and 7 still
    /// do. Never negotiated.
    HmacSha256_96,
    /// HMAC-SHA2-384-192 (RFC 4868).
    HmacSha384_192,
    /// HMAC-SHA2-512-256 (RFC 4868).
    HmacSha512_256,
}

impl Integrity {
    /// Bytes of key: the output of the hash (RFC 4868 §2.1.1).
    pub const fn key_len(self) -> usize {
        match self {
            Self::HmacMd5_96 => 16,
            Self::HmacSha1_96 => 20,
            Self::HmacSha256_128 | Self::HmacSha256_96 => 32,
            Self::HmacSha384_192 => 48,
            Self::HmacSha512_256 => 64,
        }
    }

    /// Bytes of the integrity check value at the end of each packet.
    pub const fn icv_len(self) -> usize {
        match self {
            Self::HmacMd5_96 | Self::HmacSha1_96 | Self::HmacSha256_96 => 12,
            Self::HmacSha256_128 => 16,
            Self::HmacSha384_192 => 24,
            Self::HmacSha512_256 => 32,
        }
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacMd5_96 => "md5",
            Self::HmacSha1_96 => "sha1",
            Self::HmacSha256_128 => "sha256",
            Self::HmacSha256_96 => "sha256-96",
            Self::HmacSha384_192 => "sha384",
            Self::HmacSha512_256 => "sha512",
        })
    }
}

/// What protects the packets of one security association.
///
/// A cipher of CBC kind wants an integrity algorithm and AES-GCM wants none; other combinations
/// can be written down but [`Suite::check`] refuses them, and so do [`crate::Sealer::new`] and
/// [`crate::Opener::new`]. Encryption without integrity is never accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suite {
    /// The encryption algorithm.
    pub cipher: Cipher,
    /// The integrity algorithm, `None` with AES-GCM.
    pub integrity: Option<Integrity>,
}

/// How many bytes of key material a suite takes, in the order of KEYMAT (RFC 2409 §5.5):
/// encryption first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLengths {
    /// For the cipher, salt included.
    pub encryption: usize,
    /// For the integrity algorithm; 0 with AES-GCM.
    pub integrity: usize,
}

impl KeyLengths {
    /// Both together.
    pub const fn total(self) -> usize {
        self.encryption.saturating_add(self.integrity)
    }
}

impl Suite {
    /// Puts the two together without checking that they fit.
    pub const fn new(cipher: Cipher, integrity: Option<Integrity>) -> Self {
        Self { cipher, integrity }
    }

    /// Every suite there is.
    pub fn all() -> impl Iterator<Item = Self> {
        const CBC: [Cipher; 4] = [
            Cipher::AesCbc128,
            Cipher::AesCbc192,
            Cipher::AesCbc256,
            Cipher::TripleDesCbc,
        ];
        const GCM: [Cipher; 3] = [Cipher::AesGcm128, Cipher::AesGcm192, Cipher::AesGcm256];
        const MACS: [Integrity; 6] = [
            Integrity::HmacMd5_96,
            Integrity::HmacSha1_96,
            Integrity::HmacSha256_128,
            Integrity::HmacSha256_96,
            Integrity::HmacSha384_192,
            Integrity::HmacSha512_256,
        ];
        CBC.into_iter()
            .flat_map(|cipher| {
                MACS.into_iter()
                    .map(move |mac| Self::new(cipher, Some(mac)))
            })
            .chain(GCM.into_iter().map(|cipher| Self::new(cipher, None)))
    }

    /// What a peer that cuts SHA-256 to 96 bits makes of this suite; `None` for any other hash.
    pub const fn truncated(self) -> Option<Self> {
        match self.integrity {
            Some(Integrity::HmacSha256_128) => Some(Self {
                integrity: Some(Integrity::HmacSha256_96),
                ..self
            }),
            _ => None,
        }
    }

    /// Whether cipher and integrity algorithm belong together.
    pub const fn check(self) -> Result<(), KeyError> {
        match (self.cipher.is_aead(), self.integrity) {
            (true, None) | (false, Some(_)) => Ok(()),
            (true, Some(_)) | (false, None) => Err(KeyError::Combination),
        }
    }

    /// How much key material to derive.
    pub const fn key_lengths(self) -> KeyLengths {
        let integrity = match self.integrity {
            Some(integrity) => integrity.key_len(),
            None => 0,
        };
        KeyLengths {
            encryption: self.cipher.key_len(),
            integrity,
        }
    }

    /// Bytes of the integrity check value.
    pub const fn icv_len(self) -> usize {
        match self.integrity {
            Some(integrity) => integrity.icv_len(),
            None => 16,
        }
    }

    /// Bytes in front of the payload: SPI, sequence number, initialisation vector.
    pub const fn header_len(self) -> usize {
        HEADER_LEN.saturating_add(self.cipher.iv_len())
    }

    /// Bytes of padding behind a payload of `payload` bytes, so that with the two bytes of the
    /// trailer it fills whole blocks. Never more than needed.
    pub const fn padding_len(self, payload: usize) -> usize {
        let alignment = self.cipher.alignment();
        match payload.saturating_add(2).checked_rem(alignment) {
            None | Some(0) => 0,
            Some(over) => alignment.saturating_sub(over),
        }
    }

    /// Bytes behind a payload of `payload` bytes: padding, pad length, next header, check value.
    pub const fn trailer_len(self, payload: usize) -> usize {
        self.padding_len(payload)
            .saturating_add(2)
            .saturating_add(self.icv_len())
    }

    /// Bytes of the whole ESP packet around a payload of `payload` bytes.
    pub const fn sealed_len(self, payload: usize) -> usize {
        self.header_len()
            .saturating_add(payload)
            .saturating_add(self.trailer_len(payload))
    }

    /// The most that [`Suite::sealed_len`] can be above the payload.
    pub const fn overhead(self) -> usize {
        self.header_len()
            .saturating_add(self.cipher.alignment().saturating_sub(1))
            .saturating_add(2)
            .saturating_add(self.icv_len())
    }

    /// The longest payload whose ESP packet is at most `packet` bytes long; `None` if not even
    /// an empty one fits. `packet` counts from the SPI: outer IP and UDP headers are not in it.
    pub const fn max_payload(self, packet: usize) -> Option<usize> {
        let fixed = self.header_len().saturating_add(self.icv_len());
        let Some(room) = packet.checked_sub(fixed) else {
            return None;
        };
        let alignment = self.cipher.alignment();
        let Some(over) = room.checked_rem(alignment) else {
            return None;
        };
        room.saturating_sub(over).checked_sub(2)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.integrity {
            Some(integrity) => write!(f, "{}-{integrity}", self.cipher),
            None => write!(f, "{}", self.cipher),
        }
    }
}

/// The key material of one direction, cut to [`Suite::key_lengths`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// For the cipher; with AES-GCM the last 4 bytes are the salt.
    pub encryption: Secret,
    /// For the integrity algorithm; empty with AES-GCM.
    pub integrity: Secret,
}

impl Keys {
    /// Cuts key material as KEYMAT has it; `None` if it is too short. What is left over is
    /// ignored.
    pub fn from_material(suite: Suite, material: &[u8]) -> Option<Self> {
        let lengths = suite.key_lengths();
        let (encryption, rest) = material.split_at_checked(lengths.encryption)?;
        let integrity = rest.get(..lengths.integrity)?;
        Some(Self {
            encryption: encryption.into(),
            integrity: integrity.into(),
        })
    }
}

/// Keys or algorithms that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// AES-GCM with a separate integrity algorithm, or another cipher without one.
    #[error("this cipher and this integrity algorithm do not go together")]
    Combination,
    /// The encryption key has another length than [`Suite::key_lengths`] says.
    #[error("the encryption key has the wrong length")]
    EncryptionKeyLength,
    /// The integrity key has another length than [`Suite::key_lengths`] says.
    #[error("the integrity key has the wrong length")]
    IntegrityKeyLength,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_the_packets_in_the_client_notes() {
        // A 1400-byte IP packet with PPP 4, L2TP 6 and UDP 8 in an ESP packet, and with the outer
        // IPv4 (20) and UDP (8) headers.
        let outer =
            |mac| Suite::new(Cipher::AesCbc256, Some(mac)).sealed_len(1400 + 4 + 6 + 8) + 28;
        assert_eq!(outer(Integrity::HmacSha1_96), 1488);
        assert_eq!(outer(Integrity::HmacSha256_128), 1492);
        assert_eq!(outer(Integrity::HmacSha384_192), 1500);
        assert_eq!(outer(Integrity::HmacSha512_256), 1508);
    }

    #[test]
    fn max_payload_is_the_longest_that_fits() {
        for suite in Suite::all() {
            for packet in 0..300 {
                match suite.max_payload(packet) {
                    None => assert!(suite.sealed_len(0) > packet, "{suite} {packet}"),
                    Some(payload) => {
                        assert!(suite.sealed_len(payload) <= packet, "{suite} {packet}");
                        assert!(suite.sealed_len(payload + 1) > packet, "{suite} {packet}");
                    }
                }
            }
        }
    }

    #[test]
    fn overhead_and_the_constants_are_bounds() {
        for suite in Suite::all() {
            assert!(suite.header_len() <= crate::MAX_HEADROOM);
            for payload in 0..64 {
                assert!(suite.sealed_len(payload) - payload <= suite.overhead());
                assert!(suite.trailer_len(payload) <= crate::MAX_TAILROOM);
                let encrypted = payload + suite.padding_len(payload) + 2;
                assert_eq!(encrypted % suite.cipher.alignment(), 0);
            }
        }
    }

    #[test]
    fn there_are_27_suites_and_all_fit() {
        assert_eq!(Suite::all().count(), 27);
        assert!(Suite::all().all(|suite| suite.check().is_ok()));
        assert!(Suite::new(Cipher::AesCbc128, None).check().is_err());
        assert!(
            Suite::new(Cipher::AesGcm128, Some(Integrity::HmacSha1_96))
                .check()
                .is_err()
        );
    }

    #[test]
    fn only_sha_256_is_truncated() {
        let names: Vec<String> = Suite::all()
            .filter_map(Suite::truncated)
            .map(|suite| suite.to_string())
            .collect();
        assert_eq!(
            names,
            [
                "aes128-sha256-96",
                "aes192-sha256-96",
                "aes256-sha256-96",
                "3des-sha256-96"
            ]
        );
        for suite in Suite::all() {
            if let Some(truncated) = suite.truncated() {
                assert_eq!(truncated.key_lengths(), suite.key_lengths());
                assert_eq!((truncated.icv_len(), suite.icv_len()), (12, 16));
                assert_eq!(truncated.truncated(), None);
            }
        }
    }

    #[test]
    fn keymat_is_cut_encryption_first() {
        let suite = Suite::new(Cipher::AesCbc128, Some(Integrity::HmacMd5_96));
        let material: Vec<u8> = (0..40).collect();
        let keys = Keys::from_material(suite, &material).unwrap();
        assert_eq!(keys.encryption.expose(), &material[..16]);
        assert_eq!(keys.integrity.expose(), &material[16..32]);
        assert!(Keys::from_material(suite, &material[..31]).is_none());
    }
}
