//! How often one source may speak, in a table of fixed size.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use wire::{Instant, Source};

/// Sets in the table.
const SETS: usize = 1024;
/// Sources that share a set.
const WAYS: usize = 4;

/// A rate: so many per second, and so many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back per second; at least 1.
    pub per_second: u32,
    /// Tokens that a source may save up.
    pub burst: u32,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tag: u32,
    tokens: u32,
    filled: Instant,
}

/// Token buckets per [`Source`].
///
/// The table never grows. A source that is not in it takes the fullest bucket of its set *with
/// the tokens that are in it*, so that forged sources cannot make more of the work than the
/// table holds, and a source that comes now and then always finds a full one. Where a source falls
/// depends on a key chosen at start, so nobody can aim at a neighbour.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    key: RandomState,
    sets: Box<[[Bucket; WAYS]]>,
}

impl Limiter {
    /// A table in which every bucket is full.
    pub fn new(rate: Rate) -> Self {
        let bucket = Bucket {
            tag: 0,
            tokens: rate.burst,
            filled: Instant::BOOT,
        };
        Self {
            rate,
            key: RandomState::new(),
            sets: vec![[bucket; WAYS]; SETS].into(),
        }
    }

    /// Whether `source` may speak now; if so, a token is taken.
    pub fn admit(&mut self, now: Instant, source: IpAddr) -> bool {
        let hash = self.key.hash_one(Source::of(source));
        let tag = u32::try_from(hash >> 32).unwrap_or(0);
        let index = usize::try_from(hash).unwrap_or(0) % SETS;
        let Some(set) = self.sets.get_mut(index) else {
            return false;
        };
        for bucket in set.iter_mut() {
            refill(bucket, self.rate, now);
        }
        let found = set.iter().position(|bucket| bucket.tag == tag);
        let way = found.or_else(|| (0..WAYS).max_by_key(|&way| set.get(way).map(|b| b.tokens)));
        let Some(bucket) = way.and_then(|way| set.get_mut(way)) else {
            return false;
        };
        bucket.tag = tag;
        match bucket.tokens.checked_sub(1) {
            Some(tokens) => {
                bucket.tokens = tokens;
                true
            }
            None => false,
        }
    }
}

fn refill(bucket: &mut Bucket, rate: Rate, now: Instant) {
    let per_second = rate.per_second.max(1);
    let each = Duration::from_secs(1) / per_second;
    let tokens = now.saturating_since(bucket.filled).as_nanos() / each.as_nanos().max(1);
    let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
    if tokens == 0 {
        return;
    }
    if tokens >= rate.burst {
        bucket.tokens = rate.burst;
        bucket.filled = now;
    } else {
        bucket.tokens = bucket.tokens.saturating_add(tokens).min(rate.burst);
        // What is left of the last interval counts for the next token.
        bucket.filled = bucket.filled + each.saturating_mul(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 20,
    };

    fn at(milliseconds: u64) -> Instant {
        Instant::from_boot(Duration::from_secs(1000) + Duration::from_millis(milliseconds))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_has_its_burst_and_then_its_rate() {
        let mut limiter = Limiter::new(RATE);
        let source = ip("192.0.2.1");
        let at_once = (0..100).filter(|_| limiter.admit(at(0), source)).count();
        assert_eq!(at_once, 20);
        // Ten a second from then on, however often it tries.
        let later = (1..=3000)
            .filter(|&ms| limiter.admit(at(ms), source))
            .count();
        assert_eq!(later, 30);
        assert!(limiter.admit(at(60_000), source));
    }

    #[test]
    fn one_source_does_not_cost_another_its_turn() {
        let mut limiter = Limiter::new(RATE);
        for _ in 0..1000 {
            limiter.admit(at(0), ip("192.0.2.1"));
        }
        assert!(limiter.admit(at(0), ip("192.0.2.2")));
    }

    #[test]
    fn hosts_of_one_ipv6_network_share() {
        let mut limiter = Limiter::new(RATE);
        let admitted = (0..100_u32)
            .filter(|n| limiter.admit(at(0), ip(&format!("2001:db8::{n:x}"))))
            .count();
        assert_eq!(admitted, 20);
    }

    #[test]
    fn forged_sources_get_no_more_than_the_table_holds() {
        let mut limiter = Limiter::new(RATE);
        let admitted = (0..200_000_u32)
            .filter(|&n| limiter.admit(at(0), std::net::Ipv4Addr::from_bits(n).into()))
            .count();
        assert!(admitted <= SETS * WAYS * 20, "{admitted}");
        assert!(
            admitted > SETS * WAYS * 10,
            "{admitted}: the sets are filled unevenly"
        );
    }
}
