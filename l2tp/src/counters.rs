//! What was dropped, and how often.

/// Why a control message was dropped without an answer; displays as the name of its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DropReason {
    /// Not a control message (the T bit is clear).
    #[error("a data message where a control message belongs")]
    NotControl,
    /// Bytes that do not follow the format.
    #[error("a malformed L2TP control message")]
    Malformed,
    /// A version other than 2, such as L2TPv3.
    #[error("a message of another version of L2TP")]
    Version,
    /// On tunnel 0, and no SCCRQ.
    #[error("an L2TP message without a tunnel that begins none")]
    TunnelZero,
    /// No such tunnel under this peer. It may be another peer's: the id alone names nobody.
    #[error("an L2TP control message for no tunnel of its peer")]
    UnknownTunnel,
    /// No such session in the tunnel.
    #[error("an L2TP control message for no session of its tunnel")]
    UnknownSession,
    /// A message that was received before.
    #[error("an L2TP control message that came again")]
    Duplicate,
    /// A message too far ahead of the expected one to be held.
    #[error("an L2TP control message far ahead of its turn")]
    OutsideWindow,
    /// An acknowledgement of something never sent.
    #[error("an L2TP acknowledgement of something never sent")]
    BadAcknowledgement,
    /// A message that has no meaning in the present state and needs no answer.
    #[error("an L2TP control message out of place")]
    Unexpected,
}

impl DropReason {
    /// All of them, in the order of the counters.
    pub const ALL: [Self; 10] = [
        Self::NotControl,
        Self::Malformed,
        Self::Version,
        Self::TunnelZero,
        Self::UnknownTunnel,
        Self::UnknownSession,
        Self::Duplicate,
        Self::OutsideWindow,
        Self::BadAcknowledgement,
        Self::Unexpected,
    ];
}

/// Counts of an endpoint since its construction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    dropped: [u64; DropReason::ALL.len()],
    /// Control messages received, dropped ones included.
    pub received: u64,
    /// Control messages sent, repeated ones and acknowledgements included.
    pub sent: u64,
    /// Control messages sent again because no acknowledgement came.
    pub retransmitted: u64,
    /// Duplicates of an SCCRQ that were answered again with the same SCCRP.
    pub repeated_requests: u64,
}

impl Counters {
    /// How many messages were dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped
            .get(reason as usize)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn drop(&mut self, reason: DropReason) {
        if let Some(count) = self.dropped.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
        tracing::debug!(?reason, "control message dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_counter() {
        let mut counters = Counters::default();
        for (n, reason) in DropReason::ALL.into_iter().enumerate() {
            (0..=n).for_each(|_| counters.drop(reason));
        }
        for (n, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(counters.dropped(reason), n as u64 + 1, "{reason:?}");
        }
    }
}
