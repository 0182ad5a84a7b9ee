//! A little of nf_tables: a table of our own that masquerades clients, and a look at the chains of
//! others.
//!
//! Spoken directly through netlink, so that neither the program `nft` nor more rights than
//! CAP_NET_ADMIN are needed: the sandbox of our unit and a container without anything else have
//! what it takes. Of the crates for it one is under the GPL, one needs a library in C, and one runs
//! `nft`.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;
use rustix::net::sockopt::{Timeout, set_socket_send_buffer_size_force, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{recv, send, socket_with};

use super::netlink::{
    self, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NLMSG_ERROR, attribute, message, messages_of,
    verdict,
};

/// The name of our table, in the family `ip`.
pub const TABLE: &str = "adit";
const CLIENTS: &str = "clients";
const POSTROUTING: &str = "postrouting";

// linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEWTABLE: u16 = SUBSYSTEM << 8;
const DELTABLE: u16 = SUBSYSTEM << 8 | 2;
const NEWCHAIN: u16 = SUBSYSTEM << 8 | 3;
const NEWRULE: u16 = SUBSYSTEM << 8 | 6;
const NEWSET: u16 = SUBSYSTEM << 8 | 9;
const NEWSETELEM: u16 = SUBSYSTEM << 8 | 12;
const NLM_F_APPEND: u16 = 0x800;
const FAMILY_NONE: u8 = 0;
const FAMILY_IPV4: u8 = 2;
const NESTED: u16 = 0x8000;
/// The table goes with the socket that made it, and nobody else changes it (Linux 5.12).
const TABLE_OWNER: u32 = 2;
const SET_INTERVAL: u32 = 4;
/// The number by which `nft` knows that the elements are IPv4 addresses, for its listings.
const TYPE_IPV4_ADDRESS: u32 = 7;
const ELEMENT_END: u32 = 1;
const HOOK_POSTROUTING: u32 = 4;
/// `srcnat` in the words of `nft`.
const PRIORITY_SOURCE_NAT: u32 = 100;
const NETWORK_HEADER: u32 = 1;
const REGISTER: u32 = 1;
const LOOKUP_INVERTED: u32 = 1;
/// Where the addresses are in an IPv4 header (RFC 791 §3.1).
const SOURCE: u32 = 12;
const DESTINATION: u32 = 16;
/// Elements of one message: the length of an attribute has 16 bits, and an element takes 40 bytes.
const ELEMENTS: usize = 1000;

/// A block of IPv4 addresses, both ends included.
pub type Range = (Ipv4Addr, Ipv4Addr);

/// Our table in the kernel. It is gone when this is dropped, or when the process ends however it
/// ends; a kernel before 5.12 keeps it in the latter case until [`Table::install`] replaces it.
#[derive(Debug)]
pub struct Table {
    socket: OwnedFd,
    sequence: u32,
}

impl Table {
    /// Makes the table that gives packets of `clients` to anybody else the address of the interface
    /// they leave by. A table of this name without an owner, which is what a crash left, is replaced
    /// in the same transaction.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_NET_ADMIN, or when another process owns a table of this name;
    /// `Unsupported` and others when the kernel has no nf_tables.
    pub fn install(clients: &[Range]) -> io::Result<Self> {
        let mut table = Self {
            socket: open()?,
            sequence: 0,
        };
        table.replace(clients)?;
        Ok(table)
    }

    /// Puts other clients in the place of those before, in one transaction.
    ///
    /// # Errors
    /// As [`Table::install`]; then everything is as before.
    pub fn replace(&mut self, clients: &[Range]) -> io::Result<()> {
        match self.transact(&steps(clients, TABLE_OWNER)) {
            Err(error)
                if matches!(
                    Errno::from_io_error(&error),
                    Some(Errno::INVAL | Errno::OPNOTSUPP)
                ) =>
            {
                self.transact(&steps(clients, 0))
            }
            result => result,
        }
    }

    fn transact(&mut self, steps: &[Step]) -> io::Result<()> {
        let mut batch = Vec::new();
        let mut put = |kind, flags, family, resource: u16, attributes: &[u8]| {
            self.sequence = self.sequence.wrapping_add(1);
            let mut body = vec![family, 0];
            body.extend(resource.to_be_bytes());
            body.extend(attributes);
            batch.extend(message(kind, NLM_F_REQUEST | flags, self.sequence, &body));
        };
        put(BATCH_BEGIN, 0, FAMILY_NONE, SUBSYSTEM, &[]);
        for step in steps {
            put(
                step.kind,
                NLM_F_ACK | step.flags,
                FAMILY_IPV4,
                0,
                &step.attributes,
            );
        }
        put(BATCH_END, 0, FAMILY_NONE, SUBSYSTEM, &[]);
        // A transaction is one datagram, and some thousands of users with fixed addresses take more
        // than a socket holds. Where that is refused, what the socket holds is the limit.
        let _ = set_socket_send_buffer_size_force(&self.socket, batch.len());
        send(&self.socket, &batch, SendFlags::empty())?;

        // The kernel works while we send, and all its answers are there afterwards: one for each
        // step, or the first that failed and perhaps others.
        let mut buffer = vec![0_u8; 16 * 1024];
        let mut acknowledged = 0;
        let mut outcome = Ok(());
        loop {
            match recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    let answers = messages_of(buffer.get(..length).unwrap_or_default());
                    for (kind, _, body) in answers {
                        if kind == NLMSG_ERROR {
                            match verdict(body) {
                                Ok(()) => acknowledged += 1,
                                Err(error) if outcome.is_ok() => outcome = Err(error),
                                Err(_) => {}
                            }
                        }
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        if outcome.is_ok() && acknowledged < steps.len() {
            return Err(io::Error::other("the kernel did not answer all of it"));
        }
        outcome
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // With an owner it goes with the socket anyway.
        let _ = self.transact(&[Step::new(DELTABLE, 0, table_name(1))]);
    }
}

/// The bodies of all objects of a kind, of all families: the answers to one of nf_tables' `GET…`.
pub(super) fn dump(kind: u16) -> io::Result<Vec<Vec<u8>>> {
    // `nfgenmsg`: any family, version 0, no resource.
    netlink::dump(&open()?, SUBSYSTEM << 8 | kind, 1, &[FAMILY_NONE, 0, 0, 0])
}

fn open() -> io::Result<OwnedFd> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(NETFILTER),
    )?;
    set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(2)))?;
    Ok(socket)
}

/// One message of a transaction.
struct Step {
    kind: u16,
    flags: u16,
    attributes: Vec<u8>,
}

impl Step {
    const fn new(kind: u16, flags: u16, attributes: Vec<u8>) -> Self {
        Self {
            kind,
            flags,
            attributes,
        }
    }
}

/// In the words of `nft`:
///
/// ```text
/// table ip adit {
///     flags owner
///     set clients { type ipv4_addr; flags interval; elements = { … } }
///     chain postrouting {
///         type nat hook postrouting priority srcnat; policy accept;
///         ip saddr @clients ip daddr != @clients masquerade
///     }
/// }
/// ```
///
/// No interface is named: that holds with one TUN device and with one for each session. There is
/// no chain in `forward` either, because to accept there does not overrule the chain of another
/// table that drops.
fn steps(clients: &[Range], flags: u32) -> Vec<Step> {
    let create = NLM_F_CREATE;
    let mut table = table_name(1);
    number(&mut table, 2, flags);
    let mut steps = vec![
        // So that there is one to delete.
        Step::new(NEWTABLE, create, table_name(1)),
        Step::new(DELTABLE, 0, table_name(1)),
        Step::new(NEWTABLE, create, table),
    ];

    let mut set = table_name(1);
    text(&mut set, 2, CLIENTS);
    number(&mut set, 3, SET_INTERVAL);
    number(&mut set, 4, TYPE_IPV4_ADDRESS);
    number(&mut set, 5, 4); // bytes of a key
    number(&mut set, 10, 1); // an id within this transaction
    steps.push(Step::new(NEWSET, create, set));
    for chunk in merged(clients).chunks(ELEMENTS) {
        let mut elements = table_name(1);
        text(&mut elements, 2, CLIENTS);
        let list: Vec<u8> = chunk.iter().flat_map(|range| interval(*range)).collect();
        attribute(&mut elements, 3 | NESTED, &list);
        number(&mut elements, 4, 1);
        steps.push(Step::new(NEWSETELEM, create, elements));
    }

    let mut hook = Vec::new();
    number(&mut hook, 1, HOOK_POSTROUTING);
    number(&mut hook, 2, PRIORITY_SOURCE_NAT);
    let mut chain = table_name(1);
    text(&mut chain, 3, POSTROUTING);
    attribute(&mut chain, 4 | NESTED, &hook);
    text(&mut chain, 7, "nat");
    steps.push(Step::new(NEWCHAIN, create, chain));

    let expressions = [
        load(SOURCE),
        lookup(0),
        load(DESTINATION),
        lookup(LOOKUP_INVERTED),
        expression("masq", &[]),
    ];
    let mut rule = table_name(1);
    text(&mut rule, 2, POSTROUTING);
    attribute(&mut rule, 4 | NESTED, &expressions.concat());
    steps.push(Step::new(NEWRULE, create | NLM_F_APPEND, rule));
    steps
}

fn table_name(kind: u16) -> Vec<u8> {
    let mut attributes = Vec::new();
    text(&mut attributes, kind, TABLE);
    attributes
}

/// Loads an address of the packet.
fn load(offset: u32) -> Vec<u8> {
    let mut data = Vec::new();
    number(&mut data, 1, REGISTER);
    number(&mut data, 2, NETWORK_HEADER);
    number(&mut data, 3, offset);
    number(&mut data, 4, 4); // bytes
    expression("payload", &data)
}

/// Goes on if the loaded address is in the set of clients, or is not.
fn lookup(flags: u32) -> Vec<u8> {
    let mut data = Vec::new();
    text(&mut data, 1, CLIENTS);
    number(&mut data, 2, REGISTER);
    number(&mut data, 4, 1); // the id of the set
    number(&mut data, 5, flags);
    expression("lookup", &data)
}

fn expression(name: &str, data: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    text(&mut inner, 1, name);
    attribute(&mut inner, 2 | NESTED, data);
    let mut element = Vec::new();
    attribute(&mut element, 1 | NESTED, &inner);
    element
}

/// The two elements of an interval: its first address, and the first behind it if there is one.
fn interval((first, last): Range) -> Vec<u8> {
    let element = |address: u32, flags: u32| {
        let mut value = Vec::new();
        attribute(&mut value, 1, &address.to_be_bytes());
        let mut inner = Vec::new();
        attribute(&mut inner, 1 | NESTED, &value);
        if flags != 0 {
            number(&mut inner, 3, flags);
        }
        let mut element = Vec::new();
        attribute(&mut element, 1 | NESTED, &inner);
        element
    };
    let mut elements = element(first.to_bits(), 0);
    if let Some(end) = last.to_bits().checked_add(1) {
        elements.extend(element(end, ELEMENT_END));
    }
    elements
}

/// The same addresses in order, in blocks that neither overlap nor touch.
fn merged(ranges: &[Range]) -> Vec<Range> {
    let mut sorted: Vec<Range> = ranges.iter().filter(|(a, b)| a <= b).copied().collect();
    sorted.sort_unstable();
    let mut blocks: Vec<Range> = Vec::with_capacity(sorted.len());
    for (first, last) in sorted {
        match blocks.last_mut() {
            Some((_, end)) if first.to_bits() <= end.to_bits().saturating_add(1) => {
                *end = last.max(*end);
            }
            _ => blocks.push((first, last)),
        }
    }
    blocks
}

/// nf_tables' numbers are big-endian.
fn number(attributes: &mut Vec<u8>, kind: u16, value: u32) {
    attribute(attributes, kind, &value.to_be_bytes());
}

/// With the terminating NUL.
fn text(attributes: &mut Vec<u8>, kind: u16, value: &str) {
    attribute(attributes, kind, &[value.as_bytes(), b"\0"].concat());
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;
    use crate::io::tun::tests::in_a_namespace;

    fn range(first: &str, last: &str) -> Range {
        (first.parse().unwrap(), last.parse().unwrap())
    }

    /// What `nft` says about all rules, or about those of a table.
    fn nft(arguments: &[&str]) -> String {
        let output = Command::new("nft").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_table_is_what_nft_reads_and_goes_when_dropped() {
        in_a_namespace(
            "io::nftables::tests::the_table_is_what_nft_reads_and_goes_when_dropped",
            || {
                // What a crash left, and what the administrator has.
                nft(&["add table ip adit; add chain ip adit old"]);
                nft(&["add table inet filter; add chain inet filter forward"]);
                let others = nft(&["list", "table", "inet", "filter"]);

                let pool = range("10.10.1.2", "10.10.1.100");
                let mut table = Table::install(&[pool, range("10.9.0.7", "10.9.0.7")]).unwrap();
                let listed = nft(&["list", "table", "ip", "adit"]);
                let words: Vec<&str> = listed.split_whitespace().collect();
                let listed = words.join(" ");
                assert!(
                    listed.contains(
                        "type ipv4_addr flags interval \
                         elements = { 10.9.0.7, 10.10.1.2-10.10.1.100 }"
                    ) && listed.contains(
                        "type nat hook postrouting priority srcnat; policy accept; \
                         ip saddr @clients ip daddr != @clients masquerade"
                    ),
                    "{listed}"
                );
                assert!(!listed.contains("chain old"), "{listed}");

                table
                    .replace(&[range("10.0.0.0", "255.255.255.255")])
                    .unwrap();
                let listed = nft(&["list", "table", "ip", "adit"]);
                assert!(listed.contains("10.0.0.0-255.255.255.255"), "{listed}");
                // Another one keeps its hands off.
                let denied = Table::install(&[pool]).unwrap_err();
                assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied, "{denied}");
                assert_eq!(nft(&["list", "table", "ip", "adit"]), listed);

                drop(table);
                assert_eq!(nft(&["list", "ruleset"]), others);
            },
        );
    }

    #[test]
    fn thousands_of_addresses_fit() {
        in_a_namespace("io::nftables::tests::thousands_of_addresses_fit", || {
            let clients: Vec<Range> = (0..10_000)
                .map(|n| Ipv4Addr::from_bits(0x0a00_0000 + 2 * n))
                .map(|address| (address, address))
                .collect();
            let _table = Table::install(&clients).unwrap();
            let listed = nft(&["list", "table", "ip", "adit"]);
            assert!(listed.contains("10.0.0.0,") && listed.contains("10.0.78.30"));
        });
    }

    #[test]
    fn blocks_are_merged() {
        let all = [
            range("10.0.0.5", "10.0.0.9"),
            range("10.0.0.2", "10.0.0.6"),
            range("10.0.0.10", "10.0.0.10"),
            range("10.0.0.12", "10.0.0.11"),
            range("255.255.255.255", "255.255.255.255"),
            range("255.255.255.0", "255.255.255.255"),
        ];
        assert_eq!(
            merged(&all),
            [
                range("10.0.0.2", "10.0.0.10"),
                range("255.255.255.0", "255.255.255.255")
            ]
        );
    }

    proptest! {
        #[test]
        fn merging_keeps_every_address(ends: Vec<(u8, u8)>, probe: u8) {
            let address = |n: u8| Ipv4Addr::from_bits(n.into());
            let ranges: Vec<Range> = ends.iter().map(|(a, b)| (address(*a), address(*b))).collect();
            let holds = |all: &[Range]| {
                all.iter().filter(|(a, b)| (*a..=*b).contains(&address(probe))).count()
            };
            let blocks = merged(&ranges);
            prop_assert_eq!(holds(&blocks), usize::from(holds(&ranges) > 0));
            let apart = |pair: &[Range]| pair[0].1.to_bits() + 1 < pair[1].0.to_bits();
            prop_assert!(blocks.windows(2).all(apart));
        }
    }
}
