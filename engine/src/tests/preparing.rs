//! A session carries traffic, and its client learns that it may send, only when the world around
//! says that it is ready.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::lab::Lab;

const HOME: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);

/// A server that is asked to prepare and has not answered yet.
fn waiting() -> (Lab, super::lab::ClientId) {
    let mut lab = Lab::new(None);
    lab.slow = true;
    let peer = lab.add_peer(HOME);
    let client = lab.dial(peer, "alice");
    assert_eq!(lab.order, ["in", "prepare"]);
    assert!(!lab.is_up(client));
    (lab, client)
}

fn answer(lab: &mut Lab, result: Result<(), String>) -> Option<crate::SessionInfo> {
    let info = lab.answer(result);
    lab.pump();
    info
}

#[test]
fn the_tables_are_open_before_the_client_hears_of_it() {
    let (mut lab, client) = waiting();
    // The client repeats its request meanwhile; it is neither answered nor asked about twice.
    lab.wait(Duration::from_secs(7));
    assert_eq!(lab.order, ["in", "prepare"]);
    assert!(lab.online().is_empty() && !lab.is_up(client));

    let info = answer(&mut lab, Ok(())).expect("a request");
    assert_eq!(info.remote_address.to_string(), "10.10.1.2");
    assert_eq!(info.account.expect("a name").as_str(), Some("alice"));
    assert_eq!(lab.order, ["in", "prepare", "opened", "up"]);
    assert!(lab.is_up(client));
    lab.wait(Duration::from_secs(300));
    assert!(lab.is_up(client), "{}: {:?}", lab.why(client), lab.news());

    lab.order.clear();
    lab.engine.close_all(lab.now);
    lab.pump();
    assert_eq!(lab.order, ["down", "closed", "out"]);
}

/// QUIRK(Windows): it repeats its request after two seconds, under a new identifier each time.
#[test]
fn a_request_under_many_identifiers_is_one() {
    let mut lab = Lab::new(None);
    lab.slow = true;
    lab.habits = ppp::habits::windows_10();
    let peer = lab.add_peer(HOME);
    let client = lab.dial(peer, "alice");
    lab.wait(Duration::from_secs(7));
    assert_eq!(lab.order, ["in", "prepare"]);
    assert!(!lab.is_up(client));

    answer(&mut lab, Ok(())).expect("a request");
    assert!(lab.is_up(client));
    lab.wait(Duration::from_secs(300));
    assert!(lab.is_up(client), "{}: {:?}", lab.why(client), lab.news());
    assert_eq!(lab.order, ["in", "prepare", "opened", "up"]);
}

#[test]
fn a_client_that_leaves_meanwhile_is_forgotten() {
    let (mut lab, client) = waiting();
    let session = lab.session_of(client).expect("a session");
    lab.engine.close_session(lab.now, session);
    lab.pump();
    assert!(!lab.order.contains(&"up") && !lab.order.contains(&"down"));
    assert_eq!(lab.order.last(), Some(&"out"));
    assert!(!lab.is_up(client), "it was told goodbye");
    // The answer comes too late, and is of no use.
    let before = lab.order.len();
    assert!(answer(&mut lab, Ok(())).is_some());
    assert_eq!(lab.order.len(), before);
    assert_eq!(lab.engine.sessions().count(), 0);
    assert_eq!(lab.engine.addresses_in_use(), 0);
}

#[test]
fn what_cannot_be_prepared_is_ended_and_says_why() {
    let (mut lab, client) = waiting();
    answer(&mut lab, Err("no descriptor is left".to_owned()));
    assert!(!lab.is_up(client));
    assert!(!lab.order.contains(&"opened") && !lab.order.contains(&"up"));
    assert_eq!(
        lab.news(),
        [
            "refused: no descriptor is left",
            "peer gone: it cannot be set up here: no descriptor is left"
        ]
    );
    assert_eq!(lab.engine.addresses_in_use(), 0);
    assert_eq!(lab.engine.occupancy(), crate::Occupancy::default());
}

#[test]
fn a_flood_for_a_held_link_is_not_kept() {
    let (mut lab, client) = waiting();
    let session = lab.session_of(client).expect("a session");
    for _ in 0..1_000 {
        // An LCP echo request without a magic number.
        let frame = vec![0xff, 3, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0];
        let upcall = crate::Upcall::Ppp { session, frame };
        lab.engine.handle_upcall(lab.now, upcall);
    }
    let (mut frames, now) = (0, lab.now);
    let (id, _) = lab.take_request().expect("a request");
    lab.engine
        .handle_answer(now, id, crate::Answer::Prepared(Ok(())));
    while let Some(output) = lab.engine.poll_output() {
        frames += usize::from(matches!(output, crate::Output::SealPpp { .. }));
    }
    assert!((2..=20).contains(&frames), "{frames}");
}
