//! Main Mode as the one who asks.
//!
//! ```text
//!   message 1 ->          ExpectSa        <- message 2
//!                         AwaitKey        (our public value is computed elsewhere)
//!   message 3 ->          ExpectKe        <- message 4
//!                         AwaitShared     (the shared secret is computed elsewhere)
//!   message 5 ->          ExpectAuth      <- message 6
//! ```
//!
//! Messages in clear can be forged by anybody on the way. One that is no good at first sight is
//! counted and kept as a hint for the final report, and the state waits on. One that shows its
//! fault only when the shared secret is computed ends the Main Mode, as a forged public value
//! without fault does too: the private value is used up.

mod authentication;
mod key_exchange;

use std::time::Duration;

use wire::Path;

use authentication::{AwaitShared, ExpectAuth};
use key_exchange::{AwaitKey, ExpectKe};

use super::Finished;
use crate::codec::{
    Chain, ChainBuilder, ExchangeType, Header, MessageId, Notification, NotifyType,
    PayloadBody as _, PayloadType, Sa as SaPayload, Trailing,
};
use crate::context::{Asker, Context, Retry, count};
use crate::crypto::{InvalidPublicValue, Phase1Suite};
use crate::job::DhOutcome;
use crate::natt::{Announced, Hasher};
use crate::policy::accept_phase1;
use crate::sa::Frame;
use crate::timers::Owner;
use crate::{Habits, Initiate, Job, Refusal, Request, RequestId, SaId};

/// A Main Mode that we started.
#[derive(Debug)]
pub(crate) struct Initiating {
    pub(crate) initiate: Box<Initiate>,
    /// The IKE SA it is to replace.
    pub(crate) replaces: Option<SaId>,
    /// What was said in clear and may be the reason for silence.
    pub(crate) hint: Option<String>,
    pub(crate) retry: Retry,
    pub(crate) state: State,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum State {
    ExpectSa(ExpectSa),
    AwaitKey(AwaitKey),
    ExpectKe(ExpectKe),
    AwaitShared(Box<AwaitShared>),
    ExpectAuth(Box<ExpectAuth>),
}

impl State {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::ExpectSa(_) => "expecting message 2",
            Self::AwaitKey(_) => "computing our public value",
            Self::ExpectKe(_) => "expecting message 4",
            Self::AwaitShared(_) => "computing the shared secret",
            Self::ExpectAuth(_) => "expecting message 6",
        }
    }

    /// Whether the peer has said nothing yet.
    pub(crate) const fn is_unanswered(&self) -> bool {
        matches!(self, Self::ExpectSa(_))
    }

    /// The request whose answer it waits for.
    pub(crate) const fn request(&self) -> Option<RequestId> {
        match self {
            Self::AwaitKey(state) => Some(state.request),
            Self::AwaitShared(state) => Some(state.request),
            Self::ExpectSa(_) | Self::ExpectKe(_) | Self::ExpectAuth(_) => None,
        }
    }
}

/// What a message or an answer leads to.
#[derive(Debug)]
pub(crate) enum Step {
    /// Another state, or the same.
    Stay(Box<Initiating>),
    /// Both sides are authenticated.
    Finished(Box<Finished>, Option<SaId>),
    /// It cannot work.
    Failed(Refusal, Option<SaId>),
}

/// What is agreed after message 2.
#[derive(Debug)]
struct Agreed {
    suite: Phase1Suite,
    lifetime: Duration,
    /// SAi_b.
    sa_i: Vec<u8>,
    announced: Announced,
}

/// Message 1 was sent.
#[derive(Debug)]
pub(crate) struct ExpectSa {
    offer: SaPayload,
}

/// Sends message 1.
pub(crate) fn begin(
    context: &mut Context,
    frame: &Frame,
    initiate: Box<Initiate>,
    replaces: Option<SaId>,
) -> Initiating {
    let habits = &initiate.habits;
    let offer = match &habits.ike_proposal {
        Some(proposal) => proposal.to_sa(),
        None => context
            .config
            .policy
            .offer_phase1(context.config.timing.ike_lifetime),
    };
    let mut chain = ChainBuilder::new().with(PayloadType::SA, &offer);
    for id in &habits.vendor_ids {
        chain.push(PayloadType::VENDOR_ID, id);
    }
    let message = chain.message(frame.header(ExchangeType::MAIN_MODE, MessageId::PHASE_1));
    let retry = send(context, frame, message, "message 1 of Main Mode", habits);
    Initiating {
        initiate,
        replaces,
        hint: None,
        retry,
        state: State::ExpectSa(ExpectSa { offer }),
    }
}

fn send(
    context: &mut Context,
    frame: &Frame,
    message: Vec<u8>,
    what: &'static str,
    habits: &Habits,
) -> Retry {
    let owner = Owner::Sa(frame.id);
    Retry::start(context, owner, frame.route(), message, what, habits)
}

/// A message that is no good, and the state that waits on.
type NoGood = Box<(State, Refusal)>;

impl Initiating {
    /// Takes a message of this Main Mode.
    pub(crate) fn handle(
        mut self: Box<Self>,
        context: &mut Context,
        frame: &mut Frame,
        path: Path,
        header: &Header,
        body: &[u8],
    ) -> Step {
        let next = match (self.state, header.is_encrypted()) {
            (State::ExpectSa(state), false) => {
                state.on_sa(context, frame, header, body, &self.initiate)
            }
            (State::ExpectKe(state), false) => {
                state.on_key_exchange(context, frame, path, header, body, &self.initiate)
            }
            (State::ExpectAuth(state), true) => {
                match state.on_auth(context, frame, path, header, body) {
                    Ok(mut finished) => {
                        finished.initiate = Some(self.initiate);
                        return Step::Finished(finished, self.replaces);
                    }
                    Err(no_good) => Err(no_good),
                }
            }
            (state, _) => {
                count(&mut context.counters.unexpected);
                Ok(state)
            }
        };
        self.state = next.unwrap_or_else(|no_good| {
            let (state, refusal) = *no_good;
            count(&mut context.counters.malformed);
            self.hint = Some(refusal.to_string());
            state
        });
        Step::Stay(self)
    }

    /// Takes note of an error notification in clear. It proves nothing, so nothing is done.
    pub(crate) fn note_clear(&mut self, notification: &Notification) {
        if notification.kind.is_error() {
            let meaning = match notification.kind {
                NotifyType::NO_PROPOSAL_CHOSEN => ": it accepts none of our algorithms",
                NotifyType::AUTHENTICATION_FAILED | NotifyType::INVALID_HASH_INFORMATION => {
                    ": the pre-shared key does not match"
                }
                _ => "",
            };
            self.hint = Some(format!("the peer said {}{meaning}", notification.kind));
        }
    }

    /// What may be the reason for silence.
    ///
    /// QUIRK(strongSwan, SoftEther): they cannot decrypt message 5 when their key is another, and
    /// say nothing, or say so under keys that nobody else has.
    pub(crate) fn suspicion(&mut self) -> Option<String> {
        let silence = match self.state {
            State::ExpectAuth(_) => Some("the pre-shared key of the peer is probably another"),
            _ => None,
        };
        self.hint.take().or_else(|| silence.map(str::to_owned))
    }

    /// A power has been computed.
    pub(crate) fn on_computed(
        mut self: Box<Self>,
        context: &mut Context,
        frame: &mut Frame,
        outcome: Result<DhOutcome, InvalidPublicValue>,
    ) -> Step {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return Step::Failed(Refusal::KeyExchange(error.reason), self.replaces),
        };
        match self.state {
            State::AwaitKey(state) => {
                let Some(public) = outcome.public else {
                    return Step::Failed(Refusal::KeyExchange("no value"), self.replaces);
                };
                let (next, retry) =
                    state.on_public(context, frame, outcome.private, public, &self.initiate);
                self.state = State::ExpectKe(next);
                self.retry = retry;
            }
            State::AwaitShared(state) => {
                let Some(shared) = outcome.shared else {
                    return Step::Failed(Refusal::KeyExchange("no secret"), self.replaces);
                };
                let first_contact = self.replaces.is_none();
                let (next, retry) =
                    state.on_shared(context, frame, &shared, &self.initiate, first_contact);
                self.state = State::ExpectAuth(Box::new(next));
                self.retry = retry;
            }
            state => self.state = state,
        }
        Step::Stay(self)
    }
}

impl ExpectSa {
    /// Message 2: the chosen transform.
    fn on_sa(
        self,
        context: &mut Context,
        frame: &mut Frame,
        header: &Header,
        body: &[u8],
        initiate: &Initiate,
    ) -> Result<State, NoGood> {
        let read = || -> Result<_, Refusal> {
            let malformed = |what| Refusal::Malformed {
                message: "message 2 of Main Mode",
                what,
            };
            let chain = Chain::parse(header.next, body, Trailing::Nothing)
                .map_err(|error| malformed(error.what))?;
            if header.responder.is_zero() {
                return Err(malformed("there is no responder cookie"));
            }
            // With equal cookies HASH_R would be computed like HASH_I, and our own messages, sent
            // back to us, would do for the peer's.
            if header.responder == frame.initiator {
                return Err(malformed("its cookie is our own"));
            }
            let sa = chain
                .first(PayloadType::SA)
                .ok_or(malformed("there is no SA payload"))?;
            let answer = SaPayload::parse(sa.body).map_err(|error| malformed(error.what))?;
            let choice = accept_phase1(&self.offer, &answer)?;
            // What was offered by habit is not for the policy to judge.
            if initiate.habits.ike_proposal.is_none() {
                context.config.policy.admit_phase1(&choice)?;
            }
            let mut announced = Announced::default();
            announced.note(&chain);
            Ok((choice, announced))
        };
        let (choice, announced) = match read() {
            Ok(found) => found,
            Err(refusal) => return Err(Box::new((State::ExpectSa(self), refusal))),
        };
        frame.responder = header.responder;
        frame.fragments = announced.fragmentation;
        context
            .timers
            .cancel(Owner::Sa(frame.id), crate::Timer::Retransmit);
        let job = Job::public_value(choice.suite.group.private_value(&mut context.rng));
        let agreed = Agreed {
            suite: choice.suite,
            lifetime: choice.lifetime,
            sa_i: self.offer.to_body(),
            announced,
        };
        let request = context.request(Asker::MainMode(frame.id), Request::Compute(job));
        Ok(State::AwaitKey(AwaitKey { request, agreed }))
    }
}

impl Agreed {
    const fn hasher(&self, frame: &Frame) -> Hasher {
        Hasher {
            hash: self.suite.hash,
            initiator: frame.initiator,
            responder: frame.responder,
        }
    }
}
