//! What somebody without a key can send at a server, at a steady rate: a third of it garbage, a third
//! first messages of IKE from forged addresses, a third fifth messages that are noise.
//!
//! Half of the fifth messages have invented cookies. The others have those of exchanges which this
//! program has really brought to message 4, from addresses that get the server's answers: only with
//! such a message does a server without a bug compute anything.

mod exchange;
mod message;
mod packet;
#[cfg(test)]
mod tests;

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, MultiHeaders, SockFlag, SockProtocol, SockType, SockaddrIn, sendmmsg,
    setsockopt, socket, sockopt,
};
use serde::Serialize;

use exchange::{Exchanges, Prover};
use message::Messages;

/// Packets of one system call at most.
const BURST: usize = 64;
/// The sender looks at its clock so many times a second.
const BURSTS_PER_SECOND: u64 = 5_000;
/// So that a burst is never refused.
const SEND_BUFFER: usize = 4 << 20;

#[derive(Args)]
pub struct Flood {
    /// The server
    server: Ipv4Addr,
    /// Packets a second
    #[arg(long, default_value_t = 50_000)]
    rate: u64,
    /// How long
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Where forged packets pretend to come from: a network whose addresses lead nowhere
    #[arg(long, default_value = "100.64.0.0/10", value_parser = network)]
    forged: (u32, u32),
    /// Own addresses, commas between, from which handshakes are brought to message 4; without any, all
    /// fifth messages have invented cookies
    #[arg(long, value_delimiter = ',')]
    own: Vec<Ipv4Addr>,
    /// Handshakes brought to message 4, a second
    #[arg(long, default_value_t = 10.0)]
    exchanges: f64,
    /// What is sent, commas between; default is all of it in turns
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// The seed of everything that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Bytes without sense, some behind the beginning of a header
    Garbage,
    /// First messages as real clients send them, each with a cookie of its own
    Firsts,
    /// Fifth messages with noise where the encrypted payloads should be
    Fifths,
}

#[derive(Default, Serialize)]
pub struct Report {
    /// Packets that the kernel took, of each kind.
    garbage: u64,
    firsts: u64,
    fifths_invented: u64,
    fifths_of_exchanges: u64,
    seconds: f64,
    /// Packets a second.
    rate: f64,
    /// Handshakes brought to message 4, and those that were not.
    exchanges: u64,
    exchanges_failed: u64,
}

/// An address and the mask of the bits that vary.
fn network(text: &str) -> Result<(u32, u32), String> {
    let parse = || {
        let (address, length) = text.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
        let host = u32::MAX.checked_shr(length).unwrap_or(0);
        Some((address.to_bits() & !host, host))
    };
    parse().ok_or_else(|| format!("{text} is not a network such as 100.64.0.0/10"))
}

impl Flood {
    pub fn run(&self) -> anyhow::Result<Report> {
        ensure!(self.rate > 0, "a rate of nothing");
        let exchanges = Arc::new(Exchanges::default());
        let prover = Prover::start(self, Arc::clone(&exchanges))?;
        let socket = raw_socket()?;
        let mut messages = Messages::new(self, Arc::clone(&exchanges));
        let mut report = self.send(&socket, &mut messages)?;
        prover.stop();
        (report.exchanges, report.exchanges_failed) = exchanges.counts();
        Ok(report)
    }

    fn send(&self, socket: &OwnedFd, messages: &mut Messages) -> anyhow::Result<Report> {
        let burst = usize::try_from(self.rate / BURSTS_PER_SECOND).unwrap_or(BURST);
        let burst = burst.clamp(1, BURST);
        // The port that counts is in the packet.
        let to = Some(SockaddrIn::from(SocketAddrV4::new(self.server, 0)));
        let addresses = vec![to; burst];
        let mut headers = MultiHeaders::preallocate(burst, None);
        let mut packets = vec![Vec::new(); burst];
        let mut report = Report::default();

        let start = Instant::now();
        let end = start + Duration::from_secs_f64(self.seconds);
        let mut sent: u64 = 0;
        while Instant::now() < end {
            wait_until_due(start, sent, self.rate);
            for packet in &mut packets {
                messages.next(packet, &mut report);
            }
            let slices: Vec<[IoSlice<'_>; 1]> = packets
                .iter()
                .map(|packet| [IoSlice::new(packet)])
                .collect();
            let results = sendmmsg(
                socket.as_raw_fd(),
                &mut headers,
                &slices,
                &addresses,
                [],
                MsgFlags::empty(),
            );
            match results {
                Ok(results) => sent = sent.saturating_add(results.count() as u64),
                // A full queue on the way.
                Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => return Err(error).context("sendmmsg"),
            }
        }
        report.seconds = start.elapsed().as_secs_f64();
        report.rate = sent as f64 / report.seconds;
        Ok(report)
    }
}

/// A socket for packets with the headers that we write.
fn raw_socket() -> anyhow::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::Raw,
    )
    .context("no raw socket: forging addresses needs CAP_NET_RAW")?;
    if setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
        setsockopt(&socket, sockopt::SndBuf, &SEND_BUFFER)?;
    }
    Ok(socket)
}

fn wait_until_due(start: Instant, sent: u64, rate: u64) {
    let due = start + Duration::from_secs_f64(sent as f64 / rate as f64);
    thread::sleep(due.saturating_duration_since(Instant::now()));
}
