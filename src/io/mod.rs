//! The edges to the operating system: sockets, the TUN device, threads, the clock.
//!
//! Everything below `engine` is told what happens and says what to do; here it happens. One
//! [`worker`] thread owns a set of sockets and a TUN queue and runs the data plane over them;
//! [`compute`] holds the threads for long arithmetic; the control loop in the program talks to
//! both through bounded queues that nobody ever blocks on.

pub mod capability;
pub mod clock;
pub mod compute;
pub mod confinement;
pub(crate) mod error;
pub mod firewall;
pub mod forwarding;
pub mod holders;
pub mod links;
pub mod memory;
pub mod neighbour;
pub mod netconf;
pub mod netlink;
pub mod nftables;
pub mod ports;
pub mod prefix;
pub mod raw;
pub mod sending;
pub mod session_device;
mod steering;
pub mod tun;
pub mod udp;
pub mod worker;
pub mod xfrm;

pub use error::SetupError;
