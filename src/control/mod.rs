//! The control socket: one JSON object a line each way, over a unix socket.
//!
//! [`protocol`] says what can be asked and what is answered, [`server`] is the socket of a running
//! server, [`client`] asks it. What the answers are is the business of whoever implements
//! [`Operator`].

pub mod client;
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
    /// Forgets failed logins: of a user, of a source, of both, or all. The answer is a sentence.
    fn unlock(&mut self, user: Option<&str>, source: Option<IpAddr>) -> String;
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
        Request::UserUnlock { user, source } => Response::Done {
            message: operator.unlock(user.as_deref(), *source),
        },
        Request::Reload => match operator.reload() {
            Ok(message) => Response::Done { message },
            Err(findings) => Response::Refused { findings },
        },
    }
}

#[cfg(test)]
mod tests;
