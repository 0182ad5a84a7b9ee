//! What IKE tells the engine, without IKE: SPIs that a peer gives twice.

use std::time::Duration;

use ike::{
    ChildId, ChildSa, EspEncryption, EspIntegrity, EspMode, EspSa, EspSuite, Event as Ike, KeyBits,
    Make, Nat, SaId, SaInfo,
};
use rand_core::SeedableRng as _;
use wire::{Carrier, Instant, Path, PeerId, Rng, Secret};

use crate::{Config, Engine, Output};

fn path() -> Path {
    Path {
        local: ([192, 0, 2, 1], 4500).into(),
        remote: ([198, 51, 100, 9], 4500).into(),
        carrier: Carrier::NatT,
    }
}

fn now() -> Instant {
    Instant::from_boot(Duration::from_secs(100))
}

fn sa_up(sa: u64) -> Ike {
    let info = SaInfo {
        initiator: false,
        path: path(),
        proven: path().remote.ip(),
        cookies: (ike::Cookie([1; 8]), ike::Cookie([2; 8])),
        peer_identity: ike::Identity::KeyId(b"client".to_vec()),
        suite: "aes256-sha1-modp2048".into(),
        lifetime: Duration::from_secs(28_800),
        nat: Nat::default(),
        nat_traversal: None,
        key: ike::KeyName::only("test"),
        make: Make::Unknown,
        dpd: false,
        started: now(),
        established: now(),
    };
    Ike::SaUp {
        sa: SaId(sa),
        info: Box::new(info),
    }
}

fn child_up(sa: u64, child: u64, inbound: u32, outbound: u32) -> Ike {
    let half = |spi| EspSa {
        spi,
        encryption: Secret::from(vec![child as u8; 16]),
        integrity: Secret::from(vec![child as u8; 20]),
    };
    let traffic = ike::Traffic {
        address: None,
        protocol: 17,
        port: 1701,
    };
    let details = ChildSa {
        inbound: half(inbound),
        outbound: half(outbound),
        suite: EspSuite::new(EspEncryption::AesCbc(KeyBits::B128), EspIntegrity::Sha1),
        mode: EspMode::Udp,
        path: path(),
        initiator: false,
        replaces: None,
        lifetime: Duration::from_secs(3600),
        kilobytes: None,
        pfs: None,
        initiator_traffic: traffic,
        responder_traffic: traffic,
        nat_oa: None,
    };
    Ike::ChildUp {
        sa: SaId(sa),
        child: ChildId(child),
        details: Box::new(details),
    }
}

/// An engine and a data plane that does what it is told, or fails the test.
struct Bench {
    engine: Engine,
    plane: dataplane::DataPlane,
}

impl Bench {
    fn new() -> Self {
        let config = dataplane::Config::for_peers(16);
        Self {
            engine: Engine::new(Config::default(), config.slots, Rng::seed_from_u64(1)),
            plane: dataplane::DataPlane::new(config),
        }
    }

    fn tell(&mut self, event: Ike) {
        self.engine.on_ike_event(now(), event);
        self.apply();
    }

    fn apply(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            if let Output::DataPlane(update) = output {
                let shown = format!("{update:?}");
                self.plane
                    .apply(update)
                    .unwrap_or_else(|error| panic!("{error}: {shown}"));
            }
        }
    }

    fn spi(&mut self) -> u32 {
        self.engine.spis.allocate().unwrap()
    }

    fn up(&mut self, sa: u64, child: u64, outbound: u32) {
        let inbound = self.spi();
        self.tell(child_up(sa, child, inbound, outbound));
        self.tell(Ike::ChildConfirmed {
            child: ChildId(child),
        });
    }

    fn down(&mut self, child: u64) {
        self.tell(Ike::ChildDown {
            child: ChildId(child),
            reason: ike::CloseReason::Expired,
        });
    }

    fn only_peer(&self) -> PeerId {
        *self.engine.peers.keys().next().unwrap()
    }
}

const SPI: u32 = 0xc000_0001;

#[test]
fn the_newest_child_sa_has_a_number_that_was_given_twice() {
    let mut bench = Bench::new();
    bench.tell(sa_up(1));
    bench.up(1, 1, SPI);
    bench.up(1, 2, SPI);
    bench.up(1, 3, SPI + 1);
    let peer = bench.only_peer();
    assert!(bench.plane.outbound_usage(peer, SPI).is_some());
    // The end of the first says nothing about the second, whose number it had.
    bench.down(1);
    assert!(bench.plane.outbound_usage(peer, SPI).is_some());
    bench.down(2);
    assert!(bench.plane.outbound_usage(peer, SPI).is_none());
    assert!(bench.plane.outbound_usage(peer, SPI + 1).is_some());
}

#[test]
fn a_peer_that_turns_out_to_be_an_older_one_may_have_given_a_number_again() {
    let mut bench = Bench::new();
    bench.tell(sa_up(1));
    bench.up(1, 1, SPI);
    let elder = bench.only_peer();
    bench.tell(sa_up(2));
    bench.up(2, 2, SPI);
    let younger = *bench.engine.peers.keys().next_back().unwrap();
    assert_ne!(elder, younger);
    bench.engine.join(now(), younger, elder);
    bench.apply();
    bench.down(1);
    assert!(bench.plane.outbound_usage(elder, SPI).is_some());
    bench.down(2);
    assert!(bench.plane.outbound_usage(elder, SPI).is_none());
}

#[test]
fn links_with_sleepers_live_through_ten_minutes_and_others_do_not_change() {
    let usual = ppp::Config::server("l2tpd");
    let doze = Duration::from_secs(600);
    let patient = crate::engine::patient(usual.clone(), doze);
    let silence =
        |link: &ppp::Config| link.timers.echo_interval.unwrap() * link.timers.echo_failures;
    assert!(silence(&usual) < doze && silence(&patient) >= doze);
    let again = crate::engine::patient(patient.clone(), Duration::from_secs(60));
    assert_eq!(silence(&again), silence(&patient));
}
