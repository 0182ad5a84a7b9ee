//! In which order keys are tried.

use std::net::IpAddr;

use super::Selector;

/// How well a key fits a pair of addresses; the peer's end counts first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    remote: u8,
    local: u8,
    /// Whether each end has a selector of its own: `10.0.0.1 %any` says more than `10.0.0.1`.
    both: bool,
}

impl Rank {
    /// The best for any of our addresses; none when the key is for others.
    pub(super) fn best(selectors: &[Selector], locals: &[IpAddr], remote: IpAddr) -> Option<Self> {
        let ranks = locals.iter();
        ranks
            .filter_map(|local| Self::of(selectors, *local, remote))
            .max()
    }

    fn of(selectors: &[Selector], local: IpAddr, remote: IpAddr) -> Option<Self> {
        let alone = |remote, local| Self {
            remote,
            local,
            both: false,
        };
        if selectors.iter().any(|s| s.admits_peer(remote)) {
            return Some(alone(3, 1));
        }
        match selectors {
            // `: PSK "..."`
            [] => Some(alone(1, 1)),
            // The same as `%any %any`.
            [Selector::Any] => Some(Self {
                remote: 2,
                local: 2,
                both: true,
            }),
            [one] => {
                let (for_remote, for_local) = (one.score(remote), one.score(local));
                // A lone selector names either end; the other end is then anybody.
                let rank = if for_remote >= for_local {
                    alone(for_remote, 1)
                } else {
                    alone(2, for_local)
                };
                (for_remote.max(for_local) > 0).then_some(rank)
            }
            several => several
                .iter()
                .enumerate()
                .flat_map(|(i, mine)| {
                    let others = several.iter().enumerate().filter(move |(j, _)| i != *j);
                    others.map(move |(_, theirs)| Self {
                        remote: theirs.score(remote),
                        local: mine.score(local),
                        both: true,
                    })
                })
                .filter(|rank| rank.remote > 0 && rank.local > 0)
                .max()
                // QUIRK(strongSwan, libreswan): `198.51.100.1 %any` is for anybody at any address
                // too, for want of a better one. Servers behind NAT live by it, whose lines name
                // an address that they do not have.
                .or_else(|| several.contains(&Selector::Any).then_some(alone(2, 1))),
        }
    }
}
