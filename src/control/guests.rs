//! Who is connected to the control socket, and for whom is waited.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

/// The connections. All of them end when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Guests {
    tasks: JoinSet<()>,
    all: Vec<(AbortHandle, Progress)>,
}

/// Since when a connection waits for its client; `None` while the client waits.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Option<Instant>>>);

impl Progress {
    /// From now on it is the client's turn.
    pub(super) fn expect(&self) {
        self.set(Some(Instant::now()));
    }

    /// The client has done its part.
    pub(super) fn done(&self) {
        self.set(None);
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn waiting_since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    /// Serves one more.
    pub(super) fn admit<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        serve: impl FnOnce(Progress) -> F,
    ) {
        let progress = Progress::default();
        let handle = self.tasks.spawn(serve(progress.clone()));
        self.all.push((handle, progress));
    }

    /// Waits until there are fewer than `most`. As long as there are not, the one that has been waited
    /// for longest is sent away when that is `patience` or more. Cancelling this loses nothing.
    pub(super) async fn make_room(&mut self, most: usize, patience: Duration) {
        loop {
            while self.tasks.try_join_next().is_some() {}
            self.all.retain(|(handle, _)| !handle.is_finished());
            if self.all.len() < most {
                return;
            }
            let waiting = self.all.iter().enumerate();
            let longest = waiting
                .filter_map(|(place, (_, progress))| Some((progress.waiting_since()?, place)))
                .min();
            let left = longest.map_or(patience, |(since, _)| {
                patience.saturating_sub(since.elapsed())
            });
            match longest {
                Some((_, place)) if left.is_zero() => {
                    tracing::debug!("a control connection that does nothing gives way to another");
                    self.all.swap_remove(place).0.abort();
                }
                _ => tokio::select! {
                    _ = self.tasks.join_next() => {}
                    () = sleep(left) => {}
                },
            }
        }
    }
}
