//! Mixed traffic: whatever comes, and in whatever order, is the same when it is cut again.

use proptest::prelude::*;
use proptest::sample::select;

use super::model::{ACK, PSH, Packet, finish};
use super::*;

/// What one of the senders does next.
#[derive(Debug, Clone)]
struct Step {
    sender: usize,
    payload: usize,
    flags: u8,
    /// Changes that stay, as when a time stamp goes on.
    lasting: Option<Lasting>,
    /// A bit that flips on the way.
    damage: Option<(usize, u8)>,
    /// It comes before the one that was sent before it.
    overtakes: bool,
    session: Option<SessionId>,
}

#[derive(Debug, Clone, Copy)]
enum Lasting {
    TimeStamp,
    Acknowledgement,
    Window,
    Congestion,
    TimeToLive,
    Gap,
    Identification,
    NoOptions,
    DontFragment,
}

fn rarely<T: std::fmt::Debug + Clone + 'static>(
    percent: u32,
    what: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    prop_oneof![
        100 - percent => Just(None),
        percent => what.prop_map(Some),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    use Lasting::*;
    let lasting = [
        TimeStamp,
        Acknowledgement,
        Window,
        Congestion,
        TimeToLive,
        Gap,
        Identification,
        NoOptions,
        DontFragment,
    ];
    let payload =
        prop_oneof![20 => Just(100_usize), 1 => Just(0), 2 => 0..140_usize, 1 => Just(9_000)];
    let flags = prop_oneof![20 => Just(ACK), 2 => Just(ACK | PSH), 1 => any::<u8>()];
    (
        0..SENDERS,
        payload,
        flags,
        rarely(5, select(lasting.to_vec())),
        rarely(5, (any::<usize>(), 0..8_u8)),
        rarely(4, Just(())),
        rarely(2, (0..2_u64).prop_map(SessionId)),
    )
        .prop_map(
            |(sender, payload, flags, lasting, damage, overtakes, session)| Step {
                sender,
                payload,
                flags,
                lasting,
                damage,
                overtakes: overtakes.is_some(),
                session,
            },
        )
}

const SENDERS: usize = 6;

fn senders() -> [Packet; SENDERS] {
    let v6 = |packet: &mut Packet| packet.v6 = true;
    let other = |packet: &mut Packet| packet.ports.0 += 1;
    let (tcp, udp) = (Packet::tcp(100), Packet::udp(100));
    let may_be_cut = udp.with(|packet| (packet.hosts, packet.df) = ((3, 4), false));
    [
        tcp.with(v6),
        udp.with(v6),
        tcp.with(other),
        may_be_cut,
        tcp,
        udp,
    ]
}

fn sent(steps: &[Step]) -> Vec<(Option<SessionId>, Vec<u8>)> {
    let mut senders = senders();
    let mut packets: Vec<(Option<SessionId>, Vec<u8>)> = Vec::new();
    for step in steps {
        let sender = &mut senders[step.sender];
        *sender = sender.next(step.payload);
        sender.flags = step.flags;
        match step.lasting {
            None => {}
            Some(Lasting::TimeStamp) => sender.options.reverse(),
            Some(Lasting::Acknowledgement) => sender.ack += 1000,
            Some(Lasting::Window) => sender.window -= 1,
            Some(Lasting::Congestion) => sender.tos ^= 3,
            Some(Lasting::TimeToLive) => sender.ttl = sender.ttl.wrapping_sub(1),
            Some(Lasting::Gap) => sender.seq = sender.seq.wrapping_add(100),
            Some(Lasting::Identification) => sender.id = sender.id.wrapping_mul(3),
            Some(Lasting::NoOptions) => sender.options.clear(),
            Some(Lasting::DontFragment) => sender.df = !sender.df,
        }
        let mut packet = sender.bytes();
        if let Some((at, bit)) = step.damage {
            let at = at % packet.len().min(80);
            packet[at] ^= 1 << bit;
        }
        packets.push((step.session, packet));
        if step.overtakes
            && let [.., a, b] = &mut packets[..]
        {
            std::mem::swap(a, b);
        }
    }
    packets
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_changed_or_overtaken(
        first in proptest::collection::vec(step(), 0..100),
        second in proptest::collection::vec(step(), 0..100),
        mergeable in select(vec![Mergeable::Nothing, Mergeable::Tcp, Mergeable::TcpAndUdp]),
    ) {
        let mut coalescer = Coalescer::new(mergeable);
        for steps in [first, second] {
            let packets = sent(&steps);
            let mut buffers = packets.clone();
            let buffers = buffers.iter_mut().map(|(session, packet)| (*session, &mut packet[..]));
            let pieces = round(&mut coalescer, buffers);
            let mut kinds = pieces.iter().map(|piece| piece.header[1]);
            let may_be: &[u8] = match mergeable {
                Mergeable::Nothing => &[0],
                Mergeable::Tcp => &[0, 1, 4],
                Mergeable::TcpAndUdp => &[0, 1, 4, 5],
            };
            prop_assert!(kinds.all(|kind| may_be.contains(&kind)));
            let went_in = packets.into_iter().map(|(of, packet)| (of, model::canonical(packet)));
            prop_assert_eq!(flows_of(&pieces), by_flow(went_in));
            coalescer = coalescer.recycle();
        }
    }

    /// Headers that say anything, under right checksums, and such as are no headers at all.
    #[test]
    fn rubbish(packets in proptest::collection::vec(
        (any::<(bool, bool, bool)>(), proptest::collection::vec(any::<u8>(), 0..90)), 0..20,
    )) {
        let packets: Vec<_> = packets.into_iter().map(|((v6, udp, right), mut packet)| {
            let start = if v6 { 40 } else { 20 };
            if right && packet.len() >= start + 20 {
                packet[..start].fill(0);
                packet[0] = if v6 { 0x60 } else { 0x45 };
                packet[if v6 { 6 } else { 9 }] = if udp { 17 } else { 6 };
                // Of few flows.
                packet[start..start + 4].fill(0);
                finish(&mut packet, start);
            }
            packet
        }).collect();
        let mut out = cut_again(&merged(Mergeable::TcpAndUdp, &packets));
        let mut expected = canonical(&packets);
        out.sort();
        expected.sort();
        prop_assert_eq!(out, expected);
    }
}
