use std::time::Duration;

use proptest::prelude::*;
use wire::{Carrier, Instant, Path};

use super::*;
use crate::SaId;
use crate::codec::{Chain, Cookie, Trailing};
use crate::config::Limits;

fn at(seconds: u64) -> Instant {
    Instant::from_boot(Duration::from_secs(seconds))
}

fn path(carrier: Carrier) -> Path {
    let port = if carrier == Carrier::NatT { 4500 } else { 500 };
    Path {
        local: ([192, 0, 2, 1], port).into(),
        remote: ([198, 51, 100, 9], port).into(),
        carrier,
    }
}

/// A message with a header, of so many bytes in all.
fn message(len: usize, seed: u8) -> Vec<u8> {
    let header = Header {
        initiator: Cookie([1; 8]),
        responder: Cookie([2; 8]),
        next: PayloadType::HASH,
        version: Header::VERSION_1_0,
        exchange: ExchangeType::QUICK_MODE,
        flags: Flags::ENCRYPTION,
        message_id: MessageId(7),
    };
    let body: Vec<u8> = (0..len - Header::LEN)
        .map(|place| (place / 251) as u8 ^ (place as u8).wrapping_mul(31) ^ seed)
        .collect();
    header.emit(&body)
}

/// What is in an ISAKMP message that is a fragment.
fn parse(datagram: &[u8]) -> (Header, Fragment) {
    let (header, body) = Header::parse(datagram).unwrap();
    let chain = Chain::parse(header.next, body, Trailing::Nothing).unwrap();
    let payload = chain.first(PayloadType::FRAGMENT).unwrap();
    (header, Fragment::parse(payload.body).unwrap())
}

fn piece(id: u16, number: u8, last: bool, data: &[u8]) -> Fragment {
    Fragment {
        id,
        number,
        flags: if last { Fragment::LAST } else { 0 },
        data: data.to_vec(),
    }
}

/// A reassembly with its limits and counters.
#[derive(Default)]
struct Bench {
    all: Reassembly,
    limits: Limits,
    counters: FragmentCounters,
}

impl Bench {
    fn add(&mut self, now: Instant, origin: Origin, fragment: Fragment) -> Option<Vec<u8>> {
        let (limits, counters) = (&self.limits, &mut self.counters);
        self.all.add(now, origin, fragment, 8192, limits, counters)
    }
}

const SA: Origin = Origin::Sa(SaId(1));

fn stranger(number: u32, port: u16) -> Origin {
    let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number);
    Origin::Stranger((address, port).into(), Cookie([3; 8]))
}

#[test]
fn packets_keep_to_the_size_and_hold_the_message() {
    let overhead = |carrier| if carrier == Carrier::NatT { 32 } else { 28 };
    for (carrier, size, len, pieces) in [
        (Carrier::Ike, 1280, 1252, None),
        (Carrier::Ike, 1280, 1253, Some(2)),
        (Carrier::NatT, 1280, 1248, None),
        (Carrier::NatT, 1280, 1249, Some(2)),
        (Carrier::NatT, 1280, 1212 * 2, Some(2)),
        (Carrier::NatT, 1280, 1212 * 2 + 1, Some(3)),
        (Carrier::Ike, 576, 512 * 16, Some(16)),
        // More than the peers of today take.
        (Carrier::Ike, 576, 512 * 16 + 1, None),
        (Carrier::Ike, 0, 9000, None),
        (Carrier::Ike, 64, 9000, None),
    ] {
        let message = message(len, 5);
        let split = split(&message, path(carrier), size);
        assert_eq!(split.as_ref().map(Vec::len), pieces, "{size} {len}");
        let mut whole = Vec::new();
        for (number, datagram) in (1..).zip(split.iter().flatten()) {
            assert!(datagram.len() + overhead(carrier) <= usize::from(size));
            let (header, fragment) = parse(datagram);
            assert_eq!(header.exchange, ExchangeType::MAIN_MODE);
            assert_eq!(
                (header.message_id, header.flags),
                (MessageId(0), Flags::NONE)
            );
            assert_eq!((header.initiator.0, header.responder.0), ([1; 8], [2; 8]));
            assert_eq!(usize::from(fragment.number), number);
            assert_eq!(fragment.is_last(), Some(number) == pieces);
            whole.extend(fragment.data);
        }
        assert!(pieces.is_none() || whole == message);
    }
}

/// As the reference describes it: generic header, id, number, flags.
#[test]
fn a_fragment_is_these_bytes() {
    let message = message(1300, 0);
    let split = split(&message, path(Carrier::Ike), 1280).unwrap();
    let id = number_of(&message).to_be_bytes();
    let head = |datagram: &[u8]| datagram[16..36].to_vec();
    let rest = 1300 - 1216 + 36_u8 as usize;
    assert_eq!(
        head(&split[0]),
        [
            &[132, 0x10, 2, 0, 0, 0, 0, 0, 0, 0, 0x04, 0xe4][..],
            &[0, 0, 0x04, 0xc8],
            &id,
            &[1, 0],
        ]
        .concat()
    );
    assert_eq!(
        head(&split[1]),
        [
            &[132, 0x10, 2, 0, 0, 0, 0, 0, 0, 0, 0, rest as u8][..],
            &[0, 0, 0, rest as u8 - 28],
            &id,
            &[2, 1],
        ]
        .concat()
    );
}

proptest! {
    /// Any order, any repetitions: the message comes out once everything has been there, and is
    /// what it was.
    #[test]
    fn any_order_yields_the_message(
        len in 300_usize..8000,
        size in 576_u16..1500,
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let message = message(len, 9);
        let Some(split) = split(&message, path(Carrier::NatT), size) else {
            return Ok(());
        };
        let mut order: Vec<usize> = order.iter().map(|index| index.index(split.len())).collect();
        order.extend((0..split.len()).rev());
        let mut bench = Bench::default();
        let mut missing: std::collections::BTreeSet<usize> = (0..split.len()).collect();
        for place in order {
            let (_, fragment) = parse(&split[place]);
            let whole = bench.add(at(1), SA, fragment);
            missing.remove(&place);
            prop_assert_eq!(whole.is_some(), missing.is_empty());
            if let Some(whole) = whole {
                prop_assert_eq!(whole, message);
                prop_assert_eq!(bench.all.held(), (0, 0));
                return Ok(());
            }
        }
        prop_assert!(false, "it never came together");
    }

    /// Whatever comes, what is held stays within its bounds.
    #[test]
    fn nothing_grows(
        fragments in prop::collection::vec(
            (0_u32..40, any::<bool>(), 0_u16..3, 1_u8..25, any::<bool>(), 1_usize..1500, 0_u64..2),
            1..400,
        ),
    ) {
        let mut bench = Bench::default();
        bench.limits.fragment_bytes = 20_000;
        bench.limits.fragmented_per_source = 2;
        let mut now = 0;
        for (who, known, id, number, last, len, wait) in fragments {
            now += wait;
            let origin = if known {
                Origin::Sa(SaId(who.into()))
            } else {
                stranger(who / 8, u16::try_from(who).unwrap())
            };
            bench.add(at(now), origin, piece(id, number, last, &vec![id as u8; len]));
            bench.all.expire(at(now), &mut bench.counters);
            let (held, _) = bench.all.held();
            prop_assert!(held <= 20_000, "{}", held);
            let deadline = bench.all.next_deadline();
            prop_assert!(deadline.is_none_or(|at_last| at_last > at(now)));
        }
    }
}

#[test]
fn a_flood_of_beginnings_leaves_those_alone_who_know_our_cookie() {
    let mut bench = Bench::default();
    bench.add(at(1), SA, piece(1, 1, false, &[1; 1200]));
    for number in 0..100_000 {
        bench.add(at(1), stranger(number, 500), piece(1, 1, false, &[7; 1200]));
    }
    let (held, messages) = bench.all.held();
    assert!(
        held <= 4 << 20 && held > 3 << 20 && messages > 2000,
        "{held} {messages}"
    );
    assert_eq!(bench.counters.evicted, 100_001 - messages as u64);
    assert!(bench.add(at(2), SA, piece(1, 2, true, &[2; 10])).is_some());
}

#[test]
fn one_source_has_few_beginnings() {
    let mut bench = Bench::default();
    for port in 1..1000 {
        bench.add(at(1), stranger(5, port), piece(1, 1, false, &[1; 10]));
    }
    assert_eq!(bench.all.held().1, 8);
    // The newest are there.
    assert!(
        bench
            .add(at(1), stranger(5, 999), piece(1, 2, true, &[1]))
            .is_some()
    );
    assert!(
        bench
            .add(at(1), stranger(5, 1), piece(1, 2, true, &[1]))
            .is_none()
    );
}

/// Some number all their messages alike, so that what is left of one must not spoil the next.
#[test]
fn another_message_takes_the_place_of_an_unfinished_one() {
    for (name, left, other) in [
        (
            "another id",
            piece(1, 1, false, b"old"),
            piece(2, 1, false, b"new"),
        ),
        (
            "other bytes",
            piece(1, 1, false, b"old"),
            piece(1, 1, false, b"new"),
        ),
        (
            "beyond the last",
            piece(1, 1, true, b"old"),
            piece(1, 1, false, b"new"),
        ),
        (
            "last before others",
            piece(1, 3, false, b"old"),
            piece(1, 2, true, b"end"),
        ),
    ] {
        let mut bench = Bench::default();
        if left.is_last() {
            // Alone it would be a message.
            let left = Fragment { number: 4, ..left };
            bench.add(at(1), SA, left);
            bench.add(at(1), SA, piece(1, 5, false, b"new"));
        } else {
            bench.add(at(1), SA, left);
            bench.add(at(1), SA, other);
        }
        assert_eq!(bench.counters.replaced, 1, "{name}");
        assert_eq!(bench.all.held().1, 1, "{name}");
    }
    let mut bench = Bench::default();
    bench.add(at(1), SA, piece(1, 1, false, b"old"));
    bench.add(at(1), SA, piece(1, 1, false, b"new"));
    let whole = bench.add(at(1), SA, piece(1, 2, true, b"er"));
    assert_eq!(whole.as_deref(), Some(&b"newer"[..]));
}

#[test]
fn what_is_too_much_is_dropped_and_counted() {
    let mut bench = Bench::default();
    bench.add(at(1), SA, piece(1, 21, true, &[0]));
    assert_eq!((bench.counters.too_many, bench.all.held()), (1, (0, 0)));
    for number in 1..=8 {
        bench.add(at(1), SA, piece(1, number, false, &[number; 1024]));
    }
    assert_eq!(bench.all.held().1, 1);
    bench.add(at(1), SA, piece(1, 9, false, &[0]));
    assert_eq!((bench.counters.too_long, bench.all.held()), (1, (0, 0)));
}

#[test]
fn the_rest_must_come_within_half_a_minute_of_the_first() {
    let mut bench = Bench::default();
    bench.add(at(1), SA, piece(1, 1, false, b"a"));
    bench.add(at(20), SA, piece(1, 2, false, b"b"));
    assert_eq!(bench.all.next_deadline(), Some(at(31)));
    bench.all.expire(at(30), &mut bench.counters);
    assert_eq!(bench.all.held().1, 1);
    bench.all.expire(at(31), &mut bench.counters);
    assert_eq!((bench.counters.expired, bench.all.held()), (1, (0, 0)));
    assert_eq!(bench.all.next_deadline(), None);
}
