//! What the packet threads pass up: three bounded queues, the most trustworthy served first.
//!
//! A worker never waits: what does not fit is counted and dropped, and the protocols' own
//! retransmission brings it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};
use wire::{Path, PeerId};

use super::Limits;

/// Counters of waiting messages; peers share them by number. As many as there may be peers, so that
/// somebody who uses his up takes hardly anybody else's.
const CREDITS: usize = 65_536;

/// An IKE message, its non-ESP marker already taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IkeMessage {
    /// Where it came from.
    pub path: Path,
    /// From the initiator's cookie on.
    pub bytes: Vec<u8>,
}

/// Something for the control plane, `T` being what comes out of an SA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upcall<T> {
    /// A message that came out of an SA.
    Authenticated(T),
    /// An ISAKMP message.
    Ike(IkeMessage),
}

/// Messages waiting per peer, shared by both ends of the queue.
#[derive(Debug)]
struct Credits {
    waiting: Box<[AtomicU32]>,
    /// The most there may be of each.
    most: u32,
}

impl Credits {
    fn of(&self, peer: PeerId) -> Option<&AtomicU32> {
        let index = usize::try_from(peer.0).unwrap_or(0) % CREDITS;
        self.waiting.get(index)
    }

    fn take(&self, peer: PeerId) -> bool {
        self.of(peer).is_some_and(|waiting| {
            let allowed = waiting.fetch_add(1, Ordering::Relaxed) < self.most;
            if !allowed {
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
            allowed
        })
    }

    fn give_back(&self, peer: PeerId) {
        if let Some(waiting) = self.of(peer) {
            waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Why an upcall was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// The queue is full (or nobody reads it any more).
    QueueFull,
    /// The peer has too many messages in it.
    NoCredit,
}

/// The workers' end; cloned for each of them.
#[derive(Debug)]
pub struct UpcallSender<T> {
    authenticated: Sender<(PeerId, T)>,
    known: Sender<IkeMessage>,
    unknown: Sender<IkeMessage>,
    credits: Arc<Credits>,
}

impl<T> Clone for UpcallSender<T> {
    fn clone(&self) -> Self {
        Self {
            authenticated: self.authenticated.clone(),
            known: self.known.clone(),
            unknown: self.unknown.clone(),
            credits: Arc::clone(&self.credits),
        }
    }
}

/// The control plane's end.
#[derive(Debug)]
pub struct Upcalls<T> {
    authenticated: Receiver<(PeerId, T)>,
    known: Receiver<IkeMessage>,
    unknown: Receiver<IkeMessage>,
    credits: Arc<Credits>,
}

/// The queues, of the lengths that `limits` say.
pub fn upcalls<T>(limits: &Limits) -> (UpcallSender<T>, Upcalls<T>) {
    let credits = Arc::new(Credits {
        waiting: (0..CREDITS).map(|_| AtomicU32::new(0)).collect(),
        most: limits.control_queue_per_client.max(1),
    });
    let (authenticated, from_peers) = mpsc::channel(limits.control_queue.max(1));
    let (known, from_known) = mpsc::channel(limits.ike_queue.max(1));
    let (unknown, from_unknown) = mpsc::channel(limits.first_ike_queue.max(1));
    (
        UpcallSender {
            authenticated,
            known,
            unknown,
            credits: Arc::clone(&credits),
        },
        Upcalls {
            authenticated: from_peers,
            known: from_known,
            unknown: from_unknown,
            credits,
        },
    )
}

impl<T> UpcallSender<T> {
    /// Queues what came out of a peer's SA. `make` is called only if there is room, so that a
    /// message that is dropped is not copied either.
    pub(super) fn authenticated(
        &self,
        peer: PeerId,
        make: impl FnOnce() -> T,
    ) -> Result<(), Dropped> {
        if !self.credits.take(peer) {
            return Err(Dropped::NoCredit);
        }
        match self.authenticated.try_reserve() {
            Ok(place) => {
                place.send((peer, make()));
                Ok(())
            }
            Err(TrySendError::Full(()) | TrySendError::Closed(())) => {
                self.credits.give_back(peer);
                Err(Dropped::QueueFull)
            }
        }
    }

    /// Queues an ISAKMP message.
    pub(super) fn ike(&self, known: bool, path: Path, bytes: &[u8]) -> Result<(), Dropped> {
        let queue = if known { &self.known } else { &self.unknown };
        let place = queue.try_reserve().map_err(|_| Dropped::QueueFull)?;
        place.send(IkeMessage {
            path,
            bytes: bytes.to_vec(),
        });
        Ok(())
    }
}

impl<T> Upcalls<T> {
    /// The next message of the best queue that has one; `None` once all workers are gone.
    /// Cancelling this loses nothing.
    pub async fn recv(&mut self) -> Option<Upcall<T>> {
        tokio::select! {
            biased;
            Some((peer, message)) = self.authenticated.recv() => {
                self.credits.give_back(peer);
                Some(Upcall::Authenticated(message))
            }
            Some(message) = self.known.recv() => Some(Upcall::Ike(message)),
            Some(message) = self.unknown.recv() => Some(Upcall::Ike(message)),
            else => None,
        }
    }

    /// How many messages wait: out of SAs, with cookies of ours, and first ones.
    pub fn waiting(&self) -> [usize; 3] {
        [
            self.authenticated.len(),
            self.known.len(),
            self.unknown.len(),
        ]
    }

    /// The next message if one waits, by the same order.
    pub fn recv_now(&mut self) -> Option<Upcall<T>> {
        if let Ok((peer, message)) = self.authenticated.try_recv() {
            self.credits.give_back(peer);
            return Some(Upcall::Authenticated(message));
        }
        let message = self
            .known
            .try_recv()
            .or_else(|_| self.unknown.try_recv())
            .ok()?;
        Some(Upcall::Ike(message))
    }
}

#[cfg(test)]
mod tests {
    use wire::Carrier;

    use super::*;

    fn path() -> Path {
        Path {
            local: "192.0.2.1:500".parse().unwrap(),
            remote: "192.0.2.2:500".parse().unwrap(),
            carrier: Carrier::Ike,
        }
    }

    fn ike(byte: u8) -> Upcall<u32> {
        Upcall::Ike(IkeMessage {
            path: path(),
            bytes: vec![byte],
        })
    }

    #[tokio::test]
    async fn the_best_queue_is_served_first() {
        let (sender, mut receiver) = upcalls(&Limits::default());
        sender.ike(false, path(), &[1]).unwrap();
        sender.ike(true, path(), &[2]).unwrap();
        sender.authenticated(PeerId(1), || 3).unwrap();
        assert_eq!(receiver.recv().await, Some(Upcall::Authenticated(3)));
        sender.authenticated(PeerId(1), || 4).unwrap();
        assert_eq!(receiver.recv().await, Some(Upcall::Authenticated(4)));
        assert_eq!(receiver.recv().await, Some(ike(2)));
        assert_eq!(receiver.recv().await, Some(ike(1)));
        drop(sender);
        assert_eq!(receiver.recv().await, None);
    }

    #[tokio::test]
    async fn a_peer_cannot_have_the_queue_for_itself() {
        let (sender, mut receiver) = upcalls(&Limits::default());
        let greedy = (0..1000)
            .filter(|&n| sender.authenticated(PeerId(7), || n).is_ok())
            .count();
        assert_eq!(
            greedy,
            usize::try_from(Limits::default().control_queue_per_client).unwrap()
        );
        assert_eq!(
            sender.authenticated(PeerId(7), || 0),
            Err(Dropped::NoCredit)
        );
        assert_eq!(sender.authenticated(PeerId(8), || 0), Ok(()));
        receiver.recv().await.unwrap();
        assert_eq!(
            sender.authenticated(PeerId(7), || 0),
            Ok(()),
            "reading gives credit back"
        );
    }

    #[test]
    fn a_full_queue_drops_and_keeps_no_credit() {
        let (sender, receiver) = upcalls::<u32>(&Limits::default());
        for _ in 0..Limits::default().first_ike_queue {
            sender.ike(false, path(), &[0]).unwrap();
        }
        assert_eq!(sender.ike(false, path(), &[0]), Err(Dropped::QueueFull));
        assert_eq!(
            sender.ike(true, path(), &[0]),
            Ok(()),
            "queues do not crowd each other"
        );
        drop(receiver);
        for _ in 0..10_000 {
            assert_eq!(
                sender.authenticated(PeerId(1), || 0),
                Err(Dropped::QueueFull)
            );
        }
    }
}
