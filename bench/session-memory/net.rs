//! What a party believes to be a network: whatever it sends waits here to be written to the pipe.

use std::collections::VecDeque;
use std::net::SocketAddr;

use wire::Instant;

/// What a datagram is to those that it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Udp,
    /// IP protocol 50. The ports of the addresses are zero.
    Esp,
}

/// A datagram, without its IP and UDP headers.
#[derive(Debug, Clone)]
pub struct Datagram {
    pub src: SocketAddr,
    pub dst: SocketAddr,
    pub protocol: Protocol,
    pub bytes: Vec<u8>,
}

/// A host: the addresses say already which one.
#[derive(Debug, Clone, Copy)]
pub struct HostId;

/// Where datagrams leave.
#[derive(Debug, Default)]
pub struct Network {
    leaving: VecDeque<Datagram>,
}

impl Network {
    pub fn send(&mut self, _now: Instant, _host: HostId, datagram: Datagram) {
        self.leaving.push_back(datagram);
    }

    /// The next datagram that has been sent, in order.
    pub fn poll_sent(&mut self) -> Option<Datagram> {
        self.leaving.pop_front()
    }
}
