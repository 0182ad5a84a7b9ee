//! Choosing our SPIs so that finding an association is an array index and a comparison.

use std::collections::VecDeque;

use rand_core::Rng as _;
use wire::Rng;

/// How many inbound security associations there is room for: a power of two.
///
/// The allocator of the control plane and the table of the data plane must agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotCount {
    bits: u32,
}

impl SlotCount {
    /// Room for four associations of each of `peers` peers: the one in use, its successor, and
    /// as many that are on their way out or were never used.
    pub fn for_peers(peers: usize) -> Self {
        Self::at_least(peers.saturating_mul(4))
    }

    /// The next power of two, from 256 to 2^24 slots. The upper 8 bits of an SPI at least remain
    /// for the random tag.
    pub fn at_least(slots: usize) -> Self {
        let bits = slots.checked_next_power_of_two().map_or(24, usize::ilog2);
        Self {
            bits: bits.clamp(8, 24),
        }
    }

    /// Number of slots.
    pub const fn slots(self) -> usize {
        1 << self.bits
    }

    /// Where the association with this SPI is kept: its low bits.
    pub const fn slot(self, spi: u32) -> usize {
        (spi as usize) & (self.slots().saturating_sub(1))
    }
}

/// Hands out SPIs: slot number in the low bits, a random tag above.
///
/// Belongs to the control plane. A released slot goes to the end of the queue, so that a late
/// packet for the association that had it rarely meets a new one; the tag tells them apart then.
#[derive(Debug)]
pub struct SpiAllocator {
    slots: SlotCount,
    rng: Rng,
    free: VecDeque<u32>,
    /// What each slot is given out as; 0 is nothing.
    given: Vec<u32>,
}

impl SpiAllocator {
    /// Everything free.
    pub fn new(slots: SlotCount, rng: Rng) -> Self {
        let count = u32::try_from(slots.slots()).unwrap_or(u32::MAX);
        Self {
            slots,
            rng,
            free: (0..count).collect(),
            given: vec![0; slots.slots()],
        }
    }

    /// A new SPI; `None` if every slot is taken. Never below 256: those are reserved
    /// (RFC 4303 §2.1).
    pub fn allocate(&mut self) -> Option<u32> {
        let slot = self.free.pop_front()?;
        let spi = loop {
            let spi = self.rng.next_u32().wrapping_shl(self.slots.bits) | slot;
            if spi >= 256 {
                break spi;
            }
        };
        *self.given.get_mut(self.slots.slot(spi))? = spi;
        Some(spi)
    }

    /// Takes an SPI back. Returns whether it was given out.
    pub fn release(&mut self, spi: u32) -> bool {
        let index = self.slots.slot(spi);
        match self.given.get_mut(index) {
            Some(given) if *given == spi && spi != 0 => {
                *given = 0;
                self.free.extend(u32::try_from(index));
                true
            }
            _ => false,
        }
    }

    /// How many are given out.
    pub fn in_use(&self) -> usize {
        self.slots.slots().saturating_sub(self.free.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_core::SeedableRng;

    use super::*;

    fn allocator() -> SpiAllocator {
        SpiAllocator::new(SlotCount::at_least(0), Rng::seed_from_u64(1))
    }

    #[test]
    fn every_slot_once_and_never_a_reserved_number() {
        let mut allocator = allocator();
        let spis: BTreeSet<u32> = std::iter::from_fn(|| allocator.allocate()).collect();
        assert_eq!(spis.len(), 256);
        assert!(spis.iter().all(|spi| *spi >= 256));
        let slots: BTreeSet<usize> = spis
            .iter()
            .map(|spi| SlotCount::at_least(0).slot(*spi))
            .collect();
        assert_eq!(slots.len(), 256);
        assert_eq!(allocator.in_use(), 256);
    }

    #[test]
    fn a_released_slot_is_reused_last_and_under_another_number() {
        let mut allocator = allocator();
        let first = allocator.allocate().unwrap();
        assert!(allocator.release(first));
        assert!(!allocator.release(first));
        for _ in 0..255 {
            let spi = allocator.allocate().unwrap();
            assert_ne!(spi & 0xff, first & 0xff);
        }
        let last = allocator.allocate().unwrap();
        assert_eq!(last & 0xff, first & 0xff);
        assert_ne!(last, first);
    }

    #[test]
    fn counts_are_powers_of_two_within_bounds() {
        assert_eq!(SlotCount::for_peers(1000).slots(), 4096);
        assert_eq!(SlotCount::for_peers(0).slots(), 256);
        assert_eq!(SlotCount::at_least(usize::MAX).slots(), 1 << 24);
    }
}
