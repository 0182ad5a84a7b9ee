//! Two parties and what lies between them, in virtual time.
//!
//! - [`link`]: one direction of a link: delay, loss, duplication, reordering, corruption, MTU;
//! - [`nat`]: address translators in the terms of RFC 4787;
//! - [`net`]: hosts, links and translators joined to a network;
//! - [`seeds`]: runs a scenario with many seeds and names those that fail.
//!
//! One number decides everything that happens, and the same number makes it happen again.

mod link;
mod nat;
mod net;
mod seeds;
