//! The reassembler of IKE fragments: what it puts together is what came, and what it holds stays in its
//! budget.

use std::collections::BTreeMap;
use std::time::Duration;

use ike::codec::Fragment;
use ike::fuzzing::Reassembler;

use super::ike_side::{LIMITS, start};
use crate::input::Input;

/// The most bytes that a message may have.
const LONGEST: usize = 1_000;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut now = start();
    let mut reassembler = Reassembler::default();
    // The piece of each number that came last, by who sent it.
    let mut pieces: BTreeMap<(u8, u8), (u16, Vec<u8>)> = BTreeMap::new();
    while !input.is_empty() {
        let (kind, number, flags) = (input.byte(), input.byte() % 24, input.byte());
        if kind >= 0xf0 {
            now = now + Duration::from_secs(u64::from(number));
            reassembler.expire(now);
            continue;
        }
        let origin = kind & 7;
        let fragment = Fragment {
            id: u16::from(kind >> 3 & 3),
            number: number.max(1),
            flags: flags & 1,
            // Many bytes from few.
            data: vec![input.byte(); usize::from(flags >> 1) * 4 + 1],
        };
        let place = (origin, fragment.number);
        pieces.insert(place, (fragment.id, fragment.data.clone()));
        let id = fragment.id;
        if let Some(whole) = reassembler.add(now, origin, fragment, LONGEST, &LIMITS) {
            assert!(whole.len() <= LONGEST);
            let mut rest = whole.as_slice();
            let mut number = 1;
            while !rest.is_empty() {
                let (of, data) = &pieces[&(origin, number)];
                assert_eq!(*of, id, "piece {number} is of another message");
                rest = rest
                    .strip_prefix(data.as_slice())
                    .expect("the bytes of a piece");
                number += 1;
            }
        }
        let (cost, count) = reassembler.held();
        assert!(
            cost <= LIMITS.fragment_bytes,
            "{cost} bytes in {count} messages"
        );
    }
    reassembler.expire(now + Duration::from_secs(60));
    assert_eq!(reassembler.held(), (0, 0));
}
