//! Messages 3 and 4: public values, nonces, and who is behind a NAT.

use wire::Path;

use super::authentication::AwaitShared;
use super::{Agreed, NoGood, State, send};
use crate::codec::{
    Chain, ChainBuilder, ExchangeType, Header, KeyExchange, MessageId, Nonce, PayloadType, Trailing,
};
use crate::context::{Asker, Context, Retry};
use crate::crypto::{PrivateValue, Transcript};
use crate::natt;
use crate::sa::Frame;
use crate::timers::Owner;
use crate::{Initiate, Job, Nat, Refusal, Request, RequestId};

/// Our public value is being computed.
#[derive(Debug)]
pub(crate) struct AwaitKey {
    pub(super) request: RequestId,
    pub(super) agreed: Agreed,
}

/// Message 3 was sent.
#[derive(Debug)]
pub(crate) struct ExpectKe {
    agreed: Agreed,
    private: PrivateValue,
    public: Vec<u8>,
    nonce: Vec<u8>,
}

impl AwaitKey {
    /// Message 3: KE, Ni, NAT-D.
    pub(super) fn on_public(
        self,
        context: &mut Context,
        frame: &Frame,
        private: PrivateValue,
        public: Vec<u8>,
        initiate: &Initiate,
    ) -> (ExpectKe, Retry) {
        let nonce = context.nonce_of(initiate.habits.nonce_len);
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
        let retry = send(
            context,
            frame,
            message,
            "message 3 of Main Mode",
            &initiate.habits,
        );
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
    pub(super) fn on_key_exchange(
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
