//! Making the changes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use esp::{Keys, Opener, Sealer, Suite};
use wire::{Carrier, Path, PeerId};

use crate::owner::owner;
use crate::peer::Peer;
use crate::plane::{Books, DataPlane, Entry};
use crate::sa::{InboundSa, OutboundSa};
use crate::session::{AddSession, Network, Remote, Session, SessionId};
use crate::update::{Update, UpdateError};

type Outcome = Result<(), UpdateError>;

impl DataPlane {
    /// Makes one change. Packets on other threads go on meanwhile.
    ///
    /// # Errors
    /// If it does not fit what is there; nothing has changed then.
    pub fn apply(&self, update: Update) -> Outcome {
        let books = &mut *self.books();
        let outcome = self.change(books, update);
        // Afterwards: what was looked up meanwhile is not remembered as new.
        self.changes.fetch_add(1, Ordering::Release);
        outcome
    }

    fn change(&self, books: &mut Books, update: Update) -> Outcome {
        match update {
            Update::AddPeer { peer, path, port } => self.add_peer(books, peer, path, port),
            Update::MovePeer { peer, path } => {
                let entry = books.entry(peer)?;
                entry.peer.path.store(Arc::new(path));
                Ok(())
            }
            Update::JoinPeer { from, into } => self.join_peer(books, from, into),
            Update::RemovePeer { peer } => self.remove_peer(books, peer),
            Update::InstallInbound {
                spi,
                peer,
                suite,
                keys,
                carrier,
            } => self.install_inbound(books, spi, peer, suite, &keys, carrier),
            Update::ActivateOutbound {
                peer,
                spi,
                suite,
                keys,
            } => {
                let entry = books.entry(peer)?;
                // The same number again would restart the sequence under the same keys.
                if entry.outbound.iter().any(|sa| sa.sealer.spi() == spi) {
                    return Err(UpdateError::SpiTaken(spi));
                }
                let sealer = Sealer::new(suite, spi, &keys)?.side_by_side(self.config.side_by_side);
                entry.outbound.push(Arc::new(OutboundSa::new(sealer)));
                entry.use_newest();
                Ok(())
            }
            Update::DetectTruncation { spi } => {
                // Asked for twice, it is the same.
                self.inbound_sa(spi)?.truncation.get_or_init(Arc::default);
                Ok(())
            }
            Update::FollowTruncation { peer, spi, inbound } => {
                let inbound = self.inbound_sa(inbound)?;
                let entry = books.entry(peer)?;
                let outbound = entry.outbound.iter().find(|sa| sa.sealer.spi() == spi);
                let outbound = outbound.ok_or(UpdateError::UnknownSpi(spi))?;
                if let Some(found) = inbound.truncation.get() {
                    outbound.truncation.get_or_init(|| Arc::clone(found));
                }
                Ok(())
            }
            Update::RemoveInbound { spi } => self.remove_inbound(books, spi),
            Update::RemoveOutbound { peer, spi } => {
                let entry = books.entry(peer)?;
                let before = entry.outbound.len();
                entry.outbound.retain(|sa| sa.sealer.spi() != spi);
                if entry.outbound.len() == before {
                    return Err(UpdateError::UnknownSpi(spi));
                }
                entry.use_newest();
                Ok(())
            }
            Update::AddSession(link) => self.add_session(books, link),
            Update::SetNetwork { session, network } => self.set_network(books, session, network),
            Update::RemoveSession { session } => self.remove_session(books, session),
        }
    }

    fn add_peer(&self, books: &mut Books, id: PeerId, path: Path, port: u16) -> Outcome {
        if books.peers.contains_key(&id) {
            return Err(UpdateError::PeerExists(id));
        }
        let index = books.free.pop().ok_or(UpdateError::Full)?;
        let owner = owner(&path, self.config.threads);
        let peer = Arc::new(Peer::new(id, index, owner, path, port));
        if let Some(slot) = self.peers.get(index) {
            slot.store(Some(Arc::clone(&peer)));
        }
        self.by_peer.insert(id, Arc::clone(&peer));
        let entry = Entry {
            peer,
            inbound: BTreeSet::new(),
            outbound: Vec::new(),
        };
        books.peers.insert(id, entry);
        Ok(())
    }

    fn join_peer(&self, books: &mut Books, from: PeerId, into: PeerId) -> Outcome {
        let heir = Arc::clone(&books.entry(into)?.peer);
        let entry = books.entry(from)?;
        if from == into {
            return Err(UpdateError::PeerExists(into));
        }
        if !entry.peer.sessions.load().is_empty() {
            return Err(UpdateError::PeerHasSessions(from));
        }
        heir.path.store(entry.peer.path.load_full());
        let inbound = std::mem::take(&mut entry.inbound);
        let outbound = std::mem::take(&mut entry.outbound);
        for spi in &inbound {
            if let Some(sa) = self.inbound_slot(*spi).and_then(|slot| slot.load_full()) {
                sa.peer.store(Arc::clone(&heir));
            }
        }
        let entry = books.entry(into)?;
        entry.inbound.extend(inbound);
        entry.outbound.extend(outbound);
        entry.use_newest();
        self.remove_peer(books, from)
    }

    fn remove_peer(&self, books: &mut Books, id: PeerId) -> Outcome {
        let entry = books
            .peers
            .remove(&id)
            .ok_or(UpdateError::UnknownPeer(id))?;
        for session in entry.peer.sessions.load_full().iter() {
            self.forget_session(books, session);
        }
        entry.peer.sessions.store(Arc::default());
        for spi in &entry.inbound {
            if let Some(slot) = self.inbound_slot(*spi) {
                slot.store(None);
            }
        }
        entry.peer.outbound.store(None);
        self.by_peer.remove(id);
        if let Some(slot) = self.peers.get(entry.peer.index) {
            slot.store(None);
            books.free.push(entry.peer.index);
        }
        Ok(())
    }

    fn inbound_slot(&self, spi: u32) -> Option<&arc_swap::ArcSwapOption<InboundSa>> {
        self.inbound.get(self.config.slots.slot(spi))
    }

    fn install_inbound(
        &self,
        books: &mut Books,
        spi: u32,
        peer: PeerId,
        suite: Suite,
        keys: &Keys,
        carrier: Carrier,
    ) -> Outcome {
        let entry = books.entry(peer)?;
        let slot = self
            .inbound_slot(spi)
            .filter(|slot| spi >= 256 && slot.load().is_none())
            .ok_or(UpdateError::SpiTaken(spi))?;
        let opener = Opener::new(suite, keys)?.side_by_side(self.config.side_by_side);
        let sa = InboundSa::new(spi, Arc::clone(&entry.peer), opener, carrier);
        slot.store(Some(Arc::new(sa)));
        entry.inbound.insert(spi);
        Ok(())
    }

    fn inbound_sa(&self, spi: u32) -> Result<Arc<InboundSa>, UpdateError> {
        let found = self.inbound_slot(spi).and_then(|slot| slot.load_full());
        found
            .filter(|sa| sa.spi == spi)
            .ok_or(UpdateError::UnknownSpi(spi))
    }

    fn remove_inbound(&self, books: &mut Books, spi: u32) -> Outcome {
        let sa = self.inbound_sa(spi)?;
        if let Some(slot) = self.inbound_slot(spi) {
            slot.store(None);
        }
        if let Some(entry) = books.peers.get_mut(&sa.peer.load().id) {
            entry.inbound.remove(&spi);
        }
        Ok(())
    }

    fn add_session(&self, books: &mut Books, link: AddSession) -> Outcome {
        let id = link.session;
        if books.sessions.contains_key(&id) {
            return Err(UpdateError::SessionExists(id));
        }
        let peer = Arc::clone(&books.entry(link.peer)?.peer);
        let mut sessions = Vec::clone(&peer.sessions.load());
        let ids = (link.local_tunnel, link.local_session);
        if sessions
            .iter()
            .any(|s| (s.link.local_tunnel, s.link.local_session) == ids)
        {
            return Err(UpdateError::IdsTaken(ids.0, ids.1));
        }
        let session = Arc::new(Session::new(link, Arc::clone(&peer)));
        sessions.push(Arc::clone(&session));
        peer.sessions.store(Arc::new(sessions));
        self.by_session.insert(id, Arc::clone(&session));
        books.sessions.insert(id, session);
        Ok(())
    }

    fn set_network(&self, books: &mut Books, id: SessionId, network: Option<Network>) -> Outcome {
        let session = books
            .sessions
            .get(&id)
            .ok_or(UpdateError::UnknownSession(id))?;
        let (owner, taken) = match network.as_ref().map(|network| network.remote) {
            Some(Remote::Address(address)) => (
                self.by_address.with(address, |s| s.link.session),
                UpdateError::AddressTaken(address),
            ),
            Some(Remote::Any) => (
                self.default.load().as_ref().map(|s| s.link.session),
                UpdateError::DefaultTaken,
            ),
            Some(Remote::Unrouted) | None => (None, UpdateError::DefaultTaken),
        };
        if owner.is_some_and(|owner| owner != id) {
            return Err(taken);
        }
        self.withdraw(session);
        if let Some(network) = network {
            let remote = network.remote;
            session.network.store(Some(Arc::new(network)));
            match remote {
                Remote::Address(address) => self.by_address.insert(address, Arc::clone(session)),
                Remote::Any => self.default.store(Some(Arc::clone(session))),
                Remote::Unrouted => {}
            }
        }
        Ok(())
    }

    /// Takes a session's addresses away.
    fn withdraw(&self, session: &Session) {
        let old: Option<IpAddr> = match session.network.swap(None).map(|network| network.remote) {
            Some(Remote::Address(address)) => Some(address),
            Some(Remote::Any) => {
                self.default.store(None);
                None
            }
            Some(Remote::Unrouted) | None => None,
        };
        if let Some(address) = old {
            self.by_address.remove(address);
        }
    }

    fn remove_session(&self, books: &mut Books, id: SessionId) -> Outcome {
        let session = books
            .sessions
            .get(&id)
            .cloned()
            .ok_or(UpdateError::UnknownSession(id))?;
        let mut sessions = Vec::clone(&session.peer.sessions.load());
        sessions.retain(|other| other.link.session != id);
        session.peer.sessions.store(Arc::new(sessions));
        self.forget_session(books, &session);
        Ok(())
    }

    fn forget_session(&self, books: &mut Books, session: &Arc<Session>) {
        self.withdraw(session);
        self.by_session.remove(session.link.session);
        books.sessions.remove(&session.link.session);
    }
}

impl Books {
    fn entry(&mut self, peer: PeerId) -> Result<&mut Entry, UpdateError> {
        self.peers
            .get_mut(&peer)
            .ok_or(UpdateError::UnknownPeer(peer))
    }
}

impl Entry {
    fn use_newest(&self) {
        self.peer.outbound.store(self.outbound.last().cloned());
    }
}
