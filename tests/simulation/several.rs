//! Several dials of one engine to one server: what is the same for all of them at the other end
//! does not make them one.

use std::time::Duration;

use engine::Reason;
use ppp::Method;
use wire::PeerId;

use crate::echo::{ping, pings};
use crate::link::Conditions;
use crate::net::Realm;
use crate::party::{SECOND_IKE, SECOND_NATT, client_config, server_config};
use crate::world::{Index, SERVER, World};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(15));

/// Two dials of one engine, both up, neither of which finds out by PPP or L2TP that its server is
/// gone; both are behind a NAT, as it were.
fn world() -> (World, Index, [PeerId; 2]) {
    let mut config = client_config();
    config.l2tp.timing.hello = Duration::from_secs(86_400);
    let mut world = World::new(12, server_config(&[Method::MsChapV2]), WAN);
    let client = world.add(Realm::INTERNET, "203.0.113.5", config, WAN);
    let [first, second] = [[500, 4500], [SECOND_IKE, SECOND_NATT]].map(|[ike, natt]| {
        world.dial(client, |dial| {
            dial.ike.local.set_port(ike);
            dial.natt.local.set_port(natt);
            dial.force_udp = true;
            dial.routed = false;
            dial.link.timers.echo_interval = None;
        })
    });
    let up = world.run_until(Duration::from_secs(10), |world| {
        world.party(client).sessions().len() == 2
    });
    assert!(up, "{}", world.report());
    (world, client, [first, second])
}

/// The peers that a party has been told are down, and why.
fn down(world: &mut World, index: Index) -> Vec<(PeerId, Reason)> {
    let events = world.party(index).events.iter();
    let down = events.filter_map(|(_, event)| match event {
        engine::Event::PeerDown { peer, reason } => Some((*peer, reason.clone())),
        _ => None,
    });
    down.collect()
}

#[test]
fn each_has_a_session_and_keeps_it_when_the_other_ends() {
    let (mut world, client, [first, second]) = world();
    let sessions = world.server().sessions();
    assert_eq!(sessions.len(), 2);
    let infos = world.party(client).sessions();
    assert_ne!(infos[0].local_address, infos[1].local_address);
    // Nothing goes through them by its destination.
    let request = ping(infos[0].local_address, infos[0].remote_address, 1);
    assert!(!world.send_ip(client, &request));
    assert!(pings(&world.server().received, false).is_empty());
    let ended = sessions
        .iter()
        .find(|session| session.path.remote.port() == SECOND_NATT)
        .unwrap()
        .session;
    world.with(SERVER, |engine, now| engine.close_session(now, ended));
    world.run_for(Duration::from_secs(300));
    let gone: Vec<PeerId> = down(&mut world, client)
        .iter()
        .map(|(peer, _)| *peer)
        .collect();
    assert_eq!(gone, [second]);
    let left = world.party(client).sessions();
    assert_eq!(
        left.iter().map(|info| info.peer).collect::<Vec<_>>(),
        [first]
    );
    assert_eq!(world.server().sessions().len(), 1, "{}", world.report());
}

#[test]
fn each_finds_out_for_itself_that_the_server_is_dead() {
    let (mut world, client, both) = world();
    world.run_for(Duration::from_secs(10));
    world.server().asleep = true;
    // Dead peer detection: half a minute of silence, and five questions.
    world.run_for(Duration::from_secs(120));
    let mut down = down(&mut world, client);
    down.sort_by_key(|(peer, _)| *peer);
    let dead = Reason::Ike(ike::CloseReason::DeadPeer);
    assert_eq!(
        down,
        both.map(|peer| (peer, dead.clone())),
        "{}",
        world.report()
    );
}
