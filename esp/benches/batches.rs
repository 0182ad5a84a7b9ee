//! Batches against the same packets one by one, measured alternately in the same run: how many
//! times as fast the batch is, for batches of several sizes.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout
)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use esp::{Cipher, Incoming, Integrity, Keys, Opener, Sealer, Suite, Unsealed};

const PAYLOAD: usize = 1418;
/// A TCP burst of 64 KiB is 48 packets; 44 of them fit into one UDP message.
const SIZES: [usize; 6] = [1, 2, 4, 8, 16, 44];
const ROUNDS: usize = 40;

fn suites() -> [Suite; 4] {
    use Cipher::{AesCbc128, AesCbc256, AesGcm128};
    use Integrity::{HmacSha1_96, HmacSha256_128};

    [
        Suite::new(AesCbc128, Some(HmacSha1_96)),
        Suite::new(AesCbc256, Some(HmacSha1_96)),
        Suite::new(AesCbc256, Some(HmacSha256_128)),
        Suite::new(AesGcm128, None),
    ]
}

fn keys(suite: Suite) -> Keys {
    Keys::from_material(suite, &vec![7; suite.key_lengths().total()]).unwrap()
}

/// The shortest time per packet of many rounds.
fn best(packets: usize, mut work: impl FnMut()) -> Duration {
    let times = u32::try_from(2048 / packets).unwrap();
    let count = times * u32::try_from(packets).unwrap();
    (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..times {
                work();
            }
            start.elapsed() / count
        })
        .min()
        .unwrap()
}

fn sealing(suite: Suite, count: usize) -> (Duration, Duration) {
    let sealer = Sealer::new(suite, 0x1234_5678, &keys(suite)).unwrap();
    let len = suite.sealed_len(PAYLOAD);
    let mut arena = vec![0; len * count];
    let single = best(count, || {
        for room in arena.chunks_mut(len) {
            let start = suite.header_len();
            let sealed = sealer.seal(1, 17, room, start..start + PAYLOAD);
            black_box(sealed.unwrap());
        }
    });
    let batch = best(count, || {
        let mut packets: Vec<_> = arena
            .chunks_mut(len)
            .map(|room| Unsealed {
                room,
                payload: PAYLOAD,
            })
            .collect();
        sealer.seal_batch(1, 17, black_box(&mut packets)).unwrap();
    });
    (single, batch)
}

/// Opening destroys the packets, so copying them back is part of both.
fn opening(suite: Suite, count: usize) -> (Duration, Duration) {
    let sealer = Sealer::new(suite, 0x1234_5678, &keys(suite)).unwrap();
    let opener = Opener::new(suite, &keys(suite)).unwrap();
    let len = suite.sealed_len(PAYLOAD);
    let mut sealed = vec![0; len * count];
    for room in sealed.chunks_mut(len) {
        let start = suite.header_len();
        sealer.seal(1, 17, room, start..start + PAYLOAD).unwrap();
    }
    let mut arena = sealed.clone();
    let single = best(count, || {
        arena.copy_from_slice(&sealed);
        for packet in arena.chunks_mut(len) {
            black_box(opener.open(packet).unwrap());
        }
    });
    let batch = best(count, || {
        arena.copy_from_slice(&sealed);
        let mut packets: Vec<_> = arena.chunks_mut(len).map(Incoming::new).collect();
        opener.open_batch(black_box(&mut packets));
        assert!(packets.iter().all(|packet| packet.outcome.is_ok()));
    });
    (single, batch)
}

fn ratios(_: &mut Criterion) {
    println!(
        "\n{:<14} {:>5} {:>8} {:>10} {:>10} {:>7} {:>8}",
        "suite", "", "packets", "single ns", "batch ns", "times", "Gbit/s"
    );
    for suite in suites() {
        for (what, measure) in [
            ("seal", sealing as fn(Suite, usize) -> (Duration, Duration)),
            ("open", opening),
        ] {
            for count in SIZES {
                let (single, batch) = measure(suite, count);
                let times = single.as_secs_f64() / batch.as_secs_f64();
                let rate = PAYLOAD as f64 * 8.0 / batch.as_secs_f64() / 1e9;
                let name = suite.to_string();
                println!(
                    "{name:<14} {what:>5} {count:>8} {:>10} {:>10} {times:>7.2} {rate:>8.1}",
                    single.as_nanos(),
                    batch.as_nanos()
                );
            }
        }
    }
}

criterion_group!(benches, ratios);
criterion_main!(benches);
