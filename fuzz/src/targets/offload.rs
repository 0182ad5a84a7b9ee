//! Offload: whatever packets are put together, a host that cuts them again gets what went in, and so do we; and
//! what a host hands over is refused or cut into right packets.

use std::collections::BTreeMap;
use std::io::IoSlice;

use dataplane::SessionId;
use dataplane::net::ip::Header;
use dataplane::offload::{Coalescer, Delivery, Mergeable, Segments, VnetHeader};

use crate::input::Input;
use crate::packet_model::{self as model, Packet};

/// So many packets in one round: more than any buffer holds.
const MOST: usize = 200;

/// A session, and an IP packet of it.
type Came = (Option<SessionId>, Vec<u8>);

pub fn coalesce(data: &[u8]) {
    let mut input = Input::new(data);
    let mergeable = input.choose(&[Mergeable::TcpAndUdp, Mergeable::Tcp, Mergeable::Nothing]);
    let came = packets(&mut input);
    let mut went: Vec<Came> = Vec::new();
    let mut write = |delivery: Delivery<'_>| {
        let bytes = joined(delivery.packet());
        let header = delivery.header.encode();
        assert_eq!(
            joined(delivery.with_header()),
            [&header[..], &bytes].concat()
        );
        let cut = model::cut(header, &bytes);
        assert_eq!(cut.len(), delivery.packets);
        let ours = segmented(delivery.header, &mut bytes.clone());
        // Somebody else's packet that goes alone need not be one that we would take from a host.
        if delivery.packets > 1 {
            assert_eq!(ours.as_ref(), Some(&cut));
        }
        went.extend(cut.into_iter().map(|packet| (delivery.session, packet)));
    };
    let mut buffers: Vec<Came> = came.clone();
    let mut coalescer = Coalescer::new(mergeable);
    for (session, packet) in &mut buffers {
        coalescer.push(*session, packet, &mut write);
    }
    coalescer.flush(&mut write);
    let (went, came) = (flows(&went), flows(&came));
    for (flow, packets) in &came {
        assert_eq!(went.get(flow), Some(packets), "the flow {flow:?}");
    }
    assert_eq!(went.len(), came.len());
}

/// A packet of the host's, with any header in front.
pub fn segments(data: &[u8]) {
    let mut input = Input::new(data);
    let mut bytes = [0; VnetHeader::LEN];
    bytes.fill_with(|| input.byte());
    let Ok(header) = VnetHeader::parse(bytes) else {
        return;
    };
    let mut packet = input.bytes().to_vec();
    // A long payload from few bytes: what counts is in the headers.
    let more = usize::from(input.number());
    packet.resize((packet.len() + more).min(65_535), 0x5a);
    if input.byte() & 1 != 0 {
        right_length(&mut packet);
    }
    let is_super = header.gso != dataplane::offload::Gso::None;
    let Some(cut) = segmented(header, &mut packet) else {
        return;
    };
    for segment in &cut {
        let ip = Header::parse(segment).expect("an IP packet");
        assert_eq!(ip.total_len, segment.len());
        assert!(segment.len() <= cut[0].len());
        if is_super {
            let mut right = segment.clone();
            model::finish(&mut right, ip.header_len);
            assert_eq!(&right, segment, "a length or a checksum is wrong");
        }
    }
    assert!(is_super || cut.len() == 1);
}

/// Makes the length in the IP header what it is.
fn right_length(packet: &mut [u8]) {
    let length = packet.len();
    match packet.first().map(|first| first >> 4) {
        Some(4) if length >= 20 => model::put(packet, 2, length),
        Some(6) if length >= 40 => model::put(packet, 4, length - 40),
        _ => {}
    }
}

/// All segments, or `None` if what the host handed over is refused.
fn segmented(header: VnetHeader, packet: &mut [u8]) -> Option<Vec<Vec<u8>>> {
    let mut segments = Segments::new(header, packet).ok()?;
    let mut cut = Vec::new();
    let mut room = vec![0; 65_535];
    while let Some(length) = segments.next_len() {
        assert_eq!(segments.next_into(&mut room[..length]), Some(length));
        cut.push(room[..length].to_vec());
    }
    Some(cut)
}

fn joined(slices: &[IoSlice<'_>]) -> Vec<u8> {
    slices
        .iter()
        .flat_map(|slice| slice.iter().copied())
        .collect()
}

/// The packets of each flow in their order, by session and a part of the headers: what is of one flow may not
/// overtake itself.
fn flows(packets: &[Came]) -> BTreeMap<Came, Vec<Vec<u8>>> {
    let mut flows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (session, packet) in packets {
        let key = match packet.first() {
            // What has no IP header is of no flow.
            _ if Header::parse(packet).is_err() => packet.clone(),
            Some(0x45) if packet.len() >= 24 => [&packet[9..10], &packet[12..24]].concat(),
            Some(0x60..0x70) if packet.len() >= 44 => [&packet[6..7], &packet[8..44]].concat(),
            _ => packet.clone(),
        };
        let flow = flows.entry((*session, key)).or_default();
        flow.push(model::canonical(packet.clone()));
    }
    flows
}

/// Segments of a few flows that follow each other mostly, with something about each that may be different; and
/// packets that are anything.
fn packets(input: &mut Input<'_>) -> Vec<Came> {
    let mut flows = [
        Packet::tcp(100),
        Packet::udp(100),
        Packet::tcp(40).with(|packet| packet.v6 = true),
        Packet::udp(40).with(|packet| (packet.v6, packet.ports) = (true, (1, 2))),
    ];
    let mut came: Vec<Came> = Vec::new();
    while !input.is_empty() && came.len() < MOST {
        let (kind, detail) = (input.byte(), input.byte());
        let session = match kind & 0x40 {
            0 => Some(SessionId(1)),
            _ => Some(SessionId(2)),
        };
        if kind & 0x80 != 0 {
            came.push((session, input.bytes().to_vec()));
            continue;
        }
        let flow = &mut flows[usize::from(kind & 3)];
        let length = match kind >> 2 & 3 {
            0 => flow.payload.len(),
            1 => usize::from(detail),
            2 => 1_360,
            _ => flow.payload.len().saturating_sub(usize::from(detail)),
        };
        let mut packet = flow.next(length);
        if kind & 0x30 == 0x10 {
            vary(&mut packet, detail, input);
        }
        *flow = packet.clone();
        let mut bytes = packet.bytes();
        if kind & 0x30 == 0x20 {
            let place = usize::from(input.number()) % bytes.len();
            bytes[place] ^= detail;
        }
        came.push((session, bytes));
    }
    came
}

fn vary(packet: &mut Packet, detail: u8, input: &mut Input<'_>) {
    let value = input.byte();
    match detail % 14 {
        0 => packet.flags = value,
        1 => packet.ttl = value,
        2 => packet.tos = value,
        3 => packet.id = u16::from(value),
        4 => packet.df = value & 1 != 0,
        5 => packet.seq = packet.seq.wrapping_add(u32::from(value)),
        6 => packet.ack = packet.ack.wrapping_add(u32::from(value)),
        7 => packet.window = u16::from(value),
        8 => packet.urgent = u16::from(value),
        9 => packet.options = vec![value; usize::from(value % 11) * 4],
        10 => packet.ports.0 = u16::from(value),
        11 => packet.hosts.0 = value,
        12 => packet.label = u16::from(value),
        _ => packet.payload = vec![value; 1_000],
    }
}
