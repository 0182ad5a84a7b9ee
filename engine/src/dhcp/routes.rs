//! The value of the two options with routes (RFC 3442, MS-DHCPE §2.2.8).

use std::fmt;
use std::net::Ipv4Addr;

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

/// A network and the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The network: no bits beyond its width.
    pub destination: Ipv4Addr,
    /// Bits of its subnet mask, at most 32.
    pub width: u8,
    /// To whom its packets go; 0.0.0.0: it is on the link.
    pub router: Ipv4Addr,
}

impl Route {
    /// A route to the network of `width` bits that `destination` lies in.
    pub fn new(destination: Ipv4Addr, width: u8, router: Ipv4Addr) -> Self {
        let width = width.min(32);
        let host_bits = u32::from(32_u8.saturating_sub(width));
        let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
        Self {
            destination: Ipv4Addr::from_bits(destination.to_bits() & mask),
            width,
            router,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.destination, self.width)
    }
}

/// Bytes of the destination that are written: as many as its width reaches into.
const fn significant(width: u8) -> usize {
    width.div_ceil(8) as usize
}

/// Writes the value of either option.
pub(super) fn emit(routes: &[Route]) -> Vec<u8> {
    let mut out = Vec::new();
    for route in routes {
        out.put_u8(route.width);
        let octets = route.destination.octets();
        out.put(octets.get(..significant(route.width)).unwrap_or(&octets));
        out.put(&route.router.octets());
    }
    out
}

/// Reads the value of either option.
///
/// # Errors
/// If a width is above 32, or the last route is cut off.
pub(super) fn parse(value: &[u8]) -> Result<Vec<Route>, DecodeError> {
    parse::finish(value, |mut input| {
        let mut routes = Vec::new();
        while !input.is_empty() {
            let (rest, route) = route(input)?;
            routes.push(route);
            input = rest;
        }
        Ok((input, routes))
    })
}

fn route(input: &[u8]) -> Parsed<'_, Route> {
    let (rest, width) = parse::u8("width of the mask", input)?;
    if width > 32 {
        return parse::fault("width of the mask", input);
    }
    let (rest, octets) = parse::take("destination", significant(width), rest)?;
    let mut destination = [0; 4];
    destination
        .iter_mut()
        .zip(octets)
        .for_each(|(to, from)| *to = *from);
    let (rest, router) = parse::be_u32("router", rest)?;
    let route = Route::new(destination.into(), width, Ipv4Addr::from_bits(router));
    Ok((rest, route))
}
