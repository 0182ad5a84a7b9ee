//! Questions and orders to the running server, over its control socket.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{ConfigFile, Failure};
use crate::config::{Config, Sources, load};
use crate::control::{Request, Response, ask};
use crate::diagnostic::Diagnostic;

const PATIENCE: Duration = Duration::from_secs(15);

/// How to reach the running server, and how to show what it says.
#[derive(Debug, Args)]
pub struct Asking {
    #[command(flatten)]
    #[allow(
        missing_docs,
        reason = "documented at its type; clap would show it as the help"
    )]
    pub config: ConfigFile,
    /// Control socket of the server [default: control.socket of the configuration]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Print everything as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Asking {
    /// Where everything that is not on the command line comes from.
    pub fn sources(&self) -> Sources {
        Sources::of_process(self.config.file.clone())
    }

    /// What the server answers; its refusals are failures.
    pub(super) fn ask(&self, sources: &Sources, request: &Request) -> Result<Response, Failure> {
        let response = ask(&self.path(sources)?, request, PATIENCE)
            .map_err(|error| Failure::Failed(error.to_string()))?;
        match response {
            Response::Error { message } => Err(Failure::Failed(message)),
            Response::Refused { findings } => Err(Failure::Configuration(findings)),
            answer => Ok(answer),
        }
    }

    /// The socket that is named, or configured. A user who may not read the usual configuration can
    /// still be in the socket's group, so that it means the default then. Any other that cannot be
    /// used may be that of a second server: an order for it must not go to the first.
    fn path(&self, sources: &Sources) -> Result<PathBuf, Failure> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        let loaded = load(sources);
        let config = match loaded.config {
            Some(config) => config,
            None if sources.file.is_none() && is_withheld(&loaded.findings) => Config::default(),
            None => return Err(Failure::Configuration(loaded.findings)),
        };
        config.control.socket.ok_or_else(|| {
            Failure::Failed("the control socket is turned off (control.socket is \"\")".to_owned())
        })
    }

    /// Writes `value` as JSON if that is wanted, else `text`.
    pub(super) fn show(
        &self,
        out: &mut dyn Write,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let written = if self.json {
            serde_json::to_writer_pretty(&mut *out, value)
                .map_err(std::io::Error::from)
                .and_then(|()| writeln!(out))
        } else {
            write!(out, "{}", text())
        };
        written.map_err(|error| Failure::Failed(format!("standard output: {error}")))
    }
}

/// Whether nothing is wrong with the configuration but that this user may not read it.
pub(super) fn is_withheld(findings: &[Diagnostic]) -> bool {
    let mut errors = findings.iter().filter(|found| found.is_error());
    errors.all(|found| {
        let opened = File::open(&found.place.file);
        opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    })
}

/// An answer that is none to what was asked.
pub(super) fn unexpected(answer: &Response) -> Failure {
    Failure::Failed(format!("the server answered something else: {answer:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_named_configured_or_off() {
        let mut asking = Asking {
            config: ConfigFile { file: None },
            socket: Some("/x".into()),
            json: false,
        };
        let environment = |value: &str| Sources {
            file: None,
            environment: vec![("ADIT_CONTROL__SOCKET".to_owned(), value.to_owned())],
        };
        let path = |asking: &Asking, value| asking.path(&environment(value));
        assert_eq!(path(&asking, "/y").unwrap(), PathBuf::from("/x"));
        asking.socket = None;
        assert_eq!(path(&asking, "/y").unwrap(), PathBuf::from("/y"));
        assert_eq!(path(&asking, "").unwrap_err().exit_code(), 1);
    }

    /// The default could be the socket of another server.
    #[test]
    fn a_broken_configuration_names_no_socket() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("adit.toml");
        let text = "[ppp]\nmru = \"x\"\n[control]\nsocket = \"/run/b.sock\"\n";
        std::fs::write(&file, text).unwrap();
        let missing = folder.path().join("adit.tmol");
        for (file, complaint) in [(file, "mru"), (missing, "there is no such file")] {
            let asking = Asking {
                config: ConfigFile { file: None },
                socket: None,
                json: false,
            };
            let sources = Sources {
                file: Some(file),
                environment: Vec::new(),
            };
            let failure = asking.path(&sources).unwrap_err();
            assert_eq!(failure.exit_code(), 2);
            assert!(failure.to_string().contains(complaint), "{failure}");
        }
    }
}
