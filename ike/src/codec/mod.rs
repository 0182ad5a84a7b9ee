//! ISAKMP messages as bytes and as values (RFC 2408 §3, RFC 2407 §4.6, RFC 3947).
//!
//! A message is a [`Header`] and a [`Chain`] of payloads. The chain keeps the exact bytes of each
//! payload ([`RawPayload`]), because IKE hashes bytes and not values: the body of the initiator's
//! SA, the bodies of identifications, and "everything after the HASH payload". The meaning of a
//! payload is read from its body by the type of that payload ([`Sa::parse`], [`Notification::parse`]
//! and so on); writing goes through [`ChainBuilder`].
//!
//! Nothing here decides whether a value is acceptable: unknown numbers are kept, and an error
//! ([`wire::DecodeError`]) means that the bytes do not follow their format.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

mod attribute;
mod builder;
mod certificate;
mod chain;
mod delete;
mod fragment;
mod header;
mod identification;
mod nat;
mod notification;
mod offer;
mod opaque;
mod registry;
mod sa;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests;
mod vendor;

pub use attribute::{Attribute, AttributeValue};
pub use builder::{ChainBuilder, PayloadBody};
pub use certificate::{Certificate, CertificateRequest};
pub use chain::{Chain, MAX_PAYLOADS, RawPayload, Trailing};
pub use delete::{Delete, MAX_DELETED_SPIS};
pub use fragment::Fragment;
pub use header::{Cookie, Flags, Header, MessageId};
pub use identification::{Identification, Identity};
pub use nat::{NatD, NatOa};
pub use notification::Notification;
pub use offer::{Phase1Offer, Phase2Offer};
pub use opaque::{HashData, KeyExchange, Nonce};
pub use registry::{
    AuthAlgorithm, AuthMethod, EncapsulationMode, EncryptionId, EspTransformId, ExchangeType,
    GroupId, HashId, IdType, LifeType, NotifyType, PayloadType, Phase1Attribute, Phase2Attribute,
    ProtocolId,
};
pub use sa::{DOI_IPSEC, Proposal, SITUATION_IDENTITY_ONLY, Sa, Transform};
pub use vendor::{NatTraversal, Vendor, VendorId};
