//! Messages that come in fragments. Taken from everybody, whoever announced what:
//! QUIRK(Apple): some releases send them although neither side has said a word about it.

use wire::Path;

use super::Endpoint;
use crate::Timer;
use crate::codec::{Chain, Fragment, Header, PayloadType, Trailing};
use crate::context::count;
use crate::fragment::{MAX_MESSAGE, Origin};
use crate::sa::Phase;
use crate::timers::Owner;

impl Endpoint {
    /// A fragment. `outer` is set when it is itself made of fragments, which nobody means.
    pub(super) fn on_fragment(
        &mut self,
        path: Path,
        header: &Header,
        body: &[u8],
        outer: Option<&Header>,
    ) {
        let counters = &mut self.context.counters.fragments;
        count(&mut counters.received);
        let fragment = Chain::parse(header.next, body, Trailing::Padding)
            .ok()
            .and_then(|chain| Fragment::parse(chain.first(PayloadType::FRAGMENT)?.body).ok());
        let (Some(fragment), None) = (fragment, outer) else {
            return count(&mut counters.malformed);
        };
        let limits = self.context.config.limits;
        let (origin, longest) = match self.find(header) {
            Some(id) => {
                let established = self
                    .sas
                    .get(&id)
                    .is_some_and(|sa| matches!(sa.phase, Phase::Established(_)));
                let longest = if established {
                    MAX_MESSAGE
                } else {
                    limits.message_size
                };
                (Origin::Sa(id), longest)
            }
            None if header.responder.is_zero() && self.context.config.respond => {
                let origin = Origin::Stranger(path.remote, header.initiator);
                (origin, limits.message_size)
            }
            None => return count(&mut self.context.counters.fragments.unknown_cookies),
        };
        let (now, counters) = (self.context.now, &mut self.context.counters.fragments);
        let whole = self
            .fragments
            .add(now, origin, fragment, longest, &limits, counters);
        self.await_fragments();
        if let Some(whole) = whole {
            self.on_isakmp(path, &whole, Some(header));
        }
    }

    /// The rest of some message did not come in time.
    pub(super) fn on_fragments_late(&mut self) {
        let (now, counters) = (self.context.now, &mut self.context.counters.fragments);
        self.fragments.expire(now, counters);
        self.await_fragments();
    }

    fn await_fragments(&mut self) {
        let timers = &mut self.context.timers;
        match self.fragments.next_deadline() {
            Some(at) => timers.set(Owner::Fragments, Timer::Forget, at),
            None => timers.cancel(Owner::Fragments, Timer::Forget),
        }
    }
}
