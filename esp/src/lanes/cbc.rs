//! CBC (NIST SP 800-38A §6.2) of several packets: encryption side by side, and decryption, whose
//! blocks do not wait for each other anyway, with the cipher set up once for all of them.

use std::marker::PhantomData;

use cipher::array::{Array, ArraySize};
use cipher::{
    BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncBackend,
    BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser,
};

use super::LANES;
use crate::cipher::LengthError;

/// Encrypts at most [`LANES`] packets, whole blocks each. What their first blocks become is
/// their vectors: they are chained to nothing.
pub(crate) fn encrypt<C: BlockCipherEncrypt>(
    cipher: &C,
    packets: &mut [&mut [u8]],
) -> Result<(), LengthError> {
    // The long ones in front: what still runs is then always at the beginning.
    packets.sort_unstable_by_key(|packet| std::cmp::Reverse(packet.len()));
    let mut chain: [Array<u8, C::BlockSize>; LANES] = std::array::from_fn(|_| Array::default());
    let mut lanes: [&mut [Array<u8, C::BlockSize>]; LANES] = std::array::from_fn(|_| &mut [][..]);
    let chain = chain.get_mut(..packets.len()).ok_or(LengthError)?;
    for (lane, packet) in lanes.iter_mut().zip(packets) {
        let (blocks, []) = Array::slice_as_chunks_mut(packet) else {
            return Err(LengthError);
        };
        *lane = blocks;
    }
    // Inside, the cipher's instructions are inlined: without a call for every step, the chains
    // overlap as far as the processor can look ahead.
    cipher.encrypt_with_backend(Lockstep {
        chain,
        lanes: &mut lanes,
    });
    Ok(())
}

/// The work, for whatever instructions the cipher has chosen.
struct Lockstep<'a, 'b, B: ArraySize> {
    /// The ciphertext before, of each lane.
    chain: &'a mut [Array<u8, B>],
    /// The longest first.
    lanes: &'a mut [&'b mut [Array<u8, B>]],
}

impl<B: ArraySize> BlockSizeUser for Lockstep<'_, '_, B> {
    type BlockSize = B;
}

impl<B: ArraySize> BlockCipherEncClosure for Lockstep<'_, '_, B> {
    #[inline(always)]
    fn call<E: BlockCipherEncBackend<BlockSize = B>>(self, backend: &E) {
        let longest = self.lanes.first().map_or(0, |blocks| blocks.len());
        for at in 0..longest {
            for (chain, blocks) in self.chain.iter_mut().zip(self.lanes.iter_mut()) {
                let Some(block) = blocks.get_mut(at) else {
                    break;
                };
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

/// Decrypts packets, whole blocks each, of which the first is the vector and stays as it is.
pub(crate) fn decrypt<C: BlockCipherDecrypt>(
    cipher: &C,
    packets: &mut [&mut [u8]],
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
    packets: &'a mut [&'b mut [u8]],
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
        for packet in self.packets {
            let ([vector, blocks @ ..], []) = Array::slice_as_chunks_mut(packet) else {
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
