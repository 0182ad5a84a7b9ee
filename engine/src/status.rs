//! What the engine knows of its peers and sessions, for logs and for `adit status`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use wire::{Instant, Path, PeerId};

use crate::dhcp::Route;
use crate::{SessionId, Terms};

/// Everything about one session that carries, or has carried, traffic.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// The session.
    pub session: SessionId,
    /// Its peer.
    pub peer: PeerId,
    /// Who logged in, fit for a log line.
    pub user: String,
    /// The same by the name that the administrator gives (server role).
    pub account: Option<ppp::UserName>,
    /// With which method; `None` when the server did not ask (client role only).
    pub authentication: Option<ppp::Method>,
    /// Where the peer is, outside.
    pub path: Path,
    /// The peer's phase 1 identity, in words.
    pub identity: String,
    /// Label of the pre-shared key that fitted.
    pub key: String,
    /// What the peer's vendor ids say about its make.
    pub make: ike::Make,
    /// The Host Name AVP of the peer.
    pub host_name: String,
    /// Algorithms of phase 1, in words.
    pub phase1: String,
    /// Algorithms of phase 2, in words.
    pub phase2: String,
    /// Who is behind a NAT.
    pub nat: ike::Nat,
    /// Our address inside the link.
    pub local_address: IpAddr,
    /// The peer's address inside the link.
    pub remote_address: IpAddr,
    /// DNS servers: those we gave (server) or were given (client).
    pub dns: [Option<Ipv4Addr>; 2],
    /// NetBIOS name servers, likewise.
    pub wins: [Option<Ipv4Addr>; 2],
    /// Networks that the server wants us to send into the tunnel, once it has told (client role).
    pub routes: Vec<Route>,
    /// The search domain, likewise.
    pub domain: Option<String>,
    /// Our and the peer's L2TP tunnel ids.
    pub tunnel_ids: (u16, u16),
    /// Our and the peer's L2TP session ids.
    pub session_ids: (u16, u16),
    /// Size of the largest IP packet sent to the peer, in bytes.
    pub mtu: u16,
    /// On what terms its user was let in (server role).
    pub terms: Arc<Terms>,
    /// Since when traffic can flow.
    pub since: Instant,
    /// How long connecting took, from the first IKE message on; where the peer has had a session
    /// before, from the call on.
    pub setup: Duration,
}

/// One peer, whether it has sessions or not.
#[derive(Debug, Clone)]
pub struct PeerStatus {
    /// The peer.
    pub peer: PeerId,
    /// Where it is, outside.
    pub path: Path,
    /// Its phase 1 identity, in words.
    pub identity: String,
    /// What its vendor ids say about its make.
    pub make: ike::Make,
    /// IKE SAs it has.
    pub ike_sas: usize,
    /// Child SAs it has.
    pub child_sas: usize,
    /// L2TP tunnels it has.
    pub tunnels: usize,
    /// Sessions it has, whether they carry traffic yet or not.
    pub sessions: usize,
}
