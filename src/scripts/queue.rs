//! Work that waits, in order for each session: many queues, and some threads that serve them.
//!
//! What is submitted for one session is done one after the other, in the order of submission; what is
//! for different sessions is done side by side, by as many threads as are needed, up to a limit.
//! Submitting never waits. How much may wait is bounded for each session and in all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

/// Tasks that may wait for one session. Those of one coming and going are five.
const PER_SESSION: usize = 16;
/// Tasks that may wait in all.
const IN_ALL: usize = 16_384;

/// What is done, and what it is done with: the state of a session between its tasks.
pub trait Lane: Send + 'static {
    /// One thing to do.
    type Task: Send;

    /// Does it. May take long.
    fn run(&mut self, task: Self::Task);

    /// Whether nothing comes any more.
    fn is_over(&self) -> bool;
}

/// There is no room; nothing was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much is waiting to be done")]
pub struct Full;

/// The queues and their threads. Dropping it lets the threads end when they have nothing to do.
pub struct Lanes<L: Lane> {
    shared: Arc<Shared<L>>,
}

struct Shared<L: Lane> {
    state: Mutex<State<L>>,
    /// Something is ready, or it ends.
    ready: Condvar,
    /// Something is done.
    done: Condvar,
    name: &'static str,
    most: usize,
}

struct State<L: Lane> {
    lanes: BTreeMap<u64, Entry<L>>,
    /// Sessions with a task that no thread is at work for.
    ready: VecDeque<u64>,
    waiting: usize,
    threads: usize,
    idle: usize,
    ending: bool,
}

struct Entry<L: Lane> {
    tasks: VecDeque<L::Task>,
    /// `None` while a thread has it.
    lane: Option<L>,
}

impl<L: Lane> Lanes<L> {
    /// Queues served by at most so many threads, which are named after `name`.
    pub fn new(name: &'static str, threads: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    lanes: BTreeMap::new(),
                    ready: VecDeque::new(),
                    waiting: 0,
                    threads: 0,
                    idle: 0,
                    ending: false,
                }),
                ready: Condvar::new(),
                done: Condvar::new(),
                name,
                most: threads.max(1),
            }),
        }
    }

    /// Has `task` done for a session, with the state that `new` makes if there is none yet.
    ///
    /// # Errors
    /// [`Full`].
    pub fn submit(&self, session: u64, task: L::Task, new: impl FnOnce() -> L) -> Result<(), Full> {
        self.put(session, task, new, PER_SESSION, IN_ALL)
    }

    /// The same for what undoes something: there is always room, as there is at most one of these
    /// for each that was submitted to be undone.
    pub fn submit_undoing(&self, session: u64, task: L::Task, new: impl FnOnce() -> L) {
        // Nothing is more than all there is.
        let _ = self.put(session, task, new, usize::MAX, usize::MAX);
    }

    fn put(
        &self,
        session: u64,
        task: L::Task,
        new: impl FnOnce() -> L,
        per_session: usize,
        in_all: usize,
    ) -> Result<(), Full> {
        let mut state = self.shared.lock();
        let waiting = state
            .lanes
            .get(&session)
            .map_or(0, |entry| entry.tasks.len());
        if state.ending || waiting >= per_session || state.waiting >= in_all {
            return Err(Full);
        }
        let entry = state.lanes.entry(session).or_insert_with(|| Entry {
            tasks: VecDeque::new(),
            lane: Some(new()),
        });
        entry.tasks.push_back(task);
        let is_ready = entry.lane.is_some() && entry.tasks.len() == 1;
        state.waiting += 1;
        if is_ready {
            state.ready.push_back(session);
            if state.idle < state.ready.len() && state.threads < self.shared.most {
                self.start(&mut state);
            }
        }
        drop(state);
        self.shared.ready.notify_one();
        Ok(())
    }

    fn start(&self, state: &mut State<L>) {
        let shared = Arc::clone(&self.shared);
        let name = format!("adit-{}-{}", self.shared.name, state.threads);
        match thread::Builder::new()
            .name(name)
            .spawn(move || shared.serve())
        {
            Ok(_) => state.threads += 1,
            Err(error) => warn!("no thread for {}: {error}", self.shared.name),
        }
    }

    /// Waits until everything is done, at most so long. Returns how many tasks have not been begun,
    /// and will not be.
    pub fn finish(&self, limit: Duration) -> usize {
        let end = Instant::now() + limit;
        let mut state = self.shared.lock();
        while state.is_busy() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.done.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.ending = true;
        state.ready.clear();
        let left = state.waiting;
        drop(state);
        self.shared.ready.notify_all();
        left
    }

    /// How many of the tasks that wait are such.
    pub fn waiting(&self, such: impl Fn(&L::Task) -> bool) -> usize {
        let state = self.shared.lock();
        let tasks = state.lanes.values().flat_map(|entry| &entry.tasks);
        tasks.filter(|&task| such(task)).count()
    }
}

impl<L: Lane> Drop for Lanes<L> {
    fn drop(&mut self) {
        self.shared.lock().ending = true;
        self.shared.ready.notify_all();
    }
}

impl<L: Lane> State<L> {
    fn is_busy(&self) -> bool {
        self.waiting > 0 || self.lanes.values().any(|entry| entry.lane.is_none())
    }
}

impl<L: Lane> Shared<L> {
    fn lock(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut state = self.lock();
        loop {
            let Some(session) = state.ready.pop_front() else {
                if state.ending {
                    state.threads -= 1;
                    return;
                }
                state.idle += 1;
                state = self
                    .ready
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            let Some((mut lane, task)) = state.take(session) else {
                continue;
            };
            drop(state);
            lane.run(task);
            state = self.lock();
            state.give_back(session, lane);
            self.done.notify_all();
        }
    }
}

impl<L: Lane> State<L> {
    fn take(&mut self, session: u64) -> Option<(L, L::Task)> {
        let entry = self.lanes.get_mut(&session)?;
        let lane = entry.lane.take()?;
        let Some(task) = entry.tasks.pop_front() else {
            entry.lane = Some(lane);
            return None;
        };
        self.waiting -= 1;
        Some((lane, task))
    }

    fn give_back(&mut self, session: u64, lane: L) {
        let Some(entry) = self.lanes.get_mut(&session) else {
            return;
        };
        if !entry.tasks.is_empty() {
            entry.lane = Some(lane);
            if !self.ending {
                self.ready.push_back(session);
            }
        } else if lane.is_over() {
            self.lanes.remove(&session);
        } else {
            entry.lane = Some(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Writes down what it does.
    struct Notes {
        session: u64,
        over: bool,
        to: mpsc::Sender<(u64, u32)>,
    }

    struct Note {
        number: u32,
        takes: Duration,
        last: bool,
    }

    impl Lane for Notes {
        type Task = Note;

        fn run(&mut self, note: Note) {
            thread::sleep(note.takes);
            self.over = note.last;
            self.to.send((self.session, note.number)).unwrap();
        }

        fn is_over(&self) -> bool {
            self.over
        }
    }

    fn note(number: u32, takes: u64) -> Note {
        Note {
            number,
            takes: Duration::from_millis(takes),
            last: false,
        }
    }

    struct Book {
        lanes: Lanes<Notes>,
        to: mpsc::Sender<(u64, u32)>,
        notes: mpsc::Receiver<(u64, u32)>,
    }

    impl Book {
        fn new(threads: usize) -> Self {
            let (to, notes) = mpsc::channel();
            let lanes = Lanes::new("test", threads);
            Self { lanes, to, notes }
        }

        fn put(&self, session: u64, note: Note) -> Result<(), Full> {
            let to = self.to.clone();
            self.lanes.submit(session, note, || Notes {
                session,
                over: false,
                to,
            })
        }
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn each_session_keeps_its_order_and_none_waits_for_another() {
        let book = Book::new(8);
        for number in 0..10 {
            for session in 0..20 {
                // The first of each takes longer than those behind it.
                let takes = if number == 0 { 20 } else { 1 };
                book.put(session, note(number, takes)).unwrap();
            }
        }
        assert_eq!(book.lanes.finish(LONG), 0);
        let mut seen = BTreeMap::<u64, Vec<u32>>::new();
        for (session, number) in book.notes.try_iter() {
            seen.entry(session).or_default().push(number);
        }
        assert_eq!(seen.len(), 20);
        for numbers in seen.values() {
            assert_eq!(*numbers, (0..10).collect::<Vec<_>>());
        }

        let book = Book::new(2);
        book.put(1, note(1, 1_000)).unwrap();
        book.put(2, note(2, 0)).unwrap();
        assert_eq!(book.notes.recv_timeout(LONG), Ok((2, 2)));
        assert_eq!(book.notes.recv_timeout(LONG), Ok((1, 1)));
    }

    #[test]
    fn what_waits_is_bounded_and_what_undoes_has_room() {
        let book = Book::new(1);
        book.put(1, note(0, 300)).unwrap();
        let taken = (1..100)
            .filter(|n| book.put(1, note(*n, 0)).is_ok())
            .count();
        assert!((PER_SESSION - 1..=PER_SESSION).contains(&taken), "{taken}");
        let to = book.to.clone();
        let new = || Notes {
            session: 1,
            over: false,
            to,
        };
        book.lanes.submit_undoing(1, note(200, 0), new);
        assert_eq!(book.lanes.finish(LONG), 0);
        assert_eq!(book.notes.try_iter().last(), Some((1, 200)));
    }

    #[test]
    fn at_the_end_what_has_not_begun_is_left() {
        let book = Book::new(1);
        for number in 0..5 {
            book.put(1, note(number, 200)).unwrap();
        }
        let left = book.lanes.finish(Duration::from_millis(300));
        assert!((2..=4).contains(&left), "{left}");
        assert_eq!(book.lanes.waiting(|_| true), left);
        assert_eq!(book.lanes.waiting(|note| note.number == 4), 1);
        assert_eq!(book.put(1, note(9, 0)), Err(Full));
    }

    #[test]
    fn nothing_is_kept_of_a_session_that_is_over() {
        let book = Book::new(2);
        for session in 0..50 {
            book.put(session, note(1, 0)).unwrap();
            let last = Note {
                last: true,
                ..note(2, 0)
            };
            book.put(session, last).unwrap();
        }
        assert_eq!(book.lanes.finish(LONG), 0);
        assert_eq!(book.lanes.shared.lock().lanes.len(), 0);
    }
}
