//! Known answers: published values for every derivation, cipher, hash and group.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use ike::codec::{
    Chain, Cookie, EncryptionId, GroupId, HashData, Header, MessageId, PayloadType, Phase1Offer,
    Sa, Trailing,
};
use ike::crypto::{
    Cipher, Group, HashAlgorithm, Iv, Keymat, Phase1Suite, PrivateValue, Transcript,
};
use serde_json::Value;
use support::{bytes, json};
use wire::Secret;

fn items(value: &Value) -> &[Value] {
    value
        .as_array()
        .or_else(|| value["vectors"].as_array())
        .unwrap()
}

fn hash_named(name: &str) -> HashAlgorithm {
    match name.to_ascii_lowercase().as_str() {
        "md5" => HashAlgorithm::Md5,
        "sha1" | "sha-1" => HashAlgorithm::Sha1,
        other => panic!("unknown hash {other}"),
    }
}

fn suite(hash: HashAlgorithm) -> Phase1Suite {
    Phase1Suite {
        cipher: Cipher::TripleDes,
        hash,
        group: Group::Modp1024,
    }
}

fn cookie(value: &Value, member: &str) -> Cookie {
    Cookie(bytes(value, member).try_into().unwrap())
}

#[test]
fn skeyids_of_nist() {
    let Some(file) = json("vectors/ikev1-skeyid-nist.json") else {
        return;
    };
    for case in items(&file) {
        let transcript = Transcript {
            cookie_i: cookie(case, "cky_i"),
            cookie_r: cookie(case, "cky_r"),
            nonce_i: bytes(case, "ni"),
            nonce_r: bytes(case, "nr"),
            public_i: vec![],
            public_r: vec![],
            sa_i: vec![],
        };
        let shared = Secret::new(bytes(case, "g_xy"));
        let suite = suite(hash_named(case["hash"].as_str().unwrap()));
        let keymat = match case["method"].as_str().unwrap() {
            "psk" => Keymat::from_psk(suite, &bytes(case, "psk"), &transcript, &shared),
            "sig" => Keymat::from_signatures(suite, &transcript, &shared),
            other => panic!("unknown method {other}"),
        };
        assert_eq!(keymat.skeyid().expose(), bytes(case, "skeyid"));
        assert_eq!(keymat.skeyid_d().expose(), bytes(case, "skeyid_d"));
        assert_eq!(keymat.skeyid_a().expose(), bytes(case, "skeyid_a"));
        assert_eq!(keymat.skeyid_e().expose(), bytes(case, "skeyid_e"));
    }
    assert_eq!(items(&file).len(), 2);
}

#[test]
fn hash_r_of_recorded_aggressive_modes() {
    let Some(file) = json("vectors/ikev1-psk-hash_r.json") else {
        return;
    };
    for case in items(&file) {
        let sa_i = bytes(case, "sai_b");
        let transcript = Transcript {
            cookie_i: cookie(case, "cky_i"),
            cookie_r: cookie(case, "cky_r"),
            nonce_i: bytes(case, "ni_b"),
            nonce_r: bytes(case, "nr_b"),
            public_i: bytes(case, "g_xi"),
            public_r: bytes(case, "g_xr"),
            sa_i: sa_i.clone(),
        };
        let suite = suite(hash_named(case["prf"].as_str().unwrap()));
        let psk = case["psk"].as_str().unwrap().as_bytes();
        // HASH_R does not depend on g^xy, which these recordings do not have.
        let keymat = Keymat::from_psk(suite, psk, &transcript, &Secret::default());
        assert_eq!(keymat.skeyid().expose(), bytes(case, "skeyid_computed"));
        let hash_r = keymat.hash_r(&transcript, &bytes(case, "idir_b"));
        assert_eq!(hash_r, bytes(case, "hash_r"), "{}", case["source"]);
        // Only the self-tests carry an SA that is made up.
        if !case["source"].as_str().unwrap().starts_with("hashcat") {
            let sa = Sa::parse(&sa_i).unwrap();
            assert!(
                Phase1Offer::read(&sa.proposals[0].transforms[0])
                    .unknown
                    .is_empty()
            );
        }
    }
    assert_eq!(items(&file).len(), 11);
}

#[test]
fn iv_chain_and_hash_1_of_openswan() {
    let Some(file) = json("vectors/openswan-ikev1-chain.json") else {
        return;
    };
    let case = &items(&file)[0];
    let key = Cipher::TripleDes.key(&bytes(case, "enc_key")).unwrap();
    let suite = suite(HashAlgorithm::Md5);
    let mut iv = Iv::new(Cipher::TripleDes, &bytes(case, "iv0")).unwrap();
    let messages = case["messages"].as_array().unwrap();
    for message in &messages[..2] {
        assert_eq!(iv.as_bytes(), bytes(message, "iv"));
        let mut data = bytes(message, "ciphertext");
        let before = iv;
        iv = key.decrypt(&before, &mut data).unwrap();
        assert_eq!(data, bytes(message, "plaintext"));
        assert_payloads(message, PayloadType::ID, &data);
        let next = key.encrypt(&before, &mut data).unwrap();
        assert_eq!(
            (data, next),
            (bytes(message, "ciphertext"), iv),
            "encrypting again"
        );
    }
    for message in &messages[2..] {
        let isakmp = bytes(message, "isakmp_hex");
        let (header, body) = Header::parse(&isakmp).unwrap();
        let exchange_iv = suite.exchange_iv(&iv, header.message_id);
        assert_eq!(exchange_iv.as_bytes(), bytes(message, "iv"));
        let mut data = body.to_vec();
        key.decrypt(&exchange_iv, &mut data).unwrap();
        assert_eq!(data, bytes(message, "plaintext"));
        assert_payloads(message, PayloadType::HASH, &data);
        let chain = Chain::parse(header.next, &data, Trailing::Padding).unwrap();
        let hash = chain.first(PayloadType::HASH).unwrap();
        let id = header.message_id.0.to_be_bytes();
        let skeyid_a = bytes(case, "skeyid_a");
        let expected = suite.hash.prf(&skeyid_a, &[&id, chain.after(&hash)]);
        assert_eq!(expected.expose(), hash.body);
    }
    assert_eq!(messages.len(), 4);
}

fn assert_payloads(message: &Value, first: PayloadType, data: &[u8]) {
    let chain = Chain::parse(first, data, Trailing::Padding).unwrap();
    let expected = message["payloads"].as_array().unwrap();
    assert_eq!(chain.len(), expected.len());
    for (payload, expected) in chain.iter().zip(expected) {
        assert_eq!(
            u64::from(payload.kind.0),
            expected["type"].as_u64().unwrap()
        );
        assert_eq!(payload.body, bytes(expected, "body"));
    }
}

#[test]
fn message_5_of_openswan_with_aes() {
    let Some(file) = json("vectors/openswan-ikev1-chain.json") else {
        return;
    };
    let case = &items(&file)[1];
    let key = Cipher::Aes128.key(&bytes(case, "enc_key")).unwrap();
    let iv = Iv::new(Cipher::Aes128, &bytes(case, "iv0")).unwrap();
    let message = &case["messages"][0];
    let mut data = bytes(message, "ciphertext");
    key.decrypt(&iv, &mut data).unwrap();
    assert_eq!(data, bytes(message, "plaintext"));
}

#[test]
fn ciphers_of_strongswan() {
    for file in [
        "vectors/strongswan-aes_cbc.json",
        "vectors/strongswan-3des_cbc.json",
    ] {
        let Some(file) = json(file) else { return };
        let mut count = 0;
        for case in items(&file) {
            let key = bytes(case, "key");
            let cipher = match case["alg"].as_str().unwrap() {
                "ENCR_AES_CBC" => {
                    let bits = u16::try_from(key.len() * 8).unwrap();
                    Cipher::from_id(EncryptionId::AES, Some(bits)).unwrap()
                }
                "ENCR_3DES" => Cipher::from_id(EncryptionId::TRIPLE_DES, None).unwrap(),
                other => panic!("unknown cipher {other}"),
            };
            let iv = Iv::new(cipher, &bytes(case, "iv")).unwrap();
            let (plain, encrypted) = (bytes(case, "plain"), bytes(case, "cipher"));
            let key = cipher.key(&key).unwrap();
            let mut data = plain.clone();
            let next = key.encrypt(&iv, &mut data).unwrap();
            assert_eq!(data, encrypted, "{}", case["name"]);
            assert_eq!(
                next.as_bytes(),
                &encrypted[encrypted.len() - cipher.block_len()..]
            );
            assert_eq!(key.decrypt(&iv, &mut data), Ok(next));
            assert_eq!(data, plain, "{}", case["name"]);
            count += 1;
        }
        assert!(count >= 2);
    }
}

#[test]
fn hashes_of_strongswan() {
    let mut count = 0;
    for file in ["md5", "sha1", "sha2"] {
        let Some(file) = json(&format!("vectors/strongswan-{file}.json")) else {
            return;
        };
        for case in items(&file) {
            let hash = match case["alg"].as_str().unwrap() {
                "HASH_MD5" => HashAlgorithm::Md5,
                "HASH_SHA1" => HashAlgorithm::Sha1,
                "HASH_SHA256" => HashAlgorithm::Sha256,
                "HASH_SHA384" => HashAlgorithm::Sha384,
                "HASH_SHA512" => HashAlgorithm::Sha512,
                _ => continue,
            };
            let expected = bytes(case, "hash");
            assert_eq!(
                hash.digest(&[&bytes(case, "data")]),
                expected,
                "{}",
                case["name"]
            );
            assert_eq!(hash.output_len(), expected.len());
            count += 1;
        }
    }
    assert_eq!(count, 20);
}

#[test]
fn pseudo_random_functions_of_strongswan() {
    let mut count = 0;
    for file in ["md5_hmac", "sha1_hmac", "sha2_hmac"] {
        let Some(file) = json(&format!("vectors/strongswan-{file}.json")) else {
            return;
        };
        for case in items(&file) {
            let name = case["alg"].as_str().unwrap();
            let hash = [
                ("MD5", HashAlgorithm::Md5),
                ("SHA1", HashAlgorithm::Sha1),
                ("SHA2_256", HashAlgorithm::Sha256),
                ("SHA2_384", HashAlgorithm::Sha384),
                ("SHA2_512", HashAlgorithm::Sha512),
            ];
            let (_, hash) = hash
                .into_iter()
                .find(|(part, _)| name.contains(part))
                .unwrap();
            // Signers give a truncated HMAC, PRFs a whole one.
            let is_prf = name.starts_with("PRF");
            let (data, expected) = match is_prf {
                true => (bytes(case, "seed"), bytes(case, "out")),
                false => (bytes(case, "data"), bytes(case, "mac")),
            };
            // One MAC has bytes of another origin after the 96 bits that its name promises.
            let bits = name
                .rsplit('_')
                .next()
                .and_then(|bits| bits.parse::<usize>().ok());
            let length = bits.map_or(expected.len(), |bits| expected.len().min(bits / 8));
            let expected = if is_prf {
                &expected[..]
            } else {
                &expected[..length]
            };
            let (first, second) = data.split_at(data.len() / 2);
            let prf = hash.prf(&bytes(case, "key"), &[first, second]);
            assert_eq!(&prf.expose()[..expected.len()], expected, "{name}");
            assert!(!is_prf || prf.len() == expected.len());
            count += 1;
        }
    }
    assert_eq!(count, 46);
}

#[test]
fn modp_groups_of_strongswan() {
    let Some(file) = json("vectors/strongswan-modp.json") else {
        return;
    };
    let mut count = 0;
    for case in items(&file) {
        let Some(group) = Group::ALL.into_iter().find(|group| {
            case["method"].as_str() == Some(&format!("MODP_{}_BIT", group.public_len() * 8))
                && !group.is_curve()
        }) else {
            continue;
        };
        let seed = bytes(case, "seed");
        let middle = usize::try_from(case["private_a_bytes"].as_u64().unwrap()).unwrap();
        assert_exchange(case, group, seed.split_at(middle));
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn ecp_groups_of_strongswan() {
    let Some(file) = json("vectors/strongswan-ecp.json") else {
        return;
    };
    let mut count = 0;
    for case in items(&file) {
        let group = match case["method"].as_str().unwrap() {
            "ECP_256_BIT" => Group::Ecp256,
            "ECP_384_BIT" => Group::Ecp384,
            "ECP_521_BIT" => Group::Ecp521,
            _ => continue,
        };
        let seed = bytes(case, "seed");
        assert_exchange(case, group, seed.split_at(seed.len() / 2));
        count += 1;
    }
    assert_eq!(count, 3);
}

fn assert_exchange(case: &Value, group: Group, (a, b): (&[u8], &[u8])) {
    let (public_a, public_b) = (bytes(case, "pub_i"), bytes(case, "pub_r"));
    let a = PrivateValue::from_bytes(group, a).unwrap();
    let b = PrivateValue::from_bytes(group, b).unwrap();
    assert_eq!(a.public_value(), public_a, "{}", case["name"]);
    assert_eq!(b.public_value(), public_b, "{}", case["name"]);
    let shared = Secret::new(bytes(case, "shared"));
    assert_eq!(
        a.shared_secret(&public_b),
        Ok(shared.clone()),
        "{}",
        case["name"]
    );
    assert_eq!(b.shared_secret(&public_a), Ok(shared), "{}", case["name"]);
}

#[test]
fn diffie_hellman_of_openswan() {
    let Some(file) = json("vectors/openswan-dh.json") else {
        return;
    };
    for case in items(&file) {
        let group = match case["bits"].as_u64().unwrap() {
            1536 => Group::Modp1536,
            2048 => Group::Modp2048,
            other => panic!("unknown size {other}"),
        };
        let private = PrivateValue::from_bytes(group, &bytes(case, "private")).unwrap();
        let shared = private.shared_secret(&bytes(case, "peer_public")).unwrap();
        assert_eq!(shared.expose(), bytes(case, "shared"), "{}", case["source"]);
        if !case["own_public"].is_null() {
            assert_eq!(private.public_value(), bytes(case, "own_public"));
        }
    }
    assert_eq!(items(&file).len(), 4);
}

#[test]
fn primes_bound_the_public_values() {
    let Some(file) = json("vectors/modp-groups.json") else {
        return;
    };
    let mut count = 0;
    for case in items(&file) {
        let number = u16::try_from(case["group"].as_u64().unwrap()).unwrap();
        let Some(group) = Group::from_id(GroupId(number)) else {
            continue;
        };
        let prime = bytes(case, "prime");
        assert_eq!(group.public_len(), prime.len());
        let private = PrivateValue::from_bytes(group, &[3]).unwrap();
        // With exponent 1, a value comes back as it is: but only a value below the prime.
        let one = PrivateValue::from_bytes(group, &[1]).unwrap();
        let below = |by: u8| {
            let mut value = prime.clone();
            *value.last_mut().unwrap() -= by;
            value
        };
        let largest = below(2);
        assert_eq!(one.shared_secret(&largest).unwrap().expose(), largest);
        // (-2)^3 = -8
        assert_eq!(private.shared_secret(&largest).unwrap().expose(), below(8));
        for bad in [
            below(1),
            prime.clone(),
            vec![0; prime.len()],
            vec![0xff; prime.len()],
        ] {
            assert!(private.shared_secret(&bad).is_err(), "group {number}");
        }
        let mut unit = vec![0; prime.len()];
        *unit.last_mut().unwrap() = 1;
        assert!(private.shared_secret(&unit).is_err());
        *unit.last_mut().unwrap() = 2;
        assert!(private.shared_secret(&unit).is_ok());
        assert!(private.shared_secret(&prime[1..]).is_err());
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn points_off_the_curve_are_refused() {
    let files = [
        ("secp256r1", Group::Ecp256),
        ("secp384r1", Group::Ecp384),
        ("secp521r1", Group::Ecp521),
    ];
    let mut valid = 0;
    let mut invalid = 0;
    for (curve, group) in files {
        let path = format!("vectors/wycheproof/ecdh_{curve}_ecpoint_test.json");
        let Some(file) = json(&path) else { return };
        let groups = file["testGroups"].as_array().unwrap();
        for case in groups
            .iter()
            .flat_map(|group| group["tests"].as_array().unwrap())
        {
            // IKE sends uncompressed points without SEC 1's mark; other encodings cannot occur.
            let public = bytes(case, "public");
            let Some((4, public)) = public.split_first() else {
                continue;
            };
            let private = bytes(case, "private");
            let skipped = private.len().saturating_sub(group.private_len());
            let mut padded = vec![0; group.private_len().saturating_sub(private.len())];
            padded.extend_from_slice(&private[skipped..]);
            let private = PrivateValue::from_bytes(group, &padded).unwrap();
            let shared = private.shared_secret(public);
            match case["result"].as_str().unwrap() {
                "valid" => {
                    assert_eq!(shared.unwrap().expose(), bytes(case, "shared"));
                    valid += 1;
                }
                "invalid" => {
                    assert!(shared.is_err(), "{curve} {}", case["tcId"]);
                    invalid += 1;
                }
                _ => {}
            }
        }
    }
    assert!(
        valid > 100 && invalid > 10,
        "{valid} valid, {invalid} invalid"
    );
}

#[test]
fn messages_of_ike_scan() {
    let Some(file) = json("vectors/ike-scan-decode.json") else {
        return;
    };
    let mut described = Vec::new();
    for case in items(&file) {
        let packet = bytes(case, "packet");
        let packet = packet.strip_prefix(&[0; 4]).unwrap_or(&packet);
        let (header, body) = Header::parse(packet).unwrap();
        if header.version != Header::VERSION_1_0 {
            described.push(format!("{}: version {:#04x}", case["file"], header.version));
            continue;
        }
        let cookie = format!("CKY-R={}", header.responder);
        assert!(
            case["expected_decode"][1]
                .as_str()
                .unwrap()
                .contains(&cookie)
        );
        let chain = Chain::parse(header.next, body, Trailing::Nothing).unwrap();
        let payloads: Vec<String> = chain.iter().map(|payload| describe(&payload)).collect();
        described.push(format!("{}: {}", case["file"], payloads.join(", ")));
    }
    insta::assert_snapshot!(described.join("\n"));
}

fn describe(payload: &ike::codec::RawPayload<'_>) -> String {
    use ike::codec::{Identification, Notification, VendorId};
    let written = support::read_and_write(payload).unwrap();
    assert_eq!(written, payload.body);
    match payload.kind {
        PayloadType::SA => {
            let sa = Sa::parse(payload.body).unwrap();
            let transforms = sa
                .proposals
                .iter()
                .flat_map(|proposal| &proposal.transforms);
            let offers = transforms.map(|transform| {
                let offer = Phase1Offer::read(transform);
                format!("{offer} {}s", offer.life_seconds.unwrap())
            });
            format!("SA [{}]", offers.collect::<Vec<_>>().join("; "))
        }
        PayloadType::ID => format!("ID {}", Identification::parse(payload.body).unwrap()),
        PayloadType::VENDOR_ID => format!("VID {:?}", VendorId::classify(payload.body)),
        PayloadType::NOTIFICATION => {
            format!("N {}", Notification::parse(payload.body).unwrap().kind)
        }
        kind => format!("{kind} {}", payload.body.len()),
    }
}

/// No file has a case for this, since the IKE hash of all recordings is MD5 or SHA-1: RFC 2409
/// §5 and App. B with every hash and cipher, computed independently of [`Keymat`].
#[test]
fn every_suite_derives_keys_of_the_right_length() {
    let transcript = Transcript {
        cookie_i: Cookie([1; 8]),
        cookie_r: Cookie([2; 8]),
        nonce_i: vec![3; 20],
        nonce_r: vec![4; 20],
        public_i: vec![5; 128],
        public_r: vec![6; 128],
        sa_i: vec![7; 40],
    };
    for hash in HashAlgorithm::ALL {
        for cipher in Cipher::ALL {
            let suite = Phase1Suite {
                cipher,
                hash,
                group: Group::Modp2048,
            };
            let keymat = Keymat::from_psk(suite, b"key", &transcript, &Secret::default());
            let skeyid_e = keymat.skeyid_e().expose();
            let expected = match hash.output_len() >= cipher.key_len() {
                true => skeyid_e.to_vec(),
                false => {
                    let k1 = hash.prf(skeyid_e, &[&[0]]);
                    let k2 = hash.prf(skeyid_e, &[k1.expose()]);
                    [k1.expose(), k2.expose()].concat()
                }
            };
            assert_eq!(
                keymat.key().expose(),
                &expected[..cipher.key_len()],
                "{suite}"
            );
            let iv = suite.first_iv(&transcript);
            let digest = hash.digest(&[&[5; 128], &[6; 128]]);
            assert_eq!(iv.as_bytes(), &digest[..cipher.block_len()]);
            let iv = suite.exchange_iv(&iv, MessageId(0x0102_0304));
            assert_eq!(iv.as_bytes().len(), cipher.block_len());
        }
    }
    assert!(HashData::parse(&[]).is_err());
}
