//! The habits of strongSwan and libreswan beside recordings of both: what is not random and not a
//! hash is equal byte for byte.

use ike::codec::{Chain, ExchangeType, GroupId, HashId, Header, PayloadType, Sa, Trailing};
use ike::crypto::{Iv, Keymat};
use ike::habits::{EspTransform, IkeTransform};
use ike::{CloseReason, Habits, habits};
use wire::Secret;

use super::{bodies, connected, first, opened, pair};
use crate::harness::{CLIENT, Side, ip, seconds};
use crate::support::{agreed, bytes, datagrams, json, messages, shared};

/// A message as far as it must be the same: its exchange, its size, its payloads.
type Shape = (ExchangeType, usize, Vec<(PayloadType, String)>);

/// What the recorded client sent, decrypted with the keys of the recording.
fn recorded(name: &str) -> Option<Vec<Shape>> {
    let folder = format!("adit-lab/{name}");
    let keys = json(&format!("{folder}/keys.json"))?;
    let mut all = messages(&shared(&format!("{folder}/outside.pcap"))?);
    let client = all[0].source.ip();
    let mut known = std::collections::BTreeSet::new();
    all.retain(|datagram| known.insert(datagram.payload.clone()));
    let (suite, transcript) = agreed(&all);
    let secret = Secret::new(bytes(&keys["ike"], "dh_secret"));
    let psk = keys["psk"].as_str().expect("a key").as_bytes();
    let keymat = Keymat::from_psk(suite, psk, &transcript, &secret);
    let mut ivs = std::collections::BTreeMap::<u32, Iv>::new();
    ivs.insert(0, suite.first_iv(&transcript));
    let mut shapes = Vec::new();
    for datagram in &all {
        let (header, body) = Header::parse(&datagram.payload).expect("a message");
        let chain = Chain::parse(header.next, body, Trailing::Nothing);
        let payloads = if header.is_encrypted() {
            let id = header.message_id;
            let fresh = suite.exchange_iv(&ivs[&0], id);
            let iv = ivs.get(&id.0).copied().unwrap_or(fresh);
            let opened = keymat.open(&header, body, &iv).expect("whole blocks");
            ivs.insert(id.0, opened.next_iv());
            list(&opened.chain().expect("a chain"))
        } else {
            list(&chain.expect("a chain"))
        };
        if datagram.source.ip() == client {
            shapes.push((header.exchange, datagram.payload.len(), payloads));
        }
    }
    Some(shapes)
}

fn list(chain: &Chain<'_>) -> Vec<(PayloadType, String)> {
    let payloads = chain.iter();
    payloads
        .map(|payload| (payload.kind, comparable(payload.kind, payload.body)))
        .collect()
}

/// What must be equal of a payload: hashes and random numbers by their length only.
fn comparable(kind: PayloadType, body: &[u8]) -> String {
    // The clients of the laboratory all have this address.
    let address = hex::encode([10, 99, 0, 11]);
    let ours = match ip(CLIENT) {
        std::net::IpAddr::V4(address) => hex::encode(address.octets()),
        std::net::IpAddr::V6(_) => panic!("an IPv4 address"),
    };
    match kind {
        PayloadType::HASH | PayloadType::NONCE | PayloadType::KE | PayloadType::NAT_D => {
            format!("{} bytes", body.len())
        }
        PayloadType::SA => {
            // DOI, situation, header of the proposal; an SPI of four bytes is random.
            let mut body = body.to_vec();
            if body[14] == 4 {
                body[16..20].fill(0);
            }
            hex::encode(body)
        }
        PayloadType::DELETE | PayloadType::NOTIFICATION => {
            // All but the SPIs.
            format!("{} of {} bytes", hex::encode(&body[..8]), body.len())
        }
        _ => hex::encode(body).replace(&address, &ours),
    }
}

/// The habits with the lists that the laboratory gave its clients.
fn of_the_laboratory(mut habits: Habits) -> Habits {
    if let Some(proposal) = &mut habits.ike_proposal {
        proposal.transforms = vec![IkeTransform::aes(256, HashId::SHA1, GroupId::MODP_2048)];
    }
    if let Some(proposal) = &mut habits.esp_proposal {
        let sha1 = ike::codec::AuthAlgorithm::HMAC_SHA1;
        proposal.transforms = vec![EspTransform::aes(256, sha1)];
    }
    habits
}

#[test]
fn every_message_from_the_first_to_the_last_delete_is_as_recorded() {
    for (name, habits) in [
        ("strongswan-nonat", habits::network_manager_strongswan()),
        ("strongswan-nat", habits::network_manager_strongswan()),
        ("libreswan-nonat", habits::network_manager_libreswan()),
        ("libreswan-nat", habits::network_manager_libreswan()),
    ] {
        let Some(recorded) = recorded(name) else {
            return;
        };
        let mut pair = pair(of_the_laboratory(habits), &[]);
        pair.client_nat = name.ends_with("-nat");
        let sa = pair.connect();
        pair.run_for(seconds(10));
        let now = pair.now;
        pair.client.close(now, sa, CloseReason::Requested);
        pair.run_for(seconds(1));
        assert!(!pair.sas.keys().any(|(side, _)| *side == Side::Server));
        let ours: Vec<Shape> = opened(&pair)
            .into_iter()
            .map(|message| {
                let payloads = message.payloads.iter();
                let payloads = payloads.map(|(kind, body)| (*kind, comparable(*kind, body)));
                (message.exchange, message.bytes.len(), payloads.collect())
            })
            .collect();
        assert_eq!(ours.len(), 7, "{name}: {ours:#?}");
        for (place, (ours, theirs)) in ours.iter().zip(&recorded).enumerate() {
            assert_eq!(ours, theirs, "{name}: message {place}");
        }
        assert_eq!(recorded.len(), ours.len(), "{name}: {recorded:#?}");
    }
}

/// The classes of the attributes of the first transform, and how long their values are.
fn forms(sa: &[u8]) -> Vec<(u16, usize)> {
    let sa = Sa::parse(sa).expect("an SA payload");
    let attributes = sa.proposals[0].transforms[0].attributes.iter();
    let forms = attributes.map(|attribute| match &attribute.value {
        ike::codec::AttributeValue::Basic(_) => (attribute.class, 0),
        ike::codec::AttributeValue::Variable(value) => (attribute.class, value.len()),
    });
    forms.collect()
}

/// There is a Main Mode of a real Windows, if an old one, inside the PPP of an L2TP capture. It has
/// no key lengths, and a private attribute for its Kerberos.
#[test]
fn windows_writes_attributes_as_a_recorded_windows_does() {
    let Some(path) = shared("captures/l2tp/winxp-l2tp-full-session.pcap") else {
        return;
    };
    // No responder cookie, SA first, version 1.0, Main Mode.
    let start = [&[0; 8][..], &[1, 0x10, 2, 0]].concat();
    let inner = datagrams(&path).into_iter().find_map(|datagram| {
        let mut places = datagram.payload.windows(start.len());
        let place = places.position(|window| window == start)?;
        Some(datagram.payload[place - 8..].to_vec())
    });
    let inner = inner.expect("message 1 of Main Mode");
    let (header, body) = Header::parse(&inner).expect("a header");
    let chain = Chain::parse(header.next, body, Trailing::Nothing).expect("a chain");
    let recorded = forms(chain.first(PayloadType::SA).expect("an SA payload").body);
    const PRIVATE: u16 = 0x4000;
    let recorded: Vec<_> = recorded
        .into_iter()
        .filter(|(class, _)| *class != PRIVATE)
        .collect();
    let pair = connected(habits::windows_10(), &[]);
    let messages = opened(&pair);
    let message = first(&messages, ExchangeType::MAIN_MODE);
    let mut ours = forms(bodies(message, PayloadType::SA)[0]);
    let key_length = (14, 0);
    assert_eq!(ours.remove(1), key_length);
    assert_eq!(ours, recorded);
}
