//! The other process: all the clients.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use engine::Config;

use crate::echo;
use crate::net::{HostId, Network};
use crate::party::{self, Party};
use crate::pipe::{Frame, Pipe};

/// How many connect at the same time.
const AT_ONCE: usize = 16;

struct Clients {
    pipe: Pipe,
    net: Network,
    config: Config,
    started: Instant,
    parties: BTreeMap<IpAddr, Party>,
    /// Dialled, and without an answer to their ping so far.
    connecting: BTreeMap<IpAddr, Progress>,
    wanted: usize,
}

/// How far a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Dialled,
    Pinged,
}

/// Connects as many clients as standard input, a socket, says, until it ends.
pub fn run() {
    let stdin = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .expect("a descriptor");
    let pipe = Pipe::new(UnixStream::from(stdin));
    let mut reader = pipe.second().expect("a descriptor");
    // This side always reads, so that the server's writes never wait for long.
    let (sender, frames) = mpsc::channel();
    std::thread::spawn(move || {
        while let Ok(Some(frame)) = reader.receive(None) {
            if sender.send(frame).is_err() {
                return;
            }
        }
    });
    let mut clients = Clients {
        pipe,
        net: Network::default(),
        config: crate::with_quick_group(party::client_config()),
        started: Instant::now(),
        parties: BTreeMap::new(),
        connecting: BTreeMap::new(),
        wanted: 0,
    };
    loop {
        match frames.recv_timeout(Duration::from_millis(1)) {
            Ok(frame) => clients.on_frame(frame),
            Err(RecvTimeoutError::Timeout) => clients.on_time(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if clients.step().is_err() {
            // The server has all it wanted to know.
            return;
        }
    }
}

impl Clients {
    fn now(&self) -> wire::Instant {
        wire::Instant::from_boot(Duration::from_secs(9_000) + self.started.elapsed())
    }

    fn on_frame(&mut self, frame: Frame) {
        let now = self.now();
        match frame {
            Frame::Datagram(datagram) => {
                let address = datagram.dst.ip();
                let Some(party) = self.parties.get_mut(&address) else {
                    return;
                };
                party.on_datagram(now, &mut self.net, datagram);
                // Its computation is due at once.
                party.on_time(now, &mut self.net);
            }
            Frame::Connected(wanted) => self.wanted = wanted as usize,
        }
    }

    fn on_time(&mut self) {
        let now = self.now();
        for party in self.parties.values_mut() {
            if party.next_at().is_some_and(|at| at <= now) {
                party.on_time(now, &mut self.net);
            }
        }
    }

    fn step(&mut self) -> io::Result<()> {
        self.advance();
        while let Some(datagram) = self.net.poll_sent() {
            self.pipe.send(&Frame::Datagram(datagram))?;
        }
        if self.wanted > 0 && self.parties.len() == self.wanted && self.connecting.is_empty() {
            let connected = u32::try_from(self.wanted).expect("few");
            self.pipe.send(&Frame::Connected(connected))?;
            self.wanted = 0;
        }
        Ok(())
    }

    /// Makes clients connect, and those that have a session try it.
    fn advance(&mut self) {
        let now = self.now();
        while self.parties.len() < self.wanted && self.connecting.len() < AT_ONCE {
            let number = u32::try_from(self.parties.len()).expect("few");
            let address = IpAddr::V4(Ipv4Addr::from_bits(0x6440_0001 + number));
            let mut party = Party::new(HostId, address, self.config.clone(), number.into());
            party.compute = Duration::ZERO;
            let mut dial = party.dialling(crate::SERVER, "alice", "wonderland");
            // As from behind a translator, where most clients are.
            dial.force_udp = true;
            party.dial(now, &mut self.net, dial);
            party.on_time(now, &mut self.net);
            self.parties.insert(address, party);
            self.connecting.insert(address, Progress::Dialled);
        }
        let (parties, net) = (&mut self.parties, &mut self.net);
        self.connecting.retain(|address, progress| {
            let Some(party) = parties.get_mut(address) else {
                return false;
            };
            assert!(
                party.endings().is_empty(),
                "{address} is out: {:?}",
                party.endings()
            );
            if *progress == Progress::Pinged {
                return echo::pings(&party.received, true).is_empty();
            }
            if let Some(info) = party.sessions().first() {
                let ping = echo::ping(info.local_address, info.remote_address, 1);
                if party.send_ip(now, net, &ping) {
                    *progress = Progress::Pinged;
                }
            }
            true
        });
    }
}
