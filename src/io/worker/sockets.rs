//! A worker's sockets: which one a packet leaves through, and what an error then means.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use tracing::warn;
use wire::{Carrier, Instant, Path};

use super::counters::Counters;
use crate::io::clock;
use crate::io::raw::RawSocket;
use crate::io::udp::UdpSocket;

/// Between two log lines about packets that could not be sent.
const SILENCE: Duration = Duration::from_secs(60);

/// Everything a worker sends through. A handful, so they are searched from the front.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) raw: Vec<RawSocket>,
    /// When an error was logged last.
    told: Cell<Option<Instant>>,
}

impl Sockets {
    pub(super) fn new(udp: Vec<UdpSocket>, raw: Vec<RawSocket>) -> Self {
        Self {
            udp,
            raw,
            told: Cell::new(None),
        }
    }

    /// Sends one packet, or counts why not. Whoever wants it to arrive sends it again: a packet
    /// that the kernel has no room for is lost like one on the way.
    pub(super) fn send(&self, path: &Path, bytes: &[u8], counters: &Counters) {
        let result = match path.carrier {
            Carrier::Ike | Carrier::NatT => {
                let socket = self.udp.iter().find(|socket| socket.serves(path));
                socket.map(|socket| socket.send(path, bytes))
            }
            Carrier::Raw => {
                let socket = self.raw.iter().find(|socket| socket.serves(path));
                socket.map(|socket| socket.send(path, bytes))
            }
        };
        match result {
            Some(Ok(())) => counters.sent.count(),
            Some(Err(error)) => self.on_error(path, &error, counters),
            None => counters.no_socket.count(),
        }
    }

    fn on_error(&self, path: &Path, error: &io::Error, counters: &Counters) {
        match Errno::from_io_error(error) {
            Some(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => counters.send_full.count(),
            Some(Errno::MSGSIZE) => counters.send_too_long.count(),
            // No route, a firewall's rule, an address that this host no longer has: for the
            // administrator, but not once per packet.
            _ => {
                counters.send_failed.count();
                let now = clock::now();
                if self
                    .told
                    .get()
                    .is_none_or(|told| now.saturating_since(told) >= SILENCE)
                {
                    self.told.set(Some(now));
                    warn!(
                        "Sending to {} from {} failed: {error} (others within the next minute \
                         are only counted, as send-failed)",
                        path.remote,
                        path.local.ip()
                    );
                }
            }
        }
    }
}
