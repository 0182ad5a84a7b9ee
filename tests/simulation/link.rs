//! One direction of a link: what can happen to a datagram on the way.

use std::fmt;
use std::time::Duration;

use rand_core::{Rng as _, SeedableRng};
use wire::{Instant, Rng};

/// What a link does to the datagrams it carries. All of it may be changed at any time; datagrams
/// already on the way are not touched by a change.
///
/// Chances are between 0 (never) and 1 (always).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// The shortest time a datagram takes.
    pub latency: Duration,
    /// At most this much is added to the latency, another amount for each datagram. Jitter alone
    /// keeps the order: a datagram waits for the one in front of it.
    pub jitter: Duration,
    /// Chance that a datagram is lost. A datagram in several fragments is lost with any of them.
    pub loss: f64,
    /// Chance that a datagram arrives twice; the second one comes up to [`Self::held`] later.
    pub duplication: f64,
    /// Chance that a datagram is held back so that later ones overtake it.
    pub reordering: f64,
    /// At most this long a datagram is held back; at least half as long.
    pub held: Duration,
    /// Chance that one bit of a datagram is flipped, or that its end is cut off. There is no
    /// checksum in the way, as with UDP-encapsulated ESP (RFC 3948 §2.1).
    pub corruption: f64,
    /// The largest IP packet in bytes, headers included.
    pub mtu: usize,
    /// What happens to a larger one.
    pub oversize: Oversize,
}

/// What a link does with a datagram that is larger than its MTU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oversize {
    /// It goes in fragments, each of which can be lost.
    Fragment,
    /// It vanishes without a word, as behind a filter that drops fragments.
    Drop,
}

impl Conditions {
    /// Nothing goes wrong, and it takes no time.
    pub const IDEAL: Self = Self {
        latency: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        duplication: 0.0,
        reordering: 0.0,
        held: Duration::from_millis(50),
        corruption: 0.0,
        mtu: 1500,
        oversize: Oversize::Fragment,
    };

    /// Nothing goes wrong, and each datagram takes this long.
    pub const fn delayed(latency: Duration) -> Self {
        Self {
            latency,
            ..Self::IDEAL
        }
    }

    /// Nothing arrives.
    pub const DOWN: Self = Self {
        loss: 1.0,
        ..Self::IDEAL
    };
}

/// What happened on a link, in datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Entered the link.
    pub sent: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Arrived twice.
    pub duplicated: u64,
    /// Held back.
    pub reordered: u64,
    /// Changed or cut.
    pub corrupted: u64,
    /// Too large for the link, and dropped for it.
    pub oversize: u64,
}

impl std::ops::AddAssign for LinkStats {
    fn add_assign(&mut self, other: Self) {
        let Self {
            sent,
            lost,
            duplicated,
            reordered,
            corrupted,
            oversize,
        } = other;
        self.sent += sent;
        self.lost += lost;
        self.duplicated += duplicated;
        self.reordered += reordered;
        self.corrupted += corrupted;
        self.oversize += oversize;
    }
}

/// Damage done to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// This bit, counted from the first of the first byte, is inverted.
    Flip(usize),
    /// Only this many bytes are left.
    Truncate(usize),
}

impl Damage {
    /// Does it.
    pub fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip(bit) => {
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte ^= 0x80 >> (bit % 8);
                }
            }
            Self::Truncate(length) => bytes.truncate(length),
        }
    }
}

/// One arrival of a datagram at the far end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Instant,
    /// What it suffered on the way.
    pub damage: Option<Damage>,
}

/// Why a link delivered nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// By chance.
    Chance,
    /// It was larger than the MTU.
    Oversize,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chance => "lost",
            Self::Oversize => "larger than the MTU",
        })
    }
}

/// One direction of a link.
///
/// It has a generator of its own and draws the same amount from it for every datagram. So a change
/// of one link's conditions changes no other link's luck, and a change of one chance none of the
/// other chances.
pub struct Link {
    /// What it does to datagrams.
    pub conditions: Conditions,
    stats: LinkStats,
    rng: Rng,
    /// When the last datagram in order arrives; none in order arrives earlier.
    last: Instant,
}

/// What chance holds for one datagram.
struct Draw {
    jitter: f64,
    loss: f64,
    duplication: f64,
    lag: f64,
    reordering: f64,
    held: f64,
    corruption: f64,
    damage: u32,
}

impl Draw {
    fn new(rng: &mut Rng) -> Self {
        Self {
            jitter: unit(rng),
            loss: unit(rng),
            duplication: unit(rng),
            lag: unit(rng),
            reordering: unit(rng),
            held: unit(rng),
            corruption: unit(rng),
            damage: rng.next_u32(),
        }
    }
}

/// At least 0 and less than 1.
fn unit(rng: &mut Rng) -> f64 {
    f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0)
}

impl Link {
    /// A link whose luck comes from `seed`.
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            stats: LinkStats::default(),
            rng: Rng::seed_from_u64(seed),
            last: Instant::BOOT,
        }
    }

    /// What has happened so far.
    pub fn stats(&self) -> LinkStats {
        self.stats
    }

    /// Sends a datagram of `payload` bytes that is `headers` bytes larger on the wire. Returns the
    /// first arrival, and the second if there is one.
    pub fn carry(
        &mut self,
        now: Instant,
        payload: usize,
        headers: usize,
    ) -> Result<(Arrival, Option<Arrival>), Loss> {
        let Conditions {
            latency,
            jitter,
            loss,
            duplication,
            reordering,
            held,
            ..
        } = self.conditions;
        let draw = Draw::new(&mut self.rng);
        self.stats.sent += 1;

        let fragments = (payload + headers).div_ceil(self.conditions.mtu.max(1));
        if fragments > 1 && self.conditions.oversize == Oversize::Drop {
            self.stats.oversize += 1;
            return Err(Loss::Oversize);
        }
        let survival = (0..fragments).fold(1.0, |chance, _| chance * (1.0 - loss));
        if draw.loss >= survival {
            self.stats.lost += 1;
            return Err(Loss::Chance);
        }

        let mut at = now + latency + jitter.mul_f64(draw.jitter);
        if draw.reordering < reordering {
            self.stats.reordered += 1;
            at = at + held.mul_f64(0.5 + draw.held / 2.0);
        } else {
            at = at.max(self.last);
            self.last = at;
        }

        let damage = (draw.corruption < self.conditions.corruption)
            .then(|| damage(draw.damage, payload))
            .flatten();
        self.stats.corrupted += u64::from(damage.is_some());

        let second = (draw.duplication < duplication).then(|| Arrival {
            at: at + held.mul_f64(draw.lag),
            damage,
        });
        self.stats.duplicated += u64::from(second.is_some());
        Ok((Arrival { at, damage }, second))
    }
}

/// Three times in four a flipped bit, else a cut. Nothing happens to an empty datagram.
fn damage(draw: u32, payload: usize) -> Option<Damage> {
    let place = (draw >> 2) as usize;
    match draw & 3 {
        _ if payload == 0 => None,
        0 => Some(Damage::Truncate(place % payload)),
        _ => Some(Damage::Flip(place % (payload * 8))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_boot(Duration::from_secs(1));

    fn at(millis: u64) -> Instant {
        START + Duration::from_millis(millis)
    }

    /// Sends `count` datagrams of 100 bytes, a millisecond apart.
    fn run(link: &mut Link, count: u64) -> Vec<Result<(Arrival, Option<Arrival>), Loss>> {
        (0..count).map(|i| link.carry(at(i), 100, 28)).collect()
    }

    #[test]
    fn an_ideal_link_delivers_everything_at_once() {
        let mut link = Link::new(Conditions::IDEAL, 1);
        for (i, outcome) in (0..).zip(run(&mut link, 1000)) {
            assert_eq!(
                outcome,
                Ok((
                    Arrival {
                        at: at(i),
                        damage: None
                    },
                    None
                ))
            );
        }
        assert_eq!(
            link.stats(),
            LinkStats {
                sent: 1000,
                ..LinkStats::default()
            }
        );
    }

    #[test]
    fn chances_are_kept_within_a_few_deviations() {
        let conditions = Conditions {
            loss: 0.2,
            duplication: 0.1,
            reordering: 0.05,
            corruption: 0.01,
            ..Conditions::IDEAL
        };
        let mut link = Link::new(conditions, 7);
        let arrived = run(&mut link, 20_000)
            .iter()
            .filter(|outcome| outcome.is_ok())
            .count();
        let stats = link.stats();
        assert_eq!(arrived as u64, stats.sent - stats.lost);
        // Four standard deviations: 226 of 4,000, 152 of 1,600, 113 of 800 and 51 of 160.
        assert!((3774..4226).contains(&stats.lost), "{stats:?}");
        assert!((1448..1752).contains(&stats.duplicated), "{stats:?}");
        assert!((687..913).contains(&stats.reordered), "{stats:?}");
        assert!((109..211).contains(&stats.corrupted), "{stats:?}");
    }

    #[test]
    fn certain_loss_loses_everything() {
        let mut link = Link::new(Conditions::DOWN, 7);
        assert!(
            run(&mut link, 1000)
                .iter()
                .all(|outcome| *outcome == Err(Loss::Chance))
        );
    }

    #[test]
    fn jitter_keeps_the_order_and_its_bounds() {
        let latency = Duration::from_millis(10);
        let jitter = Duration::from_millis(20);
        let mut link = Link::new(
            Conditions {
                jitter,
                ..Conditions::delayed(latency)
            },
            3,
        );
        let mut previous = START;
        let mut delays = Vec::new();
        for (i, outcome) in (0..).zip(run(&mut link, 1000)) {
            let (arrival, _) = outcome.expect("nothing is lost");
            assert!(arrival.at >= previous);
            previous = arrival.at;
            delays.push(arrival.at - at(i));
        }
        assert!(
            delays
                .iter()
                .all(|delay| (latency..=latency + jitter).contains(delay))
        );
        assert!(delays.iter().any(|delay| *delay > latency + jitter / 2));
    }

    #[test]
    fn what_is_held_back_is_overtaken() {
        let mut link = Link::new(
            Conditions {
                reordering: 0.1,
                ..Conditions::IDEAL
            },
            3,
        );
        let arrivals: Vec<_> = run(&mut link, 1000)
            .into_iter()
            .map(|o| o.expect("nothing is lost").0.at)
            .collect();
        let overtaken = arrivals.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64;
        assert!(overtaken > 50);
        // Two in a row can be held back without overtaking each other.
        assert!(overtaken <= link.stats().reordered);
    }

    #[test]
    fn the_second_arrival_comes_no_earlier_than_the_first() {
        let mut link = Link::new(
            Conditions {
                duplication: 1.0,
                ..Conditions::IDEAL
            },
            3,
        );
        for outcome in run(&mut link, 100) {
            let (first, second) = outcome.expect("nothing is lost");
            let second = second.expect("everything comes twice");
            assert!(second.at >= first.at);
            assert!(second.at - first.at <= link.conditions.held);
        }
    }

    #[test]
    fn damage_changes_one_bit_or_the_length() {
        let mut link = Link::new(
            Conditions {
                corruption: 1.0,
                ..Conditions::IDEAL
            },
            3,
        );
        let (mut flipped, mut cut) = (0, 0);
        for outcome in run(&mut link, 1000) {
            let mut bytes = vec![0; 100];
            outcome
                .expect("nothing is lost")
                .0
                .damage
                .expect("always")
                .apply(&mut bytes);
            match bytes.len() {
                100 => {
                    assert_eq!(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
                    flipped += 1;
                }
                shorter => {
                    assert!(shorter < 100);
                    cut += 1;
                }
            }
        }
        assert!(flipped > 600 && cut > 150, "{flipped} flipped, {cut} cut");
    }

    #[test]
    fn an_empty_datagram_cannot_be_damaged() {
        let mut link = Link::new(
            Conditions {
                corruption: 1.0,
                ..Conditions::IDEAL
            },
            3,
        );
        let (arrival, _) = link.carry(START, 0, 28).expect("nothing is lost");
        assert_eq!(arrival.damage, None);
    }

    #[test]
    fn the_mtu_counts_headers() {
        let mut link = Link::new(
            Conditions {
                oversize: Oversize::Drop,
                ..Conditions::IDEAL
            },
            3,
        );
        assert!(link.carry(START, 1472, 28).is_ok());
        assert_eq!(link.carry(START, 1473, 28), Err(Loss::Oversize));
        assert_eq!(link.stats().oversize, 1);
    }

    #[test]
    fn fragments_are_lost_together() {
        let lossy = Conditions {
            loss: 0.1,
            ..Conditions::IDEAL
        };
        let mut link = Link::new(lossy, 3);
        for _ in 0..10_000 {
            let _ = link.carry(START, 4000, 28);
        }
        // Three fragments: 1 − 0.9³ = 27.1 %, and four standard deviations.
        assert!(
            (2532..2888).contains(&link.stats().lost),
            "{:?}",
            link.stats()
        );
    }

    #[test]
    fn a_change_of_one_chance_leaves_the_others_alone() {
        let fates = |duplication| {
            let conditions = Conditions {
                loss: 0.3,
                duplication,
                ..Conditions::IDEAL
            };
            let mut link = Link::new(conditions, 5);
            run(&mut link, 500)
                .iter()
                .map(Result::is_ok)
                .collect::<Vec<_>>()
        };
        assert_eq!(fates(0.0), fates(0.5));
    }
}
