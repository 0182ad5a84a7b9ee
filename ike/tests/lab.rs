//! Whole sessions of real clients, whose keys are known: every key is derived again from the
//! packets, the pre-shared key and the Diffie-Hellman secret, and every message is decrypted and
//! its hash verified.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use ike::codec::{
    ChainBuilder, Cookie, Delete, ExchangeType, Header, Identification, Identity, MessageId,
    Notification, PayloadType, Phase2Offer, ProtocolId, Sa,
};
use ike::crypto::{Iv, Keymat, Phase1Suite, Transcript};
use ike::{Job, JobResult, KeyTrial, KeyTrialOutcome};
use serde_json::Value;
use support::{bytes, messages, shared};
use wire::Secret;

const SESSIONS: [&str; 5] = [
    "strongswan-nonat",
    "strongswan-nat",
    "strongswan-nonat-chapmd5",
    "libreswan-nonat",
    "libreswan-nat",
];

/// A recorded session: its keys, and its ISAKMP messages without repetitions.
struct Session {
    keys: Value,
    messages: Vec<Vec<u8>>,
}

fn session(name: &str) -> Option<Session> {
    let folder = format!("adit-lab/{name}");
    let keys = support::json(&format!("{folder}/keys.json"))?;
    let all = messages(&shared(&format!("{folder}/outside.pcap"))?);
    let mut seen = BTreeSet::new();
    let new = all
        .into_iter()
        .filter(|datagram| seen.insert(datagram.payload.clone()));
    Some(Session {
        keys,
        messages: new.map(|datagram| datagram.payload).collect(),
    })
}

impl Session {
    fn psk(&self) -> &[u8] {
        self.keys["psk"].as_str().unwrap().as_bytes()
    }

    fn dh_secret(&self) -> Secret {
        Secret::new(bytes(&self.keys["ike"], "dh_secret"))
    }

    /// The messages of one exchange type.
    fn of(&self, exchange: ExchangeType) -> Vec<&[u8]> {
        let is_of = |message: &&[u8]| Header::parse(message).unwrap().0.exchange == exchange;
        self.messages
            .iter()
            .map(Vec::as_slice)
            .filter(is_of)
            .collect()
    }

    /// What the four messages in clear say.
    fn agreed(&self) -> (Phase1Suite, Transcript) {
        let main = self.of(ExchangeType::MAIN_MODE);
        assert_eq!(main.len(), 6);
        support::agreed(&main)
    }

    /// The keys, after messages 5 and 6 have proved them, and the last IV of phase 1.
    fn established(&self) -> (Keymat, Iv) {
        let (suite, transcript) = self.agreed();
        let keymat = Keymat::from_psk(suite, self.psk(), &transcript, &self.dh_secret());
        let main = self.of(ExchangeType::MAIN_MODE);
        let mut iv = suite.first_iv(&transcript);
        for (message, is_initiator) in [(main[4], true), (main[5], false)] {
            let (header, body) = Header::parse(message).unwrap();
            let opened = keymat.open(&header, body, &iv).unwrap();
            let chain = opened.chain().unwrap();
            let id = chain.first(PayloadType::ID).unwrap().body;
            let hash = chain.first(PayloadType::HASH).unwrap().body;
            let (expected, recorded) = match is_initiator {
                true => (keymat.hash_i(&transcript, id), "hash_i"),
                false => (keymat.hash_r(&transcript, id), "hash_r"),
            };
            assert_eq!(expected, hash);
            assert_eq!(expected, bytes(&self.keys["ike"], recorded));
            iv = opened.next_iv();
        }
        (keymat, iv)
    }
}

#[test]
fn phase_1_keys() {
    for name in SESSIONS {
        let Some(session) = session(name) else { return };
        let (suite, transcript) = session.agreed();
        let keys = &session.keys["ike"];
        assert_eq!(transcript.cookie_i.0, bytes(keys, "cookie_i")[..]);
        assert_eq!(transcript.cookie_r.0, bytes(keys, "cookie_r")[..]);
        let (keymat, _) = session.established();
        assert_eq!(keymat.skeyid().expose(), bytes(keys, "skeyid"), "{name}");
        assert_eq!(
            keymat.skeyid_d().expose(),
            bytes(keys, "skeyid_d"),
            "{name}"
        );
        assert_eq!(
            keymat.skeyid_a().expose(),
            bytes(keys, "skeyid_a"),
            "{name}"
        );
        assert_eq!(
            keymat.skeyid_e().expose(),
            bytes(keys, "skeyid_e"),
            "{name}"
        );
        assert_eq!(keymat.key().expose(), bytes(keys, "ike_key"), "{name}");
        assert_eq!(
            suite.first_iv(&transcript).as_bytes(),
            bytes(keys, "phase1_iv"),
            "{name}"
        );
    }
}

#[test]
fn quick_mode_hashes_and_esp_keys() {
    for name in SESSIONS {
        let Some(session) = session(name) else { return };
        let (keymat, last) = session.established();
        let quick = session.of(ExchangeType::QUICK_MODE);
        assert_eq!(quick.len(), 3, "{name}");
        let id = Header::parse(quick[0]).unwrap().0.message_id;
        let mut iv = keymat.suite().exchange_iv(&last, id);
        let mut nonces: Vec<Vec<u8>> = Vec::new();
        let mut spis = Vec::new();
        for (place, message) in quick.into_iter().enumerate() {
            let (header, body) = Header::parse(message).unwrap();
            assert_eq!(header.message_id, id);
            let opened = keymat.open(&header, body, &iv).unwrap();
            let chain = opened.chain().unwrap();
            let hash = chain.nth(0).unwrap();
            assert_eq!(hash.kind, PayloadType::HASH);
            let rest = chain.after(&hash);
            let expected = match place {
                0 => keymat.hash_1(id, rest),
                1 => keymat.hash_2(id, &nonces[0], rest),
                _ => keymat.hash_3(id, &nonces[0], &nonces[1]),
            };
            assert_eq!(hash.body, expected, "{name}: HASH({})", place + 1);
            for payload in chain.iter() {
                let written = support::read_and_write(&payload).unwrap();
                assert_eq!(written, payload.body, "{name}: {}", payload.kind);
            }
            if let Some(sa) = chain.first(PayloadType::SA) {
                let sa = Sa::parse(sa.body).unwrap();
                assert_eq!(sa.proposals[0].protocol, ProtocolId::ESP);
                spis.push(u32::from_be_bytes(
                    sa.proposals[0].spi.clone().try_into().unwrap(),
                ));
                let offer = Phase2Offer::read(&sa.proposals[0].transforms[0]);
                assert!(offer.encapsulation.unwrap().is_transport());
                assert_eq!(
                    offer.encapsulation.unwrap().is_udp(),
                    name.ends_with("-nat")
                );
                nonces.push(chain.first(PayloadType::NONCE).unwrap().body.to_vec());
                let ids: Vec<_> = chain.all(PayloadType::ID).collect();
                for id in ids {
                    let id = Identification::parse(id.body).unwrap();
                    assert!(matches!(id.identity, Identity::Ipv4(_)));
                    assert_eq!(id.protocol, 17);
                }
            }
            iv = opened.next_iv();
        }
        let keys = &session.keys;
        // The recording names keys after who sends with them; an SPI is its receiver's choice.
        for (place, role) in [(1, "initiator"), (0, "responder")] {
            let nonces = (nonces[0].as_slice(), nonces[1].as_slice());
            let material = keymat.child(ProtocolId::ESP, spis[place], nonces, None, 32 + 20);
            let (encryption, integrity) = material.expose().split_at(32);
            assert_eq!(
                encryption,
                bytes(&keys["ike"], &format!("esp_enc_{role}")),
                "{name}"
            );
            assert_eq!(
                integrity,
                bytes(&keys["ike"], &format!("esp_int_{role}")),
                "{name}"
            );
            let shown = format!("0x{:08x}", spis[place]);
            let esp = keys["esp"].as_array().unwrap();
            let esp = esp.iter().find(|sa| sa["spi"] == shown.as_str()).unwrap();
            assert_eq!(encryption, bytes(esp, "enc_key"), "{name}");
            assert_eq!(integrity, bytes(esp, "auth_key"), "{name}");
        }
    }
}

#[test]
fn informational_messages() {
    let mut kinds = BTreeMap::new();
    for name in SESSIONS {
        let Some(session) = session(name) else { return };
        let (keymat, last) = session.established();
        for message in session.of(ExchangeType::INFORMATIONAL) {
            let (header, body) = Header::parse(message).unwrap();
            let iv = keymat.suite().exchange_iv(&last, header.message_id);
            let opened = keymat.open(&header, body, &iv).unwrap();
            let chain = opened.chain().unwrap();
            let hash = chain.nth(0).unwrap();
            let expected = keymat.hash_1(header.message_id, chain.after(&hash));
            assert_eq!(hash.body, expected, "{name}");
            for payload in chain.iter().skip(1) {
                let kind = match payload.kind {
                    PayloadType::NOTIFICATION => {
                        Notification::parse(payload.body).unwrap().kind.to_string()
                    }
                    PayloadType::DELETE => {
                        let delete = Delete::parse(payload.body).unwrap();
                        let is_ours = delete.names_isakmp(header.initiator, header.responder);
                        assert_eq!(is_ours, delete.protocol == ProtocolId::ISAKMP);
                        format!("DELETE {} x{}", delete.protocol, delete.spis.len())
                    }
                    other => panic!("{name}: {other}"),
                };
                assert_eq!(support::read_and_write(&payload).unwrap(), payload.body);
                *kinds.entry(kind).or_insert(0) += 1;
            }
        }
    }
    insta::assert_debug_snapshot!(kinds);
}

#[test]
fn sealing_again_gives_the_same_bytes() {
    let mut alike = 0;
    for name in SESSIONS {
        let Some(session) = session(name) else { return };
        let (keymat, last) = session.established();
        for message in session.of(ExchangeType::QUICK_MODE).into_iter().take(1) {
            let (header, body) = Header::parse(message).unwrap();
            let iv = keymat.suite().exchange_iv(&last, header.message_id);
            let opened = keymat.open(&header, body, &iv).unwrap();
            let chain = opened.chain().unwrap();
            let mut rest = ChainBuilder::new();
            for payload in chain.iter().skip(1) {
                rest.push(payload.kind, &support::read_and_write(&payload).unwrap());
            }
            let hash = keymat.hash_1(header.message_id, &rest.encode());
            rest.prepend(PayloadType::HASH, &hash);
            let plain = rest.encode();
            assert_eq!(&opened.plain()[..plain.len()], plain, "{name}");
            let (sealed, next) = keymat.seal(header, &rest, &iv);
            // strongSwan pads with random bytes, and whole blocks with one more: there, only the
            // blocks without padding are the same.
            let padding = &opened.plain()[plain.len()..];
            let is_padded_alike = padding.len() < 16 && padding.iter().all(|byte| *byte == 0);
            let same = Header::LEN + plain.len() / 16 * 16;
            assert_eq!(
                sealed[Header::LEN..same],
                message[Header::LEN..same],
                "{name}"
            );
            assert_eq!(sealed == message, is_padded_alike, "{name}");
            assert_eq!(next == opened.next_iv(), is_padded_alike, "{name}");
            alike += usize::from(is_padded_alike);
        }
    }
    assert!(alike > 0);
}

#[test]
fn the_key_is_found_among_others() {
    for name in SESSIONS {
        let Some(session) = session(name) else { return };
        let (suite, transcript) = session.agreed();
        let trial = |keys: &[&[u8]]| {
            let candidates = keys
                .iter()
                .enumerate()
                .map(|(place, key)| (100 + place, Secret::from(*key)));
            let outcome = Job::key_trial(KeyTrial {
                suite,
                transcript: transcript.clone(),
                shared: session.dh_secret(),
                candidates: candidates.collect(),
                message: session.of(ExchangeType::MAIN_MODE)[4].to_vec(),
            });
            let JobResult::KeyTrial(outcome) = outcome.run() else {
                panic!("another result")
            };
            outcome
        };
        let KeyTrialOutcome::Match(found) = trial(&[b"wrong", session.psk(), b"later"]) else {
            panic!("{name}: no match");
        };
        assert_eq!(found.index, 101);
        assert_eq!(
            found.keymat.key().expose(),
            bytes(&session.keys["ike"], "ike_key")
        );
        assert!(
            found
                .message
                .chain()
                .unwrap()
                .first(PayloadType::ID)
                .is_some()
        );
        let outcome = trial(&[b"wrong", b"wrong too"]);
        assert!(
            matches!(outcome, KeyTrialOutcome::NoMatch { well_formed: None }),
            "{outcome:?}"
        );
        // Only so many keys are tried.
        let mut many = vec![&b"wrong"[..]; KeyTrial::MAX_CANDIDATES];
        many.push(session.psk());
        assert!(matches!(trial(&many), KeyTrialOutcome::NoMatch { .. }));
        // A right key with another view of the exchange is told apart from a wrong key.
        let mut changed = transcript.clone();
        changed.sa_i.push(0);
        let outcome = Job::key_trial(KeyTrial {
            suite,
            transcript: changed,
            shared: session.dh_secret(),
            candidates: vec![(7, Secret::from(session.psk()))],
            message: session.of(ExchangeType::MAIN_MODE)[4].to_vec(),
        });
        let JobResult::KeyTrial(KeyTrialOutcome::NoMatch { well_formed }) = outcome.run() else {
            panic!("{name}: a match");
        };
        assert_eq!(well_formed, Some(7));
    }
}

#[test]
fn a_message_cut_short_is_malformed_under_every_key() {
    let Some(session) = session(SESSIONS[0]) else {
        return;
    };
    let (suite, transcript) = session.agreed();
    let whole = session.of(ExchangeType::MAIN_MODE)[4];
    let (header, body) = Header::parse(whole).unwrap();
    for message in [
        whole[..20].to_vec(),
        header.emit(&body[1..]),
        header.emit(&[]),
    ] {
        let trial = KeyTrial {
            suite,
            transcript: transcript.clone(),
            shared: session.dh_secret(),
            candidates: vec![(0, Secret::from(session.psk()))],
            message,
        };
        let JobResult::KeyTrial(outcome) = Job::key_trial(trial).run() else {
            panic!()
        };
        assert!(
            matches!(outcome, KeyTrialOutcome::Malformed(_)),
            "{outcome:?}"
        );
    }
    assert_ne!(Cookie::ZERO, header.responder);
    assert_eq!(header.message_id, MessageId::PHASE_1);
}
