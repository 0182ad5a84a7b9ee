//! `[scripts]`: programs that are run when sessions come and go, and what is wrong with them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::layers::Origins;
use super::validate::Check;
use super::values::{duration, optional};
use crate::diagnostic::Diagnostic;
use crate::scripts::{Kind, permissions};

/// A client waits about this long for IPCP before it gives up.
const PATIENCE: Duration = Duration::from_secs(25);

/// `[scripts]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Scripts {
    /// Run when a user has logged in; empty: none, as in all of these.
    #[serde(with = "optional")]
    pub auth_up: Option<PathBuf>,
    /// Run, and waited for, before a session carries traffic.
    #[serde(with = "optional")]
    pub ip_pre_up: Option<PathBuf>,
    /// Run when a session carries traffic.
    #[serde(with = "optional")]
    pub ip_up: Option<PathBuf>,
    /// Run when it no longer does.
    #[serde(with = "optional")]
    pub ip_down: Option<PathBuf>,
    /// Run when the session of a user who had logged in has ended.
    #[serde(with = "optional")]
    pub auth_down: Option<PathBuf>,
    /// Time after which a script is ended.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Their sixth argument; `%outer` is the client's outer address.
    pub ipparam: String,
    /// Variables of their environment, as `NAME=value`.
    pub set: Vec<String>,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            auth_up: None,
            ip_pre_up: None,
            ip_up: None,
            ip_down: None,
            auth_down: None,
            timeout: Duration::from_secs(10),
            ipparam: String::new(),
            set: Vec::new(),
        }
    }
}

impl Scripts {
    /// The file of a script.
    pub fn path(&self, kind: Kind) -> Option<&Path> {
        match kind {
            Kind::AuthUp => &self.auth_up,
            Kind::IpPreUp => &self.ip_pre_up,
            Kind::IpUp => &self.ip_up,
            Kind::IpDown => &self.ip_down,
            Kind::AuthDown => &self.auth_down,
        }
        .as_deref()
    }

    /// Those that there are.
    pub fn paths(&self) -> impl Iterator<Item = (Kind, &Path)> {
        Kind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, self.path(kind)?)))
    }

    /// The variables; what is none is left out.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().filter_map(|word| variable(word).ok())
    }
}

/// Name and value of a `NAME=value`. The error is a clause.
fn variable(word: &str) -> Result<(&str, &str), &'static str> {
    let (name, value) = word.split_once('=').ok_or("has no =")?;
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || !name.chars().all(letter)
        || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("begins with no name of letters, digits and _");
    }
    if value.contains('\0') {
        return Err("has a zero byte in it");
    }
    Ok((name, value))
}

impl Check<'_> {
    pub(super) fn scripts(&mut self, scripts: &Scripts) {
        for (index, word) in scripts.set.iter().enumerate() {
            if let Err(fault) = variable(word) {
                let hint = "write it as \"NAME=value\"";
                self.element_error("scripts.set", index, format!("{word:?} {fault}"), hint);
            }
        }
        if scripts.ipparam.contains('\0') {
            self.error("scripts.ipparam", "has a zero byte in it", "");
        }
        let path = "scripts.timeout";
        if scripts.timeout.is_zero() {
            self.error(path, "no script ends in no time", "such as \"10s\"");
        } else if scripts.ip_pre_up.is_some() && scripts.timeout > PATIENCE {
            let message = "clients wait for ip-pre-up, and most give up after 30 s";
            self.warning(path, message, "10s, say");
        }
    }
}

/// Adds a finding for every script that will not be run.
pub(super) fn judge(scripts: &Scripts, origins: &Origins, findings: &mut Vec<Diagnostic>) {
    for (kind, path) in scripts.paths() {
        if let Err(fault) = permissions::judge(path) {
            let setting = format!("scripts.{}", kind.name());
            let message = format!("{setting}: {} is not run: {fault}", path.display());
            let found = Diagnostic::warning(origins.of(&setting), message);
            findings.push(found.hint(fault.hint(path)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_names_and_values() {
        assert_eq!(variable("SITE=north"), Ok(("SITE", "north")));
        assert_eq!(variable("_a1=x=y z"), Ok(("_a1", "x=y z")));
        assert_eq!(variable("EMPTY="), Ok(("EMPTY", "")));
        for wrong in ["SITE", "=x", "1A=x", "A-B=x", "A B=x", "A=\0", ""] {
            assert!(variable(wrong).is_err(), "{wrong:?}");
        }
    }
}
