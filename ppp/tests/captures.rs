//! Every frame of every capture: read without panic, and as the independent decoder reads it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use common::{files, frames, text};
use ppp::frame::{Frame, Protocol};
use ppp::packet::{Code, Packet};
use ppp::{Config, Link, Output, option};
use wire::{Instant, Rng, Secret};

use rand_core::SeedableRng;

/// All that can be read of a frame.
fn read(bytes: &[u8]) -> Option<(Protocol, Code, u8)> {
    let frame = Frame::parse(bytes).ok()?;
    let packet = Packet::parse(frame.information).ok()?;
    let _ = option::parse(packet.data);
    let _ = ppp::chap::Value::parse(packet.data);
    let _ = ppp::auth::pap::Request::parse(packet.data);
    let _ = ppp::mschapv2::Response::parse(packet.data);
    let _ = ppp::mschapv2::Failure::parse(packet.data);
    let _ = ppp::mschapv2::AuthenticatorResponse::from_success_message(packet.data);
    Some((frame.protocol, packet.code, packet.id))
}

/// Gives `inputs` to a link of each role at each stage it reaches with them.
fn survive(inputs: &[Vec<u8>]) {
    let configs = [
        Config::server("l2tpd"),
        Config::client("ann", Secret::from(&b"x"[..])),
    ];
    for config in configs {
        let mut link = Link::new(config, Rng::seed_from_u64(7));
        let mut now = Instant::BOOT;
        link.open(now);
        let mut sent = 0usize;
        for input in inputs {
            now = now + std::time::Duration::from_millis(10);
            link.handle_frame(now, input);
            link.handle_timeout(now);
            while let Some(output) = link.poll_output() {
                sent += usize::from(matches!(output, Output::Transmit(_)));
            }
        }
        // Never more than a few answers per packet, whatever comes.
        assert!(
            sent <= inputs.len() * 3 + 30,
            "{sent} frames for {}",
            inputs.len()
        );
    }
}

#[test]
fn all_captures() {
    let mut control = 0;
    for path in files("captures/ppp", &[".pcap", ".cap"]) {
        let frames = frames(&path);
        control += frames.iter().filter_map(|f| read(&f.bytes)).count();
        survive(
            &frames
                .into_iter()
                .map(|frame| frame.bytes)
                .collect::<Vec<_>>(),
        );
    }
    if common::shared().is_some() {
        assert!(control > 280, "only {control} packets were found");
    }
}

#[test]
fn all_fuzz_seeds() {
    #![allow(clippy::disallowed_methods, reason = "tests read files")]
    let seeds: Vec<_> = files("fuzz-seeds/ppp", &[".bin"])
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    assert!(common::shared().is_none() || seeds.len() > 300);
    for seed in &seeds {
        read(seed);
        // Cut anywhere, too.
        (0..seed.len().min(64)).for_each(|end| {
            read(&seed[..end]);
        });
    }
    survive(&seeds);
    seeds
        .iter()
        .for_each(|seed| survive(std::slice::from_ref(seed)));
}

/// Codes and identifiers in the order of the verbose decode beside the capture.
#[test]
fn the_independent_decoder_agrees() {
    for name in [
        "captures/ppp/pptp-mschapv2-mppe-lulu.pcap",
        "captures/l2tp/winxp-l2tp-full-session.pcap",
    ] {
        let Some(decode) = text(&format!("{name}.ppp-V.txt")) else {
            return;
        };
        let number = |line: &str| -> Option<u8> {
            line.rsplit_once('(')?.1.trim_end_matches(')').parse().ok()
        };
        let mut expected = Vec::new();
        for line in decode.lines() {
            if let Some(code) = line.strip_prefix("    Code: ") {
                expected.push((number(code).unwrap(), 0));
            } else if let Some(id) = line.strip_prefix("    Identifier: ") {
                expected.last_mut().unwrap().1 = id.split(' ').next().unwrap().parse().unwrap();
            }
        }
        let path = common::shared().unwrap().join(name);
        let read: Vec<_> = frames(&path)
            .iter()
            .filter(|frame| Frame::parse(&frame.bytes).is_ok_and(|f| f.protocol.0 >= 0x8000))
            .filter_map(|frame| read(&frame.bytes))
            .map(|(_, code, id)| (code.0, id))
            .collect();
        assert!(expected.len() > 20, "{name}");
        assert_eq!(read, expected, "{name}");
    }
}
