//! Vectors that are wide enough for lanes.
//!
//! Those of 128 bits are left out: a processor that has none wider has mostly instructions for SHA,
//! or is older than 2013. And the rounds, written out for registers that hold a quarter of the
//! lanes, would take the compiler minutes.

#[cfg(target_arch = "x86_64")]
use fearless_simd::{Avx2, Avx512, Level};

/// The widest vectors of this processor.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wide {
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Wide {
    /// `None` if none of them are wide enough.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn new() -> Option<Self> {
        let level = Level::new();
        let avx512 = level.as_avx512().map(Self::Avx512);
        avx512.or_else(|| level.as_avx2().map(Self::Avx2))
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn new() -> Option<Self> {
        None
    }
}

/// Does what is generic over vectors, compiled for each kind.
macro_rules! on_wide {
    ($wide:expr, $simd:ident => $work:expr) => {
        match $wide {
            #[cfg(target_arch = "x86_64")]
            $crate::lanes::wide::Wide::Avx2($simd) => $simd.vectorize(
                #[inline(always)]
                || $work,
            ),
            #[cfg(target_arch = "x86_64")]
            $crate::lanes::wide::Wide::Avx512($simd) => $simd.vectorize(
                #[inline(always)]
                || $work,
            ),
        }
    };
}
pub(crate) use on_wide;
