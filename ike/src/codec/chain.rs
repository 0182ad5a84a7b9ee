//! The chain of payloads (RFC 2408 §3.2).

use wire::DecodeError;

use super::PayloadType;

/// The most payloads one message may hold. Real first messages of Apple clients have about 20;
/// a chain of empty payloads in a large datagram would have thousands.
pub const MAX_PAYLOADS: usize = 64;

/// Length of the generic payload header in bytes.
const GENERIC_HEADER: usize = 4;

/// What may follow the last payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trailing {
    /// Anything: the padding of a decrypted message. Its content and length are not checked,
    /// since senders differ (zeros, random bytes, a count in the last byte).
    Padding,
    /// Nothing: a message in clear.
    Nothing,
}

/// One payload as it lies in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawPayload<'a> {
    /// What it is, as said by the header before it.
    pub kind: PayloadType,
    /// Its bytes after the generic header: what RFC 2409 writes as `SAi_b`, `IDii_b`, `Ni_b`.
    pub body: &'a [u8],
    /// Its bytes with the generic header.
    pub whole: &'a [u8],
    /// Where it starts in the chain, in bytes.
    offset: usize,
}

/// The payloads of one message, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain<'a> {
    payloads: Vec<RawPayload<'a>>,
    /// The bytes of all payloads, without padding.
    bytes: &'a [u8],
}

impl<'a> Chain<'a> {
    /// Follows the chain that starts with a payload of kind `first` at the start of `input`.
    ///
    /// The reserved byte of the generic header is ignored.
    ///
    /// # Errors
    /// A payload that is shorter than its header or reaches beyond `input`, more than
    /// [`MAX_PAYLOADS`] payloads, or bytes after the last one where `trailing` allows none.
    pub fn parse(
        first: PayloadType,
        input: &'a [u8],
        trailing: Trailing,
    ) -> Result<Self, DecodeError> {
        let mut payloads = Vec::new();
        let mut kind = first;
        let mut rest = input;
        let mut offset = 0_usize;
        while kind != PayloadType::NONE {
            let error = |what| Err(DecodeError::new(offset, what));
            if payloads.len() >= MAX_PAYLOADS {
                return error("too many payloads");
            }
            let Some(([next, _reserved, high, low], _)) = rest.split_first_chunk() else {
                return error("payload header beyond the message");
            };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if length < GENERIC_HEADER {
                return error("payload length below that of its header");
            }
            let Some((whole, after)) = rest.split_at_checked(length) else {
                return error("payload length beyond the message");
            };
            let body = whole.get(GENERIC_HEADER..).unwrap_or_default();
            payloads.push(RawPayload {
                kind,
                body,
                whole,
                offset,
            });
            kind = PayloadType(*next);
            offset = offset.saturating_add(length);
            rest = after;
        }
        if trailing == Trailing::Nothing && !rest.is_empty() {
            return Err(DecodeError::new(offset, "bytes after the last payload"));
        }
        Ok(Self {
            payloads,
            bytes: input.get(..offset).unwrap_or_default(),
        })
    }

    /// All payloads, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RawPayload<'a>> + '_ {
        self.payloads.iter().copied()
    }

    /// All payloads of one kind, in order.
    pub fn all(&self, kind: PayloadType) -> impl Iterator<Item = RawPayload<'a>> + '_ {
        self.iter().filter(move |payload| payload.kind == kind)
    }

    /// The first payload of one kind.
    pub fn first(&self, kind: PayloadType) -> Option<RawPayload<'a>> {
        self.all(kind).next()
    }

    /// The payload at a place, counted from 0.
    pub fn nth(&self, place: usize) -> Option<RawPayload<'a>> {
        self.payloads.get(place).copied()
    }

    /// How many payloads there are.
    pub fn len(&self) -> usize {
        self.payloads.len()
    }

    /// Whether there is no payload.
    pub fn is_empty(&self) -> bool {
        self.payloads.is_empty()
    }

    /// The bytes of all payloads with their headers, without padding.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of everything after `payload` with headers, without padding: what HASH(1) and
    /// HASH(2) cover (RFC 2409 §5.5), `payload` being the HASH payload.
    pub fn after(&self, payload: &RawPayload<'_>) -> &'a [u8] {
        let end = payload.offset.saturating_add(payload.whole.len());
        self.bytes.get(end..).unwrap_or_default()
    }
}
