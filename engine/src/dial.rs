//! The client role: connecting to a server.

use std::fmt;
use std::sync::Arc;

use wire::{Instant, Path, PeerId, Ports, Secret};

use crate::Engine;
use crate::peer::Peer;

/// What it takes to connect to a server.
#[derive(Debug, Clone)]
pub struct Dial {
    /// To the server's ISAKMP port.
    pub ike: Path,
    /// To the server's NAT traversal port.
    pub natt: Path,
    /// The pre-shared key.
    pub key: Secret,
    /// Whether ESP must travel in UDP, because this process may not open a raw socket: then we
    /// pretend to be behind a NAT.
    pub force_udp: bool,
    /// Settings of the PPP link, in the client's role.
    pub link: ppp::Config,
    /// The UDP ports of the L2TP packets inside: 1701 at both ends, mostly.
    pub ports: Ports,
}

/// What a dialled peer keeps of its [`Dial`].
#[derive(Clone)]
pub(crate) struct Dialled {
    path: Path,
    ports: Ports,
    link: Arc<ppp::Config>,
}

impl Dialled {
    pub(crate) fn path(&self) -> Path {
        self.path
    }

    pub(crate) fn ports(&self) -> Ports {
        self.ports
    }

    pub(crate) fn link(&self) -> Arc<ppp::Config> {
        self.link.clone()
    }

    /// The name we log in with, fit for a log line.
    pub(crate) fn user(&self) -> String {
        match &self.link.role {
            ppp::Role::Client(client) => client.user.to_string(),
            ppp::Role::Server(_) => String::new(),
        }
    }
}

impl fmt::Debug for Dialled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialled({})", self.path)
    }
}

impl Engine {
    /// Connects to a server. Progress comes as events; when it fails or ends, by
    /// [`crate::Event::PeerDown`].
    pub fn dial(&mut self, now: Instant, dial: Dial) -> PeerId {
        let id = PeerId(self.next_id());
        let mut peer = Peer::new(id);
        peer.dialled = Some(Box::new(Dialled {
            path: dial.ike,
            ports: dial.ports,
            link: Arc::new(dial.link),
        }));
        let sa = self.ike.initiate(
            now,
            ike::Initiate {
                ike: dial.ike,
                natt: dial.natt,
                key: dial.key,
                identity: None,
                force_udp: dial.force_udp,
                l2tp_port: dial.ports.local,
                pfs: None,
                habits: ike::Habits::default(),
            },
        );
        peer.sas.insert(sa);
        self.by_sa.insert(sa, id);
        self.peers.insert(id, Box::new(peer));
        self.drain(now);
        id
    }
}
