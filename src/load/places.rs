//! Which address and which ports a client has.

/// How clients are laid out over addresses and pairs of sockets, all counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    /// Addresses that are there.
    addresses: u64,
    /// Addresses that neighbours are spread over: the next so many come when these are full.
    spread: u64,
    /// Clients of each address.
    ports: u64,
}

impl Places {
    /// So many clients on each address. `exactly`: even where more addresses are there than that
    /// takes; else all of them are used.
    pub(super) fn new(addresses: u64, clients: u64, ports: u64, exactly: bool) -> Self {
        let needed = clients.div_ceil(ports.max(1));
        let spread = if exactly { needed } else { addresses };
        Self {
            addresses,
            spread: spread.min(addresses).max(1),
            ports,
        }
    }

    /// Clients of each address.
    pub(super) const fn ports(self) -> u64 {
        self.ports
    }

    /// How many there are.
    pub(super) fn count(self) -> u64 {
        self.addresses.saturating_mul(self.ports)
    }

    /// The address and the pair of sockets of a place. Neighbours have other addresses, not only
    /// other ports: what a server grants to each address is then not used up by the first ones.
    pub(super) fn at(self, place: u64) -> Option<(u64, usize)> {
        let within = place.checked_rem(self.group())?;
        let first = place.checked_div(self.group())?.checked_mul(self.spread)?;
        // The last group may have fewer addresses.
        let spread = self.spread.min(self.addresses.checked_sub(first)?);
        let pair = usize::try_from(within.checked_div(spread)?).ok()?;
        let address = first.checked_add(within.checked_rem(spread)?)?;
        Some((address, pair))
    }

    /// How many addresses the first places have.
    pub(super) fn addresses_of(self, places: u64) -> u64 {
        let whole = places.checked_div(self.group()).unwrap_or(0);
        let rest = places.checked_rem(self.group()).unwrap_or(0);
        whole
            .saturating_mul(self.spread)
            .saturating_add(rest.min(self.spread))
            .min(self.addresses)
    }

    /// Places of the addresses that neighbours are spread over.
    const fn group(self) -> u64 {
        self.spread.saturating_mul(self.ports)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_place_is_another() {
        for (addresses, clients, ports, exactly) in [
            (254, 700, 3, false),
            (65_534, 100, 50, true),
            (5, 7, 2, true),
            (99, 1_000, 20, true),
            (1, 9, 9, false),
        ] {
            let places = Places::new(addresses, clients, ports, exactly);
            assert!(places.count() >= clients, "{places:?}");
            let some = places.count().min(2_000);
            let all: BTreeSet<(u64, usize)> = (0..some).filter_map(|at| places.at(at)).collect();
            assert_eq!(all.len() as u64, some, "{places:?}");
            for first in [1, clients, some] {
                let used = (0..first).filter_map(|at| places.at(at));
                let used: BTreeSet<u64> = used.map(|(address, _)| address).collect();
                assert_eq!(places.addresses_of(first), used.len() as u64, "{places:?}");
                assert_eq!(used.last(), Some(&(used.len() as u64 - 1)));
            }
        }
    }

    #[test]
    fn as_many_on_an_address_as_was_asked_for() {
        let places = Places::new(65_534, 100, 50, true);
        assert_eq!(places.addresses_of(100), 2);
        assert_eq!(places.at(1), Some((1, 0)), "not only another port");
        assert_eq!(places.at(99), Some((1, 49)));
        assert_eq!(places.at(100), Some((2, 0)), "for those who come later");
        let spread = Places::new(254, 700, 3, false);
        assert_eq!(spread.addresses_of(700), 254);
    }
}
