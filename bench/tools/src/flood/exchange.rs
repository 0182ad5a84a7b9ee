//! Handshakes that are really brought to message 4.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use ike::codec::Header;
use ike::{Answer, Config, Endpoint, Habits, Initiate, Output, Request, framed, habits};
use rand_core::SeedableRng as _;
use wire::{Carrier, Path, Rng, Secret};

use super::Flood;

pub const IKE_PORT: u16 = 500;
pub const NATT_PORT: u16 = 4_500;
/// The latest exchanges whose cookies are used.
const KEPT: usize = 64;
/// A handshake that has had no answer for so long has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// An exchange that waits for its fifth message.
#[derive(Clone, Copy)]
pub struct Begun {
    pub from: SocketAddrV4,
    /// Whether the message goes to the port of NAT traversal.
    pub natt: bool,
    pub header: Header,
}

/// The latest ones.
#[derive(Default)]
pub struct Exchanges {
    begun: Mutex<Vec<Begun>>,
    done: AtomicU64,
    failed: AtomicU64,
}

impl Exchanges {
    /// One of them, by a random number.
    pub fn any(&self, number: u64) -> Option<Begun> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let length = u64::try_from(begun.len().max(1)).unwrap_or(1);
        let index = usize::try_from(number % length).unwrap_or(0);
        begun.get(index).copied()
    }

    pub fn add(&self, one: Begun) {
        let number = self.done.fetch_add(1, Ordering::Relaxed);
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let place = usize::try_from(number).unwrap_or(0) % KEPT;
        match begun.get_mut(place) {
            Some(old) => *old = one,
            None => begun.push(one),
        }
    }

    /// How many there were, and how many were not answered.
    pub fn counts(&self) -> (u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.done), load(&self.failed))
    }
}

/// The native clients whose first messages are sent.
fn clients() -> [Habits; 5] {
    [
        habits::windows_10(),
        habits::apple(),
        habits::chromeos(),
        habits::network_manager_strongswan(),
        habits::network_manager_libreswan(),
    ]
}

fn initiate(local: SocketAddrV4, natt: SocketAddrV4, server: Ipv4Addr, habits: Habits) -> Initiate {
    let path = |local: SocketAddrV4, port, carrier| Path {
        local: local.into(),
        remote: SocketAddr::new(IpAddr::V4(server), port),
        carrier,
    };
    Initiate {
        ike: path(local, IKE_PORT, Carrier::Ike),
        natt: path(natt, NATT_PORT, Carrier::NatT),
        // It is never used: message 5 is what it would encrypt.
        key: Secret::from("not the key".as_bytes()),
        identity: None,
        force_udp: local.port() != IKE_PORT,
        l2tp_port: 1701,
        pfs: None,
        habits,
    }
}

fn endpoint(seed: u64) -> Endpoint {
    let config = Config {
        respond: false,
        ..Config::default()
    };
    Endpoint::new(config, Rng::seed_from_u64(seed))
}

/// Message 1 of each client.
pub fn first_messages(server: Ipv4Addr, seed: u64) -> Vec<Vec<u8>> {
    let here = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), IKE_PORT);
    let first = |habits| {
        let mut endpoint = endpoint(seed);
        endpoint.initiate(now(Instant::now()), initiate(here, here, server, habits));
        while let Some(output) = endpoint.poll_output() {
            if let Output::Transmit { bytes, .. } = output {
                return Some(bytes);
            }
        }
        None
    };
    clients().into_iter().filter_map(first).collect()
}

fn now(start: Instant) -> wire::Instant {
    wire::Instant::from_boot(Duration::from_secs(1) + start.elapsed())
}

/// The threads that make exchanges.
pub struct Prover {
    ending: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Prover {
    /// One thread for each own address. From the port of IKE, and from another one under NAT
    /// traversal, in turns.
    pub fn start(flood: &Flood, exchanges: Arc<Exchanges>) -> anyhow::Result<Self> {
        let ending = Arc::new(AtomicBool::new(false));
        let pause = flood.own.len() as f64 / flood.exchanges.max(0.001);
        let mut threads = Vec::new();
        for (number, address) in flood.own.iter().enumerate() {
            let mut source = Source {
                ike: open(*address, IKE_PORT)?,
                other: open(*address, 0)?,
                server: flood.server,
                seed: flood.seed ^ ((number as u64 + 1) << 32),
            };
            let (ending, exchanges) = (Arc::clone(&ending), Arc::clone(&exchanges));
            threads.push(thread::spawn(move || {
                // Not all at the same time.
                let start = Instant::now()
                    + Duration::from_secs_f64(pause).mul_f64(number as f64 / 16.0 % 1.0);
                let mut turn = 0_u32;
                while !ending.load(Ordering::Relaxed) {
                    let due = start + Duration::from_secs_f64(pause * f64::from(turn));
                    thread::sleep(due.saturating_duration_since(Instant::now()).min(PATIENCE));
                    if Instant::now() < due {
                        continue;
                    }
                    match source.exchange(turn) {
                        Some(begun) => exchanges.add(begun),
                        None => {
                            exchanges.failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    turn = turn.wrapping_add(1);
                }
            }));
        }
        Ok(Self { ending, threads })
    }

    pub fn stop(self) {
        self.ending.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // A panic of it has been printed; what has been sent has been sent.
            drop(thread.join());
        }
    }
}

fn open(address: Ipv4Addr, port: u16) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind((address, port))
        .with_context(|| format!("{address}, port {port}, is not ours to use"))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// An address that gets the server's answers.
struct Source {
    ike: UdpSocket,
    other: UdpSocket,
    server: Ipv4Addr,
    seed: u64,
}

impl Source {
    /// Begins a handshake and goes on until message 5 would have to be sent.
    fn exchange(&mut self, turn: u32) -> Option<Begun> {
        let socket = if turn.is_multiple_of(2) {
            &self.ike
        } else {
            &self.other
        };
        let SocketAddr::V4(from) = socket.local_addr().ok()? else {
            return None;
        };
        self.seed = self.seed.wrapping_add(1);
        let start = Instant::now();
        let mut endpoint = endpoint(self.seed);
        let number = usize::try_from(turn / 2).unwrap_or(0);
        let habits = clients()
            .into_iter()
            .cycle()
            .nth(number % clients().len())?;
        endpoint.initiate(now(start), initiate(from, from, self.server, habits));
        let mut room = [0; 4096];
        let mut last = Carrier::Ike;
        loop {
            while let Some(output) = endpoint.poll_output() {
                match output {
                    Output::Transmit { path, bytes } => {
                        let natt = path.carrier == Carrier::NatT;
                        if let Some(begun) = Begun::of_fifth(from, natt, &bytes) {
                            return Some(begun);
                        }
                        last = path.carrier;
                        socket
                            .send_to(&framed(path.carrier, &bytes), path.remote)
                            .ok()?;
                    }
                    Output::Request(id, Request::Compute(job)) => {
                        endpoint.handle_answer(now(start), id, Answer::Computed(job.run()));
                    }
                    Output::Request(id, Request::Spi { .. }) => {
                        endpoint.handle_answer(now(start), id, Answer::Unavailable);
                    }
                    Output::Event(_) => {}
                }
            }
            let (length, sender) = socket.recv_from(&mut room).ok()?;
            let port = if last == Carrier::NatT {
                NATT_PORT
            } else {
                IKE_PORT
            };
            // An answer to an exchange before this one has cookies that are not known any more.
            if sender != SocketAddr::new(self.server.into(), port) || start.elapsed() > PATIENCE {
                if start.elapsed() > PATIENCE {
                    return None;
                }
                continue;
            }
            let marker = if last == Carrier::NatT { 4 } else { 0 };
            let message = room.get(marker..length)?;
            let path = Path {
                local: from.into(),
                remote: sender,
                carrier: last,
            };
            endpoint.handle_datagram(now(start), path, message);
        }
    }
}
