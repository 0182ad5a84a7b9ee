//! The report for people: by file, a row for each statement.

use std::io::{self, Write};
use std::path::Path;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};

use super::{Outcome, statements_of, totals};
use crate::cli::output::lines;
use crate::import::{Disposition, Import, Statement};

/// Columns of a terminal that nobody has made wider.
const WIDTH: u16 = 116;

pub(super) fn write(
    import: &Import,
    outcome: Outcome,
    output: &Path,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (_, path) in &import.sources {
        writeln!(out, "{}", path.display())?;
        let statements = statements_of(import, path);
        if !statements.is_empty() {
            writeln!(out, "{}\n", rows(&statements).trim_fmt())?;
        }
    }
    if !import.report.findings.is_empty() {
        writeln!(out, "{}\n", lines(&import.report.findings))?;
    }
    writeln!(out, "{}", totals(import))?;
    let noticed = import
        .report
        .statements()
        .iter()
        .filter(|s| s.clients_notice)
        .count();
    if noticed > 0 {
        writeln!(
            out,
            "{noticed} of those that are dropped change what clients see: marked with !"
        )?;
    }
    let path = output.display();
    for file in &import.draft.side_files {
        let path = output.with_file_name(&file.name);
        match outcome {
            Outcome::Shown => writeln!(out, "{}: would hold secrets", path.display())?,
            _ => writeln!(out, "{}: holds secrets", path.display())?,
        }
    }
    match outcome {
        Outcome::Written => writeln!(out, "{path}: written; `adit check --config {path}` is next"),
        Outcome::Unchanged => writeln!(out, "{path}: is just so already"),
        Outcome::Shown => Ok(()),
    }
}

fn rows(statements: &[&Statement]) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    let mut rest = statements;
    while let [first, ..] = rest {
        // Lines of secrets look all the same: one row for a run of them.
        let alike = rest
            .iter()
            .take_while(|next| is_like(first, next))
            .count()
            .max(1);
        let (run, after) = rest.split_at(alike);
        rest = after;
        let last = run.iter().map(|s| s.last_line).max().unwrap_or_default();
        let line = first.place.line.unwrap_or_default();
        let span = if last > line {
            format!("{line}-{last}")
        } else {
            line.to_string()
        };
        table.add_row([span, first.text.clone(), verdict(first), meaning(first)]);
    }
    for (index, width) in [(0, 9), (1, 42), (2, 16), (3, 50)] {
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(width)));
        }
    }
    table
}

fn is_like(one: &Statement, other: &Statement) -> bool {
    let of = |s: &Statement| {
        (
            s.text.clone(),
            s.disposition,
            s.why.clone(),
            s.settings.clone(),
        )
    };
    of(one) == of(other)
}

fn verdict(statement: &Statement) -> String {
    let name = statement.disposition.map_or("", Disposition::name);
    let mark = if statement.clients_notice { " !" } else { "" };
    format!("{name}{mark}")
}

/// `ppp.mru, tun.mtu: why`
fn meaning(statement: &Statement) -> String {
    let settings = statement.settings.join(", ");
    match (settings.is_empty(), statement.why.is_empty()) {
        (true, _) => statement.why.clone(),
        (false, true) => settings,
        (false, false) => format!("{settings}: {}", statement.why),
    }
}
