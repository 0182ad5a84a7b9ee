//! A worker's sockets: which one a packet leaves through, and what an error then means.

use std::io;
use std::net::IpAddr;

use rustix::io::Errno;
use wire::{Carrier, Path};

use super::counters::Counters;
use crate::io::raw::RawSocket;
use crate::io::udp::UdpSocket;

/// Everything a worker sends through. A handful, so they are searched from the front.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) raw: Vec<RawSocket>,
}

impl Sockets {
    /// Sends one packet, or counts why not. Whoever wants it to arrive sends it again: a packet
    /// that the kernel has no room for is lost like one on the way.
    pub(super) fn send(&self, path: &Path, bytes: &[u8], counters: &Counters) {
        let result = match path.carrier {
            Carrier::Ike | Carrier::NatT => {
                let socket = self.udp.iter().find(|socket| socket.serves(path));
                socket.map(|socket| socket.send(path, bytes, None))
            }
            Carrier::Raw => {
                let socket = self.raw.iter().find(|socket| socket.serves(path));
                socket.map(|socket| socket.send(path, bytes))
            }
        };
        match result {
            Some(Ok(())) => counters.sent.count(),
            Some(Err(error)) => on_error(path.remote.ip(), &error, counters),
            None => counters.no_socket.count(),
        }
    }
}

fn on_error(remote: IpAddr, error: &io::Error, counters: &Counters) {
    match Errno::from_io_error(error) {
        Some(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => counters.send_full.count(),
        Some(Errno::MSGSIZE) => counters.send_too_long.count(),
        // No route, a firewall's rule, an address that this host no longer has.
        _ => {
            counters.send_failed.count();
            tracing::trace!(%remote, %error, "packet not sent");
        }
    }
}
