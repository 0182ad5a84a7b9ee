//! Cutting, against segments that etherparse builds the plain way.

use etherparse::{
    IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header, NetHeaders, TcpHeader,
    TransportHeader, UdpHeader,
};
use proptest::prelude::*;

use super::*;
use crate::DropReason;
use crate::net::ip;
use crate::offload::{Gso, Segments, VnetHeader};

/// A packet of the host, as etherparse describes it.
#[derive(Clone)]
pub(super) struct Whole {
    pub(super) net: NetHeaders,
    pub(super) transport: TransportHeader,
    pub(super) payload: Vec<u8>,
}

impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            net,
            transport,
            payload,
        } = self;
        write!(f, "{net:?} {transport:?} {} bytes", payload.len())
    }
}

impl Whole {
    /// With right lengths and checksums.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut this = self.clone();
        this.complete();
        let mut bytes = Vec::new();
        match &this.net {
            NetHeaders::Ipv4(ip, _) => ip.write(&mut bytes).unwrap(),
            NetHeaders::Ipv6(ip, _) => ip.write(&mut bytes).unwrap(),
            NetHeaders::Arp(_) => unreachable!(),
        }
        this.transport.write(&mut bytes).unwrap();
        bytes.extend(&this.payload);
        bytes
    }

    fn complete(&mut self) {
        let len = self.transport.header_len() + self.payload.len();
        if let TransportHeader::Udp(udp) = &mut self.transport {
            udp.length = len.try_into().unwrap();
        }
        match &mut self.net {
            NetHeaders::Ipv4(ip, _) => {
                ip.set_payload_len(len).unwrap();
                ip.header_checksum = ip.calc_header_checksum();
                let payload = &self.payload;
                self.transport.update_checksum_ipv4(ip, payload).unwrap();
            }
            NetHeaders::Ipv6(ip, _) => {
                ip.set_payload_length(len).unwrap();
                let payload = &self.payload;
                self.transport.update_checksum_ipv6(ip, payload).unwrap();
            }
            NetHeaders::Arp(_) => unreachable!(),
        }
    }

    /// As the host hands it over: in the checksum field is the sum of the pseudo-header.
    pub(super) fn handed_over(&self) -> Vec<u8> {
        let mut bytes = self.bytes();
        let header = ip::Header::parse(&bytes).unwrap();
        let len = bytes.len() - header.header_len;
        let sum = ip::pseudo_header(header.source, header.destination, header.protocol, len);
        let at = header.header_len + self.checksum_at();
        bytes[at..at + 2].copy_from_slice(&sum.fold().to_be_bytes());
        bytes
    }

    fn checksum_at(&self) -> usize {
        match self.transport {
            TransportHeader::Tcp(_) => 16,
            _ => 6,
        }
    }

    /// What the host says about it.
    pub(super) fn header(&self, segment: u16) -> VnetHeader {
        let (network, gso) = match (&self.net, &self.transport) {
            (NetHeaders::Ipv4(ip, _), TransportHeader::Tcp(_)) => (ip.header_len(), Gso::TcpV4),
            (NetHeaders::Ipv4(ip, _), _) => (ip.header_len(), Gso::Udp),
            (_, TransportHeader::Tcp(_)) => (40, Gso::TcpV6),
            (_, _) => (40, Gso::Udp),
        };
        VnetHeader {
            gso: if segment == 0 { Gso::None } else { gso },
            ecn: false,
            needs_checksum: true,
            // It is a hint, and often wrong.
            header_len: 7,
            segment,
            csum_start: network as u16,
            csum_offset: self.checksum_at() as u16,
        }
    }

    /// The segments that a host without offload would have sent.
    pub(super) fn cut(&self, segment: u16) -> Vec<Vec<u8>> {
        let chunks = self.payload.chunks(segment.into());
        let last = chunks.len() - 1;
        let one = |(number, payload): (usize, &[u8])| {
            let mut one = Self {
                payload: payload.to_vec(),
                ..self.clone()
            };
            if let NetHeaders::Ipv4(ip, _) = &mut one.net {
                ip.identification = ip.identification.wrapping_add(number as u16);
            }
            if let TransportHeader::Tcp(tcp) = &mut one.transport {
                let offset = number as u32 * u32::from(segment);
                tcp.sequence_number = tcp.sequence_number.wrapping_add(offset);
                tcp.fin &= number == last;
                tcp.psh &= number == last;
                tcp.cwr &= number == 0;
            }
            one.bytes()
        };
        chunks.enumerate().map(one).collect()
    }
}

/// What is cut, or why it is not.
pub(super) fn segments(header: VnetHeader, packet: &mut [u8]) -> Result<Vec<Vec<u8>>, DropReason> {
    let mut segments = Segments::new(header, packet)?;
    let mut room = vec![0xee; 65_535];
    Ok(std::iter::from_fn(|| {
        let expected = segments.next_len();
        let len = segments.next_into(&mut room);
        assert_eq!(len, expected);
        Some(room[..len?].to_vec())
    })
    .collect())
}

/// Headers of any kind, towards the client where it is IPv4.
pub(super) fn headers() -> impl Strategy<Value = (NetHeaders, TransportHeader)> {
    let options = prop_oneof![Just(vec![]), Just(vec![0x94, 4, 0, 0, 7, 3, 4, 0])];
    let v4 = (any::<u16>(), any::<u8>(), any::<bool>(), options).prop_map(
        |(id, tos, dont_fragment, options)| {
            let (source, destination) = (WORLD.octets(), CLIENT.octets());
            let mut ip = Ipv4Header::new(0, 64, IpNumber::TCP, source, destination).unwrap();
            ip.identification = id;
            ip.dont_fragment = dont_fragment;
            ip.dscp = (tos >> 2).try_into().unwrap();
            ip.ecn = (tos & 3).try_into().unwrap();
            ip.options = Ipv4Options::try_from(&options[..]).unwrap();
            NetHeaders::Ipv4(ip, Default::default())
        },
    );
    let v6 = (
        any::<[u8; 16]>(),
        any::<[u8; 16]>(),
        0..0x10_0000_u32,
        any::<u8>(),
    )
        .prop_map(|(source, destination, label, traffic_class)| {
            let ip = Ipv6Header {
                traffic_class,
                flow_label: Ipv6FlowLabel::try_new(label).unwrap(),
                payload_length: 0,
                next_header: IpNumber::TCP,
                hop_limit: 7,
                source,
                destination,
            };
            NetHeaders::Ipv6(ip, Default::default())
        });
    let numbers = (any::<u16>(), any::<u16>(), any::<u32>(), any::<u32>());
    let options = prop_oneof![Just(0_usize), Just(3), Just(10)];
    let tcp = (numbers, any::<u16>(), any::<u16>(), options).prop_map(
        |((source, destination, sequence, acknowledgment), flags, window, words)| {
            let mut tcp = TcpHeader::new(source, destination, sequence, window);
            tcp.acknowledgment_number = acknowledgment;
            let flag = |bit: u16| flags & bit != 0;
            (tcp.ns, tcp.fin, tcp.rst, tcp.psh) = (flag(1), flag(2), flag(4), flag(8));
            (tcp.ack, tcp.urg, tcp.ece, tcp.cwr) = (flag(16), flag(32), flag(64), flag(128));
            tcp.urgent_pointer = if tcp.urg { flags } else { 0 };
            let options: Vec<u8> = (0..words * 4).map(|n| n as u8).collect();
            tcp.set_options_raw(&options).unwrap();
            TransportHeader::Tcp(tcp)
        },
    );
    let udp = (any::<u16>(), any::<u16>()).prop_map(|(source_port, destination_port)| {
        TransportHeader::Udp(UdpHeader {
            source_port,
            destination_port,
            length: 0,
            checksum: 0,
        })
    });
    (prop_oneof![v4, v6], prop_oneof![tcp, udp]).prop_map(|(mut net, transport)| {
        let protocol = match &transport {
            TransportHeader::Tcp(_) => IpNumber::TCP,
            _ => IpNumber::UDP,
        };
        match &mut net {
            NetHeaders::Ipv4(ip, _) => ip.protocol = protocol,
            NetHeaders::Ipv6(ip, _) => ip.next_header = protocol,
            NetHeaders::Arp(_) => unreachable!(),
        }
        (net, transport)
    })
}

/// A super-packet and the size of its segments.
pub(super) fn super_packets() -> impl Strategy<Value = (Whole, u16)> {
    let sizes = prop_oneof![
        (Just(1348_usize), 1_usize..65_400),
        (1_usize..1500, 1_usize..9000),
        (1_usize..40, 1_usize..400),
    ];
    (headers(), sizes, any::<u64>()).prop_map(|((net, transport), (segment, payload), seed)| {
        let payload = noise(seed).take(payload).collect();
        let segment = segment.min(Vec::len(&payload)) as u16;
        let whole = Whole {
            net,
            transport,
            payload,
        };
        (whole, segment)
    })
}

/// Bytes that do not repeat soon.
pub(super) fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let next = |x: &u64| Some(x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1));
    std::iter::successors(Some(seed), next).map(|x| (x >> 56) as u8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn cut_as_a_host_without_offload_would_have_sent((whole, segment) in super_packets()) {
        let header = whole.header(segment);
        let got = segments(header, &mut whole.handed_over());
        prop_assert_eq!(got, Ok(whole.cut(segment)));
    }

    #[test]
    fn a_packet_that_lacks_its_checksum_gets_it((whole, _) in super_packets()) {
        let got = segments(whole.header(0), &mut whole.handed_over());
        let mut expected = whole.bytes();
        // Both are zero in ones' complement, and hosts send this one.
        let at = whole.bytes().len() - whole.payload.len() - whole.transport.header_len();
        let sum = at + whole.checksum_at();
        if expected[sum..sum + 2] == [0, 0] {
            expected[sum..sum + 2].fill(0xff);
        }
        prop_assert_eq!(got, Ok(vec![expected]));
    }

    #[test]
    fn a_plain_packet_stays_as_it_is((whole, _) in super_packets(), padding in 0_usize..9) {
        let bytes = whole.handed_over();
        let mut padded = bytes.clone();
        padded.resize(bytes.len() + padding, 0);
        prop_assert_eq!(segments(VnetHeader::PLAIN, &mut padded), Ok(vec![bytes]));
    }

    #[test]
    fn any_header_and_any_bytes(
        header in any::<[u8; VnetHeader::LEN]>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        if let Ok(header) = VnetHeader::parse(header) {
            let mut copy = bytes.clone();
            let _ = segments(header, &mut copy);
        }
    }
}
