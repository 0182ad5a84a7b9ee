//! How often somebody may fail, and what follows.

use std::num::NonZeroU32;
use std::time::Duration;

/// The longest that handshakes of a source wait. Clients repeat their first message for longer
/// than that, so that a neighbour behind the same address, or a renewal, is late and not lost.
const LONGEST_OF_KEYS: Duration = Duration::from_secs(10);

/// How often somebody may fail, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardPolicy {
    /// Failed logins in a row of one user from one source after which the next has to wait; 0:
    /// it never does.
    pub user_failures: u32,
    /// Failed logins from one source, likewise.
    pub source_failures: u32,
    /// Handshakes of one source with a wrong key, likewise. They wait 10 seconds at most.
    pub key_failures: u32,
    /// The first wait. Each further failure doubles it.
    pub wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// Failures are forgotten when none has come for so long, or for the longest wait if that is
    /// longer.
    pub forget_after: Duration,
    /// Failed logins of one user, from anywhere, after which nobody can log in as that user;
    /// `None`: never. With it anybody who has a pre-shared key can lock out anybody.
    pub lock_out_after: Option<NonZeroU32>,
    /// How long that lasts; `None`: until the operator ends it.
    pub lock_out_time: Option<Duration>,
}

impl Default for GuardPolicy {
    fn default() -> Self {
        Self {
            user_failures: 5,
            source_failures: 20,
            key_failures: 20,
            wait: Duration::from_secs(10),
            longest_wait: Duration::from_secs(15 * 60),
            forget_after: Duration::from_secs(60 * 60),
            lock_out_after: None,
            lock_out_time: Some(Duration::from_secs(60 * 60)),
        }
    }
}

impl GuardPolicy {
    /// How long the next must wait after so many failures, if at all.
    pub(super) fn wait_after(&self, failures: u32, allowed: u32) -> Option<Duration> {
        if allowed == 0 {
            return None;
        }
        let doublings = failures.checked_sub(allowed)?;
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        Some(self.wait.saturating_mul(factor).min(self.longest_wait))
    }

    /// The same for handshakes.
    pub(super) fn of_keys(&self) -> Self {
        Self {
            longest_wait: self.longest_wait.min(LONGEST_OF_KEYS),
            ..self.clone()
        }
    }

    /// How long a failure is remembered: nobody is forgotten while having to wait.
    pub(super) const fn memory(&self) -> Duration {
        if self.forget_after.as_nanos() < self.longest_wait.as_nanos() {
            self.longest_wait
        } else {
            self.forget_after
        }
    }
}
