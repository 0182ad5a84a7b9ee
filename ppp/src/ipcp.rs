//! IPCP's options (RFC 1332 §3, RFC 1877 §1): addresses and name servers.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use std::net::Ipv4Addr;

use wire::Rng;

use crate::habits::{Habits, IpcpOption};
use crate::negotiation::{Opinion, Protocol};
use crate::option::{self, ConfigOption, ipcp};
use crate::{CloseReason, NetworkConfig};

/// The value of IP-Compression-Protocol for Van Jacobson: 16 slots, slot ids compressed.
const VAN_JACOBSON: [u8; 4] = [0x00, 0x2d, 15, 1];

pub(crate) enum Ipcp {
    Server(Server),
    Client(Client),
}

/// We give addresses.
pub(crate) struct Server {
    network: NetworkConfig,
    /// Whether our own address is told; not once the peer has rejected the option.
    told: bool,
}

/// We are given addresses.
pub(crate) struct Client {
    /// What to ask for, in this order: addresses are 0.0.0.0 until we know. Without what the
    /// server has rejected.
    asks: Vec<(IpcpOption, Ipv4Addr)>,
    /// The server's address, if it tells.
    peer: Ipv4Addr,
}

impl Ipcp {
    pub fn server(network: NetworkConfig) -> Self {
        Self::Server(Server {
            network,
            told: true,
        })
    }

    pub fn client(habits: &Habits) -> Self {
        let ask = |option: &IpcpOption| (*option, Ipv4Addr::UNSPECIFIED);
        Self::Client(Client {
            asks: habits.ipcp.iter().map(ask).collect(),
            peer: Ipv4Addr::UNSPECIFIED,
        })
    }

    /// What was agreed; meaningful once IPCP is open. An error where IP cannot work with it.
    pub fn agreed(&self) -> Result<NetworkConfig, CloseReason> {
        match self {
            Self::Server(server) => Ok(server.network),
            Self::Client(client) => Ok(NetworkConfig {
                local: client
                    .known(IpcpOption::Address)
                    .ok_or(CloseReason::NoAddress)?,
                peer: client.peer,
                dns: [IpcpOption::PrimaryDns, IpcpOption::SecondaryDns].map(|o| client.known(o)),
                wins: [IpcpOption::PrimaryWins, IpcpOption::SecondaryWins].map(|o| client.known(o)),
            }),
        }
    }
}

/// Whether a host can have `address`.
fn is_usable(address: Ipv4Addr) -> bool {
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_broadcast())
}

fn nak(kind: u8, address: Ipv4Addr) -> Opinion {
    let mut out = Vec::new();
    option::put(&mut out, kind, &address.octets());
    Opinion::Nak(out)
}

impl Server {
    fn name_server(&self, kind: u8) -> Option<Ipv4Addr> {
        let ([dns1, dns2], [wins1, wins2]) = (self.network.dns, self.network.wins);
        match kind {
            ipcp::DNS_PRIMARY => dns1,
            ipcp::DNS_SECONDARY => dns2,
            ipcp::WINS_PRIMARY => wins1,
            ipcp::WINS_SECONDARY => wins2,
            _ => None,
        }
    }

    fn opinion(&self, option: &ConfigOption<'_>) -> Opinion {
        let right = match option.kind {
            ipcp::ADDRESS => Some(self.network.peer),
            kind => self.name_server(kind),
        };
        match (right, option.array().map(Ipv4Addr::from)) {
            (Some(right), Some(asked)) if right == asked => Opinion::Accept,
            (Some(right), Some(_)) => nak(option.kind, right),
            // A name server we have no value for is rejected and not answered with zero, which
            // clients would take for an address. So are VJ compression, which saves nothing
            // today, the deprecated IP-Addresses, and everything unknown.
            _ => Opinion::Reject,
        }
    }
}

impl Client {
    fn opinion(&mut self, option: &ConfigOption<'_>) -> Opinion {
        match (option.kind, option.array().map(Ipv4Addr::from)) {
            (ipcp::ADDRESS, Some(address)) if is_usable(address) => Opinion::Accept,
            _ => Opinion::Reject,
        }
    }

    /// The address that was agreed for `option`; 0.0.0.0 means that there is none.
    fn known(&self, option: IpcpOption) -> Option<Ipv4Addr> {
        let found = self.asks.iter().find(|(asked, _)| *asked == option);
        let address = found.map(|(_, address)| *address);
        address.filter(|address| !address.is_unspecified())
    }

    fn slot(&mut self, kind: u8) -> Option<&mut Ipv4Addr> {
        let found = self.asks.iter_mut().find(|(asked, _)| asked.kind() == kind);
        found.map(|(_, address)| address)
    }
}

impl Protocol for Ipcp {
    const NAME: &'static str = "IPCP";
    const HAS_ECHO: bool = false;
    const PROMPTED: bool = false;

    fn request(&self, out: &mut Vec<u8>) {
        match self {
            Self::Server(server) if server.told => {
                option::put(out, ipcp::ADDRESS, &server.network.local.octets());
            }
            Self::Server(_) => {}
            Self::Client(client) => {
                for (ask, address) in &client.asks {
                    match ask {
                        IpcpOption::VanJacobson => option::put(out, ask.kind(), &VAN_JACOBSON),
                        _ => option::put(out, ask.kind(), &address.octets()),
                    }
                }
            }
        }
    }

    fn opinion(&mut self, option: &ConfigOption<'_>, _rng: &mut Rng) -> Opinion {
        match self {
            Self::Server(server) => server.opinion(option),
            Self::Client(client) => client.opinion(option),
        }
    }

    /// A client that asks for no address is told which one it has (RFC 1332 §3.3).
    fn missing(&self, options: &[ConfigOption<'_>], out: &mut Vec<u8>) {
        if let Self::Server(server) = self
            && !options.iter().any(|option| option.kind == ipcp::ADDRESS)
        {
            option::put(out, ipcp::ADDRESS, &server.network.peer.octets());
        }
    }

    fn accept(&mut self, options: &[ConfigOption<'_>]) {
        if let Self::Client(client) = self {
            let address = options.iter().find(|option| option.kind == ipcp::ADDRESS);
            let address = address.and_then(ConfigOption::array).map(Ipv4Addr::from);
            client.peer = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
        }
    }

    fn on_nak(&mut self, option: &ConfigOption<'_>, _rng: &mut Rng) {
        // A client does not choose the server's address: as a server we keep to ours.
        if let Self::Client(client) = self
            && let Some(address) = option.array().map(Ipv4Addr::from)
            && is_usable(address)
            && let Some(slot) = client.slot(option.kind)
        {
            *slot = address;
        }
    }

    fn on_reject(&mut self, option: &ConfigOption<'_>) {
        match self {
            Self::Server(server) => server.told &= option.kind != ipcp::ADDRESS,
            Self::Client(client) => client.asks.retain(|(ask, _)| ask.kind() != option.kind),
        }
    }
}
