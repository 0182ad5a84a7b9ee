//! Limits of one IKE SA, when they are reached.

use ike::{Config, Limits};

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
