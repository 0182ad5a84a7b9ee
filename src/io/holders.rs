//! Who has a UDP port: from what the kernel shows under `/proc`.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// A process, as far as the kernel lets us see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub id: u32,
    /// The first 15 bytes of its name, fit for a terminal.
    pub name: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.id)
    }
}

/// A bound UDP socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Where it is bound; the address may be unspecified.
    pub local: SocketAddr,
    /// Whose it is; none if that cannot be seen, as without root the processes of others.
    pub process: Option<Process>,
}

/// The sockets on any of `ports` in this network namespace.
pub fn holders(ports: &[u16]) -> Vec<Holder> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let tables = [read("/proc/net/udp"), read("/proc/net/udp6")];
    let mut sockets: Vec<(SocketAddr, u64)> = tables
        .iter()
        .flat_map(|table| table.lines().skip(1).filter_map(parse_line))
        .filter(|(local, _)| ports.contains(&local.port()))
        .collect();
    sockets.sort_unstable();
    let inodes: Vec<u64> = sockets.iter().map(|(_, inode)| *inode).collect();
    let owners = owners(&inodes);
    let owner = |inode: u64| {
        let mut found = owners.iter().filter(|(of, _)| *of == inode);
        found.next().map(|(_, process)| process.clone())
    };
    sockets
        .into_iter()
        .map(|(local, inode)| Holder {
            local,
            process: owner(inode),
        })
        .collect()
}

/// Whoever keeps a socket from being bound to `local`.
pub fn holder_of(local: SocketAddr) -> Option<Holder> {
    let overlaps = |other: IpAddr| {
        // A socket of IPv6 takes the port of IPv4 as well, unless it is told not to.
        other == local.ip() || other.is_unspecified() || local.ip().is_unspecified()
    };
    let mut found = holders(&[local.port()]);
    // The one whose name is known says most.
    found.sort_by_key(|holder| holder.process.is_none());
    found.into_iter().find(|holder| overlaps(holder.local.ip()))
}

/// Local address and inode of a line of `/proc/net/udp` or `udp6` (proc(5)): the address as the
/// words of memory, the port as a number.
fn parse_line(line: &str) -> Option<(SocketAddr, u64)> {
    let mut words = line.split_whitespace();
    let (address, port) = words.nth(1)?.split_once(':')?;
    let inode = words.nth(7)?.parse().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let bytes = hex::decode(address).ok()?;
    let mut octets = Vec::with_capacity(bytes.len());
    for word in bytes.chunks(4) {
        let word = u32::from_be_bytes(word.try_into().ok()?);
        octets.extend(word.to_ne_bytes());
    }
    let address = if let Ok(octets) = <[u8; 4]>::try_from(&octets[..]) {
        IpAddr::V4(Ipv4Addr::from(octets))
    } else {
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?))
    };
    Some((SocketAddr::new(address, port), inode))
}

/// All processes that can be seen, in the order of their numbers.
pub fn processes() -> Vec<Process> {
    let mut processes: Vec<Process> = entries(Path::new("/proc"))
        .filter_map(|name| {
            let id = name.parse().ok()?;
            let name = name_of(&fs::read(format!("/proc/{id}/comm")).ok()?);
            Some(Process { id, name })
        })
        .collect();
    processes.sort_unstable_by_key(|process| process.id);
    processes
}

/// What is in `comm`: every user may give a process any name (prctl(2), PR_SET_NAME), and it is root
/// who reads it.
fn name_of(comm: &[u8]) -> String {
    let shown = |c| if wire::is_printable(c) { c } else { '\u{fffd}' };
    let name = String::from_utf8_lossy(comm);
    name.trim_end().chars().map(shown).collect()
}

/// The process of each socket, for those that can be found: its descriptors are links that name the
/// inode.
fn owners(inodes: &[u64]) -> Vec<(u64, Process)> {
    let mut found = Vec::new();
    if inodes.is_empty() {
        return found;
    }
    for process in processes() {
        let folder = format!("/proc/{}/fd", process.id);
        let folder = Path::new(&folder);
        for name in entries(folder) {
            let Ok(target) = fs::read_link(folder.join(name)) else {
                continue;
            };
            let inode = target
                .to_str()
                .and_then(|text| text.strip_prefix("socket:["))
                .and_then(|text| text.strip_suffix(']'))
                .and_then(|text| text.parse().ok());
            if let Some(inode) = inode.filter(|inode| inodes.contains(inode)) {
                found.push((inode, process.clone()));
            }
        }
    }
    found
}

fn entries(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_name_does_not_drive_the_terminal() {
        assert_eq!(name_of(b"charon\n"), "charon");
        assert_eq!(name_of(b"a b\x1b[2J\nc\n"), "a b\u{fffd}[2J\u{fffd}c");
    }

    #[test]
    fn lines_of_the_kernel() {
        let line = "  412: 0100007F:11C4 00000000:0000 07 00000000:00000000 00:00000000 00000000   \
                    105        0 31337 2 0000000000000000 0";
        assert_eq!(
            parse_line(line),
            Some(("127.0.0.1:4548".parse().unwrap(), 31337))
        );
        let line = "  2: 00000000000000000000000001000000:01F4 00000000000000000000000000000000:0000 \
                    07 00000000:00000000 00:00000000 00000000 0 0 77 2 0 0";
        assert_eq!(parse_line(line), Some(("[::1]:500".parse().unwrap(), 77)));
        for end in 0..line.len() {
            let _ = parse_line(&line[..end]);
        }
        assert_eq!(parse_line("1: 0100:11C4 0 0 0 0 0 0 0 7"), None);
    }

    #[test]
    fn our_own_socket_is_found() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        let holder = holder_of(local).unwrap();
        assert_eq!(holder.local, local);
        let process = holder.process.unwrap();
        assert_eq!(process.id, std::process::id());
        assert!(processes().contains(&process));
        drop(socket);
        assert_eq!(holder_of(local), None);
    }
}
