//! This process: the server, and the reading of its memory.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use adit::io::memory::Memory;
use indicatif::{ProgressBar, ProgressStyle};
use ppp::Method;

use crate::net::{HostId, Network};
use crate::party::{self, Party};
use crate::pipe::{Frame, Pipe};

/// What a session may cost beyond the first ones, in KiB.
const GOAL: f64 = 16.0;
/// Time without anything new before the memory is read.
const QUIET: Duration = Duration::from_secs(1);
/// Longer than any session takes to come up.
const STUCK: Duration = Duration::from_secs(60);

struct Server {
    party: Party,
    pipe: Pipe,
    net: Network,
    started: Instant,
    bar: ProgressBar,
    up: u64,
}

/// Lets clients connect, and prints what they cost.
pub fn run(first: u32, all: u32) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let mut child = start_clients(theirs);
    let before = memory();
    let mut server = Server::new(ours, all);
    let none = memory();
    let few = server.connect(first).expect("the clients are there");
    let many = server.connect(all).expect("the clients are there");
    server.bar.finish_and_clear();
    report(before, [(0, none), (first, few), (all, many)]);
    // The end of the pipe ends the clients.
    drop(server);
    child.wait().expect("the clients have been started");
}

fn start_clients(pipe: UnixStream) -> Child {
    let program = std::env::current_exe().expect("this program's path");
    let mut command = Command::new(program);
    command
        .arg(crate::CLIENTS)
        .stdin(Stdio::from(OwnedFd::from(pipe)));
    command.spawn().expect("this program starts a second time")
}

impl Server {
    fn new(pipe: UnixStream, all: u32) -> Self {
        let config = crate::with_quick_group(party::server_config(&[Method::MsChapV2]));
        let mut party = Party::new(HostId, crate::SERVER, config, 1);
        party.compute = Duration::ZERO;
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} sessions, {elapsed}")
            .expect("a well-formed template");
        Self {
            party,
            pipe: Pipe::new(pipe),
            net: Network::default(),
            started: Instant::now(),
            // Hidden by itself where standard error is no terminal.
            bar: ProgressBar::new(all.into()).with_style(style),
            up: 0,
        }
    }

    fn now(&self) -> wire::Instant {
        wire::Instant::from_boot(Duration::from_secs(9_000) + self.started.elapsed())
    }

    /// Waits until so many sessions are up and it has become quiet; the memory then.
    fn connect(&mut self, count: u32) -> io::Result<Memory> {
        self.pipe.send(&Frame::Connected(count))?;
        let deadline = Instant::now() + STUCK * (1 + count / 1_000);
        while !self.step(Duration::from_millis(5))? {
            assert!(
                Instant::now() < deadline,
                "{} of {count} sessions are up",
                self.up
            );
        }
        let sessions = self.party.sessions().len();
        assert_eq!(
            sessions, count as usize,
            "sessions that the server knows of"
        );
        let quiet = Instant::now() + QUIET;
        while Instant::now() < quiet {
            self.step(Duration::from_millis(5))?;
        }
        Ok(memory())
    }

    /// Deals with the next frame or timeout; whether all clients are connected.
    fn step(&mut self, patience: Duration) -> io::Result<bool> {
        let frame = self.pipe.receive(Some(patience))?;
        let now = self.now();
        let mut done = false;
        match frame {
            Some(Frame::Datagram(datagram)) => {
                self.party.on_datagram(now, &mut self.net, datagram);
            }
            Some(Frame::Connected(_)) => done = true,
            None => {}
        }
        self.party.on_time(now, &mut self.net);
        while let Some(datagram) = self.net.poll_sent() {
            self.pipe.send(&Frame::Datagram(datagram))?;
        }
        // The program logs events and writes packets to the TUN; it keeps neither.
        let ups = self.party.events.drain(..);
        let ups = ups.filter(|(_, event)| matches!(event, engine::Event::SessionUp { .. }));
        self.up += ups.count() as u64;
        self.party.received.clear();
        self.bar.set_position(self.up);
        Ok(done)
    }
}

fn memory() -> Memory {
    Memory::now().expect("a Linux with /proc")
}

fn report(before: Memory, rows: [(u32, Memory); 3]) {
    println!("resident memory of a server, in KiB\n");
    println!(
        "{:>10} {:>10} {:>10} {:>14}",
        "sessions", "resident", "of it heap", "per session"
    );
    let mut last: Option<(u32, Memory)> = None;
    let mut growth = 0.0;
    for (sessions, memory) in rows {
        print!(
            "{sessions:>10} {:>10} {:>10}",
            memory.resident, memory.anonymous
        );
        if let Some((fewer, less)) = last {
            growth =
                f64::from(i32::try_from(memory.resident - less.resident).expect("below 2 TiB"))
                    / f64::from(sessions - fewer);
            print!(" {growth:>14.1}");
        }
        println!();
        last = Some((sessions, memory));
    }
    let [(_, none), (_, few), (_, many)] = rows;
    println!(
        "\nallocated up front: {} (tables with room for 2,048 peers)",
        none.resident - before.resident
    );
    println!(
        "heap part of the growth: {} of {}",
        many.anonymous - few.anonymous,
        many.resident - few.resident
    );
    let verdict = if growth < GOAL { "reached" } else { "missed" };
    println!(
        "goal: under {GOAL} per session beyond the first {}: {verdict}",
        rows[1].0
    );
}
