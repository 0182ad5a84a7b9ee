//! Which entries of a table have something to tell.

use std::sync::atomic::{AtomicU64, Ordering};

/// A bitmap that many threads set bits of and one drains, in time proportional to what is set:
/// a second level says which words are worth looking at.
pub(crate) struct Dirty {
    words: Box<[AtomicU64]>,
    summary: Box<[AtomicU64]>,
}

impl Dirty {
    pub(crate) fn new(entries: usize) -> Self {
        let words = entries.div_ceil(64);
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            summary: (0..words.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Sets a bit. The word first and its summary after, and [`Dirty::drain`] clears them in the
    /// opposite order: so no bit is ever left behind without its summary.
    pub(crate) fn mark(&self, entry: usize) {
        let (Some(word), Some(summary)) =
            (self.words.get(entry / 64), self.summary.get(entry / 4096))
        else {
            return;
        };
        word.fetch_or(1 << (entry % 64), Ordering::AcqRel);
        summary.fetch_or(1 << (entry / 64 % 64), Ordering::AcqRel);
    }

    /// Clears all bits and calls `visit` for those that were set.
    pub(crate) fn drain(&self, mut visit: impl FnMut(usize)) {
        for (high, summary) in self.summary.iter().enumerate() {
            for middle in ones(summary) {
                let index = high.saturating_mul(64).saturating_add(middle);
                let Some(word) = self.words.get(index) else {
                    continue;
                };
                for low in ones(word) {
                    visit(index.saturating_mul(64).saturating_add(low));
                }
            }
        }
    }
}

/// Takes the bits of a word, lowest first.
fn ones(word: &AtomicU64) -> impl Iterator<Item = usize> + use<> {
    // Most words are empty: a plain look spares them the exclusive access.
    let mut bits = match word.load(Ordering::Relaxed) {
        0 => 0,
        _ => word.swap(0, Ordering::AcqRel),
    };
    std::iter::from_fn(move || {
        let lowest = bits.checked_ilog2().map(|_| bits.trailing_zeros())?;
        bits &= bits.wrapping_sub(1);
        usize::try_from(lowest).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drains_what_was_marked_once_and_in_order() {
        let dirty = Dirty::new(10_000);
        for entry in [9_999, 0, 63, 64, 4095, 4096, 64] {
            dirty.mark(entry);
        }
        dirty.mark(10_000_000);
        let drain = || {
            let mut seen = Vec::new();
            dirty.drain(|entry| seen.push(entry));
            seen
        };
        assert_eq!(drain(), [0, 63, 64, 4095, 4096, 9_999]);
        assert!(drain().is_empty());
    }
}
