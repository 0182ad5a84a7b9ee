//! Every reason to drop a packet, reached.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::net::{ip, udp};
use crate::offload::{Gso, VnetHeader};
use crate::sa::OutboundSa;
use crate::{Departure, DropReason, Outbox};

/// Takes packets in, and notes for what reasons they are dropped.
struct Watch {
    plane: DataPlane,
    seen: RefCell<BTreeSet<DropReason>>,
}

impl Watch {
    fn new(plane: DataPlane) -> Self {
        Self {
            plane,
            seen: RefCell::default(),
        }
    }

    fn note(&self, reason: DropReason, before: u64) -> DropReason {
        assert_eq!(
            self.plane.dropped(reason),
            before + 1,
            "{reason:?} is counted"
        );
        self.seen.borrow_mut().insert(reason);
        reason
    }

    fn comes(&self, mut packet: Vec<u8>) -> DropReason {
        let before: Vec<u64> = self.plane.drops().map(|(_, count)| count).collect();
        match self.plane.ingress(now(), path(Carrier::NatT), &mut packet) {
            Ingress::Dropped(reason) => self.note(reason, before[reason as usize]),
            other => panic!("{other:?}"),
        }
    }

    fn goes(&self, egress: impl FnOnce(&DataPlane) -> Egress) -> DropReason {
        let before: Vec<u64> = self.plane.drops().map(|(_, count)| count).collect();
        match egress(&self.plane) {
            Egress::Dropped(reason) => self.note(reason, before[reason as usize]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_reason() {
    let isolated = Config {
        isolate_clients: true,
        ..Config::for_peers(16)
    };
    let watch = Watch::new(DataPlane::new(isolated));
    apply(&watch.plane, server_updates(GCM, Carrier::NatT));
    let mut forge = Forge::new();
    let inner = packet(CLIENT, WORLD, b"hello");

    // ESP.
    assert_eq!(watch.comes(vec![1, 2, 3]), DropReason::BadEspLength);
    assert_eq!(
        watch.comes(forge.ip(&inner)[..30].to_vec()),
        DropReason::BadEspLength
    );
    let mut bad = forge.ip(&inner);
    bad[0] ^= 0x80;
    assert_eq!(
        watch.comes(bad),
        DropReason::UnknownSpi,
        "a slot with another tag"
    );
    let mut bad = forge.ip(&inner);
    bad[3] ^= 1;
    assert_eq!(watch.comes(bad), DropReason::UnknownSpi, "an empty slot");
    let mut bad = forge.ip(&inner);
    *bad.last_mut().unwrap() ^= 1;
    assert_eq!(watch.comes(bad), DropReason::BadIntegrity);
    let good = forge.ip(&inner);
    receive(&watch.plane, path(Carrier::NatT), good.clone());
    assert_eq!(watch.comes(good), DropReason::Replayed);
    let late = forge.ip(&inner);
    forge.sequence += 5000;
    receive(&watch.plane, path(Carrier::NatT), forge.ip(&inner));
    assert_eq!(watch.comes(late), DropReason::OutsideWindow);
    forge.sequence += 1;
    assert_eq!(
        watch.comes(badly_padded(forge.sequence)),
        DropReason::BadPadding
    );
    assert_eq!(watch.comes(forge.esp(59, &[0; 40])), DropReason::Dummy);
    assert_eq!(watch.comes(forge.esp(6, &[0; 40])), DropReason::NotUdp);

    // UDP and L2TP.
    assert_eq!(watch.comes(forge.esp(17, &[0; 7])), DropReason::BadUdp);
    assert_eq!(
        watch.comes(forge.esp(17, &[6, 165, 6, 165, 0, 99, 0, 0])),
        DropReason::BadUdp
    );
    let elsewhere = udp::header(1701, 53, 0).unwrap();
    assert_eq!(
        watch.comes(forge.esp(17, &elsewhere)),
        DropReason::WrongPort
    );
    assert_eq!(
        watch.comes(forge.l2tp(&[0, 3, 0, 10, 0, 20])),
        DropReason::BadL2tp
    );
    assert_eq!(watch.comes(forge.l2tp(&[0, 2, 0, 10])), DropReason::BadL2tp);

    // PPP and IP.
    assert_eq!(watch.comes(forge.ppp(&[])), DropReason::BadPpp);
    assert_eq!(watch.comes(forge.ppp(&[0, 0x20])), DropReason::BadPpp);
    assert_eq!(watch.comes(forge.ip(&[0x45, 0])), DropReason::BadIp);
    let six = ip::v6_header(CLIENT.to_ipv6_mapped(), WORLD.to_ipv6_mapped(), ip::UDP, 0);
    assert_eq!(watch.comes(forge.ip(&six)), DropReason::BadIp);
    let spoofed = packet(WORLD, WORLD, b"hello");
    assert_eq!(watch.comes(forge.ip(&spoofed)), DropReason::SpoofedSource);
    let sideways = packet(CLIENT, CLIENT, b"hello");
    assert_eq!(
        watch.comes(forge.ip(&sideways)),
        DropReason::ClientIsolation
    );
    let network = Network {
        dhcp: Some(crate::Dhcp::Server),
        ..network(Remote::Address(CLIENT.into()))
    };
    let set = Update::SetNetwork {
        session: SESSION,
        network: Some(network),
    };
    apply(&watch.plane, [set]);
    let mut request = packet(CLIENT, GATEWAY, b"inform");
    request[20..24].copy_from_slice(&[0, 68, 0, 67]);
    for _ in 0..8 {
        let mut sealed = forge.ip(&request);
        let got = watch.plane.ingress(now(), path(Carrier::NatT), &mut sealed);
        assert!(matches!(got, Ingress::Dhcp { .. }), "{got:?}");
    }
    assert_eq!(watch.comes(forge.ip(&request)), DropReason::DhcpTooOften);

    // Out.
    let mut to_nobody = buffer(&packet(WORLD, WORLD, b"hello"));
    assert_eq!(
        watch.goes(|plane| plane.egress(&mut to_nobody)),
        DropReason::NoSession
    );
    // What a client has sent, on its way back from the kernel.
    let mut returned = buffer(&packet(CLIENT, CLIENT, b"hello"));
    assert_eq!(
        watch.goes(|plane| plane.egress(&mut returned)),
        DropReason::ClientIsolation
    );
    let mut not_ip = buffer(&[0; 40]);
    assert_eq!(
        watch.goes(|plane| plane.egress(&mut not_ip)),
        DropReason::BadIp
    );
    let mut lie = packet(WORLD, CLIENT, b"hello");
    let header = VnetHeader {
        gso: Gso::TcpV4,
        segment: 1,
        needs_checksum: true,
        csum_start: 20,
        csum_offset: 16,
        ..VnetHeader::PLAIN
    };
    let mut outbox = Outbox::new();
    let (mut send, mut reply) = (|_: Departure<'_>| panic!(), |_: &[u8]| panic!());
    let plane = &watch.plane;
    plane.egress_batch(header, &mut lie, &mut outbox, &mut send, &mut reply);
    assert!(outbox.is_empty());
    watch.note(DropReason::BadOffload, 0);
    // An ICMP error is not answered with another.
    let mut long = crate::net::icmp::echo_request(v4(WORLD), v4(CLIENT), 1, 1, &[0; 1400]).unwrap();
    long[20] = 3;
    let mut long = buffer(&long);
    assert_eq!(
        watch.goes(|plane| plane.egress(&mut long)),
        DropReason::TooBig
    );
    let mut frame = buffer(&[0xc0, 0x21]);
    let unknown = SessionId(99);
    assert_eq!(
        watch.goes(|plane| plane.seal_ppp(unknown, &mut frame)),
        DropReason::UnknownPeer
    );
    let unknown = PeerId(99);
    let control = |plane: &DataPlane| plane.seal_control(unknown, PORTS, &mut buffer(&[0x80, 2]));
    assert_eq!(watch.goes(control), DropReason::UnknownPeer);
    let mut huge = buffer(&vec![0xc0; 65_530]);
    assert_eq!(
        watch.goes(|plane| plane.seal_ppp(SESSION, &mut huge)),
        DropReason::NoRoom
    );

    let exhausted = OutboundSa {
        sequence: esp::SequenceCounter::resume(u32::MAX.into()),
        ..OutboundSa::new(esp::Sealer::new(GCM, CLIENT_SPI, &keys(GCM, TO_CLIENT)).unwrap())
    };
    watch
        .plane
        .by_peer
        .with(PEER, |peer| peer.outbound.store(Some(Arc::new(exhausted))));
    let down = packet(WORLD, CLIENT, b"hello");
    let egress = |plane: &DataPlane| plane.egress(&mut buffer(&down));
    assert_eq!(watch.goes(egress), DropReason::SequenceExhausted);
    apply(
        &watch.plane,
        [Update::RemoveOutbound {
            peer: PEER,
            spi: CLIENT_SPI,
        }],
    );
    assert_eq!(watch.goes(egress), DropReason::NoOutboundSa);

    // A packet on its way while the network closes.
    apply(
        &watch.plane,
        [Update::SetNetwork {
            session: SESSION,
            network: None,
        }],
    );
    assert_eq!(watch.comes(forge.ip(&inner)), DropReason::NetworkDown);
    assert_eq!(watch.goes(egress), DropReason::NoSession);

    // Another's ids: handed up, and dropped when it comes back and they are still another's.
    let mut stray = forge.l2tp(&[0, 2, 0, 10, 0, 21, 0xc0, 0x21]);
    let got = watch.plane.ingress(now(), path(Carrier::NatT), &mut stray);
    let Ingress::Stray {
        peer: PEER,
        ports,
        tunnel: 10,
        session: 21,
        message,
    } = got
    else {
        panic!("{got:?}");
    };
    assert_eq!(watch.plane.dropped(DropReason::PeerMismatch), 0);
    let got = watch.plane.deliver(PEER, ports, message);
    assert_eq!(got, Ingress::Dropped(DropReason::PeerMismatch));
    watch.note(DropReason::PeerMismatch, 0);

    let all: BTreeSet<DropReason> = DropReason::ALL.iter().copied().collect();
    let missing: Vec<_> = all.difference(&watch.seen.borrow()).copied().collect();
    assert_eq!(missing, []);
}

/// An authentic packet with padding 7, 7: the sealer makes none such.
fn badly_padded(sequence: u32) -> Vec<u8> {
    use aes_gcm::aead::{Aead, KeyInit, Payload};

    let mut packet = SERVER_SPI.to_be_bytes().to_vec();
    packet.extend(sequence.to_be_bytes());
    let iv = u64::from(sequence).to_be_bytes();
    let nonce = [&[TO_SERVER; 4][..], &iv].concat();
    let cipher = aes_gcm::Aes128Gcm::new(&[TO_SERVER; 16].into());
    let payload = Payload {
        msg: &[0, 0, 0, 0, 7, 7, 2, 17],
        aad: &packet,
    };
    let nonce = aes_gcm::Nonce::try_from(&nonce[..]).unwrap();
    let sealed = cipher.encrypt(&nonce, payload).unwrap();
    [packet, iv.to_vec(), sealed].concat()
}

#[test]
fn sentences_differ() {
    let sentences: BTreeSet<String> = DropReason::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(sentences.len(), DropReason::ALL.len());
}

/// Two clients: each can use its own ids only, and send from its own address only.
#[test]
fn one_client_cannot_speak_for_another() {
    const OTHER: PeerId = PeerId(2);
    let plane = server(GCM, Carrier::NatT);
    apply(
        &plane,
        [
            Update::AddPeer {
                peer: OTHER,
                path: path(Carrier::NatT),
                port: 1701,
            },
            Update::AddSession(session(OTHER, SessionId(8), [11, 21, 31, 41])),
            Update::SetNetwork {
                session: SessionId(8),
                network: Some(network(Remote::Address(Ipv4Addr::new(10, 10, 1, 3).into()))),
            },
        ],
    );
    let mut forge = Forge::new();
    let frame = [
        &[0, 2, 0, 11, 0, 21, 0xff, 3, 0, 0x21],
        &packet(CLIENT, WORLD, b"x")[..],
    ]
    .concat();
    let mut sealed = forge.l2tp(&frame);
    let got = plane.ingress(now(), path(Carrier::NatT), &mut sealed);
    let Ingress::Stray { ports, message, .. } = got else {
        panic!("{got:?}");
    };
    let got = plane.deliver(PEER, ports, message);
    assert_eq!(got, Ingress::Dropped(DropReason::PeerMismatch));
    assert_eq!(plane.dropped(DropReason::PeerMismatch), 1);
    assert_eq!(
        plane.session_usage(SessionId(8)).unwrap().received.packets,
        0
    );
}
