//! What is counted and timed.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::Stage;
use hdrhistogram::Histogram;
use wire::Instant;

/// Different sentences that are kept; more are counted together.
const SENTENCES: usize = 32;
/// What more sentences are counted under.
const OTHERS: &str = "other reasons";
/// The longest time that is told from longer ones: a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Times, of which percentiles are asked for: a fixed amount of memory, whatever their number.
#[derive(Debug, Clone)]
pub(super) struct Times(Option<Histogram<u64>>);

impl Times {
    fn new() -> Self {
        let most = u64::try_from(LONGEST.as_micros()).unwrap_or(u64::MAX);
        // Three digits. The bounds are constants that are known to be good.
        Self(Histogram::new_with_bounds(1, most, 3).ok())
    }

    pub(super) fn add(&mut self, time: Duration) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The time that this share of all (0 to 1) is not above, in milliseconds.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        self.0.as_ref().map_or(0.0, |histogram| {
            histogram.value_at_quantile(share) as f64 / 1_000.0
        })
    }

    /// The longest, in milliseconds.
    pub(super) fn max(&self) -> f64 {
        self.quantile(1.0)
    }
}

/// How often each sentence was said.
#[derive(Debug, Clone, Default)]
pub(super) struct Sentences(BTreeMap<(Option<Stage>, String), u64>);

impl Sentences {
    fn add(&mut self, stage: Option<Stage>, sentence: &str) {
        let key = (stage, without_fractions(sentence));
        let key = match self.0.contains_key(&key) || self.0.len() < SENTENCES {
            true => key,
            false => (None, OTHERS.to_owned()),
        };
        let count = self.0.entry(key).or_default();
        *count = count.saturating_add(1);
    }

    /// All of them, the most frequent first: how often, at which stage, why.
    pub(super) fn all(&self) -> Vec<(u64, Option<Stage>, &str)> {
        let sentences = self.0.iter();
        let mut all: Vec<_> = sentences
            .map(|((stage, sentence), count)| (*count, *stage, sentence.as_str()))
            .collect();
        all.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
        all
    }
}

/// A sentence without the fractions of its durations, which differ for each client:
/// `7.010658799s` is `7s`.
fn without_fractions(sentence: &str) -> String {
    let mut plain = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('.') {
        plain.push_str(before);
        let digits = after.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_duration = before.ends_with(|c: char| c.is_ascii_digit())
            && digits.len() < after.len()
            && digits.starts_with(['s', 'm', 'µ', 'n']);
        if is_duration {
            rest = digits;
        } else {
            plain.push('.');
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

/// The most of something within a whole second.
#[derive(Debug, Clone, Copy, Default)]
struct Peak {
    second: u64,
    count: u64,
    most: u64,
}

impl Peak {
    fn add(&mut self, second: u64) {
        if self.second != second {
            (self.second, self.count) = (second, 0);
        }
        self.count = self.count.saturating_add(1);
        self.most = self.most.max(self.count);
    }
}

/// Everything.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) started: Instant,
    /// Dials.
    pub(super) begun: u64,
    /// Dials that came to carry traffic.
    pub(super) up: u64,
    /// Dials that did not.
    pub(super) failed: u64,
    /// Clients that left as they should.
    pub(super) left: u64,
    /// Sessions that ended without our doing.
    pub(super) lost: u64,
    /// Clients that have come up again after that.
    pub(super) returned: u64,
    /// Sessions at one time.
    pub(super) most: usize,
    peak: Peak,
    pub(super) stages: BTreeMap<Stage, Times>,
    pub(super) total: Times,
    pub(super) returns: Times,
    pub(super) failures: Sentences,
    pub(super) losses: Sentences,
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) round_trips: Times,
}

impl Tally {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            started: now,
            begun: 0,
            up: 0,
            failed: 0,
            left: 0,
            lost: 0,
            returned: 0,
            most: 0,
            peak: Peak::default(),
            stages: Stage::ALL.map(|stage| (stage, Times::new())).into(),
            total: Times::new(),
            returns: Times::new(),
            failures: Sentences::default(),
            losses: Sentences::default(),
            sent: 0,
            answered: 0,
            round_trips: Times::new(),
        }
    }

    /// A dial has come so far, and this part of it took so long.
    pub(super) fn on_stage(&mut self, stage: Stage, took: Duration) {
        if let Some(times) = self.stages.get_mut(&stage) {
            times.add(took);
        }
    }

    /// A dial carries traffic; there are so many now.
    pub(super) fn on_up(&mut self, now: Instant, took: Duration, sessions: usize) {
        self.up = self.up.saturating_add(1);
        self.most = self.most.max(sessions);
        self.peak.add(now.saturating_since(self.started).as_secs());
        self.total.add(took);
    }

    /// A dial has failed at a stage.
    pub(super) fn on_failed(&mut self, stage: Stage, why: &str) {
        self.failed = self.failed.saturating_add(1);
        self.failures.add(Some(stage), why);
    }

    /// A session has ended without our doing.
    pub(super) fn on_lost(&mut self, why: &str) {
        self.lost = self.lost.saturating_add(1);
        self.losses.add(None, why);
    }

    /// A client that lost its session has one again.
    pub(super) fn on_returned(&mut self, after: Duration) {
        self.returned = self.returned.saturating_add(1);
        self.returns.add(after);
    }

    pub(super) fn on_answer(&mut self, round_trip: Duration) {
        self.answered = self.answered.saturating_add(1);
        self.round_trips.add(round_trip);
    }

    /// The most dials that came up within a second.
    pub(super) const fn most_per_second(&self) -> u64 {
        self.peak.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_have_three_digits() {
        let mut times = Times::new();
        assert_eq!(
            (times.count(), times.quantile(0.5), times.max()),
            (0, 0.0, 0.0)
        );
        for millis in 1..=1_000 {
            times.add(Duration::from_millis(millis));
        }
        for (share, expected) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = times.quantile(share);
            assert!(
                (found - expected).abs() <= expected / 1_000.0,
                "{share}: {found}"
            );
        }
        times.add(Duration::from_secs(1_000_000));
        assert_eq!(times.count(), 1_001, "what is too long is counted as long");
    }

    #[test]
    fn sentences_are_counted_and_do_not_grow_without_end() {
        let mut sentences = Sentences::default();
        for number in 0..1_000 {
            sentences.add(None, &format!("reason {number}"));
            sentences.add(Some(Stage::Phase1), "no answer");
        }
        let all = sentences.all();
        assert_eq!(all.len(), SENTENCES + 1);
        assert_eq!(all[0], (1_000, Some(Stage::Phase1), "no answer"));
        assert_eq!(all[1], (1_000 - (SENTENCES as u64 - 1), None, OTHERS));
    }

    #[test]
    fn durations_make_no_sentence_another() {
        for (sentence, plain) in [
            (
                "no answer to 6 requests in 7.010658799s",
                "no answer to 6 requests in 7s",
            ),
            ("1.5ms and 2.25s.", "1ms and 2s."),
            ("192.0.2.1 said: no. 4.5", "192.0.2.1 said: no. 4.5"),
            ("v1.2m", "v1m"),
            ("", ""),
        ] {
            assert_eq!(without_fractions(sentence), plain);
        }
    }

    #[test]
    fn the_best_second() {
        let at = |millis: u64| Instant::from_boot(Duration::from_millis(5_000 + millis));
        let mut tally = Tally::new(at(0));
        for (millis, sessions) in [(100, 1), (1_100, 2), (1_900, 3), (2_000, 2)] {
            tally.on_up(at(millis), Duration::ZERO, sessions);
        }
        assert_eq!((tally.most_per_second(), tally.up, tally.most), (2, 4, 3));
    }
}
