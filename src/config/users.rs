//! The users of both files, and what is wrong with them in view of the settings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use super::model::{Authentication, Config};
use crate::compat::chap_secrets::{self, ChapSecrets, Kind, Name, Record, Rules, Stored};
use crate::diagnostic::{Diagnostic, Place};

/// Everybody who may log in.
#[derive(Debug, Default)]
pub struct Users {
    /// Those of `ppp.secrets`.
    pub chap: ChapSecrets,
    /// Those of `ppp.pap-secrets`, if there is one: nobody else comes in with PAP then.
    pub pap: Option<ChapSecrets>,
}

impl Users {
    /// Reads the files that the settings name; none if one of them cannot be read.
    pub fn load(config: &Config, findings: &mut Vec<Diagnostic>) -> Option<Self> {
        let (ppp, insecure) = (&config.ppp, config.secrets.insecure_permissions);
        let rules = |kind| Rules { kind, insecure };
        let chap = chap_secrets::load(&ppp.secrets, rules(Kind::Chap), findings);
        let any_password = ppp.weak_pap_without_password;
        let pap = match &ppp.pap_secrets {
            Some(path) => Some(chap_secrets::load(
                path,
                rules(Kind::Pap { any_password }),
                findings,
            )?),
            None => None,
        };
        Some(Self { chap: chap?, pap })
    }

    /// The file that counts for whoever shows the password itself, or for everybody else.
    pub fn for_method(&self, is_pap: bool) -> &ChapSecrets {
        match &self.pap {
            Some(pap) if is_pap => pap,
            _ => &self.chap,
        }
    }

    /// All records, first those of `ppp.secrets`.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        let pap = self.pap.iter().flat_map(ChapSecrets::records);
        self.chap.records().iter().chain(pap)
    }

    /// The addresses that belong to one user each: never lent to others. Only users of the server
    /// called `server` count: pptpd and others may share the file, and serve theirs themselves.
    pub fn fixed_addresses(&self, server: &[u8]) -> BTreeSet<IpAddr> {
        let usable = |record: &&Record| record.server.admits(server);
        let fixed = |record: &Record| record.terms.addresses.fixed();
        self.records().filter(usable).filter_map(fixed).collect()
    }

    /// Whether a file is not what it was when it was read.
    pub fn has_changed(&self) -> bool {
        self.chap.has_changed() || self.pap.as_ref().is_some_and(ChapSecrets::has_changed)
    }

    /// Takes the files for read as they are now, so that they count as changed only when they
    /// change once more.
    pub fn keep(&mut self) {
        self.chap.keep();
        if let Some(pap) = &mut self.pap {
            pap.keep();
        }
    }

    /// What only shows when users, server name and pool are looked at together.
    pub(super) fn judge(&self, config: &Config, findings: &mut Vec<Diagnostic>) {
        let mut fixed = Fixed::new();
        judge_file(
            config,
            &config.ppp.secrets,
            &self.chap,
            &mut fixed,
            findings,
        );
        if let (Some(users), Some(path)) = (&self.pap, &config.ppp.pap_secrets) {
            judge_file(config, path, users, &mut fixed, findings);
        }
    }
}

/// Fixed addresses: whose each is, and where that is written. The first two users are enough to
/// know somebody else than any of them.
type Fixed = BTreeMap<IpAddr, Vec<(Name, Place)>>;

fn judge_file(
    config: &Config,
    path: &Path,
    users: &ChapSecrets,
    fixed: &mut Fixed,
    findings: &mut Vec<Diagnostic>,
) {
    let file = Place::file(path);
    let name = &config.ppp.name;
    let usable = |record: &&Record| record.server.admits(name.as_bytes());
    if !users.records().iter().any(|record| usable(&record)) {
        let message = format!("no user is for the server {name:?}");
        let hint = format!("the second column must be {name:?} or *, see ppp.name");
        findings.push(Diagnostic::warning(file.clone(), message).hint(hint));
    }
    for record in users.records().iter().filter(usable) {
        let place = file.at_line(record.line);
        judge_secret(config, record, &place, findings);
        judge_addresses(config, record, &place, fixed, findings);
    }
}

fn judge_secret(config: &Config, record: &Record, place: &Place, findings: &mut Vec<Diagnostic>) {
    let methods = &config.ppp.authentication;
    let is_hash = matches!(record.secret, Stored::NtHash(_));
    if is_hash && methods.contains(&Authentication::Chap) {
        let message = format!(
            "{} cannot log in with CHAP-MD5, which needs the password: here is its NT hash",
            record.user
        );
        let hint = "take \"chap\" out of ppp.authentication, or store the password";
        findings.push(Diagnostic::warning(place.clone(), message).hint(hint));
    }
}

fn judge_addresses(
    config: &Config,
    record: &Record,
    place: &Place,
    fixed: &mut Fixed,
    findings: &mut Vec<Diagnostic>,
) {
    let (policy, user) = (&record.terms.addresses, &record.user);
    let mut warn = |message: String, hint: &str| {
        findings.push(Diagnostic::warning(place.clone(), message).hint(hint));
    };
    let pool = &config.pool;
    let Some(address) = policy.fixed() else {
        let permitted = |range: &super::AddressRange| policy.permits_any(range.first, range.last);
        if !policy.permits_nothing()
            && !pool.ranges.is_empty()
            && !pool.ranges.iter().any(permitted)
        {
            let message = format!("no address of the pool is permitted to {user}");
            let hint = "name a single address, or a network that holds the pool";
            warn(message, hint);
        }
        return;
    };
    if address == pool.local {
        let message = format!("{address} of {user} is the server's own (pool.local)");
        warn(message, "take another one");
    }
    let owners = fixed.entry(address).or_default();
    if let Some((_, elsewhere)) = owners.iter().find(|(owner, _)| owner != user) {
        let message = format!("{address} of {user} is fixed for another user in {elsewhere}");
        let hint = "only one of the two can be connected at a time";
        warn(message, hint);
    }
    if pool.ranges.iter().any(|range| range.contains(address)) {
        let message = format!("{address} of {user} is inside pool.ranges");
        let hint = "it is taken out of them, and lent to nobody else";
        findings.push(Diagnostic::note(place.clone(), message).hint(hint));
    }
    if owners.len() < 2 && owners.iter().all(|(owner, _)| owner != user) {
        owners.push((user.clone(), place.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_users_of_other_servers_are_not_ours() {
        let text = b"bob l2tpd pw 10.9.0.7\nbob pptpd pw 192.168.1.50\nann * pw 10.9.0.8\n";
        let place = Place::default_value();
        let chap = chap_secrets::parse(&place, text, Rules::default(), &mut Vec::new());
        let fixed = Users { chap, pap: None }.fixed_addresses(b"l2tpd");
        let expected = ["10.9.0.7", "10.9.0.8"].map(|address| address.parse::<IpAddr>().unwrap());
        assert_eq!(fixed, BTreeSet::from(expected));
    }
}
