//! Connections in queues of their own.

use super::*;

/// Packets that wait in the device when the worker begins: fewer than it has places.
const WAITING: u16 = 400;
/// What else waits, one packet for each connection.
const OTHERS: u16 = 8;

/// UDP from the server's host to the client, through the device.
fn send(number: u16, socket: &std::net::UdpSocket) {
    let sent = socket.send_to(&number.to_be_bytes(), (IpAddr::from(CLIENT), 7));
    assert_eq!(sent.unwrap(), 2);
}

async fn one_connection_is_not_in_the_way_of_others() {
    // Another device, while nothing is to be read yet.
    let (_idle, idle) = Tun::create("adit-t7", 1, true).unwrap();
    let (tun, queues) = devices(true, None);
    let (server, mut client) = connected_with(Carrier::NatT, Some(idle.into())).await;
    let bulk = std::net::UdpSocket::bind((IpAddr::from(SERVER), 0)).unwrap();
    (0..WAITING).for_each(|number| send(number, &bulk));
    let others = (WAITING..WAITING + OTHERS).map(|number| {
        let socket = std::net::UdpSocket::bind((IpAddr::from(SERVER), 0)).unwrap();
        send(number, &socket);
        socket
    });
    let _others: Vec<_> = others.collect();

    server.command(Command::Renew(queues)).await;
    let mut arrived = Vec::new();
    while arrived.len() < usize::from(WAITING + OTHERS) {
        let packet = client.packet().await;
        arrived.push(u16::from_be_bytes(*packet[28..].first_chunk().unwrap()));
    }
    drop(tun);
    let of_bulk = arrived.iter().filter(|number| **number < WAITING);
    assert!(of_bulk.copied().eq(0..WAITING), "each in its order");
    // Some of them may share the queue with it.
    let early = &arrived[..usize::from(WAITING / 2)];
    let early = early.iter().filter(|number| **number >= WAITING).count();
    assert!(early >= 2, "{early} of {OTHERS} were not held up");
}

#[test]
fn a_connection_that_fills_its_queue_does_not_hold_up_others() {
    in_a_namespace(
        "io::worker::tests::queues::a_connection_that_fills_its_queue_does_not_hold_up_others",
        || run(one_connection_is_not_in_the_way_of_others()),
    );
}
