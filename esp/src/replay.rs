//! The receiver's window (RFC 4303 §3.4.3).

use std::sync::atomic::{AtomicU64, Ordering};

/// Sequence numbers in one word of the ring.
const PER_WORD: u64 = 32;

/// Words of the ring; a power of two.
const WORDS: usize = 64;

/// Which sequence numbers have been seen: a window of [`ReplayWindow::SIZE`] numbers that ends at
/// the highest.
///
/// Shared between threads without a lock. The ring has a word for each 32 numbers; a word holds
/// in its upper half *which* 32 numbers it stands for at the moment, in its lower half which of
/// them were seen. So taking a word over for newer numbers and marking the first of them is one
/// compare-and-swap, nothing has to be cleared when the window moves, and a number is accepted by
/// one caller only, whatever the others do at the same time.
///
/// Numbers are 64 bits wide, as for extended sequence numbers; without those they end at 2^32 − 1.
/// A single step forward must stay below 2^36 (even with extended numbers it stays below 2^32).
#[derive(Debug)]
pub struct ReplayWindow {
    highest: AtomicU64,
    ring: [AtomicU64; WORDS],
}

/// Why a packet is not new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The number is left of the window: nobody knows any more whether it was seen.
    #[error("the sequence number is older than the window")]
    TooOld,
    /// The number has been seen, or is 0, which is never sent.
    #[error("the sequence number was seen before")]
    Seen,
}

/// How an authentic packet stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// Its number is higher than any before: it is the newest word of the peer.
    Newest,
    /// It was overtaken by others, or lost and found.
    Late,
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplayWindow {
    /// How many numbers the window covers, the highest included. One word less than the ring:
    /// the newest word is begun before it is full.
    pub const SIZE: u64 = PER_WORD * (WORDS as u64 - 1);

    /// Nothing seen.
    pub const fn new() -> Self {
        Self {
            highest: AtomicU64::new(0),
            ring: [const { AtomicU64::new(0) }; WORDS],
        }
    }

    /// The highest number accepted so far; 0 at first.
    pub fn highest(&self) -> u64 {
        self.highest.load(Ordering::Relaxed)
    }

    /// Whether a packet is worth the work of authenticating it.
    ///
    /// # Errors
    /// If [`ReplayWindow::accept`] would refuse it now.
    pub fn check(&self, sequence: u64) -> Result<(), ReplayError> {
        let (word, stamp, bit) = self.place(sequence)?;
        let now = word.load(Ordering::Relaxed);
        match age(now, stamp) {
            Age::Older => Ok(()),
            Age::Same if now & bit == 0 => Ok(()),
            Age::Same => Err(ReplayError::Seen),
            Age::Newer => Err(ReplayError::TooOld),
        }
    }

    /// Marks the number of an **authentic** packet, and says whether it was new.
    ///
    /// # Errors
    /// If it was marked before, perhaps by another thread since [`ReplayWindow::check`], or is too
    /// old.
    pub fn accept(&self, sequence: u64) -> Result<Acceptance, ReplayError> {
        let (word, stamp, bit) = self.place(sequence)?;
        let mut now = word.load(Ordering::Relaxed);
        loop {
            let next = match age(now, stamp) {
                Age::Older => stamp | bit,
                Age::Same if now & bit == 0 => now | bit,
                Age::Same => return Err(ReplayError::Seen),
                Age::Newer => return Err(ReplayError::TooOld),
            };
            match word.compare_exchange_weak(now, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break,
                Err(changed) => now = changed,
            }
        }
        if self.highest.fetch_max(sequence, Ordering::Relaxed) < sequence {
            Ok(Acceptance::Newest)
        } else {
            Ok(Acceptance::Late)
        }
    }

    /// The word for a number, what its upper half says when it stands for that number, and the
    /// number's bit.
    fn place(&self, sequence: u64) -> Result<(&AtomicU64, u64, u64), ReplayError> {
        if sequence == 0 {
            return Err(ReplayError::Seen);
        }
        if sequence.saturating_add(Self::SIZE) <= self.highest() {
            return Err(ReplayError::TooOld);
        }
        let group = sequence / PER_WORD;
        let index = group as usize & (WORDS - 1);
        let word = self.ring.get(index).ok_or(ReplayError::TooOld)?;
        Ok((word, group << 32, 1 << (sequence % PER_WORD)))
    }
}

enum Age {
    Older,
    Same,
    Newer,
}

/// How the numbers a word stands for relate to those meant by `stamp`. Compared as serial numbers
/// (by the sign of the difference), since the upper half of a word keeps only 32 bits of them.
fn age(word: u64, stamp: u64) -> Age {
    let difference = (word >> 32).wrapping_sub(stamp >> 32) as u32;
    match difference {
        0 => Age::Same,
        1..=0x7fff_ffff => Age::Newer,
        _ => Age::Older,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_at_least_as_large_as_promised() {
        const { assert!(ReplayWindow::SIZE >= 1024) }
    }

    #[test]
    fn both_edges() {
        let window = ReplayWindow::new();
        assert_eq!(window.accept(0), Err(ReplayError::Seen));
        assert_eq!(window.accept(10_000), Ok(Acceptance::Newest));
        let left = 10_000 - ReplayWindow::SIZE + 1;
        assert_eq!(window.check(left - 1), Err(ReplayError::TooOld));
        assert_eq!(window.accept(left), Ok(Acceptance::Late));
        assert_eq!(window.accept(left), Err(ReplayError::Seen));
        assert_eq!(window.check(10_000), Err(ReplayError::Seen));
        assert_eq!(window.accept(10_001), Ok(Acceptance::Newest));
        assert_eq!(window.check(left), Err(ReplayError::TooOld));
    }

    #[test]
    fn checking_marks_nothing() {
        let window = ReplayWindow::new();
        assert_eq!(window.check(5), Ok(()));
        assert_eq!(window.check(5), Ok(()));
        assert_eq!(window.highest(), 0);
    }

    #[test]
    fn numbers_beyond_32_bits() {
        let window = ReplayWindow::new();
        for start in [
            u64::from(u32::MAX),
            1 << 35,
            3 << 35,
            5 << 35,
            (5 << 35) + 10_000,
        ] {
            for sequence in start..start + 100 {
                assert_eq!(
                    window.accept(sequence),
                    Ok(Acceptance::Newest),
                    "{sequence}"
                );
                assert_eq!(
                    window.accept(sequence),
                    Err(ReplayError::Seen),
                    "{sequence}"
                );
            }
        }
    }

    /// What RFC 4303 §3.4.3 says, with a list.
    #[derive(Default)]
    struct Naive {
        seen: Vec<u64>,
    }

    impl Naive {
        fn accept(&mut self, sequence: u64) -> Result<Acceptance, ReplayError> {
            let highest = self.seen.iter().copied().max().unwrap_or(0);
            if sequence == 0
                || self.seen.contains(&sequence) && sequence + ReplayWindow::SIZE > highest
            {
                return Err(ReplayError::Seen);
            }
            if sequence + ReplayWindow::SIZE <= highest {
                return Err(ReplayError::TooOld);
            }
            self.seen.push(sequence);
            Ok(if sequence > highest {
                Acceptance::Newest
            } else {
                Acceptance::Late
            })
        }
    }

    proptest! {
        /// Steps forwards and backwards of all sizes around the window's.
        #[test]
        fn behaves_like_the_naive_window(
            steps in proptest::collection::vec(
                prop_oneof![-3..40_i64, -2200..2200_i64, Just(100_000)], 1..400)
        ) {
            let window = ReplayWindow::new();
            let mut naive = Naive::default();
            let mut at = 0_i64;
            for step in steps {
                at = (at + step).max(0);
                let sequence = at as u64;
                let expected = naive.accept(sequence);
                prop_assert_eq!(window.check(sequence), expected.map(|_| ()));
                prop_assert_eq!(window.accept(sequence), expected);
            }
        }
    }
}
