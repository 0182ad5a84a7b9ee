//! Rekeying by habit: when, in which order, on which port, under which message ids.

use std::time::Duration;

use ike::codec::{Delete, ExchangeType, Identification, PayloadType, ProtocolId};
use ike::habits::{OldSa, Rekey};
use ike::{ChildId, Event, Habits, Identity, LegacyOption, SaId, habits};
use wire::{Carrier, Instant};

use super::{bodies, connected, later, opened, pair};
use crate::harness::{CLIENT, Pair, Side, ip, seconds};

const ALL: [fn() -> Habits; 9] = [
    Habits::default,
    habits::windows_7,
    habits::windows_10,
    habits::apple,
    habits::android,
    habits::chromeos,
    habits::network_manager_strongswan,
    habits::network_manager_libreswan,
    habits::mikrotik,
];

fn sa(pair: &Pair) -> SaId {
    let mut sas = pair.sas.keys().filter(|(side, _)| *side == Side::Client);
    sas.next_back().expect("an IKE SA").1
}

fn child(pair: &Pair) -> ChildId {
    let mut children = pair.children.keys();
    let found = children.rfind(|(side, _)| *side == Side::Client);
    found.expect("a child SA").1
}

/// Nine hours are more than any child SA here lives, and more than any IKE SA but MikroTik's.
#[test]
fn every_client_stays_in_for_nine_hours() {
    stay_in(0);
}

#[test]
fn every_client_stays_in_for_nine_hours_on_a_bad_line() {
    stay_in(5);
}

fn stay_in(loss: u32) {
    for (place, habits) in ALL.into_iter().enumerate() {
        let client = format!("client {place}");
        let habits = habits();
        let lifetimes = habits.ike_proposal.as_ref().map(|ike| ike.lifetime);
        let mut pair = pair(habits, &LegacyOption::ALL);
        pair.client_nat = place % 2 == 0;
        pair.connect();
        pair.run_for(seconds(5));
        pair.faults.loss = loss;
        let end = pair.now + seconds(9 * 3600);
        while pair.now < end {
            pair.run_for(seconds(60));
            assert!(pair.agreed_child().is_some(), "{client} at {:?}", pair.now);
            // Where a DELETE was lost, the server waits for the end of the lifetime.
            assert!(pair.children.len() <= 8, "{client}");
            assert!(pair.sas.len() <= 6, "{client}");
        }
        let rekeyed = pair.count(Side::Client, |e| matches!(e, Event::SaRekeyed { .. }));
        let lifetime = lifetimes.map_or(28_800, |lifetime| lifetime.as_secs());
        let expected = 9 * 3600 / lifetime;
        assert!(
            rekeyed as u64 >= expected,
            "{client}: {rekeyed} of {expected}"
        );
        let replaced =
            |e: &Event| matches!(e, Event::ChildUp { details, .. } if details.replaces.is_some());
        assert!(pair.count(Side::Client, replaced) > 0, "{client}");
        let refused = pair.count(Side::Server, |e| matches!(e, Event::Refused { .. }));
        assert_eq!(refused, 0, "{client}: {:?}", pair.refusals(Side::Server));
        assert_eq!(pair.spis.len(), pair.children.len(), "{client}: lost SPIs");
    }
}

/// Seconds from the first child SA to its successor.
fn child_age(habits: Habits) -> u64 {
    let mut pair = connected(habits, &LegacyOption::ALL);
    pair.run_for(seconds(9 * 3600));
    let ups: Vec<Instant> = pair
        .events
        .iter()
        .filter(|(_, side, event)| *side == Side::Client && matches!(event, Event::ChildUp { .. }))
        .map(|(at, ..)| *at)
        .collect();
    (ups[1] - ups[0]).as_secs()
}

#[test]
fn child_sas_are_replaced_at_the_client_s_own_time() {
    assert_eq!(child_age(habits::apple()), 2880);
    assert_eq!(child_age(habits::android()), 23_040);
    assert_eq!(child_age(habits::mikrotik()), 1440);
    assert!((3420..=3528).contains(&child_age(habits::windows_10())));
    assert!((2520..=3060).contains(&child_age(habits::chromeos())));
    let exact = Habits {
        child_rekey: Rekey {
            from: 500,
            to: 500,
            old: OldSa::default(),
        },
        ..habits::windows_10()
    };
    assert_eq!(child_age(exact), 1800);
}

#[test]
fn windows_counts_its_quick_modes_from_one_under_each_ike_sa() {
    let mut pair = connected(habits::windows_10(), &[]);
    for _ in 0..3 {
        let (now, old) = (pair.now, child(&pair));
        pair.client.rekey_child(now, old);
        pair.run_for(seconds(20));
    }
    let (now, old) = (pair.now, sa(&pair));
    pair.client.rekey_sa(now, old);
    pair.run_for(seconds(20));
    for _ in 0..2 {
        let (now, old) = (pair.now, child(&pair));
        pair.client.rekey_child(now, old);
        pair.run_for(seconds(20));
    }
    let mut ids: Vec<u32> = later(&pair)
        .iter()
        .filter(|message| message.exchange == ExchangeType::QUICK_MODE)
        .map(|message| message.message_id)
        .collect();
    // Each has two messages of the client's.
    ids.dedup();
    assert_eq!(ids, [1, 2, 3, 4, 1, 2]);
    // Those of Informational messages do not count.
    let informational = later(&pair);
    let informational = informational
        .iter()
        .filter(|message| message.exchange == ExchangeType::INFORMATIONAL);
    assert!(informational.clone().count() >= 4);
    assert!(informational.clone().all(|message| message.message_id > 64));
}

/// What is said when a child SA is replaced: "Q" for Quick Mode, "D" for DELETE of an ESP SA.
fn order(old: OldSa, wait: u64) -> (String, usize) {
    let rekey = Rekey {
        old,
        ..Rekey::default()
    };
    let mut pair = connected(
        Habits {
            child_rekey: rekey,
            ..Habits::default()
        },
        &[],
    );
    let before = later(&pair).len();
    let (now, replaced) = (pair.now, child(&pair));
    pair.client.rekey_child(now, replaced);
    pair.run_for(seconds(wait));
    let messages = later(&pair);
    let said = messages[before..]
        .iter()
        .map(|message| match message.exchange {
            ExchangeType::QUICK_MODE => 'Q',
            _ => {
                let delete = bodies(message, PayloadType::DELETE)[0];
                let delete = Delete::parse(delete).expect("a DELETE");
                assert_eq!(delete.protocol, ProtocolId::ESP);
                'D'
            }
        });
    (said.collect(), pair.children.len())
}

#[test]
fn an_old_child_sa_is_deleted_before_or_after_its_successor_is_up_or_not_at_all() {
    assert_eq!(order(OldSa::DeletedAfterOverlap, 5), ("QQ".to_owned(), 4));
    assert_eq!(order(OldSa::DeletedAfterOverlap, 15), ("QQD".to_owned(), 2));
    assert_eq!(order(OldSa::DeletedBefore, 15), ("DQQ".to_owned(), 2));
    assert_eq!(order(OldSa::LeftToExpire, 600), ("QQ".to_owned(), 4));
}

/// Whether the DELETE of the old IKE SA comes before the new Main Mode, and what is left.
#[test]
fn an_old_ike_sa_is_deleted_before_or_after_its_successor_is_up() {
    for (old, expected) in [
        (OldSa::DeletedAfterOverlap, "MMMD"),
        (OldSa::DeletedBefore, "DMMM"),
        (OldSa::LeftToExpire, "MMM"),
    ] {
        let rekey = Rekey {
            old,
            ..Rekey::default()
        };
        let habits = Habits {
            ike_rekey: rekey,
            ..habits::windows_10()
        };
        let mut pair = connected(habits, &[]);
        let before = opened(&pair).len();
        let (now, replaced) = (pair.now, sa(&pair));
        pair.client.rekey_sa(now, replaced);
        pair.client.rekey_sa(now, replaced);
        pair.run_for(seconds(30));
        let said: String = opened(&pair)[before..]
            .iter()
            .map(|message| match message.exchange {
                ExchangeType::MAIN_MODE => 'M',
                _ => 'D',
            })
            .collect();
        assert_eq!(said, expected, "{old:?}");
        assert!(pair.has(
            Side::Client,
            |e| matches!(e, Event::SaRekeyed { old, .. } if *old == replaced)
        ));
        // The child SA has outlived it, and can still be replaced.
        let (now, old_child) = (pair.now, child(&pair));
        pair.client.rekey_child(now, old_child);
        pair.run_for(seconds(30));
        assert!(pair.agreed_child().is_some(), "{old:?}");
        assert_eq!(pair.children.len(), 2, "{old:?}");
        let left = if old == OldSa::LeftToExpire { 4 } else { 2 };
        assert_eq!(pair.sas.len(), left, "{old:?}");
    }
}

/// Ports of message 1 of the Main Modes begun while nothing gets through on the NAT-T port.
fn ports_of_a_rekey(habits: Habits) -> (Vec<Carrier>, bool) {
    let mut pair = pair(habits, &[]);
    pair.client_nat = true;
    pair.connect();
    pair.run_for(seconds(5));
    pair.blocked = Some(Carrier::NatT);
    let before = pair.sent.len();
    let (now, old) = (pair.now, sa(&pair));
    pair.client.rekey_sa(now, old);
    let begun = |pair: &Pair| -> Vec<Carrier> {
        let mut begun: Vec<_> = pair.sent[before..]
            .iter()
            .filter(|sent| sent.from == Side::Client && sent.bytes.get(18) == Some(&2))
            .filter(|sent| sent.bytes[8..16] == [0; 8])
            .map(|sent| (sent.bytes[..8].to_vec(), sent.path.carrier))
            .collect();
        begun.dedup();
        begun.into_iter().map(|(_, carrier)| carrier).collect()
    };
    let end = pair.now + seconds(39);
    while pair.now < end && !begun(&pair).contains(&Carrier::Ike) {
        pair.run_for(Duration::from_millis(100));
    }
    pair.blocked = None;
    pair.run_for(seconds(60));
    let rekeyed = pair.has(Side::Client, |e| matches!(e, Event::SaRekeyed { .. }));
    (begun(&pair), rekeyed && pair.agreed_child().is_some())
}

#[test]
fn apple_tries_the_ike_port_when_there_is_no_answer_on_the_nat_t_port() {
    let (ports, rekeyed) = ports_of_a_rekey(habits::apple());
    assert_eq!(ports, [Carrier::NatT, Carrier::Ike]);
    assert!(rekeyed);
    let (ports, rekeyed) = ports_of_a_rekey(habits::windows_10());
    assert!(ports.iter().all(|port| *port == Carrier::NatT), "{ports:?}");
    assert!(rekeyed);
}

/// QUIRK(Windows before KB 818043): a host name stands in IDci when rekeying behind a NAT.
#[test]
fn a_name_in_place_of_the_address_when_rekeying() {
    let name = Identity::Fqdn(b"winxp.example".to_vec());
    let mut pair = pair(
        Habits {
            renamed_on_rekey: Some(name.clone()),
            ..habits::windows_10()
        },
        &[],
    );
    pair.client_nat = true;
    pair.connect();
    pair.run_for(seconds(5));
    let (now, old) = (pair.now, child(&pair));
    pair.client.rekey_child(now, old);
    pair.run_for(seconds(5));
    let (ours, theirs) = pair.agreed_child().expect("a child SA");
    assert_eq!(ours.replaces, Some(old));
    assert_eq!(theirs.initiator_traffic.port, 1701);
    let identities: Vec<Identity> = later(&pair)
        .iter()
        .filter_map(|message| {
            let ids = bodies(message, PayloadType::ID);
            let id = Identification::parse(ids.first()?).expect("an ID");
            Some(id.identity)
        })
        .collect();
    assert_eq!(identities, [Identity::from(ip(CLIENT)), name]);
}
