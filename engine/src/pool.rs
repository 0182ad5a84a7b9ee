//! The addresses given to clients.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{AddressPolicy, SessionId};

/// A closed range of addresses of one family, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// The range from `first` to `last`, both included; `None` if they are of different families
    /// or in the wrong order.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// Whether `address` lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }
}

/// How many addresses have come back before one of them is given again, if there are fresh ones: what
/// is remembered of each takes memory, and a large pool would be gone through to its end.
const RESTING: usize = 4096;

/// Hands out addresses, each to one session at a time.
///
/// Fresh addresses come in ascending order; once all have been out, or [`RESTING`] have come back,
/// the one released longest ago comes first, so that a stray packet for a client that has left
/// seldom reaches another.
/// Addresses that the secrets file fixes for somebody are never handed out to anyone else.
#[derive(Debug, Default)]
pub struct Pool {
    ranges: Vec<AddressRange>,
    reserved: BTreeSet<IpAddr>,
    in_use: BTreeMap<IpAddr, SessionId>,
    /// Where to look for an address that was never out: range index, address.
    fresh: Option<(usize, IpAddr)>,
    /// Addresses that were out. May name one that has been reserved since: checked when taken.
    released: Released,
}

/// Addresses in the order in which they came back, each once.
#[derive(Debug, Default)]
struct Released {
    by_turn: BTreeMap<u64, IpAddr>,
    turns: BTreeMap<IpAddr, u64>,
    last_turn: u64,
}

impl Released {
    fn push(&mut self, address: IpAddr) {
        self.remove(address);
        self.last_turn += 1;
        self.by_turn.insert(self.last_turn, address);
        self.turns.insert(address, self.last_turn);
    }

    fn remove(&mut self, address: IpAddr) {
        if let Some(turn) = self.turns.remove(&address) {
            self.by_turn.remove(&turn);
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.turns.contains_key(&address)
    }

    fn len(&self) -> usize {
        self.turns.len()
    }

    /// The oldest first.
    fn iter(&self) -> impl Iterator<Item = IpAddr> {
        self.by_turn.values().copied()
    }
}

impl Pool {
    /// A pool of `ranges` without the `reserved` addresses (our own, and the fixed ones).
    pub fn new(ranges: Vec<AddressRange>, reserved: BTreeSet<IpAddr>) -> Self {
        let fresh = ranges.first().map(|r| (0, r.first));
        Self {
            ranges,
            reserved,
            fresh,
            ..Self::default()
        }
    }

    /// Replaces the reserved addresses, as after a reload. Sessions keep what they have.
    pub fn reserve(&mut self, reserved: BTreeSet<IpAddr>) {
        // What is no longer reserved may have been passed over already: queue it. What is in use is
        // queued when it is released.
        for address in self.reserved.difference(&reserved) {
            let is_known = self.released.contains(*address) || self.in_use.contains_key(address);
            let is_ours = self.ranges.iter().any(|r| r.contains(*address));
            if is_ours && !is_known && !self.is_fresh(*address) {
                self.released.push(*address);
            }
        }
        self.reserved = reserved;
    }

    /// Takes a free address that `policy` permits for `session`; `None` when all such are out.
    pub fn allocate(&mut self, session: SessionId, policy: &AddressPolicy) -> Option<IpAddr> {
        let address = if self.released.len() < RESTING {
            let fresh = self.next_fresh(policy);
            fresh.or_else(|| self.next_released(policy))?
        } else {
            let rested = self.next_released(policy);
            rested.or_else(|| self.next_fresh(policy))?
        };
        self.in_use.insert(address, session);
        self.pass_taken();
        Some(address)
    }

    /// Whether there are no ranges, so that only fixed addresses are given.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether any address of the ranges is one that `policy` permits, free or not.
    pub fn suits(&self, policy: &AddressPolicy) -> bool {
        let mut ranges = self.ranges.iter();
        ranges.any(|range| policy.first_permitted(range.first, range.last).is_some())
    }

    /// Takes just this address for `session`. It need not lie in a range.
    ///
    /// # Errors
    /// The session that holds it already.
    pub fn claim(&mut self, address: IpAddr, session: SessionId) -> Result<(), SessionId> {
        match self.in_use.get(&address) {
            Some(holder) if *holder != session => Err(*holder),
            _ => {
                self.in_use.insert(address, session);
                self.released.remove(address);
                Ok(())
            }
        }
    }

    /// Gives an address back.
    pub fn release(&mut self, address: IpAddr) {
        if self.in_use.remove(&address).is_some() && self.lends(address) && !self.is_fresh(address)
        {
            self.released.push(address);
        }
    }

    /// Whether `address` is one of those that anybody may get.
    pub fn lends(&self, address: IpAddr) -> bool {
        !self.reserved.contains(&address) && self.ranges.iter().any(|r| r.contains(address))
    }

    /// How many addresses are out.
    pub fn in_use(&self) -> usize {
        self.in_use.len()
    }

    /// How many addresses of the ranges are out.
    pub fn lent(&self) -> usize {
        let addresses = self.in_use.keys();
        addresses
            .filter(|address| self.ranges.iter().any(|r| r.contains(**address)))
            .count()
    }

    /// The first address that was never out and is free and permitted.
    fn next_fresh(&self, policy: &AddressPolicy) -> Option<IpAddr> {
        let (start, from) = self.fresh?;
        for (index, range) in self.ranges.iter().enumerate().skip(start) {
            let mut next = Some(if index == start { from } else { range.first });
            while let Some(address) = next.and_then(|n| policy.first_permitted(n, range.last)) {
                if self.is_free(address) {
                    return Some(address);
                }
                next = successor(address);
            }
        }
        None
    }

    /// Goes on past what is not free. What is passed over comes back when it is released.
    fn pass_taken(&mut self) {
        while let Some((index, address)) = self.fresh.filter(|(_, next)| !self.is_free(*next)) {
            let range = self.ranges.get(index);
            self.fresh = match successor(address) {
                Some(next) if range.is_some_and(|range| range.contains(next)) => {
                    Some((index, next))
                }
                _ => self.ranges.get(index + 1).map(|r| (index + 1, r.first)),
            };
        }
    }

    fn next_released(&mut self, policy: &AddressPolicy) -> Option<IpAddr> {
        let mut found = None;
        let mut stale = Vec::new();
        for address in self.released.iter() {
            if !self.is_free(address) {
                stale.push(address);
            } else if policy.permits(address) {
                found = Some(address);
                break;
            }
        }
        // What is reserved by now is queued again when it is free.
        for address in stale.into_iter().chain(found) {
            self.released.remove(address);
        }
        found
    }

    fn is_free(&self, address: IpAddr) -> bool {
        !self.reserved.contains(&address) && !self.in_use.contains_key(&address)
    }

    /// Whether the walk through the ranges has yet to come past `address`.
    fn is_fresh(&self, address: IpAddr) -> bool {
        self.fresh.is_some_and(|(index, next)| {
            self.ranges.iter().enumerate().any(|(i, range)| {
                range.contains(address) && (i > index || (i == index && address >= next))
            })
        })
    }
}

fn successor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(a) => Some(Ipv4Addr::from(u32::from(a).checked_add(1)?).into()),
        IpAddr::V6(a) => Some(Ipv6Addr::from(u128::from(a).checked_add(1)?).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AddressRule;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn pool(ranges: &[(&str, &str)], reserved: &[&str]) -> Pool {
        let ranges = ranges
            .iter()
            .map(|(a, b)| AddressRange::new(ip(a), ip(b)).unwrap());
        Pool::new(ranges.collect(), reserved.iter().map(|a| ip(a)).collect())
    }

    fn take_all(pool: &mut Pool) -> Vec<String> {
        std::iter::from_fn(|| pool.allocate(SessionId(1), &AddressPolicy::any()))
            .map(|a| a.to_string())
            .collect()
    }

    #[test]
    fn ranges_are_walked_in_order_without_the_reserved() {
        let mut pool = pool(
            &[("10.0.0.254", "10.0.1.1"), ("10.9.0.1", "10.9.0.1")],
            &["10.0.0.255", "10.0.1.0"],
        );
        assert_eq!(take_all(&mut pool), ["10.0.0.254", "10.0.1.1", "10.9.0.1"]);
        assert_eq!(pool.in_use(), 3);
    }

    #[test]
    fn the_address_released_longest_ago_comes_back_first() {
        let mut pool = pool(&[("10.0.0.1", "10.0.0.3")], &[]);
        take_all(&mut pool);
        pool.release(ip("10.0.0.2"));
        pool.release(ip("10.0.0.1"));
        pool.release(ip("10.0.0.1"));
        assert_eq!(take_all(&mut pool), ["10.0.0.2", "10.0.0.1"]);
    }

    #[test]
    fn a_large_pool_is_not_gone_through_while_enough_addresses_have_rested() {
        let mut pool = pool(&[("10.0.0.0", "10.255.255.255")], &[]);
        let mut take = || {
            let address = pool.allocate(SessionId(1), &AddressPolicy::any()).unwrap();
            pool.release(address);
            address
        };
        let first: Vec<_> = (0..RESTING).map(|_| take()).collect();
        let then: Vec<_> = (0..RESTING).map(|_| take()).collect();
        assert_eq!(first, then, "in the order in which they came back");
        assert_eq!(pool.released.len(), RESTING);

        // Whoever may have none of them gets a fresh one.
        let policy = AddressPolicy::only([10, 9, 9, 9].into());
        let other = pool.allocate(SessionId(2), &policy);
        assert_eq!(other, Some(ip("10.9.9.9")));
    }

    #[test]
    fn one_address_is_held_by_one_session() {
        let mut pool = pool(&[("10.0.0.1", "10.0.0.2")], &[]);
        assert_eq!(pool.claim(ip("10.0.0.1"), SessionId(7)), Ok(()));
        assert_eq!(pool.claim(ip("10.0.0.1"), SessionId(8)), Err(SessionId(7)));
        assert_eq!(take_all(&mut pool), ["10.0.0.2"]);
        pool.release(ip("10.0.0.1"));
        assert_eq!(take_all(&mut pool), ["10.0.0.1"]);
    }

    #[test]
    fn of_a_range_only_what_is_permitted_is_taken_and_the_rest_is_left() {
        let rule = |address: [u8; 4], prefix, permit| AddressRule::Network {
            address: address.into(),
            prefix,
            permit,
        };
        let some = AddressPolicy::new(vec![
            rule([10, 0, 0, 5], 32, false),
            rule([10, 0, 0, 4], 30, true),
        ]);
        let mut pool = pool(&[("10.0.0.1", "10.0.0.9")], &["10.0.0.7"]);
        assert!(pool.suits(&some));
        let of_some = |pool: &mut Pool| pool.allocate(SessionId(1), &some).map(|a| a.to_string());
        assert_eq!(of_some(&mut pool).as_deref(), Some("10.0.0.4"));
        assert_eq!(of_some(&mut pool).as_deref(), Some("10.0.0.6"));
        assert_eq!(of_some(&mut pool), None);
        let rest = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.8"];
        assert_eq!(take_all(&mut pool), [&rest[..], &["10.0.0.9"]].concat());
        for address in rest.into_iter().chain(["10.0.0.6", "10.0.0.4"]) {
            pool.release(ip(address));
        }
        // The one released longest ago among those that are permitted.
        assert_eq!(of_some(&mut pool).as_deref(), Some("10.0.0.6"));
        assert_eq!(of_some(&mut pool).as_deref(), Some("10.0.0.4"));
        assert_eq!(take_all(&mut pool), rest);
        let elsewhere = AddressPolicy::new(vec![rule([10, 1, 0, 0], 16, true)]);
        assert!(!pool.suits(&elsewhere));
    }

    /// A user whose sessions replace one another takes the same address again and again.
    #[test]
    fn an_address_is_queued_once_however_often_it_comes_back() {
        let mut pool = pool(&[("10.0.0.1", "10.0.0.9")], &[]);
        let address = pool.allocate(SessionId(1), &AddressPolicy::any()).unwrap();
        for session in 2..9 {
            pool.release(address);
            assert_eq!(pool.claim(address, SessionId(session)), Ok(()));
            pool.reserve(BTreeSet::from([address]));
            pool.reserve(BTreeSet::new());
        }
        pool.release(address);
        pool.reserve(BTreeSet::from([address]));
        pool.reserve(BTreeSet::new());
        assert!(pool.released.iter().eq([address]));
    }

    #[test]
    fn a_fixed_address_outside_the_ranges_never_becomes_dynamic() {
        let mut pool = pool(&[("10.0.0.1", "10.0.0.1")], &["192.0.2.9"]);
        pool.claim(ip("192.0.2.9"), SessionId(1)).unwrap();
        assert_eq!((pool.in_use(), pool.lent()), (1, 0));
        pool.release(ip("192.0.2.9"));
        assert_eq!(take_all(&mut pool), ["10.0.0.1"]);
        assert_eq!((pool.in_use(), pool.lent()), (1, 1));
    }

    #[test]
    fn lifting_a_reservation_frees_the_address() {
        let mut pool = pool(&[("10.0.0.1", "10.0.0.3")], &["10.0.0.1", "10.0.0.3"]);
        assert_eq!(
            pool.allocate(SessionId(1), &AddressPolicy::any()),
            Some(ip("10.0.0.2"))
        );
        pool.reserve(BTreeSet::new());
        assert_eq!(take_all(&mut pool), ["10.0.0.1", "10.0.0.3"]);
    }

    #[test]
    fn ranges_of_mixed_families_or_wrong_order_are_refused() {
        assert_eq!(AddressRange::new(ip("10.0.0.2"), ip("10.0.0.1")), None);
        assert_eq!(AddressRange::new(ip("10.0.0.2"), ip("fd00::1")), None);
    }
}
