//! What is done when a deadline comes.

use super::Endpoint;
use crate::habits;
use crate::natt::KEEPALIVE;
use crate::sa::Phase;
use crate::timers::Owner;
use crate::{ChildId, CloseReason, Event, SaId, Timer};

impl Endpoint {
    pub(super) fn on_timer(&mut self, owner: Owner, timer: Timer) {
        match (owner, timer) {
            (Owner::Sa(id), Timer::HalfOpen) => self.on_half_open_timeout(id),
            (Owner::Sa(id), Timer::Retransmit) => self.on_main_mode_retransmit(id),
            (Owner::Sa(id), Timer::Forget) => self.on_main_mode_forget(id),
            (Owner::Sa(id), Timer::WithoutChild) => self.on_without_child(id),
            (Owner::Sa(id), Timer::Dpd) => self.on_dpd(id),
            (Owner::Sa(id), Timer::KeepAlive) => self.on_keepalive(id),
            (Owner::Sa(id), Timer::Rekey) => self.on_sa_rekey(id),
            (Owner::Sa(id), Timer::Overlap) => self.end_sa_alone(id, CloseReason::Rekeyed),
            (Owner::Sa(id), Timer::Expire) => self.end_sa_alone(id, CloseReason::Expired),
            (Owner::QuickMode(id, message_id), Timer::Retransmit) => {
                self.on_quick_mode_retransmit(id, message_id);
            }
            (Owner::QuickMode(id, message_id), _) => self.forget_quick_mode(id, message_id),
            (Owner::Child(id), Timer::Rekey) => self.on_child_rekey(id),
            (Owner::Child(id), Timer::Overlap) => self.end_child(id, CloseReason::Rekeyed),
            (Owner::Child(id), _) => self.end_child(id, CloseReason::Expired),
            (Owner::Fragments, _) => self.on_fragments_late(),
            (Owner::Admission, _) | (_, Timer::Admission) => self.admit_waiting(),
        }
    }

    fn on_main_mode_retransmit(&mut self, id: SaId) {
        let Some(sa) = self.sas.get_mut(&id) else {
            return;
        };
        let Phase::Initiating(initiating) = &mut sa.phase else {
            return;
        };
        if initiating.retry.again(&mut self.context, Owner::Sa(id)) {
            return;
        }
        if self.tries_ike_port(id) {
            return;
        }
        let Some(Phase::Initiating(initiating)) = self.sas.get_mut(&id).map(|sa| &mut sa.phase)
        else {
            return;
        };
        let reason = CloseReason::NoAnswer {
            request: initiating.retry.what,
            hint: initiating.suspicion(),
        };
        let replaces = initiating.replaces;
        self.give_up(id, replaces, reason);
    }

    /// Repetitions of messages 1 and 5 are not to be expected any more.
    fn on_main_mode_forget(&mut self, id: SaId) {
        let Some(sa) = self.sas.get_mut(&id) else {
            return;
        };
        let (frame, first) = (sa.frame.clone(), sa.first.take());
        if let Some((_, established)) = sa.established() {
            established.answered = None;
        }
        if let Some(first) = first {
            self.forget_first(&frame, first);
        }
    }

    fn on_without_child(&mut self, id: SaId) {
        let party = self.sas.get_mut(&id).and_then(|sa| sa.established());
        let Some(party) = party.map(|(_, sa)| sa.party.clone()) else {
            return;
        };
        // A client that rekeyed phase 1 leaves its child SAs with the older IKE SA.
        let has_children = self
            .parties
            .get(&party)
            .is_some_and(|members| !members.children.is_empty());
        if has_children {
            let again = self.context.now + self.context.config.timing.without_child;
            self.context
                .timers
                .set(Owner::Sa(id), Timer::WithoutChild, again);
        } else {
            self.end_sa(id, CloseReason::NoChild);
        }
    }

    fn on_keepalive(&mut self, id: SaId) {
        let again = self.context.now + self.context.config.timing.keepalive;
        let path = self.sas.get_mut(&id).and_then(|sa| sa.established());
        let Some(path) = path.and_then(|(_, sa)| sa.natt_path) else {
            return;
        };
        self.context.transmit(path, vec![KEEPALIVE]);
        self.context
            .timers
            .set(Owner::Sa(id), Timer::KeepAlive, again);
    }

    fn on_dpd(&mut self, id: SaId) {
        let now = self.context.now;
        let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        let asking = habits::asking(sa.habits(), &self.context.config);
        let Some((idle, interval, tries)) = asking else {
            return;
        };
        let owner = Owner::Sa(id);
        if now - sa.dpd.heard < idle {
            let again = sa.dpd.heard + idle;
            return self.context.timers.set(owner, Timer::Dpd, again);
        }
        let exhausted = sa.dpd.asked >= tries;
        let doze = self.context.config.timing.doze;
        let asleep = sa.make.dozes() && now - sa.dpd.heard < doze;
        if exhausted && !asleep {
            return self.on_dead_peer(id);
        }
        let pause = if exhausted { idle } else { interval };
        self.context.timers.set(owner, Timer::Dpd, now + pause);
        self.ask_dead_peer(id);
    }

    /// The peer does not answer on this IKE SA. If it has another one, only this one is dead: some
    /// peers drop an old IKE SA without a word.
    fn on_dead_peer(&mut self, id: SaId) {
        let party = self.sas.get_mut(&id).and_then(|sa| sa.established());
        let Some(party) = party.map(|(_, sa)| sa.party.clone()) else {
            return;
        };
        let members = self.parties.get(&party);
        let others = members.is_some_and(|members| members.sas.iter().any(|other| *other != id));
        if !others {
            self.context.event(Event::DeadPeer { sa: id });
            let children: Vec<ChildId> = members
                .map(|members| members.children.iter().copied().collect())
                .unwrap_or_default();
            for child in children {
                self.child_down(child, CloseReason::DeadPeer);
            }
        }
        self.drop_successor(id);
        self.remove_sa(id);
        self.context.event(Event::SaDown {
            sa: id,
            reason: CloseReason::DeadPeer,
        });
    }
}
