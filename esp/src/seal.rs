//! Sending: RFC 4303 §3.3.

use std::ops::Range;

use crate::HEADER_LEN;
use crate::cipher::{Aead, CbcEncrypt, LengthError};
use crate::integrity::Authenticator;
use crate::lanes::{LANES, SideBySide};
use crate::suite::{KeyError, Keys, Suite};

/// Seals the packets of one outbound security association.
///
/// Key schedule and HMAC state are made once. Sequence numbers come from outside (see
/// [`crate::SequenceCounter`]), so that whoever owns the association decides about their order.
pub struct Sealer {
    suite: Suite,
    spi: u32,
    transform: Transform,
}

enum Transform {
    // Boxed: AES-GCM, whose keys are elsewhere, would take as much room beside them.
    Cbc(Box<(CbcEncrypt, Authenticator)>),
    Aead(Aead),
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({}, spi {:#010x})", self.suite, self.spi)
    }
}

/// A packet for [`Sealer::seal_batch`].
#[derive(Debug, Default)]
pub struct Unsealed<'a> {
    /// Where the ESP packet will be: [`Suite::sealed_len`] bytes, with the payload behind the
    /// first [`Suite::header_len`].
    pub room: &'a mut [u8],
    /// Bytes of the payload.
    pub payload: usize,
}

/// A packet that cannot be sealed where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not [`Suite::header_len`] bytes in front of the payload.
    #[error("not enough room in front of the payload")]
    Headroom,
    /// Not [`Suite::trailer_len`] bytes behind the payload.
    #[error("not enough room behind the payload")]
    Tailroom,
    /// The payload's range does not lie in the buffer, or is too long for the cipher.
    #[error("the payload does not fit")]
    Payload,
    /// Sequence number 0 is never sent (RFC 4303 §3.3.3).
    #[error("sequence number 0 is never sent")]
    Sequence,
}

impl From<LengthError> for SealError {
    fn from(_: LengthError) -> Self {
        Self::Payload
    }
}

impl Sealer {
    /// Prepares the keys.
    ///
    /// # Errors
    /// If the suite is not a valid combination or a key has the wrong length.
    pub fn new(suite: Suite, spi: u32, keys: &Keys) -> Result<Self, KeyError> {
        suite.check()?;
        if keys.encryption.len() != suite.cipher.key_len() {
            return Err(KeyError::EncryptionKeyLength);
        }
        let transform = match suite.integrity {
            Some(integrity) => Transform::Cbc(Box::new((
                CbcEncrypt::new(suite.cipher, keys.encryption.expose())?,
                Authenticator::new(integrity, keys.integrity.expose())?,
            ))),
            None if keys.integrity.is_empty() => {
                Transform::Aead(Aead::new(suite.cipher, keys.encryption.expose())?)
            }
            None => return Err(KeyError::IntegrityKeyLength),
        };
        Ok(Self {
            suite,
            spi,
            transform,
        })
    }

    /// The same, with packets sealed side by side where that was found to be quicker.
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

    /// The peer's number for this association, in front of each packet.
    pub const fn spi(&self) -> u32 {
        self.spi
    }

    /// Seals the payload that lies at `payload` in `buffer`: writes header and initialisation
    /// vector in front of it, padding and check value behind it, and returns where the ESP packet
    /// lies. [`crate::MAX_HEADROOM`] and [`crate::MAX_TAILROOM`] bytes around the payload are
    /// always enough.
    ///
    /// A `sequence` must never be given twice: with AES-GCM that would give the key away
    /// (RFC 4106 §3).
    ///
    /// # Errors
    /// If the buffer is too small, or `sequence` is 0; the payload may then be overwritten.
    pub fn seal(
        &self,
        sequence: u32,
        next_header: u8,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, SealError> {
        self.seal_as(self.suite, sequence, next_header, buffer, payload)
    }

    /// Seals for a peer that cuts SHA-256 to 96 bits ([`Suite::truncated`]); with any other hash
    /// like [`Self::seal`].
    ///
    /// # Errors
    /// As for [`Self::seal`].
    pub fn seal_truncated(
        &self,
        sequence: u32,
        next_header: u8,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, SealError> {
        let suite = self.suite.truncated().unwrap_or(self.suite);
        self.seal_as(suite, sequence, next_header, buffer, payload)
    }

    /// Seals packets with the numbers `first`, `first + 1` …, side by side: with CBC, and with
    /// HMAC-SHA1 and HMAC-SHA256, that is much faster than one after another, from a handful of
    /// packets of about the same length on. The result is the same, byte for byte.
    ///
    /// # Errors
    /// If the room of a packet is not what its payload takes, or the numbers do not suffice:
    /// then nothing is sealed.
    pub fn seal_batch(
        &self,
        first: u32,
        next_header: u8,
        packets: &mut [Unsealed<'_>],
    ) -> Result<(), SealError> {
        let suite = self.suite;
        if packets
            .iter()
            .any(|packet| packet.room.len() != suite.sealed_len(packet.payload))
        {
            return Err(SealError::Payload);
        }
        let count = u32::try_from(packets.len()).map_err(|_| SealError::Sequence)?;
        let end = u64::from(first).saturating_add(count.into());
        if first == 0 || end > u64::from(u32::MAX).saturating_add(1) {
            return Err(SealError::Sequence);
        }
        let mut numbers = first..=u32::MAX;
        for group in packets.chunks_mut(LANES) {
            let numbers = numbers.by_ref().take(group.len());
            match &self.transform {
                Transform::Cbc(keys) if group.len() > 1 => {
                    let (cipher, authenticator) = &**keys;
                    self.seal_lanes(cipher, authenticator, numbers, next_header, group)?;
                }
                _ => {
                    for (packet, sequence) in group.iter_mut().zip(numbers) {
                        let room = &mut *packet.room;
                        self.seal_packet(suite, sequence, next_header, room, packet.payload)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn seal_lanes(
        &self,
        cipher: &CbcEncrypt,
        authenticator: &Authenticator,
        numbers: impl Iterator<Item = u32>,
        next_header: u8,
        group: &mut [Unsealed<'_>],
    ) -> Result<(), SealError> {
        let mut chains: [&mut [u8]; LANES] = std::array::from_fn(|_| &mut [][..]);
        let chains = chains.get_mut(..group.len()).ok_or(SealError::Payload)?;
        for ((chain, packet), sequence) in chains.iter_mut().zip(group.iter_mut()).zip(numbers) {
            let payload = packet.payload;
            let frame = self.frame(self.suite, sequence, next_header, packet.room, payload)?;
            *chain = frame.sealed;
        }
        cipher.encrypt(chains)?;

        let icv_len = self.suite.icv_len();
        let mut messages = [&[][..]; LANES];
        for (message, packet) in messages.iter_mut().zip(group.iter()) {
            let len = packet.room.len().saturating_sub(icv_len);
            *message = packet.room.get(..len).ok_or(SealError::Tailroom)?;
        }
        let messages = messages.get(..group.len()).ok_or(SealError::Payload)?;
        let icvs = authenticator.icvs(messages);
        for (packet, icv) in group.iter_mut().zip(icvs) {
            let at = packet.room.len().saturating_sub(icv_len);
            let room = packet.room.get_mut(at..).ok_or(SealError::Tailroom)?;
            room.copy_from_slice(icv.get(..icv_len).ok_or(SealError::Tailroom)?);
        }
        Ok(())
    }

    fn seal_as(
        &self,
        suite: Suite,
        sequence: u32,
        next_header: u8,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, SealError> {
        let len = payload
            .end
            .checked_sub(payload.start)
            .ok_or(SealError::Payload)?;
        let start = payload
            .start
            .checked_sub(suite.header_len())
            .ok_or(SealError::Headroom)?;
        let end = payload.end.saturating_add(suite.trailer_len(len));
        if payload.end > buffer.len() {
            return Err(SealError::Payload);
        }
        let packet = buffer.get_mut(start..end).ok_or(SealError::Tailroom)?;
        self.seal_packet(suite, sequence, next_header, packet, len)?;
        Ok(start..end)
    }

    /// Seals what lies in its place in `packet`, which is as long as it has to be.
    fn seal_packet(
        &self,
        suite: Suite,
        sequence: u32,
        next_header: u8,
        packet: &mut [u8],
        payload: usize,
    ) -> Result<(), SealError> {
        let frame = self.frame(suite, sequence, next_header, packet, payload)?;
        match &self.transform {
            Transform::Cbc(keys) => {
                let (cipher, authenticator) = &**keys;
                cipher.encrypt(&mut [frame.sealed])?;
                let at = packet.len().saturating_sub(suite.icv_len());
                let (message, icv) = packet.split_at_mut_checked(at).ok_or(SealError::Tailroom)?;
                let sum = authenticator.icv(message);
                icv.copy_from_slice(sum.get(..icv.len()).ok_or(SealError::Tailroom)?);
            }
            Transform::Aead(aead) => {
                // RFC 4106 §3.1: the vector must never repeat under one key; a counter will do.
                let (iv, body) = frame
                    .sealed
                    .split_first_chunk_mut::<8>()
                    .ok_or(SealError::Headroom)?;
                let sum = aead.encrypt(iv, frame.head, body)?;
                frame.icv.copy_from_slice(&sum);
            }
        }
        Ok(())
    }

    /// Writes header and trailer, and tells where everything is.
    fn frame<'a>(
        &self,
        suite: Suite,
        sequence: u32,
        next_header: u8,
        packet: &'a mut [u8],
        payload: usize,
    ) -> Result<Frame<'a>, SealError> {
        if sequence == 0 {
            return Err(SealError::Sequence);
        }
        let at = packet
            .len()
            .checked_sub(suite.icv_len())
            .ok_or(SealError::Tailroom)?;
        let (message, icv) = packet.split_at_mut_checked(at).ok_or(SealError::Tailroom)?;
        let (head, sealed) = message
            .split_at_mut_checked(HEADER_LEN)
            .ok_or(SealError::Headroom)?;
        let (iv, body) = sealed
            .split_at_mut_checked(suite.cipher.iv_len())
            .ok_or(SealError::Headroom)?;
        write_trailer(body, suite.padding_len(payload), next_header)?;
        iv.fill(0);
        *iv.last_chunk_mut().ok_or(SealError::Headroom)? = sequence.to_be_bytes();
        let (spi, number) = head.split_at_mut_checked(4).ok_or(SealError::Headroom)?;
        spi.copy_from_slice(&self.spi.to_be_bytes());
        number.copy_from_slice(&sequence.to_be_bytes());
        Ok(Frame { head, sealed, icv })
    }
}

/// The parts of a packet.
struct Frame<'a> {
    /// SPI and sequence number.
    head: &'a [u8],
    /// The packet's number, in the place and the length of the vector, and behind it what is to
    /// be encrypted.
    sealed: &'a mut [u8],
    icv: &'a mut [u8],
}

/// Padding 1, 2, 3 …, its length, and the next header (RFC 4303 §2.4 to §2.6).
fn write_trailer(body: &mut [u8], padding: usize, next_header: u8) -> Result<(), SealError> {
    let count = u8::try_from(padding).map_err(|_| SealError::Payload)?;
    let (rest, trailer) = body
        .split_last_chunk_mut::<2>()
        .ok_or(SealError::Tailroom)?;
    *trailer = [count, next_header];
    let at = rest.len().checked_sub(padding).ok_or(SealError::Tailroom)?;
    let pad = rest.get_mut(at..).ok_or(SealError::Tailroom)?;
    pad.iter_mut()
        .zip(1..=u8::MAX)
        .for_each(|(byte, value)| *byte = value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{Cipher, Integrity};

    const SUITE: Suite = Suite::new(Cipher::AesCbc128, Some(Integrity::HmacSha1_96));

    fn sealer() -> Sealer {
        let keys = Keys {
            encryption: vec![1; 16].into(),
            integrity: vec![2; 20].into(),
        };
        Sealer::new(SUITE, 0x0102_0304, &keys).unwrap()
    }

    #[test]
    fn refuses_buffers_without_room() {
        let mut buffer = [0; 128];
        let sealer = sealer();
        assert_eq!(
            sealer.seal(1, 17, &mut buffer, 23..40),
            Err(SealError::Headroom)
        );
        assert_eq!(
            sealer.seal(1, 17, &mut buffer, 24..128),
            Err(SealError::Tailroom)
        );
        assert_eq!(
            sealer.seal(1, 17, &mut buffer, 24..129),
            Err(SealError::Payload)
        );
        #[expect(clippy::reversed_empty_ranges, reason = "the very thing to refuse")]
        let backwards = 40..30;
        assert_eq!(
            sealer.seal(1, 17, &mut buffer, backwards),
            Err(SealError::Payload)
        );
        assert_eq!(
            sealer.seal(0, 17, &mut buffer, 24..40),
            Err(SealError::Sequence)
        );
        assert_eq!(sealer.seal(1, 17, &mut buffer, 24..54), Ok(0..68));
    }

    #[test]
    fn header_and_vector_are_where_they_belong() {
        let mut buffer = [0; 128];
        let range = sealer().seal(7, 17, &mut buffer, 24..40).unwrap();
        assert_eq!(
            buffer[range.start..range.start + 8],
            [1, 2, 3, 4, 0, 0, 0, 7]
        );
        let first = buffer[8..24].to_vec();
        sealer().seal(8, 17, &mut buffer, 24..40).unwrap();
        assert_ne!(first, buffer[8..24], "each packet has another vector");
    }

    #[test]
    fn keys_of_wrong_length_are_refused() {
        let keys = |e, i| Keys {
            encryption: vec![0; e].into(),
            integrity: vec![0; i].into(),
        };
        let new = |suite, e, i| Sealer::new(suite, 256, &keys(e, i)).map(|_| ());
        assert_eq!(new(SUITE, 32, 20), Err(KeyError::EncryptionKeyLength));
        assert_eq!(new(SUITE, 16, 16), Err(KeyError::IntegrityKeyLength));
        let gcm = Suite::new(Cipher::AesGcm128, None);
        assert_eq!(new(gcm, 16, 0), Err(KeyError::EncryptionKeyLength));
        assert_eq!(new(gcm, 20, 20), Err(KeyError::IntegrityKeyLength));
        assert_eq!(new(gcm, 20, 0), Ok(()));
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(
            format!("{:?}", sealer()),
            "Sealer(aes128-sha1, spi 0x01020304)"
        );
    }
}
