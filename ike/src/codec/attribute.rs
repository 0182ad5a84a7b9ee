//! Data attributes: the small records inside transforms (RFC 2408 §3.3).

use wire::emit::Emit;
use wire::parse::{self, Parsed};

/// The bit of the attribute type that says that a value, not a length, follows.
const BASIC: u16 = 0x8000;

/// An attribute. Whether it came in basic or in variable form is kept, because a chosen
/// transform is answered byte for byte as it was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute's class: 15 bits, whose meaning depends on where it stands.
    pub class: u16,
    /// Its value.
    pub value: AttributeValue,
}

/// The value of an attribute in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Two bytes in place of the length.
    Basic(u16),
    /// Any number of bytes after a length.
    Variable(Vec<u8>),
}

impl Attribute {
    /// An attribute in basic form.
    pub const fn basic(class: u16, value: u16) -> Self {
        Self {
            class,
            value: AttributeValue::Basic(value),
        }
    }

    /// An attribute in variable form with a number of four bytes, as Windows writes durations.
    pub fn variable_u32(class: u16, value: u32) -> Self {
        Self {
            class,
            value: AttributeValue::Variable(value.to_be_bytes().to_vec()),
        }
    }

    /// The value as a number: of the basic form, or of a variable form whose significant bytes
    /// are at most eight.
    pub fn number(&self) -> Option<u64> {
        match &self.value {
            AttributeValue::Basic(value) => Some(u64::from(*value)),
            AttributeValue::Variable(bytes) => {
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                let significant = bytes.get(zeros..).unwrap_or_default();
                if bytes.is_empty() || significant.len() > 8 {
                    return None;
                }
                Some(
                    significant
                        .iter()
                        .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
                )
            }
        }
    }

    /// The value as a number of two bytes, for classes that are defined as basic.
    pub fn number_u16(&self) -> Option<u16> {
        self.number().and_then(|value| u16::try_from(value).ok())
    }

    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (input, kind) = parse::be_u16("attribute type", input)?;
        let class = kind & !BASIC;
        if kind & BASIC != 0 {
            let (input, value) = parse::be_u16("attribute value", input)?;
            return Ok((input, Self::basic(class, value)));
        }
        let (input, length) = parse::be_u16("attribute length", input)?;
        let (input, value) = parse::take("attribute value", usize::from(length), input)?;
        Ok((
            input,
            Self {
                class,
                value: AttributeValue::Variable(value.to_vec()),
            },
        ))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match &self.value {
            AttributeValue::Basic(value) => {
                out.put_u16(self.class | BASIC);
                out.put_u16(*value);
            }
            AttributeValue::Variable(value) => {
                out.put_u16(self.class & !BASIC);
                out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
                out.put(value);
            }
        }
    }
}
