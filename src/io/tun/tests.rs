//! Devices in network namespaces of their own.

use std::io::{IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use dataplane::offload::{Gso, VnetHeader};
use quinn_udp::RecvMeta;
use wire::{Carrier, Path};

use super::*;
use crate::io::ports::ephemeral;

/// Set in the process that runs in a namespace of its own.
const INSIDE: &str = "ADIT_TEST_IN_NAMESPACE";

/// Runs `body` in a network namespace that is gone afterwards: the test starts itself again
/// there, by its full name. Where that cannot be done, says so.
pub(crate) fn in_a_namespace(test: &str, body: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: a TUN device needs root");
        return;
    }
    if !std::fs::exists("/dev/net/tun").unwrap_or(false) {
        println!("skipped: no /dev/net/tun");
        return;
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.arg("--net");
        command
    };
    if !unshare()
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("skipped: no network namespaces here");
        return;
    }
    let output = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}{errors}");
    assert!(
        shown.contains("1 passed"),
        "the test did not run there: {shown}"
    );
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// The next IPv4 packet that the kernel sends into the device, and its header.
fn next_ipv4(queues: &[TunQueue]) -> ([u8; VnetHeader::LEN], Vec<u8>) {
    let mut room = vec![0; TunQueue::ROOM];
    for _ in 0..400 {
        for queue in queues {
            // IPv6 speaks up by itself on a new interface.
            if let Ok((header, packet)) = queue.recv(&mut room)
                && packet[0] >> 4 == 4
            {
                return (header, packet.to_vec());
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nothing came out of the device");
}

/// Sends an IPv4 packet with ports back to where it came from. Its checksums stay what they are,
/// those that are still to be made as well.
fn turn_round(packet: &mut [u8]) {
    packet[12..20].rotate_left(4);
    packet[20..24].rotate_left(2);
}

#[test]
fn packets_pass_both_ways() {
    in_a_namespace("io::tun::tests::packets_pass_both_ways", || {
        for (count, offload) in [(1, false), (2, false), (1, true), (2, true)] {
            let (mut tun, queues) = Tun::create("adit-t0", count, offload).unwrap();
            assert_eq!(queues.len(), count);
            tun.up(1400).unwrap();
            tun.add_address(ip("10.10.1.1")).unwrap();
            tun.add_range(ip("10.10.1.2"), ip("10.10.1.100")).unwrap();
            tun.add_range(ip("10.10.1.2"), ip("10.10.1.100")).unwrap();

            let socket = UdpSocket::bind("10.10.1.1:0").unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            socket.send_to(b"into the tunnel", "10.10.1.100:7").unwrap();
            let (header, mut packet) = next_ipv4(&queues);
            assert_eq!(packet[12..20], [10, 10, 1, 1, 10, 10, 1, 100]);
            assert_eq!(packet[28..], *b"into the tunnel");
            // Beyond the pool there is no way.
            assert!(socket.send_to(b"x", "10.10.1.101:7").is_err());

            turn_round(&mut packet);
            let (first, rest) = packet.split_at(30);
            queues[count - 1]
                .send(&[&header[..], first, rest].map(IoSlice::new))
                .unwrap();
            let mut answer = [0; 100];
            let (length, from) = socket.recv_from(&mut answer).unwrap();
            assert_eq!(&answer[..length], b"into the tunnel");
            assert_eq!(from, "10.10.1.100:7".parse().unwrap());
        }
    });
}

#[test]
fn a_route_goes_alone() {
    in_a_namespace("io::tun::tests::a_route_goes_alone", || {
        let (mut tun, _queues) = Tun::create("adit-t7", 1, false).unwrap();
        tun.up(1400).unwrap();
        tun.add_address(ip("10.10.1.1")).unwrap();
        for host in ["10.9.0.7", "10.9.0.8"] {
            tun.add_route(Prefix::host(ip(host)), None).unwrap();
        }
        let mut netlink = Netlink::open().unwrap();
        let mut leads_here = |to: &str| netlink.next_hop(ip(to)).is_ok();
        assert!(leads_here("10.9.0.7") && leads_here("10.9.0.8"));
        for _ in 0..2 {
            tun.remove_route(Prefix::host(ip("10.9.0.7")));
            assert!(!leads_here("10.9.0.7") && leads_here("10.9.0.8"));
        }
    });
}

/// More than the kernel's own 500, and every one of them in its order.
#[test]
fn a_burst_waits_for_its_reader() {
    const BURST: u32 = 1500;
    in_a_namespace("io::tun::tests::a_burst_waits_for_its_reader", || {
        let (mut tun, queues) = Tun::create("adit-t4", 1, true).unwrap();
        tun.lengthen_queues();
        tun.up(1400).unwrap();
        tun.add_address(ip("10.10.1.1")).unwrap();
        tun.add_range(ip("10.10.1.2"), ip("10.10.1.100")).unwrap();
        let socket = UdpSocket::bind("10.10.1.1:0").unwrap();
        for number in 0..BURST {
            let sent = socket.send_to(&number.to_be_bytes(), "10.10.1.100:7");
            assert_eq!(sent.unwrap(), 4);
        }
        let numbers = (0..BURST).map(|_| {
            let (_, packet) = next_ipv4(&queues);
            u32::from_be_bytes(*packet[28..].first_chunk().unwrap())
        });
        assert!(numbers.eq(0..BURST));
    });
}

/// The kernel puts what the host sends within a connection into the queue through which we write
/// what is for the host.
#[test]
fn a_connection_stays_in_its_queue() {
    in_a_namespace("io::tun::tests::a_connection_stays_in_its_queue", || {
        let (mut tun, queues) = Tun::create("adit-t6", TunQueues::wanted(1), false).unwrap();
        tun.up(1400).unwrap();
        tun.add_address(ip("10.10.1.1")).unwrap();
        tun.add_range(ip("10.10.1.2"), ip("10.10.1.100")).unwrap();
        let queues = TunQueues::from(queues);
        let mut used = std::collections::BTreeSet::new();
        for port in 40_000..40_040 {
            let socket = UdpSocket::bind("10.10.1.1:0").unwrap();
            let mut question = Vec::new();
            etherparse::PacketBuilder::ipv4([10, 10, 1, 7], [10, 10, 1, 1], 64)
                .udp(port, socket.local_addr().unwrap().port())
                .write(&mut question, b"?")
                .unwrap();
            let plain = VnetHeader::PLAIN.encode();
            queues
                .send(&[&plain[..], &question].map(IoSlice::new))
                .unwrap();
            let from = ("10.10.1.7", port);
            assert_eq!(socket.send_to(b"!", from).unwrap(), 1);

            let place = queues.place(&question);
            let (_, answer) = next_ipv4(&queues.all()[place..=place]);
            assert_eq!(answer[22..24], port.to_be_bytes());
            used.insert(place);
        }
        assert_eq!(used.len(), TunQueues::MOST, "all of them have been tried");
    });
}

#[test]
fn super_packets_pass_both_ways() {
    in_a_namespace("io::tun::tests::super_packets_pass_both_ways", || {
        for count in [1, 2] {
            let (mut tun, queues) = Tun::create("adit-t2", count, true).unwrap();
            if queues
                .iter()
                .any(|queue| queue.offload() != Offload::TcpAndUdp)
            {
                println!("skipped: this kernel has no segmentation offload for UDP on TUN devices");
                return;
            }
            tun.up(1400).unwrap();
            tun.add_address(ip("10.10.1.1")).unwrap();
            tun.add_range(ip("10.10.1.2"), ip("10.10.1.100")).unwrap();
            let [socket, _] = ephemeral(ip("10.10.1.1")).unwrap();
            let path = Path {
                local: socket.local(),
                remote: "10.10.1.100:7".parse().unwrap(),
                carrier: Carrier::Ike,
            };
            let sent: Vec<u8> = (0..2500_u16).map(|n| n.to_be_bytes()[1]).collect();
            assert_eq!(socket.send_many(&path, &sent, 1000).packets, 3);
            let (header, mut packet) = next_ipv4(&queues);
            let described = VnetHeader::parse(header).unwrap();
            assert_eq!((described.gso, described.segment), (Gso::Udp, 1000));
            assert_eq!(packet[28..], sent);

            turn_round(&mut packet);
            let mut parts = vec![IoSlice::new(&header)];
            parts.extend(packet.chunks(100).map(IoSlice::new));
            queues[count - 1].send(&parts).unwrap();
            let (mut storage, mut meta) = (vec![0; 65_535], [RecvMeta::default()]);
            let received = socket.recv(&mut [IoSliceMut::new(&mut storage)], &mut meta);
            assert_eq!(received.unwrap(), 1);
            assert_eq!((meta[0].len, meta[0].stride), (2500, 1000));
            assert_eq!(storage[..2500], sent);
        }
    });
}

#[test]
fn what_is_not_wanted_is_not_there() {
    in_a_namespace("io::tun::tests::what_is_not_wanted_is_not_there", || {
        let (_tun, queues) = Tun::create("adit-t3", 1, false).unwrap();
        assert_eq!(queues[0].offload(), Offload::None);
    });
}

#[test]
fn a_device_has_one_owner() {
    in_a_namespace("io::tun::tests::a_device_has_one_owner", || {
        let mut netlink = Netlink::open().unwrap();
        for count in [1, 2] {
            let (_tun, queues) = Tun::create("adit-t1", count, false).unwrap();
            let error = Tun::create("adit-t1", count, false).err().unwrap();
            assert!(matches!(error, SetupError::TunInUse(_)), "{error}");
            let index = netlink.index_of("adit-t1").unwrap();
            assert!(netlink.has_carrier(index).unwrap());
            drop(queues);
            assert!(
                netlink.index_of("adit-t1").is_err(),
                "the device outlived its queues"
            );
        }
        let error = Tun::create("lo", 1, false).err().unwrap();
        assert!(matches!(error, SetupError::NotATun(_)), "{error}");
    });
}

#[test]
fn the_server_stays_outside() {
    in_a_namespace("io::tun::tests::the_server_stays_outside", || {
        let mut netlink = Netlink::open().unwrap();
        let server = ip("198.51.100.7");
        // What leads to the Internet here.
        let (mut outer, _outer_queue) = Tun::create("adit-out", 1, false).unwrap();
        outer.up(1500).unwrap();
        outer.add_address(ip("192.0.2.2")).unwrap();
        outer.add_route(net("0.0.0.0/0"), None).unwrap();

        let (mut tun, queues) = Tun::create("adit-in", 1, false).unwrap();
        tun.up(1400).unwrap();
        tun.add_peer_address(ip("10.10.1.2"), ip("10.10.1.1"))
            .unwrap();
        tun.keep_outside(server).unwrap();
        tun.keep_outside(server).unwrap();
        tun.add_route(net("0.0.0.0/1"), Some(ip("10.10.1.2")))
            .unwrap();
        tun.add_route(net("128.0.0.0/1"), None).unwrap();
        let mut device = |to: &str| netlink.next_hop(ip(to)).unwrap().device;
        assert_eq!(device("198.51.100.7"), outer.index);
        assert_eq!(device("198.51.100.8"), tun.index);
        assert_eq!(device("10.10.1.1"), tun.index);
        assert_eq!(device("8.8.8.8"), tun.index);
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect("8.8.8.8:53").unwrap();
        assert_eq!(socket.local_addr().unwrap().ip(), ip("10.10.1.2"));

        // Afterwards all is as it was: the host route, too, is gone.
        let index = outer.index;
        drop((tun, queues));
        assert_eq!(device("8.8.8.8"), index);
        outer.add_route(Prefix::host(server), None).unwrap();
        assert_eq!(outer.outside, []);
        let route = Route {
            to: Prefix::host(server),
            gateway: None,
            device: index,
            source: None,
        };
        netlink.delete_route(&route).unwrap();
        assert!(netlink.delete_route(&route).is_err(), "there were two");
    });
}

#[test]
fn names_are_looked_at_before_the_kernel_is_asked() {
    for name in ["", "a name", "a/b", "tun%d", "a-name-of-16-byt", "t:0"] {
        let error = Tun::create(name, 1, false).err().unwrap();
        assert!(
            matches!(error, SetupError::BadTunName(_)),
            "{name}: {error}"
        );
    }
}

#[test]
fn errors_say_what_to_do() {
    let sentence = |errno: Errno| explain("adit0", errno.into()).to_string();
    assert!(sentence(Errno::NOENT).contains("modprobe tun"));
    assert!(sentence(Errno::PERM).contains("CAP_NET_ADMIN"));
    assert!(sentence(Errno::BUSY).contains("in use"));
    assert!(sentence(Errno::INVAL).contains("ip link delete adit0"));
}
