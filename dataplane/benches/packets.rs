//! Whole packets through the tables: what is added to sealing and opening.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use common::{BURST, NOW, Role, burst, packet, path, plane};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dataplane::net::ip;
use dataplane::offload::Segments;
use dataplane::{Buffer, Departure, Egress, Ingress, Outbox};
use esp::{Cipher, Integrity, Keys, Sealer, Suite, Unsealed};

const PEERS: u64 = 10_000;

/// Windows' suite, and the quickest one.
const SUITES: [Suite; 2] = [
    Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha1_96)),
    Suite::new(Cipher::AesGcm128, None),
];

fn packets(c: &mut Criterion) {
    for suite in SUITES {
        let mut group = c.benchmark_group(suite.to_string());
        group.throughput(Throughput::Bytes(1400));
        let sender = plane(suite, Role::Sender, PEERS);
        let receiver = plane(suite, Role::Receiver, PEERS);

        let mut buffer = Buffer::default();
        let mut peer = 0;
        group.bench_function("egress", |b| {
            b.iter(|| {
                peer = (peer + 1) % PEERS;
                buffer.load(&packet(peer, 1400)).unwrap();
                let egress = sender.egress(&mut buffer);
                assert!(matches!(black_box(egress), Egress::Sealed { .. }));
            });
        });
        // Numbers must not repeat, so every packet is sealed for its own iteration.
        group.bench_function("ingress", |b| {
            let mut peer = 0;
            b.iter_batched(
                || {
                    peer = (peer + 1) % PEERS;
                    let mut buffer = Buffer::default();
                    buffer.load(&packet(peer, 1400)).unwrap();
                    sender.egress(&mut buffer);
                    (peer, buffer)
                },
                |(peer, mut buffer)| {
                    let ingress = receiver.ingress(NOW, path(peer), buffer.packet_mut());
                    assert!(matches!(black_box(ingress), Ingress::Ip { .. }));
                },
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

/// The shortest time for a packet of some rounds of 20 super-packets.
fn best(mut work: impl FnMut()) -> Duration {
    const TIMES: u32 = 20;
    let round = |_| {
        let start = Instant::now();
        (0..TIMES).for_each(|_| work());
        start.elapsed() / (TIMES * BURST as u32)
    };
    (0..20).map(round).min().unwrap()
}

/// Super-packets through the outbox, against nothing but the sealing of as many packets side by
/// side: measured alternately, and what counts is the difference.
fn super_packets(_: &mut Criterion) {
    for suite in SUITES {
        let sender = plane(suite, Role::Sender, PEERS);
        let mut outbox = Outbox::new();
        let mut send = |departure: Departure<'_>| {
            black_box(departure.bytes);
        };
        let (header, mut packet) = burst(7);

        let keys = Keys::from_material(suite, &vec![7; suite.key_lengths().total()]).unwrap();
        let sealer = Sealer::new(suite, 1, &keys).unwrap();
        let payload = 8 + 6 + 4 + 1400;
        let len = suite.sealed_len(payload);
        let mut arena = vec![0; len * BURST];
        let mut room = vec![0; 2048];

        let mut all = [Duration::MAX; 3];
        for _ in 0..10 {
            let whole = best(|| {
                sender.egress_batch(header, &mut packet, &mut outbox, &mut send, &mut |_| ());
                sender.flush(&mut outbox, &mut send);
            });
            let bare = best(|| {
                let rooms = arena.chunks_mut(len);
                let mut packets: Vec<_> = rooms.map(|room| Unsealed { room, payload }).collect();
                sealer.seal_batch(1, ip::UDP, &mut packets).unwrap();
            });
            let cut = best(|| {
                let mut segments = Segments::new(header, &mut packet).unwrap();
                while segments.next_into(&mut room).is_some() {
                    black_box(&mut room);
                }
            });
            for (least, time) in all.iter_mut().zip([whole, bare, cut]) {
                *least = time.min(*least);
            }
        }
        let [whole, bare, cut] = all.map(|time| time.as_nanos());
        println!(
            "{suite}: a segment costs {whole} ns in the outbox, of which {bare} are sealing alone \
             and {cut} cutting"
        );
    }
}

criterion_group!(benches, packets, super_packets);
criterion_main!(benches);
