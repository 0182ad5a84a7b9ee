//! The Internet checksum (RFC 1071) and its incremental form (RFC 1624).

use std::sync::LazyLock;

use fearless_simd::{Level, Simd, dispatch};

/// From so many bytes on, wide vectors are worth being asked for.
const LONG: usize = 256;

/// What this processor's vectors are.
static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);

/// A ones' complement sum in the making; in the byte order of the host, which comes out the same
/// once it is swapped at the end (RFC 1071 §2 (B)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum(u64);

impl Sum {
    /// Nothing summed up.
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds a number of 16 bits.
    #[must_use]
    pub const fn word(self, word: u16) -> Self {
        self.add(word.to_be() as u64)
    }

    /// Adds bytes, an odd last one as if a zero followed: only the last bytes added may be odd in
    /// number.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let (pairs, rest) = bytes.as_chunks::<8>();
        let (low, high) = match bytes.len() {
            LONG.. => dispatch!(*LEVEL, simd => halves_on(simd, pairs)),
            _ => halves(pairs),
        };
        let (words, rest) = rest.as_chunks::<4>();
        let words = words
            .iter()
            .map(|word| u64::from(u32::from_ne_bytes(*word)))
            .fold(0, u64::wrapping_add);
        let last = match *rest {
            [a] => [a, 0, 0, 0],
            [a, b] => [a, b, 0, 0],
            [a, b, c] => [a, b, c, 0],
            _ => [0; 4],
        };
        self.add(low)
            .add(high)
            .add(words)
            .add(u32::from_ne_bytes(last).into())
    }

    const fn add(self, words: u64) -> Self {
        Self(self.0.wrapping_add(words))
    }

    /// Folded to 16 bits, not inverted.
    pub const fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff).wrapping_add(sum >> 16);
        }
        u16::from_be(sum as u16)
    }

    /// What goes into a checksum field.
    pub const fn finish(self) -> u16 {
        !self.fold()
    }
}

/// The sums of the lower and of the upper 32 bits of words of 64.
///
/// Folding gives the same as words of 16 bits, and 2^32 of them fit before anything is lost. What
/// the lower ones add up to follows from the sum of whole words, even where that has overflown: so
/// the loop has one operation less, and is one that compilers vectorise.
#[inline(always)]
fn halves(pairs: &[[u8; 8]]) -> (u64, u64) {
    let (mut all, mut high) = (0_u64, 0_u64);
    for pair in pairs {
        let pair = u64::from_ne_bytes(*pair);
        all = all.wrapping_add(pair);
        high = high.wrapping_add(pair >> 32);
    }
    (all.wrapping_sub(high << 32), high)
}

/// [`halves`], compiled for the vectors of `_simd`.
#[inline(always)]
fn halves_on<S: Simd>(_simd: S, pairs: &[[u8; 8]]) -> (u64, u64) {
    halves(pairs)
}

/// The checksum of some bytes. Over bytes that contain their own right checksum it is 0.
pub fn checksum(bytes: &[u8]) -> u16 {
    Sum::new().bytes(bytes).finish()
}

/// The checksum field after a word of the packet has changed from `old` to `new` (RFC 1624 §3,
/// equation 3).
pub const fn adjust(field: u16, old: u16, new: u16) -> u16 {
    Sum::new().word(!field).word(!old).word(new).finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 1071 §3.
    #[test]
    fn known_sum() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::new().bytes(&bytes).fold(), 0xddf2);
        assert_eq!(checksum(&bytes), 0x220d);
    }

    /// The example of RFC 1624 §4, where the older equation fails.
    #[test]
    fn known_adjustment() {
        assert_eq!(adjust(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    fn plain_sum(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    /// As many carries as there can be.
    #[test]
    fn the_largest_sums() {
        for len in [8, 9, 1380, 65_535] {
            for byte in [0, 0x7f, 0xff] {
                let bytes = vec![byte; len];
                assert_eq!(Sum::new().bytes(&bytes).fold(), plain_sum(&bytes), "{len}");
            }
        }
    }

    proptest! {
        #[test]
        fn like_the_plain_way(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), number: u16, split: u8,
        ) {
            let sum = plain_sum(&[&number.to_be_bytes(), &bytes[..]].concat());
            let (front, back) = bytes.split_at(usize::from(split & !1).min(bytes.len() & !1));
            let of_both = Sum::new().bytes(front).word(number).bytes(back);
            prop_assert_eq!(of_both.fold(), sum);
        }

        #[test]
        fn adjusting_is_summing_again(
            mut words in proptest::collection::vec(any::<u16>(), 2..20), new: u16,
        ) {
            let sum = |words: &[u16]| words.iter().fold(Sum::new(), |s, w| s.word(*w)).finish();
            // A word that is never 0, as a header always has one: all zeros have two sums.
            words[0] |= 1;
            let before = sum(&words);
            let old = words[1];
            words[1] = new;
            prop_assert_eq!(adjust(before, old, new), sum(&words));
        }
    }
}
