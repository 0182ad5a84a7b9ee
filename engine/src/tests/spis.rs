//! What IKE tells the engine, without IKE: SPIs that a peer gives twice, and addresses that it has
//! only written on its messages.

use std::time::Duration;

use ike::{
    ChildId, ChildSa, EspEncryption, EspIntegrity, EspMode, EspSa, EspSuite, Event as Ike, KeyBits,
    Make, Nat, SaId, SaInfo,
};
use rand_core::SeedableRng as _;
use wire::{Carrier, Instant, Path, PeerId, Ports, Rng, Secret};

use crate::{Config, Engine, Output, Upcall};

fn path() -> Path {
    Path {
        local: ([192, 0, 2, 1], 4500).into(),
        remote: ([198, 51, 100, 9], 4500).into(),
        carrier: Carrier::NatT,
    }
}

fn elsewhere() -> Path {
    Path {
        remote: ([203, 0, 113, 5], 4500).into(),
        ..path()
    }
}

fn now() -> Instant {
    Instant::from_boot(Duration::from_secs(100))
}

fn sa_up(sa: u64) -> Ike {
    sa_up_over(sa, path())
}

fn sa_up_over(sa: u64, path: Path) -> Ike {
    let info = SaInfo {
        initiator: false,
        path,
        proven: path.remote.ip(),
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
    /// To whom messages have been handed back.
    delivered: Vec<PeerId>,
}

impl Bench {
    fn new() -> Self {
        let config = dataplane::Config::for_peers(16);
        Self {
            engine: Engine::new(Config::default(), config.slots, Rng::seed_from_u64(1)),
            plane: dataplane::DataPlane::new(config),
            delivered: Vec::new(),
        }
    }

    /// With a peer under IKE SA 1 and child SA 1, and the name that a tunnel of its would have.
    fn with_elder() -> (Self, PeerId, l2tp::TunnelId) {
        let mut bench = Self::new();
        bench.tell(sa_up(1));
        bench.up(1, 1, SPI);
        let peer = bench.peer(1);
        let tunnel = l2tp::TunnelId { peer, id: 7_007 };
        (bench, peer, tunnel)
    }

    fn tell(&mut self, event: Ike) {
        self.engine.on_ike_event(now(), event);
        self.apply();
    }

    fn apply(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::DataPlane(update) => {
                    let shown = format!("{update:?}");
                    self.plane
                        .apply(update)
                        .unwrap_or_else(|error| panic!("{error}: {shown}"));
                }
                Output::Deliver { peer, .. } => self.delivered.push(peer),
                _ => {}
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

    fn moved(&mut self, sa: u64, path: Path) {
        let sa = SaId(sa);
        self.tell(Ike::PathChanged { sa, path });
    }

    fn peer(&self, sa: u64) -> PeerId {
        self.engine.by_sa[&SaId(sa)]
    }

    fn is_doubtful(&self, sa: u64) -> bool {
        self.engine.peers[&self.peer(sa)].doubtful.is_some()
    }

    /// A data message comes under the SA of a peer, for a tunnel and a session of another.
    fn stray(&mut self, peer: PeerId, ids: (u16, u16)) {
        let upcall = Upcall::Stray {
            peer,
            ports: Ports {
                local: 1701,
                remote: 1701,
            },
            ids,
            bytes: Vec::new(),
        };
        self.engine.handle_upcall(now(), upcall);
        self.apply();
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

/// Whoever has a key of ours can send authentic packets under any address.
#[test]
fn initial_contact_from_a_borrowed_address_makes_nobody_doubtful() {
    let mut bench = Bench::new();
    bench.tell(sa_up(1));
    bench.tell(sa_up_over(2, elsewhere()));
    bench.moved(2, path());
    bench.tell(Ike::InitialContact { sa: SaId(2) });
    assert!(!bench.is_doubtful(1));

    // Who has begun there is believed, also when a translator has changed the port since.
    let mut moved = path();
    moved.remote.set_port(40_500);
    bench.tell(sa_up_over(3, moved));
    bench.moved(3, path());
    bench.tell(Ike::InitialContact { sa: SaId(3) });
    assert!(bench.is_doubtful(1) && !bench.is_doubtful(3));
}

#[test]
fn whoever_borrows_the_address_of_a_peer_does_not_continue_it() {
    let (mut bench, elder, tunnel) = Bench::with_elder();
    let call = l2tp::SessionId { tunnel, id: 9 };
    bench.engine.kindred.insert_call(call);
    bench.tell(sa_up_over(2, elsewhere()));
    bench.up(2, 2, SPI + 1);
    bench.moved(2, path());
    let borrower = bench.peer(2);
    bench.stray(borrower, (7_007, 9));
    assert_eq!(bench.peer(2), borrower);
    assert_eq!(bench.delivered, [borrower]);

    // The client itself, which rekeys and then gets another address.
    bench.tell(sa_up(3));
    bench.up(3, 3, SPI + 2);
    bench.moved(1, elsewhere());
    bench.moved(3, elsewhere());
    let young = bench.peer(3);
    bench.stray(young, (7_007, 9));
    assert_eq!(bench.peer(3), elder);
    // One that was on its way meanwhile still names the younger.
    bench.stray(young, (7_007, 9));
    assert_eq!(bench.delivered, [borrower, elder, elder]);
}

#[test]
fn who_has_borrowed_an_endpoint_does_not_inherit_what_is_there() {
    for borrowed in [false, true] {
        let (mut bench, elder, tunnel) = Bench::with_elder();
        let peer = bench.engine.peers.get_mut(&elder).unwrap();
        peer.tunnels.insert(tunnel);
        // Behind the same translator, at another port.
        let mut own = path();
        own.remote.set_port(40_500);
        bench.tell(sa_up_over(2, if borrowed { own } else { path() }));
        bench.up(2, 2, SPI + 1);
        if borrowed {
            bench.moved(2, path());
        }
        bench.down(1);
        bench.engine.on_grace(now(), elder);
        bench.apply();
        assert_eq!(bench.peer(2) == elder, !borrowed);
    }
}

/// Whether a client gets our answers, IKE alone knows.
#[test]
fn a_refusal_says_whether_its_address_may_be_forged() {
    for proven in [false, true] {
        let mut bench = Bench::new();
        let refused = Ike::Refused {
            path: path(),
            sa: None,
            make: Make::Unknown,
            proven,
            refusal: ike::Refusal::AggressiveMode,
        };
        bench.engine.on_ike_event(now(), refused);
        match bench.engine.poll_output() {
            Some(Output::Event(crate::Event::Refused(failure))) => {
                assert_eq!(failure.proven, proven);
            }
            other => panic!("{other:?}"),
        }
    }
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
