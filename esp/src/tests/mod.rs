//! Tests with data that is not ours, read in place: from `ADIT_SHARED`, by default `../shared`
//! beside the workspace. They are inside the crate because captures without a known integrity key
//! can only be decrypted below [`crate::Opener`], which insists on one.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

mod captures;
mod lab;
mod properties;
mod vectors;

use std::path::{Path, PathBuf};

use crate::cipher::CbcDecrypt;
use crate::{Cipher, HEADER_LEN, Integrity, Keys, Suite};

/// A path below the shared data, or `None` (and a word about it) if there is no such data.
fn shared(path: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    let root = std::env::var("ADIT_SHARED").unwrap_or_else(|_| beside.to_owned());
    let path = Path::new(&root).join("data").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no ADIT_SHARED data");
    None
}

fn text(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(shared(path)?).unwrap())
}

fn json(path: &str) -> Option<serde_json::Value> {
    Some(serde_json::from_str(&text(path)?).unwrap())
}

/// The bytes of a member that holds hexadecimal digits; none if there is no such member.
fn bytes(value: &serde_json::Value, member: &str) -> Vec<u8> {
    hex::decode(value[member].as_str().unwrap_or_default()).unwrap()
}

fn keys(encryption: &[u8], integrity: &[u8]) -> Keys {
    Keys {
        encryption: encryption.into(),
        integrity: integrity.into(),
    }
}

/// Keys that are nothing but right in length.
fn some_keys(suite: Suite, seed: u8) -> Keys {
    let lengths = suite.key_lengths();
    let material: Vec<u8> = (0..lengths.total())
        .map(|n| (n as u8).wrapping_mul(7).wrapping_add(seed))
        .collect();
    Keys::from_material(suite, &material).unwrap()
}

/// Decrypts what is behind the header of a packet without its check value, and returns the body.
fn decrypted<'a>(cipher: Cipher, key: &[u8], packet: &'a mut [u8]) -> &'a mut [u8] {
    let sealed = &mut packet[HEADER_LEN..];
    let keyed = CbcDecrypt::new(cipher, key).unwrap();
    keyed.decrypt(&mut [&mut *sealed]).unwrap();
    &mut sealed[cipher.iv_len()..]
}

fn cbc(bits: usize) -> Cipher {
    match bits {
        128 => Cipher::AesCbc128,
        192 => Cipher::AesCbc192,
        256 => Cipher::AesCbc256,
        _ => panic!("{bits} bits"),
    }
}

fn gcm(bits: usize) -> Cipher {
    match bits {
        128 => Cipher::AesGcm128,
        192 => Cipher::AesGcm192,
        256 => Cipher::AesGcm256,
        _ => panic!("{bits} bits"),
    }
}

/// All frames of a capture, of either format.
fn frames(path: &Path) -> Vec<Vec<u8>> {
    use pcap_parser::{Block, PcapBlockOwned, PcapError};

    let contents = std::fs::read(path).unwrap();
    let mut reader = pcap_parser::create_reader(1 << 20, contents.as_slice()).unwrap();
    let mut frames = Vec::new();
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                match block {
                    PcapBlockOwned::Legacy(packet) => frames.push(packet.data.to_vec()),
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        frames.push(packet.data[..packet.caplen as usize].to_vec());
                    }
                    _ => {}
                }
                reader.consume(offset);
            }
            Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(_) => return frames,
        }
    }
}

/// An ESP packet of a capture on Ethernet.
struct Captured {
    /// The frame's number in the capture, from 1.
    frame: usize,
    destination: std::net::IpAddr,
    spi: u32,
    packet: Vec<u8>,
}

/// All ESP packets of a capture, raw and out of UDP port 4500.
fn esp_packets(path: &Path) -> Vec<Captured> {
    let captured = |(place, frame): (usize, Vec<u8>)| {
        let (destination, packet) = esp_of(&frame)?;
        let (spi, _) = crate::peek(&packet)?;
        Some(Captured {
            frame: place + 1,
            destination,
            spi,
            packet,
        })
    };
    frames(path)
        .into_iter()
        .enumerate()
        .filter_map(captured)
        .collect()
}

fn esp_of(frame: &[u8]) -> Option<(std::net::IpAddr, Vec<u8>)> {
    use etherparse::{IpNumber, LaxNetSlice, LaxSlicedPacket, TransportSlice};

    let sliced = LaxSlicedPacket::from_ethernet(frame).ok()?;
    let net = sliced.net?;
    let destination = match &net {
        LaxNetSlice::Ipv4(ip) => ip.header().destination_addr().into(),
        LaxNetSlice::Ipv6(ip) => ip.header().destination_addr().into(),
        _ => return None,
    };
    match sliced.transport {
        Some(TransportSlice::Udp(udp)) => {
            let is_natt = udp.source_port() == 4500 || udp.destination_port() == 4500;
            let is_esp = !udp.payload().starts_with(&[0; 4]);
            (is_natt && is_esp).then(|| (destination, udp.payload().to_vec()))
        }
        Some(_) => None,
        None => {
            let payload = net.ip_payload_ref()?;
            let is_esp = payload.ip_number == IpNumber::ENCAPSULATING_SECURITY_PAYLOAD;
            is_esp.then(|| (destination, payload.payload.to_vec()))
        }
    }
}

/// The suites of a `uat` file of Wireshark, by its names of the algorithms.
fn by_wireshark_name(cipher: &str, key_len: usize, integrity: &str) -> Option<Suite> {
    let cipher = match cipher.split(' ').next()? {
        "AES-CBC" => cbc(key_len * 8),
        "TripleDES-CBC" => Cipher::TripleDesCbc,
        "AES-GCM" => gcm((key_len - 4) * 8),
        _ => return None,
    };
    let integrity = match integrity.split(' ').next()? {
        "HMAC-SHA-1-96" => Some(Integrity::HmacSha1_96),
        "HMAC-MD5-96" => Some(Integrity::HmacMd5_96),
        "HMAC-SHA-256-128" => Some(Integrity::HmacSha256_128),
        _ => None,
    };
    Some(Suite::new(cipher, integrity))
}
