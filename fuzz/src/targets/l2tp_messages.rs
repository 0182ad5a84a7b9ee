//! L2TP headers, AVPs and control messages.

use l2tp::codec::{Attribute, Header, Message, Vendor, avps, reveal};
use wire::Secret;

/// A datagram of port 1701.
pub fn message(data: &[u8]) {
    match Header::parse(data) {
        Ok(Header::Control(header, body)) => {
            let mut written = Vec::new();
            header.emit(body, &mut written);
            assert_eq!(Header::parse(&written), Ok(Header::Control(header, body)));
            attributes(body);
        }
        Ok(Header::Data(header, payload)) => {
            let mut written = Vec::new();
            header.emit(payload, &mut written);
            assert_eq!(Header::parse(&written), Ok(Header::Data(header, payload)));
        }
        Err(_) => {}
    }
}

/// The AVPs of a control message.
pub fn attributes(body: &[u8]) {
    let secret = Secret::from(&b"l2tpsecret"[..]);
    let (list, broken) = avps(body);
    for avp in &list {
        if avp.vendor == Vendor::IETF
            && let Ok(Some(attribute)) = Attribute::parse(avp.kind, &avp.value)
        {
            let written = attribute.to_avp();
            assert_eq!(
                Attribute::parse(written.kind, &written.value),
                Ok(Some(attribute.clone()))
            );
        }
        let _ = reveal(avp.kind, &avp.value, &secret, &[1; 16]);
    }
    for secret in [None, Some(&secret)] {
        let Ok(received) = Message::parse(body, secret) else {
            continue;
        };
        assert!(broken.is_none() || received.fault.is_some());
        // Characters that are none become longer ones, and what no AVP has room for is cut.
        if body.len() > 300 {
            continue;
        }
        let mut written = Vec::new();
        received.message.emit(&mut written);
        let again = Message::parse(&written, None).expect("a message that was written");
        assert_eq!(again.message, received.message);
        assert_eq!(again.fault, None);
    }
}
