//! Who begins a handshake now, and who a little later.
//!
//! What a handshake costs is computed elsewhere, and takes milliseconds. When more of it is asked for
//! than can be done, answering everybody at once would leave everybody waiting until nobody waits
//! any more. So those that have begun are finished first: while they are work for longer than
//! [`Limits::backlog`](crate::Limits::backlog), a first message waits for its answer, which its sender
//! cannot tell from a slow network.
//!
//! Most first messages of a flood are forged, and nothing follows them: they are no work. So what is
//! expected is weighed by how many of those that were answered lately have gone on. A flood keeps
//! nobody out for longer than it takes to see that it is one. How long a client takes to go on is
//! learned from those that do: taken for forged, clients that are slow, as those of a busy host, would
//! make room for more than there is, which then push them out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use rand_core::Rng as _;
use wire::{Instant, Path, Rng};

use crate::codec::Cookie;
use crate::{Limits, RequestId, SaId};

/// Whoever has not gone on this long after message 2 is not expected to: at least, and at most,
const PATIENCE: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(4);
/// and between these so many times the mean of those that have.
const PATIENCE_FACTOR: u32 = 4;
/// Whoever has not repeated a first message for so long has given up: the pauses of clients grow to
/// 20 or 40 seconds.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// How often is looked while somebody waits and no computation ends.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// What a computation takes, as long as nothing is known.
const FIRST_GUESS: Duration = Duration::from_millis(1);
/// A pause between two results that is longer than this was not spent computing.
const LONGEST_SAMPLE: Duration = Duration::from_secs(1);
/// Computations of one handshake: the shared secret, and the trial of the keys.
const PER_HANDSHAKE: u32 = 2;
/// The part of a mean that the latest sample makes up, as a power of two: of times, and of how many go
/// on.
const TIME_WEIGHT: u32 = 4;
const RETURN_WEIGHT: u32 = 8;
/// All of those that were answered go on.
const ALL: u32 = 1 << 16;
/// The part of the half-open handshakes that may be expected to go on. The rest is room for those that
/// do not, so that the ones that do need not give way to one another.
const PART_OF_HALF_OPEN: usize = 4;
/// Bytes of all messages that wait, for each that may: clients send a quarter to a half of that.
const BYTES_EACH: usize = 1024;

/// A first message that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) path: Path,
    pub(crate) datagram: Vec<u8>,
    cookie: Cookie,
}

/// What is under way, and who waits for it.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Computations that were asked for and are not done.
    computing: BTreeSet<RequestId>,
    /// When the last one was done, or the first one asked for after none.
    busy_since: Instant,
    /// The mean time from one result to the next while there is work.
    pace: Duration,
    /// Those that have had message 2, lately, and have not gone on. Their order is that of time.
    answered: BTreeMap<SaId, Instant>,
    /// Those that were not expected any more, but may have been given up too early.
    overdue: BTreeMap<SaId, Instant>,
    /// The mean time from message 2 to message 3.
    delay: Duration,
    /// How many of them do, of [`ALL`].
    returning: u32,
    queue: VecDeque<Waiting>,
    /// When each of those was last heard.
    heard: BTreeMap<(Cookie, SocketAddr), Instant>,
    bytes: usize,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            computing: BTreeSet::new(),
            busy_since: Instant::BOOT,
            pace: FIRST_GUESS,
            answered: BTreeMap::new(),
            overdue: BTreeMap::new(),
            delay: Duration::ZERO,
            returning: ALL,
            queue: VecDeque::new(),
            heard: BTreeMap::new(),
            bytes: 0,
        }
    }
}

impl Admission {
    /// A computation is asked for.
    pub(crate) fn note_request(&mut self, now: Instant, request: RequestId) {
        if self.computing.is_empty() {
            self.busy_since = now;
        }
        self.computing.insert(request);
    }

    /// A request is answered, whatever it was for. `done` if it was computed.
    pub(crate) fn note_answer(&mut self, now: Instant, request: RequestId, done: bool) {
        if self.computing.remove(&request) && done {
            let sample = (now - self.busy_since).min(LONGEST_SAMPLE);
            self.busy_since = now;
            self.pace = mean(self.pace, sample);
        }
    }

    /// Message 2 has left.
    pub(crate) fn note_begun(&mut self, now: Instant, sa: SaId) {
        self.answered.insert(sa, now);
    }

    /// Message 3 has come.
    pub(crate) fn note_proven(&mut self, now: Instant, sa: SaId) {
        let expected = self.answered.remove(&sa).map(|since| (since, 1));
        // It has been counted as one that does not go on, which is to be made up for.
        let late = self.overdue.remove(&sa).map(|since| (since, 2));
        let Some((since, times)) = expected.or(late) else {
            return;
        };
        for _ in 0..times {
            self.returning += (ALL - self.returning) >> RETURN_WEIGHT;
        }
        self.delay = mean(self.delay, now - since);
    }

    /// A half-open IKE SA is gone.
    pub(crate) fn note_gone(&mut self, sa: SaId) {
        self.overdue.remove(&sa);
        if self.answered.remove(&sa).is_some() {
            self.note_unreturned();
        }
    }

    fn note_unreturned(&mut self) {
        self.returning -= self.returning >> RETURN_WEIGHT;
    }

    /// How long after message 2 somebody is expected to go on.
    fn patience(&self) -> Duration {
        let patience = self.delay.saturating_mul(PATIENCE_FACTOR);
        patience.clamp(*PATIENCE.start(), *PATIENCE.end())
    }

    /// Whether one more may begin.
    pub(crate) fn is_open(&mut self, now: Instant, limits: &Limits) -> bool {
        let patience = self.patience();
        while let Some(first) = self.answered.first_entry()
            && now - *first.get() >= patience
        {
            let (sa, since) = first.remove_entry();
            self.overdue.insert(sa, since);
            self.note_unreturned();
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let answered = u64::from(count(self.answered.len()));
        let coming = answered * u64::from(self.returning) / u64::from(ALL);
        let coming = u32::try_from(coming).unwrap_or(u32::MAX);
        let computing = count(self.computing.len());
        let jobs = computing.saturating_add(coming.saturating_mul(PER_HANDSHAKE));
        let room = count(limits.half_open_total / PART_OF_HALF_OPEN).max(1);
        computing.saturating_add(coming) < room && self.pace.saturating_mul(jobs) < limits.backlog
    }

    /// Whether this first message waits already; then its sender is still there.
    pub(crate) fn hears(&mut self, now: Instant, cookie: Cookie, remote: SocketAddr) -> bool {
        let heard = self.heard.get_mut(&(cookie, remote));
        heard.map(|heard| *heard = now).is_some()
    }

    /// Lets a first message wait; false if another one, drawn by lot, has given way to it, or there
    /// is no room at all.
    pub(crate) fn wait(
        &mut self,
        now: Instant,
        limits: &Limits,
        (cookie, path): (Cookie, Path),
        datagram: &[u8],
        rng: &mut Rng,
    ) -> bool {
        let most = limits.waiting.saturating_mul(BYTES_EACH);
        if limits.waiting == 0 || datagram.len() > most {
            return false;
        }
        let mut undisturbed = true;
        while self.queue.len() >= limits.waiting || self.bytes + datagram.len() > most {
            let count = u64::try_from(self.queue.len()).unwrap_or(u64::MAX).max(1);
            let drawn = usize::try_from(rng.next_u64() % count).unwrap_or(0);
            let Some(gone) = self.queue.swap_remove_back(drawn) else {
                return false;
            };
            self.forget(&gone);
            undisturbed = false;
        }
        self.heard.insert((cookie, path.remote), now);
        self.bytes += datagram.len();
        self.queue.push_back(Waiting {
            path,
            datagram: datagram.to_vec(),
            cookie,
        });
        undisturbed
    }

    /// The first message that has waited longest, of those whose senders have not given up.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Waiting> {
        loop {
            let next = wire::pop_front(&mut self.queue)?;
            let heard = self.forget(&next);
            if heard.is_some_and(|heard| now - heard < GIVEN_UP) {
                return Some(next);
            }
        }
    }

    /// Forgets those in front whose senders have given up, however long the door stays closed.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(front) = self.queue.front() {
            let heard = self.heard.get(&(front.cookie, front.path.remote));
            if heard.is_some_and(|heard| now - *heard < GIVEN_UP) {
                return;
            }
            if let Some(gone) = wire::pop_front(&mut self.queue) {
                self.forget(&gone);
            }
        }
    }

    fn forget(&mut self, gone: &Waiting) -> Option<Instant> {
        self.bytes = self.bytes.saturating_sub(gone.datagram.len());
        self.heard.remove(&(gone.cookie, gone.path.remote))
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

/// A mean time, and one more sample.
fn mean(before: Duration, sample: Duration) -> Duration {
    before - before / (1 << TIME_WEIGHT) + sample / (1 << TIME_WEIGHT)
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng as _;
    use wire::Carrier;

    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::BOOT + Duration::from_secs(1_000) + Duration::from_millis(milliseconds)
    }

    fn limits() -> Limits {
        Limits {
            backlog: Duration::from_secs(1),
            waiting: 4,
            ..Limits::default()
        }
    }

    fn path(port: u16) -> Path {
        Path {
            local: ([192, 0, 2, 1], 500).into(),
            remote: ([192, 0, 2, 2], port).into(),
            carrier: Carrier::Ike,
        }
    }

    #[test]
    fn a_backlog_of_more_than_a_second_closes_the_door_until_it_is_worked_off() {
        let mut admission = Admission::default();
        // Ten milliseconds each, and so a hundred a second.
        (0..200).for_each(|id| admission.note_request(at(0), RequestId(id)));
        (0..100).for_each(|id| admission.note_answer(at(id * 10 + 10), RequestId(id), true));
        let mut now = 1_000;
        assert!(admission.is_open(at(now), &limits()), "{admission:?}");
        (1_000..1_010).for_each(|id| admission.note_request(at(now), RequestId(id)));
        assert!(!admission.is_open(at(now), &limits()), "{admission:?}");
        for id in 100..120 {
            now += 10;
            admission.note_answer(at(now), RequestId(id), true);
        }
        assert!(admission.is_open(at(now), &limits()), "{admission:?}");
    }

    #[test]
    fn whom_nothing_follows_is_no_work() {
        let mut admission = Admission::default();
        let mut begun: u64 = 0;
        while admission.is_open(at(0), &limits()) {
            admission.note_begun(at(0), SaId(begun));
            begun += 1;
        }
        // Two computations each, of a millisecond.
        assert_eq!(begun, 500);
        // Nobody goes on: soon as many may begin as like.
        for second in 1..5 {
            for _ in 0..1_000 {
                if admission.is_open(at(second * 1_000), &limits()) {
                    admission.note_begun(at(second * 1_000), SaId(begun));
                    begun += 1;
                }
            }
        }
        assert!(begun > 3_500, "{begun}");
        // All go on: again no more than there is time for.
        for second in 5..8 {
            assert!(admission.is_open(at(second * 1_000), &limits()));
            for _ in 0..1_000 {
                admission.note_begun(at(second * 1_000), SaId(begun));
                admission.note_proven(at(second * 1_000), SaId(begun));
                begun += 1;
            }
        }
        let before = begun;
        while admission.is_open(at(9_000), &limits()) {
            admission.note_begun(at(9_000), SaId(begun));
            begun += 1;
        }
        assert!(
            (500..=520).contains(&(begun - before)),
            "{}",
            begun - before
        );
    }

    /// Clients of a busy host: whoever is admitted goes on after 1.5 seconds. They are mistaken for a flood
    /// at first, and not for long.
    #[test]
    fn how_long_clients_take_is_learned() {
        let mut admission = Admission::default();
        let mut answered = VecDeque::new();
        let mut most = Vec::new();
        for tick in 0..800_u64 {
            let now = at(tick * 10);
            while answered.front().is_some_and(|(due, _)| *due <= now) {
                let (_, sa) = answered.pop_front().unwrap();
                admission.note_proven(now, sa);
            }
            for number in 0..20 {
                if admission.is_open(now, &limits()) {
                    let sa = SaId(tick * 20 + number);
                    admission.note_begun(now, sa);
                    answered.push_back((now + Duration::from_millis(1_500), sa));
                }
            }
            most.push(answered.len());
        }
        assert!(most.iter().max() < Some(&4_096), "{:?}", most.iter().max());
        let later = most.iter().skip(350).max();
        assert!(later <= Some(&510), "{later:?}");
        assert!(admission.overdue.is_empty() && admission.patience() == *PATIENCE.end());
    }

    #[test]
    fn those_that_wait_keep_their_order_and_are_not_many() {
        let mut admission = Admission::default();
        let (limits, mut rng) = (limits(), Rng::seed_from_u64(1));
        let cookie = Cookie([1; 8]);
        for port in 1..=4 {
            let name = (cookie, path(port));
            assert!(admission.wait(at(port.into()), &limits, name, &[0; 300], &mut rng));
            assert!(admission.hears(at(5), cookie, path(port).remote));
        }
        let first = admission.next(at(10)).unwrap();
        assert_eq!(first.path, path(1));
        assert!(!admission.hears(at(10), cookie, path(1).remote));
        assert!(admission.wait(at(10), &limits, (cookie, path(5)), &[0; 300], &mut rng));
        assert!(!admission.wait(at(10), &limits, (cookie, path(6)), &[0; 300], &mut rng));
        assert_eq!(admission.len(), 4);
        // One that is long makes others go, and one that is longer than all together does not fit.
        assert!(!admission.wait(at(10), &limits, (cookie, path(7)), &[0; 3_500], &mut rng));
        assert!(admission.len() < 4 && admission.bytes <= 4 * BYTES_EACH);
        assert!(!admission.wait(at(10), &limits, (cookie, path(8)), &[0; 5_000], &mut rng));
        assert!(admission.next(at(80_000)).is_none());
        assert!(admission.heard.is_empty() && admission.bytes == 0);
    }
}
