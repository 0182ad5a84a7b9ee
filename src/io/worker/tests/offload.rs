//! Super-packets through a real device and a real socket, with and without what the kernel can do
//! for them: what arrives is the same.

use std::io::IoSliceMut;

use quinn_udp::RecvMeta;

use super::*;
use crate::io::tun::Offload;

/// What the kernel of the server is to be able to do.
struct Means {
    /// At the device.
    offload: bool,
    /// What the loopback carries in one piece; `None`: 64 KiB.
    mtu: Option<u32>,
}

const ALL: Means = Means {
    offload: true,
    mtu: None,
};
const NO_DEVICE: Means = Means {
    offload: false,
    mtu: None,
};
/// ESP packets that do not fit, so that they cannot be sent together.
const NO_SOCKET: Means = Means {
    offload: true,
    mtu: Some(1280),
};

/// Bytes of super-packets and of their segments: with and without a shorter one at the end.
const RUNS: [(usize, usize); 4] = [(50_000, 1372), (6_000, 100), (1372 * 3, 1372), (2, 1)];

/// Payload that says of each byte where it belongs.
fn payload(length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| u8::try_from(n.wrapping_mul(31) >> 3 & 0xff).unwrap())
        .collect()
}

/// The payload of an IPv4 packet with UDP in it, whose checksums must be right.
fn datagram(packet: &[u8]) -> &[u8] {
    let sliced = etherparse::SlicedPacket::from_ip(packet).unwrap();
    let Some(etherparse::NetSlice::Ipv4(ip)) = &sliced.net else {
        panic!("not IPv4");
    };
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    assert_eq!(usize::from(header.total_len), packet.len());
    let Some(etherparse::TransportSlice::Udp(udp)) = sliced.transport else {
        panic!("not UDP");
    };
    let checksum = udp
        .to_header()
        .calc_checksum_ipv4(&header, udp.payload())
        .unwrap();
    assert_eq!(udp.checksum(), checksum);
    &packet[28..]
}

/// Sends super-packets of UDP into the device, and returns what reaches the client.
async fn leaves(means: &Means) -> Vec<Vec<u8>> {
    let (tun, queues) = devices(means.offload, means.mtu);
    let granted = queues.offload();
    let (server, mut client) = connected_with(Carrier::NatT, Some(queues)).await;
    let [socket, _] = ephemeral(SERVER.into()).unwrap();
    let path = Path {
        local: socket.local(),
        remote: SocketAddr::new(CLIENT.into(), 7),
        carrier: Carrier::Ike,
    };
    for (length, segment) in RUNS {
        let sent = socket.send_many(&path, &payload(length), segment);
        assert_eq!(sent.lost, 0);
    }
    let mut arrived = Vec::new();
    for _ in 0..RUNS
        .map(|(length, segment)| length.div_ceil(segment))
        .into_iter()
        .sum()
    {
        arrived.push(datagram(&client.packet().await).to_vec());
    }
    // It counts after it has sent, which may be after the client has received.
    let counters = Arc::clone(&server.worker.counters);
    assert!(server.worker.finish());
    assert_eq!(counters.sent.value(), arrived.len() as u64);
    let expected = if granted == Offload::TcpAndUdp { 4 } else { 0 };
    assert_eq!(counters.tun_read_super.value(), expected);
    if means.mtu.is_some() {
        // The last ones are short enough.
        assert!(client.worker.counters().received_joined.value() <= 3);
    }
    drop(tun);
    arrived
}

#[test]
fn super_packets_leave_as_their_segments() {
    in_a_namespace(
        "io::worker::tests::offload::super_packets_leave_as_their_segments",
        || {
            run(async {
                let expected: Vec<Vec<u8>> = RUNS
                    .into_iter()
                    .flat_map(|(length, segment)| {
                        let whole = payload(length);
                        whole
                            .chunks(segment)
                            .map(<[u8]>::to_vec)
                            .collect::<Vec<_>>()
                    })
                    .collect();
                for means in [ALL, NO_DEVICE, NO_SOCKET] {
                    assert_eq!(leaves(&means).await, expected);
                }
            });
        },
    );
}

/// Datagrams of the client to a socket of the server's host, as they come out of that.
async fn arrives(means: &Means) -> Vec<Vec<u8>> {
    let (tun, queues) = devices(means.offload, means.mtu);
    let granted = queues.offload();
    let (server, client) = connected_with(Carrier::NatT, Some(queues)).await;
    let [socket, _] = ephemeral(SERVER.into()).unwrap();
    let mut arrived = Vec::new();
    let mut storage = vec![0; 65_535];
    // Whether packets meet depends on who is faster: sooner or later they do.
    for _ in 0..200 {
        arrived.clear();
        for number in 0..60_u8 {
            let mut packet = Vec::new();
            etherparse::PacketBuilder::ipv4(CLIENT, SERVER, 64)
                .udp(7, socket.local().port())
                .write(&mut packet, &[number; 1000])
                .unwrap();
            client.command(Command::Inject(packet)).await;
        }
        let mut waited = 0;
        while arrived.len() < 60 && waited < 2000 {
            let mut meta = [RecvMeta::default()];
            match socket.recv(&mut [IoSliceMut::new(&mut storage)], &mut meta) {
                Ok(_) => {
                    let datagrams = storage[..meta[0].len].chunks(meta[0].stride.max(1));
                    arrived.extend(datagrams.map(<[u8]>::to_vec));
                }
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    waited += 1;
                }
            }
        }
        assert_eq!(arrived.len(), 60, "datagrams that came out of the device");
        if server.worker.counters().tun_written_super.value() > 0 || granted == Offload::None {
            break;
        }
    }
    let counters = server.worker.counters();
    assert_eq!(counters.tun_written.value() % 60, 0);
    assert_eq!(
        counters.tun_written_super.value() > 0,
        granted == Offload::TcpAndUdp
    );
    assert!(server.worker.finish());
    drop(tun);
    arrived
}

#[test]
fn what_arrives_in_a_row_reaches_the_host_together() {
    in_a_namespace(
        "io::worker::tests::offload::what_arrives_in_a_row_reaches_the_host_together",
        || {
            run(async {
                let expected: Vec<Vec<u8>> = (0..60).map(|number| vec![number; 1000]).collect();
                for means in [ALL, NO_DEVICE] {
                    assert_eq!(arrives(&means).await, expected);
                }
            });
        },
    );
}
