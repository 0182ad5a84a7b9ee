//! Phase 1 ciphers: CBC in place, with the last block of ciphertext as the next IV
//! (RFC 2409 App. B).

use std::fmt;

use aes::{Aes128, Aes192, Aes256};
use cipher::block_padding::NoPadding;
use cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, Key,
    KeyInit,
};
use des::TdesEde3;
use wire::{DecodeError, Secret};
use zeroize::Zeroizing;

use crate::codec::EncryptionId;

/// A cipher that phase 1 may choose, always in CBC mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cipher {
    /// AES with a key of 128 bits.
    Aes128,
    /// AES with a key of 192 bits.
    Aes192,
    /// AES with a key of 256 bits.
    Aes256,
    /// Triple DES with three keys. Weak: only by option.
    TripleDes,
}

impl Cipher {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Aes128, Self::Aes192, Self::Aes256, Self::TripleDes];

    /// The cipher of a number and a key length (in bits) in a proposal, if it is implemented.
    ///
    /// AES without key length means 128 bits: a few peers leave it out. 3DES has no key length
    /// attribute; one that fits is tolerated.
    pub const fn from_id(id: EncryptionId, key_bits: Option<u16>) -> Option<Self> {
        match (id, key_bits) {
            (EncryptionId::AES, None | Some(128)) => Some(Self::Aes128),
            (EncryptionId::AES, Some(192)) => Some(Self::Aes192),
            (EncryptionId::AES, Some(256)) => Some(Self::Aes256),
            (EncryptionId::TRIPLE_DES, None | Some(192)) => Some(Self::TripleDes),
            _ => None,
        }
    }

    /// Its number in a proposal.
    pub const fn id(self) -> EncryptionId {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => EncryptionId::AES,
            Self::TripleDes => EncryptionId::TRIPLE_DES,
        }
    }

    /// The key length attribute (in bits) that goes with the number.
    pub const fn key_bits(self) -> Option<u16> {
        match self {
            Self::Aes128 => Some(128),
            Self::Aes192 => Some(192),
            Self::Aes256 => Some(256),
            Self::TripleDes => None,
        }
    }

    /// Length of a key in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
        }
    }

    /// Length of a block, and so of an IV, in bytes.
    pub const fn block_len(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            Self::TripleDes => 8,
        }
    }

    /// `length` rounded up to whole blocks.
    pub const fn padded_len(self, length: usize) -> usize {
        length.next_multiple_of(self.block_len())
    }

    /// Prepares a key; the bytes are wiped when it is dropped.
    ///
    /// `None` when there are fewer bytes than [`Cipher::key_len`]; more than that are ignored.
    pub fn key(self, bytes: &[u8]) -> Option<CipherKey> {
        let bytes = bytes.get(..self.key_len())?;
        Some(CipherKey::new(self, Secret::from(bytes)))
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id())?;
        self.key_bits().map_or(Ok(()), |bits| write!(f, "-{bits}"))
    }
}

/// An initialisation vector: 8 or 16 bytes, as long as the cipher's block. Not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iv {
    bytes: [u8; 16],
    len: u8,
}

impl Iv {
    /// The first block of `bytes`; what is missing is zero.
    pub(crate) fn first(cipher: Cipher, bytes: &[u8]) -> Self {
        let mut iv = Self {
            bytes: [0; 16],
            len: if cipher.block_len() == 8 { 8 } else { 16 },
        };
        for (to, from) in iv
            .bytes
            .iter_mut()
            .zip(bytes.iter().take(cipher.block_len()))
        {
            *to = *from;
        }
        iv
    }

    /// The last block of `ciphertext`.
    fn last(cipher: Cipher, ciphertext: &[u8]) -> Self {
        let start = ciphertext.len().saturating_sub(cipher.block_len());
        Self::first(cipher, ciphertext.get(start..).unwrap_or_default())
    }

    /// An IV for `cipher` from its bytes; `None` when there are not exactly as many as a block
    /// has.
    pub fn new(cipher: Cipher, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == cipher.block_len()).then(|| Self::first(cipher, bytes))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.len))
            .unwrap_or(&self.bytes)
    }
}

/// A cipher with its key.
#[derive(Clone)]
pub struct CipherKey {
    cipher: Cipher,
    bytes: Secret,
}

impl fmt::Debug for CipherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CipherKey({}, ..)", self.cipher)
    }
}

impl CipherKey {
    /// A key whose length is known to be right.
    pub(super) const fn new(cipher: Cipher, bytes: Secret) -> Self {
        Self { cipher, bytes }
    }

    /// Which cipher it is for.
    pub const fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// The key's bytes.
    pub fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// Encrypts `data` in place and returns the IV of the next message.
    ///
    /// # Errors
    /// `data` that is not a whole number of blocks, or none.
    pub fn encrypt(&self, iv: &Iv, data: &mut [u8]) -> Result<Iv, DecodeError> {
        self.check(data)?;
        let iv = iv.as_bytes();
        let done = match self.cipher {
            Cipher::Aes128 => encrypt::<Aes128>(self.expose(), iv, data),
            Cipher::Aes192 => encrypt::<Aes192>(self.expose(), iv, data),
            Cipher::Aes256 => encrypt::<Aes256>(self.expose(), iv, data),
            Cipher::TripleDes => encrypt::<TdesEde3>(self.expose(), iv, data),
        };
        done.ok_or(MISMATCH)?;
        Ok(Iv::last(self.cipher, data))
    }

    /// Decrypts `data` in place and returns the IV of the next message.
    ///
    /// # Errors
    /// `data` that is not a whole number of blocks, or none.
    pub fn decrypt(&self, iv: &Iv, data: &mut [u8]) -> Result<Iv, DecodeError> {
        self.check(data)?;
        let next = Iv::last(self.cipher, data);
        let iv = iv.as_bytes();
        let done = match self.cipher {
            Cipher::Aes128 => decrypt::<Aes128>(self.expose(), iv, data),
            Cipher::Aes192 => decrypt::<Aes192>(self.expose(), iv, data),
            Cipher::Aes256 => decrypt::<Aes256>(self.expose(), iv, data),
            Cipher::TripleDes => decrypt::<TdesEde3>(self.expose(), iv, data),
        };
        done.ok_or(MISMATCH)?;
        Ok(next)
    }

    fn check(&self, data: &[u8]) -> Result<(), DecodeError> {
        if data.is_empty() || !data.len().is_multiple_of(self.cipher.block_len()) {
            return Err(DecodeError::new(
                data.len(),
                "encrypted part is not a whole number of blocks",
            ));
        }
        Ok(())
    }
}

/// An IV made for another cipher.
const MISMATCH: DecodeError = DecodeError::new(0, "IV of another cipher");

/// The bytes as the key of a block cipher, wiped afterwards; `None` at another length.
fn block_cipher<C: KeyInit>(key: &[u8]) -> Option<C> {
    let key: Zeroizing<Key<C>> = Zeroizing::new(Key::<C>::try_from(key).ok()?);
    Some(C::new(&key))
}

fn encrypt<C: KeyInit + BlockCipherEncrypt>(key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
    let length = data.len();
    let mode = cbc::Encryptor::<C>::inner_iv_init(block_cipher(key)?, iv.try_into().ok()?);
    mode.encrypt_padded::<NoPadding>(data, length).ok()?;
    Some(())
}

fn decrypt<C: KeyInit + BlockCipherDecrypt>(key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
    let mode = cbc::Decryptor::<C>::inner_iv_init(block_cipher(key)?, iv.try_into().ok()?);
    mode.decrypt_padded::<NoPadding>(data).ok()?;
    Some(())
}
