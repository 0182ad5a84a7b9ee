//! The loop of a worker.

mod busy_poll;
mod delivery;
mod egress;
mod ingress;

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::thread;

use dataplane::offload::{Coalescer, VnetHeader};
use dataplane::{Buffer, DataPlane, Egress, Outbox, SessionId};
use quinn_udp::RecvMeta;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use tokio::sync::{Notify, mpsc as queues};
use tracing::{debug, error, warn};
use wire::{Carrier, Path};

use self::busy_poll::BusyPoll;
use self::delivery::{deliver_alone, mergeable};
use super::command::{Command, Incoming};
use super::counters::Counters;
use super::limiter::Limiter;
use super::sockets::Sockets;
use super::upcall::UpcallSender;
use super::workers::Handovers;
use super::{FromPeer, Inside, Lost, Parts};
use crate::io::clock;
use crate::io::tun::{Offload, TunQueue, TunQueues};

/// Messages per system call, where each is one packet.
const MESSAGES: usize = 32;
/// The same, where the kernel joins packets (UDP_GRO) and each may be 44 and more of them. A small
/// packet waits for all of them.
const JOINED_MESSAGES: usize = 2;
/// The longest message there is: datagrams joined by the kernel up to the size of an IP packet.
const MESSAGE: usize = 65_536;
/// Commands done before the sockets get their turn again.
const COMMAND_ROUND: usize = 256;
/// Ready sources told per `epoll_wait`.
const EVENTS: usize = 32;
/// A time-out with which `epoll_wait` does not wait.
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};
/// The longest IP packet out of a device.
const PACKET: usize = 65_535;

/// The non-ESP marker (RFC 3948 §2.2).
const MARKER: [u8; 4] = [0; 4];
/// A NAT keep-alive (RFC 3948 §2.3).
const KEEPALIVE: [u8; 1] = [0xff];

/// What `epoll` reports on, as its data word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Commands,
    /// Packets of its peers that other workers have read.
    Handover,
    /// One of our queues of the TUN device, by its place.
    Tun(usize),
    Udp(usize),
    Raw(usize),
    /// The TUN device of a session, by its place.
    Device(usize),
}

impl Source {
    fn token(self) -> u64 {
        let (kind, index) = match self {
            Self::Commands => (0, 0),
            Self::Tun(index) => (1, index),
            Self::Udp(index) => (2, index),
            Self::Raw(index) => (3, index),
            Self::Device(index) => (4, index),
            Self::Handover => (5, 0),
        };
        (u64::try_from(index).unwrap_or(0) << 3) | kind
    }

    fn of(token: u64) -> Self {
        let index = usize::try_from(token >> 3).unwrap_or(usize::MAX);
        match token & 7 {
            0 => Self::Commands,
            1 => Self::Tun(index),
            2 => Self::Udp(index),
            3 => Self::Raw(index),
            4 => Self::Device(index),
            _ => Self::Handover,
        }
    }
}

/// Memory to receive into.
struct Inbox {
    /// Pages that are never used take no memory.
    buffers: [Box<[u8]>; MESSAGES],
    meta: [RecvMeta; MESSAGES],
    /// Whether the kernel joined packets the last time.
    joined: bool,
}

impl Inbox {
    /// Receives what there is, as far as it is to be dealt with in one go. Returns how many
    /// messages they are.
    fn receive(
        &mut self,
        receive: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let most = match self.joined {
            true => JOINED_MESSAGES,
            false => MESSAGES,
        };
        let mut slices = self
            .buffers
            .each_mut()
            .map(|buffer| IoSliceMut::new(buffer));
        let slices = slices.get_mut(..most).unwrap_or_default();
        let count = receive(slices, &mut self.meta)?;
        let mut received = self.meta.iter().take(count);
        self.joined = received.any(|meta| meta.stride < meta.len);
        Ok(count)
    }
}

/// A worker, ready to run.
pub(super) struct Run {
    epoll: OwnedFd,
    incoming: Incoming,
    inbox: Inbox,
    busy_poll: BusyPoll,
    core: Core,
}

/// What handling a packet needs.
struct Core {
    /// Which worker this is, and where the others take packets.
    number: usize,
    handovers: Handovers,
    sockets: Sockets,
    inside: Inside,
    plane: Arc<DataPlane>,
    upcalls: UpcallSender<FromPeer>,
    notices: Arc<Notify>,
    lost: queues::UnboundedSender<Lost>,
    counters: Arc<Counters>,
    cookies: ike::Cookies,
    unknown: Limiter,
    known: Limiter,
    /// What the host hands over is read into this.
    read: Box<[u8]>,
    /// The queue of the TUN device whose turn it is.
    turn: usize,
    /// Packets on their way out.
    outbox: Outbox,
    /// What every device takes; `None` before the first is there.
    offload: Option<Offload>,
    /// Packets on their way to the host, while a round of receiving lasts.
    coalescer: Coalescer<'static>,
    /// A message of ours that is sealed by itself.
    message: Buffer,
    /// An ISAKMP message with its marker in front.
    marked: Vec<u8>,
}

impl Run {
    pub(super) fn new(
        parts: Parts,
        handovers: Handovers,
        incoming: Incoming,
        counters: Arc<Counters>,
        busy_poll: bool,
    ) -> io::Result<Self> {
        let threads = parts.plane.config().threads;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let watch = |fd: &dyn AsFd, source: Source| {
            epoll::add(
                &epoll,
                fd.as_fd(),
                EventData::new_u64(source.token()),
                EventFlags::IN,
            )
        };
        watch(&incoming, Source::Commands)?;
        for (index, socket) in parts.udp.iter().enumerate() {
            watch(socket, Source::Udp(index))?;
        }
        for (index, socket) in parts.raw.iter().enumerate() {
            watch(socket, Source::Raw(index))?;
        }
        let mut offload = None;
        if let Inside::Tun(queues) = &parts.inside {
            for (place, queue) in queues.all().iter().enumerate() {
                watch(queue, Source::Tun(place))?;
            }
            offload = Some(queues.offload());
        }
        if let Some(handover) = handovers.get(parts.number) {
            watch(handover, Source::Handover)?;
        }
        Ok(Self {
            epoll,
            incoming,
            inbox: Inbox {
                buffers: std::array::from_fn(|_| vec![0; MESSAGE].into()),
                meta: [RecvMeta::default(); MESSAGES],
                joined: false,
            },
            busy_poll: BusyPoll::new(clock::now(), busy_poll),
            core: Core {
                number: parts.number,
                handovers,
                sockets: Sockets::new(parts.udp, parts.raw),
                offload,
                coalescer: Coalescer::new(mergeable(offload.unwrap_or_default())),
                inside: parts.inside,
                plane: parts.plane,
                upcalls: parts.upcalls,
                notices: parts.notices,
                lost: parts.lost,
                counters,
                cookies: parts.cookies,
                unknown: Limiter::new(parts.limits.first_rate(threads)),
                known: Limiter::new(parts.limits.rate(threads)),
                read: vec![0; TunQueue::ROOM].into(),
                turn: 0,
                outbox: Outbox::new(),
                message: Buffer::with_capacity(PACKET),
                marked: Vec::with_capacity(MESSAGE),
            },
        })
    }

    /// Runs until it is told to end and has nothing left to do.
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        let mut now = clock::now();
        while !self.incoming.is_over() {
            events.clear();
            let polling = self.busy_poll.is_due(now);
            let timeout = polling.then_some(&AT_ONCE);
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => {
                    error!(%error, "epoll_wait failed: this packet thread ends");
                    return;
                }
            }
            now = clock::now();
            if events.is_empty() {
                if polling {
                    // Whoever has to fill our queues may be waiting for this very core.
                    thread::yield_now();
                }
                continue;
            }
            // Commands first: what they send is mostly what a peer is waiting for.
            if events
                .iter()
                .any(|event| Source::of(event.data.u64()) == Source::Commands)
            {
                self.obey();
            }
            let mut readable = [false; TunQueues::MOST];
            for event in &events {
                match Source::of(event.data.u64()) {
                    Source::Commands => {}
                    Source::Handover => self.core.take_over(),
                    Source::Udp(index) => self.core.read_udp(now, index, &mut self.inbox),
                    Source::Raw(index) => self.core.read_raw(now, index, &mut self.inbox),
                    Source::Tun(place) => {
                        if let Some(readable) = readable.get_mut(place) {
                            *readable = true;
                        }
                    }
                    Source::Device(place) => {
                        if let Err(error) = self.core.read_device(place) {
                            self.forget_device(place, &error);
                        }
                    }
                }
            }
            // However many they are, they have one round in all: no more than any socket.
            if readable.contains(&true)
                && let Err(error) = self.core.read_tun(readable)
            {
                self.forget_tun(&error);
            }
            if self.core.plane.take_urgent() {
                self.core.notices.notify_one();
            }
            let began = now;
            now = clock::now();
            self.busy_poll.worked(began, now);
        }
    }

    fn obey(&mut self) {
        self.incoming.hear();
        for _ in 0..COMMAND_ROUND {
            let Some(command) = self.incoming.next() else {
                return self.core.flush();
            };
            match command {
                Command::Attach { session, queue } => self.attach(session, queue),
                Command::Detach { session, to } => self.detach(session, &to),
                Command::Renew(queue) => self.renew(queue),
                command => self.core.obey(command),
            }
        }
        self.core.flush();
        self.incoming.ring();
    }

    fn attach(&mut self, session: SessionId, queue: TunQueue) {
        let Inside::PerSession(devices) = &mut self.core.inside else {
            return warn!(%session, "a device for a session where there is one for all");
        };
        let offload = queue.offload();
        let place = devices.insert(session, queue);
        let token = EventData::new_u64(Source::Device(place).token());
        let watched = devices
            .descriptor(place)
            .map(|fd| epoll::add(&self.epoll, fd.as_fd(), token, EventFlags::IN));
        if let Some(Err(error)) = watched {
            warn!(%session, %error, "the device of a session cannot be waited for");
        }
        self.core.merge_for(offload);
    }

    fn detach(&mut self, session: SessionId, to: &mpsc::Sender<TunQueue>) {
        if let Inside::PerSession(devices) = &mut self.core.inside
            && let Some(queue) = devices.remove(session)
        {
            let _ = epoll::delete(&self.epoll, &queue);
            // Whoever asked may have given up; then it is closed here.
            let _ = to.send(queue);
        }
    }

    fn renew(&mut self, queues: TunQueues) {
        let Inside::Tun(former) = &mut self.core.inside else {
            return warn!("a device for all sessions where each has one of its own");
        };
        for queue in former.all() {
            let _ = epoll::delete(&self.epoll, queue);
        }
        for (place, queue) in queues.all().iter().enumerate() {
            let token = EventData::new_u64(Source::Tun(place).token());
            if let Err(error) = epoll::add(&self.epoll, queue, token, EventFlags::IN) {
                warn!(%error, "the new TUN device cannot be waited for");
            }
        }
        let offload = queues.offload();
        *former = queues;
        self.core.merge_for(offload);
    }

    /// The device is gone or broken, which ends the traffic of its session only.
    fn forget_device(&self, place: usize, error: &io::Error) {
        if let Inside::PerSession(devices) = &self.core.inside
            && let Some((session, queue)) = devices.at(place)
        {
            debug!(%session, %error, "the device of a session cannot be read any more");
            let _ = epoll::delete(&self.epoll, queue);
            // The loop may have ended.
            let _ = self.core.lost.send(Lost::Device(session));
        }
    }

    /// The device is gone or broken. Without this the loop would spin on it.
    fn forget_tun(&self, error: &io::Error) {
        debug!(%error, "the TUN device cannot be read any more");
        if let Inside::Tun(queues) = &self.core.inside {
            for queue in queues.all() {
                let _ = epoll::delete(&self.epoll, queue);
            }
            let _ = self.core.lost.send(Lost::Tun);
        }
    }
}

impl Core {
    /// From now on there is a device that takes no more than this.
    fn merge_for(&mut self, offload: Offload) {
        let least = self.offload.map_or(offload, |least| least.min(offload));
        if self.offload.replace(least) != Some(least) {
            self.coalescer = Coalescer::new(mergeable(least));
        }
    }

    fn obey(&mut self, command: Command) {
        // What was to be sent before leaves before; what is sent in a row may leave together.
        if !matches!(command, Command::Inject(_)) {
            self.flush();
        }
        match command {
            Command::Send { path, bytes } => self.send_ike(&path, &bytes),
            Command::SealControl { peer, ports, bytes } => {
                if self.load(&bytes) {
                    let egress = self.plane.seal_control(peer, ports, &mut self.message);
                    self.on_sealed(&egress);
                }
            }
            Command::SealPpp { session, frame } => {
                if self.load(&frame) {
                    let egress = self.plane.seal_ppp(session, &mut self.message);
                    self.on_sealed(&egress);
                }
            }
            Command::SealIp { session, packet } => {
                if self.load(&packet) {
                    let egress = self.plane.seal_ip(session, &mut self.message);
                    self.on_sealed(&egress);
                }
            }
            Command::Apply(update) => {
                // A change that contradicts the tables is a bug above, not a peer's doing.
                if let Err(error) = self.plane.apply(update) {
                    warn!(%error, "a change to the data plane's tables was refused");
                }
            }
            Command::Deliver {
                peer,
                ports,
                mut bytes,
            } => {
                self.on_ingress(self.plane.deliver(peer, ports, &mut bytes));
            }
            // These are the loop's, which knows what is waited for.
            Command::Attach { .. } | Command::Detach { .. } | Command::Renew(_) => {}
            // Whoever asked may have given up.
            Command::Fence(passed) => drop(passed.send(())),
            Command::Inject(mut packet) => self.egress(None, VnetHeader::PLAIN, &mut packet),
        }
    }

    fn on_sealed(&self, egress: &Egress) {
        let packet = self.message.packet();
        match egress {
            Egress::Sealed { path, .. } => self.sockets.send(path, packet, &self.counters),
            Egress::Reply => deliver_alone(&self.inside, &self.counters, None, packet),
            // Nothing of ours is longer than a link takes; and the data plane has counted what it
            // dropped.
            Egress::Fragments(_) | Egress::Dropped(_) => {}
        }
    }

    fn load(&mut self, packet: &[u8]) -> bool {
        let fits = self.message.load(packet).is_ok();
        if !fits {
            self.counters.send_too_long.count();
        }
        fits
    }

    fn send_ike(&mut self, path: &Path, message: &[u8]) {
        if path.carrier != Carrier::NatT || message == KEEPALIVE {
            return self.sockets.send(path, message, &self.counters);
        }
        self.marked.clear();
        self.marked.extend(MARKER);
        self.marked.extend_from_slice(message);
        self.sockets.send(path, &self.marked, &self.counters);
    }
}
