//! Android up to 12: racoon and mtpd.

use std::time::Duration;

use super::apple::{AT_SOFT_LIFETIME, PHASE_1, PHASE_2};
use super::{
    ClientPort, DeadPeers, Durations, EspProposal, EspTransform, Habits, IkeProposal, IkeTransform,
    InitialContact, Layout, Numbering, OldSa, OriginalAddresses, Rekey, seconds,
};
use crate::codec::{AuthAlgorithm, EspTransformId, GroupId, HashId, VendorId};
use crate::crypto::Padding;

/// Android before 4.3: nothing but SHA-1 and MD5.
pub fn android_2() -> Habits {
    android_4().without(&[HashId::SHA256], &[AuthAlgorithm::HMAC_SHA256])
}

/// Android 4.3 to 7.1: no hash above SHA-256.
///
/// QUIRK(Android 6, 7): their kernels cut SHA-256 in ESP to 96 bits, which is not said anywhere on
/// the wire.
pub fn android_4() -> Habits {
    android().without(
        &[HashId::SHA384, HashId::SHA512],
        &[AuthAlgorithm::HMAC_SHA384, AuthAlgorithm::HMAC_SHA512],
    )
}

/// Android 7.1.2 to 12: 1024-bit groups only.
pub fn android() -> Habits {
    const GROUP: GroupId = GroupId::MODP_1024;
    let (md5, sha1) = (HashId::MD5, HashId::SHA1);
    let (sha256, sha384, sha512) = (HashId::SHA256, HashId::SHA384, HashId::SHA512);
    let aes_256 = [sha384, sha256, sha512, sha1, md5];
    let aes_128 = [sha512, sha384, sha256, sha1, md5];
    let old = [sha256, sha1, md5];
    let esp = |transform: fn(AuthAlgorithm) -> EspTransform| {
        [
            AuthAlgorithm::HMAC_SHA512,
            AuthAlgorithm::HMAC_SHA384,
            AuthAlgorithm::HMAC_SHA1,
            AuthAlgorithm::HMAC_SHA256,
            AuthAlgorithm::HMAC_MD5,
        ]
        .map(transform)
    };
    Habits {
        vendor_ids: vec![
            VendorId::rfc_3947(),
            VendorId::draft_02(),
            VendorId::draft_02_newline(),
            VendorId::draft_00(),
            VendorId::fragmentation_of_main_mode(),
            VendorId::dead_peer_detection(),
        ],
        ike_proposal: Some(IkeProposal {
            transforms: [
                &aes_256.map(|hash| IkeTransform::aes(256, hash, GROUP))[..],
                &aes_128.map(|hash| IkeTransform::aes(128, hash, GROUP))[..],
                &old.map(|hash| IkeTransform::triple_des(hash, GROUP))[..],
                &old.map(|hash| IkeTransform::des(hash, GROUP))[..],
            ]
            .concat(),
            attributes: PHASE_1,
            lifetime: Duration::from_secs(28_800),
            durations: Durations::Short,
            numbering: Numbering::FromOne,
        }),
        nonce_len: 16,
        padding: Padding::Always,
        initial_contact: InitialContact::Informational,
        esp_proposal: Some(EspProposal {
            transforms: [
                esp(|hash| EspTransform::aes(256, hash)),
                esp(|hash| EspTransform::aes(128, hash)),
                esp(EspTransform::triple_des),
                esp(|hash| EspTransform::unsized_key(EspTransformId::DES, hash)),
            ]
            .concat(),
            layout: Layout::OneProposal,
            attributes: PHASE_2,
            lifetime: Duration::from_secs(28_800),
            kilobytes: None,
            durations: Durations::Short,
            numbering: Numbering::FromOne,
        }),
        client_port: ClientPort::Any,
        original_addresses: OriginalAddresses::Unsaid,
        retransmit: seconds([10; 5]),
        // It answers, and never asks.
        dead_peers: DeadPeers::Unasked,
        ike_rekey: Rekey {
            old: OldSa::DeletedAfterOverlap,
            ..AT_SOFT_LIFETIME
        },
        child_rekey: AT_SOFT_LIFETIME,
        ..Habits::default()
    }
}
