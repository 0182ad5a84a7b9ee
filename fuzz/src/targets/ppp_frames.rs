//! PPP frames, and what is in them.

use ppp::auth::pap;
use ppp::frame::{Compression, Frame, Protocol};
use ppp::packet::Packet;
use ppp::{chap, mschapv2, option};

pub fn run(data: &[u8]) {
    let Ok(frame) = Frame::parse(data) else {
        return;
    };
    for bits in 0..8_u8 {
        let compression = Compression {
            protocol: bits & 1 != 0,
            address_control: bits & 2 != 0,
            lcp: bits & 4 != 0,
        };
        assert_eq!(Frame::parse(&frame.emit(compression)), Ok(frame));
    }
    let Ok(packet) = Packet::parse(frame.information) else {
        return;
    };
    assert_eq!(Packet::parse(&packet.emit()), Ok(packet));
    match frame.protocol {
        Protocol::PAP => {
            if let Ok(request) = pap::Request::parse(packet.data) {
                let written = request.emit();
                let again = pap::Request::parse(&written).expect("a request that was written");
                assert_eq!(
                    (again.user, again.password),
                    (request.user, request.password)
                );
            }
            pap::parse_message(packet.data);
        }
        Protocol::CHAP => challenge(packet.data),
        _ => options(packet.data),
    }
}

fn challenge(data: &[u8]) {
    if let Ok(value) = chap::Value::parse(data) {
        assert_eq!(chap::Value::parse(&value.emit()), Ok(value));
        if let Ok(response) = mschapv2::Response::parse(value.value) {
            let again = mschapv2::Response::parse(&response.emit());
            assert!(again.is_ok_and(|again| again == response));
        }
    }
    if let Some(failure) = mschapv2::Failure::parse(data) {
        assert_eq!(mschapv2::Failure::parse(&failure.emit()), Some(failure));
    }
}

fn options(data: &[u8]) {
    let Ok(list) = option::parse(data) else {
        return;
    };
    let mut written = Vec::new();
    list.iter().for_each(|option| option.emit(&mut written));
    assert_eq!(written, data);
}
