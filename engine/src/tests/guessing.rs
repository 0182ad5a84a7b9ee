//! Guessing at passwords through real links: what is looked at, what is refused unseen, and what
//! honest clients notice of it.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use wire::{PeerId, Source};

use super::lab::Lab;
use crate::{Cause, GuardPolicy};

const HOME: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const AWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// A client with a wrong password tries once, by a connection of its own.
fn guess(lab: &mut Lab, address: Ipv4Addr, user: &'static str) -> (PeerId, String) {
    let peer = lab.add_peer(address);
    let client = lab.dial_with(peer, user, b"guess");
    assert!(!lab.is_up(client));
    (peer, lab.why(client))
}

fn try_right(lab: &mut Lab, address: Ipv4Addr, user: &'static str) -> (bool, String) {
    let peer = lab.add_peer(address);
    let client = lab.dial(peer, user);
    (lab.is_up(client), lab.why(client))
}

#[test]
fn after_five_wrong_passwords_not_even_the_right_one_is_looked_at_for_a_while() {
    let mut lab = Lab::new(None);
    for _ in 0..5 {
        let (_, why) = guess(&mut lab, HOME, "ann");
        assert!(why.contains("691"), "{why}");
    }
    assert_eq!(lab.asked, 5);
    let news = lab.news();
    let slowed = "UserAt(\"ann\", Source(203.0.113.5)) waits Some(10s)";
    assert_eq!(news.iter().filter(|line| *line == slowed).count(), 1);

    let (up, why) = try_right(&mut lab, HOME, "ann");
    assert!(!up && why.contains("691"), "{why}");
    assert!(why.contains("try again in 10 s"), "{why}");
    assert_eq!(lab.asked, 5, "it is refused unseen");
    let news = lab.news().join("\n");
    assert!(
        news.contains("ann failed: too many failed logins of this user from this address"),
        "{news}"
    );
    assert_eq!(lab.engine.guard_status(lab.now).refused_logins, 1);
    assert_eq!(lab.engine.guard_status(lab.now).slowed_users, 1);

    // What was refused unseen has not made it longer.
    lab.wait(Duration::from_secs(10));
    assert!(try_right(&mut lab, HOME, "ann").0);
    assert_eq!(lab.engine.guard_status(lab.now).slowed_users, 0);
}

/// Whoever has a key of ours can send authentic packets under any address.
#[test]
fn failures_stay_where_the_handshake_began() {
    let mut lab = Lab::new(None);
    for _ in 0..5 {
        let peer = lab.add_peer(HOME);
        let path = &mut lab.engine.peers.get_mut(&peer).unwrap().path;
        path.as_mut().unwrap().remote.set_ip(AWAY.into());
        let client = lab.dial_with(peer, "ann", b"guess");
        assert!(!lab.is_up(client));
    }
    let news = lab.news().join("\n");
    assert!(
        news.contains("UserAt(\"ann\", Source(203.0.113.5)) waits Some(10s)"),
        "{news}"
    );
    assert!(try_right(&mut lab, AWAY, "ann").0);
}

#[test]
fn others_there_and_the_same_user_elsewhere_notice_nothing() {
    let mut lab = Lab::new(None);
    for _ in 0..5 {
        guess(&mut lab, HOME, "ann");
    }
    assert!(try_right(&mut lab, HOME, "carol").0);
    assert!(try_right(&mut lab, AWAY, "ann").0);
}

#[test]
fn a_source_that_tries_many_users_is_slow_but_not_for_those_it_knows() {
    let mut lab = Lab::new(None);
    assert!(try_right(&mut lab, HOME, "carol").0);
    let names: Vec<&'static str> = (0..20)
        .map(|number| &*Box::leak(format!("user{number}").into_boxed_str()))
        .collect();
    for name in names {
        guess(&mut lab, HOME, name);
    }
    let (up, why) = try_right(&mut lab, HOME, "ann");
    assert!(!up && why.contains("try again in 10 s"), "{why}");
    assert!(try_right(&mut lab, HOME, "carol").0);
    assert!(try_right(&mut lab, AWAY, "ann").0);
    assert_eq!(lab.engine.guard_status(lab.now).slowed_sources, 1);

    assert!(lab.engine.forgive_source(Source::of(HOME.into())) > 20);
    assert!(try_right(&mut lab, HOME, "ann").0);
}

/// A client repeats a Response whose answer is late or lost. It has guessed once all the same.
#[test]
fn a_repeated_response_gets_the_same_answer_and_counts_once() {
    let mut lab = Lab::new(None);
    lab.copies = 3;
    for number in 1..=4 {
        let (_, why) = guess(&mut lab, HOME, "ann");
        assert!(why.contains("691"), "{why}");
        assert_eq!(lab.asked, number);
    }
    let failed = |line: &&String| line.contains("ann failed: wrong password");
    assert_eq!(lab.news().iter().filter(failed).count(), 4);
    assert!(try_right(&mut lab, HOME, "ann").0, "four are allowed");
}

/// Many connections at once do not make more guesses than one after the other.
#[test]
fn guesses_side_by_side_are_answered_up_to_what_is_allowed() {
    let mut lab = Lab::new(None);
    lab.thinking = true;
    let clients: Vec<_> = (0..12)
        .map(|_| {
            let peer = lab.add_peer(HOME);
            lab.dial_with(peer, "ann", b"guess")
        })
        .collect();
    assert_eq!(lab.asked, 12);
    lab.reject_all(Cause::WrongPassword);
    let told = |words: &str| {
        let whys = clients.iter().map(|client| lab.why(*client));
        whys.filter(|why| why.contains(words)).count()
    };
    assert_eq!(
        (told("wrong user name or password"), told("try again in")),
        (5, 7)
    );
}

#[test]
fn a_lock_out_is_opt_in_holds_everywhere_and_the_operator_ends_it() {
    let mut lab = Lab::with_guard(
        None,
        GuardPolicy {
            lock_out_after: NonZeroU32::new(3),
            lock_out_time: None,
            ..GuardPolicy::default()
        },
    );
    for _ in 0..3 {
        guess(&mut lab, HOME, "ann");
    }
    lab.wait(Duration::from_secs(100_000));
    let (up, why) = try_right(&mut lab, AWAY, "ann");
    assert!(!up && why.contains("wrong user name or password"), "{why}");
    let news = lab.news().join("\n");
    assert!(news.contains("User(\"ann\") waits None"), "{news}");
    assert!(
        news.contains("ann failed: the user is locked out"),
        "{news}"
    );
    assert!(try_right(&mut lab, AWAY, "carol").0);
    assert!(lab.engine.forgive_user(&ppp::UserName::from("ann")) > 0);
    assert!(try_right(&mut lab, AWAY, "ann").0);
}
