//! Wakes a worker that sleeps in `epoll_wait`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// A bell: rung by many, heard by one.
#[derive(Debug)]
pub(super) struct Bell {
    event: OwnedFd,
    /// Whether it has been rung and not been heard yet: ringing twice costs no system call.
    rung: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let rung = AtomicBool::new(false);
        Ok(Self { event, rung })
    }

    /// To be called after something was queued.
    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // An eventfd takes 2^64 - 2 of these.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// To be called when the bell was heard, before anything is taken from the queue: what is
    /// queued from now on rings again.
    pub(super) fn hear(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.event, &mut count);
        // Read and written in one: whoever did not ring because this was still set has queued
        // before that, and is seen now.
        self.rung.swap(false, Ordering::AcqRel);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
