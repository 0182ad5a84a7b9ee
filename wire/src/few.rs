//! Sets of which most have one member.

use std::slice;

/// A set as a sorted vector, which takes no more memory than what is in it. A node of a
/// [`std::collections::BTreeSet`] has room for eleven, and there are several sets for every peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Few<T>(Vec<T>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> Few<T> {
    /// Takes a member up, if it is none yet.
    pub fn insert(&mut self, member: T) {
        if let Err(place) = self.0.binary_search(&member) {
            self.0.reserve_exact(1);
            self.0.insert(place, member);
        }
    }

    /// Returns whether it was one.
    pub fn remove(&mut self, member: &T) -> bool {
        let place = self.0.binary_search(member);
        if let Ok(place) = place {
            self.0.remove(place);
        }
        place.is_ok()
    }

    /// Keeps only those of which this is true.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }

    /// Whether it is a member.
    pub fn contains(&self, member: &T) -> bool {
        self.0.binary_search(member).is_ok()
    }

    /// The smallest one.
    pub fn first(&self) -> Option<&T> {
        self.0.first()
    }

    /// The largest one.
    pub fn last(&self) -> Option<&T> {
        self.0.last()
    }

    /// All members, the smallest first.
    pub fn iter(&self) -> slice::Iter<'_, T> {
        self.0.iter()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Ord> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, members: I) {
        members.into_iter().for_each(|member| self.insert(member));
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_set(steps in proptest::collection::vec((any::<bool>(), 0_u8..6), 0..60)) {
            let (mut few, mut set) = (Few::default(), BTreeSet::new());
            for (insert, member) in steps {
                if insert {
                    few.insert(member);
                    set.insert(member);
                } else {
                    prop_assert_eq!(few.remove(&member), set.remove(&member));
                }
                prop_assert!(few.iter().eq(set.iter()));
                prop_assert_eq!((few.first(), few.last()), (set.first(), set.last()));
                prop_assert_eq!(few.contains(&member), set.contains(&member));
                prop_assert_eq!((few.len(), few.is_empty()), (set.len(), set.is_empty()));
            }
        }
    }
}
