//! What the client has sent, decrypted by an onlooker who knows the keys.

use std::collections::{BTreeMap, BTreeSet};

use ike::codec::{Chain, Cookie, ExchangeType, Header, PayloadType, Trailing};
use ike::crypto::{Iv, Keymat};
use wire::Secret;

use crate::harness::{Pair, Side};
use crate::support::agreed;

/// A message of the client's.
#[derive(Debug)]
pub struct Message {
    pub exchange: ExchangeType,
    pub message_id: u32,
    /// As it was on the wire, without the non-ESP marker.
    pub bytes: Vec<u8>,
    pub payloads: Vec<(PayloadType, Vec<u8>)>,
}

/// All messages of the client's that can be read, repetitions left out, in the order in which they
/// were sent.
pub fn opened(pair: &Pair) -> Vec<Message> {
    let mut onlookers: BTreeMap<Cookie, Onlooker> = BTreeMap::new();
    let mut known = BTreeSet::new();
    let mut read = Vec::new();
    for sent in &pair.sent {
        let Ok((header, body)) = Header::parse(&sent.bytes) else {
            continue;
        };
        if !known.insert(sent.bytes.clone()) {
            continue;
        }
        let onlooker = onlookers.entry(header.initiator).or_default();
        let Some(payloads) = onlooker.read(pair, &header, body, &sent.bytes) else {
            continue;
        };
        if sent.from == Side::Client {
            read.push(Message {
                exchange: header.exchange,
                message_id: header.message_id.0,
                bytes: sent.bytes.clone(),
                payloads,
            });
        }
    }
    read
}

/// What is known of one IKE SA.
#[derive(Default)]
struct Onlooker {
    clear: Vec<Vec<u8>>,
    keys: Option<Keymat>,
    /// The next IV of phase 1.
    phase_1: Option<Iv>,
    /// The next IVs of later exchanges.
    later: BTreeMap<u32, Iv>,
}

impl Onlooker {
    fn read(
        &mut self,
        pair: &Pair,
        header: &Header,
        body: &[u8],
        message: &[u8],
    ) -> Option<Vec<(PayloadType, Vec<u8>)>> {
        if !header.is_encrypted() {
            self.clear.push(message.to_vec());
            return Some(list(
                &Chain::parse(header.next, body, Trailing::Nothing).ok()?,
            ));
        }
        if self.keys.is_none() {
            let keys = |secret| Self::keys(&self.clear, &pair.key, secret, header, body);
            (self.keys, self.phase_1) = pair.secrets.iter().find_map(keys)?;
        }
        let (keys, phase_1) = (self.keys.as_ref()?, self.phase_1?);
        let id = header.message_id;
        let iv = match id.0 {
            0 => phase_1,
            number => {
                let fresh = keys.suite().exchange_iv(&phase_1, id);
                self.later.get(&number).copied().unwrap_or(fresh)
            }
        };
        let opened = keys.open(header, body, &iv).ok()?;
        let payloads = list(&opened.chain().ok()?);
        match id.0 {
            0 => self.phase_1 = Some(opened.next_iv()),
            number => {
                self.later.insert(number, opened.next_iv());
            }
        }
        Some(payloads)
    }

    /// The keys under one of the client's secrets, if message 5 proves that it is the right one.
    fn keys(
        clear: &[Vec<u8>],
        psk: &Secret,
        secret: &Secret,
        header: &Header,
        body: &[u8],
    ) -> Option<(Option<Keymat>, Option<Iv>)> {
        let (suite, transcript) = agreed(clear);
        let keys = Keymat::from_psk(suite, psk.expose(), &transcript, secret);
        let iv = suite.first_iv(&transcript);
        let opened = keys.open(header, body, &iv).ok()?;
        let chain = opened.chain().ok()?;
        let id = chain.first(PayloadType::ID)?;
        let hash = chain.first(PayloadType::HASH)?;
        let right = keys.hash_i(&transcript, id.body) == hash.body;
        right.then_some((Some(keys), Some(iv)))
    }
}

fn list(chain: &Chain<'_>) -> Vec<(PayloadType, Vec<u8>)> {
    let payloads = chain.iter();
    payloads
        .map(|payload| (payload.kind, payload.body.to_vec()))
        .collect()
}
