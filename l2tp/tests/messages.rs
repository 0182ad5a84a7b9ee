//! Control messages: exact bytes both ways, round trips, and what peers get wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

use hex_literal::hex;
use l2tp::DisconnectCause;
use l2tp::codec::{
    Attribute, Avp, AvpFault, AvpType, BearerCapabilities, CallConnected, CallRequest, Cdn,
    DisconnectCode, DisconnectDirection, ErrorCode, FramingCapabilities, FramingType, Message,
    MessageType, Received, ResultCode, Start, StopCcn, Vendor, message_type,
};
use proptest::prelude::*;
use wire::{DecodeError, Secret};

fn parse(body: &[u8]) -> Result<Message, DecodeError> {
    let received = Message::parse(body, None)?;
    assert_eq!(received.fault, None);
    assert!(received.mandatory);
    Ok(received.message)
}

fn emit(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.emit(&mut out);
    out
}

fn result(result: u16, error: Option<u16>, message: &str) -> Option<ResultCode> {
    Some(ResultCode {
        result,
        error: error.map(ErrorCode),
        message: message.into(),
    })
}

wire::codec_pairs! { parse, emit,
    // Each begins with 8008 0000 0000: QUIRK(Android) drops anything else.
    sccrp: hex!(
        "8008 0000 0000 0002  8008 0000 0002 0100  800a 0000 0003 00000003
         8009 0000 0007 6c6e73  000a 0000 0008 61646974
         8008 0000 0009 cafe  8008 0000 000a 0008")
        => Message::Sccrp(Start {
            protocol_version: Some((1, 0)),
            framing: Some(FramingCapabilities::BOTH),
            host_name: Some(b"lns".to_vec()),
            vendor_name: Some(b"adit".to_vec()),
            assigned_tunnel_id: Some(0xcafe),
            receive_window: Some(8),
            ..Start::default()
        }),
    scccn: hex!("8008 0000 0000 0003") => Message::Scccn(None),
    hello: hex!("8008 0000 0000 0006") => Message::Hello,
    icrq: hex!("8008 0000 0000 000a  8008 0000 000e 0001  800a 0000 000f 00000000
                800a 0000 0012 00000002")
        => Message::Icrq(CallRequest {
            assigned_session_id: Some(1),
            serial: Some(0),
            bearer: Some(2),
        }),
    icrp: hex!("8008 0000 0000 000b  8008 0000 000e fffe") => Message::Icrp(Some(0xfffe)),
    iccn: hex!("8008 0000 0000 000c  800a 0000 0018 05f5e100  800a 0000 0013 00000001")
        => Message::Iccn(CallConnected {
            tx_speed: Some(100_000_000),
            framing: Some(FramingType(1)),
            ..CallConnected::default()
        }),
    iccn_sequencing: hex!("8008 0000 0000 000c  800a 0000 0018 00000001
                           000a 0000 0026 00000002  8006 0000 0027")
        => Message::Iccn(CallConnected {
            tx_speed: Some(1),
            rx_speed: Some(2),
            framing: None,
            sequencing: true,
            proxy_authentication: None,
        }),
    stop_ccn: hex!("8008 0000 0000 0004  8008 0000 0009 0001  800a 0000 0001 0006 0000")
        => Message::StopCcn(StopCcn {
            assigned_tunnel_id: Some(1),
            result: result(6, Some(0), ""),
        }),
    // QUIRK(Android): two bytes of Result Code.
    stop_ccn_android: hex!("8008 0000 0000 0004  8008 0000 0009 0001  8008 0000 0001 0006")
        => Message::StopCcn(StopCcn {
            assigned_tunnel_id: Some(1),
            result: result(6, None, ""),
        }),
    cdn: hex!("8008 0000 0000 000e  800e 0000 0001 0002 0004 66756c6c  8008 0000 000e 0007
               0010 0000 002e 0010 c223 01 77726f6e67")
        => Message::Cdn(Cdn {
            result: result(2, Some(4), "full"),
            assigned_session_id: Some(7),
            cause: Some(DisconnectCause {
                code: DisconnectCode::AUTHENTICATION_FAILED,
                protocol: 0xc223,
                direction: DisconnectDirection::PEER,
                message: "wrong".into(),
            }),
        }),
    ocrq: hex!("8008 0000 0000 0007  8008 0000 000e 0009") => Message::Ocrq(Some(9)),
    wen: hex!("8008 0000 0000 000f") => Message::Wen,
    sli: hex!("8008 0000 0000 0010") => Message::Sli,
    unknown: hex!("8008 0000 0000 1234") => Message::Other(MessageType(0x1234)),
}

/// What follows is neither an error code nor, without one, a text (RFC 2661 §4.4.2).
#[test]
fn a_single_byte_behind_a_result_code_is_left_aside() {
    let value = hex!("0006 58");
    let read = Attribute::parse(AvpType::RESULT_CODE, &value).unwrap();
    assert_eq!(
        read,
        Some(Attribute::ResultCode(result(6, None, "").unwrap()))
    );
}

#[test]
fn apple_swaps_its_result_codes_and_overstates_their_length() {
    // The Result Code AVP says 16 bytes and has 10; its value 1 is in host order.
    let body = hex!("8008 0000 0000 0004  8008 0000 0009 0102  8010 0000 0001 0100 0000");
    let received = Message::parse(&body, None).unwrap();
    assert_eq!(
        received.message,
        Message::StopCcn(StopCcn {
            assigned_tunnel_id: Some(0x0102),
            result: result(1, Some(0), ""),
        })
    );
    assert_eq!(received.fault, None);
}

#[test]
fn host_names_are_taken_as_they_come() {
    for (bytes, name) in [
        (&hex!("8008 0000 0000 0001  8006 0000 0007")[..], &b""[..]),
        (&hex!("8008 0000 0000 0001  8009 0000 0007 614d00"), b"aM\0"),
        (
            &hex!("8008 0000 0000 0001  8008 0000 0007 ff80"),
            b"\xff\x80",
        ),
    ] {
        let Message::Sccrq(start) = parse(bytes).unwrap() else {
            panic!()
        };
        assert_eq!(start.host_name.as_deref(), Some(name));
    }
}

#[test]
fn unknown_optional_avps_are_skipped_and_mandatory_ones_reported() {
    let base = hex!("8008 0000 0000 000b");
    let id = hex!("8008 0000 000e 0005");
    for (avp, vendor, kind) in [
        (&hex!("8008 0000 7777 0000")[..], 0, 0x7777),
        (&hex!("8008 0009 000e 0006"), 9, 14),
        // A reserved bit makes it unrecognised (RFC 2661 §4.1).
        (&hex!("8408 0000 000e 0006"), 0, 14),
        // Too long for what it is.
        (&hex!("8009 0000 000e 000600"), 0, 14),
        // Hidden, and there is no secret.
        (&hex!("c008 0000 000e 0006"), 0, 14),
    ] {
        let mandatory = [&base[..], avp, &id].concat();
        let received = Message::parse(&mandatory, None).unwrap();
        let (vendor, kind) = (Vendor(vendor), AvpType(kind));
        let fault = match avp[0] & 0x40 {
            0 => AvpFault::Mandatory { vendor, kind },
            _ => AvpFault::Hidden { kind },
        };
        assert_eq!(received.fault, Some(fault));
        assert_eq!(received.message, Message::Icrp(Some(5)));

        let mut optional = mandatory;
        optional[base.len()] &= 0x7f;
        assert_eq!(parse(&optional), Ok(Message::Icrp(Some(5))));
    }
}

#[test]
fn broken_lists_of_avps_are_reported_with_what_was_read() {
    for broken in [
        &hex!("8005 0000 000e")[..],
        &hex!("800a 0000 000e 0001"),
        &hex!("80"),
    ] {
        let body = [
            &hex!("8008 0000 0000 000b  8008 0000 000e 0005")[..],
            broken,
        ]
        .concat();
        let Received { message, fault, .. } = Message::parse(&body, None).unwrap();
        assert_eq!(message, Message::Icrp(Some(5)));
        assert!(
            matches!(fault, Some(AvpFault::Malformed(error)) if error.offset >= 16),
            "{fault:?}"
        );
    }
}

#[test]
fn the_message_type_comes_first_and_in_clear() {
    for body in [
        &hex!("8008 0000 0009 0001  8008 0000 0000 0001")[..],
        &hex!("c008 0000 0000 0001"),
        &hex!("8008 0009 0000 0001"),
        &hex!("8007 0000 0000 01"),
        &hex!("ffff"),
    ] {
        assert!(Message::parse(body, None).is_err(), "{body:02x?}");
        assert_eq!(message_type(body), None);
    }
    assert_eq!(
        message_type(&hex!("8008 0000 0000 0001 ff")),
        Some(MessageType::SCCRQ)
    );
}

#[test]
fn proxy_avps_are_known_and_left_aside() {
    let body = hex!(
        "8008 0000 0000 000c  800a 0000 0018 00000001  8007 0000 001a 01  8008 0000 001d 0002
         8007 0000 001e 61  8007 0000 001f 61  8008 0000 0020 0001  8007 0000 0021 61"
    );
    let connected = CallConnected {
        tx_speed: Some(1),
        proxy_authentication: Some(2),
        ..CallConnected::default()
    };
    assert_eq!(parse(&body), Ok(Message::Iccn(connected)));
}

#[test]
fn random_vectors_apply_to_what_follows_them() {
    let secret = Secret::from(&b"s"[..]);
    let avp = |kind: AvpType, hidden: bool, value: Vec<u8>| Avp {
        mandatory: true,
        hidden,
        reserved: false,
        vendor: Vendor::IETF,
        kind,
        value: value.into(),
    };
    let hide = |kind, value: &[u8], vector: &[u8]| {
        avp(
            kind,
            true,
            l2tp::codec::hide(kind, value, &[], &secret, vector),
        )
    };
    let mut body = hex!("8008 0000 0000 000a").to_vec();
    for avp in [
        Attribute::RandomVector(b"one".to_vec()).to_avp(),
        hide(AvpType::ASSIGNED_SESSION_ID, &[0, 5], b"one"),
        Attribute::RandomVector(b"two".to_vec()).to_avp(),
        hide(AvpType::CALL_SERIAL_NUMBER, &[0, 0, 0, 6], b"two"),
    ] {
        avp.emit(&mut body);
    }
    let call = CallRequest {
        assigned_session_id: Some(5),
        serial: Some(6),
        bearer: None,
    };
    let received = Message::parse(&body, Some(&secret)).unwrap();
    assert_eq!(
        (received.message, received.fault),
        (Message::Icrq(call), None)
    );
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Zäß ]{0,40}"
}

fn result_code() -> impl Strategy<Value = ResultCode> {
    // Multiples of 256 are read as Apple's swapped bytes; no such code exists.
    (1..256u16, prop::option::of((any::<u16>(), text()))).prop_map(|(result, error)| ResultCode {
        result,
        error: error.as_ref().map(|(error, _)| ErrorCode(*error)),
        message: error.map(|(_, text)| text).unwrap_or_default(),
    })
}

fn start() -> impl Strategy<Value = Start> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..300));
    let first = (
        any::<Option<(u8, u8)>>(),
        any::<Option<u32>>(),
        any::<Option<u32>>(),
        any::<Option<[u8; 8]>>(),
        any::<Option<u16>>(),
        bytes(),
        bytes(),
    );
    let second = (
        any::<Option<u16>>(),
        any::<Option<u16>>(),
        bytes(),
        any::<Option<[u8; 16]>>(),
    );
    (first, second).prop_map(|(first, second)| Start {
        protocol_version: first.0,
        framing: first.1.map(FramingCapabilities),
        bearer: first.2.map(BearerCapabilities),
        tie_breaker: first.3,
        firmware_revision: first.4,
        host_name: first.5,
        vendor_name: first.6,
        assigned_tunnel_id: second.0,
        receive_window: second.1,
        challenge: second.2,
        challenge_response: second.3,
    })
}

fn message() -> impl Strategy<Value = Message> {
    let cause = (any::<u16>(), any::<u16>(), any::<u8>(), text()).prop_map(
        |(code, protocol, direction, message)| DisconnectCause {
            code: DisconnectCode(code),
            protocol,
            direction: DisconnectDirection(direction),
            message,
        },
    );
    prop_oneof![
        start().prop_map(Message::Sccrq),
        start().prop_map(Message::Sccrp),
        any::<Option<[u8; 16]>>().prop_map(Message::Scccn),
        (any::<Option<u16>>(), prop::option::of(result_code())).prop_map(
            |(assigned_tunnel_id, result)| Message::StopCcn(StopCcn {
                assigned_tunnel_id,
                result
            })
        ),
        (
            any::<Option<u16>>(),
            any::<Option<u32>>(),
            any::<Option<u32>>()
        )
            .prop_map(
                |(assigned_session_id, serial, bearer)| Message::Icrq(CallRequest {
                    assigned_session_id,
                    serial,
                    bearer
                })
            ),
        any::<Option<u16>>().prop_map(Message::Icrp),
        any::<Option<u16>>().prop_map(Message::Ocrq),
        (
            any::<Option<u32>>(),
            any::<Option<u32>>(),
            any::<Option<u32>>(),
            any::<bool>()
        )
            .prop_map(|(tx_speed, rx_speed, framing, sequencing)| Message::Iccn(
                CallConnected {
                    tx_speed,
                    rx_speed,
                    framing: framing.map(FramingType),
                    sequencing,
                    ..CallConnected::default()
                }
            )),
        (
            prop::option::of(result_code()),
            any::<Option<u16>>(),
            prop::option::of(cause)
        )
            .prop_map(|(result, assigned_session_id, cause)| Message::Cdn(Cdn {
                result,
                assigned_session_id,
                cause
            })),
        Just(Message::Hello),
        Just(Message::Wen),
        Just(Message::Sli),
    ]
}

proptest! {
    #[test]
    fn round_trip(message in message()) {
        prop_assert_eq!(parse(&emit(&message)), Ok(message));
    }

    #[test]
    fn round_trip_with_hidden_avps(message in message(), seed: u64) {
        use rand_core::SeedableRng;
        let secret = Secret::from(&b"shared"[..]);
        let mut out = Vec::new();
        message.emit_hidden(&secret, &mut wire::Rng::seed_from_u64(seed), &mut out);
        let received = Message::parse(&out, Some(&secret)).unwrap();
        prop_assert_eq!((received.message, received.fault), (message, None));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Message::parse(&bytes, Some(&Secret::from(&b"shared"[..])));
        let body = [&hex!("8008 0000 0000 0001")[..], &bytes].concat();
        let _ = Message::parse(&body, Some(&Secret::from(&b"shared"[..])));
    }
}
