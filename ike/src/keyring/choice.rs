//! Which keys of a secrets file count for a client: all that can apply, or only the one that
//! strongSwan or libreswan would have taken.
//!
//! Both promise that the most specific key wins, and neither does quite that. Whoever changes over
//! with a file of many keys may rely on what one of them did, so their rules are here as they are.

use std::net::IpAddr;

use super::rank::Rank;
use super::{Key, Selector};

/// Which of the keys in a secrets file are tried for a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyChoice {
    /// Every key that can apply, the most specific first; among equals in the order of the file.
    #[default]
    Every,
    /// The one that strongSwan finds by the two addresses: for a connection without an identity
    /// of its own, as with `left=%any` or `left=%defaultroute` and no `leftid`.
    StrongSwan,
    /// The one that strongSwan finds for its own identity and a peer that is not known, else by
    /// the two addresses: for a connection with `leftid`, or with an address for `left`.
    StrongSwanOwnIdentity,
    /// The one that libreswan finds for a connection with `right=%any`, which takes the peer for
    /// anybody.
    Libreswan,
}

impl KeyChoice {
    /// Which of `keys` is tried first for a peer at `remote` that reached us at any of `locals`.
    /// Under every choice but [`Every`](Self::Every) it is the only one.
    pub fn first(self, keys: &[Key], locals: &[IpAddr], remote: IpAddr) -> Option<usize> {
        match self {
            Self::Every => best(keys, |key| Rank::best(&key.selectors, locals, remote)),
            Self::StrongSwan => strongswan(keys, locals, Some(remote)),
            Self::StrongSwanOwnIdentity => {
                strongswan(keys, locals, None).or_else(|| strongswan(keys, locals, Some(remote)))
            }
            Self::Libreswan => libreswan(keys, locals, None),
        }
    }
}

/// The first of the keys with the highest score.
fn best<S: Ord>(keys: &[Key], score: impl Fn(&Key) -> Option<S>) -> Option<usize> {
    let scored = keys.iter().enumerate();
    let scored = scored.filter_map(|(index, key)| Some((score(key)?, index)));
    // Of equals, `max_by_key` takes the last.
    let best = scored.rev().max_by(|(a, _), (b, _)| a.cmp(b));
    best.map(|(_, index)| index)
}

/// strongSwan's search: the best match of the peer decides, then that of our own end; among equals
/// the last of the file wins. `peer` is none for the identity "any".
fn strongswan(keys: &[Key], own: &[IpAddr], peer: Option<IpAddr>) -> Option<usize> {
    let score = |key: &Key| {
        let ours = own.iter().map(|own| owner(&key.selectors, Some(*own)));
        let score = (owner(&key.selectors, peer), ours.max().unwrap_or(0));
        (score != (0, 0)).then_some(score)
    };
    let scored = keys.iter().enumerate();
    let scored = scored.filter_map(|(index, key)| Some((score(key)?, index)));
    scored.max().map(|(_, index)| index)
}

/// How well one party is named by a key: 20 exactly, 19 within a network or range, 2 within one
/// that holds every address, 1 as anybody. One selector may speak for both parties.
fn owner(selectors: &[Selector], party: Option<IpAddr>) -> u8 {
    let score = |selector: &Selector| match (selector, party) {
        (Selector::Any, _) => 1,
        (Selector::Address(address), Some(party)) if *address == party => 20,
        (Selector::Network { prefix: 0, .. }, Some(party)) if selector.spans(party) => 2,
        (Selector::Range { first, last }, Some(party)) if selector.spans(party) => {
            if first == last {
                20
            } else if holds_all(*first, *last) {
                2
            } else {
                19
            }
        }
        (Selector::Network { address, prefix }, Some(party)) if selector.spans(party) => {
            let width: u8 = if address.is_ipv4() { 32 } else { 128 };
            if *prefix >= width { 20 } else { 19 }
        }
        _ => 0,
    };
    match selectors {
        [] => 1,
        _ => selectors.iter().map(score).max().unwrap_or(0),
    }
}

fn holds_all(first: IpAddr, last: IpAddr) -> bool {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => first.to_bits() == 0 && last.to_bits() == u32::MAX,
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            first.to_bits() == 0 && last.to_bits() == u128::MAX
        }
        _ => false,
    }
}

const DEFAULT: u8 = 1;
const ANY: u8 = 2;
const REMOTE: u8 = 4;
const LOCAL: u8 = 8;

/// libreswan's search: bits for what the selectors name, of which only some combinations count;
/// among equals the first of the file wins. `peer` is none for the address "any".
fn libreswan(keys: &[Key], own: &[IpAddr], peer: Option<IpAddr>) -> Option<usize> {
    best(keys, |key| {
        let bits = own.iter().map(|own| bits(&key.selectors, *own, peer));
        let accepted = bits.filter(|bits| {
            let combinations = [
                LOCAL | REMOTE,
                LOCAL | ANY,
                LOCAL | DEFAULT,
                REMOTE | ANY,
                ANY,
                DEFAULT,
            ];
            combinations.contains(bits)
        });
        accepted.max()
    })
}

fn bits(selectors: &[Selector], own: IpAddr, peer: Option<IpAddr>) -> u8 {
    // A selector that is no identity to libreswan is left out when the file is read.
    let known = |selector: &&Selector| {
        !matches!(selector, Selector::Network { .. } | Selector::Range { .. })
    };
    let known: Vec<&Selector> = selectors.iter().filter(known).collect();
    let bit = |selector: &&Selector| match *selector {
        Selector::Any => ANY,
        Selector::Address(address) => {
            let (local, remote) = (*address == own, Some(*address) == peer);
            (u8::from(local) * LOCAL) | (u8::from(remote) * REMOTE)
        }
        _ => 0,
    };
    match &known[..] {
        [] => DEFAULT,
        [one] if bit(one) == LOCAL => LOCAL | DEFAULT,
        several => several.iter().map(bit).fold(0, |all, bit| all | bit),
    }
}

#[cfg(test)]
mod tests {
    use wire::Secret;

    use super::*;

    const OWN: &str = "192.0.2.1";
    const PEER: &str = "203.0.113.9";

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn selector(word: &str) -> Selector {
        match (word, word.split_once('/')) {
            ("%any", _) => Selector::Any,
            (_, Some((address, prefix))) => Selector::Network {
                address: ip(address),
                prefix: prefix.parse().expect("a length"),
            },
            _ => Selector::Address(ip(word)),
        }
    }

    /// `words:name` for each key; `s` and `p` stand for our own address and the peer's.
    fn keys(text: &str) -> Vec<Key> {
        let key = |entry: &str| {
            let (words, name) = entry.split_once(':').expect("a name");
            let words = words.split_whitespace().map(|word| match word {
                "s" => OWN,
                "p" => PEER,
                other => other,
            });
            Key {
                label: name.to_owned(),
                selectors: words.map(selector).collect(),
                secret: Secret::from(name.as_bytes()),
            }
        };
        text.split(',').map(key).collect()
    }

    type Search = fn(&[Key], &[IpAddr], Option<IpAddr>) -> Option<usize>;

    fn found(search: Search, text: &str, peer: Option<&str>) -> String {
        let keys = keys(text);
        let found = search(&keys, &[ip(OWN)], peer.map(ip));
        found.map_or("none".to_owned(), |index| keys[index].label.clone())
    }

    /// The columns: strongSwan by addresses, strongSwan with an identity of its own and none for
    /// the peer, libreswan by addresses, libreswan with the peer as anybody.
    #[test]
    fn what_the_others_choose() {
        for (entries, expected) in [
            ("s p:a,s %any:b,%any %any:c,:d,s:e", ["a", "b", "a", "b"]),
            ("%any %any:c,s %any:b", ["b", "b", "b", "b"]),
            ("%any %any:c,:d", ["d", "d", "c", "c"]),
            ("s:e,%any %any:c", ["c", "c", "e", "e"]),
            ("s:e,:d", ["d", "d", "e", "e"]),
            ("p:f,s %any:b", ["f", "b", "b", "b"]),
            ("p:f", ["f", "none", "none", "none"]),
            ("p %any:g,%any %any:c", ["g", "c", "g", "g"]),
            ("%any %any:c1,%any %any:c2", ["c2", "c2", "c1", "c1"]),
            ("s p %any:h,%any %any:c", ["h", "h", "c", "h"]),
            ("s 198.51.100.7:i", ["i", "i", "none", "none"]),
            // Networks: strongSwan's alone. libreswan leaves the word out and keeps the entry.
            ("203.0.113.0/24:n,%any:c", ["n", "c", "c", "c"]),
            ("203.0.113.0/24:n", ["n", "none", "n", "n"]),
            ("0.0.0.0/0:n,s %any:b", ["n", "b", "b", "b"]),
            ("203.0.113.9/32:n,p:f", ["f", "none", "n", "n"]),
        ] {
            let results = [
                found(strongswan, entries, Some(PEER)),
                found(strongswan, entries, None),
                found(libreswan, entries, Some(PEER)),
                found(libreswan, entries, None),
            ];
            assert_eq!(results, expected, "{entries}");
        }
    }

    /// With an identity of its own strongSwan searches twice.
    #[test]
    fn what_the_choices_stand_for() {
        use KeyChoice::{Every, Libreswan, StrongSwan, StrongSwanOwnIdentity};
        for (entries, choice, expected) in [
            ("p:f,s %any:b", Every, Some("f")),
            ("p:f,s %any:b", StrongSwan, Some("f")),
            ("p:f,s %any:b", StrongSwanOwnIdentity, Some("b")),
            ("p:f", StrongSwanOwnIdentity, Some("f")),
            ("p:f", Libreswan, None),
            ("%any:c1,%any:c2", Every, Some("c1")),
            ("%any:c1,%any:c2", StrongSwanOwnIdentity, Some("c2")),
            ("%any:c1,%any:c2", Libreswan, Some("c1")),
        ] {
            let keys = keys(entries);
            let found = choice.first(&keys, &[ip("10.0.0.1"), ip(OWN)], ip(PEER));
            let label = found.map(|index| keys[index].label.as_str());
            assert_eq!(label, expected, "{entries} {choice:?}");
        }
    }
}
