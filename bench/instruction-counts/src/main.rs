//! The work whose instructions `bench/instructions` counts. Everything but [`counted`] is
//! preparation, and callgrind does not look at it.
//!
//! usage: instruction-counts [NAME]: without a name it lists the names; with one it does that work
//! and prints how many packets it was.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

#[path = "../../../dataplane/benches/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{BURST, NOW, Role, burst, packet, path, plane, sealed_burst};
use dataplane::{Buffer, Departure, Ingress, Outbox};
use esp::{Cipher, Incoming, Integrity, Keys, Opener, Sealer, Suite, Unsealed};

const CBC: Suite = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha1_96));
const GCM: Suite = Suite::new(Cipher::AesGcm128, None);

/// What a packet of 1,400 bytes is with PPP, L2TP and UDP in front.
const PAYLOAD: usize = 1418;
/// Times that each is done: enough for what is done once, at first, to weigh nothing.
const TIMES: usize = 20;

/// What is counted. `bench/instructions` knows it by this name.
#[inline(never)]
fn counted(work: impl FnOnce()) {
    work();
}

fn keys(suite: Suite) -> Keys {
    Keys::from_material(suite, &vec![7; suite.key_lengths().total()]).unwrap()
}

fn sealed(suite: Suite) -> Vec<u8> {
    let sealer = Sealer::new(suite, 256, &keys(suite)).unwrap();
    let mut arena = vec![0x5a; suite.sealed_len(PAYLOAD) * BURST];
    let done = sealer.seal_batch(1, 17, &mut unsealed(suite, &mut arena));
    done.unwrap();
    arena
}

fn unsealed(suite: Suite, arena: &mut [u8]) -> Vec<Unsealed<'_>> {
    arena
        .chunks_mut(suite.sealed_len(PAYLOAD))
        .map(|room| Unsealed {
            room,
            payload: PAYLOAD,
        })
        .collect()
}

fn seal_batch(suite: Suite, arena: &mut [u8], sealer: &Sealer) {
    let mut packets = unsealed(suite, arena);
    counted(|| sealer.seal_batch(1, 17, black_box(&mut packets)).unwrap());
}

fn seal_serially(suite: Suite, arena: &mut [u8], sealer: &Sealer) {
    let start = suite.header_len();
    let packets = arena.chunks_mut(suite.sealed_len(PAYLOAD));
    counted(|| {
        for room in packets {
            let sealed = sealer.seal(1, 17, room, start..start + PAYLOAD);
            black_box(sealed).unwrap();
        }
    });
}

fn sealing(suite: Suite, seal: fn(Suite, &mut [u8], &Sealer)) -> usize {
    let sealer = Sealer::new(suite, 256, &keys(suite)).unwrap();
    let mut arena = vec![0x5a; suite.sealed_len(PAYLOAD) * BURST];
    (0..TIMES).for_each(|_| seal(suite, &mut arena, &sealer));
    TIMES * BURST
}

fn opening(suite: Suite, open: fn(&Opener, &mut [Incoming<'_>])) -> usize {
    let opener = Opener::new(suite, &keys(suite)).unwrap();
    let sealed = sealed(suite);
    for _ in 0..TIMES {
        let mut arena = sealed.clone();
        let mut packets: Vec<_> = arena
            .chunks_mut(suite.sealed_len(PAYLOAD))
            .map(Incoming::new)
            .collect();
        counted(|| open(&opener, black_box(&mut packets)));
        assert!(packets.iter().all(|packet| packet.outcome.is_ok()));
    }
    TIMES * BURST
}

fn open_serially(opener: &Opener, packets: &mut [Incoming<'_>]) {
    for incoming in packets {
        incoming.outcome = opener.open(incoming.packet);
    }
}

/// Peers in the tables.
const PEERS: u64 = 64;

fn egress_batch(suite: Suite) -> usize {
    let sender = plane(suite, Role::Sender, PEERS);
    let mut outbox = Outbox::new();
    let mut left = 0;
    let mut send = |departure: Departure<'_>| left += departure.packets().len();
    for peer in 0..TIMES as u64 {
        let (header, mut packet) = burst(peer);
        counted(|| {
            sender.egress_batch(header, &mut packet, &mut outbox, &mut send, &mut |_| {});
            sender.flush(&mut outbox, &mut send);
        });
    }
    left
}

fn ingress_batch(suite: Suite) -> usize {
    let (sender, receiver) = (
        plane(suite, Role::Sender, PEERS),
        plane(suite, Role::Receiver, PEERS),
    );
    let mut outbox = Outbox::new();
    let mut passed = 0;
    for peer in 0..TIMES as u64 {
        let mut sealed = sealed_burst(&sender, &mut outbox, peer);
        let path = path(peer);
        let packets = sealed
            .iter_mut()
            .map(|packet| (&path, packet.as_mut_slice()));
        counted(|| {
            receiver.ingress_batch(NOW, packets, |ingress| {
                passed += usize::from(matches!(ingress, Ingress::Ip { .. }));
            });
        });
    }
    passed
}

/// Bytes of an IP packet with 64 bytes of UDP payload.
const SMALL: usize = 92;

fn egress_small() -> usize {
    let sender = plane(GCM, Role::Sender, PEERS);
    let mut buffer = Buffer::default();
    for peer in 0..PEERS {
        let packet = packet(peer, SMALL);
        buffer.load(&packet).unwrap();
        counted(|| {
            black_box(sender.egress(&mut buffer));
        });
    }
    PEERS as usize
}

fn ingress_small() -> usize {
    let (sender, receiver) = (
        plane(GCM, Role::Sender, PEERS),
        plane(GCM, Role::Receiver, PEERS),
    );
    let mut buffer = Buffer::default();
    let mut passed = 0;
    for peer in 0..PEERS {
        buffer.load(&packet(peer, SMALL)).unwrap();
        sender.egress(&mut buffer);
        counted(|| {
            let ingress = receiver.ingress(NOW, path(peer), buffer.packet_mut());
            passed += usize::from(matches!(ingress, Ingress::Ip { .. }));
        });
    }
    passed
}

type Case = (&'static str, fn() -> usize);

const CASES: [Case; 12] = [
    ("esp/aes256-sha1/seal", || sealing(CBC, seal_serially)),
    ("esp/aes256-sha1/seal-batch", || sealing(CBC, seal_batch)),
    ("esp/aes256-sha1/open", || opening(CBC, open_serially)),
    ("esp/aes256-sha1/open-batch", || {
        opening(CBC, Opener::open_batch)
    }),
    ("esp/aes128gcm16/seal", || sealing(GCM, seal_serially)),
    ("esp/aes128gcm16/open", || opening(GCM, open_serially)),
    ("dataplane/aes256-sha1/egress-batch", || egress_batch(CBC)),
    ("dataplane/aes256-sha1/ingress-batch", || ingress_batch(CBC)),
    ("dataplane/aes128gcm16/egress-batch", || egress_batch(GCM)),
    ("dataplane/aes128gcm16/ingress-batch", || ingress_batch(GCM)),
    ("dataplane/aes128gcm16/egress-small", egress_small),
    ("dataplane/aes128gcm16/ingress-small", ingress_small),
];

fn main() {
    match std::env::args().nth(1) {
        None => CASES.iter().for_each(|(name, _)| println!("{name}")),
        Some(wanted) => {
            let case = CASES.iter().find(|(name, _)| *name == wanted);
            let (_, work) = case.expect("a name of the list");
            println!("{}", work());
        }
    }
}
