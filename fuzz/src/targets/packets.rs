//! Headers of IP packets, DHCP messages, and the header of the kernel's offloads.

use dataplane::net::{icmp, ip, udp};
use dataplane::offload::VnetHeader;
use engine::dhcp::Message;

/// An IP packet.
pub fn ip(data: &[u8]) {
    let Ok(header) = ip::Header::parse(data) else {
        return;
    };
    assert!(header.header_len <= header.total_len && header.total_len <= data.len());
    let payload = &data[header.header_len..header.total_len];
    if let Some((_, _, range)) = udp::peek(payload) {
        assert!(range.end <= payload.len());
    }
    assert!(icmp::parse_echo_request(data).is_none() || icmp::parse_echo_reply(data).is_none());
    if let Some(request) = icmp::parse_echo_request(data) {
        let packet = icmp::echo_reply(data).expect("the reply to a request");
        let reply = icmp::parse_echo_reply(&packet).expect("a reply that was written");
        assert_eq!(
            (reply.identifier, reply.sequence),
            (request.identifier, request.sequence)
        );
        assert_eq!(
            (reply.source, reply.data),
            (request.destination, request.data)
        );
    }
}

/// A DHCP message.
pub fn dhcp(data: &[u8]) {
    if let Ok(message) = Message::parse(data) {
        let again = Message::parse(&message.emit());
        assert_eq!(again.as_ref(), Ok(&message));
        message.message_type();
    }
}

/// What the kernel puts in front of a packet from the TUN.
pub fn vnet(data: &[u8]) {
    let Some(bytes) = data.first_chunk::<{ VnetHeader::LEN }>() else {
        return;
    };
    if let Ok(header) = VnetHeader::parse(*bytes) {
        assert_eq!(VnetHeader::parse(header.encode()), Ok(header));
    }
}
