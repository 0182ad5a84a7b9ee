//! Words as pppd reads them back.

use ppp::mschapv2::NtHash;
use zeroize::Zeroizing;

use super::{LONGEST_NAME, LONGEST_SECRET};

/// Why a name or a secret cannot be written so that it is read back as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// It has no letters.
    #[error("is empty")]
    Empty,
    /// It is longer than pppd reads.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// pppd ends a word there.
    #[error("has a byte 0 in it")]
    Zero,
    /// The name that stands for everybody.
    #[error("is *, which stands for everybody in this file")]
    Wildcard,
    /// A secret that pppd takes for the name of a file, however it is written.
    #[error("begins with @/, which means a file in this file")]
    File,
}

/// Whether `name` can be a user, or with a wildcard a server.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &[u8]) -> Result<(), Unwritable> {
    match name {
        [] => Err(Unwritable::Empty),
        b"*" => Err(Unwritable::Wildcard),
        _ if name.len() > LONGEST_NAME => Err(Unwritable::TooLong(LONGEST_NAME)),
        _ if name.contains(&0) => Err(Unwritable::Zero),
        _ => Ok(()),
    }
}

/// Whether `password` can be written.
///
/// # Errors
/// What is wrong with it.
pub fn check_password(password: &[u8]) -> Result<(), Unwritable> {
    match password {
        [] => Err(Unwritable::Empty),
        [b'@', b'/', ..] => Err(Unwritable::File),
        _ if password.len() > LONGEST_SECRET => Err(Unwritable::TooLong(LONGEST_SECRET)),
        _ if password.contains(&0) => Err(Unwritable::Zero),
        _ => Ok(()),
    }
}

/// Whether pppd would find a user of this name. It looks for a name as it would print it (`M-C` for
/// the byte 0xc3, `^G` for 7), which is the name itself only in printable ASCII with tabs.
pub fn is_found_by_pppd(name: &[u8]) -> bool {
    name.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

/// A name: as it is where that is safe, else in quotes.
pub fn name(name: &[u8]) -> Zeroizing<Vec<u8>> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._@-".contains(byte);
    if !name.is_empty() && name.iter().all(plain) {
        Zeroizing::new(name.to_vec())
    } else {
        quoted(name)
    }
}

/// Any word, in quotes. What is no letter is written in three octal digits, so that a digit
/// behind it is not taken for a fourth.
pub fn quoted(word: &[u8]) -> Zeroizing<Vec<u8>> {
    // Four bytes for one at most, so that it never grows and leaves a copy behind.
    let mut out = Zeroizing::new(Vec::with_capacity(word.len().saturating_mul(4) + 2));
    out.push(b'"');
    for byte in word {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0..=0x1f | 0x7f => {
                let digit = |shift: u32| b'0' + (byte.wrapping_shr(shift) & 7);
                out.extend_from_slice(&[b'\\', digit(6), digit(3), digit(0)]);
            }
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}

/// The hash of a password, in the form that adit reads, without quotes.
pub fn nt_hash(hash: &NtHash) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(36));
    out.extend_from_slice(super::stored::NT_MARK);
    for byte in hash.0 {
        for nibble in [byte >> 4, byte & 0xf] {
            let digit = char::from_digit(nibble.into(), 16).unwrap_or('0');
            out.push(u8::try_from(digit).unwrap_or(b'0'));
        }
    }
    out
}
