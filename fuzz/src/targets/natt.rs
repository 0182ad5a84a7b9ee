//! Payloads of port 4500.

use dataplane::{NatT, classify_natt};

pub fn run(data: &[u8]) {
    let mut bytes = data.to_vec();
    match classify_natt(&mut bytes) {
        NatT::Keepalive => assert_eq!(data, [0xff]),
        NatT::Ike(message) => {
            assert!(
                data.ends_with(message),
                "the message is the end of what came"
            );
            assert!(data.starts_with(&[0; 4]), "and behind a marker");
        }
        NatT::Esp(packet) => {
            assert_eq!(packet, data);
            assert_ne!(data.get(..4), Some(&[0; 4][..]), "0 is no SPI");
        }
        NatT::Malformed => assert!(data.len() < 4),
    }
}
