//! Whole packets through the tables: what is added to sealing and opening.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dataplane::{
    AddSession, Buffer, Config, DataPlane, Egress, Ingress, Network, Remote, SessionId, Update,
};
use esp::{Cipher, Integrity, Keys, Suite};
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
    let mut packet = dataplane::net::ip::v4_header(address(peer), address(peer), 17, 1380).to_vec();
    packet.resize(1400, 0x5a);
    packet
}

fn packets(c: &mut Criterion) {
    let suites = [
        Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha1_96)),
        Suite::new(Cipher::AesGcm128, None),
    ];
    let now = Instant::from_boot(Duration::from_secs(1));
    for suite in suites {
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

criterion_group!(benches, packets);
criterion_main!(benches);
