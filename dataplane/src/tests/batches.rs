//! What comes many at a time is treated as if it had come one by one.

use proptest::prelude::*;

use super::*;
use crate::DropReason;

/// A second client of the server.
const OTHER: PeerId = PeerId(2);
const OTHER_SPI: u32 = 0x5e00_0302;
const OTHER_CLIENT: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 3);

/// What is done to a packet on its way.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    Twice,
    Damaged,
    Cut,
    ForNobody,
}

fn fates() -> impl Strategy<Value = (bool, usize, Fate)> {
    let fate = prop_oneof![
        8 => Just(Fate::Arrives),
        1 => Just(Fate::Twice),
        1 => Just(Fate::Damaged),
        1 => Just(Fate::Cut),
        1 => Just(Fate::ForNobody),
    ];
    (
        any::<bool>(),
        prop_oneof![Just(1200_usize), 0..1300_usize],
        fate,
    )
}

fn two_clients(suite: Suite) -> DataPlane {
    let server = server(suite, Carrier::NatT);
    let updates = [
        Update::AddPeer {
            peer: OTHER,
            path: path(Carrier::NatT),
            port: 1701,
        },
        Update::InstallInbound {
            spi: OTHER_SPI,
            peer: OTHER,
            suite,
            keys: keys(suite, TO_SERVER),
            carrier: Carrier::NatT,
        },
        Update::AddSession(session(OTHER, SessionId(8), [10, 20, 30, 40])),
        Update::SetNetwork {
            session: SessionId(8),
            network: Some(network(Remote::Address(OTHER_CLIENT.into()))),
        },
    ];
    apply(&server, updates);
    server
}

fn other_client(suite: Suite) -> DataPlane {
    let plane = DataPlane::new(Config::for_peers(1));
    let mut updates = client_updates(suite, Carrier::NatT);
    if let Update::ActivateOutbound { spi, .. } = &mut updates[2] {
        *spi = OTHER_SPI;
    }
    apply(&plane, updates);
    plane
}

/// What came out for the TUN, in order.
fn delivered(ingress: Ingress<'_>) -> Option<(SessionId, Vec<u8>)> {
    match ingress {
        Ingress::Ip { session, packet } => Some((session, packet.to_vec())),
        Ingress::Dropped(_) => None,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_batch_is_its_packets_one_by_one(
        suite in proptest::sample::select(vec![CBC, GCM]),
        journeys in proptest::collection::vec(fates(), 0..90),
    ) {
        let (one, other) = (client(suite, Carrier::NatT), other_client(suite));
        let mut wire = Vec::new();
        for (number, (first, len, fate)) in journeys.into_iter().enumerate() {
            let payload = vec![number as u8; len];
            let mut sealed = if first {
                send(&one, &packet(CLIENT, WORLD, &payload))
            } else {
                send(&other, &packet(OTHER_CLIENT, WORLD, &payload))
            };
            match fate {
                Fate::Arrives => {}
                Fate::Twice => wire.push(sealed.clone()),
                Fate::Damaged => *sealed.last_mut().unwrap() ^= 1,
                Fate::Cut => sealed.truncate(len % 60),
                Fate::ForNobody => sealed[0] ^= 0x80,
            }
            wire.push(sealed);
        }

        let path = path(Carrier::NatT);
        let (singly, together) = (two_clients(suite), two_clients(suite));
        let mut copy = wire.clone();
        let expected: Vec<_> = copy
            .iter_mut()
            .filter_map(|packet| delivered(singly.ingress(now(), path, packet)))
            .collect();
        let mut got = Vec::new();
        together.ingress_batch(
            now(),
            wire.iter_mut().map(|packet| (&path, packet.as_mut_slice())),
            |ingress| got.extend(delivered(ingress)),
        );
        prop_assert_eq!(got, expected);
        prop_assert!(singly.drops().eq(together.drops()));
        for spi in [SERVER_SPI, OTHER_SPI] {
            prop_assert_eq!(singly.inbound_usage(spi), together.inbound_usage(spi));
        }
        for peer in [PEER, OTHER] {
            prop_assert_eq!(singly.peer_usage(peer), together.peer_usage(peer));
        }
        prop_assert_eq!(singly.notices(), together.notices());
    }
}

#[test]
fn a_packet_that_comes_twice_in_one_batch_passes_once() {
    let (client, server) = (client(CBC, Carrier::NatT), server(CBC, Carrier::NatT));
    let mut sealed = vec![send(&client, &packet(CLIENT, WORLD, b"hello")); 20];
    let mut passed = 0;
    let path = path(Carrier::NatT);
    server.ingress_batch(
        now(),
        sealed
            .iter_mut()
            .map(|packet| (&path, packet.as_mut_slice())),
        |ingress| passed += usize::from(delivered(ingress).is_some()),
    );
    assert_eq!(passed, 1);
    assert_eq!(server.dropped(DropReason::Replayed), 19);
}
