//! PPP for both ends of an L2TP session: LCP (RFC 1661), PAP (RFC 1334), CHAP-MD5 (RFC 1994),
//! MS-CHAPv2 (RFC 2759) and IPCP (RFC 1332, RFC 1877), sans-IO.
//!
//! One [`Link`] is one PPP connection. It is told of frames, of time and of what its owner wants,
//! and answers with one ordered queue of [`Output`]s. Checking a password is not its business: it
//! asks with [`Output::Request`] and goes on when [`Link::handle_verdict`] brings the answer.
//!
//! - [`Link`], [`Config`], [`Output`], [`Event`], [`CloseReason`]: what an owner deals with,
//! - [`Exchange::check`], [`mschapv2`], [`chap`]: for the owner that knows passwords,
//! - [`frame`], [`packet`], [`option`]: codecs,
//! - [`automaton`]: the table of RFC 1661 §4.1, used by LCP and IPCP alike.
#![forbid(unsafe_code)]

pub mod auth;
pub mod automaton;
pub mod config;
pub mod event;
pub mod frame;
pub mod habits;
mod ipcp;
mod lcp;
mod link;
mod negotiation;
pub mod option;
pub mod packet;
mod reason;
mod user;

pub use auth::{Exchange, Method, chap, mschapv2};
pub use config::{ClientConfig, Config, NetworkConfig, Role, ServerConfig, Timers};
pub use event::{Authenticate, AuthenticateId, Event, LcpUp, NetworkUp, Output, Timer, Verdict};
pub use habits::Habits;
pub use link::{Link, Phase};
pub use reason::{CloseReason, Direction, DisconnectCause};
pub use user::UserName;
