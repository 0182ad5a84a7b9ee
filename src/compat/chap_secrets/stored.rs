//! The third column: what is known of a user's password.

use ppp::auth::Check;
use ppp::mschapv2::NtHash;
use ppp::{Exchange, UserName};
use wire::Secret;

use crate::compat::words::Word;

/// What stands before an NT hash.
pub(super) const NT_MARK: &[u8] = b"{nt}";
/// The names of crypt(3) methods: what stands between the first two dollar signs.
const CRYPT_METHODS: [&[u8]; 12] = [
    b"1", b"2", b"2a", b"2b", b"2x", b"2y", b"5", b"6", b"7", b"y", b"gy", b"sha1",
];

/// What is known of a user's password.
#[derive(Clone, Debug)]
pub enum Stored {
    /// The password.
    Password(Secret),
    /// Its NT hash, which is enough for MS-CHAPv2 and for PAP.
    NtHash(NtHash),
    /// Nothing: any password will do, with PAP.
    AnyPassword,
}

/// What comes of comparing with it.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Right or wrong.
    Compared(Check),
    /// CHAP with MD5 needs the password itself, and here is a hash.
    NeedsPassword,
}

impl Stored {
    /// Compares with what `user` has shown, in constant time.
    pub fn check(&self, exchange: &Exchange, user: &UserName) -> Judgement {
        match self {
            Self::Password(password) => Judgement::Compared(exchange.check(user, password)),
            Self::NtHash(hash) => exchange
                .check_hash(user, hash)
                .map_or(Judgement::NeedsPassword, Judgement::Compared),
            Self::AnyPassword => Judgement::Compared(match exchange {
                Exchange::Pap { .. } => Check::Passed(None),
                _ => Check::Failed,
            }),
        }
    }

    /// The password, if it is known.
    pub fn password(&self) -> Option<&Secret> {
        match self {
            Self::Password(password) => Some(password),
            Self::NtHash(_) | Self::AnyPassword => None,
        }
    }
}

/// In constant time, as far as what is secret is concerned.
impl PartialEq for Stored {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Password(own), Self::Password(other)) => own == other,
            (Self::NtHash(own), Self::NtHash(other)) => own == other,
            (Self::AnyPassword, Self::AnyPassword) => true,
            _ => false,
        }
    }
}

impl Eq for Stored {}

/// The hash that a word stands for. Only a word without quotes and backslashes is one, so that
/// every password can be written; pppd takes it for a password.
pub(super) fn nt_hash(word: &Word) -> Option<NtHash> {
    let digits = word.bytes.strip_prefix(NT_MARK).filter(|_| word.bare)?;
    parse_hash(digits)
}

/// 32 hexadecimal digits.
fn parse_hash(digits: &[u8]) -> Option<NtHash> {
    if digits.len() != 32 {
        return None;
    }
    let mut hash = NtHash([0; 16]);
    for (byte, pair) in hash.0.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16)?;
            *byte = byte.wrapping_shl(4) | u8::try_from(value).ok()?;
        }
    }
    Some(hash)
}

/// Whether a secret is what crypt(3) makes of a password. (The 13 letters of its oldest form could
/// be a password as well.)
pub(super) fn is_crypted(secret: &[u8]) -> bool {
    let mut parts = secret.split(|byte| *byte == b'$');
    let begins = parts.next().is_some_and(<[u8]>::is_empty);
    let method = parts.next().unwrap_or_default();
    begins && parts.next().is_some() && CRYPT_METHODS.contains(&method)
}
