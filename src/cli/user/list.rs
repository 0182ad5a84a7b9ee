//! `adit user list`: who may log in, and nothing that lets anybody else.

use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets};
use engine::AddressRule;
use serde::Serialize;

use crate::compat::chap_secrets::{ChapSecrets, Name, Record, Stored};

#[derive(Serialize)]
struct Report {
    file: String,
    users: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    line: u32,
    user: String,
    server: String,
    /// What is stored.
    secret: &'static str,
    addresses: Vec<String>,
}

impl From<&Record> for Row {
    fn from(record: &Record) -> Self {
        Self {
            line: record.line,
            user: name(&record.user),
            server: name(&record.server),
            secret: match &record.secret {
                Stored::Password(password) if password.is_empty() => "empty",
                Stored::Password(_) => "password",
                Stored::NtHash(_) => "NT hash",
                Stored::AnyPassword => "any",
            },
            addresses: record.terms.addresses.rules().iter().map(word).collect(),
        }
    }
}

/// Fit for a terminal.
fn name(name: &Name) -> String {
    match name {
        Name::Any => "*".to_owned(),
        Name::Exact(name) => super::shown(name),
    }
}

fn word(rule: &AddressRule) -> String {
    match rule {
        AddressRule::Any => "*".to_owned(),
        AddressRule::Stop => "-".to_owned(),
        AddressRule::Network {
            address,
            prefix,
            permit,
        } => {
            let not = if *permit { "" } else { "!" };
            match prefix {
                32 => format!("{not}{address}"),
                _ => format!("{not}{address}/{prefix}"),
            }
        }
    }
}

pub(super) fn text(file: &Path, users: &ChapSecrets, json: bool) -> String {
    let rows: Vec<Row> = users.records().iter().map(Row::from).collect();
    if json {
        let report = Report {
            file: file.display().to_string(),
            users: rows,
        };
        // Text and numbers: there is nothing that could not be written.
        return serde_json::to_string_pretty(&report).unwrap_or_default();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["USER", "SERVER", "SECRET", "ADDRESSES", "LINE"]);
    for row in rows {
        let addresses = match row.addresses.is_empty() {
            true => "none".to_owned(),
            false => row.addresses.join(" "),
        };
        let line = row.line.to_string();
        table.add_row([row.user, row.server, row.secret.to_owned(), addresses, line]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
