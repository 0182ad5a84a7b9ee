use super::*;

const START: Instant = Instant::from_boot(Duration::from_secs(1));

const FULL_CONE: Behaviour = Behaviour {
    filtering: Dependence::Endpoint,
    ..Behaviour::HOME
};
const PASSING: Behaviour = Behaviour {
    esp: EspPolicy::Pass,
    ..Behaviour::HOME
};

fn nat(behaviour: Behaviour) -> Nat {
    Nat::new(ip("203.0.113.1"), behaviour, 1)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn end(text: &str) -> SocketAddr {
    text.parse().expect("an endpoint")
}

fn udp(src: &str, dst: &str) -> Datagram {
    Datagram {
        src: end(src),
        dst: end(dst),
        protocol: Protocol::Udp,
        bytes: vec![0],
    }
}

fn esp(src: &str, dst: &str) -> Datagram {
    Datagram {
        src: SocketAddr::new(ip(src), 0),
        dst: SocketAddr::new(ip(dst), 0),
        protocol: Protocol::Esp,
        bytes: vec![0],
    }
}

/// Sends out; returns the outer source.
fn out(nat: &mut Nat, now: Instant, mut datagram: Datagram) -> Result<SocketAddr, NatDrop> {
    nat.outbound(now, &mut datagram).map(|()| datagram.src)
}

/// Sends in; returns the inner destination.
fn back(nat: &mut Nat, now: Instant, mut datagram: Datagram) -> Result<SocketAddr, NatDrop> {
    nat.inbound(now, &mut datagram).map(|()| datagram.dst)
}

const INNER: &str = "192.168.1.2:500";
const SERVER: &str = "192.0.2.1:500";
const SERVER_NATT: &str = "192.0.2.1:4500";
const OTHER: &str = "192.0.2.9:500";

#[test]
fn an_answer_comes_back_to_who_asked() {
    let mut nat = nat(Behaviour::HOME);
    let outer = out(&mut nat, START, udp(INNER, SERVER)).expect("passes");
    assert_eq!(
        outer,
        end("203.0.113.1:500"),
        "the port is free and preserved"
    );
    assert_eq!(
        back(&mut nat, START, udp(SERVER, &outer.to_string())),
        Ok(end(INNER))
    );
    assert_eq!(
        nat.stats(),
        NatStats {
            outbound: 1,
            inbound: 1,
            created: 1,
            ..Default::default()
        }
    );
}

#[test]
fn two_hosts_with_one_port_get_two_outer_ports() {
    let mut nat = nat(Behaviour::HOME);
    let first = out(&mut nat, START, udp("192.168.1.2:500", SERVER)).expect("passes");
    let second = out(&mut nat, START, udp("192.168.1.3:500", SERVER)).expect("passes");
    assert_eq!(first.port(), 500);
    assert!(second.port() >= 1024);
    assert_eq!(
        back(&mut nat, START, udp(SERVER, &first.to_string())),
        Ok(end("192.168.1.2:500"))
    );
    assert_eq!(
        back(&mut nat, START, udp(SERVER, &second.to_string())),
        Ok(end("192.168.1.3:500"))
    );
}

#[test]
fn mapping_depends_on_the_remote_end_as_told() {
    // For each dependence: whether another port, and another address, share the first outer port.
    let shares = |mapping| {
        let mut nat = nat(Behaviour {
            mapping,
            ports: PortChoice::Random,
            ..Behaviour::HOME
        });
        let first = out(&mut nat, START, udp(INNER, SERVER));
        assert_eq!(
            out(&mut nat, START, udp(INNER, SERVER)),
            first,
            "always the same again"
        );
        let port = out(&mut nat, START, udp(INNER, SERVER_NATT)) == first;
        let address = out(&mut nat, START, udp(INNER, OTHER)) == first;
        (port, address)
    };
    assert_eq!(shares(Dependence::Endpoint), (true, true));
    assert_eq!(shares(Dependence::Address), (true, false));
    assert_eq!(shares(Dependence::AddressAndPort), (false, false));
}

#[test]
fn filtering_depends_on_the_remote_end_as_told() {
    // For each dependence: whether another port, and another address, may send in.
    let admits = |filtering| {
        let mut nat = nat(Behaviour {
            filtering,
            ..Behaviour::HOME
        });
        let outer = out(&mut nat, START, udp(INNER, SERVER))
            .expect("passes")
            .to_string();
        assert!(
            back(&mut nat, START, udp(SERVER, &outer)).is_ok(),
            "always who was sent to"
        );
        let port = back(&mut nat, START, udp(SERVER_NATT, &outer));
        let address = back(&mut nat, START, udp(OTHER, &outer));
        for refused in [port, address].into_iter().filter_map(Result::err) {
            assert_eq!(refused, NatDrop::Filtered);
        }
        (port.is_ok(), address.is_ok())
    };
    assert_eq!(admits(Dependence::Endpoint), (true, true));
    assert_eq!(admits(Dependence::Address), (true, false));
    assert_eq!(admits(Dependence::AddressAndPort), (false, false));
}

#[test]
fn nobody_gets_in_without_a_mapping() {
    let mut nat = nat(FULL_CONE);
    assert_eq!(
        back(&mut nat, START, udp(SERVER, "203.0.113.1:500")),
        Err(NatDrop::NoMapping)
    );
    assert_eq!(nat.stats().unmapped, 1);
}

#[test]
fn a_silent_mapping_dies_and_its_port_changes() {
    let behaviour = Behaviour {
        ports: PortChoice::Random,
        ..Behaviour::HOME
    };
    let mut nat = nat(behaviour);
    let first = out(&mut nat, START, udp(INNER, SERVER)).expect("passes");
    let almost = START + Duration::from_secs(119);
    assert_eq!(
        out(&mut nat, almost, udp(INNER, SERVER)),
        Ok(first),
        "kept alive from inside"
    );
    let dead = almost + behaviour.timeout;
    let from_server = udp(SERVER, &first.to_string());
    assert_eq!(back(&mut nat, dead, from_server), Err(NatDrop::NoMapping));
    assert_ne!(out(&mut nat, dead, udp(INNER, SERVER)), Ok(first));
    assert_eq!(nat.stats().expired, 1);
    assert_eq!(nat.mappings(), 1);
}

#[test]
fn traffic_from_outside_refreshes_only_if_told() {
    let late_answer = |refreshed_inbound| {
        let mut nat = nat(Behaviour {
            refreshed_inbound,
            ..Behaviour::HOME
        });
        let outer = out(&mut nat, START, udp(INNER, SERVER))
            .expect("passes")
            .to_string();
        for seconds in [100, 200] {
            let now = START + Duration::from_secs(seconds);
            let answer = back(&mut nat, now, udp(SERVER, &outer));
            if seconds == 200 {
                return answer.is_ok();
            }
        }
        unreachable!("returns in the loop")
    };
    assert!(late_answer(true));
    assert!(!late_answer(false));
}

#[test]
fn rebinding_ports_moves_every_mapping_and_old_ports_are_dead() {
    let mut nat = nat(FULL_CONE);
    let inners: Vec<String> = (2..50)
        .map(|host| format!("192.168.1.{host}:4500"))
        .collect();
    let send = |nat: &mut Nat| -> Vec<SocketAddr> {
        inners
            .iter()
            .map(|i| out(nat, START, udp(i, SERVER_NATT)).expect("passes"))
            .collect()
    };
    let before = send(&mut nat);
    nat.rebind(Rebind::Ports);
    let after = send(&mut nat);
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(before, after)| before.port() != after.port())
    );
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(before, after)| before.ip() == after.ip())
    );
    assert_eq!(nat.stats().created, 48, "moved, not made again");
    for (inner, outer) in inners.iter().zip(&after) {
        assert_eq!(
            back(&mut nat, START, udp(SERVER_NATT, &outer.to_string())),
            Ok(end(inner))
        );
    }
}

#[test]
fn rebinding_the_address_keeps_ports() {
    let mut nat = nat(Behaviour::HOME);
    out(&mut nat, START, udp(INNER, SERVER)).expect("passes");
    nat.rebind(Rebind::Address(ip("203.0.113.77")));
    assert_eq!(
        out(&mut nat, START, udp(INNER, SERVER)),
        Ok(end("203.0.113.77:500"))
    );
    assert_eq!(
        back(&mut nat, START, udp(SERVER, "203.0.113.77:500")),
        Ok(end(INNER))
    );
}

#[test]
fn a_translator_that_lost_its_memory_lets_nobody_in() {
    let mut nat = nat(PASSING);
    let outer = out(&mut nat, START, udp(INNER, SERVER))
        .expect("passes")
        .to_string();
    out(&mut nat, START, esp("192.168.1.2", "192.0.2.1")).expect("passes");
    nat.rebind(Rebind::Forget);
    assert_eq!(nat.mappings(), 0);
    assert_eq!(
        back(&mut nat, START, udp(SERVER, &outer)),
        Err(NatDrop::NoMapping)
    );
    assert_eq!(
        back(&mut nat, START, esp("192.0.2.1", "203.0.113.1")),
        Err(NatDrop::Esp)
    );
}

#[test]
fn protocol_50_does_not_pass_unless_told() {
    let mut nat = nat(Behaviour::HOME);
    assert_eq!(
        out(&mut nat, START, esp("192.168.1.2", "192.0.2.1")),
        Err(NatDrop::Esp)
    );
    assert_eq!(
        back(&mut nat, START, esp("192.0.2.1", "203.0.113.1")),
        Err(NatDrop::Esp)
    );
    assert_eq!(nat.stats().esp, 2);
}

#[test]
fn protocol_50_passes_for_one_host_per_remote_address() {
    let mut nat = nat(PASSING);
    let outer = out(&mut nat, START, esp("192.168.1.2", "192.0.2.1"));
    assert_eq!(outer, Ok(end("203.0.113.1:0")));
    assert_eq!(
        out(&mut nat, START, esp("192.168.1.3", "192.0.2.1")),
        Err(NatDrop::Esp)
    );
    assert_eq!(
        out(&mut nat, START, esp("192.168.1.3", "192.0.2.2")),
        Ok(end("203.0.113.1:0"))
    );
    let to_first = esp("192.0.2.1", "203.0.113.1");
    assert_eq!(
        back(&mut nat, START, to_first.clone()),
        Ok(end("192.168.1.2:0"))
    );

    let later = START + PASSING.timeout;
    assert_eq!(
        back(&mut nat, later, to_first.clone()),
        Err(NatDrop::Esp),
        "silent too long"
    );
    assert!(
        out(&mut nat, later, esp("192.168.1.3", "192.0.2.1")).is_ok(),
        "the place is free"
    );
    assert_eq!(back(&mut nat, later, to_first), Ok(end("192.168.1.3:0")));
}

#[test]
fn one_to_one_passes_everything_unchanged_but_the_address() {
    let mut nat = nat(Behaviour::SYMMETRIC);
    nat.set_one_to_one(Some(ip("10.0.0.5")));
    assert_eq!(
        back(&mut nat, START, udp(OTHER, "203.0.113.1:500")),
        Ok(end("10.0.0.5:500"))
    );
    assert_eq!(
        back(&mut nat, START, esp("192.0.2.9", "203.0.113.1")),
        Ok(end("10.0.0.5:0"))
    );
    assert_eq!(
        out(&mut nat, START, udp("10.0.0.5:4500", OTHER)),
        Ok(end("203.0.113.1:4500"))
    );
    assert_eq!(
        out(&mut nat, START, esp("10.0.0.5", "192.0.2.9")),
        Ok(end("203.0.113.1:0"))
    );
}

#[test]
fn when_ports_run_out_the_silent_ones_go_first() {
    let mut nat = nat(Behaviour::HOME);
    for port in 1024..=u16::MAX {
        out(&mut nat, START, udp(&format!("192.168.1.2:{port}"), SERVER)).expect("passes");
    }
    let one_more = udp("192.168.1.3:5000", SERVER);
    assert_eq!(out(&mut nat, START, one_more), Err(NatDrop::Exhausted));
    assert_eq!(nat.stats().exhausted, 1);

    let later = START + Behaviour::HOME.timeout / 2;
    out(&mut nat, later, udp("192.168.1.2:5000", SERVER)).expect("passes");
    let dead = START + Behaviour::HOME.timeout;
    let one_more = udp("192.168.1.3:5000", SERVER);
    assert!(
        out(&mut nat, dead, one_more).is_ok(),
        "port 5000 is in use, all others are not"
    );
    assert_eq!(nat.mappings(), 2);
}

#[test]
fn a_moved_mapping_does_not_get_its_old_port_even_if_it_is_the_last_one() {
    let mut nat = nat(Behaviour::HOME);
    for port in (1024..=u16::MAX).filter(|port| *port != 5000) {
        out(&mut nat, START, udp(&format!("192.168.1.2:{port}"), SERVER)).expect("passes");
    }
    assert_eq!(nat.free_port(Some(5000)), None);
    assert_eq!(nat.free_port(None), Some(5000));
}
