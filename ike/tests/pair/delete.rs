//! How SAs end: DELETE from either side, dead peers, lifetimes, nothing to do.

use std::time::Duration;

use ike::{CloseReason, Config, Event, Timing};

use crate::harness::{Pair, Side, seconds};

fn up(seed: u64) -> Pair {
    let mut pair = Pair::new(seed);
    pair.connect();
    pair.run_for(seconds(2));
    assert!(pair.agreed_child().is_some());
    pair
}

fn ids(pair: &Pair, side: Side) -> (ike::SaId, ike::ChildId) {
    let sa = pair
        .sas
        .keys()
        .find(|(on, _)| *on == side)
        .expect("an IKE SA")
        .1;
    let child = pair
        .children
        .keys()
        .find(|(on, _)| *on == side)
        .expect("a child SA")
        .1;
    (sa, child)
}

/// Nothing may be left on either side, not even a deadline or an SPI.
fn assert_nothing_left(pair: &mut Pair) {
    pair.run_for(seconds(200));
    assert!(
        pair.sas.is_empty() && pair.children.is_empty(),
        "{:?} {:?}",
        pair.sas,
        pair.children
    );
    assert!(pair.spis.is_empty(), "{:?}", pair.spis);
    for side in [Side::Client, Side::Server] {
        assert_eq!(pair.endpoint(side).poll_timeout(), None);
        assert_eq!(pair.endpoint(side).occupancy(), (0, 0));
    }
}

#[test]
fn closing_on_either_side_ends_it_on_both() {
    for side in [Side::Client, Side::Server] {
        let mut pair = up(1);
        let (sa, _) = ids(&pair, side);
        let now = pair.now;
        pair.endpoint(side).close(now, sa, CloseReason::Requested);
        pair.run_for(seconds(1));
        let other = side.other();
        assert!(pair.has(other, |e| matches!(
            e,
            Event::ChildDown {
                reason: CloseReason::PeerDeleted,
                ..
            }
        )));
        assert!(pair.has(other, |e| matches!(
            e,
            Event::SaDown {
                reason: CloseReason::PeerDeleted,
                ..
            }
        )));
        assert_nothing_left(&mut pair);
    }
}

#[test]
fn a_child_sa_can_end_alone() {
    let mut pair = up(2);
    let (_, child) = ids(&pair, Side::Client);
    let now = pair.now;
    pair.client.delete_child(now, child);
    pair.run_for(seconds(1));
    assert!(pair.children.is_empty());
    assert_eq!(pair.sas.len(), 2);
    // The server does not keep an IKE SA without a child SA for ever.
    pair.run_for(seconds(125));
    assert!(pair.has(Side::Server, |e| matches!(
        e,
        Event::SaDown {
            reason: CloseReason::NoChild,
            ..
        }
    )));
    assert_nothing_left(&mut pair);
}

#[test]
fn a_child_sa_can_be_deleted_over_another_ike_sa_of_the_same_party() {
    let timing = Timing {
        ike_lifetime: seconds(400),
        dpd_idle: Duration::ZERO,
        ..Timing::default()
    };
    let mut pair = Pair::with(
        4,
        Config {
            timing,
            ..Config::default()
        },
        Config::default(),
    );
    pair.connect();
    pair.run_for(seconds(2));
    let (first, child) = ids(&pair, Side::Server);
    // The client rekeys phase 1 and takes its child SA along; the server's child SA still belongs
    // to the old IKE SA, which is gone then.
    pair.run_for(seconds(380));
    assert!(!pair.sas.contains_key(&(Side::Server, first)));
    assert!(pair.children.contains_key(&(Side::Server, child)));
    let (_, client_child) = ids(&pair, Side::Client);
    let now = pair.now;
    pair.client.delete_child(now, client_child);
    pair.run_for(seconds(1));
    assert!(!pair.children.contains_key(&(Side::Server, child)));
    // And the other way round.
    let sa = pair
        .sas
        .keys()
        .find(|(side, _)| *side == Side::Client)
        .expect("an IKE SA")
        .1;
    let now = pair.now;
    pair.client.start_child(now, sa).expect("established");
    pair.run_for(seconds(380));
    let (_, server_child) = ids(&pair, Side::Server);
    let now = pair.now;
    pair.server.delete_child(now, server_child);
    pair.run_for(seconds(1));
    assert!(pair.children.is_empty());
}

#[test]
fn a_peer_that_fell_silent_is_found_dead() {
    let mut pair = up(5);
    pair.faults.loss = 100;
    let start = pair.now;
    pair.run_for(seconds(200));
    for side in [Side::Client, Side::Server] {
        let dead = pair
            .events
            .iter()
            .find(|(_, on, event)| *on == side && matches!(event, Event::DeadPeer { .. }));
        let after = dead.expect("found dead").0 - start;
        assert!(after > seconds(70) && after < seconds(90), "{after:?}");
    }
    assert_nothing_left(&mut pair);
}

#[test]
fn questions_are_answered_and_traffic_makes_them_unnecessary() {
    let mut pair = up(6);
    let before = pair.sent.len();
    pair.run_for(seconds(600));
    let asked = pair.sent.len() - before;
    // The sides spare each other: a question of one is a sign of life for the other.
    assert!(asked > 20 && asked < 100, "{asked}");
    assert!(!pair.has(Side::Client, |e| matches!(e, Event::DeadPeer { .. })));
    let (_, client) = ids(&pair, Side::Client);
    let (_, server) = ids(&pair, Side::Server);
    pair.run_for(seconds(1));
    let before = pair.sent.len();
    for _ in 0..60 {
        let now = pair.now;
        pair.client.note_traffic(now, client);
        pair.server.note_traffic(now, server);
        pair.run_for(seconds(10));
    }
    assert_eq!(pair.sent.len(), before);
}

#[test]
fn a_client_that_never_rekeys_is_outlived_by_a_margin() {
    let client = Config {
        timing: Timing {
            child_lifetime: seconds(1000),
            dpd_idle: Duration::ZERO,
            ..Timing::default()
        },
        ..Config::default()
    };
    let mut pair = Pair::with(7, client, Config::default());
    pair.connect();
    pair.run_for(seconds(2));
    let (_, child) = ids(&pair, Side::Server);
    assert_eq!(
        pair.children[&(Side::Server, child)].lifetime,
        seconds(1000)
    );
    pair.faults.loss = 100;
    let start = pair.now;
    pair.server.note_traffic(start, child);
    while pair.children.contains_key(&(Side::Server, child)) {
        pair.run_for(seconds(1));
        let now = pair.now;
        pair.server.note_traffic(now, child);
        assert!(pair.now - start < seconds(2000));
    }
    let lived = pair.now - start;
    assert!(
        lived >= seconds(1095) && lived <= seconds(1102),
        "{lived:?}"
    );
}

/// QUIRK(strongSwan): it offers 0 when it is not to rekey.
#[test]
fn a_lifetime_of_0_does_not_end() {
    let client = Config {
        timing: Timing {
            ike_lifetime: Duration::ZERO,
            child_lifetime: Duration::ZERO,
            ..Timing::default()
        },
        ..Config::default()
    };
    let mut pair = Pair::with(9, client, Config::default());
    pair.connect();
    pair.run_for(seconds(3600));
    let (sa, child) = ids(&pair, Side::Server);
    let ceiling = Timing::default().lifetime_ceiling;
    assert_eq!(pair.sas[&(Side::Server, sa)].lifetime, ceiling);
    assert_eq!(pair.children[&(Side::Server, child)].lifetime, ceiling);
    for side in [Side::Client, Side::Server] {
        assert!(!pair.has(side, |event| matches!(
            event,
            Event::SaDown { .. } | Event::ChildDown { .. }
        )));
    }
}

#[test]
fn the_answer_to_a_request_of_something_gone_is_ignored() {
    let mut pair = Pair::new(8);
    let sa = {
        let (now, initiate) = (pair.now, pair.initiate());
        pair.client.initiate(now, initiate)
    };
    pair.run_for(seconds(1));
    let now = pair.now;
    let child = pair.client.start_child(now, sa).expect("established");
    let mut request = None;
    while let Some(output) = pair.client.poll_output() {
        if let ike::Output::Request(id, _) = output {
            request = Some(id);
        }
    }
    pair.client.close(now, sa, CloseReason::Requested);
    pair.drain();
    assert!(pair.has(
        Side::Client,
        |e| matches!(e, Event::ChildDown { child: c, .. } if *c == child)
    ));
    let request = request.expect("an SPI was asked for");
    pair.client
        .handle_answer(now, request, ike::Answer::Spi(Some(0x4242)));
    pair.drain();
    assert!(pair.has(Side::Client, |e| matches!(e, Event::SpiUnused(0x4242))));
}
