//! What `bench/throughput` and `bench/scale` need done at a speed that Python does not have: a sender and
//! a sink of UDP datagrams, the ciphers alone, and a flood of what a hostile network sends. Each prints one JSON object on standard output.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that has sockets and a clock, and prints what it measured"
)]

mod ciphers;
mod flood;
mod send;
mod sink;

use clap::Parser;

#[derive(Parser)]
#[command(about = "Parts of bench/throughput and bench/scale; see there")]
enum Command {
    /// Send datagrams of one size as fast as the kernel takes them, or at a rate
    Send(send::Send),
    /// Count the datagrams that arrive, until no more do
    Sink(sink::Sink),
    /// Seal and open packets in batches, and nothing else
    Ciphers(ciphers::Ciphers),
    /// Send a server what somebody without a key can: garbage, forged first messages, bad fifth messages
    Flood(flood::Flood),
}

fn main() -> anyhow::Result<()> {
    let report = match Command::parse() {
        Command::Send(send) => serde_json::to_string(&send.run()?)?,
        Command::Sink(sink) => serde_json::to_string(&sink.run()?)?,
        Command::Ciphers(ciphers) => serde_json::to_string(&ciphers.run()?)?,
        Command::Flood(flood) => serde_json::to_string(&flood.run()?)?,
    };
    println!("{report}");
    Ok(())
}
