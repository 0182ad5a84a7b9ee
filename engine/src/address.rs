//! Which inner addresses a user may have.
//!
//! The rules are those of pppd's secrets files: they are read from left to right, the first one
//! that contains an address decides about it, and a list that ends without a decision refuses.

use std::net::{IpAddr, Ipv4Addr};

/// One rule of an [`AddressPolicy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressRule {
    /// Any address, and stop.
    Any,
    /// Nothing further is allowed.
    Stop,
    /// An address or a network.
    Network {
        /// An address in it.
        address: Ipv4Addr,
        /// Leading bits that count, at most 32.
        prefix: u8,
        /// Whether it is permitted, or refused.
        permit: bool,
    },
}

impl AddressRule {
    /// First and last address of a network; everything and nothing are no network.
    fn bounds(self) -> Option<(u32, u32)> {
        let Self::Network {
            address, prefix, ..
        } = self
        else {
            return None;
        };
        let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        let first = address.to_bits() & !host_bits;
        Some((first, first | host_bits))
    }
}

/// The addresses no client ever gets: the loopback, multicast and what lies above it, as in pppd, and
/// "this" network, which is nobody's either (RFC 1122 §3.2.1.3).
const FORBIDDEN: [(Ipv4Addr, Ipv4Addr); 3] = [
    (Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(0, 255, 255, 255)),
    (
        Ipv4Addr::new(127, 0, 0, 0),
        Ipv4Addr::new(127, 255, 255, 255),
    ),
    (Ipv4Addr::new(224, 0, 0, 0), Ipv4Addr::BROADCAST),
];

fn is_forbidden(address: Ipv4Addr) -> bool {
    let within = |(first, last): &(Ipv4Addr, Ipv4Addr)| (*first..=*last).contains(&address);
    FORBIDDEN.iter().any(within)
}

/// Which inner addresses a user may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPolicy(Vec<AddressRule>);

impl AddressPolicy {
    /// What `rules` say, in their order. What follows a rule that decides about everything never
    /// counts.
    pub fn new(mut rules: Vec<AddressRule>) -> Self {
        let decides = |rule: &AddressRule| matches!(rule, AddressRule::Any | AddressRule::Stop);
        if let Some(last) = rules.iter().position(decides) {
            rules.truncate(last.saturating_add(1));
        }
        Self(rules)
    }

    /// Any address.
    pub fn any() -> Self {
        Self(vec![AddressRule::Any])
    }

    /// Just this one.
    pub fn only(address: Ipv4Addr) -> Self {
        Self(vec![AddressRule::Network {
            address,
            prefix: 32,
            permit: true,
        }])
    }

    /// The rules.
    pub fn rules(&self) -> &[AddressRule] {
        &self.0
    }

    /// Whether the user may have `address`.
    pub fn permits(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.permits_ipv4(address),
            IpAddr::V6(_) => false,
        }
    }

    fn permits_ipv4(&self, address: Ipv4Addr) -> bool {
        if is_forbidden(address) {
            return false;
        }
        let contains = |(first, last)| (first..=last).contains(&address.to_bits());
        for rule in &self.0 {
            match rule {
                AddressRule::Stop => return false,
                AddressRule::Any => return true,
                AddressRule::Network { permit, .. } if rule.bounds().is_some_and(contains) => {
                    return *permit;
                }
                AddressRule::Network { .. } => {}
            }
        }
        false
    }

    /// Whether any address from `first` to `last` is permitted.
    pub fn permits_any(&self, first: IpAddr, last: IpAddr) -> bool {
        self.first_permitted(first, last).is_some()
    }

    /// The first address from `from` to `last` that is permitted. What it costs depends on the
    /// number of rules, not of addresses.
    pub(crate) fn first_permitted(&self, from: IpAddr, last: IpAddr) -> Option<IpAddr> {
        let (IpAddr::V4(from), IpAddr::V4(last)) = (from, last) else {
            return None;
        };
        // The answer changes only where a network begins or has ended.
        let networks = self.0.iter().filter_map(|rule| rule.bounds());
        let forbidden = FORBIDDEN.map(|(first, last)| (first.to_bits(), last.to_bits()));
        let edges = networks
            .chain(forbidden)
            .flat_map(|(first, last)| [Some(first), last.checked_add(1)]);
        let candidates = edges.flatten().map(Ipv4Addr::from_bits).chain([from]);
        candidates
            .filter(|address| (from..=last).contains(address) && self.permits_ipv4(*address))
            .min()
            .map(IpAddr::from)
    }

    /// The first single address of the list that is permitted. It is offered when no address of
    /// the pool is permitted, or none is left.
    ///
    /// pppd takes a refused one (`!10.0.0.6`) for this as well, and then refuses it; we do not.
    pub fn fixed(&self) -> Option<IpAddr> {
        let single = |rule: &AddressRule| match rule {
            AddressRule::Network {
                address,
                prefix: 32,
                permit: true,
            } => Some(IpAddr::from(*address)),
            _ => None,
        };
        let mut singles = self.0.iter().filter_map(single);
        singles.find(|address| self.permits(*address))
    }

    /// Whether no address at all is permitted, so that the user cannot come in.
    pub fn permits_nothing(&self) -> bool {
        let last = Ipv4Addr::BROADCAST.into();
        self.first_permitted(Ipv4Addr::UNSPECIFIED.into(), last)
            .is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule() -> impl Strategy<Value = AddressRule> {
        // Few addresses, so that the rules meet.
        let network = (0..64_u32, 24..=32_u8, any::<bool>()).prop_map(|(low, prefix, permit)| {
            AddressRule::Network {
                address: Ipv4Addr::from_bits(0x7eff_ffe0 + low),
                prefix,
                permit,
            }
        });
        prop_oneof![
            1 => Just(AddressRule::Any),
            1 => Just(AddressRule::Stop),
            6 => network,
        ]
    }

    proptest! {
        /// The first permitted address is the one that trying them all finds.
        #[test]
        fn the_first_one_is_found_without_trying_all(
            rules in prop::collection::vec(rule(), 0..6),
            from in 0..96_u32,
            length in 0..96_u32,
        ) {
            let policy = AddressPolicy::new(rules);
            let from = 0x7eff_ffd0 + from;
            let mut all = (from..=from + length).map(Ipv4Addr::from_bits);
            let expected = all.find(|address| policy.permits_ipv4(*address));
            let last = Ipv4Addr::from_bits(from + length).into();
            let found = policy.first_permitted(Ipv4Addr::from_bits(from).into(), last);
            prop_assert_eq!(found, expected.map(IpAddr::from));
        }
    }

    #[test]
    fn nothing_is_permitted_by_what_refuses_all() {
        let net = |address: [u8; 4], prefix, permit| AddressRule::Network {
            address: address.into(),
            prefix,
            permit,
        };
        for (rules, nothing) in [
            (vec![], true),
            (vec![AddressRule::Stop], true),
            (vec![AddressRule::Stop, AddressRule::Any], true),
            (vec![AddressRule::Any], false),
            (vec![net([127, 0, 0, 1], 32, true)], true),
            (vec![net([224, 0, 0, 0], 3, true)], true),
            (vec![net([10, 0, 0, 6], 32, false)], true),
            (
                vec![net([10, 0, 0, 6], 32, false), net([10, 0, 0, 6], 31, true)],
                false,
            ),
            (
                vec![net([10, 0, 0, 6], 31, false), net([10, 0, 0, 6], 32, true)],
                true,
            ),
            (vec![net([0, 0, 0, 0], 1, true)], false),
        ] {
            let policy = AddressPolicy::new(rules);
            assert_eq!(policy.permits_nothing(), nothing, "{policy:?}");
        }
    }
}
