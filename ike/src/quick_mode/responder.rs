//! Quick Mode as the one who is asked.

use std::net::IpAddr;

use wire::{Carrier, Path, Secret};

use super::{Agreed, Arrival, L2TP_PORT, QuickMode, UDP, esp_path, host, keys, traffic};
use crate::codec::{
    Chain, ChainBuilder, ExchangeType, Identification, Identity, KeyExchange, MessageId, Nonce,
    PayloadType, Sa as SaPayload,
};
use crate::context::{Answered, Asker, Context, Retry, same};
use crate::crypto::Iv;
use crate::natt;
use crate::policy::{Phase2Choice, Phase2Context, group_name};
use crate::sa::{Established, Frame, Role};
use crate::timers::Owner;
use crate::{ChildId, ChildSa, Job, Refusal, Request, RequestId, Traffic};

/// What message 1 asks for.
#[derive(Debug)]
struct Asked {
    child: ChildId,
    arrival: Arrival,
    choice: Phase2Choice,
    nonce_i: Vec<u8>,
    public_i: Option<Vec<u8>>,
    /// The bodies of IDci and IDcr, which are answered as they came.
    ids: Option<(Vec<u8>, Vec<u8>)>,
    traffic: (Traffic, Traffic),
    nat_oa: Option<(IpAddr, IpAddr)>,
}

/// An SPI is wanted for the answer.
#[derive(Debug)]
pub(crate) struct AwaitSpi {
    pub(crate) request: RequestId,
    asked: Asked,
}

/// A shared secret is being computed for the answer.
#[derive(Debug)]
pub(crate) struct AwaitKe {
    pub(crate) request: RequestId,
    pub(crate) spi: u32,
    asked: Asked,
}

/// Message 2 was sent; the child SA exists.
#[derive(Debug)]
pub(crate) struct ExpectConfirm {
    pub(crate) child: ChildId,
    pub(crate) answered: Answered,
    pub(crate) retry: Retry,
    message_id: MessageId,
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
    iv: Iv,
}

/// Takes an authentic message 1.
pub(crate) fn begin(
    context: &mut Context,
    frame: &Frame,
    sa: &Established,
    chain: &Chain<'_>,
    arrival: Arrival,
) -> Result<QuickMode, Refusal> {
    let malformed = |what| Refusal::Malformed {
        message: "message 1 of Quick Mode",
        what,
    };
    let path = arrival.path;
    let offer = chain
        .first(PayloadType::SA)
        .ok_or(malformed("there is no SA payload"))?;
    let offer = SaPayload::parse(offer.body).map_err(|error| malformed(error.what))?;
    let nonce = chain
        .first(PayloadType::NONCE)
        .ok_or(malformed("there is no nonce"))?;
    let nonce_i = Nonce::parse(nonce.body)
        .map_err(|error| malformed(error.what))?
        .0;
    let public_i = match chain.first(PayloadType::KE) {
        Some(ke) => Some(
            KeyExchange::parse(ke.body)
                .map_err(|error| malformed(error.what))?
                .0,
        ),
        None => None,
    };
    let (ids, traffic) = identities(frame, chain, path)?;
    let choice = context.config.policy.choose_phase2(
        &offer,
        Phase2Context {
            traversal: sa.traversal.is_some() || path.carrier == Carrier::NatT,
            nat: sa.nat.any(),
            key_exchange: public_i.is_some(),
            sha256_last: sa.truncates_sha256,
        },
    )?;
    if let (Some(group), Some(public)) = (choice.pfs, &public_i)
        && group.public_len() != public.len()
    {
        return Err(Refusal::KeyExchange(
            "its size is not that of the proposed group",
        ));
    }
    let child = ChildId(context.new_id());
    let asker = Asker::QuickMode(frame.id, arrival.message_id);
    let request = context.request(
        asker,
        Request::Spi {
            sa: frame.id,
            child,
        },
    );
    let nat_oa = natt::original_addresses(chain, sa.traversal);
    let asked = Asked {
        child,
        arrival,
        choice,
        nonce_i,
        public_i,
        ids,
        traffic,
        nat_oa,
    };
    Ok(QuickMode::RespondAwaitSpi(Box::new(AwaitSpi {
        request,
        asked,
    })))
}

type Ids = Option<(Vec<u8>, Vec<u8>)>;

/// Reads and judges IDci and IDcr (RFC 2409 §5.5): two single hosts, UDP, and port 1701 or any
/// on the server's side. Addresses are not compared with anything: a server behind a 1:1 NAT, or
/// a client behind any, is known to the other by another one.
fn identities(
    frame: &Frame,
    chain: &Chain<'_>,
    path: Path,
) -> Result<(Ids, (Traffic, Traffic)), Refusal> {
    let mut payloads = chain.all(PayloadType::ID);
    let (initiator, responder) = match (payloads.next(), payloads.next()) {
        (Some(initiator), Some(responder)) => (initiator, responder),
        // RFC 2409 §5.5: without them the two hosts themselves are meant, for any traffic.
        (None, _) => {
            let any = |address| Traffic {
                address: Some(address),
                protocol: 0,
                port: 0,
            };
            return Ok((None, (any(path.remote.ip()), any(path.local.ip()))));
        }
        (Some(_), None) => {
            let what = "there is one identity only";
            return Err(Refusal::Malformed {
                message: "message 1 of Quick Mode",
                what,
            });
        }
    };
    let parse = |body| {
        Identification::parse(body).map_err(|error| Refusal::Malformed {
            message: "message 1 of Quick Mode",
            what: error.what,
        })
    };
    let (id_i, id_r) = (parse(initiator.body)?, parse(responder.body)?);
    // The server is whoever answered Main Mode.
    let server = if frame.role == Role::Responder {
        &id_r
    } else {
        &id_i
    };
    // QUIRK(Windows): an old NAT-T bug puts its name into IDci when it rekeys; the peer's address
    // is meant.
    let is_name = matches!(id_i.identity, Identity::Fqdn(_) | Identity::UserFqdn(_));
    let single = (host(&id_i.identity).is_some() || is_name) && host(&id_r.identity).is_some();
    let udp = [&id_i, &id_r]
        .iter()
        .all(|id| matches!(id.protocol, UDP | 0));
    if !single || !udp || !matches!(server.port, L2TP_PORT | 0) {
        let (initiator, responder) = (id_i.to_string(), id_r.to_string());
        return Err(Refusal::Traffic {
            initiator,
            responder,
        });
    }
    let mut traffic_i = traffic(&id_i);
    traffic_i.address = traffic_i.address.or(Some(path.remote.ip()));
    let ids = Some((initiator.body.to_vec(), responder.body.to_vec()));
    Ok((ids, (traffic_i, traffic(&id_r))))
}

impl AwaitSpi {
    /// There is an SPI: message 2, or first the computation for PFS.
    pub(crate) fn on_spi(
        self: Box<Self>,
        context: &mut Context,
        frame: &Frame,
        sa: &Established,
        spi: u32,
    ) -> (QuickMode, Option<Agreed>) {
        match (self.asked.choice.pfs, self.asked.public_i.clone()) {
            (Some(group), Some(public_i)) => {
                let job = Job::exchange(group.private_value(&mut context.rng), public_i);
                let asker = Asker::QuickMode(frame.id, self.asked.arrival.message_id);
                let request = context.request(asker, Request::Compute(job));
                context.powers.note_request(request, frame.proven);
                let state = AwaitKe {
                    request,
                    spi,
                    asked: self.asked,
                };
                (QuickMode::RespondAwaitKe(Box::new(state)), None)
            }
            _ => {
                let (state, agreed) = answer(context, frame, sa, self.asked, spi, None);
                (state, Some(agreed))
            }
        }
    }
}

impl AwaitKe {
    /// The shared secret is there: message 2.
    pub(crate) fn on_computed(
        self: Box<Self>,
        context: &mut Context,
        frame: &Frame,
        sa: &Established,
        public: &[u8],
        shared: &Secret,
    ) -> (QuickMode, Option<Agreed>) {
        let pfs = Some((public, shared));
        let (state, agreed) = answer(context, frame, sa, self.asked, self.spi, pfs);
        (state, Some(agreed))
    }

    /// Where message 1 came from.
    pub(crate) const fn path(&self) -> Path {
        self.asked.arrival.path
    }
}

/// Builds message 2 and the child SA. The inbound SA must be announced before the message goes
/// out, so this sends nothing; see [`ExpectConfirm::send`].
fn answer(
    context: &mut Context,
    frame: &Frame,
    sa: &Established,
    asked: Asked,
    spi: u32,
    pfs: Option<(&[u8], &Secret)>,
) -> (QuickMode, Agreed) {
    let Asked {
        child,
        arrival,
        choice,
        nonce_i,
        ids,
        traffic,
        nat_oa,
        ..
    } = asked;
    let Arrival {
        message_id,
        fingerprint,
        path,
        iv,
    } = arrival;
    let nonce_r = context.nonce();
    let mut chosen = choice.answer.clone();
    for proposal in &mut chosen.proposals {
        proposal.spi = spi.to_be_bytes().to_vec();
    }
    let mut chain = ChainBuilder::new()
        .with(PayloadType::SA, &chosen)
        .with(PayloadType::NONCE, &nonce_r);
    if let Some((public, _)) = pfs {
        chain.push(PayloadType::KE, public);
    }
    if let Some((id_i, id_r)) = &ids {
        chain
            .push(PayloadType::ID, id_i)
            .push(PayloadType::ID, id_r);
    }
    // QUIRK(Android): refuses NAT-OA that it did not send itself. Windows needs two for its two.
    if let (Some(version), Some(_)) = (sa.traversal, nat_oa) {
        // The address under which the peer knows us, even when we are behind a NAT.
        let ours = traffic.1.address.unwrap_or(path.local.ip());
        chain.push(version.nat_oa(), &natt::original_address(path.remote.ip()));
        chain.push(version.nat_oa(), &natt::original_address(ours));
    }
    chain.prepend(
        PayloadType::HASH,
        &sa.keymat.hash_2(message_id, &nonce_i, &chain.encode()),
    );
    let header = frame.header(ExchangeType::QUICK_MODE, message_id);
    let (bytes, iv) = sa.keymat.seal(header, &chain, &iv);
    let nonces = (nonce_i.as_slice(), nonce_r.as_slice());
    let (inbound, outbound) = keys(
        &sa.keymat,
        &choice,
        spi,
        nonces,
        pfs.map(|(_, secret)| secret),
    );
    let (mode, esp_path) = esp_path(choice.udp, path, sa.natt_path);
    let timing = &context.config.timing;
    let details = ChildSa {
        inbound,
        outbound,
        suite: choice.suite,
        mode,
        path: esp_path,
        initiator: false,
        replaces: None,
        lifetime: choice
            .lifetime
            .clamp(timing.lifetime_floor, timing.lifetime_ceiling),
        kilobytes: choice.kilobytes,
        pfs: choice.pfs.map(group_name),
        initiator_traffic: traffic.0,
        responder_traffic: traffic.1,
        nat_oa,
    };
    let state = ExpectConfirm {
        child,
        answered: Answered {
            request: fingerprint,
            answer: bytes.clone(),
        },
        retry: Retry::unsent(frame.route_over(path), bytes, "message 2 of Quick Mode"),
        message_id,
        nonce_i,
        nonce_r,
        iv,
    };
    let agreed = Agreed {
        child,
        message_id,
        details,
    };
    (QuickMode::RespondExpectConfirm(Box::new(state)), agreed)
}

impl ExpectConfirm {
    /// Sends message 2 for the first time.
    pub(crate) fn send(&mut self, context: &mut Context, frame: &Frame) {
        self.retry
            .again(context, Owner::QuickMode(frame.id, self.message_id));
    }

    /// Whether a message is a right message 3.
    pub(crate) fn is_confirmed_by(
        &self,
        sa: &Established,
        header: &crate::codec::Header,
        body: &[u8],
    ) -> bool {
        sa.keymat
            .open(header, body, &self.iv)
            .ok()
            .is_some_and(|opened| {
                let expected = sa
                    .keymat
                    .hash_3(self.message_id, &self.nonce_i, &self.nonce_r);
                opened.chain().is_ok_and(|chain| {
                    chain.nth(0).is_some_and(|hash| {
                        hash.kind == PayloadType::HASH && same(&expected, hash.body)
                    })
                })
            })
    }
}
