//! Neighbour entries by which this host answers for others, and what is needed to know where.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use super::{
    AF_INET, IFA_ADDRESS, IFA_LOCAL, IFF_UP, NLM_F_CREATE, NLM_F_REPLACE, Netlink, RTM_GETLINK,
};
use super::{address, attribute, attributes_of, ifinfomsg, number};
use crate::io::neighbour::Proxied;
use crate::io::prefix::Prefix;

// linux/rtnetlink.h, linux/neighbour.h, linux/if.h, linux/if_arp.h.
const RTM_GETADDR: u16 = 22;
const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;
const NUD_PERMANENT: u16 = 0x80;
const NTF_PROXY: u8 = 0x08;
const NDA_DST: u16 = 1;
const NDA_PROTOCOL: u16 = 12;
const ARPHRD_ETHER: u16 = 1;
const IFF_BROADCAST: u32 = 0x2;
const IFF_NOARP: u32 = 0x80;
/// Bytes of `ifaddrmsg`.
const IFADDRMSG: usize = 8;
/// Bytes of `ndmsg`.
const NDMSG: usize = 12;

/// Says whose an entry is (the kernel keeps the number and does nothing with it). From the range
/// that is nobody's in particular.
const OURS: u8 = 173;

impl Netlink {
    /// The Ethernet interface with the narrowest network that `client` lies in, as pppd chooses it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn ethernet_of(&mut self, client: Ipv4Addr) -> io::Result<Option<u32>> {
        let mut question = vec![0; IFADDRMSG];
        question[0] = AF_INET;
        let mut networks = Vec::new();
        for reply in self.dump(RTM_GETADDR, &question)? {
            if let Some((device, network)) = parse_network(&reply)
                && network.contains(client.into())
            {
                networks.push((network.length(), device));
            }
        }
        networks.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        for (_, device) in networks {
            if self.is_ethernet(device)? {
                return Ok(Some(device));
            }
        }
        Ok(None)
    }

    fn is_ethernet(&mut self, device: u32) -> io::Result<bool> {
        let reply = self.request(RTM_GETLINK, 0, &ifinfomsg(device, 0, 0))?;
        let kind = number::<2>(&reply, 2).map(u16::from_ne_bytes);
        let flags = number::<4>(&reply, 8).map_or(0, u32::from_ne_bytes);
        let wanted = IFF_UP | IFF_BROADCAST;
        Ok(kind == Some(ARPHRD_ETHER) && flags & (wanted | IFF_NOARP) == wanted)
    }

    /// Has this host answer for `client` on an interface.
    ///
    /// # Errors
    /// What the kernel says; an entry that is there already is none.
    pub fn add_proxy(&mut self, device: u32, client: Ipv4Addr) -> io::Result<()> {
        let mut body = proxy_body(device, client);
        attribute(&mut body, NDA_PROTOCOL, &[OURS]);
        self.request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &body)
            .map(drop)
    }

    /// The reverse.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn delete_proxy(&mut self, device: u32, client: Ipv4Addr) -> io::Result<()> {
        let body = proxy_body(device, client);
        self.request(RTM_DELNEIGH, 0, &body).map(drop)
    }

    /// All addresses for which this host answers.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn proxies(&mut self) -> io::Result<Vec<Proxied>> {
        let mut question = vec![0; NDMSG];
        question[0] = AF_INET;
        question[10] = NTF_PROXY;
        let replies = self.dump(RTM_GETNEIGH, &question)?;
        Ok(replies
            .iter()
            .filter_map(|reply| parse_proxy(reply))
            .collect())
    }
}

fn proxy_body(device: u32, client: Ipv4Addr) -> Vec<u8> {
    let mut body = vec![AF_INET, 0, 0, 0];
    body.extend(device.to_ne_bytes());
    body.extend(NUD_PERMANENT.to_ne_bytes());
    body.extend([NTF_PROXY, 0]);
    attribute(&mut body, NDA_DST, &client.octets());
    body
}

/// The interface of an address, and the network around the address. That of a link with two ends
/// is the other end.
fn parse_network(reply: &[u8]) -> Option<(u32, Prefix)> {
    let (family, length) = (*reply.first()?, *reply.get(1)?);
    let device = number::<4>(reply, 4).map(u32::from_ne_bytes)?;
    let (mut local, mut other) = (None, None);
    for (kind, value) in attributes_of(reply.get(IFADDRMSG..)?) {
        match kind {
            IFA_LOCAL => local = address(value),
            IFA_ADDRESS => other = address(value),
            _ => {}
        }
    }
    let network = other.or(local)?;
    (family == AF_INET).then(|| (device, Prefix::new(network, length)))
}

fn parse_proxy(reply: &[u8]) -> Option<Proxied> {
    let device = number::<4>(reply, 4).map(u32::from_ne_bytes)?;
    let flags = *reply.get(10)?;
    let (mut client, mut ours) = (None, false);
    for (kind, value) in attributes_of(reply.get(NDMSG..)?) {
        match kind {
            NDA_DST => client = address(value),
            NDA_PROTOCOL => ours = value == [OURS],
            _ => {}
        }
    }
    match client? {
        IpAddr::V4(address) if flags & NTF_PROXY != 0 => Some(Proxied {
            device,
            address,
            ours,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_cut_anywhere_do_not_panic() {
        let mut reply = proxy_body(7, [10, 0, 0, 1].into());
        attribute(&mut reply, NDA_PROTOCOL, &[OURS]);
        let proxied = Proxied {
            device: 7,
            address: [10, 0, 0, 1].into(),
            ours: true,
        };
        assert_eq!(parse_proxy(&reply), Some(proxied));
        let mut network = vec![AF_INET, 24, 0, 0, 3, 0, 0, 0];
        attribute(&mut network, IFA_ADDRESS, &[192, 168, 1, 1]);
        for length in 0..reply.len() {
            let _ = parse_proxy(&reply[..length]);
        }
        for length in 0..network.len() {
            assert_eq!(parse_network(&network[..length]), None);
        }
        assert!(parse_network(&network).is_some());
    }
}
