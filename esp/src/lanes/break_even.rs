//! From how many messages on lanes are quicker than one message after another.
//!
//! What a processor offers does not tell: some are quick with instructions for SHA and slow with
//! wide vectors, and an emulator has all of them and is slow with vectors above all. So it is
//! measured where there is a clock, and guessed where there is none.

use std::hint::black_box;
use std::time::Duration;

use ::hmac::digest::block_api::EagerHash;
use ::hmac::{Hmac, KeyInit, Mac};
use wire::Instant;

use super::hmac::{Hash, LaneHmac};
use super::wide::Wide;
use super::{LANES, sha1, sha256};
use crate::suite::Integrity;

/// More than there are lanes.
const NEVER: usize = LANES + 1;
/// Bytes of the messages that are measured: long packets are what takes time.
const LENGTH: usize = 1440;
/// How often it is measured. The shortest time counts: whatever else runs makes them longer.
const ROUNDS: usize = 8;

/// From how many packets on HMAC-SHA1 and HMAC-SHA256 are computed side by side: where that is
/// quicker. The result is the same either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideBySide {
    pub(crate) sha1: BreakEven,
    pub(crate) sha256: BreakEven,
}

impl SideBySide {
    /// What is quicker on this processor by the clock, within some 0.5 ms; where processors are
    /// emulated, some 50 ms.
    pub fn measured(mut now: impl FnMut() -> Instant) -> Self {
        let guess = Self::default();
        Self {
            sha1: measure::<sha1::Sha1, ::sha1::Sha1, 5>(&mut now).unwrap_or(guess.sha1),
            sha256: measure::<sha256::Sha256, sha2::Sha256, 8>(&mut now).unwrap_or(guess.sha256),
        }
    }

    /// So many packets, all about as long; `None` if one after another is quicker however many
    /// they are, or always, as with other hashes.
    pub fn packets(self, integrity: Integrity) -> Option<usize> {
        let BreakEven(count) = match integrity {
            Integrity::HmacSha1_96 => self.sha1,
            Integrity::HmacSha256_128 | Integrity::HmacSha256_96 => self.sha256,
            _ => return None,
        };
        (count <= LANES).then_some(count)
    }

    /// From so many, whatever the processor.
    #[cfg(test)]
    pub(crate) const fn from(packets: usize) -> Self {
        Self {
            sha1: BreakEven(packets),
            sha256: BreakEven(packets),
        }
    }
}

impl Default for SideBySide {
    /// By what the processor offers: as measured against the SHA instructions, which those with
    /// such vectors mostly have.
    fn default() -> Self {
        let (sha1, sha256) = match Wide::new() {
            #[cfg(target_arch = "x86_64")]
            Some(Wide::Avx512(_)) => (5, 9),
            #[cfg(target_arch = "x86_64")]
            Some(Wide::Avx2(_)) => (12, NEVER),
            None => (NEVER, NEVER),
        };
        Self {
            sha1: BreakEven(sha1),
            sha256: BreakEven(sha256),
        }
    }
}

/// So many messages are worth a pass of one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BreakEven(usize);

impl BreakEven {
    /// Whether messages of these lengths are: so many that the lanes are filled, and not one long
    /// message beside short ones.
    pub(crate) fn is_reached(self, lengths: impl Iterator<Item = usize>) -> bool {
        let (mut longest, mut sum) = (0_usize, 0_usize);
        for length in lengths {
            longest = longest.max(length);
            sum = sum.saturating_add(length);
        }
        sum >= longest.saturating_mul(self.0)
    }
}

/// A hash in lanes against one of the library. `None` if there are no lanes, or the clock does not
/// move.
fn measure<H: Hash<WORDS>, L: EagerHash, const WORDS: usize>(
    mut now: impl FnMut() -> Instant,
) -> Option<BreakEven> {
    let key = [0x0b; 20];
    let message = [0x5a; LENGTH];
    let lanes = LaneHmac::<H, WORDS>::new(&key)?;
    let single = <Hmac<L> as KeyInit>::new_from_slice(&key).ok()?;
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
    break_even(together, apart).map(BreakEven)
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
        let (quick, emulated) = (clock(50, 160), clock(400, 160));
        let reached = if Wide::new().is_some() { 5 } else { NEVER };
        assert_eq!(SideBySide::measured(quick), SideBySide::from(reached));
        assert_eq!(SideBySide::measured(emulated), SideBySide::from(NEVER));
        // Without a clock that moves, the guess.
        let frozen = SideBySide::measured(|| Instant::BOOT);
        assert_eq!(frozen, SideBySide::default());
    }

    #[test]
    fn a_pass_wants_filled_lanes() {
        let reached = |lengths: &[usize]| BreakEven(5).is_reached(lengths.iter().copied());
        assert!(reached(&[1400; 16]));
        assert!(reached(&[1400; 5]));
        assert!(!reached(&[1400; 4]));
        assert!(!reached(&[1400, 64, 64, 64, 64, 64, 64]));
        assert!(!BreakEven(NEVER).is_reached([1400; LANES].into_iter()));
    }

    #[test]
    fn what_it_says() {
        use Integrity::{HmacMd5_96, HmacSha1_96, HmacSha256_128};

        let some = SideBySide {
            sha1: BreakEven(LANES),
            sha256: BreakEven(NEVER),
        };
        assert_eq!(some.packets(HmacSha1_96), Some(LANES));
        assert_eq!(some.packets(HmacSha256_128), None);
        assert_eq!(some.packets(HmacMd5_96), None);
    }
}
