//! Reads the shared captures and vectors, and finds the PPP frames in them.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests read files"
)]

use std::net::Ipv4Addr;
use std::path::PathBuf;

/// The shared data, or `None` with a word about it.
pub fn shared() -> Option<PathBuf> {
    let workspace = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let root = std::env::var_os("ADIT_SHARED").unwrap_or_else(|| "../shared".into());
    let root = workspace.join(root).join("data");
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: no ADIT_SHARED data");
    None
}

/// A file of the shared data as text.
pub fn text(name: &str) -> Option<String> {
    let path = shared()?.join(name);
    Some(std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// A JSON file of the shared data.
pub fn json(name: &str) -> Option<serde_json::Value> {
    Some(serde_json::from_str(&text(name)?).unwrap())
}

/// The files of a folder of the shared data whose name ends in one of `endings`, in order.
pub fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let Some(root) = shared() else {
        return Vec::new();
    };
    let mut found: Vec<_> = std::fs::read_dir(root.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| endings.iter().any(|e| path.to_str().unwrap().ends_with(e)))
        .collect();
    found.sort();
    found
}

/// A hexadecimal string of a JSON object.
pub fn hex(value: &serde_json::Value, key: &str) -> Vec<u8> {
    hex::decode(value[key].as_str().unwrap_or_else(|| panic!("{key}"))).unwrap()
}

/// One PPP frame of a capture.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Who sent it; 0.0.0.1 and 0.0.0.2 for serial lines with a direction.
    pub from: Ipv4Addr,
    /// The frame, as it was.
    pub bytes: Vec<u8>,
}

/// All PPP frames of a capture file.
pub fn frames(path: &std::path::Path) -> Vec<Captured> {
    let file = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    // A pcap file: a header of 24 bytes, then per packet 16 bytes and as many as their third number
    // says. A file cut short ends with its last whole packet.
    let big = file.starts_with(&[0xa1, 0xb2, 0xc3, 0xd4]);
    let number = |at: usize| -> Option<u32> {
        let bytes = file.get(at..at + 4)?.try_into().ok()?;
        Some(if big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    };
    // The upper bits tell about check sequences.
    let link = number(20).unwrap() & 0xffff;
    let (mut at, mut found) = (24, Vec::new());
    while let Some(length) = number(at + 8) {
        let end = at + 16 + length as usize;
        let Some(packet) = file.get(at + 16..end) else {
            break;
        };
        found.extend(ppp_in(link, packet));
        at = end;
    }
    found
}

/// The PPP frame in one packet of link type `link`.
fn ppp_in(link: u32, data: &[u8]) -> Option<Captured> {
    let unknown = Ipv4Addr::UNSPECIFIED;
    match link {
        9 | 50 => Some(Captured {
            from: unknown,
            bytes: data.to_vec(),
        }),
        204 => {
            let from = Ipv4Addr::from(u32::from(*data.first()?) + 1);
            Some(Captured {
                from,
                bytes: data.get(1..)?.to_vec(),
            })
        }
        1 => match data.get(12..14)? {
            [0x08, 0x00] => ppp_in_ip(data.get(14..)?),
            [0x88, 0x64] => Some(Captured {
                from: unknown,
                bytes: data.get(20..)?.to_vec(),
            }),
            // A capture of a Windows network monitor: the protocol where the type should be, and
            // "SEND" or "RECV" for an address.
            [0xc0, 0x21] | [0xc2, 0x23] | [0x80, 0x21] => {
                let from = Ipv4Addr::from(u32::from(data.get(7) == Some(&b'R')) + 1);
                Some(Captured {
                    from,
                    bytes: data.get(12..)?.to_vec(),
                })
            }
            _ => None,
        },
        239 => {
            // NFLOG: a header of 4 bytes, then length, type and value, padded to 4; 9 is the packet.
            let mut rest = data.get(4..)?;
            loop {
                let length = usize::from(u16::from_le_bytes([*rest.first()?, *rest.get(1)?]));
                if rest.get(2) == Some(&9) {
                    return ppp_in_ip(rest.get(4..length)?);
                }
                rest = rest.get(length.next_multiple_of(4)..)?;
            }
        }
        other => panic!("link type {other}"),
    }
}

fn ppp_in_ip(ip: &[u8]) -> Option<Captured> {
    let header = usize::from(ip.first()? & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let from = Ipv4Addr::new(ip[12], ip[13], ip[14], ip[15]);
    let payload = ip.get(header..total.min(ip.len()))?;
    let bytes = match ip.get(9)? {
        47 => {
            // Enhanced GRE of PPTP (RFC 2637 §4.1): flags say which of the numbers are there.
            let sequence = payload.first()? & 0x10 != 0;
            let acknowledgement = payload.get(1)? & 0x80 != 0;
            payload.get(8 + 4 * usize::from(sequence) + 4 * usize::from(acknowledgement)..)?
        }
        17 => {
            let l2tp = payload.get(8..)?;
            let flags = *l2tp.first()?;
            if payload.get(..4)? != [6, 165, 6, 165] || flags & 0x80 != 0 {
                return None;
            }
            let mut at = 2 + 4 + 2 * usize::from(flags & 0x40 != 0);
            at += 4 * usize::from(flags & 0x08 != 0);
            if flags & 0x02 != 0 {
                at += 2 + usize::from(u16::from_be_bytes([*l2tp.get(at)?, *l2tp.get(at + 1)?]));
            }
            l2tp.get(at..)?
        }
        _ => return None,
    };
    (!bytes.is_empty()).then(|| Captured {
        from,
        bytes: bytes.to_vec(),
    })
}
