//! Datagrams of strangers for a responder and an initiator: nothing grows beyond its limits, no answer to a
//! first message is longer than it, and after some time nothing is left.

use std::time::Duration;

use ike::codec::Header;
use wire::Carrier;

use super::ike_side::{LIMITS, SERVER, Side, path, start};
use crate::input::Input;

/// Longer than anything waits for somebody who says nothing.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// One datagram, as it is.
pub fn one(data: &[u8]) {
    let mut now = start();
    for carrier in [Carrier::Ike, Carrier::NatT] {
        let mut side = Side::new(true, 1);
        give(&mut side, now, 0, carrier, data);
        side.ends_empty(&mut now, FOR_EVER);
    }
}

/// Several, from several sources, with time between them.
pub fn several(data: &[u8]) {
    let mut input = Input::new(data);
    let mut now = start();
    let mut side = Side::new(true, 1);
    while !input.is_empty() {
        let kind = input.byte();
        let carrier = match kind & 1 {
            0 => Carrier::Ike,
            _ => Carrier::NatT,
        };
        match kind >> 4 {
            0..=13 => give(&mut side, now, kind >> 1 & 3, carrier, input.bytes()),
            14 => side.wait(&mut now, Duration::from_millis(input.number().into())),
            _ => side.wait(&mut now, Duration::from_secs(input.byte().into())),
        }
        let (half_open, established) = side.endpoint.occupancy();
        assert!(half_open <= LIMITS.half_open_total);
        assert_eq!(established, 0, "nobody here knows the key");
    }
    side.ends_empty(&mut now, FOR_EVER);
}

fn give(side: &mut Side, now: wire::Instant, source: u8, carrier: Carrier, bytes: &[u8]) {
    let port = match carrier {
        Carrier::NatT => 4500,
        Carrier::Ike | Carrier::Raw => 500,
    };
    let path = path(SERVER, [203, 0, 113, source], (port, port), carrier);
    side.sent.clear();
    side.give(now, path, bytes);
    let is_first = Header::parse(bytes).is_ok_and(|(header, _)| header.responder.is_zero());
    if is_first {
        let answered: usize = side.sent.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(
            answered <= bytes.len(),
            "{answered} bytes for {}",
            bytes.len()
        );
    }
}
