//! pppd's files of users, chap-secrets and pap-secrets: `client server secret address… -- option…`,
//! one record a line.
//!
//! Which record counts for a user: an explicit client is worth 2, an explicit server 1; the highest
//! sum wins, and the first of the file among equals.

mod addresses;
pub mod edit;
mod options;
mod stored;
pub mod write;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{AddressPolicy, Terms};
use ppp::UserName;
use wire::Secret;
use zeroize::Zeroizing;

pub use stored::{Judgement, Stored};

use crate::compat::stamp::Stamp;
use crate::compat::words::{LONGEST_WORD, Record as Words, Word, cut, records};
use crate::compat::{InsecurePermissions, read_stamped};
use crate::diagnostic::{Diagnostic, Place, Severity};

/// pppd cuts longer secrets.
const LONGEST_SECRET: usize = 256;
/// pppd cuts longer names.
const LONGEST_NAME: usize = 255;

/// Which of the two files it is: they differ in what an empty secret means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// chap-secrets: an empty secret is an empty password.
    #[default]
    Chap,
    /// pap-secrets.
    Pap {
        /// Whether an empty secret lets in whoever knows the name, as in pppd.
        any_password: bool,
    },
}

/// How a file is to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Which of the two it is.
    pub kind: Kind,
    /// What becomes of it, and of the files that its secrets are in, if others can change them.
    pub insecure: InsecurePermissions,
}

/// A client or server column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// `*`
    Any,
    /// Compared byte for byte, case included.
    Exact(Arc<[u8]>),
}

impl Name {
    fn of(word: &Word) -> Self {
        // pppd looks at the word after quotes and escapes are gone: "\*" is a wildcard too.
        if **word.bytes == *b"*" {
            Self::Any
        } else {
            Self::Exact(word.bytes.as_slice().into())
        }
    }

    /// Whether it stands for `name`.
    pub fn admits(&self, name: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(own) => **own == *name,
        }
    }
}

/// Fit for a terminal and a log, whatever the file holds.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(name) => match UserName::new(name) {
                Some(name) => name.fmt(f),
                None => f.write_str("(too long)"),
            },
        }
    }
}

/// One usable record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// First column.
    pub user: Name,
    /// Second column.
    pub server: Name,
    /// Third column.
    pub secret: Stored,
    /// The other columns: addresses, and the options after `--`.
    pub terms: Arc<Terms>,
    /// Line of the record, from 1.
    pub line: u32,
}

/// Where the parts of a record are, in bytes from the beginning of the file.
#[derive(Debug)]
struct Spans {
    /// All of it, from the beginning of its first line to the end of its last one.
    record: Range<usize>,
    secret: Range<usize>,
    /// From the first address word to the last; empty, at the end of the secret, without any.
    addresses: Range<usize>,
}

impl Record {
    fn rank(&self) -> u8 {
        let explicit = |name: &Name| u8::from(*name != Name::Any);
        explicit(&self.user)
            .saturating_mul(2)
            .saturating_add(explicit(&self.server))
    }

    /// Has in common with `other` what is equal: mostly the users of a file differ only in name and
    /// secret.
    fn share_with(&mut self, other: &Self) {
        if self.server == other.server {
            self.server = other.server.clone();
        }
        if self.terms == other.terms {
            self.terms = Arc::clone(&other.terms);
        }
    }
}

/// A file of users, ready to be asked.
#[derive(Debug, Default)]
pub struct ChapSecrets {
    records: Vec<Record>,
    /// Indices of all records by user, those of `*` first; those of one user in file order.
    by_user: Vec<u32>,
    /// The files it was read from, the ones named by secrets included.
    files: Vec<(PathBuf, Option<Stamp>)>,
}

impl ChapSecrets {
    /// The record that counts for `user` at the server called `server`.
    pub fn lookup(&self, user: &[u8], server: &[u8]) -> Option<&Record> {
        let of_anybody = self.of(|name| name.cmp(&Name::Any));
        let mut best: Option<&Record> = None;
        for record in self.of_exactly(user).chain(of_anybody) {
            if record.server.admits(server) && best.is_none_or(|b| record.rank() > b.rank()) {
                best = Some(record);
            }
        }
        best
    }

    /// The first record of exactly this user, for whatever server: what a client looks up.
    pub fn lookup_user(&self, user: &[u8]) -> Option<&Record> {
        self.of_exactly(user).next()
    }

    /// The records of this very user, in file order.
    fn of_exactly(&self, user: &[u8]) -> impl Iterator<Item = &Record> {
        self.of(|name| match name {
            Name::Any => Ordering::Less,
            Name::Exact(name) => (**name).cmp(user),
        })
    }

    /// The records of the user whose name is equal, in file order.
    fn of(&self, compare: impl Fn(&Name) -> Ordering) -> impl Iterator<Item = &Record> {
        let record = |index: &u32| self.records.get(usize::try_from(*index).ok()?);
        let compare = move |index: &u32| {
            record(index).map_or(Ordering::Greater, |record| compare(&record.user))
        };
        let begin = self.by_user.partition_point(|index| compare(index).is_lt());
        let rest = self.by_user.get(begin..).unwrap_or_default();
        let rest = rest.iter().take_while(move |index| compare(index).is_eq());
        rest.filter_map(record)
    }

    /// All records, in file order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Whether a file it was read from is not what it was then.
    pub fn has_changed(&self) -> bool {
        let changed = |(path, before): &(PathBuf, _)| Stamp::of(path) != *before;
        self.files.iter().any(changed)
    }

    /// Takes the files for read as they are now.
    pub fn keep(&mut self) {
        for (path, stamp) in &mut self.files {
            *stamp = Stamp::of(path);
        }
    }

    fn push(&mut self, mut record: Record) {
        if let Some(last) = self.records.last() {
            record.share_with(last);
        }
        self.records.push(record);
    }

    /// After the last record.
    fn sort(&mut self) {
        self.records.shrink_to_fit();
        let mut indices: Vec<(&Name, u32)> =
            self.records.iter().map(|r| &r.user).zip(0..).collect();
        indices.sort_unstable();
        self.by_user = indices.into_iter().map(|(_, index)| index).collect();
    }
}

/// Reads the file at `path`; none if it cannot be read.
pub fn load(path: &Path, rules: Rules, findings: &mut Vec<Diagnostic>) -> Option<ChapSecrets> {
    let (bytes, stamp) = read_stamped(path, rules.insecure, findings)?;
    let mut users = parse(&Place::file(path), &bytes, rules, findings);
    users.files.push((path.to_owned(), Some(stamp)));
    Some(users)
}

/// Reads the contents of a file. Only files that secrets are kept in (`@/path`) are opened.
pub fn parse(
    file: &Place,
    text: &[u8],
    rules: Rules,
    findings: &mut Vec<Diagnostic>,
) -> ChapSecrets {
    parse_and_locate(file, text, rules, findings, |_| {})
}

/// The same; `located` learns where each record is, in their order.
fn parse_and_locate(
    file: &Place,
    text: &[u8],
    rules: Rules,
    findings: &mut Vec<Diagnostic>,
    mut located: impl FnMut(Spans),
) -> ChapSecrets {
    let mut users = ChapSecrets::default();
    let mut first_lines: BTreeMap<(Name, Name), u32> = BTreeMap::new();
    let mark = text.strip_prefix(b"\xef\xbb\xbf");
    if mark.is_some() {
        let found = Diagnostic::warning(file.at_line(1), "begins with a byte order mark");
        findings.push(found.hint("skipped here; pppd makes it part of the first user's name"));
    }
    let skipped = mark.map_or(0, |rest| text.len().saturating_sub(rest.len()));
    for words in records(mark.unwrap_or(text)) {
        let mut reader = Reader {
            rules,
            skipped,
            files: &mut users.files,
            notes: Notes {
                place: file.at_line(words.line),
                findings: &mut *findings,
            },
        };
        if let Some((record, spans)) = reader.record(&words) {
            let parties = (record.user.clone(), record.server.clone());
            let first = *first_lines.entry(parties).or_insert(record.line);
            if first != record.line {
                let message = format!("{} is in line {first} already, which wins", record.user);
                let found = Diagnostic::warning(file.at_line(record.line), message);
                findings.push(found.hint("remove one of the two"));
            }
            users.push(record);
            located(spans);
        }
    }
    users.sort();
    users
}

/// The findings about one record.
struct Notes<'a> {
    place: Place,
    findings: &'a mut Vec<Diagnostic>,
}

impl Notes<'_> {
    fn warn(&mut self, message: impl Into<String>, hint: &str) {
        let found = Diagnostic::warning(self.place.clone(), message);
        self.findings.push(found.hint(hint));
    }
}

/// What turns the words of one record into its meaning.
struct Reader<'a> {
    rules: Rules,
    /// Bytes before the words begin to be counted.
    skipped: usize,
    files: &'a mut Vec<(PathBuf, Option<Stamp>)>,
    notes: Notes<'a>,
}

impl Reader<'_> {
    fn record(&mut self, words: &Words) -> Option<(Record, Spans)> {
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
                self.notes.warn(message, "the record is ignored");
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
            self.notes.warn(message, hint);
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
            self.notes.warn(message, hint);
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
                self.notes.warn(message, hint);
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
            let why = match (stamp, read) {
                (None, _) => "does not exist",
                (Some(_), None) => "cannot be read",
                (Some(_), Some(_)) => "is empty",
            };
            let message =
                format!("the record of {user} does not count: the file of its secret {why}");
            let hint = "a secret that begins with @/ names a file, even in quotes";
            self.notes.warn(message, hint);
        }
        first.map(|word| word.bytes)
    }

    fn addresses(&mut self, words: &[Word], user: &Name) -> AddressPolicy {
        let mut rules = Vec::new();
        for (word, number) in words.iter().zip(4..) {
            match addresses::rule(&word.bytes) {
                Ok(rule) => rules.push(rule),
                // The word is not shown: it may be part of a password that lacks its quotes.
                Err(why) => {
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
            self.notes.warn(message, hint);
        }
        policy
    }
}

#[cfg(test)]
mod tests;
