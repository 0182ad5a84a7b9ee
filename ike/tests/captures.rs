//! Captures of other implementations: what is in clear is read down to the last attribute and
//! written again, what has a known key is decrypted and compared with an independent decode, and
//! what was made to break parsers is an error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use std::collections::BTreeMap;

use ike::codec::{
    Chain, ExchangeType, Fragment, Header, Identification, PayloadType, Trailing, Vendor, VendorId,
};
use ike::crypto::{Cipher, HashAlgorithm, Iv};
use support::{Datagram, agreed, messages, read_and_write, read_and_write_message, shared};

/// Captures of implementations at work.
const SOUND: [&str; 14] = [
    "ikev1-aggressive-mode.pcap",
    "ikev1-certs.pcap",
    "ikev1-duplicate-proposals.pcap",
    "ikev1-main-mode.pcap",
    // Its identification once broke another parser, and is sound.
    "isakmp-identification-segfault.pcap",
    "isakmp4500.pcap",
    "joy-ikev1.pcap",
    "ncp-client-main-mode-natt-fragments-xauth.pcap",
    "openswan-parent-aes-main.pcap",
    "openswan-v1rwnat-main-quick.pcap",
    "openswan-xf79-childQR1.pcap",
    "pluto-01-isakmp-broadcast.pcap",
    "pluto-01-isakmp-vid-first.pcap",
    "zeek-ipsec.cap",
];

/// Captures that were made to break parsers.
const MALFORMED: [&str; 7] = [
    "ikev1-payload-bad-length.pcap",
    "isakmp-delete-segfault.pcap",
    "isakmp-pointer-loop.pcap",
    "isakmp-3948-oobr-2.pcap",
    "isakmp-rfc3948-oobr.pcap",
    "isakmpv1-attr-oobr.pcap",
    "isakmp-no-none-np.pcapng",
];

fn capture(name: &str) -> Option<Vec<Datagram>> {
    Some(messages(&shared(&format!("captures/ike/{name}"))?))
}

#[test]
fn sound_messages_are_written_again_byte_for_byte() {
    let mut counts = BTreeMap::new();
    for name in SOUND {
        let Some(messages) = capture(name) else {
            return;
        };
        let of_ikev1 = |datagram: &Datagram| {
            Header::parse(&datagram.payload).unwrap().0.version == Header::VERSION_1_0
        };
        let mut counted = (0, 0);
        for datagram in messages.iter().filter(|datagram| of_ikev1(datagram)) {
            let header = Header::parse(&datagram.payload).unwrap().0;
            let written = read_and_write_message(&datagram.payload)
                .unwrap_or_else(|error| panic!("{name} frame {}: {error}", datagram.frame));
            // One sender adds bytes after the message's end.
            let length = written.len();
            let (written, came) = (
                hex::encode(written),
                hex::encode(&datagram.payload[..length]),
            );
            assert_eq!(written, came, "{name} frame {}", datagram.frame);
            assert!(
                datagram.payload.len() - length <= 16,
                "{name} frame {}",
                datagram.frame
            );
            match header.is_encrypted() {
                true => counted.1 += 1,
                false => counted.0 += 1,
            }
        }
        counts.insert(name, counted);
    }
    // Per capture: messages in clear, encrypted messages.
    insta::assert_debug_snapshot!(counts);
}

#[test]
fn malformed_messages_are_errors() {
    let mut errors = Vec::new();
    for name in MALFORMED {
        let Some(messages) = capture(name) else {
            return;
        };
        for datagram in messages {
            let Err(error) = read_and_write_message(&datagram.payload) else {
                panic!("{name} frame {} is sound", datagram.frame);
            };
            errors.push(format!("{name} frame {}: {error}", datagram.frame));
        }
    }
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn messages_of_ikev2_show_their_version() {
    let mut count = 0;
    for name in ["ikev2four.pcap", "isakmp-ikev1_n_print-oobr.pcap"] {
        let Some(messages) = capture(name) else {
            return;
        };
        for datagram in messages {
            let Ok((header, _)) = Header::parse(&datagram.payload) else {
                continue;
            };
            assert_eq!(header.version >> 4, 2, "{name} frame {}", datagram.frame);
            count += 1;
        }
    }
    assert!(count >= 21);
}

#[test]
fn seeds_never_panic() {
    let Some(folder) = shared("fuzz-seeds/isakmp") else {
        return;
    };
    let mut count = (0, 0);
    for file in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(file.unwrap().path()).unwrap();
        match read_and_write_message(&seed) {
            Ok(_) => count.0 += 1,
            Err(_) => count.1 += 1,
        }
        // Every way to cut it short, and every payload type in front of it.
        for length in 0..seed.len() {
            let _ = read_and_write_message(&seed[..length]);
        }
        for kind in 0..=u8::MAX {
            for trailing in [Trailing::Nothing, Trailing::Padding] {
                let Ok(chain) = Chain::parse(PayloadType(kind), &seed, trailing) else {
                    continue;
                };
                chain
                    .iter()
                    .for_each(|payload| drop(read_and_write(&payload)));
            }
        }
    }
    assert!(count.0 > 50 && count.1 > 10, "{count:?}");
}

/// Kinds and lengths of the payloads of one frame, and the hashes among them, as tshark shows
/// them.
fn decoded_by_tshark(text: &str, frame: usize) -> (Vec<(u8, usize)>, Vec<String>) {
    let start = text.find(&format!("Frame {frame}:")).unwrap();
    let text = &text[start..];
    let end = text.find("\nFrame ").unwrap_or(text.len());
    let mut payloads: Vec<(u8, usize)> = Vec::new();
    let mut hashes = Vec::new();
    for line in text[..end].lines().map(str::trim) {
        if let Some(kind) = line.strip_prefix("Payload: ") {
            let (_, number) = kind.split_once('(').unwrap();
            let (number, _) = number.split_once(')').unwrap();
            payloads.push((number.parse().unwrap(), 0));
        } else if let Some(length) = line.strip_prefix("Payload length: ") {
            payloads.last_mut().unwrap().1 = length.parse().unwrap();
        } else if let Some(hash) = line.strip_prefix("Hash DATA: ") {
            hashes.push(hash.to_owned());
        }
    }
    // Proposals and transforms lie inside the SA.
    payloads.retain(|(kind, _)| !matches!(kind, 2 | 3));
    (payloads, hashes)
}

#[test]
fn certificates_capture_decrypts_as_tshark_says() {
    let Some(messages) = capture("ikev1-certs.pcap") else {
        return;
    };
    let decode = shared("captures/ike/ikev1-certs.pcap.decrypted-V.txt").unwrap();
    let decode = std::fs::read_to_string(decode).unwrap();
    let (suite, transcript) = agreed(&messages);
    let mut iv = suite.first_iv(&transcript);
    let key = hex_literal::hex!("735be0cb62f82675c4f7bf8fbab9b56834ba76d6ab4fa240");
    let key = suite.cipher.key(&key).unwrap();
    let mut ids = Vec::new();
    let mut phase1_last = None;
    let mut quick = BTreeMap::new();
    // Frame 8 repeats frame 7, which the independent decoder took for the next message.
    for datagram in messages[4..].iter().filter(|datagram| datagram.frame != 8) {
        let (header, body) = Header::parse(&datagram.payload).unwrap();
        let mut data = body.to_vec();
        if header.exchange == ExchangeType::MAIN_MODE {
            iv = key.decrypt(&iv, &mut data).unwrap();
            phase1_last = Some(iv);
        } else {
            let last = phase1_last.unwrap();
            let first = suite.exchange_iv(&last, header.message_id);
            let exchange_iv = quick.entry(header.message_id.0).or_insert(first);
            *exchange_iv = key.decrypt(exchange_iv, &mut data).unwrap();
        }
        let chain = Chain::parse(header.next, &data, Trailing::Padding).unwrap();
        let (payloads, hashes) = decoded_by_tshark(&decode, datagram.frame);
        // Only messages of which tshark had the right IV can be compared.
        if datagram.frame < 8 || datagram.frame == 10 {
            let ours: Vec<_> = chain.iter().map(|p| (p.kind.0, p.whole.len())).collect();
            assert_eq!(ours, payloads, "frame {}", datagram.frame);
        }
        for (payload, expected) in chain.all(PayloadType::HASH).zip(&hashes) {
            assert_eq!(
                &hex::encode(payload.body),
                expected,
                "frame {}",
                datagram.frame
            );
        }
        for payload in chain.iter() {
            assert_eq!(read_and_write(&payload).unwrap(), payload.body);
        }
        for payload in chain.all(PayloadType::ID) {
            ids.push(format!(
                "{}: {}",
                datagram.frame,
                Identification::parse(payload.body).unwrap()
            ));
        }
    }
    insta::assert_debug_snapshot!(ids);
}

#[test]
fn openswan_capture_decrypts_with_its_own_iv_chain() {
    let Some(messages) = capture("openswan-v1rwnat-main-quick.pcap") else {
        return;
    };
    let (suite, ..) = agreed(&messages);
    assert_eq!(
        (suite.cipher, suite.hash),
        (Cipher::TripleDes, HashAlgorithm::Md5)
    );
    let key = hex_literal::hex!("564c62b352d93345564c62b352d933450ad1df324ea57d69");
    let key = suite.cipher.key(&key).unwrap();
    // Both sides of this recording are fixtures with one key pair, so that its first IV does not
    // follow from its packets.
    let mut iv = Iv::new(suite.cipher, &hex_literal::hex!("bcd589680c422ecd")).unwrap();
    let skeyid_a = hex_literal::hex!("f4c101c72118cf31d4682f68b9a29c07");
    for (place, kinds) in [(4, [5, 9]), (5, [5, 9])] {
        let (header, body) = Header::parse(&messages[place].payload).unwrap();
        let mut data = body.to_vec();
        iv = key.decrypt(&iv, &mut data).unwrap();
        let chain = Chain::parse(header.next, &data, Trailing::Padding).unwrap();
        assert_eq!(chain.iter().map(|p| p.kind.0).collect::<Vec<_>>(), kinds);
    }
    let (header, body) = Header::parse(&messages[6].payload).unwrap();
    let mut data = body.to_vec();
    key.decrypt(&suite.exchange_iv(&iv, header.message_id), &mut data)
        .unwrap();
    let chain = Chain::parse(header.next, &data, Trailing::Padding).unwrap();
    let hash = chain.first(PayloadType::HASH).unwrap();
    let id = header.message_id.0.to_be_bytes();
    let expected = suite.hash.prf(&skeyid_a, &[&id, chain.after(&hash)]);
    assert_eq!(expected.expose(), hash.body);
    let ids = chain
        .all(PayloadType::ID)
        .map(|p| Identification::parse(p.body).unwrap());
    assert_eq!(ids.count(), 2);
}

#[test]
fn openswan_capture_with_aes_decrypts() {
    let Some(messages) = capture("openswan-parent-aes-main.pcap") else {
        return;
    };
    let key = hex_literal::hex!("564c62b352d933450ad1df324ea57d69");
    let iv = hex_literal::hex!("bcd589680c422ecd1472aea397426741");
    let (header, body) = Header::parse(&messages[4].payload).unwrap();
    let key = Cipher::Aes128.key(&key).unwrap();
    let mut data = body.to_vec();
    key.decrypt(&Iv::new(Cipher::Aes128, &iv).unwrap(), &mut data)
        .unwrap();
    let chain = Chain::parse(header.next, &data, Trailing::Padding).unwrap();
    let id = Identification::parse(chain.first(PayloadType::ID).unwrap().body).unwrap();
    assert_eq!(id.to_string(), "berri.testing.xelerance.com");
}

#[test]
fn fragments_make_whole_messages() {
    let Some(messages) = capture("ncp-client-main-mode-natt-fragments-xauth.pcap") else {
        return;
    };
    let mut pieces: BTreeMap<_, BTreeMap<u8, Fragment>> = BTreeMap::new();
    for datagram in messages {
        let (header, body) = Header::parse(&datagram.payload).unwrap();
        if header.next != PayloadType::FRAGMENT {
            continue;
        }
        let chain = Chain::parse(header.next, body, Trailing::Nothing).unwrap();
        let fragment = Fragment::parse(chain.nth(0).unwrap().body).unwrap();
        let message = pieces.entry((datagram.source, fragment.id)).or_default();
        message.insert(fragment.number, fragment);
    }
    let mut wholes = 0;
    for (_, message) in pieces {
        let last = message.values().next_back().unwrap();
        assert!(last.is_last());
        assert_eq!(usize::from(last.number), message.len());
        let whole: Vec<u8> = message
            .into_values()
            .flat_map(|fragment| fragment.data)
            .collect();
        let (header, body) = Header::parse(&whole).unwrap();
        assert_eq!(header.exchange, ExchangeType::MAIN_MODE);
        assert_eq!(Header::LEN + body.len(), whole.len());
        wholes += 1;
    }
    // Messages 4, 5 and 6 of Main Mode.
    assert_eq!(wholes, 3);
}

/// Names of the collection of vendor ids for which our table must have a meaning of its own.
#[test]
fn vendor_ids_of_ike_scan() {
    let Some(path) = shared("vectors/ike-vendor-ids.txt") else {
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let mut known = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, pattern)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        // Patterns that are not plain digits stand for vendors that we do not tell apart.
        let digits = pattern.trim().trim_start_matches('^').trim_end_matches('$');
        let Ok(id) = hex::decode(digits) else {
            continue;
        };
        match VendorId::classify(&id) {
            Vendor::Unknown => {}
            vendor => known.push(format!("{name}: {vendor:?}")),
        }
    }
    insta::assert_snapshot!(known.join("\n"));
    for sent in [
        VendorId::rfc_3947(),
        VendorId::draft_03(),
        VendorId::draft_02(),
        VendorId::draft_02_newline(),
        VendorId::dead_peer_detection(),
        VendorId::fragmentation(),
    ] {
        assert_ne!(VendorId::classify(&sent.0), Vendor::Unknown);
        assert!(text.contains(&hex::encode(&sent.0)), "{sent:?}");
    }
}
