//! The Notification payload (RFC 2408 §3.14, RFC 2407 §4.6.3, RFC 3706 §5).

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse;

use super::{Attribute, Cookie, DOI_IPSEC, NotifyType, PayloadBody, ProtocolId};

/// A Notification payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Domain of interpretation.
    pub doi: u32,
    /// The protocol the notification is about.
    pub protocol: ProtocolId,
    /// The SA it is about: both cookies for ISAKMP, four bytes for ESP, or nothing.
    pub spi: Vec<u8>,
    /// What it says.
    pub kind: NotifyType,
    /// What belongs to it: a sequence number for dead peer detection, attributes for
    /// RESPONDER-LIFETIME.
    pub data: Vec<u8>,
}

impl Notification {
    /// A notification about the IKE SA of these cookies.
    pub fn isakmp(kind: NotifyType, initiator: Cookie, responder: Cookie, data: Vec<u8>) -> Self {
        let spi = [initiator.0, responder.0].concat();
        Self {
            doi: DOI_IPSEC,
            protocol: ProtocolId::ISAKMP,
            spi,
            kind,
            data,
        }
    }

    /// A notification about no SA that exists, such as an error in phase 1.
    pub const fn bare(kind: NotifyType) -> Self {
        Self {
            doi: DOI_IPSEC,
            protocol: ProtocolId::ISAKMP,
            spi: Vec::new(),
            kind,
            data: Vec::new(),
        }
    }

    /// R-U-THERE or its acknowledgement, with its sequence number (RFC 3706 §5.3).
    pub fn dead_peer(kind: NotifyType, initiator: Cookie, responder: Cookie, number: u32) -> Self {
        Self::isakmp(kind, initiator, responder, number.to_be_bytes().to_vec())
    }

    /// RESPONDER-LIFETIME about an ESP SA, with phase 2 attributes (RFC 2407 §4.6.3.1).
    pub fn responder_lifetime(spi: u32, attributes: &[Attribute]) -> Self {
        let mut data = Vec::new();
        for attribute in attributes {
            attribute.emit(&mut data);
        }
        Self {
            doi: DOI_IPSEC,
            protocol: ProtocolId::ESP,
            spi: spi.to_be_bytes().to_vec(),
            kind: NotifyType::RESPONDER_LIFETIME,
            data,
        }
    }

    /// The data as a number of four bytes: the sequence number of dead peer detection.
    pub fn sequence(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.data.as_slice().try_into().ok()?))
    }

    /// The data as attributes, as RESPONDER-LIFETIME has them.
    ///
    /// # Errors
    /// Data that is not a sequence of attributes.
    pub fn attributes(&self) -> Result<Vec<Attribute>, DecodeError> {
        parse::finish(&self.data, |input| parse::many(input, Attribute::parse))
    }

    /// Reads the body of a Notification payload.
    ///
    /// # Errors
    /// A body that is shorter than its fixed part or than its SPI.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        parse::finish(body, |input| {
            let (input, doi) = parse::be_u32("DOI", input)?;
            let (input, protocol) = parse::u8("protocol id", input)?;
            let (input, spi_size) = parse::u8("SPI size", input)?;
            let (input, kind) = parse::be_u16("notify type", input)?;
            let (input, spi) = parse::take("SPI", usize::from(spi_size), input)?;
            let (input, data) = parse::rest(input)?;
            let notification = Self {
                doi,
                protocol: ProtocolId(protocol),
                spi: spi.to_vec(),
                kind: NotifyType(kind),
                data: data.to_vec(),
            };
            Ok((input, notification))
        })
    }
}

impl PayloadBody for Notification {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put_u32(self.doi);
        out.put_u8(self.protocol.0);
        out.put_u8(u8::try_from(self.spi.len()).unwrap_or(u8::MAX));
        out.put_u16(self.kind.0);
        out.put(&self.spi);
        out.put(&self.data);
    }
}
