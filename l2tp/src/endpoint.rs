//! All tunnels and sessions of this host.

mod stray;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use wire::{Instant, PeerId, Ports, Rng};

use crate::codec::{
    AvpFault, ControlHeader, Header, HeaderError, MAX_CONTROL, Message, MessageType, Received,
    Start, StopCcn, message_type,
};
use crate::habits::Ids;
use crate::tunnel::{Context, Tunnel, authentication, free_id};
use crate::{
    CloseReason, Config, Counters, DropReason, Event, Habits, Output, Refusal, Role, SessionId,
    Timer, Transmit, TunnelId,
};

/// An SCCRQ for an established tunnel that is younger than this is a straggler; later, the peer
/// has started again and happens to use the same tunnel id (Windows counts from 1).
const STRAGGLER: Duration = Duration::from_secs(10);

/// All tunnels and sessions of this host, of both roles.
///
/// Each call that takes `now` may put something into the output queue, which is to be drained
/// with [`poll_output`](Self::poll_output) before the next call.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    /// Those of the LNS, which has none of its own.
    habits: Arc<Habits>,
    rng: Rng,
    // Boxed: a map keeps room for neighbours of each, and most of that room stays empty.
    tunnels: BTreeMap<TunnelId, Box<Tunnel>>,
    /// The living tunnels that peers opened, by the id that the peer assigned.
    by_remote: BTreeMap<(PeerId, u16), TunnelId>,
    session_ids: BTreeSet<(PeerId, u16)>,
    timers: BTreeSet<(Instant, TunnelId)>,
    scheduled: BTreeMap<TunnelId, Instant>,
    out: VecDeque<Output>,
    counters: Counters,
}

impl Endpoint {
    /// An endpoint without tunnels. `rng` gives ids, challenges and vectors.
    pub fn new(config: Config, rng: Rng) -> Self {
        Self {
            config,
            habits: Arc::default(),
            rng,
            tunnels: BTreeMap::new(),
            by_remote: BTreeMap::new(),
            session_ids: BTreeSet::new(),
            timers: BTreeSet::new(),
            scheduled: BTreeMap::new(),
            out: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes one UDP payload that came out of `peer`'s secured path and whose T bit says control.
    ///
    /// `ports` are those of the datagram. Answers go to the port that SCCRQ came from.
    pub fn handle_message(&mut self, now: Instant, peer: PeerId, ports: Ports, bytes: &[u8]) {
        self.counters.received = self.counters.received.saturating_add(1);
        if bytes.len() > MAX_CONTROL {
            return self.counters.drop(DropReason::Malformed);
        }
        let (header, body) = match Header::parse(bytes) {
            Ok(Header::Control(header, body)) => (header, body),
            Ok(Header::Data(..)) => return self.counters.drop(DropReason::NotControl),
            Err(HeaderError::Malformed(_)) => return self.counters.drop(DropReason::Malformed),
            Err(HeaderError::Version { version, control }) => {
                self.counters.drop(DropReason::Version);
                if control {
                    // Silence: an answer in version 2 would mean nothing to the peer.
                    self.report(peer, ports, Refusal::HeaderVersion(version));
                }
                return;
            }
        };
        let id = TunnelId {
            peer,
            id: header.tunnel,
        };
        if let Some(tunnel) = self.tunnels.get(&id) {
            if !tunnel.accepts(ports, bytes) {
                return self.counters.drop(DropReason::Malformed);
            }
            return self.with(now, id, |tunnel, cx| {
                tunnel.on_message(cx, ports, &header, body)
            });
        }
        match message_type(body) {
            Some(MessageType::SCCRQ) if header.tunnel == 0 => {
                self.on_sccrq(now, peer, ports, &header, body);
            }
            Some(MessageType::STOP_CCN) => self.on_lost_stop_ccn(now, peer, ports, &header, body),
            kind if header.tunnel == 0 => {
                self.on_tunnel_zero(now, peer, ports, &header, body, kind);
            }
            _ => self.counters.drop(DropReason::UnknownTunnel),
        }
    }

    fn on_sccrq(
        &mut self,
        now: Instant,
        peer: PeerId,
        ports: Ports,
        header: &ControlHeader,
        body: &[u8],
    ) {
        let parsed = Message::parse(body, self.config.secret.as_ref());
        let Ok(Received {
            message: Message::Sccrq(request),
            fault,
            ..
        }) = parsed
        else {
            return self.counters.drop(DropReason::Malformed);
        };
        let remote_id = request.assigned_tunnel_id.unwrap_or_default();
        if let Some(id) = self.by_remote.get(&(peer, remote_id)).copied() {
            let restarted = self.tunnels.get(&id).is_some_and(|tunnel| {
                tunnel.is_established() && now >= tunnel.created() + STRAGGLER
            });
            if !restarted {
                return self.with(now, id, |tunnel, cx| tunnel.on_repeated_sccrq(cx));
            }
            self.with(now, id, |tunnel, cx| {
                tunnel.lose(cx, CloseReason::Restarted)
            });
        }
        match self.check_sccrq(peer, &request, fault) {
            Ok((id, remote_id)) => {
                let ns = header.ns;
                let habits = self.habits.clone();
                self.create(now, id, |cx| {
                    Tunnel::accept(cx, id, ports, habits, (ns, remote_id), &request)
                });
                self.by_remote.insert((peer, remote_id), id);
            }
            Err(refusal) => {
                self.stop_stateless(peer, ports, header.ns, remote_id, &refusal);
                self.report(peer, ports, refusal);
            }
        }
    }

    /// Whether an SCCRQ is acceptable: the new tunnel's id here and there.
    fn check_sccrq(
        &mut self,
        peer: PeerId,
        request: &Start,
        fault: Option<AvpFault>,
    ) -> Result<(TunnelId, u16), Refusal> {
        let message = MessageType::SCCRQ;
        if let Some(fault) = fault {
            return Err(Refusal::of_fault(message, fault));
        }
        let secret = self.config.secret.as_ref();
        let remote_id = authentication::check_start(message, request, secret)?;
        if self
            .tunnels_of(peer)
            .any(|(_, tunnel)| tunnel.role() == Role::Client)
        {
            return Err(Refusal::TunnelTowardsClient);
        }
        let limit = self.config.limits.tunnels_per_peer;
        if self.tunnels_of(peer).count() >= limit {
            // One that only lingers makes room.
            let lingering = self.tunnels_of(peer).find(|(_, tunnel)| tunnel.is_closed());
            let lingering = lingering.map(|(id, _)| *id);
            self.remove(lingering.ok_or(Refusal::TunnelsOfPeer(limit))?);
        }
        let limit = self.config.limits.tunnels;
        let id = self
            .free_tunnel_id(peer, Ids::Random)
            .filter(|_| self.tunnels.len() < limit);
        Ok((id.ok_or(Refusal::Tunnels(limit))?, remote_id))
    }

    /// StopCCN for an SCCRQ that was refused. Nothing is kept: should it be lost, the peer asks
    /// again and hears the same.
    fn stop_stateless(
        &mut self,
        peer: PeerId,
        ports: Ports,
        ns: u16,
        remote_id: u16,
        refusal: &Refusal,
    ) {
        if remote_id == 0 {
            return;
        }
        let stop = StopCcn {
            assigned_tunnel_id: self.free_tunnel_id(peer, Ids::Random).map(|id| id.id),
            result: Some(refusal.tunnel_result()),
        };
        let (mut body, mut bytes) = (Vec::new(), Vec::new());
        Message::StopCcn(stop).emit(&mut body);
        let nr = ns.wrapping_add(1);
        ControlHeader {
            tunnel: remote_id,
            session: 0,
            ns: 0,
            nr,
        }
        .emit(&body, &mut bytes);
        self.counters.sent = self.counters.sent.saturating_add(1);
        self.out
            .push_back(Output::Transmit(Transmit { peer, ports, bytes }));
    }

    /// Opens a tunnel and one session in it (client role). The result is told by events; the
    /// tunnel and its session end with [`Event::TunnelDown`] and [`Event::SessionDown`] also if
    /// they never come up. `habits` say what the server gets to see.
    pub fn open_tunnel(
        &mut self,
        now: Instant,
        peer: PeerId,
        ports: Ports,
        habits: Arc<Habits>,
    ) -> TunnelId {
        match self.free_tunnel_id(peer, habits.ids) {
            Some(id) => {
                self.create(now, id, |cx| Tunnel::open(cx, id, ports, habits));
                id
            }
            None => {
                let tunnel = TunnelId { peer, id: 0 };
                let reason = CloseReason::Resources;
                self.out
                    .push_back(Output::Event(Event::TunnelDown { tunnel, reason }));
                tunnel
            }
        }
    }

    /// Ends a tunnel and its sessions with StopCCN, which is in the output queue before the
    /// events. One that is not known is left alone.
    pub fn close_tunnel(&mut self, now: Instant, tunnel: TunnelId, reason: CloseReason) {
        self.with(now, tunnel, |tunnel, cx| tunnel.close(cx, reason));
    }

    /// Ends a session with CDN, which carries the cause of [`CloseReason::Ppp`] (RFC 3145). One
    /// that is not known is left alone.
    pub fn close_session(&mut self, now: Instant, session: SessionId, reason: CloseReason) {
        if self.has_session(session) {
            self.with(now, session.tunnel, |tunnel, cx| {
                tunnel.close_session(cx, session.id, reason);
            });
        }
    }

    /// The peer's secured path is gone: all of it ends without sending.
    pub fn forget_peer(&mut self, now: Instant, peer: PeerId) {
        let ids: Vec<TunnelId> = self.tunnels_of(peer).map(|(id, _)| *id).collect();
        for id in ids {
            self.with(now, id, |tunnel, cx| tunnel.lose(cx, CloseReason::PathGone));
            self.remove(id);
        }
    }

    /// Data came through a session of this tunnel: it is alive. Cheap, but meant to be called now
    /// and then, not for each packet.
    pub fn note_data(&mut self, now: Instant, tunnel: TunnelId) {
        let tunnel = self.tunnels.get_mut(&tunnel);
        if let Some(tunnel) = tunnel.filter(|tunnel| tunnel.is_established()) {
            // The deadline stays as it is; when it is reached, the new time counts.
            tunnel.note_data(now);
        }
    }

    /// Gives one tunnel another [`Timing::dead_after`](crate::Timing::dead_after): its peer is
    /// known to sleep for long.
    pub fn set_patience(&mut self, tunnel: TunnelId, patience: Duration) {
        if let Some(tunnel) = self.tunnels.get_mut(&tunnel) {
            tunnel.set_patience(patience);
        }
    }

    /// Whether this session exists, established or not.
    pub fn has_session(&self, session: SessionId) -> bool {
        let tunnel = self.tunnels.get(&session.tunnel);
        tunnel.is_some_and(|tunnel| tunnel.has_session(session.id))
    }

    /// Number of tunnels, those included that only linger to repeat an acknowledgement.
    pub fn tunnel_count(&self) -> usize {
        self.tunnels.len()
    }

    /// Does what is due. Spurious calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let last = TunnelId {
            peer: PeerId(u64::MAX),
            id: u16::MAX,
        };
        let due: Vec<TunnelId> = self
            .timers
            .range(..=(now, last))
            .map(|(_, id)| *id)
            .collect();
        for id in due {
            self.with(now, id, |tunnel, cx| tunnel.on_timeout(cx));
        }
    }

    /// The next output; to be called until None after each other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When `handle_timeout` is to be called.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        self.timers.first().map(|(at, _)| (*at, Timer::Tunnel))
    }

    /// What was dropped, and how often.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn report(&mut self, peer: PeerId, ports: Ports, refusal: Refusal) {
        self.out.push_back(Output::Event(Event::Refused {
            peer,
            ports,
            refusal,
        }));
    }

    fn tunnels_of(&self, peer: PeerId) -> impl Iterator<Item = (&TunnelId, &Tunnel)> {
        let tunnels = self.tunnels.range(range_of(peer));
        tunnels.map(|(id, tunnel)| (id, tunnel.as_ref()))
    }

    fn free_tunnel_id(&mut self, peer: PeerId, ids: Ids) -> Option<TunnelId> {
        let tunnels = &self.tunnels;
        let taken = |id| tunnels.contains_key(&TunnelId { peer, id });
        free_id(&mut self.rng, ids, taken).map(|id| TunnelId { peer, id })
    }

    fn create(
        &mut self,
        now: Instant,
        id: TunnelId,
        make: impl FnOnce(&mut Context<'_>) -> Tunnel,
    ) {
        let (tunnel, events) = {
            let mut cx = Context {
                now,
                config: &self.config,
                rng: &mut self.rng,
                counters: &mut self.counters,
                session_ids: &mut self.session_ids,
                out: &mut self.out,
                events: Vec::new(),
            };
            let mut tunnel = make(&mut cx);
            tunnel.flush(&mut cx);
            (tunnel, cx.events)
        };
        self.out.extend(events.into_iter().map(Output::Event));
        self.tunnels.insert(id, Box::new(tunnel));
        self.settle(now, id);
    }

    /// Lets something happen to a tunnel, and afterwards puts out what it has to send, then what
    /// it has to tell, and sets its timer.
    fn with(&mut self, now: Instant, id: TunnelId, f: impl FnOnce(&mut Tunnel, &mut Context<'_>)) {
        let Some(tunnel) = self.tunnels.get_mut(&id) else {
            return;
        };
        let mut cx = Context {
            now,
            config: &self.config,
            rng: &mut self.rng,
            counters: &mut self.counters,
            session_ids: &mut self.session_ids,
            out: &mut self.out,
            events: Vec::new(),
        };
        f(tunnel, &mut cx);
        tunnel.flush(&mut cx);
        let events = cx.events;
        self.out.extend(events.into_iter().map(Output::Event));
        self.settle(now, id);
    }

    /// Brings the indexes and the timer of a tunnel up to date.
    fn settle(&mut self, now: Instant, id: TunnelId) {
        let Some(tunnel) = self.tunnels.get(&id) else {
            return;
        };
        if tunnel.is_closed() {
            self.unlink(id);
        }
        let Some(tunnel) = self.tunnels.get(&id) else {
            return;
        };
        if tunnel.is_finished(now, &self.config) {
            return self.remove(id);
        }
        let deadline = tunnel.deadline(&self.config);
        let before = self.scheduled.get(&id).copied();
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, id));
            self.scheduled.remove(&id);
        }
        if let Some(deadline) = deadline {
            self.timers.insert((deadline, id));
            self.scheduled.insert(id, deadline);
        }
    }

    /// A closed tunnel no longer answers for the id that the peer gave it.
    fn unlink(&mut self, id: TunnelId) {
        let Some(tunnel) = self.tunnels.get(&id) else {
            return;
        };
        let key = (id.peer, tunnel.remote_id());
        if self.by_remote.get(&key) == Some(&id) {
            self.by_remote.remove(&key);
        }
    }

    fn remove(&mut self, id: TunnelId) {
        self.unlink(id);
        self.tunnels.remove(&id);
        if let Some(at) = self.scheduled.remove(&id) {
            self.timers.remove(&(at, id));
        }
    }
}

fn range_of(peer: PeerId) -> RangeInclusive<TunnelId> {
    TunnelId { peer, id: 0 }..=TunnelId { peer, id: u16::MAX }
}
