//! The sender's sequence numbers (RFC 4303 §3.3.3).

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

/// Hands out sequence numbers: 1, 2, … 2^32 − 1, and never one twice.
///
/// Counted in 64 bits, so that attempts beyond the end cannot bring it back to the beginning.
/// May be shared between threads; the association's owner should still be one thread, or the
/// packets leave in another order than they are numbered.
#[derive(Debug, Default)]
pub struct SequenceCounter(AtomicU64);

/// The last sequence number has been used: this association may not send any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the last sequence number of the security association has been used")]
pub struct Exhausted;

impl SequenceCounter {
    /// From here on the association should be replaced: half of the numbers are used.
    pub const LOW_FROM: u64 = 1 << 31;

    /// Starts at 1.
    pub const fn new() -> Self {
        Self::resume(0)
    }

    /// Continues behind `last`, the last number used.
    pub const fn resume(last: u64) -> Self {
        Self(AtomicU64::new(last))
    }

    /// The next number.
    ///
    /// # Errors
    /// [`Exhausted`] for ever, once 2^32 − 1 has been handed out.
    pub fn next(&self) -> Result<u32, Exhausted> {
        self.draw(1).map(|numbers| *numbers.start())
    }

    /// The next numbers in a row, for a batch: `most` of them, or as many as are left.
    ///
    /// # Errors
    /// [`Exhausted`] for ever, once 2^32 − 1 has been handed out.
    pub fn draw(&self, most: u32) -> Result<RangeInclusive<u32>, Exhausted> {
        let mut numbers = 0..=0;
        self.0
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                let first = u32::try_from(last.checked_add(1)?).ok()?;
                let last = last.checked_add(most.into())?.min(u32::MAX.into());
                numbers = first..=u32::try_from(last).ok()?;
                Some(last)
            })
            .map_err(|_| Exhausted)?;
        Ok(numbers)
    }

    /// The last number handed out; 0 at first.
    pub fn last(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether it is time to replace the association.
    pub fn is_low(&self) -> bool {
        self.last() >= Self::LOW_FROM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_one() {
        let counter = SequenceCounter::new();
        assert_eq!(counter.next(), Ok(1));
        assert_eq!(counter.draw(3), Ok(2..=4));
        assert_eq!(counter.next(), Ok(5));
        assert_eq!(counter.last(), 5);
    }

    #[test]
    fn refuses_to_go_beyond_the_last_number() {
        let counter = SequenceCounter::resume(u64::from(u32::MAX) - 2);
        assert_eq!(counter.next(), Ok(u32::MAX - 1));
        assert_eq!(counter.next(), Ok(u32::MAX));
        for _ in 0..10 {
            assert_eq!(counter.next(), Err(Exhausted));
        }
        assert_eq!(counter.last(), u64::from(u32::MAX), "attempts do not count");
    }

    #[test]
    fn a_batch_gets_what_is_left() {
        let counter = SequenceCounter::resume(u64::from(u32::MAX) - 5);
        assert_eq!(counter.draw(2), Ok(u32::MAX - 4..=u32::MAX - 3));
        assert_eq!(counter.draw(64), Ok(u32::MAX - 2..=u32::MAX));
        assert_eq!(counter.draw(64), Err(Exhausted));
        assert_eq!(counter.draw(1), Err(Exhausted));
        assert_eq!(counter.last(), u64::from(u32::MAX));
        let counter = SequenceCounter::resume(u64::from(u32::MAX) - 5);
        assert_eq!(counter.draw(u32::MAX), Ok(u32::MAX - 4..=u32::MAX));
        assert_eq!(counter.draw(u32::MAX), Err(Exhausted));
    }

    #[test]
    fn tells_when_half_is_used() {
        let counter = SequenceCounter::resume((1 << 31) - 2);
        assert_eq!(counter.next(), Ok((1 << 31) - 1));
        assert!(!counter.is_low());
        assert_eq!(counter.next(), Ok(1 << 31));
        assert!(counter.is_low());
    }
}
