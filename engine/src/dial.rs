//! The client role: connecting to a server.

use std::fmt;
use std::sync::Arc;

use dataplane::Remote;
use rand_core::Rng as _;
use wire::{Instant, Path, PeerId, Ports, Secret};

use crate::peer::Peer;
use crate::{Engine, Habits, LocalPort, dhcp};

/// RFC 2661 §8.1.
pub(crate) const L2TP_PORT: u16 = 1701;
/// Where the ports begin that are assigned to nothing (RFC 6335 §6). A power of two: whatever is
/// added below it is one of them.
const DYNAMIC_PORTS: u16 = 0xc000;

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
    /// Settings of the PPP link, in the client's role. Its habits are those of `habits`.
    pub link: ppp::Config,
    /// What is put on the wire, and when.
    pub habits: Habits,
    /// Whether packets go through its session that are for no other. That can be so of one dial of
    /// an engine at a time; through the sessions of the others goes only what names them.
    pub routed: bool,
}

/// What a dialled peer keeps of its [`Dial`].
#[derive(Clone)]
pub(crate) struct Dialled {
    path: Path,
    ports: Ports,
    link: Arc<ppp::Config>,
    tunnel: Arc<l2tp::Habits>,
    rekey: ike::habits::Rekey,
    inform: Option<dhcp::Habits>,
    routed: bool,
}

impl Dialled {
    pub(crate) fn inform(&self) -> Option<&dhcp::Habits> {
        self.inform.as_ref()
    }

    pub(crate) fn path(&self) -> Path {
        self.path
    }

    pub(crate) fn ports(&self) -> Ports {
        self.ports
    }

    pub(crate) fn link(&self) -> Arc<ppp::Config> {
        self.link.clone()
    }

    /// Which addresses are at the other end of its session.
    pub(crate) fn remote(&self) -> Remote {
        match self.routed {
            true => Remote::Any,
            false => Remote::Unrouted,
        }
    }

    /// How the tunnel is opened.
    pub(crate) fn tunnel(&self) -> Arc<l2tp::Habits> {
        self.tunnel.clone()
    }

    /// When a child SA is replaced whose lifetime is counted in kilobytes, in thousandths of it.
    pub(crate) fn rekey_at(&self) -> u16 {
        self.rekey.from
    }

    /// The longest IP packet we send, if we have an opinion.
    pub(crate) fn mtu(&self) -> Option<u16> {
        self.link.habits.mtu
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
        let Dial {
            habits, mut link, ..
        } = dial;
        let ports = self.l2tp_ports(habits.port);
        link.habits = habits.ppp;
        peer.dialled = Some(Box::new(Dialled {
            path: dial.ike,
            ports,
            link: Arc::new(link),
            tunnel: habits.l2tp,
            rekey: habits.ike.child_rekey,
            inform: habits.dhcp,
            routed: dial.routed,
        }));
        let sa = self.ike.initiate(
            now,
            ike::Initiate {
                ike: dial.ike,
                natt: dial.natt,
                key: dial.key,
                identity: None,
                force_udp: dial.force_udp,
                l2tp_port: ports.local,
                pfs: None,
                habits: habits.ike,
            },
        );
        peer.sas.insert(sa);
        self.by_sa.insert(sa, id);
        self.peers.insert(id, Box::new(peer));
        self.drain(now);
        id
    }

    fn l2tp_ports(&mut self, port: LocalPort) -> Ports {
        let local = match port {
            LocalPort::L2tp => L2TP_PORT,
            LocalPort::Dynamic => {
                // The low half of the number is as random as the whole.
                let [high, low, ..] = self.rng.next_u32().to_le_bytes();
                DYNAMIC_PORTS | u16::from_be_bytes([high, low])
            }
        };
        Ports {
            local,
            remote: L2TP_PORT,
        }
    }
}
