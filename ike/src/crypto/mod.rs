//! The cryptography of IKE (RFC 2409): hashes, ciphers, Diffie-Hellman groups, key derivation.
//!
//! All of it is pure functions over byte slices. Diffie-Hellman powers take long and are not
//! called from the control loop: see [`crate::Job`].
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

mod cipher;
mod ecp;
mod group;
mod hash;
mod keymat;
mod modp;
mod protect;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests;

pub use cipher::{Cipher, CipherKey, Iv};
pub use group::{Group, InvalidPublicValue, PrivateValue};
pub use hash::HashAlgorithm;
pub use keymat::{Keymat, Phase1Suite, Transcript};
pub use protect::{Opened, Padding};
