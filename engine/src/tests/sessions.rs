//! Which sessions end when another one comes or is closed, and which do not.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::lab::{Lab, OF_BOB};
use crate::{AtLimit, SessionLimit};

const HOME: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const AWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const OFFICE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);

fn limit(sessions: u32, beyond: AtLimit) -> Option<SessionLimit> {
    let sessions = NonZeroU32::new(sessions)?;
    Some(SessionLimit { sessions, beyond })
}

fn who(name: &str, address: &str) -> (String, String) {
    (name.to_owned(), address.to_owned())
}

/// Nothing of the users is left when all have gone.
fn nobody_left(lab: &mut Lab) {
    lab.engine.close_all(lab.now);
    lab.pump();
    assert!(lab.engine.users.is_empty());
    assert_eq!(lab.engine.addresses_in_use(), 0);
    assert_eq!(lab.engine.peers().count(), 0);
}

#[test]
fn a_killed_client_with_a_fixed_address_dials_again_over_the_same_sa() {
    let mut lab = Lab::new(None);
    let first = lab.connect(HOME, "bob");
    let peer = lab.peer_of(first);
    lab.kill(first);
    lab.wait(Duration::from_secs(3));
    for _ in 0..3 {
        let again = lab.dial(peer, "bob");
        assert!(lab.is_up(again), "{}", lab.why(again));
        assert_eq!(lab.online(), [who("bob", "10.10.1.77")]);
        assert_eq!(
            lab.news(),
            ["bob down: replaced by a newer session of the same user"],
            "the peer must live"
        );
        assert_eq!(lab.engine.peers().next().map(|peer| peer.tunnels), Some(1));
        lab.wait(Duration::from_secs(200));
        assert!(lab.is_up(again), "{}: {:?}", lab.why(again), lab.news());
        lab.kill(again);
    }
    nobody_left(&mut lab);
}

#[test]
fn a_fixed_address_moves_to_another_peer_and_the_old_peer_is_told() {
    let mut lab = Lab::new(None);
    let home = lab.connect(HOME, "bob");
    let away = lab.connect(AWAY, "bob");
    assert!(!lab.is_up(home) && lab.is_up(away));
    assert_eq!(lab.online(), [who("bob", &OF_BOB.to_string())]);
    assert_eq!(
        lab.news(),
        [
            "bob down: replaced by a newer session of the same user",
            "peer gone: replaced by a newer session of the same user"
        ]
    );
    nobody_left(&mut lab);
}

#[test]
fn closing_a_session_leaves_the_others_of_its_peer_alone() {
    let mut lab = Lab::new(None);
    // A router that makes a call for each of its users.
    let alice = lab.connect(HOME, "alice");
    let peer = lab.peer_of(alice);
    let carol = lab.dial(peer, "carol");
    assert!(lab.is_up(alice) && lab.is_up(carol));
    let session = lab.session_of(alice).expect("a session");
    lab.engine.close_session(lab.now, session);
    lab.pump();
    assert_eq!(lab.news(), ["alice down: closed by the operator"]);
    assert!(!lab.is_up(alice) && lab.is_up(carol));
    lab.wait(Duration::from_secs(300));
    assert!(lab.is_up(carol), "{}: {:?}", lab.why(carol), lab.news());

    let session = lab.session_of(carol).expect("a session");
    lab.engine.close_session(lab.now, session);
    lab.pump();
    assert_eq!(
        lab.news(),
        [
            "carol down: closed by the operator",
            "peer gone: closed by the operator"
        ]
    );
    nobody_left(&mut lab);
}

#[test]
fn without_a_limit_a_user_has_any_number_of_sessions() {
    let mut lab = Lab::new(None);
    for client in 0..5 {
        lab.connect(Ipv4Addr::new(203, 0, 113, 10 + client), "alice");
    }
    assert_eq!(lab.online().len(), 5);
    nobody_left(&mut lab);
}

#[test]
fn beyond_the_limit_the_oldest_session_is_replaced_and_leaves_its_address() {
    let mut lab = Lab::new(limit(2, AtLimit::Replace));
    let home = lab.connect(HOME, "alice");
    let away = lab.connect(AWAY, "alice");
    let other = lab.connect(Ipv4Addr::new(192, 0, 2, 9), "carol");
    lab.news();
    // Windows puts a domain in front; it is the same user.
    let office = lab.connect(OFFICE, "CORP\\alice");
    assert_eq!(
        lab.news(),
        [
            "alice down: replaced by a newer session of the same user",
            "peer gone: replaced by a newer session of the same user"
        ]
    );
    assert!(!lab.is_up(home));
    assert!(
        [away, other, office]
            .iter()
            .all(|client| lab.is_up(*client))
    );
    let online = [
        who("alice", "10.10.1.3"),
        who("carol", "10.10.1.4"),
        who("CORP\\alice", "10.10.1.2"),
    ];
    assert_eq!(lab.online(), online);
    nobody_left(&mut lab);
}

#[test]
fn a_limit_replaces_a_session_of_the_same_peer_as_well() {
    let mut lab = Lab::new(limit(1, AtLimit::Replace));
    let first = lab.connect(HOME, "alice");
    lab.kill(first);
    let again = lab.dial(lab.peer_of(first), "alice");
    assert!(lab.is_up(again), "{}", lab.why(again));
    assert_eq!(lab.online(), [who("alice", "10.10.1.2")]);
    nobody_left(&mut lab);
}

#[test]
fn a_limit_can_refuse_instead_and_says_so() {
    let mut lab = Lab::new(limit(1, AtLimit::Refuse));
    let home = lab.connect(HOME, "bob");
    let peer = lab.add_peer(AWAY);
    let away = lab.dial(peer, "bob");
    lab.wait(Duration::from_secs(5));
    assert!(lab.is_up(home) && !lab.is_up(away));
    assert!(lab.why(away).contains("649"), "{}", lab.why(away));
    let news = lab.news();
    assert_eq!(
        news.first().map(String::as_str),
        Some("bob failed: the user has 1 session already, as many as allowed"),
        "{news:?}"
    );
    // As soon as there is room again, the user may come in.
    let session = lab.session_of(home).expect("a session");
    lab.engine.close_session(lab.now, session);
    lab.pump();
    let again = lab.dial(peer, "bob");
    assert!(lab.is_up(again), "{}: {:?}", lab.why(again), lab.news());
    nobody_left(&mut lab);
}

#[test]
fn how_long_connecting_took_does_not_follow_the_ike_sa() {
    let mut lab = Lab::new(None);
    lab.slow = true;
    let peer = lab.add_peer(HOME);
    let client = lab.dial(peer, "alice");
    lab.wait(Duration::from_secs(5));
    lab.answer(Ok(()));
    lab.pump();
    assert!(lab.is_up(client), "{}", lab.why(client));
    let setups = |lab: &Lab| -> Vec<u64> {
        let sessions = lab.engine.sessions();
        sessions.map(|info| info.setup.as_secs()).collect()
    };
    assert_eq!(setups(&lab), [5]);
    // Phase 1 is rekeyed.
    lab.wait(Duration::from_secs(100));
    let young = lab.add_peer(HOME);
    lab.engine.join(lab.now, young, peer);
    lab.pump();
    assert_eq!(setups(&lab), [5]);
    // Another call under the same IKE SA.
    lab.wait(Duration::from_secs(300));
    lab.slow = false;
    lab.dial(peer, "carol");
    assert_eq!(setups(&lab), [5, 0]);
}

#[test]
fn a_full_pool_is_no_obstacle_to_a_user_who_is_in_it_already() {
    let mut lab = Lab::new(limit(1, AtLimit::Replace));
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for (name, host) in names.into_iter().zip(10..) {
        lab.connect(Ipv4Addr::new(203, 0, 113, host), name);
    }
    let peer = lab.add_peer(AWAY);
    let other = lab.dial(peer, "i");
    assert!(!lab.is_up(other), "eight addresses for nine users");
    let back = lab.connect(OFFICE, "c");
    assert!(lab.is_up(back));
    assert!(lab.online().contains(&who("c", "10.10.1.4")));
    nobody_left(&mut lab);
}
