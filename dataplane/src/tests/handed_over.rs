//! What the host hands over: what Linux made of the same, and lies.

use std::fmt::Write;

use etherparse::{IpNumber, Ipv4Header, NetHeaders, TransportHeader, UdpHeader};

use super::segments::{Whole, noise, segments};
use super::*;
use crate::DropReason;
use crate::net::ip;
use crate::offload::{Gso, VnetHeader};

/// A super-packet, and what Linux 6.18 cut it into: it was written to one TUN device, and routed
/// to another without offload.
struct Vector {
    about: &'static str,
    header: VnetHeader,
    /// IP and transport header of the super-packet.
    headers: &'static str,
    /// Bytes of payload of the super-packet, which are `noise(1)`.
    payload: usize,
    /// The headers of the segments.
    segments: &'static [&'static str],
}

const fn header(gso: Gso, ecn: bool, segment: u16, start: u16, offset: u16) -> VnetHeader {
    VnetHeader {
        gso,
        ecn,
        needs_checksum: true,
        header_len: 0,
        segment,
        csum_start: start,
        csum_offset: offset,
    }
}

const VECTORS: [Vector; 5] = [
    Vector {
        about: "TCP in IPv4, with CWR, FIN and PSH; identification and sequence number run over",
        header: header(Gso::TcpV4, true, 1348, 20, 16),
        headers: "45000becfffe40003f0618fc0a0001090a00020901bbc350fffffe000102030480d901f5\
             22f000000101080a0102030405060708",
        payload: 3000,
        segments: &[
            "45000578fffe40003f061f700a0001090a00020901bbc350fffffe000102030480d001f5\
             585e00000101080a0102030405060708",
            "45000578ffff40003f061f6f0a0001090a00020901bbc3500000034401020304805001f5\
             050900000101080a0102030405060708",
            "45000164000040003f0623830a0001090a00020901bbc3500000088801020304805901f5\
             ce3e00000101080a0102030405060708",
        ],
    },
    Vector {
        about: "TCP in IPv4 with options, which may be fragmented",
        header: header(Gso::TcpV4, false, 1000, 24, 16),
        headers: "46000a60000700003f06c57b0a0001090a0002099404000001bbc350fffffe0001020304\
             801801f5216000000101080a0102030405060708",
        payload: 2600,
        segments: &[
            "46000420000700003f06cbbb0a0001090a0002099404000001bbc350fffffe0001020304\
             801001f5d04f00000101080a0102030405060708",
            "46000420000800003f06cbba0a0001090a0002099404000001bbc350000001e801020304\
             801001f506c400000101080a0102030405060708",
            "46000290000900003f06cd490a0001090a0002099404000001bbc350000005d001020304\
             801801f51a3400000101080a0102030405060708",
        ],
    },
    Vector {
        about: "TCP in IPv6",
        header: header(Gso::TcpV6, false, 1300, 40, 16),
        headers: "6ab123450a48063ffd010000000000000000000000000009fd0200000000000000000000\
             0000000901bbc350fffffe0001020304801101f5046500000101080a0102030405060708",
        payload: 2600,
        segments: &[
            "6ab123450534063ffd010000000000000000000000000009fd0200000000000000000000\
             0000000901bbc350fffffe0001020304801001f51b6200000101080a0102030405060708",
            "6ab123450534063ffd010000000000000000000000000009fd0200000000000000000000\
             0000000901bbc3500000031401020304801101f58ff500000101080a0102030405060708",
        ],
    },
    Vector {
        about: "UDP in IPv4",
        header: header(Gso::Udp, false, 1000, 20, 6),
        headers: "450009e0123440003f1108c80a0001090a0002091388177009cc20ef",
        payload: 2500,
        segments: &[
            "45000404123440003f110ea40a0001090a0002091388177003f003ac",
            "45000404123540003f110ea30a0001090a0002091388177003f03e07",
            "45000210123640003f1110960a0001090a0002091388177001fc9b1e",
        ],
    },
    Vector {
        about: "UDP in IPv6",
        header: header(Gso::Udp, false, 999, 40, 6),
        headers: "6ab1234507d9113ffd010000000000000000000000000009fd0200000000000000000000\
             000000091388177007d90201",
        payload: 2001,
        segments: &[
            "6ab1234503ef113ffd010000000000000000000000000009fd0200000000000000000000\
             000000091388177003ef20ed",
            "6ab1234503ef113ffd010000000000000000000000000009fd0200000000000000000000\
             000000091388177003eff98c",
            "6ab12345000b113ffd010000000000000000000000000009fd0200000000000000000000\
             0000000913881770000b2561",
        ],
    },
];

impl Vector {
    fn packet(&self) -> Vec<u8> {
        let digits = self.headers.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits
            .map(byte)
            .chain(noise(1).take(self.payload))
            .collect()
    }
}

#[test]
fn cut_as_linux_does() {
    for vector in VECTORS {
        let about = vector.about;
        let got = segments(vector.header, &mut vector.packet()).unwrap();
        let front = vector.headers.len() / 2;
        let headers: Vec<String> = got
            .iter()
            .map(|segment| {
                segment[..front]
                    .iter()
                    .fold(String::new(), |mut hex, byte| {
                        write!(hex, "{byte:02x}").unwrap();
                        hex
                    })
            })
            .collect();
        assert_eq!(headers, vector.segments, "{about}");
        let payload: Vec<u8> = got.iter().flat_map(|it| &it[front..]).copied().collect();
        assert_eq!(payload, vector.packet()[front..], "{about}");
    }
}

/// A header that does not fit its packet.
#[track_caller]
fn is_a_lie(header: VnetHeader, mut packet: Vec<u8>) {
    let got = segments(header, &mut packet);
    assert_eq!(got, Err(DropReason::BadOffload), "{header:?}");
}

#[test]
fn headers_that_lie() {
    for vector in &VECTORS {
        let (right, packet) = (vector.header, vector.packet());
        let lie = |change: fn(&mut VnetHeader)| {
            let mut wrong = right;
            change(&mut wrong);
            is_a_lie(wrong, packet.clone());
        };
        lie(|it| it.segment = 0);
        lie(|it| it.segment = 3001);
        lie(|it| it.segment = u16::MAX);
        lie(|it| it.needs_checksum = false);
        lie(|it| it.csum_start += 4);
        lie(|it| it.csum_start = u16::MAX);
        lie(|it| it.csum_offset ^= 22);
        lie(|it| it.csum_offset = u16::MAX);
        lie(|it| {
            it.gso = if it.gso == Gso::TcpV4 {
                Gso::TcpV6
            } else {
                Gso::TcpV4
            }
        });
        lie(|it| {
            it.gso = if it.gso == Gso::Udp {
                Gso::TcpV6
            } else {
                Gso::Udp
            }
        });
        // One packet has no segments.
        lie(|it| it.gso = Gso::None);
        lie(|it| (it.gso, it.segment, it.ecn) = (Gso::None, 0, true));
        lie(|it| (it.gso, it.segment, it.csum_start) = (Gso::None, 0, 8));
        lie(|it| (it.gso, it.segment, it.csum_offset) = (Gso::None, 0, 1));
        lie(|it| (it.gso, it.segment, it.csum_start) = (Gso::None, 0, u16::MAX));
    }
    let [.., udp, _] = VECTORS;
    is_a_lie(
        VnetHeader {
            ecn: true,
            ..udp.header
        },
        udp.packet(),
    );
}

#[test]
fn packets_that_the_header_does_not_fit() {
    for vector in &VECTORS {
        let right = vector.packet();
        let lie = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut packet = right.clone();
            change(&mut packet);
            is_a_lie(vector.header, packet);
        };
        let transport = usize::from(vector.header.csum_start);
        let is_v4 = right[0] >> 4 == 4;
        // More than the packet says, no payload, another protocol.
        lie(&|it| it.push(0));
        lie(&|it| {
            it.truncate(vector.headers.len() / 2);
            let (at, len) = if is_v4 {
                (2, it.len())
            } else {
                (4, it.len() - 40)
            };
            ip::put_u16(it, at, len as u16);
        });
        for protocol in [0, 1, 6, 17, 43, 44, 58] {
            let at = if is_v4 { 9 } else { 6 };
            if protocol != right[at] {
                lie(&|it| it[at] = protocol);
            }
        }
        if is_v4 {
            lie(&|it| it[6] |= 0x20);
            lie(&|it| it[7] = 1);
        }
        if vector.header.gso == Gso::Udp {
            lie(&|it| it[transport + 5] ^= 1);
            lie(&|it| it[transport + 4..][..2].fill(0));
        } else {
            lie(&|it| it[transport + 13] |= 2);
            lie(&|it| it[transport + 12] = 0x40);
        }
    }
    // An IP header of the other version, and none.
    let [v4, _, v6, ..] = VECTORS;
    is_a_lie(v4.header, v6.packet());
    is_a_lie(v6.header, v4.packet());
    is_a_lie(v4.header, vec![0; 100]);
    let mut short = v4.packet();
    short.pop();
    is_a_lie(v4.header, short);
    let nothing = segments(VnetHeader::PLAIN, &mut [0; 100]);
    assert_eq!(nothing, Err(DropReason::BadIp));
}

/// As a VXLAN device hands it over: the checksum that is left to be made is that of the packet
/// within.
#[test]
fn the_checksum_of_a_packet_within_the_packet() {
    let mut inner = packet(GATEWAY, WORLD, b"hello");
    let right = inner.clone();
    let sum = ip::pseudo_header(v4(GATEWAY), v4(WORLD), ip::UDP, inner.len() - 20);
    ip::put_u16(&mut inner, 26, sum.fold());
    let mut outer = packet(WORLD, CLIENT, &inner);
    let expected = [&outer[..28], &right].concat();
    let header = header(Gso::None, false, 0, 28 + 20, 6);
    assert_eq!(segments(header, &mut outer), Ok(vec![expected]));
}

/// In UDP a checksum of zero says that there is none (RFC 768).
#[test]
fn a_checksum_that_comes_out_as_zero() {
    let whole = |payload: &[u8]| {
        let udp = UdpHeader {
            source_port: 5000,
            destination_port: 6000,
            length: 0,
            checksum: 0,
        };
        let (source, destination) = (WORLD.octets(), CLIENT.octets());
        let ip = Ipv4Header::new(0, 64, IpNumber::UDP, source, destination).unwrap();
        Whole {
            net: NetHeaders::Ipv4(ip, Default::default()),
            transport: TransportHeader::Udp(udp),
            payload: payload.to_vec(),
        }
    };
    let checksum = |bytes: &[u8]| <[u8; 2]>::try_from(&bytes[26..28]).unwrap();
    // The sum of this with what it is the inverse of has all bits set.
    let payload = checksum(&whole(&[0, 0]).bytes());
    let one = whole(&payload);
    let two = whole(&[payload, payload].concat());
    for (whole, segment, count) in [(one, 0, 1), (two, 2, 2)] {
        let got = segments(whole.header(segment), &mut whole.handed_over()).unwrap();
        let sums: Vec<_> = got.iter().map(|packet| checksum(packet)).collect();
        assert_eq!(sums, vec![[0xff; 2]; count]);
    }
}
