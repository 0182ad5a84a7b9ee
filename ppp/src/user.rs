//! User names as peers send them: any bytes at all.

use std::fmt;

/// The longest name that is kept, in bytes. RFC 1994 and RFC 1334 leave room for 65,000 and 255;
/// real names are addresses at most.
const MAX_LENGTH: usize = 255;

/// A user name of at most 255 bytes, as received.
///
/// It may hold anything. `Display` is safe for logs: what is not printable is escaped, so that
/// a name can neither forge a line nor drive a terminal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(Vec<u8>);

impl UserName {
    /// The name, or `None` if it is longer than 255 bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= MAX_LENGTH).then(|| Self(bytes.to_vec()))
    }

    /// The bytes as received.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as text, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The name without a leading `DOMAIN\`; `user@domain` is kept whole (RFC 2759 §4).
    pub fn without_domain(&self) -> &[u8] {
        without_domain(&self.0)
    }
}

/// What follows the last backslash of `name`, or all of it (RFC 2759 §4).
pub(crate) fn without_domain(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| *byte == b'\\').next().unwrap_or(name)
}

/// Text for people, from bytes of the peer: control characters and what is not UTF-8 escaped.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if wire::is_printable(c) {
                out.push(c);
            } else {
                out.extend(c.escape_unicode());
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

impl From<&str> for UserName {
    /// Cuts at 255 bytes: for names of our own, which configuration has checked.
    fn from(name: &str) -> Self {
        Self(name.bytes().take(MAX_LENGTH).collect())
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_peer_names_itself_reaches_a_terminal_raw() {
        let name = UserName::new(b"a\x1b[2J\nb\xff\xe2\x80\xae\xc3\xa9").unwrap();
        assert_eq!(name.to_string(), "a\\u{1b}[2J\\u{a}b\\xff\\u{202e}é");
        assert_eq!(format!("{name:?}"), format!("\"{name}\""));
        assert_eq!(name.as_str(), None);
    }

    #[test]
    fn names_are_bounded() {
        assert!(UserName::new(&[b'a'; 255]).is_some());
        assert!(UserName::new(&[b'a'; 256]).is_none());
    }

    #[test]
    fn a_windows_domain_is_no_part_of_the_name() {
        assert_eq!(UserName::from("CORP\\ann").without_domain(), b"ann");
        assert_eq!(
            UserName::from("ann@corp.example").without_domain(),
            b"ann@corp.example"
        );
        assert_eq!(UserName::from("ann").without_domain(), b"ann");
    }
}
