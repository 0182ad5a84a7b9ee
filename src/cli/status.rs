//! `adit status`: asks the running server, and shows its answer.

use std::cmp::Reverse;
use std::io::Write;

use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::Failure;
use super::asking::{Asking, unexpected};
use super::output::{bytes, count, span};
use crate::config::Sources;
use crate::control::{FailureRow, GuardCounts, Request, Response, SessionRow, StatusReport};

/// Failures that are shown to people.
const FAILURES: usize = 10;

/// `adit status`
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    #[allow(
        missing_docs,
        reason = "documented at its type; clap would show it as the help"
    )]
    pub asking: Asking,
    /// Sums only, without a row for each client: for asking a large server often
    #[arg(long)]
    pub totals: bool,
}

/// Asks and writes the answer to `out`.
pub fn run(status: &Status, sources: &Sources, out: &mut dyn Write) -> Result<(), Failure> {
    let asking = &status.asking;
    let request = if status.totals {
        Request::Totals
    } else {
        Request::Status
    };
    match asking.ask(sources, &request)? {
        Response::Status(report) => asking.show(out, &report, || {
            if status.totals {
                totals(&report, report.held.sessions, report.held.peers)
            } else {
                render(&report)
            }
        }),
        other => Err(unexpected(&other)),
    }
}

/// The answer for people.
pub fn render(report: &StatusReport) -> String {
    let mut text = totals(
        report,
        report.sessions.len() as u64,
        report.peers.len() as u64,
    );
    if !report.sessions.is_empty() {
        text.push('\n');
        text.push_str(&table(&report.sessions));
        text.push('\n');
    }
    // Peers that have got stuck on the way to a session.
    for peer in report.peers.iter().filter(|peer| peer.sessions == 0) {
        let outer = peer
            .outer
            .map_or_else(|| "?".to_owned(), |outer| outer.to_string());
        let tunnels = plural(peer.tunnels, "tunnel");
        let child_sas = plural(peer.child_sas, "ESP SA");
        let line = format!(
            "peer {} at {outer}: no session, {tunnels}, {child_sas}\n",
            peer.peer
        );
        text.push_str(&line);
    }
    if !report.failures.is_empty() {
        text.push_str("\nlast failures, the latest first (`adit explain CAUSE` says more):\n");
        text.push_str(&failures(&report.failures));
        text.push('\n');
    }
    text
}

/// What is not about one client.
fn totals(report: &StatusReport, sessions: u64, peers: u64) -> String {
    let counters = &report.counters;
    let mut text = format!(
        "adit {}, up {}, {}, {} of {} addresses lent\n",
        report.version,
        span(report.uptime_seconds),
        plural(sessions, "session"),
        report.pool.used,
        report.pool.size,
    );
    let listen: Vec<String> = report.listen.iter().map(ToString::to_string).collect();
    text.push_str(&format!("listening on {}", listen.join(", ")));
    if let Some(address) = report.public_address {
        text.push_str(&format!(", known as {address}"));
    }
    if let Some(address) = report.local_address {
        text.push_str(&format!("; {} is {address}", report.interface));
    }
    text.push_str(&format!(
        "\n{}, {}, {} half-open, {}; {} in, {} out\n",
        plural(peers, "peer"),
        plural(counters.ike_sas, "IKE SA"),
        counters.half_open,
        plural(counters.child_sas, "ESP SA"),
        bytes(counters.bytes_in),
        bytes(counters.bytes_out),
    ));
    text.push_str(&guard(&counters.guard));
    for (what, sums) in [
        ("dropped", &counters.drops),
        ("refused", &counters.refusals),
    ] {
        let mut sums: Vec<_> = sums.iter().filter(|(_, number)| **number > 0).collect();
        sums.sort_by_key(|(_, number)| Reverse(**number));
        if !sums.is_empty() {
            text.push_str(&format!("{what}:\n"));
        }
        for (reason, number) in sums {
            text.push_str(&format!("{number:>6} × {reason}\n"));
        }
    }
    text
}

/// Who has to wait, if anybody has.
fn guard(counts: &GuardCounts) -> String {
    let waiting = [
        (counts.slowed_users, plural(counts.slowed_users, "user")),
        (
            counts.slowed_sources,
            plural(counts.slowed_sources, "source"),
        ),
    ];
    let waiting: Vec<String> = waiting
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(_, words)| words)
        .collect();
    let mut text = String::new();
    if !waiting.is_empty() {
        text.push_str(&format!("slowed after failures: {}\n", waiting.join(", ")));
    }
    if counts.locked_out > 0 {
        let users = plural(counts.locked_out, "user");
        text.push_str(&format!("locked out: {users} (`adit user unlock NAME`)\n"));
    }
    text
}

/// The latest failures; all that are remembered are in the JSON.
fn failures(failures: &[FailureRow]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "AGO",
        "FROM",
        "USER",
        "CLIENT",
        "STAGE",
        "CAUSE",
        "SHOWN THERE",
    ]);
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for failure in failures.iter().rev().take(FAILURES) {
        table.add_row([
            span(failure.seconds_ago),
            or_dash(failure.outer.map(|outer| outer.to_string())),
            or_dash(failure.user.as_deref().map(visible)),
            visible(&failure.client),
            failure.stage.clone(),
            failure.cause.clone(),
            or_dash(failure.shown.clone()),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

fn plural(number: u64, what: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), what)
}

/// A row for each session.
pub(super) fn table(sessions: &[SessionRow]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "ID", "USER", "FROM", "ADDRESS", "UP", "IN", "OUT", "NAT", "PHASE 1", "PHASE 2", "CLIENT",
        "KEY",
    ]);
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for session in sessions {
        table.add_row([
            session.session.to_string(),
            visible(&session.user),
            shown(session.outer.map(|outer| outer.to_string())),
            shown(session.inner.map(|inner| inner.to_string())),
            span(session.connected_seconds),
            bytes(session.bytes_in),
            bytes(session.bytes_out),
            session.nat.clone(),
            session.phase1.clone(),
            session.phase2.clone(),
            visible(&session.make),
            key(&session.key).to_owned(),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if matches!(index, 0 | 5 | 6) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// The name of a key; of one that is known by its place the file and the line.
fn key(label: &str) -> &str {
    label.rsplit('/').next().unwrap_or(label)
}

/// Clients choose these words: nothing in them may move the cursor of whoever looks.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if wire::is_printable(c) { c } else { '\u{fffd}' })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::control::{Counters, PeerRow, PoolUse};

    fn report() -> StatusReport {
        let session = |session, user: &str, port: u16, bytes_in| SessionRow {
            session,
            user: user.to_owned(),
            outer: Some(([198, 51, 100, 7], port).into()),
            inner: Some([10, 10, 1, 2].into()),
            make: "Windows".to_owned(),
            key: match session {
                1 => "/etc/ipsec.secrets:3".to_owned(),
                _ => "sales".to_owned(),
            },
            phase1: "aes256-sha1-ecp384".to_owned(),
            phase2: "aes256-sha1".to_owned(),
            nat: "client".to_owned(),
            bytes_in,
            bytes_out: 99_000_000,
            connected_seconds: 8_000,
            ..SessionRow::default()
        };
        StatusReport {
            version: "0.1.0".to_owned(),
            uptime_seconds: 792_000,
            listen: vec![([0, 0, 0, 0], 500).into(), ([0, 0, 0, 0], 4500).into()],
            public_address: Some([203, 0, 113, 9].into()),
            interface: "adit0".to_owned(),
            local_address: Some([10, 10, 1, 1].into()),
            pool: PoolUse { size: 99, used: 2 },
            counters: Counters {
                ike_sas: 3,
                child_sas: 2,
                half_open: 1,
                bytes_in: 5_000_000,
                bytes_out: 1 << 33,
                drops: BTreeMap::from([
                    ("IKE message out of place".into(), 4),
                    ("an ESP packet came a second time".into(), 1_203),
                    ("an ESP packet was a dummy".into(), 0),
                ]),
                refusals: BTreeMap::from([("wrong-password".into(), 2)]),
                guard: GuardCounts {
                    slowed_users: 1,
                    slowed_sources: 2,
                    locked_out: 1,
                    ..GuardCounts::default()
                },
                ..Counters::default()
            },
            peers: vec![
                PeerRow {
                    peer: 1,
                    sessions: 2,
                    ..PeerRow::default()
                },
                PeerRow {
                    peer: 9,
                    outer: Some(([192, 0, 2, 77], 4500).into()),
                    child_sas: 1,
                    ..PeerRow::default()
                },
            ],
            sessions: vec![
                session(1, "bob", 4500, 1234),
                session(12, "al\u{1b}ce", 61_002, 5 << 30),
            ],
            failures: vec![
                FailureRow {
                    seconds_ago: 4_000,
                    outer: Some(([203, 0, 113, 5], 500).into()),
                    client: "Apple".to_owned(),
                    stage: "phase1".to_owned(),
                    cause: "aggressive-mode".to_owned(),
                    shown: Some("\"The L2TP-VPN server did not respond.\"".to_owned()),
                    ..FailureRow::default()
                },
                FailureRow {
                    seconds_ago: 42,
                    user: Some("mal\u{1b}lory".to_owned()),
                    outer: Some(([203, 0, 113, 6], 4500).into()),
                    client: "unknown".to_owned(),
                    stage: "authentication".to_owned(),
                    cause: "unknown-user".to_owned(),
                    ..FailureRow::default()
                },
            ],
            ..StatusReport::default()
        }
    }

    #[test]
    fn the_table() {
        insta::assert_snapshot!(render(&report()));
    }

    #[test]
    fn an_idle_server() {
        let idle = StatusReport {
            version: "0.1.0".to_owned(),
            ..StatusReport::default()
        };
        insta::assert_snapshot!(render(&idle));
    }
}
