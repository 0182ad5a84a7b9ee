//! The way of log lines to standard error: a queue, and a thread that writes.
//!
//! Who reads standard error may stop reading (a pipe into a program that hangs, a journal that is
//! blocked), and what it leads to may be full or gone. Writing then waits for ever, or fails; whoever
//! logs does neither. What does not fit is lost, and how much that was is logged once lines are
//! taken again.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

use crate::io::confinement;

/// Bytes that may wait to be written, and as many again that are being written: some thousand lines.
const ROOM: usize = 1 << 20;
/// What is written at a time where waiting has an end: a pipe that is ready takes that much without
/// waiting (`PIPE_BUF`, pipe(7)), and so does the journal's socket.
const PIECE: usize = 4096;

/// A queue of lines. Clones are the same queue.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    more: Condvar,
    /// The thread has lines in its hands.
    writing: AtomicBool,
    /// Lines that nobody will read.
    lost: AtomicU64,
    room: usize,
}

impl Queue {
    /// A queue whose lines a thread of its own writes to `sink`.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub(super) fn start(sink: impl AsFd + Send + 'static) -> io::Result<Self> {
        Self::with_room(sink, ROOM)
    }

    fn with_room(sink: impl AsFd + Send + 'static, room: usize) -> io::Result<Self> {
        let queue = Self(Arc::new(Shared {
            waiting: Mutex::default(),
            more: Condvar::new(),
            writing: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            room,
        }));
        let shared = Arc::clone(&queue.0);
        thread::Builder::new()
            .name("adit-log".to_owned())
            .spawn(move || shared.serve(&sink))?;
        Ok(queue)
    }

    /// Lines that were lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, at most so long. Takes part in no lock that somebody could
    /// keep who does not go on.
    pub(super) fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        while !self.is_idle() && Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn is_idle(&self) -> bool {
        // The thread sets `writing` before it lets go of the lock under which it took the lines.
        let empty = self
            .0
            .waiting
            .try_lock()
            .is_ok_and(|waiting| waiting.is_empty());
        empty && !self.0.writing.load(Ordering::Acquire)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.len().saturating_add(line.len()) > self.room {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.extend_from_slice(line);
        drop(waiting);
        self.more.notify_one();
    }

    fn serve(&self, sink: &impl AsFd) {
        confinement::give_up_all_rights();
        let mut lines = Vec::new();
        let mut told = 0;
        loop {
            lines.clear();
            let mut waiting = self.lock();
            while waiting.is_empty() {
                self.writing.store(false, Ordering::Release);
                waiting = self
                    .more
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            self.writing.store(true, Ordering::Release);
            std::mem::swap(&mut lines, &mut waiting);
            drop(waiting);
            match write_all(sink, &lines) {
                // Only when something was taken: else the line about it would be lost, and so on.
                Ok(()) => {
                    let lost = self.lost.load(Ordering::Relaxed);
                    if lost > told {
                        warn!(lines = lost - told, "log lines were lost: nobody took them");
                        told = lost;
                    }
                }
                Err(left) => {
                    let ends = left.iter().filter(|byte| **byte == b'\n').count();
                    let ends = u64::try_from(ends).unwrap_or(u64::MAX);
                    self.lost.fetch_add(ends, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Writes everything, however long it takes. The error is what was not written.
fn write_all<'a>(sink: &impl AsFd, mut bytes: &'a [u8]) -> Result<(), &'a [u8]> {
    while !bytes.is_empty() {
        match rustix::io::write(sink, bytes) {
            Ok(count) if count > 0 => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Whoever shares it with us has made it so.
            Err(Errno::AGAIN) => {
                let _ = is_ready(sink, None);
            }
            // Full, closed, or gone.
            _ => return Err(bytes),
        }
    }
    Ok(())
}

/// Writes as much as is taken within `limit`, past the queue and without a lock.
pub(super) fn write_within(sink: &impl AsFd, mut bytes: &[u8], limit: Duration) {
    let end = Instant::now() + limit;
    while !bytes.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        if !is_ready(sink, Some(left)) {
            return;
        }
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        match rustix::io::write(sink, piece) {
            Ok(count) if count > 0 => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR | Errno::AGAIN) if !left.is_zero() => {}
            _ => return,
        }
    }
}

fn is_ready(sink: &impl AsFd, limit: Option<Duration>) -> bool {
    let timeout = limit.map(|limit| Timespec {
        tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    });
    let mut fds = [PollFd::new(sink, PollFlags::OUT)];
    match poll(&mut fds, timeout.as_ref()) {
        Ok(ready) => ready > 0,
        Err(error) => error == Errno::INTR,
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

/// Takes one line, in one call, as the formatter gives it.
#[derive(Debug)]
pub(super) struct Line<'a>(&'a Shared);

impl io::Write for Line<'_> {
    /// Never fails: the formatter would write of that to standard error itself, which panics where
    /// standard error does not take it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead, BufReader, Write, pipe};

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn put(queue: &Queue, line: &str) {
        queue.make_writer().write_all(line.as_bytes()).unwrap();
    }

    /// More than a pipe takes: a queue of which so much waits is not written to one at once.
    const MORE_THAN_A_PIPE: usize = 1 << 17;

    /// Until what may wait is full.
    fn fill(queue: &Queue) -> u64 {
        let mut put_in = 0;
        let end = Instant::now() + LONG;
        while queue.lost() < 100 {
            put(queue, &format!("{put_in:99}\n"));
            put_in += 1;
            assert!(Instant::now() < end);
        }
        put_in
    }

    #[test]
    fn lines_come_out_as_they_went_in() {
        let (reader, writer) = pipe().unwrap();
        let queue = Queue::start(writer).unwrap();
        let expected: Vec<String> = (0..20_000).map(|n| format!("line {n}")).collect();
        let lines = expected.clone();
        let told = queue.clone();
        let writer = thread::spawn(move || {
            for line in lines {
                put(&told, &format!("{line}\n"));
            }
        });
        let lines = BufReader::new(reader).lines().take(expected.len());
        assert_eq!(lines.collect::<Result<Vec<_>, _>>().unwrap(), expected);
        writer.join().unwrap();
        queue.flush(LONG);
        assert!(queue.is_idle());
        assert_eq!(queue.lost(), 0);
    }

    /// Nobody reads: whoever logs goes on, nothing grows, and what is read later is what was first,
    /// in whole lines.
    #[test]
    fn a_reader_that_stops_holds_up_nobody() {
        let (reader, writer) = pipe().unwrap();
        let queue = Queue::with_room(writer, MORE_THAN_A_PIPE).unwrap();
        let put_in = fill(&queue);
        let began = Instant::now();
        queue.flush(Duration::from_millis(50));
        assert!(!queue.is_idle());
        assert!(began.elapsed() < LONG);
        let kept = put_in - queue.lost();
        // What the pipe has, what waits, and what is being written.
        assert!(kept <= 3 * MORE_THAN_A_PIPE as u64 / 100 + 3, "{kept}");
        let mut lines = BufReader::new(reader).lines();
        let mut numbers = (0..kept).map(|_| {
            let line = lines.next().unwrap().unwrap();
            line.trim().parse::<u64>().unwrap()
        });
        let first = numbers.next().unwrap();
        assert_eq!(first, 0);
        assert!(numbers.is_sorted());
        queue.flush(LONG);
        assert!(queue.is_idle());
    }

    #[test]
    fn a_full_disk_and_a_reader_that_is_gone_cost_lines_and_nothing_else() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        for queue in [Queue::start(writer).unwrap(), Queue::start(full).unwrap()] {
            for round in 1..=3 {
                put(&queue, "one\ntwo\n");
                queue.flush(LONG);
                assert_eq!(queue.lost(), 2 * round);
            }
        }
    }

    /// The last words of a process that is about to end.
    #[test]
    fn what_is_said_past_the_queue_waits_only_so_long() {
        let (reader, writer) = pipe().unwrap();
        let long = "x".repeat(3 * PIECE + 5) + "\n";
        write_within(&writer, long.as_bytes(), LONG);
        let mut lines = BufReader::new(reader).lines();
        assert_eq!(lines.next().unwrap().unwrap().len(), long.len() - 1);
        // Full, by somebody who minds; then by us.
        let (_reader, writer) = pipe().unwrap();
        let blocked = Queue::with_room(writer.try_clone().unwrap(), MORE_THAN_A_PIPE).unwrap();
        fill(&blocked);
        let began = Instant::now();
        write_within(&writer, b"the end\n", Duration::from_millis(100));
        assert!(began.elapsed() < LONG);
    }
}
