//! Sealing and opening 1400 bytes, against the cipher alone and the authenticator alone.
//!
//! Beside criterion's figures it prints, for each suite, the time of the whole divided by the sum
//! of its parts, measured alternately in the same run. The goal is 1.15 at most. The parts are the
//! block modes and HMACs of the libraries with their keys prepared, on slices of the same length.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout
)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes_gcm::aead::AeadInOut;
use cipher::array::Array;
use cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use esp::{Cipher, HEADER_LEN, Integrity, Keys, Opener, Sealer, Suite};
use hmac::{Hmac, Mac};

const PAYLOAD: usize = 1400;
const START: usize = 64;

fn suites() -> Vec<Suite> {
    use Cipher::{AesCbc128, AesCbc256, AesGcm128, AesGcm256, TripleDesCbc};
    use Integrity::{HmacMd5_96, HmacSha1_96, HmacSha256_128, HmacSha384_192, HmacSha512_256};

    vec![
        Suite::new(AesCbc128, Some(HmacSha1_96)),
        Suite::new(AesCbc256, Some(HmacSha1_96)),
        Suite::new(AesCbc256, Some(HmacSha256_128)),
        Suite::new(AesCbc256, Some(HmacSha384_192)),
        Suite::new(AesCbc256, Some(HmacSha512_256)),
        Suite::new(AesCbc128, Some(HmacMd5_96)),
        Suite::new(TripleDesCbc, Some(HmacSha1_96)),
        Suite::new(AesGcm128, None),
        Suite::new(AesGcm256, None),
    ]
}

fn keys(suite: Suite) -> Keys {
    Keys::from_material(suite, &vec![7; suite.key_lengths().total()]).unwrap()
}

/// Something to be measured.
type Work = Box<dyn FnMut()>;

fn sealing(suite: Suite) -> Work {
    let sealer = Sealer::new(suite, 0x1234_5678, &keys(suite)).unwrap();
    let mut buffer = vec![0; 2048];
    let mut sequence = 0;
    Box::new(move || {
        sequence += 1;
        let sealed = sealer.seal(sequence, 17, &mut buffer, START..START + PAYLOAD);
        black_box(sealed.unwrap());
    })
}

/// Opening destroys the packet, so each round includes copying it back; so does the cipher's.
fn opening(suite: Suite) -> Work {
    let sealer = Sealer::new(suite, 0x1234_5678, &keys(suite)).unwrap();
    let opener = Opener::new(suite, &keys(suite)).unwrap();
    let mut buffer = vec![0; 2048];
    let range = sealer
        .seal(1, 17, &mut buffer, START..START + PAYLOAD)
        .unwrap();
    let sealed = buffer[range].to_vec();
    let mut packet = sealed.clone();
    Box::new(move || {
        packet.copy_from_slice(&sealed);
        black_box(opener.open(&mut packet).unwrap());
    })
}

fn body_len(suite: Suite) -> usize {
    PAYLOAD + suite.padding_len(PAYLOAD) + 2
}

fn encrypting<C>(suite: Suite) -> Work
where
    C: KeyInit + cipher::BlockCipherEncrypt + 'static,
{
    let cipher = C::new_from_slice(&vec![7; suite.cipher.key_len()]).unwrap();
    let mut body = vec![0; body_len(suite)];
    Box::new(move || {
        let iv = Array::default();
        let (blocks, _) = Array::slice_as_chunks_mut(&mut body);
        cbc::Encryptor::inner_iv_init(&cipher, &iv).encrypt_blocks(blocks);
        black_box(&mut body);
    })
}

fn decrypting<C>(suite: Suite) -> Work
where
    C: KeyInit + cipher::BlockCipherDecrypt + 'static,
{
    let cipher = C::new_from_slice(&vec![7; suite.cipher.key_len()]).unwrap();
    let source = vec![0; body_len(suite)];
    let mut body = source.clone();
    Box::new(move || {
        body.copy_from_slice(&source);
        let iv = Array::default();
        let (blocks, _) = Array::slice_as_chunks_mut(&mut body);
        cbc::Decryptor::inner_iv_init(&cipher, &iv).decrypt_blocks(blocks);
        black_box(&mut body);
    })
}

fn gcm<C>(suite: Suite, seal: bool) -> Work
where
    C: KeyInit
        + AeadInOut<NonceSize = cipher::consts::U12, TagSize = cipher::consts::U16>
        + 'static,
{
    let cipher = C::new_from_slice(&vec![7; suite.cipher.key_len() - 4]).unwrap();
    let nonce = Array::from([7; 12]);
    let mut source = vec![0; body_len(suite)];
    let tag = cipher
        .encrypt_inout_detached(&nonce, &[0; 8], source.as_mut_slice().into())
        .unwrap();
    let mut body = source.clone();
    Box::new(move || {
        if seal {
            let body = body.as_mut_slice().into();
            black_box(
                cipher
                    .encrypt_inout_detached(&nonce, &[0; 8], body)
                    .unwrap(),
            );
        } else {
            body.copy_from_slice(&source);
            let body = body.as_mut_slice().into();
            cipher
                .decrypt_inout_detached(&nonce, &[0; 8], body, &tag)
                .unwrap();
        }
    })
}

fn authenticating<M: Mac + KeyInit + Clone + 'static>(suite: Suite) -> Work {
    let state = <M as KeyInit>::new_from_slice(&vec![7; suite.key_lengths().integrity]).unwrap();
    let message = vec![0; HEADER_LEN + suite.cipher.iv_len() + body_len(suite)];
    Box::new(move || {
        black_box(state.clone().chain_update(black_box(&message)).finalize());
    })
}

fn mac(suite: Suite) -> Option<Work> {
    Some(match suite.integrity? {
        Integrity::HmacMd5_96 => authenticating::<Hmac<md5::Md5>>(suite),
        Integrity::HmacSha1_96 => authenticating::<Hmac<sha1::Sha1>>(suite),
        Integrity::HmacSha256_128 | Integrity::HmacSha256_96 => {
            authenticating::<Hmac<sha2::Sha256>>(suite)
        }
        Integrity::HmacSha384_192 => authenticating::<Hmac<sha2::Sha384>>(suite),
        Integrity::HmacSha512_256 => authenticating::<Hmac<sha2::Sha512>>(suite),
    })
}

fn parts(suite: Suite, seal: bool) -> Vec<Work> {
    let cipher = match (suite.cipher, seal) {
        (Cipher::AesCbc128, true) => encrypting::<aes::Aes128Enc>(suite),
        (Cipher::AesCbc192, true) => encrypting::<aes::Aes192Enc>(suite),
        (Cipher::AesCbc256, true) => encrypting::<aes::Aes256Enc>(suite),
        (Cipher::TripleDesCbc, true) => encrypting::<des::TdesEde3>(suite),
        (Cipher::AesCbc128, false) => decrypting::<aes::Aes128Dec>(suite),
        (Cipher::AesCbc192, false) => decrypting::<aes::Aes192Dec>(suite),
        (Cipher::AesCbc256, false) => decrypting::<aes::Aes256Dec>(suite),
        (Cipher::TripleDesCbc, false) => decrypting::<des::TdesEde3>(suite),
        (Cipher::AesGcm128 | Cipher::AesGcm192, _) => gcm::<aes_gcm::Aes128Gcm>(suite, seal),
        (Cipher::AesGcm256, _) => gcm::<aes_gcm::Aes256Gcm>(suite, seal),
    };
    std::iter::once(cipher).chain(mac(suite)).collect()
}

/// The best of many short rounds: other work on the machine can only make a round longer.
fn best(works: &mut [Work]) -> Vec<Duration> {
    const ROUNDS: usize = 60;
    const TIMES: u32 = 200;
    let mut best = vec![Duration::MAX; works.len()];
    for _ in 0..ROUNDS {
        for (work, best) in works.iter_mut().zip(&mut best) {
            let start = Instant::now();
            for _ in 0..TIMES {
                work();
            }
            *best = (*best).min(start.elapsed() / TIMES);
        }
    }
    best
}

fn ratios(_: &mut Criterion) {
    println!(
        "\n{:<16} {:>5} {:>9} {:>9} {:>6}",
        "suite", "", "whole", "parts", "ratio"
    );
    for suite in suites() {
        for seal in [true, false] {
            let whole = if seal { sealing(suite) } else { opening(suite) };
            let mut works = vec![whole];
            works.extend(parts(suite, seal));
            let times = best(&mut works);
            let parts: Duration = times[1..].iter().sum();
            let ratio = times[0].as_secs_f64() / parts.as_secs_f64();
            let what = if seal { "seal" } else { "open" };
            let (name, whole) = (suite.to_string(), times[0]);
            println!("{name:<16} {what:>5} {whole:>9.1?} {parts:>9.1?} {ratio:>6.3}");
        }
    }
}

fn figures(c: &mut Criterion) {
    for suite in suites() {
        let mut group = c.benchmark_group(suite.to_string());
        group.throughput(Throughput::Bytes(PAYLOAD as u64));
        let (mut seal, mut open) = (sealing(suite), opening(suite));
        group.bench_function("seal", |b| b.iter(&mut seal));
        group.bench_function("open", |b| b.iter(&mut open));
        group.finish();
    }
}

criterion_group!(benches, ratios, figures);
criterion_main!(benches);
