//! HMAC (RFC 2104) of up to [`LANES`] messages side by side, in the lanes of vectors, over the hashes
//! of FIPS 180-4 whose words have 32 bits. Where one message after another is quicker,
//! [`SideBySide`](super::SideBySide) says so.

use std::marker::PhantomData;

use fearless_simd::{Simd, prelude::*, u8x64, u32x16};
use zeroize::{Zeroize, Zeroizing};

use super::LANES;
use super::wide::{Wide, on_wide};

/// Bytes of a block (FIPS 180-4 §5.2.1).
const BLOCK: usize = 64;
/// Bytes that padding adds at least: a one bit, and the length in bits (FIPS 180-4 §5.1.1).
const PADDING: usize = 9;

/// A hash with a state, and so a digest, of so many words.
pub(crate) trait Hash<const WORDS: usize> {
    /// The initial hash value (FIPS 180-4 §5.3).
    const INITIAL: [u32; WORDS];

    /// Takes in a block of each lane: word t of all of them, for all t.
    fn compress<S: Simd>(states: &mut [u32x16<S>; WORDS], words: [u32x16<S>; 16]);
}

/// A digest, word by word.
pub(crate) type Digest<const WORDS: usize> = [[u8; 4]; WORDS];

/// The two hash states that have taken in the padded key.
pub(crate) struct LaneHmac<H, const WORDS: usize> {
    inner: [u32; WORDS],
    outer: [u32; WORDS],
    wide: Wide,
    hash: PhantomData<H>,
}

impl<H: Hash<WORDS>, const WORDS: usize> LaneHmac<H, WORDS> {
    /// A digest, of zeros, after a block and before nothing: one block with its padding.
    #[expect(clippy::indexing_slicing, reason = "a constant: it would not compile")]
    const PADDED_DIGEST: [u8; BLOCK] = {
        let length = 4 * WORDS;
        let [.., high, low] = (BLOCK + length).wrapping_mul(8).to_be_bytes();
        let mut block = [0; BLOCK];
        (block[length], block[BLOCK - 2], block[BLOCK - 1]) = (0x80, high, low);
        block
    };

    /// Absorbs a key of at most a block; `None` if it is longer, or this processor has no vectors
    /// for it.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        let wide = Wide::new()?;
        Some(Self {
            inner: absorb::<H, WORDS>(wide, key, 0x36)?,
            outer: absorb::<H, WORDS>(wide, key, 0x5c)?,
            wide,
            hash: PhantomData,
        })
    }

    /// The check values of the messages; those of lanes that are not used mean nothing.
    pub(crate) fn sum(&self, messages: &[&[u8]; LANES]) -> [Digest<WORDS>; LANES] {
        let mut digests = [[[0; 4]; WORDS]; LANES];
        on_wide!(self.wide, simd => self.sum_on(simd, messages, &mut digests));
        digests
    }

    #[inline(always)]
    fn sum_on<S: Simd>(
        &self,
        simd: S,
        messages: &[&[u8]; LANES],
        digests: &mut [Digest<WORDS>; LANES],
    ) {
        let inner = digest::<S, H, WORDS>(simd, &self.inner, messages);
        let mut blocks = [Self::PADDED_DIGEST; LANES];
        let places = blocks
            .iter_mut()
            .filter_map(|block| block.as_chunks_mut().0.first_chunk_mut());
        write(&inner, places);
        let mut outer = self.outer.map(|word| u32x16::splat(simd, word));
        turn::<S, H, WORDS>(simd, &mut outer, &blocks.each_ref());
        write(&outer, digests.iter_mut());
    }
}

impl<H, const WORDS: usize> Drop for LaneHmac<H, WORDS> {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// One block of key material on top of the initial value.
fn absorb<H: Hash<WORDS>, const WORDS: usize>(
    wide: Wide,
    key: &[u8],
    pad: u8,
) -> Option<[u32; WORDS]> {
    let mut block = Zeroizing::new([pad; BLOCK]);
    block
        .get_mut(..key.len())?
        .iter_mut()
        .zip(key)
        .for_each(|(byte, key)| *byte ^= key);
    let blocks = [&*block; LANES];
    let mut states = [[0; LANES]; WORDS];
    on_wide!(wide, simd => {
        let mut lanes = H::INITIAL.map(|word| u32x16::splat(simd, word));
        turn::<_, H, WORDS>(simd, &mut lanes, &blocks);
        states = lanes.map(|lanes| *lanes);
    });
    let state = states.map(|[first, ..]| first);
    states.zeroize();
    Some(state)
}

/// The digest of each lane.
#[inline(always)]
fn write<'a, S: Simd, const WORDS: usize>(
    states: &[u32x16<S>; WORDS],
    digests: impl Iterator<Item = &'a mut Digest<WORDS>>,
) {
    for (lane, digest) in digests.enumerate() {
        for (bytes, word) in digest.iter_mut().zip(states) {
            *bytes = word.get(lane).copied().unwrap_or(0).to_be_bytes();
        }
    }
}

/// Goes on hashing, from a state that has taken in one block.
#[inline(always)]
fn digest<S: Simd, H: Hash<WORDS>, const WORDS: usize>(
    simd: S,
    state: &[u32; WORDS],
    messages: &[&[u8]; LANES],
) -> [u32x16<S>; WORDS] {
    let mut states = state.map(|word| u32x16::splat(simd, word));
    let bodies = messages.map(|message| message.as_chunks::<BLOCK>());
    let whole = bodies.map(|(blocks, _)| blocks.len());
    let common = whole.into_iter().min().unwrap_or(0);
    for at in 0..common {
        let blocks = bodies.map(|(blocks, _)| blocks.get(at).unwrap_or(&[0; BLOCK]));
        turn::<S, H, WORDS>(simd, &mut states, &blocks);
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
        turn::<S, H, WORDS>(simd, &mut states, &blocks);
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
fn turn<S: Simd, H: Hash<WORDS>, const WORDS: usize>(
    simd: S,
    states: &mut [u32x16<S>; WORDS],
    blocks: &[&[u8; BLOCK]; LANES],
) {
    simd.vectorize(
        #[inline(always)]
        || H::compress(states, load(simd, *blocks)),
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

#[cfg(test)]
mod tests {
    use hmac::digest::block_api::EagerHash;
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;

    use super::*;
    use crate::lanes::{sha1, sha256};

    /// Whether every lane says what the library says; where there are no lanes, nothing disagrees.
    fn agree<H: Hash<WORDS>, L: EagerHash, const WORDS: usize>(
        key: &[u8],
        messages: &[&[u8]; LANES],
    ) -> bool {
        let Some(lanes) = LaneHmac::<H, WORDS>::new(key) else {
            assert!(Wide::new().is_none());
            println!("skipped: this processor has no such vectors");
            return true;
        };
        let sums = lanes.sum(messages);
        messages.iter().zip(sums).all(|(message, sum)| {
            let state = <Hmac<L> as KeyInit>::new_from_slice(key).unwrap();
            let expected = state.chain_update(message).finalize().into_bytes();
            sum.as_flattened() == &expected[..]
        })
    }

    fn all_agree(key: &[u8], messages: &[&[u8]; LANES]) -> [bool; 2] {
        [
            agree::<sha1::Sha1, ::sha1::Sha1, 5>(key, messages),
            agree::<sha256::Sha256, sha2::Sha256, 8>(key, messages),
        ]
    }

    #[test]
    fn every_length_up_to_three_blocks() {
        let text: Vec<u8> = (0..=255).collect();
        for start in (0..=192).step_by(LANES) {
            let messages = std::array::from_fn(|lane| &text[..start + lane]);
            assert_eq!(all_agree(&[0x0b; 20], &messages), [true; 2], "{start}");
        }
    }

    proptest! {
        #[test]
        fn lanes_of_any_lengths_are_what_the_library_says(
            key in proptest::collection::vec(any::<u8>(), 0..=64),
            messages in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..400), LANES),
        ) {
            let slices = std::array::from_fn(|lane| messages[lane].as_slice());
            prop_assert_eq!(all_agree(&key, &slices), [true; 2]);
        }
    }
}
