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
            "received-joined",
            "sent",
            "sent-joined",
            "keepalives",
            "tun-read",
            "tun-read-super",
            "tun-written",
            "tun-written-super",
            "handed-over",
        ];
        self.all()
            .filter(move |(name, count)| *count > 0 && !moved.contains(name))
    }
}

counters! {
    /// Datagrams and raw packets received.
    received = "received",
    /// Messages of several datagrams, which the kernel has joined.
    received_joined = "received-joined",
    /// Datagrams and raw packets sent.
    sent = "sent",
    /// Runs of several packets that were handed to the kernel at once.
    sent_joined = "sent-joined",
    /// NAT keep-alives received (RFC 3948 §2.3).
    keepalives = "keepalives",
    /// Too short to be anything, or no packet at all.
    runts = "runts",
    /// Longer than any IKE message may be.
    oversized_ike = "oversized-ike",
    /// IKE messages with cookies that are none of ours: forged, or of before the start.
    foreign_cookies = "foreign-cookies",
    /// IKE messages that begin something, beyond what one source may send.
    limited_first_ike = "limited-first-ike",
    /// Other IKE messages beyond what one source may send.
    limited_ike = "limited-ike",
    /// IKE messages that begin something, for which the control plane had no room.
    dropped_first_ike = "dropped-first-ike",
    /// Other IKE messages for which the control plane had no room.
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
    /// Packets read from the TUN device, a super-packet being one.
    tun_read = "tun-read",
    /// Super-packets among them.
    tun_read_super = "tun-read-super",
    /// Packets read from the TUN device with an offload that was not agreed on.
    tun_unknown = "tun-unknown",
    /// Packets written to the TUN device, all of a super-packet counted.
    tun_written = "tun-written",
    /// Super-packets made of them.
    tun_written_super = "tun-written-super",
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
        self.add(1);
    }

    /// Counts so many more.
    pub(super) fn add(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// What has been counted.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
