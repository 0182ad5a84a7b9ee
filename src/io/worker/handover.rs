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

/// Packets that wait at most. Each may be one of 64 KiB that stands for many.
const PLACES: usize = 128;
/// Of which one peer's at most.
const SHARE: u16 = 48;
/// Counters of waiting packets; peers share them by number.
const COUNTERS: usize = 1024;
/// The longest packet.
const PACKET: usize = 65_535;

/// A packet on its way to its owner.
#[derive(Debug)]
pub(super) struct Parcel {
    peer: PeerId,
    header: VnetHeader,
    len: usize,
    bytes: Box<[u8]>,
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
    free: ArrayQueue<Box<[u8]>>,
    shares: [AtomicU16; COUNTERS],
    bell: Bell,
}

impl Handover {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let free = ArrayQueue::new(PLACES);
        for _ in 0..PLACES {
            // Zeros from the kernel: pages that are never used take no memory.
            let _ = free.push(vec![0; PACKET].into_boxed_slice());
        }
        Ok(Arc::new(Self {
            waiting: ArrayQueue::new(PLACES),
            free,
            shares: [const { AtomicU16::new(0) }; COUNTERS],
            bell: Bell::new()?,
        }))
    }

    fn share(&self, peer: PeerId) -> Option<&AtomicU16> {
        let index = usize::try_from(peer.0).unwrap_or(0) % COUNTERS;
        self.shares.get(index)
    }

    /// Hands a packet for `peer` over: copies it, since who has read it reads the next one into
    /// the same place.
    pub(super) fn give(&self, peer: PeerId, header: VnetHeader, packet: &[u8]) -> Result<(), Full> {
        let share = self.share(peer).ok_or(Full::Queue)?;
        if share.fetch_add(1, Ordering::Relaxed) >= SHARE {
            share.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Share);
        }
        let given = self.free.pop().is_some_and(|mut bytes| {
            let len = packet.len().min(bytes.len());
            if let (Some(to), Some(from)) = (bytes.get_mut(..len), packet.get(..len)) {
                to.copy_from_slice(from);
            }
            let parcel = Parcel {
                peer,
                header,
                len,
                bytes,
            };
            // There are as many places as there are boxes.
            self.waiting.push(parcel).is_ok()
        });
        if !given {
            share.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Queue);
        }
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
        if let Some(share) = self.share(parcel.peer) {
            share.fetch_sub(1, Ordering::Relaxed);
        }
        let _ = self.free.push(parcel.bytes);
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
        assert_eq!(greedy, usize::from(SHARE));
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
        assert_eq!(taken, PLACES);
        assert_eq!(
            queue.give(PeerId(5), VnetHeader::PLAIN, &[1]),
            Err(Full::Queue)
        );
    }
}
