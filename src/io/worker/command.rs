//! What the control plane tells a worker: one queue, first in, first out.
//!
//! One queue because order is correctness: an SA is installed before the message that lets the peer
//! use it leaves, and it is removed after the last packet that was to be sealed with it has left.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dataplane::{SessionId, Update};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use tokio::sync::oneshot;
use wire::{Path, PeerId, Ports};

use super::bell::Bell;
use crate::io::tun::{TunQueue, TunQueues};

/// Commands that may wait. The control plane makes a handful per message it handles.
const QUEUE: usize = 4096;

/// One thing to do.
#[derive(Debug)]
pub enum Command {
    /// Send an ISAKMP message; on [`wire::Carrier::NatT`] the non-ESP marker is put in front,
    /// except of a NAT keep-alive, the single byte 0xff.
    Send {
        /// From where to where.
        path: Path,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Seal an L2TP control message with the peer's newest outbound SA and send it.
    SealControl {
        /// Whose SA.
        peer: PeerId,
        /// The UDP ports inside.
        ports: Ports,
        /// The L2TP message.
        bytes: Vec<u8>,
    },
    /// Put L2TP around a PPP control frame, seal and send it.
    SealPpp {
        /// Which session.
        session: SessionId,
        /// The frame, from the protocol field (or address and control) on.
        frame: Vec<u8>,
    },
    /// Seal an IP packet of our own and send it through a session.
    SealIp {
        /// Which session.
        session: SessionId,
        /// The packet.
        packet: Vec<u8>,
    },
    /// Change the tables of the data plane.
    Apply(Update),
    /// Take an L2TP message that came up as a stray once more, now that its peer is known and the
    /// session may be.
    Deliver {
        /// The peer it belongs to.
        peer: PeerId,
        /// The UDP ports inside.
        ports: Ports,
        /// The L2TP message.
        bytes: Vec<u8>,
    },
    /// Read from and write to a TUN device that a session has of its own.
    Attach {
        /// Whose it is.
        session: SessionId,
        /// The device.
        queue: TunQueue,
    },
    /// Let go of a session's device, and hand it over to be closed.
    Detach {
        /// Whose it is.
        session: SessionId,
        /// Where it goes, if there was one.
        to: std::sync::mpsc::Sender<TunQueue>,
    },
    /// Use another queue of the TUN device of all clients, whose former one is gone.
    Renew(TunQueues),
    /// Treat an IP packet as if it had been read from the TUN device.
    Inject(Vec<u8>),
    /// Say that everything before this is done.
    Fence(oneshot::Sender<()>),
}

/// The worker has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the packet thread has ended")]
pub struct Gone;

/// Why a command was not queued at once; it comes back.
#[derive(Debug)]
pub enum Refused {
    /// The queue is full.
    Full(Command),
    /// The worker has ended.
    Gone(Command),
}

/// The control plane's end of a worker's queue.
#[derive(Debug, Clone)]
pub struct Commands {
    queue: Sender<Command>,
    bell: Arc<Bell>,
    stop: Arc<AtomicBool>,
}

impl Commands {
    /// Queues a command; waits while the queue is full. The worker never waits for the control
    /// plane, so this ends.
    ///
    /// # Errors
    /// [`Gone`] when there is no worker any more.
    pub async fn send(&self, command: Command) -> Result<(), Gone> {
        // Not straight into the queue: what fills it may be what the worker has not been woken for.
        self.put(command).await?;
        self.wake();
        Ok(())
    }

    /// The same without waking the worker, unless there is no room: whoever has several commands
    /// wakes it after the last one ([`Self::wake`]).
    ///
    /// # Errors
    /// [`Gone`] when there is no worker any more.
    pub(super) async fn put(&self, command: Command) -> Result<(), Gone> {
        match self.queue.try_send(command) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(Gone),
            Err(TrySendError::Full(command)) => {
                self.wake();
                self.queue.send(command).await.map_err(|_| Gone)
            }
        }
    }

    /// Lets the worker see what has been put into its queue.
    pub(super) fn wake(&self) {
        self.bell.ring();
    }

    /// [`Self::send`] for threads outside of the runtime: waits on the spot while the queue is full.
    ///
    /// # Errors
    /// [`Gone`] when there is no worker any more.
    pub fn send_blocking(&self, command: Command) -> Result<(), Gone> {
        self.queue.blocking_send(command).map_err(|_| Gone)?;
        self.bell.ring();
        Ok(())
    }

    /// Queues a command if there is room.
    ///
    /// # Errors
    /// The command, when there is none.
    pub fn try_send(&self, command: Command) -> Result<(), Refused> {
        self.queue.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) => Refused::Full(command),
            TrySendError::Closed(command) => Refused::Gone(command),
        })?;
        self.bell.ring();
        Ok(())
    }

    /// Tells the worker to end when its queue is empty.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
    }
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct Incoming {
    queue: Receiver<Command>,
    bell: Arc<Bell>,
    stop: Arc<AtomicBool>,
}

/// A queue of commands.
pub(super) fn commands() -> io::Result<(Commands, Incoming)> {
    let bell = Arc::new(Bell::new()?);
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = channel(QUEUE);
    Ok((
        Commands {
            queue: sender,
            bell: Arc::clone(&bell),
            stop: Arc::clone(&stop),
        },
        Incoming {
            queue: receiver,
            bell,
            stop,
        },
    ))
}

impl Incoming {
    /// To be called when the bell was heard, before commands are taken.
    pub(super) fn hear(&self) {
        self.bell.hear();
    }

    /// Makes the bell heard once more, for commands that are left for the next round.
    pub(super) fn ring(&self) {
        self.bell.ring();
    }

    /// The next command, if there is one.
    pub(super) fn next(&mut self) -> Option<Command> {
        self.queue.try_recv().ok()
    }

    /// Whether there is nothing to do any more: the end was asked for, or nobody is left who
    /// could ask for anything; and the queue is empty.
    pub(super) fn is_over(&self) -> bool {
        let wanted = self.stop.load(Ordering::Acquire) || self.queue.sender_strong_count() == 0;
        wanted && self.queue.is_empty()
    }
}

impl AsFd for Incoming {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
