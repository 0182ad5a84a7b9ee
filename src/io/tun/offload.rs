//! Segmentation offload: how much of it a device can be opened with.

use std::io;

use rustix::io::Errno;
use tracing::{info, warn};
use tun_rs::{DeviceBuilder, SyncDevice};

/// What a device and we hand each other as one super-packet of up to 64 KiB, with a
/// [`dataplane::offload::VnetHeader`] in front of every packet (`IFF_VNET_HDR`). Each includes what is
/// above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Offload {
    /// Nothing: packets pass one by one, without a header.
    #[default]
    None,
    /// Runs of TCP segments, and checksums that are still to be made (`TUN_F_CSUM`,
    /// `TUN_F_TSO4`, `TUN_F_TSO6`).
    Tcp,
    /// Runs of UDP datagrams, too (`TUN_F_USO4`, `TUN_F_USO6`, since Linux 6.2).
    TcpAndUdp,
}

impl Offload {
    /// What was granted when the device was opened.
    pub(super) fn of(device: &SyncDevice) -> Self {
        match (device.tcp_gso(), device.udp_gso()) {
            (false, _) => Self::None,
            (true, false) => Self::Tcp,
            (true, true) => Self::TcpAndUdp,
        }
    }

    /// Tells the log what of it a device does not have although it was wanted. To be called once
    /// for a device, or for many of a kind.
    pub fn tell_shortfall(self, device: &str, wanted: bool) {
        match self {
            Self::None if wanted => warn!(
                "This kernel refuses segmentation offload on the TUN device {device}: every packet \
                 is handed over alone. Everything works, but costs several times as much \
                 (tun.offload = false, and it is not tried)"
            ),
            Self::Tcp => info!(
                "This kernel has no segmentation offload for UDP on the TUN device {device} (Linux \
                 has it since 6.2): UDP packets are handed over one by one, TCP is not affected"
            ),
            Self::None | Self::TcpAndUdp => {}
        }
    }
}

/// Opens the first queue of a device: with offload, if that is `wanted` and the kernel can do it.
///
/// # Errors
/// What the kernel reports on a device without offload.
pub(super) fn open(name: &str, multi_queue: bool, wanted: bool) -> io::Result<SyncDevice> {
    // An MTU, addresses and the state are set through netlink; the crate's own way through them
    // is not asked for.
    let build = |offload| {
        DeviceBuilder::new()
            .name(name)
            .multi_queue(multi_queue)
            .offload(offload)
            .enable(false)
            .build_sync()
    };
    if !wanted {
        return build(false);
    }
    // UDP on top of TCP is the crate's doing: it asks for 0x67 after 0x07, and takes a no.
    match build(true) {
        Err(error) if is_refusal(&error) => build(false),
        other => other,
    }
}

/// Whether an error may mean that just the offload is not to be had: a kernel, or a program that
/// plays one for a container, without `IFF_VNET_HDR` or `TUNSETOFFLOAD`.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INVAL | Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_offload_can_cause_is_tried_again_without() {
        for errno in [Errno::INVAL, Errno::NOTTY, Errno::OPNOTSUPP, Errno::NOSYS] {
            assert!(is_refusal(&errno.into()), "{errno}");
        }
        for errno in [Errno::BUSY, Errno::PERM, Errno::NOENT, Errno::MFILE] {
            assert!(!is_refusal(&errno.into()), "{errno}");
        }
    }
}
