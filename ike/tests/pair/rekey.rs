//! The initiator replaces both phases by itself; nothing is lost on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use ike::{CloseReason, Config, Event, SaId, Timing};

use crate::harness::{Pair, Side, quiet, seconds};

fn twenty_hours(client_nat: bool, loss: u32) -> Pair {
    // No traffic flows here that would tell a bad line from a dead peer.
    let timing = if loss > 0 { quiet() } else { Timing::default() };
    let client = Timing {
        ike_lifetime: seconds(3 * 3600),
        ..timing.clone()
    };
    let config = |timing| Config {
        timing,
        ..Config::default()
    };
    let mut pair = Pair::with(11, config(client), config(timing));
    pair.client_nat = client_nat;
    pair.connect();
    pair.run_for(seconds(5));
    pair.faults.loss = loss;
    let end = pair.now + seconds(20 * 3600);
    while pair.now < end {
        pair.run_for(seconds(60));
        // There is always a child SA that both sides know, and never a heap of them.
        let inbound = |side| -> BTreeSet<u32> {
            let of_side = pair.children.iter().filter(|((on, _), _)| *on == side);
            of_side.map(|(_, child)| child.inbound.spi).collect()
        };
        let outbound: BTreeSet<u32> = pair
            .children
            .iter()
            .filter(|((side, _), _)| *side == Side::Client)
            .map(|(_, child)| child.outbound.spi)
            .collect();
        assert!(
            outbound.intersection(&inbound(Side::Server)).count() >= 1,
            "{:?}",
            pair.now
        );
        assert!(pair.children.len() <= 6, "{}", pair.children.len());
        assert!(pair.sas.len() <= 6, "{}", pair.sas.len());
    }
    pair
}

#[test]
fn twenty_hours_with_rekeying_of_both_phases() {
    for client_nat in [false, true] {
        let pair = twenty_hours(client_nat, 0);
        let rekeyed = pair.count(Side::Client, |e| matches!(e, Event::SaRekeyed { .. }));
        assert!((7..=9).contains(&rekeyed), "{rekeyed}");
        let children = pair.count(
            Side::Client,
            |e| matches!(e, Event::ChildUp { details, .. } if details.replaces.is_some()),
        );
        assert!((21..=25).contains(&children), "{children}");
        assert_eq!(
            pair.count(Side::Server, |e| matches!(e, Event::Refused { .. })),
            0
        );
        assert_eq!((pair.sas.len(), pair.children.len()), (2, 2));
        assert_eq!(pair.spis.len(), 2, "replaced SPIs are given back");
        // The new child SA was up and confirmed before the old one went.
        let mut live = BTreeSet::new();
        for (_, side, event) in &pair.events {
            match event {
                Event::ChildConfirmed { child } if *side == Side::Client => {
                    live.insert(*child);
                }
                Event::ChildDown { child, .. } if *side == Side::Client => {
                    live.remove(child);
                    assert!(!live.is_empty(), "a gap");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn twenty_hours_on_a_bad_line() {
    let pair = twenty_hours(true, 10);
    assert!(pair.agreed_child().is_some());
}

#[test]
fn a_child_sa_is_replaced_on_demand_and_once_only() {
    let mut pair = Pair::with(
        12,
        Config {
            timing: quiet(),
            ..Config::default()
        },
        Config {
            timing: quiet(),
            ..Config::default()
        },
    );
    pair.connect();
    pair.run_for(seconds(2));
    let old = pair
        .children
        .keys()
        .find(|(side, _)| *side == Side::Client)
        .expect("a child SA")
        .1;
    let now = pair.now;
    pair.client.rekey_child(now, old);
    pair.client.rekey_child(now, old);
    pair.run_for(seconds(2));
    let replaced: Vec<_> = pair
        .events
        .iter()
        .filter_map(|(_, _, event)| match event {
            Event::ChildUp { details, .. } => details.replaces,
            _ => None,
        })
        .collect();
    assert_eq!((replaced, pair.children.len()), (vec![old], 4));
    pair.run_for(seconds(15));
    assert_eq!(pair.children.len(), 2, "the old one goes after the overlap");
    // What the server proposed to replace is not the server's to replace.
    let server = pair
        .children
        .keys()
        .find(|(side, _)| *side == Side::Server)
        .expect("one")
        .1;
    let (now, sent) = (pair.now, pair.sent.len());
    pair.server.rekey_child(now, server);
    pair.drain();
    assert_eq!(pair.sent.len(), sent);
}

#[test]
fn closing_while_a_successor_is_under_way_ends_both() {
    let timing = Timing {
        ike_lifetime: seconds(400),
        ..quiet()
    };
    let mut pair = Pair::with(
        13,
        Config {
            timing,
            ..Config::default()
        },
        Config::default(),
    );
    pair.connect();
    pair.run_for(seconds(300));
    // From now on nobody hears the other, so that the successor cannot come up.
    pair.faults.loss = 100;
    pair.run_for(seconds(62));
    let sa = pair
        .sas
        .keys()
        .find(|(side, _)| *side == Side::Client)
        .expect("an IKE SA")
        .1;
    let main_modes = pair.sent.iter().filter(|sent| sent.bytes[18] == 2).count();
    assert!(main_modes > 6, "rekeying has begun");
    let now = pair.now;
    pair.client.close(now, sa, CloseReason::Requested);
    pair.drain();
    pair.faults.loss = 0;
    pair.run_for(seconds(60));
    assert_eq!(pair.client.poll_timeout(), None);
    assert_eq!(pair.client.occupancy(), (0, 0));
}

/// What the client says of the end of an IKE SA.
fn end_of(pair: &Pair, sa: SaId) -> Vec<String> {
    let of_client = pair.events.iter().filter(|(_, on, _)| *on == Side::Client);
    let told = of_client.filter_map(|(_, _, event)| match event {
        Event::SaRekeyed { old, .. } if *old == sa => Some("replaced".to_owned()),
        Event::SaDown { sa: down, reason } if *down == sa => Some(reason.to_string()),
        _ => None,
    });
    told.collect()
}

/// Message 1 of the successor is lost, and the lifetime is over before it is sent again.
#[test]
fn an_ike_sa_that_expires_while_its_successor_is_under_way_is_replaced() {
    let config = |timing| Config {
        timing,
        ..Config::default()
    };
    let client = Timing {
        ike_lifetime: seconds(300),
        ..quiet()
    };
    let mut pair = Pair::with(14, config(client), config(quiet()));
    (pair.habits.ike_rekey.from, pair.habits.ike_rekey.to) = (999, 999);
    let sa = pair.connect();
    pair.run_for(seconds(299));
    pair.faults.loss = 100;
    pair.run_for(seconds(1));
    pair.faults.loss = 0;
    pair.run_for(seconds(2));
    assert_eq!(end_of(&pair, sa), ["replaced", "its lifetime is over"]);
    assert_eq!((pair.sas.len(), pair.children.len()), (2, 2));
}

#[test]
fn an_ike_sa_that_the_peer_deletes_waits_for_its_successor() {
    for fails in [false, true] {
        let config = Config {
            timing: quiet(),
            ..Config::default()
        };
        let mut pair = Pair::with(15, config.clone(), config);
        // The server does without it after two minutes.
        pair.auto_child = false;
        let sa = pair.connect();
        pair.run_for(Duration::from_millis(119_500));
        pair.faults.loss = 100;
        let now = pair.now;
        pair.client.rekey_sa(now, sa);
        pair.run_for(Duration::from_millis(500));
        pair.faults.loss = 0;
        pair.run_for(Duration::from_millis(200));
        assert!(pair.has(Side::Server, |event| matches!(
            event,
            Event::SaDown {
                reason: CloseReason::NoChild,
                ..
            }
        )));
        assert!(end_of(&pair, sa).is_empty());
        pair.faults.loss = if fails { 100 } else { 0 };
        pair.run_for(seconds(30));
        let mut expected = vec!["replaced", "deleted by the peer"];
        if fails {
            expected.remove(0);
            assert_eq!(pair.client.poll_timeout(), None);
        }
        assert_eq!(end_of(&pair, sa), expected);
    }
}

#[test]
fn with_a_dead_peer_the_successor_ends_as_well() {
    let mut pair = Pair::new(16);
    let sa = pair.connect();
    pair.run_for(seconds(2));
    pair.faults.loss = 100;
    pair.run_for(seconds(70));
    let now = pair.now;
    pair.client.rekey_sa(now, sa);
    while !pair.has(Side::Client, |e| matches!(e, Event::DeadPeer { .. })) {
        pair.run_for(seconds(1));
    }
    // Its first message would be sent once more.
    assert!(pair.now < now + seconds(15));
    pair.faults.loss = 0;
    pair.run_for(seconds(60));
    assert_eq!(
        pair.count(Side::Client, |e| matches!(e, Event::SaUp { .. })),
        1
    );
    assert_eq!(pair.client.poll_timeout(), None);
}
