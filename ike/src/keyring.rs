//! Pre-shared keys and whom they are for.
//!
//! Main Mode hides the peer's identity behind the key (RFC 2409 §5.4), so a key is chosen by
//! address, and where that leaves several, message 5 tells which one the peer has.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use wire::Secret;

use crate::crypto::HashAlgorithm;
use crate::key_history::{KeyHistory, Likelihood};

/// Whom a key is for: one word before the colon of a line in a secrets file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Anybody: `%any`, `0.0.0.0` and the like.
    Any,
    /// One address.
    Address(IpAddr),
    /// All addresses whose first `prefix` bits are those of `address`.
    Network {
        /// Any address of the network.
        address: IpAddr,
        /// Length of the common part, in bits.
        prefix: u8,
    },
    /// All peers whose first `prefix` bits are those of `address`; never our own end. Several of
    /// them stand side by side.
    Peers {
        /// Any address of the network.
        address: IpAddr,
        /// Length of the common part, in bits.
        prefix: u8,
    },
    /// A name. Main Mode with a pre-shared key cannot tell whose key it needs, so keys for names
    /// are tried after those for addresses and for anybody.
    Identity(String),
}

impl Selector {
    /// How well the selector fits `address`; zero when it does not.
    fn score(&self, address: IpAddr) -> u8 {
        match self {
            Self::Address(own) if *own == address => 4,
            Self::Network {
                address: network,
                prefix,
            } if within(address, *network, *prefix) => 3,
            Self::Any => 2,
            Self::Identity(_) => 1,
            Self::Address(_) | Self::Network { .. } | Self::Peers { .. } => 0,
        }
    }

    /// Whether the selector is for peers alone, and fits the one at `remote`.
    fn admits_peer(&self, remote: IpAddr) -> bool {
        matches!(self, Self::Peers { address, prefix } if within(remote, *address, *prefix))
    }
}

fn within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    fn same(a: u128, b: u128, width: u32, prefix: u8) -> bool {
        let rest = width.saturating_sub(u32::from(prefix));
        // A shift by the whole width (prefix 0) leaves nothing to compare.
        a.checked_shr(rest).unwrap_or(0) == b.checked_shr(rest).unwrap_or(0)
    }
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            prefix == 0 || same(u128::from(a.to_bits()), u128::from(n.to_bits()), 32, prefix)
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => {
            prefix == 0 || same(a.to_bits(), n.to_bits(), 128, prefix)
        }
        _ => false,
    }
}

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

/// All pre-shared keys, in the order of the file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keyring {
    keys: Vec<Key>,
    /// For each key the first one with the same secret.
    classes: Vec<usize>,
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
        let classes = classes(&keys);
        Self { keys, classes }
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

    /// The keys, in the order of the file.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The keys that may belong to a peer at `remote` which reached us at any of `locals`, at most
    /// `limit` of them, the likeliest first: one that has worked lately for a peer there; then
    /// one that names both addresses, the peer's, ours, anybody, a name, or has no selector at
    /// all; among equals one that is much used. The same key twice is returned once.
    ///
    /// A selector may speak for either end, but not for both: `10.0.0.1 %any` is our address and
    /// any peer.
    pub(crate) fn candidates(
        &self,
        locals: &[IpAddr],
        remote: IpAddr,
        history: &KeyHistory,
        limit: usize,
    ) -> Vec<&Key> {
        let rank = |key: &Key| {
            let ranks = locals.iter();
            ranks
                .filter_map(|local| Rank::of(&key.selectors, *local, remote))
                .max()
        };
        let mut ranked: Vec<(Rank, usize, &Key)> = self
            .keys
            .iter()
            .zip(&self.classes)
            .filter_map(|(key, class)| Some((rank(key)?, *class, key)))
            .collect();
        // Stable: the order of the file decides among equals.
        ranked.sort_by_key(|(rank, ..)| std::cmp::Reverse(*rank));
        // Before the history has its say: which of two equal keys is meant must not depend on it.
        let mut seen = BTreeSet::new();
        ranked.retain(|(_, class, _)| seen.insert(*class));
        ranked.sort_by_cached_key(|(rank, _, key)| {
            let Likelihood { lately, uses } = history.likelihood(remote, key);
            std::cmp::Reverse((lately, *rank, uses))
        });
        let likeliest = ranked.into_iter().take(limit);
        likeliest.map(|(.., key)| key).collect()
    }
}

/// Numbers the keys so that equal ones have equal numbers.
fn classes(keys: &[Key]) -> Vec<usize> {
    let mut known = BTreeMap::new();
    let number = |(index, key): (usize, &Key)| {
        let digest = HashAlgorithm::Sha256.digest(&[key.secret.expose()]);
        *known.entry(digest.to_vec()).or_insert(index)
    };
    keys.iter().enumerate().map(number).collect()
}

/// How well a key fits a pair of addresses; the peer's end counts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    remote: u8,
    local: u8,
}

impl Rank {
    /// `None` when the key is for others.
    fn of(selectors: &[Selector], local: IpAddr, remote: IpAddr) -> Option<Self> {
        if selectors.iter().any(|s| s.admits_peer(remote)) {
            return Some(Self {
                remote: 3,
                local: 1,
            });
        }
        match selectors {
            // `: PSK "..."`
            [] => Some(Self {
                remote: 1,
                local: 1,
            }),
            [one] => {
                let (for_remote, for_local) = (one.score(remote), one.score(local));
                // A lone selector names either end; the other end is then anybody.
                let rank = if for_remote >= for_local {
                    Self {
                        remote: for_remote,
                        local: 1,
                    }
                } else {
                    Self {
                        remote: 2,
                        local: for_local,
                    }
                };
                (for_remote.max(for_local) > 0).then_some(rank)
            }
            several => several
                .iter()
                .enumerate()
                .flat_map(|(i, mine)| {
                    several
                        .iter()
                        .enumerate()
                        .filter(move |(j, _)| i != *j)
                        .map(move |(_, theirs)| Self {
                            remote: theirs.score(remote),
                            local: mine.score(local),
                        })
                })
                .filter(|rank| rank.remote > 0 && rank.local > 0)
                .max(),
        }
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
            .map(|key| key.label.clone())
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
            let labels: Vec<String> = keys.iter().map(|key| key.label.clone()).collect();
            assert_eq!(labels.len(), 256);
            labels
        };
        assert_eq!(tried(&history, here)[..2], ["0", "1"]);
        for label in ["299", "7", "7", "8"] {
            history.note(here, label);
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
    fn networks_compare_their_prefix_only() {
        assert!(within(ip("10.1.2.3"), ip("10.9.9.9"), 8));
        assert!(!within(ip("10.1.2.3"), ip("10.9.9.9"), 16));
        assert!(within(ip("10.1.2.3"), ip("192.0.2.1"), 0));
        assert!(within(ip("2001:db8::1"), ip("2001:db8::2"), 127 - 1));
        assert!(!within(ip("2001:db8::1"), ip("10.0.0.1"), 0));
        assert!(
            !within(ip("10.1.2.3"), ip("10.1.2.4"), 200),
            "an absurd prefix is a host"
        );
    }
}
