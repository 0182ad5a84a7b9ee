//! What an administrator reads when a client is turned away.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ike::codec::{
    ChainBuilder, Cookie, ExchangeType, Flags, Header, MessageId, PayloadType, VendorId,
};
use ike::{
    CloseReason, Config, Event, Habits, Key, Keyring, LegacyOption, Limits, Make, Policy, Selector,
    habits,
};
use wire::{Carrier, Path, Secret};

use crate::harness::{CLIENT, Pair, Side, ip, seconds};

fn with_policies(client: Policy, server: Policy) -> Pair {
    let config = |policy| Config {
        policy,
        ..Config::default()
    };
    let mut pair = Pair::with(1, config(client), config(server));
    pair.connect();
    pair.run_for(seconds(60));
    pair
}

fn reasons(pair: &Pair) -> Vec<String> {
    let reasons = pair
        .events
        .iter()
        .filter_map(|(_, side, event)| match event {
            Event::SaDown { reason, .. } | Event::ChildDown { reason, .. }
                if *side == Side::Client =>
            {
                Some(reason.to_string())
            }
            _ => None,
        });
    reasons.collect()
}

#[test]
fn a_wrong_key_is_called_a_wrong_key_on_both_sides() {
    let mut pair = Pair::new(2);
    pair.key = Secret::from(&b"wrong"[..]);
    pair.connect();
    pair.run_for(seconds(60));
    insta::assert_snapshot!(pair.refusals(Side::Server).join("\n"), @"the pre-shared key does not match: 10.0.0.2 uses another key than the one configured for it; compare it with the secrets file");
    insta::assert_snapshot!(reasons(&pair).join("\n"), @"no answer to message 5 of Main Mode (the peer said AUTHENTICATION-FAILED: the pre-shared key does not match)");
    assert_eq!((pair.server.occupancy(), pair.spis.len()), ((0, 0), 0));
}

/// Connects until message 3 or 5 is on its way; that message, on a path from another address.
fn forged(pair: &mut Pair, number: usize) -> (Path, Vec<u8>) {
    pair.connect();
    run_until_sent(pair, number / 2);
    // The answer to the one before has arrived then, and this one has left.
    pair.run_for(Duration::from_millis(15));
    let message = pair.sent.last().expect("a message").clone();
    assert_eq!(message.from, Side::Client);
    (from_elsewhere(message.path), message.bytes)
}

/// Where a client's message arrives that bears another address.
fn from_elsewhere(path: Path) -> Path {
    Path {
        local: path.remote,
        remote: "203.0.113.5:500".parse().expect("an address"),
        carrier: path.carrier,
    }
}

/// The addresses of those who are said to have been turned away.
fn blamed(pair: &Pair) -> Vec<IpAddr> {
    let events = pair.events.iter().map(|(_, _, event)| event);
    let paths = events.filter_map(|event| match event {
        Event::WrongKey { path } | Event::Refused { path, .. } => Some(path),
        _ => None,
    });
    paths.map(|path| path.remote.ip()).collect()
}

/// Connects as far as message 5, which arrives with another address on it.
fn forge_message_5(pair: &mut Pair) {
    let (path, message) = forged(pair, 5);
    pair.inject(Side::Server, path, &message);
}

/// Whoever has our cookie can write any address on message 5: it is not that one that has failed.
#[test]
fn a_wrong_key_is_blamed_on_whoever_got_message_2() {
    let mut pair = Pair::new(2);
    pair.key = Secret::from(&b"wrong"[..]);
    forge_message_5(&mut pair);
    assert_eq!(blamed(&pair), [ip(CLIENT), ip(CLIENT)]);
}

/// Nor does the address on it give anybody the key that is for those who are there.
#[test]
fn a_key_for_a_network_is_for_whoever_got_message_2_there() {
    let mut pair = Pair::new(2);
    let key = Key {
        label: "sales".to_owned(),
        selectors: vec![Selector::Peers {
            address: ip("203.0.113.0"),
            prefix: 24,
        }],
        secret: pair.key.clone(),
    };
    pair.server.set_keys(Arc::new(Keyring::new(vec![key])));
    forge_message_5(&mut pair);
    insta::assert_snapshot!(pair.refusals(Side::Server).join("\n"), @"there is no pre-shared key for 10.0.0.2: no line of the secrets file names it or %any");
    assert!(!pair.has(Side::Server, |event| matches!(event, Event::SaUp { .. })));
}

/// The same goes for message 3: for what it says, for the silence after it, and for giving way.
#[test]
fn a_forged_message_3_is_blamed_on_whoever_got_message_2() {
    let server = Config {
        limits: Limits {
            half_open_total: 1,
            ..Limits::default()
        },
        ..Config::default()
    };
    for (newcomer, kind) in [(false, "unfinished"), (true, "overloaded")] {
        let mut pair = Pair::with(2, Config::default(), server.clone());
        let (path, message) = forged(&mut pair, 3);
        pair.faults.loss = 100;
        // The payload after the header is the public value.
        let mut wrong = message.clone();
        let end = 28 + usize::from(u16::from_be_bytes([wrong[30], wrong[31]]));
        wrong[32..end].fill(0);
        pair.inject(Side::Server, path, &wrong);
        pair.inject(Side::Server, path, &message);
        if newcomer {
            let mut first = pair.sent[0].bytes.clone();
            first[..4].copy_from_slice(&[0xaa; 4]);
            pair.inject(Side::Server, path, &first);
        } else {
            pair.run_for(seconds(40));
        }
        let blamed = pair.events.iter().filter_map(|(_, _, event)| match event {
            Event::Refused {
                path,
                proven: true,
                refusal,
                ..
            } => Some((refusal.kind(), path.remote.ip())),
            _ => None,
        });
        assert_eq!(
            blamed.collect::<Vec<_>>(),
            [("key-exchange", ip(CLIENT)), (kind, ip(CLIENT))]
        );
    }
}

/// Most servers are silent after a message 5 that they cannot decrypt.
#[test]
fn silence_after_message_5_suggests_another_key() {
    let mut pair = Pair::new(2);
    pair.connect();
    while pair
        .sent
        .iter()
        .filter(|sent| sent.from == Side::Client)
        .count()
        < 3
    {
        pair.run_for(Duration::from_millis(1));
    }
    pair.faults.loss = 100;
    pair.run_for(seconds(60));
    insta::assert_snapshot!(reasons(&pair).join("\n"), @"no answer to message 5 of Main Mode (the pre-shared key of the peer is probably another)");
}

/// Runs until the client has sent `count` messages and the server has answered them all.
fn run_until_sent(pair: &mut Pair, count: usize) {
    let sent = |pair: &Pair, side| pair.sent.iter().filter(|sent| sent.from == side).count();
    while sent(pair, Side::Client) < count || sent(pair, Side::Server) < count {
        pair.run_for(Duration::from_millis(1));
    }
}

#[test]
fn a_client_that_does_not_hear_us_is_told_from_one_that_looks_around() {
    let mut pair = Pair::new(5);
    pair.connect();
    run_until_sent(&mut pair, 1);
    let first = pair.sent[0].bytes.clone();
    pair.faults.loss = 100;
    let path = Path {
        local: pair.sent[0].path.remote,
        remote: pair.sent[0].path.local,
        carrier: pair.sent[0].path.carrier,
    };
    // Its repetitions arrive, our answers do not.
    pair.inject(Side::Server, path, &first);
    pair.run_for(seconds(40));
    insta::assert_snapshot!(pair.refusals(Side::Server).join("\n"), @"the peer repeats its first message and never sends the third: our answers do not reach it; let UDP port 500 out to it, and see that answers leave from the address it called");

    let mut pair = Pair::new(6);
    pair.connect();
    run_until_sent(&mut pair, 1);
    pair.faults.loss = 100;
    pair.run_for(seconds(40));
    assert_eq!(pair.refusals(Side::Server), Vec::<String>::new());
}

#[test]
fn silence_after_message_4_is_reported_once() {
    let mut pair = Pair::new(7);
    pair.connect();
    run_until_sent(&mut pair, 2);
    pair.faults.loss = 100;
    pair.run_for(seconds(60));
    insta::assert_snapshot!(pair.refusals(Side::Server).join("\n"), @"the peer stopped after the key exchange, where it would have proved that it knows the pre-shared key");
    assert_eq!(pair.server.occupancy(), (0, 0));
}

/// QUIRK(Windows): it runs several Main Modes at once, and goes on with one.
#[test]
fn silence_on_a_main_mode_is_no_news_beside_one_that_succeeded() {
    let mut pair = Pair::new(8);
    pair.connect();
    run_until_sent(&mut pair, 1);
    // A second message 1 from the same port, of which nothing more comes but its repetition.
    let (mut twin, path) = (pair.sent[0].bytes.clone(), pair.sent[0].path);
    twin[..4].copy_from_slice(&[0xaa; 4]);
    let path = Path {
        local: path.remote,
        remote: path.local,
        carrier: path.carrier,
    };
    pair.inject(Side::Server, path, &twin);
    pair.inject(Side::Server, path, &twin);
    pair.run_for(seconds(40));
    assert!(pair.agreed_child().is_some());
    assert_eq!(pair.server.counters().half_open_timeouts, 1);
    assert_eq!(pair.refusals(Side::Server), Vec::<String>::new());
}

#[test]
fn among_many_keys_the_right_one_is_found_and_named() {
    let mut pair = Pair::new(3);
    let keys = (0..200).map(|number| Key {
        label: format!("ipsec.secrets:{number}"),
        selectors: vec![Selector::Any, Selector::Any],
        secret: Secret::from(format!("key {number}").as_bytes()),
    });
    pair.server.set_keys(Arc::new(Keyring::new(keys.collect())));
    pair.key = Secret::from(&b"key 137"[..]);
    pair.connect();
    pair.run_for(seconds(2));
    let info = pair
        .sas
        .iter()
        .find(|((side, _), _)| *side == Side::Server)
        .expect("an SA")
        .1;
    assert_eq!(info.key.label(), "ipsec.secrets:137");
}

#[test]
fn no_key_at_all() {
    let mut pair = Pair::new(4);
    pair.server.set_keys(Arc::default());
    pair.connect();
    pair.run_for(seconds(3));
    insta::assert_snapshot!(pair.refusals(Side::Server).join("\n"), @"there is no pre-shared key for 10.0.0.2: no line of the secrets file names it or %any");
}

#[test]
fn no_ike_proposal_in_common_names_the_option() {
    let android = Policy::new(&LegacyOption::ALL)
        .with_groups(&["modp1024"])
        .and_then(|policy| policy.with_hashes(&["sha1"]))
        .expect("known names");
    let pair = with_policies(android.clone(), Policy::default());
    insta::assert_snapshot!(pair.refusals(Side::Server).join("\n"), @"no IKE proposal in common: the peer offers AES-CBC-256/HMAC-SHA1/MODP-1024, AES-CBC-128/HMAC-SHA1/MODP-1024; the option `legacy-android` would admit it");
    insta::assert_snapshot!(reasons(&pair).join("\n"), @"no answer to message 1 of Main Mode (the peer said NO-PROPOSAL-CHOSEN: it accepts none of our algorithms)");
    assert_eq!(pair.server.occupancy(), (0, 0));
    let pair = with_policies(android, Policy::new(&[LegacyOption::Android]));
    assert!(pair.agreed_child().is_some());
}

#[test]
fn two_options_together_and_none_at_all() {
    let old = |groups: &[&str], ciphers: &[&str], hashes: &[&str]| {
        Policy::new(&LegacyOption::ALL)
            .with_groups(groups)
            .and_then(|policy| policy.with_ciphers(ciphers))
            .and_then(|policy| policy.with_hashes(hashes))
            .expect("known names")
    };
    let pair = with_policies(old(&["modp1536"], &["3des"], &["sha1"]), Policy::default());
    insta::assert_snapshot!(pair.refusals(Side::Server).join("\n"), @"no IKE proposal in common: the peer offers 3DES-CBC/HMAC-SHA1/MODP-1536; the options `legacy-modp1536` and `legacy-3des` together would admit it");
    let narrow = Policy::default().with_groups(&["ecp256"]).expect("known");
    let pair = with_policies(old(&["modp2048"], &["aes256"], &["sha256"]), narrow);
    insta::assert_snapshot!(pair.refusals(Side::Server).join("\n"), @"no IKE proposal in common: the peer offers AES-CBC-256/HMAC-SHA2-256/MODP-2048; none of it is safe enough to be offered at all, or the configured lists exclude it");
}

#[test]
fn no_esp_proposal_in_common_is_told_with_proof() {
    let client = Policy::new(&[LegacyOption::TripleDes])
        .with_esp(&["3des-sha1"])
        .expect("known");
    let pair = with_policies(client, Policy::default());
    insta::assert_snapshot!(pair.refusals(Side::Server).join("\n"), @"no ESP proposal in common: the peer offers 3DES-CBC/HMAC-SHA1/transport; the option `legacy-3des` would admit it");
    assert!(pair.has(Side::Client, |event| matches!(
        event,
        Event::ChildDown {
            reason: CloseReason::Failed(_),
            ..
        }
    )));
    insta::assert_snapshot!(reasons(&pair).join("\n"), @"the peer refuses: NO-PROPOSAL-CHOSEN");
    assert!(pair.spis.is_empty());
}

#[test]
fn forward_secrecy_in_a_weak_group_needs_its_option() {
    let run = |options: &[LegacyOption]| {
        let client = Config {
            policy: Policy::new(&LegacyOption::ALL),
            ..Config::default()
        };
        let server = Config {
            policy: Policy::new(options),
            ..Config::default()
        };
        let mut pair = Pair::with(6, client, server);
        pair.pfs = Some(ike::crypto::Group::Modp1024);
        pair.connect();
        pair.run_for(seconds(5));
        pair
    };
    let refusals = run(&[]).refusals(Side::Server);
    assert!(
        refusals[0].ends_with("the option `pfs-modp1024` would admit it"),
        "{refusals:?}"
    );
    assert!(run(&[LegacyOption::PfsModp1024]).agreed_child().is_some());
}

fn header(exchange: u8, version: u8) -> Header {
    Header {
        initiator: Cookie([7; 8]),
        responder: Cookie::ZERO,
        next: PayloadType::NONE,
        version,
        exchange: ExchangeType(exchange),
        flags: Flags::NONE,
        message_id: MessageId::PHASE_1,
    }
}

/// Whoever has seen the cookies can write them, and any address.
#[test]
fn what_is_not_authentic_is_told_of_whoever_has_the_ike_sa() {
    let mut pair = Pair::new(4);
    pair.connect();
    pair.run_for(seconds(5));
    let client = |sent: &&crate::harness::Sent| sent.from == Side::Client;
    let last = pair.sent.iter().rfind(client).expect("it is connected");
    let (mut message, path) = (last.bytes.clone(), last.path);
    // Transaction: RFC 2408 §3.1, the exchange type.
    message[18] = ExchangeType::TRANSACTION.0;
    pair.inject(Side::Server, from_elsewhere(path), &message);
    assert_eq!(blamed(&pair), [ip(CLIENT)]);
}

#[test]
fn aggressive_mode_and_ikev2_get_a_sentence_and_no_answer() {
    let mut pair = Pair::new(7);
    let path = Path {
        local: "192.0.2.1:500".parse().expect("an address"),
        remote: "203.0.113.5:500".parse().expect("an address"),
        carrier: Carrier::Ike,
    };
    let chain = ChainBuilder::new().with(PayloadType::SA, &[0u8; 8][..]);
    for message in [
        chain.message(header(4, 0x10)),
        chain.message(header(34, 0x20)),
    ] {
        pair.inject(Side::Server, path, &message);
        pair.inject(Side::Server, path, &message);
    }
    assert!(pair.sent.is_empty());
    insta::assert_snapshot!(pair.refusals(Side::Server).join("\n"));
    assert_eq!(silent(&pair), [("aggressive-mode", 1), ("version", 1)]);
}

/// What the server has refused without a report, by kind.
fn silent(pair: &Pair) -> Vec<(&'static str, u64)> {
    let silent = pair.server.refused_silently();
    silent.map(|(refusal, n)| (refusal.kind(), n)).collect()
}

/// However many addresses somebody invents: of who gets our answers there is a report.
#[test]
fn forged_addresses_keep_back_no_report_of_others() {
    let mut pair = Pair::new(9);
    let message = ChainBuilder::new()
        .with(PayloadType::SA, &[0u8; 8][..])
        .message(header(34, 0x20));
    for number in 0..60 {
        let path = Path {
            local: "192.0.2.1:500".parse().expect("an address"),
            remote: ([203, 0, 113, number], 500).into(),
            carrier: Carrier::Ike,
        };
        pair.inject(Side::Server, path, &message);
    }
    pair.key = Secret::from(&b"wrong"[..]);
    pair.connect();
    pair.run_for(Duration::from_millis(500));
    let reported = |wanted: &str| {
        pair.count(
            Side::Server,
            |event| matches!(event, Event::Refused { refusal, .. } if refusal.kind() == wanted),
        )
    };
    assert_eq!((reported("version"), reported("wrong-key")), (50, 1));
    assert_eq!(silent(&pair), [("version", 10)]);
    assert_eq!(pair.server.counters().refused, 61);
}

/// Nothing but its first message is known of a client that uses Aggressive Mode.
#[test]
fn the_make_of_whoever_uses_aggressive_mode_is_told() {
    let ids = |ids: &[VendorId]| {
        let mut chain = ChainBuilder::new().with(PayloadType::SA, &[0u8; 8][..]);
        for id in ids {
            chain.push(PayloadType::VENDOR_ID, id);
        }
        chain.message(header(4, 0x10))
    };
    let apple = ids(&[VendorId::rfc_3947(), VendorId::apple_nat_traversal()]);
    let android = ids(&[
        VendorId::rfc_3947(),
        VendorId::draft_02(),
        VendorId::draft_02_newline(),
        VendorId::draft_00(),
    ]);
    for (message, expected) in [(apple, Make::Apple), (android, Make::Android)] {
        let mut pair = Pair::new(8);
        let path = Path {
            local: "192.0.2.1:500".parse().expect("an address"),
            remote: "203.0.113.5:500".parse().expect("an address"),
            carrier: Carrier::Ike,
        };
        pair.inject(Side::Server, path, &message);
        assert!(pair.has(Side::Server, |event| matches!(
            event,
            Event::Refused { make, refusal: ike::Refusal::AggressiveMode, .. } if *make == expected
        )));
    }
}

/// What the clients put on the wire is enough to tell them apart, but for those that name
/// themselves in L2TP only.
#[test]
fn clients_are_recognised_by_their_habits() {
    use ike::WindowsVersion::{Eight, Seven};
    let clients: [(fn() -> Habits, Make); 9] = [
        (habits::windows_7, Make::Windows(Seven)),
        (habits::windows_10, Make::Windows(Eight)),
        (habits::apple, Make::Apple),
        (habits::android, Make::Android),
        (habits::chromeos, Make::ChromeOs),
        (habits::network_manager_strongswan, Make::StrongSwan),
        (habits::network_manager_libreswan, Make::Libreswan),
        (habits::mikrotik, Make::Racoon),
        (Habits::default, Make::Unknown),
    ];
    for (seed, (habits, expected)) in clients.into_iter().enumerate() {
        let server = Config {
            policy: Policy::new(&LegacyOption::ALL),
            ..Config::default()
        };
        let mut pair = Pair::with(seed as u64, Config::default(), server);
        pair.habits = habits();
        pair.connect();
        pair.run_for(seconds(5));
        let info = pair
            .sas
            .iter()
            .find(|((side, _), _)| *side == Side::Server)
            .unwrap_or_else(|| panic!("{expected} does not get in"))
            .1;
        assert_eq!(info.make, expected);
    }
}
