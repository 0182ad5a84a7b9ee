//! Counts what arrives.

use std::io::{IoSliceMut, Write};
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, setsockopt, sockopt};
use serde::Serialize;

/// Datagrams of one system call at most.
const BURST: usize = 64;
/// Longer datagrams are cut, and counted all the same.
const ROOM: usize = 2048;
/// The longest message that the kernel joins datagrams to.
const JOINED_ROOM: usize = 65_536;
/// Messages of one system call at most, where datagrams are joined.
const JOINED_BURST: usize = 8;
/// As large as that of any program that means to lose nothing.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Nothing for so long after something is the end.
const QUIET: Duration = Duration::from_millis(500);

#[derive(Args)]
pub struct Sink {
    /// Where to listen
    at: SocketAddr,
    /// Seconds to wait for the first datagram
    #[arg(long, default_value_t = 5.0)]
    patience: f64,
    /// Take datagrams that the kernel has joined (UDP_GRO), which are of this many bytes each
    #[arg(long, value_name = "BYTES")]
    joined: Option<NonZeroU64>,
}

#[derive(Serialize)]
pub struct Report {
    /// Datagrams.
    received: u64,
    /// Bytes of payload.
    bytes: u64,
    /// From the first to the last.
    seconds: f64,
}

impl Sink {
    pub fn run(&self) -> anyhow::Result<Report> {
        let socket =
            UdpSocket::bind(self.at).with_context(|| format!("cannot listen at {}", self.at))?;
        // Only root may have more than the host's limit.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        }
        if self.joined.is_some() {
            setsockopt(&socket, sockopt::UdpGroSegment, &true).context("UDP_GRO")?;
        }
        println!("ready");
        std::io::stdout().flush()?;

        socket.set_read_timeout(Some(Duration::from_secs_f64(self.patience)))?;
        let (burst, room) = match self.joined {
            Some(_) => (JOINED_BURST, JOINED_ROOM),
            None => (BURST, ROOM),
        };
        let mut memory = vec![0; burst * room];
        let first = match socket.recv(&mut memory) {
            Ok(len) => len as u64,
            Err(error) => return Err(error).context("nothing has arrived"),
        };
        socket.set_read_timeout(Some(QUIET))?;
        self.count(&socket, first, memory.chunks_mut(room).collect())
    }

    /// How many datagrams are in a message of so many bytes.
    fn datagrams(&self, bytes: u64) -> u64 {
        self.joined.map_or(1, |each| bytes.div_ceil(each.get()))
    }

    /// Counts on from the first message.
    fn count(
        &self,
        socket: &UdpSocket,
        first: u64,
        mut rooms: Vec<&mut [u8]>,
    ) -> anyhow::Result<Report> {
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(rooms.len(), None);
        let start = Instant::now();
        let mut report = Report {
            received: self.datagrams(first),
            bytes: first,
            seconds: 0.0,
        };
        loop {
            let mut slices: Vec<_> = rooms
                .iter_mut()
                .map(|room| [IoSliceMut::new(room)])
                .collect();
            let results = recvmmsg(
                socket.as_raw_fd(),
                &mut headers,
                &mut slices,
                MsgFlags::MSG_WAITFORONE,
                None,
            );
            match results {
                Ok(results) => {
                    for message in results {
                        let bytes = message.bytes as u64;
                        report.received += self.datagrams(bytes);
                        report.bytes += bytes;
                    }
                    report.seconds = start.elapsed().as_secs_f64();
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    // A rate takes two.
                    anyhow::ensure!(report.received > 1, "a single datagram has arrived");
                    return Ok(report);
                }
                Err(error) => return Err(error).context("recvmmsg"),
            }
        }
    }
}
