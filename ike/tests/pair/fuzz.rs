//! Bytes that nobody meant: they are counted and leave nothing behind.

use proptest::prelude::*;
use wire::{Carrier, Path};

use crate::harness::{CLIENT, Pair, SERVER, Sent, Side, ip, seconds};

fn path(carrier: Carrier) -> Path {
    Path {
        local: std::net::SocketAddr::new(ip(SERVER), 500),
        remote: "203.0.113.7:500".parse().expect("an address"),
        carrier,
    }
}

/// What a client and a server said to each other, recorded once.
fn recorded() -> &'static [Sent] {
    static RECORDED: std::sync::OnceLock<Vec<Sent>> = std::sync::OnceLock::new();
    RECORDED.get_or_init(|| {
        let mut pair = Pair::new(42);
        pair.connect();
        pair.run_for(seconds(2));
        pair.sent
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_leave_no_state(bytes in prop::collection::vec(any::<u8>(), 0..600), natt: bool) {
        let mut pair = Pair::new(1);
        let carrier = if natt { Carrier::NatT } else { Carrier::Ike };
        pair.inject(Side::Server, path(carrier), &bytes);
        pair.inject(Side::Client, path(carrier), &bytes);
        prop_assert_eq!(pair.server.occupancy(), (0, 0));
        prop_assert!(pair.server.poll_timeout().is_none());
        prop_assert!(pair.sent.is_empty());
        prop_assert_eq!(pair.server.counters().received, 1);
    }

    /// Real messages of another connection with bytes changed, while a client connects; then its
    /// own messages with bytes changed: nothing disturbs it, and at the end nothing is left.
    ///
    /// (Its own messages changed *before* they arrive would be the work of somebody on the path,
    /// who can stop everything anyway.)
    #[test]
    fn changed_messages_disturb_nobody(
        changes in prop::collection::vec(any::<(u8, u16, u8, bool)>(), 1..30),
    ) {
        let mut pair = Pair::new(7);
        pair.connect();
        for connected in [false, true] {
            for (which, place, value, cut) in &changes {
                let source = if connected { pair.sent.clone() } else { recorded().to_vec() };
                let sent = &source[usize::from(*which) % source.len()];
                let mut bytes = sent.bytes.clone();
                let place = usize::from(*place) % bytes.len();
                // A change of nothing would be a repetition, which is tested elsewhere.
                bytes[place] ^= (*value).max(1);
                if *cut {
                    bytes.truncate(place);
                }
                let from = Path {
                    local: sent.path.remote,
                    remote: sent.path.local,
                    carrier: sent.path.carrier,
                };
                pair.inject(sent.from.other(), from, &bytes);
                pair.run_for(std::time::Duration::from_millis(7));
            }
            pair.run_for(seconds(30));
            prop_assert!(pair.agreed_child().is_some(), "{:#?}", pair.events);
        }
        pair.run_for(seconds(40));
        prop_assert_eq!(pair.server.occupancy(), (0, 1));
        prop_assert_eq!(pair.children.len(), 2);
    }
}

/// A forger who sees everything and sends faster than the peer: wrong answers in clear do not stop
/// a Main Mode.
#[test]
fn forged_answers_in_clear_do_not_stop_the_client() {
    let mut pair = Pair::new(9);
    pair.connect();
    let first = pair.sent[0].clone();
    let to_client = Path {
        local: first.path.local,
        remote: first.path.remote,
        carrier: first.path.carrier,
    };
    let (header, _) = ike::codec::Header::parse(&first.bytes).expect("message 1");
    let notify = ike::codec::Notification::bare(ike::codec::NotifyType::NO_PROPOSAL_CHOSEN);
    let forged = ike::codec::ChainBuilder::new()
        .with(ike::codec::PayloadType::NOTIFICATION, &notify)
        .message(ike::codec::Header {
            exchange: ike::codec::ExchangeType::INFORMATIONAL,
            ..header
        });
    pair.inject(Side::Client, to_client, &forged);
    // An "answer" with an SA that was never offered.
    let garbage = ike::codec::ChainBuilder::new()
        .with(ike::codec::PayloadType::SA, &[0, 0, 0, 1, 0, 0, 0, 1][..])
        .message(ike::codec::Header {
            responder: ike::Cookie([9; 8]),
            ..header
        });
    pair.inject(Side::Client, to_client, &garbage);
    pair.run_for(seconds(2));
    assert!(pair.agreed_child().is_some());
    assert_eq!(first.path.local.ip(), ip(CLIENT));
}
