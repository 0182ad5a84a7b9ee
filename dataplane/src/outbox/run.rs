//! Packets of one peer, back to back.

use std::sync::Arc;

use esp::{SealError, Unsealed};
use wire::{Path, PeerId};

use crate::outbox::Departure;
use crate::sa::{Form, OutboundSa};
use crate::session::Session;

/// Bytes of sealed packets: twice what leaves in one message, so that a super-packet of 64 KiB
/// is sealed in one go, whatever the packets are cut into.
const ARENA: usize = 128 * 1024;

/// Packets, likewise.
const PACKETS: usize = 2 * Departure::MAX_PACKETS;

/// A row of packets, each where it is sealed and sent from. They belong to one session, are sealed
/// under one association, and go one way.
pub(crate) struct Run {
    arena: Box<[u8]>,
    /// Where the next packet goes.
    end: usize,
    packets: [Laid; PACKETS],
    len: usize,
    owner: Option<Owner>,
    opened: u64,
}

/// A packet in its place.
#[derive(Debug, Clone, Copy, Default)]
struct Laid {
    /// Bytes that ESP carries.
    payload: u16,
    /// Bytes of the IP packet in it.
    carried: u16,
}

/// Whose the packets are, and how they go.
pub(crate) struct Owner {
    pub(crate) session: Arc<Session>,
    pub(crate) sa: Arc<OutboundSa>,
    pub(crate) path: Path,
    pub(crate) form: Form,
}

impl Owner {
    pub(crate) fn peer(&self) -> PeerId {
        self.session.link.peer
    }
}

impl Run {
    pub(crate) fn new() -> Self {
        Self {
            arena: vec![0; ARENA].into(),
            end: 0,
            packets: [Laid::default(); PACKETS],
            len: 0,
            owner: None,
            opened: 0,
        }
    }

    /// Whose packets are in it; `None`: it is free.
    pub(crate) const fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// Which one it is, counted from the first that was opened.
    pub(crate) const fn opened(&self) -> u64 {
        self.opened
    }

    /// Packets in it.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Begins anew.
    pub(crate) fn open(&mut self, owner: Owner, stamp: u64) {
        (self.len, self.end, self.opened) = (0, 0, stamp);
        self.owner = Some(owner);
    }

    /// Ends it, whatever is in it, and tells whose it was.
    pub(crate) const fn close(&mut self) -> Option<Owner> {
        self.owner.take()
    }

    /// Where the payload of the next packet goes, which is of `payload` bytes; `None` if the run
    /// is full or of nobody.
    pub(crate) fn room(&mut self, payload: usize) -> Option<&mut [u8]> {
        let suite = self.owner.as_ref()?.form.suite;
        let end = self.end.checked_add(suite.sealed_len(payload))?;
        if end > self.arena.len() || self.len >= PACKETS {
            return None;
        }
        let start = self.end.checked_add(suite.header_len())?;
        self.arena.get_mut(start..start.checked_add(payload)?)
    }

    /// What has been written to [`Self::room`] is a packet now; `carried` bytes of it are the IP
    /// packet. `None` if it is longer than any packet.
    pub(crate) fn lay(&mut self, payload: usize, carried: usize) -> Option<()> {
        let suite = self.owner.as_ref()?.form.suite;
        *self.packets.get_mut(self.len)? = Laid {
            payload: payload.try_into().ok()?,
            carried: carried.try_into().ok()?,
        };
        self.len = self.len.checked_add(1)?;
        self.end = self.end.checked_add(suite.sealed_len(payload))?;
        Some(())
    }

    /// Keeps the first `len` packets only.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Bytes of the IP packets in it.
    pub(crate) fn carried(&self) -> usize {
        self.laid()
            .iter()
            .map(|packet| usize::from(packet.carried))
            .sum()
    }

    fn laid(&self) -> &[Laid] {
        self.packets.get(..self.len).unwrap_or_default()
    }

    /// Seals all with the numbers from `first` on, and tells how many bytes they are.
    pub(crate) fn seal(&mut self, owner: &Owner, first: u32) -> Result<usize, SealError> {
        let laid = self.packets.get(..self.len).unwrap_or_default();
        let (mut rest, mut first, mut sealed) = (&mut *self.arena, first, 0_usize);
        for group in laid.chunks(esp::BATCH) {
            let mut batch: [Unsealed<'_>; esp::BATCH] =
                std::array::from_fn(|_| Unsealed::default());
            for (packet, laid) in batch.iter_mut().zip(group) {
                let payload = usize::from(laid.payload);
                let len = owner.form.suite.sealed_len(payload);
                let room = rest.split_off_mut(..len).ok_or(SealError::Tailroom)?;
                *packet = Unsealed { room, payload };
                sealed = sealed.saturating_add(len);
            }
            let batch = batch.get_mut(..group.len()).ok_or(SealError::Payload)?;
            owner.sa.seal_batch(owner.form, first, batch)?;
            first = first.wrapping_add(u32::try_from(group.len()).unwrap_or(0));
        }
        Ok(sealed)
    }

    /// The packets, put together as far as they may leave together: those of equal length in a
    /// row, and one shorter.
    pub(crate) fn departures(&self, owner: &Owner) -> impl Iterator<Item = Departure<'_>> {
        let (peer, path, suite) = (owner.peer(), owner.path, owner.form.suite);
        let mut lengths = self
            .laid()
            .iter()
            .map(move |packet| suite.sealed_len(packet.payload.into()))
            .peekable();
        let mut rest = &*self.arena;
        std::iter::from_fn(move || {
            let segment = lengths.next()?;
            let (mut len, mut packets, mut last) = (segment, 1, segment);
            while let Some(next) = lengths.next_if(|next| {
                last == segment
                    && *next <= segment
                    && packets < Departure::MAX_PACKETS
                    && len.saturating_add(*next) <= Departure::MAX_LEN
            }) {
                (last, len) = (next, len.saturating_add(next));
                packets = packets.saturating_add(1);
            }
            let bytes = rest.split_off(..len)?;
            Some(Departure {
                peer,
                path,
                bytes,
                segment,
            })
        })
    }
}
