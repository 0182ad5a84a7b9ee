//! `adit user`: adds, changes, removes and lists the users of a file in the form of pppd. A running
//! server sees the change at the next login.

mod file;
mod list;
mod password;
mod unlock;

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ppp::mschapv2::NtHash;
use wire::Secret;
use zeroize::Zeroizing;

use self::file::Locked;
pub use self::password::Input;
pub use self::unlock::Unlock;
use super::asking::is_withheld;
use super::{ConfigFile, Failure};
use crate::compat::chap_secrets::edit::{self, Editor, Refused, Wish};
use crate::compat::chap_secrets::{Name, Rules, Stored, write};
use crate::config::{Config, Sources, load};

/// `adit user`
#[derive(Debug, Args)]
pub struct User {
    /// What to do with them.
    #[command(subcommand)]
    pub verb: Verb,
}

/// `adit user …`
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Add a user; the password is asked for, or read from standard input
    Add {
        /// Name of the user
        #[arg(value_name = "NAME")]
        name: OsString,
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        file: UsersFile,
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        password: Password,
        /// Inner address the user may have: * for one of the pool, a.b.c.d, a.b.c.d/n, or with ! in
        /// front one that is refused; may be repeated [default: *]
        #[arg(long = "address", value_name = "WORD")]
        addresses: Vec<String>,
        /// Take a name that pppd does not find in this file: one with anything but printable ASCII
        #[arg(long)]
        not_for_pppd: bool,
    },
    /// Change the password or the addresses of a user
    Set {
        /// Name of the user
        #[arg(value_name = "NAME")]
        name: OsString,
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        file: UsersFile,
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        password: Password,
        /// Inner addresses the user may have from now on; without a word about the password that
        /// stays as it is
        #[arg(long = "address", value_name = "WORD")]
        addresses: Vec<String>,
    },
    /// Remove a user
    Remove {
        /// Name of the user
        #[arg(value_name = "NAME")]
        name: OsString,
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        file: UsersFile,
    },
    /// Let a user, an address or all log in again at once who have to wait after failures
    Unlock(Unlock),
    /// Show the users, without their passwords
    List {
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        file: UsersFile,
        /// Print everything as one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Which file, and which of its records.
#[derive(Debug, Clone, Args)]
pub struct UsersFile {
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub config: ConfigFile,
    /// File of users [default: ppp.secrets of the configuration]
    #[arg(id = "users_file", long = "file", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Server the user is for, * for any [default: ppp.name of the configuration]
    #[arg(long, value_name = "NAME")]
    pub server: Option<OsString>,
}

/// Where a password comes from. Never from an argument.
#[derive(Debug, Clone, Args)]
pub struct Password {
    /// File whose first line is the password; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    pub password_file: Option<PathBuf>,
    /// Make up a password and print it, this once
    #[arg(long)]
    pub generate: bool,
    /// Store only the NT hash of the password: such a user cannot log in with CHAP-MD5, and pppd does
    /// not understand the hash
    #[arg(long)]
    pub nt_hash: bool,
}

impl Password {
    fn is_given(&self) -> bool {
        self.password_file.is_some() || self.generate || self.nt_hash
    }
}

/// The file and the server that are meant.
struct Target {
    path: PathBuf,
    server: Name,
    rules: Rules,
    config: Config,
}

/// Does what is asked. Passwords that are not in a file come from `input`.
///
/// # Errors
/// Wrong words, a file that is not as it must be, or one that cannot be written.
pub fn run(
    user: &User,
    environment: Vec<(String, String)>,
    input: &mut Input<'_>,
    rng: &mut wire::Rng,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut say = |text: &str| {
        writeln!(out, "{text}")
            .map_err(|error| Failure::Failed(format!("standard output: {error}")))
    };
    match &user.verb {
        Verb::Add {
            name,
            file,
            password,
            addresses,
            not_for_pppd,
        } => {
            let (name, target) = (user_name(name)?, Target::of(file, environment)?);
            if !not_for_pppd && !write::is_found_by_pppd(name.as_bytes()) {
                return Err(Failure::Usage(format!(
                    "{}: pppd does not find this name, because it looks for names as it would print \
                     them. Take printable ASCII, or --not-for-pppd if only adit reads the file",
                    shown(name.as_bytes())
                )));
            }
            let addresses = match &addresses[..] {
                [] => vec!["*".to_owned()],
                given => given.to_vec(),
            };
            target.check_addresses(&addresses)?;
            let (secret, made) = password::read(password, input, rng)?;
            let stored = stored(secret, password.nt_hash);
            file::create(&target.path).map_err(|error| unusable(&target.path, &error))?;
            target.change(&name, |editor| {
                editor.add(name.as_bytes(), &target.server, &stored, &addresses)
            })?;
            let file = target.path.display();
            say(&format!("{} is in {file} now", shown(name.as_bytes())))?;
            tell(made.as_ref(), &mut say)
        }
        Verb::Set {
            name,
            file,
            password,
            addresses,
        } => {
            let (name, target) = (user_name(name)?, Target::of(file, environment)?);
            target.check_addresses(addresses)?;
            let read = match password.is_given() || addresses.is_empty() {
                true => Some(password::read(password, input, rng)?),
                false => None,
            };
            let (secret, made) = read.map_or((None, None), |(secret, made)| (Some(secret), made));
            let stored = secret.map(|secret| stored(secret, password.nt_hash));
            let wish = Wish {
                secret: stored.as_ref(),
                addresses: (!addresses.is_empty()).then_some(&addresses[..]),
            };
            target.change(&name, |editor| {
                editor.set(name.as_bytes(), &target.server, &wish)
            })?;
            let file = target.path.display();
            say(&format!("{} is changed in {file}", shown(name.as_bytes())))?;
            tell(made.as_ref(), &mut say)
        }
        Verb::Remove { name, file } => {
            let (name, target) = (user_name(name)?, Target::of(file, environment)?);
            let mut gone = 0;
            target.change(&name, |editor| {
                let (text, number) = editor.remove(name.as_bytes(), &target.server)?;
                gone = number;
                Ok(text)
            })?;
            let records = super::output::count(gone, "record");
            let (file, user) = (target.path.display(), shown(name.as_bytes()));
            say(&format!("{user} is no longer in {file} ({records})"))?;
            target.warn_of_others(&name, &mut say)
        }
        Verb::Unlock(unlock) => unlock.run(environment, out),
        Verb::List { file, json } => {
            // What is only shown is at nobody's cost.
            let target = match Target::of(file, environment) {
                Err(_) if file.file.is_some() && file.config.file.is_none() => {
                    Target::with(file, Config::default())?
                }
                target => target?,
            };
            let bytes = file::read(&target.path).map_err(|error| unusable(&target.path, &error))?;
            let editor = Editor::new(&bytes, target.rules);
            say(&list::text(&target.path, editor.users(), *json))
        }
    }
}

/// A password that was made up is shown, this once.
fn tell(
    made: Option<&Zeroizing<String>>,
    say: &mut dyn FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match made {
        Some(password) => say(&Zeroizing::new(format!("password: {}", password.as_str()))),
        None => Ok(()),
    }
}

fn stored(password: Secret, as_hash: bool) -> Stored {
    match as_hash {
        true => Stored::NtHash(NtHash::of(&password)),
        false => Stored::Password(password),
    }
}

fn user_name(name: &OsString) -> Result<OsString, Failure> {
    write::check_name(name.as_bytes())
        .map_err(|why| Failure::Usage(format!("the name of the user {why}")))?;
    Ok(name.clone())
}

/// A name as it may stand in a message.
fn shown(name: &[u8]) -> String {
    ppp::UserName::new(name).map_or_else(|| "the user".to_owned(), |name| name.to_string())
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    let what = match error.kind() {
        std::io::ErrorKind::PermissionDenied => "this user may not change it; run with sudo".into(),
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        _ => error.to_string(),
    };
    Failure::Failed(format!("{}: {what}", path.display()))
}

impl Target {
    fn of(file: &UsersFile, environment: Vec<(String, String)>) -> Result<Self, Failure> {
        let loaded = load(&Sources {
            file: file.config.file.clone(),
            environment,
        });
        let config = match loaded.config {
            Some(config) => config,
            // Whoever names the file and the server needs no configuration.
            None if file.file.is_some()
                && file.server.is_some()
                && file.config.file.is_none()
                && is_withheld(&loaded.findings) =>
            {
                Config::default()
            }
            None => return Err(Failure::Configuration(loaded.findings)),
        };
        Self::with(file, config)
    }

    fn with(file: &UsersFile, config: Config) -> Result<Self, Failure> {
        let server = match &file.server {
            None => Name::Exact(config.ppp.name.as_bytes().into()),
            Some(name) if name == "*" => Name::Any,
            Some(name) => {
                write::check_name(name.as_bytes())
                    .map_err(|why| Failure::Usage(format!("the name of the server {why}")))?;
                Name::Exact(name.as_bytes().into())
            }
        };
        let path = file.file.as_ref().unwrap_or(&config.ppp.secrets);
        Ok(Self {
            path: path.clone(),
            server,
            rules: Rules {
                insecure: config.secrets.insecure_permissions,
                ..Rules::default()
            },
            config,
        })
    }

    fn check_addresses(&self, words: &[String]) -> Result<(), Failure> {
        for word in words {
            edit::check_address(word)
                .map_err(|why| Failure::Usage(format!("--address {word}: {why}")))?;
            if *word == self.config.pool.local.to_string() {
                let message = format!("--address {word}: this is the server's own (pool.local)");
                return Err(Failure::Usage(message));
            }
        }
        Ok(())
    }

    /// Changes the file under its lock.
    fn change(
        &self,
        name: &OsString,
        change: impl FnOnce(&Editor<'_>) -> Result<Zeroizing<Vec<u8>>, Refused>,
    ) -> Result<(), Failure> {
        let locked = Locked::open(&self.path).map_err(|error| unusable(&self.path, &error))?;
        let text = change(&Editor::new(locked.text(), self.rules)).map_err(|why| {
            let (file, name) = (self.path.display(), shown(name.as_bytes()));
            Failure::Failed(format!("{file}: {name} {why}"))
        })?;
        locked
            .replace(&text)
            .map_err(|error| unusable(&self.path, &error))
    }

    /// A user who is removed may still come in by a record for everybody.
    fn warn_of_others(
        &self,
        name: &OsString,
        say: &mut dyn FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let bytes = file::read(&self.path).map_err(|error| unusable(&self.path, &error))?;
        let editor = Editor::new(&bytes, self.rules);
        let server = match &self.server {
            Name::Any => self.config.ppp.name.as_bytes(),
            Name::Exact(server) => server,
        };
        match editor.users().lookup(name.as_bytes(), server) {
            Some(record) => say(&format!(
                "line {} still lets in whoever knows its password, under this name too",
                record.line
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
