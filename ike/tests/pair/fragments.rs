//! Messages in pieces (payload 132), in both directions.

use ike::codec::{
    Chain, ChainBuilder, ExchangeType, Flags, Fragment, Header, MessageId, PayloadType, Trailing,
    VendorId,
};
use ike::{Config, FragmentCounters, Identity, LegacyOption, Policy};
use wire::Path;

use crate::harness::{Faults, Pair, Sent, Side, quiet, seconds};

fn config(fragment_size: u16) -> Config {
    Config {
        fragment_size,
        timing: quiet(),
        ..Config::default()
    }
}

/// A name that makes message 5 longer than any path carries.
fn long_name() -> Identity {
    Identity::KeyId((0..3000).map(|place| (place % 251) as u8).collect())
}

fn is_fragment(sent: &Sent) -> bool {
    Header::parse(&sent.bytes).is_ok_and(|(header, _)| header.next == PayloadType::FRAGMENT)
}

fn fragments(pair: &Pair, from: Side) -> usize {
    let sent = pair.sent.iter();
    sent.filter(|sent| sent.from == from && is_fragment(sent))
        .count()
}

fn counters(pair: &mut Pair, side: Side) -> FragmentCounters {
    pair.endpoint(side).counters().fragments
}

/// Cuts a message as others do: with the id 1 always, and with the encryption flag of the whole.
fn cut(message: &[u8], size: usize, flags: Flags) -> Vec<Vec<u8>> {
    let (header, _) = Header::parse(message).expect("a message");
    let count = message.len().div_ceil(size);
    let pieces = message.chunks(size).enumerate().map(|(place, data)| {
        let fragment = Fragment {
            id: 1,
            number: place as u8 + 1,
            flags: u8::from(place + 1 == count),
            data: data.to_vec(),
        };
        ChainBuilder::new()
            .with(PayloadType::FRAGMENT, &fragment)
            .message(Header { flags, ..header })
    });
    pieces.collect()
}

fn received(sent: &Sent) -> Path {
    Path {
        local: sent.path.remote,
        remote: sent.path.local,
        carrier: sent.path.carrier,
    }
}

#[test]
fn a_long_message_5_arrives_in_fragments() {
    for client_nat in [false, true] {
        let mut pair = Pair::with(1, config(1280), config(1280));
        pair.client_nat = client_nat;
        let mut initiate = pair.initiate();
        initiate.identity = Some(long_name());
        let now = pair.now;
        pair.client.initiate(now, initiate);
        pair.run_for(seconds(2));
        pair.agreed_child().expect("a child SA");
        let info = pair.sas.iter().find(|((side, _), _)| *side == Side::Server);
        assert_eq!(info.expect("an SA").1.peer_identity, long_name());
        assert_eq!(
            (
                fragments(&pair, Side::Client),
                fragments(&pair, Side::Server)
            ),
            (3, 0)
        );
        let counted = counters(&mut pair, Side::Server);
        assert_eq!((counted.received, counted.reassembled), (3, 1));
        assert!(pair.sent.iter().all(|sent| sent.bytes.len() <= 1252));
    }
}

/// Large public values: message 4, and message 2 of Quick Mode with forward secrecy.
#[test]
fn long_answers_arrive_in_fragments_too() {
    let policy = Policy::new(&[] as &[LegacyOption])
        .with_groups(&["modp4096"])
        .expect("a group");
    let with = |fragment_size| Config {
        policy: policy.clone(),
        ..config(fragment_size)
    };
    let mut pair = Pair::with(2, with(1280), with(576));
    pair.pfs = Some(ike::crypto::Group::Modp4096);
    pair.connect();
    pair.run_for(seconds(5));
    let (child, _) = pair.agreed_child().expect("a child SA");
    assert_eq!(child.pfs, Some("modp4096"));
    assert_eq!(
        (
            fragments(&pair, Side::Client),
            fragments(&pair, Side::Server)
        ),
        (0, 4)
    );
    assert_eq!(counters(&mut pair, Side::Client).reassembled, 2);
    assert_eq!(counters(&mut pair, Side::Server).split, 2);
}

#[test]
fn repetitions_are_in_fragments_and_lost_ones_do_no_harm() {
    let mut reassembled = 0;
    for seed in 0..40 {
        let mut pair = Pair::with(seed, config(576), config(576));
        pair.client_nat = true;
        pair.faults = Faults {
            loss: 4,
            duplication: 10,
            jitter: 40,
            ..Faults::default()
        };
        let mut initiate = pair.initiate();
        initiate.identity = Some(long_name());
        let now = pair.now;
        pair.client.initiate(now, initiate);
        pair.run_for(seconds(25));
        assert!(pair.agreed_child().is_some(), "seed {seed}");
        reassembled += counters(&mut pair, Side::Server).reassembled;
        // Nothing waits for ever.
        pair.run_for(seconds(60));
        let counted = counters(&mut pair, Side::Server);
        assert_eq!(
            counted.malformed + counted.unknown_cookies,
            0,
            "seed {seed}"
        );
    }
    assert!(reassembled > 40, "some were repeated: {reassembled}");
}

/// Who does not say that it understands fragments gets none, however long the message.
#[test]
fn fragments_go_only_to_those_who_announced_them() {
    for sizes in [(0, 0), (1280, 0), (0, 1280)] {
        let mut pair = Pair::with(3, config(sizes.0), config(sizes.1));
        let mut initiate = pair.initiate();
        initiate.identity = Some(long_name());
        let now = pair.now;
        pair.client.initiate(now, initiate);
        pair.run_for(seconds(2));
        assert!(pair.agreed_child().is_some(), "fragments are always taken");
        assert_eq!(fragments(&pair, Side::Client) > 0, sizes.0 > 0, "{sizes:?}");
    }
}

/// The server answers the vendor id with its own, and says nothing of it to others.
#[test]
fn the_vendor_id_is_answered_and_not_volunteered() {
    let mut pair = Pair::with(4, config(1280), config(1280));
    pair.connect();
    pair.run_for(seconds(2));
    let says = |message: &[u8]| {
        let (header, body) = Header::parse(message).expect("a message");
        let chain = Chain::parse(header.next, body, Trailing::Nothing).expect("a chain");
        chain
            .all(PayloadType::VENDOR_ID)
            .any(|payload| payload.body == VendorId::fragmentation().0)
    };
    assert!(says(&pair.sent[0].bytes) && says(&pair.sent[1].bytes));

    let (header, body) = Header::parse(&pair.sent[0].bytes).expect("a message");
    let chain = Chain::parse(header.next, body, Trailing::Nothing).expect("a chain");
    let mut without = ChainBuilder::new();
    for payload in chain.iter() {
        if payload.body != VendorId::fragmentation().0 {
            without.push(payload.kind, payload.body);
        }
    }
    let message = without.message(Header {
        initiator: ike::Cookie([9; 8]),
        ..header
    });
    let path = received(&pair.sent[0]);
    let before = pair.sent.len();
    pair.inject(Side::Server, path, &message);
    assert!(!says(&pair.sent[before].bytes));
}

/// QUIRK(Apple): fragments without any announcement, with the encryption flag set. The whole
/// handshake of a client comes so, message 1 included, backwards and with everything twice.
#[test]
fn fragments_of_anybody_are_taken_for_every_message() {
    let mut pair = Pair::with(5, config(0), config(0));
    pair.auto_child = false;
    let (now, initiate) = (pair.now, pair.initiate());
    let sa = pair.client.initiate(now, initiate);
    let mut wholes = 0;
    for round in 0..6 {
        let mut outbox = Vec::new();
        while let Some(output) = pair.client.poll_output() {
            match output {
                ike::Output::Transmit { path, bytes } => outbox.push((path, bytes)),
                ike::Output::Request(id, ike::Request::Compute(job)) => {
                    let answer = ike::Answer::Computed(job.run());
                    pair.client.handle_answer(now, id, answer);
                }
                ike::Output::Request(id, ike::Request::Spi { .. }) => {
                    let answer = ike::Answer::Spi(Some(0x7777));
                    pair.client.handle_answer(now, id, answer);
                }
                ike::Output::Event(ike::Event::SaUp { .. }) => {
                    pair.client.start_child(now, sa);
                }
                ike::Output::Event(_) => {}
            }
        }
        for (path, bytes) in outbox {
            wholes += 1;
            let path = Path {
                local: path.remote,
                remote: path.local,
                carrier: path.carrier,
            };
            let mut pieces = cut(&bytes, bytes.len() / 3 + 1, Flags::ENCRYPTION);
            pieces.reverse();
            let before = pair.sent.len();
            for piece in &pieces[..2] {
                pair.inject(Side::Server, path, piece);
                pair.inject(Side::Server, path, piece);
            }
            assert_eq!(pair.sent.len(), before, "round {round}: it is not complete");
            pair.inject(Side::Server, path, &pieces[2]);
            let answers: Vec<Sent> = pair.sent.split_off(before);
            for answer in answers {
                let path = received(&answer);
                pair.client.handle_datagram(now, path, &answer.bytes);
            }
        }
    }
    assert_eq!(wholes, 5, "messages 1, 3 and 5, and 1 and 3 of Quick Mode");
    let events = &pair.events;
    assert!(events.iter().any(|(_, side, event)| *side == Side::Server
        && matches!(event, ike::Event::ChildConfirmed { .. })));
    let counted = counters(&mut pair, Side::Server);
    assert_eq!((counted.reassembled, counted.repeated), (5, 10));
}

#[test]
fn fragments_of_another_sa_or_of_fragments_are_nothing() {
    let mut pair = Pair::with(6, config(1280), config(1280));
    pair.connect();
    pair.run_for(seconds(2));
    let (first, path) = (pair.sent[2].bytes.clone(), received(&pair.sent[2]));
    let (header, _) = Header::parse(&first).expect("a message");
    let before = (pair.sent.len(), pair.events.len());
    // Message 3, said to be of another Main Mode.
    for piece in cut(&first, 100, Flags::NONE) {
        let mut piece = piece;
        piece[..8].copy_from_slice(&[0xaa; 8]);
        piece[8..16].copy_from_slice(&[0; 8]);
        pair.inject(Side::Server, path, &piece);
    }
    assert_eq!(counters(&mut pair, Side::Server).malformed, 1);
    // Fragments of a fragment.
    let nested = cut(&cut(&first, 10_000, Flags::NONE)[0], 100, Flags::NONE);
    let count = nested.len() as u64;
    for piece in nested {
        pair.inject(Side::Server, path, &piece);
    }
    let counted = counters(&mut pair, Side::Server);
    assert_eq!((counted.malformed, counted.reassembled), (2, 2));
    assert!(counted.received > count);
    // Cookies that nobody knows, and no fragment at all.
    let header = Header {
        responder: ike::Cookie([0xbb; 8]),
        message_id: MessageId(0),
        exchange: ExchangeType::MAIN_MODE,
        ..header
    };
    let fragment = Fragment {
        id: 1,
        number: 1,
        flags: 0,
        data: vec![1],
    };
    let chain = ChainBuilder::new().with(PayloadType::FRAGMENT, &fragment);
    pair.inject(Side::Server, path, &chain.message(header));
    let empty = ChainBuilder::new().with(PayloadType::FRAGMENT, &[0_u8, 1][..]);
    pair.inject(Side::Server, path, &empty.message(header));
    let counted = counters(&mut pair, Side::Server);
    assert_eq!((counted.unknown_cookies, counted.malformed), (1, 3));
    assert_eq!((pair.sent.len(), pair.events.len()), before);
}
