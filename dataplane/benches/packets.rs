//! Whole packets through the tables: what is added to sealing and opening.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{self, Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dataplane::net::ip;
use dataplane::offload::{Gso, Segments, VnetHeader};
use dataplane::{
    AddSession, Buffer, Config, DataPlane, Departure, Egress, Ingress, Network, Outbox, Remote,
    SessionId, Update,
};
use esp::{Cipher, Integrity, Keys, Sealer, Suite, Unsealed};
use wire::{Carrier, Instant, Path, PeerId, Ports};

const PEERS: u64 = 10_000;

fn path(peer: u64) -> Path {
    Path {
        local: ([198, 51, 100, 1], 4500).into(),
        remote: (Ipv4Addr::from_bits(0xcb00_0000 | peer as u32), 4500).into(),
        carrier: Carrier::NatT,
    }
}

fn spi(peer: u64) -> u32 {
    0x8000_0000 | peer as u32
}

fn address(peer: u64) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a0a_0000 | peer as u32)
}

/// `PEERS` peers; `server` receives what the other sends.
fn plane(suite: Suite, server: bool) -> DataPlane {
    let plane = DataPlane::new(Config::for_peers(PEERS as usize));
    let keys = Keys::from_material(suite, &vec![7; suite.key_lengths().total()]).unwrap();
    for peer in 0..PEERS {
        let id = PeerId(peer);
        let link = AddSession {
            session: SessionId(peer),
            peer: id,
            ports: Ports {
                local: 1701,
                remote: 1701,
            },
            local_tunnel: 1,
            local_session: 1,
            remote_tunnel: 1,
            remote_session: 1,
            sequencing: false,
            length: false,
        };
        let network = Network {
            remote: Remote::Address(address(peer).into()),
            gateway: None,
            mtu: 1400,
            mru: 1400,
            acfc: false,
            pfc: false,
            dhcp: None,
        };
        let sa = if server {
            let carrier = Carrier::NatT;
            let keys = keys.clone();
            Update::InstallInbound {
                spi: spi(peer),
                peer: id,
                suite,
                keys,
                carrier,
            }
        } else {
            Update::ActivateOutbound {
                peer: id,
                spi: spi(peer),
                suite,
                keys: keys.clone(),
            }
        };
        let updates = [
            Update::AddPeer {
                peer: id,
                path: path(peer),
                port: 1701,
            },
            sa,
            Update::AddSession(link),
            Update::SetNetwork {
                session: SessionId(peer),
                network: Some(network),
            },
        ];
        for update in updates {
            plane.apply(update).unwrap();
        }
    }
    plane
}

fn packet(peer: u64) -> Vec<u8> {
    // To and from the same address, so that it passes either way.
    let mut packet = ip::v4_header(address(peer), address(peer), 17, 1380).to_vec();
    packet.resize(1400, 0x5a);
    packet
}

/// Windows' suite, and the quickest one.
const SUITES: [Suite; 2] = [
    Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha1_96)),
    Suite::new(Cipher::AesGcm128, None),
];

fn packets(c: &mut Criterion) {
    let now = Instant::from_boot(Duration::from_secs(1));
    for suite in SUITES {
        let mut group = c.benchmark_group(suite.to_string());
        group.throughput(Throughput::Bytes(1400));
        let sender = plane(suite, false);
        let receiver = plane(suite, true);

        let mut buffer = Buffer::default();
        let mut peer = 0;
        group.bench_function("egress", |b| {
            b.iter(|| {
                peer = (peer + 1) % PEERS;
                buffer.load(&packet(peer)).unwrap();
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
                    buffer.load(&packet(peer)).unwrap();
                    sender.egress(&mut buffer);
                    (peer, buffer)
                },
                |(peer, mut buffer)| {
                    let ingress = receiver.ingress(now, path(peer), buffer.packet_mut());
                    assert!(matches!(black_box(ingress), Ingress::Ip { .. }));
                },
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

/// Segments of a super-packet, each of 1400 bytes with a timestamp in its TCP header.
const SEGMENTS: usize = 44;
const SEGMENT: u16 = 1348;

/// A super-packet for a peer.
fn super_packet(peer: u64) -> (VnetHeader, Vec<u8>) {
    let header = VnetHeader {
        gso: Gso::TcpV4,
        ecn: false,
        needs_checksum: true,
        header_len: 52,
        segment: SEGMENT,
        csum_start: 20,
        csum_offset: 16,
    };
    let payload = 32 + SEGMENTS * usize::from(SEGMENT);
    let mut packet = ip::v4_header(address(peer), address(peer), ip::TCP, payload as u16).to_vec();
    packet.resize(20 + payload, 0x5a);
    // The header's length, ACK and PSH.
    packet[32..34].copy_from_slice(&[0x80, 0x18]);
    (header, packet)
}

/// The shortest time for a packet of some rounds of 20 super-packets.
fn best(mut work: impl FnMut()) -> Duration {
    const TIMES: u32 = 20;
    let round = |_| {
        let start = time::Instant::now();
        (0..TIMES).for_each(|_| work());
        start.elapsed() / (TIMES * SEGMENTS as u32)
    };
    (0..20).map(round).min().unwrap()
}

/// Super-packets through the outbox, against nothing but the sealing of as many packets side by
/// side: measured alternately, and what counts is the difference.
fn super_packets(_: &mut Criterion) {
    for suite in SUITES {
        let sender = plane(suite, false);
        let mut outbox = Outbox::new();
        let mut send = |departure: Departure<'_>| {
            black_box(departure.bytes);
        };
        let (header, mut packet) = super_packet(7);

        let keys = Keys::from_material(suite, &vec![7; suite.key_lengths().total()]).unwrap();
        let sealer = Sealer::new(suite, 1, &keys).unwrap();
        let payload = 8 + 6 + 4 + 1400;
        let len = suite.sealed_len(payload);
        let mut arena = vec![0; len * SEGMENTS];
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
