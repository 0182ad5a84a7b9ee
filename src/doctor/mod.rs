//! `adit doctor`: what on this host would keep clients out, or from what is behind the server.
//!
//! [`gather`] looks at the host, in a thin layer that judges nothing; [`rules`] and the modules
//! beside it judge what it found, and touch nothing.

mod filters;
mod gather;
mod rules;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::io::firewall::Firewall;
use crate::io::holders::{Holder, Process};
use crate::io::xfrm::Xfrm;

pub use gather::gather;
pub use rules::examine;

/// How a check has come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing to do.
    Ok,
    /// Clients come in, but perhaps not all, or not as far as is wanted; or it could not be told.
    Warning,
    /// Clients are kept out.
    Problem,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What was looked at.
    pub check: &'static str,
    /// How it has come out.
    pub state: State,
    /// What there is, as a sentence without its full stop.
    pub sentence: String,
    /// What mends it, if something is to be mended: mostly a command for a shell of root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Row {
    fn ok(check: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Ok,
            sentence: sentence.into(),
            command: None,
        }
    }

    fn warning(check: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            state: State::Warning,
            ..Self::ok(check, sentence)
        }
    }

    fn problem(check: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            state: State::Problem,
            ..Self::ok(check, sentence)
        }
    }

    #[must_use]
    fn mend(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}

/// What was configured.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The file.
    pub file: PathBuf,
    /// The settings; the defaults if they cannot be used.
    pub config: Config,
    /// What `adit check` says.
    pub findings: Vec<Diagnostic>,
}

/// What there is on a host. What could not be read is none.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// UDP sockets on the ports of IKE, NAT traversal and L2TP.
    pub sockets: Vec<Holder>,
    /// Whether a server answers on the control socket; its version.
    pub serving: Option<String>,
    /// Whether TUN devices can be made.
    pub tun: Tun,
    /// The capabilities that this process lacks of what the server needs.
    pub missing: Vec<&'static str>,
    /// IPv4 forwarding.
    pub forwarding: Option<bool>,
    /// Interfaces with a strict reverse path filter (RFC 3704 §2.2).
    pub strict: Vec<String>,
    /// Packet filters.
    pub firewall: Option<Firewall>,
    /// How packets leave for the world.
    pub uplink: Option<Uplink>,
    /// Everything that runs.
    pub processes: Vec<Process>,
    /// Services of the old daemons that start at boot.
    pub enabled: Vec<String>,
    /// Interfaces `pppN`.
    pub ppp: Vec<String>,
    /// IPsec in the kernel.
    pub xfrm: Option<Xfrm>,
}

/// `/dev/net/tun`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tun {
    /// It opens.
    #[default]
    Usable,
    /// It is not there, or nothing is behind it.
    Missing,
    /// It is there, but does not open for us.
    Forbidden,
}

/// How packets leave for the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// The interface.
    pub interface: String,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Our address there.
    pub address: Option<IpAddr>,
}
