//! The framing of PPP, as far as IP packets need it (RFC 1661 §2, §6.5, §6.6).

/// IPv4.
pub(crate) const IP: u16 = 0x0021;
/// IPv6 (RFC 5072 §2).
pub(crate) const IPV6: u16 = 0x0057;

/// Address, control, protocol.
pub(crate) const MAX_HEADER_LEN: usize = 4;

/// The protocol of a frame and where its information begins. Frames with and without address and
/// control, with one and two bytes of protocol, whatever was negotiated: there is no ambiguity.
pub(crate) fn parse(frame: &[u8]) -> Option<(u16, usize)> {
    let (body, skipped) = match frame {
        [0xff, 0x03, body @ ..] => (body, 2_usize),
        body => (body, 0),
    };
    match *body {
        [short, ..] if short & 1 == 1 => Some((short.into(), skipped.saturating_add(1))),
        [high, low, ..] if low & 1 == 1 => {
            Some((u16::from_be_bytes([high, low]), skipped.saturating_add(2)))
        }
        _ => None,
    }
}

/// What goes in front of an IP packet: as much as possible, unless the peer takes less.
pub(crate) fn header(protocol: u16, acfc: bool, pfc: bool) -> ([u8; MAX_HEADER_LEN], usize) {
    let [high, low] = protocol.to_be_bytes();
    match (acfc, pfc && high == 0) {
        (false, false) => ([0xff, 0x03, high, low], 4),
        (false, true) => ([0xff, 0x03, low, 0], 3),
        (true, false) => ([high, low, 0, 0], 2),
        (true, true) => ([low, 0, 0, 0], 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_header() {
        for acfc in [false, true] {
            for pfc in [false, true] {
                for protocol in [IP, IPV6, 0xc021] {
                    let (bytes, len) = header(protocol, acfc, pfc);
                    assert_eq!(parse(&bytes[..len]), Some((protocol, len)));
                }
            }
        }
        assert_eq!(header(IP, false, false), ([0xff, 3, 0, 0x21], 4));
        assert_eq!(header(IP, true, true).1, 1);
    }

    #[test]
    fn malformed() {
        for frame in [&[][..], &[0xff, 0x03], &[0], &[0, 0x20], &[0xff, 3, 0xc0]] {
            assert_eq!(parse(frame), None, "{frame:02x?}");
        }
    }
}
