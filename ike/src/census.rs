//! How many IKE SAs are established, in all and with each source.

use std::collections::BTreeMap;
use std::net::IpAddr;

use wire::Source;

use crate::{Limits, Refusal};

/// The count.
#[derive(Debug, Default)]
pub(crate) struct Census {
    total: usize,
    of: BTreeMap<Source, usize>,
}

impl Census {
    /// How many there are in all.
    pub(crate) const fn total(&self) -> usize {
        self.total
    }

    /// One more, with a peer at `address`.
    pub(crate) fn add(&mut self, address: IpAddr) {
        self.total = self.total.saturating_add(1);
        let count = self.of.entry(Source::of(address)).or_default();
        *count = count.saturating_add(1);
    }

    /// One less, with a peer that was at `address` when it was added or has moved there since.
    pub(crate) fn remove(&mut self, address: IpAddr) {
        self.total = self.total.saturating_sub(1);
        let source = Source::of(address);
        if let Some(count) = self.of.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of.remove(&source);
            }
        }
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
        let count = self.of.get(&source).copied().unwrap_or_default();
        (count >= limits.established_per_source).then_some(Refusal::SourceFull {
            remote: source,
            limit: limits.established_per_source,
        })
    }
}
