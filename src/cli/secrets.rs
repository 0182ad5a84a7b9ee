//! Where `adit connect` has its secrets from.
//!
//! A file may hold the bare secret in one line, or be one of the server's files, so that the line
//! `adit quickstart` prints works on the files it wrote. Which of the two it is must never be
//! guessed so that a line with somebody else's password is sent as ours: a file of several lines is
//! a server's file, a file of one line is one if it reads as one, and when that one line is for
//! another user it is refused.

use std::ffi::OsString;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;

use wire::Secret;
use zeroize::Zeroizing;

use super::{Connect, Failure};
use crate::compat::InsecurePermissions;
use crate::compat::chap_secrets::{self, Rules};
use crate::compat::ipsec_secrets::{self, Selector};
use crate::config::layers::cannot_read;
use crate::diagnostic::{Diagnostic, Place, any_error};

/// Longest file of secrets that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// What a client needs to know.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The pre-shared key.
    pub psk: Secret,
    /// The user's password.
    pub password: Secret,
}

/// The outside that secrets come from: a value, so that tests need not change the process.
pub struct Surroundings<'a> {
    /// Reads an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Standard input.
    pub input: &'a mut dyn Read,
}

/// Where the secrets are, and whose they are.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The file with the pre-shared key, if one is named.
    pub psk_file: Option<&'a Path>,
    /// The file with the password, or passwords, if one is named.
    pub password_file: Option<&'a Path>,
    /// Chooses among several keys of an ipsec.secrets.
    pub server: Option<IpAddr>,
}

/// Reads both secrets. `server` chooses among several keys of an ipsec.secrets.
pub fn read(
    arguments: &Connect,
    server: Option<IpAddr>,
    from: Surroundings<'_>,
) -> Result<Secrets, Failure> {
    let wanted = Wanted {
        psk_file: arguments.psk_file.as_deref(),
        password_file: arguments.password_file.as_deref(),
        server,
    };
    let (psk, passwords) = read_all(wanted, std::slice::from_ref(&arguments.user), from)?;
    match passwords.into_iter().next() {
        Some(password) => Ok(Secrets { psk, password }),
        None => Err(Failure::Usage("there is no user".to_owned())),
    }
}

/// Reads the key, and the password of each of `users`, in their order: where there is one bare
/// password it is that of all.
pub fn read_all(
    wanted: Wanted<'_>,
    users: &[String],
    mut from: Surroundings<'_>,
) -> Result<(Secret, Vec<Secret>), Failure> {
    let is_input = |file: Option<&Path>| file == Some(Path::new("-"));
    if is_input(wanted.psk_file) && is_input(wanted.password_file) {
        let message = "standard input cannot hold both the key and the password: use a file";
        return Err(Failure::Usage(message.to_owned()));
    }
    let (place, text) = source(wanted.psk_file, "--psk-file", "ADIT_PSK", "key", &mut from)?;
    let psk = match text {
        Text::Bare(secret) => secret,
        Text::File(text) => {
            let file = wanted.psk_file.filter(|file| !is_input(Some(file)));
            key_of(&place, file, &text, wanted.server)?
        }
    };
    let (place, text) = source(
        wanted.password_file,
        "--password-file",
        "ADIT_PASSWORD",
        "password",
        &mut from,
    )?;
    let passwords = match text {
        Text::Bare(secret) => vec![secret; users.len()],
        Text::File(text) => passwords_of(&place, &text, users)?,
    };
    Ok((psk, passwords))
}

enum Text {
    /// Of a variable: the secret as it stands.
    Bare(Secret),
    File(Zeroizing<Vec<u8>>),
}

/// The file if one is named, else the variable.
fn source(
    file: Option<&Path>,
    option: &str,
    variable: &str,
    what: &str,
    from: &mut Surroundings<'_>,
) -> Result<(Place, Text), Failure> {
    let unreadable = |place: &Place, error: &io::Error| {
        Failure::Configuration(vec![cannot_read(place.clone(), error)])
    };
    let Some(path) = file else {
        let Some(value) = (from.variable)(variable).filter(|value| !value.is_empty()) else {
            let message = format!("no {what}: name its file with {option}, or set {variable}");
            return Err(Failure::Usage(message));
        };
        let secret = Secret::new(value.into_encoded_bytes());
        return Ok((Place::variable(variable), Text::Bare(secret)));
    };
    // With room for most files, so that no copy is left behind.
    let mut text = Zeroizing::new(Vec::with_capacity(8192));
    let place = if path == Path::new("-") {
        let place = Place {
            file: "standard input".to_owned(),
            ..Place::default()
        };
        let read = from.input.take(LONGEST).read_to_end(&mut text);
        read.map_err(|error| unreadable(&place, &error))?;
        place
    } else {
        let place = Place::file(path);
        let opened = std::fs::File::open(path);
        opened
            .and_then(|file| file.take(LONGEST).read_to_end(&mut text))
            .map_err(|error| unreadable(&place, &error))?;
        place
    };
    Ok((place, Text::File(text)))
}

/// The one line of a text that has but one, without its end.
fn only_line(text: &[u8]) -> Option<&[u8]> {
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty());
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}

fn refuse(place: &Place, message: &str, hint: &str) -> Failure {
    Failure::Configuration(vec![Diagnostic::error(place.clone(), message).hint(hint)])
}

/// `path` is none for standard input.
fn key_of(
    place: &Place,
    path: Option<&Path>,
    text: &[u8],
    server: Option<IpAddr>,
) -> Result<Secret, Failure> {
    let mut findings = Vec::new();
    let entries = match path {
        Some(path) => {
            let insecure = InsecurePermissions::default();
            ipsec_secrets::parse_file(path, text, insecure, &mut findings)
        }
        None => ipsec_secrets::parse(place, text, &mut findings),
    };
    // A line that reads as an include, or as a secret of another type, is no bare key.
    if let (Some(line), true) = (only_line(text), entries.is_empty())
        && !ipsec_secrets::reads_as_entry(line)
    {
        return Ok(Secret::from(line));
    }
    if any_error(&findings) {
        findings.retain(Diagnostic::is_error);
        return Err(Failure::Configuration(findings));
    }
    // A key for this very server, else one for anybody; the first of the file among equals.
    let rank = |entry: &&ipsec_secrets::Entry| {
        let names = |wanted: &Selector| entry.selectors.contains(wanted);
        if server.is_some_and(|address| names(&Selector::Address(address))) {
            Some(0)
        } else if entry.selectors.is_empty() || names(&Selector::Any) {
            Some(1)
        } else {
            None
        }
    };
    let usable = entries
        .iter()
        .filter_map(|entry| Some((rank(&entry)?, entry)));
    match usable.min_by_key(|(rank, _)| *rank) {
        Some((_, entry)) => Ok(entry.secret.clone()),
        None => Err(refuse(
            place,
            "there is no key for this server",
            "add one for %any %any",
        )),
    }
}

fn passwords_of(place: &Place, text: &[u8], users: &[String]) -> Result<Vec<Secret>, Failure> {
    let records = chap_secrets::parse(place, text, Rules::default(), &mut Vec::new());
    let of = |user: &String| match (only_line(text), records.lookup_user(user.as_bytes())) {
        (_, Some(record)) => record.secret.password().cloned().ok_or_else(|| {
            let message = format!("the file has only the NT hash of the password of {user:?}");
            refuse(place, &message, "a client needs the password itself")
        }),
        // One line that does not read as a record is a password.
        (Some(line), None) if records.records().is_empty() => Ok(Secret::from(line)),
        (Some(_), None) => Err(refuse(
            place,
            &format!("this reads as the record of another user than {user:?}"),
            "if it is a password with blanks, set ADIT_PASSWORD instead",
        )),
        (None, None) => Err(refuse(
            place,
            &format!("there is no user {user:?} in this file"),
            "a file with the bare password has one line",
        )),
    };
    users.iter().map(of).collect()
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
