//! What the clients of the field get, and how refusals are put.

use std::time::Duration;

use super::*;
use crate::Refusal;
use crate::codec::{
    Attribute, AuthAlgorithm, AuthMethod, EncapsulationMode, EncryptionId, EspTransformId, GroupId,
    HashId, Phase1Attribute, Phase1Offer, Phase2Attribute, Phase2Offer, Proposal, ProtocolId, Sa,
    Transform,
};

const AES: u16 = 7;
const TRIPLE: u16 = 5;
const DES: u16 = 1;
const MD5: u16 = 1;
const SHA1: u16 = 2;
const SHA256: u16 = 4;
const SHA384: u16 = 5;
const SHA512: u16 = 6;

/// A phase 1 offer of (encryption, key length, hash, group), in order.
fn phase1(transforms: &[(u16, Option<u16>, u16, u16)]) -> Sa {
    let transforms = (1_u8..)
        .zip(transforms)
        .map(|(number, (cipher, key_bits, hash, group))| {
            Phase1Offer {
                encryption: Some(EncryptionId(*cipher)),
                key_bits: *key_bits,
                hash: Some(HashId(*hash)),
                auth: Some(AuthMethod::PSK),
                group: Some(GroupId(*group)),
                life_seconds: Some(28_800),
                ..Phase1Offer::default()
            }
            .to_transform(number)
        });
    Sa::new(vec![Proposal {
        number: 1,
        protocol: ProtocolId::ISAKMP,
        spi: Vec::new(),
        transforms: transforms.collect(),
    }])
}

/// An ESP offer of (transform, key length, integrity), each in a proposal of its own as Windows
/// does it, in transport mode.
fn phase2(transforms: &[(u8, Option<u16>, u16)]) -> Sa {
    let proposals = (1_u8..)
        .zip(transforms)
        .map(|(number, (id, key_bits, integrity))| {
            let offer = Phase2Offer {
                key_bits: *key_bits,
                authentication: (*integrity != 0).then_some(AuthAlgorithm(*integrity)),
                encapsulation: Some(EncapsulationMode::TRANSPORT),
                life_seconds: Some(3600),
                life_kilobytes: Some(250_000),
                ..Phase2Offer::new(EspTransformId(*id))
            };
            Proposal {
                number,
                protocol: ProtocolId::ESP,
                spi: vec![0x12, 0x34, 0x56, number],
                transforms: vec![offer.to_transform(1)],
            }
        });
    Sa::new(proposals.collect())
}

const PLAIN: Phase2Context = Phase2Context {
    traversal: false,
    nat: false,
    key_exchange: false,
    sha256_last: false,
};

fn chosen(policy: &Policy, offer: &Sa) -> String {
    policy
        .choose_phase1(offer)
        .map_or_else(|e| e.to_string(), |choice| suite_name(choice.suite))
}

fn windows() -> Sa {
    phase1(&[
        (AES, Some(256), SHA1, 20),
        (AES, Some(128), SHA1, 19),
        (AES, Some(256), SHA1, 14),
        (TRIPLE, None, SHA1, 14),
        (TRIPLE, None, SHA1, 2),
    ])
}

fn apple() -> Sa {
    let mut all = Vec::new();
    all.extend([SHA256, SHA1, MD5, SHA512].map(|hash| (AES, Some(256), hash, 14)));
    all.extend([SHA256, SHA1, MD5].map(|hash| (AES, Some(256), hash, 5)));
    all.extend([SHA256, SHA1, MD5].map(|hash| (AES, Some(256), hash, 2)));
    phase1(&all)
}

fn android() -> Sa {
    let mut all = Vec::new();
    all.extend([SHA384, SHA256, SHA512, SHA1, MD5].map(|hash| (AES, Some(256), hash, 2)));
    all.extend([SHA512, SHA384, SHA256, SHA1, MD5].map(|hash| (AES, Some(128), hash, 2)));
    all.extend([SHA256, SHA1, MD5].map(|hash| (TRIPLE, None, hash, 2)));
    all.extend([SHA256, SHA1, MD5].map(|hash| (DES, None, hash, 2)));
    phase1(&all)
}

#[test]
fn each_client_gets_what_the_field_has_proven() {
    let strict = Policy::default();
    assert_eq!(chosen(&strict, &windows()), "aes256-sha1-ecp384");
    assert_eq!(chosen(&strict, &apple()), "aes256-sha256-modp2048");
    let chrome_os = phase1(&[
        (AES, Some(128), SHA256, 15),
        (AES, Some(128), SHA1, 14),
        (TRIPLE, None, SHA1, 5),
        (TRIPLE, None, SHA1, 2),
    ]);
    assert_eq!(chosen(&strict, &chrome_os), "aes128-sha256-modp3072");
    let mikrotik = phase1(&[(AES, Some(128), SHA1, 14), (TRIPLE, None, SHA1, 2)]);
    assert_eq!(chosen(&strict, &mikrotik), "aes128-sha1-modp2048");
    let with_android = Policy::new(&[LegacyOption::Android]);
    assert_eq!(chosen(&with_android, &android()), "aes256-sha256-modp1024");
    // Without elliptic curves Windows falls back to what it has used for years.
    let modp = Policy::default().with_groups(&["modp2048"]).expect("known");
    assert_eq!(chosen(&modp, &windows()), "aes256-sha1-modp2048");
}

#[test]
fn group_2_comes_with_aes_only_and_des_never() {
    let all = Policy::new(&LegacyOption::ALL);
    for offer in [
        phase1(&[(TRIPLE, None, SHA1, 2)]),
        phase1(&[(DES, None, SHA1, 14)]),
        phase1(&[(AES, Some(256), SHA1, 1)]),
    ] {
        let refusal = all.choose_phase1(&offer).expect_err("too weak");
        let Refusal::NoIkeProposal {
            admitted_by_options,
            ..
        } = refusal
        else {
            panic!()
        };
        assert!(admitted_by_options.is_empty());
    }
    for hint in ["des", "null", "modp768"] {
        assert!(matches!(
            all.clone().with_groups(&[hint]),
            Err(PolicyError::Never(_))
        ));
    }
}

#[test]
fn the_answer_repeats_the_transform_byte_for_byte() {
    let mut offer = windows();
    // As Windows writes it: four bytes in variable form; and out of the usual order.
    let transform = &mut offer.proposals[0].transforms[0];
    transform.attributes.pop();
    transform.attributes.push(Attribute::variable_u32(
        Phase1Attribute::LIFE_DURATION.0,
        28_800,
    ));
    transform.attributes.rotate_left(2);
    transform.number = 77;
    offer.proposals[0].spi = vec![1; 8];
    offer.proposals[0].number = 9;
    let choice = Policy::default().choose_phase1(&offer).expect("acceptable");
    assert_eq!(
        choice.answer.proposals[0].transforms,
        offer.proposals[0].transforms[..1]
    );
    assert_eq!(
        (
            choice.answer.proposals[0].number,
            choice.answer.proposals[0].spi.len()
        ),
        (9, 8)
    );
    assert_eq!(choice.lifetime.as_secs(), 28_800);
}

#[test]
fn what_is_unknown_is_skipped() {
    let mut offer = windows();
    offer.proposals[0].transforms[0]
        .attributes
        .push(Attribute::basic(16_500, 3));
    let odd = Transform {
        number: 9,
        id: 1,
        attributes: vec![],
    };
    offer.proposals[0].transforms.insert(0, odd);
    assert_eq!(chosen(&Policy::default(), &offer), "aes128-sha1-ecp256");
    let no_key_length = phase1(&[(AES, None, SHA1, 14)]);
    assert_eq!(
        chosen(&Policy::default(), &no_key_length),
        "aes128-sha1-modp2048"
    );
}

/// Sets attributes of this class to 0 in all transforms.
fn zero(offer: &mut Sa, class: u16) {
    for proposal in &mut offer.proposals {
        for transform in &mut proposal.transforms {
            for attribute in &mut transform.attributes {
                if attribute.class == class {
                    *attribute = Attribute::basic(class, 0);
                }
            }
        }
    }
}

#[test]
fn a_lifetime_or_volume_of_0_is_no_limit() {
    let policy = Policy::default();
    let mut offer = windows();
    zero(&mut offer, Phase1Attribute::LIFE_DURATION.0);
    let choice = policy.choose_phase1(&offer).expect("acceptable");
    assert_eq!(choice.lifetime, Duration::MAX);

    let limited = phase2(&[(12, Some(256), 2)]);
    let mut offer = limited.clone();
    zero(&mut offer, Phase2Attribute::LIFE_DURATION.0);
    let mut choice = policy.choose_phase2(&offer, PLAIN).expect("acceptable");
    assert_eq!((choice.lifetime, choice.kilobytes), (Duration::MAX, None));
    choice.answer.proposals[0].spi = vec![0x12, 0x34, 0x56, 0x78];
    let accepted = policy.accept_phase2(&limited, &choice.answer);
    let accepted = accepted.expect("an answer");
    assert_eq!(
        (accepted.lifetime, accepted.kilobytes),
        (Duration::MAX, None)
    );

    let mut choice = policy.choose_phase2(&limited, PLAIN).expect("acceptable");
    for (seconds, kilobytes) in [(0, 0), (1800, 0), (0, 1000), (3600, 2000)] {
        choice.shorten(&Phase2Offer {
            life_seconds: Some(seconds),
            life_kilobytes: Some(kilobytes),
            ..Phase2Offer::new(EspTransformId::AES_CBC)
        });
    }
    assert_eq!(
        (choice.lifetime, choice.kilobytes),
        (Duration::from_secs(1800), Some(1000))
    );
}

/// An option adds nothing to a list that is given.
#[test]
fn options_are_named_where_they_help() {
    fn named<T: fmt::Debug>(outcome: Result<T, Refusal>) -> Vec<LegacyOption> {
        match outcome {
            Err(
                Refusal::NoIkeProposal {
                    admitted_by_options: options,
                    ..
                }
                | Refusal::NoEspProposal {
                    admitted_by_options: options,
                    ..
                },
            ) => options,
            other => panic!("{other:?}"),
        }
    }
    let open = Policy::default();
    let groups = open.clone().with_groups(&["modp2048"]).expect("known");
    let ciphers = open.clone().with_ciphers(&["aes256"]).expect("known");
    let hashes = open.clone().with_hashes(&["sha1"]).expect("known");
    let esp = open.clone().with_esp(&["aes256-sha1"]).expect("known");

    let triple = phase1(&[(TRIPLE, None, SHA1, 14)]);
    let md5 = phase1(&[(AES, Some(256), MD5, 14)]);
    let cases = [
        (&open, android(), vec![LegacyOption::Android]),
        (&groups, android(), vec![]),
        (&ciphers, android(), vec![LegacyOption::Android]),
        (&open, triple.clone(), vec![LegacyOption::TripleDes]),
        (&ciphers, triple.clone(), vec![]),
        (&groups, triple, vec![LegacyOption::TripleDes]),
        (&open, md5.clone(), vec![LegacyOption::Md5]),
        (&hashes, md5, vec![]),
    ];
    for (number, (policy, offer, options)) in cases.into_iter().enumerate() {
        let outcome = policy.choose_phase1(&offer);
        assert_eq!(named(outcome), options, "phase 1, case {number}");
    }

    let pfs = |group| {
        let mut offer = phase2(&[(12, Some(256), 2)]);
        let attribute = Attribute::basic(Phase2Attribute::GROUP.0, group);
        offer.proposals[0].transforms[0].attributes.push(attribute);
        let context = Phase2Context {
            key_exchange: true,
            ..PLAIN
        };
        (offer, context)
    };
    let triple = (phase2(&[(3, None, 2)]), PLAIN);
    let cases = [
        (&open, triple.clone(), vec![LegacyOption::TripleDes]),
        (&esp, triple, vec![]),
        (&open, pfs(5), vec![LegacyOption::Modp1536]),
        (&groups, pfs(5), vec![]),
        (&groups, pfs(2), vec![LegacyOption::PfsModp1024]),
    ];
    for (number, (policy, (offer, context), options)) in cases.into_iter().enumerate() {
        let outcome = policy.choose_phase2(&offer, context);
        assert_eq!(named(outcome), options, "phase 2, case {number}");
    }
}

#[test]
fn another_way_to_authenticate_is_named() {
    let mut offer = windows();
    for transform in &mut offer.proposals[0].transforms {
        let attribute = Attribute::basic(Phase1Attribute::AUTH_METHOD.0, 3);
        transform
            .attributes
            .retain(|a| a.class != Phase1Attribute::AUTH_METHOD.0);
        transform.attributes.push(attribute);
    }
    let refusal = Policy::default()
        .choose_phase1(&offer)
        .expect_err("no pre-shared key");
    insta::assert_snapshot!(refusal, @"the peer does not offer authentication by pre-shared key but RSA signature: choose \"pre-shared key\" (\"shared secret\") on the client");
}

#[test]
fn windows_never_gets_null_or_des() {
    let offer = phase2(&[
        (11, None, 2),
        (2, None, 2),
        (3, None, 2),
        (12, Some(128), 2),
        (12, Some(256), 2),
    ]);
    let choice = Policy::default()
        .choose_phase2(&offer, PLAIN)
        .expect("acceptable");
    assert_eq!(choice.suite.to_string(), "aes256-sha1");
    assert_eq!((choice.spi, choice.kilobytes), (0x1234_5605, Some(250_000)));
    assert_eq!(choice.answer.proposals[0].number, 5);
    let weak = phase2(&[(11, None, 2), (2, None, 2)]);
    let all = Policy::new(&LegacyOption::ALL);
    let refusal = all.choose_phase2(&weak, PLAIN).expect_err("never");
    insta::assert_snapshot!(refusal, @"no ESP proposal in common: the peer offers NULL/HMAC-SHA1/transport, DES-CBC/HMAC-SHA1/transport; none of it is safe enough to be offered at all, or the configured lists exclude it");
}

#[test]
fn androids_do_not_get_sha_256_if_there_is_anything_else() {
    let offer = phase2(&[(12, Some(256), 5), (12, Some(256), 2), (12, Some(256), 7)]);
    let choose = |context| {
        let choice = Policy::default()
            .choose_phase2(&offer, context)
            .expect("acceptable");
        choice.suite.to_string()
    };
    assert_eq!(choose(PLAIN), "aes256-sha256");
    assert_eq!(
        choose(Phase2Context {
            sha256_last: true,
            ..PLAIN
        }),
        "aes256-sha512"
    );
}

#[test]
fn combined_proposals_are_skipped_and_tunnels_named() {
    let mut offer = phase2(&[(12, Some(256), 2), (12, Some(256), 2), (12, Some(128), 2)]);
    offer.proposals[1].number = 1;
    let choice = Policy::default()
        .choose_phase2(&offer, PLAIN)
        .expect("acceptable");
    assert_eq!(choice.suite.to_string(), "aes128-sha1");
    let mut tunnel = phase2(&[(12, Some(256), 2)]);
    for attribute in &mut tunnel.proposals[0].transforms[0].attributes {
        if attribute.class == 4 {
            *attribute = Attribute::basic(4, 1);
        }
    }
    assert_eq!(
        Policy::default()
            .choose_phase2(&tunnel, PLAIN)
            .expect_err("tunnel"),
        Refusal::TunnelMode
    );
}

#[test]
fn the_modes_are_judged_by_what_nat_detection_found() {
    let with_mode = |mode: u16| {
        let mut offer = phase2(&[(12, Some(256), 2)]);
        for attribute in &mut offer.proposals[0].transforms[0].attributes {
            if attribute.class == 4 {
                *attribute = Attribute::basic(4, mode);
            }
        }
        offer
    };
    let judge = |mode, traversal, nat| {
        let context = Phase2Context {
            traversal,
            nat,
            ..PLAIN
        };
        Policy::default()
            .choose_phase2(&with_mode(mode), context)
            .map(|choice| choice.udp)
    };
    for udp in [4, 61_444] {
        assert_eq!(judge(udp, true, true), Ok(true));
        assert_eq!(
            judge(udp, true, false),
            Ok(true),
            "the peer may know better"
        );
        assert_eq!(
            judge(udp, false, false),
            Err(Refusal::NeedsUdpEncapsulation)
        );
    }
    assert_eq!(judge(2, true, false), Ok(false));
    assert_eq!(judge(2, true, true), Err(Refusal::NeedsUdpEncapsulation));
    assert_eq!(
        judge(2, false, true),
        Ok(false),
        "ESP may be passed through"
    );
}

#[test]
fn lists_of_the_configuration_are_checked() {
    let needs = |option| PolicyError::NeedsOption {
        what: "modp1024".into(),
        option,
    };
    assert_eq!(
        Policy::default().with_groups(&["modp1024"]),
        Err(needs(LegacyOption::Android))
    );
    assert_eq!(Policy::default().with_groups(&[]), Err(PolicyError::Empty));
    assert!(matches!(
        Policy::default().with_esp(&["aes257"]),
        Err(PolicyError::Unknown(_))
    ));
    assert!(
        Policy::new(&[LegacyOption::TripleDes])
            .with_esp(&["3des-sha1", "aes128gcm16"])
            .is_ok()
    );
    for option in LegacyOption::ALL {
        assert_eq!(option.name().parse(), Ok(option));
    }
}

#[test]
fn our_own_offer_fits_a_datagram_and_is_one_we_would_take() {
    // With everything weak as well it is split by IP, which nobody but a tester asks for.
    let all = Policy::new(&LegacyOption::ALL);
    for (policy, most) in [(Policy::default(), 1000), (all, 2500)] {
        let offer = policy.offer_phase1(Duration::from_secs(28_800));
        let bytes = crate::codec::PayloadBody::to_body(&offer);
        assert!(bytes.len() < most, "{} bytes", bytes.len());
        let choice = policy.choose_phase1(&offer).expect("our own");
        let accepted = accept_phase1(&offer, &choice.answer).expect("an answer");
        policy.admit_phase1(&accepted).expect("within the policy");
        assert_eq!(accepted.suite, choice.suite);
    }
}
