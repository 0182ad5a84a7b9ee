//! Who may log in: name and password, and whether the pre-shared key is one for this user.
//!
//! The files of users count as they are at each login. To look whether they have changed costs little,
//! and they are read again only then.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::{Cause, Login, Verdict};
use ppp::auth::Check;
use ppp::{Exchange, UserName};
use tracing::{info, warn};
use wire::Instant;

use crate::compat::chap_secrets::{ChapSecrets, Judgement, Name, Record};
use crate::config::{self, Bundle, Config, NamedKey};
use crate::diagnostic::{Diagnostic, Severity, any_error};
use crate::io::clock;

/// Between two tries to read files again that cannot be read.
const AGAIN: Duration = Duration::from_secs(60);

/// What decides about logins.
#[derive(Debug)]
pub(super) struct Users {
    users: config::Users,
    /// What names the files.
    settings: Config,
    /// The second column of the users' file.
    server: String,
    /// The keys that have users of their own, by name.
    bound: BTreeMap<String, NamedKey>,
    /// A user whom one of them names may use no other key.
    own_key_only: bool,
    /// When the files could not be read again last, and what was said of it.
    stale: Option<(Instant, String)>,
}

impl Users {
    /// The users and keys of `bundle`, for a server called `name`.
    pub(super) fn new(bundle: Bundle, name: &str) -> Self {
        let bound = bundle.named_keys.into_iter();
        let bound = bound.filter(|key| key.users.is_some());
        Self {
            users: bundle.users,
            server: name.to_owned(),
            bound: bound.map(|key| (key.name.clone(), key)).collect(),
            own_key_only: bundle.config.ipsec.own_key_only,
            settings: bundle.config,
            stale: None,
        }
    }

    /// The addresses fixed for users, as they were read last.
    pub(super) fn fixed_addresses(&self) -> BTreeSet<IpAddr> {
        self.users.fixed_addresses(self.server.as_bytes())
    }

    /// Reads the files again if they have changed; whether there are other users now. When they cannot
    /// be read, those of before count on, which is said once, and it is tried again later: what was
    /// missing may be a descriptor.
    pub(super) fn refresh(&mut self) -> bool {
        let now = clock::now();
        let due = |(at, _): &(Instant, _)| now - *at >= AGAIN;
        if !self.users.has_changed() && !self.stale.as_ref().is_some_and(due) {
            return false;
        }
        let mut findings = Vec::new();
        let read = config::Users::load(&self.settings, &mut findings);
        match read.filter(|_| !any_error(&findings)) {
            Some(users) => {
                self.stale = None;
                self.users = users;
                info!(users = self.users.records().count(), "users read again");
                findings.iter().for_each(log);
                true
            }
            None => {
                findings.retain(Diagnostic::is_error);
                let why: Vec<String> = findings.iter().map(ToString::to_string).collect();
                let why = why.join("; ");
                if self.stale.as_ref().is_none_or(|(_, told)| *told != why) {
                    warn!("the users cannot be read again, and those of before count on: {why}");
                }
                self.users.keep();
                self.stale = Some((now, why));
                false
            }
        }
    }

    pub(super) fn judge(&self, login: &Login) -> Verdict {
        let (user, server) = (&login.request.user, self.server.as_bytes());
        let exchange = &login.request.exchange;
        let secrets = self
            .users
            .for_method(matches!(exchange, Exchange::Pap { .. }));
        let reject = |cause, why: &str| Verdict::Reject {
            cause,
            why: why.to_owned(),
        };
        let Some((record, name)) = record_of(secrets, user, server) else {
            return reject(Cause::UnknownUser, "no such user");
        };
        let proof = match record.secret.check(exchange, user) {
            Judgement::Compared(Check::Passed(proof)) => proof,
            Judgement::Compared(Check::Failed) => {
                return reject(Cause::WrongPassword, "wrong password");
            }
            Judgement::NeedsPassword => {
                let why = "the users' file has the NT hash of the password, and CHAP-MD5 needs the \
                           password itself";
                return reject(Cause::PasswordHashed, why);
            }
        };
        // After the password: nobody learns who may use a key without being somebody.
        if let Err(why) = self.check_key(&login.key, name) {
            return reject(Cause::KeyOfAnotherUser, &why);
        }
        if record.terms.addresses.permits_nothing() {
            return reject(
                Cause::NoAddressPermitted,
                "the users' file permits no address",
            );
        }
        Verdict::Accept {
            account: UserName::new(name).unwrap_or_else(|| user.clone()),
            proof,
            terms: Arc::clone(&record.terms),
        }
    }

    /// Whether `user` may log in with the key called `label`; the error is a clause for the log.
    fn check_key(&self, label: &str, user: &[u8]) -> Result<(), String> {
        match self.bound.get(label) {
            Some(key) if key.names(user) => Ok(()),
            Some(_) => Err(format!(
                "the pre-shared key \"{label}\" is not for this user: enter the user's own key in \
                 the client, or add the user to that [[psk]]"
            )),
            None if !self.own_key_only => Ok(()),
            None => match self.bound.values().find(|key| key.names(user)) {
                None => Ok(()),
                Some(own) => Err(format!(
                    "the pre-shared key {label} is for anybody, but this user has the key \"{}\": \
                     enter that one in the client, or set ipsec.own-key-only = false",
                    own.name
                )),
            },
        }
    }
}

/// Notes are for `adit check`.
pub(super) fn log(finding: &Diagnostic) {
    match finding.severity {
        Severity::Note => {}
        Severity::Warning | Severity::Error => warn!("{finding}"),
    }
}

/// The record that counts for a user, and the user's name as it has it. Windows sends DOMAIN\user,
/// and the file mostly has the user alone; one that names the user either way counts before one for
/// everybody.
fn record_of<'a>(
    secrets: &'a ChapSecrets,
    user: &'a UserName,
    server: &[u8],
) -> Option<(&'a Record, &'a [u8])> {
    let find = |name: &'a [u8]| Some((secrets.lookup(name, server)?, name));
    let names_one = |(record, _): &(&Record, &[u8])| record.user != Name::Any;
    let (whole, bare) = (find(user.as_bytes()), find(user.without_domain()));
    whole.filter(names_one).or(bare.filter(names_one)).or(whole)
}

#[cfg(test)]
mod tests {
    use wire::Secret;

    use super::*;
    use crate::compat::chap_secrets;
    use crate::diagnostic::Place;

    fn users(own_key_only: bool) -> Users {
        let key = |name: &str, users: &[&str]| NamedKey {
            name: name.to_owned(),
            secret: Secret::from(name.as_bytes()),
            users: Some(users.iter().map(|user| user.parse().unwrap()).collect()),
            from: Vec::new(),
            place: Place::default_value(),
        };
        let keys = [key("sales", &["alice", "sales-*"]), key("boss", &["bob"])];
        Users {
            users: config::Users::default(),
            settings: Config::default(),
            server: "l2tpd".to_owned(),
            bound: keys
                .into_iter()
                .map(|key| (key.name.clone(), key))
                .collect(),
            own_key_only,
            stale: None,
        }
    }

    #[test]
    fn a_user_is_found_with_a_domain_and_without() {
        let text = b"ann l2tpd a *\nCORP\\\\bob l2tpd b *\nbob l2tpd c *\n* l2tpd d *\n";
        let rules = chap_secrets::Rules::default();
        let place = Place::default_value();
        let secrets = chap_secrets::parse(&place, text, rules, &mut Vec::new());
        for (user, line, name) in [
            ("ann", 1, "ann"),
            ("CORP\\ann", 1, "ann"),
            ("CORP\\bob", 2, "CORP\\bob"),
            ("HOME\\bob", 3, "bob"),
            ("carol", 4, "carol"),
            ("CORP\\carol", 4, "CORP\\carol"),
        ] {
            let user = UserName::from(user);
            let (record, found) = record_of(&secrets, &user, b"l2tpd").unwrap();
            assert_eq!((record.line, found), (line, name.as_bytes()), "{user}");
        }
    }

    #[test]
    fn a_bound_key_is_for_its_users_only() {
        for own_key_only in [false, true] {
            let users = users(own_key_only);
            for user in ["alice", "sales-", "sales-anne"] {
                assert_eq!(users.check_key("sales", user.as_bytes()), Ok(()), "{user}");
            }
            for user in ["bob", "carol", "Alice", "alice2", ""] {
                let why = users.check_key("sales", user.as_bytes()).unwrap_err();
                assert!(why.contains("\"sales\" is not for this user"), "{why}");
            }
        }
    }

    #[test]
    fn a_key_for_anybody_is_for_everybody_unless_said_otherwise() {
        let lax = users(false);
        let strict = users(true);
        for user in ["alice", "bob", "carol"] {
            assert_eq!(lax.check_key("ipsec.secrets:1", user.as_bytes()), Ok(()));
        }
        assert_eq!(strict.check_key("ipsec.secrets:1", b"carol"), Ok(()));
        let why = strict.check_key("ipsec.secrets:1", b"bob").unwrap_err();
        assert!(why.contains("this user has the key \"boss\""), "{why}");
    }
}
