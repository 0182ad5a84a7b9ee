//! How packet threads use the cores.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tracing::warn;

/// How packet threads use the cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    /// Each is kept to a core of its own, as far as there are so many.
    pub pin: bool,
    /// One that has worked for half of the time or more looks for more for half a millisecond before
    /// it sleeps, and gives way to every other program while it does.
    pub busy_poll: bool,
}

impl Default for Cores {
    fn default() -> Self {
        Self {
            pin: false,
            busy_poll: true,
        }
    }
}

/// Keeps the calling thread to the core of that number, counted among those it may use.
pub(super) fn keep_to(core: usize) {
    let kept = sched_getaffinity(None).and_then(|allowed| {
        let mut usable = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        let mut own = CpuSet::new();
        if let Some(cpu) = usable.nth(core % usize::try_from(allowed.count()).unwrap_or(1).max(1)) {
            own.set(cpu);
            sched_setaffinity(None, &own)?;
        }
        Ok(())
    });
    if let Err(error) = kept {
        warn!(
            "A packet thread cannot be kept to a core ({error}): the kernel places it (in the \
             service's sandbox, loosen.conf.example has what allows it)"
        );
    }
}
