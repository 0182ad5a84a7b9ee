//! Whom a load may be aimed at: a server of one's own.
//!
//! Nothing here could be done to a stranger that other tools cannot do; but a slip in a name must
//! not be enough. So what lies outside of this host and of networks that nobody else can reach us
//! by is loaded only where the operator has typed its address a second time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::cli::Failure;
use crate::io::prefix::Prefix;

/// Networks that are nobody's in particular: private ones (RFC 1918, RFC 6598, RFC 4193), those
/// of a link (RFC 3927, RFC 4291), of benchmarks (RFC 2544, RFC 5180), of documentation (RFC 5737,
/// RFC 3849), and this host.
const HARMLESS: [(IpAddr, u8); 14] = [
    v4([127, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v4([100, 64, 0, 0], 10),
    v4([169, 254, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([192, 0, 2, 0], 24),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
];

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> (IpAddr, u8) {
    (IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], length: u8) -> (IpAddr, u8) {
    (IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), length)
}

/// Whether `server` may be loaded. `here` is the address of this host that talks to it, and
/// `permitted` what the operator has typed in.
///
/// # Errors
/// What to type.
pub(super) fn check(
    server: IpAddr,
    here: IpAddr,
    permitted: Option<IpAddr>,
) -> Result<(), Failure> {
    match permitted {
        Some(permitted) if permitted == server => return Ok(()),
        Some(permitted) => {
            return Err(Failure::Usage(format!(
                "--my-server says {permitted}, and the server's address is {server}"
            )));
        }
        None => {}
    }
    let harmless = HARMLESS
        .iter()
        .any(|(address, length)| Prefix::new(*address, *length).contains(server));
    if harmless || here == server {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{server} is neither on this host nor in a private network, and thousands of clients can \
         put a server out of service: if it is yours, say so with --my-server {server}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn strangers_are_not_loaded_by_a_slip() {
        let here = ip("198.51.100.20");
        for harmless in [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.31.255.1",
            "192.168.0.1",
            "100.127.0.1",
            "192.0.2.1",
            "198.19.0.1",
            "fd00::1",
            "fe80::1",
            "2001:db8::1",
        ] {
            check(ip(harmless), here, None).unwrap_or_else(|error| panic!("{harmless}: {error}"));
        }
        for stranger in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2001:4860::1",
            "198.20.0.1",
        ] {
            let error = check(ip(stranger), here, None).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(
                error
                    .to_string()
                    .ends_with(&format!("--my-server {stranger}")),
                "{error}"
            );
            check(ip(stranger), here, Some(ip(stranger))).unwrap();
            check(ip(stranger), here, Some(here)).unwrap_err();
        }
        // An address of this very host, whatever it is.
        check(ip("8.8.8.8"), ip("8.8.8.8"), None).unwrap();
    }
}
