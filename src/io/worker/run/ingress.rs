//! What comes in from the network: sorted, opened, handed to the host or up.

use std::io::{self, ErrorKind};

use dataplane::offload::{Coalescer, Delivery};
use dataplane::{Ingress, NatT, classify_natt};
use ike::Provenance;
use wire::{Carrier, Instant, Path};

use super::delivery::{deliver, deliver_alone};
use super::{Core, Inbox, KEEPALIVE, MESSAGES};
use crate::io::worker::FromPeer;
use crate::io::worker::upcall::Dropped;

/// Bytes of an ISAKMP header (RFC 2408 §3.1).
const ISAKMP_HEADER: usize = 28;
/// No IKE message is longer: several certificates and a thousand proposals fit. Upcall queues
/// hold copies, so this bounds their memory.
const MAX_IKE: usize = 16_384;

impl Core {
    pub(super) fn read_udp(&mut self, now: Instant, index: usize, inbox: &mut Inbox) {
        let Some(socket) = self.sockets.udp.get(index) else {
            return;
        };
        let count = match inbox.receive(|buffers, meta| socket.recv(buffers, meta)) {
            Ok(count) => count,
            Err(error) => return self.on_receive_error(&error),
        };
        let mut paths = [None; MESSAGES];
        for (path, meta) in paths.iter_mut().zip(&inbox.meta).take(count) {
            *path = Some(socket.path_of(meta));
        }

        let mut coalescer = std::mem::take(&mut self.coalescer).recycle();
        // ESP of all messages together: the more of a peer, the less each costs. And first: what a
        // peer says inside its association comes before the news that the association is gone.
        let messages = inbox.buffers.iter_mut().zip(&inbox.meta).zip(&paths);
        let packets = messages
            .filter_map(|((buffer, meta), path)| {
                Some((buffer.get_mut(..meta.len)?, meta, path.as_ref()?))
            })
            .filter(|(_, _, path)| path.carrier == Carrier::NatT)
            .flat_map(|(message, meta, path)| {
                let datagrams = message.chunks_mut(meta.stride.max(1));
                datagrams.filter_map(move |datagram| match classify_natt(datagram) {
                    NatT::Esp(packet) => Some((path, packet)),
                    _ => None,
                })
            });
        self.ingress(now, &mut coalescer, packets);
        self.coalescer = coalescer.recycle();

        // Opened in place, ESP still begins with its SPI and is passed over here.
        let messages = inbox.buffers.iter_mut().zip(&inbox.meta).zip(paths);
        for ((buffer, meta), path) in messages {
            let Some(path) = path else { return };
            let message = buffer.get_mut(..meta.len).unwrap_or_default();
            if meta.stride < meta.len {
                self.counters.received_joined.count();
            }
            // One message, but as many datagrams as fit into it. An empty one is a datagram, too.
            if message.is_empty() {
                self.counters.received.count();
                self.counters.runts.count();
            }
            let datagrams = message.chunks_mut(meta.stride.max(1));
            self.counters.received.add(datagrams.len());
            for datagram in datagrams {
                self.on_datagram(now, path, datagram);
            }
        }
    }

    pub(super) fn read_raw(&mut self, now: Instant, index: usize, inbox: &mut Inbox) {
        let Some(socket) = self.sockets.raw.get(index) else {
            return;
        };
        let count = match inbox.receive(|buffers, meta| socket.recv(buffers, meta)) {
            Ok(count) => count,
            Err(error) => return self.on_receive_error(&error),
        };
        let Some(socket) = self.sockets.raw.get(index) else {
            return;
        };
        let mut paths = [None; MESSAGES];
        let received = inbox.meta.iter().zip(&inbox.buffers);
        for (path, (meta, packet)) in paths.iter_mut().zip(received).take(count) {
            *path = Some(socket.path_of(meta, packet));
        }
        let mut coalescer = std::mem::take(&mut self.coalescer).recycle();
        let messages = inbox.buffers.iter_mut().zip(&inbox.meta).zip(&paths);
        let packets = messages.filter_map(|((buffer, meta), path)| {
            let path = path.as_ref()?;
            self.counters.received.count();
            let packet = buffer.get_mut(..meta.len).unwrap_or_default();
            let esp = socket
                .esp_within(packet)
                .and_then(|range| packet.get_mut(range));
            if esp.is_none() {
                self.counters.runts.count();
            }
            Some((path, esp?))
        });
        self.ingress(now, &mut coalescer, packets);
        self.coalescer = coalescer.recycle();
    }

    /// Opens what was received in one round, and hands over to the host what can be put together as
    /// such.
    fn ingress<'p, 'a>(
        &self,
        now: Instant,
        coalescer: &mut Coalescer<'a>,
        packets: impl Iterator<Item = (&'p Path, &'a mut [u8])>,
    ) {
        let mut write = |delivery: Delivery<'_>| deliver(&self.inside, &self.counters, &delivery);
        self.plane
            .ingress_batch(now, packets, |ingress| match ingress {
                Ingress::Ip { session, packet } => {
                    coalescer.push(Some(session), packet, &mut write);
                }
                other => self.on_ingress(other),
            });
        coalescer.flush(&mut write);
    }

    fn on_receive_error(&self, error: &io::Error) {
        if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
            self.counters.receive_failed.count();
        }
    }

    fn on_datagram(&mut self, now: Instant, path: Path, datagram: &mut [u8]) {
        if path.carrier == Carrier::Ike {
            return self.on_ike(now, path, datagram);
        }
        match classify_natt(datagram) {
            // It has gone in with the others of its round.
            NatT::Esp(_) => {}
            NatT::Ike(message) => self.on_ike(now, path, message),
            NatT::Keepalive => self.counters.keepalives.count(),
            NatT::Malformed => self.counters.runts.count(),
        }
    }

    fn on_ike(&mut self, now: Instant, path: Path, message: &[u8]) {
        if message == KEEPALIVE {
            // Some peers keep the mapping of the first port alive, too.
            return self.counters.keepalives.count();
        }
        if message.len() < ISAKMP_HEADER {
            return self.counters.runts.count();
        }
        if message.len() > MAX_IKE {
            return self.counters.oversized_ike.count();
        }
        let known = match self.cookies.provenance(path, message) {
            Provenance::Known => true,
            Provenance::First => false,
            // Before anything is counted against a source, which may be as forged as they are.
            Provenance::Foreign => return self.counters.foreign_cookies.count(),
        };
        let (limiter, limited, dropped) = match known {
            true => (
                &mut self.known,
                &self.counters.limited_ike,
                &self.counters.dropped_ike,
            ),
            false => (
                &mut self.unknown,
                &self.counters.limited_first_ike,
                &self.counters.dropped_first_ike,
            ),
        };
        if !limiter.admit(now, path.remote.ip()) {
            limited.count();
        } else if self.upcalls.ike(known, path, message).is_err() {
            dropped.count();
        }
    }

    pub(super) fn on_ingress(&self, ingress: Ingress<'_>) {
        let queued = match ingress {
            Ingress::Ip { session, packet } => {
                return deliver_alone(&self.inside, &self.counters, Some(session), packet);
            }
            Ingress::Control {
                peer,
                ports,
                message,
            } => self.upcalls.authenticated(peer, || FromPeer::Control {
                peer,
                ports,
                bytes: message.to_vec(),
            }),
            Ingress::Ppp {
                peer,
                session,
                frame,
            } => self.upcalls.authenticated(peer, || FromPeer::Ppp {
                session,
                frame: frame.to_vec(),
            }),
            Ingress::Dhcp {
                peer,
                session,
                message,
            } => self.upcalls.authenticated(peer, || FromPeer::Dhcp {
                session,
                message: message.to_vec(),
            }),
            Ingress::Stray {
                peer,
                ports,
                tunnel,
                session,
                message,
            } => self.upcalls.authenticated(peer, || FromPeer::Stray {
                peer,
                ports,
                ids: (tunnel, session),
                bytes: message.to_vec(),
            }),
            // The data plane has counted it.
            Ingress::Dropped(_) => Ok(()),
        };
        match queued {
            Ok(()) => {}
            Err(Dropped::QueueFull) => self.counters.dropped_upcalls.count(),
            Err(Dropped::NoCredit) => self.counters.dropped_credit.count(),
        }
    }
}
