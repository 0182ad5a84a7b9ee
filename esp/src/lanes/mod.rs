//! Several packets side by side.
//!
//! CBC encryption and SHA are chains: every step waits for the one before, and a processor that
//! could do eight of them at a time does one. Chains of different packets do not wait for each
//! other. So a batch is cut into groups of [`LANES`] packets, and each step is done for the whole
//! group: one AES block of each packet, or one round of SHA in the 16 lanes of a vector.

mod break_even;
pub(crate) mod cbc;
pub(crate) mod hmac;
pub(crate) mod sha1;
pub(crate) mod sha256;
#[cfg(target_arch = "x86_64")]
pub(crate) mod vaes;
mod wide;

pub(crate) use break_even::BreakEven;
pub use break_even::SideBySide;
#[cfg(test)]
pub(crate) use wide::Wide;

/// Packets side by side: the 32-bit lanes of an AVX-512 register. Half as many gained less for
/// SHA-1 and as much for AES.
pub(crate) const LANES: usize = 16;
