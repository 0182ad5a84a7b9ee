//! Attribute-Value Pairs as they are on the wire (RFC 2661 §4.1).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use std::borrow::Cow;

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

use super::registry::{AvpType, Vendor};

const MANDATORY: u16 = 0x8000;
const HIDDEN: u16 = 0x4000;
const RESERVED: u16 = 0x3c00;
const LENGTH_MASK: u16 = 0x03ff;
const HEADER: u16 = 6;

/// Bytes of the longest value: a length of ten bits less the header.
pub const MAX_VALUE: usize = 1_017;

/// One AVP, its value not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Avp<'a> {
    /// The M bit.
    pub mandatory: bool,
    /// The H bit.
    pub hidden: bool,
    /// Whether a reserved bit is set: the AVP counts as unrecognised (RFC 2661 §4.1).
    pub reserved: bool,
    /// Who defined the type.
    pub vendor: Vendor,
    /// The type; its constants hold for vendor 0.
    pub kind: AvpType,
    /// At most 1,017 bytes.
    pub value: Cow<'a, [u8]>,
}

impl Avp<'_> {
    /// Writes the AVP. A value beyond 1,017 bytes is cut.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let value = self.value.get(..MAX_VALUE).unwrap_or(&self.value);
        let length = u16::try_from(value.len())
            .unwrap_or(0)
            .saturating_add(HEADER);
        let flag = |set: bool, bit: u16| if set { bit } else { 0 };
        out.put_u16(length | flag(self.mandatory, MANDATORY) | flag(self.hidden, HIDDEN));
        out.put_u16(self.vendor.0);
        out.put_u16(self.kind.0);
        out.put(value);
    }
}

fn avp(input: &[u8]) -> Parsed<'_, Avp<'_>> {
    let (rest, bits) = parse::be_u16("AVP flags and length", input)?;
    let (rest, vendor) = parse::be_u16("AVP vendor", rest)?;
    let (rest, kind) = parse::be_u16("AVP type", rest)?;
    let (vendor, kind) = (Vendor(vendor), AvpType(kind));
    let Some(length) = (bits & LENGTH_MASK).checked_sub(HEADER) else {
        return parse::fault("AVP shorter than its header", input);
    };
    let mut length = usize::from(length);
    // QUIRK(Apple): the Result Code AVP of StopCCN and CDN counts its header twice.
    if vendor == Vendor::IETF && kind == AvpType::RESULT_CODE {
        length = length.min(rest.len());
    }
    let (rest, value) = parse::take("AVP longer than the message", length, rest)?;
    let avp = Avp {
        mandatory: bits & MANDATORY != 0,
        hidden: bits & HIDDEN != 0,
        reserved: bits & RESERVED != 0,
        vendor,
        kind,
        value: Cow::Borrowed(value),
    };
    Ok((rest, avp))
}

/// The AVPs of a message up to the first that cannot be read, and what is wrong there.
pub fn avps(body: &[u8]) -> (Vec<Avp<'_>>, Option<DecodeError>) {
    let mut list = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        match avp(rest) {
            Ok((after, avp)) => {
                list.push(avp);
                rest = after;
            }
            Err(_) => {
                let at = body.len().saturating_sub(rest.len());
                let error = parse::finish(rest, |input| avp(input).map(|(_, avp)| (&[][..], avp)))
                    .err()
                    .map(|error| error.shifted(at));
                return (list, error);
            }
        }
    }
    (list, None)
}
