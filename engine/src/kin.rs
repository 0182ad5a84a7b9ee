//! Which peers may be one client: those of one address, identity and key.
//!
//! Behind a NAT ten thousand clients may be kin, and all of them come back at once. So what is asked
//! of a kin is kept as an answer, and never found out by going through it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ike::SaInfo;
use wire::{Counts, PeerId};

use crate::Engine;

/// What two IKE SAs of one client have in common: outer address, identity and key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kin {
    remote: IpAddr,
    identity: ike::Identity,
    key: ike::KeyName,
}

impl Kin {
    pub(crate) fn of(info: &SaInfo) -> Self {
        Self {
            remote: info.path.remote.ip(),
            identity: info.peer_identity.clone(),
            key: info.key.clone(),
        }
    }
}

/// What the sessions of all peers tell about their kin.
#[derive(Debug, Default)]
pub(crate) struct Kindred {
    /// How many sessions the peers of a kin have, where there are any.
    sessions: Counts<Kin>,
    /// Whose sessions have these numbers of ours: tunnel id, session id. They are random, so that
    /// there are few of each.
    calls: BTreeSet<(u16, u16, PeerId)>,
}

impl Kindred {
    pub(crate) fn has_sessions(&self, kin: &Kin) -> bool {
        self.sessions.of(kin) > 0
    }

    /// The peers that have a tunnel and a session with these ids.
    pub(crate) fn namesakes(&self, (tunnel, session): (u16, u16)) -> impl Iterator<Item = PeerId> {
        let first = (tunnel, session, PeerId(0));
        let last = (tunnel, session, PeerId(u64::MAX));
        self.calls.range(first..=last).map(|(_, _, peer)| *peer)
    }

    pub(crate) fn insert_call(&mut self, call: l2tp::SessionId) {
        self.calls
            .insert((call.tunnel.id, call.id, call.tunnel.peer));
    }

    pub(crate) fn remove_call(&mut self, call: l2tp::SessionId) {
        self.calls
            .remove(&(call.tunnel.id, call.id, call.tunnel.peer));
    }

    /// How much there is.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len().saturating_add(self.calls.len())
    }
}

impl Engine {
    /// Makes a peer findable by its kin and by its endpoint.
    pub(crate) fn list(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let Some(info) = &peer.info else { return };
        self.kindred
            .sessions
            .add(Kin::of(info), peer.sessions.len());
        // Whom we dialled is at the same endpoint for every dial, and starts nothing anew by one.
        if peer.dialled.is_some() {
            return;
        }
        self.by_endpoint
            .entry(info.path.remote)
            .or_default()
            .insert(id);
    }

    /// Undoes [`Self::list`] for what was known of the peer then. Its sessions are those of then.
    pub(crate) fn unlist(&mut self, id: PeerId, info: Option<&SaInfo>) {
        let Some(info) = info else { return };
        let peer = self.peers.get(&id);
        let sessions = peer.map_or(0, |peer| peer.sessions.len());
        self.kindred.sessions.subtract(&Kin::of(info), sessions);
        if let Some(peers) = self.by_endpoint.get_mut(&info.path.remote) {
            peers.remove(&id);
            if peers.is_empty() {
                self.by_endpoint.remove(&info.path.remote);
            }
        }
    }

    /// A peer has a session more.
    pub(crate) fn kin_gains_session(&mut self, id: PeerId) {
        if let Some(kin) = self.kin(id) {
            self.kindred.sessions.add(kin, 1);
        }
    }

    /// A peer has a session less.
    pub(crate) fn kin_loses_session(&mut self, id: PeerId) {
        if let Some(kin) = self.kin(id) {
            self.kindred.sessions.subtract(&kin, 1);
        }
    }

    /// Whether a new IKE SA may be that of an older peer's client. What counts is the address at
    /// which it has proved to be; the older peer may have been there when it began, and have moved
    /// since.
    pub(crate) fn may_continue(&self, young: &SaInfo, elder: PeerId) -> bool {
        let elder = self.peers.get(&elder).and_then(|peer| peer.info.as_ref());
        elder.is_some_and(|elder| {
            [elder.path.remote.ip(), elder.proven].contains(&young.proven)
                && elder.peer_identity == young.peer_identity
                && elder.key == young.key
        })
    }

    /// What a peer has in common with others, once an IKE SA is up.
    pub(crate) fn kin(&self, id: PeerId) -> Option<Kin> {
        Some(Kin::of(self.peers.get(&id)?.info.as_ref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_by_their_ids_until_they_are_over() {
        let call = |peer, tunnel, id| l2tp::SessionId {
            tunnel: l2tp::TunnelId {
                peer: PeerId(peer),
                id: tunnel,
            },
            id,
        };
        let mut kindred = Kindred::default();
        for (peer, tunnel, id) in [(1, 7, 9), (2, 7, 9), (3, 7, 8), (4, 8, 9)] {
            kindred.insert_call(call(peer, tunnel, id));
        }
        assert!(kindred.namesakes((7, 9)).eq([PeerId(1), PeerId(2)]));
        kindred.remove_call(call(1, 7, 9));
        assert!(kindred.namesakes((7, 9)).eq([PeerId(2)]));
        assert_eq!(kindred.len(), 3);
    }
}
