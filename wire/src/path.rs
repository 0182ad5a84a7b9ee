//! Where a datagram travels, and whose it is.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// How a datagram is carried between two hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Carrier {
    /// The ISAKMP port (500): IKE only, without the non-ESP marker.
    Ike,
    /// The NAT traversal port (4500): IKE behind the non-ESP marker, ESP without it
    /// (RFC 3948 §2).
    NatT,
    /// IP protocol 50: ESP only. The ports of the addresses are zero.
    Raw,
}

/// The two ends of a datagram's journey, as seen from this host, and its carrier.
///
/// The carrier is stated and not derived from a port: a client may use ephemeral ports, and a
/// NAT may give a datagram for port 500 the source port 4500.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Path {
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// How the datagram is carried.
    pub carrier: Carrier,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.carrier {
            Carrier::Ike | Carrier::NatT => write!(f, "{} to {}", self.remote, self.local),
            Carrier::Raw => write!(f, "{} to {} (ESP)", self.remote.ip(), self.local.ip()),
        }
    }
}

/// Names one peer: one secured path, whatever its addresses are today. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerId(pub u64);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The UDP ports of the L2TP packets inside a secured path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ports {
    /// Our port: 1701 for the server.
    pub local: u16,
    /// The peer's port: 1701 for Windows, ephemeral for Apple and Android.
    pub remote: u16,
}
