//! Two endpoints talk to each other through a simulated link.

mod delete;
mod faults;
mod fuzz;
mod half_open;
mod handshake;
mod harness;
mod nat;
mod refusals;
mod rekey;
mod repeats;
