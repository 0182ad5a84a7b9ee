//! The data plane: tables of security associations and sessions, and the pure functions that each
//! packet goes through. No I/O.
//!
//! ```text
//! in :  ESP → slot of its SPI → replay → open → replay → UDP → L2TP ┬ control ─────→ engine
//!                                                                   └ session → PPP ┬ other → engine
//!                                                                                   └ IP → checks ┬ DHCP → engine
//!                                                                                                 └ TUN
//! out:  TUN → segments → destination → session → size → PPP + L2TP + UDP in front → outbox → seal → UDP or protocol 50
//! ```
//!
//! [`DataPlane`] is shared by all packet threads and the control plane. The control plane changes
//! it with [`DataPlane::apply`]; packets go through [`DataPlane::ingress`] and [`DataPlane::egress`]
//! (many at a time: [`DataPlane::ingress_batch`] and [`DataPlane::egress_batch`]), which take no lock
//! and allocate nothing. What they notice is kept in sticky flags that the control plane collects
//! with [`DataPlane::notices`], so none is lost however slow it is.
//!
//! A peer is its secured path: everything that comes in is looked up by SPI, then within the peer
//! that owns the SA, never by an inner address or port.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

mod allowance;
mod apply;
mod batch;
mod buffer;
mod classify;
mod dhcp;
mod directory;
mod dirty;
mod drops;
mod egress;
mod fragment;
mod ingress;
mod l2tp;
mod mss;
pub mod net;
mod notice;
pub mod offload;
mod outbox;
pub mod owner;
mod peer;
mod plane;
mod ppp;
mod sa;
mod session;
mod spi;
#[cfg(test)]
mod tests;
mod traffic;
mod update;

pub use buffer::{Buffer, HEADROOM, TAILROOM, TooLong};
pub use classify::{NatT, classify_natt};
pub use drops::DropReason;
pub use egress::Egress;
pub use fragment::Fragments;
pub use ingress::Ingress;
pub use notice::Notice;
pub use outbox::{Departure, Outbox};
pub use peer::PeerUsage;
pub use plane::{Config, DataPlane, Occupancy};
pub use sa::SaUsage;
pub use session::{AddSession, Dhcp, Network, Remote, SessionId, SessionUsage};
pub use spi::{SlotCount, SpiAllocator};
pub use traffic::Traffic;
pub use update::{Update, UpdateError};
