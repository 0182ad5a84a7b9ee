//! Receiving: RFC 4303 §3.4.

use std::ops::Range;

use crate::HEADER_LEN;
use crate::cipher::{Aead, CbcDecrypt, equal};
use crate::integrity::Authenticator;
use crate::lanes::{LANES, SideBySide};
use crate::suite::{KeyError, Keys, Suite};

/// Opens the packets of one inbound security association.
///
/// It keeps no state between packets: the caller checks its [`crate::ReplayWindow`] before, and
/// updates it after.
pub struct Opener {
    suite: Suite,
    transform: Transform,
}

enum Transform {
    // Boxed: AES-GCM, whose keys are elsewhere, would take as much room beside them.
    Cbc(Box<(CbcDecrypt, Authenticator)>),
    Aead(Aead),
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opener({})", self.suite)
    }
}

/// What an authentic packet held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its sequence number.
    pub sequence: u32,
    /// The IP protocol of the payload: 17 for UDP in transport mode.
    pub next_header: u8,
    /// Where in the packet the payload lies now, in clear.
    pub payload: Range<usize>,
}

/// A packet for [`Opener::open_batch`].
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The packet, from the SPI to the check value.
    pub packet: &'a mut [u8],
    /// What it held, or why it did not open.
    pub outcome: Result<Opened, OpenError>,
}

impl<'a> Incoming<'a> {
    /// A packet that has not been looked at.
    pub const fn new(packet: &'a mut [u8]) -> Self {
        Self {
            packet,
            outcome: Err(OpenError::Length),
        }
    }
}

/// Why a packet does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Shorter than an empty packet of this suite, or not whole blocks. Nothing was changed.
    #[error("the packet's length is not one of this suite's")]
    Length,
    /// The integrity check value is wrong. The packet is as it was; with AES-GCM, which decrypts
    /// while it authenticates, the encrypted part is wiped.
    #[error("the integrity check failed")]
    Integrity,
    /// Authentic, but the pad length is longer than the packet or the padding is not 1, 2, 3 …
    #[error("the padding is malformed")]
    Padding,
}

/// SPI and sequence number of a packet, unauthenticated; `None` if it is too short to have them.
pub fn peek(packet: &[u8]) -> Option<(u32, u32)> {
    let (spi, rest) = packet.split_first_chunk::<4>()?;
    let (sequence, _) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*spi), u32::from_be_bytes(*sequence)))
}

impl Opener {
    /// Prepares the keys.
    ///
    /// # Errors
    /// If the suite is not a valid combination or a key has the wrong length.
    pub fn new(suite: Suite, keys: &Keys) -> Result<Self, KeyError> {
        suite.check()?;
        if keys.encryption.len() != suite.cipher.key_len() {
            return Err(KeyError::EncryptionKeyLength);
        }
        let transform = match suite.integrity {
            Some(integrity) => Transform::Cbc(Box::new((
                CbcDecrypt::new(suite.cipher, keys.encryption.expose())?,
                Authenticator::new(integrity, keys.integrity.expose())?,
            ))),
            None if keys.integrity.is_empty() => {
                Transform::Aead(Aead::new(suite.cipher, keys.encryption.expose())?)
            }
            None => return Err(KeyError::IntegrityKeyLength),
        };
        Ok(Self { suite, transform })
    }

    /// The same, with packets opened side by side where that was found to be quicker.
    #[must_use]
    pub fn side_by_side(mut self, from: SideBySide) -> Self {
        if let Transform::Cbc(keys) = &mut self.transform {
            keys.1.side_by_side(from);
        }
        self
    }

    /// What the packets are sealed with.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Opens a packet in place. `packet` starts at the SPI, which is not compared with anything,
    /// and ends with the check value.
    ///
    /// # Errors
    /// See [`OpenError`]. The check value is verified, in constant time, before a decrypted byte
    /// is looked at; what is not authentic is never left in clear.
    pub fn open(&self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        self.open_as(self.suite, packet)
    }

    /// Opens a packet of a peer that cuts SHA-256 to 96 bits ([`Suite::truncated`]). To be tried
    /// only while nothing else has opened, and then for good: the shorter check value is easier
    /// to guess.
    ///
    /// # Errors
    /// As for [`Self::open`]; [`OpenError::Length`] for every packet if the suite has no such form.
    pub fn open_truncated(&self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let suite = self.suite.truncated().ok_or(OpenError::Length)?;
        self.open_as(suite, packet)
    }

    /// Opens packets in place, each as [`Self::open`] does. With HMAC-SHA1 and HMAC-SHA256 their
    /// check values are computed side by side where that was found to be quicker, mostly from a
    /// handful of packets on.
    pub fn open_batch(&self, packets: &mut [Incoming<'_>]) {
        for group in packets.chunks_mut(LANES) {
            let opened = match &self.transform {
                Transform::Cbc(keys) if group.len() > 1 => {
                    let (cipher, authenticator) = &**keys;
                    self.open_lanes(cipher, authenticator, group)
                }
                _ => None,
            };
            if opened.is_none() {
                // Each is decrypted while it is still near.
                for incoming in group {
                    incoming.outcome = self.open(incoming.packet);
                }
            }
        }
    }

    /// `None`, and nothing done, where one after another is quicker.
    fn open_lanes(
        &self,
        cipher: &CbcDecrypt,
        authenticator: &Authenticator,
        group: &mut [Incoming<'_>],
    ) -> Option<()> {
        let suite = self.suite;
        let mut messages = [&[][..]; LANES];
        for (message, incoming) in messages.iter_mut().zip(group.iter()) {
            // What has no valid length is found out below.
            let at = incoming.packet.len().saturating_sub(suite.icv_len());
            *message = incoming.packet.get(..at).unwrap_or_default();
        }
        let icvs = authenticator.together(messages.get(..group.len())?)?;

        // Decrypted together, without the packets that are not authentic.
        let mut checked = [Err(OpenError::Length); LANES];
        let mut authentic: [&mut [u8]; LANES] = std::array::from_fn(|_| &mut [][..]);
        let mut free = authentic.iter_mut();
        for ((incoming, sum), checked) in group.iter_mut().zip(icvs).zip(&mut checked) {
            *checked = cut(suite, incoming.packet)
                .and_then(|sealed| authenticate(sealed, &sum))
                .map(|(sequence, blocks)| {
                    if let Some(place) = free.next() {
                        *place = blocks;
                    }
                    sequence
                });
        }
        let left = free.len();
        let count = LANES.saturating_sub(left);
        if cipher
            .decrypt(authentic.get_mut(..count).unwrap_or_default())
            .is_err()
        {
            checked = [Err(OpenError::Length); LANES];
        }
        for (incoming, checked) in group.iter_mut().zip(checked) {
            let end = incoming.packet.len().saturating_sub(suite.icv_len());
            let body = incoming.packet.get(suite.header_len()..end);
            incoming.outcome =
                checked.and_then(|sequence| opened(suite, sequence, body.unwrap_or_default()));
        }
        Some(())
    }

    fn open_as(&self, suite: Suite, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let sealed = cut(suite, packet)?;
        match &self.transform {
            Transform::Cbc(keys) => {
                let (cipher, authenticator) = &**keys;
                let sum = authenticator.icv(sealed.message);
                let (sequence, blocks) = authenticate(sealed, &sum)?;
                let opening = cipher.decrypt(&mut [&mut *blocks]);
                opening.map_err(|_| OpenError::Length)?;
                let body = blocks.get(suite.cipher.iv_len()..);
                opened(suite, sequence, body.unwrap_or_default())
            }
            Transform::Aead(aead) => open_aead(suite, sealed, aead),
        }
    }
}

/// A packet whose length is one of its suite's.
struct Sealed<'a> {
    sequence: u32,
    /// What is authenticated: everything but the check value.
    message: &'a mut [u8],
    icv: &'a [u8],
}

fn cut(suite: Suite, packet: &mut [u8]) -> Result<Sealed<'_>, OpenError> {
    let (_, sequence) = peek(packet).ok_or(OpenError::Length)?;
    let at = packet
        .len()
        .checked_sub(suite.icv_len())
        .ok_or(OpenError::Length)?;
    let (message, icv) = packet.split_at_mut_checked(at).ok_or(OpenError::Length)?;
    let body_len = message
        .len()
        .checked_sub(suite.header_len())
        .ok_or(OpenError::Length)?;
    // At least the trailer must be there. Whole blocks: of the cipher (RFC 3602 §2.4), or the
    // four bytes that RFC 4303 §2.4 wants of every cipher.
    if body_len < 2 || !body_len.is_multiple_of(suite.cipher.alignment()) {
        return Err(OpenError::Length);
    }
    Ok(Sealed {
        sequence,
        message,
        icv,
    })
}

/// A packet's number, and its vector with what is encrypted behind it, if its check value is the
/// front of `sum`.
fn authenticate<'a>(sealed: Sealed<'a>, sum: &[u8]) -> Result<(u32, &'a mut [u8]), OpenError> {
    let sum = sum.get(..sealed.icv.len()).ok_or(OpenError::Length)?;
    if !equal(sum, sealed.icv) {
        return Err(OpenError::Integrity);
    }
    let blocks = sealed.message.get_mut(HEADER_LEN..);
    Ok((sealed.sequence, blocks.ok_or(OpenError::Length)?))
}

fn open_aead(suite: Suite, sealed: Sealed<'_>, aead: &Aead) -> Result<Opened, OpenError> {
    let (head, body) = sealed
        .message
        .split_at_mut_checked(suite.header_len())
        .ok_or(OpenError::Length)?;
    let (aad, iv) = head.split_at_checked(HEADER_LEN).ok_or(OpenError::Length)?;
    let iv = iv.first_chunk::<8>().ok_or(OpenError::Length)?;
    let icv = sealed.icv.first_chunk::<16>().ok_or(OpenError::Length)?;
    if !aead.decrypt(iv, aad, body, icv) {
        return Err(OpenError::Integrity);
    }
    opened(suite, sealed.sequence, body)
}

fn opened(suite: Suite, sequence: u32, body: &[u8]) -> Result<Opened, OpenError> {
    let (payload_len, next_header) = read_trailer(body)?;
    let header = suite.header_len();
    Ok(Opened {
        sequence,
        next_header,
        payload: header..header.saturating_add(payload_len),
    })
}

/// Length of the payload, and the next header. RFC 4303 §2.4: the padding should be inspected.
pub(crate) fn read_trailer(body: &[u8]) -> Result<(usize, u8), OpenError> {
    let (rest, &[padding, next_header]) = body.split_last_chunk::<2>().ok_or(OpenError::Length)?;
    let len = rest
        .len()
        .checked_sub(usize::from(padding))
        .ok_or(OpenError::Padding)?;
    let pad = rest.get(len..).ok_or(OpenError::Padding)?;
    if pad
        .iter()
        .zip(1..=u8::MAX)
        .all(|(byte, value)| *byte == value)
    {
        Ok((len, next_header))
    } else {
        Err(OpenError::Padding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers() {
        assert_eq!(read_trailer(&[9, 9, 1, 2, 2, 17]), Ok((2, 17)));
        assert_eq!(read_trailer(&[0, 59]), Ok((0, 59)));
        assert_eq!(read_trailer(&[9, 9, 1, 3, 2, 17]), Err(OpenError::Padding));
        assert_eq!(read_trailer(&[1, 2, 3, 17]), Err(OpenError::Padding));
        assert_eq!(read_trailer(&[17]), Err(OpenError::Length));
    }

    #[test]
    fn the_longest_padding() {
        let mut body: Vec<u8> = (1..=255).collect();
        body.extend([255, 17]);
        assert_eq!(read_trailer(&body), Ok((0, 17)));
    }
}
