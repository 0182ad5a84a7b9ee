//! Putting messages together again, within bounds that hold whoever sends.
//!
//! Nothing is authenticated here: a fragment is in clear, and who knows the cookies can send one.
//! So there is one unfinished message for each origin, all of them share one budget of bytes, a
//! source has few before it knows our cookie, and the oldest give way to the new.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wire::Instant;

use super::{FragmentCounters, MAX_FRAGMENTS};
use crate::SaId;
use crate::codec::{Cookie, Fragment};
use crate::config::Limits;
use crate::context::count;

/// How long the rest of a message may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a fragment costs besides its bytes, and an unfinished message besides its fragments.
const OVERHEAD: usize = 128;

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Of somebody who does not know our cookie: the first message of a Main Mode. Such a sender
    /// may not even be where it says it is.
    Stranger(SocketAddr, Cookie),
    /// Of an IKE SA.
    Sa(SaId),
}

impl Origin {
    const fn source(&self) -> Option<IpAddr> {
        match self {
            Self::Stranger(from, _) => Some(from.ip()),
            Self::Sa(_) => None,
        }
    }
}

/// A message that is not complete yet.
#[derive(Debug)]
struct Unfinished {
    id: u16,
    pieces: BTreeMap<u8, Vec<u8>>,
    /// The number of the last piece, once it has come.
    last: Option<u8>,
    /// Bytes of all pieces.
    bytes: usize,
    /// What it counts in the budget.
    cost: usize,
    until: Instant,
}

impl Unfinished {
    const fn new(id: u16, until: Instant) -> Self {
        Self {
            id,
            pieces: BTreeMap::new(),
            last: None,
            bytes: 0,
            cost: OVERHEAD,
            until,
        }
    }

    /// Whether a fragment can be of the same message.
    ///
    /// QUIRK(strongSwan, libreswan): all their messages have the id 1, so that only what the
    /// pieces say tells one message from the next.
    fn goes_with(&self, fragment: &Fragment) -> bool {
        let highest = self.pieces.keys().next_back().copied().unwrap_or(0);
        let last_fits = match (self.last, fragment.is_last()) {
            (Some(last), true) => fragment.number == last,
            (Some(last), false) => fragment.number < last,
            (None, true) => fragment.number > highest || self.pieces.is_empty(),
            (None, false) => true,
        };
        let held = self.pieces.get(&fragment.number);
        fragment.id == self.id && last_fits && held.is_none_or(|data| *data == fragment.data)
    }

    fn is_complete(&self) -> bool {
        // The pieces are numbered from 1 without repetition, so their number tells.
        self.last
            .is_some_and(|last| self.pieces.len() == usize::from(last))
    }
}

/// All unfinished messages.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    unfinished: BTreeMap<Origin, Unfinished>,
    /// By deadline, and so by age.
    strangers: BTreeSet<(Instant, Origin)>,
    /// By deadline, and so by age.
    known: BTreeSet<(Instant, Origin)>,
    /// How many each source has before it knows our cookie.
    sources: BTreeMap<IpAddr, BTreeSet<(Instant, Origin)>>,
    /// The cost of all of them.
    held: usize,
}

impl Reassembly {
    /// Takes a fragment; the whole message, if it was the one that was missing. `longest` is what
    /// the whole may have in bytes.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        origin: Origin,
        fragment: Fragment,
        longest: usize,
        limits: &Limits,
        counters: &mut FragmentCounters,
    ) -> Option<Vec<u8>> {
        if fragment.number > MAX_FRAGMENTS {
            count(&mut counters.too_many);
            return None;
        }
        if self
            .unfinished
            .get(&origin)
            .is_some_and(|message| !message.goes_with(&fragment))
        {
            count(&mut counters.replaced);
            self.forget(origin);
        }
        let mut message = match self.take(origin) {
            Some(message) => message,
            None => {
                self.make_room_for_source(&origin, limits, counters);
                Unfinished::new(fragment.id, now + PATIENCE)
            }
        };
        if message.pieces.contains_key(&fragment.number) {
            count(&mut counters.repeated);
        } else {
            if message.bytes.saturating_add(fragment.data.len()) > longest {
                count(&mut counters.too_long);
                return None;
            }
            if fragment.is_last() {
                message.last = Some(fragment.number);
            }
            message.bytes = message.bytes.saturating_add(fragment.data.len());
            let cost = fragment.data.len().saturating_add(OVERHEAD);
            message.cost = message.cost.saturating_add(cost);
            message.pieces.insert(fragment.number, fragment.data);
        }
        if message.is_complete() {
            count(&mut counters.reassembled);
            let mut whole = Vec::with_capacity(message.bytes);
            message
                .pieces
                .values()
                .for_each(|piece| whole.extend(piece));
            return Some(whole);
        }
        self.make_room(message.cost, limits, counters);
        self.put(origin, message);
        None
    }

    /// When the next message is given up.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let ages = [self.strangers.first(), self.known.first()];
        ages.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Gives up what has waited too long.
    pub(crate) fn expire(&mut self, now: Instant, counters: &mut FragmentCounters) {
        let oldest = |this: &Self| {
            let ages = [this.strangers.first(), this.known.first()];
            ages.into_iter().flatten().min().copied()
        };
        while let Some((at, origin)) = oldest(self)
            && at <= now
        {
            count(&mut counters.expired);
            self.forget(origin);
        }
    }

    /// Drops the unfinished message of `origin`, if there is one.
    pub(crate) fn forget(&mut self, origin: Origin) {
        drop(self.take(origin));
    }

    fn put(&mut self, origin: Origin, message: Unfinished) {
        let age = (message.until, origin);
        match origin.source() {
            Some(source) => {
                self.strangers.insert(age);
                self.sources.entry(source).or_default().insert(age);
            }
            None => {
                self.known.insert(age);
            }
        }
        self.held = self.held.saturating_add(message.cost);
        self.unfinished.insert(origin, message);
    }

    fn take(&mut self, origin: Origin) -> Option<Unfinished> {
        let message = self.unfinished.remove(&origin)?;
        let age = (message.until, origin);
        match origin.source() {
            Some(source) => {
                self.strangers.remove(&age);
                if let Some(ages) = self.sources.get_mut(&source) {
                    ages.remove(&age);
                    if ages.is_empty() {
                        self.sources.remove(&source);
                    }
                }
            }
            None => {
                self.known.remove(&age);
            }
        }
        self.held = self.held.saturating_sub(message.cost);
        Some(message)
    }

    /// The oldest of a source that has its share already goes.
    fn make_room_for_source(
        &mut self,
        origin: &Origin,
        limits: &Limits,
        counters: &mut FragmentCounters,
    ) {
        let ages = origin.source().and_then(|source| self.sources.get(&source));
        if let Some(ages) = ages
            && ages.len() >= limits.fragmented_per_source.max(1)
            && let Some((_, oldest)) = ages.first().copied()
        {
            count(&mut counters.evicted);
            self.forget(oldest);
        }
    }

    /// The oldest go until there are `cost` bytes left in the budget, strangers first: a flood of
    /// forged beginnings does not touch those who have our cookie.
    fn make_room(&mut self, cost: usize, limits: &Limits, counters: &mut FragmentCounters) {
        while self.held.saturating_add(cost) > limits.fragment_bytes
            && let Some((_, oldest)) = self.strangers.first().or(self.known.first()).copied()
        {
            count(&mut counters.evicted);
            self.forget(oldest);
        }
    }

    /// What all unfinished messages cost, in bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.held
    }

    /// What all unfinished messages cost, and how many there are. For tests: panics if the books are wrong.
    pub(crate) fn held(&self) -> (usize, usize) {
        let cost: usize = self.unfinished.values().map(|message| message.cost).sum();
        assert_eq!(cost, self.held);
        let ages = self.strangers.len().saturating_add(self.known.len());
        let per_source: usize = self.sources.values().map(BTreeSet::len).sum();
        assert_eq!(ages, self.unfinished.len());
        assert_eq!(per_source, self.strangers.len());
        (self.held, self.unfinished.len())
    }
}
