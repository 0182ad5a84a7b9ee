//! The rounds of SHA-256 (FIPS 180-4 §6.2), of a block of each lane.

use fearless_simd::{Simd, u32x16};

use super::hmac::Hash;
use super::sha1::{choose, majority, rotate};

/// SHA-256 in lanes.
pub(crate) struct Sha256;

impl Hash<8> for Sha256 {
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    /// FIPS 180-4 §6.2.2 in all lanes, with the message schedule in a ring.
    #[inline(always)]
    #[expect(clippy::arithmetic_side_effects, reason = "lanes add modulo 2^32")]
    fn compress<S: Simd>(states: &mut [u32x16<S>; 8], mut words: [u32x16<S>; 16]) {
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *states;
        // Written out: the compiler would make a loop of them, and keep the ring in memory.
        macro_rules! rounds {
            ($($t:literal: $k:literal,)*) => {$(
                if $t >= 16 {
                    let (old, new) = (words[($t + 1) % 16], words[($t + 14) % 16]);
                    let old = rotate(old, 32 - 7) ^ rotate(old, 32 - 18) ^ (old >> 3);
                    let new = rotate(new, 32 - 17) ^ rotate(new, 32 - 19) ^ (new >> 10);
                    words[$t % 16] = words[$t % 16] + old + (words[($t + 9) % 16] + new);
                }
                let upper = rotate(e, 32 - 6) ^ rotate(e, 32 - 11) ^ rotate(e, 32 - 25);
                let lower = rotate(a, 32 - 2) ^ rotate(a, 32 - 13) ^ rotate(a, 32 - 22);
                let first = h + (words[$t % 16] + $k) + choose(e, f, g) + upper;
                let second = lower + majority(a, b, c);
                (h, g, f, e, d, c, b, a) = (g, f, e, d + first, c, b, a, first + second);
            )*};
        }
        rounds! {
            0: 0x428a_2f98, 1: 0x7137_4491, 2: 0xb5c0_fbcf, 3: 0xe9b5_dba5,
            4: 0x3956_c25b, 5: 0x59f1_11f1, 6: 0x923f_82a4, 7: 0xab1c_5ed5,
            8: 0xd807_aa98, 9: 0x1283_5b01, 10: 0x2431_85be, 11: 0x550c_7dc3,
            12: 0x72be_5d74, 13: 0x80de_b1fe, 14: 0x9bdc_06a7, 15: 0xc19b_f174,
            16: 0xe49b_69c1, 17: 0xefbe_4786, 18: 0x0fc1_9dc6, 19: 0x240c_a1cc,
            20: 0x2de9_2c6f, 21: 0x4a74_84aa, 22: 0x5cb0_a9dc, 23: 0x76f9_88da,
            24: 0x983e_5152, 25: 0xa831_c66d, 26: 0xb003_27c8, 27: 0xbf59_7fc7,
            28: 0xc6e0_0bf3, 29: 0xd5a7_9147, 30: 0x06ca_6351, 31: 0x1429_2967,
            32: 0x27b7_0a85, 33: 0x2e1b_2138, 34: 0x4d2c_6dfc, 35: 0x5338_0d13,
            36: 0x650a_7354, 37: 0x766a_0abb, 38: 0x81c2_c92e, 39: 0x9272_2c85,
            40: 0xa2bf_e8a1, 41: 0xa81a_664b, 42: 0xc24b_8b70, 43: 0xc76c_51a3,
            44: 0xd192_e819, 45: 0xd699_0624, 46: 0xf40e_3585, 47: 0x106a_a070,
            48: 0x19a4_c116, 49: 0x1e37_6c08, 50: 0x2748_774c, 51: 0x34b0_bcb5,
            52: 0x391c_0cb3, 53: 0x4ed8_aa4a, 54: 0x5b9c_ca4f, 55: 0x682e_6ff3,
            56: 0x748f_82ee, 57: 0x78a5_636f, 58: 0x84c8_7814, 59: 0x8cc7_0208,
            60: 0x90be_fffa, 61: 0xa450_6ceb, 62: 0xbef9_a3f7, 63: 0xc671_78f2,
        }
        for (state, word) in states.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *state += word;
        }
    }
}
