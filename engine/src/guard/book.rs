//! A table that forgets: what nobody has touched for long, and beyond a number of entries whatever
//! was touched least recently.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::Instant;

#[derive(Debug)]
struct Entry<V> {
    value: V,
    /// Its place in the order of touching.
    place: u64,
    touched: Instant,
}

/// Values by key, at most so many, each for so long.
#[derive(Debug)]
pub(super) struct Book<K, V> {
    entries: BTreeMap<K, Entry<V>>,
    /// The keys in the order in which they were touched, the least recent first.
    order: BTreeMap<u64, K>,
    last_place: u64,
    most: usize,
    memory: Duration,
    crowded_out: u64,
}

impl<K: Ord + Clone, V: Default> Book<K, V> {
    /// An empty one for at most `most` entries, each kept for `memory` after it was touched.
    pub(super) const fn new(most: usize, memory: Duration) -> Self {
        Self {
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            last_place: 0,
            most,
            memory,
            crowded_out: 0,
        }
    }

    /// What is remembered of `key`.
    pub(super) fn get(&self, now: Instant, key: &K) -> Option<&V> {
        let entry = self.entries.get(key)?;
        (now - entry.touched < self.memory).then_some(&entry.value)
    }

    /// The value of `key`, a new one if nothing is remembered, which from now on is the last to be
    /// forgotten.
    pub(super) fn touch(&mut self, now: Instant, key: &K) -> &mut V {
        self.expire(now);
        let value = match self.remove(key) {
            Some(value) => value,
            None => {
                while self.entries.len() >= self.most && self.drop_oldest() {
                    self.crowded_out = self.crowded_out.saturating_add(1);
                }
                V::default()
            }
        };
        self.last_place = self.last_place.wrapping_add(1);
        self.order.insert(self.last_place, key.clone());
        let entry = Entry {
            value,
            place: self.last_place,
            touched: now,
        };
        // The key has just been taken out.
        &mut self.entries.entry(key.clone()).or_insert(entry).value
    }

    /// Forgets `key`.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.place);
        Some(entry.value)
    }

    /// Forgets the keys that `gone` names; how many there were. Looks at all of them.
    pub(super) fn remove_if(&mut self, gone: impl Fn(&K) -> bool) -> usize {
        let keys: Vec<K> = self
            .entries
            .keys()
            .filter(|key| gone(key))
            .cloned()
            .collect();
        keys.iter().filter(|key| self.remove(key).is_some()).count()
    }

    /// All that is remembered.
    pub(super) fn values(&self, now: Instant) -> impl Iterator<Item = &V> {
        let entries = self.entries.values();
        entries
            .filter(move |entry| now - entry.touched < self.memory)
            .map(|entry| &entry.value)
    }

    /// How many entries it holds.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many were forgotten for want of room.
    pub(super) const fn crowded_out(&self) -> u64 {
        self.crowded_out
    }

    /// Touching comes in the order of time, so that the oldest are in front.
    fn expire(&mut self, now: Instant) {
        while let Some((_, key)) = self.order.first_key_value()
            && self
                .entries
                .get(key)
                .is_none_or(|entry| now - entry.touched >= self.memory)
            && self.drop_oldest()
        {}
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((_, key)) = self.order.pop_first() else {
            return false;
        };
        self.entries.remove(&key);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MEMORY: Duration = Duration::from_secs(100);

    fn at(seconds: u64) -> Instant {
        Instant::from_boot(Duration::from_secs(1_000 + seconds))
    }

    #[derive(Debug, Clone)]
    enum Step {
        Touch(u8),
        Remove(u8),
        Wait(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..12_u8).prop_map(Step::Touch),
            1 => (0..12_u8).prop_map(Step::Remove),
            1 => (0..60_u8).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Against a list in the order of touching, searched from end to end.
        #[test]
        fn it_holds_what_a_plain_list_holds(steps in proptest::collection::vec(step(), 0..200)) {
            let most = 5;
            let mut book = Book::<u8, u32>::new(most, MEMORY);
            let mut list: Vec<(u8, u32, u64)> = Vec::new();
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Touch(key) => {
                        list.retain(|(_, _, touched)| now - touched < 100);
                        let old = list.iter().position(|(other, ..)| *other == key);
                        let count = old.map_or(0, |place| list.remove(place).1) + 1;
                        if old.is_none() && list.len() == most {
                            list.remove(0);
                        }
                        list.push((key, count, now));
                        *book.touch(at(now), &key) += 1;
                    }
                    Step::Remove(key) => {
                        list.retain(|(other, ..)| *other != key);
                        book.remove(&key);
                    }
                    Step::Wait(seconds) => now += u64::from(seconds),
                }
                for key in 0..12 {
                    let fresh = list.iter().find(|(other, _, touched)| *other == key && now - touched < 100);
                    prop_assert_eq!(book.get(at(now), &key).copied(), fresh.map(|(_, count, _)| *count));
                }
                prop_assert!(book.len() <= most);
                prop_assert_eq!(book.order.len(), book.len());
            }
        }
    }

    #[test]
    fn the_least_recent_gives_way_and_is_counted() {
        let mut book = Book::<u32, ()>::new(3, MEMORY);
        for key in 0..3 {
            book.touch(at(0), &key);
        }
        book.touch(at(1), &0);
        book.touch(at(2), &7);
        let there = |key| book.get(at(2), &key).is_some();
        assert_eq!([0, 1, 2, 7].map(there), [true, false, true, true]);
        assert_eq!(book.crowded_out(), 1);
        assert_eq!(book.remove_if(|key| *key < 3), 2);
        assert_eq!(book.len(), 1);
    }
}
