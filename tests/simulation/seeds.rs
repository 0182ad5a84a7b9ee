//! Many seeds, and the ones that fail by name.
#![allow(clippy::panic, reason = "that is how a test fails")]

use std::fmt::Write as _;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// No more failing seeds than this are looked for: one is enough to begin with, and a few show
/// what they have in common.
const ENOUGH: usize = 5;

/// Runs a scenario with the seeds 0 to `count` − 1, on all processors.
///
/// The environment decides otherwise: `ADIT_SEED` runs this one seed only, `ADIT_SEEDS` that many.
///
/// # Panics
///
/// If the scenario panics with any seed; the message has the seeds and how to run one again.
pub fn for_each(count: u64, scenario: impl Fn(u64) + Sync) {
    #[allow(clippy::disallowed_methods, reason = "asked by whoever runs the tests")]
    let variable = |name| std::env::var(name).ok();
    let seeds = plan(
        count,
        variable("ADIT_SEED").as_deref(),
        variable("ADIT_SEEDS").as_deref(),
    );
    let failed = failing(seeds, &scenario);
    if let Some(report) = report(&failed) {
        panic!("{report}");
    }
}

/// Which seeds to run.
fn plan(count: u64, one: Option<&str>, many: Option<&str>) -> Range<u64> {
    let number = |name: &str, text: &str| match text.parse::<u64>() {
        Ok(number) => number,
        Err(_) => panic!("{name} is {text:?}, not a number"),
    };
    match (one, many) {
        (Some(one), _) => {
            let seed = number("ADIT_SEED", one);
            seed..seed.saturating_add(1)
        }
        (None, Some(many)) => 0..number("ADIT_SEEDS", many),
        (None, None) => 0..count,
    }
}

/// The seeds with which the scenario panics, in order.
fn failing(seeds: Range<u64>, scenario: &(impl Fn(u64) + Sync)) -> Vec<u64> {
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let enough = || {
        failed
            .lock()
            .map_or(true, |failed: std::sync::MutexGuard<Vec<u64>>| {
                failed.len() >= ENOUGH
            })
    };
    let work = || {
        while !enough() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            // Every run builds all it uses: nothing half-changed is seen by the next one.
            if catch_unwind(AssertUnwindSafe(|| scenario(seed))).is_err()
                && let Ok(mut failed) = failed.lock()
            {
                failed.push(seed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut failed = failed.into_inner().unwrap_or_default();
    failed.sort_unstable();
    failed
}

/// What to print, if anything failed.
fn report(failed: &[u64]) -> Option<String> {
    let first = failed.first()?;
    let mut report = String::from("fails with seed");
    for seed in failed {
        let _ = write!(report, " {seed}");
    }
    let _ = write!(
        report,
        "; again with ADIT_SEED={first} cargo test --test simulation"
    );
    if let Some(test) = std::thread::current().name() {
        let _ = write!(report, " {test}");
    }
    Some(report)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_seed_runs_once() {
        let seen = Mutex::new(Vec::new());
        let failed = failing(10..200, &|seed| seen.lock().expect("no panic").push(seed));
        assert_eq!(failed, []);
        let seen = seen.into_inner().expect("no panic");
        assert_eq!(seen.len(), 190);
        assert_eq!(
            seen.into_iter().collect::<BTreeSet<_>>(),
            (10..200).collect()
        );
    }

    #[test]
    fn a_failing_seed_is_named() {
        let failed = failing(0..50, &|seed| assert_ne!(seed, 17, "on purpose"));
        assert_eq!(failed, [17]);
        let report = report(&failed).expect("a failure");
        assert!(
            report.starts_with("fails with seed 17; again with ADIT_SEED=17 "),
            "{report}"
        );
        assert!(
            report.ends_with("seeds::tests::a_failing_seed_is_named"),
            "{report}"
        );
    }

    #[test]
    fn it_stops_when_enough_have_failed() {
        let failed = failing(0..1_000_000, &|_| panic!("on purpose"));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        assert!(
            (ENOUGH..ENOUGH + threads).contains(&failed.len()),
            "{failed:?}"
        );
    }

    #[test]
    fn the_environment_decides() {
        assert_eq!(plan(1000, None, None), 0..1000);
        assert_eq!(plan(1000, None, Some("20")), 0..20);
        assert_eq!(plan(1000, Some("42"), Some("20")), 42..43);
    }

    #[test]
    #[should_panic(expected = "fails with seed")]
    fn a_failure_fails_the_test() {
        for_each(3, |_| panic!("on purpose"));
    }
}
