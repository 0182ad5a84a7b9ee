//! Staying in, as each client does it: rekeys at its own times and in its own order, sleep,
//! another address, a crash.

use std::time::Duration;

use engine::{Engine, Habits, Profile};
use ike::habits::OldSa;
use ppp::Method;

use crate::echo::{long_ping, pings};
use crate::link::Conditions;
use crate::matrix::{affordable, dial};
use crate::nat::{Behaviour, Rebind};
use crate::net::{NatId, Realm};
use crate::party::{Layer, client_config, server_config};
use crate::world::{Index, SERVER, World, ip};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(20));

fn behind_nat(seed: u64) -> (World, NatId, Index) {
    let mut world = World::new(seed, affordable(server_config(&[Method::MsChapV2])), WAN);
    let nat = world.add_nat("198.51.100.9", Behaviour::HOME, WAN);
    let (inside, config) = (nat.realm(), client_config());
    let client = world.add(inside, "192.168.1.10", config, Conditions::IDEAL);
    (world, nat, client)
}

fn connect(world: &mut World, client: Index, habits: Habits) {
    world.dial(client, |dial| dial.habits = habits);
    let up = world.run_until(Duration::from_secs(20), |world| world.is_up(client));
    assert!(up, "{}", world.report());
}

/// Pings of `length` bytes both ways at each `pause`, and how many were lost each way.
fn traffic(
    world: &mut World,
    client: Index,
    rounds: u32,
    pause: Duration,
    length: usize,
) -> (usize, usize) {
    let info = world.party(client).sessions().remove(0);
    let (inside, server) = (info.local_address, info.remote_address);
    let (mut from_client, mut from_server) = (0, 0);
    world.party(client).received.clear();
    world.server().received.clear();
    for number in 0..rounds {
        world.send_ip(client, &long_ping(inside, server, number, length));
        world.send_ip(SERVER, &long_ping(server, inside, number, length));
        world.run_for(pause);
        if number % 1000 == 999 || number + 1 == rounds {
            world.run_for(Duration::from_secs(2));
            from_client += pings(&world.party(client).received, true).len();
            from_server += pings(&world.server().received, true).len();
            world.party(client).received.clear();
            world.server().received.clear();
        }
    }
    let rounds = rounds as usize;
    (rounds - from_client, rounds - from_server)
}

/// Nine hours, in which every client but RouterOS (whose phase 1 lasts a day) rekeys both phases.
#[test]
fn nine_hours_of_each_lose_nothing() {
    for profile in Profile::ALL {
        for nat in [true, false] {
            let (mut world, _, mut client) = behind_nat(3);
            if !nat {
                client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
            }
            connect(&mut world, client, profile.habits());
            let started = world.server().engine.ike_counters();
            let pause = Duration::from_secs(5);
            let lost = traffic(&mut world, client, 9 * 720, pause, 4);
            let counters = world.server().engine.ike_counters();
            let main_modes = counters.main_modes - started.main_modes;
            let quick_modes = counters.quick_modes - started.quick_modes;
            println!("staying: {profile}: {main_modes} Main Modes, {quick_modes} Quick Modes");
            assert_eq!(lost, (0, 0), "{profile}, NAT: {nat}\n{}", world.report());
            assert!(quick_modes > 0, "{profile}");
            assert!(main_modes > 0 || profile == Profile::MikroTik, "{profile}");
            assert_eq!(world.server().sessions().len(), 1, "{profile}");
        }
    }
}

/// Windows counts kilobytes as well, and at full speed rekeys several times a minute.
#[test]
fn rekeying_by_volume_several_times_a_minute_loses_nothing() {
    for profile in [Profile::Windows7, Profile::Windows10] {
        let (mut world, _, client) = behind_nat(4);
        let mut habits = profile.habits();
        let proposal = habits
            .ike
            .esp_proposal
            .as_mut()
            .expect("an offer of its own");
        assert_eq!(proposal.kilobytes, Some(250_000));
        // The same with a thousandth of the traffic: 250 packets of 1,000 bytes fill it.
        proposal.kilobytes = Some(250);
        connect(&mut world, client, habits);
        let before = world.server().engine.ike_counters().quick_modes;
        // Each ping crosses twice, in two directions: 100 kB a second for five minutes.
        let lost = traffic(&mut world, client, 7500, Duration::from_millis(40), 1000);
        let rekeys = world.server().engine.ike_counters().quick_modes - before;
        println!("staying: {profile}: {rekeys} rekeys by volume in five minutes");
        assert_eq!(lost, (0, 0), "{}", world.report());
        assert!(rekeys > 20, "{rekeys} rekeys");
        let held = world.server().engine.occupancy();
        assert!(held.child_sas < 10, "{held:?}");
    }
}

/// Whether the old SA goes after the new one is there, or before it.
#[test]
fn the_old_sa_may_go_before_or_after_the_new_one_comes() {
    for (old, may_lose) in [
        (OldSa::DeletedAfterOverlap, false),
        (OldSa::LeftToExpire, false),
        (OldSa::DeletedBefore, true),
    ] {
        let (mut world, _, client) = behind_nat(5);
        let mut habits = Profile::Windows10.habits();
        habits.ike.child_rekey.old = old;
        habits.ike.ike_rekey.old = old;
        connect(&mut world, client, habits);
        let started = world.server().engine.ike_counters();
        let pause = Duration::from_secs(1);
        let lost = traffic(&mut world, client, 9 * 3600, pause, 4);
        let counters = world.server().engine.ike_counters();
        assert!(counters.quick_modes - started.quick_modes >= 8, "{old:?}");
        assert!(counters.main_modes > started.main_modes, "{old:?}");
        println!("staying: {old:?}: lost {lost:?}");
        let most = if may_lose { 30 } else { 0 };
        assert!(
            lost.0 <= most && lost.1 <= most,
            "{old:?}: {lost:?}\n{}",
            world.report()
        );
        assert!(world.ping(client, 1), "{old:?}\n{}", world.report());
        assert_eq!(world.server().sessions().len(), 1, "{old:?}");
    }
}

/// Nobody says anything but what has to be: under its new SAs the client names no session.
#[test]
fn a_quiet_client_stays_in_whatever_becomes_of_its_old_sas() {
    for old in [
        OldSa::DeletedAfterOverlap,
        OldSa::LeftToExpire,
        OldSa::DeletedBefore,
    ] {
        for nat in [true, false] {
            let (mut world, _, mut client) = behind_nat(9);
            if !nat {
                client = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
            }
            let mut habits = Profile::Windows10.habits();
            habits.ike.child_rekey.old = old;
            habits.ike.ike_rekey.old = old;
            // An Echo-Request of LCP.
            world.party(client).tamper = Some(Box::new(|layer, frame| {
                let asks = frame.windows(3).take(3).any(|at| at == [0xc0, 0x21, 9]);
                match layer == Layer::Ppp && asks {
                    true => Vec::new(),
                    false => vec![frame],
                }
            }));
            world.dial(client, |dial| {
                dial.habits = habits;
                dial.link.timers.echo_interval = None;
            });
            let up = world.run_until(Duration::from_secs(20), |world| world.is_up(client));
            assert!(up, "{}", world.report());
            let tunnel = world.server().sessions()[0].tunnel_ids;
            let started = world.server().engine.ike_counters();
            world.run_for(Duration::from_secs(20 * 3600));
            let counters = world.server().engine.ike_counters();
            assert!(counters.main_modes > started.main_modes, "{old:?}");
            let sessions = world.server().sessions();
            assert_eq!(sessions.len(), 1, "{old:?}, NAT: {nat}\n{}", world.report());
            assert_eq!(sessions[0].tunnel_ids, tunnel, "it is the same session");
            assert!(world.ping(client, 1), "{old:?}\n{}", world.report());
        }
    }
}

#[test]
fn a_phase_1_rekey_that_has_no_answer_on_4500_comes_from_500() {
    let (mut world, _, client) = behind_nat(6);
    connect(&mut world, client, Profile::MacOs.habits());
    let tunnel = world.server().sessions()[0].tunnel_ids;
    // Nothing of a Main Mode gets through for a while: exchange type 2, in the nineteenth byte.
    let mut swallowed = 0;
    world.party(client).tamper = Some(Box::new(move |layer, message| {
        let is_main_mode = layer == Layer::Isakmp && message.get(18) == Some(&2);
        if is_main_mode && swallowed < 10 {
            swallowed += 1;
            return Vec::new();
        }
        vec![message]
    }));
    let before = world.server().engine.ike_counters().main_modes;
    world.party(client).tap = Some(Vec::new());
    let lost = traffic(&mut world, client, 3600, Duration::from_secs(1), 4);
    assert_eq!(lost, (0, 0), "{}", world.report());
    let tap = world.party(client).tap.take().unwrap_or_default();
    let from_500 = tap.iter().filter(|sent| sent.src.port() == 500).count();
    assert!(from_500 > 0, "nothing came from port 500");
    assert!(world.server().engine.ike_counters().main_modes > before);
    let sessions = world.server().sessions();
    assert_eq!(sessions.len(), 1, "{}", world.report());
    assert_eq!(sessions[0].tunnel_ids, tunnel, "it is the same session");
}

#[test]
fn every_client_survives_a_translator_that_changes_its_mind() {
    for profile in Profile::ALL {
        let (mut world, nat, client) = behind_nat(7);
        connect(&mut world, client, profile.habits());
        assert!(world.ping(client, 1));
        let elsewhere = Rebind::Address(ip("198.51.100.77"));
        for (number, event) in (2..).zip([Rebind::Ports, elsewhere, Rebind::Forget]) {
            world.net.rebind(nat, event);
            // The reply to the first packet from elsewhere may still go to the old place.
            world.ping(client, 100);
            let heard = world.ping(client, number);
            assert!(heard, "{profile}, {event:?}\n{}", world.report());
            world.run_for(Duration::from_secs(300));
        }
        // The next rekeys come from the new place.
        world.run_for(Duration::from_secs(8 * 3600));
        assert!(world.ping(client, 50), "{profile}\n{}", world.report());
        assert_eq!(world.server().sessions().len(), 1, "{profile}");
    }
}

/// A phone in a pocket hears nothing and says nothing.
#[test]
fn a_phone_may_sleep_for_two_minutes() {
    for profile in [Profile::Ios, Profile::Android, Profile::MacOs] {
        let (mut world, _, client) = behind_nat(8);
        connect(&mut world, client, profile.habits());
        for number in 0..10 {
            world.party(client).asleep = true;
            world.run_for(Duration::from_secs(120));
            world.party(client).asleep = false;
            // Its mapping has gone meanwhile; its own first packet makes another.
            world.ping(client, 100);
            let heard = world.ping(client, number);
            assert!(heard, "{profile}, {number}\n{}", world.report());
            world.run_for(Duration::from_secs(60));
        }
        assert_eq!(world.server().sessions().len(), 1, "{profile}");
    }
}

/// One that slept too long has been given up, and gets in again at once.
#[test]
fn who_slept_for_an_hour_redials() {
    for profile in Profile::ALL {
        let (mut world, _, client) = behind_nat(9);
        connect(&mut world, client, profile.habits());
        world.party(client).asleep = true;
        world.run_for(Duration::from_secs(3600));
        assert_eq!(world.server().sessions().len(), 0, "{profile}");
        world.party(client).asleep = false;
        world.run_for(Duration::from_secs(5));
        world.with(client, Engine::close_all);
        connect(&mut world, client, profile.habits());
        assert!(world.ping(client, 1), "{profile}\n{}", world.report());
        world.with(client, Engine::close_all);
        world.run_for(Duration::from_secs(400));
        world.assert_server_is_empty();
    }
}

/// After a crash, from the same address and the same ports: in at once, and the former self goes.
#[test]
fn who_crashed_is_back_at_once() {
    for profile in Profile::ALL {
        let (mut world, _, client) = behind_nat(10);
        for round in 0..3 {
            world.restart(client, client_config());
            dial(&mut world, client, profile);
            let up = world.run_until(Duration::from_secs(5), |world| world.is_up(client));
            assert!(up, "{profile}, round {round}\n{}", world.report());
            assert!(world.ping(client, round), "{profile}\n{}", world.report());
        }
        world.run_for(Duration::from_secs(1200));
        assert!(world.ping(client, 10), "{profile}\n{}", world.report());
        assert_eq!(world.server().sessions().len(), 1, "{profile}");
        assert_eq!(world.server().engine.peers().count(), 1, "{profile}");
    }
}
