//! The words after the secret: which inner addresses a user may have.

use std::net::Ipv4Addr;

use engine::AddressRule;

/// Reads one word; the error is a clause that says why it is skipped.
pub(super) fn rule(word: &[u8]) -> Result<AddressRule, &'static str> {
    match word {
        b"*" => return Ok(AddressRule::Any),
        b"-" => return Ok(AddressRule::Stop),
        _ => {}
    }
    let word = std::str::from_utf8(word).map_err(|_| NOT_AN_ADDRESS)?;
    let (permit, rest) = match word.strip_prefix('!') {
        Some(rest) => (false, rest),
        None => (true, word),
    };
    let (address, prefix) = match rest.split_once('/') {
        None => (rest, 32),
        Some((address, length)) => {
            // There is no unit here: all clients share one device, or have numbers that depend on
            // who came first, which is no way to fix an address.
            if length.ends_with('+') {
                return Err("the form network/n+ depends on pppd's interface numbers");
            }
            match length.parse() {
                Ok(length @ 1..=32) => (address, length),
                _ => return Err("the prefix length is not from 1 to 32"),
            }
        }
    };
    // pppd asks the resolver for everything else: not in the way of a login.
    let address: Ipv4Addr = address.parse().map_err(|_| NOT_AN_ADDRESS)?;
    Ok(AddressRule::Network {
        address,
        prefix,
        permit,
    })
}

const NOT_AN_ADDRESS: &str = "names of hosts and networks are not looked up";
