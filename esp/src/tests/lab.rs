//! Whole sessions of strongSwan and libreswan clients, whose keys are all known: every ESP packet
//! on the wire opens, and inside is what the host saw after its own decryption.

use super::*;
use crate::{Opener, ReplayWindow};

/// The IP packets of a capture of link type NFLOG: attributes (length, type, in host order),
/// one of which is the packet.
fn nflog_packets(path: &Path) -> Vec<Vec<u8>> {
    const PAYLOAD: u16 = 9;
    let packet = |frame: Vec<u8>| {
        let mut rest = &frame[4..];
        loop {
            let (head, _) = rest.split_first_chunk::<4>()?;
            let len = usize::from(u16::from_le_bytes([head[0], head[1]]));
            if u16::from_le_bytes([head[2], head[3]]) == PAYLOAD {
                return Some(rest[4..len].to_vec());
            }
            rest = rest.get(len.next_multiple_of(4)..)?;
        }
    };
    frames(path).into_iter().filter_map(packet).collect()
}

/// A UDP packet without its checksum: behind a NAT the kernel changes that on the way up.
fn without_checksum(mut udp: Vec<u8>) -> Vec<u8> {
    udp[6..8].fill(0);
    udp
}

#[test]
fn every_packet_of_the_recorded_sessions() {
    let folders = [
        "strongswan-nonat",
        "strongswan-nat",
        "strongswan-nonat-chapmd5",
        "libreswan-nonat",
        "libreswan-nat",
    ];
    for folder in folders {
        let Some(file) = json(&format!("adit-lab/{folder}/keys.json")) else {
            return;
        };
        let suite = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha1_96));
        let mut associations: Vec<(u32, Opener, ReplayWindow)> = file["esp"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sa| {
                assert_eq!(
                    (&sa["enc"], &sa["auth"]),
                    (&"cbc(aes)".into(), &"hmac(sha1)".into())
                );
                let spi = sa["spi"].as_str().unwrap().trim_start_matches("0x");
                let keys = keys(&bytes(sa, "enc_key"), &bytes(sa, "auth_key"));
                let opener = Opener::new(suite, &keys).unwrap();
                (
                    u32::from_str_radix(spi, 16).unwrap(),
                    opener,
                    ReplayWindow::new(),
                )
            })
            .collect();
        assert_eq!(associations.len(), 2);

        let path = |name| shared(&format!("adit-lab/{folder}/{name}")).unwrap();
        let mut outside = Vec::new();
        for captured in esp_packets(&path("outside.pcap")) {
            let (_, opener, window) = associations
                .iter_mut()
                .find(|(spi, ..)| *spi == captured.spi)
                .unwrap();
            let mut packet = captured.packet;
            let opened = opener.open(&mut packet).unwrap();
            window.accept(opened.sequence.into()).unwrap();
            assert_eq!(opened.next_header, 17);
            outside.push(without_checksum(packet[opened.payload].to_vec()));
        }
        let mut inside: Vec<Vec<u8>> = nflog_packets(&path("inside.pcap"))
            .into_iter()
            .map(|packet| without_checksum(packet[usize::from(packet[0] & 15) * 4..].to_vec()))
            .collect();
        outside.sort();
        inside.sort();
        assert!(outside.len() > 20, "{folder}: {}", outside.len());
        assert_eq!(outside, inside, "{folder}");
    }
}
