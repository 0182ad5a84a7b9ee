//! What packet threads take from those who have proved nothing, and what may wait for the control
//! plane.

use super::limiter::Rate;

/// First messages that a source may send at once, as a multiple of those a second: an office behind one
/// NAT that comes back after a power cut.
const FIRST_BURST: u32 = 4;
/// The same of other messages.
const BURST: u32 = 2;

/// Limits of all packet threads of a server together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// IKE messages a second, from one source, that begin something.
    pub first_messages: u32,
    /// Other IKE messages a second from one source. It is far above what thousands of clients behind
    /// one address need.
    pub messages: u32,
    /// Messages out of SAs that may wait.
    pub control_queue: usize,
    /// Those of one peer. An L2TP window is 4 to 16 and a PPP negotiation is one frame at a time; more
    /// is somebody who wants the queue for himself.
    pub control_queue_per_client: u32,
    /// IKE messages with cookies of ours that may wait.
    pub ike_queue: usize,
    /// IKE messages that begin something and may wait.
    pub first_ike_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_messages: 100,
            messages: 4_000,
            control_queue: 4_096,
            control_queue_per_client: 64,
            ike_queue: 1_024,
            first_ike_queue: 512,
        }
    }
}

impl Limits {
    /// For who starts everything itself, and so is only answered: all of it comes from one source.
    pub const NONE: Self = Self {
        first_messages: u32::MAX,
        messages: u32::MAX,
        control_queue: 65_536,
        control_queue_per_client: u32::MAX,
        ike_queue: 65_536,
        first_ike_queue: 512,
    };

    /// What each of `threads` lets through of messages that begin something. Which thread hears a
    /// source depends on its port as well, so that the clients behind one address are spread over
    /// all of them.
    pub(super) fn first_rate(&self, threads: usize) -> Rate {
        share(self.first_messages, FIRST_BURST, threads)
    }

    /// The same of other messages.
    pub(super) fn rate(&self, threads: usize) -> Rate {
        share(self.messages, BURST, threads)
    }
}

fn share(per_second: u32, burst: u32, threads: usize) -> Rate {
    let threads = u32::try_from(threads).unwrap_or(u32::MAX).max(1);
    Rate {
        per_second: per_second.div_ceil(threads).max(1),
        burst: per_second.saturating_mul(burst).div_ceil(threads).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_a_rate_and_none_is_left_without() {
        let limits = Limits::default();
        let of = |rate: Rate| (rate.per_second, rate.burst);
        assert_eq!(of(limits.first_rate(1)), (100, 400));
        assert_eq!(of(limits.first_rate(2)), (50, 200));
        assert_eq!(of(limits.rate(2)), (2_000, 4_000));
        assert_eq!(of(limits.first_rate(64)), (2, 7));
        assert_eq!(of(share(1, 4, 64)), (1, 1));
    }
}
