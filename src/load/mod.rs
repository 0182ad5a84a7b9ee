//! `adit load`: thousands of complete clients in one process, and what a server makes of them.
//!
//! All clients are dials of one engine, which share one packet thread and few sockets: these are
//! bound to every address of the host, so that one pair of them speaks for a client at each address
//! of a whole network. What is the same for a client of `adit connect` is the same code: engine,
//! data plane, control loop and threads; only the world around differs ([`clients`]).

mod addresses;
mod agenda;
mod aim;
mod clients;
mod pace;
mod places;
mod plan;
mod progress;
mod report;
mod run;
mod tally;
mod traffic;

use std::io::Write;

use anyhow::Context;

use crate::cli::secrets::Surroundings;
use crate::cli::{Failure, Load};
use plan::Plan;
use report::Report;
use run::Run;

/// Loads a server, writes the report to `out`, and returns the exit code.
///
/// # Errors
/// What keeps it from beginning, as a sentence.
pub fn load(arguments: &Load, out: &mut dyn Write) -> Result<u8, Failure> {
    let input = &mut std::io::stdin().lock();
    let variable = |name: &str| std::env::var_os(name);
    let surroundings = Surroundings {
        variable: &variable,
        input,
    };
    let plan = Plan::new(arguments, surroundings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    let (plan, outcome, tally) = runtime.block_on(async {
        let mut run = Run::start(plan)?;
        let result = run.run().await;
        let finished = run.finish();
        result?;
        Ok::<_, Failure>(finished)
    })?;
    let report = Report::new(&plan, &outcome, &tally);
    let written = match arguments.json {
        true => report.write_json(out),
        false => report.write_table(out),
    };
    written.map_err(|error| Failure::Failed(format!("standard output: {error}")))?;
    Ok(u8::from(!report.ok))
}
