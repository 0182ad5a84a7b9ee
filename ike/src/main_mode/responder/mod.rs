//! Main Mode as the one who is asked.
//!
//! ```text
//!   message 1 ->          ExpectKe        <- message 2: the chosen transform
//!   message 3 ->          AwaitKe         (Diffie-Hellman runs elsewhere)
//!                         ExpectAuth      <- message 4
//!   message 5 ->          AwaitTrial      (the keys are tried elsewhere)
//!                         established     <- message 6
//! ```

mod authentication;
mod key_exchange;

use wire::Path;

use authentication::{AwaitTrial, ExpectAuth};
use key_exchange::{AwaitKe, ExpectKe};

use super::Finished;
use crate::codec::{
    Chain, ChainBuilder, ExchangeType, Header, MessageId, PayloadType, Sa as SaPayload, VendorId,
};
use crate::context::{Answered, Context, Fingerprint, count};
use crate::natt::Announced;
use crate::sa::Frame;
use crate::{Make, Refusal, RequestId};

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
