//! A queue of a TUN device.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};

use dataplane::offload::VnetHeader;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tun_rs::SyncDevice;

use super::offload::Offload;

/// One queue of a TUN device: IP packets, one or one super-packet per call.
pub struct TunQueue {
    device: SyncDevice,
    offload: Offload,
}

impl std::fmt::Debug for TunQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TunQueue")
            .field("fd", &self.as_fd())
            .field("offload", &self.offload)
            .finish()
    }
}

impl TunQueue {
    pub(super) fn new(device: SyncDevice) -> io::Result<Self> {
        fcntl_setfl(&device, fcntl_getfl(&device)? | OFlags::NONBLOCK)?;
        let offload = Offload::of(&device);
        Ok(Self { device, offload })
    }

    /// Which super-packets come out of it, and may be written to it.
    pub const fn offload(&self) -> Offload {
        self.offload
    }

    /// Room for whatever [`Self::recv`] may read, in bytes.
    pub const ROOM: usize = VnetHeader::LEN + 65_535;

    /// Reads one IP packet, or one super-packet, with the header in front that describes it: all
    /// zeros where there is no offload, as for a packet that is complete. Returns both; nothing of
    /// a packet is nothing at all. What does not fit into `room`, which should be of
    /// [`Self::ROOM`] bytes, is cut off. Does not wait.
    ///
    /// They are read as one piece, since the kernel has less to do with that than with a list of two.
    ///
    /// # Errors
    /// `WouldBlock`, and what the kernel reports.
    pub fn recv<'r>(
        &self,
        room: &'r mut [u8],
    ) -> io::Result<([u8; VnetHeader::LEN], &'r mut [u8])> {
        let plain = VnetHeader::PLAIN.encode();
        let length = rustix::io::read(&self.device, &mut *room)?;
        let read = room.get_mut(..length).unwrap_or_default();
        if self.offload == Offload::None {
            return Ok((plain, read));
        }
        Ok(match read.split_first_chunk_mut() {
            Some((header, packet)) => (*header, packet),
            None => (plain, &mut []),
        })
    }

    /// Writes one IP packet, or one super-packet: the first part is the [`VnetHeader`] that
    /// describes it, the others are the packet. Does not wait.
    ///
    /// Without offload the header is not written, so that only complete packets may be.
    ///
    /// # Errors
    /// What the kernel reports; it takes 1,024 parts.
    pub fn send(&self, header_and_packet: &[IoSlice<'_>]) -> io::Result<()> {
        let skipped = usize::from(self.offload == Offload::None);
        let parts = header_and_packet.get(skipped..).unwrap_or_default();
        rustix::io::writev(&self.device, parts)?;
        Ok(())
    }
}

impl AsFd for TunQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}
