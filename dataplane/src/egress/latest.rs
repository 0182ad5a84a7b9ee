//! The way of the packet before.
//!
//! Small packets come one by one, and mostly the next one goes where the last one went. Then
//! nothing is looked up: it is laid behind the other, with the same headers in front.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use crate::egress::fill_checksum;
use crate::egress::headers::Headers;
use crate::mss;
use crate::offload::Segments;
use crate::outbox::Outbox;
use crate::plane::DataPlane;

/// Where the last packet went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latest {
    /// Whom it was for.
    pub(crate) destination: IpAddr,
    /// [`DataPlane::changes`] from before it was looked up.
    pub(crate) changes: u64,
    /// When its run was opened.
    pub(crate) opened: u64,
    /// What TCP may agree on, in bytes of an IP packet.
    pub(crate) clamp: u16,
    /// Bytes of it.
    pub(crate) len: usize,
    /// What is in front of a packet of that length.
    pub(crate) headers: Headers,
}

impl DataPlane {
    /// How often the tables have been changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Lays a packet behind the last one, if it goes the same way and is as long: since then nothing
    /// has changed, and the other one still waits. `None` if it is to be looked up; no matter how
    /// far this came, it is as it was but for a clamped MSS.
    pub(crate) fn follow(&self, segments: &mut Segments<'_>, outbox: &mut Outbox) -> Option<()> {
        let Outbox { runs, latest, .. } = outbox;
        let latest = latest.as_ref()?;
        let header = *segments.header();
        let is_alike = segments.is_whole()
            && latest.destination == header.destination
            && segments.next_len() == Some(latest.len)
            && latest.changes == self.changes();
        let run = runs.latest().filter(|run| run.opened() == latest.opened)?;
        let owner = run.owner()?;
        if !is_alike || owner.sa.form() != owner.form {
            return None;
        }
        let path = owner.path;
        mss::clamp(segments.packet_mut(), &header, latest.clamp);
        let headers = latest.headers.as_slice();
        let payload = headers.len().checked_add(latest.len)?;
        let room = run.room(payload)?;
        let (front, packet) = room.split_at_mut_checked(headers.len())?;
        front.copy_from_slice(headers);
        segments.next_into(packet)?;
        fill_checksum(&path, room);
        run.lay(payload, latest.len)
    }
}
