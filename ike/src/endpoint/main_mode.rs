//! Main Modes: begun, carried on, finished, given up.

use std::time::Duration;

use wire::{Carrier, Path};

use super::{Endpoint, Initiate};
use crate::codec::{Chain, Cookie, Header, Trailing};
use crate::context::count;
use crate::fragment::Origin;
use crate::habits::{self, InitialContact, OldSa};
use crate::main_mode::initiator::Step as AskStep;
use crate::main_mode::responder::{State, Step};
use crate::main_mode::{Finished, initiator, responder};
use crate::sa::{Frame, Phase, Role, Sa};
use crate::timers::Owner;
use crate::{CloseReason, Event, JobResult, Refusal, SaId, Timer, make};

/// Pause before a rekeying that failed is tried again.
pub(super) const REKEY_RETRY: Duration = Duration::from_secs(10);

impl Endpoint {
    /// Message 1 from somebody unknown.
    pub(super) fn on_first_message(
        &mut self,
        path: Path,
        header: &Header,
        body: &[u8],
        datagram: &[u8],
    ) {
        let limits = self.context.config.limits;
        let chain = Chain::parse(header.next, body, Trailing::Nothing);
        let (Ok(chain), true) = (chain, datagram.len() <= limits.message_size) else {
            return count(&mut self.context.counters.malformed);
        };
        let source = path.remote.ip();
        if let Some(refusal) = self.established.refusal(&limits, source) {
            count(&mut self.context.counters.unexpected);
            return self
                .context
                .refuse_unproven(path, make::of_message(&chain), refusal);
        }
        count(&mut self.context.counters.main_modes);
        let frame = Frame {
            id: SaId(self.context.new_id()),
            role: Role::Responder,
            initiator: header.initiator,
            responder: self.new_responder(header.initiator),
            path,
            proven: path.remote.ip(),
            fragments: false,
            started: self.context.now,
        };
        let state = match responder::begin(&mut self.context, &frame, &chain, datagram) {
            Ok(state) => state,
            Err(refusal) => {
                if let Some(kind) = refusal.notify() {
                    let notify = frame.clear_notify(&mut self.context, kind);
                    if notify.len() <= datagram.len() {
                        self.context.transmit(path, notify);
                    }
                }
                return self
                    .context
                    .refuse_unproven(path, make::of_message(&chain), refusal);
            }
        };
        while let Some(victim) = self
            .half_open
            .victim(&limits, source, &mut self.context.rng)
        {
            count(&mut self.context.counters.evicted);
            self.evict(victim);
        }
        let id = frame.id;
        self.half_open.insert(id, source);
        self.context.admission.note_begun(self.context.now, id);
        self.responding.insert(frame.responder, id);
        self.firsts.insert((header.initiator, path.remote), id);
        let deadline = self.context.now + self.context.config.timing.half_open;
        self.context
            .timers
            .set(Owner::Sa(id), Timer::HalfOpen, deadline);
        let mut sa = Sa {
            frame,
            phase: Phase::Moving,
            first: Some(path.remote),
        };
        sa.move_to(Phase::Responding(state));
        self.sas.insert(id, Box::new(sa));
    }

    /// A cookie for us that names no other IKE SA.
    fn new_responder(&mut self, initiator: Cookie) -> Cookie {
        let context = &mut self.context;
        loop {
            let cookie = context.cookies.responder(initiator, &mut context.rng);
            if !self.responding.contains_key(&cookie) {
                return cookie;
            }
        }
    }

    /// Message 1 again, or something else that does not name our cookie. Nothing but a repetition
    /// is answered: whoever sends more without the cookie does not receive what we send, and would
    /// have us compute for, and answer to, an address that is not its own.
    pub(super) fn on_first_message_again(&mut self, id: SaId, path: Path, datagram: &[u8]) {
        let answer = match self.sas.get_mut(&id).map(|sa| &mut sa.phase) {
            Some(Phase::Responding(state)) => state.answer_to_first(datagram),
            _ => None,
        };
        let Some(answer) = answer else {
            return count(&mut self.context.counters.unexpected);
        };
        count(&mut self.context.counters.repeated);
        self.context.transmit(path, answer);
    }

    /// A Main Mode makes room for a new one. Nobody is told of those that may be forged.
    fn evict(&mut self, id: SaId) {
        let Some(sa) = self.remove_sa(id) else { return };
        if let Phase::Responding(state) = &sa.phase
            && state.is_proven()
        {
            let limits = self.context.config.limits;
            let refusal = Refusal::Overloaded {
                half_open: limits.half_open_total,
                per_source: limits.half_open_per_source,
            };
            let path = sa.frame.proven_path(sa.frame.path);
            self.context.refuse(path, None, state.make(), refusal);
        }
    }

    /// A Main Mode has not been finished in time: what that says of the way between us.
    pub(super) fn on_half_open_timeout(&mut self, id: SaId) {
        count(&mut self.context.counters.half_open_timeouts);
        let Some(sa) = self.remove_sa(id) else { return };
        let Phase::Responding(state) = &sa.phase else {
            return;
        };
        // The peer may have got in by another Main Mode that it ran beside this one.
        if sa
            .first
            .is_some_and(|first| self.context.succeeded_lately(first))
        {
            return;
        }
        if let Some(refusal) = state.unfinished() {
            let path = sa.frame.proven_path(sa.frame.path);
            match state.is_proven() {
                true => self.context.refuse(path, None, state.make(), refusal),
                false => self.context.refuse_unproven(path, state.make(), refusal),
            }
        }
    }

    /// Sends message 1.
    pub(super) fn begin_main_mode(
        &mut self,
        initiate: Box<Initiate>,
        path: Path,
        replaces: Option<SaId>,
    ) -> SaId {
        let frame = Frame {
            id: SaId(self.context.new_id()),
            role: Role::Initiator,
            initiator: self.context.cookies.initiator(&mut self.context.rng),
            responder: Cookie::ZERO,
            path,
            proven: path.remote.ip(),
            fragments: false,
            started: self.context.now,
        };
        let id = frame.id;
        let state = initiator::begin(&mut self.context, &frame, initiate, replaces);
        self.initiating.insert(frame.initiator, id);
        let mut sa = Sa {
            frame,
            phase: Phase::Moving,
            first: None,
        };
        sa.move_to(Phase::Initiating(Box::new(state)));
        self.sas.insert(id, Box::new(sa));
        id
    }

    /// A message of a Main Mode that is under way.
    pub(super) fn on_main_mode(
        &mut self,
        id: SaId,
        path: Path,
        header: &Header,
        body: &[u8],
        datagram: &[u8],
    ) {
        if datagram.len() > self.context.config.limits.message_size {
            return count(&mut self.context.counters.malformed);
        }
        let Some(sa) = self.sas.get_mut(&id) else {
            return;
        };
        let (context, frame) = (&mut self.context, &mut sa.frame);
        match std::mem::replace(&mut sa.phase, Phase::Moving) {
            Phase::Responding(state) => {
                let waited = matches!(state, State::ExpectKe(_));
                let next = state.handle(context, frame, path, header, body, datagram);
                if waited && matches!(next, State::AwaitKe(_)) {
                    let source = sa.first.map_or(path.remote.ip(), |first| first.ip());
                    self.half_open.prove(id, source);
                    context.admission.note_proven(context.now, id);
                }
                sa.move_to(Phase::Responding(next));
            }
            Phase::Initiating(state) => {
                let step = state.handle(context, frame, path, header, body);
                self.on_ask_step(id, step);
            }
            phase @ (Phase::Established(_) | Phase::Moving) => sa.phase = phase,
        }
    }

    /// A power was computed, or keys were tried.
    pub(super) fn on_main_mode_computed(&mut self, id: SaId, result: JobResult) {
        let Some(sa) = self.sas.get_mut(&id) else {
            return;
        };
        let (context, frame) = (&mut self.context, &mut sa.frame);
        match (std::mem::replace(&mut sa.phase, Phase::Moving), result) {
            (Phase::Responding(State::AwaitKe(state)), JobResult::DiffieHellman(outcome)) => {
                let next = state.on_computed(context, frame, outcome);
                sa.move_to(Phase::Responding(next));
            }
            (Phase::Responding(State::AwaitTrial(state)), JobResult::KeyTrial(outcome)) => {
                match state.on_tried(context, frame, outcome) {
                    Step::Stay(next) => sa.move_to(Phase::Responding(next)),
                    Step::Finished(finished) => self.establish(id, *finished, None),
                }
            }
            (Phase::Initiating(state), JobResult::DiffieHellman(outcome)) => {
                let step = state.on_computed(context, frame, outcome);
                self.on_ask_step(id, step);
            }
            (phase, _) => sa.phase = phase,
        }
    }

    /// Nobody computes what a Main Mode waits for.
    pub(super) fn on_main_mode_unavailable(&mut self, id: SaId) {
        let Some(sa) = self.sas.get_mut(&id) else {
            return;
        };
        match std::mem::replace(&mut sa.phase, Phase::Moving) {
            Phase::Responding(state) => sa.move_to(Phase::Responding(state.step_back())),
            Phase::Initiating(state) => self.give_up(id, state.replaces, CloseReason::NoRoom),
            phase @ (Phase::Established(_) | Phase::Moving) => sa.phase = phase,
        }
    }

    fn on_ask_step(&mut self, id: SaId, step: AskStep) {
        match step {
            AskStep::Stay(next) => {
                if let Some(sa) = self.sas.get_mut(&id) {
                    sa.move_to(Phase::Initiating(next));
                }
            }
            AskStep::Finished(finished, replaces) => self.establish(id, *finished, replaces),
            AskStep::Failed(refusal, replaces) => {
                self.give_up(id, replaces, CloseReason::Failed(refusal));
            }
        }
    }

    /// A Main Mode of ours has failed.
    pub(super) fn give_up(&mut self, id: SaId, replaces: Option<SaId>, reason: CloseReason) {
        self.remove_sa(id);
        let old = replaces.and_then(|old| self.sas.get_mut(&old)?.established());
        match (replaces, old) {
            (None, _) => self.context.event(Event::SaDown { sa: id, reason }),
            // Nobody was told of the attempt to replace it; its own end will be reported.
            (Some(old), Some((_, established))) => {
                tracing::debug!(sa = %old, %reason, "rekeying failed");
                established.successor = None;
                if let Some(ended) = established.ended.take() {
                    return self.end_sa_alone(old, *ended);
                }
                let again = self.context.now + REKEY_RETRY;
                self.context.timers.set(Owner::Sa(old), Timer::Rekey, again);
            }
            (Some(_), None) => {}
        }
    }

    /// Both sides are authenticated.
    fn establish(&mut self, id: SaId, mut finished: Finished, replaces: Option<SaId>) {
        let Some(sa) = self.sas.get_mut(&id) else {
            return;
        };
        if let Some(first) = sa.first {
            self.half_open.remove(id, first.ip());
            self.context.note_success(first);
        }
        let owner = Owner::Sa(id);
        self.context.timers.cancel_all(owner);
        sa.frame.path = finished.path;
        let message = finished.message.take();
        let initial_contact = finished.initial_contact;
        let established = finished.establish(&mut self.context, &sa.frame);
        let info = Box::new(established.info(&sa.frame));

        let (now, timing) = (self.context.now, self.context.config.timing.clone());
        let initiator = sa.frame.role == Role::Initiator;
        let lifetime = established.lifetime;
        let mut set = |timer, at| self.context.timers.set(owner, timer, at);
        set(
            Timer::Expire,
            now + if initiator {
                lifetime
            } else {
                with_margin(lifetime)
            },
        );
        if !initiator {
            set(Timer::Forget, now + timing.answer_memory);
            set(Timer::WithoutChild, now + timing.without_child);
        }
        let asking = habits::asking(established.habits(), &self.context.config);
        if let Some((idle, ..)) = asking.filter(|_| established.dpd.announced) {
            set(Timer::Dpd, now + idle);
        }
        let behind_nat = established.nat.here || (initiator && established.nat.any());
        if behind_nat && sa.frame.path.carrier == Carrier::NatT {
            set(Timer::KeepAlive, now + timing.keepalive);
        }
        let habits = established.habits();
        if let Some(rekey) = habits.map(|habits| habits.ike_rekey) {
            let at = self.context.rekey_time(lifetime, rekey);
            self.context.timers.set(owner, Timer::Rekey, at);
        }
        let says_initial_contact = replaces.is_none()
            && habits.is_some_and(|h| h.initial_contact == InitialContact::Informational);
        let members = self.parties.entry(established.party.clone()).or_default();
        members.sas.insert(id);
        self.established.add(established.party.remote);
        let route = sa.frame.route();
        sa.move_to(Phase::Established(Box::new(established)));
        self.context.event(Event::SaUp { sa: id, info });
        if let Some(message) = message {
            self.context.send(route, message);
        }
        if initial_contact {
            self.context.event(Event::InitialContact { sa: id });
        }
        if says_initial_contact {
            self.say_initial_contact(id);
        }
        if let Some(old) = replaces {
            self.succeed(old, id);
        }
    }

    /// `new` takes the place of `old`, an IKE SA that we started.
    fn succeed(&mut self, old: SaId, new: SaId) {
        let Some((_, established)) = self.sas.get_mut(&old).and_then(|sa| sa.established()) else {
            return;
        };
        let children = std::mem::take(&mut established.children);
        let ended = established.ended.take();
        let kept = established.habits().map(|habits| habits.ike_rekey.old);
        let kept = kept.unwrap_or_default();
        for child in &children {
            if let Some(child) = self.children.get_mut(child) {
                child.sa = new;
            }
        }
        if let Some((_, established)) = self.sas.get_mut(&new).and_then(|sa| sa.established()) {
            established.children.extend(children);
        }
        self.context.event(Event::SaRekeyed { old, new });
        if let Some(ended) = ended {
            return self.end_sa_alone(old, *ended);
        }
        let owner = Owner::Sa(old);
        for timer in [Timer::Rekey, Timer::KeepAlive, Timer::Dpd] {
            self.context.timers.cancel(owner, timer);
        }
        match kept {
            OldSa::DeletedAfterOverlap => {
                let end = self.context.now + self.context.config.timing.overlap;
                self.context.timers.set(owner, Timer::Overlap, end);
            }
            OldSa::DeletedBefore => self.end_sa_alone(old, CloseReason::Rekeyed),
            OldSa::LeftToExpire => {}
        }
    }

    /// An IKE SA that we started is to be replaced, as its lifetime is nearly over.
    pub(super) fn on_sa_rekey(&mut self, id: SaId) {
        let Some((_, established)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        let Some(initiate) = established.initiate.clone() else {
            return;
        };
        if established.successor.is_some() {
            return;
        }
        // RFC 3947 §4: once on the NAT-T port, it is not left again.
        let path = established.natt_path.unwrap_or(initiate.ike);
        let deletes_first = initiate.habits.ike_rekey.old == OldSa::DeletedBefore;
        if deletes_first && !std::mem::replace(&mut established.told, true) {
            self.tell_end_of_sa(id);
        }
        self.begin_successor(id, initiate, path);
    }

    /// Sends message 1 of the Main Mode that is to replace `old`.
    fn begin_successor(&mut self, old: SaId, initiate: Box<Initiate>, path: Path) {
        let successor = self.begin_main_mode(initiate, path, Some(old));
        if let Some((_, established)) = self.sas.get_mut(&old).and_then(|sa| sa.established()) {
            established.successor = Some(successor);
        }
    }

    /// A Main Mode of ours has no answer. Some try once more on the port where all Main Modes are
    /// answered, if they have not begun there; true if this one does.
    pub(super) fn tries_ike_port(&mut self, id: SaId) -> bool {
        let Some(sa) = self.sas.get(&id) else {
            return false;
        };
        let Phase::Initiating(initiating) = &sa.phase else {
            return false;
        };
        let tries = initiating.initiate.habits.rekeys_again_on_ike_port
            && initiating.state.is_unanswered()
            && sa.frame.path.carrier == Carrier::NatT;
        let Some(old) = initiating.replaces.filter(|_| tries) else {
            return false;
        };
        let initiate = initiating.initiate.clone();
        self.remove_sa(id);
        let path = initiate.ike;
        self.begin_successor(old, initiate, path);
        true
    }

    /// Forgets an IKE SA and all that is under way on it, without a word to the peer. Its child
    /// SAs live on.
    pub(super) fn remove_sa(&mut self, id: SaId) -> Option<Box<Sa>> {
        let mut sa = self.sas.remove(&id)?;
        self.fragments.forget(Origin::Sa(id));
        self.context.timers.cancel_all(Owner::Sa(id));
        match sa.frame.role {
            Role::Responder => self.responding.remove(&sa.frame.own_cookie()),
            Role::Initiator => self.initiating.remove(&sa.frame.own_cookie()),
        };
        if let Some(first) = sa.first {
            self.half_open.remove(id, first.ip());
            self.context.admission.note_gone(id);
            self.forget_first(&sa.frame, first);
        }
        match &mut sa.phase {
            Phase::Responding(state) => {
                state
                    .request()
                    .into_iter()
                    .for_each(|r| self.context.forget_request(r));
            }
            Phase::Initiating(initiating) => {
                initiating
                    .state
                    .request()
                    .into_iter()
                    .for_each(|r| self.context.forget_request(r));
            }
            Phase::Established(established) => {
                self.established.remove(established.party.remote);
                self.leave_party(&established.party, |members| {
                    members.sas.remove(&id);
                });
                for (message_id, quick_mode) in std::mem::take(&mut established.quick_modes) {
                    self.drop_quick_mode(id, message_id, &quick_mode, CloseReason::Requested);
                }
            }
            Phase::Moving => {}
        }
        Some(sa)
    }

    /// A repetition of message 1 would start something new from now on.
    pub(super) fn forget_first(&mut self, frame: &Frame, first: std::net::SocketAddr) {
        let key = (frame.initiator, first);
        if self.firsts.get(&key) == Some(&frame.id) {
            self.firsts.remove(&key);
        }
    }
}

/// A lifetime and the margin by which we outlive the peer: the one who rekeys must never find
/// its partner gone.
pub(super) fn with_margin(lifetime: Duration) -> Duration {
    lifetime.saturating_add((lifetime / 10).max(Duration::from_secs(60)))
}
