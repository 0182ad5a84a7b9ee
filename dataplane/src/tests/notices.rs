//! What the control plane is told.

use std::sync::Arc;

use super::*;
use crate::Notice;
use crate::sa::OutboundSa;

const HEARD: Notice = Notice::Heard {
    peer: PEER,
    at: Instant::from_boot(Duration::from_secs(100)),
};
/// The session's data came with it.
const SESSION_HEARD: Notice = Notice::SessionHeard { session: SESSION };
const FIRST: Notice = Notice::FirstPacket {
    spi: SERVER_SPI,
    peer: PEER,
    truncated: false,
};

fn elsewhere() -> Path {
    let mut path = path(Carrier::NatT);
    path.remote.set_port(61_000);
    path
}

#[test]
fn the_first_packet_is_told_once() {
    let (client, server) = (client(CBC, Carrier::NatT), server(CBC, Carrier::NatT));
    assert!(!server.take_urgent());
    assert_eq!(server.notices(), []);
    let inner = packet(CLIENT, WORLD, b"hello");
    for expected in [
        &[FIRST, HEARD, SESSION_HEARD][..],
        &[HEARD, SESSION_HEARD],
        &[HEARD, SESSION_HEARD],
    ] {
        receive(&server, path(Carrier::NatT), send(&client, &inner));
        receive(&server, path(Carrier::NatT), send(&client, &inner));
        assert_eq!(server.take_urgent(), expected.len() == 3);
        assert!(!server.take_urgent());
        assert_eq!(server.notices(), expected);
        assert_eq!(server.notices(), []);
    }
}

#[test]
fn a_forged_packet_is_not_noticed() {
    let (client, server) = (client(CBC, Carrier::NatT), server(CBC, Carrier::NatT));
    let mut sealed = send(&client, &packet(CLIENT, WORLD, b"hello"));
    *sealed.last_mut().unwrap() ^= 1;
    server.ingress(now(), elsewhere(), &mut sealed);
    assert_eq!(server.notices(), []);
    assert_eq!(server.peer_usage(PEER).unwrap().heard, 0);
}

#[test]
fn only_the_newest_packets_move_a_peer() {
    let (client, server) = (client(CBC, Carrier::NatT), server(CBC, Carrier::NatT));
    let inner = packet(CLIENT, WORLD, b"hello");
    let delayed = send(&client, &inner);
    receive(&server, path(Carrier::NatT), send(&client, &inner));
    server.notices();

    // Held back by somebody and sent from elsewhere: taken, but moves nothing.
    receive(&server, elsewhere(), delayed);
    assert_eq!(server.notices(), [HEARD, SESSION_HEARD]);

    let newest = send(&client, &inner);
    receive(&server, elsewhere(), newest.clone());
    let moved = Notice::Moved {
        peer: PEER,
        path: elsewhere(),
    };
    assert!(server.take_urgent());
    assert_eq!(server.notices(), [moved, HEARD, SESSION_HEARD]);
    // Until the control plane agrees, packets go where they went.
    let mut down = buffer(&packet(WORLD, CLIENT, b"hello"));
    assert_eq!(
        server.egress(&mut down),
        Egress::Sealed {
            peer: PEER,
            path: path(Carrier::NatT)
        }
    );
    apply(
        &server,
        [Update::MovePeer {
            peer: PEER,
            path: elsewhere(),
        }],
    );
    let mut down = buffer(&packet(WORLD, CLIENT, b"hello"));
    assert_eq!(
        server.egress(&mut down),
        Egress::Sealed {
            peer: PEER,
            path: elsewhere()
        }
    );

    // Repeated from a third place: dropped, and moves nothing.
    let mut third = elsewhere();
    third.remote.set_port(1);
    server.ingress(now(), third, &mut newest.clone());
    assert_eq!(server.notices(), []);
}

#[test]
fn a_peer_that_comes_back_has_not_moved() {
    let (client, server) = (client(CBC, Carrier::NatT), server(CBC, Carrier::NatT));
    let inner = packet(CLIENT, WORLD, b"hello");
    receive(&server, elsewhere(), send(&client, &inner));
    receive(&server, path(Carrier::NatT), send(&client, &inner));
    assert_eq!(server.notices(), [FIRST, HEARD, SESSION_HEARD]);
}

#[test]
fn raw_peers_never_move() {
    let (client, server) = (client(CBC, Carrier::Raw), server(CBC, Carrier::Raw));
    let inner = packet(CLIENT, WORLD, b"hello");
    for from in [
        path(Carrier::Raw),
        elsewhere(),
        Path {
            carrier: Carrier::Raw,
            ..elsewhere()
        },
    ] {
        receive(&server, from, send(&client, &inner));
    }
    assert_eq!(server.notices(), [FIRST, HEARD, SESSION_HEARD]);
}

#[test]
fn running_low_of_sequence_numbers_is_told_once() {
    let server = server(CBC, Carrier::NatT);
    let low = OutboundSa {
        sequence: esp::SequenceCounter::resume((1 << 31) - 2),
        ..OutboundSa::new(esp::Sealer::new(CBC, CLIENT_SPI, &keys(CBC, TO_CLIENT)).unwrap())
    };
    server
        .by_peer
        .with(PEER, |peer| peer.outbound.store(Some(Arc::new(low))));
    let inner = packet(WORLD, CLIENT, b"hello");
    let told = |server: &DataPlane| {
        send(server, &inner);
        server.notices()
    };
    assert_eq!(told(&server), []);
    assert_eq!(
        told(&server),
        [Notice::SequenceLow {
            peer: PEER,
            spi: CLIENT_SPI
        }]
    );
    assert_eq!(told(&server), []);
}

#[test]
fn a_session_that_is_silent_beside_another_is_not_heard() {
    let (client, server) = (client(CBC, Carrier::NatT), server(CBC, Carrier::NatT));
    let silent = session(PEER, SessionId(8), [10, 21, 30, 41]);
    apply(&server, [Update::AddSession(silent)]);
    receive(
        &server,
        path(Carrier::NatT),
        send(&client, &packet(CLIENT, WORLD, b"hello")),
    );
    assert_eq!(server.notices(), [FIRST, HEARD, SESSION_HEARD]);
}
