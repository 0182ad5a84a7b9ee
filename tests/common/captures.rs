//! What tests of several crates share: where the real data lies, and how to get at the packets in
//! captures. Included by its path.
//!
//! The data is read in place: from `ADIT_SHARED`, by default `../shared` beside the workspace.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "each test uses its part, and reads files"
)]

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use etherparse::{IpNumber, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::{Block, PcapBlockOwned, PcapError};

/// The folder of the workspace: the package's own, or the one above it.
fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = package
        .ancestors()
        .find(|path| path.join("Cargo.lock").exists());
    found.unwrap_or(package).to_path_buf()
}

/// A path below the shared data folder, or `None` (and a word about it) if there is no such data.
pub fn shared(path: &str) -> Option<PathBuf> {
    let folder = std::env::var("ADIT_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let path = workspace().join(folder).join("data").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no ADIT_SHARED data");
    None
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
            // PPP on a serial line, for example: no UDP there.
            _ => return None,
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
