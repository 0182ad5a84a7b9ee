//! The configuration: [`model`] says what there is, [`layers`] where it comes from, [`validate`]
//! what makes sense together, [`bundle`] reads it with the secrets it names.

pub mod bundle;
pub mod layers;
pub mod model;
pub mod proposals;
mod tree;
pub mod validate;
pub mod values;

pub use bundle::Bundle;
pub use layers::{Loaded, Sources, load};
pub use model::{
    Authentication, Clients, Config, Control, Encapsulation, Ipsec, L2tp, Listen, Log, LogFormat,
    Pool, Ppp, Threads, Tun,
};
pub use proposals::{Cbc, Gcm, Group, Hash, Legacy, Phase1Proposal, Phase2Proposal, Protection};
pub use values::{AddressRange, SocketMode};
