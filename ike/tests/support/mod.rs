//! What the tests share: how to get at ISAKMP messages in captures, and at their payloads.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used
)]
#![allow(clippy::panic)]

use std::path::Path;

use ike::codec::{
    Certificate, CertificateRequest, Chain, Delete, Fragment, HashData, Header, Identification,
    KeyExchange, NatD, NatOa, Nonce, Notification, PayloadBody, PayloadType, Phase1Offer,
    RawPayload, Sa, Trailing, VendorId,
};
use ike::crypto::{Cipher, Group, HashAlgorithm, Phase1Suite, Transcript};
use wire::DecodeError;

#[path = "../../../tests/common/captures.rs"]
mod captures;

pub use captures::{Datagram, datagrams, shared};

/// A JSON file of the shared data.
pub fn json(path: &str) -> Option<serde_json::Value> {
    let bytes = std::fs::read(shared(path)?).unwrap();
    Some(serde_json::from_slice(&bytes).unwrap())
}

/// The bytes of a member that holds hexadecimal digits.
pub fn bytes(value: &serde_json::Value, member: &str) -> Vec<u8> {
    let text = value[member]
        .as_str()
        .unwrap_or_else(|| panic!("no member {member}"));
    hex::decode(text).unwrap_or_else(|_| panic!("{member} is not hexadecimal"))
}

impl AsRef<[u8]> for Datagram {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

/// What the first four messages of a Main Mode, all in clear, agree on.
pub fn agreed(messages: &[impl AsRef<[u8]>]) -> (Phase1Suite, Transcript) {
    let chain = |place: usize| {
        let (header, body) = Header::parse(messages[place].as_ref()).unwrap();
        let chain = Chain::parse(header.next, body, Trailing::Nothing).unwrap();
        (header, chain)
    };
    let body = |place: usize, kind| chain(place).1.first(kind).unwrap().body.to_vec();
    let header = chain(1).0;
    let transcript = Transcript {
        cookie_i: header.initiator,
        cookie_r: header.responder,
        nonce_i: body(2, PayloadType::NONCE),
        nonce_r: body(3, PayloadType::NONCE),
        public_i: body(2, PayloadType::KE),
        public_r: body(3, PayloadType::KE),
        sa_i: body(0, PayloadType::SA),
    };
    let chosen = Sa::parse(&body(1, PayloadType::SA)).unwrap();
    let offer = Phase1Offer::read(&chosen.proposals[0].transforms[0]);
    let suite = Phase1Suite {
        cipher: Cipher::from_id(offer.encryption.unwrap(), offer.key_bits).unwrap(),
        hash: HashAlgorithm::from_id(offer.hash.unwrap()).unwrap(),
        group: Group::from_id(offer.group.unwrap()).unwrap(),
    };
    (suite, transcript)
}

/// The ISAKMP messages of a capture: what runs on port 500, and on port 4500 behind the non-ESP
/// marker, which is taken off.
pub fn messages(path: &Path) -> Vec<Datagram> {
    let message = |mut datagram: Datagram| {
        let has_port = |port| datagram.source.port() == port || datagram.destination.port() == port;
        if has_port(4500) {
            datagram.payload = datagram.payload.strip_prefix(&[0; 4])?.to_vec();
            return Some(datagram);
        }
        has_port(500).then_some(datagram)
    };
    datagrams(path).into_iter().filter_map(message).collect()
}

/// Reads a payload by its kind and writes it again. Kinds that are not known come back as they
/// are.
pub fn read_and_write(payload: &RawPayload<'_>) -> Result<Vec<u8>, DecodeError> {
    let body = payload.body;
    Ok(match payload.kind {
        PayloadType::SA => Sa::parse(body)?.to_body(),
        PayloadType::KE => KeyExchange::parse(body)?.to_body(),
        PayloadType::ID => Identification::parse(body)?.to_body(),
        PayloadType::CERT => Certificate::parse(body)?.to_body(),
        PayloadType::CERT_REQ => CertificateRequest::parse(body)?.to_body(),
        PayloadType::HASH => HashData::parse(body)?.to_body(),
        PayloadType::NONCE => Nonce::parse(body)?.to_body(),
        PayloadType::NOTIFICATION => Notification::parse(body)?.to_body(),
        PayloadType::DELETE => Delete::parse(body)?.to_body(),
        PayloadType::VENDOR_ID => VendorId::parse(body)?.to_body(),
        PayloadType::NAT_D | PayloadType::NAT_D_DRAFT_02 | PayloadType::NAT_D_DRAFT_04 => {
            NatD::parse(body)?.to_body()
        }
        PayloadType::NAT_OA | PayloadType::NAT_OA_DRAFT_02 => NatOa::parse(body)?.to_body(),
        PayloadType::FRAGMENT => Fragment::parse(body)?.to_body(),
        _ => body.to_vec(),
    })
}

/// Reads a whole message in clear, down to the last attribute, and writes it again. An encrypted
/// message has its header read only.
pub fn read_and_write_message(message: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let (header, body) = Header::parse(message)?;
    if header.is_encrypted() {
        return Ok(header.emit(body));
    }
    let chain = Chain::parse(header.next, body, Trailing::Nothing)?;
    let mut builder = ike::codec::ChainBuilder::new();
    for payload in chain.iter() {
        builder.push(payload.kind, &read_and_write(&payload)?);
    }
    Ok(builder.message(header))
}
