//! Recorded datagrams from the folder of shared data.

use std::path::{Path, PathBuf};

use l2tp::codec::{ControlHeader, Header};

/// The folder with the shared data, or None after having said that there is none.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let base = std::env::var_os("ADIT_SHARED").map_or_else(|| "../shared".into(), PathBuf::from);
    let path = root.join(base).join("data").join(path);
    if !path.exists() {
        println!("skipped: no ADIT_SHARED data");
        return None;
    }
    Some(path)
}

/// One UDP datagram of a capture.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// Number of the frame, from 1.
    pub frame: usize,
    pub from: [u8; 4],
    pub payload: Vec<u8>,
}

/// The IPv4 packet in a link-layer frame.
fn network_layer(link: u16, frame: &[u8]) -> Option<&[u8]> {
    const ETHERNET: u16 = 1;
    const NFLOG: u16 = 239;
    match link {
        ETHERNET => match frame.get(12..14)? {
            [0x08, 0x00] => frame.get(14..),
            // PPPoE session: six bytes of header and the PPP protocol.
            [0x88, 0x64] => frame.get(22..),
            _ => None,
        },
        NFLOG => {
            // Attributes in the byte order of the host, padded to four bytes; 9 is the packet.
            let mut rest = frame.get(4..)?;
            loop {
                let length = usize::from(u16::from_le_bytes([*rest.first()?, *rest.get(1)?]));
                let value = rest.get(4..length)?;
                if rest.get(2..4)? == [9, 0] {
                    return Some(value);
                }
                rest = rest.get(length.next_multiple_of(4)..)?;
            }
        }
        _ => None,
    }
}

/// The link type and the frames of a capture in the classic format, of either byte order.
fn frames(bytes: &[u8]) -> (u16, Vec<&[u8]>) {
    let u32 = |at: usize| {
        let field: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if bytes[0] == 0xa1 {
            u32::from_be_bytes(field)
        } else {
            u32::from_le_bytes(field)
        })
    };
    assert_eq!(u32(0), Some(0xa1b2_c3d4));
    let mut list = Vec::new();
    let mut at = 24;
    while let Some(length) = u32(at + 8) {
        let end = at + 16 + length as usize;
        list.extend(bytes.get(at + 16..end));
        at = end;
    }
    // The upper half of the field is about checksums at the end of frames.
    (u32(20).unwrap() as u16, list)
}

/// All datagrams to or from port 1701, as far as they are there.
pub fn datagrams(path: &Path) -> Vec<Datagram> {
    let bytes = std::fs::read(path).unwrap();
    let (link, frames) = frames(&bytes);
    let read = |(n, frame): (usize, &&[u8])| {
        let packet = network_layer(link, frame)?;
        let udp = packet.get(usize::from(packet.first()? & 0x0f) * 4..)?;
        if packet.first()? >> 4 != 4 || packet.get(9)? != &17 {
            return None;
        }
        let field = |at: usize| Some(u16::from_be_bytes([*udp.get(at)?, *udp.get(at + 1)?]));
        if ![field(0)?, field(2)?].contains(&1701) {
            return None;
        }
        // Less than the UDP header says is there where the capture cut it off.
        let payload = udp.get(8..usize::from(field(4)?)).or(udp.get(8..))?;
        let from = packet.get(12..16)?.try_into().ok()?;
        Some(Datagram {
            frame: n + 1,
            from,
            payload: payload.to_vec(),
        })
    };
    frames.iter().enumerate().filter_map(read).collect()
}

pub fn control_messages(path: &Path) -> Vec<(Datagram, ControlHeader, Vec<u8>)> {
    let read = |datagram: Datagram| match Header::parse(&datagram.payload) {
        Ok(Header::Control(header, body)) => Some((datagram.clone(), header, body.to_vec())),
        _ => None,
    };
    datagrams(path).into_iter().filter_map(read).collect()
}
