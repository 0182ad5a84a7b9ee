//! Super-packets put together and cut: time for each of the packets that they stand for is the
//! inverse of the rate that is printed ("elements").
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dataplane::net::checksum::Sum;
use dataplane::net::ip::{self, TCP, UDP};
use dataplane::offload::{Coalescer, Delivery, Gso, Mergeable, Segments, VnetHeader};

const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 2);
const DESTINATION: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 1);
const ACK: u8 = 0x10;
/// As many as one UDP message holds of a TCP stream through ESP, and as the kernel takes of UDP.
const TCP_RUN: usize = 44;
const UDP_RUN: usize = 64;
/// Bytes of payload of a full TCP segment with time stamps in 1,400 bytes.
const SEGMENT: usize = 1348;

/// A super-packet of so many segments, as the host hands it over.
fn whole(protocol: u8, port: u16, segment: usize, count: usize) -> (VnetHeader, Vec<u8>) {
    let (transport_len, checksum_at, gso) = match protocol {
        TCP => (32, 16, Gso::TcpV4),
        _ => (8, 6, Gso::Udp),
    };
    let len = transport_len + segment * count;
    let short = |bytes: usize| u16::try_from(bytes).unwrap();
    let mut packet = ip::v4_header(SOURCE, DESTINATION, protocol, short(len)).to_vec();
    packet.extend([port.to_be_bytes(), 5001_u16.to_be_bytes()].concat());
    if protocol == TCP {
        packet.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x80, ACK, 1, 0, 0, 0, 0, 0]);
        packet.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]);
    } else {
        packet.extend([short(len).to_be_bytes(), [0; 2]].concat());
    }
    packet.resize(20 + len, 0x5a);
    let sum = ip::pseudo_header(SOURCE.into(), DESTINATION.into(), protocol, len).fold();
    packet[20 + checksum_at..][..2].copy_from_slice(&sum.to_be_bytes());
    let header = VnetHeader {
        gso,
        ecn: false,
        needs_checksum: true,
        header_len: short(20 + transport_len),
        segment: short(segment),
        csum_start: 20,
        csum_offset: short(checksum_at),
    };
    (header, packet)
}

/// Its segments, back to back, all equally long; and how long.
fn segments((header, mut packet): (VnetHeader, Vec<u8>)) -> (Vec<u8>, usize) {
    let mut segments = Segments::new(header, &mut packet).unwrap();
    let len = segments.next_len().unwrap();
    let mut all = Vec::new();
    let mut room = vec![0; len];
    while segments.next_into(&mut room) == Some(len) {
        all.extend(&room);
    }
    (all, len)
}

/// Full segments, each of its own connection.
fn of_many_flows() -> (Vec<u8>, usize) {
    let packets = (0..TCP_RUN as u16).map(|port| segments(whole(TCP, port, SEGMENT, 1)));
    let all: Vec<u8> = packets.flat_map(|(packet, _)| packet).collect();
    (all, 20 + 32 + SEGMENT)
}

fn merging(c: &mut Criterion) {
    let mut group = c.benchmark_group("merge");
    let cases = [
        ("tcp run", segments(whole(TCP, 1, SEGMENT, TCP_RUN)), 1),
        (
            "udp run of 64 bytes",
            segments(whole(UDP, 1, 64, UDP_RUN)),
            1,
        ),
        ("tcp of many flows", of_many_flows(), TCP_RUN),
    ];
    for (name, (packets, len), pieces) in cases {
        group.throughput(Throughput::Elements((packets.len() / len) as u64));
        for (how, mergeable) in [("", Mergeable::TcpAndUdp), (", off", Mergeable::Nothing)] {
            let mut spare = Coalescer::new(mergeable);
            group.bench_function(format!("{name}{how}"), |b| {
                b.iter_batched_ref(
                    || packets.clone(),
                    |packets| {
                        let mut coalescer = std::mem::take(&mut spare).recycle();
                        let mut count = 0;
                        let mut write = |delivery: Delivery<'_>| {
                            black_box(delivery);
                            count += 1;
                        };
                        for packet in packets.chunks_mut(len) {
                            coalescer.push(None, packet, &mut write);
                        }
                        coalescer.flush(&mut write);
                        assert!(count == pieces || mergeable == Mergeable::Nothing);
                        spare = coalescer.recycle();
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

fn cutting(c: &mut Criterion) {
    let mut group = c.benchmark_group("cut");
    for (name, (header, mut packet), count) in [
        ("tcp", whole(TCP, 1, SEGMENT, TCP_RUN), TCP_RUN),
        ("udp of 64 bytes", whole(UDP, 1, 64, UDP_RUN), UDP_RUN),
    ] {
        group.throughput(Throughput::Elements(count as u64));
        let mut room = vec![0; 2000];
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut segments = Segments::new(header, &mut packet).unwrap();
                while segments.next_into(black_box(&mut room)).is_some() {}
            });
        });
    }
    group.finish();
}

fn summing(c: &mut Criterion) {
    let mut group = c.benchmark_group("checksum");
    for len in [64, 1380] {
        let bytes = vec![0x5a; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("{len} bytes"), |b| {
            b.iter(|| Sum::new().bytes(black_box(&bytes)).fold());
        });
    }
    group.finish();
}

criterion_group!(benches, merging, cutting, summing);
criterion_main!(benches);
