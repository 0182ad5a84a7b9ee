//! MikroTik RouterOS with its default profile and proposal. Its IKE is racoon's kin.

use std::time::Duration;

use super::apple::racoon_drafts;
use super::apple::{AT_SOFT_LIFETIME, PHASE_1, PHASE_2};
use super::{
    DeadPeers, Durations, EspProposal, EspTransform, Habits, IkeProposal, IkeTransform,
    InitialContact, Layout, Numbering, OldSa, Rekey, seconds,
};
use crate::codec::{AuthAlgorithm, GroupId, HashId, VendorId};
use crate::crypto::{Group, Padding};

/// MikroTik RouterOS. Which drafts of NAT traversal it names, and in which order, is taken from
/// racoon.
pub fn mikrotik() -> Habits {
    let groups = [GroupId::MODP_2048, GroupId::MODP_1024];
    let probe = Duration::from_secs(120);
    Habits {
        vendor_ids: [VendorId::rfc_3947()]
            .into_iter()
            .chain(racoon_drafts())
            .chain([VendorId::dead_peer_detection()])
            .collect(),
        ike_proposal: Some(IkeProposal {
            transforms: [
                groups.map(|group| IkeTransform::aes(128, HashId::SHA1, group)),
                groups.map(|group| IkeTransform::triple_des(HashId::SHA1, group)),
            ]
            .concat(),
            attributes: PHASE_1,
            lifetime: Duration::from_secs(86_400),
            durations: Durations::Short,
            numbering: Numbering::FromOne,
        }),
        nonce_len: 24,
        padding: Padding::Always,
        initial_contact: InitialContact::Informational,
        esp_proposal: Some(EspProposal {
            transforms: [256, 192, 128]
                .map(|bits| EspTransform::aes(bits, AuthAlgorithm::HMAC_SHA1))
                .to_vec(),
            layout: Layout::OneProposal,
            attributes: PHASE_2,
            lifetime: Duration::from_secs(1800),
            kilobytes: None,
            durations: Durations::Short,
            numbering: Numbering::FromOne,
        }),
        pfs: Some(Group::Modp1024),
        retransmit: seconds([10; 5]),
        dead_peers: DeadPeers::Asked {
            idle: probe,
            interval: probe,
            tries: 5,
        },
        ike_rekey: Rekey {
            old: OldSa::DeletedAfterOverlap,
            ..AT_SOFT_LIFETIME
        },
        child_rekey: AT_SOFT_LIFETIME,
        ..Habits::default()
    }
}
