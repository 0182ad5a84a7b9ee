//! Informational exchanges: DELETE, Dead Peer Detection, INITIAL-CONTACT, errors
//! (RFC 2408 §4.8, RFC 2409 §5.7, RFC 3706).

use wire::Path;

use super::Endpoint;
use crate::codec::{
    ChainBuilder, Cookie, Delete, ExchangeType, Header, Notification, NotifyType, PayloadType,
    ProtocolId,
};
use crate::context::count;
use crate::habits::Farewell;
use crate::sa::Phase;
use crate::timers::Owner;
use crate::{ChildId, CloseReason, Event, SaId};

impl Endpoint {
    /// An encrypted Informational message. Its hash covers everything after the HASH payload:
    /// QUIRK(Windows): a nonce may stand between it and the Delete payload.
    pub(super) fn on_informational(&mut self, id: SaId, path: Path, header: &Header, body: &[u8]) {
        let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        let message_id = header.message_id;
        let opened = sa.open_first(header, body);
        let authentic = |opened| sa.authentic_first(header, opened);
        let Some(chain) = opened.as_ref().and_then(authentic) else {
            return count(&mut self.context.counters.unauthentic);
        };
        if sa.seen.contains(message_id) {
            return count(&mut self.context.counters.repeated);
        }
        sa.seen.insert(message_id);
        let notifications: Vec<Notification> = chain
            .all(PayloadType::NOTIFICATION)
            .filter_map(|payload| Notification::parse(payload.body).ok())
            .collect();
        let deletes: Vec<Delete> = chain
            .all(PayloadType::DELETE)
            .filter_map(|payload| Delete::parse(payload.body).ok())
            .collect();
        self.on_fresh(id, path);
        for notification in &notifications {
            self.on_notification(id, notification);
        }
        for delete in &deletes {
            self.on_delete(id, delete);
        }
    }

    fn on_notification(&mut self, id: SaId, notification: &Notification) {
        let Some((frame, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        match notification.kind {
            NotifyType::R_U_THERE => {
                let Some(number) = notification.sequence() else {
                    return;
                };
                let ack = Notification::dead_peer(
                    NotifyType::R_U_THERE_ACK,
                    frame.initiator,
                    frame.responder,
                    number,
                );
                self.inform(
                    id,
                    ChainBuilder::new().with(PayloadType::NOTIFICATION, &ack),
                );
            }
            // That it is authentic and new is all that matters, and has been noted.
            NotifyType::R_U_THERE_ACK if notification.sequence() == Some(sa.dpd.sequence) => {}
            NotifyType::INITIAL_CONTACT => self.context.event(Event::InitialContact { sa: id }),
            kind if kind.is_error() => {
                tracing::debug!(sa = %id, %kind, "the peer reports an error");
                self.on_quick_mode_refused(id, notification);
            }
            kind => tracing::trace!(sa = %id, %kind, "notification"),
        }
    }

    fn on_delete(&mut self, id: SaId, delete: &Delete) {
        let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        let party = sa.party.clone();
        match delete.protocol {
            ProtocolId::ESP => {
                // The SPIs are those of the peer's inbound SAs: our outbound ones. The child SA
                // may have been made under an older IKE SA of the same party.
                for spi in delete.esp_spis() {
                    if let Some(child) = self.by_spi.get(&(party.clone(), spi)).copied() {
                        self.child_down(child, CloseReason::PeerDeleted);
                    }
                }
            }
            ProtocolId::ISAKMP => {
                let named: Vec<SaId> = delete
                    .spis
                    .iter()
                    .filter_map(|spi| {
                        let (initiator, responder) = spi.split_first_chunk::<8>()?;
                        let responder = Cookie(responder.try_into().ok()?);
                        let header = Header {
                            initiator: Cookie(*initiator),
                            responder,
                            next: PayloadType::NONE,
                            version: Header::VERSION_1_0,
                            exchange: ExchangeType::INFORMATIONAL,
                            flags: crate::codec::Flags::NONE,
                            message_id: crate::codec::MessageId::PHASE_1,
                        };
                        self.find(&header)
                    })
                    .collect();
                for named in named {
                    let same_party = self
                        .sas
                        .get_mut(&named)
                        .and_then(|sa| sa.established())
                        .is_some_and(|(_, sa)| sa.party == party);
                    if same_party {
                        // Child SAs live on: racoon deletes the old IKE SA when it rekeys.
                        self.sa_down(named, CloseReason::PeerDeleted);
                    }
                }
            }
            _ => {}
        }
    }

    /// Sends an Informational message; `chain` is what follows the HASH payload.
    pub(super) fn inform(&mut self, id: SaId, mut chain: ChainBuilder) {
        let Some((frame, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        let message_id = sa.seen.draw(&mut self.context);
        let hash = sa.keymat.hash_1(message_id, &chain.encode());
        chain.prepend(PayloadType::HASH, &hash);
        let iv = sa.keymat.suite().exchange_iv(&sa.last_block, message_id);
        let header = frame.header(ExchangeType::INFORMATIONAL, message_id);
        let (message, _) = sa.keymat.seal(header, &chain, &iv);
        self.context.send(frame.route(), message);
    }

    /// Asks whether the peer lives (RFC 3706 §5.3).
    pub(super) fn ask_dead_peer(&mut self, id: SaId) {
        let Some((frame, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        if sa.dpd.asked == 0 {
            sa.dpd.sequence = sa.dpd.sequence.wrapping_add(1);
        }
        sa.dpd.asked = sa.dpd.asked.saturating_add(1);
        let question = Notification::dead_peer(
            NotifyType::R_U_THERE,
            frame.initiator,
            frame.responder,
            sa.dpd.sequence,
        );
        self.inform(
            id,
            ChainBuilder::new().with(PayloadType::NOTIFICATION, &question),
        );
    }

    /// Ends an IKE SA and the child SAs that belong to it, and tells the peer: first of the child
    /// SAs, then of the IKE SA.
    pub(super) fn end_sa(&mut self, id: SaId, reason: CloseReason) {
        let Some(sa) = self.sas.get_mut(&id) else {
            return;
        };
        let started = sa.frame.role == crate::sa::Role::Initiator;
        let Some((frame, sa)) = sa.established() else {
            self.remove_sa(id);
            if started {
                self.context.event(Event::SaDown { sa: id, reason });
            }
            return;
        };
        let in_one = sa.habits().is_some_and(|h| h.farewell == Farewell::One);
        let delete_sa = Delete::isakmp(frame.initiator, frame.responder);
        let children: Vec<ChildId> = sa.children.iter().copied().collect();
        let spis: Vec<u32> = children
            .iter()
            .filter_map(|child| Some(self.children.get(child)?.inbound))
            .collect();
        if !spis.is_empty() {
            let mut farewell = ChainBuilder::new().with(PayloadType::DELETE, &Delete::esp(&spis));
            if in_one {
                farewell.push(PayloadType::DELETE, &delete_sa);
            }
            self.inform(id, farewell);
            if let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) {
                sa.told |= in_one;
            }
        }
        for child in children {
            self.child_down(child, reason.clone());
        }
        self.drop_successor(id);
        self.end_sa_alone(id, reason);
    }

    /// What was to replace an IKE SA must not come up after all.
    pub(super) fn drop_successor(&mut self, id: SaId) {
        if let Some(successor) = self.successor(id) {
            self.remove_sa(successor);
        }
    }

    /// What is to replace an IKE SA, if it is under way. A successor that is up stands alone.
    fn successor(&mut self, id: SaId) -> Option<SaId> {
        let (_, sa) = self.sas.get_mut(&id)?.established()?;
        let successor = sa.successor?;
        let sa = self.sas.get(&successor)?;
        matches!(sa.phase, Phase::Initiating(_)).then_some(successor)
    }

    /// Ends an IKE SA, and tells the peer; its child SAs live on.
    pub(super) fn end_sa_alone(&mut self, id: SaId, reason: CloseReason) {
        let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established()) else {
            return;
        };
        if !sa.told {
            self.tell_end_of_sa(id);
        }
        self.sa_down(id, reason);
    }

    /// An IKE SA has ended, and the peer knows; its child SAs live on. Where its successor is under
    /// way it is kept until that takes its place, or fails: what was its would be nobody's.
    fn sa_down(&mut self, id: SaId, reason: CloseReason) {
        if self.successor(id).is_some()
            && let Some((_, sa)) = self.sas.get_mut(&id).and_then(|sa| sa.established())
        {
            (sa.told, sa.ended) = (true, Some(Box::new(reason)));
            return self.context.timers.cancel_all(Owner::Sa(id));
        }
        self.remove_sa(id);
        self.context.event(Event::SaDown { sa: id, reason });
    }

    /// Sends the DELETE of an IKE SA.
    pub(super) fn tell_end_of_sa(&mut self, id: SaId) {
        let Some(frame) = self.sas.get(&id).map(|sa| &sa.frame) else {
            return;
        };
        let delete = Delete::isakmp(frame.initiator, frame.responder);
        self.inform(id, ChainBuilder::new().with(PayloadType::DELETE, &delete));
    }

    /// Says that nothing is remembered of earlier SAs.
    pub(super) fn say_initial_contact(&mut self, id: SaId) {
        let Some(frame) = self.sas.get(&id).map(|sa| &sa.frame) else {
            return;
        };
        let (i, r) = (frame.initiator, frame.responder);
        let notify = Notification::isakmp(NotifyType::INITIAL_CONTACT, i, r, Vec::new());
        self.inform(
            id,
            ChainBuilder::new().with(PayloadType::NOTIFICATION, &notify),
        );
    }
}
