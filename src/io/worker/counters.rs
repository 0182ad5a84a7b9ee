//! What the packet threads count.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)+) => {
        /// Numbers of a worker, which it writes and anybody may read.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Counter,)+
        }

        impl Counters {
            /// Every number with its name, in a fixed order.
            pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
                [$(($label, self.$name.value()),)+].into_iter()
            }
        }
    };
}

impl Counters {
    /// What was lost here, with its name, where anything was.
    pub fn lost(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let moved = [
            "received",
            "sent",
            "keepalives",
            "tun-read",
            "tun-written",
            "handed-over",
        ];
        self.all()
            .filter(move |(name, count)| *count > 0 && !moved.contains(name))
    }
}

counters! {
    /// Datagrams and raw packets received.
    received = "received",
    /// Datagrams and raw packets sent.
    sent = "sent",
    /// NAT keep-alives received (RFC 3948 §2.3).
    keepalives = "keepalives",
    /// Too short to be anything, or no packet at all.
    runts = "runts",
    /// Longer than any IKE message may be.
    oversized_ike = "oversized-ike",
    /// New IKE exchanges beyond what one source may begin.
    limited_ike = "limited-ike",
    /// IKE messages for which the control plane had no room.
    dropped_ike = "dropped-ike",
    /// Messages out of an SA for which the control plane had no room.
    dropped_upcalls = "dropped-upcalls",
    /// Messages out of an SA whose peer had too many waiting.
    dropped_credit = "dropped-credit",
    /// Packets the kernel had no room for when sending.
    send_full = "send-full",
    /// Packets too long to be sent.
    send_too_long = "send-too-long",
    /// Packets that could not be sent for another reason.
    send_failed = "send-failed",
    /// Paths that no socket of this worker serves.
    no_socket = "no-socket",
    /// Packets read from the TUN device.
    tun_read = "tun-read",
    /// Packets written to the TUN device.
    tun_written = "tun-written",
    /// Packets that the TUN device, or whoever stands in for it, did not take.
    tun_dropped = "tun-dropped",
    /// Packets from the TUN device given to the worker that owns the peer they are for.
    handed_over = "handed-over",
    /// Packets that their owner had no room for.
    handover_full = "handover-full",
    /// Packets of a peer that had too many waiting at its owner.
    handover_share = "handover-share",
    /// Errors while receiving.
    receive_failed = "receive-failed",
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// What has been counted.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
