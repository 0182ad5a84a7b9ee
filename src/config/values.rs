//! The value types of the configuration that are more than a number or a string: each is written
//! in TOML the way an operator would say it, and reads back what it writes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// Gives a type with `Display` and `FromStr` the serde form of a string.
macro_rules! serde_as_string {
    ($type:ty) => {
        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <String as ::serde::Deserialize>::deserialize(from)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}

/// A run of addresses, both ends included: `10.10.1.2-10.10.1.100`, a single address, or a network
/// `10.10.2.0/24` (whose first and last address are left out, as nobody can use them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    /// The lowest address.
    pub first: IpAddr,
    /// The highest address, of the same family and not below `first`.
    pub last: IpAddr,
}

impl AddressRange {
    /// Whether `address` lies within.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }

    /// Whether any address lies in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    /// How many addresses there are (saturating for the very large ranges of IPv6).
    pub fn len(&self) -> u128 {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                u128::from(u32::from(last).saturating_sub(u32::from(first))).saturating_add(1)
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => u128::from(last)
                .saturating_sub(u128::from(first))
                .saturating_add(1),
            _ => 0,
        }
    }

    /// A range always holds at least one address.
    pub fn is_empty(&self) -> bool {
        false
    }

    fn of_network(address: IpAddr, prefix: u8) -> Result<Self, String> {
        match address {
            IpAddr::V4(address) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                let first = u32::from(address) & mask;
                let last = first | !mask;
                // RFC 3021: a /31 or /32 has no addresses to spare.
                let trim = u32::from(prefix <= 30);
                Ok(Self {
                    first: Ipv4Addr::from(first + trim).into(),
                    last: Ipv4Addr::from(last - trim).into(),
                })
            }
            IpAddr::V6(address) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                let first = u128::from(address) & mask;
                let last = first | !mask;
                Ok(Self {
                    first: Ipv6Addr::from(first).into(),
                    last: Ipv6Addr::from(last).into(),
                })
            }
            _ => Err(format!("/{prefix} is too long a prefix for {address}")),
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = |word: &str| {
            word.trim()
                .parse::<IpAddr>()
                .map_err(|_| format!("{:?} is not an address", word.trim()))
        };
        if let Some((network, prefix)) = text.split_once('/') {
            let prefix = prefix
                .trim()
                .parse::<u8>()
                .map_err(|_| format!("{:?} is not a prefix length", prefix.trim()))?;
            return Self::of_network(address(network)?, prefix);
        }
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (address(first)?, address(last)?),
            None => (address(text)?, address(text)?),
        };
        if first.is_ipv4() != last.is_ipv4() {
            return Err(format!("{first} and {last} are of different families"));
        }
        if last < first {
            return Err(format!(
                "the range ends ({last}) before it begins ({first})"
            ));
        }
        Ok(Self { first, last })
    }
}

pub(super) use serde_as_string;

serde_as_string!(AddressRange);

/// The permission bits of the control socket, written in octal as a string: `"0660"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(pub u32);

impl fmt::Display for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl FromStr for SocketMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match u32::from_str_radix(text.trim_start_matches("0o"), 8) {
            Ok(bits) if bits <= 0o777 => Ok(Self(bits)),
            _ => Err(format!(
                "{text:?} is not a file mode in octal, such as \"0660\""
            )),
        }
    }
}

serde_as_string!(SocketMode);

/// Durations as people write them: `"30s"`, `"8h"`, `"1h30m"`, `"500ms"`; a bare number is seconds.
/// Used by serde's `with`.
pub mod duration {
    use std::time::Duration;

    use super::{Deserializer, HumanDuration, Serializer, fmt, format_duration};

    /// Writes the shortest exact form.
    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&fmt::from_fn(|f| f.write_str(&format_duration(*value))))
    }

    /// Reads a string or a whole number of seconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        from.deserialize_any(HumanDuration)
    }
}

struct HumanDuration;

impl Visitor<'_> for HumanDuration {
    type Value = std::time::Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"30s\" or \"8h\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        parse_duration(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Self::Value, E> {
        u64::try_from(seconds)
            .map(std::time::Duration::from_secs)
            .map_err(|_| E::custom("a duration cannot be negative"))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Self::Value, E> {
        Ok(std::time::Duration::from_secs(seconds))
    }
}

const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads `"1h30m"`; the error is a sentence.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as \"30s\", \"8h\" or \"1h30m\"");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut millis = 0u64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        // A bare number is seconds, but only when it is the whole text: "1h30" is a slip.
        let unit = if unit.is_empty() && rest.len() == text.trim().len() {
            "s"
        } else {
            unit
        };
        let (_, factor) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        millis = number
            .checked_mul(*factor)
            .and_then(|part| millis.checked_add(part))
            .ok_or_else(|| format!("{text:?} is too long a time"))?;
        rest = tail.trim_start();
    }
    Ok(std::time::Duration::from_millis(millis))
}

/// The form that [`parse_duration`] reads back, the largest units first: `1h30m`.
pub fn format_duration(value: std::time::Duration) -> String {
    let mut millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, factor) in UNITS {
        let number = millis / factor;
        millis %= factor;
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// An optional value whose absence is written as the empty string, so that every key has a default
/// that can be written down and a later layer can take a value away again. Used by serde's `with`.
pub mod optional {
    use super::{Deserialize, Deserializer, FromStr, Serialize, Serializer, de};
    use std::fmt::Display;

    /// Writes the value, or `""`.
    pub fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(to),
            None => to.serialize_str(""),
        }
    }

    /// Reads `""` as nothing.
    pub fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(from)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse()
            .map(Some)
            .map_err(|error| de::Error::custom(format!("{text:?}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ranges_read_what_they_write() {
        for text in [
            "10.10.1.2-10.10.1.100",
            "10.0.0.7",
            "2001:db8::1-2001:db8::ffff",
        ] {
            let range: AddressRange = text.parse().unwrap();
            assert_eq!(range.to_string(), text);
        }
        let network: AddressRange = "10.10.2.77/24".parse().unwrap();
        assert_eq!(network.to_string(), "10.10.2.1-10.10.2.254");
        assert_eq!(network.len(), 254);
        let pair: AddressRange = "10.0.0.4/31".parse().unwrap();
        assert_eq!(pair.to_string(), "10.0.0.4-10.0.0.5");
        let all: AddressRange = "0.0.0.0/0".parse().unwrap();
        assert_eq!(all.to_string(), "0.0.0.1-255.255.255.254");
    }

    #[test]
    fn ranges_that_are_none_say_why() {
        let why = |text: &str| text.parse::<AddressRange>().unwrap_err();
        assert_eq!(
            why("10.0.0.9-10.0.0.2"),
            "the range ends (10.0.0.2) before it begins (10.0.0.9)"
        );
        assert_eq!(
            why("10.0.0.1-::1"),
            "10.0.0.1 and ::1 are of different families"
        );
        assert_eq!(why("10.0.0.0/33"), "/33 is too long a prefix for 10.0.0.0");
        assert_eq!(why("10.0.0.300"), "\"10.0.0.300\" is not an address");
        assert_eq!(why(""), "\"\" is not an address");
    }

    #[test]
    fn overlap_is_symmetric_and_knows_families() {
        let range = |text: &str| text.parse::<AddressRange>().unwrap();
        let outer = range("10.0.0.1-10.0.0.9");
        for (other, expected) in [
            ("10.0.0.9-10.0.0.20", true),
            ("10.0.0.10", false),
            ("::1", false),
        ] {
            assert_eq!(outer.overlaps(&range(other)), expected, "{other}");
            assert_eq!(range(other).overlaps(&outer), expected, "{other}");
        }
    }

    #[test]
    fn durations_read_what_they_write() {
        for (text, seconds) in [
            ("30s", 30),
            ("8h", 28_800),
            ("1h30m", 5_400),
            ("1d", 86_400),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
            assert_eq!(format_duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(
            parse_duration("1h 5s 20ms"),
            Ok(Duration::from_millis(3_605_020))
        );
        assert_eq!(format_duration(Duration::ZERO), "0s");
        for text in [
            "",
            "s",
            "5x",
            "1h30",
            "-3s",
            "1.5h",
            "99999999999999999d",
            "h1",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!("0660".parse(), Ok(SocketMode(0o660)));
        assert_eq!(SocketMode(0o600).to_string(), "0600");
        for text in ["0999", "77777", "rw", ""] {
            assert!(text.parse::<SocketMode>().is_err(), "{text}");
        }
    }
}
