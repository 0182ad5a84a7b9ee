//! Two endpoints talk to each other through a simulated link.

// Clippy takes only the functions marked as tests for tests, not their helpers.
#![allow(clippy::expect_used, clippy::panic)]

mod delete;
mod faults;
mod fragments;
mod fuzz;
mod habits;
mod half_open;
mod handshake;
mod harness;
mod keys;
mod limits;
mod nat;
mod refusals;
mod rekey;
mod repeats;
mod spoken;
#[path = "../support/mod.rs"]
mod support;
