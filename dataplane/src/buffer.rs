//! Room for one packet with space around it, so that headers are put on without copying.

use std::ops::Range;

use crate::net::udp;
use crate::{l2tp, ppp};

/// Bytes in front of a packet: ESP header and vector, UDP, L2TP with sequence numbers, PPP, and a
/// little more, so that packets start on an even cache line.
pub const HEADROOM: usize = 64;

/// Bytes behind a packet for padding, trailer and check value.
pub const TAILROOM: usize = 64;

const _: () = assert!(
    HEADROOM >= esp::MAX_HEADROOM + udp::HEADER_LEN + l2tp::MAX_HEADER_LEN + ppp::MAX_HEADER_LEN
);
const _: () = assert!(TAILROOM >= esp::MAX_TAILROOM);

/// One packet with [`HEADROOM`] and [`TAILROOM`], used again and again: a worker has a few and
/// allocates nothing more.
#[derive(Debug, Clone)]
pub struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

/// The packet is longer than the buffer's capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the packet is longer than the buffer's capacity")]
pub struct TooLong;

impl Default for Buffer {
    /// For packets of a link with the usual MTU of 1500, and some.
    fn default() -> Self {
        Self::with_capacity(2048)
    }
}

impl Buffer {
    /// For packets of up to `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let bytes = vec![0; capacity.saturating_add(HEADROOM).saturating_add(TAILROOM)];
        Self {
            bytes: bytes.into(),
            start: HEADROOM,
            end: HEADROOM,
        }
    }

    /// The longest packet that can be put in.
    pub const fn capacity(&self) -> usize {
        self.bytes
            .len()
            .saturating_sub(HEADROOM)
            .saturating_sub(TAILROOM)
    }

    /// Empties the buffer and gives the place to read a packet into; [`Buffer::set_len`] says
    /// afterwards how long it is.
    pub fn space(&mut self) -> &mut [u8] {
        (self.start, self.end) = (HEADROOM, HEADROOM);
        let end = self.bytes.len().saturating_sub(TAILROOM);
        self.bytes.get_mut(HEADROOM..end).unwrap_or_default()
    }

    /// The packet is now the first `len` bytes of [`Buffer::space`].
    ///
    /// # Errors
    /// If the space is not so long.
    pub fn set_len(&mut self, len: usize) -> Result<(), TooLong> {
        if len > self.capacity() {
            return Err(TooLong);
        }
        (self.start, self.end) = (HEADROOM, HEADROOM.saturating_add(len));
        Ok(())
    }

    /// Copies a packet in.
    ///
    /// # Errors
    /// If it is too long.
    pub fn load(&mut self, packet: &[u8]) -> Result<(), TooLong> {
        self.space()
            .get_mut(..packet.len())
            .ok_or(TooLong)?
            .copy_from_slice(packet);
        self.set_len(packet.len())
    }

    /// The packet.
    pub fn packet(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The packet.
    pub fn packet_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Puts `len` bytes in front and returns them to be filled in.
    pub(crate) fn prepend(&mut self, len: usize) -> Option<&mut [u8]> {
        let start = self.start.checked_sub(len)?;
        let new = self.bytes.get_mut(start..self.start)?;
        self.start = start;
        Some(new)
    }

    /// Everything, and where in it the packet lies.
    pub(crate) fn parts(&mut self) -> (&mut [u8], Range<usize>) {
        (&mut self.bytes, self.start..self.end)
    }

    /// The packet lies here now.
    pub(crate) fn set_range(&mut self, range: Range<usize>) {
        (self.start, self.end) = (range.start, range.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_in_front_and_behind() {
        let mut buffer = Buffer::with_capacity(100);
        assert_eq!(buffer.capacity(), 100);
        assert_eq!(buffer.load(&[0; 101]), Err(TooLong));
        buffer.load(&[1, 2, 3]).unwrap();
        buffer.prepend(2).unwrap().fill(9);
        assert_eq!(buffer.packet(), [9, 9, 1, 2, 3]);
        assert!(buffer.prepend(HEADROOM).is_none());
        assert_eq!(buffer.packet(), [9, 9, 1, 2, 3]);
        assert_eq!(buffer.space().len(), 100);
        assert_eq!(buffer.packet(), [] as [u8; 0]);
    }
}
