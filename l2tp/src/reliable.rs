//! Reliable delivery of control messages (RFC 2661 §5.8).

use std::time::Duration;

/// When to send again.
#[derive(Debug, Clone)]
pub struct Backoff {
    /// The first wait; each further one is twice as long.
    pub initial: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// How often a message is sent again before its tunnel may be given up.
    pub tries: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Duration::from_secs(1), cap: Duration::from_secs(8), tries: 5 }
    }
}
