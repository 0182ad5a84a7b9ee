//! On what terms users are let in: addresses, name servers, sizes, and how long they may stay.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::lab::Lab;
use crate::dhcp::{Message, MessageType, OptionCode, Parameters};
use crate::{AddressPolicy, AddressRule, Cause, Output, Terms, Upcall};

const HOME: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const AWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// A list of words as pppd's files have them.
fn policy(words: &str) -> AddressPolicy {
    let rule = |word: &str| match word {
        "*" => AddressRule::Any,
        "-" => AddressRule::Stop,
        _ => {
            let (permit, rest) = match word.strip_prefix('!') {
                Some(rest) => (false, rest),
                None => (true, word),
            };
            let (address, prefix) = rest.split_once('/').unwrap_or((rest, "32"));
            AddressRule::Network {
                address: address.parse().expect("an address"),
                prefix: prefix.parse().expect("a length"),
                permit,
            }
        }
    };
    AddressPolicy::new(words.split_whitespace().map(rule).collect())
}

fn lab_with(words: &str) -> Lab {
    let mut lab = Lab::new(None);
    lab.terms
        .insert("ann", Terms::with_addresses(policy(words)));
    lab
}

/// What pppd offers whose pool begins with 10.10.1.2, except that it asks for one address of the
/// pool and gives up if the list refuses it, where we look for one that the list permits.
#[test]
fn the_address_that_is_offered() {
    for (words, expected) in [
        ("*", Ok("10.10.1.2")),
        ("10.0.0.5", Ok("10.0.0.5")),
        ("", Err("permits no address of the pool")),
        ("-", Err("permits no address of the pool")),
        ("- 10.0.0.6", Err("permits no address of the pool")),
        ("10.0.0.5 *", Ok("10.10.1.2")),
        ("10.0.0.5 10.0.0.6", Ok("10.0.0.5")),
        ("10.0.0.0/24", Err("permits no address of the pool")),
        ("10.10.1.0/24", Ok("10.10.1.2")),
        ("10.10.1.6/31", Ok("10.10.1.6")),
        ("!10.10.1.2 *", Ok("10.10.1.3")),
        ("* !10.10.1.2", Ok("10.10.1.2")),
        // pppd: the refused host becomes the candidate.
        (
            "!10.0.0.6 10.0.0.0/24",
            Err("permits no address of the pool"),
        ),
        ("10.0.0.0/24 10.0.0.6", Ok("10.0.0.6")),
        ("127.0.0.1", Err("permits no address of the pool")),
        ("240.0.0.1", Err("permits no address of the pool")),
    ] {
        let mut lab = lab_with(words);
        let peer = lab.add_peer(HOME);
        let client = lab.dial(peer, "ann");
        match expected {
            Ok(address) => {
                assert!(lab.is_up(client), "{words}: {:?}", lab.news());
                assert_eq!(lab.online(), [("ann".to_owned(), address.to_owned())]);
            }
            Err(why) => {
                let news = lab.news().join("\n");
                assert!(news.contains(why), "{words}: {news}");
            }
        }
    }
}

#[test]
fn a_fixed_address_is_the_last_resort_of_whoever_may_have_one_of_the_pool() {
    let mut lab = lab_with("10.0.0.5 10.10.1.2");
    let other = lab.connect(AWAY, "carol");
    assert!(lab.is_up(other));
    lab.connect(HOME, "ann");
    assert_eq!(lab.online()[1].1, "10.0.0.5");
    let mut lab = lab_with("10.10.1.2/31");
    lab.connect(AWAY, "carol");
    lab.connect(HOME, "ann");
    assert_eq!(lab.online()[1].1, "10.10.1.3");
    let peer = lab.add_peer(Ipv4Addr::new(192, 0, 2, 9));
    lab.dial(peer, "ann");
    let news = lab.news().join("\n");
    assert!(
        news.contains("all addresses of the pool that the user may have are in use"),
        "{news}"
    );
}

/// The password was right.
#[test]
fn a_user_who_may_have_no_address_is_told_so() {
    let mut lab = Lab::new(None);
    lab.thinking = true;
    let peer = lab.add_peer(HOME);
    let client = lab.dial(peer, "ann");
    lab.reject_all(Cause::NoAddressPermitted);
    let why = lab.why(client);
    assert!(
        why.contains("649") && why.contains("no address for this user"),
        "{why}"
    );
}

#[test]
fn two_users_do_not_hold_one_address() {
    let mut lab = lab_with("10.0.0.5");
    lab.terms
        .insert("eve", Terms::with_addresses(policy("10.0.0.5")));
    let ann = lab.connect(HOME, "ann");
    let peer = lab.add_peer(AWAY);
    let eve = lab.dial(peer, "eve");
    assert!(lab.is_up(ann) && !lab.is_up(eve));
    let news = lab.news().join("\n");
    assert!(
        news.contains("eve failed: the fixed address 10.0.0.5 is in use"),
        "{news}"
    );
}

#[test]
fn sizes_and_name_servers_of_a_user() {
    let mut lab = Lab::new(None);
    let server = |last| Some(Ipv4Addr::new(10, 0, 0, last));
    let terms = Terms {
        mtu: Some(1200),
        mru: Some(1100),
        dns: Some([server(1), None]),
        wins: Some([server(2), server(3)]),
        ..Terms::default()
    };
    lab.terms.insert("ann", terms.clone());
    let large = Terms {
        mtu: Some(9000),
        ..Terms::default()
    };
    lab.terms.insert("eve", large);
    let ann = lab.connect(HOME, "ann");
    let session = lab.session_of(ann);
    let other = lab.connect(AWAY, "carol");
    lab.connect(Ipv4Addr::new(192, 0, 2, 9), "eve");
    let info: Vec<_> = lab.engine.sessions().collect();
    assert_eq!(info[0].mtu, 1200);
    assert_eq!(info[0].dns, [server(1), None]);
    assert_eq!(info[0].wins, [server(2), server(3)]);
    assert_eq!(*info[0].terms, terms);
    assert!(info[1].mtu > 1300);
    assert_eq!(info[1].dns, [None; 2]);
    assert_eq!(info[1].mtu, info[2].mtu, "a cap only");
    assert_eq!(lab.mru_of(session), Some(1100));
    assert_eq!(lab.mru_of(lab.session_of(other)), Some(1400));
}

/// RFC 2661 §3.1: Ns and Nr are four bytes of every data message. A packet that is as long as it
/// may be still fits into 1,500 bytes, behind two headers of UDP and those of IP, ESP, L2TP and PPP.
#[test]
fn sequence_numbers_make_packets_shorter() {
    let integrity = Some(esp::Integrity::HmacSha512_256);
    let suite = esp::Suite::new(esp::Cipher::AesCbc256, integrity);
    for (sequencing, l2tp, expected) in [(false, 6_usize, 1388), (true, 10, 1384)] {
        let mut lab = Lab::new(None);
        lab.sequencing = sequencing;
        let peer = lab.add_peer(HOME);
        let added = lab.engine.peers.get_mut(&peer).expect("it was added");
        added.suite = Some(suite);
        lab.dial(peer, "ann");
        let info: Vec<_> = lab.engine.sessions().collect();
        assert_eq!(info[0].mtu, expected);
        let sealed = suite.sealed_len(8 + l2tp + 4 + usize::from(info[0].mtu));
        assert!(20 + 8 + sealed <= 1500, "{sealed}");
    }
}

#[test]
fn name_servers_of_a_user_are_those_of_dhcp_too() {
    let mut lab = Lab::new(None);
    let address = |last| Ipv4Addr::new(10, 0, 0, last);
    let server = lab.engine.config.server.as_mut().expect("a server");
    server.parameters = Parameters::new(Vec::new(), "corp.example").expect("it fits");
    server.dns = [Some(address(1)), None];
    server.wins = [Some(address(2)), None];
    let terms = Terms {
        dns: Some([Some(address(3)), None]),
        wins: Some([Some(address(4)), None]),
        ..Terms::default()
    };
    lab.terms.insert("ann", terms);
    for (place, user, dns, wins) in [(HOME, "ann", 3, 4), (AWAY, "carol", 1, 2)] {
        let client = lab.connect(place, user);
        let session = lab.session_of(client).expect("a session");
        let inform = Message {
            op: Message::REQUEST,
            options: vec![(OptionCode::MESSAGE_TYPE, vec![MessageType::INFORM.0])],
            ..Message::default()
        };
        let message = inform.emit();
        lab.engine
            .handle_upcall(lab.now, Upcall::Dhcp { session, message });
        let Some(Output::SealIp { packet, .. }) = lab.engine.poll_output() else {
            panic!("no answer to {user}");
        };
        // Behind the headers of IP and UDP.
        let answer = Message::parse(&packet[28..]).expect("a message");
        let told = |code| answer.option(code).unwrap_or_default();
        assert_eq!(told(OptionCode::NAME_SERVERS), address(dns).octets());
        let of_netbios = told(OptionCode::NETBIOS_NAME_SERVERS);
        assert_eq!(of_netbios, address(wins).octets());
    }
}

#[test]
fn a_session_without_traffic_ends_in_its_time() {
    let mut lab = Lab::new(None);
    let idle = |seconds| Terms {
        idle_timeout: Some(Duration::from_secs(seconds)),
        ..Terms::default()
    };
    lab.terms.insert("ann", idle(100));
    lab.terms.insert("eve", idle(0));
    let ann = lab.connect(HOME, "ann");
    let eve = lab.connect(AWAY, "eve");
    // The echoes of LCP and HELLO are no traffic.
    for _ in 0..3 {
        lab.wait(Duration::from_secs(95));
        assert!(lab.is_up(ann));
        lab.packets += 1;
    }
    lab.wait(Duration::from_secs(99));
    assert!(lab.is_up(ann));
    lab.wait(Duration::from_secs(12));
    assert!(!lab.is_up(ann) && lab.is_up(eve));
    assert_eq!(
        lab.news(),
        [
            "ann down: no traffic for 100s",
            "peer gone: no traffic for 100s"
        ]
    );
    assert!(lab.why(ann).contains("Time limit"), "{}", lab.why(ann));
}

#[test]
fn a_session_ends_when_its_time_is_over() {
    let mut lab = Lab::new(None);
    let server = lab.engine.config.server.as_mut().expect("a server");
    server.session_timeout = Some(Duration::from_secs(500));
    for (user, seconds) in [("ann", 60), ("eve", 0)] {
        let terms = Terms {
            session_timeout: Some(Duration::from_secs(seconds)),
            ..Terms::default()
        };
        lab.terms.insert(user, terms);
    }
    let ann = lab.connect(HOME, "ann");
    let carol = lab.connect(AWAY, "carol");
    let eve = lab.connect(Ipv4Addr::new(192, 0, 2, 9), "eve");
    let mut all = |seconds| {
        lab.packets += 1;
        lab.wait(Duration::from_secs(seconds));
        [ann, carol, eve].map(|client| lab.is_up(client))
    };
    assert_eq!(all(59), [true, true, true]);
    assert_eq!(all(2), [false, true, true]);
    assert_eq!(all(430), [false, true, true]);
    assert_eq!(all(20), [false, false, true]);
    assert_eq!(all(5000), [false, false, true]);
    let news = lab.news();
    assert_eq!(news[0], "ann down: the session's time of 60s is over");
    assert_eq!(news[2], "carol down: the session's time of 500s is over");
}
