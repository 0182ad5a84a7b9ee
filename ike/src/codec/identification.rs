//! The Identification payload (RFC 2407 §4.6.2).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

use super::{IdType, PayloadBody};

/// An Identification payload: an identity, and in phase 2 the traffic it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identification {
    /// IP protocol; 0 for any.
    pub protocol: u8,
    /// Port; 0 for any.
    pub port: u16,
    /// Who or what.
    pub identity: Identity,
}

/// Who or what an identification names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// One IPv4 address.
    Ipv4(Ipv4Addr),
    /// A host name. RFC 2407 wants ASCII; the bytes are kept as they came.
    Fqdn(Vec<u8>),
    /// A user at a host.
    UserFqdn(Vec<u8>),
    /// An IPv4 address and its mask.
    Ipv4Subnet(Ipv4Addr, Ipv4Addr),
    /// One IPv6 address.
    Ipv6(Ipv6Addr),
    /// An IPv6 address and its mask.
    Ipv6Subnet(Ipv6Addr, Ipv6Addr),
    /// First and last IPv4 address.
    Ipv4Range(Ipv4Addr, Ipv4Addr),
    /// First and last IPv6 address.
    Ipv6Range(Ipv6Addr, Ipv6Addr),
    /// A distinguished name in DER, unread.
    DerAsn1Dn(Vec<u8>),
    /// A general name in DER, unread.
    DerAsn1Gn(Vec<u8>),
    /// Opaque bytes, such as a group's name.
    KeyId(Vec<u8>),
    /// Any other kind.
    Unknown(IdType, Vec<u8>),
}

impl Identification {
    /// The identification of an address, for any traffic.
    pub fn address(address: IpAddr) -> Self {
        Self {
            protocol: 0,
            port: 0,
            identity: Identity::from(address),
        }
    }

    /// Reads the body of an ID payload.
    ///
    /// # Errors
    /// A body without its fixed part, or an address, subnet or range of the wrong length.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        parse::finish(body, |input| {
            let (input, kind) = parse::u8("identification type", input)?;
            let (input, protocol) = parse::u8("protocol", input)?;
            let (input, port) = parse::be_u16("port", input)?;
            let (input, identity) = Identity::parse(IdType(kind), input)?;
            Ok((
                input,
                Self {
                    protocol,
                    port,
                    identity,
                },
            ))
        })
    }
}

impl PayloadBody for Identification {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put_u8(self.identity.kind().0);
        out.put_u8(self.protocol);
        out.put_u16(self.port);
        self.identity.emit(out);
    }
}

impl fmt::Display for Identification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.identity)?;
        match (self.protocol, self.port) {
            (0, 0) => Ok(()),
            (17, port) => write!(f, " udp/{port}"),
            (protocol, port) => write!(f, " protocol {protocol}/{port}"),
        }
    }
}

impl From<IpAddr> for Identity {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

impl Identity {
    /// The kind under which it travels.
    pub const fn kind(&self) -> IdType {
        match self {
            Self::Ipv4(_) => IdType::IPV4_ADDR,
            Self::Fqdn(_) => IdType::FQDN,
            Self::UserFqdn(_) => IdType::USER_FQDN,
            Self::Ipv4Subnet(..) => IdType::IPV4_ADDR_SUBNET,
            Self::Ipv6(_) => IdType::IPV6_ADDR,
            Self::Ipv6Subnet(..) => IdType::IPV6_ADDR_SUBNET,
            Self::Ipv4Range(..) => IdType::IPV4_ADDR_RANGE,
            Self::Ipv6Range(..) => IdType::IPV6_ADDR_RANGE,
            Self::DerAsn1Dn(_) => IdType::DER_ASN1_DN,
            Self::DerAsn1Gn(_) => IdType::DER_ASN1_GN,
            Self::KeyId(_) => IdType::KEY_ID,
            Self::Unknown(kind, _) => *kind,
        }
    }

    /// The one address it names.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ipv4(address) => Some(IpAddr::V4(*address)),
            Self::Ipv6(address) => Some(IpAddr::V6(*address)),
            _ => None,
        }
    }

    fn parse(kind: IdType, input: &[u8]) -> Parsed<'_, Self> {
        let (rest, bytes) = parse::rest(input)?;
        let identity = match kind {
            IdType::IPV4_ADDR => return ipv4(input).map(|(rest, a)| (rest, Self::Ipv4(a))),
            IdType::IPV6_ADDR => return ipv6(input).map(|(rest, a)| (rest, Self::Ipv6(a))),
            IdType::IPV4_ADDR_SUBNET | IdType::IPV4_ADDR_RANGE => {
                let (rest, a) = ipv4(input)?;
                let (rest, b) = ipv4(rest)?;
                let is_range = kind == IdType::IPV4_ADDR_RANGE;
                let make = if is_range {
                    Self::Ipv4Range
                } else {
                    Self::Ipv4Subnet
                };
                return Ok((rest, make(a, b)));
            }
            IdType::IPV6_ADDR_SUBNET | IdType::IPV6_ADDR_RANGE => {
                let (rest, a) = ipv6(input)?;
                let (rest, b) = ipv6(rest)?;
                let is_range = kind == IdType::IPV6_ADDR_RANGE;
                let make = if is_range {
                    Self::Ipv6Range
                } else {
                    Self::Ipv6Subnet
                };
                return Ok((rest, make(a, b)));
            }
            IdType::FQDN => Self::Fqdn(bytes.to_vec()),
            IdType::USER_FQDN => Self::UserFqdn(bytes.to_vec()),
            IdType::DER_ASN1_DN => Self::DerAsn1Dn(bytes.to_vec()),
            IdType::DER_ASN1_GN => Self::DerAsn1Gn(bytes.to_vec()),
            IdType::KEY_ID => Self::KeyId(bytes.to_vec()),
            kind => Self::Unknown(kind, bytes.to_vec()),
        };
        Ok((rest, identity))
    }

    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ipv4(a) => out.put(&a.octets()),
            Self::Ipv6(a) => out.put(&a.octets()),
            Self::Ipv4Subnet(a, b) | Self::Ipv4Range(a, b) => {
                out.put(&a.octets());
                out.put(&b.octets());
            }
            Self::Ipv6Subnet(a, b) | Self::Ipv6Range(a, b) => {
                out.put(&a.octets());
                out.put(&b.octets());
            }
            Self::Fqdn(bytes)
            | Self::UserFqdn(bytes)
            | Self::DerAsn1Dn(bytes)
            | Self::DerAsn1Gn(bytes)
            | Self::KeyId(bytes)
            | Self::Unknown(_, bytes) => out.put(bytes),
        }
    }
}

fn ipv4(input: &[u8]) -> Parsed<'_, Ipv4Addr> {
    let (input, octets) = parse::array::<4>("IPv4 address", input)?;
    Ok((input, octets.into()))
}

fn ipv6(input: &[u8]) -> Parsed<'_, Ipv6Addr> {
    let (input, octets) = parse::array::<16>("IPv6 address", input)?;
    Ok((input, octets.into()))
}

/// For log sentences: names with everything but printable ASCII escaped, since they come from
/// the network; bytes in hexadecimal.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(a) => write!(f, "{a}"),
            Self::Ipv6(a) => write!(f, "{a}"),
            Self::Ipv4Subnet(a, mask) => write!(f, "{a}/{mask}"),
            Self::Ipv6Subnet(a, mask) => write!(f, "{a}/{mask}"),
            Self::Ipv4Range(first, last) => write!(f, "{first}-{last}"),
            Self::Ipv6Range(first, last) => write!(f, "{first}-{last}"),
            Self::Fqdn(name) | Self::UserFqdn(name) => write!(f, "{}", name.escape_ascii()),
            Self::DerAsn1Dn(bytes)
            | Self::DerAsn1Gn(bytes)
            | Self::KeyId(bytes)
            | Self::Unknown(_, bytes) => {
                write!(f, "{} 0x", self.kind())?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}
