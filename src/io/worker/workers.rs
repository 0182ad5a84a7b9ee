//! All packet threads of a server or client, and the way of commands to the right one.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::command::{Command, Commands, Gone};
use super::cores::Cores;
use super::counters::Counters;
use super::handover::Handover;
use super::owners::Owners;
use super::{Parts, Worker};
use crate::io::SetupError;
use crate::io::tun::TunQueues;

/// The queues of all workers, by their number; none where there is one worker only.
pub(super) type Handovers = Arc<[Arc<Handover>]>;

/// Running packet threads.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    owners: Owners,
    /// Which of them have commands that they have not been woken for.
    unaware: Vec<bool>,
}

impl Workers {
    /// Starts a thread for each element, at least one.
    ///
    /// # Errors
    /// As a sentence, when the kernel refuses a thread or the means to wake it.
    pub fn start(parts: Vec<Parts>, cores: Cores) -> Result<Self, SetupError> {
        let queues = if parts.len() > 1 { parts.len() } else { 0 };
        let handovers: Handovers = (0..queues)
            .map(|_| Handover::new())
            .collect::<Result<_, _>>()
            .map_err(|source| SetupError::Thread {
                what: "eventfd",
                source,
            })?;
        let owners = Owners::new(parts.len());
        let workers = parts
            .into_iter()
            .map(|parts| Worker::start_among(parts, Arc::clone(&handovers), cores))
            .collect::<Result<Vec<_>, _>>()?;
        let unaware = vec![false; workers.len()];
        Ok(Self {
            workers,
            owners,
            unaware,
        })
    }

    /// Queues a command where it belongs, behind all that were queued about the same peer; waits
    /// while that queue is full. The workers never wait for the control plane, so this ends.
    ///
    /// The worker need not see it before [`Self::wake`] is called: to wake a thread costs more than
    /// most commands do, and each message that the engine handles brings several.
    ///
    /// # Errors
    /// [`Gone`] when there is no such worker any more.
    pub async fn send(&mut self, command: Command) -> Result<(), Gone> {
        let way = self.owners.way(&command);
        if let Some(after) = way.after {
            let (fence, passed) = oneshot::channel();
            self.of(after)?.send(Command::Fence(fence)).await?;
            passed.await.map_err(|_| Gone)?;
        }
        self.of(way.thread)?.put(command).await?;
        if let Some(unaware) = self.unaware.get_mut(way.thread) {
            *unaware = true;
        }
        Ok(())
    }

    /// Lets the workers see the commands that have been queued for them.
    pub fn wake(&mut self) {
        for (worker, unaware) in self.workers.iter().zip(&mut self.unaware) {
            if std::mem::take(unaware) {
                worker.commands().wake();
            }
        }
    }

    /// Gives each worker other queues of the TUN device.
    ///
    /// # Errors
    /// [`Gone`] when there is one of them no more.
    pub async fn renew(&self, queues: Vec<TunQueues>) -> Result<(), Gone> {
        for (worker, queue) in self.workers.iter().zip(queues) {
            worker.commands().send(Command::Renew(queue)).await?;
        }
        Ok(())
    }

    fn of(&self, thread: usize) -> Result<&Commands, Gone> {
        self.workers.get(thread).map(Worker::commands).ok_or(Gone)
    }

    /// The queue of the first one, for what is no peer's.
    pub fn first(&self) -> Option<&Commands> {
        self.workers.first().map(Worker::commands)
    }

    /// What each of them counts.
    pub fn counters(&self) -> impl Iterator<Item = &Counters> {
        self.workers.iter().map(Worker::counters)
    }

    /// Lets all do what is in their queues, and waits until they have ended. Returns whether they
    /// ended orderly.
    pub fn finish(self) -> bool {
        // All are told before the first is waited for.
        self.workers
            .iter()
            .for_each(|worker| worker.commands().stop());
        let ended: Vec<bool> = self.workers.into_iter().map(Worker::finish).collect();
        ended.into_iter().all(|orderly| orderly)
    }
}
