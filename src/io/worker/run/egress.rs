//! What goes out: read from the TUN device in short rounds, cut, sealed, and sent.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use dataplane::SessionId;
use dataplane::net::ip::Header;
use dataplane::offload::{Gso, VnetHeader};
use rustix::io::Errno;

use super::Core;
use super::delivery::deliver_alone;
use crate::io::tun::{TunQueue, TunQueues};
use crate::io::worker::Inside;
use crate::io::worker::handover::Full;

/// What is read from a device before the sockets get their turn again: about one super-packet, or
/// so many small ones. A small packet waits for all of the round in front of it.
const ROUND: Round = Round {
    packets: 64,
    bytes: 65_536,
};

/// What may yet be read.
#[derive(Debug, Clone, Copy)]
struct Round {
    packets: usize,
    bytes: usize,
}

impl Round {
    /// After a packet of so many bytes. Nothing is left if another like it would be too much.
    const fn after(self, length: usize) -> Self {
        let bytes = self.bytes.saturating_sub(length);
        let packets = match bytes < length {
            true => 0,
            false => self.packets.saturating_sub(1),
        };
        Self { packets, bytes }
    }
}

impl Core {
    /// Reads what the host sends to all clients, from those of our queues that have something. Each
    /// begins a round in its turn, so that none waits for more than a round of every other. Errors
    /// are those of a broken TUN device only.
    pub(super) fn read_tun(&mut self, readable: [bool; TunQueues::MOST]) -> io::Result<()> {
        let (before, behind) = readable.split_at_checked(self.turn).unwrap_or_default();
        let places = (self.turn..).zip(behind).chain((0..).zip(before));
        let mut round = ROUND;
        let mut result = Ok(());
        for (place, _) in places.filter(|(_, readable)| **readable) {
            self.turn = place.saturating_add(1);
            result = self.read_queue(&mut round, |inside| match inside {
                Inside::Tun(queues) => Some((None, queues.all().get(place)?)),
                _ => None,
            });
            if result.is_err() || round.packets == 0 {
                break;
            }
        }
        self.flush();
        result
    }

    /// Reads what goes into the device of a session. As where there is one device for all, it goes
    /// to whom its destination says. Errors are those of a broken device only.
    pub(super) fn read_device(&mut self, place: usize) -> io::Result<()> {
        let mut round = ROUND;
        let result = self.read_queue(&mut round, |inside| match inside {
            // It may have gone a moment ago.
            Inside::PerSession(devices) => devices
                .at(place)
                .map(|(session, queue)| (Some(session), queue)),
            _ => None,
        });
        self.flush();
        result
    }

    fn read_queue(
        &mut self,
        round: &mut Round,
        queue: impl Fn(&Inside) -> Option<(Option<SessionId>, &TunQueue)>,
    ) -> io::Result<()> {
        let mut room = std::mem::take(&mut self.read);
        let result = self.read_packets(round, queue, &mut room);
        self.read = room;
        result
    }

    fn read_packets(
        &mut self,
        round: &mut Round,
        queue: impl Fn(&Inside) -> Option<(Option<SessionId>, &TunQueue)>,
        room: &mut [u8],
    ) -> io::Result<()> {
        while round.packets > 0 {
            let Some((from, queue)) = queue(&self.inside) else {
                return Ok(());
            };
            match queue.recv(room) {
                Ok((_, [])) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok((header, packet)) => {
                    *round = round.after(packet.len());
                    self.counters.tun_read.count();
                    self.on_read(from, header, packet);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The device is down for now; it cannot be ready while it is.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what was read to whom it is for, or has it sent.
    fn on_read(
        &mut self,
        from: Option<SessionId>,
        header: [u8; VnetHeader::LEN],
        packet: &mut [u8],
    ) {
        let Ok(header) = VnetHeader::parse(header) else {
            return self.counters.tun_unknown.count();
        };
        if header.gso != Gso::None {
            self.counters.tun_read_super.count();
        }
        if !self.hand_over(header, packet) {
            self.egress(from, header, packet);
        }
    }

    /// Gives the packet to the worker that owns the peer it is for, if that is another one.
    /// Returns whether it is out of our hands.
    fn hand_over(&self, header: VnetHeader, packet: &[u8]) -> bool {
        if self.handovers.len() <= 1 {
            return false;
        }
        let destination = Header::parse(packet).map(|header| header.destination);
        let owner = destination.ok().and_then(|to| self.plane.owner_for(to));
        let Some((peer, thread)) = owner.filter(|(_, thread)| *thread != self.number) else {
            return false;
        };
        let given = self
            .handovers
            .get(thread)
            .map(|handover| handover.give(peer, header, packet));
        match given {
            Some(Ok(())) => self.counters.handed_over.count(),
            Some(Err(Full::Queue)) | None => self.counters.handover_full.count(),
            Some(Err(Full::Share)) => self.counters.handover_share.count(),
        }
        true
    }

    /// Sends what other workers have read for our peers.
    pub(super) fn take_over(&mut self) {
        let Some(handover) = self.handovers.get(self.number).map(Arc::clone) else {
            return;
        };
        handover.hear();
        let mut round = ROUND;
        while let Some(mut parcel) = handover.take() {
            let (header, packet) = parcel.contents();
            round = round.after(packet.len());
            self.egress(None, header, packet);
            handover.done(parcel);
            if round.packets == 0 {
                handover.ring();
                break;
            }
        }
        self.flush();
    }

    /// Sends a packet or super-packet to whom it is for. It came from the device of a session or
    /// that of all, with `header` in front. It may wait for others until [`Core::flush`].
    pub(super) fn egress(
        &mut self,
        from: Option<SessionId>,
        header: VnetHeader,
        packet: &mut [u8],
    ) {
        let Self {
            plane,
            outbox,
            sockets,
            inside,
            counters,
            ..
        } = self;
        plane.egress_batch(
            header,
            packet,
            outbox,
            &mut |departure| sockets.depart(&departure, counters),
            &mut |answer| deliver_alone(inside, counters, from, answer),
        );
    }

    /// Sends what waits for others. Whatever is sealed by itself comes after this, and what an
    /// association still has to carry leaves before it goes.
    pub(super) fn flush(&mut self) {
        let Self {
            plane,
            outbox,
            sockets,
            counters,
            ..
        } = self;
        plane.flush(outbox, &mut |departure| {
            sockets.depart(&departure, counters)
        });
    }
}
