//! The whole of adit as one sans-IO object: IKE, L2TP, PPP, addresses and authentication.
//!
//! [`Engine`] decides and owns no socket. Things that happen go in by its `handle_*` methods,
//! things that are wanted by `dial` and `close_*`; after each call the caller drains
//! [`Engine::poll_output`] until `None` and asks [`Engine::poll_timeout`] when to call
//! [`Engine::handle_timeout`]. The outputs leave in **one** queue because their order is
//! correctness: an inbound SA is installed before the message that lets the peer use it, a
//! session can carry traffic before the IPCP Ack leaves, StopCCN is sealed before its SA goes.
//!
//! Who is who:
//!
//! - a [`wire::PeerId`] names a *peer*: one secured path, whatever its addresses are today
//!   ([`peer`](self));
//! - a [`SessionId`] names one PPP session of a peer, from the L2TP call to its end.
//!
//! The engine drains its children inside its own `handle_*`, never inside `poll_output`: a
//! child's event mostly becomes a call into a sibling.
#![forbid(unsafe_code)]

mod address;
mod config;
pub mod dhcp;
mod dial;
mod ending;
mod engine;
mod explanation;
mod failing;
mod guard;
mod kin;
mod limits;
mod login;
mod occupancy;
mod on_dhcp;
mod on_ike;
mod on_l2tp;
mod on_network;
mod on_ppp;
mod output;
mod peer;
mod plane;
mod pool;
mod profile;
mod reason;
mod session;
mod status;
mod suite;
mod terms;
mod timers;
mod users;

#[cfg(test)]
mod tests;

pub use address::{AddressPolicy, AddressRule};
pub use config::{AtLimit, Config, Server, SessionLimit, Timing};
pub use dataplane::SessionId;
pub use dial::Dial;
pub use engine::Engine;
pub use explanation::{Cause, Explanation, Failure, Family, recognise};
pub use guard::{GuardPolicy, GuardStatus, Slowed, Suspect};
pub use occupancy::Occupancy;
pub use output::{Answer, Event, LoggedIn, Login, Output, Request, RequestId, Stage, Verdict};
pub use plane::Upcall;
pub use pool::{AddressRange, Pool};
pub use profile::{Habits, LocalPort, Profile, UnknownProfile};
pub use reason::Reason;
pub use status::{PeerStatus, SessionInfo};
pub use terms::Terms;
