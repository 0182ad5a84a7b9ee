//! Per-interface settings of IPv4, read and written through rtnetlink: it is there where `/proc/sys`
//! is read-only or hidden, as in the sandbox of our systemd unit and in containers.

use std::io;

use super::netlink::{AF_INET, Netlink, RTM_NEWLINK, attribute, attributes_of, ifinfomsg, number};

// linux/rtnetlink.h, linux/netconf.h, linux/if_link.h, linux/ip.h.
const RTM_GETNETCONF: u16 = 82;
const NETCONFA_IFINDEX: u16 = 1;
const NETCONFA_FORWARDING: u16 = 2;
const NETCONFA_RP_FILTER: u16 = 3;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INET_CONF: u16 = 1;
const IPV4_DEVCONF_FORWARDING: u16 = 1;
/// Marks an attribute that holds others.
const NESTED: u16 = 0x8000;
/// Bytes of `netconfmsg`, with its padding.
const NETCONFMSG: usize = 4;

/// Whose settings they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// `net.ipv4.conf.all`; its `forwarding` is `net.ipv4.ip_forward`.
    All,
    /// What new interfaces begin with.
    Default,
    /// The interface of this index.
    Interface(u32),
}

/// The settings of one of them, as far as they concern us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Netconf {
    /// Whose.
    pub scope: Scope,
    /// Whether packets that come in there are passed on.
    pub forwarding: bool,
    /// Reverse path filter: 0 none, 1 strict, 2 loose (RFC 3704).
    pub rp_filter: u32,
}

impl Netlink {
    /// The settings of all interfaces, and those above them.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn netconf(&mut self) -> io::Result<Vec<Netconf>> {
        let replies = self.dump(RTM_GETNETCONF, &[AF_INET, 0, 0, 0])?;
        Ok(replies.iter().filter_map(|reply| parse(reply)).collect())
    }

    /// Sets whether packets that come in by this interface are passed on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_forwarding(&mut self, device: u32, on: bool) -> io::Result<()> {
        let nested = |kind: u16, inner: &[u8]| {
            let mut outer = Vec::new();
            attribute(&mut outer, kind | NESTED, inner);
            outer
        };
        let mut setting = Vec::new();
        attribute(
            &mut setting,
            IPV4_DEVCONF_FORWARDING,
            &u32::from(on).to_ne_bytes(),
        );
        let of_family = nested(u16::from(AF_INET), &nested(IFLA_INET_CONF, &setting));
        let mut body = ifinfomsg(device, 0, 0);
        attribute(&mut body, IFLA_AF_SPEC | NESTED, &of_family);
        self.request(RTM_NEWLINK, 0, &body).map(drop)
    }
}

fn parse(reply: &[u8]) -> Option<Netconf> {
    let mut scope = None;
    let (mut forwarding, mut rp_filter) = (false, 0);
    for (kind, value) in attributes_of(reply.get(NETCONFMSG..)?) {
        match kind {
            NETCONFA_IFINDEX => {
                scope = Some(match i32::from_ne_bytes(number(value, 0)?) {
                    -1 => Scope::All,
                    -2 => Scope::Default,
                    index => Scope::Interface(index.try_into().ok()?),
                });
            }
            NETCONFA_FORWARDING => forwarding = u32::from_ne_bytes(number(value, 0)?) != 0,
            NETCONFA_RP_FILTER => rp_filter = u32::from_ne_bytes(number(value, 0)?),
            _ => {}
        }
    }
    Some(Netconf {
        scope: scope?,
        forwarding,
        rp_filter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::tun::tests::in_a_namespace;

    #[test]
    fn forwarding_of_one_interface_is_set_and_read() {
        in_a_namespace(
            "io::netconf::tests::forwarding_of_one_interface_is_set_and_read",
            || {
                let mut netlink = Netlink::open().unwrap();
                let lo = Scope::Interface(netlink.index_of("lo").unwrap());
                let forwards = |netlink: &mut Netlink, scope| {
                    let all = netlink.netconf().unwrap();
                    all.iter()
                        .find(|conf| conf.scope == scope)
                        .unwrap()
                        .forwarding
                };
                assert!(!forwards(&mut netlink, lo));
                assert!(!forwards(&mut netlink, Scope::All));
                let Scope::Interface(index) = lo else {
                    panic!()
                };
                netlink.set_forwarding(index, true).unwrap();
                assert!(forwards(&mut netlink, lo));
                // No other one, and not those to come.
                assert!(!forwards(&mut netlink, Scope::All));
                assert!(!forwards(&mut netlink, Scope::Default));
                netlink.set_forwarding(index, false).unwrap();
                assert!(!forwards(&mut netlink, lo));
            },
        );
    }

    #[test]
    fn answers_cut_anywhere_do_not_panic() {
        let mut reply = vec![AF_INET, 0, 0, 0];
        attribute(&mut reply, NETCONFA_IFINDEX, &3_i32.to_ne_bytes());
        attribute(&mut reply, NETCONFA_FORWARDING, &1_u32.to_ne_bytes());
        attribute(&mut reply, NETCONFA_RP_FILTER, &2_u32.to_ne_bytes());
        let whole = Netconf {
            scope: Scope::Interface(3),
            forwarding: true,
            rp_filter: 2,
        };
        assert_eq!(parse(&reply), Some(whole));
        for length in 0..reply.len() {
            let _ = parse(&reply[..length]);
        }
    }
}
