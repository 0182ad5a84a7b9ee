//! Messages 5 and 6: who we are and who the peer is, and that both know the key.

use wire::{Path, Secret};

use super::super::{Finished, own_identity};
use super::{Agreed, NoGood, State, send};
use crate::codec::{
    ChainBuilder, ExchangeType, Header, Identification, MessageId, NatTraversal, Notification,
    NotifyType, PayloadBody as _, PayloadType,
};
use crate::context::{Context, Retry, count, same};
use crate::crypto::{Iv, Keymat, Transcript};
use crate::habits::InitialContact;
use crate::sa::Frame;
use crate::timers::Owner;
use crate::{Initiate, KeyName, Nat, Refusal, RequestId};

/// The shared secret is being computed.
#[derive(Debug)]
pub(crate) struct AwaitShared {
    pub(super) request: RequestId,
    pub(super) agreed: Agreed,
    pub(super) transcript: Transcript,
    pub(super) traversal: Option<NatTraversal>,
    pub(super) nat: Nat,
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

impl AwaitShared {
    /// Message 5: ID, HASH_I.
    pub(super) fn on_shared(
        self,
        context: &mut Context,
        frame: &mut Frame,
        shared: &Secret,
        initiate: &Initiate,
        first_contact: bool,
    ) -> (ExpectAuth, Retry) {
        let suite = self.agreed.suite;
        let habits = &initiate.habits;
        let keymat = Keymat::from_psk(suite, initiate.key.expose(), &self.transcript, shared)
            .with_padding(habits.padding);
        let identity = match &initiate.identity {
            Some(identity) => identity.clone(),
            None => own_identity(context, frame.path.local.ip()),
        };
        let (protocol, port) = habits.identity_port.numbers();
        let id_i = Identification {
            protocol,
            port,
            identity,
        }
        .to_body();
        let mut chain = ChainBuilder::new()
            .with(PayloadType::ID, &id_i)
            .with(PayloadType::HASH, &keymat.hash_i(&self.transcript, &id_i));
        if first_contact && habits.initial_contact == InitialContact::InMessage5 {
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
        let retry = send(context, frame, message, "message 5 of Main Mode", habits);
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
    pub(super) fn on_auth(
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
            key: KeyName::only("configured key"),
            answered: None,
            initiate: None,
            path: frame.path,
            initial_contact: false,
            message: None,
        }))
    }
}
