//! Thousands of bad networks.

use std::time::Duration;

use ppp::Method;
use rand_core::{Rng as _, SeedableRng};
use wire::Rng;

use crate::link::Conditions;
use crate::nat::Behaviour;
use crate::net::Realm;
use crate::party::{client_config, server_config};
use crate::seeds;
use crate::world::{Index, World};

/// What a seed makes of "up to".
struct Luck(Rng);

impl Luck {
    fn upto(&mut self, most: f64) -> f64 {
        most * f64::from(self.0.next_u32()) / f64::from(u32::MAX)
    }

    fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.0.next_u32() as usize % N]
    }

    fn conditions(&mut self, loss: f64) -> Conditions {
        Conditions {
            latency: Duration::from_millis(u64::from(self.0.next_u32() % 80)),
            jitter: Duration::from_millis(u64::from(self.0.next_u32() % 20)),
            // Each datagram crosses two links.
            loss: self.upto(loss / 2.0),
            duplication: self.upto(0.05),
            reordering: self.upto(0.1),
            held: Duration::from_millis(100),
            corruption: self.upto(loss / 10.0),
            ..Conditions::IDEAL
        }
    }
}

/// A client somewhere, with algorithms and a method of the seed's choice. A small group keeps
/// thousands of handshakes affordable.
fn world(seed: u64, loss: f64) -> (World, Index) {
    let mut luck = Luck(Rng::seed_from_u64(seed));
    let mut server = server_config(&[luck.one_of([Method::MsChapV2, Method::Chap, Method::Pap])]);
    let group = luck.one_of(["ecp256", "ecp256", "ecp256", "modp2048"]);
    server.ike.policy = server
        .ike
        .policy
        .with_groups(&[group])
        .expect("a known group");
    server.ike.encapsulation = luck.one_of([ike::Encapsulation::Auto, ike::Encapsulation::Always]);
    let mut client = client_config();
    client.ike.policy = server.ike.policy.clone();
    let conditions = luck.conditions(loss);
    let mut world = World::new(seed, server, conditions);
    let index = match luck.one_of([None, Some(Behaviour::HOME), Some(Behaviour::SYMMETRIC)]) {
        Some(behaviour) => {
            let nat = world.add_nat("198.51.100.9", behaviour, luck.conditions(loss));
            world.add(nat.realm(), "192.168.1.10", client, Conditions::IDEAL)
        }
        None => world.add(
            Realm::INTERNET,
            "203.0.113.5",
            client,
            luck.conditions(loss),
        ),
    };
    (world, index)
}

fn dial(world: &mut World, client: Index) {
    world.dial(client, |dial| {
        if let ppp::Role::Client(client) = &mut dial.link.role {
            client.methods = vec![Method::MsChapV2, Method::Chap, Method::Pap];
        }
    });
}

#[test]
fn up_to_five_percent_of_loss_always_connects() {
    seeds::for_each(1000, |seed| {
        let (mut world, client) = world(seed, 0.05);
        dial(&mut world, client);
        let up = world.run_until(Duration::from_secs(60), |world| world.is_up(client));
        assert!(up, "seed {seed}: not up\n{}", world.report());
        let heard = (0..20).any(|number| world.ping(client, number));
        assert!(
            heard,
            "seed {seed}: no ping in twenty came back\n{}",
            world.report()
        );
    });
}

#[test]
fn up_to_twenty_percent_connects_or_ends_cleanly_and_connects_later() {
    seeds::for_each(1000, |seed| {
        let (mut world, client) = world(seed, 0.20);
        let mut attempts = 0;
        loop {
            attempts += 1;
            dial(&mut world, client);
            let ended = world.party(client).endings().len();
            let both_up = |world: &mut World| {
                let theirs = world
                    .party(client)
                    .sessions()
                    .first()
                    .map(|s| s.local_address);
                let ours: Vec<_> = world.server().sessions();
                theirs.is_some_and(|theirs| ours.iter().any(|s| s.remote_address == theirs))
            };
            let settled = world.run_until(Duration::from_secs(180), |world| {
                both_up(world) || world.party(client).endings().len() > ended
            });
            assert!(
                settled,
                "seed {seed}: neither up nor ended\n{}",
                world.report()
            );
            if both_up(&mut world) {
                break;
            }
            assert_eq!(world.party(client).engine.peers().count(), 0, "seed {seed}");
            assert!(attempts < 10, "seed {seed}: never up\n{}", world.report());
        }
        // What earlier attempts left at the server goes by itself.
        world
            .net
            .set_all_conditions(Conditions::delayed(Duration::from_millis(10)));
        world.run_for(Duration::from_secs(600));
        let left = world.server().engine.peers().count();
        assert_eq!(left, 1, "seed {seed}: left behind\n{}", world.report());
        assert!(
            world.ping(client, 99),
            "seed {seed}: silent at the end\n{}",
            world.report()
        );
    });
}
