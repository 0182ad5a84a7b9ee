//! The configuration: [`model`] says what there is, [`layers`] where it comes from, [`validate`]
//! what makes sense together, [`algorithms`] what IKE makes of it, [`psk`] which keys have a name,
//! [`bundle`] reads it with the secrets it names.

pub mod algorithms;
pub mod bundle;
mod clients;
mod guard;
mod key_choice;
pub mod layers;
mod limits;
pub mod model;
pub(crate) mod nat;
mod network;
pub mod psk;
pub mod scripts;
pub(crate) mod tree;
mod tun;
mod users;
pub mod validate;
pub mod values;
mod workers;

pub use algorithms::AlgorithmFault;
pub use bundle::Bundle;
pub use guard::Guard;
pub use key_choice::KeyChoice;
pub use layers::{Loaded, Sources, load};
pub use limits::Limits;
pub use model::{
    Authentication, Clients, Config, Control, Encapsulation, Ipsec, L2tp, Listen, Log, LogFormat,
    OnLimit, Pool, Ppp,
};
pub use nat::Nat;
pub use network::Network;
pub use psk::{NamedKey, Psk};
pub use scripts::Scripts;
pub use tun::{Tun, TunMode};
pub use users::Users;
pub use values::{AddressRange, SocketMode};
