//! Which keys have worked, so that they are tried first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use crate::keyring::KeyName;

/// Sources whose keys are remembered. Only somebody who has a key gets in here.
const SOURCES: usize = 4096;
/// Keys remembered for one source: many clients may share an address.
const PER_SOURCE: usize = 16;

/// Which keys have worked.
#[derive(Debug, Default)]
pub(crate) struct KeyHistory {
    /// The keys of each source, the last to work at the end.
    by_source: BTreeMap<IpAddr, VecDeque<KeyName>>,
    /// The sources in the order in which they were first seen.
    order: VecDeque<IpAddr>,
    /// How often each key has worked.
    uses: BTreeMap<KeyName, u64>,
}

/// How likely a key is: the greater, the earlier it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Likelihood {
    /// How lately it has worked for this source; zero for not at all.
    pub(crate) lately: usize,
    /// How often it has worked for anybody.
    pub(crate) uses: u64,
}

impl KeyHistory {
    /// A key has worked for a peer.
    pub(crate) fn note(&mut self, source: IpAddr, key: &KeyName) {
        let uses = self.uses.entry(key.clone()).or_default();
        *uses = uses.saturating_add(1);
        if !self.by_source.contains_key(&source) {
            if self.order.len() >= SOURCES
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_source.remove(&oldest);
            }
            self.order.push_back(source);
        }
        let keys = self.by_source.entry(source).or_default();
        keys.retain(|known| known != key);
        if keys.len() >= PER_SOURCE {
            keys.pop_front();
        }
        keys.push_back(key.clone());
    }

    /// How likely it is that a peer at `source` has this key.
    pub(crate) fn likelihood(&self, source: IpAddr, key: &KeyName) -> Likelihood {
        let lately = self.by_source.get(&source).and_then(|keys| {
            let place = keys.iter().position(|known| known == key)?;
            Some(place.saturating_add(1))
        });
        Likelihood {
            lately: lately.unwrap_or(0),
            uses: self.uses.get(key).copied().unwrap_or(0),
        }
    }

    /// Forgets all keys but these.
    pub(crate) fn keep(&mut self, keys: &[KeyName]) {
        let known: BTreeSet<&KeyName> = keys.iter().collect();
        self.uses.retain(|key, _| known.contains(key));
        for keys in self.by_source.values_mut() {
            keys.retain(|key| known.contains(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::Secret;

    use super::*;

    fn key(label: &str) -> KeyName {
        KeyName::new(label, &Secret::from(label.as_bytes()))
    }

    #[test]
    fn the_last_that_worked_for_a_source_is_the_likeliest_there() {
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut history = KeyHistory::default();
        for label in ["a", "b", "b", "a"] {
            history.note(here, &key(label));
        }
        history.note(there, &key("c"));
        let of = |history: &KeyHistory, source, label| history.likelihood(source, &key(label));
        assert!(of(&history, here, "a") > of(&history, here, "b"));
        assert!(of(&history, here, "b") > of(&history, here, "c"));
        assert!(of(&history, there, "c") > of(&history, there, "a"));
        assert!(of(&history, there, "a") > of(&history, there, "d"));
        history.keep(&[key("b")]);
        assert_eq!(of(&history, here, "a"), of(&history, here, "d"));
        assert!(of(&history, here, "b") > of(&history, here, "a"));
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let mut history = KeyHistory::default();
        let source = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(number));
        for number in 0..10_000 {
            history.note(source(number), &key("a"));
            history.note(source(9_999), &key(&format!("key {}", number % 100)));
        }
        assert_eq!(history.by_source.len(), SOURCES);
        assert_eq!(history.order.len(), SOURCES);
        assert!(
            history
                .by_source
                .values()
                .all(|keys| keys.len() <= PER_SOURCE)
        );
    }
}
