//! An office full of Windows: fifty clients with the same inner address and the same ports, behind
//! one outer address.

use std::time::Duration;

use engine::{Engine, Profile};
use ppp::Method;
use rand_core::{Rng as _, SeedableRng};
use wire::Rng;

use crate::echo::{ping, pings};
use crate::link::Conditions;
use crate::matrix::{affordable, dial};
use crate::nat::Behaviour;
use crate::party::{client_config, server_config};
use crate::world::{Index, World, ip};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(15));
const CROWD: usize = 50;

/// Each behind a translator of its own, all of them behind another one: so all have one inner
/// address, and one outer address.
fn crowd(seed: u64) -> (World, Vec<Index>) {
    let server = affordable(server_config(&[Method::MsChapV2]));
    let mut world = World::new(seed, server, WAN);
    let office = world.add_nat("198.51.100.9", Behaviour::HOME, WAN);
    let mut clients = Vec::new();
    for number in 0..CROWD {
        let address = ip(&format!("100.64.0.{}", number + 1));
        let desk = world
            .net
            .add_nat(office.realm(), address, Behaviour::HOME, Conditions::IDEAL);
        let (inside, config) = (desk.realm(), client_config());
        clients.push(world.add(inside, "192.168.1.10", config, Conditions::IDEAL));
    }
    (world, clients)
}

/// One ping from everybody at the same time; who has no reply.
fn all_at_once(world: &mut World, clients: &[Index], number: u32) -> Vec<usize> {
    for client in clients {
        let info = world.party(*client).sessions().remove(0);
        world.party(*client).received.clear();
        let request = ping(info.local_address, info.remote_address, number);
        assert!(world.send_ip(*client, &request));
    }
    world.run_for(Duration::from_millis(500));
    let silent = clients.iter().enumerate().filter_map(|(place, client)| {
        let replies = pings(&world.party(*client).received, true);
        (replies != [number]).then_some(place)
    });
    silent.collect()
}

#[test]
fn fifty_windows_come_and_go_and_nobody_minds() {
    let (mut world, clients) = crowd(1);
    for client in &clients {
        dial(&mut world, *client, Profile::Windows10);
        world.run_for(Duration::from_millis(20));
    }
    let all = |world: &mut World| clients.iter().all(|client| world.is_up(*client));
    let up = world.run_until(Duration::from_secs(60), all);
    assert!(up, "{}", world.report());
    assert_eq!(world.server().sessions().len(), CROWD);
    assert_eq!(all_at_once(&mut world, &clients, 1), Vec::<usize>::new());

    let mut rng = Rng::seed_from_u64(1);
    let mut gone = Vec::new();
    let (mut left, mut joined) = (0, 0);
    for round in 2..402_u32 {
        let which = rng.next_u32() as usize % CROWD;
        let client = clients[which];
        if world.is_up(client) {
            match rng.next_u32() % 3 {
                // Without a word, as when the plug is pulled.
                0 => world.restart(client, client_config()),
                _ => world.with(client, Engine::close_all),
            }
            gone.push(which);
            left += 1;
        } else {
            dial(&mut world, client, Profile::Windows10);
            world.run_until(Duration::from_secs(20), |world| world.is_up(client));
            assert!(world.is_up(client), "{}", world.report());
            gone.retain(|other| *other != which);
            joined += 1;
        }
        if round % 10 == 0 {
            let there = |place: &usize| !gone.contains(place);
            let there: Vec<_> = (0..CROWD)
                .filter(there)
                .map(|place| clients[place])
                .collect();
            let silent = all_at_once(&mut world, &there, round);
            assert_eq!(silent, Vec::<usize>::new(), "{}", world.report());
        }
    }
    println!("crowd: {left} left and {joined} joined, nobody lost a packet");
    for client in &clients {
        world.with(*client, Engine::close_all);
    }
    // Those that went without a word are found out by their silence.
    world.run_for(Duration::from_secs(1200));
    world.assert_server_is_empty();
}
