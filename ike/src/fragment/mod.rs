//! Messages in pieces: payload 132, as Microsoft and Cisco define it ([MS-IKEE] §2.2.3, §3.2.4).
//!
//! IKEv1 has no RFC for this. What is here follows what the peers of today do: each fragment is an
//! ISAKMP message of its own with one payload, the pieces put together are the whole message with
//! its own header, and nothing but the vendor id FRAGMENTATION says who understands it.

mod reassembly;
#[cfg(test)]
mod tests;

pub(crate) use reassembly::{Origin, Reassembly};

use std::net::SocketAddr;

use wire::{Carrier, Path};

use crate::codec::{ChainBuilder, ExchangeType, Flags, Fragment, Header, MessageId, PayloadType};

/// The most fragments that make one message; each has 28 bytes of header of its own.
pub(crate) const MAX_FRAGMENTS: u8 = 20;
/// The longest message that is put together from fragments, in bytes.
pub(crate) const MAX_MESSAGE: usize = 65_536;
/// The most fragments that we send. QUIRK(libreswan): takes no number above 16.
const MAX_SENT: usize = 16;

const UDP_HEADER: usize = 8;
const NON_ESP_MARKER: usize = 4;
/// The ISAKMP header, the generic payload header, and the fixed part of the fragment payload.
const AROUND_PIECE: usize = Header::LEN + 4 + 4;

/// What became of fragments, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FragmentCounters {
    /// Fragments handed in.
    pub received: u64,
    /// Messages put together.
    pub reassembled: u64,
    /// Messages of ours that left in fragments.
    pub split: u64,
    /// Fragments that came again.
    pub repeated: u64,
    /// Fragments that do not follow their format, or that together are no message of the IKE SA
    /// they came for.
    pub malformed: u64,
    /// Fragments with cookies that name no IKE SA here.
    pub unknown_cookies: u64,
    /// Fragments with a number that is too high.
    pub too_many: u64,
    /// Messages dropped because they grew too long.
    pub too_long: u64,
    /// Unfinished messages dropped because a fragment of another one came.
    pub replaced: u64,
    /// Unfinished messages dropped because the rest did not come in time.
    pub expired: u64,
    /// Unfinished messages dropped to make room for newer ones.
    pub evicted: u64,
}

impl FragmentCounters {
    /// Everything that was dropped, each cause in words.
    pub const fn drops(&self) -> [(&'static str, u64); 7] {
        [
            ("malformed IKE fragment", self.malformed),
            ("IKE fragment of an unknown SA", self.unknown_cookies),
            ("IKE fragment with too high a number", self.too_many),
            ("fragmented IKE message that is too long", self.too_long),
            (
                "fragmented IKE message that another one replaced",
                self.replaced,
            ),
            (
                "fragmented IKE message that stayed incomplete",
                self.expired,
            ),
            (
                "fragmented IKE message that gave way to others",
                self.evicted,
            ),
        ]
    }
}

/// The fragments of `message` for IP packets of at most `size` bytes, if it is too long for one
/// and can be cut; `size` 0 cuts nothing.
///
/// The same message gives the same fragments: who has some of the first sending needs only the
/// others of the next.
pub(crate) fn split(message: &[u8], path: Path, size: u16) -> Option<Vec<Vec<u8>>> {
    let size = Some(usize::from(size)).filter(|size| *size > 0)?;
    let ip = match path.remote {
        SocketAddr::V4(_) => 20,
        SocketAddr::V6(_) => 40,
    };
    let marker = match path.carrier {
        Carrier::NatT => NON_ESP_MARKER,
        Carrier::Ike | Carrier::Raw => 0,
    };
    let room = size.checked_sub(ip + UDP_HEADER + marker)?;
    if message.len() <= room {
        return None;
    }
    let room = room.checked_sub(AROUND_PIECE).filter(|room| *room > 0)?;
    let count = message.len().div_ceil(room);
    if count > MAX_SENT {
        return None;
    }
    let (header, _) = Header::parse(message).ok()?;
    // QUIRK(strongSwan): knows fragments in Main Mode only, with its message id, whatever they are
    // the pieces of; in clear, since the pieces are what is encrypted.
    let header = Header {
        exchange: ExchangeType::MAIN_MODE,
        flags: Flags::NONE,
        message_id: MessageId::PHASE_1,
        ..header
    };
    let id = number_of(message);
    let pieces = (1_u8..).zip(message.chunks(room)).map(|(number, data)| {
        let last = usize::from(number) == count;
        let fragment = Fragment {
            id,
            number,
            flags: if last { Fragment::LAST } else { 0 },
            data: data.to_vec(),
        };
        ChainBuilder::new()
            .with(PayloadType::FRAGMENT, &fragment)
            .message(header)
    });
    Some(pieces.collect())
}

/// A number that other messages hardly have: a checksum in the manner of RFC 1071. Not zero.
fn number_of(message: &[u8]) -> u16 {
    let sum = message.chunks(2).fold(0_u16, |sum, pair| {
        let [high, low] = [pair.first(), pair.get(1)].map(|byte| byte.copied().unwrap_or(0));
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([high, low]));
        sum.wrapping_add(carry.into())
    });
    sum.max(1)
}
