//! A worker's sockets: which one a packet leaves through, and what an error then means.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use dataplane::Departure;
use rustix::io::Errno;
use tracing::warn;
use wire::{Carrier, Instant, Path};

use super::counters::Counters;
use crate::io::clock;
use crate::io::raw::RawSocket;
use crate::io::sending::is_full;
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
            Some(Err(error)) => self.on_error(path, 1, &error, counters),
            None => counters.no_socket.count(),
        }
    }

    /// Sends packets of one peer that may leave together. As with one: what there is no room for
    /// is lost.
    pub(super) fn depart(&self, departure: &Departure<'_>, counters: &Counters) {
        let Departure {
            ref path,
            bytes,
            segment,
            ..
        } = *departure;
        let sent = match path.carrier {
            Carrier::Ike | Carrier::NatT => {
                let socket = self.udp.iter().find(|socket| socket.serves(path));
                socket.map(|socket| socket.send_many(path, bytes, segment))
            }
            Carrier::Raw => {
                let socket = self.raw.iter().find(|socket| socket.serves(path));
                socket.map(|socket| socket.send_many(path, bytes, segment))
            }
        };
        let Some(sent) = sent else {
            return counters.no_socket.add(departure.packets().len());
        };
        counters.sent.add(sent.packets);
        if sent.packets > 1 {
            counters.sent_joined.count();
        }
        if let Some(error) = &sent.error {
            self.on_error(path, sent.lost, error, counters);
        }
    }

    fn on_error(&self, path: &Path, lost: usize, error: &io::Error, counters: &Counters) {
        if is_full(error) {
            return counters.send_full.add(lost);
        }
        match Errno::from_io_error(error) {
            Some(Errno::MSGSIZE) => counters.send_too_long.add(lost),
            // No route, a firewall's rule, an address that this host no longer has: for the
            // administrator, but not once per packet.
            _ => {
                counters.send_failed.add(lost);
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
