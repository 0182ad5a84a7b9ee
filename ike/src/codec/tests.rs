//! Codecs used both ways: single values by hand, all others by proptest.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// A transform as Windows 10 sends it, with its lifetime in four bytes.
fn windows_transform() -> Transform {
    Transform {
        number: 1,
        id: Transform::KEY_IKE,
        attributes: vec![
            Attribute::basic(1, 7),
            Attribute::basic(14, 256),
            Attribute::basic(2, 2),
            Attribute::basic(4, 20),
            Attribute::basic(3, 1),
            Attribute::basic(11, 1),
            Attribute::variable_u32(12, 28800),
        ],
    }
}

wire::codec_pairs! { Sa::parse, PayloadBody::to_body,
    sa_of_one_transform: [
        0, 0, 0, 1, 0, 0, 0, 1,
        0, 0, 0, 48, 1, 1, 0, 1,
        0, 0, 0, 40, 1, 1, 0, 0,
        0x80, 1, 0, 7, 0x80, 14, 1, 0, 0x80, 2, 0, 2, 0x80, 4, 0, 20, 0x80, 3, 0, 1,
        0x80, 11, 0, 1, 0, 12, 0, 4, 0, 0, 0x70, 0x80,
    ] => Sa::new(vec![Proposal {
        number: 1,
        protocol: ProtocolId::ISAKMP,
        spi: vec![],
        transforms: vec![windows_transform()],
    }]),
}

wire::codec_pairs! { Identification::parse, PayloadBody::to_body,
    id_of_an_address: [1, 17, 6, 0xa5, 10, 0, 0, 1] => Identification {
        protocol: 17,
        port: 1701,
        identity: Identity::Ipv4([10, 0, 0, 1].into()),
    },
    id_of_a_subnet: [4, 0, 0, 0, 10, 0, 0, 0, 255, 0, 0, 0] => Identification {
        protocol: 0,
        port: 0,
        identity: Identity::Ipv4Subnet([10, 0, 0, 0].into(), [255, 0, 0, 0].into()),
    },
    id_of_a_name: [2, 0, 0, 0, b'v', b'p', b'n'] => Identification {
        protocol: 0,
        port: 0,
        identity: Identity::Fqdn(b"vpn".to_vec()),
    },
    id_of_an_unknown_kind: [200, 0, 0, 0, 9] => Identification {
        protocol: 0,
        port: 0,
        identity: Identity::Unknown(IdType(200), vec![9]),
    },
}

wire::codec_pairs! { Notification::parse, PayloadBody::to_body,
    no_proposal_chosen: [0, 0, 0, 1, 1, 0, 0, 14] =>
        Notification::bare(NotifyType::NO_PROPOSAL_CHOSEN),
    r_u_there: [
        0, 0, 0, 1, 1, 16, 0x8d, 0x28,
        1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 1, 0,
    ] => Notification::dead_peer(NotifyType::R_U_THERE, Cookie([1; 8]), Cookie([2; 8]), 256),
}

wire::codec_pairs! { Delete::parse, PayloadBody::to_body,
    delete_of_two_children: [0, 0, 0, 1, 3, 4, 0, 2, 0, 0, 1, 0, 0xca, 0xfe, 0, 1] =>
        Delete::esp(&[0x100, 0xcafe_0001]),
    delete_of_an_ike_sa: [
        0, 0, 0, 1, 1, 16, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2,
    ] => Delete::isakmp(Cookie([1; 8]), Cookie([2; 8])),
}

#[test]
fn offers_read_as_sentences() {
    let offer = Phase1Offer::read(&windows_transform());
    assert_eq!(offer.to_string(), "AES-CBC-256/HMAC-SHA1/ECP-384");
    assert_eq!(
        (offer.life_seconds, offer.life_kilobytes),
        (Some(28800), None)
    );
    assert_eq!(offer.unknown, Vec::<u16>::new());
    let empty = Phase1Offer::default();
    assert_eq!(
        empty.to_string(),
        "no encryption/no hash/no group without authentication"
    );
    let mut child = Phase2Offer::new(EspTransformId::AES_GCM_16);
    assert_eq!(child.to_string(), "AES-GCM-16");
    child.key_bits = Some(128);
    child.authentication = Some(AuthAlgorithm::HMAC_SHA256);
    child.encapsulation = Some(EncapsulationMode(61444));
    child.group = Some(GroupId(31));
    assert_eq!(
        child.to_string(),
        "AES-GCM-16-128/HMAC-SHA2-256/UDP-encapsulated transport (draft)/PFS Curve25519"
    );
}

#[test]
fn lifetimes_belong_to_the_unit_before_them() {
    let life = |attributes| {
        Phase2Offer::read(&Transform {
            number: 1,
            id: 12,
            attributes,
        })
    };
    let both = life(vec![
        Attribute::basic(1, 2),
        Attribute::variable_u32(2, 250_000),
        Attribute::basic(1, 1),
        Attribute::basic(2, 3600),
    ]);
    assert_eq!(
        (both.life_seconds, both.life_kilobytes),
        (Some(3600), Some(250_000))
    );
    // A duration of no known unit makes the transform one that cannot be chosen.
    assert_eq!(life(vec![Attribute::basic(2, 3600)]).unknown, [2]);
    assert_eq!(
        life(vec![Attribute::basic(1, 9), Attribute::basic(2, 1)]).unknown,
        [2]
    );
    assert_eq!(life(vec![Attribute::basic(99, 0)]).unknown, [99]);
}

#[test]
fn numbers_are_read_from_both_forms() {
    assert_eq!(Attribute::basic(1, 600).number(), Some(600));
    let variable = |bytes: &[u8]| {
        Attribute {
            class: 1,
            value: AttributeValue::Variable(bytes.to_vec()),
        }
        .number()
    };
    assert_eq!(variable(&[0x70, 0x80]), Some(28800));
    assert_eq!(variable(&[0, 0, 0x70, 0x80]), Some(28800));
    assert_eq!(variable(&[0; 12]), Some(0));
    assert_eq!(variable(&[0xff; 8]), Some(u64::MAX));
    assert_eq!(variable(&[0xff; 9]), None);
    assert_eq!(variable(&[]), None);
}

#[test]
fn chains_are_bounded_and_checked() {
    let parse = |first, bytes: &[u8], trailing| {
        Chain::parse(PayloadType(first), bytes, trailing).map(|chain| chain.len())
    };
    let clear = Trailing::Nothing;
    assert_eq!(parse(0, &[], clear), Ok(0));
    assert_eq!(parse(13, &[0, 0, 0, 4], clear), Ok(1));
    assert_eq!(parse(13, &[0, 0, 0, 4, 7], Trailing::Padding), Ok(1));
    let what = |result: Result<usize, wire::DecodeError>| result.unwrap_err();
    assert_eq!(what(parse(13, &[0, 0, 0, 4, 7], clear)).offset, 4);
    assert_eq!(
        what(parse(13, &[0, 0, 0], clear)).what,
        "payload header beyond the message"
    );
    let too_long = what(parse(13, &[13, 0, 0, 4, 0, 0, 0, 5], clear));
    assert_eq!(
        (too_long.offset, too_long.what),
        (4, "payload length beyond the message")
    );
    // A length of zero must not make a loop.
    let zero = what(parse(13, &[13, 0, 0, 0], clear));
    assert_eq!(zero.what, "payload length below that of its header");
    let many = |count: usize| {
        let mut bytes = [13, 0, 0, 4].repeat(count);
        bytes[(count - 1) * 4] = 0;
        parse(13, &bytes, clear)
    };
    assert_eq!(many(MAX_PAYLOADS), Ok(MAX_PAYLOADS));
    assert_eq!(what(many(MAX_PAYLOADS + 1)).what, "too many payloads");
}

#[test]
fn what_follows_a_payload_excludes_padding() {
    let mut builder = ChainBuilder::new();
    builder
        .push(PayloadType::NONCE, &[1_u8; 8][..])
        .push(PayloadType::ID, &[2_u8; 8][..]);
    let rest = builder.encode();
    builder.prepend(PayloadType::HASH, &[3_u8; 4][..]);
    let mut bytes = builder.encode();
    let length = bytes.len();
    bytes.extend_from_slice(&[0; 7]);
    let chain = Chain::parse(builder.first(), &bytes, Trailing::Padding).unwrap();
    assert_eq!(chain.after(&chain.nth(0).unwrap()), rest);
    assert!(chain.after(&chain.nth(2).unwrap()).is_empty());
    assert_eq!(chain.bytes(), &bytes[..length]);
}

#[test]
fn an_sa_must_be_consistent() {
    let good = Sa::new(vec![Proposal {
        number: 1,
        protocol: ProtocolId::ESP,
        spi: vec![1, 2, 3, 4],
        transforms: vec![windows_transform(), windows_transform()],
    }])
    .to_body();
    assert!(Sa::parse(&good).is_ok());
    for length in 0..good.len() {
        assert!(Sa::parse(&good[..length]).is_err(), "cut to {length}");
    }
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        Sa::parse(&bytes).map(drop).map_err(|error| error.what)
    };
    assert_eq!(changed(7, 2), Err("situation other than identity only"));
    assert_eq!(changed(8, 3), Err("unexpected payload inside the SA"));
    assert_eq!(
        changed(15, 3),
        Err("number of transforms differs from the count")
    );
    // A transform that claims to be the last leaves bytes behind it.
    assert!(changed(20, 0).is_err());
}

#[test]
fn classified_vendors_need_their_whole_id() {
    assert_eq!(
        VendorId::classify(&VendorId::fragmentation().0),
        Vendor::Fragmentation(None)
    );
    let mut long = VendorId::fragmentation().0;
    long.extend_from_slice(&[0x80, 0, 0, 0]);
    assert_eq!(
        VendorId::classify(&long),
        Vendor::Fragmentation(Some(0x8000_0000))
    );
    let mut rfc = VendorId::rfc_3947().0;
    assert_eq!(
        VendorId::classify(&rfc),
        Vendor::NatTraversal(NatTraversal::Rfc3947)
    );
    rfc.push(0);
    assert_eq!(VendorId::classify(&rfc), Vendor::Unknown);
    assert_eq!(VendorId::classify(&rfc[..15]), Vendor::Unknown);
    assert_eq!(VendorId::classify(&[]), Vendor::Unknown);
}

#[test]
fn names_from_the_network_are_escaped() {
    let name = Identity::Fqdn(b"a\nb\x1b[0m\xff".to_vec());
    assert_eq!(name.to_string(), "a\\nb\\x1b[0m\\xff");
    assert_eq!(Identity::KeyId(vec![0xab, 1]).to_string(), "KEY_ID 0xab01");
}

fn any_attribute() -> impl Strategy<Value = Attribute> {
    let value = prop_oneof![
        any::<u16>().prop_map(AttributeValue::Basic),
        vec(any::<u8>(), 0..12).prop_map(AttributeValue::Variable),
    ];
    (0..0x8000_u16, value).prop_map(|(class, value)| Attribute { class, value })
}

fn any_sa() -> impl Strategy<Value = Sa> {
    let transform = (any::<u8>(), any::<u8>(), vec(any_attribute(), 0..8)).prop_map(
        |(number, id, attributes)| Transform {
            number,
            id,
            attributes,
        },
    );
    let proposal = (
        any::<u8>(),
        any::<u8>(),
        vec(any::<u8>(), 0..17),
        vec(transform, 1..6),
    )
        .prop_map(|(number, protocol, spi, transforms)| Proposal {
            number,
            protocol: ProtocolId(protocol),
            spi,
            transforms,
        });
    vec(proposal, 1..4).prop_map(Sa::new)
}

fn any_identity() -> impl Strategy<Value = Identity> {
    let bytes = || vec(any::<u8>(), 0..40);
    prop_oneof![
        any::<[u8; 4]>().prop_map(|a| Identity::Ipv4(a.into())),
        any::<[u8; 16]>().prop_map(|a| Identity::Ipv6(a.into())),
        any::<[[u8; 4]; 2]>().prop_map(|[a, b]| Identity::Ipv4Subnet(a.into(), b.into())),
        any::<[[u8; 4]; 2]>().prop_map(|[a, b]| Identity::Ipv4Range(a.into(), b.into())),
        any::<[[u8; 16]; 2]>().prop_map(|[a, b]| Identity::Ipv6Subnet(a.into(), b.into())),
        any::<[[u8; 16]; 2]>().prop_map(|[a, b]| Identity::Ipv6Range(a.into(), b.into())),
        bytes().prop_map(Identity::Fqdn),
        bytes().prop_map(Identity::UserFqdn),
        bytes().prop_map(Identity::DerAsn1Dn),
        bytes().prop_map(Identity::DerAsn1Gn),
        bytes().prop_map(Identity::KeyId),
        (12..=u8::MAX, bytes()).prop_map(|(kind, data)| Identity::Unknown(IdType(kind), data)),
    ]
}

proptest! {
    #[test]
    fn headers_round_trip(
        cookies in any::<[[u8; 8]; 2]>(),
        numbers in any::<[u8; 4]>(),
        message_id in any::<u32>(),
        body in vec(any::<u8>(), 0..100),
        excess in vec(any::<u8>(), 0..10),
    ) {
        let header = Header {
            initiator: Cookie(cookies[0]),
            responder: Cookie(cookies[1]),
            next: PayloadType(numbers[0]),
            version: numbers[1],
            exchange: ExchangeType(numbers[2]),
            flags: Flags(numbers[3]),
            message_id: MessageId(message_id),
        };
        let mut datagram = header.emit(&body);
        prop_assert_eq!(datagram.len(), Header::LEN + body.len());
        datagram.extend_from_slice(&excess);
        prop_assert_eq!(Header::parse(&datagram), Ok((header, body.as_slice())));
        let cut = datagram.len() - excess.len() - 1;
        prop_assert!(Header::parse(&datagram[..cut]).is_err());
    }

    #[test]
    fn chains_round_trip(
        payloads in vec((1..=u8::MAX, vec(any::<u8>(), 0..60)), 1..MAX_PAYLOADS),
        padding in vec(any::<u8>(), 0..16),
    ) {
        let mut builder = ChainBuilder::new();
        for (kind, body) in &payloads {
            builder.push(PayloadType(*kind), body);
        }
        let mut bytes = builder.encode();
        bytes.extend_from_slice(&padding);
        let chain = Chain::parse(builder.first(), &bytes, Trailing::Padding).unwrap();
        let read: Vec<_> = chain.iter().map(|p| (p.kind.0, p.body.to_vec())).collect();
        prop_assert_eq!(read, payloads);
        let wholes: Vec<u8> = chain.iter().flat_map(|p| p.whole.to_vec()).collect();
        prop_assert_eq!(wholes, chain.bytes());
    }

    #[test]
    fn sas_round_trip(sa in any_sa()) {
        prop_assert_eq!(Sa::parse(&sa.to_body()), Ok(sa));
    }

    #[test]
    fn identifications_round_trip(
        protocol in any::<u8>(), port in any::<u16>(), identity in any_identity(),
    ) {
        let id = Identification { protocol, port, identity };
        prop_assert_eq!(Identification::parse(&id.to_body()), Ok(id));
    }

    #[test]
    fn notifications_round_trip(
        doi in any::<u32>(),
        protocol in any::<u8>(),
        kind in any::<u16>(),
        spi in vec(any::<u8>(), 0..=255),
        data in vec(any::<u8>(), 0..50),
    ) {
        let (protocol, kind) = (ProtocolId(protocol), NotifyType(kind));
        let notification = Notification { doi, protocol, spi, kind, data };
        prop_assert_eq!(Notification::parse(&notification.to_body()), Ok(notification));
    }

    #[test]
    fn responder_lifetimes_round_trip(
        spi in any::<u32>(), attributes in vec(any_attribute(), 0..8),
    ) {
        let notification = Notification::responder_lifetime(spi, &attributes);
        let read = Notification::parse(&notification.to_body()).unwrap();
        prop_assert_eq!(read.attributes(), Ok(attributes));
    }

    #[test]
    fn deletes_round_trip(
        protocol in any::<u8>(),
        (spi_size, spis) in (1..=32_u8)
            .prop_flat_map(|size| (Just(size), vec(vec(any::<u8>(), usize::from(size)), 0..20))),
    ) {
        let delete = Delete { doi: DOI_IPSEC, protocol: ProtocolId(protocol), spi_size, spis };
        prop_assert_eq!(Delete::parse(&delete.to_body()), Ok(delete));
    }

    #[test]
    fn phase_1_offers_round_trip(
        numbers in any::<[Option<u16>; 5]>(),
        seconds in option::of(0..=u64::from(u32::MAX)),
        kilobytes in option::of(0..=u64::from(u32::MAX)),
    ) {
        let offer = Phase1Offer {
            encryption: numbers[0].map(EncryptionId),
            key_bits: numbers[1],
            hash: numbers[2].map(HashId),
            auth: numbers[3].map(AuthMethod),
            group: numbers[4].map(GroupId),
            life_seconds: seconds,
            life_kilobytes: kilobytes,
            unknown: vec![],
        };
        prop_assert_eq!(Phase1Offer::read(&offer.to_transform(1)), offer);
    }

    #[test]
    fn phase_2_offers_round_trip(
        transform in any::<u8>(),
        numbers in any::<[Option<u16>; 4]>(),
        seconds in option::of(0..=u64::from(u32::MAX)),
        kilobytes in option::of(0..=u64::from(u32::MAX)),
    ) {
        let offer = Phase2Offer {
            transform: EspTransformId(transform),
            key_bits: numbers[0],
            authentication: numbers[1].map(AuthAlgorithm),
            encapsulation: numbers[2].map(EncapsulationMode),
            group: numbers[3].map(GroupId),
            life_seconds: seconds,
            life_kilobytes: kilobytes,
            unknown: vec![],
        };
        prop_assert_eq!(Phase2Offer::read(&offer.to_transform(1)), offer);
    }

    #[test]
    fn garbage_is_read_without_panic(first in any::<u8>(), bytes in vec(any::<u8>(), 0..300)) {
        let _ = Header::parse(&bytes);
        let _ = Sa::parse(&bytes);
        let _ = Identification::parse(&bytes);
        let _ = Notification::parse(&bytes).map(|n| n.attributes());
        let _ = Delete::parse(&bytes);
        let _ = NatOa::parse(&bytes);
        let _ = Fragment::parse(&bytes);
        let _ = VendorId::classify(&bytes);
        let _ = Chain::parse(PayloadType(first), &bytes, Trailing::Padding);
    }
}
