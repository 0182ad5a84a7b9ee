//! The one place that asks what time it is.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wire::Instant;

/// The time since boot, with the time asleep.
///
/// `CLOCK_BOOTTIME` and not `CLOCK_MONOTONIC`: the peer's lifetimes and time-outs went on while
/// this machine was suspended, so ours must, too.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Instant::from_boot(Duration::new(seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_and_counts_from_boot() {
        let before = now();
        std::thread::sleep(Duration::from_millis(5));
        let passed = now() - before;
        assert!(passed >= Duration::from_millis(5), "{passed:?}");
        assert!(passed < Duration::from_secs(60), "{passed:?}");

        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split_whitespace().next().unwrap().parse().unwrap();
        let here = now().since_boot().as_secs_f64();
        assert!((here - uptime).abs() < 5.0, "{here} against {uptime}");
    }
}
