//! What the words of one record mean, and what is odd about them.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{AddressPolicy, Terms};
use wire::Secret;
use zeroize::Zeroizing;

use super::{
    Kind, LONGEST_NAME, LONGEST_SECRET, Name, Record, Rules, Spans, Stored, addresses, options,
    stored,
};
use crate::compat::read_stamped;
use crate::compat::stamp::Stamp;
use crate::compat::words::{LONGEST_WORD, Record as Words, Word, cut, records};
use crate::diagnostic::{Diagnostic, Place, Severity};

/// The findings about one record.
pub(super) struct Notes<'a> {
    pub(super) place: Place,
    pub(super) findings: &'a mut Vec<Diagnostic>,
    /// See [`ChapSecrets::lost`](super::ChapSecrets::lost).
    pub(super) lost: &'a mut Vec<(u32, String)>,
}

impl Notes<'_> {
    /// Warns of what keeps a user out whom pppd lets in.
    fn lose(&mut self, message: impl Into<String>, hint: &str) {
        let message = message.into();
        if let Some(line) = self.place.line {
            self.lost.push((line, message.clone()));
        }
        self.warn(message, hint);
    }

    pub(super) fn warn(&mut self, message: impl Into<String>, hint: &str) {
        let found = Diagnostic::warning(self.place.clone(), message);
        self.findings.push(found.hint(hint));
    }
}

/// What turns the words of one record into its meaning.
pub(super) struct Reader<'a> {
    pub(super) rules: Rules,
    /// Bytes before the words begin to be counted.
    pub(super) skipped: usize,
    pub(super) files: &'a mut Vec<(PathBuf, Option<Stamp>)>,
    pub(super) notes: Notes<'a>,
}

impl Reader<'_> {
    pub(super) fn record(&mut self, words: &Words) -> Option<(Record, Spans)> {
        self.slips(words);
        let [user, server, secret, rest @ ..] = &words.words[..] else {
            let number = words.words.len();
            let message =
                format!("only {number} of the three words user, server and secret: ignored");
            let hint = "a line is: user server \"secret\" *";
            self.notes.warn(message, hint);
            return None;
        };
        for (what, word) in [("user", user), ("server", server)] {
            if word.bytes.len() > LONGEST_NAME {
                let message = format!("the name of the {what} is longer than {LONGEST_NAME} bytes");
                self.notes.lose(message, "the record is ignored");
                return None;
            }
        }
        let name = Name::of(user);
        let stored = self.secret(secret, &name)?;
        let mark = rest.iter().position(|word| **word.bytes == *b"--");
        let (addresses, options) = match mark {
            Some(mark) => (
                rest.get(..mark).unwrap_or_default(),
                rest.get(mark.saturating_add(1)..).unwrap_or_default(),
            ),
            None => (rest, &[][..]),
        };
        let mut terms = Terms::with_addresses(self.addresses(addresses, &name));
        options::read(options, &mut terms, &mut self.notes);
        let at = |span: Range<usize>| {
            span.start.saturating_add(self.skipped)..span.end.saturating_add(self.skipped)
        };
        let written = match addresses {
            [] => secret.span.end..secret.span.end,
            [first, .., last] => first.span.start..last.span.end,
            [only] => only.span.clone(),
        };
        let record = Record {
            server: Name::of(server),
            user: name,
            secret: stored,
            terms: Arc::new(terms),
            line: words.line,
        };
        let spans = Spans {
            record: at(words.span.clone()),
            secret: at(secret.span.clone()),
            addresses: at(written),
        };
        Some((record, spans))
    }

    /// What is odd about the way a record is written.
    fn slips(&mut self, words: &Words) {
        if words.unterminated {
            let message = "a quote is still open at the end of the file";
            self.notes.warn(message, "close it");
        }
        if words.comment_in_word {
            let message = "a # inside a word begins a comment, and the rest of the line is lost";
            let hint = "put the word in quotes if the # is part of it";
            self.notes.warn(message, hint);
        }
        if words.too_long {
            let message = format!("a word is cut to {LONGEST_WORD} bytes");
            self.notes
                .warn(message, "as pppd does it; is a quote missing?");
        }
        if words.zero {
            let message = "a word ends at a byte 0";
            self.notes.warn(message, "as in pppd; write another byte");
        }
    }

    /// What the third word means; none if the record does not count because of it.
    fn secret(&mut self, word: &Word, user: &Name) -> Option<Stored> {
        if word.bytes.starts_with(b"@/") {
            let read = self.secret_file(word, user)?;
            return self.secret_of(read, user);
        }
        if let Some(hash) = stored::nt_hash(word) {
            return Some(Stored::NtHash(hash));
        }
        if word.bare && word.bytes.starts_with(stored::NT_MARK) {
            let message = format!(
                "the secret of {user} begins with {{nt}}, but is no NT hash: read as a password"
            );
            self.notes.warn(
                message,
                "a hash has 32 hexadecimal digits; put a password in quotes",
            );
        }
        if matches!(self.rules.kind, Kind::Pap { .. }) && **word.bytes == *b"@login" {
            let message = format!("{user} is to be checked against the accounts of this host");
            let hint = "that is not done: give the user a password here; the record does not count";
            self.notes.lose(message, hint);
            return None;
        }
        self.secret_of(word.bytes.clone(), user)
    }

    /// The same of what is no reference to something else.
    fn secret_of(&mut self, mut bytes: Zeroizing<Vec<u8>>, user: &Name) -> Option<Stored> {
        let is_pap = matches!(self.rules.kind, Kind::Pap { .. });
        if is_pap && stored::is_crypted(&bytes) {
            // pppd would take it for a password first, so that whoever steals the file need
            // not even guess.
            let message = format!("the secret of {user} is a hash of crypt(3)");
            let hint = "such hashes are not read, and the record does not count: store the \
                        password, or its NT hash (adit user set NAME --nt-hash)";
            self.notes.lose(message, hint);
            return None;
        }
        if bytes.len() > LONGEST_SECRET {
            let message = format!("the secret of {user} is cut to {LONGEST_SECRET} bytes");
            self.notes.warn(message, "as pppd does it");
            cut(&mut bytes, LONGEST_SECRET);
        }
        if !bytes.is_empty() {
            return Some(Stored::Password(Secret::from(&bytes[..])));
        }
        match self.rules.kind {
            Kind::Chap => {
                let message = format!("the secret of {user} is empty");
                self.notes.warn(message, "give the user a password");
                Some(Stored::Password(Secret::from(&[][..])))
            }
            Kind::Pap { any_password: true } => {
                let message = format!("any password lets {user} in: the secret is empty");
                let hint =
                    "give the user a password, and set ppp.weak-pap-without-password = false";
                self.notes.warn(message, hint);
                Some(Stored::AnyPassword)
            }
            Kind::Pap {
                any_password: false,
            } => {
                let message = format!(
                    "the secret of {user} is empty: in pppd any password would do, here the \
                     record does not count"
                );
                let hint = "give the user a password (or set ppp.weak-pap-without-password)";
                self.notes.lose(message, hint);
                None
            }
        }
    }

    /// The first word of the file that a secret names.
    fn secret_file(&mut self, word: &Word, user: &Name) -> Option<Zeroizing<Vec<u8>>> {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(word.bytes.get(1..)?));
        let mut found = Vec::new();
        let read = read_stamped(path, self.rules.insecure, &mut found);
        let stamp = match &read {
            Some((_, stamp)) => Some(*stamp),
            None => Stamp::of(path),
        };
        self.files.push((path.to_owned(), stamp));
        let first = read.as_ref().and_then(|(bytes, _)| {
            let first = records(bytes).next()?;
            first.words.into_iter().next()
        });
        // The other records count. A file that is not there is not named: perhaps it was never
        // meant as one, but is a password.
        for mut finding in found.into_iter().filter(|_| stamp.is_some()) {
            finding.severity = Severity::Warning;
            self.notes.findings.push(finding);
        }
        if first.is_none() {
            let (why, lost) = match (stamp, read) {
                (None, _) => ("does not exist", false),
                (Some(_), None) => ("cannot be read", true),
                (Some(_), Some(_)) => ("is empty", false),
            };
            let message =
                format!("the record of {user} does not count: the file of its secret {why}");
            let hint = "a secret that begins with @/ names a file, even in quotes";
            match lost {
                true => self.notes.lose(message, hint),
                false => self.notes.warn(message, hint),
            }
        }
        first.map(|word| word.bytes)
    }

    fn addresses(&mut self, words: &[Word], user: &Name) -> AddressPolicy {
        let mut rules = Vec::new();
        let mut skipped = false;
        for (word, number) in words.iter().zip(4..) {
            match addresses::rule(&word.bytes) {
                Ok(rule) => rules.push(rule),
                // The word is not shown: it may be part of a password that lacks its quotes.
                Err(why) => {
                    skipped = true;
                    let message = format!("word {number}, an address, is skipped: {why}");
                    let hint = "write a.b.c.d or a.b.c.d/n; a password with blanks needs quotes";
                    self.notes.warn(message, hint);
                }
            }
        }
        let policy = AddressPolicy::new(rules);
        if policy.permits_nothing() {
            let message = format!("{user} may have no address, and so cannot connect");
            let hint = "add * for one of the pool, or an address";
            match skipped {
                true => self.notes.lose(message, hint),
                false => self.notes.warn(message, hint),
            }
        }
        policy
    }
}
