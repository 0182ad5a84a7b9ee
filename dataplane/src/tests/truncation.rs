//! Peers that cut SHA-256 to 96 bits.

use super::*;
use crate::{DropReason, Notice};

const FULL: Suite = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha256_128));
const CUT: Suite = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha256_96));

/// What the engine of a server adds where the option is on.
fn tolerate(plane: &DataPlane) {
    let follow = Update::FollowTruncation {
        peer: PEER,
        spi: CLIENT_SPI,
        inbound: SERVER_SPI,
    };
    apply(
        plane,
        [Update::DetectTruncation { spi: SERVER_SPI }, follow],
    );
}

fn up() -> Vec<u8> {
    packet(CLIENT, WORLD, b"hello")
}

fn down() -> Vec<u8> {
    packet(WORLD, CLIENT, b"world")
}

/// Takes a packet in whose fate is not known.
fn arrives(plane: &DataPlane, mut esp: Vec<u8>) -> Result<(), DropReason> {
    match plane.ingress(now(), path(Carrier::NatT), &mut esp) {
        Ingress::Ip { .. } => Ok(()),
        Ingress::Dropped(reason) => Err(reason),
        other => panic!("{other:?}"),
    }
}

fn first(plane: &DataPlane) -> Option<bool> {
    plane.notices().into_iter().find_map(|notice| match notice {
        Notice::FirstPacket { truncated, .. } => Some(truncated),
        _ => None,
    })
}

#[test]
fn both_directions_follow_the_first_packet() {
    let (server, phone) = (server(FULL, Carrier::NatT), client(CUT, Carrier::NatT));
    tolerate(&server);
    assert_eq!(
        receive(&server, path(Carrier::NatT), send(&phone, &up())),
        up()
    );
    assert_eq!(first(&server), Some(true));
    let sent = send(&server, &down());
    assert_eq!(sent.len(), CUT.sealed_len(down().len() + 4 + 6 + 8));
    let there = reversed(path(Carrier::NatT));
    assert_eq!(receive(&phone, there, sent), down());
    assert_eq!(
        receive(&server, path(Carrier::NatT), send(&phone, &up())),
        up()
    );
}

#[test]
fn a_peer_that_does_it_right_is_left_alone() {
    let (server, pc) = (server(FULL, Carrier::NatT), client(FULL, Carrier::NatT));
    tolerate(&server);
    assert_eq!(
        receive(&server, path(Carrier::NatT), send(&pc, &up())),
        up()
    );
    assert_eq!(first(&server), Some(false));
    let sent = send(&server, &down());
    assert_eq!(sent.len(), FULL.sealed_len(down().len() + 4 + 6 + 8));
    // From now on 96 bits are not enough, whoever can make them.
    let forger = client(CUT, Carrier::NatT);
    send(&forger, &up());
    assert_eq!(
        arrives(&server, send(&forger, &up())),
        Err(DropReason::BadEspLength)
    );
    assert_eq!(arrives(&server, send(&pc, &up())), Ok(()));
}

#[test]
fn nothing_but_an_authentic_packet_decides() {
    let (server, phone) = (server(FULL, Carrier::NatT), client(CUT, Carrier::NatT));
    tolerate(&server);
    let good = send(&phone, &up());
    for at in [8, 30, good.len() - 1] {
        let mut forged = good.clone();
        forged[at] ^= 1;
        assert_eq!(arrives(&server, forged), Err(DropReason::BadIntegrity));
    }
    let mut long = good.clone();
    long.extend([0; 4]);
    assert_eq!(arrives(&server, long), Err(DropReason::BadEspLength));
    assert_eq!(first(&server), None);
    let pc = client(FULL, Carrier::NatT);
    assert_eq!(arrives(&server, send(&pc, &up())), Ok(()));
    assert_eq!(first(&server), Some(false));
}

/// It is fixed for good the other way round, too.
#[test]
fn after_96_bits_128_are_not_looked_for() {
    let (server, phone) = (server(FULL, Carrier::NatT), client(CUT, Carrier::NatT));
    tolerate(&server);
    assert_eq!(arrives(&server, send(&phone, &up())), Ok(()));
    let pc = client(FULL, Carrier::NatT);
    send(&pc, &up());
    assert_eq!(
        arrives(&server, send(&pc, &up())),
        Err(DropReason::BadEspLength)
    );
}

#[test]
fn off_by_default_and_for_no_other_hash() {
    let (server, phone) = (server(FULL, Carrier::NatT), client(CUT, Carrier::NatT));
    assert_eq!(
        arrives(&server, send(&phone, &up())),
        Err(DropReason::BadEspLength)
    );

    let long = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha384_192));
    for suite in [CBC, GCM, long] {
        let (server, peer) = (
            super::server(suite, Carrier::NatT),
            client(suite, Carrier::NatT),
        );
        tolerate(&server);
        let mut short = send(&peer, &up());
        short.truncate(short.len() - 4);
        assert!(arrives(&server, short).is_err(), "{suite}");
        assert_eq!(arrives(&server, send(&peer, &up())), Ok(()), "{suite}");
        let sent = send(&server, &down());
        assert_eq!(
            sent.len(),
            suite.sealed_len(down().len() + 4 + 6 + 8),
            "{suite}"
        );
    }
}
