//! Each rule by itself: what joins a run, what ends it, what goes past it.

use super::model::{ACK, PSH, Packet, TCP, UDP, finish, put};
use super::*;

/// So many packets of one flow, all as long as the first.
fn stream(first: &Packet, count: usize) -> Vec<Packet> {
    let next = |packet: &Packet| Some(packet.next(first.payload.len()));
    let stream = std::iter::successors(Some(first.clone()), next);
    stream.take(count).collect()
}

fn bytes(packets: &[Packet]) -> Vec<Vec<u8>> {
    packets.iter().map(Packet::bytes).collect()
}

/// A flow of each kind.
fn kinds() -> [Packet; 4] {
    let v6 = |packet: &mut Packet| packet.v6 = true;
    let (tcp, udp) = (Packet::tcp(100), Packet::udp(64));
    [tcp.with(v6), udp.with(v6), tcp, udp]
}

#[test]
fn runs_of_all_kinds() {
    for first in kinds() {
        let packets = bytes(&stream(&first, 44));
        assert_eq!(counts(&packets), [44], "{first:?}");
        let apart = merged(Mergeable::Nothing, &packets);
        assert_eq!(apart.len(), 44);
        assert_eq!(cut_again(&apart), canonical(&packets));
    }
}

#[test]
fn a_host_that_takes_no_super_packets_of_udp() {
    let (tcp, udp) = (Packet::tcp(100), Packet::udp(100));
    let packets = [bytes(&stream(&tcp, 3)), bytes(&stream(&udp, 3))].concat();
    assert_eq!(counts(&packets), [3, 3]);
    let pieces = merged(Mergeable::Tcp, &packets);
    let counts: Vec<_> = pieces.iter().map(|piece| piece.packets).collect();
    assert_eq!(counts, [1, 1, 1, 3]);
}

#[test]
fn a_single_packet_is_not_touched() {
    for first in kinds() {
        let packets = [first.bytes()];
        let pieces = merged(Mergeable::TcpAndUdp, &packets);
        assert_eq!(
            (pieces[0].header, &pieces[0].packet),
            ([0; 10], &packets[0])
        );
    }
}

type Change = (&'static str, fn(&mut Packet));

/// What a TCP super-packet cannot say of one of its segments.
const APART: [Change; 18] = [
    ("congestion experienced", |p| p.tos |= 3),
    ("ECN capable", |p| p.tos |= 2),
    ("differentiated services", |p| p.tos |= 0x80),
    ("time to live", |p| p.ttl -= 1),
    ("acknowledgement", |p| p.ack += 1),
    ("window", |p| p.window += 1),
    ("time stamp", |p| p.options[7] += 1),
    ("length of options", |p| p.options.extend([1; 4])),
    ("urgent pointer", |p| p.urgent += 1),
    ("gap", |p| p.seq = p.seq.wrapping_add(1)),
    ("overlap", |p| p.seq = p.seq.wrapping_sub(1)),
    ("longer", |p| p.payload.push(0)),
    ("no payload", |p| p.payload.clear()),
    ("FIN", |p| p.flags |= 1),
    ("SYN", |p| p.flags |= 2),
    ("RST", |p| p.flags |= 4),
    ("URG", |p| p.flags |= 0x20),
    ("no ACK", |p| p.flags = 0),
];

/// ECE, CWR, and AE (draft-ietf-tcpm-accurate-ecn) do not even stay with their likes.
const NEVER: [Change; 3] = [
    ("ECE", |p| p.flags |= 0x40),
    ("CWR", |p| p.flags |= 0x80),
    ("no ACK", |p| p.flags = 0),
];

#[test]
fn segments_that_stay_apart() {
    for v6 in [false, true] {
        let first = Packet::tcp(100).with(|packet| packet.v6 = v6);
        let [a, b, c] = &stream(&first, 3)[..] else {
            panic!()
        };
        for (what, change) in APART {
            let packets = bytes(&[a.clone(), b.with(change)]);
            assert_eq!(counts(&packets), [1, 1], "{what}");
        }
        for (what, change) in NEVER {
            let packets = bytes(&[a.with(change), b.with(change), c.with(change)]);
            assert_eq!(counts(&packets), [1, 1, 1], "{what}");
        }
        // A header that says it is shorter than headers are.
        let bare = a.with(|packet| packet.options.clear());
        let mut packets = bytes(&[bare.clone(), bare.next(100)]);
        assert_eq!(counts(&packets), [2]);
        for packet in &mut packets {
            let start = if v6 { 40 } else { 20 };
            packet[start + 12] = 0x40;
            finish(packet, start);
        }
        let next = u32::from_be_bytes([0xff, 0xff, 0xf0, 104]);
        let start = if v6 { 40 } else { 20 };
        packets[1][start + 4..start + 8].copy_from_slice(&next.to_be_bytes());
        finish(&mut packets[1], start);
        assert_eq!(counts(&packets), [1, 1]);
        // With a reserved bit.
        let mut packets = bytes(&[a.clone(), b.clone()]);
        for packet in &mut packets {
            let start = if v6 { 40 } else { 20 };
            packet[start + 12] |= 1;
            finish(packet, start);
        }
        assert_eq!(counts(&packets), [1, 1]);
    }
    let [a, b] = &stream(&Packet::tcp(100).with(|packet| packet.v6 = true), 2)[..] else {
        panic!()
    };
    let packets = bytes(&[a.clone(), b.with(|p| p.label += 1)]);
    assert_eq!(counts(&packets), [1, 1]);
}

#[test]
fn datagrams_that_stay_apart() {
    for (what, change) in APART {
        let of_ip = [
            "congestion experienced",
            "ECN capable",
            "differentiated services",
            "time to live",
        ];
        let of_length = ["longer", "no payload"];
        let [a, b] = &stream(&Packet::udp(100), 2)[..] else {
            panic!()
        };
        let apart = of_ip.contains(&what) || of_length.contains(&what);
        let expected = if apart { vec![1, 1] } else { vec![2] };
        assert_eq!(
            counts(&bytes(&[a.clone(), b.with(change)])),
            expected,
            "{what}"
        );
    }
}

#[test]
fn psh_and_a_short_one_end_a_run() {
    for v6 in [false, true] {
        let mut packets = stream(&Packet::tcp(100).with(|packet| packet.v6 = v6), 6);
        packets[2].flags = ACK | PSH;
        assert_eq!(counts(&bytes(&packets)), [3, 3]);
        // It is said of the last and of no other: `cut` puts it there.
        packets[2].flags = ACK;
        packets[0].flags = ACK | PSH;
        assert_eq!(counts(&bytes(&packets)), [1, 5]);
    }
    for first in kinds() {
        let mut packets = stream(&first, 2);
        packets.push(packets[1].next(30));
        packets.push(packets[2].next(30));
        packets.push(packets[3].next(30));
        assert_eq!(counts(&bytes(&packets)), [3, 2], "{first:?}");
    }
}

#[test]
fn no_run_is_too_long() {
    for (first, fits) in [
        (Packet::tcp(1348), 48),
        (Packet::tcp(1024), 63),
        (Packet::tcp(10), 64),
        (Packet::udp(1372), 47),
        (Packet::udp(10), 64),
        (Packet::tcp(32_747).with(|p| p.options.clear()), 2),
        (Packet::tcp(32_748).with(|p| p.options.clear()), 1),
        (
            Packet::tcp(32_737).with(|p| (p.v6, p.options) = (true, vec![])),
            2,
        ),
        (
            Packet::tcp(32_738).with(|p| (p.v6, p.options) = (true, vec![])),
            1,
        ),
    ] {
        let packets = bytes(&stream(&first, fits + 1));
        assert_eq!(counts(&packets), [fits, 1], "{}", first.payload.len());
    }
}

#[test]
fn identifications() {
    for first in [Packet::tcp(100), Packet::udp(100)] {
        let packets = stream(&first, 2);
        for df in [true, false] {
            for (step, joins) in [(0_u16, df), (1, true), (2, df), (0xffff, df)] {
                let both = [
                    packets[0].with(|p| p.df = df),
                    packets[1].with(|p| (p.df, p.id) = (df, first.id.wrapping_add(step))),
                ];
                let expected = if joins { vec![2] } else { vec![1, 1] };
                assert_eq!(counts(&bytes(&both)), expected, "{df} {step}");
            }
        }
        let one_of_both = [packets[0].clone(), packets[1].with(|p| p.df = false)];
        assert_eq!(counts(&bytes(&one_of_both)), [1, 1]);
    }
}

#[test]
fn datagrams_without_checksum() {
    for v6 in [false, true] {
        let first = Packet::udp(64).with(|packet| packet.v6 = v6);
        for without in 0..3 {
            let mut packets = bytes(&stream(&first, 3));
            let place = if v6 { 46 } else { 26 };
            put(&mut packets[without], place, 0);
            let expected = [vec![1, 2], vec![1, 1, 1], vec![2, 1]];
            assert_eq!(counts(&packets), expected[without], "{without}");
        }
    }
}

/// Zero stands for none even where it would be right: written as a super-packet, it would not be
/// zero any more.
#[test]
fn a_checksum_that_is_zero() {
    let mut packets = bytes(&stream(&Packet::udp(64), 2));
    for packet in &mut packets {
        // What the checksum is without a word is the word that makes it zero.
        put(packet, 30, 0);
        finish(packet, 20);
        let word = model::word(packet, 26);
        put(packet, 30, word.into());
        finish(packet, 20);
        assert_eq!(model::word(packet, 26), 0xffff);
    }
    assert_eq!(counts(&packets), [2]);
    put(&mut packets[1], 26, 0);
    assert_eq!(counts(&packets), [1, 1]);
}

/// A length that is wrong, under a checksum that is right: it would come out as a right one.
#[test]
fn datagrams_that_lie() {
    let mut packets = bytes(&stream(&Packet::udp(64), 2));
    let (len, checksum) = (model::word(&packets[1], 24), model::word(&packets[1], 26));
    put(&mut packets[1], 24, (len - 1).into());
    put(&mut packets[1], 26, (checksum + 1).into());
    assert_eq!(counts(&packets), [1, 1]);
}

/// Wherever a bit has changed: the packet leaves as it came, and its run before it.
#[test]
fn damage_is_handed_on() {
    for first in kinds() {
        let good = bytes(&stream(&first, 4));
        for at in 0..good[0].len() {
            for victim in 0..4 {
                let mut packets = good.clone();
                packets[victim][at] ^= 1 << (at % 8);
                let pieces = merged(Mergeable::TcpAndUdp, &packets);
                let damaged = pieces.iter().find(|piece| piece.packet == packets[victim]);
                let damaged = damaged.unwrap_or_else(|| panic!("byte {at} of {victim}"));
                assert_eq!((damaged.packets, damaged.header), (1, [0; 10]));
            }
        }
    }
}

#[test]
fn flows_side_by_side() {
    let [a, b, c, d] = kinds().map(|first| bytes(&stream(&first, 10)));
    let mut packets = Vec::new();
    for i in 0..10 {
        packets.extend([&a, &b, &c, &d].map(|stream| stream[i].clone()));
    }
    assert_eq!(counts(&packets), [10; 4]);
}

/// What goes on where a run ends, but is said by or to somebody else.
#[test]
fn flows_that_are_almost_the_same() {
    let changes: [Change; 4] = [
        ("source", |p| p.hosts.0 += 1),
        ("destination", |p| p.hosts.1 += 1),
        ("source port", |p| p.ports.0 += 1),
        ("destination port", |p| p.ports.1 += 1),
    ];
    for first in kinds() {
        for (what, change) in changes {
            let packets = stream(&first, 2);
            let packets = bytes(&[packets[0].clone(), packets[1].with(change)]);
            assert_eq!(counts(&packets), [1, 1], "{what}");
        }
    }
    let tcp = bytes(&stream(&Packet::tcp(100), 2));
    let udp = bytes(&stream(&Packet::tcp(100).with(|p| p.protocol = UDP), 2));
    let packets = [&tcp[0], &udp[0], &tcp[1], &udp[1]].map(Vec::clone);
    assert_eq!(counts(&packets), [2, 2]);
}

#[test]
fn the_eldest_gives_way() {
    let flow = |port: u16| stream(&Packet::tcp(100).with(|p| p.ports.0 = port), 3);
    let flows: Vec<_> = (0..17).map(flow).collect();
    let of = |i: usize| flows.iter().map(move |flow| flow[i].bytes());
    // Sixteen flows: three of each.
    let packets: Vec<_> = (0..3).flat_map(|i| of(i).take(16)).collect();
    assert_eq!(counts(&packets), [3; 16]);
    // The seventeenth lets the first out, which then lets the second out.
    let packets: Vec<_> = of(0).chain(of(1).take(1)).chain(of(1).skip(2)).collect();
    let pieces = merged(Mergeable::TcpAndUdp, &packets);
    let ports: Vec<_> = pieces.iter().map(|p| (p.packet[21], p.packets)).collect();
    let others = (2..17).map(|port| (port, 2));
    let expected: Vec<_> = [(0, 1), (1, 1)]
        .into_iter()
        .chain(others)
        .chain([(0, 1)])
        .collect();
    assert_eq!(ports, expected);
}

#[test]
fn more_than_all_runs_hold() {
    // One run stays open, so that nothing of what others have used comes free.
    let open = Packet::tcp(100);
    let other = Packet::udp(10);
    let mut packets = vec![open.bytes()];
    packets.extend(bytes(&stream(&other, 3000)));
    packets.push(open.next(100).bytes());
    let mut coalescer = Coalescer::new(Mergeable::TcpAndUdp);
    let memory = coalescer.parts.memory();
    let mut buffers = packets.clone();
    let pieces = round(
        &mut coalescer,
        buffers.iter_mut().map(|p| (None, &mut p[..])),
    );
    assert_eq!(coalescer.parts.memory(), memory);
    let (tcp, udp): (Vec<_>, Vec<_>) = cut_again(&pieces).into_iter().partition(|p| p[9] == TCP);
    let (tcp_in, udp_in): (Vec<_>, Vec<_>) =
        canonical(&packets).into_iter().partition(|p| p[9] == TCP);
    assert_eq!((tcp, udp), (tcp_in, udp_in));
}

#[test]
fn sessions_are_not_mixed() {
    let mut packets = bytes(&stream(&Packet::tcp(100), 3));
    let sessions = [Some(SessionId(1)), Some(SessionId(2)), Some(SessionId(1))];
    let tagged = sessions
        .into_iter()
        .zip(packets.iter_mut().map(|p| &mut p[..]));
    let pieces = round(&mut Coalescer::new(Mergeable::TcpAndUdp), tagged);
    let of: Vec<_> = pieces.iter().map(|p| (p.session, p.packets)).collect();
    assert_eq!(of, [(sessions[0], 1), (sessions[1], 1), (sessions[0], 1)]);
}

/// What may be of a flow with an open run does not overtake it.
#[test]
fn packets_of_no_known_flow() {
    let [a, b] = &bytes(&stream(&Packet::udp(200), 2))[..] else {
        panic!()
    };
    // A fragment; the rest of one; options; another protocol; a datagram shorter than its packet.
    let fragment = changed(a, |packet| packet[6] = 0x20);
    let rest = changed(a, |packet| packet[6..8].copy_from_slice(&[0, 9]));
    let options = {
        let mut packet = a.clone();
        packet[0] = 0x46;
        packet.splice(20..20, [1, 1, 1, 0]);
        ip_checksum(&mut packet, 24);
        packet
    };
    let other = changed(a, |packet| packet[9] = 1);
    let mut shorter = a.clone();
    put(&mut shorter, 24, 100);
    for odd in [fragment, rest, options, other, shorter] {
        let packets = [a.clone(), b.clone(), odd, b.clone()];
        let pieces = merged(Mergeable::TcpAndUdp, &packets);
        assert_eq!(
            pieces.iter().map(|p| p.packets).collect::<Vec<_>>(),
            [2, 1, 1]
        );
        assert_eq!(pieces[1].packet, packets[2]);
        // Between others: it goes past.
        let mut elsewhere = packets.clone();
        elsewhere[2][19] = 99;
        assert_eq!(counts(&elsewhere), [1, 3]);
        // Nor is it of a flow of another session.
        let mut buffers = packets.clone();
        let sessions = [None, None, Some(SessionId(1)), None];
        let tagged = sessions
            .into_iter()
            .zip(buffers.iter_mut().map(|p| &mut p[..]));
        let pieces = round(&mut Coalescer::new(Mergeable::TcpAndUdp), tagged);
        assert_eq!(pieces.iter().map(|p| p.packets).collect::<Vec<_>>(), [1, 3]);
    }
    // What stands behind options is not at its place.
    let [a, b] = &bytes(&stream(&Packet::tcp(200), 2))[..] else {
        panic!()
    };
    let mut odd = a.clone();
    odd[0] = 0x46;
    odd.splice(20..20, [1, 1, 1, 0]);
    ip_checksum(&mut odd, 24);
    assert_eq!(counts(&[a.clone(), b.clone(), odd, b.clone()]), [2, 1, 1]);
    // An extension header of IPv6 in front of the same.
    let v6 = Packet::udp(200).with(|packet| packet.v6 = true);
    let [a, b] = &bytes(&stream(&v6, 2))[..] else {
        panic!()
    };
    let mut odd = a.clone();
    odd[6] = 60;
    odd.splice(40..40, [UDP, 0, 1, 4, 0, 0, 0, 0]);
    let len = odd.len() - 40;
    put(&mut odd, 4, len);
    assert_eq!(counts(&[a.clone(), b.clone(), odd, b.clone()]), [2, 1, 1]);
}

fn changed(packet: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut packet = packet.to_vec();
    change(&mut packet);
    ip_checksum(&mut packet, 20);
    packet
}

fn ip_checksum(packet: &mut [u8], header_len: usize) {
    let len = packet.len();
    put(packet, 2, len);
    put(packet, 10, 0);
    let checksum = !model::sum(&packet[..header_len]);
    put(packet, 10, checksum.into());
}

/// The next round uses the memory of the one before.
#[test]
fn rounds_allocate_nothing() {
    let mut coalescer = Coalescer::new(Mergeable::TcpAndUdp);
    let memory = |coalescer: &Coalescer<'_>| {
        let runs = (coalescer.runs.as_ptr().addr(), coalescer.runs.capacity());
        (runs, coalescer.parts.memory())
    };
    let before = memory(&coalescer);
    for _ in 0..3 {
        let mut packets = bytes(&stream(&Packet::tcp(100), 100));
        let pieces = round(
            &mut coalescer,
            packets.iter_mut().map(|p| (None, &mut p[..])),
        );
        assert_eq!(pieces.len(), 2);
        coalescer = coalescer.recycle();
        assert_eq!(memory(&coalescer), before);
    }
}
