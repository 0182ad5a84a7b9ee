//! Room for Main Modes that are not authenticated yet (bounded per source and overall).
//!
//! Sources can be forged, so a full table never refuses the new one: somebody else goes, chosen
//! among those that have not shown with message 3 that they receive what we send. It is the oldest
//! of a few that are drawn by lot. The lot leaves everybody a chance in whatever flood; and as the
//! oldest goes, in a flood that renews the table more slowly than clients answer hardly
//! anybody is lost who does answer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rand_core::Rng as _;
use wire::Rng;

use crate::SaId;
use crate::config::Limits;

/// Members that are drawn, of which the oldest goes.
const LOTS: usize = 8;

/// A set from which a random member can be drawn.
#[derive(Debug, Default)]
struct Lot {
    members: Vec<SaId>,
    places: BTreeMap<SaId, usize>,
}

impl Lot {
    fn insert(&mut self, sa: SaId) {
        if let std::collections::btree_map::Entry::Vacant(place) = self.places.entry(sa) {
            place.insert(self.members.len());
            self.members.push(sa);
        }
    }

    fn remove(&mut self, sa: SaId) -> bool {
        let Some(place) = self.places.remove(&sa) else {
            return false;
        };
        if place < self.members.len() {
            self.members.swap_remove(place);
        }
        if let Some(moved) = self.members.get(place) {
            self.places.insert(*moved, place);
        }
        true
    }

    /// The oldest of some that are drawn; ids are given in the order of time.
    ///
    /// With a table of N, r newcomers a second and a round trip of t seconds, someone who answers is lost
    /// with a probability of about (rt/N)⁸, where a single lot would be 1 − exp(−rt/N).
    fn draw(&self, rng: &mut Rng) -> Option<SaId> {
        let count = u64::try_from(self.members.len())
            .ok()
            .filter(|count| *count > 0)?;
        let drawn = (0..LOTS).filter_map(|_| {
            let place = usize::try_from(rng.next_u64() % count).ok()?;
            self.members.get(place).copied()
        });
        drawn.min()
    }

    const fn len(&self) -> usize {
        self.members.len()
    }
}

/// Half-open SAs of one source, or of all.
#[derive(Debug, Default)]
struct Group {
    /// Those that have not sent message 3.
    unproven: Lot,
    /// Those that have.
    proven: Lot,
}

impl Group {
    const fn len(&self) -> usize {
        self.unproven.len().saturating_add(self.proven.len())
    }

    fn remove(&mut self, sa: SaId) {
        if !self.unproven.remove(sa) {
            self.proven.remove(sa);
        }
    }

    fn victim(&self, rng: &mut Rng) -> Option<SaId> {
        self.unproven.draw(rng).or_else(|| self.proven.draw(rng))
    }
}

/// All half-open IKE SAs that others started.
#[derive(Debug, Default)]
pub(crate) struct HalfOpen {
    all: Group,
    sources: BTreeMap<IpAddr, Group>,
}

impl HalfOpen {
    /// Whom to evict before one more from `source` is let in; call until `None`.
    pub(crate) fn victim(&self, limits: &Limits, source: IpAddr, rng: &mut Rng) -> Option<SaId> {
        if let Some(group) = self.sources.get(&source)
            && group.len() >= limits.half_open_per_source.max(1)
        {
            return group.victim(rng);
        }
        (self.all.len() >= limits.half_open_total.max(1))
            .then(|| self.all.victim(rng))
            .flatten()
    }

    /// A Main Mode has begun.
    pub(crate) fn insert(&mut self, sa: SaId, source: IpAddr) {
        self.all.unproven.insert(sa);
        self.sources.entry(source).or_default().unproven.insert(sa);
    }

    /// Message 3 came: the source receives what is sent to it.
    pub(crate) fn prove(&mut self, sa: SaId, source: IpAddr) {
        if self.all.unproven.remove(sa) {
            self.all.proven.insert(sa);
            let group = self.sources.entry(source).or_default();
            group.unproven.remove(sa);
            group.proven.insert(sa);
        }
    }

    /// It is authenticated, or gone.
    pub(crate) fn remove(&mut self, sa: SaId, source: IpAddr) {
        self.all.remove(sa);
        if let Some(group) = self.sources.get_mut(&source) {
            group.remove(sa);
            if group.len() == 0 {
                self.sources.remove(&source);
            }
        }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.all.len()
    }
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng as _;

    use super::*;

    #[test]
    fn only_the_unproven_give_way_while_there_are_any() {
        let mut rng = Rng::seed_from_u64(1);
        let limits = Limits {
            half_open_per_source: 3,
            half_open_total: 100,
            ..Limits::default()
        };
        let source = IpAddr::from([192, 0, 2, 1]);
        let mut table = HalfOpen::default();
        for id in 0..3 {
            assert_eq!(table.victim(&limits, source, &mut rng), None);
            table.insert(SaId(id), source);
        }
        table.prove(SaId(0), source);
        table.prove(SaId(2), source);
        for _ in 0..20 {
            assert_eq!(table.victim(&limits, source, &mut rng), Some(SaId(1)));
        }
        assert_eq!(
            table.victim(&limits, IpAddr::from([192, 0, 2, 2]), &mut rng),
            None
        );
        table.remove(SaId(1), source);
        assert_eq!(
            (table.len(), table.victim(&limits, source, &mut rng)),
            (2, None)
        );
        table.remove(SaId(0), source);
        table.remove(SaId(2), source);
        assert!(table.sources.is_empty() && table.len() == 0);
    }

    #[test]
    fn drawing_prefers_the_old_and_removal_keeps_the_places_right() {
        let mut rng = Rng::seed_from_u64(2);
        let mut lot = Lot::default();
        (0..10).for_each(|id| lot.insert(SaId(id)));
        (0..5).for_each(|id| assert!(lot.remove(SaId(id * 2))));
        let mut drawn = BTreeMap::<SaId, u32>::new();
        (0..1_000).for_each(|_| *drawn.entry(lot.draw(&mut rng).unwrap()).or_default() += 1);
        assert!(drawn[&SaId(1)] > 700 && drawn[&SaId(3)] > 100, "{drawn:?}");
        assert!(
            [0, 2, 4, 6, 8]
                .iter()
                .all(|id| !drawn.contains_key(&SaId(*id)))
        );
        (0..5).for_each(|id| assert!(lot.remove(SaId(id * 2 + 1))));
        assert_eq!((lot.draw(&mut rng), lot.places.len()), (None, 0));
    }
}
