//! The file of pre-shared keys that strongSwan and libreswan share by name: `selectors : PSK "key"`.
//!
//! The two dialects differ. Read here is what both write in practice, with the blanks around the
//! colon optional and the type in any case; one entry a line. Lines that neither would take are
//! errors, and the lines after them count all the same.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use wire::Secret;
use zeroize::Zeroizing;

use super::InsecurePermissions;
use crate::diagnostic::{Diagnostic, Place};

/// Shorter keys can be guessed from a recorded handshake in reasonable time.
pub(crate) const SHORT_KEY: usize = 20;

/// Types of secrets that exist and that L2TP with a pre-shared key has no use for.
const OTHER_TYPES: [&str; 10] = [
    "XAUTH", "EAP", "NTLM", "RSA", "ECDSA", "PKCS8", "P12", "PIN", "PPKS", "BLISS",
];

/// One word before the colon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// `%any` and its spellings: any party.
    Any,
    /// An address, ours or the peer's.
    Address(IpAddr),
    /// A name of some kind, as written.
    Name(String),
}

impl Selector {
    fn parse(word: &[u8]) -> Self {
        let text = String::from_utf8_lossy(word);
        match &*text {
            "" | "%any" | "%any4" | "%any6" | "0.0.0.0" | "*" | "::" | "0::0" => Self::Any,
            _ => text
                .parse()
                .map_or_else(|_| Self::Name(text.into_owned()), Self::Address),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("%any"),
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A pre-shared key, and for whom it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The words before the colon, in their order; none: for anybody.
    pub selectors: Vec<Selector>,
    /// The key.
    pub secret: Secret,
    /// Where it stands.
    pub place: Place,
}

/// Reads the file at `path`; none if it cannot be read.
pub fn load(
    path: &Path,
    insecure: InsecurePermissions,
    findings: &mut Vec<Diagnostic>,
) -> Option<Vec<Entry>> {
    let bytes = super::read_secret_file(path, insecure, findings)?;
    Some(parse(&Place::file(path), &bytes, findings))
}

/// Reads the contents of a file. Entries come in file order.
pub fn parse(file: &Place, text: &[u8], findings: &mut Vec<Diagnostic>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let text = match text.strip_prefix(b"\xef\xbb\xbf") {
        None => text,
        Some(rest) => {
            let found = Diagnostic::warning(file.at_line(1), "begins with a byte order mark");
            findings.push(found.hint("skipped here; other programs refuse the line"));
            rest
        }
    };
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1u32..) {
        let place = file.at_line(number);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match Line::parse(line) {
            Ok(Line::Empty) => {}
            Ok(Line::Include(pattern)) => {
                let pattern = String::from_utf8_lossy(pattern);
                let message = format!("include is not followed yet: {pattern} is not read");
                let hint = "copy the keys of that file into this one";
                findings.push(Diagnostic::warning(place, message).hint(hint));
            }
            Ok(Line::OtherType(word)) => {
                let message = format!("a secret of type {word} is not used here");
                findings.push(Diagnostic::warning(place, message).hint("only PSK is"));
            }
            Ok(Line::Key {
                selectors,
                secret,
                rest,
            }) => {
                let entry = Entry {
                    selectors,
                    secret,
                    place,
                };
                judge(&entry, rest, &entries, findings);
                entries.push(entry);
            }
            Err(mistake) => {
                let found = Diagnostic::error(place, mistake.message);
                let indented = line.first().is_some_and(|byte| is_blank(*byte));
                findings.push(found.hint(if indented && !entries.is_empty() {
                    "an entry must stand in one line: join it with the line above".to_owned()
                } else {
                    mistake.hint
                }));
            }
        }
    }
    entries
}

/// What is odd about an entry that can be used.
fn judge(entry: &Entry, rest: &[u8], earlier: &[Entry], findings: &mut Vec<Diagnostic>) {
    let mut warn = |message: String, hint: &str| {
        findings.push(Diagnostic::warning(entry.place.clone(), message).hint(hint));
    };
    if entry.secret.len() < SHORT_KEY {
        let length = entry.secret.len();
        let message = format!("the key has {length} bytes; under {SHORT_KEY} it can be guessed");
        warn(
            message,
            "everybody who has the key can also play the server: make it long",
        );
    }
    if !rest.is_empty() && !rest.starts_with(b"#") {
        warn(
            "the text after the key is ignored".into(),
            "is a quote missing, or the wrong kind?",
        );
    }
    for selector in &entry.selectors {
        if let Selector::Name(name) = selector {
            let message = format!("{name} is not an address, and only addresses are compared");
            warn(message, "use %any, or the peer's address");
        }
    }
    let sorted = |selectors: &[Selector]| {
        let mut selectors = selectors.to_vec();
        selectors.sort();
        selectors
    };
    let own = sorted(&entry.selectors);
    if let Some(same) = earlier
        .iter()
        .find(|earlier| sorted(&earlier.selectors) == own)
    {
        let line = same.place.line.unwrap_or_default();
        let message = format!("line {line} has a key for the same parties; both are tried");
        warn(
            message,
            "strongSwan takes the last one, libreswan the first",
        );
    }
}

/// What a line can be.
enum Line<'a> {
    Empty,
    Include(&'a [u8]),
    OtherType(String),
    Key {
        selectors: Vec<Selector>,
        secret: Secret,
        rest: &'a [u8],
    },
}

struct Mistake {
    message: String,
    hint: String,
}

fn mistake(message: impl Into<String>, hint: impl Into<String>) -> Mistake {
    Mistake {
        message: message.into(),
        hint: hint.into(),
    }
}

const FORM: &str = "a line is: %any %any : PSK \"key\"";

impl<'a> Line<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, Mistake> {
        let line = trim(line);
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(Self::Empty);
        }
        let (word, rest) = bare_word(line);
        if word == b"include" {
            return Ok(Self::Include(bare_word(trim(rest)).0));
        }
        let (selectors, rest) = selectors(line)?;
        let letters = rest
            .iter()
            .position(|b| !b.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let (kind, rest) = rest.split_at_checked(letters).unwrap_or((rest, &[]));
        let kind = String::from_utf8_lossy(kind).to_ascii_uppercase();
        if OTHER_TYPES.contains(&kind.as_str()) {
            return Ok(Self::OtherType(kind));
        }
        if kind != "PSK" {
            // The word is not shown: it may be the key of somebody who left the type out.
            return Err(mistake("the colon is not followed by PSK", FORM));
        }
        let (secret, rest) = value(trim(rest))?;
        Ok(Self::Key {
            selectors,
            secret,
            rest: trim(rest),
        })
    }
}

/// The words before the colon, and what stands after it.
fn selectors(line: &[u8]) -> Result<(Vec<Selector>, &[u8]), Mistake> {
    let mut selectors = Vec::new();
    let mut rest = line;
    loop {
        rest = trim(rest);
        match rest {
            [] => {
                let message = "no colon between the parties and the key";
                return Err(mistake(message, FORM));
            }
            // "::" is an address.
            [b':', after @ ..] if !after.starts_with(b":") => {
                return Ok((selectors, trim(after)));
            }
            [quote @ (b'"' | b'\''), after @ ..] => {
                let end = after.iter().position(|byte| byte == quote);
                let Some((word, after)) = end.and_then(|end| after.split_at_checked(end)) else {
                    return Err(mistake("a quote is not closed", FORM));
                };
                selectors.push(Selector::parse(word));
                rest = after.get(1..).unwrap_or(&[]);
            }
            _ => {
                let (word, after) = bare_word(rest);
                rest = after;
                // libreswan splits off a colon at the end; an IPv6 address may end in one.
                let is_address =
                    std::str::from_utf8(word).is_ok_and(|w| w.parse::<IpAddr>().is_ok());
                match word.strip_suffix(b":") {
                    Some(word) if !is_address => {
                        selectors.push(Selector::parse(word));
                        return Ok((selectors, trim(after)));
                    }
                    _ => selectors.push(Selector::parse(word)),
                }
            }
        }
    }
}

/// The key, and what stands after it. There are no escapes in either dialect.
fn value(text: &[u8]) -> Result<(Secret, &[u8]), Mistake> {
    let (bytes, rest) = match text {
        [] => return Err(mistake("no key after PSK", FORM)),
        [quote @ (b'"' | b'\''), after @ ..] => {
            let end = after.iter().position(|byte| byte == quote);
            let Some((key, rest)) = end.and_then(|end| after.split_at_checked(end)) else {
                let hint =
                    "end the key with the same quote; a quote within it needs the other kind";
                return Err(mistake("the quote around the key is not closed", hint));
            };
            (Zeroizing::new(key.to_vec()), rest.get(1..).unwrap_or(&[]))
        }
        _ => {
            let (word, rest) = bare_word(text);
            let bytes = match word {
                [b'0', b'x' | b'X', digits @ ..] if !digits.is_empty() => {
                    let clean: Zeroizing<Vec<u8>> =
                        Zeroizing::new(digits.iter().copied().filter(|b| *b != b'_').collect());
                    let decoded = hex::decode(&*clean);
                    decoded.map_err(|_| {
                        let hint =
                            "two hexadecimal digits for each byte, or put the text in quotes";
                        mistake("the key after 0x is not hexadecimal", hint)
                    })?
                }
                [b'0', b's' | b'S', digits @ ..] if !digits.is_empty() => base64(digits)
                    .ok_or_else(|| {
                        let hint = "put the key in quotes if it is meant as text";
                        mistake("the key after 0s is not base64", hint)
                    })?,
                _ => word.to_vec(),
            };
            (Zeroizing::new(bytes), rest)
        }
    };
    if bytes.is_empty() {
        return Err(mistake(
            "the key is empty",
            "write one of at least 20 characters",
        ));
    }
    Ok((Secret::from(&bytes[..]), rest))
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn trim(text: &[u8]) -> &[u8] {
    let start = text
        .iter()
        .position(|byte| !is_blank(*byte))
        .unwrap_or(text.len());
    text.get(start..).unwrap_or(&[])
}

/// Up to the first blank, and the rest.
fn bare_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| is_blank(*byte))
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

/// RFC 4648 §4, the padding optional.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let text = text.get(..text.len().checked_sub(padding)?)?;
    // One character over a multiple of four holds only six bits: no byte.
    if padding > 2 || text.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in text {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(digit)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "ipsec_secrets_tests.rs"]
mod tests;
