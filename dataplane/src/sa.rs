//! Security associations.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use esp::{
    Incoming, OpenError, Opened, Opener, ReplayWindow, SealError, Sealer, SequenceCounter, Suite,
    Unsealed,
};
use wire::Carrier;

use crate::net::ip;
use crate::peer::Peer;
use crate::traffic::{Meter, Traffic};

/// What an association has been used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaUsage {
    /// ESP packets (authentic ones, inbound) and their bytes from the SPI on.
    pub traffic: Traffic,
    /// Outbound: the last sequence number used. Inbound: the highest accepted.
    pub sequence: u64,
}

/// How long the check values of a pair of associations are: fixed for both by the first packet
/// that is authentic.
///
/// QUIRK(Android 6, 7): their kernels cut HMAC-SHA-256 to 96 bits instead of 128.
#[derive(Debug, Default)]
pub(crate) struct Truncation(AtomicU8);

impl Truncation {
    const UNKNOWN: u8 = 0;
    const ABSENT: u8 = 1;
    const PRESENT: u8 = 2;

    pub(crate) fn is_present(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::PRESENT
    }

    /// What comes first holds.
    fn settle(&self, value: u8) {
        let _ = self
            .0
            .compare_exchange(Self::UNKNOWN, value, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A failed check leaves the packet as it was, so that it can be made twice.
    fn open(&self, opener: &Opener, packet: &mut [u8]) -> Result<Opened, OpenError> {
        match self.0.load(Ordering::Relaxed) {
            Self::ABSENT => return opener.open(packet),
            Self::PRESENT => return opener.open_truncated(packet),
            _ => {}
        }
        let (opened, found) = match opener.open(packet) {
            Err(OpenError::Length | OpenError::Integrity) => {
                (opener.open_truncated(packet), Self::PRESENT)
            }
            opened => (opened, Self::ABSENT),
        };
        if matches!(opened, Ok(_) | Err(OpenError::Padding)) {
            self.settle(found);
        }
        opened
    }
}

/// One direction, towards us.
pub(crate) struct InboundSa {
    pub(crate) spi: u32,
    opener: Opener,
    /// Set where a truncated check value is looked for.
    pub(crate) truncation: OnceLock<Arc<Truncation>>,
    pub(crate) window: ReplayWindow,
    /// Can change once: when a provisional peer turns out to be an older one.
    pub(crate) peer: ArcSwap<Peer>,
    /// How ESP was negotiated to come.
    pub(crate) carrier: Carrier,
    /// Set by the first authentic packet.
    pub(crate) used: AtomicBool,
    pub(crate) meter: Meter,
}

impl InboundSa {
    pub(crate) fn new(spi: u32, peer: Arc<Peer>, opener: Opener, carrier: Carrier) -> Self {
        Self {
            spi,
            opener,
            truncation: OnceLock::new(),
            window: ReplayWindow::new(),
            peer: ArcSwap::new(peer),
            carrier,
            used: AtomicBool::new(false),
            meter: Meter::default(),
        }
    }

    /// Opens a packet in place.
    pub(crate) fn open(&self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        match self.truncation.get() {
            None => self.opener.open(packet),
            Some(truncation) => truncation.open(&self.opener, packet),
        }
    }

    /// Opens packets in place, side by side where nothing is to be found out about them.
    pub(crate) fn open_batch(&self, packets: &mut [Incoming<'_>]) {
        match self.truncation.get() {
            None => self.opener.open_batch(packets),
            Some(_) => {
                for incoming in packets {
                    incoming.outcome = self.open(incoming.packet);
                }
            }
        }
    }

    /// Whether its peer has turned out to truncate.
    pub(crate) fn is_truncated(&self) -> bool {
        self.truncation
            .get()
            .is_some_and(|found| found.is_present())
    }

    pub(crate) fn usage(&self) -> SaUsage {
        SaUsage {
            traffic: self.meter.read(),
            sequence: self.window.highest(),
        }
    }
}

/// Where everything lies in a sealed packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Knows the lengths: the association's own, or what its peer makes of it.
    pub(crate) suite: Suite,
    /// The check value is cut, which [`Sealer::seal_batch`] does not do.
    truncated: bool,
}

/// One direction, towards the peer.
pub(crate) struct OutboundSa {
    pub(crate) sealer: Sealer,
    /// That of the inbound association of the pair, if it is looked for.
    pub(crate) truncation: OnceLock<Arc<Truncation>>,
    pub(crate) sequence: SequenceCounter,
    /// That the numbers run low has been noticed.
    pub(crate) low: AtomicBool,
    pub(crate) meter: Meter,
}

impl OutboundSa {
    pub(crate) fn new(sealer: Sealer) -> Self {
        Self {
            sealer,
            truncation: OnceLock::new(),
            sequence: SequenceCounter::new(),
            low: AtomicBool::new(false),
            meter: Meter::default(),
        }
    }

    /// How packets are sealed now.
    pub(crate) fn form(&self) -> Form {
        let found = self.truncation.get();
        let suite = self.sealer.suite();
        let truncated = found
            .filter(|found| found.is_present())
            .and_then(|_| suite.truncated());
        Form {
            suite: truncated.unwrap_or(suite),
            truncated: truncated.is_some(),
        }
    }

    /// Seals the UDP packet that lies at `payload`.
    pub(crate) fn seal(
        &self,
        sequence: u32,
        bytes: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, SealError> {
        if self.form().truncated {
            self.sealer
                .seal_truncated(sequence, ip::UDP, bytes, payload)
        } else {
            self.sealer.seal(sequence, ip::UDP, bytes, payload)
        }
    }

    /// Seals UDP packets with the numbers from `first` on, each of which lies in its place for
    /// `form`.
    pub(crate) fn seal_batch(
        &self,
        form: Form,
        first: u32,
        packets: &mut [Unsealed<'_>],
    ) -> Result<(), SealError> {
        if !form.truncated {
            return self.sealer.seal_batch(first, ip::UDP, packets);
        }
        let start = form.suite.header_len();
        for (packet, sequence) in packets.iter_mut().zip(first..=u32::MAX) {
            let place = start..start.saturating_add(packet.payload);
            self.sealer
                .seal_truncated(sequence, ip::UDP, packet.room, place)?;
        }
        Ok(())
    }

    pub(crate) fn usage(&self) -> SaUsage {
        SaUsage {
            traffic: self.meter.read(),
            sequence: self.sequence.last(),
        }
    }
}
