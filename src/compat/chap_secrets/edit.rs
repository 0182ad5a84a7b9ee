//! Changes to a file of users: what is not changed stays as it is, byte for byte.
//!
//! Every change is read back before it is handed out. What could not be read back as it was meant
//! (behind a quote that nobody closed, for example) is refused.

use engine::AddressPolicy;
use zeroize::Zeroizing;

use super::{ChapSecrets, Name, Record, Rules, Spans, Stored, addresses, parse_and_locate, write};
use crate::diagnostic::Place;

/// Why a file was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is a record of this user for this server.
    #[error("is there already, in line {0}")]
    Present(u32),
    /// There is no record of this user for this server.
    #[error("is not there")]
    Absent,
    /// An address is somebody else's.
    #[error("cannot have the address: it is fixed for {user} in line {line}")]
    AddressTaken {
        /// Whose it is.
        user: String,
        /// Where that is written.
        line: u32,
    },
    /// The file would not say afterwards what it is to say.
    #[error(
        "cannot be written: the file would not be read as it is meant (`adit check` says what is wrong with it)"
    )]
    NotReadBack,
}

/// What a user's record is to say.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The secret, if it changes.
    pub secret: Option<&'a Stored>,
    /// The address words, if they change.
    pub addresses: Option<&'a [String]>,
}

/// A file of users that is being changed.
pub struct Editor<'a> {
    text: &'a [u8],
    rules: Rules,
    users: ChapSecrets,
    /// Where each record is, in their order.
    spans: Vec<Spans>,
}

/// Reads one address word, as it may stand in the file.
///
/// # Errors
/// Why it would be skipped, as a clause.
pub fn check_address(word: &str) -> Result<(), &'static str> {
    addresses::rule(word.as_bytes()).map(|_| ())
}

impl<'a> Editor<'a> {
    /// The file with this text.
    pub fn new(text: &'a [u8], rules: Rules) -> Self {
        let (users, spans) = read(text, rules);
        Self {
            text,
            rules,
            users,
            spans,
        }
    }

    /// What the file says.
    pub fn users(&self) -> &ChapSecrets {
        &self.users
    }

    /// The text with a record more, at its end.
    ///
    /// # Errors
    /// If the user is there, or the file would not be read as it is meant.
    pub fn add(
        &self,
        user: &[u8],
        server: &Name,
        secret: &Stored,
        addresses: &[String],
    ) -> Result<Zeroizing<Vec<u8>>, Refused> {
        if let Some((record, _)) = self.of(user, server).first() {
            return Err(Refused::Present(record.line));
        }
        self.check_free(user, addresses)?;
        let mut out = Zeroizing::new(Vec::with_capacity(self.text.len().saturating_add(4096)));
        out.extend_from_slice(self.text);
        if !self.text.is_empty() && !self.text.ends_with(b"\n") {
            out.push(b'\n');
        }
        out.extend_from_slice(&write::name(user));
        out.push(b'\t');
        match server {
            Name::Any => out.push(b'*'),
            Name::Exact(server) => out.extend_from_slice(&write::name(server)),
        }
        out.push(b'\t');
        out.extend_from_slice(&written(secret));
        out.push(b'\t');
        out.extend_from_slice(addresses.join(" ").as_bytes());
        out.push(b'\n');
        let mut expected = self.meanings();
        expected.push((
            Name::Exact(user.into()),
            server.clone(),
            secret.clone(),
            policy(addresses),
        ));
        self.read_back(out, &expected)
    }

    /// The text with another secret or other addresses in the record that counts for the user.
    ///
    /// # Errors
    /// If there is none, or the file would not be read as it is meant.
    pub fn set(
        &self,
        user: &[u8],
        server: &Name,
        wish: &Wish<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let records = self.of(user, server);
        // As at a login, a record for this very server counts before one for any.
        let exact = records.iter().find(|(record, _)| record.server == *server);
        let (chosen, spans) = *exact.or(records.first()).ok_or(Refused::Absent)?;
        let mut out = Zeroizing::new(Vec::with_capacity(self.text.len().saturating_add(4096)));
        let piece = |from: usize, to: usize| self.text.get(from..to).unwrap_or_default();
        out.extend_from_slice(piece(0, spans.secret.start));
        match wish.secret {
            Some(secret) => out.extend_from_slice(&written(secret)),
            None => out.extend_from_slice(piece(spans.secret.start, spans.secret.end)),
        }
        let rest = match wish.addresses {
            Some(addresses) => {
                self.check_free(user, addresses)?;
                let none = spans.addresses.is_empty();
                out.extend_from_slice(match none {
                    true => b"\t",
                    false => piece(spans.secret.end, spans.addresses.start),
                });
                out.extend_from_slice(addresses.join(" ").as_bytes());
                spans.addresses.end
            }
            None => spans.secret.end,
        };
        out.extend_from_slice(piece(rest, self.text.len()));
        let expected: Vec<Meaning> = (self.users.records().iter())
            .map(|record| {
                let mut meaning = meaning(record);
                if std::ptr::eq(record, chosen) {
                    if let Some(secret) = wish.secret {
                        meaning.2 = secret.clone();
                    }
                    if let Some(addresses) = wish.addresses {
                        meaning.3 = policy(addresses);
                    }
                }
                meaning
            })
            .collect();
        self.read_back(out, &expected)
    }

    /// The text without the user's records for the server, and how many there were. All of them go:
    /// one that is left would count from then on.
    ///
    /// # Errors
    /// If there is none, or the file would not be read as it is meant.
    pub fn remove(
        &self,
        user: &[u8],
        server: &Name,
    ) -> Result<(Zeroizing<Vec<u8>>, usize), Refused> {
        let records = self.of(user, server);
        if records.is_empty() {
            return Err(Refused::Absent);
        }
        let mut out = Zeroizing::new(Vec::with_capacity(self.text.len()));
        let mut from = 0;
        for (_, Spans { record: span, .. }) in &records {
            out.extend_from_slice(self.text.get(from..span.start).unwrap_or_default());
            from = span.end;
        }
        out.extend_from_slice(self.text.get(from..).unwrap_or_default());
        let goes =
            |record: &&Record| (records.iter()).any(|(gone, _)| std::ptr::eq(*gone, *record));
        let left = self.users.records().iter().filter(|record| !goes(record));
        let expected: Vec<Meaning> = left.map(meaning).collect();
        Ok((self.read_back(out, &expected)?, records.len()))
    }

    /// The records of exactly this user that count for `server`, in file order.
    fn of(&self, user: &[u8], server: &Name) -> Vec<(&Record, &Spans)> {
        let counts = |record: &Record| match server {
            Name::Any => record.server == Name::Any,
            Name::Exact(name) => record.server.admits(name),
        };
        let records = self.users.records().iter().zip(&self.spans);
        records
            .filter(|(record, _)| matches!(&record.user, Name::Exact(name) if **name == *user))
            .filter(|(record, _)| counts(record))
            .collect()
    }

    /// Whether no other user has the fixed address that these words give.
    fn check_free(&self, user: &[u8], addresses: &[String]) -> Result<(), Refused> {
        let Some(fixed) = policy(addresses).fixed() else {
            return Ok(());
        };
        let another = |record: &&Record| {
            record.user != Name::Exact(user.into()) && record.terms.addresses.fixed() == Some(fixed)
        };
        match self.users.records().iter().find(another) {
            None => Ok(()),
            Some(record) => Err(Refused::AddressTaken {
                user: record.user.to_string(),
                line: record.line,
            }),
        }
    }

    fn meanings(&self) -> Vec<Meaning> {
        self.users.records().iter().map(meaning).collect()
    }

    fn read_back(
        &self,
        text: Zeroizing<Vec<u8>>,
        expected: &[Meaning],
    ) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let (users, _) = read(&text, self.rules);
        let found: Vec<Meaning> = users.records().iter().map(meaning).collect();
        match found == expected {
            true => Ok(text),
            false => Err(Refused::NotReadBack),
        }
    }
}

/// What a record says, wherever it stands.
type Meaning = (Name, Name, Stored, AddressPolicy);

fn meaning(record: &Record) -> Meaning {
    (
        record.user.clone(),
        record.server.clone(),
        record.secret.clone(),
        record.terms.addresses.clone(),
    )
}

fn read(text: &[u8], rules: Rules) -> (ChapSecrets, Vec<Spans>) {
    let (place, mut spans) = (Place::default(), Vec::new());
    let located = |found| spans.push(found);
    let users = parse_and_locate(&place, text, rules, &mut Vec::new(), located);
    (users, spans)
}

fn written(secret: &Stored) -> Zeroizing<Vec<u8>> {
    match secret {
        Stored::Password(password) => write::quoted(password.expose()),
        Stored::NtHash(hash) => write::nt_hash(hash),
        Stored::AnyPassword => write::quoted(&[]),
    }
}

fn policy(words: &[String]) -> AddressPolicy {
    let rules = words.iter().map(|word| addresses::rule(word.as_bytes()));
    AddressPolicy::new(rules.filter_map(Result::ok).collect())
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
