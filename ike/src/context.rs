//! What every exchange needs: time, randomness, configuration, and the one output queue.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rand_core::Rng as _;
use subtle::ConstantTimeEq as _;
use tracing::{debug, trace};
use wire::{Instant, Path, Rng};

use crate::admission::Admission;
use crate::codec::MessageId;
use crate::crypto::HashAlgorithm;
use crate::fragment;
use crate::habits::Rekey;
use crate::key_history::KeyHistory;
use crate::powers::Powers;
use crate::timers::{Owner, Timers};
use crate::{
    Config, Cookies, Counters, Event, Habits, Keyring, Make, Output, Refusal, Request, RequestId,
    SaId, Timer,
};

/// Bytes of the nonces we answer with.
const NONCE_LEN: usize = 32;
/// Sources whose last refusal is remembered.
const REMEMBERED_REFUSALS: usize = 4096;
/// One source is reported this often for one kind of refusal.
const REFUSAL_INTERVAL: Duration = Duration::from_secs(60);
/// All sources together that may be forged are reported this often per second.
const REFUSALS_PER_SECOND: u32 = 50;

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A Main Mode.
    MainMode(SaId),
    /// A Quick Mode.
    QuickMode(SaId, MessageId),
}

/// Where the messages of an IKE SA go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) path: Path,
    /// The peer can put fragments together.
    pub(crate) fragments: bool,
}

/// What every exchange needs.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) key_history: KeyHistory,
    pub(crate) rng: Rng,
    pub(crate) cookies: Cookies,
    pub(crate) admission: Admission,
    pub(crate) powers: Powers,
    pub(crate) now: Instant,
    pub(crate) timers: Timers,
    pub(crate) counters: Counters,
    outputs: VecDeque<Output>,
    requests: BTreeMap<RequestId, Asker>,
    last_id: u64,
    refusals: RefusalLog,
}

impl Context {
    pub(crate) fn new(config: Config, mut rng: Rng) -> Self {
        Self {
            cookies: Cookies::new(&mut rng),
            admission: Admission::default(),
            powers: Powers::default(),
            config,
            keys: Arc::default(),
            key_history: KeyHistory::default(),
            rng,
            now: Instant::BOOT,
            timers: Timers::default(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
            requests: BTreeMap::new(),
            last_id: 0,
            refusals: RefusalLog::default(),
        }
    }

    /// A number that was never given before.
    pub(crate) const fn new_id(&mut self) -> u64 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    /// Sends a datagram as it is.
    pub(crate) fn transmit(&mut self, path: Path, bytes: Vec<u8>) {
        self.counters.sent = self.counters.sent.saturating_add(1);
        trace!(%path, bytes = bytes.len(), "transmit");
        self.outputs.push_back(Output::Transmit { path, bytes });
    }

    /// Sends a message; in fragments, if it is too long for one packet and the peer takes them.
    pub(crate) fn send(&mut self, route: Route, message: Vec<u8>) {
        let size = self.config.fragment_size;
        let pieces = route
            .fragments
            .then(|| fragment::split(&message, route.path, size));
        let Some(pieces) = pieces.flatten() else {
            return self.transmit(route.path, message);
        };
        debug!(path = %route.path, bytes = message.len(), fragments = pieces.len(), "split");
        count(&mut self.counters.fragments.split);
        for piece in pieces {
            self.transmit(route.path, piece);
        }
    }

    /// Reports an event.
    pub(crate) fn event(&mut self, event: Event) {
        debug!(?event, "event");
        self.outputs.push_back(Output::Event(event));
    }

    /// Asks for something on behalf of `asker`.
    pub(crate) fn request(&mut self, asker: Asker, request: Request) -> RequestId {
        let id = RequestId(self.new_id());
        if matches!(request, Request::Compute(_)) {
            self.admission.note_request(self.now, id);
        }
        self.requests.insert(id, asker);
        self.outputs.push_back(Output::Request(id, request));
        id
    }

    /// Who waits for the answer with this number; the answer comes once.
    pub(crate) fn take_asker(&mut self, request: RequestId) -> Option<Asker> {
        self.requests.remove(&request)
    }

    /// Nobody waits for this answer any more.
    pub(crate) fn forget_request(&mut self, request: RequestId) {
        self.requests.remove(&request);
    }

    /// An SPI that was asked for is not needed after all.
    pub(crate) fn give_back(&mut self, spi: Option<u32>) {
        if let Some(spi) = spi {
            self.event(Event::SpiUnused(spi));
        }
    }

    /// The next output.
    pub(crate) fn next_output(&mut self) -> Option<Output> {
        wire::pop_front(&mut self.outputs)
    }

    /// Reports a refusal of a peer that gets our answers, unless the same was reported lately.
    pub(crate) fn refuse(&mut self, path: Path, sa: Option<SaId>, make: Make, refusal: Refusal) {
        self.report_refusal(path, sa, make, true, refusal);
    }

    /// Reports a refusal of somebody whose address may be forged, unless the same was reported
    /// lately, or too much was.
    pub(crate) fn refuse_unproven(&mut self, path: Path, make: Make, refusal: Refusal) {
        self.report_refusal(path, None, make, false, refusal);
    }

    fn report_refusal(
        &mut self,
        path: Path,
        sa: Option<SaId>,
        make: Make,
        proven: bool,
        refusal: Refusal,
    ) {
        count(&mut self.counters.refused);
        let (source, kind) = (path.remote.ip(), refusal.kind());
        if self.refusals.admits(self.now, source, proven, kind) {
            self.event(Event::Refused {
                path,
                sa,
                make,
                proven,
                refusal,
            });
        } else {
            let silent = self.refusals.silent.entry(kind);
            count(&mut silent.or_insert((refusal, 0)).1);
        }
    }

    /// The refusals that were not reported: one of each kind, and how many there were.
    pub(crate) fn refused_silently(&self) -> impl Iterator<Item = (&Refusal, u64)> {
        let silent = self.refusals.silent.values();
        silent.map(|(refusal, count)| (refusal, *count))
    }

    /// A Main Mode whose first message came from `source` has succeeded.
    pub(crate) fn note_success(&mut self, source: SocketAddr) {
        self.refusals.note_success(self.now, source);
    }

    /// Whether a Main Mode from `source` has succeeded lately.
    /// QUIRK(Windows): it runs several at once, and drops all but one in silence.
    pub(crate) fn succeeded_lately(&self, source: SocketAddr) -> bool {
        self.refusals.succeeded_lately(self.now, source)
    }

    /// A new message id: random and not zero.
    pub(crate) fn message_id(&mut self) -> MessageId {
        MessageId(self.rng.next_u32().max(1))
    }

    /// A new nonce for an answer.
    pub(crate) fn nonce(&mut self) -> Vec<u8> {
        self.nonce_of(NONCE_LEN)
    }

    /// A new nonce of `len` bytes.
    pub(crate) fn nonce_of(&mut self, len: usize) -> Vec<u8> {
        let mut nonce = vec![0; len];
        self.rng.fill_bytes(&mut nonce);
        nonce
    }

    /// A moment of `lifetime` from now on that `rekey` admits: any, so that peers do not all rekey
    /// at once.
    pub(crate) fn rekey_time(&mut self, lifetime: Duration, rekey: Rekey) -> Instant {
        let from = u32::from(rekey.from);
        let room = u32::from(rekey.to).saturating_sub(from).saturating_add(1);
        let drawn = self.rng.next_u32().checked_rem(room).unwrap_or(0);
        self.now + lifetime.saturating_mul(from.saturating_add(drawn)) / 1000
    }
}

/// Counts one more of something.
pub(crate) const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// Keeps one peer's mistakes from filling the log.
#[derive(Debug, Default)]
struct RefusalLog {
    /// By source, whether it is proven, and kind: who forges an address silences nobody there.
    last: BTreeMap<(IpAddr, bool, &'static str), Instant>,
    /// What was not reported, by its kind.
    silent: BTreeMap<&'static str, (Refusal, u64)>,
    /// When a Main Mode of a source was last completed.
    successes: BTreeMap<SocketAddr, Instant>,
    window: Instant,
    /// Reports about sources that may be forged.
    in_window: u32,
}

impl RefusalLog {
    fn admits(&mut self, now: Instant, source: IpAddr, proven: bool, kind: &'static str) -> bool {
        if now - self.window >= Duration::from_secs(1) {
            (self.window, self.in_window) = (now, 0);
        }
        if !proven && self.in_window >= REFUSALS_PER_SECOND {
            return false;
        }
        let key = (source, proven, kind);
        if self
            .last
            .get(&key)
            .is_some_and(|last| now - *last < REFUSAL_INTERVAL)
        {
            return false;
        }
        if self.last.len() >= REMEMBERED_REFUSALS {
            self.last.clear();
        }
        self.last.insert(key, now);
        self.in_window = self.in_window.saturating_add(u32::from(!proven));
        true
    }
}

impl RefusalLog {
    fn note_success(&mut self, now: Instant, source: SocketAddr) {
        if self.successes.len() >= REMEMBERED_REFUSALS {
            self.successes.clear();
        }
        self.successes.insert(source, now);
    }

    fn succeeded_lately(&self, now: Instant, source: SocketAddr) -> bool {
        let last = self.successes.get(&source);
        last.is_some_and(|last| now - *last < REFUSAL_INTERVAL)
    }
}

/// Recognises a repetition of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(datagram: &[u8]) -> Self {
        let digest = HashAlgorithm::Sha256.digest(&[datagram]);
        Self(digest.as_slice().try_into().unwrap_or_default())
    }
}

/// A request and the answer it got, so that its repetition gets the same one.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) request: Fingerprint,
    pub(crate) answer: Vec<u8>,
}

/// Whether two hashes are equal, in constant time.
pub(crate) fn same(ours: &[u8], theirs: &[u8]) -> bool {
    ours.ct_eq(theirs).into()
}

/// A request of ours that is sent until it is answered.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    message: Vec<u8>,
    pub(crate) route: Route,
    sent: usize,
    /// The pauses; those of the configuration if there are none.
    pauses: Option<Vec<Duration>>,
    /// What it is, for the report when it is given up.
    pub(crate) what: &'static str,
}

impl Retry {
    /// Sends `message` for the first time, and repeats it as `habits` say.
    pub(crate) fn start(
        context: &mut Context,
        owner: Owner,
        route: Route,
        message: Vec<u8>,
        what: &'static str,
        habits: &Habits,
    ) -> Self {
        let mut retry = Self {
            pauses: habits.retransmit.clone(),
            ..Self::unsent(route, message, what)
        };
        retry.again(context, owner);
        retry
    }

    /// A message that [`again`](Self::again) sends for the first time.
    pub(crate) const fn unsent(route: Route, message: Vec<u8>, what: &'static str) -> Self {
        Self {
            message,
            route,
            sent: 0,
            pauses: None,
            what,
        }
    }

    /// Sends it again, if there are tries left.
    pub(crate) fn again(&mut self, context: &mut Context, owner: Owner) -> bool {
        let pauses = self
            .pauses
            .as_ref()
            .unwrap_or(&context.config.timing.retransmit);
        let pause = match (pauses.get(self.sent).copied(), self.sent) {
            (Some(pause), _) => pause,
            (None, 0) => Duration::from_secs(1),
            (None, _) => return false,
        };
        context
            .timers
            .set(owner, Timer::Retransmit, context.now + pause);
        context.send(self.route, self.message.clone());
        self.sent = self.sent.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_forges_an_address_silences_nobody_there() {
        let mut log = RefusalLog::default();
        let now = Instant::from_boot(Duration::from_secs(100));
        let source = IpAddr::from([192, 0, 2, 1]);
        assert!(log.admits(now, source, false, "malformed"));
        assert!(!log.admits(now, source, false, "malformed"));
        assert!(log.admits(now, source, true, "malformed"));
        assert!(!log.admits(now, source, true, "malformed"));
    }
}
