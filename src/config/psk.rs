//! `[[psk]]`: pre-shared keys with a name, for some users or some networks.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wire::Secret;

use super::bundle::first_line;
use super::layers::Origins;
use super::model::Config;
use super::users::Users;
use super::values::{optional, serde_as_string};
use crate::compat::chap_secrets::Name;
use crate::compat::ipsec_secrets::{Entry, SHORT_KEY, Selector};
use crate::compat::permissions;
use crate::diagnostic::{Diagnostic, Place};
use crate::io::prefix::Prefix;

/// Longest name of a key, in bytes: it stands in every line about a session.
const LONGEST_NAME: usize = 64;

/// One `[[psk]]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Psk {
    /// What logs and status call it.
    pub name: String,
    /// The file whose first line is the key.
    #[serde(with = "optional")]
    pub secret_file: Option<PathBuf>,
    /// The key itself.
    pub secret: Option<InlineSecret>,
    /// Who may log in with it; none: anybody.
    pub users: Option<Vec<UserPattern>>,
    /// Outer addresses of the peers it is for; empty: any.
    pub from: Vec<Network>,
}

/// A secret written among the settings. It is never written out again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InlineSecret(pub Secret);

impl Serialize for InlineSecret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("")
    }
}

impl<'de> Deserialize<'de> for InlineSecret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Ok(Self(Secret::from(text.into_bytes())))
    }
}

/// Names of users: exactly one, or with `*` for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPattern(String);

impl UserPattern {
    /// Whether it stands for a single name.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether `user` is one of those it stands for. Case counts, as in the users' file.
    pub fn admits(&self, user: &[u8]) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return self.0.as_bytes() == user;
        };
        let Some(mut left) = user.strip_prefix(first.as_bytes()) else {
            return false;
        };
        let mut parts: Vec<&[u8]> = rest.split('*').map(str::as_bytes).collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            // The leftmost place leaves the most for the others.
            let mut windows = left.windows(part.len());
            let Some(at) = windows.position(|window| window == part) else {
                return false;
            };
            left = left.get(at + part.len()..).unwrap_or_default();
        }
        left.ends_with(last)
    }
}

impl fmt::Display for UserPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UserPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("\"\" is no user's name".to_owned()),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

serde_as_string!(UserPattern);

/// A network of peers, or a single one: `203.0.113.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub Prefix);

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let prefix = text.parse();
        prefix
            .map(Self)
            .map_err(|_| format!("{text:?} is not a network such as \"203.0.113.0/24\""))
    }
}

serde_as_string!(Network);

/// A `[[psk]]` with its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedKey {
    /// What logs and status call it.
    pub name: String,
    /// The key.
    pub secret: Secret,
    /// Who may log in with it; none: anybody.
    pub users: Option<Vec<UserPattern>>,
    /// Outer addresses of the peers it is for; empty: any.
    pub from: Vec<Prefix>,
    /// Where it stands.
    pub place: Place,
}

impl NamedKey {
    /// Whether `user` is one of those it names. A key for anybody names nobody.
    pub fn names(&self, user: &[u8]) -> bool {
        let mut patterns = self.users.iter().flatten();
        patterns.any(|pattern| pattern.admits(user))
    }
}

/// Adds what is wrong with the settings themselves to `findings`.
pub(super) fn validate(keys: &[Psk], origins: &Origins, findings: &mut Vec<Diagnostic>) {
    for (index, key) in keys.iter().enumerate() {
        let place = origins.of_element("psk", index);
        let mut error = |message: String, hint: &str| {
            findings.push(Diagnostic::error(place.clone(), message).hint(hint));
        };
        let name = &key.name;
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() {
            let hint = "add name = \"…\": logs and status call the key by it";
            error("this [[psk]] has no name".to_owned(), hint);
        } else if !name.chars().all(plain) || name.len() > LONGEST_NAME {
            let hint = "letters, digits, '-', '_' and '.', at most 64 of them";
            error(format!("{name:?} cannot be the name of a key"), hint);
        } else if keys.iter().take(index).any(|other| other.name == *name) {
            let hint = "each needs a name of its own";
            error(format!("there are two keys with the name {name:?}"), hint);
        }
        match (&key.secret_file, &key.secret) {
            (None, None) => error(
                format!("the key {name:?} has neither secret-file nor secret"),
                "secret-file names a file whose first line is the key",
            ),
            (Some(_), Some(_)) => error(
                format!("the key {name:?} has both secret-file and secret"),
                "keep one of them; a file is better",
            ),
            _ => {}
        }
        if key.users.as_ref().is_some_and(Vec::is_empty) {
            let message = format!("the key {name:?} has an empty list of users: nobody may use it");
            let found = Diagnostic::warning(place, message);
            findings.push(found.hint("leave users out if anybody may"));
        }
    }
}

/// Reads the secrets of all `[[psk]]`, and adds what is wrong with them to `findings`.
pub(super) fn load(
    config: &Config,
    origins: &Origins,
    findings: &mut Vec<Diagnostic>,
) -> Vec<NamedKey> {
    let insecure = config.secrets.insecure_permissions;
    let mut keys = Vec::new();
    for (index, psk) in config.psk.iter().enumerate() {
        let place = origins.of_element("psk", index);
        let name = &psk.name;
        let (secret, place) = match (&psk.secret_file, &psk.secret) {
            (Some(path), _) => {
                let before = findings.len();
                let Some(secret) = first_line(path, insecure, findings) else {
                    // Unless it could not be read, which is a finding already.
                    if !findings.iter().skip(before).any(Diagnostic::is_error) {
                        findings.push(empty(Place::file(path), name));
                    }
                    continue;
                };
                (secret, Place::file(path).at_line(1))
            }
            (None, Some(secret)) => {
                findings.extend(permissions(Path::new(&place.file), insecure));
                (secret.0.clone(), place)
            }
            (None, None) => continue,
        };
        if secret.is_empty() {
            findings.push(empty(place, name));
            continue;
        }
        if secret.len() < SHORT_KEY {
            let length = secret.len();
            let message =
                format!("the key {name:?} has {length} bytes; under {SHORT_KEY} it can be guessed");
            let hint = "everybody who has the key can also play the server: make it long";
            findings.push(Diagnostic::warning(place.clone(), message).hint(hint));
        }
        keys.push(NamedKey {
            name: name.clone(),
            secret,
            users: psk.users.clone(),
            from: psk.from.iter().map(|network| network.0).collect(),
            place,
        });
    }
    keys
}

fn empty(place: Place, name: &str) -> Diagnostic {
    Diagnostic::error(place, format!("the key {name:?} is empty"))
        .hint("write one of at least 20 characters")
}

/// A client's key is found by trying those that are for its address, but not any number of them.
fn too_many(keys: &[NamedKey], others: &[Entry], findings: &mut Vec<Diagnostic>) {
    let limit = ike::MAX_KEYS_PER_TRIAL;
    let anywhere = |entry: &&Entry| entry.selectors.iter().all(|word| *word == Selector::Any);
    let entries = others.iter().filter(anywhere);
    let named = keys.iter().filter(|key| key.from.is_empty());
    let places: Vec<&Place> = named
        .map(|key| &key.place)
        .chain(entries.map(|entry| &entry.place))
        .collect();
    if let Some(first) = places.get(limit) {
        let message = format!(
            "there are {} keys for clients from anywhere, and only {limit} are tried for each: \
             clients with this key or a later one do not get in",
            places.len()
        );
        let found = Diagnostic::warning((*first).clone(), message);
        findings.push(found.hint("say where clients come from, or let groups share a key"));
    }
}

/// What only shows when all keys and users are looked at together.
pub(super) fn judge(
    keys: &[NamedKey],
    others: &[Entry],
    users: &Users,
    findings: &mut Vec<Diagnostic>,
) {
    too_many(keys, others, findings);
    for (index, key) in keys.iter().enumerate() {
        let name = &key.name;
        let twin = keys
            .iter()
            .take(index)
            .find(|other| other.secret == key.secret);
        let entry = others.iter().find(|other| other.secret == key.secret);
        let (twin, bound) = match (twin, entry) {
            (Some(twin), _) => (
                format!("the key {:?}", twin.name),
                twin.users.is_some() || key.users.is_some(),
            ),
            (None, Some(entry)) => (entry.place.to_string(), key.users.is_some()),
            (None, None) => (String::new(), false),
        };
        if bound {
            let message = format!(
                "the key {name:?} is the same as {twin}: which of the two a client has cannot be \
                 told, so neither could be kept to its users"
            );
            let hint = "give each its own secret";
            findings.push(Diagnostic::error(key.place.clone(), message).hint(hint));
        } else if !twin.is_empty() {
            let message = format!("the key {name:?} is the same as {twin}");
            let found = Diagnostic::warning(key.place.clone(), message);
            findings.push(found.hint("logs and status may name either"));
        }
        for pattern in key.users.iter().flatten() {
            let known = users.records().any(|record| match &record.user {
                Name::Any => true,
                Name::Exact(user) => pattern.admits(user),
            });
            if !known {
                let what = match pattern.is_exact() {
                    true => "is not in the users' file",
                    false => "fits nobody in the users' file",
                };
                let message = format!("\"{pattern}\" of the key {name:?} {what}");
                let hint = "names are compared exactly, case included";
                let place = key.place.clone();
                findings.push(Diagnostic::warning(place, message).hint(hint));
            }
        }
    }
}

#[cfg(test)]
#[path = "psk_tests.rs"]
mod tests;
