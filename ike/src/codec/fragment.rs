//! Pieces of messages that are too large for the path: payload 132, as Cisco and Microsoft
//! define it ([MS-IKEE] §2.2.3).

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse;

use super::PayloadBody;

/// One piece. The pieces of one message share an id and are numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Which message it is a piece of.
    pub id: u16,
    /// Its place, from 1.
    pub number: u8,
    /// Flags; bit 0 marks the last piece.
    pub flags: u8,
    /// Its bytes. All pieces together are a whole ISAKMP message with its header.
    pub data: Vec<u8>,
}

impl Fragment {
    /// The flag of the last piece.
    pub const LAST: u8 = 1;

    /// Whether this is the last piece.
    pub const fn is_last(&self) -> bool {
        self.flags & Self::LAST != 0
    }

    /// Reads the body of a fragment payload.
    ///
    /// # Errors
    /// A body without its fixed part, a piece numbered 0, or a piece without bytes.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        parse::finish(body, |input| {
            let (input, id) = parse::be_u16("fragment id", input)?;
            let at = input;
            let (input, number) = parse::u8("fragment number", input)?;
            let (input, flags) = parse::u8("fragment flags", input)?;
            let (input, data) = parse::rest(input)?;
            if number == 0 {
                return parse::fault("fragment numbered 0", at);
            }
            if data.is_empty() {
                return parse::fault("fragment without bytes", at);
            }
            Ok((
                input,
                Self {
                    id,
                    number,
                    flags,
                    data: data.to_vec(),
                },
            ))
        })
    }
}

impl PayloadBody for Fragment {
    fn emit(&self, out: &mut Vec<u8>) {
        out.put_u16(self.id);
        out.put_u8(self.number);
        out.put_u8(self.flags);
        out.put(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    wire::codec_pairs! { Fragment::parse, PayloadBody::to_body,
        first_piece: [0, 1, 1, 0, 0xaa] =>
            Fragment { id: 1, number: 1, flags: 0, data: vec![0xaa] },
        last_piece: [0, 1, 2, 1, 0xbb, 0xcc] =>
            Fragment { id: 1, number: 2, flags: Fragment::LAST, data: vec![0xbb, 0xcc] },
    }

    #[test]
    fn pieces_without_number_or_bytes_are_errors() {
        assert!(Fragment::parse(&[0, 1, 0, 0, 0xaa]).is_err());
        assert!(Fragment::parse(&[0, 1, 1, 0]).is_err());
        assert!(Fragment::parse(&[0, 1]).is_err());
    }
}
