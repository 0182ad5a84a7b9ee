//! Which addresses outside of the pool are clients': those fixed for users, and those of sessions whose
//! users have others by now. Routes lead to them, and they are masqueraded.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use engine::SessionId;

use crate::config::AddressRange;

/// The addresses that clients have or can have.
#[derive(Debug)]
pub(super) struct Addresses {
    /// Those of the pool are always clients'.
    pool: Vec<AddressRange>,
    /// Fixed for users.
    fixed: BTreeSet<IpAddr>,
    /// Of the sessions that carry traffic, where they are not of the pool: who is connected keeps an
    /// address that is fixed no more.
    held: BTreeMap<SessionId, IpAddr>,
    /// [`Self::hosts`] may be others than [`Self::take`] has said.
    changed: bool,
}

impl Addresses {
    /// Those of `pool`, and those that are `fixed` for users.
    pub(super) fn new(pool: Vec<AddressRange>, fixed: BTreeSet<IpAddr>) -> Self {
        Self {
            pool,
            fixed,
            held: BTreeMap::new(),
            changed: false,
        }
    }

    /// From now on users have these.
    pub(super) fn fix(&mut self, fixed: BTreeSet<IpAddr>) {
        self.changed |= fixed != self.fixed;
        self.fixed = fixed;
    }

    /// A session carries traffic. Its address need not be fixed any more: the files may have changed
    /// since the login.
    pub(super) fn up(&mut self, session: SessionId, address: IpAddr) {
        if !self.is_of_pool(address) {
            self.changed |= !self.fixed.contains(&address);
            self.held.insert(session, address);
        }
    }

    /// It does not any more.
    pub(super) fn down(&mut self, session: SessionId) {
        if let Some(address) = self.held.remove(&session) {
            self.changed |= !self.fixed.contains(&address);
        }
    }

    /// Those outside of the pool.
    pub(super) fn hosts(&self) -> BTreeSet<IpAddr> {
        let all = self.fixed.iter().chain(self.held.values()).copied();
        all.filter(|address| !self.is_of_pool(*address)).collect()
    }

    /// Whether [`Self::hosts`] may be others than [`Self::take`] has said.
    pub(super) const fn have_changed(&self) -> bool {
        self.changed
    }

    /// [`Self::hosts`], for whoever does now what follows from them.
    pub(super) fn take(&mut self) -> BTreeSet<IpAddr> {
        self.changed = false;
        self.hosts()
    }

    /// Whether a client has `address` or can have it.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.is_of_pool(address) || self.fixed.contains(&address)
    }

    fn is_of_pool(&self, address: IpAddr) -> bool {
        self.pool.iter().any(|range| range.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn set(texts: &[&str]) -> BTreeSet<IpAddr> {
        texts.iter().map(|text| ip(text)).collect()
    }

    fn addresses(fixed: &[&str]) -> Addresses {
        let pool = vec!["10.10.1.2-10.10.1.100".parse().unwrap()];
        Addresses::new(pool, set(fixed))
    }

    /// What there is to do: the addresses outside of the pool, if they may be others by now.
    fn news(addresses: &mut Addresses) -> Option<BTreeSet<IpAddr>> {
        addresses.have_changed().then(|| addresses.take())
    }

    #[test]
    fn who_is_connected_keeps_an_address_that_is_fixed_no_more() {
        let mut all = addresses(&["10.9.0.7", "10.10.1.9"]);
        assert_eq!(all.hosts(), set(&["10.9.0.7"]), "the other is of the pool");
        all.up(SessionId(1), ip("10.9.0.7"));
        all.up(SessionId(2), ip("10.10.1.9"));
        assert_eq!(news(&mut all), None);
        all.fix(set(&["10.9.0.8"]));
        assert_eq!(news(&mut all), Some(set(&["10.9.0.7", "10.9.0.8"])));
        all.down(SessionId(2));
        assert_eq!(news(&mut all), None);
        all.down(SessionId(1));
        assert_eq!(news(&mut all), Some(set(&["10.9.0.8"])));
    }

    #[test]
    fn an_address_that_nobody_has_goes_at_once() {
        let mut all = addresses(&["10.9.0.7", "10.9.0.8"]);
        all.fix(set(&["10.9.0.8"]));
        assert_eq!(news(&mut all), Some(set(&["10.9.0.8"])));
        all.fix(set(&["10.9.0.8"]));
        assert_eq!(news(&mut all), None);
        assert!(all.contains(ip("10.10.1.2")) && all.contains(ip("10.9.0.8")));
        assert!(!all.contains(ip("10.9.0.7")));
    }

    /// Between the login and the first packet the files may change.
    #[test]
    fn a_session_comes_up_with_an_address_that_is_fixed_no_more() {
        let mut all = addresses(&[]);
        all.up(SessionId(1), ip("10.9.0.7"));
        assert_eq!(news(&mut all), Some(set(&["10.9.0.7"])));
        // Another one takes its place before it is down.
        all.up(SessionId(2), ip("10.9.0.7"));
        all.down(SessionId(1));
        assert_eq!(news(&mut all), Some(set(&["10.9.0.7"])));
        all.down(SessionId(2));
        assert_eq!(news(&mut all), Some(set(&[])));
    }
}
