//! Known answers: the arithmetic of CHAP and MS-CHAPv2.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use common::{frames, hex, json, shared};
use ppp::frame::{Frame, Protocol};
use ppp::mschapv2::{self, AuthenticatorResponse, NtHash};
use ppp::packet::Packet;
use ppp::{chap, packet};
use wire::Secret;

fn secret(value: &serde_json::Value) -> Secret {
    Secret::from(value["password"].as_str().unwrap().as_bytes())
}

#[test]
fn mschapv2_logins() {
    let (Some(first), Some(second)) = (
        json("vectors/mschapv2.json"),
        json("vectors/pptp-mschapv2-logins.json"),
    ) else {
        return;
    };
    let entries: Vec<_> = [first, second]
        .iter()
        .flat_map(|list| list.as_array().unwrap().clone())
        .collect();
    assert!(entries.len() >= 10);
    for entry in entries {
        let user = entry["username"].as_str().unwrap();
        let challenge = hex(&entry, "authenticator_challenge").try_into().unwrap();
        let response = mschapv2::Response {
            peer_challenge: hex(&entry, "peer_challenge").try_into().unwrap(),
            nt_response: hex(&entry, "nt_response").try_into().unwrap(),
            flags: 0,
        };
        let proof = mschapv2::verify(user.as_bytes(), &secret(&entry), &challenge, &response);
        let proof = proof.unwrap_or_else(|| panic!("{user}"));
        if let Some(expected) = entry["authenticator_response"].as_str() {
            assert_eq!(proof.to_string(), expected);
        }
        let wrong = Secret::from(&b"another"[..]);
        assert_eq!(
            mschapv2::verify(user.as_bytes(), &wrong, &challenge, &response),
            None
        );
    }
}

#[test]
fn the_rfc_example_step_by_step() {
    let Some(all) = json("vectors/mschapv2-mppe-rfc.json") else {
        return;
    };
    let entry = &all["rfc2759_9_2"];
    let hash = NtHash::of(&secret(entry));
    assert_eq!(hash.0.as_slice(), hex(entry, "password_hash"));
    let challenge = hex(entry, "authenticator_challenge").try_into().unwrap();
    let peer_challenge = hex(entry, "peer_challenge").try_into().unwrap();
    let response = mschapv2::nt_response(b"User", &hash, &challenge, &peer_challenge);
    assert_eq!(response.as_slice(), hex(entry, "nt_response"));
    let proof =
        mschapv2::authenticator_response(b"User", &hash, &challenge, &peer_challenge, &response);
    assert_eq!(
        proof.to_string(),
        entry["authenticator_response"].as_str().unwrap()
    );
}

#[test]
fn chap_logins() {
    let Some(list) = json("vectors/chap-md5.json") else {
        return;
    };
    let list = list.as_array().unwrap();
    assert!(list.len() >= 8);
    for entry in list {
        let id = u8::try_from(entry["id"].as_u64().unwrap()).unwrap();
        let (challenge, response) = (hex(entry, "challenge"), hex(entry, "response"));
        let response = response.try_into().unwrap();
        assert!(chap::verify(id, &challenge, &response, &secret(entry)));
        assert!(!chap::verify(
            id.wrapping_add(1),
            &challenge,
            &response,
            &secret(entry)
        ));
    }
}

#[test]
fn the_hashes_below() {
    use md5::Digest;
    type Hash = fn(&[u8]) -> Vec<u8>;
    let hashes: [(&str, Hash); 3] = [
        ("md4", |data| md4::Md4::digest(data).to_vec()),
        ("md5", |data| md5::Md5::digest(data).to_vec()),
        ("sha1", |data| sha1::Sha1::digest(data).to_vec()),
    ];
    for (name, hash) in hashes {
        let Some(all) = json(&format!("vectors/strongswan-{name}.json")) else {
            return;
        };
        let list = all["vectors"].as_array().unwrap();
        assert!(list.len() >= 4, "{name}");
        for entry in list {
            assert_eq!(
                hash(&hex(entry, "data")),
                hex(entry, "hash"),
                "{name} {}",
                entry["name"]
            );
        }
    }
}

/// CHAP packets of a capture, in order.
fn chap_packets(path: &str) -> Vec<(packet::Code, u8, Vec<u8>)> {
    let Some(root) = shared() else {
        return Vec::new();
    };
    frames(&root.join(path))
        .iter()
        .filter_map(|captured| {
            let frame = Frame::parse(&captured.bytes).ok()?;
            let packet = Packet::parse(frame.information).ok()?;
            let owned = (packet.code, packet.id, packet.data.to_vec());
            (frame.protocol == Protocol::CHAP).then_some(owned)
        })
        .collect()
}

/// What was recorded is what we compute: response, and with MS-CHAPv2 the server's proof.
#[test]
fn recorded_logins_of_windows_and_pppd() {
    let mut sessions = vec![(
        "captures/ppp/pptp-mschapv2-mppe-lulu.pcap".to_owned(),
        "password".to_owned(),
        49,
    )];
    for (folder, size) in [
        ("strongswan-nonat", 49),
        ("strongswan-nat", 49),
        ("strongswan-nonat-chapmd5", 16),
        ("libreswan-nonat", 16),
        ("libreswan-nat", 16),
    ] {
        let Some(keys) = json(&format!("adit-lab/{folder}/keys.json")) else {
            return;
        };
        let password = keys["password"].as_str().unwrap().to_owned();
        sessions.push((format!("adit-lab/{folder}/inside.pcap"), password, size));
    }
    for (path, password, size) in sessions {
        let password = Secret::from(password.as_bytes());
        let packets = chap_packets(&path);
        let find = |code| {
            packets
                .iter()
                .find(|p| p.0 == code)
                .unwrap_or_else(|| panic!("{path}"))
        };
        let (challenge, response, success) = (
            find(chap::CHALLENGE),
            find(chap::RESPONSE),
            find(chap::SUCCESS),
        );
        let asked = chap::Value::parse(&challenge.2).unwrap();
        let shown = chap::Value::parse(&response.2).unwrap();
        assert_eq!(shown.value.len(), size, "{path}");
        if size == 16 {
            let value = shown.value.try_into().unwrap();
            assert!(
                chap::verify(response.1, asked.value, &value, &password),
                "{path}"
            );
        } else {
            let value = mschapv2::Response::parse(shown.value).unwrap();
            let challenge = asked.value.try_into().unwrap();
            let proof = mschapv2::verify(shown.name, &password, &challenge, &value);
            let recorded = AuthenticatorResponse::from_success_message(&success.2);
            assert!(proof.is_some() && proof == recorded, "{path}");
        }
    }
}

/// The Failure packets of a Windows server.
#[test]
fn recorded_failures() {
    let packets = chap_packets("captures/ppp/wiki-PPPHandshake-mschapv2-fail.pcap");
    if packets.is_empty() {
        return;
    }
    let failures: Vec<_> = packets
        .iter()
        .filter(|packet| packet.0 == chap::FAILURE)
        .map(|packet| mschapv2::Failure::parse(&packet.2).unwrap())
        .collect();
    assert_eq!(failures.len(), 12);
    assert!(failures.iter().all(|failure| failure.code == 691));
    let (last, earlier) = failures.split_last().unwrap();
    assert!(!last.retry && last.challenge.is_none());
    assert_eq!(earlier[0].challenge.unwrap()[..4], [0x64, 0xfb, 0x09, 0xa0]);
    assert!(earlier[0].retry);
}
