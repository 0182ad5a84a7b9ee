//! The control socket: one JSON object a line each way, over a unix socket.
//!
//! [`protocol`] says what can be asked and what is answered, [`server`] is the socket of a running
//! server, [`client`] asks it. What the answers are is the business of whoever implements
//! [`Operator`].

pub mod client;
mod guests;
pub mod protocol;
pub mod server;

pub use client::{AskError, ask};
pub use protocol::{
    Counters, FailureRow, GuardCounts, Held, PeerRow, PoolUse, Request, Response, SessionRow,
    StatusReport,
};
pub use server::{BindError, Call, ControlSocket};

use std::net::IpAddr;

use crate::diagnostic::Diagnostic;

/// Whose failed logins are to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom<'a> {
    /// A user's, from anywhere.
    User(&'a str),
    /// A source's, of any user.
    Source(IpAddr),
    /// Both of these.
    Both(&'a str, IpAddr),
    /// All.
    Everybody,
}

impl<'a> Whom<'a> {
    fn of(user: Option<&'a str>, source: Option<IpAddr>, all: bool) -> Result<Self, &'static str> {
        Ok(match (user, source, all) {
            (Some(user), None, false) => Self::User(user),
            (None, Some(source), false) => Self::Source(source),
            (Some(user), Some(source), false) => Self::Both(user, source),
            (None, None, true) => Self::Everybody,
            (None, None, false) => return Err("a user, a source, or all must be named"),
            (_, _, true) => return Err("either all, or a user or a source"),
        })
    }
}

/// What a running server can be asked and told.
pub trait Operator {
    /// Everything there is to know.
    fn status(&mut self) -> StatusReport;
    /// The same without rows.
    fn totals(&mut self) -> StatusReport;
    /// The sessions alone.
    fn sessions(&mut self) -> Vec<SessionRow>;
    /// Begins to close a session. The answers are sentences.
    fn close_session(&mut self, session: u64) -> Result<String, String>;
    /// Forgets failed logins. The answer is a sentence.
    fn unlock(&mut self, whom: Whom<'_>) -> String;
    /// Reads configuration and secrets again, all or nothing.
    fn reload(&mut self) -> Result<String, Vec<Diagnostic>>;
}

/// One request, one response.
pub fn answer(operator: &mut dyn Operator, request: &Request) -> Response {
    match request {
        Request::Status => Response::Status(Box::new(operator.status())),
        Request::Totals => Response::Status(Box::new(operator.totals())),
        Request::SessionList => Response::Sessions {
            sessions: operator.sessions(),
        },
        Request::SessionClose { session } => match operator.close_session(*session) {
            Ok(message) => Response::Done { message },
            Err(message) => Response::Error { message },
        },
        Request::UserUnlock { user, source, all } => {
            match Whom::of(user.as_deref(), *source, *all) {
                Ok(whom) => Response::Done {
                    message: operator.unlock(whom),
                },
                Err(message) => Response::Error {
                    message: message.to_owned(),
                },
            }
        }
        Request::Reload => match operator.reload() {
            Ok(message) => Response::Done { message },
            Err(findings) => Response::Refused { findings },
        },
    }
}

#[cfg(test)]
mod tests;
