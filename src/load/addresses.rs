//! Where the clients are: addresses of this host, and ports of each.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::io::prefix::Prefix;

/// Addresses in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    first: IpAddr,
    count: u64,
}

/// All addresses, in the order of the networks they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses(Vec<Row>);

impl Addresses {
    /// Those of some networks. The first and the last address of an IPv4 network of four or more
    /// are the network itself and its broadcast address, and the first of an IPv6 network is that
    /// of its routers (RFC 4291 §2.6.1): no host has these.
    pub(super) fn new(networks: &[Prefix]) -> Self {
        Self(networks.iter().map(|network| row(*network)).collect())
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, row| sum.saturating_add(row.count))
    }

    /// The one of this number, counted from 0.
    pub(super) fn nth(&self, mut number: u64) -> Option<IpAddr> {
        for row in &self.0 {
            if number < row.count {
                return plus(row.first, number);
            }
            number -= row.count;
        }
        None
    }

    /// The first of them that is not an address of this host, with what the kernel says. Of each
    /// network the first, the last and one between are tried: its addresses come as routes of
    /// whole networks, or are few.
    pub(super) fn stranger(&self, needed: u64) -> Option<(IpAddr, io::Error)> {
        let mut left = needed;
        for row in &self.0 {
            let used = row.count.min(left);
            left -= used;
            let tried = [0, used / 2, used.saturating_sub(1)];
            for number in tried.into_iter().take(usize::try_from(used).unwrap_or(3)) {
                let address = plus(row.first, number)?;
                if let Err(error) = UdpSocket::bind(SocketAddr::new(address, 0)) {
                    return Some((address, error));
                }
            }
        }
        None
    }
}

fn row(network: Prefix) -> Row {
    let width = if network.address().is_ipv4() { 32 } else { 128 };
    let bits: u32 = width - u32::from(network.length());
    let all = 1_u64.checked_shl(bits).unwrap_or(u64::MAX);
    let (skipped, kept) = match (network.address(), bits) {
        (_, 0..2) => (0, all),
        (IpAddr::V4(_), _) => (1, all - 2),
        (IpAddr::V6(_), _) => (1, all - 1),
    };
    Row {
        first: plus(network.address(), skipped).unwrap_or(network.address()),
        count: kept,
    }
}

fn plus(address: IpAddr, number: u64) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits().checked_add(u32::try_from(number).ok()?)?;
            Ipv4Addr::from_bits(bits).into()
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits().checked_add(number.into())?;
            Ipv6Addr::from_bits(bits).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn addresses(networks: &[&str]) -> Addresses {
        let networks: Vec<Prefix> = networks.iter().map(|text| text.parse().unwrap()).collect();
        Addresses::new(&networks)
    }

    fn all(addresses: &Addresses) -> Vec<String> {
        (0..addresses.count())
            .map(|number| addresses.nth(number).unwrap().to_string())
            .collect()
    }

    #[test]
    fn every_host_of_the_networks_once() {
        let small = addresses(&["192.0.2.8/30", "198.51.100.7", "203.0.113.0/31"]);
        assert_eq!(
            all(&small),
            [
                "192.0.2.9",
                "192.0.2.10",
                "198.51.100.7",
                "203.0.113.0",
                "203.0.113.1"
            ]
        );
        assert_eq!(small.nth(5), None);
        let large = addresses(&["100.64.0.0/16"]);
        assert_eq!(large.count(), 65_534);
        assert_eq!(all(&large).iter().collect::<BTreeSet<_>>().len(), 65_534);
        assert_eq!(large.nth(65_533), Some([100, 64, 255, 254].into()));
    }

    #[test]
    fn networks_of_any_size() {
        let six = addresses(&["2001:db8::/64"]);
        assert_eq!(six.nth(0), Some("2001:db8::1".parse().unwrap()));
        assert!(six.count() > 1 << 60);
        assert_eq!(addresses(&["::/0"]).count(), u64::MAX - 1);
        assert_eq!(addresses(&["0.0.0.0/0"]).count(), (1 << 32) - 2);
    }

    #[test]
    fn addresses_of_others_are_found() {
        // All of 127.0.0.0/8 is this host's, and of the network for documentation nothing is.
        assert!(addresses(&["127.64.0.0/16"]).stranger(1_000).is_none());
        let both = addresses(&["127.64.0.0/30", "192.0.2.0/24"]);
        assert!(both.stranger(2).is_none(), "the second is not needed");
        let (address, _) = both.stranger(3).unwrap();
        assert_eq!(address, IpAddr::from([192, 0, 2, 1]));
    }
}
