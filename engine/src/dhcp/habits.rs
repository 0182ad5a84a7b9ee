//! How clients ask: what is on the wire, and when.

use std::time::Duration;

use super::message::OptionCode;

/// Hyperchannel, by the registry: what Windows and macOS say of a link that has no hardware
/// address.
const NO_HARDWARE: u8 = 8;

/// How a client sends DHCPINFORM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habits {
    /// Time from the opening of IPCP to the first request.
    pub delay: Duration,
    /// Requests sent while there is no answer.
    pub tries: u32,
    /// Time from one to the next.
    pub interval: Duration,
    /// Time to live of the packets.
    pub time_to_live: u8,
    /// Kind of hardware address.
    pub hardware_type: u8,
    /// Hardware address.
    pub hardware: Vec<u8>,
    /// What the field `secs` of the first request says; each interval is added to it.
    pub first_seconds: u16,
    /// The field `secs` has its least significant byte first.
    pub seconds_swapped: bool,
    /// Options behind the message type, in their order.
    pub items: Vec<Item>,
}

/// An option of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Client Identifier.
    ClientIdentifier(Identifier),
    /// Host Name.
    HostName(String),
    /// Vendor Class Identifier.
    VendorClass(String),
    /// Parameter Request List.
    Parameters(Vec<OptionCode>),
}

/// What a client calls itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identifier {
    /// Type 0 and 16 random bytes.
    Guid,
    /// The kind of hardware address and the address.
    Hardware,
}

/// What Windows and macOS ask for.
const PARAMETERS: [OptionCode; 6] = [
    OptionCode::NAME_SERVERS,
    OptionCode::NETBIOS_NAME_SERVERS,
    OptionCode::VENDOR_SPECIFIC,
    OptionCode::SUBNET_MASK,
    OptionCode::MICROSOFT_ROUTES,
    OptionCode::DOMAIN_NAME,
];

/// Our own way.
pub fn adit() -> Habits {
    let parameters = [
        OptionCode::SUBNET_MASK,
        OptionCode::NAME_SERVERS,
        OptionCode::DOMAIN_NAME,
        OptionCode::CLASSLESS_ROUTES,
        OptionCode::MICROSOFT_ROUTES,
    ];
    Habits {
        delay: Duration::ZERO,
        tries: 3,
        interval: Duration::from_secs(3),
        time_to_live: 64,
        hardware_type: NO_HARDWARE,
        hardware: Vec::new(),
        first_seconds: 0,
        seconds_swapped: false,
        items: vec![Item::Parameters(parameters.to_vec())],
    }
}

/// Windows from Vista on.
pub fn windows() -> Habits {
    Habits {
        delay: Duration::from_millis(100),
        tries: 3,
        interval: Duration::from_secs(3),
        time_to_live: 128,
        hardware_type: NO_HARDWARE,
        hardware: Vec::new(),
        // QUIRK(Windows): it has been at it for six seconds when it begins.
        first_seconds: 6,
        seconds_swapped: true,
        items: vec![
            Item::ClientIdentifier(Identifier::Guid),
            Item::HostName("WINDOWS-CLIENT1".to_owned()),
            Item::VendorClass("MSFT 5.0".to_owned()),
            Item::Parameters(PARAMETERS.to_vec()),
        ],
    }
}

/// macOS and iOS, when not all traffic goes through the tunnel.
///
/// Not known from a capture: the hardware address, which Windows XP filled in like this, and the
/// order of the options.
pub fn apple() -> Habits {
    Habits {
        delay: Duration::ZERO,
        tries: 4,
        interval: Duration::from_secs(3),
        time_to_live: 64,
        hardware_type: NO_HARDWARE,
        hardware: vec![0, 0x53, 0x45, 0, 0, 0],
        first_seconds: 0,
        seconds_swapped: false,
        items: vec![
            Item::ClientIdentifier(Identifier::Hardware),
            Item::Parameters(PARAMETERS.to_vec()),
        ],
    }
}
