//! Tunnels and their sessions.

pub(crate) mod authentication;
mod calls;
mod connection;
mod datagrams;
mod establish;
mod session;
mod session_table;
mod table;
mod timers;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use rand_core::Rng as _;
use wire::{Instant, PeerId, Rng};

pub(crate) use connection::Tunnel;

use crate::habits::Ids;
use crate::{Config, Counters, Event, Output};

/// What a tunnel needs from its endpoint while something happens to it.
pub(crate) struct Context<'a> {
    pub now: Instant,
    pub config: &'a Config,
    pub rng: &'a mut Rng,
    pub counters: &'a mut Counters,
    /// Session ids in use, which are unique within a peer.
    pub session_ids: &'a mut BTreeSet<(PeerId, u16)>,
    pub out: &'a mut VecDeque<Output>,
    /// Events wait here until what is to be sent is in `out`: who hears of a tunnel's end may
    /// take away the path that StopCCN needs, and who hears of a session's begin sends PPP that
    /// must not overtake the acknowledgement of ICCN (QUIRK(Android): it waits for that).
    pub events: Vec<Event>,
}

/// An id that is not 0 and not taken; None if all are taken.
pub(crate) fn free_id(rng: &mut Rng, ids: Ids, taken: impl Fn(u16) -> bool) -> Option<u16> {
    let first = match ids {
        Ids::Smallest => 1,
        Ids::Random => {
            let [high, low, ..] = rng.next_u32().to_be_bytes();
            u16::from_be_bytes([high, low])
        }
    };
    (0..=u16::MAX)
        .map(|n| first.wrapping_add(n))
        .find(|id| *id != 0 && !taken(*id))
}

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

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn ids_are_never_zero_nor_taken() {
        let mut rng = Rng::seed_from_u64(1);
        assert_eq!(
            free_id(&mut rng, Ids::Random, |id| id != 0x1234),
            Some(0x1234)
        );
        assert_eq!(free_id(&mut rng, Ids::Random, |id| id != 0), None);
        let ids: BTreeSet<_> = (0..100)
            .filter_map(|_| free_id(&mut rng, Ids::Random, |_| false))
            .collect();
        assert!(ids.len() > 95, "drawn and not counted");
        assert_eq!(free_id(&mut rng, Ids::Smallest, |id| id < 3), Some(3));
    }

    /// There may be tens of thousands of them.
    #[test]
    fn tunnels_and_sessions_are_small() {
        assert!(size_of::<Tunnel>() <= 640, "{}", size_of::<Tunnel>());
        assert!(
            size_of::<session::Session>() <= 128,
            "{}",
            size_of::<session::Session>()
        );
    }
}
