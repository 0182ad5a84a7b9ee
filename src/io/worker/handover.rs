//! Packets that one worker has read from the TUN device and another one seals.
//!
//! A bounded queue for each worker, with room that is used again and again. It is never waited
//! for: what does not fit is dropped, newest first. No peer has more than its share of a queue, so
//! that one whose sender knows no measure does not take the places of the others.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use crossbeam_queue::ArrayQueue;
use dataplane::offload::VnetHeader;
use wire::PeerId;

use super::bell::Bell;

/// Room for packets as a link has them: how many wait at most, and how many of one peer.
const SMALL: Measure = Measure {
    bytes: 2048,
    places: 512,
    share: 192,
};
/// Room for packets that stand for many.
const LARGE: Measure = Measure {
    bytes: 65_535,
    places: 64,
    share: 24,
};
/// Counters of waiting packets; peers share them by number.
const COUNTERS: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct Measure {
    bytes: usize,
    places: usize,
    share: u16,
}

/// A packet on its way to its owner.
#[derive(Debug)]
pub(super) struct Parcel {
    peer: PeerId,
    header: VnetHeader,
    len: usize,
    bytes: Box<[u8]>,
}

/// Room of one size.
#[derive(Debug)]
struct Store {
    measure: Measure,
    free: ArrayQueue<Box<[u8]>>,
    /// How much of it the packets of a peer take.
    shares: [AtomicU16; COUNTERS],
}

impl Store {
    fn new(measure: Measure) -> Self {
        let free = ArrayQueue::new(measure.places);
        for _ in 0..measure.places {
            // Zeros from the kernel: pages that are never used take no memory.
            let _ = free.push(vec![0; measure.bytes].into_boxed_slice());
        }
        Self {
            measure,
            free,
            shares: [const { AtomicU16::new(0) }; COUNTERS],
        }
    }

    fn share(&self, peer: PeerId) -> Option<&AtomicU16> {
        let index = usize::try_from(peer.0).unwrap_or(0) % COUNTERS;
        self.shares.get(index)
    }

    fn take(&self, peer: PeerId) -> Result<Box<[u8]>, Full> {
        let share = self.share(peer).ok_or(Full::Queue)?;
        if share.fetch_add(1, Ordering::Relaxed) >= self.measure.share {
            share.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Share);
        }
        self.free.pop().ok_or_else(|| {
            share.fetch_sub(1, Ordering::Relaxed);
            Full::Queue
        })
    }

    fn give_back(&self, peer: PeerId, bytes: Box<[u8]>) {
        if let Some(share) = self.share(peer) {
            share.fetch_sub(1, Ordering::Relaxed);
        }
        let _ = self.free.push(bytes);
    }
}

impl Parcel {
    /// What the packet is to be cut into, and the packet.
    pub(super) fn contents(&mut self) -> (VnetHeader, &mut [u8]) {
        (
            self.header,
            self.bytes.get_mut(..self.len).unwrap_or_default(),
        )
    }
}

/// Why a packet was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The owner has too many waiting.
    Queue,
    /// The peer has too many waiting.
    Share,
}

/// The queue of one worker: shared by all that may put something in.
#[derive(Debug)]
pub(super) struct Handover {
    waiting: ArrayQueue<Parcel>,
    small: Store,
    large: Store,
    bell: Bell,
}

impl Handover {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            // For whatever there is room, there is a place.
            waiting: ArrayQueue::new(SMALL.places + LARGE.places),
            small: Store::new(SMALL),
            large: Store::new(LARGE),
            bell: Bell::new()?,
        }))
    }

    fn store(&self, len: usize) -> &Store {
        if len <= SMALL.bytes {
            &self.small
        } else {
            &self.large
        }
    }

    /// Hands a packet for `peer` over: copies it, since who has read it reads the next one into
    /// the same place.
    pub(super) fn give(&self, peer: PeerId, header: VnetHeader, packet: &[u8]) -> Result<(), Full> {
        let len = packet.len();
        let mut bytes = self.store(len).take(peer)?;
        if let Some(to) = bytes.get_mut(..len) {
            to.copy_from_slice(packet);
        }
        let parcel = Parcel {
            peer,
            header,
            len,
            bytes,
        };
        let _ = self.waiting.push(parcel);
        self.bell.ring();
        Ok(())
    }

    /// To be called when its bell was heard, before packets are taken.
    pub(super) fn hear(&self) {
        self.bell.hear();
    }

    /// Makes the bell heard once more, for packets that are left for the next round.
    pub(super) fn ring(&self) {
        self.bell.ring();
    }

    /// The next packet. It comes back with [`Handover::done`].
    pub(super) fn take(&self) -> Option<Parcel> {
        self.waiting.pop()
    }

    /// The place of a packet is free again.
    pub(super) fn done(&self, parcel: Parcel) {
        self.store(parcel.bytes.len())
            .give_back(parcel.peer, parcel.bytes);
    }
}

impl AsFd for Handover {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: PeerId = PeerId(1);
    const OTHER: PeerId = PeerId(2);

    fn take(queue: &Handover) -> Option<Vec<u8>> {
        let mut parcel = queue.take()?;
        let bytes = parcel.contents().1.to_vec();
        queue.done(parcel);
        Some(bytes)
    }

    #[test]
    fn packets_come_in_their_order_and_room_is_used_again() {
        let queue = Handover::new().unwrap();
        for round in 0..1000_u16 {
            let long = vec![7; usize::from(round) * 60 + 1];
            queue.give(ONE, VnetHeader::PLAIN, &long).unwrap();
            queue
                .give(OTHER, VnetHeader::PLAIN, &round.to_be_bytes())
                .unwrap();
            assert_eq!(take(&queue), Some(long));
            assert_eq!(take(&queue), Some(round.to_be_bytes().to_vec()));
            assert_eq!(take(&queue), None);
        }
    }

    #[test]
    fn a_peer_without_measure_leaves_room_for_others() {
        let queue = Handover::new().unwrap();
        let give = |peer| queue.give(peer, VnetHeader::PLAIN, &[1]);
        let greedy = (0..1000).filter(|_| give(ONE).is_ok()).count();
        assert_eq!(greedy, usize::from(SMALL.share));
        assert_eq!(give(ONE), Err(Full::Share));
        assert_eq!(give(OTHER), Ok(()));
        while take(&queue).is_some() {}
        assert_eq!(give(ONE), Ok(()), "what was taken counts no more");
    }

    #[test]
    fn the_queue_is_bounded() {
        let queue = Handover::new().unwrap();
        let taken = (0..10_000)
            .map(|peer| queue.give(PeerId(peer), VnetHeader::PLAIN, &[0; 1400]))
            .take_while(Result::is_ok)
            .count();
        assert_eq!(taken, SMALL.places);
        let super_packet = |peer| queue.give(PeerId(peer), VnetHeader::PLAIN, &[0; 64_000]);
        let taken = (0..10_000).take_while(|peer| super_packet(*peer).is_ok());
        assert_eq!(taken.count(), LARGE.places);
        assert_eq!(
            queue.give(PeerId(5), VnetHeader::PLAIN, &[1]),
            Err(Full::Queue)
        );
    }
}
