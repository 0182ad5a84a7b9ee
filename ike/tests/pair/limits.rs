//! Limits of one IKE SA, when they are reached.

use std::time::Duration;

use ike::{Answer, CloseReason, Config, Limits};

use crate::harness::{Pair, Side, quiet, seconds};

fn pair(limits: Limits) -> (Pair, ike::SaId) {
    let server = Config {
        limits,
        timing: quiet(),
        ..Config::default()
    };
    let mut pair = Pair::with(7, Config::default(), server);
    pair.auto_child = false;
    let sa = pair.connect();
    pair.run_for(seconds(1));
    (pair, sa)
}

#[test]
fn quick_modes_beyond_those_under_way_wait_for_their_repetition() {
    let (mut pair, sa) = pair(Limits {
        quick_modes_per_sa: 1,
        ..Limits::default()
    });
    for _ in 0..3 {
        let now = pair.now;
        pair.client.start_child(now, sa).expect("established");
    }
    pair.run_for(seconds(20));
    assert!(pair.server.counters().crowded_quick_modes >= 2);
    let ours = pair
        .children
        .keys()
        .filter(|(side, _)| *side == Side::Client);
    assert_eq!(ours.count(), 3, "nobody has failed");
}

#[test]
fn powers_beyond_those_of_one_address_wait_for_the_repetition_of_their_quick_mode() {
    let config = Config {
        limits: Limits {
            quick_modes_per_sa: 100,
            children_per_sa: 100,
            ..Limits::default()
        },
        timing: quiet(),
        ..Config::default()
    };
    let mut pair = Pair::with(8, config.clone(), config);
    pair.pfs = Some(ike::crypto::Group::Ecp256);
    pair.auto_child = false;
    let sa = pair.connect();
    pair.run_for(seconds(1));
    pair.held = Some(Vec::new());
    for _ in 0..70 {
        let now = pair.now;
        pair.client.start_child(now, sa).expect("established");
    }
    pair.run_for(Duration::from_millis(500));
    let held = pair.held.take().expect("it was put there");
    assert_eq!(held.len(), 64);
    assert!(pair.server.counters().crowded_quick_modes >= 6);
    for (id, job) in held {
        let now = pair.now;
        let answer = Answer::Computed(job.run());
        pair.server.handle_answer(now, id, answer);
    }
    pair.run_for(seconds(20));
    let ours = pair
        .children
        .keys()
        .filter(|(side, _)| *side == Side::Client);
    assert_eq!(ours.count(), 70, "nobody has failed");
}

#[test]
fn the_oldest_pair_of_esp_sas_gives_way() {
    let (mut pair, sa) = pair(Limits {
        children_per_sa: 2,
        ..Limits::default()
    });
    let mut started = Vec::new();
    for _ in 0..4 {
        let now = pair.now;
        started.extend(pair.client.start_child(now, sa));
        pair.run_for(seconds(2));
    }
    assert_eq!(pair.server.counters().crowded_children, 2);
    let left = pair
        .children
        .keys()
        .filter(|(side, _)| *side == Side::Client);
    let left: Vec<_> = left.map(|(_, child)| *child).collect();
    assert_eq!(left, started[2..]);
}

#[test]
fn an_address_has_so_many_ike_sas_and_one_that_ends_makes_room() {
    let (mut pair, first) = pair(Limits {
        established_per_source: 2,
        ..Limits::default()
    });
    let second = pair.connect();
    pair.run_for(seconds(1));
    let third = pair.connect();
    pair.run_for(seconds(1));
    let at_client = |pair: &Pair, sa| pair.sas.contains_key(&(Side::Client, sa));
    assert!(at_client(&pair, first) && at_client(&pair, second) && !at_client(&pair, third));
    let refusals = pair.refusals(Side::Server);
    let words = "all 2 IKE SAs that 10.0.0.2 may have are in use";
    assert_eq!(refusals.first().map(String::as_str), Some(words));

    let now = pair.now;
    pair.client.close(now, first, CloseReason::Requested);
    pair.run_for(seconds(1));
    let fourth = pair.connect();
    pair.run_for(seconds(1));
    assert!(!at_client(&pair, first) && at_client(&pair, fourth));
}
