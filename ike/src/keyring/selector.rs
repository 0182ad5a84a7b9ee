//! Whom a key is for.

use std::net::IpAddr;

/// Whom a key is for: one word before the colon of a line in a secrets file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    /// All addresses between these two, both included.
    Range {
        /// The lowest.
        first: IpAddr,
        /// The highest.
        last: IpAddr,
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
    pub(super) fn score(&self, address: IpAddr) -> u8 {
        match self {
            Self::Address(own) if *own == address => 4,
            Self::Network { .. } | Self::Range { .. } if self.spans(address) => 3,
            Self::Any => 2,
            Self::Identity(_) => 1,
            _ => 0,
        }
    }

    /// Whether it is a network or a range with `address` in it.
    pub(super) fn spans(&self, address: IpAddr) -> bool {
        match self {
            Self::Network {
                address: network,
                prefix,
            } => within(address, *network, *prefix),
            Self::Range { first, last } => {
                address.is_ipv4() == first.is_ipv4() && (*first..=*last).contains(&address)
            }
            _ => false,
        }
    }

    /// Whether the selector is for peers alone, and fits the one at `remote`.
    pub(super) fn admits_peer(&self, remote: IpAddr) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
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

    #[test]
    fn ranges_hold_both_ends() {
        let range = Selector::Range {
            first: ip("10.0.0.9"),
            last: ip("10.0.1.2"),
        };
        for (address, inside) in [
            ("10.0.0.8", false),
            ("10.0.0.9", true),
            ("10.0.0.200", true),
            ("10.0.1.2", true),
            ("10.0.1.3", false),
            ("::a00:9", false),
        ] {
            assert_eq!(range.spans(ip(address)), inside, "{address}");
        }
    }
}
