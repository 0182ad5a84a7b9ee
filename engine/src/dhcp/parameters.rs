//! The server's part: what is told, and the message that tells it.

use std::net::Ipv4Addr;

use super::message::{Message, MessageType, OptionCode};
use super::routes::{self, Route};

/// Every client takes an IP packet of this length (RFC 2131 §2); none of the known ones says that
/// it takes more.
const LONGEST_PACKET: usize = 576;
/// What the options may fill: the packet without its headers, the fixed part and the end option.
const ROOM: usize = LONGEST_PACKET - 20 - 8 - Message::FIXED_LEN - 1;
/// Message type, server identifier, mask and two name servers.
const ALWAYS: usize = 3 + 6 + 6 + 10;
/// Code and length.
const OPTION_HEADER: usize = 2;

/// Microsoft: "the link is all there is".
const POINT_TO_POINT: [u8; 4] = [255; 4];

/// What clients are told. Always short enough for one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    routes: Vec<Route>,
    domain: String,
}

/// Routes and domain do not fit into one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the routes and the domain take {needed} bytes in the answers to clients, which have room for {room}"
)]
pub struct TooLong {
    /// What they take, in bytes.
    pub needed: usize,
    /// What there is room for, in bytes.
    pub room: usize,
}

impl Parameters {
    /// What to tell: the networks behind the tunnel, and the domain to search, where empty is
    /// none.
    ///
    /// # Errors
    /// If a message has no room for them. Routes go twice: macOS reads option 121 only and
    /// Windows option 249.
    pub fn new(routes: Vec<Route>, domain: &str) -> Result<Self, TooLong> {
        let parameters = Self {
            routes,
            domain: domain.to_owned(),
        };
        let option = |len: usize| if len == 0 { 0 } else { len + OPTION_HEADER };
        let len = routes::emit(&parameters.routes).len();
        let needed = 2 * option(len) + option(domain.len());
        let room = ROOM - ALWAYS;
        if needed > room || len > 255 || domain.len() > 255 {
            return Err(TooLong { needed, room });
        }
        Ok(parameters)
    }

    /// Whether there is nothing to tell. Name servers alone are no reason to answer: IPCP has
    /// given them.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.domain.is_empty()
    }
}

/// Everything that goes into an answer.
pub(crate) struct Site<'a> {
    pub(crate) local: Ipv4Addr,
    pub(crate) dns: [Option<Ipv4Addr>; 2],
    pub(crate) wins: [Option<Ipv4Addr>; 2],
    pub(crate) parameters: &'a Parameters,
}

/// The answer to a DHCPINFORM (RFC 2131 §4.3.5): no address is given and nothing expires.
///
/// The mask says that the client is alone on its link. Another one would make it look for its
/// neighbours there, who are behind us like everybody else.
pub(crate) fn acknowledge(request: &Message, site: &Site<'_>) -> Message {
    let addresses = |list: [Option<Ipv4Addr>; 2]| -> Vec<u8> {
        let list = list.into_iter().flatten();
        list.flat_map(|address| address.octets()).collect()
    };
    let routes = routes::emit(&site.parameters.routes);
    let client = request.option(OptionCode::CLIENT_IDENTIFIER);
    let options = [
        (OptionCode::MESSAGE_TYPE, vec![MessageType::ACK.0]),
        (OptionCode::SERVER_IDENTIFIER, site.local.octets().to_vec()),
        (OptionCode::SUBNET_MASK, POINT_TO_POINT.to_vec()),
        (OptionCode::NAME_SERVERS, addresses(site.dns)),
        (
            OptionCode::DOMAIN_NAME,
            site.parameters.domain.clone().into_bytes(),
        ),
        // Whatever the client asks for: macOS asks for 249 and reads 121.
        (OptionCode::CLASSLESS_ROUTES, routes.clone()),
        (OptionCode::MICROSOFT_ROUTES, routes),
        // From here on what there is room for. RFC 6842 wants the first of them.
        (OptionCode::CLIENT_IDENTIFIER, client.unwrap_or_default()),
        (OptionCode::NETBIOS_NAME_SERVERS, addresses(site.wins)),
    ];
    let mut room = ROOM;
    let fitting = options.into_iter().filter(|(_, value)| {
        let len = value.len().saturating_add(OPTION_HEADER);
        let fits = !value.is_empty() && value.len() <= 255 && len <= room;
        if fits {
            room = room.saturating_sub(len);
        }
        fits
    });
    Message {
        op: Message::REPLY,
        hops: 0,
        seconds: 0,
        yours: [0; 4],
        server: [0; 4],
        options: fitting.collect(),
        ..request.clone()
    }
}
