//! The formats of the packets inside: IPv4, IPv6, UDP, TCP options, ICMP, and their checksum.

pub mod checksum;
pub mod icmp;
pub mod ip;
pub mod udp;
