//! On what terms a user is let in.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::AddressPolicy;

/// On what terms a user is let in. What is `None` is as for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Which inner addresses the user may have.
    pub addresses: AddressPolicy,
    /// The largest IP packet to send to the user, in bytes: a cap on what LCP and the outer path
    /// leave.
    pub mtu: Option<u16>,
    /// The largest IP packet the user is to send, in bytes. LCP is over by the time that the user
    /// is known, so it caps the segment size of TCP only.
    pub mru: Option<u16>,
    /// Primary and secondary DNS server.
    pub dns: Option<[Option<Ipv4Addr>; 2]>,
    /// Primary and secondary NetBIOS name server.
    pub wins: Option<[Option<Ipv4Addr>; 2]>,
    /// Time without an IP packet in either direction after which the session ends; zero: never.
    pub idle_timeout: Option<Duration>,
    /// Time after which the session ends in any case; zero: never.
    pub session_timeout: Option<Duration>,
    /// The sixth argument of scripts.
    pub ip_param: Option<Vec<u8>>,
    /// Whether the host answers ARP for the user's address.
    pub proxy_arp: Option<bool>,
    /// Environment variables for scripts, in order; a later one of the same name counts.
    pub variables: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Terms {
    /// Those of everybody, with these addresses.
    pub fn with_addresses(addresses: AddressPolicy) -> Self {
        Self {
            addresses,
            mtu: None,
            mru: None,
            dns: None,
            wins: None,
            idle_timeout: None,
            session_timeout: None,
            ip_param: None,
            proxy_arp: None,
            variables: Vec::new(),
        }
    }
}

/// Those of everybody, with any address.
impl Default for Terms {
    fn default() -> Self {
        Self::with_addresses(AddressPolicy::any())
    }
}
