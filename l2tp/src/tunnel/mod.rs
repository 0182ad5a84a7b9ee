//! Tunnels and their sessions.

use std::fmt;

use wire::PeerId;

/// Who opened a tunnel or session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The peer: we are the LNS.
    Server,
    /// We: the client, a LAC and PPP peer in one.
    Client,
}

/// Names a tunnel: the peer and the tunnel id that we assigned, which is never 0 and unique
/// within the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TunnelId {
    /// Whose tunnel.
    pub peer: PeerId,
    /// Our tunnel id, as it stands in the headers that we receive.
    pub id: u16,
}

/// Names a session: its tunnel and the session id that we assigned, which is never 0 and unique
/// within the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId {
    /// The tunnel that the session is in.
    pub tunnel: TunnelId,
    /// Our session id, as it stands in the headers that we receive.
    pub id: u16,
}

impl fmt::Display for TunnelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:#06x}", self.peer, self.id)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:#06x}", self.tunnel, self.id)
    }
}
