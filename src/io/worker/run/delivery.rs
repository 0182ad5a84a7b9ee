//! What goes to this host: one packet, or a super-packet that was put together.

use std::io::IoSlice;

use dataplane::SessionId;
use dataplane::offload::{Delivery, Mergeable, VnetHeader};

use crate::io::tun::Offload;
use crate::io::worker::{Counters, Inside};

/// What may be put together for a device.
pub(super) const fn mergeable(offload: Offload) -> Mergeable {
    match offload {
        Offload::None => Mergeable::Nothing,
        Offload::Tcp => Mergeable::Tcp,
        Offload::TcpAndUdp => Mergeable::TcpAndUdp,
    }
}

/// Hands over what the coalescer gives out.
pub(super) fn deliver(inside: &Inside, counters: &Counters, delivery: &Delivery<'_>) {
    if delivery.packets > 1 {
        counters.tun_written_super.count();
    }
    let taken = hand_over(inside, delivery.session, delivery.with_header());
    count(counters, delivery.packets, taken);
}

/// Hands over one packet, as one of a session, where that is known.
pub(super) fn deliver_alone(
    inside: &Inside,
    counters: &Counters,
    session: Option<SessionId>,
    packet: &[u8],
) {
    let plain = VnetHeader::PLAIN.encode();
    let taken = hand_over(inside, session, &[&plain, packet].map(IoSlice::new));
    count(counters, 1, taken);
}

fn count(counters: &Counters, packets: usize, taken: bool) {
    if taken {
        counters.tun_written.add(packets);
    } else {
        counters.tun_dropped.add(packets);
    }
}

fn hand_over(
    inside: &Inside,
    session: Option<SessionId>,
    header_and_packet: &[IoSlice<'_>],
) -> bool {
    match inside {
        Inside::Tun(queue) => queue.send(header_and_packet).is_ok(),
        Inside::PerSession(devices) => session
            .and_then(|session| devices.of(session))
            .is_some_and(|queue| queue.send(header_and_packet).is_ok()),
        Inside::Queue(queue) => {
            let Ok(place) = queue.try_reserve() else {
                return false;
            };
            let parts = header_and_packet.iter().skip(1);
            place.send(parts.flat_map(|part| part.iter().copied()).collect());
            true
        }
    }
}
