//! The algorithms of a child SA.

use std::fmt;

use super::{LegacyOption, Need};

/// Encryption of ESP (RFC 2407 §4.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EspEncryption {
    /// 3DES-CBC (transform 3).
    TripleDesCbc,
    /// AES-CBC (transform 12) with a key of 128, 192 or 256 bits.
    AesCbc(KeyBits),
    /// AES-GCM with an ICV of 16 bytes (transform 20, RFC 4106).
    AesGcm16(KeyBits),
}

/// The size of an AES key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyBits {
    /// 128 bits.
    B128,
    /// 192 bits.
    B192,
    /// 256 bits.
    B256,
}

impl KeyBits {
    /// From the Key Length attribute.
    pub const fn from_bits(bits: u16) -> Option<Self> {
        match bits {
            128 => Some(Self::B128),
            192 => Some(Self::B192),
            256 => Some(Self::B256),
            _ => None,
        }
    }

    /// The number of bits.
    pub const fn bits(self) -> u16 {
        match self {
            Self::B128 => 128,
            Self::B192 => 192,
            Self::B256 => 256,
        }
    }

    /// The number of bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::B128 => 16,
            Self::B192 => 24,
            Self::B256 => 32,
        }
    }
}

/// Integrity of ESP: the Authentication Algorithm attribute (RFC 2407 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EspIntegrity {
    /// None of its own: AES-GCM has it built in.
    None,
    /// HMAC-MD5-96 (1).
    Md5,
    /// HMAC-SHA1-96 (2).
    Sha1,
    /// HMAC-SHA2-256-128 (5).
    Sha256,
    /// HMAC-SHA2-384-192 (6).
    Sha384,
    /// HMAC-SHA2-512-256 (7).
    Sha512,
}

/// The algorithms of a child SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EspSuite {
    /// Encryption.
    pub encryption: EspEncryption,
    /// Integrity.
    pub integrity: EspIntegrity,
}

impl EspSuite {
    /// The pair.
    pub const fn new(encryption: EspEncryption, integrity: EspIntegrity) -> Self {
        Self {
            encryption,
            integrity,
        }
    }

    /// Bytes of key material for encryption, the salt of GCM included.
    pub const fn encryption_key_len(self) -> usize {
        match self.encryption {
            EspEncryption::TripleDesCbc => 24,
            EspEncryption::AesCbc(key) => key.bytes(),
            EspEncryption::AesGcm16(key) => key.bytes().saturating_add(4),
        }
    }

    /// Bytes of key material for integrity.
    pub const fn integrity_key_len(self) -> usize {
        match self.integrity {
            EspIntegrity::None => 0,
            EspIntegrity::Md5 => 16,
            EspIntegrity::Sha1 => 20,
            EspIntegrity::Sha256 => 32,
            EspIntegrity::Sha384 => 48,
            EspIntegrity::Sha512 => 64,
        }
    }

    /// The ESP transform id and the Key Length attribute it needs.
    pub(crate) const fn transform(self) -> (u8, Option<u16>) {
        match self.encryption {
            EspEncryption::TripleDesCbc => (3, None),
            EspEncryption::AesCbc(key) => (12, Some(key.bits())),
            EspEncryption::AesGcm16(key) => (20, Some(key.bits())),
        }
    }

    /// The Authentication Algorithm attribute.
    pub(crate) const fn authentication(self) -> Option<u16> {
        match self.integrity {
            EspIntegrity::None => None,
            EspIntegrity::Md5 => Some(1),
            EspIntegrity::Sha1 => Some(2),
            EspIntegrity::Sha256 => Some(5),
            EspIntegrity::Sha384 => Some(6),
            EspIntegrity::Sha512 => Some(7),
        }
    }
}

impl fmt::Display for EspSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.encryption {
            EspEncryption::TripleDesCbc => f.write_str("3des")?,
            EspEncryption::AesCbc(key) => write!(f, "aes{}", key.bits())?,
            EspEncryption::AesGcm16(key) => write!(f, "aes{}gcm16", key.bits())?,
        }
        f.write_str(match self.integrity {
            EspIntegrity::None => "",
            EspIntegrity::Md5 => "-md5",
            EspIntegrity::Sha1 => "-sha1",
            EspIntegrity::Sha256 => "-sha256",
            EspIntegrity::Sha384 => "-sha384",
            EspIntegrity::Sha512 => "-sha512",
        })
    }
}

/// All suites in order of preference, with the options each needs: GCM first, then by key length
/// (256, 192, 128), and by hash within it.
pub(super) fn suites() -> Vec<(EspSuite, &'static str, Need)> {
    use EspEncryption::{AesCbc, AesGcm16, TripleDesCbc};
    use EspIntegrity::{Md5, None as Without, Sha1, Sha256, Sha384, Sha512};
    use KeyBits::{B128, B192, B256};
    const HASHES: [EspIntegrity; 4] = [Sha256, Sha384, Sha512, Sha1];
    const MD5: Need = &[LegacyOption::Md5];
    const TRIPLE: Need = &[LegacyOption::TripleDes];
    const BOTH: Need = &[LegacyOption::TripleDes, LegacyOption::Md5];
    let keys = [B256, B192, B128];
    let with = |encryption, integrity, need: Need| (EspSuite::new(encryption, integrity), "", need);
    let gcm = keys.map(|key| with(AesGcm16(key), Without, &[]));
    let strong = keys
        .into_iter()
        .flat_map(|key| HASHES.map(|hash| with(AesCbc(key), hash, &[])));
    let md5 = keys.map(|key| with(AesCbc(key), Md5, MD5));
    let triple = HASHES.map(|hash| with(TripleDesCbc, hash, TRIPLE));
    let both = [with(TripleDesCbc, Md5, BOTH)];
    gcm.into_iter()
        .chain(strong)
        .chain(md5)
        .chain(triple)
        .chain(both)
        .collect()
}
