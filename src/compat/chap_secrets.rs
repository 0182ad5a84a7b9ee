//! pppd's file of users: `client server secret address…`, one record a line.
//!
//! Which record counts for a user: an explicit client is worth 2, an explicit server 1; the highest
//! sum wins, and the first of the file among equals.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use wire::Secret;

use super::InsecurePermissions;
use super::words::{Record as Words, Word, records};
use crate::diagnostic::{Diagnostic, Place};

/// pppd cuts longer secrets.
const LONGEST_SECRET: usize = 256;
/// pppd cuts longer names.
const LONGEST_NAME: usize = 255;

/// A client or server column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// `*`
    Any,
    /// Compared byte for byte, case included.
    Exact(Vec<u8>),
}

impl Name {
    fn of(word: &Word) -> Self {
        // pppd looks at the word after quotes and escapes are gone: "\*" is a wildcard too.
        if **word.bytes == *b"*" {
            Self::Any
        } else {
            Self::Exact(word.bytes.to_vec())
        }
    }

    fn admits(&self, name: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(own) => own == name,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(name) => write!(f, "{}", String::from_utf8_lossy(name)),
        }
    }
}

/// One address word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressRule {
    /// `*`: any address, and stop.
    Any,
    /// `-`: nothing further is allowed.
    Stop,
    /// An address or network, or with `!` one that is refused.
    Network {
        /// The address as written.
        address: Ipv4Addr,
        /// Leading bits that count, 1 to 32.
        prefix: u8,
        /// Without the exclamation mark.
        permit: bool,
    },
}

impl AddressRule {
    fn parse(word: &str) -> Result<Self, &'static str> {
        match word {
            "*" => return Ok(Self::Any),
            "-" => return Ok(Self::Stop),
            _ => {}
        }
        let (permit, rest) = match word.strip_prefix('!') {
            Some(rest) => (false, rest),
            None => (true, word),
        };
        if rest.ends_with('+') {
            return Err("the form network/n+ depends on pppd's interface numbers");
        }
        let (address, prefix) = match rest.split_once('/') {
            None => (rest, 32),
            Some((address, prefix)) => match prefix.parse() {
                Ok(prefix @ 1..=32) => (address, prefix),
                _ => return Err("the prefix length is not from 1 to 32"),
            },
        };
        match address.parse() {
            Ok(address) => Ok(Self::Network {
                address,
                prefix,
                permit,
            }),
            Err(_) => Err("names of hosts and networks are not looked up"),
        }
    }

    fn matches(self, candidate: Ipv4Addr) -> bool {
        match self {
            Self::Any => true,
            Self::Stop => false,
            Self::Network {
                address, prefix, ..
            } => {
                let shift = 32u32.saturating_sub(u32::from(prefix));
                let cut = |a: Ipv4Addr| u32::from(a).checked_shr(shift).unwrap_or(0);
                cut(address) == cut(candidate)
            }
        }
    }
}

/// Which inner addresses a user may have: the words after the secret, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy(pub Vec<AddressRule>);

impl AddressPolicy {
    /// Whether the user may have `address`. The first word that contains it decides; a list that
    /// ends without a decision refuses, and so does an empty one.
    pub fn permits(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else {
            return false;
        };
        // pppd refuses loopback, multicast and class E whatever the list says.
        if address.is_loopback() || address.octets().first().is_some_and(|first| *first >= 224) {
            return false;
        }
        for rule in &self.0 {
            match rule {
                AddressRule::Stop => return false,
                AddressRule::Any => return true,
                AddressRule::Network { permit, .. } if rule.matches(address) => return *permit,
                AddressRule::Network { .. } => {}
            }
        }
        false
    }

    /// The first single address of the list that is permitted. pppd offers it unless it has an address of its own
    /// that the list permits: with `10.0.0.5 *` a pool's address goes first.
    ///
    /// pppd takes a refused one (`!10.0.0.6`) for this as well, and then refuses it; we do not.
    pub fn fixed(&self) -> Option<IpAddr> {
        let single = |rule: &AddressRule| match rule {
            AddressRule::Network {
                address,
                prefix: 32,
                permit: true,
            } => Some((*address).into()),
            _ => None,
        };
        self.0
            .iter()
            .filter_map(single)
            .find(|address| self.permits(*address))
    }

    /// Whether no address at all is permitted, so that the user cannot come in.
    pub fn permits_nothing(&self) -> bool {
        !self
            .0
            .iter()
            .take_while(|rule| **rule != AddressRule::Stop)
            .any(|rule| {
                matches!(
                    rule,
                    AddressRule::Any | AddressRule::Network { permit: true, .. }
                )
            })
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
    pub secret: Secret,
    /// The other columns.
    pub addresses: AddressPolicy,
    /// The words after `--`: pppd's options for this user, kept and not applied.
    pub options: Vec<Vec<u8>>,
    /// Line of the record, from 1.
    pub line: u32,
}

impl Record {
    fn rank(&self) -> u8 {
        let explicit = |name: &Name| u8::from(*name != Name::Any);
        explicit(&self.user)
            .saturating_mul(2)
            .saturating_add(explicit(&self.server))
    }
}

/// A file of users, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct ChapSecrets {
    records: Vec<Record>,
    /// Indices of the records of each explicit user, in file order.
    by_user: BTreeMap<Vec<u8>, Vec<usize>>,
    /// Indices of the records whose client is `*`.
    of_anybody: Vec<usize>,
}

impl ChapSecrets {
    /// The record that counts for `user` at the server called `server`.
    pub fn lookup(&self, user: &[u8], server: &[u8]) -> Option<&Record> {
        let explicit = self.by_user.get(user).into_iter().flatten();
        let mut best: Option<&Record> = None;
        for record in explicit
            .chain(&self.of_anybody)
            .filter_map(|index| self.records.get(*index))
        {
            if record.server.admits(server) && best.is_none_or(|b| record.rank() > b.rank()) {
                best = Some(record);
            }
        }
        best
    }

    /// The first record of exactly this user, for whatever server: what a client looks up.
    pub fn lookup_user(&self, user: &[u8]) -> Option<&Record> {
        self.by_user
            .get(user)?
            .first()
            .and_then(|index| self.records.get(*index))
    }

    /// All records, in file order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    fn push(&mut self, record: Record) {
        let index = self.records.len();
        match &record.user {
            Name::Any => self.of_anybody.push(index),
            Name::Exact(name) => self.by_user.entry(name.clone()).or_default().push(index),
        }
        self.records.push(record);
    }
}

/// Reads the file at `path`; none if it cannot be read.
pub fn load(
    path: &Path,
    insecure: InsecurePermissions,
    findings: &mut Vec<Diagnostic>,
) -> Option<ChapSecrets> {
    let bytes = super::read_secret_file(path, insecure, findings)?;
    Some(parse(&Place::file(path), &bytes, findings))
}

/// Reads the contents of a file.
pub fn parse(file: &Place, text: &[u8], findings: &mut Vec<Diagnostic>) -> ChapSecrets {
    let mut users = ChapSecrets::default();
    let text = match text.strip_prefix(b"\xef\xbb\xbf") {
        None => text,
        Some(rest) => {
            let found = Diagnostic::warning(file.at_line(1), "begins with a byte order mark");
            findings.push(found.hint("skipped here; pppd makes it part of the first user's name"));
            rest
        }
    };
    for words in records(text) {
        let place = file.at_line(words.line);
        if let Some(record) = record(&words, &place, findings) {
            repeated(&users, &record, &place, findings);
            users.push(record);
        }
    }
    users
}

fn record(words: &Words, place: &Place, findings: &mut Vec<Diagnostic>) -> Option<Record> {
    let mut warn = |message: String, hint: &str| {
        findings.push(Diagnostic::warning(place.clone(), message).hint(hint));
    };
    if words.unterminated {
        warn(
            "a quote is still open at the end of the file".into(),
            "close it",
        );
    }
    if words.comment_in_word {
        let message = "a # inside a word begins a comment, and the rest of the line is lost";
        warn(
            message.into(),
            "put the word in quotes if the # is part of it",
        );
    }
    let [user, server, secret, rest @ ..] = &words.words[..] else {
        let number = words.words.len();
        let message = format!("only {number} of the three words user, server and secret: ignored");
        warn(message, "a line is: user server \"secret\" *");
        return None;
    };
    for (what, word) in [("user", user), ("server", server)] {
        if word.bytes.len() > LONGEST_NAME {
            let message = format!("the name of the {what} is longer than {LONGEST_NAME} bytes");
            warn(message, "the record is ignored");
            return None;
        }
    }
    let user_name = Name::of(user);
    if secret.bytes.starts_with(b"@/") {
        let message = format!("the secret of {user_name} is in a file of its own: not read yet");
        let found = Diagnostic::error(place.clone(), message);
        findings.push(found.hint("write the secret into this line"));
        return None;
    }
    let mut kept = &secret.bytes[..];
    if let Some(cut) = kept.get(..LONGEST_SECRET)
        && kept.len() > LONGEST_SECRET
    {
        let message = format!("the secret of {user_name} is cut to {LONGEST_SECRET} bytes");
        warn(message, "as pppd does it");
        kept = cut;
    }
    if kept.is_empty() {
        warn(
            format!("the secret of {user_name} is empty"),
            "give the user a password",
        );
    }
    let is_mark = |word: &Word| word.bare && **word.bytes == *b"--";
    let mut parts = rest.splitn(2, is_mark);
    let (addresses, options) = (parts.next().unwrap_or(&[]), parts.next().unwrap_or(&[]));
    if !options.is_empty() {
        warn(
            format!("the options after -- for {user_name} are not applied"),
            "remove them",
        );
    }
    let mut rules = Vec::new();
    for (word, number) in addresses.iter().zip(4..) {
        match AddressRule::parse(&String::from_utf8_lossy(&word.bytes)) {
            Ok(rule) => rules.push(rule),
            // The word is not shown: it may be part of a password that lacks its quotes.
            Err(why) => {
                let message = format!("word {number}, an address, is skipped: {why}");
                warn(
                    message,
                    "write a.b.c.d or a.b.c.d/n; a password with blanks needs quotes",
                );
            }
        }
    }
    let addresses = AddressPolicy(rules);
    if addresses.permits_nothing() {
        let message = format!("{user_name} may have no address, and so cannot connect");
        warn(message, "add * for one of the pool, or an address");
    }
    Some(Record {
        server: Name::of(server),
        user: user_name,
        secret: Secret::from(kept),
        addresses,
        options: options.iter().map(|word| word.bytes.to_vec()).collect(),
        line: words.line,
    })
}

/// A record that can never count, because an equal one stands before it.
fn repeated(users: &ChapSecrets, record: &Record, place: &Place, findings: &mut Vec<Diagnostic>) {
    let indices = match &record.user {
        Name::Any => &users.of_anybody,
        Name::Exact(name) => match users.by_user.get(name) {
            Some(indices) => indices,
            None => return,
        },
    };
    let same = |earlier: &&Record| earlier.server == record.server;
    if let Some(earlier) = indices
        .iter()
        .filter_map(|i| users.records.get(*i))
        .find(same)
    {
        let message = format!(
            "{} is in line {} already, which wins",
            record.user, earlier.line
        );
        findings.push(Diagnostic::warning(place.clone(), message).hint("remove one of the two"));
    }
}

#[cfg(test)]
#[path = "chap_secrets_tests.rs"]
mod tests;
