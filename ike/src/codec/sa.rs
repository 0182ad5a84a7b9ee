//! The SA payload: proposals of transforms (RFC 2408 §3.4 to §3.6, RFC 2407 §4.6.1).

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

use super::{Attribute, PayloadBody, PayloadType, ProtocolId};

/// The IPsec domain of interpretation (RFC 2407).
pub const DOI_IPSEC: u32 = 1;
/// The one situation in use: the parties are told apart by identity only (RFC 2407 §4.2.1).
pub const SITUATION_IDENTITY_ONLY: u32 = 1;

/// The most attributes of one transform, transforms of one proposal, and proposals of one SA.
/// Apple offers 13 transforms and Android 20; the sizes of datagrams allow thousands.
const MAX_ITEMS: usize = 128;

/// An SA payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sa {
    /// Domain of interpretation; [`DOI_IPSEC`].
    pub doi: u32,
    /// Situation; [`SITUATION_IDENTITY_ONLY`].
    pub situation: u32,
    /// The proposals in the sender's order of preference. Those with equal numbers belong
    /// together: all of them or none.
    pub proposals: Vec<Proposal>,
}

/// One proposal: alternatives for one protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its number. Equal numbers mean "and", different ones "or".
    pub number: u8,
    /// The protocol whose SA is proposed.
    pub protocol: ProtocolId,
    /// The sender's SPI: four bytes for ESP; none or up to 16 ignored ones for ISAKMP.
    pub spi: Vec<u8>,
    /// The alternatives, in the sender's order of preference.
    pub transforms: Vec<Transform>,
}

/// One transform: a set of algorithms and lifetimes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    /// Its number within the proposal.
    pub number: u8,
    /// The transform id: KEY_IKE (1) in phase 1, an [`EspTransformId`](super::EspTransformId) for
    /// ESP.
    pub id: u8,
    /// Its attributes in order.
    pub attributes: Vec<Attribute>,
}

impl Sa {
    /// An SA of the IPsec DOI with the usual situation.
    pub const fn new(proposals: Vec<Proposal>) -> Self {
        Self {
            doi: DOI_IPSEC,
            situation: SITUATION_IDENTITY_ONLY,
            proposals,
        }
    }

    /// Reads the body of an SA payload.
    ///
    /// # Errors
    /// Lengths that do not fit together, and situations that carry more fields than the usual
    /// one (secrecy and integrity labels), since what follows cannot be found then.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        parse::finish(body, |input| {
            let (input, doi) = parse::be_u32("DOI", input)?;
            let at = input;
            let (input, situation) = parse::be_u32("situation", input)?;
            if situation != SITUATION_IDENTITY_ONLY {
                return parse::fault("situation other than identity only", at);
            }
            let (input, proposals) = list(PayloadType::PROPOSAL, input, Proposal::parse)?;
            Ok((
                input,
                Self {
                    doi,
                    situation,
                    proposals,
                },
            ))
        })
    }
}

impl PayloadBody for Sa {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put_u32(self.doi);
        out.put_u32(self.situation);
        emit_list(PayloadType::PROPOSAL, &self.proposals, out, Proposal::emit);
    }
}

impl Proposal {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (input, number) = parse::u8("proposal number", input)?;
        let (input, protocol) = parse::u8("protocol id", input)?;
        let (input, spi_size) = parse::u8("SPI size", input)?;
        let at = input;
        let (input, count) = parse::u8("number of transforms", input)?;
        let (input, spi) = parse::take("SPI", usize::from(spi_size), input)?;
        let (input, transforms) = list(PayloadType::TRANSFORM, input, Transform::parse)?;
        if transforms.len() != usize::from(count) {
            return parse::fault("number of transforms differs from the count", at);
        }
        let protocol = ProtocolId(protocol);
        Ok((
            input,
            Self {
                number,
                protocol,
                spi: spi.to_vec(),
                transforms,
            },
        ))
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.put_u8(self.number);
        out.put_u8(self.protocol.0);
        out.put_u8(u8::try_from(self.spi.len()).unwrap_or(u8::MAX));
        out.put_u8(u8::try_from(self.transforms.len()).unwrap_or(u8::MAX));
        out.put(&self.spi);
        emit_list(
            PayloadType::TRANSFORM,
            &self.transforms,
            out,
            Transform::emit,
        );
    }
}

impl Transform {
    /// KEY_IKE: the one transform id of phase 1 (RFC 2407 §4.4.2).
    pub const KEY_IKE: u8 = 1;

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (input, number) = parse::u8("transform number", input)?;
        let (input, id) = parse::u8("transform id", input)?;
        let (input, _reserved) = parse::be_u16("reserved", input)?;
        let at = input;
        let (input, attributes) = parse::many(input, Attribute::parse)?;
        if attributes.len() > MAX_ITEMS {
            return parse::fault("too many attributes", at);
        }
        Ok((
            input,
            Self {
                number,
                id,
                attributes,
            },
        ))
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.put_u8(self.number);
        out.put_u8(self.id);
        out.put_u16(0);
        for attribute in &self.attributes {
            attribute.emit(out);
        }
    }
}

/// Reads a list of proposals or transforms: each starts with a generic header whose first byte
/// says whether another of the same kind follows.
fn list<'a, T>(
    kind: PayloadType,
    mut input: &'a [u8],
    item: impl Fn(&'a [u8]) -> Parsed<'a, T>,
) -> Parsed<'a, Vec<T>> {
    let mut items = Vec::new();
    loop {
        let at = input;
        if items.len() >= MAX_ITEMS {
            return parse::fault("too many proposals or transforms", at);
        }
        let (rest, next) = parse::u8("next payload inside the SA", input)?;
        let (rest, _reserved) = parse::u8("reserved", rest)?;
        let (rest, length) = parse::be_u16("length inside the SA", rest)?;
        let Some(length) = usize::from(length).checked_sub(4) else {
            return parse::fault("length below that of its header", at);
        };
        let (rest, body) = parse::take("length beyond the SA", length, rest)?;
        let (leftover, value) = item(body)?;
        if !leftover.is_empty() {
            return parse::fault("unexpected bytes inside the SA", leftover);
        }
        items.push(value);
        input = rest;
        match PayloadType(next) {
            PayloadType::NONE => return Ok((input, items)),
            next if next == kind => {}
            _ => return parse::fault("unexpected payload inside the SA", at),
        }
    }
}

fn emit_list<T>(
    kind: PayloadType,
    items: &[T],
    out: &mut Vec<u8>,
    emit: impl Fn(&T, &mut Vec<u8>),
) {
    for (place, item) in items.iter().enumerate() {
        let is_last = place.saturating_add(1) == items.len();
        out.put_u8(if is_last { PayloadType::NONE } else { kind }.0);
        out.put_u8(0);
        out.put_len16(2, |out| emit(item, out));
    }
}
