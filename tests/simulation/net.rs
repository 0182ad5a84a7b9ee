//! A network in virtual time.
//!
//! The network is a tree of realms. The outermost one is the internet; behind each address
//! translator lies another. Hosts and translators have an address in their realm, and a link with
//! two directions that joins them to it. Realms do not know each other's addresses, so two hosts
//! behind two translators can have the same.
//!
//! A datagram leaves over the sender's link. If its destination is in the realm, it arrives over
//! the link of whoever has that address; else it goes out through the realm's translator, if there
//! is one. So a packet from one host behind a translator to the translator's own outer address
//! comes back in ("hairpinning", RFC 4787 §6), and translators can stand behind translators.
//!
//! Nothing moves by itself: [`Network::poll_delivery`] moves what is due, [`Network::next_at`] says
//! when something will be. The same seed and the same calls give the same deliveries.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use rand_core::{Rng as _, SeedableRng};
use wire::{Instant, Rng};

use crate::link::{Arrival, Conditions, Link, LinkStats, Loss};
use crate::nat::{Behaviour, Nat, NatDrop};

/// What a datagram is to the hosts and translators it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// IP protocol 50. The ports of the addresses are zero.
    Esp,
}

/// A datagram, without its IP and UDP headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Where it comes from.
    pub src: SocketAddr,
    /// Where it goes.
    pub dst: SocketAddr,
    /// What it is.
    pub protocol: Protocol,
    /// What it carries.
    pub bytes: Vec<u8>,
}

impl Datagram {
    /// The bytes of the headers in front of the payload.
    fn headers(&self) -> usize {
        let ip = if self.dst.is_ipv4() { 20 } else { 40 };
        ip + match self.protocol {
            Protocol::Udp => 8,
            Protocol::Esp => 0,
        }
    }
}

/// A host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(usize);

/// An address translator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NatId(usize);

/// Where addresses mean something: the internet, or what lies behind a translator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Realm(Option<NatId>);

impl Realm {
    /// The realm that lies behind no translator.
    pub const INTERNET: Self = Self(None);
}

impl NatId {
    /// What lies behind it.
    pub fn realm(self) -> Realm {
        Realm(Some(self))
    }
}

/// Somebody with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// A host.
    Host(HostId),
    /// A translator; its link is the one on the outer side.
    Nat(NatId),
}

impl From<HostId> for Node {
    fn from(id: HostId) -> Self {
        Self::Host(id)
    }
}

impl From<NatId> for Node {
    fn from(id: NatId) -> Self {
        Self::Nat(id)
    }
}

/// A datagram has arrived at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub at: Instant,
    /// Where.
    pub host: HostId,
    /// What, with the addresses as the host sees them.
    pub datagram: Datagram,
}

/// What happened in the network, in datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sent by hosts.
    pub sent: u64,
    /// Delivered to hosts.
    pub delivered: u64,
    /// For an address that nobody has.
    pub unroutable: u64,
    /// Dropped by translators.
    pub refused: u64,
    /// The sum over all links. A datagram enters at least two.
    pub links: LinkStats,
}

/// What happened to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A host sent it.
    Sent,
    /// A host got it.
    Delivered,
    /// A link did not deliver it.
    Link(Loss),
    /// A translator dropped it.
    Nat(NatDrop),
    /// Nobody has its destination's address.
    Unroutable,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent => f.write_str("sent"),
            Self::Delivered => f.write_str("delivered"),
            Self::Link(loss) => loss.fmt(f),
            Self::Nat(why) => why.fmt(f),
            Self::Unroutable => f.write_str("no such address"),
        }
    }
}

/// A line of the network's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Instant,
    /// What.
    pub fate: Fate,
    /// Where the datagram came from, as seen at that place.
    pub src: SocketAddr,
    /// Where it went, as seen at that place.
    pub dst: SocketAddr,
    /// What it was.
    pub protocol: Protocol,
    /// Bytes of payload.
    pub length: usize,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            fate,
            src,
            dst,
            protocol,
            length,
        } = self;
        write!(
            f,
            "{at:?} {protocol:?} {src} > {dst}, {length} bytes: {fate}"
        )
    }
}

struct Attachment {
    realm: Realm,
    address: IpAddr,
    /// Away from the node.
    up: Link,
    /// Towards the node.
    down: Link,
}

/// A datagram arrives somewhere.
#[derive(Debug, Clone, Copy)]
enum Hop {
    /// In a realm, over the link of a node in it, or through the translator behind which it lies.
    Realm(Realm),
    /// At a node, over its own link.
    Node(Node),
}

struct Flight {
    hop: Hop,
    datagram: Datagram,
    /// How many more translators it may pass: no set-up can make it go round for ever.
    hops: u8,
}

/// How many records [`Network::history`] keeps.
const HISTORY: usize = 256;

/// How many translators a datagram may pass.
const HOPS: u8 = 16;

/// A network in virtual time.
pub struct Network {
    rng: Rng,
    hosts: Vec<Attachment>,
    nats: Vec<(Attachment, Nat)>,
    /// Who has an address. A translator has one in the realm outside.
    addresses: BTreeMap<(Realm, IpAddr), Node>,
    /// Datagrams on the way, in the order of their arrival and then of their departure.
    flights: BTreeMap<(Instant, u64), Flight>,
    departures: u64,
    stats: Stats,
    history: VecDeque<Record>,
}

impl Network {
    /// An empty network. Everything that chance decides in it comes from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::seed_from_u64(seed),
            hosts: Vec::new(),
            nats: Vec::new(),
            addresses: BTreeMap::new(),
            flights: BTreeMap::new(),
            departures: 0,
            stats: Stats::default(),
            history: VecDeque::with_capacity(HISTORY),
        }
    }

    /// Adds a host whose link has the same conditions both ways.
    ///
    /// # Panics
    ///
    /// If somebody in the realm has the address.
    pub fn add_host(&mut self, realm: Realm, address: IpAddr, conditions: Conditions) -> HostId {
        let id = HostId(self.hosts.len());
        let attachment = self.attach(id.into(), realm, address, conditions);
        self.hosts.push(attachment);
        id
    }

    /// Adds a translator between the realm `outside`, where it has the address, and a new one.
    ///
    /// # Panics
    ///
    /// If somebody in the realm has the address.
    pub fn add_nat(
        &mut self,
        outside: Realm,
        address: IpAddr,
        behaviour: Behaviour,
        conditions: Conditions,
    ) -> NatId {
        let id = NatId(self.nats.len());
        let attachment = self.attach(id.into(), outside, address, conditions);
        let nat = Nat::new(address, behaviour, self.rng.next_u64());
        self.nats.push((attachment, nat));
        id
    }

    fn attach(
        &mut self,
        node: Node,
        realm: Realm,
        address: IpAddr,
        conditions: Conditions,
    ) -> Attachment {
        let other = self.addresses.insert((realm, address), node);
        assert_eq!(other, None, "{address} is taken");
        Attachment {
            realm,
            address,
            up: Link::new(conditions, self.rng.next_u64()),
            down: Link::new(conditions, self.rng.next_u64()),
        }
    }

    /// The conditions of a node's link away from it.
    pub fn up(&mut self, node: impl Into<Node>) -> &mut Conditions {
        &mut self.attachment(node.into()).up.conditions
    }

    /// The conditions of a node's link towards it.
    pub fn down(&mut self, node: impl Into<Node>) -> &mut Conditions {
        &mut self.attachment(node.into()).down.conditions
    }

    /// Sets the conditions of a node's link, both ways.
    pub fn set_conditions(&mut self, node: impl Into<Node>, conditions: Conditions) {
        let attachment = self.attachment(node.into());
        attachment.up.conditions = conditions;
        attachment.down.conditions = conditions;
    }

    /// Sets the conditions of all links, both ways.
    pub fn set_all_conditions(&mut self, conditions: Conditions) {
        let nats = self.nats.iter_mut().map(|(attachment, _)| attachment);
        for attachment in self.hosts.iter_mut().chain(nats) {
            attachment.up.conditions = conditions;
            attachment.down.conditions = conditions;
        }
    }

    /// A translator.
    pub fn nat(&self, id: NatId) -> &Nat {
        &self.nats[id.0].1
    }

    /// Changes how a translator behaves.
    pub fn set_behaviour(&mut self, id: NatId, behaviour: Behaviour) {
        self.nats[id.0].1.behaviour = behaviour;
    }

    /// Makes something happen to a translator. Its address in the network follows.
    ///
    /// # Panics
    ///
    /// If its new address is somebody else's.
    pub fn rebind(&mut self, id: NatId, event: crate::nat::Rebind) {
        self.nats[id.0].1.rebind(event);
        let address = self.nats[id.0].1.address();
        let realm = self.nats[id.0].0.realm;
        self.settle(id.into(), realm, address);
    }

    /// Gives a translator's outer address to a host behind it ([`Nat::set_one_to_one`]).
    pub fn set_one_to_one(&mut self, id: NatId, inner: Option<IpAddr>) {
        self.nats[id.0].1.set_one_to_one(inner);
    }

    /// Moves a host elsewhere, or gives it another address. What is on the way to the old address
    /// does not follow.
    ///
    /// # Panics
    ///
    /// If somebody in the realm has the address.
    pub fn move_host(&mut self, id: HostId, realm: Realm, address: IpAddr) {
        self.settle(id.into(), realm, address);
    }

    fn settle(&mut self, node: Node, realm: Realm, address: IpAddr) {
        let attachment = self.attachment(node);
        let old = (attachment.realm, attachment.address);
        attachment.realm = realm;
        attachment.address = address;
        self.addresses.remove(&old);
        let other = self.addresses.insert((realm, address), node);
        assert_eq!(other, None, "{address} is taken");
    }

    fn attachment(&mut self, node: Node) -> &mut Attachment {
        match node {
            Node::Host(HostId(index)) => &mut self.hosts[index],
            Node::Nat(NatId(index)) => &mut self.nats[index].0,
        }
    }

    /// A host sends a datagram. The source need not be the host's own: anybody can forge one.
    pub fn send(&mut self, now: Instant, host: HostId, datagram: Datagram) {
        self.stats.sent += 1;
        self.record(now, Fate::Sent, &datagram);
        self.leave(now, host.into(), datagram, HOPS);
    }

    /// The next delivery that is due by `now`, in the order of arrival.
    pub fn poll_delivery(&mut self, now: Instant) -> Option<Delivery> {
        while let Some(entry) = self.flights.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                return None;
            }
            let flight = entry.remove();
            if let Some(delivery) = self.on_arrival(at, flight) {
                return Some(delivery);
            }
        }
        None
    }

    /// When [`Self::poll_delivery`] has something to do. It need not result in a delivery: a
    /// datagram may be halfway, or dropped there.
    pub fn next_at(&self) -> Option<Instant> {
        self.flights.first_key_value().map(|((at, _), _)| *at)
    }

    /// What has happened so far.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        for attachment in self.hosts.iter().chain(self.nats.iter().map(|(a, _)| a)) {
            stats.links += attachment.up.stats();
            stats.links += attachment.down.stats();
        }
        stats
    }

    /// What has happened lately, the oldest first: for the report of a failing seed.
    pub fn history(&self) -> impl Iterator<Item = &Record> {
        self.history.iter()
    }

    fn on_arrival(&mut self, now: Instant, flight: Flight) -> Option<Delivery> {
        let Flight {
            hop,
            mut datagram,
            hops,
        } = flight;
        match hop {
            Hop::Realm(realm) => {
                self.on_realm(now, realm, datagram, hops);
                None
            }
            Hop::Node(Node::Host(host)) => {
                // It may have moved while the datagram was on the way.
                if self.hosts[host.0].address != datagram.dst.ip() {
                    self.on_unroutable(now, &datagram);
                    return None;
                }
                self.stats.delivered += 1;
                self.record(now, Fate::Delivered, &datagram);
                Some(Delivery {
                    at: now,
                    host,
                    datagram,
                })
            }
            Hop::Node(Node::Nat(id)) => {
                match self.nats[id.0].1.inbound(now, &mut datagram) {
                    Ok(()) => self.on_realm(now, id.realm(), datagram, hops),
                    Err(why) => self.on_nat_drop(now, why, &datagram),
                }
                None
            }
        }
    }

    /// A datagram looks for its destination in a realm.
    fn on_realm(&mut self, now: Instant, realm: Realm, mut datagram: Datagram, hops: u8) {
        if let Some(node) = self.addresses.get(&(realm, datagram.dst.ip())).copied() {
            let link = &mut self.attachment(node).down;
            let carried = link.carry(now, datagram.bytes.len(), datagram.headers());
            self.depart(now, carried, Hop::Node(node), datagram, hops);
            return;
        }
        let (Some(id), Some(hops)) = (realm.0, hops.checked_sub(1)) else {
            self.on_unroutable(now, &datagram);
            return;
        };
        match self.nats[id.0].1.outbound(now, &mut datagram) {
            Ok(()) => self.leave(now, id.into(), datagram, hops),
            Err(why) => self.on_nat_drop(now, why, &datagram),
        }
    }

    /// A datagram leaves a node over its link, into the node's realm.
    fn leave(&mut self, now: Instant, node: Node, datagram: Datagram, hops: u8) {
        let attachment = self.attachment(node);
        let realm = attachment.realm;
        let carried = attachment
            .up
            .carry(now, datagram.bytes.len(), datagram.headers());
        self.depart(now, carried, Hop::Realm(realm), datagram, hops);
    }

    fn depart(
        &mut self,
        now: Instant,
        carried: Result<(Arrival, Option<Arrival>), Loss>,
        hop: Hop,
        datagram: Datagram,
        hops: u8,
    ) {
        match carried {
            Ok((first, second)) => {
                for arrival in [Some(first), second].into_iter().flatten() {
                    let mut datagram = datagram.clone();
                    if let Some(damage) = arrival.damage {
                        damage.apply(&mut datagram.bytes);
                    }
                    let flight = Flight {
                        hop,
                        datagram,
                        hops,
                    };
                    self.flights.insert((arrival.at, self.departures), flight);
                    self.departures += 1;
                }
            }
            Err(loss) => self.record(now, Fate::Link(loss), &datagram),
        }
    }

    fn on_unroutable(&mut self, now: Instant, datagram: &Datagram) {
        self.stats.unroutable += 1;
        self.record(now, Fate::Unroutable, datagram);
    }

    fn on_nat_drop(&mut self, now: Instant, why: NatDrop, datagram: &Datagram) {
        self.stats.refused += 1;
        self.record(now, Fate::Nat(why), datagram);
    }

    fn record(&mut self, at: Instant, fate: Fate, datagram: &Datagram) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        let Datagram {
            src,
            dst,
            protocol,
            ref bytes,
        } = *datagram;
        self.history.push_back(Record {
            at,
            fate,
            src,
            dst,
            protocol,
            length: bytes.len(),
        });
    }
}

#[cfg(test)]
mod tests;
