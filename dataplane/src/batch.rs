//! The way in for many packets at a time.
//!
//! What a socket hands over in one go is mostly a run of packets of one peer. Their association is
//! looked up once, and they are opened side by side ([`esp::Opener::open_batch`]); what follows is
//! done for one after another, in their order, as [`DataPlane::ingress`] does it.

use esp::{Incoming, OpenError, Opened};
use wire::{Instant, Path};

use crate::drops::DropReason;
use crate::ingress::{Ingress, Recent, accept, refused};
use crate::plane::DataPlane;
use crate::sa::InboundSa;

/// Packets opened side by side: [`esp::BATCH`] of them cost the least each.
const RUN: usize = esp::BATCH;

/// A run of packets of one association, and how each came.
struct Run<'p, 'a> {
    paths: [Option<&'p Path>; RUN],
    packets: [&'a mut [u8]; RUN],
    len: usize,
}

impl<'p, 'a> Run<'p, 'a> {
    fn new() -> Self {
        Self {
            paths: [None; RUN],
            packets: std::array::from_fn(|_| &mut [][..]),
            len: 0,
        }
    }

    /// Only while it is not full.
    fn push(&mut self, path: &'p Path, packet: &'a mut [u8]) {
        let place = self.paths.get_mut(self.len);
        if let (Some(at), Some(place)) = (place, self.packets.get_mut(self.len)) {
            (*at, *place) = (Some(path), packet);
            self.len = self.len.saturating_add(1);
        }
    }

    const fn is_full(&self) -> bool {
        self.len >= RUN
    }

    /// Takes what has been pushed.
    fn drain(&mut self) -> impl Iterator<Item = (&'p Path, &'a mut [u8])> {
        let len = std::mem::take(&mut self.len);
        let paths = self.paths.iter_mut().filter_map(Option::take);
        paths
            .zip(self.packets.iter_mut().map(std::mem::take))
            .take(len)
    }
}

impl DataPlane {
    /// Takes ESP packets in that were received together, and gives what became of each to `take`,
    /// those of one association in their order. Each is treated as by [`DataPlane::ingress`].
    pub fn ingress_batch<'p, 'a>(
        &self,
        now: Instant,
        packets: impl Iterator<Item = (&'p Path, &'a mut [u8])>,
        mut take: impl FnMut(Ingress<'a>),
    ) {
        let mut run = Run::new();
        let mut of = None;
        for (path, packet) in packets {
            let Some((spi, _)) = esp::peek(packet) else {
                take(self.counted(Err(DropReason::BadEspLength)));
                continue;
            };
            if of != Some(spi) || run.is_full() {
                self.ingress_run(now, of, &mut run, &mut take);
                of = Some(spi);
            }
            run.push(path, packet);
        }
        self.ingress_run(now, of, &mut run, &mut take);
    }

    fn ingress_run<'a>(
        &self,
        now: Instant,
        spi: Option<u32>,
        run: &mut Run<'_, 'a>,
        take: &mut impl FnMut(Ingress<'a>),
    ) {
        let Some(spi) = spi.filter(|_| run.len > 0) else {
            return;
        };
        let known = self.with_inbound(spi, |slot, sa| {
            self.ingress_known(now, (slot, sa), run, take);
        });
        if let Err(reason) = known {
            for _ in run.drain() {
                take(self.counted(Err(reason)));
            }
        }
    }

    fn ingress_known<'a>(
        &self,
        now: Instant,
        sa: (usize, &InboundSa),
        run: &mut Run<'_, 'a>,
        take: &mut impl FnMut(Ingress<'a>),
    ) {
        let mut paths = [None; RUN];
        let mut batch: [Incoming<'a>; RUN] = std::array::from_fn(|_| Incoming::new(&mut []));
        let mut fresh = 0_usize;
        for (path, packet) in run.drain() {
            let sequence = esp::peek(packet).map_or(0, |(_, sequence)| sequence);
            if let Err(error) = sa.1.window.check(sequence.into()) {
                take(self.counted(Err(refused(error))));
            } else if let (Some(at), Some(place)) = (paths.get_mut(fresh), batch.get_mut(fresh)) {
                (*at, *place) = (Some(path), Incoming::new(packet));
                fresh = fresh.saturating_add(1);
            }
        }
        let batch = batch.get_mut(..fresh).unwrap_or_default();
        let (slot, sa) = sa;
        sa.open_batch(batch);

        // What concerns all of them is done once. And first: what they leave behind is there when
        // the first of them goes up.
        let peer = sa.peer.load();
        let mut accepted: [Result<Opened, DropReason>; RUN] =
            std::array::from_fn(|_| Err(DropReason::BadEspLength));
        let (mut packets, mut bytes, mut seen) = (0_usize, 0_usize, None);
        let results = batch.iter_mut().zip(paths).zip(&mut accepted);
        for ((incoming, path), result) in results {
            let outcome = std::mem::replace(&mut incoming.outcome, Err(OpenError::Length));
            *result = accept(sa, outcome).map(|(opened, acceptance)| {
                packets = packets.saturating_add(1);
                bytes = bytes.saturating_add(incoming.packet.len());
                if let Some(path) = path
                    && seen != Some((path, acceptance))
                {
                    seen = Some((path, acceptance));
                    self.notice_path(*path, sa, &peer, acceptance);
                }
                opened
            });
        }
        if packets > 0 {
            sa.meter.count_all(packets, bytes);
            self.notice(now, sa, slot, &peer, packets);
        }
        let sessions = peer.sessions.load();
        let mut recent = Recent::default();
        for (incoming, opened) in batch.iter_mut().zip(accepted) {
            let packet = std::mem::take(&mut incoming.packet);
            let outcome = opened.and_then(|opened| {
                self.deliver_opened(&peer, &sessions, &mut recent, packet, opened)
            });
            take(self.counted(outcome));
        }
    }
}
