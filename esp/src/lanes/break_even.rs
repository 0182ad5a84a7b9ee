//! From how many messages on lanes are quicker than one message after another.
//!
//! What a processor offers does not tell: some are quick with instructions for SHA and slow with
//! wide vectors, and an emulator has all of them and is slow with vectors above all. So it is
//! measured where there is a clock, and guessed where there is none.

use std::hint::black_box;
use std::time::Duration;

use fearless_simd::Level;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use wire::Instant;

use super::LANES;
use super::sha1::LaneHmac;

/// More than there are lanes.
const NEVER: usize = LANES + 1;
/// Bytes of the messages that are measured: long packets are what takes time.
const LENGTH: usize = 1440;
/// How often it is measured. The shortest time counts: whatever else runs makes them longer.
const ROUNDS: usize = 8;

/// From how many packets on HMAC-SHA1 is computed side by side: where that is quicker. The result
/// is the same either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideBySide(usize);

impl SideBySide {
    /// What is quicker on this processor by the clock, within some 0.2 ms; where processors are
    /// emulated, some 20 ms.
    pub fn measured(now: impl FnMut() -> Instant) -> Self {
        measure(now).map_or_else(Self::default, Self)
    }

    /// From so many, whatever the processor.
    #[cfg(test)]
    pub(crate) const fn from(packets: usize) -> Self {
        Self(packets)
    }

    /// So many packets, all about as long; `None` if one after another is quicker, however many
    /// they are.
    pub fn packets(self) -> Option<usize> {
        (self.0 <= LANES).then_some(self.0)
    }

    /// Whether messages of these lengths are worth a pass: so many that the lanes are filled, and
    /// not one long message beside short ones.
    pub(crate) fn is_worth(self, lengths: impl Iterator<Item = usize>) -> bool {
        let (mut longest, mut sum) = (0_usize, 0_usize);
        for length in lengths {
            longest = longest.max(length);
            sum = sum.saturating_add(length);
        }
        sum >= longest.saturating_mul(self.0)
    }
}

impl Default for SideBySide {
    /// By what the processor offers: as measured against the SHA instructions, which those with
    /// such vectors mostly have.
    fn default() -> Self {
        let level = Level::new();
        Self(match () {
            () if level.as_avx512().is_some() => 5,
            () if level.as_avx2().is_some() => 12,
            () => NEVER,
        })
    }
}

/// `None` if the clock does not move.
fn measure(mut now: impl FnMut() -> Instant) -> Option<usize> {
    let key = [0x0b; 20];
    let message = [0x5a; LENGTH];
    let lanes = LaneHmac::new(&key)?;
    let single = Hmac::<Sha1>::new_from_slice(&key).ok()?;
    let (mut together, mut apart) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = now();
        black_box(lanes.sum(&[black_box(&message); LANES]));
        let middle = now();
        for _ in 0..LANES {
            let state = single.clone().chain_update(black_box(&message));
            black_box(state.finalize());
        }
        apart = apart.min(now().saturating_since(middle));
        together = together.min(middle.saturating_since(start));
    }
    break_even(together, apart)
}

/// How many of [`LANES`] messages take as long one after another as a pass, from what all of them
/// take.
fn break_even(together: Duration, apart: Duration) -> Option<usize> {
    let lanes = u128::try_from(LANES).ok()?;
    let count = together
        .as_nanos()
        .saturating_mul(lanes)
        .checked_next_multiple_of(apart.as_nanos())?
        .checked_div(apart.as_nanos())?;
    // A single message is never a batch.
    Some(usize::try_from(count).unwrap_or(NEVER).clamp(2, NEVER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_both_take_as_long() {
        let of = |together, apart| {
            break_even(Duration::from_nanos(together), Duration::from_nanos(apart))
        };
        // Sixteen singles of 1000 ns each.
        assert_eq!(of(5_000, 16_000), Some(5));
        assert_eq!(of(5_001, 16_000), Some(6));
        assert_eq!(of(16_000, 16_000), Some(16));
        assert_eq!(of(16_001, 16_000), Some(NEVER));
        assert_eq!(of(u64::MAX, 1), Some(NEVER));
        assert_eq!(of(0, 16_000), Some(2));
        assert_eq!(of(0, 0), None, "a clock that stands still");
    }

    #[test]
    fn it_is_the_clock_that_is_believed() {
        // Each reading is later than the one before by what the script says: a pass, then sixteen
        // messages by themselves, after a first reading of each round.
        let clock = |pass: u64, singles: u64| {
            let mut steps = [0, pass, singles].into_iter().cycle();
            let mut time = Duration::ZERO;
            move || {
                time += Duration::from_micros(steps.next().unwrap());
                Instant::from_boot(time)
            }
        };
        assert_eq!(measure(clock(50, 160)), Some(5));
        assert_eq!(measure(clock(400, 160)), Some(NEVER), "an emulator");
        assert_eq!(measure(clock(0, 0)), None);
    }

    #[test]
    fn a_pass_wants_filled_lanes() {
        let worth = |lengths: &[usize]| SideBySide(5).is_worth(lengths.iter().copied());
        assert!(worth(&[1400; 16]));
        assert!(worth(&[1400; 5]));
        assert!(!worth(&[1400; 4]));
        assert!(!worth(&[1400, 64, 64, 64, 64, 64, 64]));
        assert!(!SideBySide(NEVER).is_worth([1400; LANES].into_iter()));
    }

    #[test]
    fn what_it_says() {
        assert_eq!(SideBySide(LANES).packets(), Some(LANES));
        assert_eq!(SideBySide(NEVER).packets(), None);
        // Without a clock that moves, the guess.
        let frozen = SideBySide::measured(|| Instant::BOOT);
        assert_eq!(frozen, SideBySide::default());
    }
}
