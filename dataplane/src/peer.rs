//! Peers: where their packets go, and what they have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use wire::{Instant, Path, PeerId};

use crate::sa::OutboundSa;
use crate::session::Session;

/// What a peer looks like to the data plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerUsage {
    /// Where its packets go.
    pub path: Path,
    /// Authentic packets that came from it.
    pub heard: u64,
    /// When the last one came; `None` before the first.
    pub last_heard: Option<Instant>,
}

pub(crate) struct Peer {
    pub(crate) id: PeerId,
    /// Its bit in the map of those that have something to tell.
    pub(crate) index: usize,
    /// The packet thread that seals for it, wherever it moves.
    pub(crate) owner: usize,
    pub(crate) path: ArcSwap<Path>,
    /// Our UDP port for L2TP inside its ESP.
    pub(crate) port: u16,
    /// The newest; others wait in the control plane's books.
    pub(crate) outbound: ArcSwapOption<OutboundSa>,
    /// Mostly one. Replaced as a whole.
    pub(crate) sessions: ArcSwap<Vec<Arc<Session>>>,
    heard: AtomicU64,
    /// Nanoseconds since boot; 0 is never.
    last_heard: AtomicU64,
    /// Notices that wait, as bits of [`Flag`].
    flags: AtomicU32,
    /// Where it was heard from last, if that is not `path`.
    pub(crate) seen_at: ArcSwapOption<Path>,
    /// The association that runs out of numbers.
    pub(crate) low_spi: AtomicU32,
}

/// What a peer can have to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Flag {
    Heard = 1,
    Moved = 2,
    SequenceLow = 4,
}

impl Peer {
    pub(crate) fn new(id: PeerId, index: usize, owner: usize, path: Path, port: u16) -> Self {
        Self {
            id,
            index,
            owner,
            path: ArcSwap::from_pointee(path),
            port,
            outbound: ArcSwapOption::empty(),
            sessions: ArcSwap::default(),
            heard: AtomicU64::new(0),
            last_heard: AtomicU64::new(0),
            flags: AtomicU32::new(0),
            seen_at: ArcSwapOption::empty(),
            low_spi: AtomicU32::new(0),
        }
    }

    /// Authentic packets have come.
    pub(crate) fn on_heard(&self, now: Instant, packets: usize) {
        let nanos = u64::try_from(now.since_boot().as_nanos()).unwrap_or(u64::MAX);
        self.heard.fetch_add(packets as u64, Ordering::Relaxed);
        self.last_heard.store(nanos.max(1), Ordering::Relaxed);
    }

    pub(crate) fn last_heard(&self) -> Option<Instant> {
        match self.last_heard.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Instant::from_boot(Duration::from_nanos(nanos))),
        }
    }

    /// Whether a flag waits already: a cheap look for what happens with every packet.
    pub(crate) fn is_raised(&self, flag: Flag) -> bool {
        self.flags.load(Ordering::Relaxed) & flag as u32 != 0
    }

    pub(crate) fn raise(&self, flag: Flag) {
        self.flags.fetch_or(flag as u32, Ordering::AcqRel);
    }

    /// Takes all flags down, and tells which were up.
    pub(crate) fn lower(&self) -> impl Fn(Flag) -> bool + use<> {
        let flags = self.flags.swap(0, Ordering::AcqRel);
        move |flag| flags & flag as u32 != 0
    }

    pub(crate) fn usage(&self) -> PeerUsage {
        PeerUsage {
            path: **self.path.load(),
            heard: self.heard.load(Ordering::Relaxed),
            last_heard: self.last_heard(),
        }
    }
}
