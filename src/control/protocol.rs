//! What goes over the control socket. Fields are only ever added, and readers skip those they do
//! not know; `schema` changes when that is not enough.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::diagnostic::Diagnostic;

/// The version of everything here.
pub const SCHEMA: u32 = 1;

/// A question or an order: `{"verb":"status"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb")]
pub enum Request {
    /// Everything there is to know.
    #[serde(rename = "status")]
    Status,
    /// The same without the rows of peers, sessions and failures: for whoever asks a server with
    /// many clients often.
    #[serde(rename = "totals")]
    Totals,
    /// The sessions alone.
    #[serde(rename = "session list")]
    SessionList,
    /// Close one: `{"verb":"session close","session":7}`.
    #[serde(rename = "session close")]
    SessionClose {
        /// [`SessionRow::session`].
        session: u64,
    },
    /// Forget failed logins, of a user, of a source, of both, or all:
    /// `{"verb":"user unlock","user":"ann"}`, `{"verb":"user unlock","all":true}`.
    #[serde(rename = "user unlock")]
    UserUnlock {
        /// Whose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<IpAddr>,
        /// Everybody's, from everywhere; then there is neither of the others. It must be said: whoever
        /// forgets to name somebody does not mean all.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all: bool,
    },
    /// Read configuration and secrets again.
    #[serde(rename = "reload")]
    Reload,
}

/// What comes back: `{"answer":"status",…}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Response {
    /// To [`Request::Status`] and [`Request::Totals`].
    Status(Box<StatusReport>),
    /// To [`Request::SessionList`].
    Sessions {
        /// In the order in which they came up.
        sessions: Vec<SessionRow>,
    },
    /// An order was carried out.
    Done {
        /// What was done.
        message: String,
    },
    /// The files have errors, and nothing was changed.
    Refused {
        /// All of them.
        findings: Vec<Diagnostic>,
    },
    /// The request was not understood, or cannot be carried out.
    Error {
        /// Why, in a sentence.
        message: String,
    },
}

/// A running server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of the program.
    pub version: String,
    /// Of the process.
    pub pid: u32,
    /// Seconds since the server started.
    pub uptime_seconds: u64,
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// The configured public address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_address: Option<IpAddr>,
    /// Name of the interface of all clients.
    pub interface: String,
    /// Our address inside the tunnels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_address: Option<IpAddr>,
    /// How full the pool is.
    pub pool: PoolUse,
    /// Sums.
    pub counters: Counters,
    /// How much of everything the server holds.
    pub held: Held,
    /// Everybody with a security association.
    pub peers: Vec<PeerRow>,
    /// All sessions, in the order in which they came up.
    pub sessions: Vec<SessionRow>,
    /// The last connection attempts that failed, the latest last: as many as are remembered.
    pub failures: Vec<FailureRow>,
}

/// A connection attempt that failed. The texts are those of the log line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailureRow {
    /// When, in seconds since 1970.
    pub at: u64,
    /// How long ago.
    pub seconds_ago: u64,
    /// Who wanted to log in, if it came to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Outer address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outer: Option<SocketAddr>,
    /// What is known of the client's make.
    pub client: String,
    /// The stage that was not completed: "phase1", "authentication".
    pub stage: String,
    /// The stable name of the cause, which `adit explain` explains.
    pub cause: String,
    /// What happened, in a sentence.
    pub reason: String,
    /// What would help.
    pub help: String,
    /// What the client shows its user, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
}

/// Inner addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolUse {
    /// Addresses in the ranges.
    pub size: u64,
    /// Of these, lent at the moment.
    pub used: u64,
}

/// Sums since the start, and how many there are of what at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Unfinished phase 1 exchanges.
    pub half_open: u64,
    /// Phase 1 exchanges that wait for others to be finished.
    pub waiting_handshakes: u64,
    /// Phase 1 SAs.
    pub ike_sas: u64,
    /// Phase 2 SAs.
    pub child_sas: u64,
    /// IP packets from clients, of the sessions that are up: it falls when one ends.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// IP packets to clients, likewise.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// What failed logins and handshakes have led to.
    pub guard: GuardCounts,
    /// Dropped packets, by reason.
    pub drops: BTreeMap<String, u64>,
    /// Refused handshakes and logins, by reason.
    pub refusals: BTreeMap<String, u64>,
}

/// How much of everything the server holds at the moment. All of it is zero when everybody has
/// left and nothing is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Held {
    /// Peers that the control plane knows, and those in the tables of packets.
    pub peers: u64,
    /// See `peers`.
    pub peer_slots: u64,
    /// L2TP tunnels, those included that linger only to acknowledge a repeated goodbye.
    pub tunnels: u64,
    /// PPP sessions, whether they carry traffic or not, and those in the tables of packets.
    pub sessions: u64,
    /// See `sessions`.
    pub session_slots: u64,
    /// SPIs that are given out, those included of negotiations under way.
    pub spis: u64,
    /// Associations in the tables of packets, from clients.
    pub inbound_slots: u64,
    /// And to clients.
    pub outbound_slots: u64,
    /// Addresses lent to clients.
    pub addresses: u64,
    /// Computations, logins and scripts that have not answered yet.
    pub requests: u64,
    /// Deadlines of peers and links.
    pub timers: u64,
    /// Bytes of handshake messages of which some fragments have not come.
    pub fragment_bytes: u64,
    /// Messages out of SAs that wait for the control thread.
    pub waiting_upcalls: u64,
    /// IKE messages that do.
    pub waiting_ike: u64,
}

/// Who has to wait because of failed logins or handshakes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuardCounts {
    /// Users who have to wait at the moment, each at one source.
    pub slowed_users: u64,
    /// Sources that have to wait at the moment.
    pub slowed_sources: u64,
    /// Users who are locked out at the moment.
    pub locked_out: u64,
    /// Logins refused without a look at the password, since the start.
    pub refused_logins: u64,
    /// Messages of handshakes dropped unread, since the start.
    pub dropped_handshakes: u64,
    /// Users and sources of which something is remembered.
    pub remembered: u64,
    /// Of these, forgotten for want of room, since the start.
    pub crowded_out: u64,
}

/// Somebody with a security association.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerRow {
    /// Number of the peer, as in the log.
    pub peer: u64,
    /// Outer address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outer: Option<SocketAddr>,
    /// Phase 1 identity, in words.
    pub identity: String,
    /// What its vendor ids give away: "Windows", "strongSwan".
    pub make: String,
    /// Phase 1 SAs of it.
    pub ike_sas: u64,
    /// Phase 2 SAs of it.
    pub child_sas: u64,
    /// L2TP tunnels of it.
    pub tunnels: u64,
    /// Sessions of it.
    pub sessions: u64,
}

/// A session: one user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionRow {
    /// Number of the session, as in the log.
    pub session: u64,
    /// [`PeerRow::peer`].
    pub peer: u64,
    /// Who logged in, by the name that the client gave.
    pub user: String,
    /// The same by the name in the users' file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// How: "mschap-v2".
    pub authentication: String,
    /// Outer address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outer: Option<SocketAddr>,
    /// Inner address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner: Option<IpAddr>,
    /// Phase 1 identity, in words.
    pub identity: String,
    /// Which pre-shared key fitted: the place it is written, never the key.
    pub key: String,
    /// What the peer's vendor ids give away.
    pub make: String,
    /// Algorithms of phase 1: "aes256-sha256-modp2048".
    pub phase1: String,
    /// Algorithms of phase 2.
    pub phase2: String,
    /// Who is behind NAT: "none", "client", "server", "both".
    pub nat: String,
    /// How ESP travels: "udp" or "raw".
    pub encapsulation: String,
    /// Our and the peer's tunnel id.
    pub tunnel_ids: (u16, u16),
    /// Our and the peer's session id.
    pub session_ids: (u16, u16),
    /// Largest IP packet sent to the client, in bytes.
    pub mtu: u16,
    /// IP packets from the client.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// IP packets to the client.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// When it came up, in seconds since 1970.
    pub since: u64,
    /// How long it has been up.
    pub connected_seconds: u64,
    /// How long connecting took.
    pub setup_milliseconds: u64,
}
