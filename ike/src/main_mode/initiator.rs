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

use std::time::Duration;

use wire::{Path, Secret};

use super::{Finished, own_identity};
use crate::codec::{
    Chain, ChainBuilder, ExchangeType, Header, Identification, KeyExchange, MessageId,
    NatTraversal, Nonce, Notification, NotifyType, PayloadBody as _, PayloadType, Sa as SaPayload,
    Trailing, VendorId,
};
use crate::context::{Asker, Context, Retry, count, same};
use crate::crypto::{InvalidPublicValue, Iv, Keymat, Phase1Suite, PrivateValue, Transcript};
use crate::job::DhOutcome;
use crate::natt::{self, Announced, Hasher};
use crate::sa::Frame;
use crate::timers::Owner;
use crate::{Initiate, Job, Nat, Refusal, Request, RequestId, SaId};

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

/// Our public value is being computed.
#[derive(Debug)]
pub(crate) struct AwaitKey {
    request: RequestId,
    agreed: Agreed,
}

/// Message 3 was sent.
#[derive(Debug)]
pub(crate) struct ExpectKe {
    agreed: Agreed,
    private: PrivateValue,
    public: Vec<u8>,
    nonce: Vec<u8>,
}

/// The shared secret is being computed.
#[derive(Debug)]
pub(crate) struct AwaitShared {
    request: RequestId,
    agreed: Agreed,
    transcript: Transcript,
    traversal: Option<NatTraversal>,
    nat: Nat,
}

/// Message 5 was sent.
#[derive(Debug)]
pub(crate) struct ExpectAuth {
    agreed: Agreed,
    transcript: Transcript,
    keymat: Keymat,
    iv: Iv,
    traversal: Option<NatTraversal>,
    nat: Nat,
}

/// Sends message 1.
pub(crate) fn begin(
    context: &mut Context,
    frame: &Frame,
    initiate: Box<Initiate>,
    replaces: Option<SaId>,
) -> Initiating {
    let offer = context
        .config
        .policy
        .offer_phase1(context.config.timing.ike_lifetime);
    let mut chain = ChainBuilder::new().with(PayloadType::SA, &offer);
    for id in [
        VendorId::rfc_3947(),
        VendorId::draft_03(),
        VendorId::draft_02_newline(),
        VendorId::draft_02(),
        VendorId::dead_peer_detection(),
    ] {
        chain.push(PayloadType::VENDOR_ID, &id);
    }
    let message = chain.message(frame.header(ExchangeType::MAIN_MODE, MessageId::PHASE_1));
    Initiating {
        initiate,
        replaces,
        hint: None,
        retry: send(context, frame, message, "message 1 of Main Mode"),
        state: State::ExpectSa(ExpectSa { offer }),
    }
}

fn send(context: &mut Context, frame: &Frame, message: Vec<u8>, what: &'static str) -> Retry {
    Retry::start(context, Owner::Sa(frame.id), frame.path, message, what)
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
            (State::ExpectSa(state), false) => state.on_sa(context, frame, header, body),
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
            let choice = context.config.policy.accept_phase1(&self.offer, &answer)?;
            let mut announced = Announced::default();
            announced.note(&chain);
            Ok((choice, announced))
        };
        let (choice, announced) = match read() {
            Ok(found) => found,
            Err(refusal) => return Err(Box::new((State::ExpectSa(self), refusal))),
        };
        frame.responder = header.responder;
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

impl AwaitKey {
    /// Message 3: KE, Ni, NAT-D.
    fn on_public(
        self,
        context: &mut Context,
        frame: &Frame,
        private: PrivateValue,
        public: Vec<u8>,
        initiate: &Initiate,
    ) -> (ExpectKe, Retry) {
        let nonce = context.nonce();
        let mut chain = ChainBuilder::new()
            .with(PayloadType::KE, &public)
            .with(PayloadType::NONCE, &nonce);
        if let Some(version) = self.agreed.announced.traversal() {
            let hasher = self.agreed.hasher(frame);
            // RFC 3947 §3.2: the receiver's end first.
            chain.push(version.nat_d(), &hasher.of(frame.path.remote));
            let own = if initiate.force_udp {
                hasher.false_one(&mut context.rng)
            } else {
                hasher.of(frame.path.local)
            };
            chain.push(version.nat_d(), &own);
        }
        let message = chain.message(frame.header(ExchangeType::MAIN_MODE, MessageId::PHASE_1));
        let retry = send(context, frame, message, "message 3 of Main Mode");
        (
            ExpectKe {
                agreed: self.agreed,
                private,
                public,
                nonce,
            },
            retry,
        )
    }
}

impl ExpectKe {
    /// Message 4: KE, Nr, NAT-D.
    fn on_key_exchange(
        self,
        context: &mut Context,
        frame: &Frame,
        path: Path,
        header: &Header,
        body: &[u8],
        initiate: &Initiate,
    ) -> Result<State, NoGood> {
        let parsed = Chain::parse(header.next, body, Trailing::Nothing);
        let parts = parsed.ok().and_then(|chain| {
            let public = KeyExchange::parse(chain.first(PayloadType::KE)?.body).ok()?;
            let nonce = Nonce::parse(chain.first(PayloadType::NONCE)?.body).ok()?;
            Some((chain, public.0, nonce.0))
        });
        let problem = match &parts {
            None => Some("key exchange or nonce is missing"),
            Some((_, public, _)) if *public == self.public => {
                Some("it is our own message 3, sent back to us")
            }
            Some(_) => None,
        };
        let (Some((chain, public_r, nonce_r)), None) = (parts, problem) else {
            let refusal = Refusal::Malformed {
                message: "message 4 of Main Mode",
                what: problem.unwrap_or_default(),
            };
            return Err(Box::new((State::ExpectKe(self), refusal)));
        };
        let mut agreed = self.agreed;
        // The choice of message 2 stands.
        let traversal = agreed.announced.traversal();
        agreed.announced.note(&chain);
        let hasher = agreed.hasher(frame);
        // The path we use, not the one the answer took: they are the same but for a forger.
        let expected = Path {
            carrier: path.carrier,
            ..frame.path
        };
        let detected =
            traversal.and_then(|version| natt::detect(&chain, version, &hasher, expected));
        let nat = detected.as_ref().map_or(Nat::default(), |detected| Nat {
            peer: detected.peer,
            here: detected.here,
            forced: initiate.force_udp,
        });
        context
            .timers
            .cancel(Owner::Sa(frame.id), crate::Timer::Retransmit);
        let job = Job::shared_secret(self.private, public_r.clone());
        Ok(State::AwaitShared(Box::new(AwaitShared {
            request: context.request(Asker::MainMode(frame.id), Request::Compute(job)),
            transcript: Transcript {
                cookie_i: frame.initiator,
                cookie_r: frame.responder,
                nonce_i: self.nonce,
                nonce_r,
                public_i: self.public,
                public_r,
                sa_i: agreed.sa_i.clone(),
            },
            agreed,
            traversal: traversal.filter(|_| detected.is_some()),
            nat,
        })))
    }
}

impl AwaitShared {
    /// Message 5: ID, HASH_I.
    fn on_shared(
        self,
        context: &mut Context,
        frame: &mut Frame,
        shared: &Secret,
        initiate: &Initiate,
        first_contact: bool,
    ) -> (ExpectAuth, Retry) {
        let suite = self.agreed.suite;
        let keymat = Keymat::from_psk(suite, initiate.key.expose(), &self.transcript, shared);
        let identity = match &initiate.identity {
            Some(identity) => identity.clone(),
            None => own_identity(context, frame.path.local.ip()),
        };
        let id_i = Identification {
            protocol: 0,
            port: 0,
            identity,
        }
        .to_body();
        let mut chain = ChainBuilder::new()
            .with(PayloadType::ID, &id_i)
            .with(PayloadType::HASH, &keymat.hash_i(&self.transcript, &id_i));
        if first_contact {
            let (i, r) = (frame.initiator, frame.responder);
            let notify = Notification::isakmp(NotifyType::INITIAL_CONTACT, i, r, Vec::new());
            chain.push(PayloadType::NOTIFICATION, &notify);
        }
        // RFC 3947 §4: with a NAT on the way, Main Mode goes on over the NAT-T port.
        if self.nat.any() {
            frame.path = initiate.natt;
        }
        let header = frame.header(ExchangeType::MAIN_MODE, MessageId::PHASE_1);
        let (message, iv) = keymat.seal(header, &chain, &suite.first_iv(&self.transcript));
        let retry = send(context, frame, message, "message 5 of Main Mode");
        let Self {
            agreed,
            transcript,
            traversal,
            nat,
            ..
        } = self;
        (
            ExpectAuth {
                agreed,
                transcript,
                keymat,
                iv,
                traversal,
                nat,
            },
            retry,
        )
    }
}

impl ExpectAuth {
    /// Message 6: ID, HASH_R.
    fn on_auth(
        self: Box<Self>,
        context: &mut Context,
        frame: &mut Frame,
        path: Path,
        header: &Header,
        body: &[u8],
    ) -> Result<Box<Finished>, NoGood> {
        let authentic = self
            .keymat
            .open(header, body, &self.iv)
            .ok()
            .and_then(|opened| {
                let chain = opened.chain().ok()?;
                let id = chain.first(PayloadType::ID)?;
                let hash = chain.first(PayloadType::HASH)?;
                let expected = self.keymat.hash_r(&self.transcript, id.body);
                let identity = Identification::parse(id.body).ok()?.identity;
                same(&expected, hash.body).then(|| (identity, opened.next_iv()))
            });
        let Some((identity, last_block)) = authentic else {
            count(&mut context.counters.unauthentic);
            let refusal = Refusal::WrongKey {
                remote: path.remote.ip(),
                tried: 1,
            };
            return Err(Box::new((State::ExpectAuth(self), refusal)));
        };
        context
            .timers
            .cancel(Owner::Sa(frame.id), crate::Timer::Retransmit);
        Ok(Box::new(Finished {
            keymat: self.keymat,
            last_block,
            lifetime: self.agreed.lifetime,
            nat: self.nat,
            traversal: self.traversal,
            announced: self.agreed.announced,
            identity,
            key: "configured key".to_owned(),
            answered: None,
            initiate: None,
            path: frame.path,
            initial_contact: false,
            message: None,
        }))
    }
}
