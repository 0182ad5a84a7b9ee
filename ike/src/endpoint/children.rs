//! Child SAs: up, confirmed, replaced, down.

use super::main_mode::{REKEY_RETRY, with_margin};
use super::{Child, Endpoint, Members};
use crate::codec::{ChainBuilder, Delete, MessageId, PayloadType};
use crate::context::{Answered, count};
use crate::habits::{OldSa, Rekey};
use crate::quick_mode::{Agreed, QuickMode};
use crate::sa::{Party, Role};
use crate::timers::Owner;
use crate::{ChildId, CloseReason, Event, SaId, Timer};

impl Endpoint {
    /// A child SA has been agreed on.
    pub(super) fn child_up(&mut self, id: SaId, agreed: Agreed) {
        let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        let Agreed {
            child,
            message_id,
            details,
        } = agreed;
        self.replacing.remove(&child);
        let oldest = (sa.children.len() >= self.context.config.limits.children_per_sa)
            .then(|| sa.children.first().copied())
            .flatten();
        if oldest.is_some() {
            count(&mut self.context.counters.crowded_children);
        }
        sa.children.insert(child);
        let party = sa.party.clone();
        let habits = sa.habits();
        let rekey = habits.map_or_else(Rekey::default, |habits| habits.child_rekey);
        let owner = Owner::Child(child);
        let lifetime = details.lifetime;
        let end = if details.initiator {
            lifetime
        } else {
            with_margin(lifetime)
        };
        self.context
            .timers
            .set(owner, Timer::Expire, self.context.now + end);
        if details.initiator {
            let at = self.context.rekey_time(lifetime, rekey);
            self.context.timers.set(owner, Timer::Rekey, at);
        }
        self.context
            .timers
            .cancel(Owner::Sa(id), Timer::WithoutChild);
        self.parties
            .entry(party.clone())
            .or_default()
            .children
            .insert(child);
        self.by_spi
            .insert((party.clone(), details.outbound.spi), child);
        self.children.insert(
            child,
            Child {
                sa: id,
                party,
                inbound: details.inbound.spi,
                outbound: details.outbound.spi,
                initiator: details.initiator,
                confirmed: false,
                message_id,
                rekeying: false,
                told: false,
            },
        );
        self.context.event(Event::ChildUp {
            sa: id,
            child,
            details: Box::new(details),
        });
        if let Some(oldest) = oldest {
            self.end_child(oldest, CloseReason::NoRoom);
        }
    }

    /// The peer uses it: Quick Mode message 3, or the first ESP packet, which say with `then` what
    /// becomes of the exchange.
    pub(super) fn on_confirmed(&mut self, id: ChildId, then: fn(Box<Answered>) -> QuickMode) {
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut child.confirmed, true) {
            return;
        }
        let (sa, message_id) = (child.sa, child.message_id);
        self.context.event(Event::ChildConfirmed { child: id });
        self.stop_repeating(sa, message_id, id, then);
    }

    /// Message 2 is not sent again for a child SA that is in use, or gone.
    fn stop_repeating(
        &mut self,
        sa: SaId,
        message_id: MessageId,
        child: ChildId,
        then: fn(Box<Answered>) -> QuickMode,
    ) {
        let established = self.sas.get_mut(&sa).and_then(|sa| sa.established());
        let waiting = match established.and_then(|(_, sa)| sa.quick_modes.get(&message_id)) {
            Some(QuickMode::RespondExpectConfirm(state)) if state.child == child => {
                state.answered.clone()
            }
            _ => return,
        };
        self.finish_quick_mode(sa, message_id, then(Box::new(waiting)));
    }

    /// Valid ESP has come: the peer lives.
    pub(super) fn on_traffic(&mut self, id: ChildId) {
        let Some(sa) = self.speaker(id) else { return };
        let now = self.context.now;
        if let Some((_, sa)) = self.sas.get_mut(&sa).and_then(|sa| sa.established()) {
            sa.dpd.note(now);
        }
    }

    /// The IKE SA that can speak for a child SA: its own, or the newest of the same party.
    fn speaker(&self, id: ChildId) -> Option<SaId> {
        let child = self.children.get(&id)?;
        if self.sas.contains_key(&child.sa) {
            return Some(child.sa);
        }
        self.parties.get(&child.party)?.sas.last().copied()
    }

    /// It is to be replaced by a new one.
    pub(super) fn on_child_rekey(&mut self, id: ChildId) {
        let speaker = self.speaker(id);
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        if !child.initiator || child.rekeying {
            return;
        }
        child.rekeying = true;
        let (inbound, told) = (child.inbound, child.told);
        if !told && self.old_child(speaker) == OldSa::DeletedBefore {
            self.tell_end_of_child(speaker, inbound);
            if let Some(child) = self.children.get_mut(&id) {
                child.told = true;
            }
        }
        if speaker
            .and_then(|sa| self.begin_child(sa, Some(id)))
            .is_none()
        {
            if let Some(child) = self.children.get_mut(&id) {
                child.rekeying = false;
            }
            let again = self.context.now + REKEY_RETRY;
            self.context
                .timers
                .set(Owner::Child(id), Timer::Rekey, again);
        }
    }

    /// What becomes of child SAs that are replaced under an IKE SA.
    fn old_child(&mut self, sa: Option<SaId>) -> OldSa {
        let established = sa.and_then(|sa| self.sas.get_mut(&sa)?.established());
        let habits = established.as_ref().and_then(|(_, sa)| sa.habits());
        habits
            .map(|habits| habits.child_rekey.old)
            .unwrap_or_default()
    }

    /// Its successor is up.
    pub(super) fn child_replaced(&mut self, old: ChildId) {
        let owner = Owner::Child(old);
        self.context.timers.cancel(owner, Timer::Rekey);
        if !self.children.contains_key(&old) {
            return;
        }
        let speaker = self.speaker(old);
        match self.old_child(speaker) {
            OldSa::DeletedAfterOverlap => {
                let end = self.context.now + self.context.config.timing.overlap;
                self.context.timers.set(owner, Timer::Overlap, end);
            }
            OldSa::DeletedBefore => self.end_child(old, CloseReason::Rekeyed),
            OldSa::LeftToExpire => {}
        }
    }

    /// Ends a child SA and tells the peer.
    pub(super) fn end_child(&mut self, id: ChildId, reason: CloseReason) {
        let Some(child) = self.children.get(&id) else {
            return;
        };
        if !child.told {
            self.tell_end_of_child(self.speaker(id), child.inbound);
        }
        self.child_down(id, reason);
    }

    /// Sends the DELETE of a child SA.
    fn tell_end_of_child(&mut self, speaker: Option<SaId>, inbound: u32) {
        if let Some(sa) = speaker {
            let delete = Delete::esp(&[inbound]);
            self.inform(sa, ChainBuilder::new().with(PayloadType::DELETE, &delete));
        }
    }

    /// Forgets a child SA.
    pub(super) fn child_down(&mut self, id: ChildId, reason: CloseReason) {
        let Some(child) = self.children.remove(&id) else {
            return;
        };
        self.context.timers.cancel_all(Owner::Child(id));
        let key = (child.party.clone(), child.outbound);
        if self.by_spi.get(&key) == Some(&id) {
            self.by_spi.remove(&key);
        }
        self.leave_party(&child.party, |members| {
            members.children.remove(&id);
        });
        self.context.event(Event::ChildDown {
            child: id,
            reason: reason.clone(),
        });
        let alone = self
            .sas
            .get_mut(&child.sa)
            .and_then(|sa| sa.established())
            .map(|(frame, sa)| {
                sa.children.remove(&id);
                frame.role == Role::Responder && sa.children.is_empty()
            });
        self.stop_repeating(child.sa, child.message_id, id, QuickMode::Done);
        if alone == Some(true) {
            let end = self.context.now + self.context.config.timing.without_child;
            self.context
                .timers
                .set(Owner::Sa(child.sa), Timer::WithoutChild, end);
        }
    }

    /// Changes what a party has, and forgets it when that was the last.
    pub(super) fn leave_party(&mut self, party: &Party, leave: impl FnOnce(&mut Members)) {
        if let Some(members) = self.parties.get_mut(party) {
            leave(members);
            if members.sas.is_empty() && members.children.is_empty() {
                self.parties.remove(party);
            }
        }
    }
}
