//! What an engine is told at construction.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::dhcp::Parameters;
use crate::{AddressRange, GuardPolicy};

/// Settings of an [`Engine`](crate::Engine).
#[derive(Debug, Clone)]
pub struct Config {
    /// Settings of IKE.
    pub ike: ike::Config,
    /// Settings of L2TP.
    pub l2tp: l2tp::Config,
    /// What clients get; `None` for an engine that only dials.
    pub server: Option<Server>,
    /// Size of the largest IP packet that the outer path carries, in bytes. The inner MTU of a
    /// session is what its suite leaves of it.
    pub outer_mtu: u16,
    /// ESP SAs towards us that there may be, in all, if the data plane has room for as many.
    pub esp_sas: usize,
    /// Our own packets have SHA-256 cut to 96 bits, and we want the same: what Android 6 and 7 do,
    /// for tests of servers.
    pub truncate_sha256: bool,
    /// How often clients may fail before they have to wait.
    pub guard: GuardPolicy,
    /// Durations.
    pub timing: Timing,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ike: ike::Config::default(),
            l2tp: l2tp::Config::default(),
            server: None,
            outer_mtu: 1500,
            esp_sas: usize::MAX,
            truncate_sha256: false,
            guard: GuardPolicy::default(),
            timing: Timing::default(),
        }
    }
}

/// What clients get.
#[derive(Debug, Clone)]
pub struct Server {
    /// Settings of the PPP links, in the server's role.
    pub link: ppp::Config,
    /// Our address inside every link.
    pub local: Ipv4Addr,
    /// Primary and secondary DNS server.
    pub dns: [Option<Ipv4Addr>; 2],
    /// Primary and secondary NetBIOS name server.
    pub wins: [Option<Ipv4Addr>; 2],
    /// What clients are told that ask for more, with DHCPINFORM.
    pub parameters: Parameters,
    /// Addresses for clients.
    pub ranges: Vec<AddressRange>,
    /// Addresses of those ranges that are never handed out: those fixed for one user.
    pub reserved: BTreeSet<IpAddr>,
    /// Time without an IP packet in either direction after which a session ends; `None`: never.
    pub idle_timeout: Option<Duration>,
    /// Time after which a session ends in any case; `None`: never.
    pub session_timeout: Option<Duration>,
    /// How many sessions a user may have at a time; `None`: any number.
    pub session_limit: Option<SessionLimit>,
}

/// How many sessions a user may have at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimit {
    /// The most there may be.
    pub sessions: NonZeroU32,
    /// What becomes of one more.
    pub beyond: AtLimit,
}

/// What becomes of a login of a user who has as many sessions as allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtLimit {
    /// It is let in, and the user's oldest session ends.
    #[default]
    Replace,
    /// It is turned away.
    Refuse,
}

/// Durations of an [`Engine`](crate::Engine).
#[derive(Debug, Clone)]
pub struct Timing {
    /// How long a peer's tunnels outlive its last SA, and its child SAs the last tunnel and the last
    /// IKE SA. On a rekey the DELETE of the old SA may come before the new one is up.
    pub grace: Duration,
    /// Silence that is forgiven clients that sleep for long, at every layer. IKE has a setting of
    /// its own for the same, [`ike::Timing::doze`].
    pub doze: Duration,
    /// How long a peer that INITIAL-CONTACT made doubtful may stay silent.
    pub doubt: Duration,
    /// How long a client may take from phase 1 to its tunnel before that is reported. Nothing
    /// ends by it.
    pub attempt: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(30),
            doze: Duration::from_secs(600),
            doubt: Duration::from_secs(30),
            attempt: Duration::from_secs(60),
        }
    }
}
