//! What IKE says: peers come and go, SAs are installed and removed.

use ike::{CloseReason, Event as Ike, SaId, SaInfo};
use tracing::debug;
use wire::{Carrier, Instant, Path, PeerId, Source};

use crate::dial::L2TP_PORT;
use crate::engine::Pending;
use crate::peer::{Child, OutboundHalf, Peer};
use crate::timers::Timer;
use crate::{Engine, Event, Output, Reason, Request, Stage};

impl Engine {
    pub(crate) fn on_ike_output(&mut self, now: Instant, output: ike::Output) {
        match output {
            ike::Output::Transmit { path, bytes } => self.output(Output::Transmit { path, bytes }),
            ike::Output::Request(id, ike::Request::Compute(job)) => {
                self.request(Pending::Ike(id), Request::Compute(job));
            }
            ike::Output::Request(id, ike::Request::Spi { .. }) => {
                // The SPI names the slot of the table that the SA will stand in.
                let room = self.spis.in_use() < self.config.esp_sas;
                let spi = room.then(|| self.spis.allocate()).flatten();
                self.ike.handle_answer(now, id, ike::Answer::Spi(spi));
            }
            ike::Output::Event(event) => self.on_ike_event(now, event),
        }
    }

    pub(crate) fn on_ike_event(&mut self, now: Instant, event: Ike) {
        match event {
            Ike::SaUp { sa, info } => self.on_sa_up(now, sa, info),
            Ike::SaRekeyed { old, new } => self.on_sa_rekeyed(old, new),
            Ike::SaDown { sa, reason } => self.on_sa_down(now, sa, reason),
            Ike::ChildUp { sa, child, details } => self.on_child_up(sa, child, details),
            Ike::ChildConfirmed { child } => self.on_child_confirmed(now, child),
            Ike::ChildDown { child, reason } => self.on_child_down(now, child, reason),
            Ike::SpiUnused(spi) => {
                self.spis.release(spi);
            }
            Ike::InitialContact { sa } => self.on_initial_contact(now, sa),
            Ike::PathChanged { sa, path } => self.on_path_changed(now, sa, path),
            Ike::DeadPeer { sa } => debug!(%sa, "dead peer detection has no answer"),
            Ike::WrongKey { path } => self.on_wrong_key(now, path),
            Ike::Refused {
                path,
                sa,
                make,
                proven,
                refusal,
            } => {
                let peer = sa.and_then(|sa| self.by_sa.get(&sa).copied());
                self.on_ike_refused(now, path, make, peer, proven, &refusal);
            }
        }
    }

    /// A client has no key of ours. It gets our answers, so that it is where it seems to be.
    fn on_wrong_key(&mut self, now: Instant, path: Path) {
        let source = Source::of(path.remote.ip());
        if let Some(slowed) = self.guard.on_wrong_key(now, source) {
            self.event(Event::Slowed(Box::new(slowed)));
        }
    }

    fn on_sa_up(&mut self, now: Instant, sa: SaId, info: Box<SaInfo>) {
        match self.by_sa.get(&sa).copied() {
            // We dialled.
            Some(peer) => {
                self.adopt(peer, sa, *info);
                if let Some(child) = self.ike.start_child(now, sa) {
                    self.by_child.insert(child, peer);
                }
                self.progress(peer, Stage::Phase1);
            }
            // A rekey of ours; the event that follows says of what.
            None if info.initiator => {
                self.successors.insert(sa, info);
            }
            // Provisionally a new peer: it may turn out to be an older one's continuation.
            None => {
                let peer = PeerId(self.next_id());
                self.peers.insert(peer, Box::new(Peer::new(peer)));
                self.adopt(peer, sa, *info);
                self.on_attempt(now, peer);
                self.progress(peer, Stage::Phase1);
            }
        }
    }

    /// Makes `sa` the newest IKE SA of `peer`.
    fn adopt(&mut self, id: PeerId, sa: SaId, info: SaInfo) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        self.by_sa.insert(sa, id);
        peer.sas.insert(sa);
        let before = peer.info.replace(info);
        self.unlist(id, before.as_ref());
        self.list(id);
    }

    fn on_sa_rekeyed(&mut self, old: SaId, new: SaId) {
        let info = self.successors.remove(&new);
        if let (Some(peer), Some(info)) = (self.by_sa.get(&old).copied(), info) {
            self.adopt(peer, new, *info);
        }
    }

    fn on_sa_down(&mut self, now: Instant, sa: SaId, reason: CloseReason) {
        self.successors.remove(&sa);
        let Some(id) = self.by_sa.remove(&sa) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.sas.remove(&sa);
        // Children live on without their IKE SA: racoon deletes the old one on every rekey.
        self.check_peer(now, id, Reason::Ike(reason));
    }

    fn on_child_up(&mut self, sa: SaId, child: ike::ChildId, details: Box<ike::ChildSa>) {
        let Some(id) = self.by_sa.get(&sa).copied() else {
            return;
        };
        let agreed = self.suite_of(&details);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let (inbound, outbound) = (details.inbound.spi, details.outbound.spi);
        let new = peer.path.is_none();
        if new {
            peer.path = Some(details.path);
        }
        peer.phase2 = agreed.to_string();
        peer.suite = Some(agreed);
        if new {
            let ports = self.peers.get(&id).and_then(|peer| peer.dialled.as_ref());
            let port = ports.map_or(L2TP_PORT, |dialled| dialled.ports().local);
            self.plane_add_peer(id, details.path, port);
        }
        self.plane_install_inbound(id, &details);
        if let Some(peer) = self.peers.get_mut(&id) {
            let (kilobytes, initiator) = (details.kilobytes, details.initiator);
            peer.children.insert(
                child,
                Box::new(Child {
                    inbound,
                    outbound,
                    kilobytes,
                    initiator,
                    measuring: false,
                    half: OutboundHalf::Unconfirmed(details),
                }),
            );
        }
        self.by_child.insert(child, id);
        self.by_spi.insert(inbound, child);
        self.timers.set(Timer::Grace(id), None);
    }

    fn on_child_confirmed(&mut self, now: Instant, child: ike::ChildId) {
        let Some(id) = self.by_child.get(&child).copied() else {
            return;
        };
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(entry) = peer.children.get_mut(&child) else {
            return;
        };
        let details = match std::mem::replace(&mut entry.half, OutboundHalf::Active) {
            OutboundHalf::Unconfirmed(details) => details,
            before => {
                entry.half = before;
                return;
            }
        };
        // The endpoint of an existing peer moves by authenticated traffic only; what the Quick
        // Mode travelled on is just that, unless a raw path and a UDP path change places.
        let moved = peer
            .path
            .filter(|path| path.carrier != details.path.carrier)
            .is_some();
        if moved {
            peer.path = Some(details.path);
        }
        let first = peer.tunnels.is_empty();
        let dialled = peer.dialled.is_some();
        let tunnel = peer.dialled.as_ref();
        let tunnel = tunnel.map(|dialled| (dialled.ports(), dialled.tunnel()));
        if moved {
            self.plane_move_peer(id, details.path);
        }
        self.retire_namesake(now, id, child, details.outbound.spi);
        self.plane_activate_outbound(id, &details);
        if first {
            self.progress(id, Stage::Phase2);
        }
        if let (true, Some((ports, habits))) = (first, tunnel) {
            let tunnel = self.l2tp.open_tunnel(now, id, ports, habits);
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.tunnels.insert(tunnel);
            }
        } else if dialled {
            // So that a server that took the new IKE SA for a new peer sees whose it is.
            self.probe(now, id);
        } else if first {
            // What answers on the new SA names tunnel and session, and so whose the peer is that has
            // none: a HELLO, which may be all that a quiet client sends, does not.
            for twin in self.twins(id) {
                self.probe(now, twin);
            }
        }
    }

    /// A peer may give a number of its own a second time, while we still have the child SA that had
    /// it first. Under that number it only knows the new keys: the old child SA is over.
    fn retire_namesake(&mut self, now: Instant, id: PeerId, child: ike::ChildId, spi: u32) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let namesake = peer
            .children
            .iter_mut()
            .find(|(name, other)| **name != child && other.outbound == spi && other.is_active());
        if let Some((name, other)) = namesake {
            other.half = OutboundHalf::Retired;
            let name = *name;
            self.plane_remove_outbound(id, spi);
            self.ike.delete_child(now, name);
        }
    }

    /// Sends something that names tunnel and session at once, for each session.
    fn probe(&mut self, now: Instant, peer: PeerId) {
        let Some(peer) = self.peers.get(&peer) else {
            return;
        };
        for session in peer.sessions.clone() {
            self.touch_link(session, |link| link.probe(now));
        }
    }

    fn on_child_down(&mut self, now: Instant, child: ike::ChildId, reason: CloseReason) {
        // One that was to replace another and failed is not known here; the other lives on.
        let Some(id) = self.by_child.remove(&child) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if let Some(child) = peer.children.remove(&child) {
            self.drop_child(id, &child);
        }
        self.check_peer(now, id, Reason::Ike(reason));
    }

    fn drop_child(&mut self, peer: PeerId, child: &Child) {
        self.by_spi.remove(&child.inbound);
        self.plane_remove_child(peer, child);
        self.spis.release(child.inbound);
    }

    /// Ends a peer that has nothing left to be secured by, or nothing left to secure: a client that
    /// deletes its IKE SA and has no tunnel is gone, and its DELETE of the child SAs may have been
    /// lost. Where something of it is left there is some grace, because on a rekey the DELETE of
    /// the old SA may come before the new one is up.
    pub(crate) fn check_peer(&mut self, now: Instant, id: PeerId, reason: Reason) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let (bare, idle) = (peer.children.is_empty(), peer.tunnels.is_empty());
        let unled = peer.sas.is_empty();
        match (bare, unled, idle) {
            (true, ..) if peer.dialled.is_some() => self.end_peer(id, reason, false),
            (false, ..) if peer.dialled.is_some() => {}
            (true, true, true) => self.end_peer(id, reason, false),
            (true, _, false) | (false, true, true) => {
                let end = now + self.config.timing.grace;
                self.timers.set(Timer::Grace(id), Some(end));
            }
            (true, false, true) | (false, ..) => {}
        }
    }

    /// The grace of a peer is over. It may have been given for the want of a tunnel, and one is
    /// there now, or somebody who may open one.
    pub(crate) fn on_grace(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let wanted = !peer.tunnels.is_empty() || !peer.sas.is_empty();
        if wanted && !peer.children.is_empty() {
            return;
        }
        match self.heir(id) {
            Some(heir) => self.join(now, heir, id),
            None => self.end_peer(id, Reason::PathGone, false),
        }
    }

    /// The only other peer at the endpoint of one that has a tunnel and no child SA left, if it has
    /// child SAs and no tunnel and may be the same client's. QUIRK(Windows): it deletes the old
    /// child SAs once it has new ones, and a quiet client says nothing under these that tells whose
    /// they are.
    ///
    /// That it is there is proven by a confirmed child SA and no change of its path: whoever has a key
    /// of ours can send authentic packets under any address, but what was sent there went into the
    /// keys.
    fn heir(&self, id: PeerId) -> Option<PeerId> {
        let peer = self
            .peers
            .get(&id)
            .filter(|peer| !peer.tunnels.is_empty())?;
        let info = peer.info.as_ref()?;
        let there = self.by_endpoint.get(&info.path.remote)?;
        let mut others = there.iter().copied().filter(|other| *other != id);
        let (heir, more) = (others.next()?, others.next());
        let young = self.peers.get(&heir)?;
        let fits = more.is_none()
            && young.is_provisional()
            && !young.moved
            && young.children.values().any(|child| child.is_active())
            && self.twins(heir).contains(&id)
            && self.may_continue(young.info.as_ref()?, id);
        fits.then_some(heir)
    }

    /// The notify says that the client remembers nothing of earlier SAs. Older peers at the very
    /// same endpoint become doubtful; nothing else is concluded from it, since many clients share
    /// an address, and many an identity.
    fn on_initial_contact(&mut self, now: Instant, sa: SaId) {
        let Some(id) = self.by_sa.get(&sa).copied() else {
            return;
        };
        for twin in self.twins(id) {
            let Some(peer) = self.peers.get_mut(&twin) else {
                continue;
            };
            if peer.doubtful.is_some() {
                continue;
            }
            peer.doubtful = Some(now);
            self.timers
                .set(Timer::Doubt(twin), Some(now + self.config.timing.doubt));
        }
    }

    /// Ends the peers that INITIAL-CONTACT made doubtful, now that the client at their endpoint
    /// opens a tunnel of its own.
    pub(crate) fn end_doubtful_twins(&mut self, id: PeerId) {
        for twin in self.twins(id) {
            if self
                .peers
                .get(&twin)
                .is_some_and(|peer| peer.doubtful.is_some())
            {
                self.end_peer(twin, Reason::StartedAgain, false);
            }
        }
    }

    /// The other peers at a peer's endpoint: outer address and port. Only those that dialled us;
    /// and none if the peer has not proved to be at that address, since whoever has a key of ours
    /// can send authentic packets under any.
    fn twins(&self, id: PeerId) -> Vec<PeerId> {
        let peer = self.peers.get(&id).filter(|peer| peer.dialled.is_none());
        let info = peer.and_then(|peer| peer.info.as_ref());
        let info = info.filter(|info| info.path.remote.ip() == info.proven);
        let there = info.and_then(|info| self.by_endpoint.get(&info.path.remote));
        there
            .into_iter()
            .flatten()
            .copied()
            .filter(|twin| *twin != id)
            .collect()
    }

    fn on_path_changed(&mut self, now: Instant, sa: SaId, path: Path) {
        if let Some(id) = self.by_sa.get(&sa).copied() {
            self.on_peer_moved(now, id, path);
        }
    }

    /// Authenticated traffic, of IKE or ESP, has come from elsewhere: that is where the peer is
    /// found from now on, also by those that claim to be its continuation.
    pub(crate) fn on_peer_moved(&mut self, now: Instant, id: PeerId, path: Path) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if let Some(mut info) = peer.info.take() {
            let before = info.clone();
            peer.moved |= path.remote != before.path.remote;
            info.path = path;
            peer.info = Some(info);
            self.unlist(id, Some(&before));
            self.list(id);
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        // Only ESP inside UDP follows: raw ESP has an address, and no mapping that could move.
        if peer
            .path
            .is_some_and(|old| old.carrier == Carrier::NatT && old != path)
        {
            peer.path = Some(path);
            let sas: Vec<SaId> = peer.sas.iter().copied().collect();
            self.plane_move_peer(id, path);
            for sa in sas {
                self.ike.follow(now, sa, path);
            }
        }
    }

    /// Joins a provisional peer to the older one whose continuation it has proved to be.
    pub(crate) fn join(&mut self, now: Instant, from: PeerId, into: PeerId) {
        let Some(young) = self.peers.remove(&from) else {
            return;
        };
        for (name, child) in &young.children {
            if child.is_active() {
                self.retire_namesake(now, into, *name, child.outbound);
            }
        }
        debug!(peer = %from, older = %into, "a new IKE SA continues an older peer");
        self.timers.set(Timer::Grace(from), None);
        self.timers.set(Timer::Attempt(from), None);
        self.timers.set(Timer::Grace(into), None);
        self.timers.set(Timer::Doubt(into), None);
        self.unlist(from, young.info.as_ref());
        if let Some(absorbed) = young.absorbed {
            self.joined.remove(&absorbed);
        }
        for sa in &young.sas {
            self.by_sa.insert(*sa, into);
        }
        for child in young.children.keys() {
            self.by_child.insert(*child, into);
        }
        let Some(old) = self.peers.get_mut(&into) else {
            return;
        };
        old.sas.extend(young.sas);
        old.children.extend(young.children);
        // QUIRK(Apple): rekeys from port 500 when 4500 does not answer. Where the ESP of such a peer
        // is found is a guess until a packet shows it; the older one knows.
        let info = young.info.as_ref();
        let guessed = info.is_some_and(|info| info.path.carrier == Carrier::Ike);
        let known = old
            .path
            .filter(|path| guessed && path.carrier == Carrier::NatT)
            .filter(|path| {
                young
                    .path
                    .is_some_and(|young| young.carrier == path.carrier)
            });
        let before = old.info.clone();
        if let Some(info) = young.info {
            old.info = Some(info);
        }
        old.path = known.or(young.path).or(old.path);
        old.suite = young.suite.or(old.suite);
        old.phase2 = young.phase2;
        old.doubtful = None;
        let before_that = old.absorbed.replace(from);
        if let Some(earlier) = before_that {
            self.joined.remove(&earlier);
        }
        self.joined.insert(from, into);
        self.unlist(into, before.as_ref());
        self.list(into);
        self.plane_join(from, into);
        if let Some(path) = known {
            self.plane_move_peer(into, path);
        }
    }

    /// Forgets a peer: what IKE and L2TP had of it has ended.
    pub(crate) fn remove_peer(&mut self, id: PeerId, reason: Reason) {
        self.on_peer_missed(id, &reason);
        let info = self.peers.get(&id).and_then(|peer| peer.info.clone());
        self.unlist(id, info.as_ref());
        let Some(peer) = self.peers.remove(&id) else {
            return;
        };
        for session in &peer.sessions {
            self.remove_session(*session, &reason);
        }
        for sa in &peer.sas {
            self.by_sa.remove(sa);
        }
        for (name, child) in &peer.children {
            self.by_child.remove(name);
            self.drop_child(id, child);
        }
        if let Some(absorbed) = peer.absorbed {
            self.joined.remove(&absorbed);
        }
        self.timers.set(Timer::Grace(id), None);
        self.timers.set(Timer::Doubt(id), None);
        self.timers.set(Timer::Attempt(id), None);
        if peer.path.is_some() {
            self.plane_remove_peer(id);
        }
        self.event(Event::PeerDown { peer: id, reason });
    }
}
