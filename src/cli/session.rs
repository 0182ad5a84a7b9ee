//! `adit session` and `adit reload`: looks at single sessions of the running server, and gives
//! it orders.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Failure;
use super::asking::{Asking, unexpected};
use super::output::{bytes, count, span};
use super::status::{table, visible};
use crate::config::Sources;
use crate::control::{Request, Response, SessionRow};

/// `adit session`
#[derive(Debug, Args)]
pub struct Session {
    /// What to do with them.
    #[command(subcommand)]
    pub verb: Verb,
}

/// `adit session …`
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show all sessions, or those of some users
    List {
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        asking: Asking,
        /// Only sessions of this user
        #[arg(long = "user", value_name = "USER")]
        users: Vec<String>,
    },
    /// Show everything about one session
    Show {
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        asking: Asking,
        /// Number of the session, as `adit session list` shows it
        id: u64,
    },
    /// Close sessions; their clients are told
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Close {
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        asking: Asking,
        /// Numbers of sessions, as `adit session list` shows them
        #[arg(value_name = "ID", group = "which")]
        ids: Vec<u64>,
        /// All sessions of this user
        #[arg(long, group = "which")]
        user: Option<String>,
    },
}

/// What an order led to, for programs.
#[derive(Debug, Serialize)]
struct Done {
    messages: Vec<String>,
}

impl Session {
    /// How the server is reached.
    pub const fn asking(&self) -> &Asking {
        match &self.verb {
            Verb::List { asking, .. } | Verb::Show { asking, .. } | Verb::Close { asking, .. } => {
                asking
            }
        }
    }
}

/// Does what `adit session` says.
pub fn run(session: &Session, sources: &Sources, out: &mut dyn Write) -> Result<(), Failure> {
    let asking = session.asking();
    match &session.verb {
        Verb::List { users, .. } => {
            let mut rows = rows(asking, sources)?;
            rows.retain(|row| users.is_empty() || users.iter().any(|user| is_of(row, user)));
            asking.show(out, &rows, || list(&rows))
        }
        Verb::Show { id, .. } => {
            let rows = rows(asking, sources)?;
            let row = rows.iter().find(|row| row.session == *id);
            let row = row.ok_or_else(|| Failure::Failed(format!("there is no session {id}")))?;
            asking.show(out, row, || describe(row))
        }
        Verb::Close { ids, user, .. } => {
            let mut ids = ids.clone();
            if let Some(user) = user {
                let of_user = |row: &SessionRow| is_of(row, user).then_some(row.session);
                ids = rows(asking, sources)?.iter().filter_map(of_user).collect();
                if ids.is_empty() {
                    return Err(Failure::Failed(format!("{user} has no session")));
                }
            }
            close(asking, sources, &ids, out)
        }
    }
}

/// Does what `adit reload` says.
pub fn reload(asking: &Asking, sources: &Sources, out: &mut dyn Write) -> Result<(), Failure> {
    match asking.ask(sources, &Request::Reload)? {
        Response::Done { message } => done(asking, vec![message], out),
        other => Err(unexpected(&other)),
    }
}

/// Closes what can be closed, and then fails for what could not.
fn close(
    asking: &Asking,
    sources: &Sources,
    ids: &[u64],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (mut messages, mut failures) = (Vec::new(), Vec::new());
    for session in ids {
        let request = Request::SessionClose { session: *session };
        match asking.ask(sources, &request) {
            Ok(Response::Done { message }) => messages.push(message),
            Ok(other) => return Err(unexpected(&other)),
            Err(Failure::Failed(why)) => failures.push(why),
            Err(other) => return Err(other),
        }
    }
    done(asking, messages, out)?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(failures.join("; ")))
    }
}

fn done(asking: &Asking, messages: Vec<String>, out: &mut dyn Write) -> Result<(), Failure> {
    let done = Done { messages };
    asking.show(out, &done, || {
        done.messages
            .iter()
            .map(|line| format!("{line}\n"))
            .collect()
    })
}

/// Whether a session is `user`'s: by the name in the users' file, or as the client wrote it.
fn is_of(row: &SessionRow, user: &str) -> bool {
    row.user == user || row.account.as_deref() == Some(user)
}

fn rows(asking: &Asking, sources: &Sources) -> Result<Vec<SessionRow>, Failure> {
    match asking.ask(sources, &Request::SessionList)? {
        Response::Sessions { sessions } => Ok(sessions),
        other => Err(unexpected(&other)),
    }
}

fn list(rows: &[SessionRow]) -> String {
    match rows {
        [] => format!("{}\n", count(0, "session")),
        rows => format!("{}\n", table(rows)),
    }
}

fn describe(row: &SessionRow) -> String {
    let address = |address: Option<String>| address.unwrap_or_else(|| "-".to_owned());
    let ids = |(ours, theirs): (u16, u16)| format!("{ours} here, {theirs} there");
    let traffic = |octets, packets: u64| format!("{} in {packets} packets", bytes(octets));
    let lines = [
        ("session", row.session.to_string()),
        ("user", visible(&row.user)),
        ("authentication", row.authentication.clone()),
        ("from", address(row.outer.map(|outer| outer.to_string()))),
        (
            "inner address",
            address(row.inner.map(|inner| inner.to_string())),
        ),
        ("client", visible(&row.make)),
        ("identity", visible(&row.identity)),
        ("pre-shared key", visible(&row.key)),
        ("phase 1", row.phase1.clone()),
        ("phase 2", row.phase2.clone()),
        ("behind NAT", row.nat.clone()),
        ("ESP", row.encapsulation.clone()),
        ("tunnel ids", ids(row.tunnel_ids)),
        ("session ids", ids(row.session_ids)),
        ("MTU", row.mtu.to_string()),
        ("received", traffic(row.bytes_in, row.packets_in)),
        ("sent", traffic(row.bytes_out, row.packets_out)),
        ("up", span(row.connected_seconds)),
        ("connecting took", format!("{} ms", row.setup_milliseconds)),
    ];
    lines
        .iter()
        .map(|(what, value)| format!("{what:>15}  {value}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_for_people() {
        let row = SessionRow {
            session: 7,
            user: "al\u{1b}ice".to_owned(),
            authentication: "mschap-v2".to_owned(),
            outer: Some(([198, 51, 100, 7], 61_002).into()),
            inner: Some([10, 10, 1, 2].into()),
            identity: "192.168.1.10".to_owned(),
            key: "ipsec.secrets:3".to_owned(),
            make: "Windows 10 or later".to_owned(),
            phase1: "aes256-sha1-ecp384".to_owned(),
            phase2: "aes256-sha1".to_owned(),
            nat: "client".to_owned(),
            encapsulation: "udp".to_owned(),
            tunnel_ids: (40_123, 1),
            session_ids: (7_010, 1),
            mtu: 1400,
            packets_in: 12,
            bytes_in: 5 << 20,
            packets_out: 30,
            bytes_out: 9 << 30,
            connected_seconds: 8_000,
            setup_milliseconds: 61,
            ..SessionRow::default()
        };
        insta::assert_snapshot!(describe(&row));
    }

    /// QUIRK(Windows): puts a domain in front, which the users' file mostly has not.
    #[test]
    fn a_user_has_the_name_of_the_file_and_the_one_that_was_typed() {
        let row = SessionRow {
            user: "CORP\\alice".to_owned(),
            account: Some("alice".to_owned()),
            ..SessionRow::default()
        };
        assert!(is_of(&row, "alice") && is_of(&row, "CORP\\alice"));
        assert!(!is_of(&row, "corp") && !is_of(&SessionRow::default(), "alice"));
    }

    #[test]
    fn nobody() {
        assert_eq!(list(&[]), "no sessions\n");
    }
}
