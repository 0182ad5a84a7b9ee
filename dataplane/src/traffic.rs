//! Packets and bytes.

use std::sync::atomic::{AtomicU64, Ordering};

/// How much has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Traffic {
    /// Both together.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            packets: self.packets.saturating_add(other.packets),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// A [`Traffic`] in the making. The two numbers are read one after the other: they may be a
/// packet apart.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Meter {
    pub(crate) fn count(&self, bytes: usize) {
        self.count_all(1, bytes);
    }

    /// Counts packets that have `bytes` together.
    pub(crate) fn count_all(&self, packets: usize, bytes: usize) {
        self.packets.fetch_add(packets as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Traffic {
        Traffic {
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
