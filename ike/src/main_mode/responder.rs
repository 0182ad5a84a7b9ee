//! Main Mode as the one who is asked.
//!
//! ```text
//!   message 1 ->          ExpectKe        <- message 2: the chosen transform
//!   message 3 ->          AwaitKe         (Diffie-Hellman runs elsewhere)
//!                         ExpectAuth      <- message 4
//!   message 5 ->          AwaitTrial      (the keys are tried elsewhere)
//!                         established     <- message 6
//! ```

use std::time::Duration;

use wire::{Path, Secret};

use super::{Finished, has_initial_contact, own_identity};
use crate::codec::{
    Chain, ChainBuilder, ExchangeType, Header, Identification, KeyExchange, MessageId,
    NatTraversal, Nonce, PayloadBody as _, PayloadType, Sa as SaPayload, VendorId,
};
use crate::context::{Answered, Asker, Context, Fingerprint, count};
use crate::crypto::{Phase1Suite, Transcript};
use crate::job::{DhOutcome, KeyTrial, KeyTrialOutcome};
use crate::natt::{self, Announced, Detected, Hasher};
use crate::sa::Frame;
use crate::{Event, Job, KeyName, MAX_KEYS_PER_TRIAL, Make, Nat, Refusal, Request, RequestId};

/// How far a Main Mode that the peer started is.
#[derive(Debug)]
pub(crate) enum State {
    ExpectKe(Box<ExpectKe>),
    AwaitKe(Box<AwaitKe>),
    ExpectAuth(Box<ExpectAuth>),
    AwaitTrial(Box<AwaitTrial>),
}

impl State {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::ExpectKe(_) => "expecting message 3",
            Self::AwaitKe(_) => "computing the shared secret",
            Self::ExpectAuth(_) => "expecting message 5",
            Self::AwaitTrial(_) => "trying keys",
        }
    }

    /// The request whose answer it waits for.
    pub(crate) const fn request(&self) -> Option<RequestId> {
        match self {
            Self::AwaitKe(state) => Some(state.request),
            Self::AwaitTrial(state) => Some(state.request),
            Self::ExpectKe(_) | Self::ExpectAuth(_) => None,
        }
    }
}

/// What a message or an answer leads to.
#[derive(Debug)]
pub(crate) enum Step {
    /// Another state, or the same.
    Stay(State),
    /// Both sides are authenticated.
    Finished(Box<Finished>),
}

/// Message 1 was answered.
#[derive(Debug)]
pub(crate) struct ExpectKe {
    suite: Phase1Suite,
    lifetime: Duration,
    /// SAi_b.
    sa_i: Vec<u8>,
    announced: Announced,
    answered: Answered,
    /// Message 1 has come again: its sender is there, and does not hear us.
    repeated: bool,
}

/// The shared secret is being computed.
#[derive(Debug)]
pub(crate) struct AwaitKe {
    request: RequestId,
    /// To go back to when the peer's public value is no good: it may have been forged.
    before: ExpectKe,
    announced: Announced,
    message: Fingerprint,
    path: Path,
    public_i: Vec<u8>,
    nonce_i: Vec<u8>,
    detected: Option<Detected>,
}

/// Message 3 was answered.
#[derive(Debug)]
pub(crate) struct ExpectAuth {
    suite: Phase1Suite,
    lifetime: Duration,
    transcript: Transcript,
    shared: Secret,
    announced: Announced,
    traversal: Option<NatTraversal>,
    nat: Nat,
    answered: Answered,
    /// Messages 5 that no key decrypted.
    failed: Vec<Fingerprint>,
}

/// The keys are being tried on a message 5.
#[derive(Debug)]
pub(crate) struct AwaitTrial {
    request: RequestId,
    before: ExpectAuth,
    message: Fingerprint,
    path: Path,
    names: Vec<KeyName>,
}

/// Takes message 1 and answers it.
///
/// The answer is never longer than the question, since the sender's address may be forged.
pub(crate) fn begin(
    context: &mut Context,
    frame: &Frame,
    chain: &Chain<'_>,
    datagram: &[u8],
) -> Result<State, Refusal> {
    let malformed = |what| Refusal::Malformed {
        message: "first message",
        what,
    };
    let sa = chain
        .first(PayloadType::SA)
        .ok_or(malformed("there is no SA payload"))?;
    let offer = SaPayload::parse(sa.body).map_err(|error| malformed(error.what))?;
    let choice = context.config.policy.choose_phase1(&offer)?;
    let mut announced = Announced::default();
    announced.note(chain);
    announced.note_offer(&offer);

    let mut answer = ChainBuilder::new().with(PayloadType::SA, &choice.answer);
    if let Some(traversal) = announced.answer() {
        answer.push(PayloadType::VENDOR_ID, &traversal);
    }
    let header = frame.header(ExchangeType::MAIN_MODE, MessageId::PHASE_1);
    let fragmentation = announced.fragmentation.then(VendorId::fragmentation);
    for id in [Some(VendorId::dead_peer_detection()), fragmentation] {
        let longer = id.map(|id| answer.clone().with(PayloadType::VENDOR_ID, &id));
        if let Some(longer) = longer
            && longer.message(header).len() <= datagram.len()
        {
            answer = longer;
        }
    }
    let answer = answer.message(header);
    context.transmit(frame.path, answer.clone());
    Ok(State::ExpectKe(Box::new(ExpectKe {
        suite: choice.suite,
        lifetime: choice.lifetime,
        sa_i: sa.body.to_vec(),
        announced,
        answered: Answered {
            request: Fingerprint::of(datagram),
            answer,
        },
        repeated: false,
    })))
}

impl State {
    const fn announced(&self) -> &Announced {
        match self {
            Self::ExpectKe(state) => &state.announced,
            Self::AwaitKe(state) => &state.announced,
            Self::ExpectAuth(state) => &state.announced,
            Self::AwaitTrial(state) => &state.before.announced,
        }
    }

    /// The peer's make, as far as it is known.
    pub(crate) const fn make(&self) -> Make {
        self.announced().make()
    }

    /// Whether the peer has sent message 3, which nobody can who does not receive our answers.
    pub(crate) const fn is_proven(&self) -> bool {
        !matches!(self, Self::ExpectKe(_))
    }

    /// What it means that nothing more came; `None` when nothing does, or it has been said.
    pub(crate) fn unfinished(&self) -> Option<Refusal> {
        match self {
            // Whoever asks only once is looking around.
            Self::ExpectKe(state) => state.repeated.then_some(Refusal::Unheard),
            Self::ExpectAuth(state) if state.failed.is_empty() => Some(Refusal::Unfinished {
                nat: state.nat.any(),
                server_behind_nat: state.nat.here && !state.nat.forced,
            }),
            Self::ExpectAuth(_) => None,
            Self::AwaitKe(_) | Self::AwaitTrial(_) => Some(Refusal::NotComputed),
        }
    }

    /// Message 2, if `datagram` is message 1 again and nothing has come since.
    pub(crate) fn answer_to_first(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::ExpectKe(state) if state.answered.request == Fingerprint::of(datagram) => {
                state.repeated = true;
                Some(state.answered.answer.clone())
            }
            _ => None,
        }
    }

    /// What it waits for will not be computed: the state before the last message, which the peer
    /// will repeat.
    pub(crate) fn step_back(self) -> Self {
        match self {
            Self::AwaitKe(state) => Self::ExpectKe(Box::new(state.before)),
            Self::AwaitTrial(state) => Self::ExpectAuth(Box::new(state.before)),
            Self::ExpectKe(_) | Self::ExpectAuth(_) => self,
        }
    }

    /// Takes a message of this Main Mode that names our cookie: message 3 or a later one.
    pub(crate) fn handle(
        self,
        context: &mut Context,
        frame: &mut Frame,
        path: Path,
        header: &Header,
        body: &[u8],
        datagram: &[u8],
    ) -> Self {
        let message = Fingerprint::of(datagram);
        match self {
            Self::ExpectAuth(state) if state.answered.request == message => {
                count(&mut context.counters.repeated);
                context.send(frame.route(), state.answered.answer.clone());
                Self::ExpectAuth(state)
            }
            Self::ExpectKe(state) if !header.is_encrypted() => {
                state.on_key_exchange(context, frame, path, header, body, message)
            }
            Self::ExpectAuth(state) if header.is_encrypted() => {
                state.on_auth(context, frame, path, message, datagram)
            }
            other => {
                count(&mut context.counters.unexpected);
                other
            }
        }
    }
}

impl ExpectKe {
    /// Message 3: KE, Ni, NAT-D.
    fn on_key_exchange(
        self: Box<Self>,
        context: &mut Context,
        frame: &mut Frame,
        path: Path,
        header: &Header,
        body: &[u8],
        message: Fingerprint,
    ) -> State {
        let parsed = Chain::parse(header.next, body, crate::codec::Trailing::Nothing);
        let parts = parsed.ok().and_then(|chain| {
            let public = KeyExchange::parse(chain.first(PayloadType::KE)?.body).ok()?;
            let nonce = Nonce::parse(chain.first(PayloadType::NONCE)?.body).ok()?;
            Some((chain, public.0, nonce.0))
        });
        let Some((chain, public_i, nonce_i)) = parts else {
            count(&mut context.counters.malformed);
            return State::ExpectKe(self);
        };
        let mut announced = self.announced;
        announced.note(&chain);
        // The choice of message 2 stands, whatever message 3 announces.
        let traversal = self.announced.traversal();
        let hasher = self.hasher(frame);
        let detected = traversal.and_then(|version| natt::detect(&chain, version, &hasher, path));
        let private = self.suite.group.private_value(&mut context.rng);
        let job = Job::exchange(private, public_i.clone()).of_a_beginning();
        // Nothing proves yet who sent this, but it answers a cookie of ours: it may have come
        // through a NAT that gave it another port.
        frame.path = path;
        frame.fragments = announced.fragmentation;
        State::AwaitKe(Box::new(AwaitKe {
            request: context.request(Asker::MainMode(frame.id), Request::Compute(job)),
            before: *self,
            announced,
            message,
            path,
            public_i,
            nonce_i,
            detected,
        }))
    }

    const fn hasher(&self, frame: &Frame) -> Hasher {
        Hasher {
            hash: self.suite.hash,
            initiator: frame.initiator,
            responder: frame.responder,
        }
    }
}

impl AwaitKe {
    /// The shared secret is there: message 4.
    pub(crate) fn on_computed(
        self: Box<Self>,
        context: &mut Context,
        frame: &Frame,
        outcome: Result<DhOutcome, crate::crypto::InvalidPublicValue>,
    ) -> State {
        let (public_r, shared) = match outcome {
            Ok(DhOutcome {
                public: Some(public),
                shared: Some(shared),
                ..
            }) => (public, shared),
            Ok(_) => return State::ExpectKe(Box::new(self.before)),
            Err(error) => {
                let make = self.announced.make();
                context.refuse(self.path, None, make, Refusal::KeyExchange(error.reason));
                return State::ExpectKe(Box::new(self.before));
            }
        };
        let nonce_r = context.nonce();
        let mut chain = ChainBuilder::new()
            .with(PayloadType::KE, &public_r)
            .with(PayloadType::NONCE, &nonce_r);
        let traversal = self.before.announced.traversal();
        let mut nat = Nat::default();
        if let (Some(version), Some(detected)) = (traversal, &self.detected) {
            let (config, rng) = (&context.config, &mut context.rng);
            let hasher = self.before.hasher(frame);
            let make = self.announced.make();
            let (hashes, found) = natt::respond(detected, &hasher, self.path, config, make, rng);
            hashes.iter().for_each(|hash| {
                chain.push(version.nat_d(), hash);
            });
            nat = found;
        }
        let answer = chain.message(frame.header(ExchangeType::MAIN_MODE, MessageId::PHASE_1));
        context.send(frame.route_over(self.path), answer.clone());
        let before = self.before;
        State::ExpectAuth(Box::new(ExpectAuth {
            suite: before.suite,
            lifetime: before.lifetime,
            transcript: Transcript {
                cookie_i: frame.initiator,
                cookie_r: frame.responder,
                nonce_i: self.nonce_i,
                nonce_r,
                public_i: self.public_i,
                public_r,
                sa_i: before.sa_i,
            },
            shared,
            announced: self.announced,
            traversal: traversal.filter(|_| self.detected.is_some()),
            nat,
            answered: Answered {
                request: self.message,
                answer,
            },
            failed: Vec::new(),
        }))
    }
}

impl ExpectAuth {
    /// Message 5, encrypted under a key that is to be found.
    fn on_auth(
        self: Box<Self>,
        context: &mut Context,
        frame: &Frame,
        path: Path,
        message: Fingerprint,
        datagram: &[u8],
    ) -> State {
        let limit = usize::from(context.config.limits.undecryptable);
        if self.failed.contains(&message) || self.failed.len() >= limit {
            count(&mut context.counters.repeated);
            return State::ExpectAuth(self);
        }
        let (names, candidates) = candidates(context, path);
        if candidates.is_empty() {
            return self.fail(
                context,
                message,
                frame.proven_path(path),
                Refusal::NoKey {
                    remote: path.remote.ip(),
                },
            );
        }
        let job = Job::key_trial(KeyTrial {
            suite: self.suite,
            transcript: self.transcript.clone(),
            shared: self.shared.clone(),
            candidates,
            message: datagram.to_vec(),
        });
        State::AwaitTrial(Box::new(AwaitTrial {
            request: context.request(Asker::MainMode(frame.id), Request::Compute(job)),
            before: *self,
            message,
            path,
            names,
        }))
    }

    /// A message 5 that is no good. The state survives it: it may be forged, and so `path` is to
    /// have the address that is proven.
    fn fail(
        mut self: Box<Self>,
        context: &mut Context,
        message: Fingerprint,
        path: Path,
        refusal: Refusal,
    ) -> State {
        if self.failed.is_empty() {
            context.refuse(path, None, self.announced.make(), refusal);
        }
        self.failed.push(message);
        State::ExpectAuth(self)
    }
}

/// The keys to try for a peer, and their names.
fn candidates(context: &Context, path: Path) -> (Vec<KeyName>, Vec<(usize, Secret)>) {
    let limit = context.config.limits.keys_per_trial.min(MAX_KEYS_PER_TRIAL);
    // A line of the secrets file may name us by the address under which clients know us.
    let known_as: Vec<_> = context
        .config
        .public_address
        .into_iter()
        .chain([path.local.ip()])
        .collect();
    let (keys, history) = (&context.keys, &context.key_history);
    let found = keys.candidates(&known_as, path.remote.ip(), history, limit);
    let names = found.iter().map(|(name, _)| (*name).clone()).collect();
    let secrets = found.iter().map(|(_, secret)| (*secret).clone());
    (names, secrets.enumerate().collect())
}

impl AwaitTrial {
    /// The keys were tried: message 6, or back to waiting.
    pub(crate) fn on_tried(
        self: Box<Self>,
        context: &mut Context,
        frame: &mut Frame,
        outcome: KeyTrialOutcome,
    ) -> Step {
        let Self {
            before,
            message,
            path,
            names,
            ..
        } = *self;
        let before = Box::new(before);
        let proven = frame.proven_path(path);
        let found = match outcome {
            KeyTrialOutcome::Match(found) => found,
            KeyTrialOutcome::NoMatch { well_formed } => {
                if well_formed.is_none() {
                    context.event(Event::WrongKey { path: proven });
                }
                let refusal = match well_formed {
                    None => Refusal::WrongKey {
                        remote: proven.remote.ip(),
                        tried: names.len(),
                    },
                    Some(_) => Refusal::Malformed {
                        message: "message 5 of Main Mode",
                        what: "its hash does not verify although a key decrypts it",
                    },
                };
                if before.failed.is_empty()
                    && let Some(kind) = refusal.notify()
                {
                    let notify = frame.clear_notify(context, kind);
                    context.transmit(path, notify);
                }
                return Step::Stay(before.fail(context, message, proven, refusal));
            }
            KeyTrialOutcome::Malformed(_) => {
                count(&mut context.counters.malformed);
                let what = "it is not encrypted as agreed";
                let refusal = Refusal::Malformed {
                    message: "message 5 of Main Mode",
                    what,
                };
                return Step::Stay(before.fail(context, message, proven, refusal));
            }
        };
        let key = names.get(found.index);
        let parsed = found
            .message
            .chain()
            .ok()
            .zip(key)
            .and_then(|(chain, key)| {
                let id = Identification::parse(chain.first(PayloadType::ID)?.body).ok()?;
                Some((id.identity, has_initial_contact(&chain), key.clone()))
            });
        // The trial has looked already; it cannot fail now.
        let Some((identity, initial_contact, key)) = parsed else {
            return Step::Stay(State::ExpectAuth(before));
        };
        frame.path = path;
        context.key_history.note(path.remote.ip(), &key);
        let own = own_identity(context, path.local.ip());
        let id_r = Identification {
            protocol: 0,
            port: 0,
            identity: own,
        }
        .to_body();
        let keymat = found.keymat;
        let chain = ChainBuilder::new()
            .with(PayloadType::ID, &id_r)
            .with(PayloadType::HASH, &keymat.hash_r(&before.transcript, &id_r));
        let header = frame.header(ExchangeType::MAIN_MODE, MessageId::PHASE_1);
        let (answer, last_block) = keymat.seal(header, &chain, &found.message.next_iv());
        Step::Finished(Box::new(Finished {
            keymat,
            last_block,
            lifetime: before.lifetime,
            nat: before.nat,
            traversal: before.traversal,
            announced: before.announced,
            identity,
            key,
            answered: Some(Answered {
                request: message,
                answer: answer.clone(),
            }),
            initiate: None,
            path,
            initial_contact,
            message: Some(answer),
        }))
    }
}
