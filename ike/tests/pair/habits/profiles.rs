//! What each client puts on the wire, compared with the table, and what the server makes of it.

use ike::codec::{
    ExchangeType, Identification, PayloadType, Phase1Offer, Phase2Offer, Sa, Vendor, VendorId,
};
use ike::{EspMode, Identity, LegacyOption, habits};

use super::table::{DPD, PROFILES};
use super::{bodies, connected, first, opened, pair};
use crate::harness::{CLIENT, SERVER, Side, ip, seconds};

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
            let mut pair = pair((profile.habits)(), profile.options);
            pair.client_nat = nat;
            pair.l2tp_port = profile.l2tp_port;
            pair.connect();
            pair.run_for(seconds(30));
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
    for profile in PROFILES {
        for id in &(profile.habits)().vendor_ids {
            let vendor = VendorId::classify(&id.0);
            assert_ne!(vendor, Vendor::Unknown, "{}: {id:?}", profile.name);
        }
    }
}

/// Older generations of two families: their lists are what the later ones grew from.
#[test]
fn older_generations() {
    let lists = |habits, options: &[LegacyOption]| {
        let pair = connected(habits, options);
        let messages = opened(&pair);
        let sa = |exchange| {
            let body = bodies(first(&messages, exchange), PayloadType::SA)[0];
            Sa::parse(body).expect("an SA payload")
        };
        let ike = words(&sa(ExchangeType::MAIN_MODE), |transform| {
            Phase1Offer::read(transform).to_string()
        });
        let esp = words(&sa(ExchangeType::QUICK_MODE), |transform| {
            let offer = Phase2Offer {
                encapsulation: None,
                ..Phase2Offer::read(transform)
            };
            offer.to_string()
        });
        let (_, child) = pair.agreed_child().expect("a child SA");
        (ike, esp, child.suite.to_string())
    };
    let product = |ciphers: &[&str], hashes: &[&str], end: &str| -> Vec<String> {
        let each = ciphers
            .iter()
            .flat_map(|cipher| hashes.iter().map(move |hash| (cipher, hash)));
        each.map(|(cipher, hash)| format!("{cipher}/HMAC-{hash}{end}"))
            .collect()
    };
    let ciphers = ["AES-CBC-256", "AES-CBC-128", "3DES-CBC", "DES-CBC"];

    let (ike, esp, chosen) = lists(habits::android_4(), &[LegacyOption::Android]);
    let hashes = ["SHA2-256", "SHA1", "MD5"];
    assert_eq!(ike, product(&ciphers, &hashes, "/MODP-1024"));
    assert_eq!(esp, product(&ciphers, &["SHA1", "SHA2-256", "MD5"], ""));
    assert_eq!(
        chosen, "aes256-sha1",
        "not SHA-256, for fear of its 96 bits"
    );

    let (ike, esp, chosen) = lists(habits::android_2(), &[LegacyOption::Android]);
    assert_eq!(ike, product(&ciphers, &["SHA1", "MD5"], "/MODP-1024"));
    assert_eq!(esp, product(&ciphers, &["SHA1", "MD5"], ""));
    assert_eq!(chosen, "aes256-sha1");

    let (ike, esp, chosen) = lists(habits::apple_2013(), &[]);
    let (old, hashes) = (["AES-CBC-256"], ["SHA1", "MD5"]);
    let groups = [
        product(&old, &hashes, "/MODP-2048"),
        product(&old, &hashes, "/MODP-1536"),
        product(&ciphers[..3], &hashes, "/MODP-1024"),
    ];
    assert_eq!(ike, groups.concat());
    assert_eq!(esp, product(&ciphers[..3], &hashes, ""));
    assert_eq!(chosen, "aes256-sha1");
}
