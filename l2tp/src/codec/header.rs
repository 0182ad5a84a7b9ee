//! The L2TP header (RFC 2661 §3.1).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

const TYPE: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const PRIORITY: u16 = 0x0100;
const VERSION_MASK: u16 = 0x000f;
const VERSION: u16 = 2;

/// Bytes of the largest control message that is taken; real ones stay below 600.
pub const MAX_CONTROL: usize = 4_096;

/// What follows a UDP header on port 1701.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header<'a> {
    /// A control message: its header and its AVPs.
    Control(ControlHeader, &'a [u8]),
    /// A data message: its header and the PPP frame.
    Data(DataHeader, &'a [u8]),
}

/// The header of a control message. L and S are always set, O and P never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlHeader {
    /// The tunnel, by the id that the receiver assigned; 0 as long as it has assigned none.
    pub tunnel: u16,
    /// The session, likewise.
    pub session: u16,
    /// Number of this message.
    pub ns: u16,
    /// Number of the message expected next.
    pub nr: u16,
}

/// The header of a data message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DataHeader {
    /// Whether the Length field is present.
    pub length: bool,
    /// The P bit.
    pub priority: bool,
    /// The tunnel, by the id that the receiver assigned.
    pub tunnel: u16,
    /// The session, likewise.
    pub session: u16,
    /// Ns and Nr, the latter without meaning in data messages.
    pub sequence: Option<(u16, u16)>,
    /// Bytes of padding before the PPP frame, if the Offset field is present.
    pub offset: Option<u16>,
}

/// Why a header cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not the format.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// A version other than 2 (L2F is 1, L2TPv3 is 3).
    #[error("L2TP version {version}")]
    Version {
        /// The Ver field.
        version: u8,
        /// Whether the T bit is set.
        control: bool,
    },
}

impl<'a> Header<'a> {
    /// Reads one UDP payload.
    ///
    /// A data header may have any of L, S, O and P. So may a control header, although RFC 2661
    /// §3.1 fixes them there, as long as the numbers are present. Bytes beyond Length are padding.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let flags = match bytes.first_chunk::<2>() {
            Some(flags) => u16::from_be_bytes(*flags),
            None => return Err(DecodeError::new(0, "L2TP flags").into()),
        };
        if flags & VERSION_MASK != VERSION {
            let version = u8::try_from(flags & VERSION_MASK).unwrap_or(u8::MAX);
            return Err(HeaderError::Version {
                version,
                control: flags & TYPE != 0,
            });
        }
        Ok(parse::finish(bytes, |input| Self::fields(bytes, input))?)
    }

    fn fields(whole: &'a [u8], input: &'a [u8]) -> Parsed<'a, Self> {
        let (mut input, flags) = parse::be_u16("L2TP flags", input)?;
        if flags & LENGTH != 0 {
            let (rest, length) = parse::be_u16("L2TP length", input)?;
            let after_length = whole.len().saturating_sub(rest.len());
            let Some(left) = usize::from(length).checked_sub(after_length) else {
                return parse::fault("L2TP length shorter than the header", input);
            };
            let (_, within) = parse::take("L2TP length beyond the datagram", left, rest)?;
            input = within;
        }
        let (input, tunnel) = parse::be_u16("tunnel id", input)?;
        let (mut input, session) = parse::be_u16("session id", input)?;
        let mut sequence = None;
        if flags & SEQUENCE != 0 {
            let (rest, ns) = parse::be_u16("Ns", input)?;
            let (rest, nr) = parse::be_u16("Nr", rest)?;
            sequence = Some((ns, nr));
            input = rest;
        }
        let mut offset = None;
        if flags & OFFSET != 0 {
            let (rest, size) = parse::be_u16("offset size", input)?;
            let (rest, _) = parse::take("offset padding", usize::from(size), rest)?;
            offset = Some(size);
            input = rest;
        }
        let header = if flags & TYPE != 0 {
            let Some((ns, nr)) = sequence else {
                return parse::fault("control message without Ns and Nr", input);
            };
            Self::Control(
                ControlHeader {
                    tunnel,
                    session,
                    ns,
                    nr,
                },
                input,
            )
        } else {
            let length = flags & LENGTH != 0;
            let priority = flags & PRIORITY != 0;
            Self::Data(
                DataHeader {
                    length,
                    priority,
                    tunnel,
                    session,
                    sequence,
                    offset,
                },
                input,
            )
        };
        Ok((&[], header))
    }
}

impl ControlHeader {
    /// Writes header and body, exactly as long as the Length field says (QUIRK(Android): it drops
    /// anything else).
    pub fn emit(&self, body: &[u8], out: &mut Vec<u8>) {
        out.put_u16(TYPE | LENGTH | SEQUENCE | VERSION);
        out.put_len16(2, |out| {
            out.put_u16(self.tunnel);
            out.put_u16(self.session);
            out.put_u16(self.ns);
            out.put_u16(self.nr);
            out.put(body);
        });
    }
}

impl DataHeader {
    /// Writes header, padding of zeros and payload.
    pub fn emit(&self, payload: &[u8], out: &mut Vec<u8>) {
        let mut flags = VERSION;
        for (present, bit) in [
            (self.length, LENGTH),
            (self.priority, PRIORITY),
            (self.sequence.is_some(), SEQUENCE),
            (self.offset.is_some(), OFFSET),
        ] {
            flags |= if present { bit } else { 0 };
        }
        out.put_u16(flags);
        if self.length {
            out.put_len16(2, |out| self.emit_rest(payload, out));
        } else {
            self.emit_rest(payload, out);
        }
    }

    fn emit_rest(&self, payload: &[u8], out: &mut Vec<u8>) {
        out.put_u16(self.tunnel);
        out.put_u16(self.session);
        if let Some((ns, nr)) = self.sequence {
            out.put_u16(ns);
            out.put_u16(nr);
        }
        if let Some(size) = self.offset {
            out.put_u16(size);
            out.resize(out.len().saturating_add(usize::from(size)), 0);
        }
        out.put(payload);
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    type Owned = (ControlHeader, Vec<u8>);

    fn parse_control(bytes: &[u8]) -> Result<Owned, HeaderError> {
        match Header::parse(bytes)? {
            Header::Control(header, body) => Ok((header, body.to_vec())),
            Header::Data(..) => Err(DecodeError::new(0, "data").into()),
        }
    }

    fn emit_control((header, body): &Owned) -> Vec<u8> {
        let mut out = Vec::new();
        header.emit(body, &mut out);
        out
    }

    fn parse_data(bytes: &[u8]) -> Result<(DataHeader, Vec<u8>), HeaderError> {
        match Header::parse(bytes)? {
            Header::Data(header, payload) => Ok((header, payload.to_vec())),
            Header::Control(..) => Err(DecodeError::new(0, "control").into()),
        }
    }

    fn emit_data((header, payload): &(DataHeader, Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        header.emit(payload, &mut out);
        out
    }

    wire::codec_pairs! { parse_control, emit_control,
        zlb: hex!("c802 000c 0001 0000 0002 0005")
            => (ControlHeader { tunnel: 1, session: 0, ns: 2, nr: 5 }, vec![]),
        hello: hex!("c802 0014 db58 0000 ffff 0000 8008 0000 0000 0006")
            => (
                ControlHeader { tunnel: 0xdb58, session: 0, ns: 0xffff, nr: 0 },
                hex!("8008 0000 0000 0006").to_vec(),
            ),
    }

    wire::codec_pairs! { parse_data, emit_data,
        plain: hex!("0002 1234 5678 ff03 c021")
            => (
                DataHeader { tunnel: 0x1234, session: 0x5678, ..DataHeader::default() },
                hex!("ff03 c021").to_vec(),
            ),
        everything: hex!("4b02 0013 1234 5678 0001 0002 0003 000000 ff03")
            => (
                DataHeader {
                    length: true,
                    priority: true,
                    tunnel: 0x1234,
                    session: 0x5678,
                    sequence: Some((1, 2)),
                    offset: Some(3),
                },
                hex!("ff03").to_vec(),
            ),
    }

    /// Headers with each combination of the T, L, S, O and P bits, built by hand.
    fn by_hand(bits: u16, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u16(bits | VERSION);
        let rest = |out: &mut Vec<u8>| {
            out.put(&[0, 7, 0, 9]);
            if bits & SEQUENCE != 0 {
                out.put(&[0, 1, 0, 2]);
            }
            if bits & OFFSET != 0 {
                out.put(&[0, 2, 0xee, 0xee]);
            }
            out.put(payload);
        };
        if bits & LENGTH != 0 {
            out.put_len16(2, rest)
        } else {
            rest(&mut out)
        }
        out
    }

    #[test]
    fn every_combination_of_optional_fields_is_read() {
        for combination in 0..32u16 {
            let bit = |n: u16, flag: u16| if combination & (1 << n) != 0 { flag } else { 0 };
            let bits = bit(0, TYPE)
                | bit(1, LENGTH)
                | bit(2, SEQUENCE)
                | bit(3, OFFSET)
                | bit(4, PRIORITY);
            let bytes = by_hand(bits, b"payload");
            let sequence = (bits & SEQUENCE != 0).then_some((1, 2));
            match (Header::parse(&bytes), bits & TYPE != 0) {
                (Ok(Header::Control(header, body)), true) => {
                    assert_eq!(
                        header,
                        ControlHeader {
                            tunnel: 7,
                            session: 9,
                            ns: 1,
                            nr: 2
                        }
                    );
                    assert_eq!((body, sequence), (&b"payload"[..], Some((1, 2))));
                }
                (Err(HeaderError::Malformed(error)), true) => {
                    assert_eq!(sequence, None);
                    assert_eq!(error.what, "control message without Ns and Nr");
                }
                (Ok(Header::Data(header, payload)), false) => {
                    let expected = DataHeader {
                        length: bits & LENGTH != 0,
                        priority: bits & PRIORITY != 0,
                        tunnel: 7,
                        session: 9,
                        sequence,
                        offset: (bits & OFFSET != 0).then_some(2),
                    };
                    assert_eq!((header, payload), (expected, &b"payload"[..]));
                }
                (other, _) => panic!("{bits:#06x}: {other:?}"),
            }
        }
    }

    #[test]
    fn bytes_beyond_the_length_are_padding_and_missing_ones_an_error() {
        let mut bytes = hex!("c802 000c 0001 0000 0002 0005 0000 00").to_vec();
        assert_eq!(parse_control(&bytes).unwrap().1, []);
        bytes.truncate(11);
        assert!(matches!(
            parse_control(&bytes),
            Err(HeaderError::Malformed(_))
        ));
        let short = hex!("c802 0003 0001 0000 0002 0005");
        let error = HeaderError::from(DecodeError::new(2, "L2TP length shorter than the header"));
        assert_eq!(parse_control(&short), Err(error));
    }

    #[test]
    fn other_versions_are_told_apart() {
        let v3 = hex!("c803 0014 0000 0000 0000 0000");
        assert_eq!(
            Header::parse(&v3),
            Err(HeaderError::Version {
                version: 3,
                control: true
            })
        );
        let l2f = hex!("0001 0000");
        assert_eq!(
            Header::parse(&l2f),
            Err(HeaderError::Version {
                version: 1,
                control: false
            })
        );
    }

    proptest! {
        #[test]
        fn control_round_trip(
            tunnel: u16, session: u16, ns: u16, nr: u16,
            body in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let value = (ControlHeader { tunnel, session, ns, nr }, body);
            prop_assert_eq!(parse_control(&emit_control(&value)), Ok(value));
        }

        #[test]
        fn data_round_trip(
            length: bool, priority: bool, tunnel: u16, session: u16,
            sequence: Option<(u16, u16)>, offset in prop::option::of(0u16..64),
            payload in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let header = DataHeader { length, priority, tunnel, session, sequence, offset };
            let value = (header, payload);
            prop_assert_eq!(parse_data(&emit_data(&value)), Ok(value));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Header::parse(&bytes);
        }
    }
}
