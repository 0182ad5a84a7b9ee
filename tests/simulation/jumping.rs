//! What no protocol speaks of: a host that was suspended, a clock that goes ahead.

use std::time::Duration;

use engine::{Config, Engine, Event, Habits, Profile};
use ppp::Method;

use crate::link::Conditions;
use crate::matrix::affordable;
use crate::net::Realm;
use crate::party::{client_config, server_config};
use crate::world::{Index, SERVER, World};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(20));
/// Clients of different makes: their timers are not ours.
const MAKES: [Profile; 4] = [
    Profile::Windows10,
    Profile::Ios,
    Profile::Android,
    Profile::MikroTik,
];

/// A server and some clients, all of which are in.
fn several(seed: u64, server: Config) -> (World, Vec<Index>) {
    let mut world = World::new(seed, affordable(server), WAN);
    let clients: Vec<Index> = (0..8_usize)
        .map(|number| {
            let address = format!("203.0.113.{}", number + 1);
            let client = world.add(Realm::INTERNET, &address, client_config(), WAN);
            let habits = MAKES[number % MAKES.len()].habits();
            connect(&mut world, client, habits);
            client
        })
        .collect();
    // Every one in another state of its timers.
    world.run_for(Duration::from_secs(77));
    (world, clients)
}

fn server() -> Config {
    server_config(&[Method::MsChapV2])
}

fn connect(world: &mut World, client: Index, habits: Habits) {
    world.dial(client, |dial| dial.habits = habits);
    let up = world.run_until(Duration::from_secs(20), |world| world.is_up(client));
    assert!(up, "{}", world.report());
}

fn all_ping(world: &mut World, clients: &[Index], number: u32) {
    for client in clients {
        let heard = world.ping(*client, number);
        assert!(heard, "{client:?}\n{}", world.report());
    }
}

fn ended(world: &mut World) -> usize {
    let events = world.server().events.iter();
    events
        .filter(|(_, event)| matches!(event, Event::SessionDown(..)))
        .count()
}

/// The server stands still (a live migration, a snapshot) while its clients do not: their echo requests,
/// HELLOs and DPD messages are lost, and when it goes on all of its own are due at once.
#[test]
fn a_server_that_stands_still_for_a_minute_loses_nobody() {
    for round in 0..5 {
        let (mut world, clients) = several(round, server());
        for number in 0..3 {
            world.party(SERVER).asleep = true;
            world.run_for(Duration::from_secs(60));
            world.party(SERVER).asleep = false;
            world.run_for(Duration::from_secs(45));
            all_ping(&mut world, &clients, number);
        }
        assert_eq!(ended(&mut world), 0, "{}", world.report());
        assert_eq!(world.server().sessions().len(), clients.len());
    }
}

/// Everybody's clock goes ahead. As long as no lifetime is over by that, everybody stays.
#[test]
fn a_clock_that_goes_ahead_ends_nobody_who_is_there() {
    for seconds in [1, 60, 600, 900] {
        let (mut world, clients) = several(seconds, server());
        world.party(SERVER).tap = Some(Vec::new());
        for number in 0..3 {
            world.run_for(Duration::from_secs(11 + seconds % 7));
            if number == 0 {
                world.jump(Duration::from_secs(seconds));
            }
            all_ping(&mut world, &clients, number);
        }
        world.run_for(Duration::from_secs(120));
        all_ping(&mut world, &clients, 9);
        assert_eq!(ended(&mut world), 0, "{seconds} s\n{}", world.report());
        // What was due many times over meanwhile is done once.
        let tap = world.party(SERVER).tap.take().unwrap_or_default();
        let most = clients.len() * 20;
        assert!(tap.len() <= most, "{} ISAKMP messages", tap.len());
    }
}

/// By hours and years, lifetimes are over: whoever is still there gets in again, and nothing is left of
/// before.
#[test]
fn a_clock_that_goes_ahead_by_years_leaves_nothing_behind() {
    let hour = 3600;
    for hours in [5, 30, 24 * 365, 24 * 365 * 100] {
        let (mut world, clients) = several(hours, server());
        world.jump(Duration::from_secs(hours * hour));
        world.run_for(Duration::from_secs(300));
        for (number, client) in clients.iter().enumerate() {
            if !world.ping(*client, 1) {
                world.with(*client, Engine::close_all);
                connect(&mut world, *client, MAKES[number % MAKES.len()].habits());
            }
        }
        all_ping(&mut world, &clients, 2);
        for client in &clients {
            world.with(*client, Engine::close_all);
        }
        world.run_for(Duration::from_secs(1200));
        world.assert_server_is_empty();
    }
}
