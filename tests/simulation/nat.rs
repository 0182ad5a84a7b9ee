//! Address translators, in the terms of RFC 4787.
//!
//! A translator is told of each datagram that crosses it and rewrites its addresses; where the
//! datagram comes from and goes to is the network's matter ([`crate::net`]).

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand_core::{Rng as _, SeedableRng};
use wire::{Instant, Rng};

use crate::net::{Datagram, Protocol};

/// How an address translator behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// When two datagrams from one inner endpoint share an outer port (RFC 4787 §4.1).
    pub mapping: Dependence,
    /// Who may send to an outer port (RFC 4787 §5).
    pub filtering: Dependence,
    /// How outer ports are chosen (RFC 4787 §4.2.1).
    pub ports: PortChoice,
    /// How long a mapping lasts without traffic (RFC 4787 §4.3: at least two minutes; many are
    /// content with thirty seconds).
    pub timeout: Duration,
    /// Whether traffic from outside keeps a mapping alive; traffic from inside always does.
    pub refreshed_inbound: bool,
    /// What happens to protocol 50, which has no ports.
    pub esp: EspPolicy,
}

impl Behaviour {
    /// What home routers and Linux's masquerade are nearest to.
    pub const HOME: Self = Self {
        mapping: Dependence::Endpoint,
        filtering: Dependence::AddressAndPort,
        ports: PortChoice::Preserve,
        timeout: Duration::from_secs(120),
        refreshed_inbound: true,
        esp: EspPolicy::Drop,
    };

    /// Another outer port for each remote endpoint: carriers and careful firewalls.
    pub const SYMMETRIC: Self = Self {
        mapping: Dependence::AddressAndPort,
        ports: PortChoice::Random,
        timeout: Duration::from_secs(30),
        ..Self::HOME
    };
}

/// Upon what of the remote end a decision depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependence {
    /// Nothing: "endpoint-independent".
    Endpoint,
    /// Its address: "address-dependent".
    Address,
    /// Its address and port: "address and port-dependent".
    AddressAndPort,
}

/// How the outer port of a new mapping is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortChoice {
    /// The inner port if it is free, else any.
    Preserve,
    /// Any.
    Random,
}

/// What happens to protocol 50.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EspPolicy {
    /// It is dropped, both ways.
    Drop,
    /// It passes with its address rewritten, for one inner host per remote address: the first to
    /// send there, until it has been silent for the time a mapping lasts.
    Pass,
}

/// An event in the life of a translator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebind {
    /// Every mapping gets another outer port.
    Ports,
    /// The outer address changes; ports stay.
    Address(IpAddr),
    /// All mappings are forgotten, as after a loss of power.
    Forget,
}

/// Why a translator dropped a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatDrop {
    /// From outside, for a port without a mapping.
    NoMapping,
    /// From outside, from somebody the mapping does not admit.
    Filtered,
    /// Protocol 50 does not pass, or its one place is taken.
    Esp,
    /// No outer port is free.
    Exhausted,
}

impl fmt::Display for NatDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMapping => "no mapping",
            Self::Filtered => "filtered",
            Self::Esp => "no ESP through here",
            Self::Exhausted => "no outer port free",
        })
    }
}

/// What happened at a translator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NatStats {
    /// Datagrams that went out.
    pub outbound: u64,
    /// Datagrams that came in.
    pub inbound: u64,
    /// Mappings made.
    pub created: u64,
    /// Mappings that died of silence.
    pub expired: u64,
    /// Datagrams dropped for want of a mapping.
    pub unmapped: u64,
    /// Datagrams dropped by the filter.
    pub filtered: u64,
    /// Datagrams of protocol 50 dropped.
    pub esp: u64,
    /// Datagrams dropped because all ports were taken.
    pub exhausted: u64,
}

/// The part of a remote endpoint that a [`Dependence`] looks at.
type Remote = (Option<IpAddr>, Option<u16>);

fn part(dependence: Dependence, remote: SocketAddr) -> Remote {
    match dependence {
        Dependence::Endpoint => (None, None),
        Dependence::Address => (Some(remote.ip()), None),
        Dependence::AddressAndPort => (Some(remote.ip()), Some(remote.port())),
    }
}

struct Mapping {
    inner: SocketAddr,
    remote: Remote,
    /// Last used.
    used: Instant,
    /// Every remote endpoint the inner one has sent to.
    contacted: Vec<SocketAddr>,
}

struct EspMapping {
    inner: IpAddr,
    used: Instant,
}

/// An address translator.
pub struct Nat {
    /// How it behaves; may be changed at any time.
    pub behaviour: Behaviour,
    address: IpAddr,
    rng: Rng,
    stats: NatStats,
    /// By outer port.
    mappings: BTreeMap<u16, Mapping>,
    /// The outer port of an inner endpoint.
    ports: BTreeMap<(SocketAddr, Remote), u16>,
    /// By remote address.
    esp: BTreeMap<IpAddr, EspMapping>,
    /// The inner host that owns the outer address, if one does.
    one_to_one: Option<IpAddr>,
}

impl Nat {
    /// A translator with one outer address, whose choice of ports comes from `seed`.
    pub fn new(address: IpAddr, behaviour: Behaviour, seed: u64) -> Self {
        Self {
            behaviour,
            address,
            rng: Rng::seed_from_u64(seed),
            stats: NatStats::default(),
            mappings: BTreeMap::new(),
            ports: BTreeMap::new(),
            esp: BTreeMap::new(),
            one_to_one: None,
        }
    }

    /// Its outer address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// What has happened so far.
    pub fn stats(&self) -> NatStats {
        self.stats
    }

    /// The number of mappings, silent ones included that nothing has looked at since.
    pub fn mappings(&self) -> usize {
        self.mappings.len()
    }

    /// Gives the outer address to one inner host: every port and protocol 50 lead there and come
    /// from there unchanged, as with the public address of a cloud machine.
    pub fn set_one_to_one(&mut self, inner: Option<IpAddr>) {
        self.one_to_one = inner;
    }

    /// Makes something happen to it.
    pub fn rebind(&mut self, event: Rebind) {
        match event {
            Rebind::Address(address) => self.address = address,
            Rebind::Forget => {
                self.mappings.clear();
                self.ports.clear();
                self.esp.clear();
            }
            Rebind::Ports => {
                for (old, mapping) in std::mem::take(&mut self.mappings) {
                    self.ports.remove(&(mapping.inner, mapping.remote));
                    // Not the port it had: then nothing would have happened.
                    if let Some(port) = self.free_port(Some(old)) {
                        self.ports.insert((mapping.inner, mapping.remote), port);
                        self.mappings.insert(port, mapping);
                    }
                }
            }
        }
    }

    /// A datagram on its way out: its source becomes the outer address and a port.
    pub fn outbound(&mut self, now: Instant, datagram: &mut Datagram) -> Result<(), NatDrop> {
        let source = if self.one_to_one == Some(datagram.src.ip()) {
            Ok(SocketAddr::new(self.address, datagram.src.port()))
        } else {
            match datagram.protocol {
                Protocol::Udp => self.udp_outbound(now, datagram),
                Protocol::Esp => self.esp_outbound(now, datagram),
            }
        };
        datagram.src = source.inspect_err(|why| self.count(*why))?;
        self.stats.outbound += 1;
        Ok(())
    }

    /// A datagram on its way in: its destination becomes the inner endpoint.
    pub fn inbound(&mut self, now: Instant, datagram: &mut Datagram) -> Result<(), NatDrop> {
        let destination = match (self.one_to_one, datagram.protocol) {
            (Some(inner), _) => Ok(SocketAddr::new(inner, datagram.dst.port())),
            (None, Protocol::Udp) => self.udp_inbound(now, datagram),
            (None, Protocol::Esp) => self.esp_inbound(now, datagram),
        };
        datagram.dst = destination.inspect_err(|why| self.count(*why))?;
        self.stats.inbound += 1;
        Ok(())
    }

    fn udp_outbound(&mut self, now: Instant, datagram: &Datagram) -> Result<SocketAddr, NatDrop> {
        let inner = datagram.src;
        let remote = part(self.behaviour.mapping, datagram.dst);
        let port = match self.ports.get(&(inner, remote)).copied() {
            Some(port) if !self.expire(now, port) => port,
            _ => self.create(now, inner, remote)?,
        };
        if let Some(mapping) = self.mappings.get_mut(&port) {
            mapping.used = now;
            if !mapping.contacted.contains(&datagram.dst) {
                mapping.contacted.push(datagram.dst);
            }
        }
        Ok(SocketAddr::new(self.address, port))
    }

    fn udp_inbound(&mut self, now: Instant, datagram: &Datagram) -> Result<SocketAddr, NatDrop> {
        let port = datagram.dst.port();
        self.expire(now, port);
        let Behaviour {
            filtering,
            refreshed_inbound,
            ..
        } = self.behaviour;
        let mapping = self.mappings.get_mut(&port).ok_or(NatDrop::NoMapping)?;
        let from = part(filtering, datagram.src);
        if !mapping
            .contacted
            .iter()
            .any(|contacted| part(filtering, *contacted) == from)
        {
            return Err(NatDrop::Filtered);
        }
        if refreshed_inbound {
            mapping.used = now;
        }
        Ok(mapping.inner)
    }

    fn esp_outbound(&mut self, now: Instant, datagram: &Datagram) -> Result<SocketAddr, NatDrop> {
        let inner = datagram.src.ip();
        let timeout = self.behaviour.timeout;
        if self.behaviour.esp == EspPolicy::Drop {
            return Err(NatDrop::Esp);
        }
        let taken = self
            .esp
            .get(&datagram.dst.ip())
            .is_some_and(|owner| owner.inner != inner && now - owner.used < timeout);
        if taken {
            return Err(NatDrop::Esp);
        }
        self.esp
            .insert(datagram.dst.ip(), EspMapping { inner, used: now });
        Ok(SocketAddr::new(self.address, 0))
    }

    fn esp_inbound(&mut self, now: Instant, datagram: &Datagram) -> Result<SocketAddr, NatDrop> {
        let Behaviour {
            esp,
            timeout,
            refreshed_inbound,
            ..
        } = self.behaviour;
        let owner = self
            .esp
            .get_mut(&datagram.src.ip())
            .filter(|_| esp == EspPolicy::Pass);
        let owner = owner
            .filter(|owner| now - owner.used < timeout)
            .ok_or(NatDrop::Esp)?;
        if refreshed_inbound {
            owner.used = now;
        }
        Ok(SocketAddr::new(owner.inner, 0))
    }

    /// Removes the mapping of `port` if it has been silent too long. Returns whether it had.
    fn expire(&mut self, now: Instant, port: u16) -> bool {
        let timeout = self.behaviour.timeout;
        let silent = self
            .mappings
            .get(&port)
            .is_some_and(|m| now - m.used >= timeout);
        if silent && let Some(mapping) = self.mappings.remove(&port) {
            self.ports.remove(&(mapping.inner, mapping.remote));
            self.stats.expired += 1;
        }
        silent
    }

    fn create(&mut self, now: Instant, inner: SocketAddr, remote: Remote) -> Result<u16, NatDrop> {
        let wanted = inner.port();
        self.expire(now, wanted);
        let free = self.behaviour.ports == PortChoice::Preserve
            && wanted != 0
            && !self.mappings.contains_key(&wanted);
        let port = if free {
            Some(wanted)
        } else {
            self.free_port(None)
        };
        let port = match port {
            Some(port) => port,
            None => {
                // Silent mappings die when looked at; now is the time to look at all.
                let ports: Vec<_> = self.mappings.keys().copied().collect();
                for port in ports {
                    self.expire(now, port);
                }
                self.free_port(None).ok_or(NatDrop::Exhausted)?
            }
        };
        self.mappings.insert(
            port,
            Mapping {
                inner,
                remote,
                used: now,
                contacted: Vec::new(),
            },
        );
        self.ports.insert((inner, remote), port);
        self.stats.created += 1;
        Ok(port)
    }

    /// A free port that is not a well-known one, nor `except`: the first at or above a random one.
    fn free_port(&mut self, except: Option<u16>) -> Option<u16> {
        const LOWEST: u16 = 1024;
        let spread = u32::from(u16::MAX - LOWEST) + 1;
        let start = LOWEST + u16::try_from(self.rng.next_u32() % spread).unwrap_or(0);
        (start..=u16::MAX)
            .chain(LOWEST..start)
            .find(|port| Some(*port) != except && !self.mappings.contains_key(port))
    }

    fn count(&mut self, why: NatDrop) {
        match why {
            NatDrop::NoMapping => self.stats.unmapped += 1,
            NatDrop::Filtered => self.stats.filtered += 1,
            NatDrop::Esp => self.stats.esp += 1,
            NatDrop::Exhausted => self.stats.exhausted += 1,
        }
    }
}

#[cfg(test)]
mod tests;
