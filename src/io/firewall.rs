//! What the packet filters of this host have, whoever made it: base chains and their policies, and
//! who translates sources.

use std::fs;
use std::io;

use super::netlink::{attributes_of, number};
use super::nftables;

// linux/netfilter/nf_tables.h, linux/netfilter.h.
const GETCHAIN: u16 = 4;
const GETRULE: u16 = 7;
const INPUT: u32 = 1;
const FORWARD: u32 = 2;
const ACCEPT: u32 = 1;
const FAMILY_INET: u8 = 1;
const FAMILY_IPV4: u8 = 2;
/// Bytes of `nfgenmsg`.
const NFGENMSG: usize = 4;
/// Without the bit that says that it holds others.
const KIND: u16 = 0x3fff;

/// Where a chain sees packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// For this host.
    Input,
    /// For others.
    Forward,
    /// Anywhere else, or nowhere by itself.
    Other,
}

/// A chain of nf_tables that sees IPv4 packets; iptables of today makes such chains too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// `ip filter FORWARD`: family, table and name, as `nft` takes them.
    pub name: String,
    /// Where it sees packets.
    pub hook: Hook,
    /// Whether it drops what none of its rules decides about.
    pub drops: bool,
    /// How many rules it has.
    pub rules: usize,
    /// Whether one of them translates sources.
    pub translates: bool,
}

/// The packet filters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firewall {
    /// Chains of nf_tables.
    pub chains: Vec<Chain>,
    /// Tables of the old iptables, the contents of which are not read.
    pub legacy: Vec<String>,
}

impl Firewall {
    /// Reads it.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_NET_ADMIN, and what else the kernel says.
    pub fn read() -> io::Result<Self> {
        let legacy = fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
        Ok(Self {
            chains: chains(&nftables::dump(GETCHAIN)?, &nftables::dump(GETRULE)?),
            legacy: legacy.lines().map(str::to_owned).collect(),
        })
    }
}

fn chains(chains: &[Vec<u8>], rules: &[Vec<u8>]) -> Vec<Chain> {
    let mut chains: Vec<Chain> = chains.iter().filter_map(|body| chain(body)).collect();
    for (name, translates) in rules.iter().filter_map(|body| rule(body)) {
        if let Some(chain) = chains.iter_mut().find(|chain| chain.name == name) {
            chain.rules = chain.rules.saturating_add(1);
            chain.translates |= translates;
        }
    }
    chains
}

fn chain(body: &[u8]) -> Option<Chain> {
    let family = family(body)?;
    let (mut table, mut name) = (String::new(), String::new());
    let (mut hook, mut drops) = (Hook::Other, false);
    for (kind, value) in attributes_of(body.get(NFGENMSG..)?) {
        match kind & KIND {
            1 => table = text(value),
            3 => name = text(value),
            4 => {
                let mut inner = attributes_of(value).filter(|(kind, _)| kind & KIND == 1);
                hook = match inner.next().and_then(|(_, value)| word(value)) {
                    Some(INPUT) => Hook::Input,
                    Some(FORWARD) => Hook::Forward,
                    _ => Hook::Other,
                };
            }
            5 => drops = word(value)? != ACCEPT,
            _ => {}
        }
    }
    Some(Chain {
        name: format!("{family} {table} {name}"),
        hook,
        drops,
        rules: 0,
        translates: false,
    })
}

/// The chain of a rule, and whether the rule translates sources.
fn rule(body: &[u8]) -> Option<(String, bool)> {
    let family = family(body)?;
    let (mut table, mut chain) = (String::new(), String::new());
    let mut translates = false;
    for (kind, value) in attributes_of(body.get(NFGENMSG..)?) {
        match kind & KIND {
            1 => table = text(value),
            2 => chain = text(value),
            4 => {
                translates = attributes_of(value).any(|(_, expression)| is_source_nat(expression));
            }
            _ => {}
        }
    }
    Some((format!("{family} {table} {chain}"), translates))
}

/// `masquerade` and `snat`, of nft or in the clothes of iptables.
fn is_source_nat(expression: &[u8]) -> bool {
    let (mut name, mut first) = (String::new(), &[][..]);
    for (kind, value) in attributes_of(expression) {
        match kind & KIND {
            1 => name = text(value),
            2 => {
                let mut data = attributes_of(value).filter(|(kind, _)| kind & KIND == 1);
                first = data.next().map_or(&[][..], |(_, value)| value);
            }
            _ => {}
        }
    }
    match name.as_str() {
        "masq" => true,
        "nat" => word(first) == Some(0),
        "target" => matches!(text(first).as_str(), "MASQUERADE" | "SNAT"),
        _ => false,
    }
}

fn family(body: &[u8]) -> Option<&'static str> {
    match *body.first()? {
        FAMILY_INET => Some("inet"),
        FAMILY_IPV4 => Some("ip"),
        _ => None,
    }
}

fn word(value: &[u8]) -> Option<u32> {
    number(value, 0).map(u32::from_be_bytes)
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0);
    let value = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::io::tun::tests::in_a_namespace;

    #[test]
    fn chains_of_nft_are_read_with_policy_and_rules() {
        in_a_namespace(
            "io::firewall::tests::chains_of_nft_are_read_with_policy_and_rules",
            || {
                let rules = "
                    table inet filter {
                        chain input { type filter hook input priority 0; policy drop; }
                        chain forward {
                            type filter hook forward priority 0; policy drop;
                            ip saddr 10.0.0.0/8 accept
                            ct state established accept
                        }
                        chain jumped { accept; }
                    }
                    table ip nat {
                        chain POSTROUTING {
                            type nat hook postrouting priority 100;
                            ip saddr 10.0.0.0/8 oifname eth0 masquerade
                        }
                        chain PREROUTING {
                            type nat hook prerouting priority -100;
                            tcp dport 80 dnat to 10.0.0.9
                        }
                        chain fixed {
                            type nat hook postrouting priority 101;
                            ip saddr 10.0.0.7 snat to 192.0.2.1
                        }
                    }
                    table ip6 other {
                        chain forward { type filter hook forward priority 0; policy drop; }
                    }";
                let done = Command::new("nft").arg(rules).status().unwrap();
                assert!(done.success());
                let chains = Firewall::read().unwrap().chains;
                let seen: Vec<_> = chains
                    .iter()
                    .map(|c| (c.name.as_str(), c.hook, c.drops, c.rules, c.translates))
                    .collect();
                assert_eq!(
                    seen,
                    [
                        ("inet filter input", Hook::Input, true, 0, false),
                        ("inet filter forward", Hook::Forward, true, 2, false),
                        ("inet filter jumped", Hook::Other, false, 1, false),
                        ("ip nat POSTROUTING", Hook::Other, false, 1, true),
                        ("ip nat PREROUTING", Hook::Other, false, 1, false),
                        ("ip nat fixed", Hook::Other, false, 1, true),
                    ]
                );
            },
        );
    }
}
