//! NAT-D and NAT-OA (RFC 3947 §3.2, §5.2). The payload numbers differ between the RFC and its
//! drafts; the bodies do not.

use std::net::IpAddr;

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse;

use super::{IdType, PayloadBody};

/// A hash of cookies, address and port, which tells whether a NAT changed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatD(pub Vec<u8>);

impl NatD {
    /// Reads the body of a NAT-D payload.
    ///
    /// # Errors
    /// An empty body.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        if body.is_empty() {
            return Err(DecodeError::new(0, "empty NAT-D"));
        }
        Ok(Self(body.to_vec()))
    }
}

impl PayloadBody for NatD {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put(&self.0);
    }
}

/// An address as its owner sees it, before translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NatOa(pub IpAddr);

impl NatOa {
    /// Reads the body of a NAT-OA payload.
    ///
    /// # Errors
    /// Another kind than one IPv4 or IPv6 address, or an address of the wrong length.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        parse::finish(body, |input| {
            let at = input;
            let (input, kind) = parse::u8("NAT-OA kind", input)?;
            let (input, _reserved) = parse::take("NAT-OA reserved bytes", 3, input)?;
            match IdType(kind) {
                IdType::IPV4_ADDR => {
                    let (input, octets) = parse::array::<4>("IPv4 address", input)?;
                    Ok((input, Self(octets.into())))
                }
                IdType::IPV6_ADDR => {
                    let (input, octets) = parse::array::<16>("IPv6 address", input)?;
                    Ok((input, Self(octets.into())))
                }
                _ => parse::fault("NAT-OA kind other than an address", at),
            }
        })
    }
}

impl PayloadBody for NatOa {
    fn emit(&self, out: &mut Vec<u8>) {
        match self.0 {
            IpAddr::V4(address) => {
                out.put(&[IdType::IPV4_ADDR.0, 0, 0, 0]);
                out.put(&address.octets());
            }
            IpAddr::V6(address) => {
                out.put(&[IdType::IPV6_ADDR.0, 0, 0, 0]);
                out.put(&address.octets());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    wire::codec_pairs! { NatOa::parse, PayloadBody::to_body,
        ipv4: [1, 0, 0, 0, 10, 0, 0, 1] => NatOa(Ipv4Addr::new(10, 0, 0, 1).into()),
        ipv6: [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] =>
            NatOa(Ipv6Addr::LOCALHOST.into()),
    }

    #[test]
    fn only_whole_addresses_are_taken() {
        for body in [
            &[][..],
            &[1, 0, 0, 0, 10, 0, 0],
            &[2, 0, 0, 0, b'a'],
            &[1, 0, 0, 0, 1, 2, 3, 4, 5],
        ] {
            assert!(NatOa::parse(body).is_err(), "{body:?}");
        }
        assert!(NatD::parse(&[]).is_err());
    }
}
