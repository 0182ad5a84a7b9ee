//! Powers modulo the primes of the MODP groups, in vectors of 512 bits.
//!
//! A number is in digits of 52 bits, eight to a vector, the least significant first. The processor
//! multiplies eight pairs of digits at once and adds the lower or the upper half of each product to
//! a sum (AVX-512 IFMA); so one number is multiplied by a digit of another in as many instructions
//! as it has vectors, twice. Multiplication is Montgomery's, with R = 2^(52 · digits), and what
//! comes of it is below twice the prime, which is all that the next one needs: R is more than 2^32
//! times the prime.
//!
//! The time depends on nothing but the lengths: no branch and no address is chosen by a digit.

use core::arch::x86_64::{
    __m512i, _mm_cvtsi64_si128, _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512,
    _mm512_broadcastq_epi64, _mm512_castsi512_si128, _mm512_cmpeq_epi64_mask,
    _mm512_cmpgt_epu64_mask, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_add_epi64,
    _mm512_mask_mov_epi64, _mm512_maskz_srli_epi64, _mm512_permutexvar_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_sll_epi64, _mm512_srli_epi64,
};
use std::iter;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, Uint};
use fearless_simd::{Avx512, kernel, prelude::*, u64x8};
use zeroize::{Zeroize, Zeroizing};

use super::{Base, PRIME_1024, PRIME_1536, PRIME_2048, PRIME_3072, PRIME_4096};
use crate::crypto::Group;

/// Bits of a digit.
const BITS: u32 = 52;
/// The largest digit.
const LARGEST: u64 = (1 << BITS) - 1;
/// Digits of a vector.
const LANES: usize = 8;

/// A number of `VECTORS` vectors, in memory.
type Digits<const VECTORS: usize> = [[u64; LANES]; VECTORS];
/// The same in registers.
type Number<const VECTORS: usize> = [__m512i; VECTORS];

const MODULUS_1024: &Modulus<3> = &Modulus::new(&PRIME_1024);
const MODULUS_1536: &Modulus<4> = &Modulus::new(&PRIME_1536);
const MODULUS_2048: &Modulus<5> = &Modulus::new(&PRIME_2048);
const MODULUS_3072: &Modulus<8> = &Modulus::new(&PRIME_3072);
const MODULUS_4096: &Modulus<10> = &Modulus::new(&PRIME_4096);

/// base^exponent, of the prime's length. Empty for a curve.
pub(super) fn power(
    simd: Avx512,
    group: Group,
    base: Base<'_>,
    exponent: &[u8],
) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0; group.public_len()]);
    match group {
        Group::Modp1024 => power_1024(simd, MODULUS_1024, base, exponent, &mut out),
        Group::Modp1536 => power_1536(simd, MODULUS_1536, base, exponent, &mut out),
        Group::Modp2048 => power_2048(simd, MODULUS_2048, base, exponent, &mut out),
        Group::Modp3072 => power_3072(simd, MODULUS_3072, base, exponent, &mut out),
        Group::Modp4096 => power_4096(simd, MODULUS_4096, base, exponent, &mut out),
        Group::Ecp256 | Group::Ecp384 | Group::Ecp521 => out.clear(),
    }
    out
}

/// Such a function cannot be generic.
macro_rules! kernels {
    ($($name:ident, $vectors:literal;)*) => {$(
        kernel!(
            fn $name(
                simd: Avx512,
                modulus: &Modulus<$vectors>,
                base: Base<'_>,
                exponent: &[u8],
                out: &mut [u8],
            ) {
                modulus.power(simd, base, exponent, out);
            }
        );
    )*};
}

kernels! {
    power_1024, 3;
    power_1536, 4;
    power_2048, 5;
    power_3072, 8;
    power_4096, 10;
}

/// A prime p with -1/p = 1 modulo 2^52: so are those of all these groups, whose lowest 64 bits are
/// ones. The factor that Montgomery's reduction takes from each digit is the digit itself then.
struct Modulus<const VECTORS: usize> {
    prime: Digits<VECTORS>,
    /// R² modulo the prime.
    r_squared: Digits<VECTORS>,
}

/// The prime in registers.
struct Loaded<const VECTORS: usize> {
    prime: Number<VECTORS>,
    /// The same without its lowest digit, and the others one place lower.
    upper: Number<VECTORS>,
}

impl<const VECTORS: usize> Modulus<VECTORS> {
    #[allow(
        clippy::arithmetic_side_effects,
        reason = "run by the compiler, which finds it out"
    )]
    const fn new<const LIMBS: usize>(prime: &Odd<Uint<LIMBS>>) -> Self {
        let params = FixedMontyParams::new_vartime(*prime);
        let two = FixedMontyForm::new(&Uint::from_u8(2), &params);
        let bits = 2 * BITS as u64 * LANES as u64 * VECTORS as u64;
        let r_squared = two.pow_vartime(&Uint::<1>::from_u64(bits)).retrieve();
        Self {
            prime: digits_of_words(prime.as_ref().as_words()),
            r_squared: digits_of_words(r_squared.as_words()),
        }
    }

    /// base^exponent modulo the prime.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn power(&self, simd: Avx512, base: Base<'_>, exponent: &[u8], out: &mut [u8]) {
        let prime = load(simd, &self.prime);
        let modulus = Loaded {
            prime,
            upper: lowered(&prime),
        };
        let mut unit = [[0; LANES]; VECTORS];
        if let Some(lowest) = unit.as_flattened_mut().first_mut() {
            *lowest = 1;
        }
        let unit = load(simd, &unit);
        let r_squared = load(simd, &self.r_squared);
        let one = modulus.product(&unit, &r_squared);
        let mut power = match base {
            Base::Generator => modulus.power_of_two(&one, exponent),
            Base::Value(base) => {
                let base = load(simd, &digits_of_bytes(base));
                let base = modulus.product(&base, &r_squared);
                modulus.power_of(&one, &base, exponent)
            }
        };
        // Not above the prime, and so below it: a power of what is not zero is not zero.
        let mut result = modulus.product(&power, &unit);
        let mut digits = store(simd, &result);
        write_bytes(&digits, out);
        power.zeroize();
        result.zeroize();
        digits.zeroize();
    }
}

impl<const VECTORS: usize> Loaded<VECTORS> {
    /// With a table of the first sixteen powers, four bits of the exponent at a time.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn power_of(
        &self,
        one: &Number<VECTORS>,
        base: &Number<VECTORS>,
        exponent: &[u8],
    ) -> Number<VECTORS> {
        let mut table = [*one; 16];
        let mut next = *base;
        for entry in table.iter_mut().skip(1) {
            *entry = next;
            next = self.product(&next, base);
        }
        let mut power = *one;
        for bits in exponent.iter().flat_map(|byte| [byte >> 4, byte & 0xf]) {
            for _ in 0..4 {
                power = self.product(&power, &power);
            }
            let factor = select(&table, bits);
            power = self.product(&factor, &power);
        }
        power
    }

    /// To multiply by a power of two takes no multiplication.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn power_of_two(&self, one: &Number<VECTORS>, exponent: &[u8]) -> Number<VECTORS> {
        let mut power = *one;
        let pairs = exponent
            .iter()
            .flat_map(|byte| [byte >> 6, byte >> 4 & 3, byte >> 2 & 3, byte & 3]);
        for bits in pairs {
            for _ in 0..2 {
                power = self.product(&power, &power);
            }
            // At most eight times as large, for which there is room.
            let bits = _mm_cvtsi64_si128(i64::from(bits));
            power = carried(&power.map(|digits| _mm512_sll_epi64(digits, bits)));
        }
        power
    }

    /// a · b / R modulo the prime: a number below twice the prime if a · b is below R times it.
    ///
    /// In each step a digit of b is multiplied, and a multiple of the prime is added that makes the
    /// sum's lowest digit zero, which then drops out. Digits of the sum may outgrow their 52 bits
    /// meanwhile: each takes in four halves of products in a step, which for 80 digits is less than
    /// 2^61.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn product(&self, a: &Number<VECTORS>, b: &Number<VECTORS>) -> Number<VECTORS> {
        let zero = _mm512_setzero_si512();
        let largest = _mm512_set1_epi64(LARGEST.cast_signed());
        let mut digits = b.iter().flat_map(|digits| {
            (0..LANES.cast_signed() as i64)
                .map(|lane| _mm512_permutexvar_epi64(_mm512_set1_epi64(lane), *digits))
        });
        let mut digit = digits.next().unwrap_or(zero);
        let mut sum = a.map(|a| _mm512_madd52lo_epu64(zero, a, digit));
        for next in digits.chain(iter::once(zero)) {
            // Of a factor longer than 52 bits the processor takes the lower 52.
            let lowest = sum.first().copied().unwrap_or(zero);
            let factor = _mm512_broadcastq_epi64(_mm512_castsi512_si128(lowest));
            // The lowest digit and what is added to it: zero, or 2^52.
            let mut carry = _mm512_maskz_srli_epi64::<BITS>(1, _mm512_add_epi64(lowest, largest));
            // What waits for the digit's place to be dropped: upper halves of this step, and lower
            // ones of the next. None of them waits for the sum, but for what `factor` is in.
            let parts = a.iter().zip(&self.prime).zip(&self.upper);
            let lower = lowered(&sum);
            for ((sum, lower), ((a, prime), upper)) in sum.iter_mut().zip(lower).zip(parts) {
                let part = _mm512_madd52hi_epu64(carry, *a, digit);
                let part = _mm512_madd52lo_epu64(part, *a, next);
                let part = _mm512_madd52lo_epu64(part, *upper, factor);
                let part = _mm512_madd52hi_epu64(part, *prime, factor);
                *sum = _mm512_add_epi64(part, lower);
                carry = zero;
            }
            digit = next;
        }
        carried(&sum)
    }
}

/// The digits one place lower; the lowest drops out.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn lowered<const VECTORS: usize>(number: &Number<VECTORS>) -> Number<VECTORS> {
    let mut lowered = *number;
    let above = number.iter().skip(1).copied();
    let above = above.chain(iter::once(_mm512_setzero_si512()));
    for (digits, above) in lowered.iter_mut().zip(above) {
        *digits = _mm512_alignr_epi64::<1>(above, *digits);
    }
    lowered
}

/// The same number with digits of 52 bits, of one whose digits may have up to 63.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn carried<const VECTORS: usize>(number: &Number<VECTORS>) -> Number<VECTORS> {
    let largest = _mm512_set1_epi64(LARGEST.cast_signed());
    let mut carried = *number;
    let mut below = _mm512_setzero_si512();
    // Bits by digit: those that are too large, by one bit at most, and those that the smallest
    // carry would make so.
    let (mut above, mut full) = (0_u128, 0_u128);
    for (digits, place) in carried.iter_mut().zip((0_u32..).step_by(LANES)) {
        let carries = _mm512_srli_epi64::<BITS>(*digits);
        let moved = _mm512_alignr_epi64::<7>(carries, below);
        *digits = _mm512_add_epi64(_mm512_and_si512(*digits, largest), moved);
        below = carries;
        above |= u128::from(_mm512_cmpgt_epu64_mask(*digits, largest)).wrapping_shl(place);
        full |= u128::from(_mm512_cmpeq_epi64_mask(*digits, largest)).wrapping_shl(place);
    }
    // The carries of an addition run through the full digits.
    let mut ones = above.wrapping_shl(1).wrapping_add(full) ^ full;
    let one = _mm512_set1_epi64(1);
    for digits in &mut carried {
        let [mask, ..] = ones.to_le_bytes();
        let sum = _mm512_mask_add_epi64(*digits, mask, *digits, one);
        *digits = _mm512_and_si512(sum, largest);
        ones = ones.wrapping_shr(8);
    }
    carried
}

/// The entry of this number; all of them are read.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn select<const VECTORS: usize>(table: &[Number<VECTORS>; 16], number: u8) -> Number<VECTORS> {
    let number = _mm512_set1_epi64(i64::from(number));
    let mut selected = [_mm512_setzero_si512(); VECTORS];
    for (entry, place) in table.iter().zip(0_i64..) {
        let mask = _mm512_cmpeq_epi64_mask(number, _mm512_set1_epi64(place));
        for (selected, digits) in selected.iter_mut().zip(entry) {
            *selected = _mm512_mask_mov_epi64(*selected, mask, *digits);
        }
    }
    selected
}

#[inline]
fn load<const VECTORS: usize>(simd: Avx512, digits: &Digits<VECTORS>) -> Number<VECTORS> {
    digits.map(|digits| {
        let digits: u64x8<Avx512> = digits.simd_into(simd);
        digits.into()
    })
}

#[inline]
fn store<const VECTORS: usize>(simd: Avx512, number: &Number<VECTORS>) -> Digits<VECTORS> {
    number.map(|digits| {
        let digits: u64x8<Avx512> = digits.simd_into(simd);
        digits.into()
    })
}

/// Of a number in words of 64 bits, the least significant first.
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "run by the compiler, which finds it out"
)]
const fn digits_of_words<const VECTORS: usize>(words: &[u64]) -> Digits<VECTORS> {
    let mut digits = [[0; LANES]; VECTORS];
    let mut place = 0;
    while place < LANES * VECTORS {
        let bit = place * BITS as usize;
        let (word, offset) = (bit / 64, bit % 64);
        let mut digit = 0;
        if word < words.len() {
            digit = words[word] >> offset;
        }
        if offset > 0 && word + 1 < words.len() {
            digit |= words[word + 1] << (64 - offset);
        }
        digits[place / LANES][place % LANES] = digit & LARGEST;
        place += 1;
    }
    digits
}

/// Of a number in big-endian bytes. What has no room is left out.
fn digits_of_bytes<const VECTORS: usize>(bytes: &[u8]) -> Digits<VECTORS> {
    let mut digits = [[0; LANES]; VECTORS];
    let mut places = digits.as_flattened_mut().iter_mut();
    let (mut waiting, mut bits) = (0_u64, 0_u32);
    for byte in bytes.iter().rev() {
        waiting |= u64::from(*byte).wrapping_shl(bits);
        bits = bits.saturating_add(8);
        if bits >= BITS {
            places
                .next()
                .into_iter()
                .for_each(|digit| *digit = waiting & LARGEST);
            bits = bits.saturating_sub(BITS);
            waiting = waiting.wrapping_shr(BITS);
        }
    }
    places.next().into_iter().for_each(|digit| *digit = waiting);
    digits
}

/// As big-endian bytes; the number has no more of them.
fn write_bytes<const VECTORS: usize>(digits: &Digits<VECTORS>, out: &mut [u8]) {
    let mut digits = digits.as_flattened().iter();
    let (mut waiting, mut bits) = (0_u64, 0_u32);
    for byte in out.iter_mut().rev() {
        if bits < 8 {
            let digit = digits.next().copied().unwrap_or(0);
            waiting |= digit.wrapping_shl(bits);
            bits = bits.saturating_add(BITS);
        }
        let [lowest, ..] = waiting.to_le_bytes();
        *byte = lowest;
        waiting = waiting.wrapping_shr(8);
        bits = bits.saturating_sub(8);
    }
}
