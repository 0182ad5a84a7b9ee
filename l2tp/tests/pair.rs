//! Our client against our server over bad networks, many seeds each.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod common;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use common::*;
use l2tp::{CloseReason, Config, Event, SessionId};
use wire::Secret;

fn config(window: u16) -> Config {
    Config {
        receive_window: window,
        ..Config::default()
    }
}

/// Runs `test` for each seed and says which one failed.
fn seeds(range: Range<u64>, test: impl Fn(u64)) {
    for seed in range {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!("failing seed: {seed}");
            resume_unwind(panic);
        }
    }
}

/// Windows of 1 to 8 on both sides, by the seed.
fn windows(seed: u64) -> (u16, u16) {
    ((seed % 8 + 1) as u16, (seed / 8 % 8 + 1) as u16)
}

fn session(pair: &Pair, side: Side) -> Option<SessionId> {
    pair.events.iter().find_map(|(s, event)| match event {
        Event::SessionUp(up) if *s == side => Some(up.session),
        _ => None,
    })
}

#[test]
fn a_quiet_network_needs_eight_datagrams() {
    let mut pair = Pair::new(config(4), config(4), Weather::default(), 0);
    let tunnel = pair
        .client
        .open_tunnel(pair.now, PEER, CLIENT_PORTS, Arc::default());
    pair.run(1.0);
    // SCCRQ, SCCRP, SCCCN and ICRQ, an acknowledgement each, ICRP, ICCN, an acknowledgement.
    let expected = [
        (Side::Client, 1),
        (Side::Server, 1),
        (Side::Client, 2),
        (Side::Server, 2),
        (Side::Client, 1),
        (Side::Server, 1),
    ];
    let mut flow: Vec<(Side, usize)> = Vec::new();
    for (_, side, _) in &pair.sent {
        match flow.last_mut() {
            Some((last, count)) if last == side => *count += 1,
            _ => flow.push((*side, 1)),
        }
    }
    assert_eq!(flow, expected);

    let ups: Vec<_> = [Side::Client, Side::Server]
        .map(|wanted| {
            pair.events.iter().find_map(|(side, event)| match event {
                Event::SessionUp(up) if *side == wanted => Some(up.clone()),
                _ => None,
            })
        })
        .into_iter()
        .flatten()
        .collect();
    let [client, server] = &ups[..] else {
        panic!("{:?}", pair.events)
    };
    assert_eq!(client.session.tunnel, tunnel);
    assert_eq!(client.remote_tunnel, server.session.tunnel.id);
    assert_eq!(client.remote_session, server.session.id);
    assert_eq!(server.remote_tunnel, client.session.tunnel.id);
    assert_eq!(server.remote_session, client.session.id);
    assert_eq!((client.ports, server.ports), (CLIENT_PORTS, SERVER_PORTS));
    assert!(server.serial.is_some() && server.serial == client.serial);
}

#[test]
fn up_to_five_percent_of_loss_always_connect_and_close() {
    seeds(0..320, |seed| {
        let weather = Weather {
            loss: (seed % 6) as u32,
            duplication: 5,
            jitter: 200,
        };
        let (left, right) = windows(seed);
        let mut pair = Pair::new(config(left), config(right), weather, seed);
        let tunnel = pair
            .client
            .open_tunnel(pair.now, PEER, CLIENT_PORTS, Arc::default());
        pair.run(30.0);
        for side in [Side::Client, Side::Server] {
            assert_eq!(pair.count(side, is_tunnel_up), 1, "{side:?}");
            assert_eq!(pair.count(side, is_session_up), 1, "{side:?}");
            assert_eq!(pair.count(side, is_session_down), 0, "{side:?}");
        }
        // An hour of idleness, kept alive by HELLOs.
        pair.run(3_600.0);
        assert_eq!(
            pair.count(Side::Client, is_session_down),
            0,
            "{:?}",
            pair.events
        );
        assert_eq!(
            pair.count(Side::Server, is_session_down),
            0,
            "{:?}",
            pair.events
        );
        if seed % 2 == 0 {
            pair.client
                .close_tunnel(pair.now, tunnel, CloseReason::Done);
        } else {
            let session = session(&pair, Side::Server).unwrap();
            pair.server
                .close_session(pair.now, session, CloseReason::Administrative);
        }
        pair.run(600.0);
        for side in [Side::Client, Side::Server] {
            assert_eq!(pair.count(side, is_session_down), 1, "{side:?}");
            assert_eq!(pair.count(side, is_tunnel_down), 1, "{side:?}");
        }
        assert_eq!(
            (pair.client.tunnel_count(), pair.server.tunnel_count()),
            (0, 0)
        );
        assert_eq!(
            (pair.client.poll_timeout(), pair.server.poll_timeout()),
            (None, None)
        );
    });
}

#[test]
fn twenty_percent_of_loss_connect_or_close_on_both_sides() {
    let mut connected = 0;
    let total = &std::cell::Cell::new(0);
    seeds(0..400, |seed| {
        let weather = Weather {
            loss: 20,
            duplication: 10,
            jitter: 500,
        };
        let (left, right) = windows(seed);
        let mut pair = Pair::new(config(left), config(right), weather, seed);
        pair.client
            .open_tunnel(pair.now, PEER, CLIENT_PORTS, Arc::default());
        pair.run(300.0);
        let open =
            |side| pair.count(side, is_session_up) - pair.count(side, is_session_down).min(1);
        let alive = session(&pair, Side::Client).is_some_and(|s| pair.client.has_session(s));
        let other = session(&pair, Side::Server).is_some_and(|s| pair.server.has_session(s));
        assert_eq!(alive, other, "{:?}", pair.events);
        if alive {
            assert_eq!((open(Side::Client), open(Side::Server)), (1, 1));
            total.set(total.get() + 1);
        } else {
            assert_eq!(
                (pair.client.tunnel_count(), pair.server.tunnel_count()),
                (0, 0)
            );
        }
    });
    connected += total.get();
    assert!(connected > 350, "only {connected} of 400 connected");
}

#[test]
fn a_cut_wire_ends_both_sides() {
    let mut pair = Pair::new(config(4), config(4), Weather::default(), 3);
    pair.client
        .open_tunnel(pair.now, PEER, CLIENT_PORTS, Arc::default());
    pair.run(5.0);
    pair.weather.loss = 100;
    let cut = pair.now;
    pair.run(149.0);
    assert_eq!(pair.count(Side::Client, is_tunnel_down), 0);
    assert_eq!(pair.count(Side::Server, is_tunnel_down), 0);
    pair.run(20.0);
    for side in [Side::Client, Side::Server] {
        let reasons: Vec<_> = pair
            .events
            .iter()
            .filter_map(|(s, event)| match event {
                Event::SessionDown { reason, .. } | Event::TunnelDown { reason, .. } => {
                    (*s == side).then_some(reason)
                }
                _ => None,
            })
            .collect();
        assert_eq!(
            reasons,
            [&CloseReason::Unanswered, &CloseReason::Unanswered]
        );
    }
    let hello = |side| {
        pair.sent
            .iter()
            .find(|(at, s, _)| *at > cut && *s == side)
            .unwrap()
            .0
    };
    let since_open = hello(Side::Server) - cut + Duration::from_secs(5);
    assert!(since_open >= Duration::from_secs(60) && since_open < Duration::from_secs(61));
}

#[test]
fn a_client_of_a_dead_server_gives_up_after_its_patience() {
    let weather = Weather {
        loss: 100,
        ..Weather::default()
    };
    let mut pair = Pair::new(config(4), config(4), weather, 4);
    pair.client
        .open_tunnel(pair.now, PEER, CLIENT_PORTS, Arc::default());
    let start = pair.now;
    pair.run(29.9);
    assert!(pair.events.is_empty());
    let times: Vec<_> = pair
        .sent
        .iter()
        .map(|(at, ..)| (*at - start).as_secs())
        .collect();
    assert_eq!(times, [0, 1, 3, 7, 15, 23]);
    pair.run(0.2);
    assert_eq!(pair.count(Side::Client, is_session_down), 1);
    assert_eq!(pair.count(Side::Client, is_tunnel_down), 1);
    pair.run(60.0);
    assert_eq!(pair.client.tunnel_count(), 0);
}

#[test]
fn tunnel_secrets_and_hidden_avps_work_together_or_fail_with_a_reason() {
    let with = |secret: &str, challenge, hide| Config {
        secret: Some(Secret::from(secret.as_bytes())),
        challenge,
        hide,
        ..Config::default()
    };
    for (client, server, up) in [
        (with("s", true, false), with("s", false, false), true),
        (with("s", false, false), with("s", true, false), true),
        (with("s", true, true), with("s", true, true), true),
        (with("s", true, true), with("s", false, true), true),
        // Windows has no secret, and is not told in riddles.
        (Config::default(), with("s", false, true), true),
        (with("s", true, false), with("t", false, false), false),
        (with("s", false, false), with("t", true, false), false),
        (with("s", true, false), Config::default(), false),
        (Config::default(), with("s", true, false), false),
        (with("s", false, true), with("t", false, true), false),
    ] {
        let weather = Weather::default();
        let mut pair = Pair::new(client.clone(), server.clone(), weather, 5);
        pair.client
            .open_tunnel(pair.now, PEER, CLIENT_PORTS, Arc::default());
        pair.run(10.0);
        let ups = [Side::Client, Side::Server].map(|side| pair.count(side, is_session_up));
        assert_eq!(ups, [usize::from(up); 2], "{:?}", pair.events);
        for (_, event) in &pair.events {
            if let Event::TunnelUp(tunnel) = event {
                let challenged = match tunnel.role {
                    l2tp::Role::Client => client.challenge,
                    l2tp::Role::Server => server.challenge,
                };
                assert_eq!(tunnel.info.authenticated, challenged);
            }
        }
        if !up {
            // With other hidden ids nobody can be told anything: time must tell.
            pair.run(30.0);
            assert_eq!(
                pair.count(Side::Client, is_tunnel_down),
                1,
                "{:?}",
                pair.events
            );
            pair.run(60.0);
            assert_eq!(
                (pair.client.tunnel_count(), pair.server.tunnel_count()),
                (0, 0)
            );
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed| {
        let weather = Weather {
            loss: 10,
            duplication: 10,
            jitter: 300,
        };
        let mut pair = Pair::new(config(4), config(4), weather, seed);
        pair.client
            .open_tunnel(pair.now, PEER, CLIENT_PORTS, Arc::default());
        pair.run(200.0);
        pair.sent
    };
    assert_eq!(run(11), run(11));
    assert_ne!(run(11), run(12));
}
