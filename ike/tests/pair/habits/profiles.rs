//! One table row for each client: message 1, message 5 and message 1 of Quick Mode, as they are
//! known from public sources, and what the server makes of them.

use ike::codec::{
    ExchangeType, Identification, PayloadType, Phase1Offer, Phase2Offer, Sa, VendorId,
};
use ike::{EspMode, Habits, Identity, LegacyOption, habits};

use super::{bodies, connected, first, opened};
use crate::harness::{CLIENT, SERVER, Side, ip};

struct Profile {
    name: &'static str,
    habits: fn() -> Habits,
    /// What the server must admit.
    options: &'static [LegacyOption],
    vendor_ids: &'static [&'static str],
    /// Bytes of message 1.
    message_1: usize,
    /// Proposal number, transform number, transforms.
    ike: (u8, u8, &'static [&'static str]),
    /// The attributes of the first phase 1 transform.
    ike_attributes: &'static str,
    nonce: usize,
    /// Protocol and port of message 5.
    identity: (u8, u16),
    /// Bytes of message 5.
    message_5: usize,
    /// What the server chooses for IKE, and the seconds.
    chosen: (&'static str, u64),
    /// Proposals, and all transforms.
    esp: (usize, &'static [&'static str]),
    /// The attributes of the first phase 2 transform, without a NAT.
    esp_attributes: &'static str,
    /// Bytes of message 1 of Quick Mode without and with a NAT.
    quick_1: (usize, usize),
    client_port: u16,
    /// NAT-OA payloads behind a NAT.
    nat_oa: usize,
    /// What the server chooses for ESP, the seconds and the kilobytes.
    chosen_esp: (&'static str, u64, Option<u64>),
    pfs: Option<&'static str>,
}

const RFC_3947: &str = "4a131c81070358455c5728f20e95452f";
const DRAFT_02: &str = "cd60464335df21f87cfdb2fc68b6a448";
const DRAFT_02_N: &str = "90cb80913ebb696e086381b5ec427b1f";
const DRAFT_03: &str = "7d9419a65310ca6f2c179d9215529d56";
const DPD: &str = "afcad71368a1f1c96b8696fc77570100";
const FRAGMENTATION: &str = "4048b7d56ebce88525e7de7f00d6c2d3";
const FRAGMENTATION_80: &str = "4048b7d56ebce88525e7de7f00d6c2d380000000";
/// Drafts 08 to 04, as racoon orders them.
const DRAFT_08: &str = "8f8d83826d246b6fc7a8a6a428c11de8";
const DRAFT_07: &str = "439b59f8ba676c4c7737ae22eab8f582";
const DRAFT_06: &str = "4d1e0e136deafa34c4f3ea9f02ec7285";
const DRAFT_05: &str = "80d0bb3def54565ee84645d4c85ce3ee";
const DRAFT_04: &str = "9909b64eed937c6573de52ace952fa6b";

const WINDOWS_IKE: &[&str] = &[
    "AES-CBC-256/HMAC-SHA1/ECP-384",
    "AES-CBC-128/HMAC-SHA1/ECP-256",
    "AES-CBC-256/HMAC-SHA1/MODP-2048",
    "3DES-CBC/HMAC-SHA1/MODP-2048",
    "3DES-CBC/HMAC-SHA1/MODP-1024",
];
const NETWORK_MANAGER_ESP: &[&str] = &[
    "AES-CBC-256/HMAC-SHA1",
    "AES-CBC-128/HMAC-SHA1",
    "3DES-CBC/HMAC-SHA1",
];

const PROFILES: &[Profile] = &[
    Profile {
        name: "Windows 7",
        habits: habits::windows_7,
        options: &[],
        vendor_ids: &[
            "1e2b516905991c7d7c96fcbfb587e46100000007",
            RFC_3947,
            DRAFT_02_N,
            FRAGMENTATION,
            "fb1de3cdf341b7ea16b7e5be0855f120",
            "26244d38eddb61b3172a36e3d0cfb819",
            "e3a5966a76379fe707228231e5ce8652",
        ],
        message_1: 384,
        ike: (1, 1, WINDOWS_IKE),
        ike_attributes: "80010007 800e0100 80020002 80040014 80030001 800b0001 000c000400007080",
        nonce: 48,
        identity: (0, 0),
        message_5: 76,
        chosen: ("aes256-sha1-ecp384", 28_800),
        esp: (
            3,
            &[
                "AES-CBC-128/HMAC-SHA1",
                "3DES-CBC/HMAC-SHA1",
                "DES-CBC/HMAC-SHA1",
            ],
        ),
        esp_attributes: "80040002 80060080 80050002 80010001 0002000400000e10 80010002 000200040003d090",
        quick_1: (300, 332),
        client_port: 1701,
        nat_oa: 2,
        chosen_esp: ("aes128-sha1", 3600, Some(250_000)),
        pfs: None,
    },
    Profile {
        name: "Windows 10",
        habits: habits::windows_10,
        options: &[],
        vendor_ids: &[
            "01528bbbc00696121849ab9a1c5b2a5100000001",
            "1e2b516905991c7d7c96fcbfb587e46100000009",
            RFC_3947,
            DRAFT_02_N,
            FRAGMENTATION,
            "fb1de3cdf341b7ea16b7e5be0855f120",
            "26244d38eddb61b3172a36e3d0cfb819",
            "e3a5966a76379fe707228231e5ce8652",
        ],
        message_1: 408,
        ike: (1, 1, WINDOWS_IKE),
        ike_attributes: "80010007 800e0100 80020002 80040014 80030001 800b0001 000c000400007080",
        nonce: 48,
        identity: (0, 0),
        message_5: 76,
        chosen: ("aes256-sha1-ecp384", 28_800),
        esp: (3, NETWORK_MANAGER_ESP),
        esp_attributes: "80040002 80060100 80050002 80010001 0002000400000e10 80010002 000200040003d090",
        quick_1: (316, 332),
        client_port: 1701,
        nat_oa: 2,
        chosen_esp: ("aes256-sha1", 3600, Some(250_000)),
        pfs: None,
    },
    Profile {
        name: "Windows 10, optional encryption",
        habits: || habits::windows_10().with_optional_encryption(),
        options: &[],
        vendor_ids: &[
            "01528bbbc00696121849ab9a1c5b2a5100000001",
            "1e2b516905991c7d7c96fcbfb587e46100000009",
            RFC_3947,
            DRAFT_02_N,
            FRAGMENTATION,
            "fb1de3cdf341b7ea16b7e5be0855f120",
            "26244d38eddb61b3172a36e3d0cfb819",
            "e3a5966a76379fe707228231e5ce8652",
        ],
        message_1: 408,
        ike: (1, 1, WINDOWS_IKE),
        ike_attributes: "80010007 800e0100 80020002 80040014 80030001 800b0001 000c000400007080",
        nonce: 48,
        identity: (0, 0),
        message_5: 76,
        chosen: ("aes256-sha1-ecp384", 28_800),
        esp: (
            5,
            &[
                "AES-CBC-256/HMAC-SHA1",
                "AES-CBC-128/HMAC-SHA1",
                "3DES-CBC/HMAC-SHA1",
                "DES-CBC/HMAC-SHA1",
                "NULL/HMAC-SHA1",
            ],
        ),
        esp_attributes: "80040002 80060100 80050002 80010001 0002000400000e10 80010002 000200040003d090",
        quick_1: (412, 444),
        client_port: 1701,
        nat_oa: 2,
        chosen_esp: ("aes256-sha1", 3600, Some(250_000)),
        pfs: None,
    },
    Profile {
        name: "macOS, iOS",
        habits: habits::apple,
        options: &[],
        vendor_ids: &[
            RFC_3947,
            "4df37928e9fc4fd1b3262170d515c662",
            DRAFT_08,
            DRAFT_07,
            DRAFT_06,
            DRAFT_05,
            DRAFT_04,
            DRAFT_03,
            DRAFT_02,
            DRAFT_02_N,
            FRAGMENTATION_80,
            DPD,
        ],
        message_1: 788,
        ike: (
            1,
            1,
            &[
                "AES-CBC-256/HMAC-SHA2-256/MODP-2048",
                "AES-CBC-256/HMAC-SHA1/MODP-2048",
                "AES-CBC-256/HMAC-MD5/MODP-2048",
                "AES-CBC-256/HMAC-SHA2-512/MODP-2048",
                "AES-CBC-256/HMAC-SHA2-256/MODP-1536",
                "AES-CBC-256/HMAC-SHA1/MODP-1536",
                "AES-CBC-256/HMAC-MD5/MODP-1536",
                "AES-CBC-256/HMAC-SHA2-256/MODP-1024",
                "AES-CBC-256/HMAC-SHA1/MODP-1024",
                "AES-CBC-256/HMAC-MD5/MODP-1024",
                "AES-CBC-128/HMAC-SHA1/MODP-1024",
                "AES-CBC-128/HMAC-MD5/MODP-1024",
                "3DES-CBC/HMAC-SHA1/MODP-1024",
                "3DES-CBC/HMAC-MD5/MODP-1024",
            ],
        ),
        ike_attributes: "800b0001 800c0e10 80010007 800e0100 80030001 80020004 8004000e",
        nonce: 16,
        identity: (17, 500),
        message_5: 92,
        chosen: ("aes256-sha256-modp2048", 3600),
        esp: (
            1,
            &[
                "AES-CBC-256/HMAC-SHA2-256",
                "AES-CBC-256/HMAC-SHA1",
                "AES-CBC-256/HMAC-MD5",
                "AES-CBC-128/HMAC-SHA2-256",
                "AES-CBC-128/HMAC-SHA1",
                "AES-CBC-128/HMAC-MD5",
                "3DES-CBC/HMAC-SHA2-256",
                "3DES-CBC/HMAC-SHA1",
                "3DES-CBC/HMAC-MD5",
            ],
        ),
        esp_attributes: "80010001 80020e10 80040002 80060100 80050005",
        quick_1: (380, 412),
        client_port: 1701,
        nat_oa: 2,
        chosen_esp: ("aes256-sha256", 3600, None),
        pfs: None,
    },
    Profile {
        name: "Android",
        habits: habits::android,
        options: &[LegacyOption::Android],
        vendor_ids: &[
            RFC_3947,
            DRAFT_02,
            DRAFT_02_N,
            "4485152d18b6bbcd0be8a8469579ddcc",
            FRAGMENTATION_80,
            DPD,
        ],
        message_1: 724,
        ike: (
            1,
            1,
            &[
                "AES-CBC-256/HMAC-SHA2-384/MODP-1024",
                "AES-CBC-256/HMAC-SHA2-256/MODP-1024",
                "AES-CBC-256/HMAC-SHA2-512/MODP-1024",
                "AES-CBC-256/HMAC-SHA1/MODP-1024",
                "AES-CBC-256/HMAC-MD5/MODP-1024",
                "AES-CBC-128/HMAC-SHA2-512/MODP-1024",
                "AES-CBC-128/HMAC-SHA2-384/MODP-1024",
                "AES-CBC-128/HMAC-SHA2-256/MODP-1024",
                "AES-CBC-128/HMAC-SHA1/MODP-1024",
                "AES-CBC-128/HMAC-MD5/MODP-1024",
                "3DES-CBC/HMAC-SHA2-256/MODP-1024",
                "3DES-CBC/HMAC-SHA1/MODP-1024",
                "3DES-CBC/HMAC-MD5/MODP-1024",
                "DES-CBC/HMAC-SHA2-256/MODP-1024",
                "DES-CBC/HMAC-SHA1/MODP-1024",
                "DES-CBC/HMAC-MD5/MODP-1024",
            ],
        ),
        ike_attributes: "800b0001 800c7080 80010007 800e0100 80030001 80020005 80040002",
        nonce: 16,
        identity: (0, 0),
        message_5: 92,
        chosen: ("aes256-sha256-modp1024", 28_800),
        esp: (
            1,
            &[
                "AES-CBC-256/HMAC-SHA2-512",
                "AES-CBC-256/HMAC-SHA2-384",
                "AES-CBC-256/HMAC-SHA1",
                "AES-CBC-256/HMAC-SHA2-256",
                "AES-CBC-256/HMAC-MD5",
                "AES-CBC-128/HMAC-SHA2-512",
                "AES-CBC-128/HMAC-SHA2-384",
                "AES-CBC-128/HMAC-SHA1",
                "AES-CBC-128/HMAC-SHA2-256",
                "AES-CBC-128/HMAC-MD5",
                "3DES-CBC/HMAC-SHA2-512",
                "3DES-CBC/HMAC-SHA2-384",
                "3DES-CBC/HMAC-SHA1",
                "3DES-CBC/HMAC-SHA2-256",
                "3DES-CBC/HMAC-MD5",
                "DES-CBC/HMAC-SHA2-512",
                "DES-CBC/HMAC-SHA2-384",
                "DES-CBC/HMAC-SHA1",
                "DES-CBC/HMAC-SHA2-256",
                "DES-CBC/HMAC-MD5",
            ],
        ),
        esp_attributes: "80010001 80027080 80040002 80060100 80050007",
        quick_1: (668, 668),
        client_port: 0,
        nat_oa: 0,
        chosen_esp: ("aes256-sha384", 28_800, None),
        pfs: None,
    },
    Profile {
        name: "ChromeOS",
        habits: habits::chromeos,
        options: &[],
        vendor_ids: &[
            "09002689dfd6b712",
            DPD,
            FRAGMENTATION_80,
            RFC_3947,
            DRAFT_02_N,
        ],
        message_1: 280,
        ike: (
            1,
            1,
            &[
                "AES-CBC-128/HMAC-SHA2-256/MODP-3072",
                "AES-CBC-128/HMAC-SHA1/MODP-2048",
                "3DES-CBC/HMAC-SHA1/MODP-1536",
                "3DES-CBC/HMAC-SHA1/MODP-1024",
            ],
        ),
        ike_attributes: "80010007 800e0080 80020004 8004000f 80030001 800b0001 800c3840",
        nonce: 32,
        identity: (0, 0),
        message_5: 108,
        chosen: ("aes128-sha256-modp3072", 14_400),
        esp: (
            1,
            &[
                "AES-GCM-16-128",
                "AES-CBC-128/HMAC-SHA2-256",
                "AES-CBC-128/HMAC-SHA1",
                "3DES-CBC/HMAC-SHA1",
                "3DES-CBC/HMAC-MD5",
            ],
        ),
        esp_attributes: "80060080 80040002 80010001 80020e10",
        quick_1: (284, 316),
        client_port: 1701,
        nat_oa: 2,
        chosen_esp: ("aes128gcm16", 3600, None),
        pfs: None,
    },
    Profile {
        name: "NetworkManager-l2tp with strongSwan",
        habits: habits::network_manager_strongswan,
        options: &[],
        vendor_ids: &[
            "09002689dfd6b712",
            DPD,
            FRAGMENTATION_80,
            RFC_3947,
            DRAFT_02_N,
        ],
        message_1: 532,
        ike: (
            1,
            1,
            &[
                "AES-CBC-256/HMAC-SHA2-256/MODP-2048",
                "AES-CBC-256/HMAC-SHA2-256/MODP-1536",
                "AES-CBC-256/HMAC-SHA2-256/MODP-1024",
                "AES-CBC-256/HMAC-SHA1/MODP-2048",
                "AES-CBC-256/HMAC-SHA1/MODP-1536",
                "AES-CBC-256/HMAC-SHA1/MODP-1024",
                "AES-CBC-256/HMAC-SHA1/ECP-384",
                "AES-CBC-128/HMAC-SHA1/MODP-1024",
                "AES-CBC-128/HMAC-SHA1/ECP-256",
                "3DES-CBC/HMAC-SHA1/MODP-2048",
                "3DES-CBC/HMAC-SHA1/MODP-1024",
            ],
        ),
        ike_attributes: "80010007 800e0100 80020004 8004000e 80030001 800b0001 800c2a30",
        nonce: 32,
        identity: (0, 0),
        message_5: 108,
        chosen: ("aes256-sha1-ecp384", 10_800),
        esp: (1, NETWORK_MANAGER_ESP),
        esp_attributes: "80060100 80050002 80040002 80010001 80020e10",
        quick_1: (220, 252),
        client_port: 1701,
        nat_oa: 2,
        chosen_esp: ("aes256-sha1", 3600, None),
        pfs: None,
    },
    Profile {
        name: "NetworkManager-l2tp with libreswan",
        habits: habits::network_manager_libreswan,
        options: &[],
        vendor_ids: &[FRAGMENTATION, DPD, RFC_3947, DRAFT_03, DRAFT_02_N, DRAFT_02],
        message_1: 416,
        ike: (
            0,
            0,
            &[
                "AES-CBC-256/HMAC-SHA2-256/MODP-2048",
                "AES-CBC-256/HMAC-SHA2-256/MODP-1536",
                "AES-CBC-256/HMAC-SHA1/MODP-2048",
                "AES-CBC-256/HMAC-SHA1/MODP-1536",
                "AES-CBC-256/HMAC-SHA1/ECP-384",
                "AES-CBC-128/HMAC-SHA1/ECP-256",
                "3DES-CBC/HMAC-SHA1/MODP-2048",
            ],
        ),
        ike_attributes: "800b0001 800c7080 80010007 80020004 80030001 8004000e 800e0100",
        nonce: 32,
        identity: (0, 0),
        message_5: 76,
        chosen: ("aes256-sha1-ecp384", 28_800),
        esp: (1, NETWORK_MANAGER_ESP),
        esp_attributes: "80040002 80010001 80027080 80050002 80060100",
        quick_1: (220, 252),
        client_port: 1701,
        nat_oa: 2,
        chosen_esp: ("aes256-sha1", 28_800, None),
        pfs: None,
    },
    Profile {
        name: "MikroTik",
        habits: habits::mikrotik,
        options: &[LegacyOption::PfsModp1024],
        vendor_ids: &[
            RFC_3947, DRAFT_08, DRAFT_07, DRAFT_06, DRAFT_05, DRAFT_04, DRAFT_03, DRAFT_02,
            DRAFT_02_N, DPD,
        ],
        message_1: 400,
        ike: (
            1,
            1,
            &[
                "AES-CBC-128/HMAC-SHA1/MODP-2048",
                "AES-CBC-128/HMAC-SHA1/MODP-1024",
                "3DES-CBC/HMAC-SHA1/MODP-2048",
                "3DES-CBC/HMAC-SHA1/MODP-1024",
            ],
        ),
        ike_attributes: "800b0001 000c000400015180 80010007 800e0080 80030001 80020002 8004000e",
        nonce: 24,
        identity: (0, 0),
        message_5: 76,
        chosen: ("aes128-sha1-modp2048", 86_400),
        esp: (
            1,
            &[
                "AES-CBC-256/HMAC-SHA1",
                "AES-CBC-192/HMAC-SHA1",
                "AES-CBC-128/HMAC-SHA1",
            ],
        ),
        esp_attributes: "80010001 80020708 80040002 80060100 80050002 80030002",
        quick_1: (364, 396),
        client_port: 1701,
        nat_oa: 2,
        chosen_esp: ("aes256-sha1", 1800, None),
        pfs: Some("modp1024"),
    },
];

/// The names of all transforms of an offer.
fn words(sa: &Sa, word: impl Fn(&ike::codec::Transform) -> String) -> Vec<String> {
    let transforms = sa.proposals.iter().flat_map(|p| &p.transforms);
    transforms.map(word).collect()
}

/// The attributes of the first transform of an SA payload's body: what follows the headers of SA,
/// proposal and transform.
fn first_attributes(body: &[u8], spi: usize) -> String {
    let transform = &body[8 + 8 + spi..];
    let length = usize::from(u16::from_be_bytes([transform[2], transform[3]]));
    hex::encode(&transform[8..length])
}

fn without_spaces(text: &str) -> String {
    text.split(' ').collect()
}

#[test]
fn message_1() {
    for profile in PROFILES {
        let name = profile.name;
        let pair = connected((profile.habits)(), profile.options);
        let messages = opened(&pair);
        let message = first(&messages, ExchangeType::MAIN_MODE);
        let ids: Vec<String> = bodies(message, PayloadType::VENDOR_ID)
            .iter()
            .map(hex::encode)
            .collect();
        assert_eq!(ids, profile.vendor_ids, "{name}");
        let kinds: Vec<PayloadType> = message.payloads.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds[0], PayloadType::SA, "{name}");
        assert_eq!(kinds.len(), 1 + ids.len(), "{name}: nothing else");
        let body = bodies(message, PayloadType::SA)[0];
        let sa = Sa::parse(body).expect("an SA payload");
        assert_eq!(sa.proposals.len(), 1, "{name}");
        let (proposal, transform, offered) = profile.ike;
        assert_eq!(sa.proposals[0].number, proposal, "{name}");
        for (place, found) in (transform..).zip(&sa.proposals[0].transforms) {
            assert_eq!(found.number, place, "{name}");
        }
        assert_eq!(
            words(&sa, |t| Phase1Offer::read(t).to_string()),
            offered,
            "{name}"
        );
        let attributes = without_spaces(profile.ike_attributes);
        assert_eq!(first_attributes(body, 0), attributes, "{name}");
        assert_eq!(message.bytes.len(), profile.message_1, "{name}");
    }
}

#[test]
fn messages_3_and_5() {
    for profile in PROFILES {
        let name = profile.name;
        let pair = connected((profile.habits)(), profile.options);
        let messages = opened(&pair);
        let main: Vec<_> = messages
            .iter()
            .filter(|message| message.exchange == ExchangeType::MAIN_MODE)
            .collect();
        assert_eq!(main.len(), 3, "{name}");
        let nonce = bodies(main[1], PayloadType::NONCE)[0];
        assert_eq!(nonce.len(), profile.nonce, "{name}");
        let id = bodies(main[2], PayloadType::ID)[0];
        let expected = Identification {
            protocol: profile.identity.0,
            port: profile.identity.1,
            identity: Identity::from(ip(CLIENT)),
        };
        assert_eq!(Identification::parse(id), Ok(expected), "{name}");
        assert_eq!(main[2].bytes.len(), profile.message_5, "{name}");
        let info = |side| pair.sas.iter().find(|((on, _), _)| *on == side);
        let (_, info) = info(Side::Server).expect("an IKE SA");
        assert_eq!(
            (info.suite.as_str(), info.lifetime.as_secs()),
            profile.chosen,
            "{name}"
        );
        let announced = profile.vendor_ids.contains(&DPD);
        assert_eq!(info.dpd, announced, "{name}: Dead Peer Detection");
    }
}

#[test]
fn message_1_of_quick_mode() {
    for profile in PROFILES {
        for nat in [false, true] {
            let name = format!("{}, NAT {nat}", profile.name);
            let mut pair = super::pair((profile.habits)(), profile.options);
            pair.client_nat = nat;
            pair.connect();
            pair.run_for(crate::harness::seconds(30));
            let messages = opened(&pair);
            let message = first(&messages, ExchangeType::QUICK_MODE);
            let body = bodies(message, PayloadType::SA)[0];
            let sa = Sa::parse(body).expect("an SA payload");
            assert_eq!(sa.proposals.len(), profile.esp.0, "{name}");
            let mode = match nat {
                false => "transport",
                true => "UDP-encapsulated transport",
            };
            let pfs = match profile.pfs {
                Some(_) => "/PFS MODP-1024",
                None => "",
            };
            let offered: Vec<String> = profile
                .esp
                .1
                .iter()
                .map(|suite| format!("{suite}/{mode}{pfs}"))
                .collect();
            let found = words(&sa, |t| Phase2Offer::read(t).to_string());
            assert_eq!(found, offered, "{name}");
            if !nat {
                let attributes = without_spaces(profile.esp_attributes);
                assert_eq!(first_attributes(body, 4), attributes, "{name}");
            }
            let ids = bodies(message, PayloadType::ID);
            let id = |address, port| Identification {
                protocol: 17,
                port,
                identity: Identity::from(ip(address)),
            };
            assert_eq!(ids.len(), 2, "{name}");
            assert_eq!(
                Identification::parse(ids[0]),
                Ok(id(CLIENT, profile.client_port)),
                "{name}"
            );
            assert_eq!(
                Identification::parse(ids[1]),
                Ok(id(SERVER, 1701)),
                "{name}"
            );
            let nat_oa = bodies(message, PayloadType::NAT_OA).len();
            assert_eq!(nat_oa, if nat { profile.nat_oa } else { 0 }, "{name}");
            let size = match nat {
                false => profile.quick_1.0,
                true => profile.quick_1.1,
            };
            assert_eq!(message.bytes.len(), size, "{name}");
            let (_, theirs) = pair.agreed_child().unwrap_or_else(|| panic!("{name}"));
            assert_eq!(
                (
                    theirs.suite.to_string().as_str(),
                    theirs.lifetime.as_secs(),
                    theirs.kilobytes
                ),
                profile.chosen_esp,
                "{name}"
            );
            assert_eq!(theirs.pfs, profile.pfs, "{name}");
            assert_eq!(theirs.mode == EspMode::Udp, nat, "{name}");
            assert_eq!(theirs.initiator_traffic.port, profile.client_port, "{name}");
        }
    }
}

/// Clients whose only offers are weak are turned away without the option that is for them.
#[test]
fn android_and_mikrotik_need_their_options() {
    for (habits, option) in [
        (habits::android(), "legacy-android"),
        (habits::mikrotik(), "pfs-modp1024"),
    ] {
        let pair = connected(habits, &[]);
        assert!(pair.agreed_child().is_none());
        let refusals = pair.refusals(Side::Server);
        assert!(refusals[0].contains(option), "{refusals:?}");
    }
}

/// No client sends what the codec cannot name.
#[test]
fn every_vendor_id_is_a_known_one() {
    use ike::codec::Vendor;
    for profile in PROFILES {
        for id in &(profile.habits)().vendor_ids {
            let vendor = VendorId::classify(&id.0);
            assert_ne!(vendor, Vendor::Unknown, "{}: {id:?}", profile.name);
        }
    }
}
