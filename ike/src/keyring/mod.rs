//! Pre-shared keys and whom they are for.
//!
//! Main Mode hides the peer's identity behind the key (RFC 2409 §5.4), so a key is chosen by
//! address, and where that leaves several, message 5 tells which one the peer has.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use wire::Secret;

use crate::key_history::{KeyHistory, Likelihood};

mod choice;
mod name;
mod rank;
mod selector;

pub use choice::KeyChoice;
pub use name::KeyName;
use rank::Rank;
pub use selector::Selector;

/// One pre-shared key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where it was written down, for logs: `ipsec.secrets:3`.
    pub label: String,
    /// Whom it is for. None at all is for anybody.
    pub selectors: Vec<Selector>,
    /// The key.
    pub secret: Secret,
}

impl Key {
    /// Whether it can be that of a peer at `remote` which reached us at any of `locals`.
    pub fn applies(&self, locals: &[IpAddr], remote: IpAddr) -> bool {
        Rank::best(&self.selectors, locals, remote).is_some()
    }
}

/// All pre-shared keys, in the order of the file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keyring {
    keys: Vec<Key>,
    /// The name of each; those of equal secrets are equal.
    names: Vec<KeyName>,
    /// How many keys at the front count whatever the choice.
    own: usize,
    /// Which of the others do.
    choice: KeyChoice,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| &key.label))
            .finish()
    }
}

impl Keyring {
    /// A keyring of `keys`; among equally good ones the first is tried first.
    pub fn new(keys: Vec<Key>) -> Self {
        Self::with_choice(Vec::new(), keys, KeyChoice::Every)
    }

    /// A keyring of the keys `own`, which are tried whenever they apply, and those `listed` in a
    /// secrets file, of which `choice` says what counts.
    pub fn with_choice(own: Vec<Key>, listed: Vec<Key>, choice: KeyChoice) -> Self {
        let own_keys = own.len();
        let mut keys = own;
        keys.extend(listed);
        let names = keys.iter().map(|key| KeyName::new(&key.label, &key.secret));
        Self {
            names: names.collect(),
            keys,
            own: own_keys,
            choice,
        }
    }

    /// A keyring with one key for everybody.
    pub fn for_anybody(label: &str, secret: Secret) -> Self {
        Self::new(vec![Key {
            label: label.to_owned(),
            selectors: vec![Selector::Any],
            secret,
        }])
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The names of the keys, in the order of the file.
    pub(crate) fn names(&self) -> &[KeyName] {
        &self.names
    }

    /// The keys that may belong to a peer at `remote` which reached us at any of `locals`, at most
    /// `limit` of them, the likeliest first: one that has worked lately for a peer there; then
    /// one that names both addresses, the peer's, ours and anybody, ours alone, anybody, a name,
    /// or has no selector at all; among equals one that is much used. The same key twice is
    /// returned once.
    ///
    /// A selector may speak for either end, but not for both: `10.0.0.1 %any` is our address and
    /// any peer. For want of a better one, a key with `%any` is tried whatever stands beside it.
    pub(crate) fn candidates(
        &self,
        locals: &[IpAddr],
        remote: IpAddr,
        history: &KeyHistory,
        limit: usize,
    ) -> Vec<(&KeyName, &Secret)> {
        let listed = self.keys.get(self.own..).unwrap_or_default();
        let only = match self.choice {
            KeyChoice::Every => None,
            choice => Some(choice.first(listed, locals, remote)),
        };
        let counts = |index: usize| match (only, index.checked_sub(self.own)) {
            (None, _) | (_, None) => true,
            (Some(only), listed) => only == listed,
        };
        // What another program would have taken counts even where we would not have.
        let rank = |index: usize, key: &Key| {
            let rank = Rank::best(&key.selectors, locals, remote);
            rank.or_else(|| (only.is_some() && index >= self.own).then(Rank::default))
        };
        let keys = self.keys.iter().zip(&self.names).enumerate();
        let mut ranked: Vec<(Rank, &KeyName, &Key)> = keys
            .filter(|(index, _)| counts(*index))
            .filter_map(|(index, (key, name))| Some((rank(index, key)?, name, key)))
            .collect();
        // Stable: the order of the file decides among equals.
        ranked.sort_by_key(|(rank, ..)| std::cmp::Reverse(*rank));
        // Before the history has its say: which of two equal keys is meant must not depend on it.
        let mut seen = BTreeSet::new();
        ranked.retain(|(_, name, _)| seen.insert(*name));
        ranked.sort_by_cached_key(|(rank, name, _)| {
            let Likelihood { lately, uses } = history.likelihood(remote, name);
            std::cmp::Reverse((lately, *rank, uses))
        });
        let likeliest = ranked.into_iter().take(limit);
        likeliest
            .map(|(_, name, key)| (name, &key.secret))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(label: &str, selectors: &[Selector]) -> Key {
        Key {
            label: label.to_owned(),
            selectors: selectors.to_vec(),
            secret: Secret::from(label.as_bytes()),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn labels(ring: &Keyring, local: &str, remote: &str) -> Vec<String> {
        let history = KeyHistory::default();
        ring.candidates(&[ip(local)], ip(remote), &history, 256)
            .iter()
            .map(|(name, _)| name.label().to_owned())
            .collect()
    }

    #[test]
    fn the_more_a_key_says_the_earlier_it_is_tried() {
        use Selector::{Address, Any, Identity, Network};
        let (server, client) = (ip("192.0.2.1"), ip("198.51.100.7"));
        let ring = Keyring::new(vec![
            key("nobody named", &[]),
            key("any any", &[Any, Any]),
            key("a name", &[Any, Identity("road".into())]),
            key("other client", &[Address(ip("203.0.113.9")), Any]),
            key("server any", &[Address(server), Any]),
            key(
                "office",
                &[
                    Network {
                        address: ip("198.51.100.0"),
                        prefix: 24,
                    },
                    Any,
                ],
            ),
            key("client", &[Address(client)]),
            key("both", &[Address(client), Address(server)]),
        ]);
        assert_eq!(
            labels(&ring, "192.0.2.1", "198.51.100.7"),
            [
                "both",
                "client",
                "office",
                "server any",
                "any any",
                "a name",
                "other client",
                "nobody named"
            ]
        );
    }

    #[test]
    fn equal_keys_are_tried_once_and_the_first_line_wins() {
        let mut second = key("second", &[Selector::Any]);
        second.secret = Secret::from(&b"first"[..]);
        let ring = Keyring::new(vec![
            key("first", &[Selector::Any]),
            second,
            key("third", &[Selector::Any]),
        ]);
        assert_eq!(
            labels(&ring, "192.0.2.1", "198.51.100.7"),
            ["first", "third"]
        );
    }

    #[test]
    fn what_worked_comes_first_and_decides_who_is_among_the_tried() {
        let keys = (0..300).map(|number| key(&number.to_string(), &[Selector::Any]));
        let ring = Keyring::new(keys.collect());
        let (here, there) = (ip("198.51.100.7"), ip("198.51.100.8"));
        let mut history = KeyHistory::default();
        let tried = |history: &KeyHistory, remote| {
            let keys = ring.candidates(&[ip("192.0.2.1")], remote, history, 256);
            let labels: Vec<String> = keys
                .iter()
                .map(|(name, _)| name.label().to_owned())
                .collect();
            assert_eq!(labels.len(), 256);
            labels
        };
        assert_eq!(tried(&history, here)[..2], ["0", "1"]);
        for label in ["299", "7", "7", "8"] {
            let name = KeyName::new(label, &Secret::from(label.as_bytes()));
            history.note(here, &name);
        }
        assert_eq!(tried(&history, here)[..4], ["8", "7", "299", "0"]);
        assert_eq!(tried(&history, there)[..4], ["7", "8", "299", "0"]);
    }

    #[test]
    fn keys_for_networks_of_peers_are_for_nobody_else() {
        let peers = |address: &str, prefix| Selector::Peers {
            address: ip(address),
            prefix,
        };
        let ring = Keyring::new(vec![
            key("general", &[Selector::Any, Selector::Any]),
            key("one", &[peers("203.0.113.0", 24)]),
            key("two", &[peers("198.51.100.0", 24), peers("192.0.2.0", 24)]),
        ]);
        assert_eq!(
            labels(&ring, "192.0.2.1", "203.0.113.5"),
            ["one", "general"]
        );
        assert_eq!(
            labels(&ring, "192.0.2.1", "198.51.100.5"),
            ["two", "general"]
        );
        // Our own address is in one of the networks; that is no reason.
        assert_eq!(labels(&ring, "192.0.2.1", "10.0.0.1"), ["general"]);
    }

    #[test]
    fn the_documented_order() {
        use Selector::{Address, Any};
        let (own, peer) = (Address(ip("192.0.2.1")), Address(ip("203.0.113.9")));
        let ring = Keyring::new(vec![
            key("none", &[]),
            key("any alone", &[Any]),
            key("any", &[Any, Any]),
            key("own alone", std::slice::from_ref(&own)),
            key("own and any", &[own.clone(), Any]),
            key("peer alone", std::slice::from_ref(&peer)),
            key("peer and any", &[peer.clone(), Any]),
            key("any, second", &[Any, Any]),
            key("all three", &[peer, own.clone(), Any]),
            key("any of another", &[Address(ip("198.51.100.7")), Any]),
            key("another peer", &[own, Address(ip("198.51.100.7"))]),
        ]);
        assert_eq!(
            labels(&ring, "192.0.2.1", "203.0.113.9"),
            [
                "all three",
                "peer and any",
                "peer alone",
                "own and any",
                "own alone",
                "any alone",
                "any",
                "any, second",
                "any of another",
                "none"
            ]
        );
    }

    #[test]
    fn another_choice_leaves_one_key_of_the_file() {
        use Selector::{Address, Any};
        let own = Address(ip("192.0.2.1"));
        let listed = || {
            vec![
                key("own", std::slice::from_ref(&own)),
                key("first", &[Any]),
                key("last", &[Any]),
                key("another peer", &[own.clone(), Address(ip("198.51.100.7"))]),
            ]
        };
        let ring = |choice| Keyring::with_choice(vec![key("named", &[Any])], listed(), choice);
        let tried = |choice| labels(&ring(choice), "192.0.2.1", "203.0.113.9");
        assert_eq!(tried(KeyChoice::Every), ["own", "named", "first", "last"]);
        assert_eq!(tried(KeyChoice::StrongSwan), ["named", "last"]);
        assert_eq!(tried(KeyChoice::Libreswan), ["own", "named"]);
        let ring = |choice| Keyring::with_choice(Vec::new(), listed().split_off(3), choice);
        let tried = |choice| labels(&ring(choice), "192.0.2.1", "203.0.113.9");
        // strongSwan takes a key for another peer, for want of a better one.
        assert_eq!(tried(KeyChoice::StrongSwan), ["another peer"]);
        assert_eq!(tried(KeyChoice::Every), [] as [&str; 0]);
        assert_eq!(tried(KeyChoice::Libreswan), [] as [&str; 0]);
    }
}
