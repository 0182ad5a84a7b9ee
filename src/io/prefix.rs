//! Blocks of addresses, as routes know them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address block: an address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The block of `length` bits that `address` lies in; a length beyond the address's own is
    /// cut down to it.
    pub fn new(address: IpAddr, length: u8) -> Self {
        let (bits, width) = to_bits(address);
        let length = length.min(width);
        let host_bits = u32::from(width.saturating_sub(length));
        let network = bits
            .checked_shr(host_bits)
            .unwrap_or(0)
            .checked_shl(host_bits)
            .unwrap_or(0);
        Self {
            address: from_bits(network, width),
            length,
        }
    }

    /// The block of this one address.
    pub fn host(address: IpAddr) -> Self {
        Self::new(address, u8::MAX)
    }

    /// Its first address.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// How many leading bits count.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Whether it holds one address only.
    pub const fn is_host(self) -> bool {
        self.length == if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && Self::new(address, self.length) == self
    }

    /// The fewest blocks that hold exactly the addresses from `first` to `last`, both included.
    /// None if the two are of different families or `last` comes before `first`.
    pub fn covering(first: IpAddr, last: IpAddr) -> Vec<Self> {
        let ((mut from, width), (to, other)) = (to_bits(first), to_bits(last));
        let mut blocks = Vec::new();
        while width == other && from <= to {
            // The largest block that starts here and does not reach beyond `to`. At most two
            // blocks per bit of the address come out.
            let mut host_bits = from.trailing_zeros().min(u32::from(width));
            while host_bits > 0 && from | low_bits(host_bits) > to {
                host_bits = host_bits.saturating_sub(1);
            }
            let length = u32::from(width).saturating_sub(host_bits);
            let length = u8::try_from(length).unwrap_or(width);
            blocks.push(Self {
                address: from_bits(from, width),
                length,
            });
            match (from | low_bits(host_bits)).checked_add(1) {
                Some(next) => from = next,
                None => break,
            }
        }
        blocks
    }
}

/// `count` ones.
const fn low_bits(count: u32) -> u128 {
    match 1_u128.checked_shl(count) {
        Some(bit) => bit.wrapping_sub(1),
        None => u128::MAX,
    }
}

fn to_bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (v4.to_bits().into(), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

fn from_bits(bits: u128, width: u8) -> IpAddr {
    match u32::try_from(bits) {
        Ok(bits) if width == 32 => Ipv4Addr::from_bits(bits).into(),
        _ => Ipv6Addr::from_bits(bits).into(),
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// What is not an address block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address block: write it as 192.0.2.0/24")]
pub struct BadPrefix;

impl FromStr for Prefix {
    type Err = BadPrefix;

    /// Reads `192.0.2.0/24`, or an address alone.
    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, length.parse().map_err(|_| BadPrefix)?),
            None => (text, u8::MAX),
        };
        let address = address.parse().map_err(|_| BadPrefix)?;
        let prefix = Self::new(address, length);
        let fits = !text.contains('/') || prefix.length == length;
        fits.then_some(prefix).ok_or(BadPrefix)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks(first: &str, last: &str) -> Vec<String> {
        Prefix::covering(first.parse().unwrap(), last.parse().unwrap())
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_range_becomes_its_blocks() {
        assert_eq!(
            blocks("10.10.1.2", "10.10.1.100"),
            [
                "10.10.1.2/31",
                "10.10.1.4/30",
                "10.10.1.8/29",
                "10.10.1.16/28",
                "10.10.1.32/27",
                "10.10.1.64/27",
                "10.10.1.96/30",
                "10.10.1.100/32"
            ]
        );
        assert_eq!(blocks("0.0.0.0", "255.255.255.255"), ["0.0.0.0/0"]);
        assert_eq!(
            blocks("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ["::/0"]
        );
        assert_eq!(blocks("10.0.0.2", "10.0.0.1"), [""; 0]);
        assert_eq!(blocks("10.0.0.2", "fe80::1"), [""; 0]);
    }

    #[test]
    fn text_goes_both_ways() {
        for text in ["192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "10.1.2.3/32"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        assert_eq!(
            "10.1.2.3".parse::<Prefix>().unwrap().to_string(),
            "10.1.2.3/32"
        );
        assert_eq!(
            "10.1.2.3/8".parse::<Prefix>().unwrap().to_string(),
            "10.0.0.0/8"
        );
        for text in [
            "",
            "10.1.2/24",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/x",
            "::/129",
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(BadPrefix), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_blocks_hold_the_range_and_nothing_else(
            first: u32, length in 0_u32..5000, probe in 0_u32..6000
        ) {
            let last = first.saturating_add(length);
            let ip = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
            let blocks = Prefix::covering(ip(first), ip(last));
            prop_assert!(blocks.len() <= 64);
            let probe = first.saturating_sub(500).saturating_add(probe);
            let holders = blocks.iter().filter(|b| b.contains(ip(probe))).count();
            prop_assert_eq!(holders, usize::from(probe >= first && probe <= last));
        }
    }
}
