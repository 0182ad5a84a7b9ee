//! Ciphers with their key schedules.

use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};
use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use cipher::KeyInit;
use des::TdesEde3;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::lanes::cbc;
#[cfg(target_arch = "x86_64")]
use crate::lanes::vaes;
use crate::suite::{Cipher, KeyError};

/// Something did not have the length its caller had promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LengthError;

fn schedule<C: KeyInit>(key: &[u8]) -> Result<C, KeyError> {
    C::new_from_slice(key).map_err(|_| KeyError::EncryptionKeyLength)
}

/// Authenticated encryption, either direction: AES-GCM with a check value of 16 bytes.
///
/// Of AWS-LC, whose assembly interleaves cipher and hash: it takes a third of the time of the
/// `aes-gcm` crate. It wipes its key schedules when it frees them.
pub(crate) struct Aead {
    key: LessSafeKey,
    salt: Zeroizing<[u8; 4]>,
}

impl Aead {
    pub(crate) fn new(cipher: Cipher, material: &[u8]) -> Result<Self, KeyError> {
        let algorithm = match cipher {
            Cipher::AesGcm128 => &AES_128_GCM,
            Cipher::AesGcm192 => &AES_192_GCM,
            Cipher::AesGcm256 => &AES_256_GCM,
            _ => return Err(KeyError::Combination),
        };
        let (key, salt) = material
            .split_last_chunk::<4>()
            .ok_or(KeyError::EncryptionKeyLength)?;
        let key = UnboundKey::new(algorithm, key).map_err(|_| KeyError::EncryptionKeyLength)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            salt: Zeroizing::new(*salt),
        })
    }

    /// Salt and explicit vector together are the nonce (RFC 4106 §4).
    fn nonce(&self, iv: &[u8; 8]) -> Nonce {
        let mut nonce = [0; 12];
        let (salt, explicit) = nonce.split_at_mut(4);
        salt.copy_from_slice(self.salt.as_slice());
        explicit.copy_from_slice(iv);
        Nonce::assume_unique_for_key(nonce)
    }

    pub(crate) fn encrypt(
        &self,
        iv: &[u8; 8],
        aad: &[u8],
        body: &mut [u8],
    ) -> Result<[u8; 16], LengthError> {
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(iv), Aad::from(aad), body)
            .map_err(|_| LengthError)?;
        tag.as_ref().try_into().map_err(|_| LengthError)
    }

    /// Whether the check value is right. If so, `body` is in clear; if not, it is wiped: the two
    /// are computed in one pass.
    pub(crate) fn decrypt(
        &self,
        iv: &[u8; 8],
        aad: &[u8],
        body: &mut [u8],
        icv: &[u8; 16],
    ) -> bool {
        self.key
            .open_in_place_separate_tag(self.nonce(iv), Aad::from(aad), icv, body)
            .is_ok()
    }
}

/// Whether it is a key of AES for CBC, as long as it should be.
#[cfg(target_arch = "x86_64")]
fn is_of_aes(cipher: Cipher, key: &[u8]) -> bool {
    use Cipher::{AesCbc128, AesCbc192, AesCbc256};
    matches!(cipher, AesCbc128 | AesCbc192 | AesCbc256) && key.len() == cipher.key_len()
}

/// CBC, the sending direction.
pub(crate) enum CbcEncrypt {
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
    #[cfg(target_arch = "x86_64")]
    Wide(vaes::Encrypt),
    TripleDes(Box<TdesEde3>),
}

impl CbcEncrypt {
    pub(crate) fn new(cipher: Cipher, key: &[u8]) -> Result<Self, KeyError> {
        #[cfg(target_arch = "x86_64")]
        if is_of_aes(cipher, key)
            && let Some(wide) = vaes::Encrypt::new(key)
        {
            return Ok(Self::Wide(wide));
        }
        Self::portable(cipher, key)
    }

    /// For any processor.
    pub(crate) fn portable(cipher: Cipher, key: &[u8]) -> Result<Self, KeyError> {
        match cipher {
            Cipher::AesCbc128 => schedule(key).map(Self::Aes128),
            Cipher::AesCbc192 => schedule(key).map(Self::Aes192),
            Cipher::AesCbc256 => schedule(key).map(Self::Aes256),
            Cipher::TripleDesCbc => schedule(key).map(Box::new).map(Self::TripleDes),
            _ => Err(KeyError::Combination),
        }
    }

    /// Encrypts packets side by side: whole blocks, of which the first holds the packet's number
    /// and becomes its vector.
    ///
    /// A vector must be unpredictable to whoever chooses the plaintext, but need not be random: it
    /// is the sequence number, which never repeats under one key, encrypted as one block under that
    /// key (NIST SP 800-38A, appendix C, first method). So no generator is in the path of a
    /// packet, and sealing is a pure function.
    pub(crate) fn encrypt(&self, packets: &mut [&mut [u8]]) -> Result<(), LengthError> {
        match self {
            Self::Aes128(cipher) => cbc::encrypt(cipher, packets),
            Self::Aes192(cipher) => cbc::encrypt(cipher, packets),
            Self::Aes256(cipher) => cbc::encrypt(cipher, packets),
            #[cfg(target_arch = "x86_64")]
            Self::Wide(cipher) => cipher.encrypt(packets),
            Self::TripleDes(cipher) => cbc::encrypt(&**cipher, packets),
        }
    }
}

/// CBC, the receiving direction.
pub(crate) enum CbcDecrypt {
    Aes128(Aes128Dec),
    Aes192(Aes192Dec),
    Aes256(Aes256Dec),
    #[cfg(target_arch = "x86_64")]
    Wide(vaes::Decrypt),
    TripleDes(Box<TdesEde3>),
}

impl CbcDecrypt {
    pub(crate) fn new(cipher: Cipher, key: &[u8]) -> Result<Self, KeyError> {
        #[cfg(target_arch = "x86_64")]
        if is_of_aes(cipher, key)
            && let Some(wide) = vaes::Decrypt::new(key)
        {
            return Ok(Self::Wide(wide));
        }
        Self::portable(cipher, key)
    }

    /// For any processor.
    pub(crate) fn portable(cipher: Cipher, key: &[u8]) -> Result<Self, KeyError> {
        match cipher {
            Cipher::AesCbc128 => schedule(key).map(Self::Aes128),
            Cipher::AesCbc192 => schedule(key).map(Self::Aes192),
            Cipher::AesCbc256 => schedule(key).map(Self::Aes256),
            Cipher::TripleDesCbc => schedule(key).map(Box::new).map(Self::TripleDes),
            _ => Err(KeyError::Combination),
        }
    }

    /// Decrypts packets: whole blocks, of which the first is the vector and stays as it is.
    pub(crate) fn decrypt(&self, packets: &mut [&mut [u8]]) -> Result<(), LengthError> {
        match self {
            Self::Aes128(cipher) => cbc::decrypt(cipher, packets),
            Self::Aes192(cipher) => cbc::decrypt(cipher, packets),
            Self::Aes256(cipher) => cbc::decrypt(cipher, packets),
            #[cfg(target_arch = "x86_64")]
            Self::Wide(cipher) => cipher.decrypt(packets),
            Self::TripleDes(cipher) => cbc::decrypt(&**cipher, packets),
        }
    }
}

/// Whether two check values are equal, in time that does not depend on where they differ.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    // All check values are whole words, which are fewer steps than their bytes.
    let ((a, []), (b, [])) = (a.as_chunks::<4>(), b.as_chunks::<4>()) else {
        return a.ct_eq(b).into();
    };
    // And one comparison in constant time, which is a call, of what all of them differ in.
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| {
        difference | (u32::from_ne_bytes(*a) ^ u32::from_ne_bytes(*b))
    });
    a.len() == b.len() && difference.ct_eq(&0).into()
}
