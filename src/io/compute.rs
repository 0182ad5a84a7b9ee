//! Threads for work that takes milliseconds: Diffie-Hellman powers and trials of keys.
//!
//! The control loop must not stop for them (a 4096-bit power is a hundred messages' worth of
//! time), and it must not be flooded either: the queues are bounded and a full one is the caller's
//! to deal with. In IKE that means not answering: the peer sends again.
//!
//! There are two queues, and what finishes something is done before what begins something; only each
//! fifth job is one that begins, while there are any. IKE begins no more than there is time for
//! ([`ike::Limits::backlog`]), so that the bounds here are for the case that everybody who has begun
//! goes on at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc as results;

use super::SetupError;

/// Jobs that begin something, accepted and not yet collected, per thread. At about 2 ms a power this
/// is four seconds of work, for which a peer that is unlucky repeats its message twice.
const BEGINNINGS_PER_THREAD: usize = 2_048;
/// How many times that all jobs together may be.
const ALL: usize = 2;
/// Jobs that finish something and are done in a row while one waits that begins something. Each of
/// those that IKE begins is followed by one or two others, so that the turn seldom comes; but whoever
/// is in can rekey without end, and must not keep out all others with that.
const IN_A_ROW: u32 = 4;

type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// How urgent a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// It finishes what much has been done for.
    Finishing,
    /// It begins something.
    Beginning,
}

/// Too many jobs wait; this one was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue of computations is full")]
pub struct Full;

/// Jobs that wait.
struct Waiting<T> {
    finishing: VecDeque<Job<T>>,
    beginning: VecDeque<Job<T>>,
    /// Jobs that finish something and were taken since one that begins something was.
    in_a_row: u32,
    ending: bool,
}

impl<T> Waiting<T> {
    /// The job whose turn it is.
    fn take(&mut self) -> Option<Job<T>> {
        let begins = self.in_a_row >= IN_A_ROW && !self.beginning.is_empty();
        if !begins && let Some(job) = self.finishing.pop_front() {
            self.in_a_row = self.in_a_row.saturating_add(1);
            return Some(job);
        }
        self.in_a_row = 0;
        self.beginning.pop_front()
    }
}

/// The queues, and what wakes the threads.
struct Queues<T> {
    waiting: Mutex<Waiting<T>>,
    more: Condvar,
}

impl<T> Queues<T> {
    fn new() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                finishing: VecDeque::new(),
                beginning: VecDeque::new(),
                in_a_row: 0,
                ending: false,
            }),
            more: Condvar::new(),
        }
    }

    fn push(&self, urgency: Urgency, job: Job<T>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match urgency {
            Urgency::Finishing => waiting.finishing.push_back(job),
            Urgency::Beginning => waiting.beginning.push_back(job),
        }
        drop(waiting);
        self.more.notify_one();
    }

    /// The next job; waits for it. `None` when it is time to end.
    fn next(&self) -> Option<Job<T>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if waiting.ending {
                return None;
            }
            if let Some(job) = waiting.take() {
                return Some(job);
            }
            waiting = self
                .more
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets all threads end; jobs that wait are dropped with the queues.
    fn end(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.ending = true;
        drop(waiting);
        self.more.notify_all();
    }
}

/// Some threads that run jobs and hand their results to the control loop.
pub struct Pool<T> {
    queues: Arc<Queues<T>>,
    threads: Vec<JoinHandle<()>>,
    /// Jobs accepted and not collected. The queues and the channel of results have no bound of
    /// their own: this bounds both, so that no thread ever waits to hand in a result.
    outstanding: Arc<AtomicUsize>,
    limit: usize,
}

/// Where the results of a [`Pool`] arrive.
pub struct Results<T> {
    finished: results::UnboundedReceiver<T>,
    outstanding: Arc<AtomicUsize>,
}

impl<T> Results<T> {
    /// The next result, in the order in which jobs are finished, which need not be that of their
    /// submission. `None` once the pool is gone. Cancelling this loses nothing.
    pub async fn recv(&mut self) -> Option<T> {
        let result = self.finished.recv().await?;
        self.outstanding.fetch_sub(1, Ordering::Relaxed);
        Some(result)
    }

    /// The next result if there is one.
    pub fn recv_now(&mut self) -> Option<T> {
        let result = self.finished.try_recv().ok()?;
        self.outstanding.fetch_sub(1, Ordering::Relaxed);
        Some(result)
    }
}

impl<T: Send + 'static> Pool<T> {
    /// One thread per core but one (the packets' core), at least one.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn new() -> Result<(Self, Results<T>), SetupError> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.saturating_sub(1).max(1);
        Self::with_threads(threads, threads.saturating_mul(BEGINNINGS_PER_THREAD))
    }

    /// `threads` threads, and at most `limit` jobs accepted that begin something and whose results
    /// are not collected; with those that finish something twice as many.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn with_threads(threads: usize, limit: usize) -> Result<(Self, Results<T>), SetupError> {
        let outstanding = Arc::new(AtomicUsize::new(0));
        let queues = Arc::new(Queues::new());
        let (done, finished) = results::unbounded_channel();
        let threads = (0..threads.max(1))
            .map(|number| {
                let (queues, done) = (Arc::clone(&queues), done.clone());
                thread::Builder::new()
                    .name(format!("adit-dh-{number}"))
                    .spawn(move || serve(&queues, &done))
                    .map_err(|source| SetupError::Thread {
                        what: "computations",
                        source,
                    })
            })
            .collect::<Result<_, _>>()?;
        let pool = Self {
            queues,
            threads,
            outstanding: Arc::clone(&outstanding),
            limit,
        };
        let results = Results {
            finished,
            outstanding,
        };
        Ok((pool, results))
    }

    /// Queues `job`. Never blocks.
    ///
    /// # Errors
    /// [`Full`] when too many jobs wait already; the job is dropped.
    pub fn submit(
        &self,
        urgency: Urgency,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(), Full> {
        let limit = match urgency {
            Urgency::Finishing => self.limit.saturating_mul(ALL),
            Urgency::Beginning => self.limit,
        };
        if self.outstanding.fetch_add(1, Ordering::Relaxed) < limit {
            self.queues.push(urgency, Box::new(job));
            return Ok(());
        }
        self.outstanding.fetch_sub(1, Ordering::Relaxed);
        Err(Full)
    }

    /// Accepts so many jobs whose results are not collected, if that is more than before.
    pub fn accept(&mut self, limit: usize) {
        self.limit = self.limit.max(limit);
    }

    /// Threads in the pool.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }
}

fn serve<T>(queues: &Queues<T>, done: &results::UnboundedSender<T>) {
    while let Some(job) = queues.next() {
        // One that panics ends the process ([`crate::panic`]).
        if done.send(job()).is_err() {
            return;
        }
    }
}

impl<T> Drop for Pool<T> {
    /// Waits for the jobs that run now; those that only wait are dropped.
    fn drop(&mut self) {
        self.queues.end();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::Urgency::{Beginning, Finishing};
    use super::*;

    #[tokio::test]
    async fn every_job_gives_one_result() {
        let (pool, mut done) = Pool::with_threads(2, 100).unwrap();
        for n in 0..100_u32 {
            pool.submit(Finishing, move || n * 2).unwrap();
        }
        let mut seen = Vec::new();
        while seen.len() < 100 {
            seen.push(done.recv().await.unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..100).map(|n| n * 2).collect::<Vec<_>>());
    }

    /// Gives the only thread a job that it is inside of until somebody comes to the gate.
    fn hold_up(pool: &Pool<u32>, urgency: Urgency, result: u32) -> Arc<Barrier> {
        let gate = Arc::new(Barrier::new(2));
        let inside = Arc::clone(&gate);
        let job = move || {
            inside.wait();
            inside.wait();
            result
        };
        pool.submit(urgency, job).unwrap();
        gate.wait();
        gate
    }

    #[tokio::test]
    async fn a_full_queue_is_reported_and_does_not_block() {
        let (pool, mut done) = Pool::with_threads(1, 1).unwrap();
        let gate = hold_up(&pool, Finishing, 1);
        pool.submit(Finishing, || 2).unwrap();
        assert_eq!(pool.submit(Finishing, || 3), Err(Full));
        gate.wait();
        assert_eq!(done.recv().await, Some(1));
        assert_eq!(done.recv().await, Some(2));
        pool.submit(Finishing, || 4).unwrap();
        assert_eq!(done.recv().await, Some(4), "collected results make room");
    }

    #[tokio::test]
    async fn what_finishes_comes_before_what_begins_and_has_more_room() {
        let (pool, mut done) = Pool::with_threads(1, 3).unwrap();
        let gate = hold_up(&pool, Beginning, 0);
        pool.submit(Beginning, || 3).unwrap();
        pool.submit(Beginning, || 4).unwrap();
        assert_eq!(pool.submit(Beginning, || 9), Err(Full));
        pool.submit(Finishing, || 1).unwrap();
        pool.submit(Finishing, || 2).unwrap();
        gate.wait();
        for expected in 0..5 {
            assert_eq!(done.recv().await, Some(expected));
        }
    }

    #[tokio::test]
    async fn what_begins_has_its_turn_however_much_there_is_to_finish() {
        let (pool, mut done) = Pool::with_threads(1, 100).unwrap();
        let gate = hold_up(&pool, Beginning, 0);
        pool.submit(Beginning, || 100).unwrap();
        pool.submit(Beginning, || 200).unwrap();
        for n in 1..=10 {
            pool.submit(Finishing, move || n).unwrap();
        }
        gate.wait();
        for expected in [0, 1, 2, 3, 4, 100, 5, 6, 7, 8, 200, 9, 10] {
            assert_eq!(done.recv().await, Some(expected));
        }
    }

    #[test]
    fn the_pool_ends_with_its_results_uncollected() {
        let (pool, done) = Pool::with_threads(2, 1000).unwrap();
        for n in 0..1000 {
            pool.submit(Finishing, move || n).unwrap();
        }
        drop(pool); // joins: hangs here if a thread waits for somebody
        drop(done);
    }
}
