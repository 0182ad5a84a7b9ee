//! IKE behind its encryption: somebody who knows the key says anything at all in messages that decrypt, and,
//! where a hash is to prove that they are whole, with the right hash.

use std::time::Duration;

use ike::codec::{Chain, ExchangeType, Flags, Header, MessageId, PayloadType, Trailing};
use ike::crypto::Iv;

use super::ike_side::{Handshake, LIMITS, start};
use crate::input::Input;

/// Messages 5 of a Main Mode, each sealed, one after the other; then the right one.
pub fn main_mode(data: &[u8]) {
    let mut input = Input::new(data);
    let mut now = start();
    let mut handshake = Handshake::up_to_message_4(now);
    while !input.is_empty() {
        let (kind, first) = (input.byte(), input.byte());
        let plain = match kind & 1 {
            0 => input.bytes().to_vec(),
            // An identification, the hash that proves it, and what comes behind.
            _ => {
                let identification = input.bytes();
                let hash = handshake
                    .keymat
                    .hash_i(&handshake.transcript, identification);
                let mut plain = payload(PayloadType::HASH.0, identification);
                plain.extend(payload(first, &hash));
                plain.extend(input.bytes());
                plain
            }
        };
        let first = match kind & 1 {
            0 => first,
            _ => PayloadType::ID.0,
        };
        let iv = handshake.suite.first_iv(&handshake.transcript);
        let header = handshake.header;
        let (message, _) = seal(&handshake, header, first, &plain, &iv);
        let path = handshake.path;
        handshake.server.give(now, path, &message);
    }
    handshake.finish(now);
    let (half_open, established) = handshake.server.endpoint.occupancy();
    assert!(half_open + established <= 1);
    handshake.server.wait(&mut now, Duration::from_secs(60));
    assert_eq!(handshake.server.endpoint.occupancy().0, 0);
    handshake.server.ends_empty(&mut now, LONGEST_LIFE);
}

/// Quick Modes and Informationals under an IKE SA, by any number of message ids.
pub fn established(data: &[u8]) {
    let mut input = Input::new(data);
    let mut now = start();
    let mut handshake = Handshake::up_to_message_4(now);
    handshake.finish(now);
    assert_eq!(handshake.server.endpoint.occupancy(), (0, 1));
    let (_, sixth) = handshake.server.sent.pop_back().expect("message 6");
    let phase1 = last_block(&handshake, &sixth).expect("a whole number of blocks");
    let mut exchanges: [Option<Exchange>; 4] = [const { None }; 4];
    while !input.is_empty() {
        let kind = input.byte();
        if kind >> 4 == 0xf {
            let seconds = input.byte();
            handshake
                .server
                .wait(&mut now, Duration::from_secs(seconds.into()));
            continue;
        }
        let slot = usize::from(kind & 3);
        let id = MessageId(0x1000 + u32::from(kind & 3));
        let header = Header {
            exchange: match kind >> 2 & 3 {
                0 | 1 => ExchangeType::QUICK_MODE,
                2 => ExchangeType::INFORMATIONAL,
                _ => ExchangeType::TRANSACTION,
            },
            message_id: id,
            ..handshake.header
        };
        let (first, rest) = (input.byte(), input.bytes());
        let running = exchanges[slot].take().filter(|_| kind & 0x10 != 0);
        let mut exchange = running.unwrap_or_else(|| Exchange {
            iv: handshake.suite.exchange_iv(&phase1, id),
            nonce_i: nonce(PayloadType(first), rest),
            nonce_r: Vec::new(),
        });
        let hash = match kind >> 5 & 3 {
            // Message 1, and Informationals.
            0 | 1 => handshake.keymat.hash_1(id, rest),
            // Message 3: its hash covers the nonces.
            2 => handshake
                .keymat
                .hash_3(id, &exchange.nonce_i, &exchange.nonce_r),
            // As it comes, without a hash of ours.
            _ => Vec::new(),
        };
        let (first, plain) = match hash.is_empty() {
            true => (first, rest.to_vec()),
            false => {
                let hash = payload(first, &hash);
                (PayloadType::HASH.0, [&hash, rest].concat())
            }
        };
        let (message, next) = seal(&handshake, header, first, &plain, &exchange.iv);
        exchange.iv = next;
        handshake.server.sent.clear();
        let path = handshake.path;
        handshake.server.give(now, path, &message);
        if let Some((_, answer)) = handshake.server.sent.back() {
            exchange.go_on(&handshake, answer);
        }
        exchanges[slot] = Some(exchange);
        let (half_open, established) = handshake.server.endpoint.occupancy();
        assert!(half_open == 0 && established <= 1);
        assert!(handshake.server.spis.len() <= LIMITS.children_per_sa + LIMITS.quick_modes_per_sa);
    }
    handshake.server.ends_empty(&mut now, LONGEST_LIFE);
}

/// What goes on by one message id.
struct Exchange {
    /// Of the next message.
    iv: Iv,
    /// The bodies of the nonces, as far as they have been said.
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
}

impl Exchange {
    /// After an answer its last block is the IV, and its nonce is known.
    fn go_on(&mut self, handshake: &Handshake, answer: &[u8]) {
        let Ok((header, body)) = Header::parse(answer) else {
            return;
        };
        if let Ok(opened) = handshake.keymat.open(&header, body, &self.iv) {
            self.nonce_r = nonce(header.next, opened.plain());
            self.iv = opened.next_iv();
        }
    }
}

/// A payload with its generic header; `next` is the kind of the one behind it.
fn payload(next: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 4).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    [&[next, 0, high, low], body].concat()
}

/// No SA may live longer (`ike::Timing::lifetime_ceiling`), and some linger.
const LONGEST_LIFE: Duration = Duration::from_secs(86_400 * 8);

/// Encrypts any bytes, filled up to a whole number of blocks.
fn seal(handshake: &Handshake, header: Header, first: u8, plain: &[u8], iv: &Iv) -> (Vec<u8>, Iv) {
    let mut body = plain.to_vec();
    let block = handshake.suite.cipher.block_len();
    body.resize(body.len().max(1).next_multiple_of(block), 0);
    let next = handshake
        .keymat
        .key()
        .encrypt(iv, &mut body)
        .expect("a whole number of blocks");
    let header = Header {
        next: PayloadType(first),
        flags: Flags(header.flags.0 | Flags::ENCRYPTION.0),
        ..header
    };
    (header.emit(&body), next)
}

/// The last block of a message: the IV of the one after it.
fn last_block(handshake: &Handshake, message: &[u8]) -> Option<Iv> {
    let (_, body) = Header::parse(message).ok()?;
    let cipher = handshake.suite.cipher;
    Iv::new(
        cipher,
        body.get(body.len().checked_sub(cipher.block_len())?..)?,
    )
}

/// The body of the first nonce payload, if there is one.
fn nonce(first: PayloadType, plain: &[u8]) -> Vec<u8> {
    let chain = Chain::parse(first, plain, Trailing::Padding);
    let nonce = chain.ok().and_then(|chain| chain.first(PayloadType::NONCE));
    nonce.map_or_else(Vec::new, |payload| payload.body.to_vec())
}
