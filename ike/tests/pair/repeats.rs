//! A repeated request gets the stored answer and allocates nothing.

use std::time::Duration;

use ike::crypto::Group;
use ike::{ChildId, Event};
use wire::Path;

use crate::harness::{Pair, Side, seconds};

/// Every datagram of the client, three times each: the server answers the same and makes nothing
/// more of it.
#[test]
fn every_message_three_times_makes_one_of_everything() {
    let mut pair = Pair::new(1);
    pair.faults.duplication = 100;
    pair.connect();
    pair.run_for(seconds(5));
    let server = pair.server.counters();
    assert_eq!((server.main_modes, server.quick_modes), (1, 1));
    assert!(server.repeated >= 3, "{server:?}");
    for side in [Side::Client, Side::Server] {
        assert_eq!(pair.count(side, |e| matches!(e, Event::SaUp { .. })), 1);
        assert_eq!(pair.count(side, |e| matches!(e, Event::ChildUp { .. })), 1);
        assert_eq!(pair.spis.keys().filter(|(on, _)| *on == side).count(), 1);
    }
}

/// The whole recorded client side of a connection, played again to the same server.
#[test]
fn a_recording_played_again_gets_the_same_answers_or_none() {
    let mut pair = Pair::new(2);
    pair.connect();
    pair.run_for(seconds(2));
    let recorded: Vec<_> = pair
        .sent
        .iter()
        .filter(|s| s.from == Side::Client)
        .cloned()
        .collect();
    let answers: Vec<_> = pair
        .sent
        .iter()
        .filter(|s| s.from == Side::Server)
        .map(|s| s.bytes.clone())
        .collect();
    assert_eq!((recorded.len(), answers.len()), (5, 4));
    let (occupancy, spis, sent) = (pair.server.occupancy(), pair.spis.len(), pair.sent.len());
    for message in &recorded {
        let path = Path {
            local: message.path.remote,
            remote: message.path.local,
            carrier: message.path.carrier,
        };
        pair.inject(Side::Server, path, &message.bytes);
    }
    let again: Vec<_> = pair.sent[sent..]
        .iter()
        .map(|sent| sent.bytes.clone())
        .collect();
    // Message 6 and message 2 of Quick Mode; the earlier ones are of no use any more.
    assert_eq!(again, [answers[2].clone(), answers[3].clone()]);
    assert_eq!(
        (pair.server.occupancy(), pair.spis.len()),
        (occupancy, spis)
    );
    assert_eq!(pair.server.counters().main_modes, 1);

    // After the memory has faded, Quick Mode's repetition is recognised by its message id.
    pair.run_for(seconds(70));
    let sent = pair.sent.len();
    let message = &recorded[3];
    let path = Path {
        local: message.path.remote,
        remote: message.path.local,
        carrier: message.path.carrier,
    };
    pair.inject(Side::Server, path, &message.bytes);
    assert_eq!((pair.sent.len(), pair.spis.len()), (sent, spis));
    assert_eq!(pair.server.counters().quick_modes, 1);
}

/// The server repeats message 2 until message 3 comes, so the client must repeat message 3, with
/// forward secrecy and without.
#[test]
fn message_3_of_quick_mode_is_said_again_when_message_2_is() {
    for pfs in [None, Some(Group::Ecp256)] {
        let mut pair = Pair::new(5);
        pair.pfs = pfs;
        pair.connect();
        pair.run_for(seconds(5));
        let sent = pair.sent.len();
        let [.., message_2, message_3] = &pair.sent[..] else {
            panic!("{sent} messages");
        };
        let (message_2, message_3) = (message_2.clone(), message_3.clone());
        assert_eq!(
            (message_2.from, message_3.from),
            (Side::Server, Side::Client)
        );
        pair.inject(Side::Client, message_3.path, &message_2.bytes);
        let again: Vec<_> = pair.sent[sent..].iter().map(|sent| &sent.bytes).collect();
        assert_eq!(again, [&message_3.bytes], "{pfs:?}");
    }
}

/// Somebody without the key who sends our own messages back to us does not get far.
#[test]
fn our_own_messages_are_not_those_of_a_peer() {
    // Message 2 with our own cookie as the responder's.
    let mut pair = Pair::new(6);
    pair.connect();
    pair.run_for(Duration::from_millis(15));
    let [message_1, message_2] = &pair.sent[..] else {
        panic!("{:?}", pair.sent);
    };
    let (path, mut bytes) = (message_1.path, message_2.bytes.clone());
    bytes.copy_within(0..8, 8);
    pair.inject(Side::Client, path, &bytes);
    assert_eq!(pair.sent.len(), 2, "no message 3");

    // Message 3 as message 4.
    pair.run_for(Duration::from_millis(10));
    let message_3 = pair.sent[2].clone();
    pair.inject(Side::Client, path, &message_3.bytes);
    assert_eq!(pair.sent.len(), 3, "no message 5");

    pair.run_for(seconds(5));
    assert!(pair.agreed_child().is_some(), "the peer's own are");
}

/// Both directions have the same keys: a question of ours that comes back to us verifies.
#[test]
fn our_own_informational_messages_are_not_answered() {
    const INFORMATIONAL: u8 = 5;
    let mut pair = Pair::new(8);
    pair.connect();
    pair.run_for(seconds(40));
    let is_ours = |sent: &&crate::harness::Sent| {
        sent.from == Side::Server && sent.bytes.get(18) == Some(&INFORMATIONAL)
    };
    let ours: Vec<_> = pair.sent.iter().filter(is_ours).cloned().collect();
    assert!(!ours.is_empty(), "Dead Peer Detection asks");
    let (sent, repeated) = (pair.sent.len(), pair.server.counters().repeated);
    for message in &ours {
        pair.inject(Side::Server, message.path, &message.bytes);
    }
    assert_eq!(pair.sent.len(), sent);
    let counted = pair.server.counters().repeated - repeated;
    assert_eq!(counted, ours.len() as u64);
}

#[test]
fn several_main_modes_in_parallel_live_side_by_side() {
    let mut pair = Pair::new(3);
    pair.auto_child = false;
    let sas: Vec<_> = (0..5).map(|_| pair.connect()).collect();
    pair.run_for(seconds(2));
    assert_eq!(
        (pair.server.occupancy(), pair.client.occupancy()),
        ((0, 5), (0, 5))
    );
    let now = pair.now;
    for sa in sas {
        pair.client.start_child(now, sa).expect("established");
    }
    pair.run_for(seconds(2));
    assert_eq!(pair.children.len(), 10);
}

#[test]
fn message_2_is_repeated_until_it_is_confirmed_and_no_longer() {
    let mut pair = Pair::new(4);
    let child = answered_child(&mut pair);
    let before = sent_by(&pair, Side::Server);
    pair.run_for(seconds(4));
    let after = sent_by(&pair, Side::Server);
    assert_eq!(after - before, 2, "after 1 and 3 seconds");
    let now = pair.now;
    pair.server.confirm_child(now, child);
    pair.drain();
    assert!(pair.has(Side::Server, |e| matches!(e, Event::ChildConfirmed { .. })));
    pair.run_for(seconds(20));
    let end = sent_by(&pair, Side::Server);
    assert_eq!(end, after, "confirmed by the first ESP packet");
}

/// ESP and message 3 leave together, and either may come first.
#[test]
fn message_3_is_in_its_place_behind_the_first_esp_packet() {
    let mut pair = Pair::new(4);
    let child = answered_child(&mut pair);
    pass_on_latest(&mut pair, Side::Client);
    let now = pair.now;
    pair.server.confirm_child(now, child);
    pair.drain();
    for expected in [0, 1] {
        pass_on_latest(&mut pair, Side::Server);
        assert_eq!(pair.server.counters().unexpected, expected);
    }
}

/// A Quick Mode that the client has begun and the server has answered; no message arrives by itself.
fn answered_child(pair: &mut Pair) -> ChildId {
    pair.auto_child = false;
    let sa = pair.connect();
    pair.run_for(seconds(1));
    let now = pair.now;
    pair.faults.loss = 100;
    pair.client.start_child(now, sa).expect("established");
    pair.drain();
    pass_on_latest(pair, Side::Server);
    let mut children = pair.children.keys();
    let (_, child) = children
        .find(|(side, _)| *side == Side::Server)
        .expect("a child SA");
    *child
}

/// Lets what was sent last to a side arrive.
fn pass_on_latest(pair: &mut Pair, to: Side) {
    let mut sent = pair.sent.iter().rev();
    let message = sent
        .find(|sent| sent.from != to)
        .expect("a message")
        .clone();
    let path = Path {
        local: message.path.remote,
        remote: message.path.local,
        carrier: message.path.carrier,
    };
    pair.inject(to, path, &message.bytes);
}

fn sent_by(pair: &Pair, side: Side) -> usize {
    pair.sent.iter().filter(|sent| sent.from == side).count()
}
