//! How often a session may trouble the control plane.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wire::Instant;

/// Time between two packets of a session that goes on and on.
const EACH: u64 = Duration::from_secs(1).as_nanos() as u64;
/// Packets at once after a pause. A client asks three or four times, seconds apart, and may have
/// two programs that ask.
const BURST: u64 = 8;

/// A token bucket in one number: the time, in nanoseconds since boot, at which it will be full
/// again.
#[derive(Debug, Default)]
pub(crate) struct Allowance(AtomicU64);

impl Allowance {
    /// Takes one, if there is one.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let now = u64::try_from(now.since_boot().as_nanos()).unwrap_or(u64::MAX);
        let next = |full: u64| {
            let full = full.max(now).saturating_add(EACH);
            (full.saturating_sub(now) <= BURST.saturating_mul(EACH)).then_some(full)
        };
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_a_rate() {
        let allowance = Allowance::default();
        let at = |ms| Instant::from_boot(Duration::from_secs(500) + Duration::from_millis(ms));
        let taken = |from, to| (from..to).filter(|ms| allowance.take(at(*ms))).count();
        assert_eq!(taken(0, 100), 8);
        assert_eq!(taken(100, 10_000), 9, "one a second");
        assert_eq!(taken(60_000, 60_010), 8, "full again");
    }
}
