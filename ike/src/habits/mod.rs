//! What an initiator puts on the wire, and when: the habits that tell one client from another.
//!
//! [`Habits`] are plain data. The state machines of the initiator read them and know no client by
//! name; the functions of this module give the habits of the clients that people have, each as far
//! as it is known. [`Habits::default`] is this crate's own way.
//!
//! An offer may name algorithms that this crate does not have, as clients offer DES. When a
//! responder chooses one of those, the exchange fails.

mod android;
mod apple;
mod libreswan;
mod mikrotik;
mod proposal;
mod strongswan;
mod windows;

use std::time::Duration;

pub use android::{android, android_2, android_4};
pub use apple::{apple, apple_2013};
pub use libreswan::network_manager_libreswan;
pub use mikrotik::mikrotik;
pub use proposal::{
    Durations, EspProposal, EspTransform, IkeProposal, IkeTransform, Layout, Numbering,
};
pub use strongswan::{chromeos, network_manager_strongswan};
pub use windows::{windows_7, windows_10};

use crate::codec::{AuthAlgorithm, HashId, VendorId};
use crate::crypto::{Group, Padding};
use crate::{Config, Identity};

/// What an initiator puts on the wire, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habits {
    /// The vendor ids of message 1, in order. They decide which NAT traversal can be agreed on,
    /// and whether the peer may ask by Dead Peer Detection.
    pub vendor_ids: Vec<VendorId>,
    /// Where a Main Mode that replaces nothing begins.
    pub first_port: FirstPort,
    /// The phase 1 offer; `None` offers what the [`Policy`](crate::Policy) takes.
    pub ike_proposal: Option<IkeProposal>,
    /// Bytes of a nonce (RFC 2409 §5: 8 to 256).
    pub nonce_len: usize,
    /// How encrypted messages are filled up to whole blocks.
    pub padding: Padding,
    /// Protocol and port of the identification in message 5.
    pub identity_port: IdentityPort,
    /// How it is said that no earlier SA is remembered.
    pub initial_contact: InitialContact,
    /// Where the message ids of Quick Modes come from.
    pub message_ids: MessageIds,
    /// The phase 2 offer; `None` offers what the [`Policy`](crate::Policy) takes.
    pub esp_proposal: Option<EspProposal>,
    /// The group for perfect forward secrecy, if [`Initiate::pfs`](crate::Initiate::pfs) does not
    /// name one.
    pub pfs: Option<Group>,
    /// The port in IDci.
    pub client_port: ClientPort,
    /// What a Quick Mode that replaces a child SA says in IDci in place of the address.
    pub renamed_on_rekey: Option<Identity>,
    /// The NAT-OA payloads of a Quick Mode behind a NAT.
    pub original_addresses: OriginalAddresses,
    /// The pauses after each sending of a request; after the last one it has failed. `None` takes
    /// those of [`Timing`](crate::Timing).
    pub retransmit: Option<Vec<Duration>>,
    /// Whether the peer is asked if it lives.
    pub dead_peers: DeadPeers,
    /// When and how an IKE SA is replaced.
    pub ike_rekey: Rekey,
    /// When and how a child SA is replaced. Its volume is counted by its owner, who calls
    /// [`rekey_child`](crate::Endpoint::rekey_child).
    pub child_rekey: Rekey,
    /// Whether a Main Mode that replaces another, and has no answer on the NAT-T port, is tried
    /// once more from the IKE port.
    pub rekeys_again_on_ike_port: bool,
    /// The messages that end a connection.
    pub farewell: Farewell,
}

/// Where a Main Mode begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirstPort {
    /// From port 500 to port 500.
    #[default]
    Ike,
    /// From port 4500 to port 4500, behind the non-ESP marker, before any NAT is known of.
    NatT,
}

/// Protocol and port of a phase 1 identification (RFC 2407 §4.6.2 allows both).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdentityPort {
    /// Both zero.
    #[default]
    Zero,
    /// UDP and 500.
    Ike,
}

impl IdentityPort {
    /// The two numbers.
    pub(crate) const fn numbers(self) -> (u8, u16) {
        match self {
            Self::Zero => (0, 0),
            Self::Ike => (17, 500),
        }
    }
}

/// How INITIAL-CONTACT is said (RFC 2407 §4.6.3.3); never when an IKE SA replaces another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitialContact {
    /// No notification. There may be a vendor id of that name.
    Unsaid,
    /// A notification inside message 5.
    #[default]
    InMessage5,
    /// An Informational message of its own, right after Main Mode.
    Informational,
}

/// Where the message ids of Quick Modes come from. Those of Informational messages are random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageIds {
    /// Random.
    #[default]
    Random,
    /// 1, 2, 3 and so on, from 1 again under each IKE SA.
    CountFromOne,
}

/// The port in IDci.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientPort {
    /// The one L2TP is spoken from: [`Initiate::l2tp_port`](crate::Initiate::l2tp_port).
    #[default]
    Used,
    /// Zero, for any.
    Any,
}

/// The NAT-OA payloads of a Quick Mode behind a NAT (RFC 3947 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OriginalAddresses {
    /// Our address and the peer's.
    #[default]
    Both,
    /// None.
    Unsaid,
}

/// Whether a peer that announces Dead Peer Detection is asked if it lives. Questions of the peer's
/// are always answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeadPeers {
    /// As [`Timing`](crate::Timing) says.
    #[default]
    AsConfigured,
    /// Never.
    Unasked,
    /// At intervals of its own.
    Asked {
        /// Silence after which it is asked.
        idle: Duration,
        /// Pause between two unanswered questions.
        interval: Duration,
        /// Questions before the peer counts as dead.
        tries: u16,
    },
}

/// When an SA is replaced, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rekey {
    /// The earliest moment, in thousandths of the lifetime.
    pub from: u16,
    /// The latest moment, in thousandths of the lifetime.
    pub to: u16,
    /// What becomes of the old one.
    pub old: OldSa,
}

impl Default for Rekey {
    /// At 85 to 90 % of the lifetime.
    fn default() -> Self {
        Self {
            from: 850,
            to: 900,
            old: OldSa::default(),
        }
    }
}

/// What becomes of an SA that has a successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OldSa {
    /// It is deleted when both have been up for [`Timing::overlap`](crate::Timing::overlap).
    #[default]
    DeletedAfterOverlap,
    /// It is deleted before the exchange for its successor begins.
    DeletedBefore,
    /// It is deleted at the end of its lifetime.
    LeftToExpire,
}

/// The messages that end a connection: DELETE of the child SAs, and of the IKE SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Farewell {
    /// Two Informational messages, in this order.
    #[default]
    Two,
    /// One Informational message with both DELETE payloads.
    One,
}

impl Default for Habits {
    /// This crate's own way.
    fn default() -> Self {
        Self {
            vendor_ids: vec![
                VendorId::rfc_3947(),
                VendorId::draft_03(),
                VendorId::draft_02_newline(),
                VendorId::draft_02(),
                VendorId::fragmentation(),
                VendorId::dead_peer_detection(),
            ],
            first_port: FirstPort::default(),
            ike_proposal: None,
            nonce_len: 32,
            padding: Padding::default(),
            identity_port: IdentityPort::default(),
            initial_contact: InitialContact::default(),
            message_ids: MessageIds::default(),
            esp_proposal: None,
            pfs: None,
            client_port: ClientPort::default(),
            renamed_on_rekey: None,
            original_addresses: OriginalAddresses::default(),
            retransmit: None,
            dead_peers: DeadPeers::default(),
            ike_rekey: Rekey::default(),
            child_rekey: Rekey::default(),
            rekeys_again_on_ike_port: false,
            farewell: Farewell::default(),
        }
    }
}

impl Habits {
    /// The same habits before the client knew some hashes: offers with them are left out.
    fn without(mut self, hashes: &[HashId], integrity: &[AuthAlgorithm]) -> Self {
        if let Some(proposal) = &mut self.ike_proposal {
            let transforms = &mut proposal.transforms;
            transforms.retain(|transform| !hashes.contains(&transform.hash));
        }
        if let Some(proposal) = &mut self.esp_proposal {
            let known = |id: AuthAlgorithm| !integrity.contains(&id);
            let transforms = &mut proposal.transforms;
            transforms.retain(|transform| transform.authentication.is_none_or(known));
        }
        self
    }
}

/// What the sessions inside ask comes first: the echo of PPP, which is due after as long a silence by
/// default, is answered within this time, and then an exchange of IKE has nothing left to find out.
const PRECEDENCE: Duration = Duration::from_secs(2);

/// How a peer is asked if it lives: silence before the first question, pause between questions,
/// and their number. `None` never asks.
pub(crate) fn asking(
    habits: Option<&Habits>,
    config: &Config,
) -> Option<(Duration, Duration, u16)> {
    let (idle, interval, tries) = match habits.map(|habits| habits.dead_peers) {
        Some(DeadPeers::Unasked) => return None,
        Some(DeadPeers::Asked {
            idle,
            interval,
            tries,
        }) => (idle, interval, tries),
        Some(DeadPeers::AsConfigured) | None => {
            let timing = &config.timing;
            let idle = match timing.dpd_idle {
                Duration::ZERO => Duration::ZERO,
                idle => idle.saturating_add(PRECEDENCE),
            };
            (idle, timing.dpd_interval, timing.dpd_tries)
        }
    };
    (!idle.is_zero()).then_some((idle, interval, tries))
}

/// Seconds, as the tables of the clients write them.
fn seconds<const N: usize>(pauses: [u64; N]) -> Option<Vec<Duration>> {
    Some(pauses.map(Duration::from_secs).to_vec())
}
