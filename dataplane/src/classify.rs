//! What came in on the NAT traversal port (RFC 3948 §2).

/// A UDP payload of port 4500.
#[derive(Debug, PartialEq, Eq)]
pub enum NatT<'a> {
    /// The one byte `ff` that keeps a mapping alive (RFC 3948 §2.3). It says nothing about its
    /// sender.
    Keepalive,
    /// An ISAKMP message, the non-ESP marker taken off.
    Ike(&'a mut [u8]),
    /// An ESP packet.
    Esp(&'a mut [u8]),
    /// Neither.
    Malformed,
}

/// Four zero bytes where ESP has its SPI (RFC 3948 §2.2).
const MARKER_LEN: usize = 4;

/// Sorts the payload of a datagram that came in on port 4500.
pub fn classify_natt(payload: &mut [u8]) -> NatT<'_> {
    match payload {
        [0xff] => NatT::Keepalive,
        [0, 0, 0, 0, ..] => NatT::Ike(strip_markers(payload)),
        [_, _, _, _, ..] => NatT::Esp(payload),
        _ => NatT::Malformed,
    }
}

/// Takes off the marker, and further ones: some senders put it on twice. A message can begin with
/// zeros itself, if its cookie does; its length field, 24 bytes in, tells (RFC 2408 §3.1).
fn strip_markers(payload: &mut [u8]) -> &mut [u8] {
    let mut at = MARKER_LEN;
    while let Some(rest) = payload.get(at..)
        && rest.starts_with(&[0; MARKER_LEN])
        && !has_own_length(rest)
    {
        at = at.saturating_add(MARKER_LEN);
    }
    payload.get_mut(at..).unwrap_or_default()
}

fn has_own_length(message: &[u8]) -> bool {
    let field = message.get(24..).and_then(|rest| rest.first_chunk::<4>());
    field.is_some_and(|field| u32::from_be_bytes(*field) as usize == message.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header only, with the length it says.
    fn message(cookie: u8) -> Vec<u8> {
        let mut message = vec![0; 28];
        message[7] = cookie;
        message[27] = 28;
        message
    }

    #[test]
    fn sorts() {
        assert_eq!(classify_natt(&mut [0xff]), NatT::Keepalive);
        assert_eq!(classify_natt(&mut []), NatT::Malformed);
        assert_eq!(classify_natt(&mut [0xff, 0xff]), NatT::Malformed);
        assert_eq!(
            classify_natt(&mut [0, 0, 1, 0]),
            NatT::Esp(&mut [0, 0, 1, 0])
        );
        assert_eq!(classify_natt(&mut [0, 0, 0, 0, 7]), NatT::Ike(&mut [7]));
        assert_eq!(classify_natt(&mut [0; 4]), NatT::Ike(&mut []));
    }

    #[test]
    fn further_markers_go_but_zeros_of_a_cookie_stay() {
        for markers in 1..4 {
            let mut payload = vec![0; 4 * markers];
            payload.extend(message(1));
            assert_eq!(
                classify_natt(&mut payload),
                NatT::Ike(&mut message(1)),
                "{markers}"
            );
        }
    }
}
