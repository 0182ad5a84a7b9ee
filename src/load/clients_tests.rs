use std::sync::Arc;

use engine::Terms;
use rand_core::SeedableRng;
use wire::{Carrier, Path};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn at(seconds: u64) -> Instant {
    Instant::from_boot(Duration::from_secs(1_000 + seconds))
}

fn clients(count: u32, endpoints: u32, redial: bool) -> Clients {
    let rng = wire::Rng::seed_from_u64(1);
    Clients::new(at(0), count, endpoints, redial, None, rng)
}

/// The peer of a client's dial.
fn peer(slot: u32, dial: u64) -> PeerId {
    PeerId(u64::from(slot) + 1_000 * dial)
}

fn info(peer: PeerId) -> SessionInfo {
    let any: IpAddr = [10, 0, 0, 1].into();
    SessionInfo {
        session: SessionId(peer.0),
        peer,
        user: String::new(),
        account: None,
        authentication: None,
        path: Path {
            local: (any, 1).into(),
            remote: (any, 2).into(),
            carrier: Carrier::NatT,
        },
        identity: String::new(),
        key: String::new(),
        make: ike::Make::default(),
        host_name: String::new(),
        phase1: String::new(),
        phase2: String::new(),
        nat: ike::Nat::default(),
        local_address: any,
        remote_address: any,
        dns: [None; 2],
        wins: [None; 2],
        routes: Vec::new(),
        domain: None,
        tunnel_ids: (1, 1),
        session_ids: (1, 1),
        mtu: 1400,
        terms: Arc::new(Terms::default()),
        since: at(0),
        setup: Duration::ZERO,
    }
}

/// Makes a client come up, and checks that it can be found.
fn bring_up(clients: &mut Clients, slot: u32, dial: u64, now: Instant) {
    let peer = peer(slot, dial);
    clients.on_dialled(now, slot, peer, PATIENCE);
    clients.on_progress(now, peer, Stage::Phase1);
    clients.on_session_up(now, &info(peer));
    assert_eq!(clients.session(slot).unwrap().0.peer, peer);
}

/// Whoever is up stands exactly once among those that are, at the place it believes to have.
fn check(clients: &Clients) {
    let up: Vec<u32> = (0..clients.all.len() as u32)
        .filter(|slot| clients.session(*slot).is_some())
        .collect();
    let mut listed = clients.up.clone();
    listed.sort_unstable();
    assert_eq!(up, listed);
    for (place, slot) in clients.up.iter().enumerate() {
        assert_eq!(clients.session(*slot).unwrap().0.place, place);
    }
    assert_eq!(clients.by_peer.len(), up.len() + clients.connecting());
}

#[test]
fn clients_come_and_go_in_any_order() {
    let mut clients = clients(10, 10, false);
    for slot in 0..10 {
        bring_up(&mut clients, slot, 1, at(1));
    }
    assert_eq!((clients.up(), clients.connecting()), (10, 0));
    for slot in [9, 0, 5, 4] {
        assert_eq!(clients.leave(slot), Some(peer(slot, 1)));
        assert_eq!(clients.leave(slot), None, "it has left");
        check(&clients);
    }
    // What is said of those that have left is no loss.
    clients.on_peer_down(at(2), peer(9, 1), &Reason::Done);
    assert_eq!((clients.tally.lost, clients.up()), (0, 6));
    let drawn = clients.any_up().unwrap();
    assert!(clients.session(drawn).is_some());
    clients.on_peer_down(at(2), peer(drawn, 1), &Reason::PathGone);
    check(&clients);
    assert_eq!((clients.tally.lost, clients.up()), (1, 5));
    assert!(clients.is_settled(), "nobody dials again");
}

#[test]
fn the_place_of_one_that_left_is_not_the_next_ones() {
    let mut clients = clients(2, 4, false);
    bring_up(&mut clients, 0, 1, at(1));
    clients.leave(0);
    clients.replace(0);
    assert_eq!(
        (clients.endpoint(0), clients.next_queued()),
        (Some(2), Some(0))
    );
    for expected in [3, 0, 2] {
        clients.replace(0);
        assert_eq!(clients.endpoint(0), Some(expected));
        clients.next_queued();
    }
    assert_eq!(clients.tally.left, 4);
}

#[test]
fn who_is_lost_dials_at_once_and_who_fails_waits_longer_each_time() {
    let mut clients = clients(1, 1, true);
    bring_up(&mut clients, 0, 1, at(0));
    clients.on_peer_down(at(10), peer(0, 1), &Reason::PathGone);
    let mut now = at(10);
    for (dial, pause) in (2..).zip([1, 2, 4, 8, 16, 30, 30]) {
        assert_eq!(clients.next_queued(), Some(0));
        clients.on_dialled(now, 0, peer(0, dial), PATIENCE);
        clients.on_peer_down(now, peer(0, dial), &Reason::PathGone);
        assert!(!clients.is_settled() && !clients.has_queued());
        let due = std::iter::from_fn(|| clients.agenda.pop(now + PATIENCE))
            .find(|due| due.task == Task::Redial)
            .unwrap();
        assert_eq!(due.at, now + Duration::from_secs(pause));
        clients.redial(&due);
        now = due.at;
    }
    assert_eq!((clients.next_queued(), clients.tally.failed), (Some(0), 7));
    bring_up(&mut clients, 0, 99, now);
    assert_eq!((clients.tally.returned, clients.tally.lost), (1, 1));
    let returned = clients.tally.returns.max() / 1_000.0;
    let expected = (now - at(10)).as_secs_f64();
    assert!(
        (returned - expected).abs() < 1.0,
        "{returned} for {expected}"
    );
    // The next loss begins with the shortest wait.
    assert_eq!(clients.all[0].failures, 0);
}

#[test]
fn who_is_not_up_in_time_has_failed_once() {
    let mut clients = clients(2, 2, false);
    clients.on_dialled(at(0), 0, peer(0, 1), PATIENCE);
    clients.on_progress(at(3), peer(0, 1), Stage::Phase1);
    bring_up(&mut clients, 1, 1, at(1));
    let dues: Vec<Due> = std::iter::from_fn(|| clients.agenda.pop(at(60))).collect();
    let closed: Vec<_> = dues
        .iter()
        .filter_map(|due| clients.give_up(due, PATIENCE))
        .collect();
    assert_eq!(closed, [peer(0, 1)]);
    assert!(clients.is_settled());
    check(&clients);
    let failures = clients.tally.failures.all();
    let said = "not connected within 30 s; the last stage that was complete is phase1";
    assert_eq!(
        failures,
        [(1, Some(Stage::Phase2), said)],
        "the stage that was to come"
    );
    assert_eq!(clients.give_up(&dues[0], PATIENCE), None);
}

#[test]
fn a_link_that_is_negotiated_anew_is_no_second_client() {
    let mut clients = clients(1, 1, false);
    bring_up(&mut clients, 0, 1, at(1));
    clients.on_session_up(at(2), &info(peer(0, 1)));
    check(&clients);
    assert_eq!((clients.up(), clients.tally.up), (1, 1));
}
