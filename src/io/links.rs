//! The interfaces of this host.

use std::io;

use super::netlink::{Netlink, attributes_of, number};

// linux/rtnetlink.h, linux/if_link.h.
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
/// Bytes of `ifinfomsg`.
const IFINFOMSG: usize = 16;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MTU in bytes.
    pub mtu: u32,
}

impl Netlink {
    /// All of them.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let replies = self.dump(RTM_GETLINK, &[0; IFINFOMSG])?;
        Ok(replies.iter().filter_map(|reply| parse(reply)).collect())
    }
}

fn parse(reply: &[u8]) -> Option<Link> {
    let mut link = Link {
        index: u32::from_ne_bytes(number(reply, 4)?),
        name: String::new(),
        mtu: 0,
    };
    for (kind, value) in attributes_of(reply.get(IFINFOMSG..)?) {
        match kind {
            IFLA_IFNAME => {
                let name = value.strip_suffix(b"\0").unwrap_or(value);
                link.name = String::from_utf8_lossy(name).into_owned();
            }
            IFLA_MTU => link.mtu = u32::from_ne_bytes(number(value, 0)?),
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there() {
        let mut netlink = Netlink::open().unwrap();
        let links = netlink.links().unwrap();
        let lo = links.iter().find(|link| link.name == "lo").unwrap();
        assert_eq!(lo.index, netlink.index_of("lo").unwrap());
        assert!(lo.mtu >= 16_436, "{lo:?}");
    }
}
