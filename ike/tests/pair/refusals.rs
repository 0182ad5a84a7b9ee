//! What an administrator reads when a client is turned away.

use std::sync::Arc;
use std::time::Duration;

use ike::codec::{ChainBuilder, Cookie, ExchangeType, Flags, Header, MessageId, PayloadType};
use ike::{CloseReason, Config, Event, Key, Keyring, LegacyOption, Policy, Selector};
use wire::{Carrier, Path, Secret};

use crate::harness::{Pair, Side, seconds};

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
    assert_eq!(info.key, "ipsec.secrets:137");
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
    assert_eq!(pair.server.counters().refused_silently, 2);
}
