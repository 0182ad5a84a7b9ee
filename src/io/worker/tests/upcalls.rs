//! What comes up to the thread that decides: with whom it came, and in what order.

use super::*;

#[tokio::test]
async fn the_first_packet_rings_the_bell() {
    let (server, client) = connected(Carrier::NatT).await;
    client
        .command(Command::Inject(ip_packet(CLIENT, SERVER, 50, true)))
        .await;
    timeout(Duration::from_secs(5), server.notices.notified())
        .await
        .expect("a ring");
    let first = Notice::FirstPacket {
        spi: 0x1001,
        peer: PEER,
        truncated: false,
    };
    assert!(server.plane.notices().contains(&first));
}

#[tokio::test]
async fn control_messages_come_up_with_their_peer() {
    let (mut server, client) = connected(Carrier::NatT).await;
    let bytes = b"\xc8\x02\x00\x0c\x00\x01\x00\x00\x00\x00\x00\x01".to_vec();
    let control = Command::SealControl {
        peer: PEER,
        ports: PORTS,
        bytes: bytes.clone(),
    };
    client.command(control).await;
    let expected = FromPeer::Control {
        peer: PEER,
        ports: PORTS,
        bytes,
    };
    assert_eq!(server.upcall().await, Upcall::Authenticated(expected));

    let frame = b"\xff\x03\xc0\x21\x01\x01\x00\x04".to_vec();
    client
        .command(Command::SealPpp {
            session: SESSION,
            frame: frame.clone(),
        })
        .await;
    let Upcall::Authenticated(FromPeer::Ppp {
        session,
        frame: seen,
    }) = server.upcall().await
    else {
        panic!("no PPP frame");
    };
    assert_eq!(session, SESSION);
    assert!(
        frame.ends_with(&seen) && seen.ends_with(b"\xc0\x21\x01\x01\x00\x04"),
        "{seen:x?}"
    );
}

#[tokio::test]
async fn strays_can_be_delivered_once_their_peer_is_known() {
    let (mut server, client) = connected(Carrier::NatT).await;
    // A data message for tunnel 1, session 7: not the server's.
    let bytes = b"\x00\x02\x00\x01\x00\x07\xff\x03\xc0\x21\x09\x01\x00\x08abcd".to_vec();
    client
        .command(Command::SealControl {
            peer: PEER,
            ports: PORTS,
            bytes: bytes.clone(),
        })
        .await;
    let Upcall::Authenticated(FromPeer::Stray {
        peer,
        ports,
        ids,
        bytes: mut stray,
    }) = server.upcall().await
    else {
        panic!("no stray");
    };
    assert_eq!((peer, ports, ids, &stray), (PEER, PORTS, (1, 7), &bytes));
    // As if it had turned out to be for session 1.
    stray[5] = 1;
    server
        .command(Command::Deliver {
            peer,
            ports,
            bytes: stray,
        })
        .await;
    assert!(matches!(
        server.upcall().await,
        Upcall::Authenticated(FromPeer::Ppp {
            session: SESSION,
            ..
        })
    ));
}

#[tokio::test]
async fn ike_comes_up_without_its_marker_and_in_order_of_trust() {
    let (mut server, client) = (
        End::start("127.0.0.1", false),
        End::start("127.0.0.1", false),
    );
    let path = Path {
        local: client.ike,
        remote: server.ike,
        carrier: Carrier::Ike,
    };
    let floated = Path {
        local: client.natt,
        remote: server.natt,
        carrier: Carrier::NatT,
    };
    client
        .command(Command::Send {
            path,
            bytes: ike_message(100),
        })
        .await;
    client
        .command(Command::Send {
            path: floated,
            bytes: server.known_message(60),
        })
        .await;
    client
        .command(Command::Send {
            path: floated,
            bytes: vec![0xff],
        })
        .await;
    server.counted("received", 3).await;
    server.counted("keepalives", 1).await;

    let back = |path: Path| Path {
        local: path.remote,
        remote: path.local,
        ..path
    };
    let known = IkeMessage {
        path: back(floated),
        bytes: server.known_message(60),
    };
    let unknown = IkeMessage {
        path: back(path),
        bytes: ike_message(100),
    };
    assert_eq!(server.upcall().await, Upcall::Ike(known));
    assert_eq!(server.upcall().await, Upcall::Ike(unknown));
}
