//! What real clients do, and that the server takes it as they mean it.

use super::*;

/// QUIRK(Cisco): vendor ids and XAUTH after KE, one that is new every time, and a set of NAT-D
/// payloads for each draft.
#[test]
fn strange_payloads_in_messages_3_and_5_change_nothing() {
    let mut host = Host::new(config());
    let ways = Ways {
        message_3: vec![
            vendor(XAUTH),
            vendor("00112233445566778899aabbccddeeff"),
            (PayloadType::NAT_D_DRAFT_02, vec![1; 20]),
            (PayloadType::NAT_D_DRAFT_02, vec![2; 20]),
            (PayloadType(200), vec![3; 5]),
        ],
        message_5: vec![
            vendor(XAUTH),
            vendor("ff"),
            (
                PayloadType::NOTIFICATION,
                Notification::bare(NotifyType(31_000)).to_body(),
            ),
        ],
        ..Ways::default()
    };
    let client = host.connect(1, &ways);
    assert_eq!(host.nat(), ike::Nat::default());
    let mut asked = Asked::new(1);
    asked.udp = false;
    host.quick_mode(&client, &asked);
    assert_eq!(host.children()[0].mode, EspMode::Raw);
}

#[test]
fn aes_without_a_key_length_is_aes_128() {
    let mut host = Host::new(config());
    let ways = Ways {
        key_length: false,
        ..Ways::default()
    };
    let client = host.connect(1, &ways);
    let mut asked = Asked::new(1);
    asked.key_length = false;
    host.quick_mode(&client, &asked);
    assert_eq!(host.children()[0].suite.to_string(), "aes128-sha1");
    assert_eq!(host.children()[0].inbound.encryption.expose().len(), 16);
}

/// [MS-IKEE] §3.8.4.1: a nonce between HASH and D, both under the hash. And whatever else.
#[test]
fn an_acknowledged_delete_is_a_delete() {
    let mut host = Host::new(config());
    let client = host.connect(1, &Ways::default());
    let asked = Asked::new(1);
    host.quick_mode(&client, &asked);
    let delete = Delete::esp(&[asked.spi]);
    let chain = ChainBuilder::new()
        .with(PayloadType::NONCE, &[5_u8; 24][..])
        .with(PayloadType::VENDOR_ID, &[6_u8; 16][..])
        .with(PayloadType::DELETE, &delete);
    host.say(client.path, &client.inform(0x77, chain));
    assert!(
        matches!(
            host.events.last(),
            Some(Event::ChildDown {
                reason: CloseReason::PeerDeleted,
                ..
            })
        ),
        "{:?}",
        host.events.last()
    );
}

/// QUIRK(Windows): KB 818043. The identities come back byte for byte all the same.
#[test]
fn a_name_in_place_of_the_clients_address_means_the_client() {
    let mut host = Host::new(config());
    let client = host.connect(1, &Ways::default());
    host.quick_mode(&client, &Asked::new(1));
    let mut asked = Asked::new(2);
    asked.id_i.identity = Identity::Fqdn("pc.example.org".into());
    let answer = host.quick_mode(&client, &asked);
    let ids: Vec<_> = answer
        .iter()
        .filter(|(kind, _)| *kind == PayloadType::ID)
        .collect();
    assert_eq!(ids[0].1, asked.id_i.to_body());
    assert_eq!(ids[1].1, asked.id_r.to_body());
    let traffic = host.children()[1].initiator_traffic;
    assert_eq!((traffic.address, traffic.port), (Some(ip(CLIENT)), 1701));
}

/// QUIRK(Apple): goes on asking under an IKE SA that it has deleted.
#[test]
fn a_quick_mode_under_a_deleted_ike_sa_is_met_with_silence() {
    let mut host = Host::new(config());
    let client = host.connect(1, &Ways::default());
    host.quick_mode(&client, &Asked::new(1));
    let delete = Delete::isakmp(client.cookies.0, client.cookies.1);
    let chain = ChainBuilder::new().with(PayloadType::DELETE, &delete);
    host.say(client.path, &client.inform(0x77, chain));
    assert!(matches!(host.events.last(), Some(Event::SaDown { .. })));
    let (events, spis) = (host.events.len(), host.spis);
    for id in [1, 2] {
        let (message, _) = client.ask(&Asked::new(id));
        assert!(host.say(client.path, &message).is_empty());
    }
    assert_eq!((host.events.len(), host.spis), (events, spis));
    assert_eq!(host.server.counters().unknown_cookies, 2);
}

/// QUIRK(Windows): message ids count from 1 under every IKE SA, and Main Modes run in parallel
/// from one address and port.
#[test]
fn small_message_ids_under_several_ike_sas_are_told_apart() {
    let mut host = Host::new(config());
    let clients: Vec<Client> = (1..4)
        .map(|number| host.connect(number, &Ways::default()))
        .collect();
    for (place, client) in clients.iter().enumerate() {
        for id in 1..4 {
            let mut asked = Asked::new(id);
            asked.spi += 0x100 * u32::try_from(place).expect("few");
            host.quick_mode(client, &asked);
            let (again, _) = client.ask(&asked);
            assert_eq!(host.say(client.path, &again).len(), 1, "the same answer");
        }
    }
    assert_eq!((host.children().len(), host.spis), (9, 9));
    let confirmed = host.events.iter();
    let confirmed = confirmed.filter(|event| matches!(event, Event::ChildConfirmed { .. }));
    assert_eq!(confirmed.count(), 9);
}

/// A new IKE SA deletes what the old one made, after the new child SA is up or before.
#[test]
fn a_new_ike_sa_speaks_for_the_child_sas_of_the_old_one() {
    for before in [true, false] {
        let mut host = Host::new(config());
        let old = host.connect(1, &Ways::default());
        host.quick_mode(&old, &Asked::new(1));
        // From port 500 again, as Apple does when 4500 does not answer; or on 4500 at once.
        let ways = Ways {
            port: if before { 500 } else { 4500 },
            ..Ways::default()
        };
        let new = host.connect(2, &ways);
        let delete = |host: &mut Host| {
            let chain = ChainBuilder::new()
                .with(PayloadType::DELETE, &Delete::esp(&[Asked::new(1).spi]))
                .with(
                    PayloadType::DELETE,
                    &Delete::isakmp(old.cookies.0, old.cookies.1),
                );
            host.say(new.path, &new.inform(0x99, chain));
        };
        if before {
            delete(&mut host);
        }
        host.quick_mode(&new, &Asked::new(2));
        if !before {
            delete(&mut host);
        }
        let down = |wanted: fn(&Event) -> bool| host.events.iter().filter(|e| wanted(e)).count();
        assert_eq!(down(|e| matches!(e, Event::ChildDown { .. })), 1);
        assert_eq!(down(|e| matches!(e, Event::SaDown { .. })), 1);
        assert_eq!(host.server.occupancy(), (0, 1));
    }
}

/// After a move of the client's address, which ESP has shown, questions and DELETEs go to the new
/// place, and a new IKE SA from there speaks for what the old one made.
#[test]
fn requests_follow_esp_to_another_address() {
    let mut ways = Ways {
        server: PUBLIC,
        ..Ways::default()
    };
    ways.vendor_ids.push(VendorId::dead_peer_detection().0);
    let mut host = Host::new(Config::default());
    let client = host.connect(1, &ways);
    host.quick_mode(&client, &Asked::new(1));
    let (sa, child) = host
        .events
        .iter()
        .find_map(|event| match event {
            Event::ChildUp { sa, child, .. } => Some((*sa, *child)),
            _ => None,
        })
        .expect("a child SA");
    let mut elsewhere = client.path;
    elsewhere.remote = "203.0.113.77:61000".parse().expect("an address");
    host.server.follow(host.now, sa, elsewhere);
    host.now = host.now + seconds(33);
    host.server.handle_timeout(host.now);
    // A question, and a NAT keepalive, since the server is behind a NAT itself.
    let mut asked = Vec::new();
    while let Some(output) = host.server.poll_output() {
        if let Output::Transmit { path, bytes } = output {
            asked.push((path, bytes.len() > 1));
        }
    }
    assert!(asked.contains(&(elsewhere, true)), "{asked:?}");
    assert!(
        asked.iter().all(|(path, _)| *path == elsewhere),
        "{asked:?}"
    );
    // Its answer goes where it came from, if that is elsewhere again.
    let mut third = client.path;
    third.remote = "203.0.113.78:62000".parse().expect("an address");
    let question =
        Notification::dead_peer(NotifyType::R_U_THERE, client.cookies.0, client.cookies.1, 5);
    let chain = ChainBuilder::new().with(PayloadType::NOTIFICATION, &question);
    assert_eq!(host.say(third, &client.inform(0x55, chain)).len(), 1);
    assert_eq!(host.sent.last().expect("an answer").0, third);

    let delete = ChainBuilder::new().with(PayloadType::DELETE, &Delete::esp(&[Asked::new(1).spi]));
    host.say(third, &client.inform(0x56, delete));
    let ended = host
        .events
        .iter()
        .any(|event| matches!(event, Event::ChildDown { child: ended, .. } if *ended == child));
    assert!(ended, "{:?}", host.events);
}

/// DESIGN: the server is behind a 1:1 NAT. What it says about itself, to whom, and where ESP goes.
#[test]
fn a_server_behind_nat_is_shown_as_its_clients_take_it() {
    for (name, id, public_address, hidden) in [
        ("Windows, learnt", WINDOWS, None, true),
        ("Windows, known", WINDOWS, Some(ip(PUBLIC)), true),
        ("Apple, learnt", APPLE, None, false),
        ("Apple, known", APPLE, Some(ip(PUBLIC)), true),
        ("strongSwan, learnt", XAUTH, None, false),
        ("strongSwan, known", XAUTH, Some(ip(PUBLIC)), true),
    ] {
        let mut host = Host::new(Config {
            public_address,
            ..config()
        });
        let mut ways = Ways {
            server: PUBLIC,
            ..Ways::default()
        };
        ways.vendor_ids.push(vendor(id).1);
        let client = host.connect(1, &ways);
        // The receiver's end comes first (RFC 3947 §3.2).
        let [theirs, ours] = &client.nat_d[..] else {
            panic!("{name}: {:?}", client.nat_d);
        };
        let sees_itself = *theirs == client.nat_d_of(CLIENT, 500);
        let sees_server = *ours == client.nat_d_of(PUBLIC, 500);
        // Hidden: the server is where the client thinks, and the client is behind a NAT.
        assert_eq!((sees_server, sees_itself), (hidden, !hidden), "{name}");
        assert_eq!(sees_server, *ours != client.nat_d_of(INSIDE, 500), "{name}");
        let nat = host.nat();
        assert!(
            nat.here && nat.any() && nat.forced == hidden,
            "{name}: {nat:?}"
        );
        let identity = ip(if public_address.is_some() {
            PUBLIC
        } else {
            INSIDE
        });
        assert_eq!(client.server_identity, identity.into(), "{name}");
        let answer = host.quick_mode(&client, &Asked::new(1));
        let originals: Vec<_> = answer
            .iter()
            .filter(|(kind, _)| *kind == PayloadType::NAT_OA)
            .map(|(_, body)| body.clone())
            .collect();
        assert_eq!(originals, [nat_oa(CLIENT), nat_oa(PUBLIC)], "{name}");
        let child = host.children()[0];
        assert_eq!(
            (child.mode, child.path.carrier),
            (EspMode::Udp, Carrier::NatT)
        );
    }
}

/// Phones sleep; others that say nothing for so long are gone.
#[test]
fn silence_is_forgiven_those_who_sleep() {
    for (id, dozes, lasts) in [(APPLE, true, 600), (XAUTH, false, 80)] {
        let mut host = Host::new(Config::default());
        let mut ways = Ways {
            server: PUBLIC,
            ..Ways::default()
        };
        ways.vendor_ids.push(vendor(id).1);
        ways.vendor_ids.push(VendorId::dead_peer_detection().0);
        let client = host.connect(1, &ways);
        host.quick_mode(&client, &Asked::new(1));
        let Some(Event::SaUp { info, .. }) = host.events.first() else {
            panic!("{:?}", host.events);
        };
        assert_eq!(info.make.dozes(), dozes, "{}", info.make);
        let since = host.now;
        let died = loop {
            let (at, _) = host.server.poll_timeout().expect("a deadline");
            host.now = at;
            host.server.handle_timeout(at);
            let mut dead = false;
            while let Some(output) = host.server.poll_output() {
                dead |= matches!(output, Output::Event(Event::DeadPeer { .. }));
            }
            if dead {
                break at - since;
            }
        };
        assert!(
            died >= seconds(lasts) && died < seconds(lasts + 60),
            "{id}: {died:?}"
        );
    }
}
