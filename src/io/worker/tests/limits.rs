//! Each limit of a packet thread when it is reached: what counts, and that nobody else is affected.

use rand_core::Rng as _;
use tokio::net::UdpSocket;

use super::*;

async fn socket(address: &str) -> UdpSocket {
    UdpSocket::bind((address, 0)).await.unwrap()
}

/// The messages that wait, by their length.
fn waiting(server: &mut End) -> Vec<usize> {
    let messages = std::iter::from_fn(|| server.upcalls.recv_now());
    let lengths = messages.map(|upcall| match upcall {
        Upcall::Ike(message) => message.bytes.len(),
        Upcall::Authenticated(other) => panic!("{other:?}"),
    });
    lengths.collect()
}

#[tokio::test]
async fn cookies_that_nobody_was_given_do_not_reach_the_exchanges_under_way() {
    let mut server = End::start("127.0.0.1", false);
    let (flood, other) = (socket("127.0.0.2").await, socket("127.0.0.3").await);
    let mut rng = Rng::seed_from_u64(5);
    for _ in 0..300 {
        let forged = ike::Cookie(rng.next_u64().max(1).to_be_bytes());
        let message = ike_message_to(forged, 80);
        flood.send_to(&message, server.ike).await.unwrap();
    }
    server.counted("foreign-cookies", 300).await;
    // Nothing counts against the source, which may be forged as well.
    let message = server.known_message(81);
    flood.send_to(&message, server.ike).await.unwrap();
    other.send_to(&message, server.ike).await.unwrap();
    other.send_to(&ike_message(82), server.ike).await.unwrap();
    server.counted("received", 303).await;
    assert_eq!(waiting(&mut server), [81, 81, 82]);
    assert_eq!(server.worker.counters().limited_ike.value(), 0);
}

#[tokio::test]
async fn full_queues_of_ike_drop_each_their_own() {
    let limits = Limits {
        ike_queue: 3,
        first_ike_queue: 2,
        ..Limits::default()
    };
    let mut server = End::start_limited("127.0.0.1", false, None, limits);
    let client = socket("127.0.0.2").await;
    for _ in 0..10 {
        let known = server.known_message(81);
        client.send_to(&ike_message(80), server.ike).await.unwrap();
        client.send_to(&known, server.ike).await.unwrap();
    }
    server.counted("received", 20).await;
    server.counted("dropped-first-ike", 8).await;
    server.counted("dropped-ike", 7).await;
    assert_eq!(waiting(&mut server), [81, 81, 81, 80, 80]);
}

#[tokio::test]
async fn one_source_has_a_share_of_the_exchanges_under_way() {
    let limits = Limits {
        messages: 5,
        ..Limits::default()
    };
    let mut server = End::start_limited("127.0.0.1", false, None, limits);
    let (flood, other) = (socket("127.0.0.2").await, socket("127.0.0.3").await);
    let message = server.known_message(81);
    for _ in 0..200 {
        flood.send_to(&message, server.ike).await.unwrap();
    }
    server.counted("received", 200).await;
    let limited = server.worker.counters().limited_ike.value();
    assert!((100..=190).contains(&limited), "{limited}");
    let message = server.known_message(90);
    other.send_to(&message, server.ike).await.unwrap();
    server.counted("received", 201).await;
    let left = waiting(&mut server);
    assert_eq!(left.last(), Some(&90), "the other source gets through");
    assert_eq!(left.len() as u64, 201 - limited);
}

/// A client that says a hundred things through its tunnel while nobody reads.
async fn talkative(limits: Limits) -> End {
    let server = End::start_limited("127.0.0.1", false, None, limits);
    let client = End::start("127.0.0.1", false);
    join(Carrier::NatT, &server, &client).await;
    for _ in 0..100 {
        let bytes = vec![0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 0, 0, 0];
        let (peer, ports) = (PEER, PORTS);
        client
            .command(Command::SealControl { peer, ports, bytes })
            .await;
    }
    server.counted("received", 100).await;
    assert!(client.worker.finish());
    server
}

#[tokio::test]
async fn what_comes_out_of_a_tunnel_waits_in_bounds() {
    let limits = Limits {
        control_queue_per_client: 8,
        ..Limits::default()
    };
    talkative(limits).await.counted("dropped-credit", 92).await;
    let limits = Limits {
        control_queue: 5,
        ..Limits::default()
    };
    let server = talkative(limits).await;
    server.counted("dropped-upcalls", 95).await;
}
