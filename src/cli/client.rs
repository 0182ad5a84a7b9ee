//! `adit client`: what a user's device needs to connect.

use std::io::Write;

use clap::Args;

use super::{ConfigFile, Failure};
use crate::config::{Bundle, Sources};
use crate::devices::{Account, Device, server_address, text};

/// `adit client`
#[derive(Debug, Args)]
pub struct ClientSetup {
    /// What the user has
    #[arg(value_enum)]
    pub device: Device,
    /// The user, as in the users' file
    pub user: String,
    /// Name or address of the server [default: listen.public-address, or the address of this host]
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// Put the pre-shared key and the password in; without it they are asked for on the device
    #[arg(long)]
    pub with_secrets: bool,
    #[command(flatten)]
    #[allow(
        missing_docs,
        reason = "documented at its type; clap would show it as the help"
    )]
    pub config: ConfigFile,
}

/// Writes what the device needs to `out`.
///
/// # Errors
/// When the configuration cannot be used, there is no such user, or no telling what the server is
/// called.
pub fn run(
    arguments: &ClientSetup,
    sources: &Sources,
    rng: &mut wire::Rng,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (bundle, findings) = Bundle::load(sources);
    let bundle = bundle.ok_or(Failure::Configuration(findings))?;
    let address = || server_address(&bundle.config).map(|address| address.to_string());
    let Some(server) = arguments.server.clone().or_else(address) else {
        return Err(Failure::Usage(
            "what the server is called cannot be told from here: say it with --server".to_owned(),
        ));
    };
    let account = Account::of_user(&bundle, &arguments.user, &server, arguments.with_secrets)?;
    let text = text(arguments.device, &account, rng).map_err(Failure::Failed)?;
    write!(out, "{}", *text).map_err(|error| Failure::Failed(format!("standard output: {error}")))
}
