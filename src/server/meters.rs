//! What has passed through sessions since traffic could flow.
//!
//! The data plane counts from the beginning of a call, in which a client may negotiate LCP or IPCP
//! anew: the session goes down then and comes up again, and what is said of it the second time must
//! not count what was said the first time. pppd, too, counts from IPCP on.

use std::collections::BTreeMap;

use dataplane::{SessionUsage, Traffic};
use engine::SessionId;

/// What had passed through sessions before they came up, where that is anything.
#[derive(Debug, Default)]
pub(super) struct Meters {
    before: BTreeMap<SessionId, SessionUsage>,
}

impl Meters {
    /// A session has come up, through which so much has passed since its call began.
    pub(super) fn up(&mut self, session: SessionId, all: SessionUsage) {
        if all != SessionUsage::default() {
            self.before.insert(session, all);
        }
    }

    /// It goes down: what has passed since it came up.
    pub(super) fn down(&mut self, session: SessionId, all: SessionUsage) -> SessionUsage {
        let usage = self.usage(session, all);
        self.before.remove(&session);
        usage
    }

    /// What has passed through a session since it came up, of `all` since its call began.
    pub(super) fn usage(&self, session: SessionId, all: SessionUsage) -> SessionUsage {
        let before = self.before.get(&session).copied().unwrap_or_default();
        SessionUsage {
            received: less(all.received, before.received),
            sent: less(all.sent, before.sent),
        }
    }
}

fn less(all: Traffic, before: Traffic) -> Traffic {
    Traffic {
        packets: all.packets.saturating_sub(before.packets),
        bytes: all.bytes.saturating_sub(before.bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(packets: u64) -> SessionUsage {
        let traffic = |packets| Traffic {
            packets,
            bytes: packets * 100,
        };
        SessionUsage {
            received: traffic(packets),
            sent: traffic(packets * 2),
        }
    }

    #[test]
    fn a_session_that_comes_up_again_begins_at_zero() {
        let (mut meters, session) = (Meters::default(), SessionId(7));
        meters.up(session, usage(0));
        assert_eq!(meters.usage(session, usage(4)), usage(4));
        assert_eq!(meters.down(session, usage(10)), usage(10));
        meters.up(session, usage(10));
        assert_eq!(meters.usage(session, usage(11)), usage(1));
        assert_eq!(meters.down(session, usage(12)), usage(2));
        assert!(meters.before.is_empty());
    }
}
