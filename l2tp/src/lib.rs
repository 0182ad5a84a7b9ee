//! L2TPv2 (RFC 2661) as LNS and as client, sans-IO.
//!
//! - [`Endpoint`]: all tunnels and sessions of this host. Control messages and time go in, one
//!   ordered queue of [`Output`] comes out;
//! - [`codec`]: headers, AVPs and control messages as values;
//! - [`reliable`]: the delivery of control messages (RFC 2661 §5.8), on its own.
//!
//! A tunnel belongs to a peer (a secured path, [`wire::PeerId`]) and is found by the peer and the
//! tunnel id that we assigned, never by address and port. Data messages do not pass through here:
//! the packet path handles them and reports signs of life with [`Endpoint::note_data`].
//!
//! Where this is not RFC 2661 to the letter:
//!
//! - Several tunnels of one peer stand side by side, so Tie Breakers (§4.4.3) are ignored and none
//!   is sent. A peer that we opened a tunnel to may not open one to us.
//! - An acknowledgement never waits (§5.8 allows a quarter of the round trip): if nothing else
//!   leaves in the same call, a ZLB does. Android does not go on without it.
//! - An established tunnel is dead after unanswered tries only if the peer has also been silent
//!   for long (§5.5): no data either.
//! - Messages for unknown tunnels are dropped and counted. Those on tunnel 0, but for SCCRQ, count
//!   for the only tunnel of their peer.
#![forbid(unsafe_code)]

pub mod codec;
mod config;
mod counters;
mod endpoint;
mod event;
pub mod habits;
mod reason;
pub mod reliable;
mod tunnel;

pub use codec::{DisconnectCode, DisconnectDirection, ResultCode};
pub use config::{Config, Limits, Timing};
pub use counters::{Counters, DropReason};
pub use endpoint::Endpoint;
pub use event::{Event, Output, PeerInfo, SessionUp, Timer, Transmit, TunnelUp};
pub use habits::Habits;
pub use reason::{CloseReason, DisconnectCause, PeerResult, Refusal};
pub use tunnel::{Role, SessionId, TunnelId};
