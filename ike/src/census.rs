//! How many IKE SAs are established, in all and with each source.

use std::net::IpAddr;

use wire::{Counts, Source};

use crate::{Limits, Refusal};

/// The count.
#[derive(Debug, Default)]
pub(crate) struct Census {
    total: usize,
    of: Counts<Source>,
}

impl Census {
    /// How many there are in all.
    pub(crate) const fn total(&self) -> usize {
        self.total
    }

    /// One more, with a peer at `address`.
    pub(crate) fn add(&mut self, address: IpAddr) {
        self.total = self.total.saturating_add(1);
        self.of.add(Source::of(address), 1);
    }

    /// One less, with a peer that was at `address` when it was added or has moved there since.
    pub(crate) fn remove(&mut self, address: IpAddr) {
        self.total = self.total.saturating_sub(1);
        self.of.subtract(&Source::of(address), 1);
    }

    /// A peer has another address now.
    pub(crate) fn relocate(&mut self, from: IpAddr, to: IpAddr) {
        self.remove(from);
        self.add(to);
    }

    /// Why nobody else may begin one from `address`, if nobody may.
    pub(crate) fn refusal(&self, limits: &Limits, address: IpAddr) -> Option<Refusal> {
        if self.total >= limits.established_total {
            return Some(Refusal::Full(limits.established_total));
        }
        let source = Source::of(address);
        let limit = limits.established_per_source;
        (self.of.of(&source) >= limit).then_some(Refusal::SourceFull {
            remote: source,
            limit,
        })
    }
}
