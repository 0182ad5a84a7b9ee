//! What holds for every suite and every payload.

use proptest::prelude::*;

use super::*;
use crate::{MAX_HEADROOM, MAX_TAILROOM, OpenError, Opener, Sealer};

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

proptest! {
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
        let before = packet.clone();
        let opener = Opener::new(suite, &some_keys(suite, 1)).unwrap();
        prop_assert_eq!(opener.open(&mut packet), Err(OpenError::Integrity));
        prop_assert_eq!(packet, before, "nothing is decrypted");
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
}
