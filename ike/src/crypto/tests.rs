//! What no published vector covers: agreement in every group, chaining, refusals, silence.

use rand_core::SeedableRng;
use wire::{Rng, Secret};

use super::*;
use crate::codec::{
    ChainBuilder, Cookie, EncryptionId, ExchangeType, Flags, GroupId, HashId, Header, MessageId,
    PayloadType, ProtocolId,
};

fn transcript() -> Transcript {
    Transcript {
        cookie_i: Cookie([1; 8]),
        cookie_r: Cookie([2; 8]),
        nonce_i: vec![3; 16],
        nonce_r: vec![4; 32],
        public_i: vec![5; 256],
        public_r: vec![6; 256],
        sa_i: vec![7; 52],
    }
}

fn keymat(cipher: Cipher, hash: HashAlgorithm) -> Keymat {
    let suite = Phase1Suite {
        cipher,
        hash,
        group: Group::Modp2048,
    };
    Keymat::from_psk(
        suite,
        b"a key",
        &transcript(),
        &Secret::from(&b"shared"[..]),
    )
}

#[test]
fn both_parties_agree_in_every_group() {
    let mut rng = Rng::seed_from_u64(1);
    for group in Group::ALL {
        let (a, b) = (group.private_value(&mut rng), group.private_value(&mut rng));
        let (public_a, public_b) = (a.public_value(), b.public_value());
        assert_eq!(public_a.len(), group.public_len(), "{group}");
        assert_ne!(public_a, public_b, "{group}");
        let shared = a.shared_secret(&public_b).unwrap();
        assert_eq!(shared.len(), group.shared_len(), "{group}");
        assert_eq!(b.shared_secret(&public_a), Ok(shared), "{group}");
        assert_eq!(
            a.shared_secret(&public_b[1..]),
            Err(InvalidPublicValue::SIZE)
        );
        assert!(
            a.shared_secret(&vec![0; group.public_len()]).is_err(),
            "{group}"
        );
        assert!(
            a.shared_secret(&vec![0xff; group.public_len()]).is_err(),
            "{group}"
        );
    }
}

#[test]
fn the_same_seed_draws_the_same_private_values() {
    for group in Group::ALL {
        let draw = |seed| {
            group
                .private_value(&mut Rng::seed_from_u64(seed))
                .public_value()
        };
        assert_eq!(draw(7), draw(7), "{group}");
        assert_ne!(draw(7), draw(8), "{group}");
    }
}

#[test]
fn private_values_out_of_range_are_refused() {
    for group in Group::ALL {
        let length = group.private_len();
        assert!(
            PrivateValue::from_bytes(group, &vec![0; length]).is_none(),
            "{group}"
        );
        assert!(PrivateValue::from_bytes(group, &[]).is_none(), "{group}");
        let too_long = vec![1; group.public_len() + 1];
        assert!(
            PrivateValue::from_bytes(group, &too_long).is_none(),
            "{group}"
        );
        if group.is_curve() {
            assert!(
                PrivateValue::from_bytes(group, &vec![0xff; length]).is_none(),
                "{group}"
            );
        }
    }
}

#[test]
fn registries_map_both_ways() {
    for group in Group::ALL {
        assert_eq!(Group::from_id(group.id()), Some(group));
    }
    for hash in HashAlgorithm::ALL {
        assert_eq!(HashAlgorithm::from_id(hash.id()), Some(hash));
    }
    for cipher in Cipher::ALL {
        assert_eq!(
            Cipher::from_id(cipher.id(), cipher.key_bits()),
            Some(cipher)
        );
    }
    // Never, whatever the policy says: group 1, DES, and key lengths that do not exist.
    assert_eq!(Group::from_id(GroupId::MODP_768), None);
    assert_eq!(HashAlgorithm::from_id(HashId::TIGER), None);
    assert_eq!(Cipher::from_id(EncryptionId::DES, None), None);
    assert_eq!(Cipher::from_id(EncryptionId::AES, Some(512)), None);
    assert_eq!(
        Cipher::from_id(EncryptionId::AES, None),
        Some(Cipher::Aes128)
    );
}

#[test]
fn sealed_messages_open_and_chain() {
    let header = Header {
        initiator: Cookie([1; 8]),
        responder: Cookie([2; 8]),
        next: PayloadType::NONE,
        version: Header::VERSION_1_0,
        exchange: ExchangeType::MAIN_MODE,
        flags: Flags::NONE,
        message_id: MessageId::PHASE_1,
    };
    for cipher in Cipher::ALL {
        for hash in HashAlgorithm::ALL {
            let keymat = keymat(cipher, hash);
            let first = keymat.suite().first_iv(&transcript());
            let (mut sent, mut received) = (first, first);
            for length in 0..40 {
                let chain = ChainBuilder::new().with(PayloadType::HASH, &vec![9_u8; length]);
                let (message, next) = keymat.seal(header, &chain, &sent);
                let (read, body) = Header::parse(&message).unwrap();
                assert!(read.is_encrypted() && read.next == PayloadType::HASH);
                assert_eq!(body.len() % cipher.block_len(), 0);
                assert_ne!(body[..4], chain.encode()[..4]);
                assert_eq!(next.as_bytes(), &body[body.len() - cipher.block_len()..]);
                let opened = keymat.open(&read, body, &received).unwrap();
                let payload = opened.chain().unwrap().nth(0).unwrap();
                assert_eq!(payload.body, vec![9; length]);
                (sent, received) = (next, opened.next_iv());
            }
            assert!(keymat.open(&header, &[], &first).is_err());
            assert!(keymat.open(&header, &[0; 17], &first).is_err());
        }
    }
}

#[test]
fn child_keys_follow_rfc_2409_with_and_without_pfs() {
    for hash in HashAlgorithm::ALL {
        let keymat = keymat(Cipher::Aes256, hash);
        let pfs = Secret::from(&b"another shared secret"[..]);
        for pfs in [None, Some(&pfs)] {
            let nonces = (&b"initiator"[..], &b"responder"[..]);
            let mut seed = pfs.map_or(vec![], |pfs| pfs.expose().to_vec());
            seed.extend_from_slice(&[3, 0xca, 0xfe, 0, 1]);
            seed.extend_from_slice(b"initiatorresponder");
            let d = keymat.skeyid_d().expose();
            let k1 = hash.prf(d, &[&seed]);
            let k2 = hash.prf(d, &[k1.expose(), &seed]);
            let k3 = hash.prf(d, &[k2.expose(), &seed]);
            let expected = [k1.expose(), k2.expose(), k3.expose()].concat();
            for length in [
                0,
                1,
                hash.output_len(),
                hash.output_len() + 1,
                expected.len(),
            ] {
                let made = keymat.child(ProtocolId::ESP, 0xcafe_0001, nonces, pfs, length);
                assert_eq!(made.expose(), &expected[..length], "{hash}");
            }
        }
    }
}

#[test]
fn hashes_are_bound_to_party_and_message() {
    let keymat = keymat(Cipher::Aes128, HashAlgorithm::Sha256);
    let t = transcript();
    assert_ne!(keymat.hash_i(&t, b"id"), keymat.hash_r(&t, b"id"));
    let id = MessageId(5);
    assert_ne!(
        keymat.hash_1(id, b"rest"),
        keymat.hash_1(MessageId(6), b"rest")
    );
    assert_ne!(
        keymat.hash_1(id, b"rest"),
        keymat.hash_2(id, b"nonce", b"rest")
    );
    // HASH(3) starts with a zero byte so that it is never a HASH(1).
    assert_ne!(keymat.hash_3(id, b"i", b"r"), keymat.hash_1(id, b"ir"));
}

#[test]
fn debug_shows_no_key() {
    let keymat = keymat(Cipher::Aes256, HashAlgorithm::Sha1);
    assert_eq!(
        format!("{keymat:?}"),
        "Keymat(AES-CBC-256/HMAC-SHA1/MODP-2048, ..)"
    );
    assert_eq!(format!("{:?}", keymat.key()), "CipherKey(AES-CBC-256, ..)");
    let private = Group::Ecp256.private_value(&mut Rng::seed_from_u64(1));
    assert_eq!(format!("{private:?}"), "PrivateValue(ECP-256, ..)");
}
