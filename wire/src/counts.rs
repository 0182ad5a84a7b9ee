//! How many there are of each.

use std::collections::BTreeMap;

/// Numbers by key. A key of which there are none takes no memory.
#[derive(Debug, Clone)]
pub struct Counts<K>(BTreeMap<K, usize>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Counts<K> {
    /// So many more.
    pub fn add(&mut self, key: K, more: usize) {
        if more > 0 {
            let count = self.0.entry(key).or_default();
            *count = count.saturating_add(more);
        }
    }

    /// So many less.
    pub fn subtract(&mut self, key: &K, less: usize) {
        if let Some(count) = self.0.get_mut(key) {
            *count = count.saturating_sub(less);
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }

    /// How many there are of one.
    pub fn of(&self, key: &K) -> usize {
        self.0.get(key).copied().unwrap_or(0)
    }

    /// Of how many keys there are any.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none of any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_there_as_long_as_there_are_any_of_it() {
        let mut counts = Counts::default();
        counts.add("a", 2);
        counts.add("a", 1);
        counts.add("b", 0);
        assert_eq!((counts.of(&"a"), counts.of(&"b"), counts.len()), (3, 0, 1));
        counts.subtract(&"a", 2);
        counts.subtract(&"b", 1);
        assert_eq!(counts.of(&"a"), 1);
        counts.subtract(&"a", 7);
        assert!(counts.is_empty());
    }
}
