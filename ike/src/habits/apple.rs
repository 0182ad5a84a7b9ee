//! macOS and iOS: Apple's racoon.

use std::time::Duration;

use super::{
    DeadPeers, Durations, EspProposal, EspTransform, Habits, IdentityPort, IkeProposal,
    IkeTransform, InitialContact, Layout, Numbering, OldSa, Rekey, seconds,
};
use crate::codec::{AuthAlgorithm, GroupId, HashId, Phase1Attribute, Phase2Attribute, VendorId};
use crate::crypto::Padding;

/// The attributes of a phase 1 transform, in racoon's order.
pub(super) const PHASE_1: &[Phase1Attribute] = &[
    Phase1Attribute::LIFE_DURATION,
    Phase1Attribute::ENCRYPTION,
    Phase1Attribute::KEY_LENGTH,
    Phase1Attribute::AUTH_METHOD,
    Phase1Attribute::HASH,
    Phase1Attribute::GROUP,
];

/// The attributes of a phase 2 transform, in racoon's order.
pub(super) const PHASE_2: &[Phase2Attribute] = &[
    Phase2Attribute::LIFE_DURATION,
    Phase2Attribute::ENCAPSULATION,
    Phase2Attribute::KEY_LENGTH,
    Phase2Attribute::AUTHENTICATION,
    Phase2Attribute::GROUP,
];

/// The kernel calls for a successor when four fifths of the lifetime are over, and keeps the old
/// SA until its end.
pub(super) const AT_SOFT_LIFETIME: Rekey = Rekey {
    from: 800,
    to: 800,
    old: OldSa::LeftToExpire,
};

/// macOS and iOS of 2013 to 2015: without SHA-2.
pub fn apple_2013() -> Habits {
    apple().without(
        &[HashId::SHA256, HashId::SHA512],
        &[AuthAlgorithm::HMAC_SHA256],
    )
}

/// macOS and iOS with their present lists.
pub fn apple() -> Habits {
    let group = |group, list: &[(u16, HashId)]| -> Vec<IkeTransform> {
        let transform = |&(bits, hash)| match bits {
            0 => IkeTransform::triple_des(hash, group),
            bits => IkeTransform::aes(bits, hash, group),
        };
        list.iter().map(transform).collect()
    };
    let (sha256, sha1, md5) = (HashId::SHA256, HashId::SHA1, HashId::MD5);
    let esp = |transform: fn(AuthAlgorithm) -> EspTransform| {
        [
            AuthAlgorithm::HMAC_SHA256,
            AuthAlgorithm::HMAC_SHA1,
            AuthAlgorithm::HMAC_MD5,
        ]
        .map(transform)
    };
    Habits {
        vendor_ids: [VendorId::rfc_3947(), VendorId::apple_nat_traversal()]
            .into_iter()
            .chain(racoon_drafts())
            .chain([
                VendorId::fragmentation_of_main_mode(),
                VendorId::dead_peer_detection(),
            ])
            .collect(),
        ike_proposal: Some(IkeProposal {
            transforms: [
                group(
                    GroupId::MODP_2048,
                    &[
                        (256, sha256),
                        (256, sha1),
                        (256, md5),
                        (256, HashId::SHA512),
                    ],
                ),
                group(
                    GroupId::MODP_1536,
                    &[(256, sha256), (256, sha1), (256, md5)],
                ),
                group(
                    GroupId::MODP_1024,
                    &[
                        (256, sha256),
                        (256, sha1),
                        (256, md5),
                        (128, sha1),
                        (128, md5),
                        (0, sha1),
                        (0, md5),
                    ],
                ),
            ]
            .concat(),
            attributes: PHASE_1,
            lifetime: Duration::from_secs(3600),
            durations: Durations::Short,
            numbering: Numbering::FromOne,
        }),
        nonce_len: 16,
        padding: Padding::Always,
        identity_port: IdentityPort::Ike,
        initial_contact: InitialContact::Informational,
        esp_proposal: Some(EspProposal {
            transforms: [
                esp(|hash| EspTransform::aes(256, hash)),
                esp(|hash| EspTransform::aes(128, hash)),
                esp(EspTransform::triple_des),
            ]
            .concat(),
            layout: Layout::OneProposal,
            attributes: PHASE_2,
            lifetime: Duration::from_secs(3600),
            kilobytes: None,
            durations: Durations::Short,
            numbering: Numbering::FromOne,
        }),
        retransmit: seconds([3; 10]),
        // It answers, and never asks.
        dead_peers: DeadPeers::Unasked,
        // At 80 or 90 % of the lifetime, as the cookies compare.
        ike_rekey: Rekey {
            from: 800,
            to: 900,
            old: OldSa::DeletedAfterOverlap,
        },
        child_rekey: AT_SOFT_LIFETIME,
        rekeys_again_on_ike_port: true,
        ..Habits::default()
    }
}

/// The drafts of NAT traversal that racoon names, in its order.
pub(super) fn racoon_drafts() -> [VendorId; 8] {
    [
        VendorId::draft_08(),
        VendorId::draft_07(),
        VendorId::draft_06(),
        VendorId::draft_05(),
        VendorId::draft_04(),
        VendorId::draft_03(),
        VendorId::draft_02(),
        VendorId::draft_02_newline(),
    ]
}
