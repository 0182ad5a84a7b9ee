//! Known answers for the ciphers, the authenticators, and whole packets.

use serde_json::Value;

use super::*;
use crate::cipher::{Aead, CbcDecrypt, CbcEncrypt};
use crate::integrity::Authenticator;
use crate::open::read_trailer;
use crate::{OpenError, Opener, Sealer};

fn vectors(file: &str) -> Vec<Value> {
    json(file).map_or_else(Vec::new, |json| json["vectors"].as_array().unwrap().clone())
}

#[test]
fn cbc_both_ways() {
    for (file, count) in [("aes_cbc", 6), ("3des_cbc", 2)] {
        let all = vectors(&format!("vectors/strongswan-{file}.json"));
        for v in &all {
            let (key, iv) = (bytes(v, "key"), bytes(v, "iv"));
            let (plain, coded) = (bytes(v, "plain"), bytes(v, "cipher"));
            let cipher = match file {
                "3des_cbc" => Cipher::TripleDesCbc,
                _ => cbc(key.len() * 8),
            };
            // What is chained to the vector, as it is mixed with it.
            let mut mixed = plain.clone();
            mixed.iter_mut().zip(&iv).for_each(|(to, from)| *to ^= from);
            for sending in [CbcEncrypt::new, CbcEncrypt::portable] {
                let mut body = mixed.clone();
                let keyed = sending(cipher, &key).unwrap();
                keyed.encrypt(&mut [&mut body]).unwrap();
                assert_eq!(body, coded, "{v}");
            }
            for receiving in [CbcDecrypt::new, CbcDecrypt::portable] {
                let mut packet = [&iv[..], &coded].concat();
                let keyed = receiving(cipher, &key).unwrap();
                keyed.decrypt(&mut [&mut packet]).unwrap();
                assert_eq!(packet, [&iv[..], &plain].concat(), "{v}");
            }
        }
        assert!(all.is_empty() || all.len() == count);
    }
}

/// The messages of the padding tests, decrypted; with the padding of PKCS #5 as part of the
/// plaintext, which is of no concern here.
#[test]
fn cbc_of_wycheproof() {
    let Some(file) = json("vectors/wycheproof/aes_cbc_pkcs5_test.json") else {
        return;
    };
    let mut count = 0;
    for test in file["testGroups"].as_array().unwrap().iter().flat_map(|g| {
        g["tests"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|test| test["result"] == "valid")
    }) {
        let key = bytes(test, "key");
        for receiving in [CbcDecrypt::new, CbcDecrypt::portable] {
            let mut packet = [bytes(test, "iv"), bytes(test, "ct")].concat();
            let keyed = receiving(cbc(key.len() * 8), &key).unwrap();
            keyed.decrypt(&mut [&mut packet]).unwrap();
            let expected = bytes(test, "msg");
            assert_eq!(packet[16..][..expected.len()], expected, "{test}");
        }
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn gcm_both_ways() {
    let mut count = 0;
    for v in vectors("vectors/strongswan-aes_gcm.json") {
        // Shorter tags are another algorithm.
        if v["alg"] != "ENCR_AES_GCM_ICV16" {
            continue;
        }
        let (key, aad) = (bytes(&v, "key"), bytes(&v, "adata"));
        let iv: [u8; 8] = bytes(&v, "iv").try_into().unwrap();
        let (plain, coded) = (bytes(&v, "plain"), bytes(&v, "cipher"));
        let aead = Aead::new(gcm((key.len() - 4) * 8), &key).unwrap();
        let mut body = plain.clone();
        let tag = aead.encrypt(&iv, &aad, &mut body).unwrap();
        assert_eq!([&body[..], &tag].concat(), coded, "{v}");
        assert!(aead.decrypt(&iv, &aad, &mut body, &tag));
        assert_eq!(body, plain);
        count += 1;
    }
    assert!(count == 0 || count == 15, "{count}");
}

#[test]
fn gcm_of_wycheproof() {
    let Some(file) = json("vectors/wycheproof/aes_gcm_test.json") else {
        return;
    };
    let mut count = 0;
    for group in file["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            // The first four bytes of the nonce are our salt.
            let nonce = bytes(test, "iv");
            let material = [bytes(test, "key"), nonce[..4].to_vec()].concat();
            let iv: [u8; 8] = nonce[4..].try_into().unwrap();
            let aead = Aead::new(gcm((material.len() - 4) * 8), &material).unwrap();
            let mut body = bytes(test, "ct");
            let tag = bytes(test, "tag").try_into().unwrap();
            let opened = aead.decrypt(&iv, &bytes(test, "aad"), &mut body, &tag);
            assert_eq!(opened, test["result"] == "valid", "{test}");
            if opened {
                assert_eq!(body, bytes(test, "msg"), "{test}");
            }
            count += 1;
        }
    }
    assert_eq!(count, 36);
}

/// Only keys of the length that ESP uses: HMAC with other keys is not ours to offer.
#[test]
fn authenticators() {
    let mut count = 0;
    for file in ["md5_hmac", "sha1_hmac", "sha2_hmac"] {
        for v in vectors(&format!("vectors/strongswan-{file}.json")) {
            let integrity = match v["alg"].as_str().unwrap() {
                "AUTH_HMAC_MD5_96" => Integrity::HmacMd5_96,
                "AUTH_HMAC_SHA1_96" => Integrity::HmacSha1_96,
                "AUTH_HMAC_SHA2_256_128" => Integrity::HmacSha256_128,
                "AUTH_HMAC_SHA2_384_192" => Integrity::HmacSha384_192,
                "AUTH_HMAC_SHA2_512_256" => Integrity::HmacSha512_256,
                _ => continue,
            };
            let key = bytes(&v, "key");
            if key.len() != integrity.key_len() {
                continue;
            }
            let icv = Authenticator::new(integrity, &key)
                .unwrap()
                .icv(&bytes(&v, "data"));
            // Some are given longer than they are used.
            let len = integrity.icv_len();
            assert_eq!(icv[..len], bytes(&v, "mac")[..len], "{v}");
            count += 1;
        }
    }
    assert!(count == 0 || count >= 8, "{count}");
}

#[test]
fn authenticators_of_wycheproof() {
    let files = [
        ("sha1", Integrity::HmacSha1_96),
        ("sha256", Integrity::HmacSha256_128),
        ("sha384", Integrity::HmacSha384_192),
        ("sha512", Integrity::HmacSha512_256),
    ];
    for (file, integrity) in files {
        let Some(file) = json(&format!("vectors/wycheproof/hmac_{file}_test.json")) else {
            return;
        };
        let mut count = 0;
        for group in file["testGroups"].as_array().unwrap() {
            for test in group["tests"].as_array().unwrap() {
                let (key, tag) = (bytes(test, "key"), bytes(test, "tag"));
                if key.len() != integrity.key_len() {
                    continue;
                }
                let icv = Authenticator::new(integrity, &key)
                    .unwrap()
                    .icv(&bytes(test, "msg"));
                // The tags have lengths of their own. One that is damaged may be so behind the end
                // of ours.
                let len = tag.len().min(integrity.icv_len());
                let valid = test["result"] == "valid";
                if valid || tag.len() == len {
                    assert_eq!(icv[..len] == tag[..len], valid, "{test}");
                }
                count += 1;
            }
        }
        assert!(count >= 60, "{count}");
    }
}

/// RFC 3602 §4, cases 5 and 7: without check value, so below the opener. And that the opener
/// refuses them, whatever the key.
#[test]
fn packets_of_rfc_3602() {
    let Some(file) = json("vectors/esp-packets-rfc3602-gcm.json") else {
        return;
    };
    for v in &file.as_array().unwrap()[..2] {
        let (key, mut packet) = (bytes(v, "key"), bytes(v, "esp"));
        let suite = Suite::new(Cipher::AesCbc128, Some(Integrity::HmacSha1_96));
        let opener = Opener::new(suite, &keys(&key, &[0; 20])).unwrap();
        assert!(opener.open(&mut packet.clone()).is_err());

        let body = decrypted(Cipher::AesCbc128, &key, &mut packet);
        let (len, next_header) = read_trailer(body).unwrap();
        assert_eq!(u64::from(next_header), v["next_header"]);
        assert_eq!(body[..len], bytes(v, "payload"));
        assert_eq!(body[len..], bytes(v, "trailer"));
    }
}

/// The packets of the GCM draft, whole.
#[test]
fn packets_of_the_gcm_draft() {
    let Some(file) = json("vectors/esp-packets-rfc3602-gcm.json") else {
        return;
    };
    for v in &file.as_array().unwrap()[2..] {
        let material = [bytes(v, "key"), bytes(v, "salt")].concat();
        let suite = Suite::new(gcm((material.len() - 4) * 8), None);
        let opener = Opener::new(suite, &keys(&material, &[])).unwrap();
        let sealed = bytes(v, "esp");

        let mut packet = sealed.clone();
        let opened = opener.open(&mut packet).unwrap();
        let plain = bytes(v, "plaintext_with_trailer");
        let (payload, trailer) = plain.split_at(opened.payload.len());
        assert_eq!(packet[opened.payload], *payload, "{v}");
        // An IP packet that says how long it is.
        assert_eq!(
            usize::from(u16::from_be_bytes([payload[2], payload[3]])),
            payload.len()
        );
        assert_eq!(trailer.last(), Some(&opened.next_header));
        assert_eq!(opened.sequence.to_be_bytes(), sealed[4..8]);

        for at in 0..sealed.len() {
            let mut packet = sealed.clone();
            packet[at] ^= 0x20;
            assert_eq!(
                opener.open(&mut packet),
                Err(OpenError::Integrity),
                "byte {at}"
            );
        }
    }
}

/// Pins our own form: header, vector, padding, trailer, check value. The vector is the sequence
/// number encrypted, by an independent use of the block cipher.
#[test]
fn the_vector_is_the_encrypted_sequence_number() {
    use cipher::{BlockCipherEncrypt, KeyInit};

    let suite = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha256_128));
    let sealer = Sealer::new(suite, 0x1234_5678, &keys(&[9; 32], &[8; 32])).unwrap();
    let mut buffer = [0; 200];
    let range = sealer.seal(0x0102_0304, 17, &mut buffer, 64..70).unwrap();
    let mut block = cipher::array::Array::from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    aes::Aes256::new(&[9; 32].into()).encrypt_block(&mut block);
    assert_eq!(buffer[range][8..24], block[..]);
}
