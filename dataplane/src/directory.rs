//! A table that is read without locks and changed by one writer at a time.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use wire::PeerId;

use crate::session::SessionId;

/// What can be looked up. Keys are given out by our control plane, never by a peer, so the hash
/// needs no secret.
pub(crate) trait Key: Copy + Eq {
    /// A number that differs where the key differs, in whatever bits.
    fn number(self) -> u64;
}

impl Key for PeerId {
    fn number(self) -> u64 {
        self.0
    }
}

impl Key for SessionId {
    fn number(self) -> u64 {
        self.0
    }
}

impl Key for IpAddr {
    fn number(self) -> u64 {
        match self {
            Self::V4(address) => u64::from(address.to_bits()),
            Self::V6(address) => {
                let bits = address.to_bits();
                (bits >> 64) as u64 ^ bits as u64
            }
        }
    }
}

type Bucket<K, V> = Vec<(K, Arc<V>)>;

/// A hash table with a fixed number of buckets, each of which is replaced as a whole. With at
/// least as many buckets as entries, looking up is an index and a comparison.
pub(crate) struct Directory<K, V> {
    buckets: Box<[ArcSwapOption<Bucket<K, V>>]>,
    shift: u32,
}

impl<K: Key, V> Directory<K, V> {
    /// For about `entries` entries. It never refuses more; it only becomes slower.
    pub(crate) fn new(entries: usize) -> Self {
        let bits = entries
            .checked_next_power_of_two()
            .map_or(24, usize::ilog2)
            .clamp(4, 24);
        Self {
            buckets: (0..1_usize << bits)
                .map(|_| ArcSwapOption::empty())
                .collect(),
            shift: 64_u32.saturating_sub(bits),
        }
    }

    fn bucket(&self, key: K) -> Option<&ArcSwapOption<Bucket<K, V>>> {
        // Multiplying by 2^64 divided by the golden ratio spreads neighbours over the upper bits.
        let hash = key.number().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.buckets
            .get(usize::try_from(hash >> self.shift).unwrap_or(0))
    }

    /// Calls `use_it` with the value under `key`, borrowed from the table: no reference count is
    /// touched.
    pub(crate) fn with<R>(&self, key: K, use_it: impl FnOnce(&Arc<V>) -> R) -> Option<R> {
        let bucket = self.bucket(key)?.load();
        let (_, value) = bucket.as_ref()?.iter().find(|(k, _)| *k == key)?;
        Some(use_it(value))
    }

    /// Whether there is something under `key`.
    pub(crate) fn contains(&self, key: K) -> bool {
        self.with(key, |_| ()).is_some()
    }

    /// Puts `value` under `key`, in the place of what was there. One writer at a time.
    pub(crate) fn insert(&self, key: K, value: Arc<V>) {
        self.change(key, |bucket| bucket.push((key, value)));
    }

    /// Removes what is under `key`. One writer at a time.
    pub(crate) fn remove(&self, key: K) {
        self.change(key, |_| ());
    }

    fn change(&self, key: K, add: impl FnOnce(&mut Bucket<K, V>)) {
        let Some(slot) = self.bucket(key) else { return };
        let mut bucket: Bucket<K, V> = slot
            .load()
            .iter()
            .flat_map(|bucket| bucket.iter())
            .filter(|(k, _)| *k != key)
            .map(|(k, value)| (*k, Arc::clone(value)))
            .collect();
        add(&mut bucket);
        slot.store((!bucket.is_empty()).then(|| Arc::new(bucket)));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn finds_what_was_put_in_even_when_buckets_are_crowded() {
        let directory = Directory::<PeerId, u64>::new(1);
        for n in 0..500 {
            directory.insert(PeerId(n), Arc::new(n * 2));
        }
        for n in 0..500 {
            assert_eq!(directory.with(PeerId(n), |v| **v), Some(n * 2));
        }
        directory.insert(PeerId(7), Arc::new(1));
        assert_eq!(directory.with(PeerId(7), |v| **v), Some(1));
        for n in 0..500 {
            directory.remove(PeerId(n));
            assert!(!directory.contains(PeerId(n)));
        }
        assert!(
            directory
                .buckets
                .iter()
                .all(|bucket| bucket.load().is_none())
        );
    }

    #[test]
    fn a_pool_of_addresses_spreads_evenly() {
        let directory = Directory::<IpAddr, ()>::new(4096);
        for n in 0..4096_u32 {
            directory.insert(Ipv4Addr::from_bits(0x0a0a_0000 + n).into(), Arc::new(()));
        }
        let longest = directory
            .buckets
            .iter()
            .filter_map(|b| b.load().as_ref().map(|b| b.len()))
            .max();
        assert!(longest <= Some(4), "{longest:?}");
        let six: IpAddr = Ipv6Addr::LOCALHOST.into();
        assert!(!directory.contains(six));
        directory.insert(six, Arc::new(()));
        assert!(directory.contains(six));
    }
}
