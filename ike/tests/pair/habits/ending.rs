//! How connections begin and end by habit: INITIAL-CONTACT, ports, repetitions, farewells.

use std::time::Duration;

use ike::codec::{
    Attribute, Delete, ExchangeType, Header, Notification, NotifyType, PayloadType, ProtocolId, Sa,
};
use ike::habits::{Farewell, FirstPort};
use ike::{CloseReason, Event, Habits, LegacyOption, habits};
use wire::Carrier;

use super::{bodies, connected, first, later, opened, pair};
use crate::harness::{Side, seconds};

fn says_initial_contact(body: &[u8]) -> bool {
    let notification = Notification::parse(body).expect("a notification");
    notification.kind == NotifyType::INITIAL_CONTACT
}

/// Where INITIAL-CONTACT stands: the exchanges with such a notification.
fn places(pair: &crate::harness::Pair) -> Vec<ExchangeType> {
    let messages = opened(pair);
    let saying = messages.iter().filter(|message| {
        let mut notifications = bodies(message, PayloadType::NOTIFICATION).into_iter();
        notifications.any(says_initial_contact)
    });
    saying.map(|message| message.exchange).collect()
}

#[test]
fn initial_contact_has_three_forms_and_is_not_said_when_rekeying() {
    for (habits, expected) in [
        (Habits::default(), Some(ExchangeType::MAIN_MODE)),
        (habits::windows_10(), None),
        (habits::network_manager_libreswan(), None),
        (
            habits::network_manager_strongswan(),
            Some(ExchangeType::MAIN_MODE),
        ),
        (habits::chromeos(), Some(ExchangeType::MAIN_MODE)),
        (habits::apple(), Some(ExchangeType::INFORMATIONAL)),
    ] {
        let mut pair = connected(habits, &[]);
        let sa = pair.sas.keys().find(|(side, _)| *side == Side::Client);
        let sa = sa.expect("an IKE SA").1;
        let now = pair.now;
        pair.client.rekey_sa(now, sa);
        pair.run_for(seconds(5));
        assert!(pair.has(Side::Client, |e| matches!(e, Event::SaRekeyed { .. })));
        assert_eq!(places(&pair), Vec::from_iter(expected));
        let heard = pair.count(Side::Server, |e| matches!(e, Event::InitialContact { .. }));
        assert_eq!(heard, usize::from(expected.is_some()));
    }
}

#[test]
fn an_informational_initial_contact_comes_before_quick_mode() {
    let pair = connected(habits::apple(), &[]);
    let exchanges: Vec<_> = later(&pair).iter().map(|m| m.exchange).collect();
    let quick = ExchangeType::QUICK_MODE;
    assert_eq!(exchanges, [ExchangeType::INFORMATIONAL, quick, quick]);
}

#[test]
fn a_main_mode_may_begin_on_the_nat_t_port() {
    for nat in [false, true] {
        let habits = Habits {
            first_port: FirstPort::NatT,
            ..habits::windows_10()
        };
        let mut pair = pair(habits, &[]);
        pair.client_nat = nat;
        pair.connect();
        pair.run_for(seconds(5));
        assert!(pair.agreed_child().is_some(), "NAT {nat}");
        let mut sent = pair.sent.iter();
        assert!(sent.all(|sent| sent.path.carrier == Carrier::NatT));
    }
}

/// When message 1 leaves as long as nobody answers.
fn rhythm(habits: Habits) -> Vec<u128> {
    let mut pair = pair(habits, &[]);
    pair.faults.loss = 100;
    let start = pair.now;
    pair.connect();
    pair.run_for(seconds(600));
    let down = |e: &Event| {
        matches!(
            e,
            Event::SaDown {
                reason: CloseReason::NoAnswer { .. },
                ..
            }
        )
    };
    assert!(pair.has(Side::Client, down));
    let times = pair.sent.iter().map(|sent| (sent.at - start).as_millis());
    times.collect()
}

#[test]
fn requests_are_repeated_in_the_rhythm_of_the_client() {
    assert_eq!(rhythm(Habits::default()), [0, 1000, 3000, 7000, 15_000]);
    assert_eq!(
        rhythm(habits::windows_10()),
        [0, 1000, 3000, 7000, 15_000, 31_000]
    );
    assert_eq!(
        rhythm(habits::network_manager_libreswan()),
        [0, 500, 1500, 3500, 7500, 15_500, 31_500]
    );
    assert_eq!(
        rhythm(habits::chromeos()),
        [0, 4000, 11_200, 24_160, 47_488, 89_478]
    );
    assert_eq!(
        rhythm(habits::android()),
        [0, 10_000, 20_000, 30_000, 40_000]
    );
    let own = Habits {
        retransmit: Some(vec![Duration::from_millis(20)]),
        ..Habits::default()
    };
    assert_eq!(rhythm(own), [0]);
}

/// The DELETE payloads of the last messages: how many SPIs of which protocol.
fn farewell(habits: Habits) -> Vec<Vec<(ProtocolId, usize)>> {
    let mut pair = connected(habits, &[]);
    let sa = pair.sas.keys().find(|(side, _)| *side == Side::Client);
    let sa = sa.expect("an IKE SA").1;
    let before = later(&pair).len();
    let now = pair.now;
    pair.client.close(now, sa, CloseReason::Requested);
    pair.run_for(seconds(1));
    assert!(pair.sas.is_empty() && pair.children.is_empty() && pair.spis.is_empty());
    assert_eq!(pair.client.occupancy(), (0, 0));
    let deletes = |message: &super::Message| {
        let bodies = bodies(message, PayloadType::DELETE).into_iter();
        let deletes = bodies.map(|body| Delete::parse(body).expect("a DELETE"));
        deletes
            .map(|delete| (delete.protocol, delete.spis.len()))
            .collect()
    };
    later(&pair)[before..].iter().map(deletes).collect()
}

#[test]
fn a_connection_ends_with_one_message_or_two() {
    let (esp, ike) = ((ProtocolId::ESP, 1), (ProtocolId::ISAKMP, 1));
    assert_eq!(farewell(habits::windows_10()), [vec![esp], vec![ike]]);
    assert_eq!(farewell(Habits::default()), [vec![esp], vec![ike]]);
    let one = Habits {
        farewell: Farewell::One,
        ..Habits::default()
    };
    assert_eq!(farewell(one), [vec![esp, ike]]);
}

/// A responder that takes DES, which is offered by habit and not to be had here, does not get it.
#[test]
fn a_choice_that_is_beyond_us_is_refused() {
    let mut pair = pair(habits::android(), &[LegacyOption::Android]);
    pair.faults.loss = 100;
    pair.connect();
    let message_1 = pair.sent[0].clone();
    let mut answer = message_1.bytes.clone();
    answer[8..16].copy_from_slice(&[7; 8]);
    let (header, _) = Header::parse(&answer).expect("a header");
    let messages = opened(&pair);
    let main = first(&messages, ExchangeType::MAIN_MODE);
    let mut sa = Sa::parse(bodies(main, PayloadType::SA)[0]).expect("an SA payload");
    let des = |attribute: &Attribute| (attribute.class, attribute.number()) == (1, Some(1));
    sa.proposals[0]
        .transforms
        .retain(|transform| transform.attributes.iter().any(des));
    assert_eq!(sa.proposals[0].transforms.len(), 3);
    sa.proposals[0].transforms.truncate(1);
    let chosen = ike::codec::ChainBuilder::new().with(PayloadType::SA, &sa);
    pair.inject(Side::Client, message_1.path, &chosen.message(header));
    pair.run_for(seconds(60));
    let reasons: Vec<String> = pair
        .events
        .iter()
        .filter_map(|(_, _, event)| match event {
            Event::SaDown { reason, .. } => Some(reason.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(reasons.len(), 1);
    assert!(
        reasons[0].contains("the transform is not one of ours"),
        "{reasons:?}"
    );
}

/// The owner of a parallel Main Mode, begun while another is established, gets a second IKE SA.
#[test]
fn main_modes_may_stand_beside_each_other() {
    let mut pair = connected(habits::windows_10(), &[]);
    pair.connect();
    pair.connect();
    pair.run_for(seconds(5));
    let of = |side| pair.sas.keys().filter(|(on, _)| *on == side).count();
    assert_eq!((of(Side::Client), of(Side::Server)), (3, 3));
    assert!(!pair.has(Side::Client, |e| matches!(e, Event::SaRekeyed { .. })));
}

/// Where the peer is asked at all, and how often in a silent hour.
#[test]
fn questions_whether_the_peer_lives() {
    let asked = |habits: Habits| -> (usize, usize) {
        let mut pair = crate::harness::Pair::with(
            2,
            ike::Config::default(),
            ike::Config {
                policy: ike::Policy::new(&[LegacyOption::PfsModp1024]),
                ..ike::Config::default()
            },
        );
        pair.habits = habits;
        pair.connect();
        pair.run_for(seconds(5));
        let before = pair.sent.len();
        pair.run_for(seconds(600));
        let informational: Vec<_> = pair.sent[before..]
            .iter()
            .filter(|sent| Header::parse(&sent.bytes).expect("one").0.exchange.0 == 5)
            .collect();
        let from = |side| informational.iter().filter(|s| s.from == side).count();
        (from(Side::Client), from(Side::Server))
    };
    // Nobody asks Windows, and it asks nobody.
    assert_eq!(asked(habits::windows_10()), (0, 0));
    // Apple answers the server's questions.
    let (client, server) = asked(habits::apple());
    assert!(client == server && client >= 15, "{client} {server}");
    // MikroTik asks too, but not while it is being asked all the time.
    let (client, server) = asked(habits::mikrotik());
    assert!(client == server && client >= 15, "{client} {server}");
}

#[test]
fn a_peer_that_is_gone_is_found_out_by_those_who_ask() {
    let gone_after = |habits: Habits, options: &[LegacyOption]| {
        let mut pair = connected(habits, options);
        pair.faults.loss = 100;
        let start = pair.now;
        pair.run_for(seconds(1200));
        let events = pair.events.iter();
        let mut dead = events.filter(|(_, side, event)| {
            *side == Side::Client && matches!(event, Event::DeadPeer { .. })
        });
        dead.next().map(|(at, ..)| (*at - start).as_secs())
    };
    // The test's configuration asks nobody.
    assert_eq!(gone_after(habits::apple(), &[]), None);
    let seconds = gone_after(habits::mikrotik(), &[LegacyOption::PfsModp1024]);
    // 120 s of silence, and five questions of 120 s each; half a minute had passed.
    assert!(
        seconds.is_some_and(|s| (680..=720).contains(&s)),
        "{seconds:?}"
    );
}
