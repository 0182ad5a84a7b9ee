//! Pre-shared keys and whom they are for.
//!
//! Main Mode hides the peer's identity behind the key (RFC 2409 §5.4), so a key is chosen by
//! address, and where that leaves several, message 5 tells which one the peer has.

use std::fmt;
use std::net::IpAddr;

use wire::Secret;

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
            Self::Address(_) | Self::Network { .. } => 0,
        }
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
        Self { keys }
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

    /// The keys that may belong to a peer at `remote` which reached us at `local`, best first:
    /// one that names both addresses, then the peer's, then ours, then anybody, then names, then
    /// those without any selector. The same key twice is returned once.
    ///
    /// A selector may speak for either end, but not for both: `10.0.0.1 %any` is our address and
    /// any peer.
    pub fn candidates(&self, local: IpAddr, remote: IpAddr) -> Vec<&Key> {
        let mut ranked: Vec<(Rank, &Key)> = self
            .keys
            .iter()
            .filter_map(|key| Some((Rank::of(&key.selectors, local, remote)?, key)))
            .collect();
        // Stable: the order of the file decides among equals.
        ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        let mut candidates: Vec<&Key> = Vec::with_capacity(ranked.len());
        for (_, key) in ranked {
            // Quadratic, but over what a trial takes: a few hundred.
            let room = candidates.len() < crate::MAX_KEYS_PER_TRIAL;
            if room && !candidates.iter().any(|known| known.secret == key.secret) {
                candidates.push(key);
            }
        }
        candidates
    }
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
        ring.candidates(ip(local), ip(remote))
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
