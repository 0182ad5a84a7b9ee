//! Putting packets together that are on their way to the host: a run of TCP segments or of UDP
//! datagrams becomes one super-packet, as in the kernel's own generic receive offload.
//!
//! Nothing is copied: a super-packet is the first packet, its headers edited in place, and the
//! payloads of the others where they lie. Who cuts it again gets what went in, byte for byte. So a
//! packet joins a run only if its headers say nothing but what follows from the first one's, and
//! if its checksums are right: the host takes the checksum of a super-packet for granted, so that
//! a damaged segment would come out of it as a whole one. One thing may differ: the identification
//! of IPv4 packets that must not be fragmented, which is for nobody to look at (RFC 6864 §4.1).

mod parts;
mod run;
mod segment;
#[cfg(test)]
mod tests;

use std::io::IoSlice;

use self::parts::Parts;
use self::run::Run;
use self::segment::{Segment, Transport};
use super::vnet::VnetHeader;
use crate::net::ip::Header;
use crate::session::SessionId;

/// Runs that grow at the same time. With one more, the eldest goes out.
const OPEN_RUNS: usize = 16;
/// Packets that have joined runs since the last flush. With one more, there is one.
const JOINED: usize = OPEN_RUNS * run::PACKETS;

/// What the host takes in super-packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mergeable {
    /// Nothing: every packet goes alone.
    #[default]
    Nothing,
    /// TCP.
    Tcp,
    /// TCP and UDP.
    TcpAndUdp,
}

/// What the host gets in one piece: a packet or a super-packet.
#[derive(Debug)]
pub struct Delivery<'d> {
    /// The session through which all of it came.
    pub session: Option<SessionId>,
    /// How many packets it stands for.
    pub packets: usize,
    /// What the host is to make of it.
    pub header: VnetHeader,
    /// The header as the device takes it, and the IP packet.
    slices: &'d [IoSlice<'d>],
}

impl Delivery<'_> {
    /// What goes into a device with `IFF_VNET_HDR`, for one `writev`.
    pub const fn with_header(&self) -> &[IoSlice<'_>] {
        self.slices
    }

    /// The IP packet, for a device without such headers: several slices only if it is a
    /// super-packet.
    pub fn packet(&self) -> &[IoSlice<'_>] {
        self.slices.get(1..).unwrap_or_default()
    }
}

/// Takes the IP packets of one round of receiving, and gives the same out in fewer pieces.
///
/// What it borrows lies in the buffers of that round. At its end comes [`Coalescer::flush`], and
/// [`Coalescer::recycle`] keeps the memory for the next.
#[derive(Debug, Default)]
pub struct Coalescer<'a> {
    mergeable: Mergeable,
    /// The eldest first.
    runs: Vec<Run<'a>>,
    /// The payloads of all runs, but for those of their first packets. Those of runs that are
    /// gone stay until the next flush.
    parts: Parts<'a>,
}

impl<'a> Coalescer<'a> {
    /// One that puts together what is `mergeable`. All the memory it needs is taken here.
    pub fn new(mergeable: Mergeable) -> Self {
        let (runs, parts) = match mergeable {
            Mergeable::Nothing => (0, 0),
            _ => (OPEN_RUNS, JOINED),
        };
        Self {
            mergeable,
            runs: Vec::with_capacity(runs),
            parts: Parts::with_capacity(parts),
        }
    }

    /// Takes the next packet, which came through `session`; packets of different sessions, which
    /// may have different devices, are never put together.
    ///
    /// It begins or joins a run, or goes to `write` at once. Whatever goes out, nothing of the
    /// same flow is overtaken.
    pub fn push(
        &mut self,
        session: Option<SessionId>,
        packet: &'a mut [u8],
        write: &mut impl FnMut(Delivery<'_>),
    ) {
        if self.mergeable == Mergeable::Nothing {
            return run::write_alone(session, packet, write);
        }
        let Ok(ip) = Header::parse(packet) else {
            return run::write_alone(session, packet, write);
        };
        let Some(segment) = Segment::parse(packet, ip) else {
            // A fragment, say: it may be of any flow between the two hosts.
            while let Some(index) = self.find(|run| run.is_between(session, &ip)) {
                self.write_run(index, write);
            }
            return run::write_alone(session, packet, write);
        };
        if self.parts.is_full() {
            self.flush(write);
        }
        let mergeable = self.takes(segment.transport) && segment.is_mergeable(packet);
        if let Some(index) = self.find(|run| run.is_of(session, &segment)) {
            let run = self.runs.get_mut(index);
            if let Some(run) = run.filter(|run| mergeable && run.takes(&segment, packet)) {
                run.join(&segment, packet, &mut self.parts);
                if run.is_complete(&segment) {
                    self.write_run(index, write);
                }
                return;
            }
            self.write_run(index, write);
        }
        if !mergeable || segment.pushes() {
            return run::write_alone(session, packet, write);
        }
        if self.runs.len() >= OPEN_RUNS {
            self.write_run(0, write);
        }
        self.runs.push(Run::new(session, segment, packet));
    }

    /// Writes all runs, the eldest first: at the end of each round, so that nothing waits for
    /// packets that may not come.
    pub fn flush(&mut self, write: &mut impl FnMut(Delivery<'_>)) {
        for run in self.runs.drain(..) {
            run.write(&self.parts, write);
        }
        self.parts.clear();
    }

    /// Makes it ready for another round, with the memory it has. What was not flushed is lost.
    pub fn recycle<'b>(self) -> Coalescer<'b> {
        Coalescer {
            mergeable: self.mergeable,
            runs: recycled(self.runs),
            parts: self.parts.recycle(),
        }
    }

    const fn takes(&self, transport: Transport) -> bool {
        match transport {
            Transport::Tcp => !matches!(self.mergeable, Mergeable::Nothing),
            Transport::Udp => matches!(self.mergeable, Mergeable::TcpAndUdp),
        }
    }

    fn find(&self, is_it: impl FnMut(&Run<'a>) -> bool) -> Option<usize> {
        self.runs.iter().position(is_it)
    }

    /// Writes a run that is there.
    fn write_run(&mut self, index: usize, write: &mut impl FnMut(Delivery<'_>)) {
        self.runs.remove(index).write(&self.parts, write);
    }
}

/// An empty vector in the memory of another whose elements differ in nothing but a lifetime: the
/// standard library collects in place what has the same layout.
fn recycled<T, U>(mut vec: Vec<T>) -> Vec<U> {
    vec.clear();
    vec.into_iter().filter_map(|_| None).collect()
}
