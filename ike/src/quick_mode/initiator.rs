//! Quick Mode as the one who asks.

use wire::Secret;

use super::{Agreed, L2TP_PORT, QuickMode, UDP, esp_path, keys, traffic};
use crate::codec::{
    Attribute, Chain, ChainBuilder, EncapsulationMode, EspTransformId, ExchangeType, Header,
    Identification, Identity, KeyExchange, MessageId, Nonce, Notification, NotifyType, PayloadType,
    Phase2Offer, Sa as SaPayload, Transform,
};
use crate::context::{Asker, Context, Fingerprint, Retry, count, same};
use crate::crypto::{Group, Iv, PrivateValue};
use crate::habits::{ClientPort, OriginalAddresses};
use crate::natt;
use crate::policy::{Phase2Choice, group_name};
use crate::sa::{Established, Frame};
use crate::timers::Owner;
use crate::{ChildId, ChildSa, Habits, Job, Refusal, Request, RequestId};

/// What the child SA is to be.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    child: ChildId,
    message_id: MessageId,
    replaces: Option<ChildId>,
    pfs: Option<Group>,
}

/// An SPI is wanted.
#[derive(Debug)]
pub(crate) struct AwaitSpi {
    pub(crate) request: RequestId,
    pub(crate) child: ChildId,
    wanted: Wanted,
}

/// Our public value is being computed.
#[derive(Debug)]
pub(crate) struct AwaitKey {
    pub(crate) request: RequestId,
    pub(crate) child: ChildId,
    pub(crate) spi: u32,
    wanted: Wanted,
}

/// Message 1 was sent.
#[derive(Debug)]
pub(crate) struct ExpectAnswer {
    pub(crate) child: ChildId,
    pub(crate) spi: u32,
    pub(crate) retry: Retry,
    wanted: Wanted,
    offer: SaPayload,
    nonce_i: Vec<u8>,
    private: Option<PrivateValue>,
    ids: (Identification, Identification),
    iv: Iv,
}

/// What message 2 says.
#[derive(Debug)]
struct Answer {
    choice: Phase2Choice,
    nonce_r: Vec<u8>,
    nat_oa: Option<(std::net::IpAddr, std::net::IpAddr)>,
    iv: Iv,
}

/// The shared secret is being computed.
#[derive(Debug)]
pub(crate) struct AwaitShared {
    pub(crate) request: RequestId,
    pub(crate) child: ChildId,
    pub(crate) spi: u32,
    /// Message 2, which may come again after message 3.
    pub(crate) message: Fingerprint,
    exchanged: Exchanged,
}

/// What both messages said.
#[derive(Debug)]
struct Exchanged {
    spi: u32,
    wanted: Wanted,
    nonce_i: Vec<u8>,
    ids: (Identification, Identification),
    answer: Answer,
}

/// What message 2 leads to.
#[derive(Debug)]
pub(crate) enum Step {
    /// Another state, or the same.
    Stay(QuickMode),
    /// The child SA is agreed on; message 3 is to be sent after it is announced.
    Agreed(Box<Agreed>, Vec<u8>),
    /// It cannot work.
    Failed(ChildId, u32, Refusal),
}

/// Begins a Quick Mode by asking for an SPI.
pub(crate) fn begin(
    context: &mut Context,
    frame: &Frame,
    sa: &Established,
    child: ChildId,
    message_id: MessageId,
    replaces: Option<ChildId>,
) -> QuickMode {
    let asker = Asker::QuickMode(frame.id, message_id);
    let request = context.request(
        asker,
        Request::Spi {
            sa: frame.id,
            child,
        },
    );
    let initiate = sa.initiate.as_ref();
    let pfs = initiate.and_then(|initiate| initiate.pfs.or(initiate.habits.pfs));
    let wanted = Wanted {
        child,
        message_id,
        replaces,
        pfs,
    };
    QuickMode::AskAwaitSpi(Box::new(AwaitSpi {
        request,
        child,
        wanted,
    }))
}

impl AwaitSpi {
    /// There is an SPI: message 1, or first our public value for PFS.
    pub(crate) fn on_spi(
        self,
        context: &mut Context,
        frame: &Frame,
        sa: &Established,
        spi: u32,
    ) -> QuickMode {
        let Some(group) = self.wanted.pfs else {
            return ask(context, frame, sa, self.wanted, spi, None);
        };
        let job = Job::public_value(group.private_value(&mut context.rng));
        let asker = Asker::QuickMode(frame.id, self.wanted.message_id);
        let request = context.request(asker, Request::Compute(job));
        QuickMode::AskAwaitKey(Box::new(AwaitKey {
            request,
            child: self.child,
            spi,
            wanted: self.wanted,
        }))
    }
}

impl AwaitKey {
    /// Our public value is there: message 1.
    pub(crate) fn on_computed(
        self,
        context: &mut Context,
        frame: &Frame,
        sa: &Established,
        private: PrivateValue,
        public: Vec<u8>,
    ) -> QuickMode {
        ask(
            context,
            frame,
            sa,
            self.wanted,
            self.spi,
            Some((private, public)),
        )
    }
}

/// Sends message 1: SA, Ni, KE, IDci, IDcr, NAT-OA.
fn ask(
    context: &mut Context,
    frame: &Frame,
    sa: &Established,
    wanted: Wanted,
    spi: u32,
    pfs: Option<(PrivateValue, Vec<u8>)>,
) -> QuickMode {
    let version = sa.traversal.filter(|_| sa.wants_udp());
    let encapsulation = version.map_or(EncapsulationMode::TRANSPORT, |v| v.udp_transport());
    let own = Habits::default();
    let habits = sa.habits().unwrap_or(&own);
    let offer = match &habits.esp_proposal {
        Some(proposal) => proposal.to_sa(spi, encapsulation, wanted.pfs),
        None => context.config.policy.offer_phase2(
            spi,
            encapsulation,
            wanted.pfs,
            context.config.timing.child_lifetime,
        ),
    };
    let nonce_i = context.nonce_of(habits.nonce_len);
    let (local, remote) = (frame.path.local.ip(), frame.path.remote.ip());
    let id = |identity, port| Identification {
        protocol: UDP,
        port,
        identity,
    };
    let l2tp_port = match habits.client_port {
        ClientPort::Used => sa.initiate.as_ref().map_or(L2TP_PORT, |i| i.l2tp_port),
        ClientPort::Any => 0,
    };
    let renamed = habits.renamed_on_rekey.clone();
    let renamed = renamed.filter(|_| wanted.replaces.is_some());
    let client = renamed.unwrap_or(Identity::from(local));
    let ids = (id(client, l2tp_port), id(Identity::from(remote), L2TP_PORT));
    let mut chain = ChainBuilder::new()
        .with(PayloadType::SA, &offer)
        .with(PayloadType::NONCE, &nonce_i);
    if let Some((_, public)) = &pfs {
        chain.push(PayloadType::KE, public);
    }
    chain
        .push(PayloadType::ID, &ids.0)
        .push(PayloadType::ID, &ids.1);
    if let (Some(version), OriginalAddresses::Both) = (version, habits.original_addresses) {
        chain.push(version.nat_oa(), &natt::original_address(local));
        chain.push(version.nat_oa(), &natt::original_address(remote));
    }
    chain.prepend(
        PayloadType::HASH,
        &sa.keymat.hash_1(wanted.message_id, &chain.encode()),
    );
    let header = frame.header(ExchangeType::QUICK_MODE, wanted.message_id);
    let iv = sa
        .keymat
        .suite()
        .exchange_iv(&sa.last_block, wanted.message_id);
    let (message, iv) = sa.keymat.seal(header, &chain, &iv);
    let owner = Owner::QuickMode(frame.id, wanted.message_id);
    QuickMode::AskExpectAnswer(Box::new(ExpectAnswer {
        child: wanted.child,
        spi,
        retry: Retry::start(
            context,
            owner,
            frame.route(),
            message,
            "message 1 of Quick Mode",
            habits,
        ),
        wanted,
        offer,
        nonce_i,
        private: pfs.map(|(private, _)| private),
        ids,
        iv,
    }))
}

impl ExpectAnswer {
    /// Takes message 2.
    pub(crate) fn handle(
        self: Box<Self>,
        context: &mut Context,
        frame: &Frame,
        sa: &Established,
        header: &Header,
        body: &[u8],
        message: Fingerprint,
    ) -> Step {
        let Ok(opened) = sa.keymat.open(header, body, &self.iv) else {
            count(&mut context.counters.unauthentic);
            return Step::Stay(QuickMode::AskExpectAnswer(self));
        };
        let message_id = self.wanted.message_id;
        let authentic = opened.chain().ok().filter(|chain| {
            chain.nth(0).is_some_and(|hash| {
                let expected = sa
                    .keymat
                    .hash_2(message_id, &self.nonce_i, chain.after(&hash));
                hash.kind == PayloadType::HASH && same(&expected, hash.body)
            })
        });
        let Some(chain) = authentic else {
            count(&mut context.counters.unauthentic);
            return Step::Stay(QuickMode::AskExpectAnswer(self));
        };
        let (answer, public) = match self.read(context, sa, &chain, opened.next_iv()) {
            Ok(found) => found,
            Err(refusal) => return Step::Failed(self.child, self.spi, refusal),
        };
        let owner = Owner::QuickMode(frame.id, message_id);
        context.timers.cancel(owner, crate::Timer::Retransmit);
        let Self {
            child,
            spi,
            wanted,
            nonce_i,
            private,
            ids,
            ..
        } = *self;
        let exchanged = Exchanged {
            spi,
            wanted,
            nonce_i,
            ids,
            answer,
        };
        match (private, public) {
            (Some(private), Some(public)) => {
                let job = Job::shared_secret(private, public);
                let asker = Asker::QuickMode(frame.id, message_id);
                let next = AwaitShared {
                    request: context.request(asker, Request::Compute(job)),
                    child,
                    spi,
                    message,
                    exchanged,
                };
                Step::Stay(QuickMode::AskAwaitShared(Box::new(next)))
            }
            (None, None) => exchanged.agree(context, frame, sa, None),
            _ => {
                let what = "the KE payload does not go with the agreed forward secrecy";
                let refusal = Refusal::Malformed {
                    message: "message 2 of Quick Mode",
                    what,
                };
                Step::Failed(child, spi, refusal)
            }
        }
    }

    fn read(
        &self,
        context: &Context,
        sa: &Established,
        chain: &Chain<'_>,
        iv: Iv,
    ) -> Result<(Answer, Option<Vec<u8>>), Refusal> {
        let malformed = |what| Refusal::Malformed {
            message: "message 2 of Quick Mode",
            what,
        };
        let chosen = chain
            .first(PayloadType::SA)
            .ok_or(malformed("there is no SA payload"))?;
        let chosen = SaPayload::parse(chosen.body).map_err(|error| malformed(error.what))?;
        let mut choice = context.config.policy.accept_phase2(&self.offer, &chosen)?;
        let nonce = chain
            .first(PayloadType::NONCE)
            .ok_or(malformed("there is no nonce"))?;
        let nonce_r = Nonce::parse(nonce.body)
            .map_err(|error| malformed(error.what))?
            .0;
        let public = match chain.first(PayloadType::KE) {
            Some(ke) => Some(
                KeyExchange::parse(ke.body)
                    .map_err(|error| malformed(error.what))?
                    .0,
            ),
            None => None,
        };
        shorten(&mut choice, chain);
        let nat_oa = natt::original_addresses(chain, sa.traversal);
        Ok((
            Answer {
                choice,
                nonce_r,
                nat_oa,
                iv,
            },
            public,
        ))
    }
}

/// RESPONDER-LIFETIME: the peer wants shorter lifetimes than we proposed (RFC 2407 §4.6.3.1).
fn shorten(choice: &mut Phase2Choice, chain: &Chain<'_>) {
    let notes = chain
        .all(PayloadType::NOTIFICATION)
        .filter_map(|payload| Notification::parse(payload.body).ok())
        .filter(|note| note.kind == NotifyType::RESPONDER_LIFETIME);
    for note in notes {
        let attributes: Vec<Attribute> = note.attributes().unwrap_or_default();
        let id = EspTransformId::AES_CBC.0;
        let lives = Phase2Offer::read(&Transform {
            number: 0,
            id,
            attributes,
        });
        choice.shorten(&lives);
    }
}

impl AwaitShared {
    /// The shared secret is there: message 3.
    pub(crate) fn on_computed(
        self: Box<Self>,
        context: &mut Context,
        frame: &Frame,
        sa: &Established,
        shared: &Secret,
    ) -> Step {
        self.exchanged.agree(context, frame, sa, Some(shared))
    }
}

impl Exchanged {
    /// Builds message 3 and the child SA.
    fn agree(
        self,
        context: &Context,
        frame: &Frame,
        sa: &Established,
        shared: Option<&Secret>,
    ) -> Step {
        let Self {
            spi,
            wanted,
            nonce_i,
            ids,
            answer,
        } = self;
        let Answer {
            choice,
            nonce_r,
            nat_oa,
            iv,
        } = answer;
        let hash = sa.keymat.hash_3(wanted.message_id, &nonce_i, &nonce_r);
        let chain = ChainBuilder::new().with(PayloadType::HASH, &hash);
        let header = frame.header(ExchangeType::QUICK_MODE, wanted.message_id);
        let (message, _) = sa.keymat.seal(header, &chain, &iv);
        let (inbound, outbound) = keys(&sa.keymat, &choice, spi, (&nonce_i, &nonce_r), shared);
        let (mode, path) = esp_path(choice.udp, frame.path, sa.natt_path);
        let timing = &context.config.timing;
        let details = ChildSa {
            inbound,
            outbound,
            suite: choice.suite,
            mode,
            path,
            initiator: true,
            replaces: wanted.replaces,
            lifetime: choice
                .lifetime
                .clamp(timing.lifetime_floor, timing.lifetime_ceiling),
            kilobytes: choice.kilobytes,
            pfs: choice.pfs.map(group_name),
            initiator_traffic: traffic(&ids.0),
            responder_traffic: traffic(&ids.1),
            nat_oa,
        };
        let agreed = Agreed {
            child: wanted.child,
            message_id: wanted.message_id,
            details,
        };
        Step::Agreed(Box::new(agreed), message)
    }
}
