//! Quick Mode: child SAs for ESP (RFC 2409 §5.5), one struct per state.

pub(crate) mod initiator;
pub(crate) mod responder;

use std::net::IpAddr;

use wire::{Carrier, Path, Secret};

use crate::codec::{Identification, MessageId, ProtocolId};
use crate::context::{Answered, Fingerprint};
use crate::crypto::{Iv, Keymat};
use crate::policy::Phase2Choice;
use crate::{ChildId, EspMode, EspSa, Identity, RequestId, Traffic};

/// The UDP port of L2TP.
pub(crate) const L2TP_PORT: u16 = 1701;
/// The UDP port of NAT traversal (RFC 3947 §4).
const NATT_PORT: u16 = 4500;
/// UDP.
pub(crate) const UDP: u8 = 17;

/// How far a Quick Mode is. What a stage holds is boxed: the IKE SA keeps these in a map, which has
/// room for eleven however few there are.
#[derive(Debug)]
pub(crate) enum QuickMode {
    /// We were asked and wait for an SPI.
    RespondAwaitSpi(Box<responder::AwaitSpi>),
    /// We were asked and compute a shared secret.
    RespondAwaitKe(Box<responder::AwaitKe>),
    /// We answered and wait for message 3.
    RespondExpectConfirm(Box<responder::ExpectConfirm>),
    /// We asked, or will: an SPI is wanted.
    AskAwaitSpi(Box<initiator::AwaitSpi>),
    /// Our public value is being computed.
    AskAwaitKey(Box<initiator::AwaitKey>),
    /// Message 1 was sent.
    AskExpectAnswer(Box<initiator::ExpectAnswer>),
    /// The shared secret is being computed.
    AskAwaitShared(Box<initiator::AwaitShared>),
    /// ESP came under what we answered before message 3 did, which may still come.
    RespondInUse(Box<Answered>),
    /// It is over; what was said last is remembered.
    Done(Box<Answered>),
    /// It has failed; messages that come late are ignored.
    Failed,
}

impl QuickMode {
    /// The request whose answer it waits for.
    pub(crate) fn request(&self) -> Option<RequestId> {
        match self {
            Self::RespondAwaitSpi(state) => Some(state.request),
            Self::RespondAwaitKe(state) => Some(state.request),
            Self::AskAwaitSpi(state) => Some(state.request),
            Self::AskAwaitKey(state) => Some(state.request),
            Self::AskAwaitShared(state) => Some(state.request),
            Self::RespondExpectConfirm(_)
            | Self::RespondInUse(_)
            | Self::AskExpectAnswer(_)
            | Self::Done(_)
            | Self::Failed => None,
        }
    }

    /// The SPI it holds for a child SA that does not exist yet.
    pub(crate) fn unused_spi(&self) -> Option<u32> {
        match self {
            Self::RespondAwaitKe(state) => Some(state.spi),
            Self::AskAwaitKey(state) => Some(state.spi),
            Self::AskExpectAnswer(state) => Some(state.spi),
            Self::AskAwaitShared(state) => Some(state.spi),
            Self::RespondAwaitSpi(_)
            | Self::RespondExpectConfirm(_)
            | Self::RespondInUse(_)
            | Self::AskAwaitSpi(_)
            | Self::Done(_)
            | Self::Failed => None,
        }
    }

    /// The child SA that we asked for and that does not exist yet.
    pub(crate) fn wanted_child(&self) -> Option<ChildId> {
        match self {
            Self::AskAwaitSpi(state) => Some(state.child),
            Self::AskAwaitKey(state) => Some(state.child),
            Self::AskExpectAnswer(state) => Some(state.child),
            Self::AskAwaitShared(state) => Some(state.child),
            _ => None,
        }
    }

    /// For log lines.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::RespondAwaitSpi(_) | Self::AskAwaitSpi(_) => "waiting for an SPI",
            Self::RespondAwaitKe(_) | Self::AskAwaitShared(_) => "computing the shared secret",
            Self::RespondExpectConfirm(_) => "expecting message 3",
            Self::RespondInUse(_) => "in use before message 3",
            Self::AskAwaitKey(_) => "computing our public value",
            Self::AskExpectAnswer(_) => "expecting message 2",
            Self::Done(_) => "done",
            Self::Failed => "failed",
        }
    }
}

/// An authentic message 1, and how it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) message_id: MessageId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) path: Path,
    /// The IV of message 2.
    pub(crate) iv: Iv,
}

/// A child SA that has just been agreed on.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) child: ChildId,
    pub(crate) message_id: MessageId,
    pub(crate) details: crate::ChildSa,
}

/// The keys of both directions (RFC 2409 §5.5): each under the SPI its receiver chose.
pub(crate) fn keys(
    keymat: &Keymat,
    choice: &Phase2Choice,
    inbound_spi: u32,
    nonces: (&[u8], &[u8]),
    pfs: Option<&Secret>,
) -> (EspSa, EspSa) {
    let (encryption, integrity) = (
        choice.suite.encryption_key_len(),
        choice.suite.integrity_key_len(),
    );
    let direction = |spi| {
        let length = encryption.saturating_add(integrity);
        let material = keymat.child(ProtocolId::ESP, spi, nonces, pfs, length);
        let (cipher, mac) = material
            .expose()
            .split_at_checked(encryption)
            .unwrap_or_default();
        EspSa {
            spi,
            encryption: Secret::from(cipher),
            integrity: Secret::from(mac),
        }
    };
    (direction(inbound_spi), direction(choice.spi))
}

/// How and where ESP travels.
pub(crate) fn esp_path(udp: bool, path: Path, natt_path: Option<Path>) -> (EspMode, Path) {
    if udp {
        return (EspMode::Udp, natt_path.unwrap_or_else(|| natt_guess(path)));
    }
    let mut raw = Path {
        carrier: Carrier::Raw,
        ..path
    };
    raw.local.set_port(0);
    raw.remote.set_port(0);
    (EspMode::Raw, raw)
}

/// Where ESP in UDP of a peer goes whose IKE has not been seen on the NAT-T port: never to port
/// 500. A NAT may have another port for it; its first packet shows which.
fn natt_guess(path: Path) -> Path {
    let mut guess = path;
    if path.carrier != Carrier::NatT {
        guess.carrier = Carrier::NatT;
        guess.local.set_port(NATT_PORT);
        guess.remote.set_port(NATT_PORT);
    }
    guess
}

/// The traffic an identification stands for.
pub(crate) fn traffic(id: &Identification) -> Traffic {
    Traffic {
        address: host(&id.identity),
        protocol: id.protocol,
        port: id.port,
    }
}

/// The one host an identity names, if it is one.
pub(crate) fn host(identity: &Identity) -> Option<IpAddr> {
    match identity {
        Identity::Ipv4(address) => Some((*address).into()),
        Identity::Ipv6(address) => Some((*address).into()),
        Identity::Ipv4Subnet(address, mask) if mask.to_bits() == u32::MAX => {
            Some((*address).into())
        }
        Identity::Ipv6Subnet(address, mask) if mask.to_bits() == u128::MAX => {
            Some((*address).into())
        }
        Identity::Ipv4Range(first, last) if first == last => Some((*first).into()),
        Identity::Ipv6Range(first, last) if first == last => Some((*first).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::QuickMode;

    /// Every IKE SA keeps room for eleven of them.
    #[test]
    fn a_remembered_quick_mode_is_small() {
        assert!(size_of::<QuickMode>() <= 16, "{}", size_of::<QuickMode>());
    }
}
