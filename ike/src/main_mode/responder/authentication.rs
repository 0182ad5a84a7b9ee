//! Message 5, under a key that is to be found, and message 6.

use std::time::Duration;

use wire::{Path, Secret};

use super::{State, Step};
use crate::codec::{
    ChainBuilder, ExchangeType, Identification, MessageId, NatTraversal, PayloadBody as _,
    PayloadType,
};
use crate::context::{Answered, Asker, Context, Fingerprint, count};
use crate::crypto::{Phase1Suite, Transcript};
use crate::job::{KeyTrial, KeyTrialOutcome};
use crate::main_mode::{Finished, has_initial_contact, own_identity};
use crate::natt::Announced;
use crate::sa::Frame;
use crate::{Event, Job, KeyName, MAX_KEYS_PER_TRIAL, Nat, Refusal, Request, RequestId};

/// Message 3 was answered.
#[derive(Debug)]
pub(crate) struct ExpectAuth {
    pub(super) suite: Phase1Suite,
    pub(super) lifetime: Duration,
    pub(super) transcript: Transcript,
    pub(super) shared: Secret,
    pub(super) announced: Announced,
    pub(super) traversal: Option<NatTraversal>,
    pub(super) nat: Nat,
    pub(super) answered: Answered,
    /// Messages 5 that no key decrypted.
    pub(super) failed: Vec<Fingerprint>,
}

/// The keys are being tried on a message 5.
#[derive(Debug)]
pub(crate) struct AwaitTrial {
    pub(super) request: RequestId,
    pub(super) before: ExpectAuth,
    message: Fingerprint,
    path: Path,
    names: Vec<KeyName>,
}

impl ExpectAuth {
    /// Message 5, encrypted under a key that is to be found.
    pub(super) fn on_auth(
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
        // A key for some addresses is for those who are there, not for those who write so.
        let proven = frame.proven_path(path);
        let (names, candidates) = candidates(context, proven);
        if candidates.is_empty() {
            let refusal = Refusal::NoKey {
                remote: proven.remote.ip(),
            };
            return self.fail(context, message, proven, refusal);
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
        context.key_history.note(proven.remote.ip(), &key);
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
