//! strongSwan as initiator, under NetworkManager-l2tp and ChromeOS.

use std::time::Duration;

use super::{
    DeadPeers, Durations, EspProposal, EspTransform, Habits, IkeProposal, IkeTransform, Layout,
    Numbering, OldSa, Rekey,
};
use crate::codec::{AuthAlgorithm, GroupId, HashId, Phase1Attribute, Phase2Attribute, VendorId};
use crate::crypto::Padding;

/// NetworkManager-l2tp with strongSwan.
pub fn network_manager_strongswan() -> Habits {
    charon(
        network_manager_ike(true),
        Duration::from_secs(10_800),
        network_manager_esp(),
    )
}

/// ChromeOS, whose client gives strongSwan lists of its own. strongSwan's built-in list, which
/// comes after them, is left out: nothing in it is needed where these are not taken.
pub fn chromeos() -> Habits {
    charon(
        vec![
            IkeTransform::aes(128, HashId::SHA256, GroupId::MODP_3072),
            IkeTransform::aes(128, HashId::SHA1, GroupId::MODP_2048),
            IkeTransform::triple_des(HashId::SHA1, GroupId::MODP_1536),
            IkeTransform::triple_des(HashId::SHA1, GroupId::MODP_1024),
        ],
        Duration::from_secs(14_400),
        vec![
            EspTransform::aes_gcm(128),
            EspTransform::aes(128, AuthAlgorithm::HMAC_SHA256),
            EspTransform::aes(128, AuthAlgorithm::HMAC_SHA1),
            EspTransform::triple_des(AuthAlgorithm::HMAC_SHA1),
            EspTransform::triple_des(AuthAlgorithm::HMAC_MD5),
        ],
    )
}

/// The phase 1 list of NetworkManager-l2tp: what Windows and Apple servers want, together.
pub(super) fn network_manager_ike(with_modp1024: bool) -> Vec<IkeTransform> {
    let groups = [GroupId::MODP_2048, GroupId::MODP_1536, GroupId::MODP_1024];
    let mut list = Vec::new();
    for hash in [HashId::SHA256, HashId::SHA1] {
        list.extend(groups.map(|group| IkeTransform::aes(256, hash, group)));
    }
    list.extend([
        IkeTransform::aes(256, HashId::SHA1, GroupId::ECP_384),
        IkeTransform::aes(128, HashId::SHA1, GroupId::MODP_1024),
        IkeTransform::aes(128, HashId::SHA1, GroupId::ECP_256),
        IkeTransform::triple_des(HashId::SHA1, GroupId::MODP_2048),
        IkeTransform::triple_des(HashId::SHA1, GroupId::MODP_1024),
    ]);
    list.retain(|transform| with_modp1024 || transform.group != GroupId::MODP_1024);
    list
}

/// The phase 2 list of NetworkManager-l2tp.
pub(super) fn network_manager_esp() -> Vec<EspTransform> {
    vec![
        EspTransform::aes(256, AuthAlgorithm::HMAC_SHA1),
        EspTransform::aes(128, AuthAlgorithm::HMAC_SHA1),
        EspTransform::triple_des(AuthAlgorithm::HMAC_SHA1),
    ]
}

fn charon(ike: Vec<IkeTransform>, lifetime: Duration, esp: Vec<EspTransform>) -> Habits {
    // The margin of 9 minutes is doubled at random: 9 to 18 minutes before the end.
    let margin = |minutes: u64| {
        let rest = lifetime
            .as_secs()
            .saturating_sub(minutes.saturating_mul(60));
        let thousandths = rest.saturating_mul(1000).checked_div(lifetime.as_secs());
        thousandths
            .and_then(|value| u16::try_from(value).ok())
            .unwrap_or(900)
    };
    Habits {
        vendor_ids: vec![
            VendorId::xauth(),
            VendorId::dead_peer_detection(),
            VendorId::fragmentation_of_main_mode(),
            VendorId::rfc_3947(),
            VendorId::draft_02_newline(),
        ],
        ike_proposal: Some(IkeProposal {
            transforms: ike,
            attributes: &[
                Phase1Attribute::ENCRYPTION,
                Phase1Attribute::KEY_LENGTH,
                Phase1Attribute::HASH,
                Phase1Attribute::GROUP,
                Phase1Attribute::AUTH_METHOD,
                Phase1Attribute::LIFE_DURATION,
            ],
            lifetime,
            durations: Durations::Short,
            numbering: Numbering::FromOne,
        }),
        esp_proposal: Some(EspProposal {
            transforms: esp,
            layout: Layout::OneProposal,
            attributes: &[
                Phase2Attribute::KEY_LENGTH,
                Phase2Attribute::AUTHENTICATION,
                Phase2Attribute::GROUP,
                Phase2Attribute::ENCAPSULATION,
                Phase2Attribute::LIFE_DURATION,
            ],
            lifetime: Duration::from_secs(3600),
            kilobytes: None,
            durations: Durations::Short,
            numbering: Numbering::FromOne,
        }),
        padding: Padding::Always,
        // Each pause is 1.8 times the one before.
        retransmit: Some(
            [4_000, 7_200, 12_960, 23_328, 41_990, 75_582]
                .map(Duration::from_millis)
                .to_vec(),
        ),
        dead_peers: DeadPeers::Unasked,
        ike_rekey: Rekey {
            from: margin(18),
            to: margin(9),
            old: OldSa::DeletedAfterOverlap,
        },
        child_rekey: Rekey {
            from: 700,
            to: 850,
            old: OldSa::LeftToExpire,
        },
        ..Habits::default()
    }
}
