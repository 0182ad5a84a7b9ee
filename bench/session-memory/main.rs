//! How much memory a session costs a server: resident pages of a whole process, not a sum of
//! sizes of types.
//!
//! Two processes. This one is the server: the engine and the data plane, driven as the program
//! drives them, by the very [`party`] that the simulation uses. The other one, a child of it, is
//! all the clients. What the two say to each other goes over a socket pair, so that nothing of a
//! client is in the memory that is measured: neither its state nor datagrams on their way.
//!
//! The clients connect in earnest (Main Mode, Quick Mode, L2TP, LCP, MS-CHAPv2, IPCP) and each
//! sends one ping through its session. The server's resident set is read with no session, with a
//! hundred and with eleven hundred. Nothing is subtracted from what the kernel says: the growth
//! includes table pages touched for the first time, answers kept for repetitions, and what the
//! allocator holds in reserve. What is not in it: sockets and threads, of which the program has as
//! many with one client as with a thousand.
//!
//! `cargo bench --bench session-memory`; a number after `--` is how many sessions in place of
//! 1,100, up to 2,048.

#![allow(missing_docs, reason = "a benchmark")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "two real processes, with a clock and a thread"
)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and ends where it cannot go on"
)]

mod clients;
#[allow(
    dead_code,
    reason = "the benchmark needs a part of what the simulation needs"
)]
#[path = "../../tests/simulation/datagram.rs"]
mod datagram;
#[allow(
    dead_code,
    reason = "the benchmark needs a part of what the simulation needs"
)]
#[path = "../../tests/simulation/echo.rs"]
mod echo;
mod net;
#[allow(
    dead_code,
    reason = "the benchmark needs a part of what the simulation needs"
)]
#[path = "../../tests/simulation/party.rs"]
mod party;
mod pipe;
mod server;

use std::net::{IpAddr, Ipv4Addr};

use engine::Config;

/// Where the server is, outside.
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// The argument with which this program starts itself as the clients.
const CLIENTS: &str = "--clients";
/// The sessions after which the growth is counted.
const FIRST: u32 = 100;
/// How many sessions there are at the end.
const ALL: u32 = 1_100;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == CLIENTS) {
        clients::run();
        return;
    }
    let all = arguments
        .iter()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(ALL);
    server::run(FIRST, all.max(FIRST + 1));
}

/// Takes the cheapest of the groups: the arithmetic is over before the session is up, and leaves
/// nothing behind that depends on the group.
fn with_quick_group(mut config: Config) -> Config {
    config.ike.policy = config
        .ike
        .policy
        .with_groups(&["ecp256"])
        .expect("a known group");
    config
}
