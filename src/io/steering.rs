//! Lets the kernel give each packet to the packet thread that owns its peer.
//!
//! Threads share a port by `SO_REUSEPORT`; the kernel would choose among their sockets by a hash of
//! its own. A program of the classic packet filter chooses in its place, and computes what
//! [`dataplane::owner`] computes. For protocol 50 there is no such choice, every socket gets every
//! packet: there each thread's socket has a filter that leaves it its own.
//!
//! Nothing depends on this but speed: a packet that arrives elsewhere is opened there, and what is
//! to be sealed is handed to the owner.

use std::io;

use dataplane::owner::{MIX_FACTOR, MIX_SHIFT, PORT_FACTOR};
use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{SetSockOpt, sockopt::AttachReusePortCbpf};
use socket2::{SockFilter, Socket};
use wire::Carrier;

/// Offsets from here on count from the IP header (`SKF_NET_OFF`), whatever is in front of what the
/// socket will deliver.
const IP_HEADER: u32 = (-0x10_0000_i32).cast_unsigned();

// Instructions, as linux/bpf_common.h and linux/filter.h encode them.
const LOAD_WORD: u16 = 0x20;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_AT_X: u16 = 0x48;
const AND: u16 = 0x54;
const SHIFT_LEFT: u16 = 0x64;
const SHIFT_RIGHT: u16 = 0x74;
const MULTIPLY: u16 = 0x24;
const REMAINDER: u16 = 0x94;
const XOR_WITH_X: u16 = 0xac;
const A_TO_X: u16 = 0x07;
const RETURN: u16 = 0x06;
const RETURN_A: u16 = 0x16;
const JUMP_IF_EQUAL: u16 = 0x15;

/// One instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Instruction {
    code: u16,
    /// Instructions passed over if a condition holds, or does not.
    jump: (u8, u8),
    operand: u32,
}

const fn instruction(code: u16, operand: u32) -> Instruction {
    let jump = (0, 0);
    Instruction {
        code,
        jump,
        operand,
    }
}

/// Leaves in A which of `threads` owns the sender of a packet.
fn owner(carrier: Carrier, ipv4: bool, threads: u32) -> Vec<Instruction> {
    let at = |offset: u32| IP_HEADER.wrapping_add(offset);
    let mut program = Vec::new();
    // The port, spread over the word, in X; or 0.
    program.push(match (carrier, ipv4) {
        (Carrier::Ike | Carrier::Raw, _) => instruction(AND, 0),
        (Carrier::NatT, true) => instruction(LOAD_BYTE, at(0)),
        (Carrier::NatT, false) => instruction(AND, 0),
    });
    if carrier == Carrier::NatT {
        // Behind the header: that of IPv4 says how long it is, that of IPv6 is 40 bytes. (With
        // extension headers it is some other number, but always the same one.)
        if ipv4 {
            program.push(instruction(AND, 0x0f));
            program.push(instruction(SHIFT_LEFT, 2));
        }
        program.push(instruction(A_TO_X, 0));
        let behind = if ipv4 { 0 } else { 40 };
        program.push(instruction(LOAD_HALF_AT_X, at(behind)));
        program.push(instruction(MULTIPLY, PORT_FACTOR));
    }
    // The words of the source address.
    let words: &[u32] = if ipv4 { &[12] } else { &[8, 12, 16, 20] };
    for word in words {
        program.push(instruction(A_TO_X, 0));
        program.push(instruction(LOAD_WORD, at(*word)));
        program.push(instruction(XOR_WITH_X, 0));
    }
    program.push(instruction(MULTIPLY, MIX_FACTOR));
    program.push(instruction(SHIFT_RIGHT, MIX_SHIFT));
    program.push(instruction(REMAINDER, threads.max(1)));
    program
}

/// Makes the sockets that share this one's port, in the order in which they were bound, get what
/// comes from the peers of thread 0, 1, 2 …
///
/// # Errors
/// What the kernel reports; the kernel chooses by itself then.
pub(super) fn share(socket: &Socket, carrier: Carrier, ipv4: bool, threads: u32) -> io::Result<()> {
    let mut program = owner(carrier, ipv4, threads);
    program.push(instruction(RETURN_A, 0));
    let mut program: Vec<sock_filter> = program
        .into_iter()
        .map(|instruction| sock_filter {
            code: instruction.code,
            jt: instruction.jump.0,
            jf: instruction.jump.1,
            k: instruction.operand,
        })
        .collect();
    // The kernel copies the program during the call.
    let description = sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    Ok(AttachReusePortCbpf.set(socket, &description)?)
}

/// Makes a socket for protocol 50 get what comes from the peers of one thread only.
///
/// # Errors
/// What the kernel reports; the socket gets every packet then.
pub(super) fn restrict(socket: &Socket, ipv4: bool, thread: u32, threads: u32) -> io::Result<()> {
    let mut program = owner(Carrier::Raw, ipv4, threads);
    program.push(Instruction {
        code: JUMP_IF_EQUAL,
        jump: (0, 1),
        operand: thread,
    });
    program.push(instruction(RETURN, u32::MAX));
    program.push(instruction(RETURN, 0));
    let program: Vec<SockFilter> = program
        .into_iter()
        .map(|instruction| {
            let (then, otherwise) = instruction.jump;
            SockFilter::new(instruction.code, then, otherwise, instruction.operand)
        })
        .collect();
    socket.attach_filter(&program)
}

#[cfg(test)]
mod tests {
    use std::io::IoSliceMut;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use quinn_udp::RecvMeta;
    use wire::Path;

    use crate::io::SetupError;
    use crate::io::ports::{ListenPorts, ephemeral, listen};
    use crate::io::raw::{RawSocket, Share};
    use crate::io::udp::UdpSocket;

    use super::*;

    const THREADS: usize = 3;

    fn loopback(host: u8) -> IpAddr {
        Ipv4Addr::new(127, 0, 7, host).into()
    }

    /// Everything that has arrived: the sender and which socket got it.
    fn arrivals(sockets: &[Vec<UdpSocket>], carrier: Carrier) -> Vec<(Path, usize)> {
        let mut all = Vec::new();
        for (thread, sockets) in sockets.iter().enumerate() {
            let socket = sockets
                .iter()
                .find(|socket| socket.carrier() == carrier)
                .unwrap();
            let mut storage = [0; 100];
            let mut meta = [RecvMeta::default()];
            while socket
                .recv(&mut [IoSliceMut::new(&mut storage)], &mut meta)
                .is_ok()
            {
                all.push((socket.path_of(&meta[0]), thread));
            }
        }
        all
    }

    fn steered(server: &str, carrier: Carrier, senders: impl Iterator<Item = IpAddr>) {
        let ports = ListenPorts { ike: 0, natt: 0 };
        let server: IpAddr = server.parse().unwrap();
        let listeners = match listen(&[server], ports, THREADS) {
            Ok(listeners) => listeners,
            Err(error @ (SetupError::NoSuchAddress(_) | SetupError::Udp { .. })) => {
                return println!("skipped: {error}");
            }
            Err(error) => panic!("{error}"),
        };
        let remote = listeners.workers[0]
            .iter()
            .find(|socket| socket.carrier() == carrier)
            .unwrap()
            .local();
        for sender in senders {
            let [socket, _] = ephemeral(sender).unwrap();
            let path = Path {
                local: socket.local(),
                remote,
                carrier: Carrier::Ike,
            };
            socket.send(&path, &[1, 2, 3]).unwrap();
        }
        let arrived = arrivals(&listeners.workers, carrier);
        assert_eq!(arrived.len(), 60);
        for (path, thread) in &arrived {
            assert_eq!(*thread, dataplane::owner::owner(path, THREADS), "{path:?}");
        }
        let used: std::collections::BTreeSet<_> = arrived.iter().map(|(_, at)| at).collect();
        assert_eq!(used.len(), THREADS, "the senders differ enough to tell");
    }

    #[test]
    fn many_behind_one_address_are_told_apart_by_their_ports() {
        let office = || std::iter::repeat_n(loopback(1), 60);
        steered("127.0.7.250", Carrier::NatT, office());
    }

    #[test]
    fn isakmp_goes_by_the_address() {
        steered("127.0.7.251", Carrier::Ike, (1..=60).map(loopback));
        steered("127.0.7.252", Carrier::NatT, (1..=60).map(loopback));
    }

    #[test]
    fn ipv6_too() {
        // One address; the ports differ.
        let office = std::iter::repeat_n("::1".parse().unwrap(), 60);
        steered("::1", Carrier::NatT, office);
    }

    #[test]
    fn each_raw_socket_gets_its_own_and_no_packet_comes_twice() {
        let here = loopback(253);
        let sockets: Result<Vec<_>, _> = (0..THREADS)
            .map(|thread| {
                let threads = THREADS;
                RawSocket::bind(here, Share { thread, threads })
            })
            .collect();
        let sockets = match sockets {
            Ok(sockets) => sockets,
            Err(error @ SetupError::RawNotAllowed(_)) => return println!("skipped: {error}"),
            Err(error) => panic!("{error}"),
        };
        let sender = RawSocket::bind("0.0.0.0".parse().unwrap(), Share::ALL).unwrap();
        for host in 1..=60 {
            let path = Path {
                local: SocketAddr::new(loopback(host), 0),
                remote: SocketAddr::new(here, 0),
                carrier: Carrier::Raw,
            };
            let esp = [0xc0, 0, 0, 1, 0, 0, 0, host];
            sender.send(&path, &esp).unwrap();
        }
        let mut seen = [0; 61];
        for (thread, socket) in sockets.iter().enumerate() {
            let mut storage = [0; 100];
            let mut meta = [RecvMeta::default()];
            while socket
                .recv(&mut [IoSliceMut::new(&mut storage)], &mut meta)
                .is_ok()
            {
                let path = socket.path_of(&meta[0], &storage);
                assert_eq!(thread, dataplane::owner::owner(&path, THREADS), "{path:?}");
                seen[usize::from(storage[27])] += 1;
            }
        }
        assert_eq!(seen[1..], [1; 60]);
    }
}
