//! How much of everything there is.

use crate::Engine;

/// How many of everything an [`Engine`] holds. [`Occupancy::default`] is an engine that holds
/// nothing: whatever has ended has been given back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// IKE SAs that are half-open.
    pub half_open: usize,
    /// IKE SAs that are established.
    pub ike_sas: usize,
    /// Child SAs of all peers.
    pub child_sas: usize,
    /// SPIs that are given out, those included that a Quick Mode in progress holds.
    pub spis: usize,
    /// Peers.
    pub peers: usize,
    /// L2TP tunnels, those included that linger only to acknowledge a repeated StopCCN.
    pub tunnels: usize,
    /// PPP sessions, whether they carry traffic or not.
    pub sessions: usize,
    /// Addresses of clients.
    pub addresses: usize,
    /// Requests to the world outside that have no answer yet.
    pub requests: usize,
    /// Deadlines of peers and links.
    pub timers: usize,
    /// Entries by which the continuation of a peer is recognised.
    pub kin: usize,
    /// Bytes that handshake messages cost of which some fragments have not come.
    pub fragment_bytes: usize,
}

impl Engine {
    /// How many of everything there are now.
    pub fn occupancy(&self) -> Occupancy {
        let (half_open, ike_sas) = self.ike.occupancy();
        Occupancy {
            half_open,
            ike_sas,
            child_sas: self.by_child.len(),
            spis: self.spis.in_use(),
            peers: self.peers.len(),
            tunnels: self.l2tp.tunnel_count(),
            sessions: self.sessions.len(),
            addresses: self.pool.in_use(),
            requests: self.requests.len(),
            timers: self.timers.len(),
            kin: self.kindred.len(),
            fragment_bytes: self.ike.fragment_bytes(),
        }
    }
}
