//! Writing an entry so that strongSwan, libreswan and we read the same.

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::Selector;

/// A line with the key for these parties, with its end. None for an empty key, which nobody should
/// have.
pub fn entry(parties: &[Selector], key: &[u8]) -> Option<Zeroizing<String>> {
    if key.is_empty() {
        return None;
    }
    Some(spelled_entry(parties, &spelling(key)))
}

/// The same with a key that is spelled already: `0x6b6579`.
pub(crate) fn spelled_entry(parties: &[Selector], key: &str) -> Zeroizing<String> {
    let words = parties.iter().map(|party| word(party) + " ");
    let words: String = words.collect();
    joined(&[words.as_str(), ": PSK ", key, "\n"])
}

/// In memory that is set aside at once: no half of a key stays behind where it grew.
fn joined(parts: &[&str]) -> Zeroizing<String> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut whole = Zeroizing::new(String::with_capacity(length));
    for part in parts {
        whole.push_str(part);
    }
    whole
}

/// IPv6 addresses are quoted: libreswan would part one from a colon at its end, and we a range.
fn word(party: &Selector) -> String {
    match party {
        Selector::Address(IpAddr::V6(_)) | Selector::Range(IpAddr::V6(_), _) => {
            format!("\"{party}\"")
        }
        Selector::Name(name) if name.contains('"') => format!("'{name}'"),
        Selector::Name(name) => format!("\"{name}\""),
        other => other.to_string(),
    }
}

/// Longest key that is written as text. libreswan reads lines of up to 2,047 bytes.
const LONGEST_TEXT: usize = 1024;

/// Text in the quotes that do not occur in it, as there are no escapes; else bytes in hexadecimal.
/// So is what an editor or a terminal would spoil.
fn spelling(key: &[u8]) -> Zeroizing<String> {
    let text = std::str::from_utf8(key).ok();
    let text = text.filter(|text| key.len() <= LONGEST_TEXT && !text.chars().any(char::is_control));
    let quoted = text.and_then(|text| {
        let mut quotes = ["\"", "'"].into_iter();
        let quote = quotes.find(|quote| !text.contains(quote))?;
        Some(joined(&[quote, text, quote]))
    });
    quoted.unwrap_or_else(|| {
        let digits = Zeroizing::new(hex::encode(key));
        joined(&["0x", digits.as_str()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quotes_that_fit() {
        let any = [Selector::Any, Selector::Any];
        for (key, line) in [
            (&b"plain"[..], "%any %any : PSK \"plain\"\n"),
            (b"a b#c\"d", "%any %any : PSK 'a b#c\"d'\n"),
            (b"it's", "%any %any : PSK \"it's\"\n"),
            (
                b"both \" and '",
                "%any %any : PSK 0x626f7468202220616e642027\n",
            ),
            (b"0x41", "%any %any : PSK \"0x41\"\n"),
            (b"tab\t", "%any %any : PSK 0x74616209\n"),
            (b"\xff", "%any %any : PSK 0xff\n"),
            (
                "schl\u{fc}ssel\\".as_bytes(),
                "%any %any : PSK \"schl\u{fc}ssel\\\"\n",
            ),
        ] {
            assert_eq!(**entry(&any, key).unwrap(), *line);
        }
        assert!(entry(&any, b"").is_none());
        let six = Selector::Address("2001:db8::".parse().unwrap());
        assert_eq!(
            **entry(&[six], b"k").unwrap(),
            *"\"2001:db8::\" : PSK \"k\"\n"
        );
        let range = Selector::parse(b"2001:db8::-2001:db8:1::");
        assert_eq!(
            **entry(&[range], b"k").unwrap(),
            *"\"2001:db8::-2001:db8:1::\" : PSK \"k\"\n"
        );
        assert_eq!(**entry(&[], b"k").unwrap(), *": PSK \"k\"\n");
    }
}
