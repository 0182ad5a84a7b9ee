//! DHCP inside the link, as far as clients need it that have their address already: they ask with
//! DHCPINFORM for "local configuration parameters" (RFC 2131 §3.4), and get from us what IPCP has
//! no option for: which networks lie behind the tunnel, and the search domain. No DHCP server is
//! needed, and nothing is leased.
//!
//! The codec is our own: the well-kept one brings a resolver's name parser, the Unicode tables
//! behind it and a random number generator along, and sorts the options, of whose order clients'
//! habits are made.

pub mod habits;
mod inform;
mod message;
mod packet;
mod parameters;
mod routes;
#[cfg(test)]
mod tests;

pub use habits::{Habits, Identifier, Item};
pub(crate) use inform::{Given, Inform};
pub use message::{Message, MessageType, OptionCode};
pub(crate) use packet::{CLIENT_PORT, Packet, SERVER_PORT};
pub use parameters::{Parameters, TooLong};
pub(crate) use parameters::{Site, acknowledge};
pub use routes::Route;

/// What became of DHCP messages of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// DHCPINFORM, answered.
    pub answered: u64,
    /// Anything else: a DHCPDISCOVER or DHCPREQUEST, for which there is IPCP, or an answer that
    /// nobody asked for.
    pub ignored: u64,
    /// Not DHCP, or cut off.
    pub malformed: u64,
}
