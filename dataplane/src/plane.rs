//! The tables.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use esp::SideBySide;
use wire::PeerId;

use crate::directory::Directory;
use crate::dirty::Dirty;
use crate::drops::{DropReason, Drops};
use crate::peer::{Peer, PeerUsage};
use crate::sa::{InboundSa, OutboundSa, SaUsage};
use crate::session::{Session, SessionId, SessionUsage};
use crate::spi::SlotCount;

/// How large the tables are, and what holds for all sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How many peers there may be.
    pub peers: usize,
    /// How many inbound associations: the same as the [`crate::SpiAllocator`]'s.
    pub slots: SlotCount,
    /// Drop packets from one client to another.
    pub isolate_clients: bool,
    /// How many packet threads there are, each of which owns some of the peers
    /// ([`crate::owner`]).
    pub threads: usize,
    /// What this processor is quick at.
    pub side_by_side: SideBySide,
}

impl Config {
    /// For `peers` peers, without isolation, on one thread.
    pub fn for_peers(peers: usize) -> Self {
        Self {
            peers,
            slots: SlotCount::for_peers(peers),
            isolate_clients: false,
            threads: 1,
            side_by_side: SideBySide::default(),
        }
    }
}

/// How many of everything the tables hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Peers.
    pub peers: usize,
    /// Inbound SAs.
    pub inbound: usize,
    /// Outbound SAs, older ones included that are not removed yet.
    pub outbound: usize,
    /// Sessions, whether they carry IP yet or not.
    pub sessions: usize,
}

/// All peers, associations and sessions. Shared by reference between threads.
pub struct DataPlane {
    pub(crate) config: Config,
    pub(crate) inbound: Box<[ArcSwapOption<InboundSa>]>,
    pub(crate) peers: Box<[ArcSwapOption<Peer>]>,
    pub(crate) by_peer: Directory<PeerId, Peer>,
    pub(crate) by_session: Directory<SessionId, Session>,
    pub(crate) by_address: Directory<IpAddr, Session>,
    /// For destinations that no session has (client role).
    pub(crate) default: ArcSwapOption<Session>,
    pub(crate) dirty_inbound: Dirty,
    pub(crate) dirty_peers: Dirty,
    pub(crate) urgent: AtomicBool,
    /// How often the tables were changed: whoever remembers what they say asks whether it still is so.
    pub(crate) changes: AtomicU64,
    pub(crate) drops: Drops,
    /// Taken by the control plane only: by whoever changes or reads the books, never by a packet.
    books: Mutex<Books>,
}

/// What only the control plane needs to know.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) peers: BTreeMap<PeerId, Entry>,
    pub(crate) sessions: BTreeMap<SessionId, Arc<Session>>,
    pub(crate) free: Vec<usize>,
}

/// What a peer has.
pub(crate) struct Entry {
    pub(crate) peer: Arc<Peer>,
    pub(crate) inbound: BTreeSet<u32>,
    /// The newest last.
    pub(crate) outbound: Vec<Arc<OutboundSa>>,
}

impl DataPlane {
    /// Empty tables.
    pub fn new(config: Config) -> Self {
        let peers = config.peers.clamp(1, 1 << 24);
        let books = Books {
            free: (0..peers).rev().collect(),
            ..Books::default()
        };
        Self {
            config,
            inbound: (0..config.slots.slots())
                .map(|_| ArcSwapOption::empty())
                .collect(),
            peers: (0..peers).map(|_| ArcSwapOption::empty()).collect(),
            by_peer: Directory::new(peers),
            by_session: Directory::new(peers),
            by_address: Directory::new(peers),
            default: ArcSwapOption::empty(),
            dirty_inbound: Dirty::new(config.slots.slots()),
            dirty_peers: Dirty::new(peers),
            urgent: AtomicBool::new(false),
            changes: AtomicU64::new(0),
            drops: Drops::new(),
            books: Mutex::new(books),
        }
    }

    /// The settings it was made with.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// How many of everything there are now.
    pub fn occupancy(&self) -> Occupancy {
        let books = self.books();
        Occupancy {
            peers: books.peers.len(),
            inbound: books.peers.values().map(|entry| entry.inbound.len()).sum(),
            outbound: books.peers.values().map(|entry| entry.outbound.len()).sum(),
            sessions: books.sessions.len(),
        }
    }

    /// How many packets were dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.of(reason)
    }

    /// All reasons with their counts, zeros included.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .iter()
            .map(|reason| (*reason, self.dropped(*reason)))
    }

    /// What a peer looks like.
    pub fn peer_usage(&self, peer: PeerId) -> Option<PeerUsage> {
        self.by_peer.with(peer, |peer| peer.usage())
    }

    /// What has passed through a session.
    pub fn session_usage(&self, session: SessionId) -> Option<SessionUsage> {
        self.by_session.with(session, |session| session.usage())
    }

    /// What has passed through all sessions that there are.
    pub fn all_usage(&self) -> SessionUsage {
        let books = self.books();
        books
            .sessions
            .values()
            .fold(SessionUsage::default(), |sum, session| {
                let usage = session.usage();
                SessionUsage {
                    received: sum.received.plus(usage.received),
                    sent: sum.sent.plus(usage.sent),
                }
            })
    }

    /// What an inbound association was used for; `spi` is ours.
    pub fn inbound_usage(&self, spi: u32) -> Option<SaUsage> {
        let slot = self.inbound.get(self.config.slots.slot(spi))?.load();
        slot.as_ref()
            .filter(|sa| sa.spi == spi)
            .map(|sa| sa.usage())
    }

    /// What an outbound association was used for; `spi` is the peer's.
    pub fn outbound_usage(&self, peer: PeerId, spi: u32) -> Option<SaUsage> {
        let books = self.books();
        let entry = books.peers.get(&peer)?;
        entry
            .outbound
            .iter()
            .find(|sa| sa.sealer.spi() == spi)
            .map(|sa| sa.usage())
    }

    /// A panic while the books were open leaves at worst an entry too many; going on is better
    /// than refusing everything.
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for DataPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataPlane")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Peers and their sessions refer to each other; whoever is left is taken apart here.
impl Drop for DataPlane {
    fn drop(&mut self) {
        for entry in self.books().peers.values() {
            entry.peer.sessions.store(Arc::default());
        }
    }
}
