//! A day in the life of a server: a hundred clients of every make, on lossy lines, who sleep, roam,
//! rekey, and dial again when their connection is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use engine::{Engine, Event, Profile};
use ppp::Method;
use rand_core::{Rng as _, SeedableRng};
use wire::{Instant, Rng};

use crate::link::Conditions;
use crate::matrix::{affordable, dial};
use crate::nat::Behaviour;
use crate::net::Realm;
use crate::party::{client_config, server_config};
use crate::seeds;
use crate::world::{Index, World, ip};

const CROWD: usize = 100;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The last of it, in which nobody sleeps or moves any more, and who was lost is back.
const EVENING: Duration = Duration::from_secs(1800);
/// Each way, of which each datagram takes two: 2 % together.
const LINE: Conditions = Conditions {
    latency: Duration::from_millis(20),
    jitter: Duration::from_millis(10),
    loss: 0.01,
    ..Conditions::IDEAL
};
/// How often somebody looks whether the connection works.
const LOOK: (u64, u64) = (240, 600);

/// What a person does next with a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Dial,
    Look,
    Sleep,
    Wake,
    Roam,
}

/// What happened, in numbers.
#[derive(Debug, Default)]
struct Diary {
    redials: usize,
    sleeps: usize,
    roams: usize,
    looks: usize,
    /// Why sessions ended, as the server sees it.
    endings: BTreeMap<String, usize>,
}

struct Person {
    client: Index,
    profile: Profile,
    /// Looks in a row that found nothing.
    silent: u32,
}

struct Day {
    world: World,
    people: Vec<Person>,
    rng: Rng,
    /// What is to be done, when and by whom.
    plans: BTreeSet<(Instant, usize, Deed)>,
    diary: Diary,
    evening: Instant,
    end: Instant,
    number: u32,
    places: usize,
}

impl Day {
    fn new(seed: u64) -> Self {
        let server = affordable(server_config(&[
            Method::MsChapV2,
            Method::Chap,
            Method::Pap,
        ]));
        let world = World::new(seed, server, LINE);
        let end = world.now + DAY;
        let mut day = Self {
            evening: world.now + (DAY - EVENING),
            end,
            world,
            people: Vec::new(),
            rng: Rng::seed_from_u64(seed),
            plans: BTreeSet::new(),
            diary: Diary::default(),
            number: 0,
            places: 0,
        };
        let others: Vec<_> = Profile::ALL.into_iter().skip(1).collect();
        let mut office = None;
        for who in 0..CROWD {
            // One in five has an address of its own, three in ten share one with two others.
            let (realm, address) = match who % 10 {
                0 | 1 => day.place(true),
                2..=4 => {
                    let realm = office.unwrap_or_else(|| day.place(false).0);
                    office = if who % 10 == 4 { None } else { Some(realm) };
                    (realm, format!("192.168.1.{}", 9 + who % 10))
                }
                _ => day.place(false),
            };
            let line = if realm == Realm::INTERNET {
                LINE
            } else {
                Conditions::IDEAL
            };
            let client = day.world.add(realm, &address, client_config(), line);
            day.people.push(Person {
                client,
                profile: others[who % others.len()],
                silent: 0,
            });
            day.plan(who, Deed::Dial, (0, 600));
            day.plan(who, Deed::Sleep, (3600, 4 * 3600));
            day.plan(who, Deed::Roam, (2 * 3600, 8 * 3600));
        }
        day
    }

    /// Somewhere new to be: in the open, or behind a translator of one's own.
    fn place(&mut self, open: bool) -> (Realm, String) {
        self.places += 1;
        let number = self.places;
        if open {
            let address = format!("203.0.{}.{}", number / 250, number % 250 + 1);
            return (Realm::INTERNET, address);
        }
        let address = format!("198.51.{}.{}", number / 250, number % 250 + 1);
        let behaviour = if number.is_multiple_of(4) {
            Behaviour::SYMMETRIC
        } else {
            Behaviour::HOME
        };
        let nat = self.world.add_nat(&address, behaviour, LINE);
        (nat.realm(), "192.168.1.10".to_owned())
    }

    fn within(&mut self, (least, most): (u64, u64)) -> Duration {
        let spread = u64::from(self.rng.next_u32()) % (most - least + 1);
        Duration::from_secs(least + spread)
    }

    fn plan(&mut self, who: usize, deed: Deed, when: (u64, u64)) {
        let at = self.world.now + self.within(when);
        if matches!(deed, Deed::Sleep | Deed::Roam) && at > self.evening {
            return;
        }
        if matches!(deed, Deed::Dial | Deed::Look) {
            // Nobody plans to do both, or one twice.
            self.plans.retain(|(_, other, deed)| {
                *other != who || !matches!(deed, Deed::Dial | Deed::Look)
            });
        }
        self.plans.insert((at, who, deed));
    }

    fn run(&mut self) {
        while let Some((at, who, deed)) = self.plans.pop_first() {
            if at >= self.end {
                break;
            }
            if at > self.world.now {
                self.world.run_for(at - self.world.now);
            }
            match deed {
                Deed::Dial => self.dial(who),
                Deed::Look => self.look(who),
                Deed::Sleep => {
                    self.diary.sleeps += 1;
                    self.world.party(self.people[who].client).asleep = true;
                    self.plan(who, Deed::Wake, (60, 1200));
                }
                Deed::Wake => {
                    self.world.party(self.people[who].client).asleep = false;
                    self.plan(who, Deed::Look, (3, 10));
                    self.plan(who, Deed::Sleep, (3600, 4 * 3600));
                }
                Deed::Roam => self.roam(who),
            }
        }
        self.world.run_for(self.end - self.world.now);
    }

    fn dial(&mut self, who: usize) {
        let Person {
            client, profile, ..
        } = self.people[who];
        if self.world.party(client).asleep {
            return self.plan(who, Deed::Dial, (60, 60));
        }
        self.world.with(client, Engine::close_all);
        dial(&mut self.world, client, profile);
        self.people[who].silent = 0;
        self.plan(who, Deed::Look, (20, 40));
    }

    /// Uses the connection, and dials again if there is none.
    fn look(&mut self, who: usize) {
        let client = self.people[who].client;
        if self.world.party(client).asleep {
            return self.plan(who, Deed::Look, (60, 60));
        }
        self.diary.looks += 1;
        self.number += 1;
        self.world.party(client).received.clear();
        let connecting = self.world.party(client).engine.peers().count() > 0;
        if self.world.is_up(client) && self.world.ping(client, self.number) {
            self.people[who].silent = 0;
            self.plan(who, Deed::Look, LOOK);
        } else if connecting && self.people[who].silent < 4 {
            self.people[who].silent += 1;
            self.plan(who, Deed::Look, (5, 10));
        } else {
            self.diary.redials += 1;
            self.plan(who, Deed::Dial, (1, 5));
        }
    }

    /// To another network. Some systems notice and drop the connection; with others it goes on if
    /// the new network gives the address that the old one gave, and else comes to nothing.
    fn roam(&mut self, who: usize) {
        let client = self.people[who].client;
        if self.world.party(client).asleep {
            return self.plan(who, Deed::Roam, (600, 1200));
        }
        self.diary.roams += 1;
        let open = self.within((0, 4)).is_zero();
        let (realm, address) = self.place(open);
        let host = self.world.party(client).host;
        self.world.net.move_host(host, realm, ip(&address));
        let line = if open { LINE } else { Conditions::IDEAL };
        self.world.net.set_conditions(host, line);
        self.world.party(client).address = ip(&address);
        if self.within((0, 1)).is_zero() {
            self.world.restart(client, client_config());
            self.plan(who, Deed::Dial, (1, 5));
        }
        self.plan(who, Deed::Roam, (2 * 3600, 8 * 3600));
    }

    fn everybody_is_up(&mut self) {
        for who in 0..CROWD {
            let Person {
                client, profile, ..
            } = self.people[who];
            self.number += 10;
            let number = self.number;
            let heard = (0..8).any(|try_| self.world.ping(client, number + try_));
            assert!(heard, "{who}, {profile}\n{}", self.world.report());
        }
        let engine = &self.world.server().engine;
        let (held, peers): (_, Vec<_>) = (engine.occupancy(), engine.peers().collect());
        assert_eq!(
            (held.sessions, held.addresses, held.tunnels),
            (CROWD, CROWD, CROWD)
        );
        // An IKE SA that replaces another is a peer of its own until its first child SA shows whose
        // it is: with Apple's clients most of the time.
        let (joined, young): (Vec<_>, Vec<_>) = peers.iter().partition(|peer| peer.tunnels > 0);
        assert_eq!(joined.len(), CROWD, "{held:?}");
        assert!(
            young
                .iter()
                .all(|peer| (peer.ike_sas, peer.child_sas) == (1, 0)),
            "{young:#?}"
        );
        assert!(
            young.len() < CROWD / 2 && held.ike_sas < 2 * CROWD,
            "{held:?}"
        );
        let plane = self.world.server().plane.occupancy();
        assert_eq!(plane.sessions, CROWD);
        assert_eq!((plane.inbound, held.child_sas), (held.child_sas, held.spis));
        println!("day: at its end {held:?}, {plane:?}");
    }
}

impl fmt::Display for Diary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            redials,
            sleeps,
            roams,
            looks,
            ..
        } = self;
        write!(
            f,
            "{sleeps} sleeps, {roams} moves, {redials} redials, {looks} looks at the connection"
        )
    }
}

fn day(seed: u64) {
    let mut day = Day::new(seed);
    day.run();
    day.everybody_is_up();
    let counters = day.world.server().engine.ike_counters();
    for (_, event) in &day.world.server().events {
        if let Event::SessionDown(_, reason) = event {
            *day.diary.endings.entry(reason.to_string()).or_default() += 1;
        }
    }
    println!("day: {}", day.diary);
    println!(
        "day: {} Main Modes, {} Quick Modes",
        counters.main_modes, counters.quick_modes
    );
    for (reason, count) in &day.diary.endings {
        println!("day: {count} sessions ended: {reason}");
    }
    for who in 0..CROWD {
        let client = day.people[who].client;
        day.world.with(client, Engine::close_all);
    }
    day.world.run_for(Duration::from_secs(1200));
    day.world.assert_server_is_empty();
}

#[test]
fn a_day_with_a_hundred_clients_ends_with_all_of_them_up_and_nothing_leaked() {
    seeds::for_each(1, day);
}
