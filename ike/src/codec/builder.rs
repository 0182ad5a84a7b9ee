//! Writing a chain of payloads.

use wire::emit::Emit;

use super::{Header, PayloadType};

/// The body of a payload: everything after the generic header.
pub trait PayloadBody {
    /// Appends the body.
    fn emit(&self, out: &mut Vec<u8>);

    /// The body alone.
    fn to_body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.emit(&mut out);
        out
    }
}

/// Bytes that are a body already: a hash, a nonce, a payload to be repeated as it was.
impl PayloadBody for [u8] {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put(self);
    }
}

/// See the slice.
impl PayloadBody for Vec<u8> {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put(self);
    }
}

/// Payloads in the order in which they will be sent; next-payload fields and lengths are filled
/// in when the chain is encoded.
///
/// The order of use for an encrypted exchange: build everything that follows the HASH payload,
/// hash [`ChainBuilder::encode`], then [`ChainBuilder::prepend`] the HASH payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainBuilder {
    payloads: Vec<(PayloadType, Vec<u8>)>,
}

impl ChainBuilder {
    /// No payloads yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a payload at the end.
    pub fn push(&mut self, kind: PayloadType, body: &(impl PayloadBody + ?Sized)) -> &mut Self {
        self.payloads.push((kind, body.to_body()));
        self
    }

    /// The same, by value, for chains of calls.
    #[must_use]
    pub fn with(mut self, kind: PayloadType, body: &(impl PayloadBody + ?Sized)) -> Self {
        self.push(kind, body);
        self
    }

    /// Puts a payload before all others.
    pub fn prepend(&mut self, kind: PayloadType, body: &(impl PayloadBody + ?Sized)) -> &mut Self {
        self.payloads.insert(0, (kind, body.to_body()));
        self
    }

    /// Kind of the first payload, for the ISAKMP header.
    pub fn first(&self) -> PayloadType {
        self.payloads
            .first()
            .map_or(PayloadType::NONE, |(kind, _)| *kind)
    }

    /// The chain with its generic headers, without padding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let following = self.payloads.iter().skip(1).map(|(kind, _)| *kind);
        let next = following.chain(std::iter::once(PayloadType::NONE));
        for ((_, body), next) in self.payloads.iter().zip(next) {
            out.put_u8(next.0);
            out.put_u8(0);
            out.put_len16(2, |out| out.put(body));
        }
        out
    }

    /// A whole message in clear. The header's first payload is set here.
    pub fn message(&self, header: Header) -> Vec<u8> {
        Header {
            next: self.first(),
            ..header
        }
        .emit(&self.encode())
    }
}
