//! What a packet costs on its way in and out, and what 10,000 sessions in the tables add to it.
//!
//! Everything is measured alternately in the same run, and the best of many rounds counts: other
//! work on the machine can only make a round longer. Below each line of the table are two for
//! programs (`bench/throughput` reads the first): the cost with 10,000 sessions divided by the cost
//! with one. With idle ones, all traffic is of one session and the others sit in the tables; with
//! busy ones it goes round all 10,000, so that every association, session and peer has to come from
//! memory.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark"
)]

mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use common::{BURST, NOW, Role, burst, packet, path, plane, sealed_burst};
use dataplane::{Buffer, DataPlane, Egress, Ingress, Outbox};
use esp::{Cipher, Integrity, Suite};

const SESSIONS: u64 = 10_000;
/// Rounds of which the best counts, and measurements in each.
const ROUNDS: usize = 30;
const TIMES: usize = 60;
/// Bytes of the IP packets that come alone. Their cipher takes the least, so that the tables weigh
/// the most.
const SMALL: usize = 92;

/// Tables, and whose packets are next.
struct Traffic {
    sender: DataPlane,
    receiver: DataPlane,
    outbox: Outbox,
    buffer: Buffer,
    peers: u64,
    spread: bool,
    next: u64,
}

impl Traffic {
    fn new(suite: Suite, peers: u64, spread: bool) -> Self {
        Self {
            sender: plane(suite, Role::Sender, peers),
            receiver: plane(suite, Role::Receiver, peers),
            outbox: Outbox::new(),
            buffer: Buffer::default(),
            peers,
            spread,
            next: peers / 2,
        }
    }

    fn peer(&mut self) -> u64 {
        if self.spread {
            // Not the neighbour: a stride that is prime to the number of peers.
            self.next = (self.next + 3_571) % self.peers;
        }
        self.next
    }
}

/// One measurement: packets, and the time that they took.
type Measure = fn(&mut Traffic) -> (usize, Duration);

fn egress_batch(traffic: &mut Traffic) -> (usize, Duration) {
    let (header, mut packet) = burst(traffic.peer());
    let mut left = 0;
    let mut send =
        |departure: dataplane::Departure<'_>| left += black_box(departure).packets().len();
    let start = Instant::now();
    let outbox = &mut traffic.outbox;
    traffic
        .sender
        .egress_batch(header, &mut packet, outbox, &mut send, &mut |_| {});
    traffic.sender.flush(outbox, &mut send);
    let elapsed = start.elapsed();
    assert_eq!(left, BURST);
    (BURST, elapsed)
}

fn ingress_batch(traffic: &mut Traffic) -> (usize, Duration) {
    let peer = traffic.peer();
    let mut sealed = sealed_burst(&traffic.sender, &mut traffic.outbox, peer);
    let path = path(peer);
    let packets = sealed
        .iter_mut()
        .map(|packet| (&path, packet.as_mut_slice()));
    let mut passed = 0;
    let start = Instant::now();
    traffic.receiver.ingress_batch(NOW, packets, |ingress| {
        passed += usize::from(matches!(black_box(ingress), Ingress::Ip { .. }));
    });
    let elapsed = start.elapsed();
    assert_eq!(passed, BURST);
    (BURST, elapsed)
}

fn egress(traffic: &mut Traffic) -> (usize, Duration) {
    let packets: Vec<_> = (0..BURST).map(|_| packet(traffic.peer(), SMALL)).collect();
    let start = Instant::now();
    for packet in &packets {
        traffic.buffer.load(packet).unwrap();
        let egress = traffic.sender.egress(&mut traffic.buffer);
        assert!(matches!(black_box(egress), Egress::Sealed { .. }));
    }
    (BURST, start.elapsed())
}

fn ingress(traffic: &mut Traffic) -> (usize, Duration) {
    let mut sealed = Vec::with_capacity(BURST);
    for _ in 0..BURST {
        let peer = traffic.peer();
        let mut buffer = Buffer::default();
        buffer.load(&packet(peer, SMALL)).unwrap();
        traffic.sender.egress(&mut buffer);
        sealed.push((path(peer), buffer));
    }
    let start = Instant::now();
    for (path, buffer) in &mut sealed {
        let ingress = traffic.receiver.ingress(NOW, *path, buffer.packet_mut());
        assert!(matches!(black_box(ingress), Ingress::Ip { .. }));
    }
    (BURST, start.elapsed())
}

/// Nanoseconds per packet, the best round of each.
fn best(traffics: &mut [Traffic], measure: Measure) -> Vec<f64> {
    let mut best = vec![f64::MAX; traffics.len()];
    for _ in 0..ROUNDS {
        for (traffic, best) in traffics.iter_mut().zip(&mut best) {
            let (mut packets, mut time) = (0, Duration::ZERO);
            for _ in 0..TIMES {
                let (more, took) = measure(traffic);
                packets += more;
                time += took;
            }
            *best = best.min(time.as_secs_f64() * 1e9 / packets as f64);
        }
    }
    best
}

fn main() {
    let suites = [
        Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha1_96)),
        Suite::new(Cipher::AesGcm128, None),
    ];
    let measures: [(&str, Measure); 4] = [
        ("egress-batch", egress_batch),
        ("ingress-batch", ingress_batch),
        ("egress-small", egress),
        ("ingress-small", ingress),
    ];
    println!(
        "{:<14} {:<14} {:>8} {:>12} {:>12} {:>7} {:>7}",
        "ns per packet", "", "1 alone", "+9,999 idle", "10,000 busy", "idle", "busy"
    );
    for suite in suites {
        let mut traffics = [
            Traffic::new(suite, 1, false),
            Traffic::new(suite, SESSIONS, false),
            Traffic::new(suite, SESSIONS, true),
        ];
        for (name, measure) in measures {
            let times = best(&mut traffics, measure);
            let [alone, idle, all] = times[..] else {
                panic!("three kinds of traffic")
            };
            let (beside, spread) = (idle / alone, all / alone);
            let suite = suite.to_string();
            println!(
                "{suite:<14} {name:<14} {alone:>8.0} {idle:>12.0} {all:>12.0} {beside:>7.3} {spread:>7.3}"
            );
            println!("10,000 idle sessions, {suite}, {name}: {beside:.3}");
            println!("10,000 busy sessions, {suite}, {name}: {spread:.3}");
        }
    }
}
