//! Pings: each says itself whose it is and when it was sent, so that nothing is kept of it.

use std::time::Duration;

use dataplane::net::icmp;
use wire::Instant;

use super::clients::{Clients, Up};

/// IPv4 and ICMP headers.
const HEADERS: usize = 20 + 8;
/// What a ping carries: its client, the client's turn, and the time.
const DATA: usize = 4 + 4 + 8;

/// Makes and reads pings.
#[derive(Debug)]
pub(super) struct Pings {
    /// Tells ours from those of other processes behind the same server.
    identifier: u16,
    sequence: u16,
}

impl Pings {
    pub(super) const fn new(identifier: u16) -> Self {
        Self {
            identifier,
            sequence: 0,
        }
    }

    /// The IP packet of a client's ping, which is of at least `length` bytes. `None` if its server
    /// has no inner address.
    pub(super) fn make(
        &mut self,
        now: Instant,
        (slot, turn): (u32, u32),
        up: &Up,
        length: usize,
    ) -> Option<Vec<u8>> {
        let nanos = u64::try_from(now.since_boot().as_nanos()).ok()?;
        let mut data = Vec::with_capacity(length.max(HEADERS + DATA));
        data.extend(slot.to_be_bytes());
        data.extend(turn.to_be_bytes());
        data.extend(nanos.to_be_bytes());
        data.resize(length.saturating_sub(HEADERS).max(DATA), 0);
        self.sequence = self.sequence.wrapping_add(1);
        icmp::echo_request(up.local, up.remote, self.identifier, self.sequence, &data)
    }

    /// How long the answer to a ping has taken, if `packet` is one, and for whom it is.
    pub(super) fn read(&self, now: Instant, clients: &Clients, packet: &[u8]) -> Option<Duration> {
        let echo = icmp::parse_echo_reply(packet)?;
        if echo.identifier != self.identifier {
            return None;
        }
        let (slot, rest) = echo.data.split_first_chunk()?;
        let (turn, rest) = rest.split_first_chunk()?;
        let (nanos, _) = rest.split_first_chunk()?;
        let (up, current) = clients.session(u32::from_be_bytes(*slot))?;
        let sent = Instant::from_boot(Duration::from_nanos(u64::from_be_bytes(*nanos)));
        let is_its = up.local == echo.destination && current == u32::from_be_bytes(*turn);
        is_its.then(|| now.saturating_since(sent))
    }
}
