//! A queue of a TUN device.

use std::io::{self, IoSlice, IoSliceMut};
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

    /// Reads one IP packet, or one super-packet, and the header that describes it: all zeros where
    /// there is no offload, as for a packet that is complete. Returns the length of the packet, for
    /// which there should be room for 65,535 bytes: what does not fit is cut off. Does not wait.
    ///
    /// # Errors
    /// `WouldBlock`, and what the kernel reports.
    pub fn recv(&self, header: &mut [u8; VnetHeader::LEN], packet: &mut [u8]) -> io::Result<usize> {
        if self.offload == Offload::None {
            *header = [0; VnetHeader::LEN];
            return Ok(rustix::io::read(&self.device, packet)?);
        }
        let mut parts = [IoSliceMut::new(header), IoSliceMut::new(packet)];
        let read = rustix::io::readv(&self.device, &mut parts)?;
        Ok(read.saturating_sub(VnetHeader::LEN))
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
