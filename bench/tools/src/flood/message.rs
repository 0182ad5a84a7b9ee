//! What is in the packets of a flood.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use ike::codec::{Cookie, ExchangeType, Flags, Header, MessageId, PayloadType};
use rand_core::{Rng as _, SeedableRng as _};
use wire::Rng;

use super::exchange::{Begun, Exchanges, IKE_PORT, NATT_PORT, first_messages};
use super::{Flood, Kind, Report, packet};

/// In front of IKE on the port of NAT traversal (RFC 3948 §2.2).
const MARKER: [u8; 4] = [0; 4];
/// Blocks of 16 bytes in the fifth message of a client: identification, hash, sometimes a notification.
const FIFTH_BLOCKS: u64 = 4;
/// The longest garbage behind a header; all of it fits into a packet that need not be cut.
const LONGEST: u64 = 1_000;

/// All of a flood's packets, one after the other.
pub struct Messages {
    server: Ipv4Addr,
    forged: (u32, u32),
    kinds: Vec<Kind>,
    turn: usize,
    firsts: Vec<Vec<u8>>,
    exchanges: Arc<Exchanges>,
    rng: Rng,
}

impl Messages {
    pub fn new(flood: &Flood, exchanges: Arc<Exchanges>) -> Self {
        let all = [Kind::Garbage, Kind::Firsts, Kind::Fifths];
        let kinds = match flood.kinds.as_slice() {
            [] => all.to_vec(),
            chosen => chosen.to_vec(),
        };
        Self {
            server: flood.server,
            forged: flood.forged,
            kinds,
            turn: 0,
            firsts: first_messages(flood.server, flood.seed),
            exchanges,
            rng: Rng::seed_from_u64(flood.seed),
        }
    }

    /// Writes the next packet, and counts it.
    pub fn next(&mut self, packet: &mut Vec<u8>, report: &mut Report) {
        self.turn = self.turn.wrapping_add(1);
        let kind = self.kinds.get(self.turn % self.kinds.len()).copied();
        match kind.unwrap_or(Kind::Garbage) {
            Kind::Garbage => {
                self.garbage(packet);
                report.garbage += 1;
            }
            Kind::Firsts => {
                self.first(packet);
                report.firsts += 1;
            }
            Kind::Fifths => {
                let begun = if self.rng.next_u32().is_multiple_of(2) {
                    self.exchanges.any(self.rng.next_u64())
                } else {
                    None
                };
                match begun {
                    Some(begun) => {
                        self.fifth(packet, begun.from, begun.natt, begun.header);
                        report.fifths_of_exchanges += 1;
                    }
                    None => {
                        self.invented_fifth(packet);
                        report.fifths_invented += 1;
                    }
                }
            }
        }
        packet::finish(packet);
    }

    /// Anything: noise, an ESP packet of nobody, a header that promises what does not follow.
    fn garbage(&mut self, packet: &mut Vec<u8>) {
        let choice = self.rng.next_u32();
        let port = if choice & 1 == 0 { IKE_PORT } else { NATT_PORT };
        let from = self.forged_source(choice & 2 == 0);
        packet::begin(packet, from, self.server, port);
        if choice & 4 == 0 && port == NATT_PORT {
            packet.extend(MARKER);
        }
        if choice & 8 == 0 {
            let (initiator, responder) = (self.cookie(), self.cookie());
            let header = Header {
                initiator,
                responder,
                next: PayloadType((choice >> 8) as u8),
                version: Header::VERSION_1_0,
                exchange: ExchangeType((choice >> 16) as u8),
                flags: Flags((choice >> 24) as u8),
                message_id: MessageId(self.rng.next_u32()),
            };
            // Of its true length, for half of them: the payloads in it are noise.
            let body = if choice & 16 == 0 { LONGEST } else { 0 };
            let mut bytes = vec![0; self.below(body + 1)];
            self.rng.fill_bytes(&mut bytes);
            packet.extend(header.emit(&bytes));
        }
        self.noise(packet, LONGEST / 4);
    }

    /// Message 1 of a client, with a cookie of its own.
    fn first(&mut self, packet: &mut Vec<u8>) {
        let from = self.forged_source(true);
        packet::begin(packet, from, self.server, IKE_PORT);
        let cookie = self.cookie();
        let number = self.below(self.firsts.len() as u64);
        packet.extend(cookie.0);
        if let Some(rest) = self.firsts.get(number).and_then(|first| first.get(8..)) {
            packet.extend(rest);
        }
    }

    fn invented_fifth(&mut self, packet: &mut Vec<u8>) {
        let natt = self.rng.next_u32().is_multiple_of(2);
        let from = self.forged_source(!natt);
        let (initiator, responder) = (self.cookie(), self.cookie());
        let header = fifth_header(initiator, responder);
        self.fifth(packet, from, natt, header);
    }

    fn fifth(&mut self, packet: &mut Vec<u8>, from: SocketAddrV4, natt: bool, header: Header) {
        let port = if natt { NATT_PORT } else { IKE_PORT };
        packet::begin(packet, from, self.server, port);
        if natt {
            packet.extend(MARKER);
        }
        let mut body = vec![0; 16 * (self.below(FIFTH_BLOCKS) + 2)];
        self.rng.fill_bytes(&mut body);
        packet.extend(header.emit(&body));
    }

    fn noise(&mut self, packet: &mut Vec<u8>, longest: u64) {
        let from = packet.len();
        let length = self.below(longest) + 1;
        packet.resize(from + length, 0);
        if let Some(end) = packet.get_mut(from..) {
            self.rng.fill_bytes(end);
        }
    }

    /// Somebody, from the port of IKE or from any.
    fn forged_source(&mut self, from_ike_port: bool) -> SocketAddrV4 {
        let (network, host) = self.forged;
        let address = Ipv4Addr::from_bits(network | (self.rng.next_u32() & host));
        let port = if from_ike_port {
            IKE_PORT
        } else {
            (self.rng.next_u32() as u16) | 0x8000
        };
        SocketAddrV4::new(address, port)
    }

    fn cookie(&mut self) -> Cookie {
        Cookie(self.rng.next_u64().to_be_bytes())
    }

    fn below(&mut self, bound: u64) -> usize {
        usize::try_from(self.rng.next_u64() % bound.max(1)).unwrap_or(0)
    }
}

/// The header of a fifth message, as far as it is not of one client.
fn fifth_header(initiator: Cookie, responder: Cookie) -> Header {
    Header {
        initiator,
        responder,
        next: PayloadType::ID,
        version: Header::VERSION_1_0,
        exchange: ExchangeType::MAIN_MODE,
        flags: Flags::ENCRYPTION,
        message_id: MessageId::PHASE_1,
    }
}

impl Begun {
    /// Of the fifth message that a client was about to send, `None` if it is no such message.
    pub fn of_fifth(from: SocketAddrV4, natt: bool, message: &[u8]) -> Option<Self> {
        let (header, _) = Header::parse(message).ok()?;
        let fifth = fifth_header(header.initiator, header.responder);
        (header == fifth).then_some(Self { from, natt, header })
    }
}
