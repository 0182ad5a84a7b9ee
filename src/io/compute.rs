//! Threads for work that takes milliseconds: Diffie-Hellman powers and trials of keys.
//!
//! The control loop must not stop for them (a 4096-bit power is a hundred messages' worth of
//! time), and it must not be flooded either: the queue is bounded and a full one is the caller's
//! to deal with. In IKE that means not answering: the peer sends again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc as results;

use super::SetupError;

/// Jobs accepted and not yet collected, per thread. At about 2 ms a power this is a second of
/// work: later answers would find the peer gone.
const QUEUE_PER_THREAD: usize = 512;

type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// Too many jobs wait; this one was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue of computations is full")]
pub struct Full;

/// What the pool and the holder of its results share. The two channels have no bound of their
/// own: `outstanding` bounds both, so that no thread ever waits to hand in a result.
#[derive(Default)]
struct Shared {
    outstanding: AtomicUsize,
    ending: AtomicBool,
}

/// Some threads that run jobs and hand their results to the control loop.
pub struct Pool<T> {
    jobs: Option<mpsc::Sender<Job<T>>>,
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
    limit: usize,
}

/// Where the results of a [`Pool`] arrive.
pub struct Results<T> {
    finished: results::UnboundedReceiver<T>,
    shared: Arc<Shared>,
}

impl<T> Results<T> {
    /// The next result, in the order in which jobs are finished, which need not be that of their
    /// submission. `None` once the pool is gone. Cancelling this loses nothing.
    pub async fn recv(&mut self) -> Option<T> {
        let result = self.finished.recv().await?;
        self.shared.outstanding.fetch_sub(1, Ordering::Relaxed);
        Some(result)
    }

    /// The next result if there is one.
    pub fn recv_now(&mut self) -> Option<T> {
        let result = self.finished.try_recv().ok()?;
        self.shared.outstanding.fetch_sub(1, Ordering::Relaxed);
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
        Self::with_threads(threads, threads.saturating_mul(QUEUE_PER_THREAD))
    }

    /// `threads` threads, and at most `limit` jobs accepted whose results are not collected.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn with_threads(threads: usize, limit: usize) -> Result<(Self, Results<T>), SetupError> {
        let shared = Arc::new(Shared::default());
        let (jobs, incoming) = mpsc::channel::<Job<T>>();
        let (done, finished) = results::unbounded_channel();
        let incoming = Arc::new(Mutex::new(incoming));
        let threads = (0..threads.max(1))
            .map(|number| {
                let (incoming, done) = (Arc::clone(&incoming), done.clone());
                let shared = Arc::clone(&shared);
                thread::Builder::new()
                    .name(format!("adit-dh-{number}"))
                    .spawn(move || serve(&incoming, &done, &shared))
                    .map_err(|source| SetupError::Thread {
                        what: "computations",
                        source,
                    })
            })
            .collect::<Result<_, _>>()?;
        let pool = Self {
            jobs: Some(jobs),
            threads,
            shared: Arc::clone(&shared),
            limit,
        };
        Ok((pool, Results { finished, shared }))
    }

    /// Queues `job`. Never blocks.
    ///
    /// # Errors
    /// [`Full`] when too many jobs wait already; the job is dropped.
    pub fn submit(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<(), Full> {
        let jobs = self.jobs.as_ref().ok_or(Full)?;
        if self.shared.outstanding.fetch_add(1, Ordering::Relaxed) < self.limit
            && jobs.send(Box::new(job)).is_ok()
        {
            return Ok(());
        }
        self.shared.outstanding.fetch_sub(1, Ordering::Relaxed);
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

fn serve<T>(
    jobs: &Mutex<mpsc::Receiver<Job<T>>>,
    done: &results::UnboundedSender<T>,
    shared: &Shared,
) {
    loop {
        // One idle thread waits in `recv` and holds the lock, the others wait for the lock:
        // whoever has it takes the next job and lets go before it works.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if shared.ending.load(Ordering::Relaxed) {
            return;
        }
        // A job that panics is a bug of ours; where panics unwind it costs its own result and
        // not the thread.
        match catch_unwind(AssertUnwindSafe(job)) {
            Ok(result) => {
                if done.send(result).is_err() {
                    return;
                }
            }
            Err(_) => {
                shared.outstanding.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl<T> Drop for Pool<T> {
    /// Waits for the jobs that run now; those that only wait are dropped.
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn every_job_gives_one_result() {
        let (pool, mut done) = Pool::with_threads(2, 100).unwrap();
        for n in 0..100_u32 {
            pool.submit(move || n * 2).unwrap();
        }
        let mut seen = Vec::new();
        while seen.len() < 100 {
            seen.push(done.recv().await.unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..100).map(|n| n * 2).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_full_queue_is_reported_and_does_not_block() {
        let (pool, mut done) = Pool::with_threads(1, 2).unwrap();
        let gate = Arc::new(Barrier::new(2));
        let inside = Arc::clone(&gate);
        pool.submit(move || {
            inside.wait();
            inside.wait();
            1
        })
        .unwrap();
        gate.wait(); // the thread is inside the first job
        pool.submit(|| 2).unwrap();
        assert_eq!(pool.submit(|| 3), Err(Full));
        gate.wait();
        assert_eq!(done.recv().await, Some(1));
        assert_eq!(done.recv().await, Some(2));
        pool.submit(|| 4).unwrap();
        assert_eq!(done.recv().await, Some(4), "collected results make room");
    }

    #[tokio::test]
    async fn a_panic_costs_its_own_result_only() {
        let (pool, mut done) = Pool::with_threads(1, 1).unwrap();
        pool.submit(|| -> u8 { panic!("on purpose") }).unwrap();
        while pool.submit(|| 7).is_err() {
            thread::yield_now();
        }
        assert_eq!(done.recv().await, Some(7));
    }

    #[test]
    fn the_pool_ends_with_its_results_uncollected() {
        let (pool, done) = Pool::with_threads(2, 1000).unwrap();
        for n in 0..1000 {
            pool.submit(move || n).unwrap();
        }
        drop(pool); // joins: hangs here if a thread waits for somebody
        drop(done);
    }
}
