//! `adit doctor`: what on this host would keep clients out.

use std::io::Write;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::ConfigFile;
use super::output::count;
use crate::config::{Bundle, Sources, load};
use crate::doctor::{Plan, Row, State, examine, gather};

/// `adit doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    #[allow(
        missing_docs,
        reason = "documented at its type; clap would show it as the help"
    )]
    pub config: ConfigFile,
    /// Print everything as one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    checks: &'a [Row],
}

/// Examines this host, writes what was found to `out`, and returns the exit code: 1 if clients are
/// kept out, else 0.
///
/// # Errors
/// When `out` takes nothing.
pub fn run(arguments: &Doctor, sources: &Sources, out: &mut dyn Write) -> std::io::Result<u8> {
    let (bundle, findings) = Bundle::load(sources);
    // What is wrong with users or keys does not make the ports unknown.
    let config = bundle
        .map(|bundle| bundle.config)
        .or_else(|| load(sources).config);
    let plan = Plan {
        file: arguments.config.path(),
        config: config.unwrap_or_default(),
        findings,
    };
    let rows = examine(&gather(&plan), &plan);
    let ok = rows.iter().all(|row| row.state != State::Problem);
    if arguments.json {
        let report = Report { ok, checks: &rows };
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", render(&rows))?;
    }
    Ok(u8::from(!ok))
}

/// For people: a line for each check, what mends it below, and the sum.
fn render(rows: &[Row]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    for row in rows {
        let state = match row.state {
            State::Ok => "ok",
            State::Warning => "WARNING",
            State::Problem => "PROBLEM",
        };
        table.add_row([state, row.check, &row.sentence]);
        if let Some(command) = &row.command {
            table.add_row(["", "", &format!("→ {command}")]);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let of = |state| rows.iter().filter(|row| row.state == state).count();
    let sum = match (of(State::Problem), of(State::Warning)) {
        (0, 0) => "nothing is in the way of clients".to_owned(),
        (0, warnings) => format!("nothing keeps clients out; {}", count(warnings, "warning")),
        (problems, warnings) => format!(
            "{} that {} clients out, {}",
            count(problems, "problem"),
            if problems == 1 { "keeps" } else { "keep" },
            count(warnings, "warning")
        ),
    };
    format!("{}\n{sum}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_for_people() {
        let row = |check, state, command: Option<&str>| Row {
            check,
            state,
            sentence: format!("what there is about {check}"),
            command: command.map(str::to_owned),
        };
        let rows = [
            row("tun", State::Ok, None),
            row("forwarding", State::Warning, Some("sysctl -w x=1")),
            row("port of IKE", State::Problem, Some("kill 7")),
        ];
        assert_eq!(
            render(&rows),
            "\
ok       tun          what there is about tun
WARNING  forwarding   what there is about forwarding
                      → sysctl -w x=1
PROBLEM  port of IKE  what there is about port of IKE
                      → kill 7
1 problem that keeps clients out, 1 warning
"
        );
        assert!(render(&rows[..2]).ends_with("nothing keeps clients out; 1 warning\n"));
        assert!(render(&rows[..1]).ends_with("nothing is in the way of clients\n"));
    }
}
