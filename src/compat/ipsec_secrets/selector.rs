//! The words before the colon.

use std::fmt;
use std::net::IpAddr;

use crate::io::prefix::Prefix;

/// One word before the colon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// `%any` and its spellings: any party.
    Any,
    /// An address, ours or the peer's.
    Address(IpAddr),
    /// A network: `10.0.0.0/8`.
    Network(Prefix),
    /// Addresses from the first to the second, both included.
    Range(IpAddr, IpAddr),
    /// A name of some kind, as written.
    Name(String),
}

impl Selector {
    /// Reads a word as strongSwan does, which has the most kinds of them.
    pub fn parse(word: &[u8]) -> Self {
        let text = String::from_utf8_lossy(word);
        let understood = match text.split_once(':') {
            // A type in front decides, but addresses have colons too.
            Some((kind, rest)) if kind.starts_with("ip") => match kind {
                "ipv4" | "ipv6" => address(rest),
                "ipv4net" | "ipv6net" => network(rest),
                "ipv4range" | "ipv6range" => range(rest),
                _ => None,
            },
            _ if text.contains(['=', '@']) => None,
            _ => match &*text {
                "" | "%any" | "%any6" | "0.0.0.0" | "*" | "::" | "0::0" => Some(Self::Any),
                _ => address(&text)
                    .or_else(|| network(&text))
                    .or_else(|| range(&text)),
            },
        };
        understood.unwrap_or_else(|| Self::Name(text.into_owned()))
    }
}

impl Selector {
    /// The selector as IKE wants it.
    pub(super) fn for_ike(&self) -> ike::Selector {
        match self {
            Self::Any => ike::Selector::Any,
            Self::Address(address) => ike::Selector::Address(*address),
            Self::Network(network) => ike::Selector::Network {
                address: network.address(),
                prefix: network.length(),
            },
            Self::Range(first, last) => ike::Selector::Range {
                first: *first,
                last: *last,
            },
            Self::Name(name) => ike::Selector::Identity(name.clone()),
        }
    }
}

fn address(text: &str) -> Option<Selector> {
    text.parse().ok().map(Selector::Address)
}

fn network(text: &str) -> Option<Selector> {
    let (_, width) = text.split_once('/')?;
    let prefix: Prefix = text.parse().ok()?;
    // "10.0.0.0/+8" is a number to Rust.
    if !width.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(match prefix.is_host() {
        true => Selector::Address(prefix.address()),
        false => Selector::Network(prefix),
    })
}

fn range(text: &str) -> Option<Selector> {
    let (first, last) = text.split_once('-')?;
    let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
    let whole = first.is_ipv4() == last.is_ipv4() && first <= last;
    whole.then_some(Selector::Range(first, last))
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("%any"),
            Self::Address(address) => address.fmt(f),
            Self::Network(network) => network.fmt(f),
            Self::Range(first, last) => write!(f, "{first}-{last}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_what_they_mean() {
        use Selector::Any;
        let name = |text: &str| Selector::Name(text.to_owned());
        let ip = |text: &str| Selector::Address(text.parse().unwrap());
        let net = |text: &str| Selector::Network(text.parse().unwrap());
        let range = |first: &str, last: &str| {
            Selector::Range(first.parse().unwrap(), last.parse().unwrap())
        };
        for (word, meaning) in [
            ("%any", Any),
            ("%any6", Any),
            ("0.0.0.0", Any),
            ("*", Any),
            ("::", Any),
            ("0::0", Any),
            ("", Any),
            ("192.0.2.1", ip("192.0.2.1")),
            ("ipv4:192.0.2.1", ip("192.0.2.1")),
            ("2001:db8::", ip("2001:db8::")),
            ("ipv6:2001:db8::1", ip("2001:db8::1")),
            ("10.0.0.0/8", net("10.0.0.0/8")),
            ("ipv4net:10.0.0.0/8", net("10.0.0.0/8")),
            ("2001:db8::/32", net("2001:db8::/32")),
            ("0.0.0.0/0", net("0.0.0.0/0")),
            ("192.0.2.1/32", ip("192.0.2.1")),
            ("10.0.0.1-10.0.0.9", range("10.0.0.1", "10.0.0.9")),
            ("ipv4range:10.0.0.1-10.0.0.9", range("10.0.0.1", "10.0.0.9")),
            ("10.0.0.9-10.0.0.1", name("10.0.0.9-10.0.0.1")),
            ("10.0.0.0/33", name("10.0.0.0/33")),
            ("10.0.0.0/+8", name("10.0.0.0/+8")),
            ("ipv4net:nonsense", name("ipv4net:nonsense")),
            ("gw.example.org", name("gw.example.org")),
            ("@gw.example.org", name("@gw.example.org")),
            ("@10.0.0.1", name("@10.0.0.1")),
            ("ann@example.org", name("ann@example.org")),
            ("*.example.org", name("*.example.org")),
            ("C=CH, O=x", name("C=CH, O=x")),
            ("keyid:#0a0b", name("keyid:#0a0b")),
            ("%any4", name("%any4")),
        ] {
            assert_eq!(Selector::parse(word.as_bytes()), meaning, "{word:?}");
        }
    }
}
