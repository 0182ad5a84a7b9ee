//! Quick Modes: routed by IKE SA and message id.

use wire::Path;

use super::Endpoint;
use crate::codec::{ChainBuilder, Header, MessageId, Notification, PayloadType, ProtocolId};
use crate::context::{Answered, Fingerprint, count};
use crate::job::DhOutcome;
use crate::quick_mode::initiator::Step;
use crate::quick_mode::{Agreed, Arrival, QuickMode, initiator, responder};
use crate::timers::Owner;
use crate::{ChildId, CloseReason, Event, JobResult, Make, Refusal, SaId, Timer};

/// Finished Quick Modes that one IKE SA remembers.
const REMEMBERED: usize = 64;

impl Endpoint {
    /// A Quick Mode message on an established IKE SA.
    pub(super) fn on_quick_mode(
        &mut self,
        id: SaId,
        path: Path,
        header: &Header,
        body: &[u8],
        datagram: &[u8],
    ) {
        let Some((frame, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        let message = Fingerprint::of(datagram);
        let message_id = header.message_id;
        let context = &mut self.context;
        let next = match sa.quick_modes.remove(&message_id) {
            None => return self.on_new_quick_mode(id, path, header, body, message),
            Some(QuickMode::Done(answered)) => {
                if answered.request == message {
                    count(&mut context.counters.repeated);
                    context.send(frame.route(), answered.answer.clone());
                } else {
                    count(&mut context.counters.unexpected);
                }
                QuickMode::Done(answered)
            }
            Some(QuickMode::RespondInUse(answered)) => {
                if answered.request == message {
                    count(&mut context.counters.repeated);
                    context.send(frame.route(), answered.answer.clone());
                    QuickMode::RespondInUse(answered)
                } else {
                    // Message 3, or what claims to be: there is nothing left for it to confirm.
                    QuickMode::Done(answered)
                }
            }
            Some(QuickMode::RespondExpectConfirm(state)) => {
                if state.answered.request == message {
                    count(&mut context.counters.repeated);
                    context.send(state.retry.route, state.answered.answer.clone());
                } else if state.is_confirmed_by(sa, header, body) {
                    let child = state.child;
                    sa.quick_modes
                        .insert(message_id, QuickMode::RespondExpectConfirm(state));
                    self.on_fresh(id, path);
                    return self.on_confirmed(child, QuickMode::Done);
                } else {
                    count(&mut context.counters.unauthentic);
                }
                QuickMode::RespondExpectConfirm(state)
            }
            Some(QuickMode::AskExpectAnswer(state)) => {
                let step = state.handle(context, frame, sa, header, body, message);
                let stays = matches!(&step, Step::Stay(QuickMode::AskExpectAnswer(_)));
                if !stays {
                    self.on_fresh(id, path);
                }
                return self.on_quick_step(id, message_id, message, step);
            }
            Some(other) => {
                count(&mut context.counters.repeated);
                other
            }
        };
        sa.quick_modes.insert(message_id, next);
    }

    /// A message id that is not in progress.
    fn on_new_quick_mode(
        &mut self,
        id: SaId,
        path: Path,
        header: &Header,
        body: &[u8],
        message: Fingerprint,
    ) {
        let Some((frame, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        let message_id = header.message_id;
        let context = &mut self.context;
        let opened = sa.open_first(header, body);
        let authentic = |opened| Some((opened, sa.authentic_first(header, opened)?));
        let Some((opened, chain)) = opened.as_ref().and_then(authentic) else {
            return count(&mut context.counters.unauthentic);
        };
        if sa.seen.contains(message_id) {
            return count(&mut context.counters.repeated);
        }
        let in_progress = sa.quick_modes.len().saturating_sub(sa.finished.len());
        if in_progress >= context.config.limits.quick_modes_per_sa {
            return count(&mut context.counters.crowded_quick_modes);
        }
        // It is not remembered: when the peer repeats it, there may be room.
        let computes = chain.first(PayloadType::KE).is_some();
        if computes && context.powers.is_crowded(frame.proven) {
            return count(&mut context.counters.crowded_quick_modes);
        }
        sa.seen.insert(message_id);
        count(&mut context.counters.quick_modes);
        let arrival = Arrival {
            message_id,
            fingerprint: message,
            path,
            iv: opened.next_iv(),
        };
        let begun = responder::begin(context, frame, sa, &chain, arrival);
        match begun {
            Ok(state) => {
                sa.quick_modes.insert(message_id, state);
                self.on_fresh(id, path);
            }
            Err(refusal) => {
                self.on_fresh(id, path);
                self.refuse_quick_mode(id, message_id, path, refusal);
            }
        }
    }

    /// Turns a Quick Mode of the peer's down.
    fn refuse_quick_mode(&mut self, id: SaId, message_id: MessageId, path: Path, refusal: Refusal) {
        if let Some(kind) = refusal.notify() {
            let notify = Notification {
                protocol: ProtocolId::ESP,
                ..Notification::bare(kind)
            };
            self.inform(
                id,
                ChainBuilder::new().with(PayloadType::NOTIFICATION, &notify),
            );
        }
        self.finish_quick_mode(id, message_id, QuickMode::Failed);
        let established = self.sas.get_mut(&id).and_then(|sa| sa.established());
        let (path, make) = established.map_or((path, Make::Unknown), |(frame, sa)| {
            (frame.proven_path(path), sa.make)
        });
        self.context.refuse(path, Some(id), make, refusal);
    }

    /// Remembers a Quick Mode that is over for the repetitions that may still come.
    pub(super) fn finish_quick_mode(&mut self, id: SaId, message_id: MessageId, end: QuickMode) {
        let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        tracing::debug!(sa = %id, %message_id, state = end.name(), "Quick Mode");
        let owner = Owner::QuickMode(id, message_id);
        self.context.timers.cancel(owner, Timer::Retransmit);
        let until = self.context.now + self.context.config.timing.answer_memory;
        self.context.timers.set(owner, Timer::Forget, until);
        sa.quick_modes.insert(message_id, end);
        sa.finished.push_back(message_id);
        if sa.finished.len() > REMEMBERED
            && let Some(oldest) = sa.finished.pop_front()
        {
            sa.quick_modes.remove(&oldest);
            self.context.timers.cancel_all(Owner::QuickMode(id, oldest));
        }
    }

    /// A finished Quick Mode need not be remembered any longer.
    pub(super) fn forget_quick_mode(&mut self, id: SaId, message_id: MessageId) {
        if let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) {
            sa.finished.retain(|finished| *finished != message_id);
            sa.quick_modes.remove(&message_id);
        }
    }

    /// The owner of the SA table has chosen an SPI.
    pub(super) fn on_spi(&mut self, id: SaId, message_id: MessageId, spi: u32) {
        let Some((frame, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return self.context.give_back(Some(spi));
        };
        let context = &mut self.context;
        match sa.quick_modes.remove(&message_id) {
            Some(QuickMode::RespondAwaitSpi(state)) => {
                let (next, agreed) = state.on_spi(context, frame, sa, spi);
                self.on_answered(id, message_id, next, agreed);
            }
            Some(QuickMode::AskAwaitSpi(state)) => {
                let next = state.on_spi(context, frame, sa, spi);
                sa.quick_modes.insert(message_id, next);
            }
            other => {
                sa.quick_modes
                    .extend(other.map(|state| (message_id, state)));
                self.context.give_back(Some(spi));
            }
        }
    }

    /// Nobody computes what a Quick Mode waits for. One of the peer's begins anew when the peer
    /// repeats its message.
    pub(super) fn on_quick_mode_not_computed(&mut self, id: SaId, message_id: MessageId) {
        let established = self.sas.get_mut(&id).and_then(|sa| sa.established());
        let Some((_, sa)) = established else { return };
        if matches!(
            sa.quick_modes.get(&message_id),
            Some(QuickMode::RespondAwaitKe(_))
        ) && let Some(state) = sa.quick_modes.remove(&message_id)
        {
            sa.seen.forget(message_id);
            return self.drop_quick_mode(id, message_id, &state, CloseReason::NoRoom);
        }
        self.on_quick_mode_unavailable(id, message_id);
    }

    /// There is no SPI for a Quick Mode. That is told, unlike that nobody has time to compute: it is
    /// not over in a moment.
    pub(super) fn on_no_spi(&mut self, id: SaId, message_id: MessageId) {
        let make = self
            .sas
            .get_mut(&id)
            .and_then(|sa| sa.established())
            .map(|(frame, sa)| (frame.proven_path(frame.path), sa.make));
        self.on_quick_mode_unavailable(id, message_id);
        if let Some((path, make)) = make {
            self.context.refuse(path, Some(id), make, Refusal::NoSpi);
        }
    }

    /// There is no SPI for a Quick Mode, or nobody computes what one of ours waits for.
    pub(super) fn on_quick_mode_unavailable(&mut self, id: SaId, message_id: MessageId) {
        let established = self.sas.get_mut(&id).and_then(|sa| sa.established());
        let Some(state) = established.and_then(|(_, sa)| sa.quick_modes.remove(&message_id)) else {
            return;
        };
        tracing::debug!(sa = %id, %message_id, state = state.name(), "unavailable");
        let is_ours = state.wanted_child().is_some();
        self.drop_quick_mode(id, message_id, &state, CloseReason::NoRoom);
        if !is_ours {
            // Its repetitions are not taken for something new.
            self.finish_quick_mode(id, message_id, QuickMode::Failed);
        }
    }

    /// A power was computed.
    pub(super) fn on_quick_mode_computed(
        &mut self,
        id: SaId,
        message_id: MessageId,
        result: JobResult,
    ) {
        let Some((frame, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        let context = &mut self.context;
        let JobResult::DiffieHellman(outcome) = result else {
            return;
        };
        match (sa.quick_modes.remove(&message_id), outcome) {
            (
                Some(QuickMode::RespondAwaitKe(state)),
                Ok(DhOutcome {
                    public: Some(public),
                    shared: Some(shared),
                    ..
                }),
            ) => {
                let (next, agreed) = state.on_computed(context, frame, sa, &public, &shared);
                self.on_answered(id, message_id, next, agreed);
            }
            (Some(QuickMode::RespondAwaitKe(state)), outcome) => {
                let reason = outcome.err().map_or("no value", |error| error.reason);
                let path = state.path();
                self.context.give_back(Some(state.spi));
                let refusal = Refusal::KeyExchange(reason);
                self.refuse_quick_mode(id, message_id, path, refusal);
            }
            (
                Some(QuickMode::AskAwaitKey(state)),
                Ok(DhOutcome {
                    private,
                    public: Some(public),
                    ..
                }),
            ) => {
                let next = state.on_computed(context, frame, sa, private, public);
                sa.quick_modes.insert(message_id, next);
            }
            (
                Some(QuickMode::AskAwaitShared(state)),
                Ok(DhOutcome {
                    shared: Some(shared),
                    ..
                }),
            ) => {
                let message = state.message;
                let step = state.on_computed(context, frame, sa, &shared);
                self.on_quick_step(id, message_id, message, step);
            }
            (Some(state @ (QuickMode::AskAwaitKey(_) | QuickMode::AskAwaitShared(_))), outcome) => {
                let reason = outcome.err().map_or("no value", |error| error.reason);
                let reason = CloseReason::Failed(Refusal::KeyExchange(reason));
                self.drop_quick_mode(id, message_id, &state, reason);
            }
            (other, _) => sa
                .quick_modes
                .extend(other.map(|state| (message_id, state))),
        }
    }

    /// What follows from our side of an exchange that the peer began.
    fn on_answered(
        &mut self,
        id: SaId,
        message_id: MessageId,
        next: QuickMode,
        agreed: Option<Agreed>,
    ) {
        // The inbound SA is announced before message 2 leaves: the peer may use it at once.
        if let Some(agreed) = agreed {
            self.child_up(id, agreed);
        }
        let Some((frame, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        sa.quick_modes.insert(message_id, next);
        if let Some(QuickMode::RespondExpectConfirm(state)) = sa.quick_modes.get_mut(&message_id) {
            state.send(&mut self.context, frame);
        }
    }

    /// What follows from a message to an exchange that we began.
    fn on_quick_step(&mut self, id: SaId, message_id: MessageId, message: Fingerprint, step: Step) {
        match step {
            Step::Stay(next) => {
                if let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) {
                    sa.quick_modes.insert(message_id, next);
                }
            }
            Step::Agreed(agreed, answer) => {
                let child = agreed.child;
                let replaces = agreed.details.replaces;
                self.child_up(id, *agreed);
                let route = self.sas.get(&id).map(|sa| sa.frame.route());
                if let Some(route) = route {
                    self.context.send(route, answer.clone());
                }
                let answered = Answered {
                    request: message,
                    answer,
                };
                self.finish_quick_mode(id, message_id, QuickMode::Done(Box::new(answered)));
                self.on_confirmed(child, QuickMode::Done);
                if let Some(old) = replaces {
                    self.child_replaced(old);
                }
            }
            Step::Failed(child, spi, refusal) => {
                self.context.give_back(Some(spi));
                self.context
                    .timers
                    .cancel_all(Owner::QuickMode(id, message_id));
                self.child_failed(child, CloseReason::Failed(refusal));
            }
        }
    }

    /// Begins a Quick Mode.
    pub(super) fn begin_child(&mut self, id: SaId, replaces: Option<ChildId>) -> Option<ChildId> {
        let (frame, sa) = self.sas.get_mut(&id)?.established()?;
        let child = ChildId(self.context.new_id());
        let message_id = sa.quick_mode_id(&mut self.context);
        let state = initiator::begin(&mut self.context, frame, sa, child, message_id, replaces);
        sa.quick_modes.insert(message_id, state);
        if let Some(old) = replaces {
            self.replacing.insert(child, old);
        }
        Some(child)
    }

    /// Forgets a Quick Mode that is not finished.
    pub(super) fn drop_quick_mode(
        &mut self,
        id: SaId,
        message_id: MessageId,
        state: &QuickMode,
        reason: CloseReason,
    ) {
        self.context
            .timers
            .cancel_all(Owner::QuickMode(id, message_id));
        if let Some(request) = state.request() {
            self.context.forget_request(request);
        }
        self.context.give_back(state.unused_spi());
        if let Some(child) = state.wanted_child() {
            self.child_failed(child, reason);
        }
    }

    /// Message 2 is repeated, message 1 is repeated, or it is given up.
    pub(super) fn on_quick_mode_retransmit(&mut self, id: SaId, message_id: MessageId) {
        let owner = Owner::QuickMode(id, message_id);
        let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        match sa.quick_modes.get_mut(&message_id) {
            Some(QuickMode::RespondExpectConfirm(state)) => {
                if state.retry.again(&mut self.context, owner) {
                    return;
                }
                let (child, answered) = (state.child, state.answered.clone());
                self.finish_quick_mode(id, message_id, QuickMode::Done(Box::new(answered)));
                self.end_child(child, CloseReason::Unconfirmed);
            }
            Some(QuickMode::AskExpectAnswer(state)) => {
                if state.retry.again(&mut self.context, owner) {
                    return;
                }
                let reason = CloseReason::NoAnswer {
                    request: state.retry.what,
                    hint: None,
                };
                if let Some(state) = sa.quick_modes.remove(&message_id) {
                    self.drop_quick_mode(id, message_id, &state, reason);
                }
            }
            _ => {}
        }
    }

    /// The peer says, with proof, that it refuses a Quick Mode of ours.
    pub(super) fn on_quick_mode_refused(&mut self, id: SaId, notification: &Notification) {
        let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        let spi = <[u8; 4]>::try_from(notification.spi.as_slice())
            .map(u32::from_be_bytes)
            .ok();
        let mut asking = sa
            .quick_modes
            .iter()
            .filter_map(|(message_id, state)| match state {
                QuickMode::AskExpectAnswer(state) => Some((*message_id, state.spi)),
                _ => None,
            });
        let found = match (asking.next(), asking.next()) {
            // The only one: whatever SPI the notification names, this is meant.
            (Some((message_id, _)), None) => Some(message_id),
            (first, second) => first
                .into_iter()
                .chain(second)
                .chain(asking)
                .find(|(_, own)| Some(*own) == spi)
                .map(|(message_id, _)| message_id),
        };
        let Some(message_id) = found else { return };
        if let Some(state) = sa.quick_modes.remove(&message_id) {
            let refusal = Refusal::ByPeer(notification.kind.to_string());
            self.drop_quick_mode(id, message_id, &state, CloseReason::Failed(refusal));
        }
    }

    /// A child SA that we wanted will not come up.
    pub(super) fn child_failed(&mut self, child: ChildId, reason: CloseReason) {
        let Some(old) = self.replacing.remove(&child) else {
            return self.context.event(Event::ChildDown { child, reason });
        };
        // Nobody was told of the attempt; the old one's end will be reported.
        tracing::debug!(child = %old, %reason, "rekeying failed");
        if let Some(old_child) = self.children.get_mut(&old) {
            old_child.rekeying = false;
            let again = self.context.now + super::main_mode::REKEY_RETRY;
            self.context
                .timers
                .set(Owner::Child(old), Timer::Rekey, again);
        }
    }
}
