//! One IKE SA, from its first message on.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use wire::{Few, Instant, Path};

use crate::codec::{
    Chain, ChainBuilder, Cookie, ExchangeType, Flags, Header, MessageId, NatTraversal,
    Notification, NotifyType, PayloadType,
};
use crate::context::{Answered, Context, Route, same};
use crate::crypto::{Iv, Keymat, Opened};
use crate::habits::MessageIds;
use crate::quick_mode::QuickMode;
use crate::{
    ChildId, CloseReason, Habits, Identity, KeyName, Make, Nat, SaId, SaInfo, main_mode, policy,
};

/// Message ids that are remembered, so that neither a recorded message nor one of ours can pass
/// for a new one of the peer's. Dead Peer Detection uses up four a minute on a silent SA, and so
/// some two thousand in the usual eight hours.
const REMEMBERED_MESSAGE_IDS: usize = 4096;

/// Which side started Main Mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Initiator,
    Responder,
}

/// What an IKE SA has from its first message on.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) id: SaId,
    pub(crate) role: Role,
    pub(crate) initiator: Cookie,
    /// Zero until message 2 has come, for those we start.
    pub(crate) responder: Cookie,
    /// Where answers go: where the last authenticated new message came from.
    pub(crate) path: Path,
    /// The address of the peer that is proven: what went there, message 2 above all, was answered,
    /// while anybody who has got that may write another address on later messages.
    pub(crate) proven: IpAddr,
    /// The peer says that it can put fragments together.
    pub(crate) fragments: bool,
    /// When the first message came or left.
    pub(crate) started: Instant,
}

impl Frame {
    /// Where messages go.
    pub(crate) const fn route(&self) -> Route {
        self.route_over(self.path)
    }

    /// The way to answer what came over `path`.
    pub(crate) const fn route_over(&self, path: Path) -> Route {
        Route {
            path,
            fragments: self.fragments,
        }
    }

    /// `path` with the address of the peer that is proven.
    pub(crate) const fn proven_path(&self, mut path: Path) -> Path {
        path.remote.set_ip(self.proven);
        path
    }

    /// The cookie that we chose.
    pub(crate) const fn own_cookie(&self) -> Cookie {
        match self.role {
            Role::Initiator => self.initiator,
            Role::Responder => self.responder,
        }
    }

    /// A header; payload and encryption are set by whoever writes the body.
    pub(crate) const fn header(&self, exchange: ExchangeType, message_id: MessageId) -> Header {
        Header {
            initiator: self.initiator,
            responder: self.responder,
            next: PayloadType::NONE,
            version: Header::VERSION_1_0,
            exchange,
            flags: Flags::NONE,
            message_id,
        }
    }

    /// An error notification in clear, as it is sent while there are no keys. It proves nothing
    /// to its receiver.
    pub(crate) fn clear_notify(&self, context: &mut Context, kind: NotifyType) -> Vec<u8> {
        let header = self.header(ExchangeType::INFORMATIONAL, context.message_id());
        let chain = ChainBuilder::new().with(PayloadType::NOTIFICATION, &Notification::bare(kind));
        chain.message(header)
    }
}

/// An IKE SA.
#[derive(Debug)]
pub(crate) struct Sa {
    pub(crate) frame: Frame,
    pub(crate) phase: Phase,
    /// Where message 1 came from, for those that others started.
    pub(crate) first: Option<SocketAddr>,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// The peer started Main Mode.
    Responding(main_mode::responder::State),
    /// We started Main Mode.
    Initiating(Box<main_mode::initiator::Initiating>),
    /// Both sides are authenticated.
    Established(Box<Established>),
    /// A transition is being computed.
    Moving,
}

impl Phase {
    /// For log lines.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Responding(state) => state.name(),
            Self::Initiating(initiating) => initiating.state.name(),
            Self::Established(_) => "established",
            Self::Moving => "moving",
        }
    }
}

impl Sa {
    /// Gives the SA its next state: the only place where this happens.
    pub(crate) fn move_to(&mut self, phase: Phase) {
        if !matches!(phase, Phase::Moving) {
            tracing::debug!(sa = %self.frame.id, state = phase.name(), "IKE SA");
        }
        self.phase = phase;
    }

    /// The established part.
    pub(crate) fn established(&mut self) -> Option<(&mut Frame, &mut Established)> {
        match &mut self.phase {
            Phase::Established(established) => Some((&mut self.frame, established)),
            _ => None,
        }
    }
}

/// Who a peer is, as far as Main Mode tells: what must be equal before one IKE SA may speak for
/// the child SAs of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartyKey {
    pub(crate) remote: IpAddr,
    pub(crate) identity: Identity,
    pub(crate) key: KeyName,
    /// Our end of those that we start: many of ours may be with one peer, and none speaks for
    /// another's child SAs. `None` for those that others start.
    pub(crate) own: Option<SocketAddr>,
}

/// A shared [`PartyKey`].
pub(crate) type Party = Arc<PartyKey>;

/// What both Main Modes leave behind.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) keymat: Keymat,
    /// The last block of phase 1, from which the IVs of later exchanges come.
    pub(crate) last_block: Iv,
    pub(crate) lifetime: Duration,
    pub(crate) nat: Nat,
    pub(crate) traversal: Option<NatTraversal>,
    pub(crate) make: Make,
    pub(crate) truncates_sha256: bool,
    pub(crate) dpd: Dpd,
    pub(crate) party: Party,
    pub(crate) since: Instant,
    /// Message 5 and our answer to it.
    pub(crate) answered: Option<Answered>,
    /// The newest path over the NAT-T port.
    pub(crate) natt_path: Option<Path>,
    pub(crate) seen: Seen,
    /// Message ids of Quick Modes that were counted.
    pub(crate) quick_modes_begun: u32,
    pub(crate) quick_modes: BTreeMap<MessageId, QuickMode>,
    /// Finished Quick Modes that are remembered, oldest first.
    pub(crate) finished: VecDeque<MessageId>,
    pub(crate) children: Few<ChildId>,
    /// What we started it with, if we did.
    pub(crate) initiate: Option<Box<crate::Initiate>>,
    /// The IKE SA that is to replace it, under way.
    pub(crate) successor: Option<SaId>,
    /// The peer has been told of its end, which comes when its successor is up.
    pub(crate) told: bool,
    /// It has ended, and why. That is reported when the successor that was under way is up, or has
    /// failed.
    pub(crate) ended: Option<Box<CloseReason>>,
}

impl Established {
    /// For status and logs.
    pub(crate) fn info(&self, frame: &Frame) -> SaInfo {
        SaInfo {
            initiator: frame.role == Role::Initiator,
            path: frame.path,
            proven: frame.proven,
            cookies: (frame.initiator, frame.responder),
            peer_identity: self.party.identity.clone(),
            suite: policy::suite_name(self.keymat.suite()),
            lifetime: self.lifetime,
            nat: self.nat,
            nat_traversal: self.traversal.map(|version| match version {
                NatTraversal::Rfc3947 => "RFC 3947",
                NatTraversal::Draft03 => "NAT-T draft 03",
                _ => "NAT-T draft 02",
            }),
            key: self.party.key.clone(),
            make: self.make,
            dpd: self.dpd.announced,
            started: frame.started,
            established: self.since,
        }
    }

    /// What we put on the wire as the one who began it.
    pub(crate) fn habits(&self) -> Option<&Habits> {
        self.initiate.as_ref().map(|initiate| &initiate.habits)
    }

    /// The message id for a Quick Mode of ours.
    pub(crate) fn quick_mode_id(&mut self, context: &mut Context) -> MessageId {
        match self.habits().map(|habits| habits.message_ids) {
            Some(MessageIds::CountFromOne) => {
                let counted = self.quick_modes_begun..u32::MAX;
                let mut ids = counted.map(|before| MessageId(before.saturating_add(1)));
                // The peer may have drawn one of ours.
                match ids.find(|id| !self.seen.contains(*id)) {
                    Some(id) => {
                        self.quick_modes_begun = id.0;
                        self.seen.insert(id);
                        id
                    }
                    None => self.seen.draw(context),
                }
            }
            Some(MessageIds::Random) | None => self.seen.draw(context),
        }
    }

    /// Decrypts a message that begins an exchange: message 1 of Quick Mode, or an Informational.
    pub(crate) fn open_first(&self, header: &Header, body: &[u8]) -> Option<Opened> {
        let suite = self.keymat.suite();
        let iv = suite.exchange_iv(&self.last_block, header.message_id);
        self.keymat.open(header, body, &iv).ok()
    }

    /// The payloads of such a message, if HASH(1) stands before them and is right.
    pub(crate) fn authentic_first<'a>(
        &self,
        header: &Header,
        opened: &'a Opened,
    ) -> Option<Chain<'a>> {
        let chain = opened.chain().ok()?;
        let hash = chain
            .nth(0)
            .filter(|first| first.kind == PayloadType::HASH)?;
        let expected = self.keymat.hash_1(header.message_id, chain.after(&hash));
        same(&expected, hash.body).then_some(chain)
    }

    /// Whether ESP is to go in UDP.
    pub(crate) const fn wants_udp(&self) -> bool {
        self.traversal.is_some() && self.nat.any()
    }
}

/// Dead Peer Detection (RFC 3706).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dpd {
    /// The peer sent the vendor id: it answers.
    pub(crate) announced: bool,
    /// When something authentic came last.
    pub(crate) heard: Instant,
    /// The number of our question.
    pub(crate) sequence: u32,
    /// How often it has been asked.
    pub(crate) asked: u16,
}

impl Dpd {
    pub(crate) const fn new(announced: bool, now: Instant, sequence: u32) -> Self {
        Self {
            announced,
            heard: now,
            sequence,
            asked: 0,
        }
    }

    /// Something authentic and fresh came.
    pub(crate) const fn note(&mut self, now: Instant) {
        self.heard = now;
        self.asked = 0;
    }
}

/// Message ids that were used, newest last.
///
/// They are looked up for authentic messages only, and passing over some thousand numbers costs
/// no more than authenticating one; a tree would take three times the memory.
#[derive(Debug, Default)]
pub(crate) struct Seen(VecDeque<MessageId>);

impl Seen {
    /// Whether `id` was used before.
    pub(crate) fn contains(&self, id: MessageId) -> bool {
        self.0.contains(&id)
    }

    /// Remembers `id`.
    pub(crate) fn insert(&mut self, id: MessageId) {
        if self.contains(id) {
            return;
        }
        if self.0.len() >= REMEMBERED_MESSAGE_IDS {
            self.0.pop_front();
        }
        self.0.push_back(id);
    }

    /// Lets `id` be used once more: nothing has come of it.
    pub(crate) fn forget(&mut self, id: MessageId) {
        self.0.retain(|seen| *seen != id);
    }

    /// A message id for an exchange of ours: one that was not used before, and is from now on.
    pub(crate) fn draw(&mut self, context: &mut Context) -> MessageId {
        loop {
            let id = context.message_id();
            if !self.contains(id) {
                self.insert(id);
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_remembered_for_hours_and_not_without_bound() {
        let mut seen = Seen::default();
        (1..=4096).for_each(|id| seen.insert(MessageId(id)));
        seen.insert(MessageId(1));
        assert!(seen.contains(MessageId(1)) && seen.contains(MessageId(4096)));
        seen.insert(MessageId(4097));
        assert!(!seen.contains(MessageId(1)) && seen.contains(MessageId(2)));
    }
}
