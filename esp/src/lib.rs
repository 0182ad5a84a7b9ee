//! ESP transforms on byte slices (RFC 4303; encapsulated in UDP they are the same bytes,
//! RFC 3948 §2.1).
//!
//! - [`Suite`] names a cipher with its integrity algorithm and knows every length,
//! - [`Sealer`] and [`Opener`] hold the prepared keys of one security association and transform
//!   packets in place, one by one or in batches side by side,
//! - [`SequenceCounter`] and [`ReplayWindow`] are the two counters of RFC 4303 §3.3.3 and §3.4.3.
//!
//! Nothing here allocates, locks or draws random numbers per packet.
//!
//! ```
//! use esp::{Cipher, Integrity, Keys, Opener, Sealer, Suite};
//!
//! let suite = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha1_96));
//! let keys = || Keys { encryption: vec![1; 32].into(), integrity: vec![2; 20].into() };
//! let sealer = Sealer::new(suite, 0xcafe_f00d, &keys())?;
//! let opener = Opener::new(suite, &keys())?;
//!
//! let mut buffer = [0; 256];
//! buffer[64..69].copy_from_slice(b"hello");
//! let sealed = sealer.seal(1, 17, &mut buffer, 64..69)?;
//! let packet = &mut buffer[sealed];
//! let opened = opener.open(packet)?;
//! assert_eq!((opened.sequence, opened.next_header), (1, 17));
//! assert_eq!(&packet[opened.payload], b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

mod cipher;
mod integrity;
mod lanes;
mod open;
mod replay;
mod seal;
mod sequence;
mod suite;
#[cfg(test)]
mod tests;

pub use lanes::SideBySide;
pub use open::{Incoming, OpenError, Opened, Opener, peek};
pub use replay::{Acceptance, ReplayError, ReplayWindow};
pub use seal::{SealError, Sealer, Unsealed};
pub use sequence::{Exhausted, SequenceCounter};
pub use suite::{Cipher, Integrity, KeyError, KeyLengths, Keys, Suite};

/// Security parameters index and sequence number, in front of every packet (RFC 4303 §2).
pub const HEADER_LEN: usize = 8;

/// The longest initialisation vector: one block of AES.
pub const MAX_IV_LEN: usize = 16;

/// The longest integrity check value: HMAC-SHA2-512-256.
pub const MAX_ICV_LEN: usize = 32;

/// How many packets [`Sealer::seal_batch`] and [`Opener::open_batch`] work on side by side. More are
/// cut into groups of so many, fewer gain less.
pub const BATCH: usize = lanes::LANES;

/// Bytes that [`Sealer::seal`] may need in front of a payload, whatever the suite.
pub const MAX_HEADROOM: usize = HEADER_LEN + MAX_IV_LEN;

/// Bytes that [`Sealer::seal`] may need behind a payload, whatever the suite: padding up to a
/// block of AES, pad length, next header and the check value.
pub const MAX_TAILROOM: usize = 15 + 2 + MAX_ICV_LEN;
