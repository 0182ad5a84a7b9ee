//! Which worker a command is for: the owner of the peer that it is about.
//!
//! Order is correctness, and it holds within one queue only. So everything about a peer goes
//! through the queue of one worker, from its first association to the message that says it is gone.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use dataplane::owner::owner;
use dataplane::{Network, Remote, SessionId, Update};
use wire::{Path, PeerId};

use super::command::Command;

/// What there is to know for telling.
#[derive(Debug)]
pub(super) struct Owners {
    threads: usize,
    peers: BTreeMap<PeerId, Owned>,
    sessions: BTreeMap<SessionId, PeerId>,
    inbound: BTreeMap<u32, PeerId>,
    /// On whose worker an inner address was given to a session last. There are no more of them
    /// than clients can be given.
    addresses: BTreeMap<IpAddr, usize>,
    /// Who has moved to an address that would have another owner; of several, the last to come.
    moved: BTreeMap<SocketAddr, PeerId>,
}

#[derive(Debug)]
struct Owned {
    thread: usize,
    /// Where it is, as the data plane has been told.
    path: Path,
    /// Our numbers of its associations.
    inbound: Vec<u32>,
    sessions: Vec<SessionId>,
}

/// Where a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// The worker.
    pub(super) thread: usize,
    /// Another one that must have done everything before.
    pub(super) after: Option<usize>,
}

impl From<usize> for Way {
    fn from(thread: usize) -> Self {
        Self {
            thread,
            after: None,
        }
    }
}

impl Owners {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads,
            peers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            inbound: BTreeMap::new(),
            addresses: BTreeMap::new(),
            moved: BTreeMap::new(),
        }
    }

    /// Where a command goes; to be asked for each, in their order.
    pub(super) fn way(&mut self, command: &Command) -> Way {
        if self.threads <= 1 {
            return 0.into();
        }
        match command {
            Command::Send { path, .. } => self.of_path(path).into(),
            Command::SealControl { peer, .. } | Command::Deliver { peer, .. } => {
                self.of_peer(*peer).into()
            }
            Command::SealPpp { session, .. } | Command::SealIp { session, .. } => {
                self.of_session(*session).into()
            }
            Command::Apply(update) => self.of_update(update),
            Command::Attach { .. }
            | Command::Detach { .. }
            | Command::Renew(_)
            | Command::Inject(_)
            | Command::Fence(_) => 0.into(),
        }
    }

    fn of_path(&self, path: &Path) -> usize {
        let moved = self.moved.get(&path.remote);
        moved.map_or_else(|| owner(path, self.threads), |peer| self.of_peer(*peer))
    }

    fn of_peer(&self, peer: PeerId) -> usize {
        self.peers.get(&peer).map_or(0, |owned| owned.thread)
    }

    fn of_session(&self, session: SessionId) -> usize {
        let peer = self.sessions.get(&session);
        peer.map_or(0, |peer| self.of_peer(*peer))
    }

    fn of_update(&mut self, update: &Update) -> Way {
        match update {
            Update::AddPeer { peer, path, .. } => {
                // As the data plane does it: not by `moved`, which is about somebody else. From now
                // on this is who is there.
                let thread = owner(path, self.threads);
                self.moved.remove(&path.remote);
                let owned = Owned {
                    thread,
                    path: *path,
                    inbound: Vec::new(),
                    sessions: Vec::new(),
                };
                self.peers.insert(*peer, owned);
                thread.into()
            }
            Update::MovePeer { peer, path } => {
                self.move_peer(*peer, path);
                self.of_peer(*peer).into()
            }
            Update::JoinPeer { from, into } => self.join(*from, *into),
            Update::RemovePeer { peer } => {
                let thread = self.of_peer(*peer);
                self.forget(*peer);
                thread.into()
            }
            Update::InstallInbound { spi, peer, .. } => {
                self.inbound.insert(*spi, *peer);
                if let Some(owned) = self.peers.get_mut(peer) {
                    owned.inbound.push(*spi);
                }
                self.of_peer(*peer).into()
            }
            Update::DetectTruncation { spi } => self.of_inbound(*spi).into(),
            Update::RemoveInbound { spi } => {
                let thread = self.of_inbound(*spi);
                if let Some(peer) = self.inbound.remove(spi)
                    && let Some(owned) = self.peers.get_mut(&peer)
                {
                    owned.inbound.retain(|other| other != spi);
                }
                thread.into()
            }
            Update::ActivateOutbound { peer, .. }
            | Update::FollowTruncation { peer, .. }
            | Update::RemoveOutbound { peer, .. } => self.of_peer(*peer).into(),
            Update::AddSession(link) => {
                self.sessions.insert(link.session, link.peer);
                if let Some(owned) = self.peers.get_mut(&link.peer) {
                    owned.sessions.push(link.session);
                }
                self.of_peer(link.peer).into()
            }
            Update::SetNetwork { session, network } => self.set_network(*session, network.as_ref()),
            Update::RemoveSession { session } => {
                let thread = self.of_session(*session);
                if let Some(peer) = self.sessions.remove(session)
                    && let Some(owned) = self.peers.get_mut(&peer)
                {
                    owned.sessions.retain(|other| other != session);
                }
                thread.into()
            }
        }
    }

    /// Whoever had the address before must have let it go.
    fn set_network(&mut self, session: SessionId, network: Option<&Network>) -> Way {
        let thread = self.of_session(session);
        let before = match network.map(|network| network.remote) {
            Some(Remote::Address(address)) => self.addresses.insert(address, thread),
            _ => None,
        };
        Way {
            thread,
            after: before.filter(|before| *before != thread),
        }
    }

    fn of_inbound(&self, spi: u32) -> usize {
        let peer = self.inbound.get(&spi);
        peer.map_or(0, |peer| self.of_peer(*peer))
    }

    fn move_peer(&mut self, peer: PeerId, path: &Path) {
        let Some(owned) = self.peers.get_mut(&peer) else {
            return;
        };
        let thread = owned.thread;
        let before = std::mem::replace(&mut owned.path, *path);
        self.leave(peer, &before);
        if owner(path, self.threads) == thread {
            self.moved.remove(&path.remote);
        } else {
            self.moved.insert(path.remote, peer);
        }
    }

    /// A peer is not there any more; who has come there since stays.
    fn leave(&mut self, peer: PeerId, path: &Path) {
        if self.moved.get(&path.remote) == Some(&peer) {
            self.moved.remove(&path.remote);
        }
    }

    /// `from` becomes `into`, on the latter's worker and at the former's path; what the worker of
    /// `from` has to do for it must be done by then.
    fn join(&mut self, from: PeerId, into: PeerId) -> Way {
        let (before, thread) = (self.of_peer(from), self.of_peer(into));
        let Some(gone) = self.forget(from) else {
            return thread.into();
        };
        for spi in &gone.inbound {
            self.inbound.insert(*spi, into);
        }
        if let Some(heir) = self.peers.get_mut(&into) {
            heir.inbound.extend(gone.inbound);
        }
        self.move_peer(into, &gone.path);
        Way {
            thread,
            after: (before != thread).then_some(before),
        }
    }

    fn forget(&mut self, peer: PeerId) -> Option<Owned> {
        let owned = self.peers.remove(&peer)?;
        for spi in &owned.inbound {
            self.inbound.remove(spi);
        }
        for session in &owned.sessions {
            self.sessions.remove(session);
        }
        self.leave(peer, &owned.path);
        Some(owned)
    }
}

#[cfg(test)]
mod tests {
    use esp::{Cipher, Keys, Suite};
    use tokio::sync::oneshot;
    use wire::{Carrier, Ports, Secret};

    use super::*;

    const THREADS: usize = 4;
    const PORTS: Ports = Ports {
        local: 1701,
        remote: 1701,
    };

    fn path(port: u16) -> Path {
        Path {
            local: "192.0.2.1:4500".parse().unwrap(),
            remote: SocketAddr::new("198.51.100.7".parse().unwrap(), port),
            carrier: Carrier::NatT,
        }
    }

    /// Paths that belong to this thread.
    fn paths_of(thread: usize) -> impl Iterator<Item = Path> {
        (1024..)
            .map(path)
            .filter(move |path| owner(path, THREADS) == thread)
    }

    fn add(peer: u64, path: Path) -> Command {
        Command::Apply(Update::AddPeer {
            peer: PeerId(peer),
            path,
            port: 1701,
        })
    }

    fn send(path: Path) -> Command {
        let bytes = vec![0; 28];
        Command::Send { path, bytes }
    }

    fn seal(peer: u64) -> Command {
        Command::SealControl {
            peer: PeerId(peer),
            ports: PORTS,
            bytes: Vec::new(),
        }
    }

    fn install(peer: u64, spi: u32) -> Command {
        Command::Apply(Update::InstallInbound {
            spi,
            peer: PeerId(peer),
            suite: Suite {
                cipher: Cipher::AesGcm128,
                integrity: None,
            },
            keys: Keys {
                encryption: Secret::from(&[0; 20][..]),
                integrity: Secret::from(&[][..]),
            },
            carrier: Carrier::NatT,
        })
    }

    fn update(update: Update) -> Command {
        Command::Apply(update)
    }

    fn add_session(session: SessionId, peer: u64) -> Command {
        update(Update::AddSession(dataplane::AddSession {
            session,
            peer: PeerId(peer),
            ports: PORTS,
            local_tunnel: 1,
            local_session: 1,
            remote_tunnel: 1,
            remote_session: 1,
            sequencing: false,
            length: false,
        }))
    }

    #[test]
    fn everything_about_a_peer_goes_to_its_owner() {
        let mut owners = Owners::new(THREADS);
        for thread in 0..THREADS {
            let path = paths_of(thread).next().unwrap();
            let peer = thread as u64;
            let spi = 0x1000 + thread as u32;
            let session = SessionId(peer + 100);
            for command in [
                add(peer, path),
                install(peer, spi),
                send(path),
                update(Update::DetectTruncation { spi }),
                add_session(session, peer),
                Command::SealPpp {
                    session,
                    frame: Vec::new(),
                },
                seal(peer),
                update(Update::RemoveSession { session }),
                update(Update::RemoveInbound { spi }),
                update(Update::RemovePeer { peer: PeerId(peer) }),
                send(path),
            ] {
                assert_eq!(owners.way(&command), thread.into(), "{command:?}");
            }
        }
        assert!(owners.peers.is_empty() && owners.sessions.is_empty());
        assert!(owners.inbound.is_empty() && owners.moved.is_empty());
    }

    #[test]
    fn a_peer_that_moves_takes_its_messages_along() {
        let mut owners = Owners::new(THREADS);
        let before = paths_of(1).next().unwrap();
        let [elsewhere, further] = [2, 3].map(|thread| paths_of(thread).next().unwrap());
        owners.way(&add(7, before));
        for path in [elsewhere, further] {
            let moved = Update::MovePeer {
                peer: PeerId(7),
                path,
            };
            assert_eq!(owners.way(&update(moved)), 1.into());
            assert_eq!(owners.way(&send(path)), 1.into());
            assert_eq!(owners.way(&seal(7)), 1.into());
        }
        assert_eq!(
            owners.way(&send(elsewhere)),
            2.into(),
            "somebody else's now"
        );
        owners.way(&update(Update::RemovePeer { peer: PeerId(7) }));
        assert_eq!(owners.way(&send(further)), 3.into());
        assert!(owners.moved.is_empty());
    }

    #[test]
    fn who_joins_another_waits_for_what_was_begun_elsewhere() {
        let mut owners = Owners::new(THREADS);
        let join = |from, into| {
            update(Update::JoinPeer {
                from: PeerId(from),
                into: PeerId(into),
            })
        };
        let mut twos = paths_of(2);
        owners.way(&add(1, paths_of(1).next().unwrap()));
        let there = twos.next().unwrap();
        owners.way(&add(2, there));
        owners.way(&install(2, 0x2222));
        assert_eq!(owners.way(&send(there)), 2.into());
        let way = owners.way(&join(2, 1));
        let after = Some(2);
        assert_eq!(way, Way { thread: 1, after });
        // Its association is the other's, and goes where that goes.
        let removal = update(Update::RemoveInbound { spi: 0x2222 });
        assert_eq!(owners.way(&removal), 1.into());
        // So are the messages to where it has come from.
        assert_eq!(owners.way(&send(there)), 1.into());
        // On one thread there is nothing to wait for.
        owners.way(&add(3, twos.next().unwrap()));
        owners.way(&add(4, twos.next().unwrap()));
        assert_eq!(owners.way(&join(4, 3)), 2.into());
        for peer in [1, 3] {
            let peer = PeerId(peer);
            owners.way(&update(Update::RemovePeer { peer }));
        }
        assert!(owners.peers.is_empty() && owners.moved.is_empty());
    }

    #[test]
    fn who_comes_to_where_another_has_moved_has_its_own_owner() {
        let mut owners = Owners::new(THREADS);
        let there = paths_of(2).next().unwrap();
        owners.way(&add(1, paths_of(1).next().unwrap()));
        let moved = Update::MovePeer {
            peer: PeerId(1),
            path: there,
        };
        owners.way(&update(moved));
        assert_eq!(owners.way(&send(there)), 1.into());
        for command in [add(2, there), install(2, 0x2222), send(there), seal(2)] {
            assert_eq!(owners.way(&command), 2.into(), "{command:?}");
        }
        assert_eq!(owners.way(&seal(1)), 1.into());
        owners.way(&update(Update::RemovePeer { peer: PeerId(1) }));
        assert_eq!(owners.way(&send(there)), 2.into());
    }

    #[test]
    fn one_thread_needs_no_books() {
        let mut owners = Owners::new(1);
        owners.way(&add(1, path(5000)));
        assert_eq!(owners.way(&seal(1)), 0.into());
        assert_eq!(owners.way(&Command::Fence(oneshot::channel().0)), 0.into());
        assert!(owners.peers.is_empty());
    }

    fn session(owners: &mut Owners, session: u64, peer: u64) -> SessionId {
        let session = SessionId(session);
        owners.way(&add_session(session, peer));
        session
    }

    fn address(session: SessionId) -> Command {
        update(Update::SetNetwork {
            session,
            network: Some(Network {
                remote: Remote::Address("10.10.1.2".parse().unwrap()),
                gateway: None,
                mtu: 1400,
                mru: 1400,
                acfc: false,
                pfc: false,
                ipv6: false,
                dhcp: None,
            }),
        })
    }

    #[test]
    fn an_address_is_let_go_before_another_has_it() {
        let mut owners = Owners::new(THREADS);
        owners.way(&add(1, paths_of(1).next().unwrap()));
        owners.way(&add(3, paths_of(3).next().unwrap()));
        let first = session(&mut owners, 10, 1);
        assert_eq!(owners.way(&address(first)), 1.into());
        owners.way(&update(Update::RemoveSession { session: first }));
        let second = session(&mut owners, 11, 3);
        let after = Some(1);
        assert_eq!(owners.way(&address(second)), Way { thread: 3, after });
        assert_eq!(owners.way(&address(second)), 3.into());
        owners.way(&update(Update::RemovePeer { peer: PeerId(3) }));
        assert!(owners.sessions.is_empty(), "they go with their peer");
    }
}
