//! adit: an L2TP/IPsec server and client in one process.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // See lib.rs.

use std::io::Write;
use std::process::ExitCode;

use adit::cli::{
    Cli, Command, ConfigFile, Failure, check, client as setup, doctor, explain, import, session,
    status, user,
};
use adit::config::{Bundle, Config, Sources};
use adit::devices::{own_address, server_address};
use adit::diagnostic::{Diagnostic, Severity};
use adit::io::confinement;
use adit::{client, load, logging, manual, quickstart, server};
use clap::Parser;

fn main() -> ExitCode {
    adit::panic::end_the_process();
    match run(Cli::parse()) {
        Ok(code) => {
            logging::flush();
            ExitCode::from(code)
        }
        Err(failure) => {
            logging::last_words(&failure.report());
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<u8, Failure> {
    // Whatever is done here, it is done with keys or passwords, or may be.
    confinement::keep_memory_private().map_err(anyhow::Error::from)?;
    let out = &mut std::io::stdout().lock();
    let sources = |config: &ConfigFile| Sources::of_process(config.file.clone());
    match cli.command {
        Command::Serve(arguments) => {
            let sources = sources(&arguments.config);
            let (bundle, findings) = Bundle::load(&sources);
            let Some(bundle) = bundle else {
                return Err(Failure::Configuration(findings));
            };
            log(&bundle.config)?;
            warn(&findings);
            server::serve(bundle, sources)?;
        }
        Command::Quickstart(arguments) => {
            let host = quickstart::Host::of_this(own_address().into_iter().collect());
            let environment = Sources::of_process(None).environment;
            let mut rng = server::generator()?;
            let prepared = quickstart::prepare(
                &arguments.dir,
                &host,
                arguments.masquerade,
                environment,
                &mut rng,
            )?;
            let program = std::env::args().next().unwrap_or_else(|| "adit".to_owned());
            let address = server_address(&prepared.bundle.config).map_or_else(
                || "THE-ADDRESS-OF-THIS-HOST".to_owned(),
                |address| address.to_string(),
            );
            let text = prepared.instructions(&address, &format!("sudo {program}"));
            writeln!(out, "{text}").map_err(anyhow::Error::from)?;
            log(&prepared.bundle.config)?;
            warn(&prepared.findings);
            let sources = Sources::of_process(Some(prepared.file));
            server::serve(prepared.bundle, sources)?;
        }
        Command::Check(arguments) => {
            let code = check::run(&arguments, &sources(&arguments.config), out);
            return Ok(code.map_err(anyhow::Error::from)?);
        }
        Command::Import(arguments) => {
            return import::run(&arguments, out, &mut std::io::stderr().lock());
        }
        Command::Doctor(arguments) => {
            let code = doctor::run(&arguments, &sources(&arguments.config), out);
            return Ok(code.map_err(anyhow::Error::from)?);
        }
        Command::Status(status) => status::run(&status, &status.asking.sources(), out)?,
        Command::Session(command) => session::run(&command, &command.asking().sources(), out)?,
        Command::Reload(asking) => session::reload(&asking, &asking.sources(), out)?,
        Command::User(command) => {
            use std::io::IsTerminal;
            let stdin = std::io::stdin();
            let mut lock;
            let mut input = match stdin.is_terminal() {
                true => user::Input::Terminal,
                false => {
                    lock = stdin.lock();
                    user::Input::Reader(&mut lock)
                }
            };
            let environment = Sources::of_process(None).environment;
            let mut rng = server::generator()?;
            user::run(&command, environment, &mut input, &mut rng, out)?;
        }
        Command::Explain(arguments) => explain::run(&arguments, out)?,
        Command::Completions(arguments) => manual::completions(&arguments, out)?,
        Command::Man(arguments) => manual::man(&arguments, out)?,
        Command::Client(arguments) => {
            let sources = sources(&arguments.config);
            setup::run(&arguments, &sources, &mut server::generator()?, out)?;
        }
        Command::Connect(arguments) => {
            log(&Config::default())?;
            client::connect(&arguments)?;
        }
        Command::Load(arguments) => {
            log(&Config::default())?;
            return load::load(&arguments, out);
        }
    }
    Ok(0)
}

fn log(config: &Config) -> Result<(), Failure> {
    let options = logging::Options::of_process(&config.log.level, config.log.format);
    logging::init(&options).map_err(Failure::Failed)
}

/// Warnings do not keep a server from starting, but they are not lost either.
fn warn(findings: &[Diagnostic]) {
    for finding in findings {
        match finding.severity {
            Severity::Note => tracing::info!("{finding}"),
            Severity::Warning | Severity::Error => tracing::warn!("{finding}"),
        }
    }
}
