//! How many powers are computed for the Quick Modes of one address at a time.
//!
//! Whoever has a key can begin Quick Modes as fast as messages are taken, on as many IKE SAs as there
//! may be, and with perfect forward secrecy each of them has us compute. Without a bound the handshakes
//! of all others would wait behind that.

use std::collections::BTreeMap;
use std::net::IpAddr;

use wire::Counts;

use crate::RequestId;

/// Powers for one address: some milliseconds of computing to half a second, by group and processor.
const MOST: usize = 64;

/// What is computed for Quick Modes that others have begun, and for whom.
#[derive(Debug, Default)]
pub(crate) struct Powers {
    sources: BTreeMap<RequestId, IpAddr>,
    counts: Counts<IpAddr>,
}

impl Powers {
    /// One is asked for, for an address that is known to get our answers.
    pub(crate) fn note_request(&mut self, request: RequestId, source: IpAddr) {
        self.sources.insert(request, source);
        self.counts.add(source, 1);
    }

    /// A request is answered, whatever it was for.
    pub(crate) fn note_answer(&mut self, request: RequestId) {
        if let Some(source) = self.sources.remove(&request) {
            self.counts.subtract(&source, 1);
        }
    }

    /// Whether an address has as many as it may.
    pub(crate) fn is_crowded(&self, source: IpAddr) -> bool {
        self.counts.of(&source) >= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_what_is_answered_makes_room() {
        let mut powers = Powers::default();
        let (greedy, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for id in 0..64 {
            assert!(!powers.is_crowded(greedy));
            powers.note_request(RequestId(id), greedy);
        }
        assert!(powers.is_crowded(greedy) && !powers.is_crowded(other));
        // Something else, and one of them twice.
        for id in [64, 7, 7] {
            powers.note_answer(RequestId(id));
        }
        assert!(!powers.is_crowded(greedy));
        powers.note_request(RequestId(65), greedy);
        assert!(powers.is_crowded(greedy));
        (0..=65).for_each(|id| powers.note_answer(RequestId(id)));
        assert!(powers.sources.is_empty() && powers.counts.is_empty());
    }
}
