//! Captured packets, against an independent decoder's account of them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::*;
use crate::open::read_trailer;
use crate::{OpenError, Opener};

/// One line of a `.decrypted.txt`.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Decoded {
    spi: u32,
    sequence: u32,
    next_header: u8,
    padding: usize,
    /// Identifier and sequence number of the ping inside.
    echo: (u16, u16),
}

/// What the decoder says, by frame number.
fn decoded(file: &str) -> BTreeMap<usize, Decoded> {
    let hex = |s: &str| u32::from_str_radix(s.trim_start_matches("0x"), 16).unwrap();
    let line = |line: &str| {
        let fields: Vec<&str> = line.split('|').collect();
        let info = fields.last()?;
        let id = info.split("id=").nth(1)?.split(',').next()?;
        let seq = info.split("seq=").nth(1)?.split(['/', ',']).next()?;
        let decoded = Decoded {
            spi: hex(fields[1]),
            sequence: fields[2].parse().ok()?,
            next_header: hex(fields[4]) as u8,
            padding: fields[5].parse().ok()?,
            echo: (hex(id) as u16, seq.parse().ok()?),
        };
        Some((fields[0].parse().ok()?, decoded))
    };
    text(file)
        .unwrap()
        .lines()
        .skip(1)
        .filter_map(line)
        .collect()
}

/// The ping in a payload: ICMP itself in transport mode, behind an IPv4 header in tunnel mode.
fn echo(next_header: u8, payload: &[u8]) -> (u16, u16) {
    let icmp = match next_header {
        1 | 58 => payload,
        4 => &payload[usize::from(payload[0] & 15) * 4..],
        other => panic!("next header {other}"),
    };
    let number = |at| u16::from_be_bytes([icmp[at], icmp[at + 1]]);
    (number(4), number(6))
}

/// Opens a packet, or where no integrity key is known decrypts it with `icv_len` bytes cut off.
fn decode(captured: &Captured, suite: Suite, key: &[u8], auth: Option<(&[u8], usize)>) -> Decoded {
    let mut packet = captured.packet.clone();
    let (sequence, next_header, payload, padding) = match auth {
        Some((auth, 0)) => {
            let opener = Opener::new(suite, &keys(key, auth)).unwrap();
            let opened = opener.open(&mut packet).unwrap();
            let body = packet.len() - suite.icv_len() - 2;
            let padding = body - opened.payload.end;
            (
                opened.sequence,
                opened.next_header,
                packet[opened.payload].to_vec(),
                padding,
            )
        }
        other => {
            let icv = other.map_or(0, |(_, icv)| icv);
            packet.truncate(packet.len() - icv);
            let (_, sequence) = crate::peek(&packet).unwrap();
            let body = decrypted(suite.cipher, key, &mut packet);
            let (len, next_header) = read_trailer(body).unwrap();
            (
                sequence,
                next_header,
                body[..len].to_vec(),
                body.len() - 2 - len,
            )
        }
    };
    let echo = echo(next_header, &payload);
    Decoded {
        spi: captured.spi,
        sequence,
        next_header,
        padding,
        echo,
    }
}

/// A line of a `.esp_sa`.
struct Association {
    /// `None` is any.
    destination: Option<IpAddr>,
    spi: u32,
    suite: Suite,
    key: Vec<u8>,
    auth: Vec<u8>,
}

/// The lines of a `.esp_sa` whose algorithms we have.
fn associations(file: &str) -> Vec<Association> {
    let key = |s: &str| match s.strip_prefix("0x") {
        Some(digits) => hex::decode(digits).unwrap(),
        None => s.as_bytes().to_vec(),
    };
    let number = |s: &str| match s.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).unwrap(),
        None => s.parse().unwrap(),
    };
    let text = text(file).unwrap();
    let lines = text.lines().filter(|line| line.starts_with('"'));
    lines
        .filter_map(|line| {
            let fields: Vec<&str> = line
                .split(',')
                .map(|field| field.trim_matches('"'))
                .collect();
            let encryption = key(fields[5]);
            let suite = by_wireshark_name(fields[4], encryption.len(), fields[6])?;
            Some(Association {
                destination: fields[2].parse().ok(),
                spi: number(fields[3]),
                suite,
                key: encryption,
                auth: key(fields[7]),
            })
        })
        .collect()
}

/// Opens everything in a capture that the table has keys for and compares; returns how many
/// packets that were.
fn compare(capture: &str, table: &str, expected: &str) -> usize {
    let Some(path) = shared(capture) else {
        return 0;
    };
    let (table, expected) = (associations(table), decoded(expected));
    let mut count = 0;
    for captured in esp_packets(&path) {
        let sa = table.iter().find(|sa| {
            sa.spi == captured.spi && sa.destination.is_none_or(|d| d == captured.destination)
        });
        let Some(sa) = sa else { continue };
        let is_authenticated = !sa.auth.is_empty() || sa.suite.cipher.is_aead();
        let auth = is_authenticated.then_some((&sa.auth[..], 0));
        let got = decode(&captured, sa.suite, &sa.key, auth);
        let frame = captured.frame;
        assert_eq!(Some(&got), expected.get(&frame), "frame {frame}");
        if is_authenticated {
            refuses_damage(&captured, sa.suite, &sa.key, &sa.auth);
        }
        count += 1;
    }
    count
}

fn refuses_damage(captured: &Captured, suite: Suite, key: &[u8], auth: &[u8]) {
    let opener = Opener::new(suite, &keys(key, auth)).unwrap();
    for at in [
        0,
        5,
        9,
        captured.packet.len() / 2,
        captured.packet.len() - 1,
    ] {
        let mut packet = captured.packet.clone();
        packet[at] ^= 1;
        assert_eq!(opener.open(&mut packet), Err(OpenError::Integrity));
    }
}

#[test]
fn aes_and_3des_with_md5_sha1_and_nothing_over_ipv4_and_ipv6() {
    let count = compare(
        "captures/esp/wiki-esp-transport-v4v6.pcap",
        "captures/esp/wiki-esp-transport-v4v6.esp_sa",
        "captures/esp/wiki-esp-transport-v4v6.pcap.decrypted.txt",
    );
    // AES and 3DES, three authenticators, two families, ten pings each.
    assert!(count == 0 || count == 120, "{count}");
}

#[test]
fn gcm_and_sha256_through_a_nat() {
    let count = compare(
        "captures/esp/wiki-esp-udp4500-gcm-ctr-cbc-sha256.pcapng",
        "captures/esp/wiki-esp-udp4500-gcm-ctr-cbc-sha256.esp_sa",
        "captures/esp/wiki-esp-udp4500-gcm-ctr-cbc-sha256.pcapng.decrypted.txt",
    );
    assert!(count == 0 || count == 16, "{count}");
}

const SUNRISE: &[u8] = b"@CCEEFFIIJJLLOOQQRRTTWWX";
const SUNRISE_FIRST: &[u8] = b"CCEEFFIIJJLLOOQQRRTTWWX@";
const SUNRISE_SECOND: &[u8] = b"CEEFFIIJJLLOOQQRRTTWWX@C";

fn triple_des() -> Suite {
    Suite::new(Cipher::TripleDesCbc, Some(Integrity::HmacSha1_96))
}

/// The integrity key was not published: decrypted without, and refused with a guess.
#[test]
fn tunnel_of_freeswan() {
    let Some(path) = shared("captures/esp/02-sunrise-sunset-esp.pcap") else {
        return;
    };
    let expected = decoded("captures/esp/02-sunrise-sunset-esp.pcap.decrypted.txt");
    let packets = esp_packets(&path);
    assert_eq!(packets.len(), 8);
    for captured in packets {
        let got = decode(&captured, triple_des(), SUNRISE, Some((&[], 12)));
        assert_eq!(Some(&got), expected.get(&captured.frame));
        let opener = Opener::new(triple_des(), &keys(SUNRISE, &[0; 20])).unwrap();
        assert_eq!(
            opener.open(&mut captured.packet.clone()),
            Err(OpenError::Integrity)
        );
    }
}

/// ESP in ESP, the inner one with an integrity value too. `tcpdump` has the pings inside number
/// 1280, 1536, … (its byte order aside) under identifier 28416.
#[test]
fn nested_tunnels_of_freeswan() {
    for (file, encapsulated) in [
        ("08-sunrise-sunset-esp2.pcap", false),
        ("espudp1.pcap", true),
    ] {
        let Some(path) = shared(&format!("captures/esp/{file}")) else {
            return;
        };
        let packets = esp_packets(&path);
        assert_eq!(packets.len(), 8);
        for captured in packets {
            if encapsulated {
                // Under another key than that file's, as `tcpdump` shows: it makes no sense of it.
                let opener = Opener::new(triple_des(), &keys(SUNRISE_FIRST, &[0; 20])).unwrap();
                let refused = opener.open(&mut captured.packet.clone());
                assert_eq!(refused, Err(OpenError::Integrity));
                continue;
            }
            let mut outer = captured.packet.clone();
            let len = outer.len() - 12;
            let body = decrypted(Cipher::TripleDesCbc, SUNRISE_FIRST, &mut outer[..len]);
            let (len, next_header) = read_trailer(body).unwrap();
            assert_eq!(next_header, 4);
            let inner = body[20..len].to_vec();
            let inner = Captured {
                frame: captured.frame,
                destination: captured.destination,
                spi: crate::peek(&inner).unwrap().0,
                packet: inner,
            };
            assert_eq!(inner.spi, 0xabcd_abcd);
            let got = decode(&inner, triple_des(), SUNRISE_SECOND, Some((&[], 12)));
            assert_eq!(got.echo, (28416, 1024 + 256 * captured.frame as u16));
        }
    }
}

#[test]
fn gcm_of_the_linux_kernel() {
    let Some(path) = shared("captures/esp/linux-esp-transport-gcm.pcap") else {
        return;
    };
    let expected = decoded("captures/esp/linux-esp-transport-gcm.pcap.decrypted.txt");
    let suite = Suite::new(Cipher::AesGcm128, None);
    let material = |spi| match spi {
        257 => "9876543210987654321098765432109876543210",
        _ => "0123456789012345678901234567890123456789",
    };
    let packets = esp_packets(&path);
    assert_eq!(packets.len(), 2);
    for captured in packets {
        let key = hex::decode(material(captured.spi)).unwrap();
        let got = decode(&captured, suite, &key, Some((&[], 0)));
        assert_eq!(Some(&got), expected.get(&captured.frame));
        refuses_damage(&captured, suite, &key, &[]);
    }
}

#[test]
fn packets_under_unknown_keys_do_not_open() {
    let files = [
        "networklessons-esp-tunnel.pcap",
        "l2tp-ipsec-natt-live-cut.pcap",
        "esp_truncated.pcap",
    ];
    let mut count = 0;
    for file in files {
        let Some(path) = shared(&format!("captures/esp/{file}")) else {
            return;
        };
        for captured in esp_packets(&path) {
            for suite in Suite::all() {
                let opener = Opener::new(suite, &some_keys(suite, 1)).unwrap();
                let refused = opener.open(&mut captured.packet.clone()).unwrap_err();
                assert_ne!(refused, OpenError::Padding, "{file}");
            }
            count += 1;
        }
    }
    assert!(count >= 70, "{count}");
}

#[test]
fn fuzz_seeds_do_no_harm() {
    let Some(folder) = shared("fuzz-seeds/esp") else {
        return;
    };
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(entry.unwrap().path()).unwrap();
        for suite in Suite::all() {
            let opener = Opener::new(suite, &some_keys(suite, 1)).unwrap();
            for len in 0..=seed.len() {
                assert!(opener.open(&mut seed[..len].to_vec()).is_err());
            }
        }
        count += 1;
    }
    assert_eq!(count, 42);
}
