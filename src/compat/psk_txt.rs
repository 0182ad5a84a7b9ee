//! racoon's file of pre-shared keys: an identifier, white space, and the key, which is all that
//! is left of the line.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use wire::Secret;
use zeroize::Zeroizing;

use crate::diagnostic::{Diagnostic, Place};

/// Longer lines are not read whole by racoon.
const LONGEST_LINE: usize = 1023;

/// A line with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose key it is, as bytes: an address in the form in which it is printed, or a name.
    /// Empty, it belongs to nobody.
    pub identifier: Vec<u8>,
    /// The key; none if it is hexadecimal and wrong, and whoever looks it up gets none at all.
    pub secret: Option<Secret>,
    /// Where it stands.
    pub place: Place,
}

impl Entry {
    /// Whether it is for everybody.
    pub fn is_any(&self) -> bool {
        self.identifier == b"*"
    }
}

/// Why racoon would not take any key from the file at `path`.
pub fn refused(path: &Path) -> Option<Diagnostic> {
    let metadata = fs::metadata(path).ok()?;
    let mode = metadata.permissions().mode() & 0o777;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    let why = match (metadata.is_file(), own, mode & 0o077) {
        (true, true, 0) => return None,
        (false, ..) => "is no regular file".to_owned(),
        (_, false, _) => "belongs to another user".to_owned(),
        _ => format!("is open to others (mode {mode:04o})"),
    };
    let message = format!("{why}: racoon takes no key from it");
    let hint = format!("chmod 600 {}", path.display());
    Some(Diagnostic::warning(Place::file(path), message).hint(hint))
}

/// Reads the contents of a file. Entries come in file order.
pub fn parse(file: &Place, text: &[u8], findings: &mut Vec<Diagnostic>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1u32..) {
        let place = file.at_line(number);
        let mut warn = |message: &str, hint: &str| {
            findings.push(Diagnostic::warning(place.clone(), message).hint(hint));
        };
        // A comment only in the first column; a blank line has no key.
        if line.starts_with(b"#") || line.iter().all(|byte| is_space(*byte)) {
            continue;
        }
        if line.len() > LONGEST_LINE {
            warn(
                "the line is longer than 1023 bytes: racoon does not read it as one",
                "shorten the key",
            );
        }
        let end = line.iter().position(|byte| is_space(*byte));
        let (identifier, rest) = end
            .and_then(|end| line.split_at_checked(end))
            .unwrap_or((line, &[]));
        let begin = rest.iter().position(|byte| !is_space(*byte));
        let Some(key) = begin.and_then(|begin| rest.get(begin..)) else {
            warn(
                "there is no key in this line: racoon skips it",
                "a line is: 203.0.113.7 key",
            );
            continue;
        };
        let secret = match key.strip_prefix(b"0x") {
            None => Some(Secret::from(key)),
            Some(digits) => decoded(digits),
        };
        if secret.is_none() {
            warn(
                "the key after 0x is not hexadecimal: whoever it is for gets none",
                "two digits for each byte, nothing behind them",
            );
        }
        if identifier.is_empty() {
            warn(
                "a blank stands before the identifier: the line is for nobody",
                "begin it in the first column",
            );
        } else if let Some(earlier) = entries
            .iter()
            .find(|earlier| earlier.is_any() || earlier.identifier == identifier)
        {
            let line = earlier.place.line.unwrap_or_default();
            warn(
                &format!("line {line} comes first and is for the same peers: this one is not used"),
                "the first line that matches counts",
            );
        }
        if secret.is_some() && key.ends_with(b"\r") {
            warn(
                "the line ends in a carriage return, which is part of the key",
                "write the file with Unix line ends",
            );
        }
        entries.push(Entry {
            identifier: identifier.to_vec(),
            secret,
            place,
        });
    }
    entries
}

/// The entry that racoon takes for `identifier`: the first that matches. Its key may be wrong;
/// later entries are not asked then.
pub fn lookup<'a>(entries: &'a [Entry], identifier: &[u8]) -> Option<&'a Entry> {
    entries
        .iter()
        .find(|entry| entry.is_any() || entry.identifier == identifier)
}

fn decoded(digits: &[u8]) -> Option<Secret> {
    let bytes = Zeroizing::new(hex::decode(digits).ok()?);
    (!bytes.is_empty()).then(|| Secret::from(&bytes[..]))
}

/// C's isspace, without the end of the line.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key for `identifier`: none if there is none, or it is wrong.
    fn key(text: &str, identifier: &str) -> Option<String> {
        let entries = parse(&Place::default(), text.as_bytes(), &mut Vec::new());
        let entry = lookup(&entries, identifier.as_bytes())?;
        let secret = entry.secret.as_ref()?;
        Some(String::from_utf8(secret.expose().to_vec()).unwrap())
    }

    #[test]
    fn keys_as_racoon_finds_them() {
        for (text, identifier, expected) in [
            (
                "10.0.0.1 sec ret # not comment\n",
                "10.0.0.1",
                Some("sec ret # not comment"),
            ),
            ("10.0.0.2\t0x41424\n* any\n", "10.0.0.2", None),
            (
                "10.0.0.3   \"quoted\"  \n",
                "10.0.0.3",
                Some("\"quoted\"  "),
            ),
            (" 10.0.0.4 indented\n* any\n", "10.0.0.4", Some("any")),
            ("foo@b.c k\r\n", "foo@b.c", Some("k\r")),
            ("10.0.0.5\n* any\n", "10.0.0.5", Some("any")),
            ("10.0.0.5  \n* any\n", "10.0.0.5", Some("any")),
            ("#10.0.0.6 x\n* any\n", "10.0.0.6", Some("any")),
            ("10.0.0.7 0x4142zz\n10.0.0.8 0x\n", "10.0.0.7", None),
            ("10.0.0.7 0x4142zz\n10.0.0.8 0x\n", "10.0.0.8", None),
            ("* any\n10.0.0.9 late\n", "10.0.0.9", Some("any")),
            (
                "10.0.0.1 first\n10.0.0.1 second\n",
                "10.0.0.1",
                Some("first"),
            ),
            ("10.0.0.1 0x4142\n", "10.0.0.1", Some("AB")),
            // Large letters do not make it hexadecimal.
            ("10.0.0.1 0X4142\n", "10.0.0.1", Some("0X4142")),
            ("10.0.0.1 k", "10.0.0.2", None),
        ] {
            assert_eq!(key(text, identifier).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_odd_is_told() {
        let text =
            "10.0.0.1 a\n 10.0.0.2 b\n10.0.0.3\n10.0.0.4 0x1\n10.0.0.1 c\n* d\r\n10.0.0.9 e\n";
        let mut findings = Vec::new();
        parse(&Place::file(Path::new("f")), text.as_bytes(), &mut findings);
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            findings,
            [
                "f:2: warning: a blank stands before the identifier: the line is for nobody \
                 (begin it in the first column)",
                "f:3: warning: there is no key in this line: racoon skips it \
                 (a line is: 203.0.113.7 key)",
                "f:4: warning: the key after 0x is not hexadecimal: whoever it is for gets none \
                 (two digits for each byte, nothing behind them)",
                "f:5: warning: line 1 comes first and is for the same peers: this one is not used \
                 (the first line that matches counts)",
                "f:6: warning: the line ends in a carriage return, which is part of the key \
                 (write the file with Unix line ends)",
                "f:7: warning: line 6 comes first and is for the same peers: this one is not used \
                 (the first line that matches counts)",
            ]
        );
    }

    #[test]
    fn racoon_refuses_a_file_that_others_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("psk.txt");
        fs::write(&path, "10.0.0.1 k\n").unwrap();
        for (mode, expected) in [(0o600, 0), (0o640, 1), (0o604, 1)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let found = refused(&path);
            assert_eq!(usize::from(found.is_some()), expected, "{found:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(text: Vec<u8>) {
            parse(&Place::default(), &text, &mut Vec::new());
        }
    }
}
