//! HMAC-SHA1 (RFC 2104, FIPS 180-4 §6.1) of up to [`LANES`] messages side by side, in the lanes of
//! vectors. Where the `sha1` crate with one message after another is quicker,
//! [`SideBySide`](super::SideBySide) says so.

use fearless_simd::{Level, Simd, dispatch, prelude::*, u8x64, u32x16};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::LANES;

/// Bytes of a block (FIPS 180-4 §5.2.1).
const BLOCK: usize = 64;
/// Bytes of a digest.
const DIGEST: usize = 20;
/// Bytes that padding adds at least: a one bit, and the length in bits (FIPS 180-4 §5.1.1).
const PADDING: usize = 9;

/// A digest, of zeros, after a block and before nothing: one block with its padding.
const PADDED_DIGEST: [u8; BLOCK] = {
    let [.., high, low] = (BLOCK + DIGEST).wrapping_mul(8).to_be_bytes();
    let mut block = [0; BLOCK];
    (block[DIGEST], block[BLOCK - 2], block[BLOCK - 1]) = (0x80, high, low);
    block
};

/// The initial hash value (FIPS 180-4 §5.3.1).
const INITIAL: State = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

/// The five words of one lane.
type State = [u32; 5];

/// The five words of all lanes.
type States<S> = [u32x16<S>; 5];

/// The two hash states that have taken in the padded key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct LaneHmac {
    inner: State,
    outer: State,
    #[zeroize(skip)]
    level: Level,
}

impl LaneHmac {
    /// Absorbs a key of at most a block; `None` if it is longer.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        let level = Level::new();
        Some(Self {
            inner: absorb(level, key, 0x36)?,
            outer: absorb(level, key, 0x5c)?,
            level,
        })
    }

    /// The check values of the messages; those of lanes that are not used mean nothing.
    pub(crate) fn sum(&self, messages: &[&[u8]; LANES]) -> [[u8; DIGEST]; LANES] {
        let mut digests = [[0; DIGEST]; LANES];
        dispatch!(self.level, simd => hmac(simd, &self.inner, &self.outer, messages, &mut digests));
        digests
    }
}

/// One block of key material on top of the initial value.
fn absorb(level: Level, key: &[u8], pad: u8) -> Option<State> {
    let mut block = Zeroizing::new([pad; BLOCK]);
    block
        .get_mut(..key.len())?
        .iter_mut()
        .zip(key)
        .for_each(|(byte, key)| *byte ^= key);
    let blocks = [&*block; LANES];
    let mut states = [[0; LANES]; 5];
    dispatch!(level, simd => {
        let mut lanes = INITIAL.map(|word| u32x16::splat(simd, word));
        turn(simd, &mut lanes, &blocks);
        states = lanes.map(|lanes| *lanes);
    });
    let state = states.map(|[first, ..]| first);
    states.zeroize();
    Some(state)
}

#[inline(always)]
fn hmac<S: Simd>(
    simd: S,
    inner: &State,
    outer: &State,
    messages: &[&[u8]; LANES],
    digests: &mut [[u8; DIGEST]; LANES],
) {
    let inner = hash(simd, inner, messages);
    let mut blocks = [PADDED_DIGEST; LANES];
    let places = blocks
        .iter_mut()
        .filter_map(|block| block.first_chunk_mut());
    write(&inner, places);
    let mut outer = outer.map(|word| u32x16::splat(simd, word));
    turn(simd, &mut outer, &blocks.each_ref());
    write(&outer, digests.iter_mut());
}

/// The digest of each lane.
#[inline(always)]
fn write<'a, S: Simd>(states: &States<S>, digests: impl Iterator<Item = &'a mut [u8; DIGEST]>) {
    for (lane, digest) in digests.enumerate() {
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(states) {
            *bytes = word.get(lane).copied().unwrap_or(0).to_be_bytes();
        }
    }
}

/// Goes on hashing, from a state that has taken in one block.
#[inline(always)]
fn hash<S: Simd>(simd: S, state: &State, messages: &[&[u8]; LANES]) -> States<S> {
    let mut states = state.map(|word| u32x16::splat(simd, word));
    let bodies = messages.map(|message| message.as_chunks::<BLOCK>());
    let whole = bodies.map(|(blocks, _)| blocks.len());
    let common = whole.into_iter().min().unwrap_or(0);
    for at in 0..common {
        let blocks = bodies.map(|(blocks, _)| blocks.get(at).unwrap_or(&[0; BLOCK]));
        turn(simd, &mut states, &blocks);
    }

    // From here on lanes end one after another, and what has ended must not change any more.
    let mut tails = [[[0; BLOCK]; 2]; LANES];
    let mut ends = [0; LANES];
    for (((tail, end), message), (blocks, rest)) in
        tails.iter_mut().zip(&mut ends).zip(messages).zip(bodies)
    {
        *end = blocks.len().saturating_add(pad(tail, rest, message.len()));
    }
    let last = ends.into_iter().max().unwrap_or(0);
    for at in common..last {
        let mut blocks = [&[0; BLOCK]; LANES];
        for ((block, (body, _)), tail) in blocks.iter_mut().zip(&bodies).zip(&tails) {
            let beyond = at.saturating_sub(body.len());
            *block = body
                .get(at)
                .or_else(|| tail.get(beyond))
                .unwrap_or(&[0; BLOCK]);
        }
        let before = states;
        turn(simd, &mut states, &blocks);
        let running = ends.map(|end| if at < end { u32::MAX } else { 0 });
        let running: u32x16<S> = running.simd_into(simd);
        for (state, before) in states.iter_mut().zip(before) {
            *state = (*state & running) | (before & !running);
        }
    }
    states
}

/// Hashes a block of each lane: in one place for each kind of vectors, since it is long.
#[inline(always)]
fn turn<S: Simd>(simd: S, states: &mut States<S>, blocks: &[&[u8; BLOCK]; LANES]) {
    simd.vectorize(
        #[inline(always)]
        || compress(states, load(simd, *blocks)),
    );
}

/// The last one or two blocks of a message of `length` bytes that ends in `rest`; how many.
fn pad(tail: &mut [[u8; BLOCK]; 2], rest: &[u8], length: usize) -> usize {
    let fits_one = rest.len().saturating_add(PADDING) <= BLOCK;
    let bits = length.saturating_add(BLOCK).saturating_mul(8);
    let bytes = tail.as_flattened_mut();
    if let Some((body, after)) = bytes.split_at_mut_checked(rest.len()) {
        body.copy_from_slice(rest);
        if let Some(first) = after.first_mut() {
            *first = 0x80;
        }
    }
    let [first, second] = tail;
    let (last, blocks) = if fits_one { (first, 1) } else { (second, 2) };
    if let Some(count) = last.last_chunk_mut::<8>() {
        *count = u64::try_from(bits).unwrap_or(u64::MAX).to_be_bytes();
    }
    blocks
}

/// The order of the bytes of a register whose words are turned from big to little endian: within
/// each block of 16 bytes, as the instruction counts them.
const TURNED: [[u8; 16]; 4] = [[3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12]; 4];

/// Word t of every lane's block, for all t.
///
/// The blocks are the rows of a square, and its columns are wanted. Four times row n is interleaved
/// with row n + 8: that moves the upper half of a word's coordinates, a bit at a time, from the
/// row to the column. No closures here: what is called through one is not compiled for vectors.
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "constant indices below 16, unrolled"
)]
fn load<S: Simd>(simd: S, blocks: [&[u8; BLOCK]; LANES]) -> [u32x16<S>; 16] {
    let order: u8x64<S> = u8x64::from_slice(simd, TURNED.as_flattened());
    let mut rows = [u32x16::splat(simd, 0); 16];
    for at in 0..16 {
        let bytes: u8x64<S> = u8x64::load_array_ref(simd, blocks[at]);
        rows[at] = bytes.swizzle_dyn_within_blocks(order).bitcast();
    }
    for _ in 0..4 {
        let before = rows;
        for at in 0..8 {
            (rows[2 * at], rows[2 * at + 1]) = before[at].interleave(before[at + 8]);
        }
    }
    rows
}

#[inline(always)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "lanes are shifted by 1, 5 or 30"
)]
fn rotate<S: Simd>(value: u32x16<S>, left: u32) -> u32x16<S> {
    (value << left) | (value >> (32 - left))
}

/// FIPS 180-4 §6.1.2 in all lanes, with the message schedule of §6.1.3 in a ring.
#[inline(always)]
#[expect(clippy::arithmetic_side_effects, reason = "lanes add modulo 2^32")]
fn compress<S: Simd>(states: &mut States<S>, mut words: [u32x16<S>; 16]) {
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

/// Ch, Parity and Maj of FIPS 180-4 §4.1.1.
#[inline(always)]
fn choose<S: Simd>(x: u32x16<S>, y: u32x16<S>, z: u32x16<S>) -> u32x16<S> {
    z ^ (x & (y ^ z))
}

#[inline(always)]
fn parity<S: Simd>(x: u32x16<S>, y: u32x16<S>, z: u32x16<S>) -> u32x16<S> {
    x ^ y ^ z
}

#[inline(always)]
fn majority<S: Simd>(x: u32x16<S>, y: u32x16<S>, z: u32x16<S>) -> u32x16<S> {
    (x & y) | (z & (x | y))
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;

    use super::*;

    fn reference(key: &[u8], message: &[u8]) -> [u8; DIGEST] {
        let state = <Hmac<sha1::Sha1> as KeyInit>::new_from_slice(key).unwrap();
        state.chain_update(message).finalize().into_bytes().into()
    }

    #[test]
    fn every_length_up_to_three_blocks() {
        let key = [0x0b; 20];
        let text: Vec<u8> = (0..=255).collect();
        for start in (0..=192).step_by(LANES) {
            let messages = std::array::from_fn(|lane| &text[..start + lane]);
            let sums = LaneHmac::new(&key).unwrap().sum(&messages);
            for (message, sum) in messages.iter().zip(sums) {
                assert_eq!(sum, reference(&key, message), "{} bytes", message.len());
            }
        }
    }

    proptest! {
        #[test]
        fn lanes_of_any_lengths_are_what_the_library_says(
            key in proptest::collection::vec(any::<u8>(), 20),
            messages in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..400), LANES),
        ) {
            let slices = std::array::from_fn(|lane| messages[lane].as_slice());
            let sums = LaneHmac::new(&key).unwrap().sum(&slices);
            for (message, sum) in messages.iter().zip(sums) {
                prop_assert_eq!(sum, reference(&key, message));
            }
        }
    }
}
