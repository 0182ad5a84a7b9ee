//! CBC (NIST SP 800-38A §6.2) of several packets: encryption side by side, and decryption, whose
//! blocks do not wait for each other anyway, with the cipher set up once for all of them.

use std::marker::PhantomData;

use cipher::array::{Array, ArraySize};
use cipher::{
    BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncBackend,
    BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser,
};

use super::LANES;
use crate::cipher::{LengthError, number};

/// One packet among several.
#[derive(Debug, Default)]
pub(crate) struct Lane<'a> {
    /// Its number, of which the vector is made.
    pub(crate) sequence: u32,
    /// Room for the vector.
    pub(crate) iv: &'a mut [u8],
    /// Whole blocks.
    pub(crate) body: &'a mut [u8],
}

/// Writes the vectors of at most [`LANES`] packets and encrypts their bodies.
pub(crate) fn encrypt<C: BlockCipherEncrypt>(
    cipher: &C,
    lanes: &mut [Lane<'_>],
) -> Result<(), LengthError> {
    // The long ones in front: what still runs is then always at the beginning.
    lanes.sort_unstable_by_key(|lane| std::cmp::Reverse(lane.body.len()));
    let mut chain: [Array<u8, C::BlockSize>; LANES] = std::array::from_fn(|_| Array::default());
    let mut bodies: [&mut [Array<u8, C::BlockSize>]; LANES] = std::array::from_fn(|_| &mut [][..]);
    let count = lanes.len();
    let chain = chain.get_mut(..count).ok_or(LengthError)?;
    for (block, lane) in chain.iter_mut().zip(&*lanes) {
        number(block, lane.sequence)?;
    }
    cipher.encrypt_blocks(chain);
    for ((block, body), lane) in chain.iter().zip(&mut bodies).zip(lanes) {
        let iv = <&mut Array<u8, C::BlockSize>>::try_from(&mut *lane.iv);
        iv.map_err(|_| LengthError)?.clone_from(block);
        let (blocks, []) = Array::slice_as_chunks_mut(lane.body) else {
            return Err(LengthError);
        };
        *body = blocks;
    }
    // Inside, the cipher's instructions are inlined: without a call for every step, the chains
    // overlap as far as the processor can look ahead.
    cipher.encrypt_with_backend(Lockstep {
        chain,
        bodies: &mut bodies,
    });
    Ok(())
}

/// The work, for whatever instructions the cipher has chosen.
struct Lockstep<'a, 'b, B: ArraySize> {
    /// The ciphertext before, of each lane.
    chain: &'a mut [Array<u8, B>],
    /// The longest first.
    bodies: &'a mut [&'b mut [Array<u8, B>]],
}

impl<B: ArraySize> BlockSizeUser for Lockstep<'_, '_, B> {
    type BlockSize = B;
}

impl<B: ArraySize> BlockCipherEncClosure for Lockstep<'_, '_, B> {
    #[inline(always)]
    fn call<E: BlockCipherEncBackend<BlockSize = B>>(self, backend: &E) {
        let longest = self.bodies.first().map_or(0, |body| body.len());
        for at in 0..longest {
            for (chain, body) in self.chain.iter_mut().zip(self.bodies.iter_mut()) {
                let Some(block) = body.get_mut(at) else { break };
                // In a variable of its own, which lives in a register: written back byte by byte
                // and read as a whole, it would make every lane wait for the one before.
                let mut mixed = block.clone();
                mix(&mut mixed, chain);
                backend.encrypt_block_inplace(&mut mixed);
                chain.clone_from(&mixed);
                *block = mixed;
            }
        }
    }
}

/// A packet to be decrypted.
#[derive(Debug, Default)]
pub(crate) struct Received<'a> {
    /// Its vector.
    pub(crate) iv: &'a [u8],
    /// Whole blocks.
    pub(crate) body: &'a mut [u8],
}

/// Decrypts the bodies of packets.
pub(crate) fn decrypt<C: BlockCipherDecrypt>(
    cipher: &C,
    packets: &mut [Received<'_>],
) -> Result<(), LengthError> {
    let mut wrong = false;
    cipher.decrypt_with_backend(Unchain {
        packets,
        wrong: &mut wrong,
        cipher: PhantomData::<C>,
    });
    if wrong { Err(LengthError) } else { Ok(()) }
}

/// The work, for whatever instructions the cipher has chosen.
struct Unchain<'a, 'b, C> {
    packets: &'a mut [Received<'b>],
    /// Set if something did not have the length it should have.
    wrong: &'a mut bool,
    cipher: PhantomData<C>,
}

impl<C: BlockSizeUser> BlockSizeUser for Unchain<'_, '_, C> {
    type BlockSize = C::BlockSize;
}

impl<C: BlockSizeUser> BlockCipherDecClosure for Unchain<'_, '_, C> {
    #[inline(always)]
    fn call<E: BlockCipherDecBackend<BlockSize = C::BlockSize>>(self, backend: &E) {
        for Received { iv, body } in self.packets {
            let vector = <&Array<u8, C::BlockSize>>::try_from(*iv);
            let (Ok(vector), (blocks, [])) = (vector, Array::slice_as_chunks_mut(body)) else {
                *self.wrong = true;
                continue;
            };
            let mut before = vector.clone();
            let (wide, rest) = Array::<_, E::ParBlocksSize>::slice_as_chunks_mut(blocks);
            for blocks in wide {
                let sealed = blocks.clone();
                backend.decrypt_par_blocks_inplace(blocks);
                if let ([first, others @ ..], [.., last]) = (blocks.as_mut_slice(), &*sealed) {
                    mix(first, &before);
                    others
                        .iter_mut()
                        .zip(&sealed)
                        .for_each(|(to, from)| mix(to, from));
                    before.clone_from(last);
                }
            }
            for block in rest {
                // In variables of their own, see above.
                let sealed = block.clone();
                let mut opened = sealed.clone();
                backend.decrypt_block_inplace(&mut opened);
                mix(&mut opened, &before);
                *block = opened;
                before = sealed;
            }
        }
    }
}

#[inline(always)]
fn mix<B: ArraySize>(to: &mut Array<u8, B>, from: &Array<u8, B>) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to ^= from);
}
