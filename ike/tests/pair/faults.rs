//! Loss, repetition, reordering and corruption over many seeds.

use ike::Event;

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
