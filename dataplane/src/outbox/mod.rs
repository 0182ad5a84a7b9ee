//! What leaves in one round of a worker.
//!
//! Packets of one peer are laid back to back, each in the place where it is sealed and sent from:
//! that way they are sealed side by side, and neighbours of equal length leave in one message
//! (`UDP_SEGMENT`). Such a row of packets is a [`Run`]; a few are open at a time.

mod run;

use wire::{Path, PeerId};

use crate::buffer::Buffer;
use crate::egress::Latest;
pub(crate) use run::{Owner, Run};

/// Peers whose packets wait at the same time. What comes from the TUN in one round is of few
/// connections, and each run has its arena.
const RUNS: usize = 8;

/// The longest packet that there is.
const PACKET: usize = 65_535;

/// ESP packets of one peer that may leave in one message: the payload of a UDP datagram each, or
/// of an IP packet of protocol 50, by [`Path::carrier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure<'a> {
    /// Whose they are.
    pub peer: PeerId,
    /// Where they go.
    pub path: Path,
    /// The packets, one behind the other. More than one are at most [`Departure::MAX_PACKETS`], and
    /// [`Departure::MAX_LEN`] bytes together.
    pub bytes: &'a [u8],
    /// Bytes of each packet, of which only the last may have fewer. Never 0.
    pub segment: usize,
}

impl<'a> Departure<'a> {
    /// Packets in one message: Linux takes 128 since 6.9, and 64 before (`UDP_MAX_SEGMENTS`).
    pub const MAX_PACKETS: usize = 64;

    /// Bytes in one message: an IPv4 packet without its header and that of UDP, and a little less.
    pub const MAX_LEN: usize = 65_507 - 8;

    /// The packets one by one, for who cannot send them together.
    pub fn packets(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks(self.segment.max(1))
    }
}

/// Packets on their way out. A worker has one, and allocates nothing more.
///
/// What is pushed in ([`crate::DataPlane::egress_batch`]) stays until its run is full, something
/// about its peer changes, its place is needed for another peer, or until
/// [`crate::DataPlane::flush`]. So a round ends with that, and whoever seals something by itself,
/// such as a control message, flushes before: numbers are drawn when a run departs.
pub struct Outbox {
    pub(crate) runs: Runs,
    /// A segment that does not fit its session, and a piece of it.
    pub(crate) segment: Buffer,
    pub(crate) piece: Buffer,
    /// Where the last packet went, if it is in a run.
    pub(crate) latest: Option<Latest>,
}

/// The runs, empty ones included.
pub(crate) struct Runs {
    places: [Run; RUNS],
    /// How many have been opened: the next one's number.
    opened: u64,
    /// Which of them was asked for last.
    latest: usize,
}

impl Outbox {
    /// An empty one, of about 1.2 MiB.
    pub fn new() -> Self {
        Self {
            runs: Runs {
                places: std::array::from_fn(|_| Run::new()),
                opened: 0,
                latest: 0,
            },
            segment: Buffer::with_capacity(PACKET),
            piece: Buffer::with_capacity(PACKET),
            latest: None,
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.runs.places.iter().all(|run| run.owner().is_none())
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

impl Runs {
    /// The run of a peer; else one that is free; else the oldest, which has to depart.
    pub(crate) fn place_for(&mut self, peer: PeerId) -> Option<&mut Run> {
        let places = self.places.iter_mut().enumerate();
        let (place, run) = places.min_by_key(|(_, run)| match run.owner() {
            Some(owner) if owner.peer() == peer => (0, 0),
            None => (1, 0),
            Some(_) => (2, run.opened()),
        })?;
        self.latest = place;
        Some(run)
    }

    /// The run that was asked for last, whatever is in it now.
    pub(crate) fn latest(&mut self) -> Option<&mut Run> {
        self.places.get_mut(self.latest)
    }

    /// The next number for a run.
    pub(crate) const fn stamp(&mut self) -> u64 {
        self.opened = self.opened.wrapping_add(1);
        self.opened
    }

    /// The oldest of those that hold something.
    pub(crate) fn oldest(&mut self) -> Option<&mut Run> {
        let waiting = self.places.iter_mut().filter(|run| run.owner().is_some());
        waiting.min_by_key(|run| run.opened())
    }
}
