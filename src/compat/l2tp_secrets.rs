//! xl2tpd's secrets of tunnels: `our-name their-name secret`, one a line.
//!
//! `#` and `;` begin a comment anywhere, names are compared without case, `*` is any name, and the
//! first line that fits counts. There are no quotes: the secret is the rest of the line.

use wire::Secret;

use crate::diagnostic::{Diagnostic, Place};

/// xl2tpd reads lines into a buffer of 100 bytes.
const LONGEST_LINE: usize = 99;

/// A secret, and for which tunnels it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Our host name, in lower case; `*` is any.
    pub ours: Vec<u8>,
    /// Their host name, in lower case; `*` is any.
    pub theirs: Vec<u8>,
    /// The secret.
    pub secret: Secret,
    /// Where it stands.
    pub place: Place,
}

impl Entry {
    fn fits(&self, ours: &[u8], theirs: &[u8]) -> bool {
        let fits = |own: &[u8], name: &[u8]| own == b"*" || own.eq_ignore_ascii_case(name);
        fits(&self.ours, ours) && fits(&self.theirs, theirs)
    }
}

/// Reads the contents of a file. Lines without a secret are findings.
pub fn parse(file: &Place, bytes: &[u8], findings: &mut Vec<Diagnostic>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1u32..) {
        let place = file.at_line(number);
        if line.len() > LONGEST_LINE {
            let message = format!("xl2tpd reads only {LONGEST_LINE} bytes of a line");
            findings.push(Diagnostic::warning(place.clone(), message));
        }
        let text = line
            .split(|byte| matches!(byte, b'#' | b';'))
            .next()
            .unwrap_or_default();
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let (ours, rest) = field(text, |byte| byte.is_ascii_whitespace());
        // xl2tpd lets an exclamation mark end the second field as well.
        let (theirs, secret) = field(rest, |byte| byte.is_ascii_whitespace() || byte == b'!');
        if secret.is_empty() {
            let message = "there are three fields to a line: our name, theirs, the secret";
            findings.push(Diagnostic::warning(place, message).hint("xl2tpd skips the line"));
            continue;
        }
        entries.push(Entry {
            ours: ours.to_ascii_lowercase(),
            theirs: theirs.to_ascii_lowercase(),
            secret: Secret::from(secret),
            place,
        });
    }
    entries
}

/// A field, and what follows the blanks after it.
fn field(text: &[u8], ends: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| ends(*byte))
        .unwrap_or(text.len());
    let (field, rest) = text.split_at(end);
    let rest = rest.strip_prefix(b"!").unwrap_or(rest);
    (field, rest.trim_ascii_start())
}

/// The entry for a tunnel between hosts of these names: the first that fits.
pub fn find<'a>(entries: &'a [Entry], ours: &[u8], theirs: &[u8]) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.fits(ours, theirs))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &[u8]) -> (Vec<Entry>, Vec<Diagnostic>) {
        let mut findings = Vec::new();
        let entries = parse(&Place::file(Path::new("x")), text, &mut findings);
        (entries, findings)
    }

    #[test]
    fn fields() {
        for (line, ours, theirs, secret) in [
            (
                &b"* * tunnel secret \t"[..],
                &b"*"[..],
                &b"*"[..],
                &b"tunnel secret"[..],
            ),
            (
                b"  LNS\tLac.example  s\"x\"\r",
                b"lns",
                b"lac.example",
                b"s\"x\"",
            ),
            (b"a b sec#ret", b"a", b"b", b"sec"),
            (b"a b sec;ret", b"a", b"b", b"sec"),
            (b"a b!c d", b"a", b"b", b"c d"),
            (b"a b \xff\xfe", b"a", b"b", b"\xff\xfe"),
        ] {
            let (entries, findings) = read(line);
            assert_eq!(entries.len(), 1, "{line:?}");
            assert_eq!(
                (&entries[0].ours[..], &entries[0].theirs[..]),
                (ours, theirs)
            );
            assert_eq!(entries[0].secret.expose(), secret);
            assert!(findings.is_empty(), "{findings:?}");
        }
    }

    #[test]
    fn lines_without_a_secret_hide_nothing() {
        let (entries, findings) = read(b"# x\n\na b\na\n; y\na b # c\n* * s\n");
        let lines: Vec<Option<u32>> = findings.iter().map(|found| found.place.line).collect();
        assert_eq!(lines, [Some(3), Some(4), Some(6)]);
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].place.line, Some(7));
        let (_, findings) = read(&[b"a b ".as_slice(), &[b's'; 100]].concat());
        assert!(findings[0].message.contains("only 99 bytes"));
    }

    #[test]
    fn the_first_that_fits() {
        let (entries, _) = read(b"lns site1 one\nLNS * two\n* * three\nlns site2 four\n");
        for (ours, theirs, secret) in [
            ("lns", "SITE1", "one"),
            ("lns", "site2", "two"),
            ("other", "site1", "three"),
        ] {
            let entry = find(&entries, ours.as_bytes(), theirs.as_bytes()).unwrap();
            assert_eq!(entry.secret.expose(), secret.as_bytes(), "{ours} {theirs}");
        }
        assert_eq!(find(&entries[..1], b"lns", b"nobody"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
