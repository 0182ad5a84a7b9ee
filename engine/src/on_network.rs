//! IPCP is open: everything is made ready for traffic, and only then does the peer learn of it.
//!
//! The world around has a part in that (an interface, a route, a script that comes first), which may
//! take a while. Until it answers the link is *held*: what it wants to send stays in it, what comes
//! for it waits, and its clock stands still.

use std::collections::VecDeque;

use dataplane::Remote;
use ppp::NetworkUp;
use ppp::frame::{Frame, Protocol};
use ppp::packet::{Code, Packet};
use wire::Instant;
use zeroize::Zeroizing;

use crate::engine::Pending;
use crate::session::{Network, Session};
use crate::{Cause, Engine, Event, Reason, Request, RequestId, SessionId, Stage};

/// Frames that wait for a held link. A client repeats its message every few seconds, and what more
/// it sends is lost like a packet on the way.
const WAITING: usize = 16;

/// A link whose NetworkUp is waited upon by the world around.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) request: RequestId,
    up: NetworkUp,
    frames: VecDeque<Zeroizing<Vec<u8>>>,
}

impl Held {
    /// Keeps a frame for the link, in the place of one that it repeats.
    ///
    /// QUIRK(Windows): its IPCP request has a new identifier each time, and only the answer to the
    /// last one counts. It repeats itself because our Ack is held; all of that at once would look
    /// to the link like a peer that negotiates anew.
    fn keep(&mut self, frame: Zeroizing<Vec<u8>>) {
        if let Some(request) = ipcp_request(&frame) {
            self.frames
                .retain(|waiting| ipcp_request(waiting) != Some(request));
        }
        if self.frames.len() < WAITING {
            self.frames.push_back(frame);
        }
    }
}

/// The options of an IPCP Configure-Request, if the frame is one.
fn ipcp_request(frame: &[u8]) -> Option<&[u8]> {
    let frame = Frame::parse(frame).ok()?;
    let packet = Packet::parse(frame.information).ok()?;
    let wanted = frame.protocol == Protocol::IPCP && packet.code == Code::CONFIGURE_REQUEST;
    wanted.then_some(packet.data)
}

impl Engine {
    /// The data plane must carry packets before the peer learns that it may send some; the link
    /// says so in this order.
    pub(crate) fn on_network_up(&mut self, now: Instant, id: SessionId, up: NetworkUp) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(peer) = self.peers.get(&session.peer) else {
            return;
        };
        if peer.dialled.is_some() {
            return self.open_network(now, id, &up);
        }
        let network = self.network(now, session, &up);
        let Some(info) = network.and_then(|network| self.describe(session, &network)) else {
            return;
        };
        let request = self.request(Pending::Prepare(id), Request::Prepare(Box::new(info)));
        if let Some(session) = self.sessions.get_mut(&id) {
            session.held = Some(Held {
                request,
                up,
                frames: VecDeque::new(),
            });
        }
    }

    /// A frame has come for a link.
    pub(crate) fn on_frame(&mut self, now: Instant, id: SessionId, frame: Vec<u8>) {
        // With PAP there is a password in it.
        let frame = Zeroizing::new(frame);
        let session = self.sessions.get_mut(&id);
        match session.and_then(|session| session.held.as_mut()) {
            Some(held) => held.keep(frame),
            None => self.touch_link(id, |link| link.handle_frame(now, &frame)),
        }
    }

    pub(crate) fn on_prepared(&mut self, now: Instant, id: SessionId, result: Result<(), String>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(held) = session.held.take() else {
            return;
        };
        let peer = session.peer;
        match result {
            Ok(()) => {
                self.open_network(now, id, &held.up);
                self.touch_link(id, |link| {
                    for frame in held.frames {
                        link.handle_frame(now, &frame);
                    }
                });
            }
            Err(why) => {
                self.refuse(now, peer, Cause::Other, why.clone());
                self.end_session(id, Reason::Unprepared(why));
            }
        }
    }

    /// Whatever a held link waits for is not waited for any more.
    pub(crate) fn let_go(&mut self, id: SessionId) {
        let session = self.sessions.get_mut(&id);
        if let Some(held) = session.and_then(|session| session.held.take()) {
            self.requests.remove(&held.request);
        }
    }

    fn open_network(&mut self, now: Instant, id: SessionId, up: &NetworkUp) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(network) = self.network(now, session, up) else {
            return;
        };
        let peer = session.peer;
        let dialled = self.peers.get(&peer).and_then(|peer| peer.dialled.as_ref());
        let remote = dialled.map_or(Remote::Address(up.peer.into()), |dialled| dialled.remote());
        if let Some(session) = self.sessions.get_mut(&id) {
            session.network = Some(network);
            session.setup.get_or_insert(network.since - session.begun);
            session.announced = true;
        }
        let mru = self.sessions.get(&id).and_then(|s| s.terms.mru);
        let capped = NetworkUp {
            local_mru: up.local_mru.min(mru.unwrap_or(u16::MAX)),
            ..*up
        };
        self.plane_open_session(id, remote, network.mtu, &capped);
        if let Some(info) = self
            .sessions
            .get(&id)
            .and_then(|session| self.session_info(session))
        {
            self.event(Event::SessionUp(Box::new(info)));
        }
        self.progress(peer, Stage::Network);
        self.begin_inform(now, id);
        self.begin_limits(now, id);
    }

    fn network(&self, now: Instant, session: &Session, up: &NetworkUp) -> Option<Network> {
        let peer = self.peers.get(&session.peer)?;
        let outer = self.config.inner_mtu(peer, session);
        let own = peer.dialled.as_ref().and_then(|dialled| dialled.mtu());
        let caps = [own, session.terms.mtu].into_iter().flatten();
        let mtu = caps.fold(outer.min(up.peer_mru), u16::min);
        Some(Network {
            local: up.local,
            remote: up.peer,
            dns: up.dns,
            wins: up.wins,
            mtu,
            since: now,
        })
    }
}
