//! Parties and what lies between them, in virtual time.
//!
//! - [`link`]: one direction of a link: delay, loss, duplication, reordering, corruption, MTU;
//! - [`nat`]: address translators in the terms of RFC 4787;
//! - [`net`]: hosts, links and translators joined to a network;
//! - [`echo`]: echo requests and their replies;
//! - [`party`]: the engine and the data plane of one host;
//! - [`world`]: a network with parties in it, and their clock;
//! - [`seeds`]: runs a scenario with many seeds and names those that fail.
//!
//! The scenarios:
//!
//! - [`connecting`]: every way to get in;
//! - [`matrix`]: every client in every place with every method;
//! - [`refusals`]: every way not to;
//! - [`explanations`]: that each of them is told once, and told apart;
//! - [`lossy`]: thousands of bad networks;
//! - [`rekeying`]: staying in for long, with nothing lost;
//! - [`informing`]: what clients are told once they are in;
//! - [`staying`]: the same, as each client does it;
//! - [`crowd`]: fifty at one address;
//! - [`day`]: a hundred for a day;
//! - [`returning`]: after a crash, or from elsewhere;
//! - [`jumping`]: clocks that go ahead, hosts that were suspended;
//! - [`keys`]: several keys for anybody, and keys that are for one user;
//! - [`hostile`]: garbage, forgery, floods;
//! - [`malformed`]: what others have recorded to break parsers with;
//! - [`mutations`]: whole handshakes with everything in them changed ([`mutator`]);
//! - [`truncating`]: phones that cut SHA-256 short.
//!
//! One number decides everything that happens, and the same number makes it happen again.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "that is how a test fails, and tells what it has found"
)]

#[path = "../common/captures.rs"]
mod captures;
mod connecting;
mod crowd;
mod datagram;
mod day;
mod echo;
mod explanations;
mod hostile;
mod informing;
mod jumping;
mod keys;
mod link;
mod lossy;
mod malformed;
mod matrix;
mod mutations;
mod mutator;
mod nat;
mod net;
mod party;
mod refusals;
mod rekeying;
mod returning;
mod seeds;
mod several;
mod staying;
mod truncating;
mod world;
