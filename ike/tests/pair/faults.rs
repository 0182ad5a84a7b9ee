//! Loss, repetition, reordering and corruption over many seeds.

use std::time::Duration;

use ike::{CloseReason, Event};

use crate::harness::{Faults, Pair, Side, seconds};

fn run(seed: u64, faults: Faults) -> Pair {
    let mut pair = Pair::new(seed);
    pair.client_nat = seed.is_multiple_of(2);
    pair.faults = faults;
    pair.connect();
    pair.run_for(seconds(40));
    pair
}

fn agreed_everywhere(pair: &Pair) -> bool {
    pair.agreed_child().is_some()
        && [Side::Client, Side::Server]
            .iter()
            .all(|side| pair.has(*side, |event| matches!(event, Event::ChildConfirmed { .. })))
}

#[test]
fn up_to_five_percent_of_loss_always_connects() {
    for seed in 0..150 {
        let faults = Faults {
            loss: 5,
            duplication: 10,
            corruption: 0,
            jitter: 300,
        };
        let pair = run(seed, faults);
        assert!(agreed_everywhere(&pair), "seed {seed}: {:#?}", pair.events);
    }
}

#[test]
fn at_twenty_percent_it_connects_or_both_sides_let_go() {
    let mut connected = 0;
    for seed in 0..150 {
        let faults = Faults {
            loss: 20,
            duplication: 10,
            corruption: 5,
            jitter: 2000,
        };
        let mut pair = run(seed, faults);
        if agreed_everywhere(&pair) {
            connected += 1;
            continue;
        }
        // Without faults from now on, what is half done ends, and a new try works.
        pair.faults = Faults::default();
        pair.run_for(seconds(400));
        let left = (pair.client.occupancy(), pair.server.occupancy());
        if pair.agreed_child().is_none() {
            assert_eq!(left.1.0, 0, "seed {seed}");
            pair.sas.clear();
            pair.connect();
            pair.run_for(seconds(5));
            assert!(
                pair.agreed_child().is_some(),
                "seed {seed}: {:#?}",
                pair.events
            );
        }
    }
    assert!(connected > 120, "{connected} of 150");
}

/// The client repeats its messages 3 and 5, and by then the server has time.
#[test]
fn a_server_that_was_too_busy_answers_the_repetition() {
    for busy_after in [0, 35] {
        let mut pair = Pair::new(3);
        pair.connect();
        pair.run_for(Duration::from_millis(busy_after));
        pair.busy = Some(Side::Server);
        pair.run_for(Duration::from_millis(500));
        pair.busy = None;
        assert!(pair.agreed_child().is_none());
        pair.run_for(seconds(2));
        assert!(pair.agreed_child().is_some(), "busy after {busy_after} ms");
    }
}

#[test]
fn what_nobody_computes_fails_and_leaves_nothing_behind() {
    let mut pair = Pair::new(4);
    pair.busy = Some(Side::Client);
    pair.connect();
    pair.run_for(seconds(1));
    let no_room = |event: &Event| {
        matches!(
            event,
            Event::SaDown {
                reason: CloseReason::NoRoom,
                ..
            } | Event::ChildDown {
                reason: CloseReason::NoRoom,
                ..
            }
        )
    };
    assert!(pair.has(Side::Client, no_room));
    assert_eq!(pair.client.occupancy(), (0, 0));
    assert!(pair.client.poll_timeout().is_none());

    // With forward secrecy on either side, under an IKE SA that is up.
    for busy in [Side::Client, Side::Server] {
        let mut pair = Pair::new(5);
        pair.pfs = Some(ike::crypto::Group::Ecp256);
        pair.auto_child = false;
        let sa = pair.connect();
        pair.run_for(seconds(1));
        pair.busy = Some(busy);
        let now = pair.now;
        pair.client.start_child(now, sa).expect("established");
        pair.run_for(seconds(60));
        assert_eq!((pair.children.len(), pair.spis.len()), (0, 0), "{busy:?}");
        assert_eq!(pair.has(Side::Client, no_room), busy == Side::Client);
    }
}

/// A Quick Mode that nobody had time for begins anew when the client repeats it.
#[test]
fn a_server_that_was_too_busy_for_forward_secrecy_answers_the_repetition() {
    let mut pair = Pair::new(6);
    pair.pfs = Some(ike::crypto::Group::Ecp256);
    pair.auto_child = false;
    let sa = pair.connect();
    pair.run_for(seconds(1));
    pair.busy = Some(Side::Server);
    let now = pair.now;
    pair.client.start_child(now, sa).expect("established");
    pair.run_for(Duration::from_millis(500));
    pair.busy = None;
    assert!(pair.agreed_child().is_none());
    pair.run_for(seconds(5));
    assert!(pair.agreed_child().is_some());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let faults = Faults {
        loss: 15,
        duplication: 15,
        corruption: 10,
        jitter: 1000,
    };
    let bytes = |seed| -> Vec<Vec<u8>> {
        run(seed, faults)
            .sent
            .into_iter()
            .map(|sent| sent.bytes)
            .collect()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}
