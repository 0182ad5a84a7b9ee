//! The rounds of SHA-1 (FIPS 180-4 §6.1), of a block of each lane.

use fearless_simd::{Simd, u32x16};

use super::hmac::Hash;

/// SHA-1 in lanes.
pub(crate) struct Sha1;

impl Hash<5> for Sha1 {
    const INITIAL: [u32; 5] = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];

    /// FIPS 180-4 §6.1.2 in all lanes, with the message schedule of §6.1.3 in a ring.
    #[inline(always)]
    #[expect(clippy::arithmetic_side_effects, reason = "lanes add modulo 2^32")]
    fn compress<S: Simd>(states: &mut [u32x16<S>; 5], mut words: [u32x16<S>; 16]) {
        let [mut a, mut b, mut c, mut d, mut e] = *states;
        // Written out: the compiler would make a loop of them, and keep the ring in memory.
        macro_rules! rounds {
            ($k:literal, $f:expr, $($t:literal)*) => {$(
                if $t >= 16 {
                    let mixed = words[($t + 13) % 16] ^ words[($t + 8) % 16];
                    let mixed = mixed ^ words[($t + 2) % 16] ^ words[$t % 16];
                    words[$t % 16] = rotate(mixed, 1);
                }
                let next = rotate(a, 5) + $f(b, c, d) + (e + (words[$t % 16] + $k));
                (e, d, c, b, a) = (d, c, rotate(b, 30), a, next);
            )*};
        }
        rounds!(0x5a82_7999, choose, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
        rounds!(0x6ed9_eba1, parity, 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39);
        rounds!(0x8f1b_bcdc, majority, 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59);
        rounds!(0xca62_c1d6, parity, 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79);
        let [s0, s1, s2, s3, s4] = states;
        (*s0, *s1, *s2, *s3, *s4) = (*s0 + a, *s1 + b, *s2 + c, *s3 + d, *s4 + e);
    }
}

/// Every lane rotated to the left.
#[inline(always)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "lanes are shifted by less than 32, and by more than 0"
)]
pub(super) fn rotate<S: Simd>(value: u32x16<S>, left: u32) -> u32x16<S> {
    (value << left) | (value >> (32 - left))
}

/// Ch, Parity and Maj of FIPS 180-4 §4.1.1.
#[inline(always)]
pub(super) fn choose<S: Simd>(x: u32x16<S>, y: u32x16<S>, z: u32x16<S>) -> u32x16<S> {
    z ^ (x & (y ^ z))
}

#[inline(always)]
fn parity<S: Simd>(x: u32x16<S>, y: u32x16<S>, z: u32x16<S>) -> u32x16<S> {
    x ^ y ^ z
}

#[inline(always)]
pub(super) fn majority<S: Simd>(x: u32x16<S>, y: u32x16<S>, z: u32x16<S>) -> u32x16<S> {
    (x & y) | (z & (x | y))
}
