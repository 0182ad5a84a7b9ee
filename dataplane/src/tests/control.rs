//! Changes, and what packets see of them.

use std::net::SocketAddr;

use super::*;
use crate::owner::owner;
use crate::{DropReason, UpdateError};

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let plane = server(CBC, Carrier::NatT);
    let refused = |update| plane.apply(update).unwrap_err();
    let nobody = PeerId(99);
    let nat = path(Carrier::NatT);
    let install = |spi, peer| Update::InstallInbound {
        spi,
        peer,
        suite: CBC,
        keys: keys(CBC, 1),
        carrier: Carrier::NatT,
    };
    let activate = |peer, spi, seed| Update::ActivateOutbound {
        peer,
        spi,
        suite: CBC,
        keys: keys(if seed == 0 { GCM } else { CBC }, seed),
    };
    let unknown = UpdateError::UnknownPeer(nobody);

    assert_eq!(
        refused(Update::AddPeer {
            peer: PEER,
            path: nat,
            port: 1701,
        }),
        UpdateError::PeerExists(PEER)
    );
    assert_eq!(
        refused(Update::MovePeer {
            peer: nobody,
            path: nat
        }),
        unknown
    );
    assert_eq!(refused(Update::RemovePeer { peer: nobody }), unknown);
    assert_eq!(
        refused(Update::JoinPeer {
            from: nobody,
            into: PEER
        }),
        unknown
    );
    assert_eq!(
        refused(Update::JoinPeer {
            from: PEER,
            into: nobody
        }),
        unknown
    );
    assert_eq!(refused(install(0x1234, nobody)), unknown);
    assert_eq!(
        refused(install(SERVER_SPI, PEER)),
        UpdateError::SpiTaken(SERVER_SPI)
    );
    let same_slot = SERVER_SPI ^ 0x8000_0000;
    assert_eq!(
        refused(install(same_slot, PEER)),
        UpdateError::SpiTaken(same_slot)
    );
    assert_eq!(refused(install(255, PEER)), UpdateError::SpiTaken(255));
    assert_eq!(refused(activate(nobody, 300, 1)), unknown);
    assert!(matches!(
        refused(activate(PEER, 300, 0)),
        UpdateError::Keys(_)
    ));
    assert_eq!(
        refused(activate(PEER, CLIENT_SPI, 3)),
        UpdateError::SpiTaken(CLIENT_SPI),
        "numbers would start again under the same keys"
    );
    assert_eq!(
        refused(Update::RemoveInbound { spi: 300 }),
        UpdateError::UnknownSpi(300)
    );
    assert_eq!(
        refused(Update::RemoveInbound { spi: same_slot }),
        UpdateError::UnknownSpi(same_slot)
    );
    assert_eq!(
        refused(Update::RemoveOutbound {
            peer: PEER,
            spi: 300
        }),
        UpdateError::UnknownSpi(300)
    );
    assert_eq!(
        refused(Update::AddSession(session(PEER, SESSION, [1, 2, 3, 4]))),
        UpdateError::SessionExists(SESSION)
    );
    assert_eq!(
        refused(Update::AddSession(session(
            PEER,
            SessionId(8),
            [10, 20, 3, 4]
        ))),
        UpdateError::IdsTaken(10, 20)
    );
    assert_eq!(
        refused(Update::AddSession(session(nobody, SessionId(8), [1; 4]))),
        unknown
    );
    let gone = SessionId(8);
    assert_eq!(
        refused(Update::RemoveSession { session: gone }),
        UpdateError::UnknownSession(gone)
    );

    apply(&plane, [Update::AddSession(session(PEER, gone, [1; 4]))]);
    let set = |remote| Update::SetNetwork {
        session: gone,
        network: Some(network(remote)),
    };
    assert_eq!(
        refused(set(Remote::Address(CLIENT.into()))),
        UpdateError::AddressTaken(CLIENT.into())
    );
    apply(&plane, [set(Remote::Any)]);
    let other = Update::SetNetwork {
        session: SESSION,
        network: Some(network(Remote::Any)),
    };
    assert_eq!(refused(other), UpdateError::DefaultTaken);
    send(&plane, &packet(WORLD, CLIENT, b"still there"));
}

#[test]
fn there_is_room_for_so_many_peers() {
    let plane = DataPlane::new(Config::for_peers(3));
    let add = |n| {
        plane.apply(Update::AddPeer {
            peer: PeerId(n),
            path: path(Carrier::NatT),
            port: 1701,
        })
    };
    for n in 0..3 {
        add(n).unwrap();
    }
    assert_eq!(add(3), Err(UpdateError::Full));
    apply(&plane, [Update::RemovePeer { peer: PeerId(1) }]);
    add(3).unwrap();
    assert_eq!(plane.peer_usage(PeerId(1)), None);
}

#[test]
fn a_peer_goes_with_everything_that_is_its() {
    let plane = server(CBC, Carrier::NatT);
    let peer = std::sync::Arc::downgrade(&plane.peers[0].load_full().unwrap());
    apply(&plane, [Update::RemovePeer { peer: PEER }]);
    assert_eq!(peer.strong_count(), 0, "nothing refers to it");
    assert_eq!(plane.inbound_usage(SERVER_SPI), None);
    assert_eq!(plane.session_usage(SESSION), None);
    assert_eq!(plane.owner_for(CLIENT.into()), None);
    // And all of it can come again.
    apply(&plane, server_updates(CBC, Carrier::NatT));
}

#[test]
fn rekeying_overlaps() {
    let (client, server) = (client(CBC, Carrier::NatT), server(CBC, Carrier::NatT));
    let (new_in, new_out) = (0x5e00_0103, 0xc100_0203);
    let inner = packet(WORLD, CLIENT, b"hello");
    let up = packet(CLIENT, WORLD, b"hello");
    let back = reversed(path(Carrier::NatT));
    let install = |spi, seed| Update::InstallInbound {
        spi,
        peer: PEER,
        suite: GCM,
        keys: keys(GCM, seed),
        carrier: Carrier::NatT,
    };
    let activate = |spi, seed| Update::ActivateOutbound {
        peer: PEER,
        spi,
        suite: GCM,
        keys: keys(GCM, seed),
    };
    let late = send(&client, &up);
    apply(&server, [install(new_in, 3)]);
    apply(&client, [install(new_out, 4), activate(new_in, 3)]);
    // The client uses the new one; the server's old one still works, and the client's last packet
    // under the old one still arrives.
    assert_eq!(
        receive(&server, path(Carrier::NatT), send(&client, &up)),
        up
    );
    assert_eq!(receive(&client, back, send(&server, &inner)), inner);
    assert_eq!(receive(&server, path(Carrier::NatT), late), up);
    apply(&server, [activate(new_out, 4)]);
    assert_eq!(receive(&client, back, send(&server, &inner)), inner);
    assert_eq!(server.outbound_usage(PEER, new_out).unwrap().sequence, 1);
    // The peer deletes the new one first: the old one goes on where it was.
    apply(
        &server,
        [Update::RemoveOutbound {
            peer: PEER,
            spi: new_out,
        }],
    );
    assert_eq!(receive(&client, back, send(&server, &inner)), inner);
    assert_eq!(server.outbound_usage(PEER, CLIENT_SPI).unwrap().sequence, 2);
    apply(&server, [Update::RemoveInbound { spi: SERVER_SPI }]);
    assert_eq!(server.inbound_usage(SERVER_SPI), None);
}

/// A client whose IKE started anew under a live L2TP tunnel (a new peer, at first).
#[test]
fn a_provisional_peer_joins_the_one_it_continues() {
    const NEW: PeerId = PeerId(2);
    let server = DataPlane::new(Config::for_peers(4));
    apply(&server, server_updates(CBC, Carrier::NatT));
    let mut moved = path(Carrier::NatT);
    moved.remote.set_port(5555);
    apply(
        &server,
        [
            Update::AddPeer {
                peer: NEW,
                path: moved,
                port: 1701,
            },
            Update::InstallInbound {
                spi: 0x5e00_0104,
                peer: NEW,
                suite: GCM,
                keys: keys(GCM, TO_SERVER),
                carrier: Carrier::NatT,
            },
            Update::ActivateOutbound {
                peer: NEW,
                spi: 900,
                suite: GCM,
                keys: keys(GCM, TO_CLIENT),
            },
        ],
    );
    let client = DataPlane::new(Config::for_peers(4));
    let mut updates = client_updates(GCM, Carrier::NatT);
    updates[2] = Update::ActivateOutbound {
        peer: PEER,
        spi: 0x5e00_0104,
        suite: GCM,
        keys: keys(GCM, TO_SERVER),
    };
    apply(&client, updates);

    let inner = packet(CLIENT, WORLD, b"hello");
    let mut sealed = send(&client, &inner);
    let got = server.ingress(now(), moved, &mut sealed);
    let Ingress::Stray {
        peer: NEW,
        ports,
        tunnel: 10,
        session: 20,
        message,
    } = got
    else {
        panic!("{got:?}")
    };
    apply(
        &server,
        [Update::JoinPeer {
            from: NEW,
            into: PEER,
        }],
    );
    let got = server.deliver(PEER, ports, message);
    assert_eq!(
        got,
        Ingress::Ip {
            session: SESSION,
            packet: &mut inner.clone()
        }
    );

    // From now on all is one, and goes to the new place under the new association.
    assert_eq!(receive(&server, moved, send(&client, &inner)), inner);
    let mut down = buffer(&packet(WORLD, CLIENT, b"hello"));
    assert_eq!(
        server.egress(&mut down),
        Egress::Sealed {
            peer: PEER,
            path: moved
        }
    );
    assert_eq!(down.packet()[..4], 900_u32.to_be_bytes());
    assert_eq!(server.peer_usage(NEW), None);
    assert_eq!(server.peer_usage(PEER).unwrap().heard, 1);
    let mut message = [0, 2, 0, 10, 0, 20, 0x21];
    let gone = server.deliver(NEW, ports, &mut message);
    assert_eq!(gone, Ingress::Dropped(DropReason::UnknownPeer));
}

#[test]
fn addresses_come_and_go_with_the_network() {
    let plane = server(CBC, Carrier::NatT);
    assert_eq!(plane.owner_for(CLIENT.into()), Some((PEER, 0)));
    let other: IpAddr = Ipv4Addr::new(10, 10, 1, 77).into();
    let set = |remote| Update::SetNetwork {
        session: SESSION,
        network: Some(network(remote)),
    };
    apply(&plane, [set(Remote::Address(other))]);
    assert_eq!(
        (plane.owner_for(CLIENT.into()), plane.owner_for(other)),
        (None, Some((PEER, 0)))
    );
    apply(&plane, [set(Remote::Any)]);
    assert_eq!(plane.owner_for(CLIENT.into()), Some((PEER, 0)));
    apply(&plane, [Update::RemoveSession { session: SESSION }]);
    assert_eq!(plane.owner_for(other), None);
}

#[test]
fn sessions_without_routes_are_named_and_any_number_of_them() {
    let plane = client(CBC, Carrier::NatT);
    let other = SessionId(8);
    let unrouted = |session| Update::SetNetwork {
        session,
        network: Some(network(Remote::Unrouted)),
    };
    apply(
        &plane,
        [
            Update::AddSession(session(PEER, other, [1, 1, 10, 20])),
            unrouted(SESSION),
            unrouted(other),
        ],
    );
    // Nobody's by its destination.
    assert_eq!(plane.owner_for(WORLD.into()), None);
    let request = packet(CLIENT, WORLD, b"by name");
    let refused = plane.egress(&mut buffer(&request));
    assert_eq!(refused, Egress::Dropped(DropReason::NoSession));
    let server = server(CBC, Carrier::NatT);
    for session in [SESSION, other] {
        let mut named = buffer(&request);
        let Egress::Sealed { .. } = plane.seal_ip(session, &mut named) else {
            panic!("{session} is not sealed for");
        };
        let sealed = named.packet().to_vec();
        assert_eq!(receive(&server, path(Carrier::NatT), sealed), request);
    }
    // What comes may be from anywhere.
    let answer = packet(WORLD, CLIENT, b"answer");
    let sealed = send(&server, &answer);
    let came = receive(&plane, reversed(path(Carrier::NatT)), sealed);
    assert_eq!(came, answer);
    apply(&plane, [Update::RemoveSession { session: SESSION }]);
    assert_eq!(plane.occupancy().sessions, 1);
}

#[test]
fn a_peer_that_moves_keeps_its_thread() {
    let threads = 16;
    let plane = DataPlane::new(Config {
        threads,
        ..Config::for_peers(4)
    });
    apply(&plane, server_updates(CBC, Carrier::NatT));
    let before = plane.peer_usage(PEER).unwrap().path;
    assert_eq!(
        plane.owner_for(CLIENT.into()),
        Some((PEER, owner(&before, threads)))
    );
    let elsewhere = (1..)
        .map(|port| Path {
            remote: SocketAddr::new(before.remote.ip(), port),
            ..before
        })
        .find(|path| owner(path, threads) != owner(&before, threads))
        .unwrap();
    apply(
        &plane,
        [Update::MovePeer {
            peer: PEER,
            path: elsewhere,
        }],
    );
    assert_eq!(plane.peer_usage(PEER).unwrap().path, elsewhere);
    assert_eq!(
        plane.owner_for(CLIENT.into()),
        Some((PEER, owner(&before, threads)))
    );
}
