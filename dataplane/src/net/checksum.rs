//! The Internet checksum (RFC 1071) and its incremental form (RFC 1624).

/// A ones' complement sum in the making.
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
        Self(self.0.wrapping_add(word as u64))
    }

    /// Adds bytes, an odd last one as if a zero followed: only the last bytes added may be odd in
    /// number.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        // Words of 32 bits summed in 64: folding gives the same as words of 16 bits. 2^32 of them
        // fit before anything could be lost.
        let (words, rest) = bytes.as_chunks::<4>();
        let sum: u64 = words
            .iter()
            .map(|word| u64::from(u32::from_be_bytes(*word)))
            .fold(0, u64::wrapping_add);
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let last = u64::from(u32::from_be_bytes(last));
        Self(self.0.wrapping_add(sum).wrapping_add(last))
    }

    /// Folded to 16 bits, not inverted.
    pub const fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff).wrapping_add(sum >> 16);
        }
        sum as u16
    }

    /// What goes into a checksum field.
    pub const fn finish(self) -> u16 {
        !self.fold()
    }
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

    proptest! {
        #[test]
        fn like_the_plain_way(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut sum = 0_u32;
            for pair in bytes.chunks(2) {
                sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
                sum = (sum & 0xffff) + (sum >> 16);
            }
            prop_assert_eq!(Sum::new().bytes(&bytes).fold(), sum as u16);
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
