//! The command line: what can be typed, and what comes of it. Names are a contract, other things
//! call them. Secrets come from files, standard input or the environment, never from arguments,
//! which every user of a host can read.

pub mod asking;
pub mod check;
pub mod client;
pub mod connect;
pub mod doctor;
pub mod explain;
pub mod import;
pub mod load;
mod output;
mod replace;
pub mod secrets;
pub mod session;
pub mod status;
pub mod user;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub use asking::Asking;
pub use client::ClientSetup;
pub use connect::{Connect, Route};
pub use doctor::Doctor;
pub use load::Load;
pub use session::Session;
pub use status::Status;
pub use user::User;

use crate::config::layers::DEFAULT_FILE;
use crate::diagnostic::Diagnostic;

/// `adit …`
#[derive(Debug, Parser)]
#[command(
    name = "adit",
    version,
    about = "L2TP/IPsec server and client in one process"
)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong use or configuration.")]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server in the foreground
    Serve(Serve),
    /// Make a configuration if there is none, print what to type into clients, and serve
    Quickstart(Quickstart),
    /// Read the configuration and the secrets, and print everything that is wrong with them
    Check(Check),
    /// Make a configuration of the files of xl2tpd, pppd, strongSwan, libreswan and racoon
    Import(import::Arguments),
    /// Examine this host for what would keep clients out, and say what mends it
    Doctor(Doctor),
    /// Show who is connected to the running server
    Status(Status),
    /// Look at single sessions of the running server, or close them
    Session(Session),
    /// Make the running server read its keys and users again
    Reload(Asking),
    /// Add, change, remove and list users
    User(Box<User>),
    /// Say what keeps a client from getting in, by the cause in the log or what the device shows
    Explain(Explain),
    /// Print what a user's device needs to connect: PowerShell lines, a profile, an nmcli call
    Client(ClientSetup),
    /// Connect to a server as a client
    Connect(Box<Connect>),
    /// Load a server of one's own with thousands of clients, and measure how it bears it
    Load(Box<Load>),
    /// Print a manual page, or write all of them into a folder
    Man(Man),
    /// Print what a shell is to read so that it completes commands and options
    Completions(Completions),
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
pub struct ConfigFile {
    /// Configuration file [default: /etc/adit/adit.toml]
    #[arg(long = "config", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

impl ConfigFile {
    /// The file that is meant.
    pub fn path(&self) -> PathBuf {
        self.file
            .clone()
            .unwrap_or_else(|| PathBuf::from(DEFAULT_FILE))
    }
}

/// `adit serve`
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    #[allow(
        missing_docs,
        reason = "documented at its type; clap would show it as the help"
    )]
    pub config: ConfigFile,
}

/// `adit quickstart`
#[derive(Debug, Args)]
pub struct Quickstart {
    /// Where adit.toml, ipsec.secrets and chap-secrets are, or are made; nothing is overwritten
    #[arg(long, value_name = "DIR", default_value = "/etc/adit")]
    pub dir: PathBuf,
    /// Let clients reach what this host reaches: `masquerade = true` in [nat] of the adit.toml made
    #[arg(long)]
    pub masquerade: bool,
}

/// `adit check`
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    #[allow(
        missing_docs,
        reason = "documented at its type; clap would show it as the help"
    )]
    pub config: ConfigFile,
    /// Print the findings as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `adit explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// A cause, the number Windows shows, or words of another device's message; all causes if left out
    #[arg(value_name = "CAUSE|NUMBER|WORDS")]
    pub what: Vec<String>,
    /// Print a JSON array
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print the page docs/errors.md
    #[arg(long, hide = true, conflicts_with = "what")]
    pub markdown: bool,
}

/// `adit man`
#[derive(Debug, Args)]
#[command(after_help = "\
The pages are for man: `adit man serve | man -l -`.")]
pub struct Man {
    /// A command, such as "session list", or "adit.toml"
    #[arg(value_name = "PAGE", default_value = "adit")]
    pub page: Vec<String>,
    /// Write all pages into this folder, which is made if it is not there
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    pub dir: Option<PathBuf>,
}

/// `adit completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Why a command did not do what it was asked. `Display` is the sentence for standard error.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Wrong arguments: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Errors in the configuration or the secrets: exit code 2.
    #[error("{}", output::lines(.0))]
    Configuration(Vec<Diagnostic>),
    /// It was tried: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// It was tried, and the reason is another error: exit code 1.
    #[error(transparent)]
    Error(#[from] anyhow::Error),
}

impl Failure {
    /// 1 failed, 2 wrong use or configuration.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Configuration(_) => 2,
            Self::Failed(_) | Self::Error(_) => 1,
        }
    }

    /// The text for standard error: findings as they are, for editors to jump to; else a sentence
    /// with its causes after the name of the program.
    pub fn report(&self) -> String {
        match self {
            Self::Configuration(_) => self.to_string(),
            Self::Error(error) => format!("adit: {error:#}"),
            _ => format!("adit: {self}"),
        }
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    crate::config::values::parse_duration(text)
}

#[cfg(test)]
mod tests;
