//! The configuration together with the secrets it names: what `serve` runs on, what `check` reads,
//! and what a reload replaces, all or nothing.

use std::path::Path;

use wire::Secret;
use zeroize::Zeroizing;

use super::key_choice;
use super::layers::{Loaded, Origins, Sources, load};
use super::model::Config;
use super::psk::{self, NamedKey};
use super::scripts;
use super::users::Users;
use crate::compat::{InsecurePermissions, ipsec_secrets, read_secret_file};
use crate::diagnostic::{Diagnostic, Place, any_error};

/// Everything that was read.
#[derive(Debug)]
pub struct Bundle {
    /// The settings.
    pub config: Config,
    /// The pre-shared keys, in file order.
    pub keys: Vec<ipsec_secrets::Entry>,
    /// The pre-shared keys that have a name, in the order of the settings.
    pub named_keys: Vec<NamedKey>,
    /// The users.
    pub users: Users,
    /// The secret of L2TP tunnel authentication, if there is a file for it.
    pub tunnel_secret: Option<Secret>,
}

impl Bundle {
    /// Reads all of it. The bundle is there if no finding is an error; warnings come either way.
    pub fn load(sources: &Sources) -> (Option<Self>, Vec<Diagnostic>) {
        let Loaded {
            config,
            origins,
            mut findings,
            ..
        } = load(sources);
        // Without settings the names of the other files are unknown, and reading those of the
        // defaults would complain about files nobody meant.
        let Some(config) = config else {
            return (None, findings);
        };
        let insecure = config.secrets.insecure_permissions;
        let keys = if needs_secrets_file(&config, &origins) {
            ipsec_secrets::load(&config.ipsec.secrets, insecure, &mut findings)
        } else {
            Some(Vec::new())
        };
        scripts::judge(&config.scripts, &origins, &mut findings);
        if let Some(keys) = &keys {
            key_choice::judge(keys, config.ipsec.key_choice, &config.listen, &mut findings);
        }
        let named_keys = psk::load(&config, &origins, &mut findings);
        let users = Users::load(&config, &mut findings);
        let tunnel_secret = config
            .l2tp
            .secret_file
            .as_deref()
            .and_then(|path| first_line(path, insecure, &mut findings));
        if let Some(keys) = &keys
            && keys.is_empty()
            && config.psk.is_empty()
        {
            let place = Place::file(&config.ipsec.secrets);
            let found = Diagnostic::error(place, "there is no pre-shared key in this file");
            findings.push(found.hint("add a line: %any %any : PSK \"key\""));
        }
        if let Some(users) = &users {
            users.judge(&config, &mut findings);
        }
        if let (Some(keys), Some(users)) = (&keys, &users) {
            psk::judge(&named_keys, keys, users, &mut findings);
        }
        if config.l2tp.secret_file.is_some() && tunnel_secret.is_none() && !any_error(&findings) {
            let place = origins.of("l2tp.secret-file");
            findings.push(Diagnostic::error(
                place,
                "l2tp.secret-file: holds no secret",
            ));
        }
        let bundle = match (keys, users) {
            (Some(keys), Some(users)) if !any_error(&findings) => Some(Self {
                config,
                keys,
                named_keys,
                users,
                tunnel_secret,
            }),
            _ => None,
        };
        (bundle, findings)
    }
}

/// Whether there must be a file of pre-shared keys. One that nobody named may be absent where
/// there are other keys.
fn needs_secrets_file(config: &Config, origins: &Origins) -> bool {
    let path = &config.ipsec.secrets;
    config.psk.is_empty()
        || (!path.as_os_str().is_empty() && (origins.is_written("ipsec.secrets") || path.exists()))
}

/// The first line of a file that holds one secret, without its end.
pub(crate) fn first_line(
    path: &Path,
    insecure: InsecurePermissions,
    findings: &mut Vec<Diagnostic>,
) -> Option<Secret> {
    let bytes: Zeroizing<Vec<u8>> = read_secret_file(path, insecure, findings)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (!line.is_empty()).then(|| Secret::from(line))
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
