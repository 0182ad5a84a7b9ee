//! The addresses given to clients.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::SessionId;

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

/// Hands out addresses, each to one session at a time.
///
/// Fresh addresses come in ascending order; once all have been out, the one released longest ago
/// comes first, so that a stray packet for a client that has left seldom reaches another.
/// Addresses that the secrets file fixes for somebody are never handed out to anyone else.
#[derive(Debug, Default)]
pub struct Pool {
    ranges: Vec<AddressRange>,
    reserved: BTreeSet<IpAddr>,
    in_use: BTreeMap<IpAddr, SessionId>,
    /// Where to look for an address that was never out: range index, address.
    fresh: Option<(usize, IpAddr)>,
    /// Addresses that were out, oldest first. May name one that is in use again as a fixed
    /// address: checked when taken.
    released: VecDeque<IpAddr>,
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
        // What is no longer reserved may have been passed over already: queue it.
        for address in self.reserved.difference(&reserved) {
            if self.ranges.iter().any(|r| r.contains(*address)) && !self.is_fresh(*address) {
                self.released.push_back(*address);
            }
        }
        self.reserved = reserved;
    }

    /// Takes any free address for `session`; `None` when all are out.
    pub fn allocate(&mut self, session: SessionId) -> Option<IpAddr> {
        let address = self.next_fresh().or_else(|| self.next_released())?;
        self.in_use.insert(address, session);
        Some(address)
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
                Ok(())
            }
        }
    }

    /// Gives an address back.
    pub fn release(&mut self, address: IpAddr) {
        if self.in_use.remove(&address).is_some() && self.lends(address) && !self.is_fresh(address)
        {
            self.released.push_back(address);
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

    fn next_fresh(&mut self) -> Option<IpAddr> {
        while let Some((index, address)) = self.fresh {
            let range = self.ranges.get(index)?;
            self.fresh = match successor(address) {
                Some(next) if range.contains(next) => Some((index, next)),
                _ => self.ranges.get(index + 1).map(|r| (index + 1, r.first)),
            };
            if self.is_free(address) {
                return Some(address);
            }
        }
        None
    }

    fn next_released(&mut self) -> Option<IpAddr> {
        while let Some(address) = self.released.pop_front() {
            if self.is_free(address) {
                return Some(address);
            }
        }
        None
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
        std::iter::from_fn(|| pool.allocate(SessionId(1)))
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
    fn one_address_is_held_by_one_session() {
        let mut pool = pool(&[("10.0.0.1", "10.0.0.2")], &[]);
        assert_eq!(pool.claim(ip("10.0.0.1"), SessionId(7)), Ok(()));
        assert_eq!(pool.claim(ip("10.0.0.1"), SessionId(8)), Err(SessionId(7)));
        assert_eq!(take_all(&mut pool), ["10.0.0.2"]);
        pool.release(ip("10.0.0.1"));
        assert_eq!(take_all(&mut pool), ["10.0.0.1"]);
    }

    #[test]
    fn a_fixed_address_outside_the_ranges_never_becomes_dynamic() {
        let mut pool = pool(&[("10.0.0.1", "10.0.0.1")], &["192.0.2.9"]);
        pool.claim(ip("192.0.2.9"), SessionId(1)).unwrap();
        pool.release(ip("192.0.2.9"));
        assert_eq!(take_all(&mut pool), ["10.0.0.1"]);
    }

    #[test]
    fn lifting_a_reservation_frees_the_address() {
        let mut pool = pool(&[("10.0.0.1", "10.0.0.3")], &["10.0.0.1", "10.0.0.3"]);
        assert_eq!(pool.allocate(SessionId(1)), Some(ip("10.0.0.2")));
        pool.reserve(BTreeSet::new());
        assert_eq!(take_all(&mut pool), ["10.0.0.3", "10.0.0.1"]);
    }

    #[test]
    fn ranges_of_mixed_families_or_wrong_order_are_refused() {
        assert_eq!(AddressRange::new(ip("10.0.0.2"), ip("10.0.0.1")), None);
        assert_eq!(AddressRange::new(ip("10.0.0.2"), ip("fd00::1")), None);
        let mut pool = pool(&[("fd00::fffe", "fd00::ffff")], &[]);
        assert_eq!(take_all(&mut pool), ["fd00::fffe", "fd00::ffff"]);
    }
}
