//! AES-CBC in registers of 512 bits, four blocks in each, on processors that have VAES.
//!
//! The `aes` crate uses such registers for 64 blocks that do not wait for each other: more than
//! there are packets to be encrypted side by side, and more than is left at the end of one to be
//! decrypted. Here a register takes a block of each of four packets, or four blocks of one.

use core::arch::x86_64::{
    __m128i, __m512i, _mm_aesimc_si128, _mm_aeskeygenassist_si128, _mm_cvtsi128_si32,
    _mm_extract_epi32, _mm_set1_epi32, _mm512_aesdec_epi128, _mm512_aesdeclast_epi128,
    _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_alignr_epi64, _mm512_broadcast_i32x4,
    _mm512_castsi512_si128, _mm512_extracti32x4_epi32, _mm512_inserti32x4, _mm512_setzero_si512,
    _mm512_xor_si512, _mm512_zextsi128_si512,
};
use std::array;
use std::cmp::Reverse;

use fearless_simd::{Avx512, Level, kernel, prelude::*, u8x16, u8x64};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::LANES;
use crate::cipher::LengthError;

/// A block, in memory.
type Block = [u8; 16];

/// Blocks of a register.
const WIDTH: usize = 4;
/// Registers at a time: enough that none of them waits for what the processor does with it.
const DEPTH: usize = LANES / WIDTH;
/// Round keys of a key of 256 bits, which has the most.
const MOST_KEYS: usize = 15;
/// Blocks of each packet at a time.
const RUN: usize = 8;

/// Encrypts.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Encrypt(Schedule);

impl Encrypt {
    /// `None` where the processor cannot, and for a key that none of AES is as long as.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        Schedule::new(key).map(Self)
    }

    /// As [`super::cbc::encrypt`].
    pub(crate) fn encrypt(&self, packets: &mut [&mut [u8]]) -> Result<(), LengthError> {
        packets.sort_unstable_by_key(|packet| Reverse(packet.len()));
        let mut lanes: [&mut [Block]; LANES] = array::from_fn(|_| &mut [][..]);
        let lanes = lanes.get_mut(..packets.len()).ok_or(LengthError)?;
        for (lane, packet) in lanes.iter_mut().zip(packets) {
            *lane = whole(packet)?;
        }
        encrypt(self.0.simd, self.0.keys(), lanes);
        Ok(())
    }
}

/// Decrypts.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Decrypt(Schedule);

impl Decrypt {
    /// `None` where the processor cannot, and for a key that none of AES is as long as.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        let mut schedule = Schedule::new(key)?;
        let simd = schedule.simd;
        invert(simd, schedule.keys.get_mut(..schedule.count)?);
        Some(Self(schedule))
    }

    /// As [`super::cbc::decrypt`].
    pub(crate) fn decrypt(&self, packets: &mut [&mut [u8]]) -> Result<(), LengthError> {
        for packet in packets {
            let [vector, blocks @ ..] = whole(packet)? else {
                return Err(LengthError);
            };
            decrypt(self.0.simd, self.0.keys(), vector, blocks);
        }
        Ok(())
    }
}

fn whole(packet: &mut [u8]) -> Result<&mut [Block], LengthError> {
    match packet.as_chunks_mut() {
        (blocks, []) => Ok(blocks),
        _ => Err(LengthError),
    }
}

/// The round keys, in the order in which they are used.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Schedule {
    keys: [Block; MOST_KEYS],
    count: usize,
    #[zeroize(skip)]
    simd: Avx512,
}

impl Schedule {
    fn new(key: &[u8]) -> Option<Self> {
        let mut schedule = Self {
            keys: [[0; 16]; MOST_KEYS],
            // FIPS 197 §5: of so many rounds, and one more.
            count: match key.len() {
                16 => 11,
                24 => 13,
                32 => 15,
                _ => return None,
            },
            simd: Level::new().as_avx512()?,
        };
        expand(schedule.simd, key, schedule.keys.get_mut(..schedule.count)?);
        Some(schedule)
    }

    fn keys(&self) -> &[Block] {
        self.keys.get(..self.count).unwrap_or_default()
    }
}

kernel!(
    /// KeyExpansion (FIPS 197 §5.2).
    fn expand(_simd: Avx512, key: &[u8], keys: &mut [Block]) {
        let words = keys.as_flattened_mut().as_chunks_mut::<4>().0;
        let length = key.len().wrapping_div(4);
        for (word, bytes) in words.iter_mut().zip(key.as_chunks().0) {
            *word = *bytes;
        }
        let mut constant = 1_u8;
        for at in length..words.len() {
            let (before, after) = words.split_at_mut(at);
            let earlier = at.checked_sub(length).and_then(|at| before.get(at));
            let (Some(earlier), Some(last), Some(next)) =
                (earlier, before.last(), after.first_mut())
            else {
                return;
            };
            let last = u32::from_le_bytes(*last);
            // The lowest word substituted, the next one substituted and rotated.
            let both = _mm_aeskeygenassist_si128::<0>(_mm_set1_epi32(last.cast_signed()));
            let mixed = match at.checked_rem(length) {
                Some(0) => {
                    let mixed = _mm_extract_epi32::<1>(both) ^ i32::from(constant);
                    // Times two, modulo the polynomial of the field.
                    constant = constant.wrapping_shl(1) ^ if constant < 0x80 { 0 } else { 0x1b };
                    mixed.cast_unsigned()
                }
                Some(4) if length > 6 => _mm_cvtsi128_si32(both).cast_unsigned(),
                _ => last,
            };
            *next = (u32::from_le_bytes(*earlier) ^ mixed).to_le_bytes();
        }
    }
);

kernel!(
    /// Turns the round keys into those of the equivalent inverse cipher (FIPS 197 §5.3.5).
    fn invert(simd: Avx512, keys: &mut [Block]) {
        keys.reverse();
        if let [_, keys @ .., _] = keys {
            for key in keys {
                put(simd, _mm_aesimc_si128(get(simd, key)), key);
            }
        }
    }
);

kernel!(
    /// Encrypts packets, the longest first.
    fn encrypt(simd: Avx512, keys: &[Block], packets: &mut [&mut [Block]]) {
        // What each block is mixed with.
        let [mut w, mut x, mut y, mut z] = [_mm512_setzero_si512(); DEPTH];
        let mut begin = 0;
        loop {
            // As far as the shortest of those that have not ended, which are in front.
            let running = packets.partition_point(|packet| packet.len() > begin);
            let packets = packets.get_mut(..running).unwrap_or_default();
            let Some(end) = packets.last().map(|packet| packet.len()) else {
                return;
            };
            let registers = running.div_ceil(WIDTH);
            if end.saturating_sub(begin) >= RUN {
                let mut spare = [[[0; 16]; RUN]; LANES];
                while end.saturating_sub(begin) >= RUN {
                    let spare = &mut spare;
                    match registers {
                        1 => [w] = chained(simd, keys, [w], packets, begin, spare),
                        2 => [w, x] = chained(simd, keys, [w, x], packets, begin, spare),
                        3 => [w, x, y] = chained(simd, keys, [w, x, y], packets, begin, spare),
                        _ => {
                            let chain = [w, x, y, z];
                            [w, x, y, z] = chained(simd, keys, chain, packets, begin, spare);
                        }
                    }
                    begin = begin.saturating_add(RUN);
                }
            }
            let mut spare = [[[0; 16]; 1]; LANES];
            while begin < end {
                match registers {
                    1 => [w] = chained(simd, keys, [w], packets, begin, &mut spare),
                    _ => {
                        let chain = [w, x, y, z];
                        [w, x, y, z] = chained(simd, keys, chain, packets, begin, &mut spare);
                    }
                }
                begin = begin.saturating_add(1);
            }
        }
    }
);

/// Encrypts blocks of each packet from `begin` on, as many as there are in a place of `spare`, which
/// is for packets that are not there. Returns what the next block is mixed with.
#[target_feature(enable = "avx512f,vaes")]
#[inline]
fn chained<const REGISTERS: usize, const RUN: usize>(
    simd: Avx512,
    keys: &[Block],
    mut chain: [__m512i; REGISTERS],
    packets: &mut [&mut [Block]],
    begin: usize,
    spare: &mut [[Block; RUN]; LANES],
) -> [__m512i; REGISTERS] {
    let mut lanes = spare.each_mut();
    for (lane, packet) in lanes.iter_mut().zip(packets) {
        let blocks = packet.get_mut(begin..).unwrap_or_default();
        if let Some(blocks) = blocks.first_chunk_mut() {
            *lane = blocks;
        }
    }
    let Some(lanes) = lanes.as_chunks_mut::<WIDTH>().0.first_chunk_mut() else {
        return chain;
    };
    let lanes: &mut [_; REGISTERS] = lanes;
    for at in 0..RUN {
        for (register, lanes) in chain.iter_mut().zip(&*lanes) {
            let plain = lanes
                .each_ref()
                .map(|lane| lane.get(at).unwrap_or(&[0; 16]));
            *register = _mm512_xor_si512(*register, gather(simd, plain));
        }
        rounds(simd, keys, &mut chain, false);
        for (register, lanes) in chain.iter().zip(&mut *lanes) {
            for (lane, part) in lanes.iter_mut().zip(parts(*register)) {
                if let Some(block) = lane.get_mut(at) {
                    put(simd, part, block);
                }
            }
        }
    }
    chain
}

kernel!(
    fn decrypt(simd: Avx512, keys: &[Block], vector: &Block, blocks: &mut [Block]) {
        // Its last block is the one before.
        let mut before = gather(simd, [vector; WIDTH]);
        let (deep, rest) = blocks.as_chunks_mut::<{ DEPTH * WIDTH }>();
        for blocks in deep {
            let mut registers = [_mm512_setzero_si512(); DEPTH];
            let mut chain = registers;
            let sealed = blocks.as_chunks::<WIDTH>().0;
            for ((register, chain), blocks) in registers.iter_mut().zip(&mut chain).zip(sealed) {
                *register = get_four(simd, blocks);
                *chain = _mm512_alignr_epi64::<6>(*register, before);
                before = *register;
            }
            rounds(simd, keys, &mut registers, true);
            let opened = blocks.as_chunks_mut::<WIDTH>().0;
            for ((register, chain), blocks) in registers.iter().zip(&chain).zip(opened) {
                put_four(simd, _mm512_xor_si512(*register, *chain), blocks);
            }
        }
        for blocks in rest.chunks_mut(WIDTH) {
            let sealed = array::from_fn(|at| blocks.get(at).unwrap_or(&[0; 16]));
            let mut registers = [gather(simd, sealed)];
            let [register] = registers;
            let chain = _mm512_alignr_epi64::<6>(register, before);
            before = register;
            rounds(simd, keys, &mut registers, true);
            let [register] = registers;
            let opened = parts(_mm512_xor_si512(register, chain));
            for (block, part) in blocks.iter_mut().zip(opened) {
                put(simd, part, block);
            }
        }
    }
);

/// Cipher, or EqInvCipher (FIPS 197 §5.1, §5.3.5). The keys stay in memory: they are read while the
/// processor works.
#[target_feature(enable = "avx512f,vaes")]
#[inline]
fn rounds<const REGISTERS: usize>(
    simd: Avx512,
    keys: &[Block],
    registers: &mut [__m512i; REGISTERS],
    inverse: bool,
) {
    let [first, middle @ .., last] = keys else {
        return;
    };
    let key = everywhere(simd, first);
    for register in &mut *registers {
        *register = _mm512_xor_si512(*register, key);
    }
    for key in middle {
        let key = everywhere(simd, key);
        for register in &mut *registers {
            *register = if inverse {
                _mm512_aesdec_epi128(*register, key)
            } else {
                _mm512_aesenc_epi128(*register, key)
            };
        }
    }
    let key = everywhere(simd, last);
    for register in registers {
        *register = if inverse {
            _mm512_aesdeclast_epi128(*register, key)
        } else {
            _mm512_aesenclast_epi128(*register, key)
        };
    }
}

/// Blocks from several places.
#[target_feature(enable = "avx512f")]
#[inline]
fn gather(simd: Avx512, blocks: [&Block; WIDTH]) -> __m512i {
    let [a, b, c, d] = blocks.map(|block| get(simd, block));
    let register = _mm512_inserti32x4::<1>(_mm512_zextsi128_si512(a), b);
    _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(register, c), d)
}

/// The blocks of a register.
#[target_feature(enable = "avx512f")]
#[inline]
fn parts(register: __m512i) -> [__m128i; WIDTH] {
    [
        _mm512_castsi512_si128(register),
        _mm512_extracti32x4_epi32::<1>(register),
        _mm512_extracti32x4_epi32::<2>(register),
        _mm512_extracti32x4_epi32::<3>(register),
    ]
}

#[target_feature(enable = "avx512f")]
#[inline]
fn everywhere(simd: Avx512, block: &Block) -> __m512i {
    _mm512_broadcast_i32x4(get(simd, block))
}

#[inline(always)]
fn get(simd: Avx512, block: &Block) -> __m128i {
    let bytes: u8x16<Avx512> = u8x16::load_array_ref(simd, block);
    bytes.into()
}

#[inline(always)]
fn put(simd: Avx512, register: __m128i, block: &mut Block) {
    let bytes: u8x16<Avx512> = register.simd_into(simd);
    bytes.store_array(block);
}

#[inline(always)]
fn get_four(simd: Avx512, blocks: &[Block; WIDTH]) -> __m512i {
    let bytes: u8x64<Avx512> = u8x64::from_slice(simd, blocks.as_flattened());
    bytes.into()
}

#[inline(always)]
fn put_four(simd: Avx512, register: __m512i, blocks: &mut [Block; WIDTH]) {
    let bytes: u8x64<Avx512> = register.simd_into(simd);
    bytes.store_slice(blocks.as_flattened_mut());
}
