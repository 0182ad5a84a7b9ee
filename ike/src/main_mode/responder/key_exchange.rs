//! Message 3, and message 4: public values, nonces, and where NAT is.

use std::time::Duration;

use wire::Path;

use super::State;
use super::authentication::ExpectAuth;
use crate::codec::{
    Chain, ChainBuilder, ExchangeType, Header, KeyExchange, MessageId, Nonce, PayloadType, Trailing,
};
use crate::context::{Answered, Asker, Context, Fingerprint, count};
use crate::crypto::{InvalidPublicValue, Phase1Suite, Transcript};
use crate::job::DhOutcome;
use crate::natt::{self, Announced, Detected, Hasher};
use crate::sa::Frame;
use crate::{Job, Nat, Refusal, Request, RequestId};

/// Message 1 was answered.
#[derive(Debug)]
pub(crate) struct ExpectKe {
    pub(super) suite: Phase1Suite,
    pub(super) lifetime: Duration,
    /// SAi_b.
    pub(super) sa_i: Vec<u8>,
    pub(super) announced: Announced,
    pub(super) answered: Answered,
    /// Message 1 has come again: its sender is there, and does not hear us.
    pub(super) repeated: bool,
}

/// The shared secret is being computed.
#[derive(Debug)]
pub(crate) struct AwaitKe {
    pub(super) request: RequestId,
    /// To go back to when the peer's public value is no good: it may have been forged.
    pub(super) before: ExpectKe,
    pub(super) announced: Announced,
    message: Fingerprint,
    path: Path,
    public_i: Vec<u8>,
    nonce_i: Vec<u8>,
    detected: Option<Detected>,
}

impl ExpectKe {
    /// Message 3: KE, Ni, NAT-D.
    pub(super) fn on_key_exchange(
        self: Box<Self>,
        context: &mut Context,
        frame: &mut Frame,
        path: Path,
        header: &Header,
        body: &[u8],
        message: Fingerprint,
    ) -> State {
        let parsed = Chain::parse(header.next, body, Trailing::Nothing);
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
        outcome: Result<DhOutcome, InvalidPublicValue>,
    ) -> State {
        let (public_r, shared) = match outcome {
            Ok(DhOutcome {
                public: Some(public),
                shared: Some(shared),
                ..
            }) => (public, shared),
            Ok(_) => return State::ExpectKe(Box::new(self.before)),
            Err(error) => {
                let (path, make) = (frame.proven_path(self.path), self.announced.make());
                context.refuse(path, None, make, Refusal::KeyExchange(error.reason));
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
