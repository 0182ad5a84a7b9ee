//! Keys and passwords that are made up.

use rand_core::Rng as _;
use zeroize::Zeroizing;

/// Letters and digits that nobody mistakes for one another: no 0 O o, 1 l I.
pub(crate) const ALPHABET: &[u8; 56] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Passwords are typed on telephones. 16 letters are 92 bits, and can be tried out only one login
/// at a time.
pub(crate) const PASSWORD_LENGTH: usize = 16;

/// So many letters of [`ALPHABET`].
pub(crate) fn text(rng: &mut wire::Rng, length: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(length));
    while text.len() < length {
        // Six bits; those beyond the alphabet are drawn again, so that each letter is as likely.
        let index = rng.next_u32() >> 26;
        if let Some(letter) = ALPHABET.get(index as usize) {
            text.push(char::from(*letter));
        }
    }
    text
}
