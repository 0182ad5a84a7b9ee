//! pppd's files of users, chap-secrets and pap-secrets: `client server secret address… -- option…`,
//! one record a line.
//!
//! Which record counts for a user: an explicit client is worth 2, an explicit server 1; the highest
//! sum wins, and the first of the file among equals.

mod addresses;
pub mod edit;
mod options;
mod reader;
mod stored;
pub mod write;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::Terms;
use ppp::UserName;

use reader::{Notes, Reader};
pub use stored::{Judgement, Stored};

use crate::compat::stamp::Stamp;
use crate::compat::words::{Word, records};
use crate::compat::{InsecurePermissions, read_stamped};
use crate::diagnostic::{Diagnostic, Place};

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
    /// See [`lost`](Self::lost).
    lost: Vec<(u32, String)>,
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

    /// The lines of records that let nobody in, but would with pppd, and why.
    pub fn lost(&self) -> &[(u32, String)] {
        &self.lost
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
                lost: &mut users.lost,
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

#[cfg(test)]
mod tests;
