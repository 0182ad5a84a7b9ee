//! Recorded traffic: what others sent is read as others read it, and recorded clients get their
//! session from our server.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::*;
use l2tp::codec::{Attribute, ControlHeader, Header, HeaderError, Message, avps};
use l2tp::{CloseReason, Config, DropReason, Event, Refusal, SessionUp, TunnelUp};

/// What an AVP says, in the words of tshark's detailed decode.
fn words(attribute: &Attribute) -> Option<(&'static str, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Some(match attribute {
        Attribute::ProtocolVersion(version, _) => ("Version", version.to_string()),
        Attribute::FirmwareRevision(value) => {
            ("Firmware Revision", format!("{value} (0x{value:04x})"))
        }
        Attribute::HostName(name) => ("Host Name", text(name)),
        Attribute::VendorName(name) => ("Vendor Name", text(name)),
        Attribute::AssignedTunnelId(id) => ("Assigned Tunnel ID", id.to_string()),
        Attribute::AssignedSessionId(id) => ("Assigned Session ID", id.to_string()),
        Attribute::ReceiveWindowSize(size) => ("Receive Window Size", size.to_string()),
        Attribute::CallSerialNumber(number) => ("Call Serial Number", number.to_string()),
        Attribute::TxConnectSpeed(speed) => ("Connect Speed", speed.to_string()),
        Attribute::RxConnectSpeed(speed) => ("Rx Connect Speed", speed.to_string()),
        Attribute::ResultCode(code) => ("Result code", code.result.to_string()),
        _ => return None,
    })
}

/// The lines of tshark's decode that are compared, by frame.
fn decoded(text: &str) -> BTreeMap<usize, Vec<(String, String)>> {
    const WANTED: [&str; 18] = [
        "Tunnel ID",
        "Session ID",
        "Ns",
        "Nr",
        "Message Type",
        "Version",
        "Firmware Revision",
        "Host Name",
        "Vendor Name",
        "Assigned Tunnel ID",
        "Assigned Session ID",
        "Receive Window Size",
        "Call Serial Number",
        "Connect Speed",
        "Rx Connect Speed",
        "Result code",
        "Mandatory",
        "Hidden",
    ];
    let mut frames: BTreeMap<usize, Vec<(String, String)>> = BTreeMap::new();
    let mut frame = 0;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Frame ") {
            frame = rest.split(':').next().unwrap().parse().unwrap();
            frames.entry(frame).or_default();
            continue;
        }
        let Some((key, value)) = line.split_once(": ") else {
            continue;
        };
        let key = key.rsplit(" = ").next().unwrap().trim();
        if WANTED.contains(&key) {
            // "Name (number)" where tshark has a name; the number is what we compare.
            let value = match (key, value.rsplit_once('(')) {
                ("Message Type" | "Result code", Some((_, number))) => number.trim_end_matches(')'),
                _ => value,
            };
            frames
                .get_mut(&frame)
                .unwrap()
                .push((key.into(), value.trim().into()));
        }
    }
    frames
}

#[test]
fn windows_xp_and_cisco_are_read_as_tshark_reads_them() {
    let Some(path) = shared("captures/l2tp/winxp-l2tp-full-session.pcap") else {
        return;
    };
    let text = std::fs::read_to_string(path.with_extension("pcap.control-V.txt")).unwrap();
    let expected = decoded(&text);
    let messages = control_messages(&path);
    let frames: Vec<usize> = messages
        .iter()
        .map(|(datagram, ..)| datagram.frame)
        .collect();
    assert_eq!(frames, expected.keys().copied().collect::<Vec<_>>());
    for (datagram, header, body) in &messages {
        let mut ours: Vec<(String, String)> = vec![
            ("Version".into(), "2".into()),
            ("Tunnel ID".into(), header.tunnel.to_string()),
            ("Session ID".into(), header.session.to_string()),
            ("Ns".into(), header.ns.to_string()),
            ("Nr".into(), header.nr.to_string()),
        ];
        let (list, broken) = avps(body);
        assert_eq!(broken, None, "frame {}", datagram.frame);
        let words_of = |set: bool| if set { "True" } else { "False" };
        for avp in &list {
            ours.push(("Mandatory".into(), words_of(avp.mandatory).into()));
            ours.push(("Hidden".into(), words_of(avp.hidden).into()));
            let attribute = Attribute::parse(avp.kind, &avp.value).unwrap().unwrap();
            if let Attribute::MessageType(kind) = &attribute {
                ours.push(("Message Type".into(), kind.0.to_string()));
            }
            ours.extend(words(&attribute).map(|(key, value)| (key.into(), value)));
        }
        assert_eq!(
            &ours,
            expected.get(&datagram.frame).unwrap(),
            "frame {}",
            datagram.frame
        );
        if !body.is_empty() {
            let received = Message::parse(body, None).unwrap();
            assert_eq!((received.fault, received.mandatory), (None, true));
            // What we write for the same message differs in nothing but unused AVPs.
            let mut out = Vec::new();
            received.message.emit(&mut out);
            assert_eq!(
                Message::parse(&out, None).unwrap().message,
                received.message
            );
        }
    }
}

/// What a replayed client got.
struct Replayed {
    tunnel: TunnelUp,
    session: SessionUp,
    session_end: CloseReason,
    tunnel_end: CloseReason,
    /// Kinds of our answers to each client message, in short.
    answers: Vec<String>,
}

/// Plays the client's side, with our ids and numbers in place of those of the recorded server.
fn replay(client: &[(ControlHeader, Vec<u8>)]) -> Replayed {
    let mut script = Script::new(Config::default());
    let mut session = 0;
    let mut events = Vec::new();
    let mut answers = Vec::new();
    for (recorded, body) in client {
        let rewritten = |recorded: u16, ours: u16| if recorded == 0 { 0 } else { ours };
        let header = ControlHeader {
            tunnel: rewritten(recorded.tunnel, script.tunnel),
            session: rewritten(recorded.session, session),
            ns: recorded.ns,
            nr: script.nr,
        };
        let mut shorts = Vec::new();
        for answer in script.raw(&header, body) {
            match answer {
                Answer::Zlb(ack) => {
                    assert_eq!(ack.nr, header.ns.wrapping_add(1));
                    shorts.push("ZLB".to_string());
                }
                Answer::Message(ack, message) => {
                    assert_eq!(ack.nr, header.ns.wrapping_add(1));
                    shorts.push(message.kind().to_string());
                    match message {
                        Message::Sccrp(start) => script.tunnel = start.assigned_tunnel_id.unwrap(),
                        Message::Icrp(id) => session = id.unwrap(),
                        _ => {}
                    }
                }
                Answer::Event(event) => {
                    let name = format!("{event:?}");
                    shorts.push(name.split([' ', '(', '{']).next().unwrap().to_string());
                    events.push(event);
                }
            }
        }
        answers.push(shorts.join(" "));
    }
    let [
        Event::TunnelUp(tunnel),
        Event::SessionUp(session),
        Event::SessionDown {
            reason: session_end,
            ..
        },
        Event::TunnelDown {
            reason: tunnel_end, ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    Replayed {
        tunnel: tunnel.clone(),
        session: session.clone(),
        session_end: session_end.clone(),
        tunnel_end: tunnel_end.clone(),
        answers,
    }
}

#[test]
fn windows_xp_gets_its_session_and_closes_it() {
    let Some(path) = shared("captures/l2tp/winxp-l2tp-full-session.pcap") else {
        return;
    };
    let messages = control_messages(&path);
    // Before frame 45 an earlier session ends.
    let from_client = |(datagram, ..): &&(Datagram, _, _)| datagram.from == [192, 168, 101, 233];
    let (earlier, client): (Vec<_>, Vec<_>) = messages
        .iter()
        .filter(from_client)
        .partition(|(datagram, ..)| datagram.frame < 45);
    let strip = |list: Vec<&(Datagram, ControlHeader, Vec<u8>)>| -> Vec<_> {
        list.into_iter()
            .map(|(_, header, body)| (*header, body.clone()))
            .collect()
    };

    let mut stranger = Script::new(Config::default());
    for (header, body) in strip(earlier) {
        assert_eq!(stranger.raw(&header, &body), []);
    }
    assert_eq!(
        stranger
            .server
            .counters()
            .dropped(DropReason::UnknownTunnel),
        2
    );

    let replayed = replay(&strip(client));
    assert_eq!(
        replayed.answers,
        [
            "SCCRP",
            "ZLB TunnelUp",
            "ICRP",
            "",
            "ZLB SessionUp",
            "",
            "ZLB SessionDown",
            "ZLB TunnelDown",
        ]
    );
    let info = &replayed.tunnel.info;
    assert_eq!(info.host_name, "albatross.dev.hsd.com.au");
    assert_eq!(info.vendor_name, "Microsoft");
    assert_eq!(info.receive_window, 8);
    assert_eq!(replayed.tunnel.remote_id, 2);
    assert_eq!(replayed.session.remote_session, 1);
    assert_eq!(replayed.session.tx_speed, Some(100_000_000));
    assert_eq!(
        replayed.session_end.to_string(),
        "closed by the peer: administrative reasons"
    );
    assert_eq!(
        replayed.tunnel_end.to_string(),
        "closed by the peer: the requester is being shut down"
    );
}

#[test]
fn xl2tpd_gets_its_session_and_closes_it() {
    let mut found = 0;
    for lab in [
        "strongswan-nonat",
        "strongswan-nat",
        "strongswan-nonat-chapmd5",
        "libreswan-nonat",
        "libreswan-nat",
    ] {
        let Some(path) = shared(&format!("adit-lab/{lab}/inside.pcap")) else {
            return;
        };
        found += 1;
        let messages = control_messages(&path);
        let client = messages
            .iter()
            .filter(|(datagram, ..)| datagram.from != [192, 0, 2, 1])
            .map(|(_, header, body)| (*header, body.clone()))
            .collect::<Vec<_>>();
        assert_eq!(client.len(), 5, "{lab}");
        let replayed = replay(&client);
        assert_eq!(
            replayed.answers,
            [
                "SCCRP",
                "ZLB TunnelUp",
                "ICRP",
                "ZLB SessionUp",
                "ZLB SessionDown TunnelDown"
            ],
            "{lab}"
        );
        let info = &replayed.tunnel.info;
        assert_eq!(
            (info.host_name.as_str(), info.vendor_name.as_str()),
            ("lab", "xelerance.com")
        );
        assert_eq!(
            (info.firmware_revision, info.receive_window),
            (Some(0x0690), 4)
        );
        assert_eq!(replayed.session_end, replayed.tunnel_end);
        assert!(matches!(replayed.tunnel_end, CloseReason::Peer(_)), "{lab}");
    }
    assert_eq!(found, 5);
}

/// The recorded server side, xl2tpd's, against our client.
#[test]
fn our_client_understands_the_server_xl2tpd() {
    let Some(path) = shared("adit-lab/strongswan-nonat/inside.pcap") else {
        return;
    };
    let mut client = endpoint(Config::default(), 9);
    let tunnel = client.open_tunnel(at(1.0), PEER, CLIENT_PORTS, Arc::default());
    let mut events = Vec::new();
    let (mut session, mut sent) = (0, Vec::new());
    let mut drain = |client: &mut l2tp::Endpoint, session: &mut u16, nr: &mut u16| {
        for output in outputs(client) {
            match output {
                l2tp::Output::Event(event) => events.push(event),
                l2tp::Output::Transmit(transmit) => {
                    let (header, body) = control(&transmit.bytes);
                    if body.is_empty() {
                        continue;
                    }
                    *nr = header.ns + 1;
                    let message = Message::parse(&body, None).unwrap().message;
                    sent.push(message.kind().to_string());
                    if let Message::Icrq(call) = message {
                        *session = call.assigned_session_id.unwrap();
                    }
                }
            }
        }
    };
    let mut nr = 0;
    drain(&mut client, &mut session, &mut nr);
    for (datagram, mut header, body) in control_messages(&path) {
        // The last ZLB answers a StopCCN that our client has not sent.
        if datagram.from != [192, 0, 2, 1] || datagram.frame > 40 {
            continue;
        }
        header.tunnel = tunnel.id;
        header.session = if header.session == 0 { 0 } else { session };
        header.nr = nr;
        let mut bytes = Vec::new();
        header.emit(&body, &mut bytes);
        client.handle_message(at(1.1), PEER, CLIENT_PORTS, &bytes);
        drain(&mut client, &mut session, &mut nr);
    }
    assert_eq!(sent, ["SCCRQ", "SCCCN", "ICRQ", "ICCN"]);
    let [Event::TunnelUp(up), Event::SessionUp(call)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((up.remote_id, call.remote_session), (16_212, 38_278));
}

#[test]
fn hellos_of_a_provider_are_read() {
    for name in ["nb6-hotspot-l2tp-radius.pcap", "nb6-http-l2tp.pcap"] {
        let Some(path) = shared(&format!("captures/l2tp/{name}")) else {
            return;
        };
        let messages = control_messages(&path);
        let tunnels: Vec<_> = messages
            .iter()
            .map(|(_, header, body)| {
                let kind =
                    Message::parse(body, None).map(|received| received.message.kind().to_string());
                (header.tunnel, kind.unwrap_or("ZLB".into()))
            })
            .collect();
        assert_eq!(
            tunnels,
            [(1_527, "HELLO".to_string()), (18_994, "ZLB".to_string())],
            "{name}"
        );
        let data = datagrams(&path)
            .iter()
            .filter(|datagram| matches!(Header::parse(&datagram.payload), Ok(Header::Data(..))))
            .count();
        assert!(data > 5, "{name}: {data}");
    }
}

/// Everything that is not ours is refused without a trace of state, whatever tunnel it names.
fn feed(endpoint: &mut l2tp::Endpoint, bytes: &[u8]) -> Vec<l2tp::Output> {
    endpoint.handle_message(at(1.0), PEER, SERVER_PORTS, bytes);
    outputs(endpoint)
}

#[test]
fn overlong_avps_and_other_versions_are_refused() {
    let Some(path) = shared("captures/l2tp/l2tp-avp-overflow.pcap") else {
        return;
    };
    let overflows = datagrams(&path);
    assert!(overflows.len() >= 10, "{}", overflows.len());
    let mut server = endpoint(Config::default(), 1);
    for datagram in &overflows {
        assert_eq!(
            feed(&mut server, &datagram.payload),
            [],
            "frame {}",
            datagram.frame
        );
    }
    let counters = server.counters();
    assert_eq!(counters.received, overflows.len() as u64);
    let dropped: u64 = DropReason::ALL
        .iter()
        .map(|reason| counters.dropped(*reason))
        .sum();
    assert_eq!((server.tunnel_count(), dropped), (0, counters.received));

    // L2TPv3 over UDP: control messages say so in the header.
    let v3 = [0xc8, 0x03, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        Header::parse(&v3),
        Err(HeaderError::Version {
            version: 3,
            control: true
        })
    );
    let output = feed(&mut server, &v3);
    let [
        l2tp::Output::Event(Event::Refused {
            refusal: Refusal::HeaderVersion(3),
            ..
        }),
    ] = &output[..]
    else {
        panic!("{output:?}");
    };
    assert_eq!(server.counters().dropped(DropReason::Version), 1);
}

/// The seeds and every truncation and single-byte change of them: no panic, and no more than one
/// half-open tunnel for each that is a good SCCRQ.
#[test]
fn fuzz_seeds_do_no_harm() {
    let Some(folder) = shared("fuzz-seeds/l2tp") else {
        return;
    };
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 90);
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let mut server = endpoint(Config::default(), 1);
        for length in 0..=bytes.len() {
            feed(&mut server, &bytes[..length]);
        }
        for at in 0..bytes.len() {
            for bit in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= bit;
                feed(&mut server, &changed);
            }
        }
        assert!(server.tunnel_count() <= Config::default().limits.tunnels_per_peer);
    }
    let Some(folder) = shared("fuzz-seeds/l2tp-avp") else {
        return;
    };
    for file in std::fs::read_dir(folder).unwrap() {
        let body = std::fs::read(file.unwrap().path()).unwrap();
        let (list, broken) = avps(&body);
        assert!(!list.is_empty() || broken.is_some() || body.is_empty());
        let mut script = Script::new(Config::default());
        let start = [
            &[0x80, 8, 0, 0, 0, 0, 0, 1, 0x80, 8, 0, 0, 0, 9, 0, 5][..],
            &body,
        ]
        .concat();
        script.say_body(0, &start);
    }
}
