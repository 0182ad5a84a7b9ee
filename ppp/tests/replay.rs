//! One half of a recorded session against a link of ours, until IP may flow.
//!
//! Requests are played as they were. Answers are adapted where they echo what we made up: the
//! identifier, our options in an Ack, and the response to our challenge.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::net::Ipv4Addr;
use std::time::Duration;

use common::{Captured, frames, json, shared};
use ppp::frame::{Compression, Frame, Protocol};
use ppp::packet::{Code, Packet};
use ppp::{
    Config, Event, Exchange, Link, Method, NetworkConfig, NetworkUp, Output, Role, Verdict, auth,
    chap, mschapv2, option,
};
use rand_core::SeedableRng;
use wire::{Instant, Rng, Secret};

struct Replay {
    link: Link,
    now: Instant,
    password: Secret,
    network: NetworkConfig,
    /// Everything the link sent, in order.
    sent: Vec<(Protocol, Code, u8, Vec<u8>)>,
    events: Vec<Event>,
    checks: usize,
}

fn network(local: [u8; 4], peer: [u8; 4], dns: [Option<[u8; 4]>; 2]) -> NetworkConfig {
    NetworkConfig {
        local: local.into(),
        peer: peer.into(),
        dns: dns.map(|dns| dns.map(Ipv4Addr::from)),
        wins: [None; 2],
    }
}

fn server(method: Method) -> Config {
    let mut config = Config::server("l2tpd");
    if let Role::Server(server) = &mut config.role {
        server.methods = vec![method];
    }
    config
}

impl Replay {
    fn new(config: Config, password: &str, network: NetworkConfig) -> Self {
        let mut replay = Self {
            link: Link::new(config, Rng::seed_from_u64(1)),
            now: Instant::BOOT,
            password: Secret::from(password.as_bytes()),
            network,
            sent: Vec::new(),
            events: Vec::new(),
            checks: 0,
        };
        replay.link.open(replay.now);
        replay.drain();
        replay
    }

    fn drain(&mut self) {
        while let Some(output) = self.link.poll_output() {
            match output {
                Output::Transmit(bytes) => {
                    let frame = Frame::parse(&bytes).unwrap();
                    let packet = Packet::parse(frame.information).unwrap();
                    let data = packet.data.to_vec();
                    self.sent
                        .push((frame.protocol, packet.code, packet.id, data));
                }
                Output::Event(event) => self.events.push(event),
                Output::Request(request) => {
                    self.checks += 1;
                    let verdict = match request.exchange.check(&request.user, &self.password) {
                        auth::Check::Passed(authenticator_response) => Verdict::Accept {
                            authenticator_response,
                            network: self.network,
                        },
                        auth::Check::Failed => panic!("the recorded password is right"),
                    };
                    self.link.handle_verdict(self.now, request.id, verdict);
                }
            }
        }
    }

    fn last(&self, protocol: Protocol, code: Code) -> Option<(u8, Vec<u8>)> {
        let mut packets = self.sent.iter().rev();
        let found = packets.find(|sent| (sent.0, sent.1) == (protocol, code))?;
        Some((found.2, found.3.clone()))
    }

    /// Plays one frame, adapted; false if it has no meaning here.
    fn play(&mut self, bytes: &[u8]) -> bool {
        let Ok(frame) = Frame::parse(bytes) else {
            return false;
        };
        let Ok(packet) = Packet::parse(frame.information) else {
            return false;
        };
        let data;
        let adapted = match (frame.protocol, packet.code) {
            (Protocol::LCP | Protocol::IPCP, Code::CONFIGURE_ACK) => {
                let Some((id, ours)) = self.last(frame.protocol, Code::CONFIGURE_REQUEST) else {
                    return false;
                };
                data = ours;
                Packet {
                    id,
                    data: &data,
                    ..packet
                }
            }
            (Protocol::LCP | Protocol::IPCP, Code::CONFIGURE_NAK | Code::CONFIGURE_REJECT) => {
                let Some((id, ours)) = self.last(frame.protocol, Code::CONFIGURE_REQUEST) else {
                    return false;
                };
                let ours = option::parse(&ours).unwrap();
                let theirs = option::parse(packet.data).unwrap();
                if !theirs
                    .iter()
                    .all(|o| ours.iter().any(|ours| ours.kind == o.kind))
                {
                    return false;
                }
                Packet { id, ..packet }
            }
            (Protocol::CHAP, chap::RESPONSE) => {
                let Some((id, ours)) = self.last(Protocol::CHAP, chap::CHALLENGE) else {
                    return false;
                };
                let asked = chap::Value::parse(&ours).unwrap();
                let shown = chap::Value::parse(packet.data).unwrap();
                let value = if let Ok(mut response) = mschapv2::Response::parse(shown.value) {
                    let hash = mschapv2::NtHash::of(&self.password);
                    let challenge = asked.value.try_into().unwrap();
                    let peer = &response.peer_challenge;
                    response.nt_response =
                        mschapv2::nt_response(shown.name, &hash, &challenge, peer);
                    response.emit()
                } else {
                    chap::response(id, asked.value, &self.password).to_vec()
                };
                data = chap::Value {
                    value: &value,
                    name: shown.name,
                }
                .emit();
                Packet {
                    id,
                    data: &data,
                    ..packet
                }
            }
            (Protocol::PAP, auth::pap::ACK) => Packet { id: 1, ..packet },
            (Protocol::LCP, Code::ECHO_REPLY | Code::PROTOCOL_REJECT) => return false,
            _ => packet,
        };
        let information = adapted.emit();
        let frame = Frame {
            information: &information,
            ..frame
        };
        self.link
            .handle_frame(self.now, &frame.emit(Compression::default()));
        self.drain();
        true
    }

    /// Plays what `from` sent, 5 ms apart, and returns what came of it.
    fn run(&mut self, recording: &[Captured], from: Ipv4Addr) -> NetworkUp {
        for captured in recording.iter().filter(|captured| captured.from == from) {
            self.now = self.now + Duration::from_millis(5);
            // A recorded server may have gone on to negotiate what ours has already accepted.
            let again = self
                .events
                .iter()
                .any(|event| matches!(event, Event::LcpUp(_)))
                && Frame::parse(&captured.bytes).is_ok_and(|frame| {
                    frame.protocol == Protocol::LCP && frame.information.first() == Some(&1)
                });
            if !again {
                self.play(&captured.bytes);
            }
            if let Some(up) = self.network_up() {
                return up;
            }
        }
        panic!("no network after {:?}", self.sent);
    }

    fn network_up(&self) -> Option<NetworkUp> {
        self.events.iter().find_map(|event| match event {
            Event::NetworkUp(up) => Some(*up),
            _ => None,
        })
    }

    /// The answers we gave to Configure-Requests of `protocol`.
    fn answers(&self, protocol: Protocol) -> Vec<(u8, u8, Vec<u8>)> {
        self.sent
            .iter()
            .filter(|sent| sent.0 == protocol && (2..=4).contains(&sent.1.0))
            .map(|sent| (sent.1.0, sent.2, sent.3.clone()))
            .collect()
    }
}

fn recording(path: &str) -> Option<Vec<Captured>> {
    Some(frames(&shared()?.join(path)))
}

/// The answers the recorded server gave to Configure-Requests of `protocol`.
fn recorded_answers(
    recording: &[Captured],
    from: Ipv4Addr,
    protocol: Protocol,
) -> Vec<(u8, u8, Vec<u8>)> {
    recording
        .iter()
        .filter(|captured| captured.from == from)
        .filter_map(|captured| {
            let frame = Frame::parse(&captured.bytes).ok()?;
            let packet = Packet::parse(frame.information).ok()?;
            let answer = (packet.code.0, packet.id, packet.data.to_vec());
            (frame.protocol == protocol && (2..=4).contains(&answer.0)).then_some(answer)
        })
        .collect()
}

/// A Windows of 2012 over PPTP. Our answers equal those of the recorded pppd in every byte.
#[test]
fn windows_with_mschapv2() {
    let Some(recording) = recording("captures/ppp/pptp-mschapv2-mppe-lulu.pcap") else {
        return;
    };
    let (client, their_server) = ([192, 168, 2, 5].into(), [192, 168, 2, 2].into());
    let ipcp = recorded_answers(&recording, their_server, Protocol::IPCP);
    let assigned = <[u8; 4]>::try_from(&ipcp[1].2[2..6]).unwrap();
    let network = network([192, 168, 1, 1], assigned, [None; 2]);
    let mut replay = Replay::new(server(Method::MsChapV2), "password", network);
    let up = replay.run(&recording, client);

    assert_eq!(up.peer, Ipv4Addr::from(assigned));
    assert_eq!((up.peer_mru, up.pfc, up.acfc), (1400, true, true));
    assert_eq!(replay.checks, 1);
    assert_eq!(
        replay.answers(Protocol::LCP),
        recorded_answers(&recording, their_server, Protocol::LCP)
    );
    // The recorded server was not ready for the first IPCP request; ours is, and so answers one
    // more, like the second.
    let answers = replay.answers(Protocol::IPCP);
    assert_eq!(answers[0].0, Code::CONFIGURE_REJECT.0);
    assert_eq!(answers[0].2, ipcp[0].2);
    assert_eq!(answers[1..], ipcp);
    // IPV6CP and CCP are rejected, the three Identifications are not.
    let rejected: Vec<_> = replay
        .sent
        .iter()
        .filter(|sent| sent.1 == Code::PROTOCOL_REJECT && sent.0 == Protocol::LCP)
        .map(|sent| sent.3[..2].to_vec())
        .collect();
    assert_eq!(rejected[..2], [vec![0x80, 0x57], vec![0x80, 0xfd]]);
    assert!(!replay.sent.iter().any(|sent| sent.1 == Code::CODE_REJECT));
}

/// A Windows XP over L2TP with PAP; its server wanted another MRU, which we do not.
#[test]
fn windows_xp_with_pap() {
    let Some(recording) = recording("captures/l2tp/winxp-l2tp-full-session.pcap") else {
        return;
    };
    let client = Ipv4Addr::new(192, 168, 101, 233);
    // An earlier session is ended first; the one to be played begins after its Terminate-Request.
    let is_end =
        |c: &Captured| c.from == client && c.bytes.ends_with(&[0x3c, 0xcd, 0x74, 0, 0, 0, 0]);
    let start = recording.iter().position(is_end).unwrap() + 1;
    let recording = &recording[start..];
    let network = network([172, 16, 10, 5], [172, 16, 10, 2], [None; 2]);
    let mut replay = Replay::new(server(Method::Pap), "qwerty", network);
    let up = replay.run(recording, client);
    assert_eq!(up.peer, Ipv4Addr::new(172, 16, 10, 2));
    let user = replay.events.iter().find_map(|event| match event {
        Event::Authenticated {
            user,
            method: Method::Pap,
        } => Some(user.to_string()),
        _ => None,
    });
    assert_eq!(user.as_deref(), Some("markw"));

    // Its own farewell.
    for captured in recording.iter().filter(|captured| captured.from == client) {
        let frame = Frame::parse(&captured.bytes).unwrap();
        if frame.protocol == Protocol::LCP && frame.information[0] == Code::TERMINATE_REQUEST.0 {
            replay.play(&captured.bytes);
        }
    }
    assert!(replay.last(Protocol::LCP, Code::TERMINATE_ACK).is_some());
    replay
        .link
        .handle_timeout(replay.now + Duration::from_secs(1));
    replay.drain();
    let Some(Event::Down { reason }) = replay.events.last() else {
        panic!("not down")
    };
    assert_eq!(reason.disconnect_cause().code, 3);
}

/// xl2tpd and pppd 2.4.9 behind strongSwan and libreswan.
#[test]
fn pppd_of_the_laboratory() {
    for (folder, method) in [
        ("strongswan-nonat", Method::MsChapV2),
        ("strongswan-nat", Method::MsChapV2),
        ("strongswan-nonat-chapmd5", Method::Chap),
        ("libreswan-nonat", Method::Chap),
        ("libreswan-nat", Method::Chap),
    ] {
        let Some(recording) = recording(&format!("adit-lab/{folder}/inside.pcap")) else {
            return;
        };
        let keys = json(&format!("adit-lab/{folder}/keys.json")).unwrap();
        let server_address = Ipv4Addr::new(192, 0, 2, 1);
        let client = recording
            .iter()
            .find(|c| c.from != server_address)
            .unwrap()
            .from;
        let ipcp = recorded_answers(&recording, server_address, Protocol::IPCP);
        let nak = ipcp
            .iter()
            .find(|answer| answer.0 == Code::CONFIGURE_NAK.0)
            .unwrap();
        let options = option::parse(&nak.2).unwrap();
        let value = |kind| {
            options
                .iter()
                .find(|o| o.kind == kind)
                .and_then(|o| o.array::<4>())
        };
        let network = network([10, 20, 0, 1], value(3).unwrap(), [value(129), value(131)]);
        let mut replay = Replay::new(server(method), keys["password"].as_str().unwrap(), network);
        let up = replay.run(&recording, client);
        assert_eq!(up.peer, network.peer, "{folder}");
        assert_eq!(replay.checks, 1, "{folder}");
        // Nak and Ack, as the recorded server has it.
        assert_eq!(replay.answers(Protocol::IPCP), ipcp, "{folder}");
        let user = keys["user"].as_str().unwrap();
        assert!(replay.events.iter().any(|event| matches!(
            event,
            Event::Authenticated { user: shown, method: used }
                if shown.as_str() == Some(user) && *used == method
        )));
    }
}

/// A client without any options but an address, and its Cisco server: both halves.
#[test]
fn pptp_with_pap_both_ways() {
    let Some(recording) = recording("captures/ppp/packetlife-PPTP_negotiation.cap") else {
        return;
    };
    let (client, cisco) = (Ipv4Addr::new(20, 0, 0, 2), Ipv4Addr::new(20, 0, 0, 1));
    let ipcp = recorded_answers(&recording, cisco, Protocol::IPCP);
    let assigned = <[u8; 4]>::try_from(&ipcp[0].2[2..6]).unwrap();
    let network = network([20, 0, 0, 1], assigned, [None; 2]);

    let mut replay = Replay::new(server(Method::Pap), "ixia", network);
    let up = replay.run(&recording, client);
    assert_eq!((up.peer, up.peer_mru), (assigned.into(), 1500));
    assert_eq!(replay.answers(Protocol::IPCP), ipcp);

    let mut config = Config::client("ixia", Secret::from(&b"ixia"[..]));
    if let Role::Client(settings) = &mut config.role {
        settings.methods = vec![Method::Pap];
    }
    let mut replay = Replay::new(config, "ixia", network);
    let up = replay.run(&recording, cisco);
    assert_eq!(up.local, Ipv4Addr::from(assigned));
    assert_eq!(up.dns, [None; 2]);
}

/// The server half of the Windows capture: a server's proof that is not for our challenge is
/// found out.
#[test]
fn a_replayed_success_is_not_genuine() {
    let Some(recording) = recording("captures/ppp/pptp-mschapv2-mppe-lulu.pcap") else {
        return;
    };
    let config = Config::client("lulu", Secret::from(&b"password"[..]));
    let mut replay = Replay::new(config, "password", network([0; 4], [0; 4], [None; 2]));
    for captured in recording
        .iter()
        .filter(|c| c.from == Ipv4Addr::new(192, 168, 2, 2))
    {
        replay.now = replay.now + Duration::from_millis(5);
        replay.play(&captured.bytes);
    }
    for _ in 0..3 {
        replay.now = replay.now + Duration::from_secs(1);
        replay.link.handle_timeout(replay.now);
        replay.drain();
    }
    let Some(Event::Down { reason }) = replay.events.last() else {
        panic!("{:?}", replay.events)
    };
    assert!(
        reason
            .to_string()
            .starts_with("the server's proof is wrong"),
        "{reason}"
    );
    assert!(
        !replay
            .events
            .iter()
            .any(|event| matches!(event, Event::Authenticated { .. }))
    );
}

#[test]
fn debug_output_hides_what_was_shown() {
    let exchange = Exchange::Pap {
        password: Secret::from(&b"hunter2"[..]),
    };
    assert_eq!(format!("{exchange:?}"), "Pap(..)");
    let output = Output::Transmit(b"hunter2".to_vec());
    assert_eq!(format!("{output:?}"), "Transmit(7 bytes)");
}
