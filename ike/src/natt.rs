//! NAT traversal (RFC 3947, and its drafts 02 and 03): announcing, detecting, falsifying.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use rand_core::Rng as _;
use wire::{Carrier, Path, Rng};

use crate::codec::{
    Chain, Cookie, NatOa, NatTraversal, PayloadBody as _, PayloadType, Sa, Vendor, VendorId,
};
use crate::config::{Config, Encapsulation};
use crate::crypto::HashAlgorithm;
use crate::make::Marks;
use crate::{Make, Nat};

/// The byte of a NAT keepalive (RFC 3948 §2.3).
pub(crate) const KEEPALIVE: u8 = 0xff;

/// The most NAT-D payloads that are looked at: one for us, and one for each of the peer's
/// addresses.
const MAX_NAT_D: usize = 16;

/// What goes into the UDP datagram for an [`Output::Transmit`](crate::Output::Transmit): on the
/// NAT-T port an ISAKMP message gets the non-ESP marker in front (RFC 3948 §2.2), a keepalive not.
pub fn framed(carrier: Carrier, bytes: &[u8]) -> Cow<'_, [u8]> {
    match (carrier, bytes) {
        (Carrier::NatT, [_]) | (Carrier::Ike | Carrier::Raw, _) => Cow::Borrowed(bytes),
        (Carrier::NatT, message) => Cow::Owned([&[0; 4], message].concat()),
    }
}

/// What the vendor ids of a peer announce, over all its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Announced {
    traversal: Option<NatTraversal>,
    /// Draft 02 came in the spelling with a newline.
    newline: bool,
    marks: Marks,
    /// The peer answers R-U-THERE.
    pub(crate) dpd: bool,
    /// The peer can put fragments together.
    pub(crate) fragmentation: bool,
}

impl Announced {
    /// Takes note of all vendor ids of a message. Unknown ones mean nothing (RFC 2408 §3.16).
    pub(crate) fn note(&mut self, chain: &Chain<'_>) {
        for payload in chain.all(PayloadType::VENDOR_ID) {
            let vendor = VendorId::classify(payload.body);
            self.marks.note(payload.body, vendor);
            match vendor {
                // These are not spoken here; their senders offer a later version as well.
                Vendor::NatTraversal(NatTraversal::Draft00 | NatTraversal::Draft04) => {}
                Vendor::NatTraversal(version) => {
                    self.newline |= payload.body == VendorId::draft_02_newline().0;
                    self.traversal = self.traversal.max(Some(version));
                }
                Vendor::DeadPeerDetection => self.dpd = true,
                Vendor::Fragmentation(_) => self.fragmentation = true,
                _ => {}
            }
        }
    }

    /// Takes note of the peer's phase 1 offer, which tells makes apart whose vendor ids are equal.
    pub(crate) fn note_offer(&mut self, offer: &Sa) {
        self.marks.note_offer(offer);
    }

    /// The NAT traversal to use: the best that both know.
    pub(crate) const fn traversal(&self) -> Option<NatTraversal> {
        self.traversal
    }

    /// The vendor id that accepts it: the very one that came, since draft 02 has two.
    pub(crate) fn answer(&self) -> Option<VendorId> {
        Some(match self.traversal? {
            NatTraversal::Rfc3947 => VendorId::rfc_3947(),
            NatTraversal::Draft03 => VendorId::draft_03(),
            NatTraversal::Draft02 if self.newline => VendorId::draft_02_newline(),
            NatTraversal::Draft02 => VendorId::draft_02(),
            NatTraversal::Draft00 | NatTraversal::Draft04 => return None,
        })
    }

    /// The peer's make.
    pub(crate) const fn make(&self) -> Make {
        self.marks.make()
    }

    /// Whether the peer looks like those Androids that cut SHA-256 in a way of their own.
    pub(crate) fn truncates_sha256(&self) -> bool {
        self.make() == Make::Android
    }
}

/// What NAT-D hashes are made of besides addresses (RFC 3947 §3.2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hasher {
    pub(crate) hash: HashAlgorithm,
    pub(crate) initiator: Cookie,
    pub(crate) responder: Cookie,
}

impl Hasher {
    /// The hash of one end.
    pub(crate) fn of(&self, end: SocketAddr) -> Vec<u8> {
        let port = end.port().to_be_bytes();
        let digest = |address: &[u8]| {
            self.hash
                .digest(&[&self.initiator.0, &self.responder.0, address, &port])
        };
        match end.ip() {
            IpAddr::V4(v4) => digest(&v4.octets()),
            IpAddr::V6(v6) => digest(&v6.octets()),
        }
    }

    /// A hash that fits no end.
    pub(crate) fn false_one(&self, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = vec![0; self.hash.output_len()];
        rng.fill_bytes(&mut bytes);
        bytes
    }
}

/// What the NAT-D payloads of a peer say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detected {
    /// The hash the peer has for our end.
    pub(crate) ours: Vec<u8>,
    /// Our end reaches the peer changed.
    pub(crate) here: bool,
    /// The peer's end reaches us changed.
    pub(crate) peer: bool,
}

/// Compares the NAT-D payloads of a message with the path it came on. `None` when there are not
/// at least two of them.
pub(crate) fn detect(
    chain: &Chain<'_>,
    traversal: NatTraversal,
    hasher: &Hasher,
    path: Path,
) -> Option<Detected> {
    let mut hashes = chain
        .all(traversal.nat_d())
        .map(|payload| payload.body)
        .take(MAX_NAT_D);
    // RFC 3947 §3.2: the receiver's end first, then all of the sender's.
    let ours = hashes.next()?;
    let theirs = hasher.of(path.remote);
    let (mut any, mut found) = (false, false);
    for hash in hashes {
        any = true;
        found |= hash == theirs;
    }
    any.then(|| Detected {
        ours: ours.to_vec(),
        here: ours != hasher.of(path.local),
        peer: !found,
    })
}

/// The two NAT-D hashes a responder answers with, the peer's end first, and what follows for ESP.
///
/// To force UDP the hash of the *peer's* end is falsified, never our own.
/// QUIRK(Windows): refuses a server that looks NATed unless a registry value is set. When we
/// really are behind a NAT it is told the very hash it sent for us, so that it sees no NAT there;
/// and its own is falsified, or it would see no NAT at all and send raw ESP.
pub(crate) fn respond(
    detected: &Detected,
    hasher: &Hasher,
    path: Path,
    config: &Config,
    make: Make,
    rng: &mut Rng,
) -> ([Vec<u8>; 2], Nat) {
    let hide = detected.here && (config.public_address.is_some() || make.is_windows());
    let force = hide || config.encapsulation == Encapsulation::Always;
    let theirs = if force {
        hasher.false_one(rng)
    } else {
        hasher.of(path.remote)
    };
    let ours = if hide {
        detected.ours.clone()
    } else {
        hasher.of(path.local)
    };
    (
        [theirs, ours],
        Nat {
            peer: detected.peer,
            here: detected.here,
            forced: force,
        },
    )
}

/// The two original addresses in a Quick Mode message, the initiator's first.
pub(crate) fn original_addresses(
    chain: &Chain<'_>,
    traversal: Option<NatTraversal>,
) -> Option<(IpAddr, IpAddr)> {
    let kind = traversal?.nat_oa();
    let mut addresses = chain.all(kind).map(|payload| NatOa::parse(payload.body));
    match (addresses.next(), addresses.next()) {
        (Some(Ok(initiator)), Some(Ok(responder))) => Some((initiator.0, responder.0)),
        _ => None,
    }
}

/// The body of a NAT-OA payload.
pub(crate) fn original_address(address: IpAddr) -> Vec<u8> {
    NatOa(address).to_body()
}
