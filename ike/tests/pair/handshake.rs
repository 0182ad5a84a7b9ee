//! Main Mode and Quick Mode under every algorithm.

use ike::crypto::Group;
use ike::{Config, EspMode, Event, LegacyOption, Output, Policy};

use crate::harness::{CLIENT, Pair, SERVER, Side, ip, seconds};

fn policy(options: &[LegacyOption], group: &str, cipher: &str, hash: &str) -> Policy {
    Policy::new(options)
        .with_groups(&[group])
        .and_then(|policy| policy.with_ciphers(&[cipher]))
        .and_then(|policy| policy.with_hashes(&[hash]))
        .expect("known names")
}

fn connected(client: Policy, server: Policy) -> Pair {
    let config = |policy| Config {
        policy,
        ..Config::default()
    };
    let mut pair = Pair::with(1, config(client), config(server));
    pair.connect();
    pair.run_for(seconds(2));
    pair
}

#[test]
fn every_group_works() {
    let groups = [
        "modp1024", "modp1536", "modp2048", "modp3072", "modp4096", "ecp256", "ecp384", "ecp521",
    ];
    for group in groups {
        let policy = policy(&LegacyOption::ALL, group, "aes256", "sha1");
        let pair = connected(policy.clone(), policy);
        assert!(pair.agreed_child().is_some(), "{group}");
        let info = pair.sas.values().next().expect("an IKE SA");
        assert_eq!(info.suite, format!("aes256-sha1-{group}"));
    }
}

#[test]
fn every_cipher_works_with_every_hash() {
    for cipher in ["aes256", "aes192", "aes128", "3des"] {
        for hash in ["sha256", "sha384", "sha512", "sha1", "md5"] {
            let policy = policy(&LegacyOption::ALL, "ecp256", cipher, hash);
            let pair = connected(policy.clone(), policy);
            assert!(pair.agreed_child().is_some(), "{cipher} {hash}");
        }
    }
}

#[test]
fn every_esp_suite_works_and_has_keys_of_the_right_size() {
    for suite in Policy::new(&LegacyOption::ALL).esp() {
        let name = suite.to_string();
        let client = policy(&LegacyOption::ALL, "ecp256", "aes128", "sha256");
        let client = client.with_esp(&[&name]).expect("a known name");
        let pair = connected(client, Policy::new(&LegacyOption::ALL));
        let (child, _) = pair.agreed_child().expect("a child SA");
        assert_eq!(child.suite.to_string(), name);
        assert_eq!(
            child.inbound.encryption.len(),
            child.suite.encryption_key_len()
        );
        assert_eq!(
            child.inbound.integrity.len(),
            child.suite.integrity_key_len()
        );
        assert_ne!(child.inbound.encryption, child.outbound.encryption);
    }
}

#[test]
fn the_servers_order_decides() {
    let client = Policy::default()
        .with_groups(&["modp2048", "ecp256"])
        .expect("known");
    let server = Policy::default()
        .with_groups(&["ecp256", "modp2048"])
        .expect("known");
    let pair = connected(client, server);
    assert_eq!(
        pair.sas.values().next().expect("an IKE SA").suite,
        "aes256-sha256-ecp256"
    );
    assert_eq!(
        pair.agreed_child().expect("a child SA").0.suite.to_string(),
        "aes256gcm16"
    );
}

#[test]
fn forward_secrecy_when_asked() {
    let mut pair = Pair::new(5);
    pair.pfs = Some(Group::Ecp256);
    pair.connect();
    pair.run_for(seconds(2));
    let (client, server) = pair.agreed_child().expect("a child SA");
    assert_eq!((client.pfs, server.pfs), (Some("ecp256"), Some("ecp256")));
}

#[test]
fn both_sides_know_the_same() {
    let mut pair = Pair::new(7);
    pair.connect();
    pair.run_for(seconds(2));
    let (client, server) = pair.agreed_child().expect("a child SA");
    assert_eq!(client.mode, EspMode::Raw);
    assert_eq!(server.path.remote.to_string(), format!("{CLIENT}:0"));
    assert_eq!(server.initiator_traffic.address, Some(ip(CLIENT)));
    assert_eq!(
        (
            server.responder_traffic.protocol,
            server.responder_traffic.port
        ),
        (17, 1701)
    );
    assert!(client.initiator && !server.initiator);
    let infos: Vec<_> = pair.sas.values().collect();
    assert_eq!(infos[0].cookies, infos[1].cookies);
    assert_eq!(infos[0].peer_identity, ip(SERVER).into());
    assert_eq!(infos[1].peer_identity, ip(CLIENT).into());
    assert_eq!(infos[1].key.label(), "ipsec.secrets:1");
    assert!(infos[1].dpd && !infos[1].initiator);
    for side in [Side::Client, Side::Server] {
        assert_eq!(
            pair.count(side, |e| matches!(e, Event::ChildConfirmed { .. })),
            1
        );
    }
    assert!(pair.has(Side::Server, |e| matches!(e, Event::InitialContact { .. })));
    // Three round trips of 20 ms and one and a half.
    let up = pair
        .events
        .iter()
        .find(|(_, _, e)| matches!(e, Event::ChildConfirmed { .. }));
    assert!(up.expect("confirmed").0.since_boot() < seconds(1001));
}

#[test]
fn the_inbound_sa_is_announced_before_message_2_leaves() {
    let mut pair = Pair::new(8);
    pair.auto_child = false;
    let sa = pair.connect();
    pair.run_for(seconds(1));
    let now = pair.now;
    pair.client.start_child(now, sa).expect("established");
    pair.drain();
    let message = pair.sent.last().expect("message 1").clone();
    let path = wire::Path {
        local: message.path.remote,
        remote: message.path.local,
        carrier: message.path.carrier,
    };
    pair.server.handle_datagram(now, path, &message.bytes);
    let Some(Output::Request(id, _)) = pair.server.poll_output() else {
        panic!("no request")
    };
    assert!(pair.server.poll_output().is_none());
    pair.server
        .handle_answer(now, id, ike::Answer::Spi(Some(0xabcd)));
    let order = std::iter::from_fn(|| pair.server.poll_output());
    let order: Vec<_> = order
        .map(|output| match output {
            Output::Event(Event::ChildUp { .. }) => "child up",
            Output::Transmit { .. } => "message 2",
            _ => "something else",
        })
        .collect();
    assert_eq!(order, ["child up", "message 2"]);
}

#[test]
fn answers_before_message_3_are_no_longer_than_the_questions() {
    let pair = connected(Policy::default(), Policy::default());
    let lengths: Vec<usize> = pair
        .sent
        .iter()
        .take(2)
        .map(|sent| sent.bytes.len())
        .collect();
    assert!(lengths[1] <= lengths[0], "{lengths:?}");
}
