//! The way out for many packets at a time.
//!
//! What the host hands over in one go is for one destination, so everything that is looked up is
//! looked up once for it. Its segments are written to where they leave from, with the headers in
//! front, and wait for others of their peer; they are sealed when they leave.

use std::cell::Cell;
use std::sync::Arc;

use wire::Path;

use crate::drops::DropReason;
use crate::egress::headers::Headers;
use crate::egress::{Egress, Latest, fill_checksum};
use crate::mss;
use crate::net::ip::Header;
use crate::offload::{Segments, VnetHeader};
use crate::outbox::{Departure, Outbox, Owner, Run};
use crate::plane::DataPlane;
use crate::sa::{Form, OutboundSa};
use crate::session::{Network, Session};

/// Where packets go, looked up.
struct Way<'a> {
    session: &'a Arc<Session>,
    network: &'a Network,
    sa: &'a Arc<OutboundSa>,
    path: Path,
    form: Form,
    is_v4: bool,
    /// When the run was opened, if it has to be.
    stamp: u64,
    /// What was in front of the last packet, if it can be in front of another one of its length.
    headers: Cell<Option<(usize, Headers)>>,
}

impl Way<'_> {
    /// What goes in front of an IP packet of `len` bytes. Segments are mostly of one length.
    fn headers(&self, len: usize) -> Option<Headers> {
        if let Some((of, headers)) = self.headers.get()
            && of == len
        {
            return Some(headers);
        }
        let headers = Headers::of_packet(self.session, self.network, self.is_v4, len)?;
        let again = !self.session.link.sequencing;
        self.headers.set(again.then_some((len, headers)));
        Some(headers)
    }

    /// Whether packets in the run of this owner go the same way.
    fn is_that_of(&self, owner: &Owner) -> bool {
        Arc::ptr_eq(self.session, &owner.session)
            && Arc::ptr_eq(self.sa, &owner.sa)
            && self.path == owner.path
            && self.form == owner.form
    }

    fn owner(&self) -> Owner {
        Owner {
            session: Arc::clone(self.session),
            sa: Arc::clone(self.sa),
            path: self.path,
            form: self.form,
        }
    }
}

impl DataPlane {
    /// Sends out what the host handed over: `packet` with `header` in front. Each of the packets
    /// that it stands for is treated as by [`DataPlane::egress`], and waits in `outbox` for others
    /// of its peer. `send` is given what has to leave meanwhile, in this order; if segments are
    /// too long, `reply` is given one IP packet for their sender, that is for the TUN.
    ///
    /// As with [`DataPlane::egress`], one thread at a time sends what belongs to one peer.
    pub fn egress_batch(
        &self,
        header: VnetHeader,
        packet: &mut [u8],
        outbox: &mut Outbox,
        send: &mut impl FnMut(Departure<'_>),
        reply: &mut impl FnMut(&[u8]),
    ) {
        let outcome = Segments::new(header, packet).and_then(|mut segments| {
            let header = *segments.header();
            self.check_isolation(&header)?;
            if self.follow(&mut segments, outbox).is_some() {
                return Ok(());
            }
            // Before anything is looked up.
            let changes = self.changes();
            self.with_session_for(header.destination, |session| {
                self.egress_segments(session, changes, segments, outbox, send, reply)
            })
        });
        if let Err(reason) = outcome {
            self.drops.count(reason);
        }
    }

    /// Sends out all that waits in `outbox`, the peer that has waited longest first.
    pub fn flush(&self, outbox: &mut Outbox, send: &mut impl FnMut(Departure<'_>)) {
        while let Some(run) = outbox.runs.oldest() {
            self.depart(run, send);
        }
    }

    fn egress_segments(
        &self,
        session: &Arc<Session>,
        changes: u64,
        mut segments: Segments<'_>,
        outbox: &mut Outbox,
        send: &mut impl FnMut(Departure<'_>),
        reply: &mut impl FnMut(&[u8]),
    ) -> Result<(), DropReason> {
        let network = session.network.load();
        let network = network.as_ref().ok_or(DropReason::NetworkDown)?;
        if !network.carries(segments.header()) {
            return Err(DropReason::NoSession);
        }
        let sa = session.peer.outbound.load();
        let sa = sa.as_ref().ok_or(DropReason::NoOutboundSa)?;
        let Outbox {
            runs,
            segment,
            piece,
            latest,
        } = outbox;
        *latest = None;
        let way = Way {
            session,
            network,
            sa,
            path: **session.peer.path.load(),
            form: sa.form(),
            is_v4: segments.header().source.is_ipv4(),
            stamp: runs.stamp(),
            headers: Cell::new(None),
        };
        let run = runs.place_for(session.link.peer);
        let run = run.ok_or(DropReason::NoRoom)?;
        let mtu = usize::from(network.mtu);
        if segments.is_whole() && segments.next_len() <= Some(mtu) {
            let header = *segments.header();
            mss::clamp(segments.packet_mut(), &header, network.mtu.min(network.mru));
        }
        while let Some(len) = segments.next_len() {
            if len <= mtu {
                self.push(&way, run, len, |room| segments.next_into(room), send)?;
                continue;
            }
            let len = segments.next_into(segment.space());
            len.and_then(|len| segment.set_len(len).ok())
                .ok_or(DropReason::NoRoom)?;
            let header = Header::parse(segment.packet()).map_err(|_| DropReason::BadIp)?;
            match self.too_long(network, header, segment)? {
                Egress::Fragments(mut fragments) => {
                    while fragments.next(segment.packet(), piece).is_some() {
                        let piece = piece.packet();
                        let copy = |room: &mut [u8]| {
                            room.get_mut(..piece.len())?.copy_from_slice(piece);
                            Some(piece.len())
                        };
                        self.push(&way, run, piece.len(), copy, send)?;
                    }
                }
                // All others are as long or would be missed: one answer is for all of them.
                Egress::Reply => {
                    reply(segment.packet());
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
        let last = way.headers.get();
        *latest = last.map(|(len, headers)| Latest {
            destination: segments.header().destination,
            changes,
            opened: run.opened(),
            clamp: network.mtu.min(network.mru),
            len,
            headers,
        });
        Ok(())
    }

    /// Puts an IP packet of `len` bytes, which `write` writes, into the run of its peer.
    fn push(
        &self,
        way: &Way<'_>,
        run: &mut Run,
        len: usize,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
        send: &mut impl FnMut(Departure<'_>),
    ) -> Result<(), DropReason> {
        let headers = way.headers(len).ok_or(DropReason::NoRoom)?;
        let headers = headers.as_slice();
        let payload = headers.len().saturating_add(len);

        let goes_on = run.owner().is_some_and(|owner| way.is_that_of(owner));
        if !goes_on || run.room(payload).is_none() {
            self.depart(run, send);
            run.open(way.owner(), way.stamp);
        }
        let room = run.room(payload).ok_or(DropReason::NoRoom)?;
        let (front, packet) = room
            .split_at_mut_checked(headers.len())
            .ok_or(DropReason::NoRoom)?;
        front.copy_from_slice(headers);
        write(packet).ok_or(DropReason::NoRoom)?;
        fill_checksum(&way.path, room);
        run.lay(payload, len).ok_or(DropReason::NoRoom)
    }

    /// Draws numbers for the packets of a run, seals them and gives them to `send`.
    fn depart(&self, run: &mut Run, send: &mut impl FnMut(Departure<'_>)) {
        let Some(owner) = run.close() else { return };
        let wanted = run.len();
        let numbers = self.draw(
            &owner.session.peer,
            &owner.sa,
            u32::try_from(wanted).unwrap_or(0),
        );
        let Ok(numbers) = numbers else {
            return self.drops.count_all(DropReason::SequenceExhausted, wanted);
        };
        let first = *numbers.start();
        run.truncate(numbers.count());
        let granted = run.len();
        let exhausted = wanted.saturating_sub(granted);
        self.drops
            .count_all(DropReason::SequenceExhausted, exhausted);
        let Ok(sealed) = run.seal(&owner, first) else {
            return self.drops.count_all(DropReason::NoRoom, granted);
        };
        owner.sa.meter.count_all(granted, sealed);
        owner.session.sent.count_all(granted, run.carried());
        run.departures(&owner).for_each(send);
    }
}
