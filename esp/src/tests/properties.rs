//! What holds for every suite and every payload.

use aes_gcm::AesGcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes192;
use cipher::array::Array;
use cipher::consts::{U12, U16};
use cipher::{BlockModeEncrypt, InnerIvInit};
use proptest::prelude::*;

use super::*;
use crate::cipher::{CbcDecrypt, CbcEncrypt};
use crate::{
    BATCH, Incoming, MAX_HEADROOM, MAX_TAILROOM, OpenError, Opener, SealError, Sealer, SideBySide,
    Unsealed,
};

fn suites() -> impl Strategy<Value = Suite> {
    proptest::sample::select(Suite::all().collect::<Vec<_>>())
}

fn sealed(suite: Suite, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let sealer = Sealer::new(suite, 0x8000_0001, &some_keys(suite, 1)).unwrap();
    let mut buffer = vec![0xa5; MAX_HEADROOM + payload.len() + MAX_TAILROOM];
    let place = MAX_HEADROOM..MAX_HEADROOM + payload.len();
    buffer[place.clone()].copy_from_slice(payload);
    let range = sealer.seal(sequence, 17, &mut buffer, place).unwrap();
    // Nothing outside the packet is touched.
    assert!(
        buffer[..range.start]
            .iter()
            .chain(&buffer[range.end..])
            .all(|b| *b == 0xa5)
    );
    buffer[range].to_vec()
}

/// That another library opens what is sealed with AES-GCM, put together as RFC 4106 says.
fn opens_elsewhere<C>(suite: Suite, sequence: u32, payload: &[u8])
where
    C: KeyInit + AeadInOut<NonceSize = U12, TagSize = U16>,
{
    let mut packet = sealed(suite, sequence, payload);
    let material = some_keys(suite, 1).encryption;
    let (key, salt) = material.expose().split_last_chunk::<4>().unwrap();
    let (aad, rest) = packet.split_at_mut(8);
    let (iv, rest) = rest.split_at_mut(8);
    let (body, tag) = rest.split_last_chunk_mut::<16>().unwrap();
    let nonce = [&salt[..], iv].concat();
    C::new_from_slice(key)
        .unwrap()
        .decrypt_inout_detached(
            nonce.as_slice().try_into().unwrap(),
            aad,
            body.into(),
            (&*tag).into(),
        )
        .unwrap();
    assert_eq!(&body[..payload.len()], payload);
}

#[test]
fn all_sizes_of_all_suites_come_back() {
    for suite in Suite::all() {
        let opener = Opener::new(suite, &some_keys(suite, 1)).unwrap();
        for len in (0..=1500).step_by(if cfg!(debug_assertions) { 7 } else { 1 }) {
            let payload: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let mut packet = sealed(suite, 1, &payload);
            assert_eq!(packet.len(), suite.sealed_len(len));
            let opened = opener.open(&mut packet).unwrap();
            assert_eq!(packet[opened.payload], payload, "{suite} {len}");
        }
    }
}

/// Packets of whole blocks: at most as many as are worked on side by side.
fn packets() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let packet =
        (1_usize..100).prop_flat_map(|blocks| proptest::collection::vec(any::<u8>(), blocks * 16));
    proptest::collection::vec(packet, 1..=BATCH)
}

fn slices(packets: &mut [Vec<u8>]) -> Vec<&mut [u8]> {
    packets.iter_mut().map(Vec::as_mut_slice).collect()
}

/// CBC of the library: one packet after another, chained to nothing.
fn chained<C: cipher::BlockCipherEncrypt + KeyInit>(key: &[u8], packets: &mut [Vec<u8>]) {
    let keyed = C::new_from_slice(key).unwrap();
    for packet in packets {
        let (blocks, _) = Array::slice_as_chunks_mut(packet);
        cbc::Encryptor::inner_iv_init(&keyed, &Array::default()).encrypt_blocks(blocks);
    }
}

proptest! {
    #[test]
    fn cbc_of_many_packets_is_that_of_each(
        packets in packets(), key: [u8; 32], cipher in proptest::sample::select(vec![
            Cipher::AesCbc128, Cipher::AesCbc192, Cipher::AesCbc256]),
    ) {
        let key = &key[..cipher.key_len()];
        let mut expected = packets.clone();
        match cipher {
            Cipher::AesCbc128 => chained::<aes::Aes128>(key, &mut expected),
            Cipher::AesCbc192 => chained::<Aes192>(key, &mut expected),
            _ => chained::<aes::Aes256>(key, &mut expected),
        }
        for sending in [CbcEncrypt::new, CbcEncrypt::portable] {
            let mut sealed = packets.clone();
            sending(cipher, key).unwrap().encrypt(&mut slices(&mut sealed)).unwrap();
            prop_assert_eq!(&sealed, &expected);
        }
        for receiving in [CbcDecrypt::new, CbcDecrypt::portable] {
            let mut opened = expected.clone();
            receiving(cipher, key).unwrap().decrypt(&mut slices(&mut opened)).unwrap();
            for ((opened, packet), expected) in opened.iter().zip(&packets).zip(&expected) {
                prop_assert_eq!(&opened[..16], &expected[..16], "the vector stays");
                prop_assert_eq!(&opened[16..], &packet[16..]);
            }
        }
    }

    #[test]
    fn what_is_sealed_opens(
        suite in suites(), sequence in 1_u32.., payload in proptest::collection::vec(any::<u8>(), 0..1500),
    ) {
        let mut packet = sealed(suite, sequence, &payload);
        let opener = Opener::new(suite, &some_keys(suite, 1)).unwrap();
        let opened = opener.open(&mut packet).unwrap();
        prop_assert_eq!((opened.sequence, opened.next_header), (sequence, 17));
        prop_assert_eq!(&packet[opened.payload], payload);
    }

    #[test]
    fn no_flipped_bit_passes(
        suite in suites(), payload in proptest::collection::vec(any::<u8>(), 0..300),
        place: proptest::sample::Index, bit in 0..8_u32,
    ) {
        let mut packet = sealed(suite, 9, &payload);
        let at = place.index(packet.len());
        packet[at] ^= 1 << bit;
        let mut after = packet.clone();
        if suite.cipher.is_aead() {
            let end = after.len() - suite.icv_len();
            after[suite.header_len()..end].fill(0);
        }
        let opener = Opener::new(suite, &some_keys(suite, 1)).unwrap();
        prop_assert_eq!(opener.open(&mut packet), Err(OpenError::Integrity));
        prop_assert_eq!(packet, after, "as it was, or wiped");
    }

    #[test]
    fn aes_gcm_is_that_of_another_library(
        sequence in 1_u32.., payload in proptest::collection::vec(any::<u8>(), 0..1500),
    ) {
        let gcm = |cipher| Suite::new(cipher, None);
        opens_elsewhere::<aes_gcm::Aes128Gcm>(gcm(Cipher::AesGcm128), sequence, &payload);
        opens_elsewhere::<AesGcm<Aes192, U12>>(gcm(Cipher::AesGcm192), sequence, &payload);
        opens_elsewhere::<aes_gcm::Aes256Gcm>(gcm(Cipher::AesGcm256), sequence, &payload);
    }

    #[test]
    fn other_keys_do_not_open(suite in suites(), seed in 2_u8..) {
        let mut packet = sealed(suite, 9, b"payload");
        let opener = Opener::new(suite, &some_keys(suite, seed)).unwrap();
        prop_assert_eq!(opener.open(&mut packet), Err(OpenError::Integrity));
    }

    #[test]
    fn cut_packets_do_not_open(suite in suites(), keep: proptest::sample::Index) {
        let mut packet = sealed(suite, 9, &[7; 60]);
        let len = keep.index(packet.len());
        let opener = Opener::new(suite, &some_keys(suite, 1)).unwrap();
        prop_assert!(opener.open(&mut packet[..len]).is_err());
    }

    #[test]
    fn random_bytes_do_not_open(
        suite in suites(), mut packet in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let opener = Opener::new(suite, &some_keys(suite, 1)).unwrap();
        prop_assert!(opener.open(&mut packet).is_err());
    }

    /// Batches of all sizes, of packets of one length and of mixed ones, from whatever number on
    /// they go side by side.
    #[test]
    fn a_batch_is_what_its_packets_are(
        suite in suites(), first in 1_u32..1_000_000,
        lengths in prop_oneof![
            (0_usize..1500, 1_usize..70).prop_map(|(len, count)| vec![len; count]),
            proptest::collection::vec(0_usize..1500, 0..40),
        ],
        damaged: proptest::sample::Index, from in (2_usize..=17).prop_map(SideBySide::from),
    ) {
        let payloads: Vec<Vec<u8>> = lengths
            .iter()
            .enumerate()
            .map(|(number, len)| (0..*len).map(|n| (n * 7 + number) as u8).collect())
            .collect();
        let expected: Vec<Vec<u8>> = payloads
            .iter()
            .zip(first..)
            .map(|(payload, sequence)| sealed(suite, sequence, payload))
            .collect();

        let mut rooms: Vec<Vec<u8>> = payloads
            .iter()
            .map(|payload| {
                let mut room = vec![0xa5; suite.sealed_len(payload.len())];
                let start = suite.header_len();
                room[start..start + payload.len()].copy_from_slice(payload);
                room
            })
            .collect();
        let mut batch: Vec<_> = rooms
            .iter_mut()
            .zip(&payloads)
            .map(|(room, payload)| Unsealed { room, payload: payload.len() })
            .collect();
        let sealer = Sealer::new(suite, 0x8000_0001, &some_keys(suite, 1)).unwrap();
        let sealer = sealer.side_by_side(from);
        sealer.seal_batch(first, 17, &mut batch).unwrap();
        prop_assert_eq!(&rooms, &expected);

        // One of them is not as it was sent; the others open all the same.
        let damaged = (!rooms.is_empty()).then(|| damaged.index(rooms.len()));
        if let Some(damaged) = damaged {
            rooms[damaged][9] ^= 1;
        }
        let opener = Opener::new(suite, &some_keys(suite, 1)).unwrap().side_by_side(from);
        let mut batch: Vec<_> = rooms.iter_mut().map(|room| Incoming::new(room)).collect();
        opener.open_batch(&mut batch);
        for (number, ((incoming, payload), sequence)) in
            batch.iter().zip(&payloads).zip(first..).enumerate()
        {
            if Some(number) == damaged {
                prop_assert_eq!(&incoming.outcome, &Err(OpenError::Integrity));
                continue;
            }
            let opened = incoming.outcome.as_ref().unwrap();
            prop_assert_eq!((opened.sequence, opened.next_header), (sequence, 17));
            prop_assert_eq!(&incoming.packet[opened.payload.clone()], payload);
        }
    }
}

#[test]
fn a_batch_that_cannot_be_is_refused_as_a_whole() {
    let suite = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha1_96));
    let sealer = Sealer::new(suite, 256, &some_keys(suite, 1)).unwrap();
    let seal = |first, lengths: [usize; 2]| {
        let mut rooms = lengths.map(|len| vec![0xa5; len]);
        let before = rooms.clone();
        let [a, b] = &mut rooms;
        let mut batch = [a, b].map(|room| Unsealed { room, payload: 10 });
        let outcome = sealer.seal_batch(first, 17, &mut batch);
        assert_eq!(outcome.is_err(), rooms == before, "all or nothing");
        outcome
    };
    let len = suite.sealed_len(10);
    assert_eq!(seal(1, [len, len + 1]), Err(SealError::Payload));
    assert_eq!(seal(1, [0, len]), Err(SealError::Payload));
    assert_eq!(seal(0, [len, len]), Err(SealError::Sequence));
    assert_eq!(seal(u32::MAX, [len, len]), Err(SealError::Sequence));
    assert_eq!(seal(u32::MAX - 1, [len, len]), Ok(()));
}

#[test]
fn runts_in_a_batch_do_not_open() {
    for suite in Suite::all() {
        let mut packets: Vec<Vec<u8>> = (0..40).map(|len| vec![7; len]).collect();
        let mut batch: Vec<_> = packets.iter_mut().map(|p| Incoming::new(p)).collect();
        let opener = Opener::new(suite, &some_keys(suite, 1)).unwrap();
        opener.open_batch(&mut batch);
        assert!(batch.iter().all(|incoming| incoming.outcome.is_err()));
    }
}
