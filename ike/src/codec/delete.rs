//! The Delete payload: SAs the sender no longer has (RFC 2408 §3.15).

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse;

use super::{Cookie, DOI_IPSEC, PayloadBody, ProtocolId};

/// The most SPIs one payload may name. A peer has a handful of SAs; a datagram has room for
/// thousands of numbers.
pub const MAX_DELETED_SPIS: usize = 1024;

/// A Delete payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// Domain of interpretation.
    pub doi: u32,
    /// Whose SAs they were.
    pub protocol: ProtocolId,
    /// Size of each SPI in bytes: 4 for ESP, 16 (both cookies) for ISAKMP.
    pub spi_size: u8,
    /// The SPIs of the sender's inbound SAs, each of `spi_size` bytes.
    pub spis: Vec<Vec<u8>>,
}

impl Delete {
    /// The sender's inbound ESP SAs are gone.
    pub fn esp(spis: &[u32]) -> Self {
        Self {
            doi: DOI_IPSEC,
            protocol: ProtocolId::ESP,
            spi_size: 4,
            spis: spis.iter().map(|spi| spi.to_be_bytes().to_vec()).collect(),
        }
    }

    /// The IKE SA of these cookies is gone.
    pub fn isakmp(initiator: Cookie, responder: Cookie) -> Self {
        Self {
            doi: DOI_IPSEC,
            protocol: ProtocolId::ISAKMP,
            spi_size: 16,
            spis: vec![[initiator.0, responder.0].concat()],
        }
    }

    /// The SPIs as numbers, for SPIs of four bytes.
    pub fn esp_spis(&self) -> impl Iterator<Item = u32> + '_ {
        self.spis
            .iter()
            .filter_map(|spi| Some(u32::from_be_bytes(spi.as_slice().try_into().ok()?)))
    }

    /// Whether the payload names the IKE SA of these cookies.
    pub fn names_isakmp(&self, initiator: Cookie, responder: Cookie) -> bool {
        let cookies = [initiator.0, responder.0].concat();
        self.protocol == ProtocolId::ISAKMP && self.spis.contains(&cookies)
    }

    /// Reads the body of a Delete payload.
    ///
    /// # Errors
    /// A count that does not fit the bytes, SPIs of no length, or more than
    /// [`MAX_DELETED_SPIS`].
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        parse::finish(body, |input| {
            let (input, doi) = parse::be_u32("DOI", input)?;
            let (input, protocol) = parse::u8("protocol id", input)?;
            let at = input;
            let (input, spi_size) = parse::u8("SPI size", input)?;
            let (mut input, count) = parse::be_u16("number of SPIs", input)?;
            let count = usize::from(count);
            if count > MAX_DELETED_SPIS {
                return parse::fault("too many SPIs", at);
            }
            if count > 0 && spi_size == 0 {
                return parse::fault("SPIs of no length", at);
            }
            let mut spis = Vec::new();
            for _ in 0..count {
                let (rest, spi) = parse::take("SPI", usize::from(spi_size), input)?;
                spis.push(spi.to_vec());
                input = rest;
            }
            Ok((
                input,
                Self {
                    doi,
                    protocol: ProtocolId(protocol),
                    spi_size,
                    spis,
                },
            ))
        })
    }
}

impl PayloadBody for Delete {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put_u32(self.doi);
        out.put_u8(self.protocol.0);
        out.put_u8(self.spi_size);
        out.put_u16(u16::try_from(self.spis.len()).unwrap_or(u16::MAX));
        for spi in &self.spis {
            out.put(spi);
        }
    }
}
