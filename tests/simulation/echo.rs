//! Echo requests, and what a kernel answers to them.

use std::net::{IpAddr, Ipv4Addr};

/// What a kernel answers to an echo request.
pub fn echo_reply(packet: &[u8]) -> Option<Vec<u8>> {
    let sliced = etherparse::SlicedPacket::from_ip(packet).ok()?;
    let Some(etherparse::NetSlice::Ipv4(ip)) = &sliced.net else {
        return None;
    };
    let Some(etherparse::TransportSlice::Icmpv4(icmp)) = &sliced.transport else {
        return None;
    };
    let etherparse::Icmpv4Type::EchoRequest(echo) = icmp.icmp_type() else {
        return None;
    };
    let (source, destination) = (ip.header().destination_addr(), ip.header().source_addr());
    Some(ping_packet(
        source,
        destination,
        echo.id,
        echo.seq,
        icmp.payload(),
        true,
    ))
}

/// An echo request, or the reply to one.
fn ping_packet(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    id: u16,
    seq: u16,
    payload: &[u8],
    reply: bool,
) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv4(source.octets(), destination.octets(), 64);
    let builder = if reply {
        builder.icmpv4_echo_reply(id, seq)
    } else {
        builder.icmpv4_echo_request(id, seq)
    };
    let mut packet = Vec::new();
    builder
        .write(&mut packet, payload)
        .expect("writing to a vector");
    packet
}

/// An echo request with a number to know it by.
pub fn ping(source: IpAddr, destination: IpAddr, number: u32) -> Vec<u8> {
    long_ping(source, destination, number, 4)
}

/// The same with `length` bytes of payload, at least 4.
pub fn long_ping(source: IpAddr, destination: IpAddr, number: u32, length: usize) -> Vec<u8> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, destination) else {
        panic!("IPv4 only");
    };
    let seq = u16::try_from(number % 65_536).expect("reduced");
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(length.max(4), 0x5a);
    ping_packet(source, destination, 7, seq, &payload, false)
}

/// The numbers of the echo replies (or, with `replies` false, requests) among some packets.
pub fn pings(packets: &[Vec<u8>], replies: bool) -> Vec<u32> {
    let numbers = packets.iter().filter_map(|packet| {
        let sliced = etherparse::SlicedPacket::from_ip(packet).ok()?;
        let Some(etherparse::TransportSlice::Icmpv4(icmp)) = &sliced.transport else {
            return None;
        };
        let kind = match icmp.icmp_type() {
            etherparse::Icmpv4Type::EchoReply(_) => true,
            etherparse::Icmpv4Type::EchoRequest(_) => false,
            _ => return None,
        };
        let number = icmp.payload().first_chunk()?;
        (kind == replies).then(|| u32::from_be_bytes(*number))
    });
    numbers.collect()
}
