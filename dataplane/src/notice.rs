//! What packets leave behind for the control plane.

use std::sync::atomic::Ordering;

use wire::{Instant, Path, PeerId};

use crate::peer::Flag;
use crate::plane::DataPlane;
use crate::session::SessionId;

/// Something the data plane has noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The first authentic packet has come on an inbound association: the peer uses it.
    FirstPacket {
        /// Our number.
        spi: u32,
        /// Whose it is.
        peer: PeerId,
        /// Its check value of SHA-256 was cut to 96 bits, as [`crate::Update::DetectTruncation`]
        /// admits.
        truncated: bool,
    },
    /// Authentic packets come from elsewhere than where the peer's packets go. The data plane
    /// changes nothing by itself: [`crate::Update::MovePeer`] does.
    Moved {
        /// Which peer.
        peer: PeerId,
        /// Where it was heard from last.
        path: Path,
    },
    /// An outbound association has used half of its sequence numbers: time for another.
    SequenceLow {
        /// Which peer.
        peer: PeerId,
        /// The peer's number.
        spi: u32,
    },
    /// Authentic packets have come since the last time.
    Heard {
        /// Which peer.
        peer: PeerId,
        /// When the last one came.
        at: Instant,
    },
    /// Data messages have come through a session since the last time. Follows
    /// [`Notice::Heard`] of its peer, which may have several, and a dead one among them.
    SessionHeard {
        /// Which session.
        session: SessionId,
    },
}

impl DataPlane {
    /// Whether something waits in [`DataPlane::notices`] that should not wait long: anything but
    /// signs of life. Asked after each batch of packets; `true` is returned once.
    pub fn take_urgent(&self) -> bool {
        self.urgent.load(Ordering::Relaxed) && self.urgent.swap(false, Ordering::AcqRel)
    }

    /// Takes everything that was noticed since the last call. The cost depends on how much that
    /// is, not on how many peers there are.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        self.dirty_inbound.drain(|slot| {
            let Some(sa) = self.inbound.get(slot).and_then(|slot| slot.load_full()) else {
                return;
            };
            let peer = sa.peer.load().id;
            notices.push(Notice::FirstPacket {
                spi: sa.spi,
                peer,
                truncated: sa.is_truncated(),
            });
        });
        self.dirty_peers.drain(|index| {
            let Some(peer) = self.peers.get(index).and_then(|slot| slot.load_full()) else {
                return;
            };
            let was_up = peer.lower();
            if was_up(Flag::Moved)
                && let Some(path) = peer.seen_at.swap(None)
            {
                notices.push(Notice::Moved {
                    peer: peer.id,
                    path: *path,
                });
            }
            if was_up(Flag::SequenceLow) {
                let spi = peer.low_spi.load(Ordering::Relaxed);
                notices.push(Notice::SequenceLow { peer: peer.id, spi });
            }
            if was_up(Flag::Heard)
                && let Some(at) = peer.last_heard()
            {
                notices.push(Notice::Heard { peer: peer.id, at });
                let sessions = peer.sessions.load();
                let heard = sessions.iter().filter(|session| session.take_heard());
                notices.extend(heard.map(|session| Notice::SessionHeard {
                    session: session.link.session,
                }));
            }
        });
        notices
    }
}
