//! Several keys for anybody: message 5 tells which one the client has (RFC 2409 §5.4).

use std::sync::Arc;

use ike::{Answer, Job, Key, Keyring, Output, Request, Selector};
use wire::Secret;

use crate::harness::{CLIENT, Pair, SERVER, Sent, Side, ip, seconds};

fn key(number: usize) -> Key {
    Key {
        label: format!("key {number}"),
        selectors: vec![Selector::Any],
        secret: Secret::from(format!("the secret of {number}").as_bytes()),
    }
}

fn pair(seed: u64, keys: usize) -> Pair {
    let mut pair = Pair::new(seed);
    let keys = (0..keys).map(key).collect();
    pair.server.set_keys(Arc::new(Keyring::new(keys)));
    pair
}

fn named(pair: &Pair) -> Vec<String> {
    let theirs = pair
        .sas
        .iter()
        .filter(|((side, _), _)| *side == Side::Server);
    theirs.map(|(_, info)| info.key.to_string()).collect()
}

/// Messages of Main Mode that the client has sent encrypted.
fn fifth(pair: &Pair) -> Vec<Sent> {
    let encrypted = |sent: &&Sent| {
        // Exchange type 2 (Main Mode), flag 1 (encrypted).
        sent.from == Side::Client && sent.bytes.get(18) == Some(&2) && sent.bytes[19] & 1 == 1
    };
    pair.sent.iter().filter(encrypted).cloned().collect()
}

#[test]
fn the_last_of_256_keys_is_found_and_the_257th_is_not_looked_for() {
    for (number, expected) in [(255, Some("key 255")), (256, None)] {
        let mut pair = pair(1, 300);
        pair.key = key(number).secret;
        pair.connect();
        pair.run_for(seconds(3));
        assert_eq!(named(&pair).first().map(String::as_str), expected);
    }
}

#[test]
fn a_key_that_has_worked_is_found_beyond_the_256th_place() {
    let mut pair = pair(2, 256);
    pair.key = key(255).secret;
    pair.connect();
    pair.run_for(seconds(2));
    // Now there are fifty more before it, and it stands in another line.
    let moved = |number| Key {
        label: format!("line {number}"),
        ..key(number)
    };
    let keys = (1000..1050).chain(0..256).map(moved).collect();
    pair.server.set_keys(Arc::new(Keyring::new(keys)));
    pair.connect();
    pair.run_for(seconds(2));
    assert_eq!(named(&pair), ["key 255", "line 255"]);
}

#[test]
fn a_refusal_looks_the_same_whatever_the_number_of_keys() {
    let answers = |keys: usize| {
        let mut pair = pair(3, keys);
        pair.connect();
        pair.run_for(seconds(40));
        let sent = pair.sent.iter().filter(|sent| sent.from == Side::Server);
        let seen: Vec<_> = sent.map(|sent| (sent.at, sent.bytes.clone())).collect();
        assert!(named(&pair).is_empty());
        seen
    };
    let one = answers(1);
    assert!(one.len() >= 3, "messages 2 and 4, and a notification");
    assert_eq!(one, answers(2));
    assert_eq!(one, answers(200));
}

#[test]
fn forged_messages_5_neither_end_the_exchange_nor_move_its_state() {
    let mut pair = pair(4, 3);
    pair.key = key(2).secret;
    pair.connect();
    let (path, real) = until_message_5(&mut pair);
    assert_eq!(
        (path.local.ip(), path.remote.ip()),
        (ip(SERVER), ip(CLIENT))
    );
    // Two of them arrive before the real one.
    for flipped in [40, 60] {
        let mut forged = real.clone();
        forged[flipped] ^= 1;
        pair.inject(Side::Server, path, &forged);
    }
    pair.run_for(seconds(2));
    assert_eq!(named(&pair), ["key 2"]);
    assert!(pair.agreed_child().is_some(), "the IVs of phase 2 fit");
}

#[test]
fn after_three_messages_5_that_no_key_opens_the_keys_are_not_tried_again() {
    let mut pair = pair(5, 3);
    pair.connect();
    let (path, real) = until_message_5(&mut pair);
    let mut trials = 0;
    for flipped in 40..50 {
        let mut forged = real.clone();
        forged[flipped] ^= 1;
        pair.server.handle_datagram(pair.now, path, &forged);
        while let Some(output) = pair.server.poll_output() {
            if let Output::Request(id, Request::Compute(job)) = output {
                trials += usize::from(is_trial(&job));
                let result = Answer::Computed(job.run());
                pair.server.handle_answer(pair.now, id, result);
            }
        }
    }
    assert_eq!(trials, 3);
    assert_eq!(
        pair.server.occupancy(),
        (1, 0),
        "half-open until its time is over"
    );
}

/// Lets the client come as far as message 5, which is on its way: where it will arrive, and what it
/// is.
fn until_message_5(pair: &mut Pair) -> (wire::Path, Vec<u8>) {
    while fifth(pair).is_empty() {
        pair.run_for(seconds(1) / 1000);
    }
    let real = fifth(pair).remove(0);
    let path = wire::Path {
        local: real.path.remote,
        remote: real.path.local,
        carrier: real.path.carrier,
    };
    (path, real.bytes)
}

fn is_trial(job: &Job) -> bool {
    format!("{job:?}").contains("KeyTrial")
}
