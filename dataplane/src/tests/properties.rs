//! Nothing that comes from the network or the TUN does any harm.

use proptest::prelude::*;

use super::*;
use crate::DropReason;
use crate::net::{icmp, ip};

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..300)
}

proptest! {
    #[test]
    fn random_datagrams(bytes in any_bytes(), aimed: bool) {
        let server = server(CBC, Carrier::NatT);
        let mut bytes = bytes;
        if aimed && bytes.len() >= 4 {
            bytes[..4].copy_from_slice(&SERVER_SPI.to_be_bytes());
        }
        crate::classify_natt(&mut bytes.clone());
        let got = server.ingress(now(), path(Carrier::NatT), &mut bytes);
        prop_assert!(matches!(got, Ingress::Dropped(_)));
        prop_assert_eq!(server.drops().map(|(_, count)| count).sum::<u64>(), 1);
    }

    /// A peer with a right key, gone mad.
    #[test]
    fn random_contents(payload in any_bytes(), layer in 0..5) {
        let server = server(GCM, Carrier::NatT);
        let mut forge = Forge::new();
        let mut sealed = match layer {
            0 => forge.esp(17, &payload),
            1 => forge.l2tp(&payload),
            2 => forge.ppp(&payload),
            3 => forge.ip(&payload),
            _ => {
                // A TCP packet of the client with random insides.
                let mut packet = ip::v4_header(CLIENT, WORLD, 6, payload.len() as u16).to_vec();
                packet.extend(&payload);
                forge.ip(&packet)
            }
        };
        if let Ingress::Ip { packet, .. } = server.ingress(now(), path(Carrier::NatT), &mut sealed) {
            prop_assert_eq!(&packet[12..16], &CLIENT.octets());
        }
    }

    #[test]
    fn random_packets_from_the_tun(bytes in any_bytes(), to_client: bool, mtu in 0_u16..200) {
        let server = server(GCM, Carrier::NatT);
        let mut narrow = network(Remote::Address(CLIENT.into()));
        narrow.mtu = mtu;
        apply(&server, [Update::SetNetwork { session: SESSION, network: Some(narrow) }]);
        let mut bytes = bytes;
        if to_client && bytes.len() >= 20 {
            let len = bytes.len() as u16;
            bytes[0] = 0x45;
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            bytes[16..20].copy_from_slice(&CLIENT.octets());
        }
        let mut buffer = buffer(&bytes);
        if let Egress::Fragments(mut fragments) = server.egress(&mut buffer) {
            let mut piece = Buffer::default();
            let mut count = 0;
            while let Some(egress) = server.egress_fragment(&mut fragments, &buffer, &mut piece) {
                let sealed = matches!(egress, Egress::Sealed { .. });
                prop_assert!(sealed);
                count += 1;
                prop_assert!(count <= 40);
            }
        }
    }

    #[test]
    fn random_bytes_for_the_helpers(bytes in any_bytes()) {
        let _ = icmp::parse_echo_reply(&bytes);
        let _ = icmp::echo_reply(&bytes);
        let _ = ip::v4_payload(&mut bytes.clone());
        let _ = crate::net::udp::parse(&mut bytes.clone());
    }

    /// What one sends the other gets, whatever the packet.
    #[test]
    fn packets_arrive_as_they_were(payload in proptest::collection::vec(any::<u8>(), 0..1370)) {
        let (client, server) = (client(GCM, Carrier::NatT), server(GCM, Carrier::NatT));
        let inner = packet(CLIENT, WORLD, &payload);
        prop_assert_eq!(receive(&server, path(Carrier::NatT), send(&client, &inner)), inner);
        prop_assert_eq!(server.dropped(DropReason::BadIntegrity), 0);
    }
}
