//! What adit's protocol crates share, and no protocol.
//!
//! - [`Instant`]: time as an argument,
//! - [`Path`], [`PeerId`], [`Ports`]: where a datagram travels and whose it is,
//! - [`Source`]: what counts as one place where hosts are,
//! - [`pop_front`]: of queues that give the memory of a burst back,
//! - [`Secret`]: bytes that are wiped, compared in constant time and never printed,
//! - [`Rng`]: the one kind of generator, seeded at construction,
//! - [`parse`] and [`emit`]: a thin layer over nom, and its counterpart for writing,
//! - [`Counts`]: how many there are of each,
//! - [`Few`]: sets of which most have one member,
//! - [`is_printable`]: which characters of a peer's text may reach a terminal,
//! - [`DecodeError`]: what is wrong with some bytes, and where.
#![forbid(unsafe_code)]

mod counts;
pub mod emit;
mod error;
mod few;
pub mod parse;
mod path;
mod queue;
mod secret;
mod source;
mod testing;
mod text;
mod time;

pub use counts::Counts;
pub use error::DecodeError;
pub use few::Few;
pub use path::{Carrier, Path, PeerId, Ports};
pub use queue::pop_front;
pub use rand_chacha::ChaCha20Rng as Rng;
pub use secret::Secret;
pub use source::Source;
pub use text::is_printable;
pub use time::Instant;
