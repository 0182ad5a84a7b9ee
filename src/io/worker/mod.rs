//! The packet threads.
//!
//! A worker owns a set of sockets and some queues of the TUN device, and nobody else touches them.
//! It sleeps in `epoll_wait`, and on waking serves in short rounds whatever is ready: commands of the
//! control plane first, then the sockets, then the TUN device. A small packet waits for the whole
//! round in front of it, so rounds are one system call per source. While there is much to do it
//! polls for a moment before it sleeps ([`Cores::busy_poll`]).
//!
//! For a packet of traffic a worker takes no lock, allocates nothing and logs nothing. Towards the
//! control plane it never waits: three bounded queues go up ([`Upcalls`]), one comes down
//! ([`Commands`]), and what the data plane has noticed is a flag on which [`Parts::notices`] is
//! rung.
//!
//! All sealing for a peer happens on one worker, its owner ([`dataplane::owner`]), so that its
//! sequence numbers leave in order. Commands about a peer go into its owner's queue ([`Workers`]);
//! a packet for it that another worker reads from the TUN device is handed over (`handover.rs`).
//! What comes in is opened wherever it arrives, and the kernel is asked to let it arrive at the
//! owner's sockets.

mod bell;
mod command;
mod cores;
mod counters;
mod devices;
mod handover;
mod limiter;
mod limits;
mod owners;
mod run;
mod sockets;
mod upcall;
mod workers;

use std::sync::Arc;
use std::thread::JoinHandle;

use dataplane::{DataPlane, SessionId};
use tokio::sync::{Notify, mpsc};

use super::SetupError;
use super::raw::RawSocket;
use super::tun::TunQueues;
use super::udp::UdpSocket;

pub use command::{Command, Commands, Gone, Refused};
pub use cores::Cores;
pub use counters::{Counter, Counters};
pub use devices::Devices;
pub use engine::Upcall as FromPeer;
pub use limiter::{Limiter, Rate};
pub use limits::Limits;
pub use upcall::{IkeMessage, Upcall, UpcallSender, Upcalls, upcalls};
use workers::Handovers;
pub use workers::Workers;

/// Where IP packets come from and go to.
pub enum Inside {
    /// Queues of the TUN device.
    Tun(TunQueues),
    /// Queues of TUN devices, one for each session ([`Command::Attach`]).
    PerSession(Devices),
    /// No device: what arrives goes into this queue, or is dropped when it is full; what is to be
    /// sent comes as [`Command::Inject`].
    Queue(mpsc::Sender<Vec<u8>>),
}

/// A device that can be read no more: somebody has removed it. Told once for each queue of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The one of all clients.
    Tun,
    /// That of a session.
    Device(SessionId),
}

/// What a worker is made of.
pub struct Parts {
    /// Which worker it is; its thread is named after it.
    pub number: usize,
    /// The UDP sockets it reads and sends through.
    pub udp: Vec<UdpSocket>,
    /// The sockets for protocol 50 it reads and sends through. Every such socket of a host gets a
    /// copy of every packet, unless it takes a share only ([`super::raw::Share`]).
    pub raw: Vec<RawSocket>,
    /// Where IP packets come from and go to.
    pub inside: Inside,
    /// The tables.
    pub plane: Arc<DataPlane>,
    /// Where messages go up.
    pub upcalls: UpcallSender<FromPeer>,
    /// Which of these messages bear cookies of ours.
    pub cookies: ike::Cookies,
    /// How many there may be.
    pub limits: Limits,
    /// Rung when [`DataPlane::notices`] has something that should not wait.
    pub notices: Arc<Notify>,
    /// Where it is told that a device is gone. There are no more messages than devices.
    pub lost: mpsc::UnboundedSender<Lost>,
}

/// A running packet thread.
#[derive(Debug)]
pub struct Worker {
    commands: Commands,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread.
    ///
    /// # Errors
    /// As a sentence, when the kernel refuses a thread or the means to wake it.
    pub fn start(parts: Parts) -> Result<Self, SetupError> {
        Self::start_among(parts, Handovers::default(), Cores::default())
    }

    /// Starts one of several threads.
    fn start_among(parts: Parts, handovers: Handovers, cores: Cores) -> Result<Self, SetupError> {
        let failed = |what| move |source| SetupError::Thread { what, source };
        let (commands, incoming) = command::commands().map_err(failed("eventfd"))?;
        let counters = Arc::new(Counters::default());
        let number = parts.number;
        let name = format!("adit-worker-{number}");
        let counted = Arc::clone(&counters);
        let run = run::Run::new(parts, handovers, incoming, counted, cores.busy_poll)
            .map_err(failed("epoll"))?;
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                if cores.pin {
                    cores::keep_to(number);
                }
                run.run();
            })
            .map_err(failed("thread"))?;
        Ok(Self {
            commands,
            counters,
            thread: Some(thread),
        })
    }

    /// Its queue of commands.
    pub const fn commands(&self) -> &Commands {
        &self.commands
    }

    /// What it counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Lets the worker do what is in its queue, and waits until it has ended. Sockets and the TUN
    /// queue are closed then. Returns whether it ended orderly.
    pub fn finish(mut self) -> bool {
        self.commands.stop();
        self.thread
            .take()
            .is_some_and(|thread| thread.join().is_ok())
    }
}

impl Drop for Worker {
    /// Tells the worker to end, without waiting for it.
    fn drop(&mut self) {
        self.commands.stop();
    }
}

#[cfg(test)]
mod tests;
