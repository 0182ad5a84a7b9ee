//! The engine from L2TP upwards: its peers have their secured paths already, and what would be
//! sealed is handed over in the clear.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "that is how a test fails"
)]

mod guessing;
mod lab;
mod preparing;
mod sessions;
mod spis;
mod terms;
