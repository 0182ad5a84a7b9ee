//! IKEv1 for L2TP/IPsec (RFC 2407, 2408, 2409, 3706, 3947), sans-IO.
//!
//! An [`Endpoint`] holds all IKE SAs of a host, those it answers and those it starts. Bytes and
//! time go in ([`Endpoint::handle_datagram`], [`Endpoint::handle_timeout`]); datagrams, events and
//! requests come out of one ordered queue ([`Endpoint::poll_output`]). What takes long, a
//! Diffie-Hellman power or the trial of many keys, leaves as a [`Job`] and comes back as its
//! result.
//!
//! ```text
//! Main Mode     message 1..6   -> SaUp
//! Quick Mode    message 1..3   -> ChildUp (before message 2 leaves), ChildConfirmed
//! Informational DELETE, R-U-THERE, INITIAL-CONTACT, errors
//! ```
//!
//! Keys leave as plain values ([`ChildSa`]): this crate knows nothing of ESP packets.
#![forbid(unsafe_code)]

mod admission;
mod census;
pub mod codec;
mod config;
mod context;
mod cookie;
pub mod crypto;
mod endpoint;
mod fragment;
#[doc(hidden)]
pub mod fuzzing;
pub mod habits;
mod half_open;
mod job;
mod key_history;
mod keyring;
mod main_mode;
mod make;
mod natt;
mod output;
mod policy;
mod powers;
mod quick_mode;
mod refusal;
mod sa;
mod timers;

pub use codec::{Cookie, Identity};
pub use config::{Config, Encapsulation, Limits, Timing};
pub use cookie::{Cookies, Provenance};
pub use endpoint::{Counters, Endpoint, Initiate};
pub use fragment::FragmentCounters;
pub use habits::Habits;
pub use job::{DhOutcome, Job, JobResult, KeyMatch, KeyTrial, KeyTrialOutcome};
pub use keyring::{Key, KeyChoice, KeyName, Keyring, Selector};
pub use make::{Make, WindowsVersion};
pub use natt::framed;
pub use output::{
    Answer, ChildId, ChildSa, CloseReason, EspMode, EspSa, Event, Nat, Output, Request, RequestId,
    SaId, SaInfo, Traffic,
};
pub use policy::{
    EspEncryption, EspIntegrity, EspSuite, KeyBits, LegacyOption, Policy, PolicyError,
};
pub use refusal::Refusal;
pub use timers::Timer;

/// The most pre-shared keys that are tried on one message 5.
pub const MAX_KEYS_PER_TRIAL: usize = KeyTrial::MAX_CANDIDATES;
