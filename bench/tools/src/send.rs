//! Datagrams of one size, many with each system call.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};
use serde::Serialize;

/// Datagrams of one system call at most.
const BURST: usize = 64;
/// At a rate, the sender looks at its clock so many times a second.
const BURSTS_PER_SECOND: u64 = 10_000;

#[derive(Args)]
pub struct Send {
    /// Where they go
    to: SocketAddr,
    /// Bytes of payload
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// How long
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Datagrams a second; without it as many as the kernel takes
    #[arg(long)]
    rate: Option<u64>,
}

#[derive(Serialize)]
pub struct Report {
    /// Datagrams that the kernel took.
    sent: u64,
    seconds: f64,
}

impl Send {
    pub fn run(&self) -> anyhow::Result<Report> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket
            .connect(self.to)
            .with_context(|| format!("no way to {}", self.to))?;
        let payload = vec![0x5a; self.size];
        let burst = self.burst();
        let slices = vec![[IoSlice::new(&payload)]; burst];
        let nowhere: Vec<Option<SockaddrIn>> = vec![None; burst];
        let mut headers = MultiHeaders::preallocate(burst, None);

        let start = Instant::now();
        let end = start + Duration::from_secs_f64(self.seconds);
        let mut sent = 0;
        while Instant::now() < end {
            self.wait_until_due(start, sent);
            let results = sendmmsg(
                socket.as_raw_fd(),
                &mut headers,
                &slices,
                &nowhere,
                [],
                MsgFlags::empty(),
            );
            match results {
                Ok(results) => sent += results.count() as u64,
                // A full queue on the way; an ICMP error for an earlier datagram.
                Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => {}
                Err(error) => return Err(error).context("sendmmsg"),
            }
        }
        Ok(Report {
            sent,
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// Datagrams of one call: few of them at a low rate, which would be a train of bursts else.
    fn burst(&self) -> usize {
        self.rate.map_or(BURST, |rate| {
            let even = usize::try_from(rate / BURSTS_PER_SECOND).unwrap_or(BURST);
            even.clamp(1, BURST)
        })
    }

    fn wait_until_due(&self, start: Instant, sent: u64) {
        if let Some(rate) = self.rate {
            let due = start + Duration::from_secs_f64(sent as f64 / rate as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
}
