//! Not part of the interface: what the fuzz targets reach by no other way.

use std::net::{Ipv4Addr, SocketAddr};

use wire::Instant;

use crate::codec::{Cookie, Fragment};
use crate::fragment::{Origin, Reassembly};
use crate::{FragmentCounters, Limits, SaId};

/// The reassembler, without the endpoint around it.
#[derive(Debug, Default)]
pub struct Reassembler {
    inner: Reassembly,
    counters: FragmentCounters,
}

impl Reassembler {
    /// Takes a fragment of one of eight origins: three strangers at one address, one at another, and four IKE SAs.
    pub fn add(
        &mut self,
        now: Instant,
        origin: u8,
        fragment: Fragment,
        longest: usize,
        limits: &Limits,
    ) -> Option<Vec<u8>> {
        let stranger = |host, port| {
            let source = SocketAddr::from((Ipv4Addr::new(203, 0, 113, host), port));
            Origin::Stranger(source, Cookie([1; 8]))
        };
        let origin = match origin & 7 {
            0 => stranger(1, 500),
            1 => stranger(1, 501),
            2 => stranger(1, 502),
            3 => stranger(2, 500),
            sa => Origin::Sa(SaId(sa.into())),
        };
        self.inner
            .add(now, origin, fragment, longest, limits, &mut self.counters)
    }

    /// Gives up what has waited too long.
    pub fn expire(&mut self, now: Instant) {
        self.inner.expire(now, &mut self.counters);
    }

    /// What all unfinished messages cost, and how many there are; with the books compared.
    pub fn held(&self) -> (usize, usize) {
        self.inner.held()
    }
}
