//! Tables with any number of peers in them, and packets for them.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::net::Ipv4Addr;
use std::time::Duration;

use dataplane::net::{ip, udp};
use dataplane::offload::{Gso, VnetHeader};
use dataplane::{AddSession, Config, DataPlane, Network, Outbox, Remote, SessionId, Update};
use esp::{Keys, Suite};
use wire::{Carrier, Instant, Path, PeerId, Ports};

/// Segments of a super-packet of TCP that make one full message of ESP in UDP.
pub const BURST: usize = 44;
/// Bytes of TCP payload in each of them.
pub const SEGMENT: usize = 1348;
/// Bytes in front of it: IPv4, and TCP with timestamps.
const HEADERS: usize = 52;

/// When packets arrive.
pub const NOW: Instant = Instant::from_boot(Duration::from_secs(1));

/// What a table is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It sends to peers.
    Sender,
    /// It receives what a sender sends.
    Receiver,
}

pub fn path(peer: u64) -> Path {
    Path {
        local: ([198, 51, 100, 1], 4500).into(),
        remote: (Ipv4Addr::from_bits(0xcb00_0000 | peer as u32), 4500).into(),
        carrier: Carrier::NatT,
    }
}

fn address(peer: u64) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a0a_0000 | peer as u32)
}

/// Tables of `peers` peers with a session and an association each.
pub fn plane(suite: Suite, role: Role, peers: u64) -> DataPlane {
    let plane = DataPlane::new(Config::for_peers(peers as usize));
    let keys = Keys::from_material(suite, &vec![7; suite.key_lengths().total()]).unwrap();
    for peer in 0..peers {
        let id = PeerId(peer);
        let spi = 0x8000_0000 | peer as u32;
        let keys = keys.clone();
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
            ipv6: false,
            dhcp: None,
        };
        let sa = match role {
            Role::Receiver => Update::InstallInbound {
                spi,
                peer: id,
                suite,
                keys,
                carrier: Carrier::NatT,
            },
            Role::Sender => Update::ActivateOutbound {
                peer: id,
                spi,
                suite,
                keys,
            },
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

/// An IP packet of `len` bytes to a peer. It comes from the same address, so that it passes either
/// way.
pub fn packet(peer: u64, len: usize) -> Vec<u8> {
    let payload = len - 20;
    let mut packet = ip::v4_header(address(peer), address(peer), 17, payload as u16).to_vec();
    packet.extend(udp::header(9, 9, payload - 8).unwrap());
    packet.resize(len, 0x5a);
    packet
}

/// A super-packet of TCP to a peer, as the host hands it over.
pub fn burst(peer: u64) -> (VnetHeader, Vec<u8>) {
    let payload = BURST * SEGMENT;
    let len = HEADERS - 20 + payload;
    let mut packet = ip::v4_header(address(peer), address(peer), 6, len as u16).to_vec();
    // Ports, sequence and acknowledgement number, data offset 8, ACK, window, checksum, urgent
    // pointer; then two NOPs and the timestamps.
    packet.extend([0x14, 0x51, 0x9c, 0x40, 0, 0, 0, 1, 0, 0, 0, 1]);
    packet.extend([0x80, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]);
    packet.resize(HEADERS + payload, 0x5a);
    let header = VnetHeader {
        gso: Gso::TcpV4,
        needs_checksum: true,
        header_len: HEADERS as u16,
        segment: SEGMENT as u16,
        csum_start: 20,
        csum_offset: 16,
        ..VnetHeader::PLAIN
    };
    (header, packet)
}

/// Seals a burst and gives the ESP packets back, each in a vector of its own.
pub fn sealed_burst(sender: &DataPlane, outbox: &mut Outbox, peer: u64) -> Vec<Vec<u8>> {
    let (header, mut packet) = burst(peer);
    let mut sealed = Vec::with_capacity(BURST);
    let mut send = |departure: dataplane::Departure<'_>| {
        sealed.extend(departure.packets().map(<[u8]>::to_vec));
    };
    sender.egress_batch(header, &mut packet, outbox, &mut send, &mut |_| {});
    sender.flush(outbox, &mut send);
    assert_eq!(sealed.len(), BURST);
    sealed
}
