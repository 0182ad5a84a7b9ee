//! A network with parties in it, and the clock they share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use wire::{Instant, PeerId};

use crate::echo;
use crate::link::Conditions;
use crate::nat::Behaviour;
use crate::net::{HostId, NatId, Network, Realm};
use crate::party::Party;

/// Names a party of a [`World`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index(usize);

/// The server is the first party.
pub const SERVER: Index = Index(0);

/// A network with parties in it.
pub struct World {
    pub net: Network,
    pub now: Instant,
    parties: Vec<Party>,
    seed: u64,
    /// When each party has something to do, as of its last change, and in order.
    at: Vec<Option<Instant>>,
    due: BTreeSet<(Instant, usize)>,
    /// Parties that may have changed since.
    touched: BTreeSet<usize>,
    hosts: BTreeMap<HostId, usize>,
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

impl World {
    /// A world with a server at 192.0.2.1.
    pub fn new(seed: u64, server: engine::Config, conditions: Conditions) -> Self {
        let mut net = Network::new(seed);
        let host = net.add_host(Realm::INTERNET, ip("192.0.2.1"), conditions);
        let server = Party::new(host, ip("192.0.2.1"), server, seed ^ 0x5e7e);
        // Some hours after boot: nothing may depend on the clock's origin.
        let now = Instant::from_boot(Duration::from_secs(9_000));
        Self {
            net,
            now,
            parties: vec![server],
            seed,
            at: vec![None],
            due: BTreeSet::new(),
            touched: [0].into(),
            hosts: [(host, 0)].into(),
        }
    }

    /// Another party.
    pub fn add(
        &mut self,
        realm: Realm,
        address: &str,
        config: engine::Config,
        conditions: Conditions,
    ) -> Index {
        let host = self.net.add_host(realm, ip(address), conditions);
        let seed = self
            .seed
            .wrapping_mul(0x9e37_79b9)
            .wrapping_add(self.parties.len() as u64);
        let index = self.parties.len();
        self.parties
            .push(Party::new(host, ip(address), config, seed));
        self.at.push(None);
        self.hosts.insert(host, index);
        Index(index)
    }

    /// A translator on the internet.
    pub fn add_nat(
        &mut self,
        address: &str,
        behaviour: Behaviour,
        conditions: Conditions,
    ) -> NatId {
        self.net
            .add_nat(Realm::INTERNET, ip(address), behaviour, conditions)
    }

    pub fn party(&mut self, index: Index) -> &mut Party {
        self.touch(index.0)
    }

    /// A party that is about to change.
    fn touch(&mut self, index: usize) -> &mut Party {
        self.touched.insert(index);
        &mut self.parties[index]
    }

    /// A party, and what it sends into.
    pub fn party_and_net(&mut self, index: Index) -> (&mut Party, &mut Network) {
        self.touched.insert(index.0);
        (&mut self.parties[index.0], &mut self.net)
    }

    pub fn server(&mut self) -> &mut Party {
        self.party(SERVER)
    }

    /// A party's host starts again and remembers nothing.
    pub fn restart(&mut self, index: Index, config: engine::Config) {
        self.seed = self.seed.wrapping_add(1);
        let seed = self.seed;
        let party = self.touch(index.0);
        *party = Party::new(party.host, party.address, config, seed);
    }

    /// Makes a party connect to the server as alice, with changes to how it does so.
    pub fn dial(&mut self, index: Index, change: impl FnOnce(&mut engine::Dial)) -> PeerId {
        self.dial_as(index, "alice", "wonderland", change)
    }

    pub fn dial_as(
        &mut self,
        index: Index,
        user: &str,
        password: &str,
        change: impl FnOnce(&mut engine::Dial),
    ) -> PeerId {
        let (server, now) = (self.parties[0].address, self.now);
        let (party, net) = self.party_and_net(index);
        let mut dial = party.dialling(server, user, password);
        change(&mut dial);
        party.dial(now, net, dial)
    }

    /// Does something with the engine of a party, and carries out what follows.
    pub fn with<T>(
        &mut self,
        index: Index,
        act: impl FnOnce(&mut engine::Engine, Instant) -> T,
    ) -> T {
        let now = self.now;
        let (party, net) = self.party_and_net(index);
        let result = act(&mut party.engine, now);
        party.drain(now, net);
        result
    }

    /// Sends an IP packet into a party's tunnel; whether it left.
    pub fn send_ip(&mut self, index: Index, packet: &[u8]) -> bool {
        let now = self.now;
        let (party, net) = self.party_and_net(index);
        party.send_ip(now, net, packet)
    }

    /// Sends anything at all from a party's host.
    pub fn send_raw(&mut self, index: Index, datagram: crate::net::Datagram) {
        let host = self.parties[index.0].host;
        self.net.send(self.now, host, datagram);
    }

    /// Lets time pass until `done`, at most for `limit`; whether it was.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.step_at_now();
            if done(self) {
                return true;
            }
            match self.next_at() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => {
                    self.now = end;
                    return false;
                }
            }
        }
    }

    /// Lets time pass.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// The clock of all goes ahead by itself, as when all of it was suspended: what was on its way
    /// is late, and whatever became due meanwhile is due at once.
    pub fn jump(&mut self, by: Duration) {
        self.now = self.now + by;
    }

    fn next_at(&mut self) -> Option<Instant> {
        let party = self.next_party().map(|(at, _)| at);
        party.into_iter().chain(self.net.next_at()).min()
    }

    /// The party that has something to do next. With a hundred of them, asking each after every
    /// packet would be most of the work; only those that may have changed are asked.
    fn next_party(&mut self) -> Option<(Instant, usize)> {
        while let Some(index) = self.touched.pop_first() {
            let at = self.parties[index].next_at();
            let before = std::mem::replace(&mut self.at[index], at);
            if before != at {
                before.map(|at| self.due.remove(&(at, index)));
                at.map(|at| self.due.insert((at, index)));
            }
        }
        self.due.first().copied()
    }

    /// Everything that is due now.
    fn step_at_now(&mut self) {
        // A timer that is due over and over again would hang the test: say so instead.
        for _ in 0..100_000 {
            if let Some(delivery) = self.net.poll_delivery(self.now) {
                if let Some(index) = self.hosts.get(&delivery.host).copied() {
                    self.touched.insert(index);
                    let party = &mut self.parties[index];
                    party.on_datagram(self.now, &mut self.net, delivery.datagram);
                }
                continue;
            }
            match self.next_party() {
                Some((at, index)) if at <= self.now => {
                    self.touched.insert(index);
                    self.parties[index].on_time(self.now, &mut self.net);
                }
                _ => return,
            }
        }
        let timers: Vec<_> = self
            .parties
            .iter()
            .map(|p| p.engine.poll_timeout())
            .collect();
        panic!("time does not pass: {timers:?} at {:?}", self.now);
    }

    /// Whether a client can carry traffic.
    pub fn is_up(&mut self, index: Index) -> bool {
        !self.party(index).sessions().is_empty()
    }

    /// Pings the server through a client's tunnel; whether the reply came within two seconds.
    pub fn ping(&mut self, index: Index, number: u32) -> bool {
        let Some(info) = self.party(index).sessions().into_iter().next() else {
            return false;
        };
        let packet = echo::ping(info.local_address, info.remote_address, number);
        let before = self.party(index).received.len();
        self.send_ip(index, &packet);
        self.run_until(Duration::from_secs(2), |world| {
            let new = world.party(index).received.get(before..);
            echo::pings(new.unwrap_or_default(), true).contains(&number)
        })
    }

    /// Everything that clients made the server hold has been given back.
    pub fn assert_server_is_empty(&mut self) {
        let server = self.server();
        let held = (server.engine.occupancy(), server.plane.occupancy());
        assert_eq!(held, Default::default(), "{}", self.report());
    }

    /// What happened lately in the network, and everything the parties reported.
    pub fn report(&mut self) -> String {
        use std::fmt::Write as _;
        let mut text = format!("at {:?}\n", self.now);
        for (index, party) in self.parties.iter().enumerate() {
            for (at, event) in party.events.iter().rev().take(40).rev() {
                let _ = writeln!(text, "  party {index} {at:?} {event:?}");
            }
            for (reason, count) in party.plane.drops().filter(|(_, count)| *count > 0) {
                let _ = writeln!(text, "  party {index} dropped {count}: {reason}");
            }
            let _ = writeln!(text, "  party {index} {:?}", party.engine.ike_counters());
        }
        for record in self
            .net
            .history()
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .take(60)
            .rev()
        {
            let _ = writeln!(text, "  {record}");
        }
        text
    }
}
