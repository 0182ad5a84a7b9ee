//! Changes messages as somebody would who wants to break whoever reads them.
//!
//! A change of a random bit mostly dies at the first check. So most changes here know a little of
//! the format: they keep outer lengths right when they cut, and move whole payloads about.

use rand_core::{Rng as _, SeedableRng};
use wire::Rng;

use crate::party::Layer;

/// The messages that are kept to be repeated and spliced later.
const KEPT: usize = 64;

/// Makes changed messages out of real ones. Everything it does follows from its seed.
pub struct Mutator {
    rng: Rng,
    /// Messages of each layer, the oldest first.
    seen: Vec<(Layer, Vec<u8>)>,
}

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::seed_from_u64(seed),
            seen: Vec::new(),
        }
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        self.rng.next_u32() as usize % bound.max(1)
    }

    /// Remembers a message as material for later ones.
    pub fn learn(&mut self, layer: Layer, message: &[u8]) {
        if self.seen.len() == KEPT {
            let place = self.below(KEPT);
            self.seen.remove(place);
        }
        self.seen.push((layer, message.to_vec()));
    }

    /// A changed message. One in many is the message itself, a repetition.
    pub fn change(&mut self, layer: Layer, message: &[u8]) -> Vec<u8> {
        let mut bytes = message.to_vec();
        match self.below(16) {
            0..=2 => self.flip(&mut bytes),
            3 | 4 => self.put_odd_byte(&mut bytes),
            5 | 6 => self.put_odd_length(&mut bytes),
            7 => {
                let length = self.below(bytes.len());
                bytes.truncate(length);
            }
            8 => {
                let length = self.below(bytes.len());
                bytes.truncate(length);
                mend_length(layer, &mut bytes);
            }
            9 => {
                self.grow(&mut bytes);
                if self.below(2) == 0 {
                    mend_length(layer, &mut bytes);
                }
            }
            10 => {
                self.cut_out(&mut bytes);
                mend_length(layer, &mut bytes);
            }
            11 => {
                self.repeat_part(&mut bytes);
                mend_length(layer, &mut bytes);
            }
            12 => self.splice(layer, &mut bytes),
            13 => bytes = self.earlier(layer).unwrap_or(bytes),
            14 => match layer {
                Layer::Isakmp => self.move_payloads(&mut bytes),
                Layer::Control => self.move_avps(&mut bytes),
                Layer::Ppp | Layer::Esp => self.flip(&mut bytes),
            },
            _ => {}
        }
        bytes
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        let times = 1 + self.below(8) * self.below(2);
        for _ in 0..times {
            let (place, bit) = (self.below(bytes.len()), self.below(8));
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << bit;
            }
        }
    }

    fn put_odd_byte(&mut self, bytes: &mut [u8]) {
        const ODD: [u8; 8] = [0, 1, 2, 4, 0x7f, 0x80, 0xfe, 0xff];
        let (place, value) = (self.below(bytes.len()), ODD[self.below(ODD.len())]);
        if let Some(byte) = bytes.get_mut(place) {
            *byte = value;
        }
    }

    /// Lengths are mostly 16 bits at an even place.
    fn put_odd_length(&mut self, bytes: &mut [u8]) {
        let whole = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        let odd = [
            0,
            1,
            3,
            4,
            5,
            7,
            whole,
            whole.wrapping_add(1),
            0x7fff,
            0x8000,
            0xfffc,
            0xffff,
        ];
        let value = odd[self.below(odd.len())];
        let place = self.below(bytes.len()) & !1;
        if let Some(field) = bytes.get_mut(place..place + 2) {
            field.copy_from_slice(&value.to_be_bytes());
        }
    }

    fn grow(&mut self, bytes: &mut Vec<u8>) {
        let mut more = vec![0; 1 + self.below(200)];
        if self.below(2) == 0 {
            self.rng.fill_bytes(&mut more);
        }
        bytes.extend(more);
    }

    /// A range within a message: where it begins and ends.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let (a, b) = (self.below(length), self.below(length));
        a.min(b)..a.max(b)
    }

    fn cut_out(&mut self, bytes: &mut Vec<u8>) {
        let range = self.range(bytes.len());
        bytes.drain(range);
    }

    fn repeat_part(&mut self, bytes: &mut Vec<u8>) {
        let range = self.range(bytes.len());
        let (part, place) = (bytes[range.clone()].to_vec(), range.end);
        bytes.splice(place..place, part);
    }

    /// The beginning of this one, and the end of another.
    fn splice(&mut self, layer: Layer, bytes: &mut Vec<u8>) {
        let Some(other) = self.earlier(layer) else {
            return;
        };
        let place = self.below(bytes.len().min(other.len()).max(1));
        bytes.truncate(place);
        bytes.extend(&other[place.min(other.len())..]);
        mend_length(layer, bytes);
    }

    fn earlier(&mut self, layer: Layer) -> Option<Vec<u8>> {
        let count = self.seen.iter().filter(|(of, _)| *of == layer).count();
        let which = self.below(count);
        let mut of_layer = self.seen.iter().filter(|(of, _)| *of == layer);
        of_layer.nth(which).map(|(_, message)| message.clone())
    }

    /// Swaps two payloads of an ISAKMP message, drops one, or has one twice. Without effect on a
    /// message that is encrypted, but for its garbling.
    fn move_payloads(&mut self, bytes: &mut Vec<u8>) {
        const HEADER: usize = 28;
        let Some((header, mut rest)) = bytes.split_at_checked(HEADER) else {
            return;
        };
        let (mut header, mut kind) = (header.to_vec(), header[16]);
        let mut payloads = Vec::new();
        while kind != 0
            && let [next, _, high, low, ..] = *rest
        {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let Some((payload, after)) = rest.split_at_checked(length).filter(|_| length >= 4)
            else {
                break;
            };
            payloads.push((kind, payload[4..].to_vec()));
            (kind, rest) = (next, after);
        }
        self.shuffle(&mut payloads);
        header[16] = payloads.first().map_or(0, |(kind, _)| *kind);
        let kinds: Vec<u8> = payloads.iter().map(|(kind, _)| *kind).collect();
        for (place, (_, body)) in payloads.iter().enumerate() {
            let length = u16::try_from(body.len() + 4).unwrap_or(u16::MAX);
            header.extend([kinds.get(place + 1).copied().unwrap_or(0), 0]);
            header.extend(length.to_be_bytes());
            header.extend(body);
        }
        *bytes = header;
        mend_length(Layer::Isakmp, bytes);
    }

    /// The same with the AVPs of an L2TP control message (RFC 2661 §4.1).
    fn move_avps(&mut self, bytes: &mut Vec<u8>) {
        const HEADER: usize = 12;
        let Some((header, mut rest)) = bytes.split_at_checked(HEADER) else {
            return;
        };
        let mut avps = Vec::new();
        while let [high, low, ..] = *rest {
            let length = usize::from(u16::from_be_bytes([high & 3, low]));
            let Some((avp, after)) = rest.split_at_checked(length).filter(|_| length >= 6) else {
                break;
            };
            avps.push(avp.to_vec());
            rest = after;
        }
        self.shuffle(&mut avps);
        *bytes = [header, &avps.concat()].concat();
        mend_length(Layer::Control, bytes);
    }

    fn shuffle<T: Clone>(&mut self, parts: &mut Vec<T>) {
        if parts.is_empty() {
            return;
        }
        let (one, other) = (self.below(parts.len()), self.below(parts.len()));
        match self.below(3) {
            0 => parts.swap(one, other),
            1 => drop(parts.remove(one)),
            _ => parts.insert(other, parts[one].clone()),
        }
    }
}

/// Makes the length in the outermost header what it is.
fn mend_length(layer: Layer, bytes: &mut [u8]) {
    let length = bytes.len();
    let (place, value) = match layer {
        Layer::Isakmp => (
            24,
            u32::try_from(length).unwrap_or(0).to_be_bytes().to_vec(),
        ),
        Layer::Control => (2, u16::try_from(length).unwrap_or(0).to_be_bytes().to_vec()),
        Layer::Ppp => {
            // Address and control, protocol, code and identifier stand in front of it.
            let front = if bytes.starts_with(&[0xff, 3]) { 4 } else { 2 };
            let packet = u16::try_from(length.saturating_sub(front)).unwrap_or(0);
            (front + 2, packet.to_be_bytes().to_vec())
        }
        Layer::Esp => return,
    };
    if let Some(field) = bytes.get_mut(place..place + value.len()) {
        field.copy_from_slice(&value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_changes_and_most_are_changes() {
        let changes = |seed| {
            let mut mutator = Mutator::new(seed);
            let message: Vec<u8> = (0..120).collect();
            mutator.learn(Layer::Control, &message);
            let change = |_| mutator.change(Layer::Control, &message);
            (0..1000).map(change).collect::<Vec<_>>()
        };
        assert_eq!(changes(1), changes(1));
        let all = changes(1);
        assert_ne!(all, changes(2));
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert!(distinct.len() > 600, "{} different ones", distinct.len());
    }

    #[test]
    fn nothing_is_too_short_to_be_changed() {
        let mut mutator = Mutator::new(1);
        let layers = [Layer::Isakmp, Layer::Control, Layer::Ppp, Layer::Esp];
        for round in 0..4000 {
            let message = vec![0xff; round % 7];
            mutator.change(layers[round % 4], &message);
        }
    }
}
