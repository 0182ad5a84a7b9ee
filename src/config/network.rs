//! A network in the configuration.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

/// An IPv4 network: `192.168.7.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// Its first address.
    pub address: Ipv4Addr,
    /// How many leading bits count, at most 32.
    pub width: u8,
}

impl Network {
    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        Self::around(address, self.width) == self
    }

    /// The network of this width that `address` lies in.
    fn around(address: Ipv4Addr, width: u8) -> Self {
        let host_bits = 32_u32.saturating_sub(width.into());
        let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
        Self {
            address: Ipv4Addr::from_bits(address.to_bits() & mask),
            width,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.width)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an IPv4 network such as \"192.168.7.0/24\"");
        let (address, width) = text.trim().split_once('/').ok_or_else(wrong)?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let width: u8 = width.parse().map_err(|_| wrong())?;
        if width > 32 {
            return Err(wrong());
        }
        let network = Self::around(address, width);
        if network.address != address {
            return Err(format!(
                "{text:?} has bits set beyond its prefix; did you mean \"{network}\"?"
            ));
        }
        Ok(network)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_read_what_they_write() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "192.168.7.128/25", "1.2.3.4/32"] {
            assert_eq!(
                text.parse::<Network>().map(|n| n.to_string()),
                Ok(text.into())
            );
        }
        let wrong = |text: &str| text.parse::<Network>().unwrap_err();
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "fd00::/8",
            "10.0.0.0/x",
        ] {
            assert!(wrong(text).contains("is not an IPv4 network"), "{text}");
        }
        assert_eq!(
            wrong("10.1.2.3/8"),
            "\"10.1.2.3/8\" has bits set beyond its prefix; did you mean \"10.0.0.0/8\"?"
        );
    }

    #[test]
    fn what_lies_within() {
        let network: Network = "10.1.0.0/16".parse().unwrap();
        assert!(network.contains(Ipv4Addr::new(10, 1, 255, 255)));
        assert!(!network.contains(Ipv4Addr::new(10, 2, 0, 0)));
    }
}
