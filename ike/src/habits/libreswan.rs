//! libreswan as initiator, under NetworkManager-l2tp.

use std::time::Duration;

use super::strongswan::{network_manager_esp, network_manager_ike};
use super::{
    DeadPeers, Durations, EspProposal, Habits, IkeProposal, InitialContact, Layout, Numbering,
    OldSa, Rekey,
};
use crate::codec::{Phase1Attribute, Phase2Attribute, VendorId};

/// NetworkManager-l2tp with libreswan.
pub fn network_manager_libreswan() -> Habits {
    let lifetime = Duration::from_secs(28_800);
    // 9 to 18 minutes before the end of eight hours.
    let rekey = |old| Rekey {
        from: 962,
        to: 981,
        old,
    };
    Habits {
        vendor_ids: vec![
            VendorId::fragmentation(),
            VendorId::dead_peer_detection(),
            VendorId::rfc_3947(),
            VendorId::draft_03(),
            VendorId::draft_02_newline(),
            VendorId::draft_02(),
        ],
        ike_proposal: Some(IkeProposal {
            transforms: network_manager_ike(false),
            attributes: &[
                Phase1Attribute::LIFE_DURATION,
                Phase1Attribute::ENCRYPTION,
                Phase1Attribute::HASH,
                Phase1Attribute::AUTH_METHOD,
                Phase1Attribute::GROUP,
                Phase1Attribute::KEY_LENGTH,
            ],
            lifetime,
            durations: Durations::Short,
            numbering: Numbering::FromZero,
        }),
        initial_contact: InitialContact::Unsaid,
        esp_proposal: Some(EspProposal {
            transforms: network_manager_esp(),
            layout: Layout::OneProposal,
            attributes: &[
                Phase2Attribute::GROUP,
                Phase2Attribute::ENCAPSULATION,
                Phase2Attribute::LIFE_DURATION,
                Phase2Attribute::AUTHENTICATION,
                Phase2Attribute::KEY_LENGTH,
            ],
            lifetime,
            kilobytes: None,
            durations: Durations::Short,
            numbering: Numbering::FromZero,
        }),
        // Doubled from half a second, for a minute.
        retransmit: Some(
            [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000]
                .map(Duration::from_millis)
                .to_vec(),
        ),
        dead_peers: DeadPeers::Unasked,
        ike_rekey: rekey(OldSa::LeftToExpire),
        child_rekey: rekey(OldSa::LeftToExpire),
        ..Habits::default()
    }
}
