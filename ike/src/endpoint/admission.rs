//! First messages: answered at once, or when those before are done.

use wire::Path;

use super::Endpoint;
use crate::Timer;
use crate::admission::LOOK;
use crate::codec::Header;
use crate::context::count;
use crate::timers::Owner;

impl Endpoint {
    /// A first message that is not known.
    pub(super) fn on_newcomer(
        &mut self,
        path: Path,
        header: &Header,
        body: &[u8],
        datagram: &[u8],
    ) {
        let context = &mut self.context;
        let limits = context.config.limits;
        let now = context.now;
        if context.admission.hears(now, header.initiator, path.remote) {
            return count(&mut context.counters.repeated);
        }
        if context.admission.len() == 0 && context.admission.is_open(context.now, &limits) {
            return self.on_first_message(path, header, body, datagram);
        }
        if datagram.len() > limits.message_size {
            return count(&mut context.counters.malformed);
        }
        count(&mut context.counters.waited);
        let name = (header.initiator, path);
        let rng = &mut context.rng;
        if !context.admission.wait(now, &limits, name, datagram, rng) {
            count(&mut context.counters.turned_away);
        }
        self.admit_waiting();
    }

    /// Answers those that wait, as far as there is time for them.
    pub(super) fn admit_waiting(&mut self) {
        self.context.admission.expire(self.context.now);
        loop {
            let context = &mut self.context;
            if context.admission.len() == 0 {
                return context.timers.cancel(Owner::Admission, Timer::Admission);
            }
            if !context
                .admission
                .is_open(context.now, &context.config.limits)
            {
                let again = context.now + LOOK;
                return context
                    .timers
                    .set(Owner::Admission, Timer::Admission, again);
            }
            if let Some(next) = context.admission.next(context.now)
                && let Ok((header, body)) = Header::parse(&next.datagram)
            {
                self.on_first_message(next.path, &header, body, &next.datagram);
            }
        }
    }
}
