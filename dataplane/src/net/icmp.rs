//! ICMP: echo (what `ping` sends) and "too big" (RFC 792, RFC 4443).

use std::net::IpAddr;

use super::checksum::{Sum, checksum};
use super::ip::{self, Header};

/// Bytes of every message handled here, before its data.
pub const HEADER_LEN: usize = 8;

/// The longest answer to a packet that is too long: RFC 1812 §4.3.2.3 (576) and RFC 4443 §2.4 (c)
/// (1280).
pub const MAX_TOO_BIG: usize = 1280;

const V4_ECHO_REPLY: u8 = 0;
const V4_UNREACHABLE: u8 = 3;
const V4_FRAGMENTATION_NEEDED: u8 = 4;
const V4_ECHO_REQUEST: u8 = 8;
const V6_TOO_BIG: u8 = 2;
const V6_ECHO_REQUEST: u8 = 128;
const V6_ECHO_REPLY: u8 = 129;

/// An echo request or reply, read from an IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Sender of the packet.
    pub source: IpAddr,
    /// Receiver of the packet.
    pub destination: IpAddr,
    /// Tells one process that asks from another.
    pub identifier: u16,
    /// Tells one question from another.
    pub sequence: u16,
    /// Comes back as it was sent.
    pub data: &'a [u8],
}

/// The whole IP packet of an echo request; `None` if the addresses are of different families or
/// the data is too long.
pub fn echo_request(
    source: IpAddr,
    destination: IpAddr,
    identifier: u16,
    sequence: u16,
    data: &[u8],
) -> Option<Vec<u8>> {
    build_echo(
        true,
        &Echo {
            source,
            destination,
            identifier,
            sequence,
            data,
        },
    )
}

/// The whole IP packet of the reply to an echo request; `None` if `packet` is not one.
pub fn echo_reply(packet: &[u8]) -> Option<Vec<u8>> {
    let request = parse_echo(true, packet)?;
    let reply = Echo {
        source: request.destination,
        destination: request.source,
        ..request
    };
    build_echo(false, &reply)
}

/// Reads an IP packet that is an echo request with a right checksum.
pub fn parse_echo_request(packet: &[u8]) -> Option<Echo<'_>> {
    parse_echo(true, packet)
}

/// Reads an IP packet that is an echo reply with a right checksum.
pub fn parse_echo_reply(packet: &[u8]) -> Option<Echo<'_>> {
    parse_echo(false, packet)
}

fn build_echo(request: bool, echo: &Echo<'_>) -> Option<Vec<u8>> {
    let len = u16::try_from(echo.data.len().checked_add(HEADER_LEN)?).ok()?;
    let kind = match (echo.source, request) {
        (IpAddr::V4(_), true) => V4_ECHO_REQUEST,
        (IpAddr::V4(_), false) => V4_ECHO_REPLY,
        (IpAddr::V6(_), true) => V6_ECHO_REQUEST,
        (IpAddr::V6(_), false) => V6_ECHO_REPLY,
    };
    let mut message = vec![kind, 0, 0, 0];
    message.extend(echo.identifier.to_be_bytes());
    message.extend(echo.sequence.to_be_bytes());
    message.extend(echo.data);
    let sum = message_sum(echo.source, echo.destination, &message);
    ip::put_u16(&mut message, 2, sum);
    let mut packet = match (echo.source, echo.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            ip::v4_header(source, destination, ip::ICMP, len).to_vec()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            ip::v6_header(source, destination, ip::ICMP_V6, len).to_vec()
        }
        _ => return None,
    };
    packet.extend(message);
    Some(packet)
}

/// The checksum of a message whose checksum field is zero; of a right one it is zero.
fn message_sum(source: IpAddr, destination: IpAddr, message: &[u8]) -> u16 {
    match source {
        IpAddr::V4(_) => checksum(message),
        IpAddr::V6(_) => ip::pseudo_header(source, destination, ip::ICMP_V6, message.len())
            .bytes(message)
            .finish(),
    }
}

fn parse_echo(request: bool, packet: &[u8]) -> Option<Echo<'_>> {
    let header = Header::parse(packet).ok()?;
    let wanted = match (header.source, request) {
        (IpAddr::V4(_), true) => (ip::ICMP, V4_ECHO_REQUEST),
        (IpAddr::V4(_), false) => (ip::ICMP, V4_ECHO_REPLY),
        (IpAddr::V6(_), true) => (ip::ICMP_V6, V6_ECHO_REQUEST),
        (IpAddr::V6(_), false) => (ip::ICMP_V6, V6_ECHO_REPLY),
    };
    let message = packet.get(header.header_len..header.total_len)?;
    let (&[kind, code, _, _, i0, i1, s0, s1], data) = message.split_first_chunk::<HEADER_LEN>()?;
    if (header.protocol, kind) != wanted || code != 0 || header.is_fragment() {
        return None;
    }
    (message_sum(header.source, header.destination, message) == 0).then_some(Echo {
        source: header.source,
        destination: header.destination,
        identifier: u16::from_be_bytes([i0, i1]),
        sequence: u16::from_be_bytes([s0, s1]),
        data,
    })
}

/// Turns a packet that is too long for a link of `mtu` bytes into the message that tells its
/// sender so: "fragmentation needed" (RFC 1191 §4) or "packet too big" (RFC 4443 §3.2).
///
/// `space` holds the packet at its beginning and is long enough for the message, which quotes the
/// beginning of the packet; returned is the message's length. The message comes from where the
/// packet was going: RFC 1812 §4.3.2.4 wants an address of the router's, but ours is one of this
/// host's as well, and a host drops whatever comes in with its own address as the source, even
/// what it would only forward. `None` if no message may be sent: about other ICMP errors,
/// fragments, or to no single host (RFC 1122 §3.2.2).
pub fn too_big(space: &mut [u8], packet: &Header, mtu: u16) -> Option<usize> {
    let may_answer = !packet.source.is_unspecified()
        && !packet.source.is_multicast()
        && !packet.destination.is_multicast()
        && packet.fragment_offset == 0
        && !is_error(space, packet);
    if !may_answer {
        return None;
    }
    match (packet.destination, packet.source) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            const FRONT: usize = ip::V4_HEADER_LEN + HEADER_LEN;
            // RFC 1812 §4.3.2.3: as much as possible without exceeding 576 bytes.
            let (whole, len) = make_room(space, packet.total_len, FRONT, 576)?;
            let [m0, m1] = mtu.to_be_bytes();
            let (front, _) = whole.split_first_chunk_mut::<FRONT>()?;
            let (header, message) = front.split_first_chunk_mut::<{ ip::V4_HEADER_LEN }>()?;
            *header = ip::v4_header(from, to, ip::ICMP, len);
            message.copy_from_slice(&[V4_UNREACHABLE, V4_FRAGMENTATION_NEEDED, 0, 0, 0, 0, m0, m1]);
            let message = whole.get_mut(ip::V4_HEADER_LEN..)?;
            let sum = checksum(message);
            ip::put_u16(message, 2, sum);
            Some(whole.len())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            const FRONT: usize = ip::V6_HEADER_LEN + HEADER_LEN;
            let (whole, len) = make_room(space, packet.total_len, FRONT, MAX_TOO_BIG)?;
            let [m0, m1] = mtu.to_be_bytes();
            let (front, _) = whole.split_first_chunk_mut::<FRONT>()?;
            let (header, message) = front.split_first_chunk_mut::<{ ip::V6_HEADER_LEN }>()?;
            *header = ip::v6_header(from, to, ip::ICMP_V6, len);
            message.copy_from_slice(&[V6_TOO_BIG, 0, 0, 0, 0, 0, m0, m1]);
            let message = whole.get_mut(ip::V6_HEADER_LEN..)?;
            let sum: Sum = ip::pseudo_header(from.into(), to.into(), ip::ICMP_V6, message.len())
                .bytes(message);
            ip::put_u16(message, 2, sum.finish());
            Some(whole.len())
        }
        _ => None,
    }
}

/// Moves the beginning of the packet back by `front` bytes, so that all is at most `limit` long.
/// Returns everything, and the length behind the IP header.
fn make_room(
    space: &mut [u8],
    packet: usize,
    front: usize,
    limit: usize,
) -> Option<(&mut [u8], u16)> {
    let quoted = packet.min(limit.checked_sub(front)?);
    let whole = space.get_mut(..front.checked_add(quoted)?)?;
    whole.copy_within(..quoted, front);
    let payload = HEADER_LEN.checked_add(quoted)?;
    Some((whole, u16::try_from(payload).ok()?))
}

/// Whether the packet is an ICMP error itself.
fn is_error(bytes: &[u8], packet: &Header) -> bool {
    let kind = bytes.get(packet.header_len).copied();
    match packet.protocol {
        // RFC 1122 §3.2.2: unreachable, quench, redirect, time exceeded, parameter problem.
        ip::ICMP => !matches!(kind, Some(V4_ECHO_REPLY | V4_ECHO_REQUEST | 13..=18)),
        // RFC 4443 §2.1: errors are those below 128.
        ip::ICMP_V6 => kind.is_none_or(|kind| kind < 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> [(IpAddr, IpAddr); 2] {
        [
            ("10.0.0.1".parse().unwrap(), "192.0.2.7".parse().unwrap()),
            (
                "2001:db8::1".parse().unwrap(),
                "2001:db8::2".parse().unwrap(),
            ),
        ]
    }

    #[test]
    fn a_question_and_its_answer() {
        for (a, b) in pairs() {
            let question = echo_request(a, b, 0x1234, 5, b"data").unwrap();
            etherparse::SlicedPacket::from_ip(&question).unwrap();
            assert_eq!(parse_echo_reply(&question), None);
            let asked = parse_echo_request(&question).unwrap();
            assert_eq!((asked.source, asked.destination), (a, b));
            let answer = echo_reply(&question).unwrap();
            let got = parse_echo_reply(&answer).unwrap();
            assert_eq!((got.source, got.destination), (b, a));
            assert_eq!(
                (got.identifier, got.sequence, got.data),
                (0x1234, 5, &b"data"[..])
            );
            let mut damaged = answer;
            *damaged.last_mut().unwrap() ^= 1;
            assert_eq!(parse_echo_reply(&damaged), None);
        }
        let [(a, _), (_, b)] = pairs();
        assert_eq!(echo_request(a, b, 1, 1, &[]), None);
        assert_eq!(echo_request(a, a, 1, 1, &[0; 65_535]), None);
    }

    /// What etherparse says an ICMP message is.
    fn look(packet: &[u8]) -> etherparse::TransportSlice<'_> {
        etherparse::SlicedPacket::from_ip(packet)
            .unwrap()
            .transport
            .unwrap()
    }

    #[test]
    fn too_big_quotes_the_packet_and_names_the_mtu() {
        for (a, b) in pairs() {
            let packet = echo_request(a, b, 1, 2, &[7; 1400]).unwrap();
            let header = Header::parse(&packet).unwrap();
            let mut space = packet.clone();
            space.resize(1600, 0);
            let len = too_big(&mut space, &header, 1280).unwrap();
            let message = &space[..len];
            let outer = Header::parse(message).unwrap();
            assert_eq!(
                (outer.source, outer.destination, outer.total_len),
                (b, a, len)
            );
            match look(message) {
                etherparse::TransportSlice::Icmpv4(icmp) => {
                    assert_eq!(len, 576);
                    let sum = icmp.icmp_type().calc_checksum(icmp.payload());
                    assert_eq!(icmp.checksum(), sum);
                    assert_eq!((icmp.type_u8(), icmp.code_u8()), (3, 4));
                    assert_eq!(icmp.bytes5to8(), [0, 0, 5, 0]);
                    assert_eq!(icmp.payload(), &packet[..576 - 28]);
                }
                etherparse::TransportSlice::Icmpv6(icmp) => {
                    assert_eq!(len, 1280);
                    let (IpAddr::V6(a), IpAddr::V6(b)) = (a, b) else {
                        unreachable!()
                    };
                    assert!(icmp.is_checksum_valid(b.octets(), a.octets()));
                    assert_eq!((icmp.type_u8(), icmp.code_u8()), (2, 0));
                    assert_eq!(icmp.bytes5to8(), [0, 0, 5, 0]);
                    assert_eq!(icmp.payload(), &packet[..1280 - 48]);
                }
                _ => panic!("not ICMP"),
            }
            // No error about an error.
            let header = Header::parse(&space).unwrap();
            assert_eq!(too_big(&mut space, &header, 1280), None);
        }
    }
}
