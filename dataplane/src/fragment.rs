//! Cutting IPv4 packets (RFC 791 §3.2): clients differ in MRU behind one TUN.

use crate::buffer::Buffer;
use crate::net::ip::{self, Header};

/// A packet that is being cut; the packet itself stays in its buffer meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragments {
    header: Header,
    mtu: usize,
    /// Bytes of the payload done.
    done: usize,
}

/// "Copied": this option belongs into every fragment.
const COPIED: u8 = 0x80;

impl Fragments {
    /// `None` if there is no room for the header and 8 bytes.
    pub(crate) fn new(header: Header, mtu: u16) -> Option<Self> {
        let mtu = usize::from(mtu);
        (mtu >= header.header_len.checked_add(8)?).then_some(Self {
            header,
            mtu,
            done: 0,
        })
    }

    /// Writes the next fragment of `packet` into `to`; `None` when there are no more.
    pub(crate) fn next(&mut self, packet: &[u8], to: &mut Buffer) -> Option<()> {
        let payload = packet.get(self.header.header_len..self.header.total_len)?;
        let rest = payload.get(self.done..).filter(|rest| !rest.is_empty())?;
        let head = packet.get(..self.header.header_len)?;

        let space = to.space();
        let head_len = if self.done == 0 {
            space.get_mut(..head.len())?.copy_from_slice(head);
            head.len()
        } else {
            write_later_header(head, space)?
        };
        let room = self.mtu.checked_sub(head_len)?;
        let (piece, more) = if rest.len() <= room {
            (rest, self.header.more_fragments)
        } else {
            (rest.get(..room & !7)?, true)
        };
        let total = head_len.checked_add(piece.len())?;
        space.get_mut(head_len..total)?.copy_from_slice(piece);

        let offset = self.header.fragment_offset.checked_add(self.done)?;
        let field = u16::try_from(offset.checked_div(8)?).ok()? | if more { 0x2000 } else { 0 };
        ip::put_u16(space, 2, u16::try_from(total).ok()?);
        ip::put_u16(space, 6, field);
        ip::fill_v4_checksum(space.get_mut(..head_len)?);
        self.done = self.done.checked_add(piece.len())?;
        to.set_len(total).ok()
    }

    /// What is being cut.
    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }
}

/// The header of all fragments but the first: without the options that are not copied.
fn write_later_header(head: &[u8], space: &mut [u8]) -> Option<usize> {
    let (fixed, mut options) = head.split_first_chunk::<{ ip::V4_HEADER_LEN }>()?;
    space
        .first_chunk_mut::<{ ip::V4_HEADER_LEN }>()?
        .copy_from_slice(fixed);
    let mut len = ip::V4_HEADER_LEN;
    while let Some(kind) = options.first().copied() {
        let option_len = match kind {
            0 => break,
            1 => 1,
            _ => options.get(1).map_or(0, |len| usize::from(*len)).max(2),
        };
        // An option that is longer than the header ends the options; the packet goes on.
        let Some((option, rest)) = options.split_at_checked(option_len) else {
            break;
        };
        options = rest;
        if kind & COPIED != 0 {
            let end = len.checked_add(option_len)?;
            space.get_mut(len..end)?.copy_from_slice(option);
            len = end;
        }
    }
    let padded = len.next_multiple_of(4);
    space.get_mut(len..padded)?.fill(0);
    let words = u8::try_from(padded.checked_div(4)?).ok()?;
    *space.first_mut()? = 0x40 | words;
    Some(padded)
}

#[cfg(test)]
mod tests {
    use etherparse::{IpNumber, Ipv4Header, Ipv4Options};
    use proptest::prelude::*;

    use super::*;

    fn packet(options: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut header =
            Ipv4Header::new(payload.len() as u16, 64, IpNumber::UDP, [1; 4], [2; 4]).unwrap();
        header.identification = 0x4242;
        header.dont_fragment = false;
        header.options = Ipv4Options::try_from(options).unwrap();
        header.set_payload_len(payload.len()).unwrap();
        header.header_checksum = header.calc_header_checksum();
        let mut packet = header.to_bytes().to_vec();
        packet.extend(payload);
        packet
    }

    fn cut(packet: &[u8], mtu: u16) -> Vec<Vec<u8>> {
        let header = Header::parse(packet).unwrap();
        let mut fragments = Fragments::new(header, mtu).unwrap();
        let mut buffer = Buffer::default();
        std::iter::from_fn(|| {
            fragments.next(packet, &mut buffer)?;
            Some(buffer.packet().to_vec())
        })
        .collect()
    }

    /// What a receiver makes of fragments, read by etherparse.
    fn reassemble(fragments: &[Vec<u8>]) -> Vec<u8> {
        let mut payload = Vec::new();
        for (n, fragment) in fragments.iter().enumerate() {
            let (header, rest) = Ipv4Header::from_slice(fragment).unwrap();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            assert_eq!(header.identification, 0x4242);
            assert_eq!(usize::from(header.total_len), fragment.len());
            assert_eq!(header.fragment_offset.byte_offset() as usize, payload.len());
            assert_eq!(header.more_fragments, n + 1 < fragments.len());
            payload.extend(rest);
        }
        payload
    }

    proptest! {
        #[test]
        fn fragments_reassemble_to_the_original(
            payload in proptest::collection::vec(any::<u8>(), 1..1900),
            mtu in 68_u16..1500,
            options in prop_oneof![Just(vec![]), Just(vec![0x94, 4, 0, 0, 7, 3, 4, 0])],
        ) {
            let packet = packet(&options, &payload);
            let fragments = cut(&packet, mtu);
            prop_assert!(fragments.iter().all(|f| f.len() <= usize::from(mtu)));
            prop_assert_eq!(reassemble(&fragments), payload);
        }
    }

    #[test]
    fn only_copied_options_are_in_later_fragments() {
        // Router alert (copied), then a record route (not copied).
        let packet = packet(&[0x94, 4, 0, 0, 7, 3, 4, 0], &[5; 200]);
        let fragments = cut(&packet, 100);
        assert_eq!(fragments[0][..1], [0x47]);
        assert_eq!(fragments[0][20..28], [0x94, 4, 0, 0, 7, 3, 4, 0]);
        assert_eq!(fragments[1][..1], [0x46]);
        assert_eq!(fragments[1][20..24], [0x94, 4, 0, 0]);
    }

    #[test]
    fn an_option_that_is_too_long_stops_no_fragment() {
        // Router alert, then a security option that claims more than there is.
        for options in [
            [0x94, 4, 0, 0, 0x82, 11, 0, 0],
            [0x94, 4, 0, 0, 1, 1, 1, 0x82],
        ] {
            let fragments = cut(&packet(&options, &[5; 200]), 100);
            assert_eq!(reassemble(&fragments), [5; 200]);
            assert_eq!(fragments[1][..1], [0x46]);
        }
    }

    #[test]
    fn a_fragment_of_a_fragment_keeps_its_place() {
        let mut whole = packet(&[], &[5; 200]);
        whole[6..8].copy_from_slice(&(0x2000_u16 | 100).to_be_bytes());
        let fragments = cut(&whole, 120);
        let places: Vec<_> = fragments
            .iter()
            .map(|f| {
                Header::parse(f)
                    .map(|h| (h.fragment_offset, h.more_fragments))
                    .unwrap()
            })
            .collect();
        assert_eq!(places, [(800, true), (896, true), (992, true)]);
    }

    #[test]
    fn no_room_at_all() {
        let header = Header::parse(&packet(&[], &[5; 200])).unwrap();
        assert_eq!(Fragments::new(header, 27), None);
    }
}
