//! Security associations.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use esp::{KeyError, Keys, Opener, ReplayWindow, Sealer, SequenceCounter, Suite};
use wire::Carrier;

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

/// One direction, towards us.
pub(crate) struct InboundSa {
    pub(crate) spi: u32,
    pub(crate) opener: Opener,
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
    pub(crate) fn new(
        spi: u32,
        peer: Arc<Peer>,
        suite: Suite,
        keys: &Keys,
        carrier: Carrier,
    ) -> Result<Self, KeyError> {
        Ok(Self {
            spi,
            opener: Opener::new(suite, keys)?,
            window: ReplayWindow::new(),
            peer: ArcSwap::new(peer),
            carrier,
            used: AtomicBool::new(false),
            meter: Meter::default(),
        })
    }

    pub(crate) fn usage(&self) -> SaUsage {
        SaUsage {
            traffic: self.meter.read(),
            sequence: self.window.highest(),
        }
    }
}

/// One direction, towards the peer.
pub(crate) struct OutboundSa {
    pub(crate) sealer: Sealer,
    pub(crate) sequence: SequenceCounter,
    /// That the numbers run low has been noticed.
    pub(crate) low: AtomicBool,
    pub(crate) meter: Meter,
}

impl OutboundSa {
    pub(crate) fn new(spi: u32, suite: Suite, keys: &Keys) -> Result<Self, KeyError> {
        Ok(Self {
            sealer: Sealer::new(suite, spi, keys)?,
            sequence: SequenceCounter::new(),
            low: AtomicBool::new(false),
            meter: Meter::default(),
        })
    }

    pub(crate) fn usage(&self) -> SaUsage {
        SaUsage {
            traffic: self.meter.read(),
            sequence: self.sequence.last(),
        }
    }
}
