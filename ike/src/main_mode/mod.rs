//! Main Mode with a pre-shared key (RFC 2409 §5.4), one struct per state.

pub(crate) mod initiator;
pub(crate) mod responder;

use std::net::IpAddr;
use std::time::Duration;

use wire::Path;

use crate::codec::{Chain, NatTraversal, Notification, NotifyType, PayloadType};
use crate::context::{Answered, Context};
use crate::crypto::{Iv, Keymat};
use crate::natt::Announced;
use crate::sa::{Dpd, Established, Frame, PartyKey, Seen};
use crate::{Identity, KeyName, Nat};

/// What a finished Main Mode knows.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) keymat: Keymat,
    pub(crate) last_block: Iv,
    pub(crate) lifetime: Duration,
    pub(crate) nat: Nat,
    pub(crate) traversal: Option<NatTraversal>,
    pub(crate) announced: Announced,
    pub(crate) identity: Identity,
    pub(crate) key: KeyName,
    pub(crate) answered: Option<Answered>,
    pub(crate) initiate: Option<Box<crate::Initiate>>,
    /// The path of the last message.
    pub(crate) path: Path,
    /// INITIAL-CONTACT came along.
    pub(crate) initial_contact: bool,
    /// The last message, which is to be sent after the SA is reported up.
    pub(crate) message: Option<Vec<u8>>,
}

impl Finished {
    /// The established state.
    pub(crate) fn establish(self, context: &mut Context, frame: &Frame) -> Established {
        let timing = &context.config.timing;
        let lifetime = self
            .lifetime
            .clamp(timing.lifetime_floor, timing.lifetime_ceiling);
        let sequence = u32::from_be_bytes([0, 1, 2, 3].map(|place| {
            // Any start will do; ours differs per SA without another draw.
            frame.own_cookie().0.get(place).copied().unwrap_or(0) & 0x7f
        }));
        Established {
            keymat: self.keymat,
            last_block: self.last_block,
            lifetime,
            nat: self.nat,
            traversal: self.traversal,
            make: self.announced.make(),
            truncates_sha256: self.announced.truncates_sha256(),
            dpd: Dpd::new(self.announced.dpd, context.now, sequence),
            party: PartyKey {
                remote: frame.path.remote.ip(),
                identity: self.identity,
                key: self.key,
                own: self.initiate.as_ref().map(|initiate| initiate.ike.local),
            }
            .into(),
            since: context.now,
            answered: self.answered,
            natt_path: (frame.path.carrier == wire::Carrier::NatT).then_some(frame.path),
            seen: Seen::default(),
            quick_modes_begun: 0,
            quick_modes: std::collections::BTreeMap::new(),
            finished: std::collections::VecDeque::new(),
            children: wire::Few::default(),
            initiate: self.initiate,
            successor: None,
            told: false,
            ended: None,
        }
    }
}

/// Whether a chain says INITIAL-CONTACT.
pub(crate) fn has_initial_contact(chain: &Chain<'_>) -> bool {
    chain
        .all(PayloadType::NOTIFICATION)
        .filter_map(|payload| Notification::parse(payload.body).ok())
        .any(|notification| notification.kind == NotifyType::INITIAL_CONTACT)
}

/// Our identity in phase 1: the address under which the peer knows us.
pub(crate) fn own_identity(context: &Context, local: IpAddr) -> Identity {
    Identity::from(context.config.public_address.unwrap_or(local))
}
