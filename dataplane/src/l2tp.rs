//! The header of L2TP data messages (RFC 2661 §3.1).

use std::ops::Range;

/// T: a control message.
const CONTROL: u16 = 0x8000;
/// L: a length field is there.
const LENGTH: u16 = 0x4000;
/// S: Ns and Nr are there.
const SEQUENCE: u16 = 0x0800;
/// O: an offset field is there.
const OFFSET: u16 = 0x0200;
const VERSION: u16 = 0x000f;
const VERSION_2: u16 = 2;

/// Flags, length, ids, Ns and Nr.
pub(crate) const MAX_HEADER_LEN: usize = 12;

/// Which kind of message it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Control,
    Data(Data),
}

/// A data message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Data {
    pub(crate) tunnel: u16,
    pub(crate) session: u16,
    /// Where the PPP frame lies in the message.
    pub(crate) frame: Range<usize>,
}

/// Reads the header with L, S, O and P in every combination. P (priority) and the sequence
/// numbers are for whoever reorders; we do not.
pub(crate) fn parse(message: &[u8]) -> Option<Kind> {
    let mut at = 0_usize;
    let mut number = || {
        let field = message.get(at..)?.first_chunk::<2>()?;
        at = at.saturating_add(2);
        Some(u16::from_be_bytes(*field))
    };
    let flags = number()?;
    if flags & VERSION != VERSION_2 {
        return None;
    }
    if flags & CONTROL != 0 {
        return Some(Kind::Control);
    }
    let end = if flags & LENGTH != 0 {
        usize::from(number()?)
    } else {
        message.len()
    };
    let (tunnel, session) = (number()?, number()?);
    if flags & SEQUENCE != 0 {
        let (_ns, _nr) = (number()?, number()?);
    }
    let padding = if flags & OFFSET != 0 {
        usize::from(number()?)
    } else {
        0
    };
    let start = at.checked_add(padding)?;
    // Both within the message, and in order.
    message.get(start..end)?;
    Some(Kind::Data(Data {
        tunnel,
        session,
        frame: start..end,
    }))
}

/// Writes the header in front of a PPP frame, and says how long it is: 6 bytes, which is what every
/// client takes; 2 more with a length field, for a frame of `length` bytes; 4 more with the number
/// `ns`. Nr is reserved in data messages (RFC 2661 §5.4). `None` if the message would be too long.
pub(crate) fn header(
    tunnel: u16,
    session: u16,
    length: Option<usize>,
    ns: Option<u16>,
) -> Option<([u8; MAX_HEADER_LEN], usize)> {
    let mut header = [0; MAX_HEADER_LEN];
    let mut flags = VERSION_2;
    let len = match (length, ns) {
        (None, None) => 6_usize,
        (Some(_), None) => 8,
        (None, Some(_)) => 10,
        (Some(_), Some(_)) => 12,
    };
    let mut fields = header.chunks_exact_mut(2).skip(1);
    let mut put = |value: u16| {
        if let Some(field) = fields.next() {
            field.copy_from_slice(&value.to_be_bytes());
        }
    };
    if let Some(length) = length {
        flags |= LENGTH;
        put(u16::try_from(length.checked_add(len)?).ok()?);
    }
    put(tunnel);
    put(session);
    if let Some(ns) = ns {
        flags |= SEQUENCE;
        put(ns);
    }
    header
        .first_chunk_mut()
        .map(|first| *first = flags.to_be_bytes())?;
    Some((header, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(message: &[u8]) -> Option<(u16, u16, &[u8])> {
        match parse(message)? {
            Kind::Control => None,
            Kind::Data(data) => Some((data.tunnel, data.session, &message[data.frame])),
        }
    }

    #[test]
    fn every_combination_of_bits() {
        for bits in 0..16_u16 {
            let [l, s, o, p] = [8, 4, 2, 1].map(|bit| bits & bit != 0);
            let mut fields = Vec::new();
            if l {
                fields.extend([0xaa, 0xaa]);
            }
            fields.extend([0x12, 0x34, 0x56, 0x78]);
            if s {
                fields.extend([0, 1, 0, 2]);
            }
            if o {
                fields.extend([0, 3, 9, 9, 9]);
            }
            fields.extend(*b"frame");
            let flags = 2 | [l, s, o, p]
                .into_iter()
                .zip([LENGTH, SEQUENCE, OFFSET, 0x0100])
                .filter(|(on, _)| *on)
                .map(|(_, flag)| flag)
                .sum::<u16>();
            let mut message = flags.to_be_bytes().to_vec();
            message.extend(fields);
            if l {
                let len = u16::try_from(message.len()).unwrap();
                message[2..4].copy_from_slice(&len.to_be_bytes());
                message.extend(*b"padding");
            }
            assert_eq!(
                data(&message),
                Some((0x1234, 0x5678, &b"frame"[..])),
                "{bits:04b}"
            );
        }
    }

    #[test]
    fn what_does_not_fit() {
        assert_eq!(parse(&[0x80, 2]), Some(Kind::Control));
        assert_eq!(parse(&[0x80, 3]), None, "version");
        assert_eq!(parse(&[0]), None);
        assert_eq!(data(&[0, 2, 0, 1, 0]), None);
        assert_eq!(data(&[0, 2, 0, 1, 0, 1]), Some((1, 1, &[][..])));
        assert_eq!(
            data(&[0x40, 2, 0, 9, 0, 1, 0, 1]),
            None,
            "longer than it is"
        );
        assert_eq!(
            data(&[0x40, 2, 0, 7, 0, 1, 0, 1]),
            None,
            "shorter than its header"
        );
        assert_eq!(
            data(&[0x02, 2, 0, 1, 0, 1, 0, 1]),
            None,
            "offset beyond the end"
        );
    }

    #[test]
    fn own_headers() {
        let (bytes, len) = header(0x1234, 0x5678, None, None).unwrap();
        assert_eq!(bytes[..len], [0, 2, 0x12, 0x34, 0x56, 0x78]);
        let (bytes, len) = header(1, 2, None, Some(3)).unwrap();
        assert_eq!(bytes[..len], [8, 2, 0, 1, 0, 2, 0, 3, 0, 0]);
        assert_eq!(data(&bytes[..len]), Some((1, 2, &[][..])));
        let (bytes, len) = header(1, 2, Some(4), None).unwrap();
        assert_eq!(bytes[..len], [0x40, 2, 0, 12, 0, 1, 0, 2]);
        let message = [&bytes[..len], &[9; 4]].concat();
        assert_eq!(data(&message), Some((1, 2, &[9; 4][..])));
        let (bytes, len) = header(1, 2, Some(0), Some(3)).unwrap();
        assert_eq!(bytes[..len], [0x48, 2, 0, 12, 0, 1, 0, 2, 0, 3, 0, 0]);
        assert_eq!(data(&bytes[..len]), Some((1, 2, &[][..])));
        assert_eq!(header(1, 2, Some(65_528), None), None);
    }
}
