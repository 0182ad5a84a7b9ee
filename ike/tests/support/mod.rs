//! What the tests share: where the real data lies, and how to get at ISAKMP messages in captures.
//!
//! The data is read in place: from `ADIT_SHARED`, by default `../shared` beside the workspace.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used
)]
#![allow(clippy::panic, clippy::print_stderr)]

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use etherparse::{IpNumber, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use ike::codec::{
    Certificate, CertificateRequest, Chain, Delete, Fragment, HashData, Header, Identification,
    KeyExchange, NatD, NatOa, Nonce, Notification, PayloadBody, PayloadType, Phase1Offer,
    RawPayload, Sa, Trailing, VendorId,
};
use ike::crypto::{Cipher, Group, HashAlgorithm, Phase1Suite, Transcript};
use pcap_parser::{Block, PcapBlockOwned, PcapError};
use wire::DecodeError;

/// A path below the shared data folder, or `None` (and a word about it) if there is no such data.
pub fn shared(path: &str) -> Option<PathBuf> {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let folder = std::env::var("ADIT_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let path = workspace.join(folder).join("data").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no ADIT_SHARED data");
    None
}

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

/// A UDP datagram of a capture.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// The frame's number in the capture, from 1.
    pub frame: usize,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub payload: Vec<u8>,
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

/// All frames of a capture (pcap or pcapng) with their link type.
pub fn frames(path: &Path) -> Vec<(i32, Vec<u8>)> {
    let contents = std::fs::read(path).unwrap();
    let mut frames = Vec::new();
    let mut link = 1;
    let mut reader = pcap_parser::create_reader(1 << 20, contents.as_slice()).unwrap();
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => link = header.network.0,
                    PcapBlockOwned::Legacy(packet) => frames.push((link, packet.data.to_vec())),
                    PcapBlockOwned::NG(Block::InterfaceDescription(i)) => link = i.linktype.0,
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        let caplen = usize::try_from(packet.caplen).unwrap();
                        frames.push((link, packet.data[..caplen].to_vec()));
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                reader.consume(offset);
            }
            Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
            // The end, or the damage that some of these files were made for.
            Err(_) => return frames,
        }
    }
}

/// All UDP datagrams of a capture, as far as they were captured.
pub fn datagrams(path: &Path) -> Vec<Datagram> {
    let datagram = |(place, (link, frame)): (usize, (i32, Vec<u8>))| {
        let packet = match link & 0xffff {
            0 => LaxSlicedPacket::from_ip(frame.get(4..)?).ok()?,
            1 => LaxSlicedPacket::from_ethernet(&frame).ok()?,
            101 | 228 => LaxSlicedPacket::from_ip(&frame).ok()?,
            other => panic!("link type {other}"),
        };
        let net = packet.net?;
        let (source, destination): (IpAddr, IpAddr) = match &net {
            LaxNetSlice::Ipv4(ip) => (
                ip.header().source_addr().into(),
                ip.header().destination_addr().into(),
            ),
            LaxNetSlice::Ipv6(ip) => (
                ip.header().source_addr().into(),
                ip.header().destination_addr().into(),
            ),
            _ => return None,
        };
        let (from, to, payload) = match packet.transport {
            Some(TransportSlice::Udp(udp)) => (
                udp.source_port(),
                udp.destination_port(),
                udp.payload().to_vec(),
            ),
            Some(_) => return None,
            // The first fragment of a datagram, whose rest was never captured.
            None => {
                let ip = net.ip_payload_ref()?;
                let first = ip.payload.first_chunk::<8>()?;
                if ip.ip_number != IpNumber::UDP {
                    return None;
                }
                let port = |at: usize| u16::from_be_bytes([first[at], first[at + 1]]);
                (port(0), port(2), ip.payload[8..].to_vec())
            }
        };
        Some(Datagram {
            frame: place + 1,
            source: (source, from).into(),
            destination: (destination, to).into(),
            payload,
        })
    };
    frames(path)
        .into_iter()
        .enumerate()
        .filter_map(datagram)
        .collect()
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
