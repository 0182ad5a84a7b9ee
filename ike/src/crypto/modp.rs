//! MODP groups: powers modulo a safe prime, in constant time (RFC 2409 §6.2, RFC 3526).
//!
//! Where the processor multiplies vectors of integers, so do we ([`vectors`]); elsewhere the
//! arithmetic is that of `crypto-bigint`, which takes five times as long.

#[cfg(target_arch = "x86_64")]
mod vectors;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U1024, U1536, U2048, U3072, U4096, Uint};
#[cfg(target_arch = "x86_64")]
use fearless_simd::Level;
use wire::Secret;
use zeroize::{Zeroize, Zeroizing};

use super::{Group, InvalidPublicValue};

/// What a power is of.
#[derive(Clone, Copy)]
enum Base<'a> {
    /// 2, the generator of all these groups.
    Generator,
    /// A public value: between 1 and p-1, big-endian.
    Value(&'a [u8]),
}

/// Group 2.
const PRIME_1024: Odd<U1024> = Odd::<U1024>::from_be_hex(concat!(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74",
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437",
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed",
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff",
));
/// Group 5.
const PRIME_1536: Odd<U1536> = Odd::<U1536>::from_be_hex(concat!(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74",
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437",
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed",
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05",
    "98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb",
    "9ed529077096966d670c354e4abc9804f1746c08ca237327ffffffffffffffff",
));
/// Group 14.
const PRIME_2048: Odd<U2048> = Odd::<U2048>::from_be_hex(concat!(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74",
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437",
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed",
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05",
    "98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb",
    "9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b",
    "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718",
    "3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff",
));
/// Group 15.
const PRIME_3072: Odd<U3072> = Odd::<U3072>::from_be_hex(concat!(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74",
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437",
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed",
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05",
    "98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb",
    "9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b",
    "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718",
    "3995497cea956ae515d2261898fa051015728e5a8aaac42dad33170d04507a33",
    "a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7",
    "abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864",
    "d87602733ec86a64521f2b18177b200cbbe117577a615d6c770988c0bad946e2",
    "08e24fa074e5ab3143db5bfce0fd108e4b82d120a93ad2caffffffffffffffff",
));
/// Group 16.
const PRIME_4096: Odd<U4096> = Odd::<U4096>::from_be_hex(concat!(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74",
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437",
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed",
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05",
    "98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb",
    "9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b",
    "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718",
    "3995497cea956ae515d2261898fa051015728e5a8aaac42dad33170d04507a33",
    "a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7",
    "abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864",
    "d87602733ec86a64521f2b18177b200cbbe117577a615d6c770988c0bad946e2",
    "08e24fa074e5ab3143db5bfce0fd108e4b82d120a92108011a723c12a787e6d7",
    "88719a10bdba5b2699c327186af4e23c1a946834b6150bda2583e9ca2ad44ce8",
    "dbbbc2db04de8ef92e8efc141fbecaa6287c59474e6bc05d99b2964fa090c3a2",
    "233ba186515be7ed1f612970cee2d7afb81bdd762170481cd0069127d5b05aa9",
    "93b4ea988d8fddc186ffb7dc90a6c08f4df435c934063199ffffffffffffffff",
));

/// g^x, of the prime's length.
pub(super) fn public_value(group: Group, private: &[u8]) -> Vec<u8> {
    power(group, Base::Generator, private).to_vec()
}

/// y^x, of the prime's length.
pub(super) fn shared_secret(
    group: Group,
    private: &[u8],
    peer: &[u8],
) -> Result<Secret, InvalidPublicValue> {
    if peer.len() != group.public_len() {
        return Err(InvalidPublicValue::SIZE);
    }
    let is_within = match group {
        Group::Modp1024 => is_within(&PRIME_1024, peer),
        Group::Modp1536 => is_within(&PRIME_1536, peer),
        Group::Modp2048 => is_within(&PRIME_2048, peer),
        Group::Modp3072 => is_within(&PRIME_3072, peer),
        Group::Modp4096 => is_within(&PRIME_4096, peer),
        Group::Ecp256 | Group::Ecp384 | Group::Ecp521 => false,
    };
    if !is_within {
        return Err(InvalidPublicValue::TRIVIAL);
    }
    Ok(Secret::from(
        power(group, Base::Value(peer), private).as_slice(),
    ))
}

/// Whether 1 < y < p-1. The primes are safe, so that what remains generates the group or its
/// large subgroup; 1 and p-1 are the only values that would give the result away.
fn is_within<const LIMBS: usize>(prime: &Odd<Uint<LIMBS>>, value: &[u8]) -> bool {
    let value = Uint::from_be_slice(value);
    value > Uint::ONE && value < prime.as_ref().wrapping_sub(&Uint::ONE)
}

/// base^exponent, of the prime's length. Takes a time that depends on the exponent's length only.
fn power(group: Group, base: Base<'_>, exponent: &[u8]) -> Zeroizing<Vec<u8>> {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = Level::new().as_avx512() {
        return vectors::power(simd, group, base, exponent);
    }
    power_in_words(group, base, exponent)
}

fn power_in_words(group: Group, base: Base<'_>, exponent: &[u8]) -> Zeroizing<Vec<u8>> {
    match group {
        Group::Modp1024 => power_modulo(&PRIME_1024, base, exponent),
        Group::Modp1536 => power_modulo(&PRIME_1536, base, exponent),
        Group::Modp2048 => power_modulo(&PRIME_2048, base, exponent),
        Group::Modp3072 => power_modulo(&PRIME_3072, base, exponent),
        Group::Modp4096 => power_modulo(&PRIME_4096, base, exponent),
        // Curves have their own arithmetic and never come here.
        Group::Ecp256 | Group::Ecp384 | Group::Ecp521 => Zeroizing::default(),
    }
}

fn power_modulo<const LIMBS: usize>(
    prime: &Odd<Uint<LIMBS>>,
    base: Base<'_>,
    exponent: &[u8],
) -> Zeroizing<Vec<u8>> {
    let bits = u32::try_from(exponent.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(8);
    let base = match base {
        Base::Generator => Uint::from_u8(2),
        Base::Value(value) => right_aligned(value),
    };
    let exponent = Zeroizing::new(right_aligned::<LIMBS>(exponent));
    // The modulus is public.
    let params = FixedMontyParams::new_vartime(*prime);
    let base = FixedMontyForm::new(&base, &params);
    let mut power = base.pow_bounded_exp(&*exponent, bits.min(Uint::<LIMBS>::BITS));
    let result = Zeroizing::new(power.retrieve());
    power.as_montgomery_mut().zeroize();
    let bytes = Zeroizing::new(result.to_be_bytes());
    Zeroizing::new((**bytes).to_vec())
}

/// A big-endian number with fewer bytes than the group's numbers have.
fn right_aligned<const LIMBS: usize>(bytes: &[u8]) -> Uint<LIMBS> {
    let mut padded = Zeroizing::new(vec![0; Uint::<LIMBS>::BYTES]);
    for (to, from) in padded.iter_mut().rev().zip(bytes.iter().rev()) {
        *to = *from;
    }
    Uint::from_be_slice(&padded)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const GROUPS: [Group; 5] = [
        Group::Modp1024,
        Group::Modp1536,
        Group::Modp2048,
        Group::Modp3072,
        Group::Modp4096,
    ];

    /// What the vectors say of a power and what the words say; that they are there.
    fn assert_same(group: Group, base: Base<'_>, exponent: &[u8]) {
        let words = power_in_words(group, base, exponent);
        assert_eq!(words.len(), group.public_len());
        assert_eq!(power(group, base, exponent), words, "{group}");
    }

    fn prime(group: Group) -> Vec<u8> {
        match group {
            Group::Modp1024 => PRIME_1024.to_be_bytes().as_ref().to_vec(),
            Group::Modp1536 => PRIME_1536.to_be_bytes().as_ref().to_vec(),
            Group::Modp2048 => PRIME_2048.to_be_bytes().as_ref().to_vec(),
            Group::Modp3072 => PRIME_3072.to_be_bytes().as_ref().to_vec(),
            _ => PRIME_4096.to_be_bytes().as_ref().to_vec(),
        }
    }

    /// Numbers whose digits carry far: few bits, all bits, and those next to the prime.
    #[test]
    fn vectors_and_words_agree_at_the_edges() {
        #[cfg(target_arch = "x86_64")]
        if Level::new().as_avx512().is_none() {
            println!("skipped: this processor has no such vectors");
        }
        for group in GROUPS {
            let mut below = prime(group);
            *below.last_mut().unwrap() = 0xfd;
            let mut ones = vec![0xff; group.public_len()];
            ones[..9].fill(0);
            let mut high = vec![0; group.public_len()];
            high[0] = 0x80;
            let small = vec![3];
            for exponent in [&[0][..], &[1], &[2], &[0xff; 4], &[0; 5], &[0x80, 0, 1]] {
                assert_same(group, Base::Generator, exponent);
                for base in [&below, &ones, &high, &small] {
                    assert_same(group, Base::Value(base), exponent);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn vectors_and_words_agree(
            exponent in vec(any::<u8>(), 0..48),
            mut base in vec(any::<u8>(), 512),
            sparse in vec(0_usize..512, 0..300),
        ) {
            for place in sparse {
                base[place] = if place % 2 == 0 { 0 } else { 0xff };
            }
            for group in GROUPS {
                assert_same(group, Base::Generator, &exponent);
                let base = &mut base[..group.public_len()];
                // Below every prime, and not zero.
                base[0] &= 0x7f;
                base[1] |= 1;
                assert_same(group, Base::Value(base), &exponent);
            }
        }
    }
}
