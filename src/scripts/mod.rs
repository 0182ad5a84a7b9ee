//! pppd's scripts: programs of the operator's that are started when a session comes and goes, with
//! the arguments and the environment that pppd gives them, so that those written for it go on working.
//!
//! | script | when | waited for |
//! | --- | --- | --- |
//! | auth-up | the user has logged in | no |
//! | ip-pre-up | before the client may send | yes, up to the time limit |
//! | ip-up | the session carries traffic | no |
//! | ip-down | it no longer does | no |
//! | auth-down | the session has ended | no |
//!
//! Those of one session run one after the other in the order of what happened ([`queue`]); those of
//! different sessions side by side. [`process`] runs one, [`environment`] says what it is told, and
//! [`permissions`] which files are fit to be run as root.

pub mod environment;
pub mod permissions;
pub mod process;
pub mod queue;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{debug, warn};

use crate::io::error::told;

use self::environment::{Subject, Words};
use self::process::Outcome;

/// Which script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The user has logged in.
    AuthUp,
    /// Before the session carries traffic.
    IpPreUp,
    /// The session carries traffic.
    IpUp,
    /// It no longer does.
    IpDown,
    /// The session of a user who had logged in has ended.
    AuthDown,
}

impl Kind {
    /// All of them, in the order in which a session runs them.
    pub const ALL: [Self; 5] = [
        Self::AuthUp,
        Self::IpPreUp,
        Self::IpUp,
        Self::IpDown,
        Self::AuthDown,
    ];

    /// The name of pppd's file, and of the setting.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthUp => "auth-up",
            Self::IpPreUp => "ip-pre-up",
            Self::IpUp => "ip-up",
            Self::IpDown => "ip-down",
            Self::AuthDown => "auth-down",
        }
    }
}

/// The scripts of a server.
#[derive(Debug, Clone, Default)]
pub struct Scripts {
    paths: Vec<(Kind, PathBuf)>,
    limit: Duration,
    words: Words,
}

impl Scripts {
    /// Those of `paths`. One that takes longer than `limit` is ended; `words` are what the operator
    /// wants all of them to be told.
    pub fn new(
        paths: impl IntoIterator<Item = (Kind, PathBuf)>,
        limit: Duration,
        words: Words,
    ) -> Self {
        Self {
            paths: paths.into_iter().collect(),
            limit,
            words,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The file of one, if there is one.
    pub fn path(&self, kind: Kind) -> Option<&Path> {
        let mut paths = self.paths.iter();
        paths
            .find(|(other, _)| *other == kind)
            .map(|(_, path)| path.as_path())
    }

    /// Runs one for a session and waits for its end, at most as long as the time limit says. One
    /// that there is not is no error, and what becomes of the others is for the log: a session
    /// does not end of a script that fails, with pppd neither.
    pub fn run(&self, kind: Kind, subject: &Subject) {
        let Some(path) = self.path(kind) else {
            return;
        };
        // It may have changed since the start.
        if let Err(fault) = permissions::judge(path) {
            warn!("{} is not run: {fault}", path.display());
            return;
        }
        let arguments = subject.arguments(kind, &self.words);
        let variables = subject.variables(kind, &self.words);
        let (name, session) = (kind.name(), subject.session);
        match process::run(path, &arguments, &variables, self.limit) {
            Outcome::Ended(status) if status.success() => debug!(name, session, "script done"),
            Outcome::Ended(status) => {
                let path = path.display();
                warn!(session, "{path} has failed: {status}");
            }
            Outcome::Killed => {
                let (path, limit) = (path.display(), self.limit);
                warn!(
                    session,
                    "{path} was ended with all it had started, as it took longer than {limit:?} \
                     (scripts.timeout)"
                );
            }
            Outcome::NotStarted(error) => {
                let (path, error) = (path.display(), told(&error));
                warn!(session, "{path} cannot be started: {error}");
            }
        }
    }
}
