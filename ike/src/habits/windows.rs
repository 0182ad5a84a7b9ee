//! Windows: its own stack since Vista, Main Mode only.
//!
//! The order of the attributes in phase 1 and the pauses between repetitions are those of a recorded
//! Windows XP. The order in phase 2 is not known; the sizes of the messages agree with those in
//! public logs.

use std::time::Duration;

use super::{
    Durations, EspProposal, EspTransform, Habits, IkeProposal, IkeTransform, InitialContact,
    Layout, MessageIds, Numbering, OldSa, Rekey, seconds,
};
use crate::codec::{
    AuthAlgorithm, EspTransformId, GroupId, HashId, Phase1Attribute, Phase2Attribute, VendorId,
};

/// Windows 7: seven vendor ids, and AES-128 as its best for ESP.
pub fn windows_7() -> Habits {
    const SHA1: AuthAlgorithm = AuthAlgorithm::HMAC_SHA1;
    stack(
        vec![VendorId::windows(7)],
        vec![
            EspTransform::aes(128, SHA1),
            EspTransform::triple_des(SHA1),
            EspTransform::unsized_key(EspTransformId::DES, SHA1),
        ],
    )
}

/// Windows 8, 10 and 11: eight vendor ids, and AES-256 first for ESP.
pub fn windows_10() -> Habits {
    const SHA1: AuthAlgorithm = AuthAlgorithm::HMAC_SHA1;
    stack(
        vec![VendorId::windows_key_modules(1), VendorId::windows(9)],
        vec![
            EspTransform::aes(256, SHA1),
            EspTransform::aes(128, SHA1),
            EspTransform::triple_des(SHA1),
        ],
    )
}

impl Habits {
    /// The same habits with the setting "optional encryption" of Windows' connections: DES, and no
    /// encryption at all, come last in the phase 2 offer.
    #[must_use]
    pub fn with_optional_encryption(mut self) -> Self {
        const SHA1: AuthAlgorithm = AuthAlgorithm::HMAC_SHA1;
        if let Some(proposal) = &mut self.esp_proposal {
            for id in [EspTransformId::DES, EspTransformId::NULL] {
                let weak = EspTransform::unsized_key(id, SHA1);
                if !proposal.transforms.contains(&weak) {
                    proposal.transforms.push(weak);
                }
            }
        }
        self
    }
}

fn stack(version: Vec<VendorId>, esp: Vec<EspTransform>) -> Habits {
    let mut vendor_ids = version;
    // No Dead Peer Detection: a server must not ask, and hears nothing of a client that is gone.
    vendor_ids.extend([
        VendorId::rfc_3947(),
        VendorId::draft_02_newline(),
        VendorId::fragmentation(),
        VendorId::negotiation_discovery(),
        VendorId::initial_contact(),
        VendorId::generated_addresses(),
    ]);
    Habits {
        vendor_ids,
        ike_proposal: Some(IkeProposal {
            transforms: vec![
                IkeTransform::aes(256, HashId::SHA1, GroupId::ECP_384),
                IkeTransform::aes(128, HashId::SHA1, GroupId::ECP_256),
                IkeTransform::aes(256, HashId::SHA1, GroupId::MODP_2048),
                IkeTransform::triple_des(HashId::SHA1, GroupId::MODP_2048),
                IkeTransform::triple_des(HashId::SHA1, GroupId::MODP_1024),
            ],
            attributes: &[
                Phase1Attribute::ENCRYPTION,
                Phase1Attribute::KEY_LENGTH,
                Phase1Attribute::HASH,
                Phase1Attribute::GROUP,
                Phase1Attribute::AUTH_METHOD,
                Phase1Attribute::LIFE_DURATION,
            ],
            lifetime: Duration::from_secs(28_800),
            durations: Durations::FourBytes,
            numbering: Numbering::FromOne,
        }),
        nonce_len: 48,
        // The vendor id says it; there is no notification.
        initial_contact: InitialContact::Unsaid,
        message_ids: MessageIds::CountFromOne,
        esp_proposal: Some(EspProposal {
            transforms: esp,
            layout: Layout::ProposalEach,
            attributes: &[
                Phase2Attribute::ENCAPSULATION,
                Phase2Attribute::KEY_LENGTH,
                Phase2Attribute::AUTHENTICATION,
                Phase2Attribute::LIFE_DURATION,
            ],
            lifetime: Duration::from_secs(3600),
            kilobytes: Some(250_000),
            durations: Durations::FourBytes,
            numbering: Numbering::FromOne,
        }),
        retransmit: seconds([1, 2, 4, 8, 16, 18]),
        dead_peers: super::DeadPeers::Unasked,
        ike_rekey: LATE,
        child_rekey: LATE,
        ..Habits::default()
    }
}

/// Shortly before the end of the lifetime; the old one is deleted when the new one is up.
const LATE: Rekey = Rekey {
    from: 950,
    to: 980,
    old: OldSa::DeletedAfterOverlap,
};
