//! What there is to say to a device.

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::cli::Failure;
use crate::compat::ipsec_secrets::Selector;
use crate::config::{Authentication, Bundle, Config, NamedKey, Network};
use crate::io::ports::source_towards;
use wire::Secret;

/// What a device has to know to connect.
#[derive(Clone, Default)]
pub struct Account {
    /// Name or address of the server.
    pub server: String,
    /// The user's name.
    pub user: String,
    /// The pre-shared key; none if it is not to be shown.
    pub key: Option<Zeroizing<String>>,
    /// The password; none if it is not to be shown, or not known.
    pub password: Option<Zeroizing<String>>,
    /// How the server lets users prove who they are.
    pub authentication: Vec<Authentication>,
    /// What goes through the tunnel; empty: everything.
    pub routes: Vec<Network>,
    /// The domain to search; empty: none.
    pub domain: String,
    /// Whether the server lets in clients with nothing but old algorithms.
    pub old_android: bool,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("server", &self.server)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// What a configuration says to everybody, without user and secrets.
    pub fn of_anybody(config: &Config, server: &str) -> Self {
        Self {
            server: server.to_owned(),
            authentication: config.ppp.authentication.clone(),
            routes: config.clients.routes.clone(),
            domain: config.clients.domain.clone(),
            old_android: config.ipsec.legacy.contains(&ike::LegacyOption::Android),
            ..Self::default()
        }
    }

    /// The account of a user, with the user's own pre-shared key if there is one.
    ///
    /// # Errors
    /// When there is no such user. With `with_secrets`: when there is no key that the user can come
    /// with from anywhere, or a secret is not text.
    pub fn of_user(
        bundle: &Bundle,
        user: &str,
        server: &str,
        with_secrets: bool,
    ) -> Result<Self, Failure> {
        let config = &bundle.config;
        let file = config.ppp.secrets.display();
        let name = config.ppp.name.as_bytes();
        let Some(record) = bundle.users.chap.lookup(user.as_bytes(), name) else {
            return Err(Failure::Usage(format!(
                "there is no user {user:?} for the server {:?} in {file}",
                config.ppp.name
            )));
        };
        let mut account = Self {
            user: user.to_owned(),
            ..Self::of_anybody(config, server)
        };
        if with_secrets {
            let Some(key) = key_of(bundle, user.as_bytes()) else {
                return Err(Failure::Failed(format!(
                    "there is no pre-shared key with which {user} could come from anywhere: each of \
                     them is for single addresses or other users"
                )));
            };
            account.key = Some(text_of(key).ok_or_else(|| {
                Failure::Failed(format!(
                    "the pre-shared key of {user} is not text that can be typed"
                ))
            })?);
            account.password =
                Some(record.secret.password().and_then(text_of).ok_or_else(|| {
                    Failure::Failed(format!(
                        "the password of {user} is not known, or no text that can be typed"
                    ))
                })?);
        }
        Ok(account)
    }
}

/// The key for a user who may come from anywhere: the user's own, then one of everybody's.
fn key_of<'a>(bundle: &'a Bundle, user: &[u8]) -> Option<&'a Secret> {
    let own = |key: &&NamedKey, exact: bool| {
        let mut patterns = key.users.iter().flatten();
        key.from.is_empty() && patterns.any(|p| p.admits(user) && (p.is_exact() || !exact))
    };
    let named = &bundle.named_keys;
    let of_user = named
        .iter()
        .find(|key| own(key, true))
        .or_else(|| named.iter().find(|key| own(key, false)));
    let of_all = named
        .iter()
        .find(|key| key.users.is_none() && key.from.is_empty());
    let of_file = bundle
        .keys
        .iter()
        .find(|entry| entry.selectors.is_empty() || entry.selectors.contains(&Selector::Any));
    of_user
        .map(|key| &key.secret)
        .or_else(|| of_file.map(|entry| &entry.secret))
        .or_else(|| of_all.map(|key| &key.secret))
}

/// A secret that can be typed, and put into every form: UTF-8 without control characters.
fn text_of(secret: &Secret) -> Option<Zeroizing<String>> {
    let text = std::str::from_utf8(secret.expose()).ok()?;
    (!text.chars().any(char::is_control)).then(|| Zeroizing::new(text.to_owned()))
}

/// What clients call this server, as far as it can be told from here; none if it cannot.
pub fn server_address(config: &Config) -> Option<IpAddr> {
    let configured = config
        .listen
        .addresses
        .iter()
        .find(|address| !address.is_unspecified());
    config
        .listen
        .public_address
        .or(configured.copied())
        .or_else(own_address)
}

/// The address from which this host talks to the world (RFC 5737's test network stands for it).
pub fn own_address() -> Option<IpAddr> {
    source_towards([192, 0, 2, 1].into()).ok()
}
