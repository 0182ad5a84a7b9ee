//! PAP (RFC 1334 §2): its packets.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use std::fmt;

use wire::DecodeError;
use wire::emit::Emit;
use wire::parse::{self, Parsed};

use crate::packet::Code;

/// Authenticate-Request.
pub const REQUEST: Code = Code(1);
/// Authenticate-Ack.
pub const ACK: Code = Code(2);
/// Authenticate-Nak.
pub const NAK: Code = Code(3);

/// The data of an Authenticate-Request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Peer-ID, at most 255 bytes.
    pub user: &'a [u8],
    /// Password, at most 255 bytes.
    pub password: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads the data of a packet.
    pub fn parse(data: &'a [u8]) -> Result<Self, DecodeError> {
        fn request(input: &[u8]) -> Parsed<'_, Request<'_>> {
            let (input, user) = counted("peer id", input)?;
            let (_padding, password) = counted("password", input)?;
            Ok((&[], Request { user, password }))
        }
        parse::finish(data, request)
    }

    /// Writes the data of a packet. Fields of more than 255 bytes are cut.
    pub fn emit(&self) -> Vec<u8> {
        // Reserved at once: growing would leave copies of the password behind.
        let length = self.user.len().saturating_add(self.password.len());
        let mut out = Vec::with_capacity(length.saturating_add(2));
        for field in [self.user, self.password] {
            put_counted(&mut out, field);
        }
        out
    }
}

/// Never shows the password.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Request {{ user: {:?}, .. }}",
            crate::user::printable(self.user)
        )
    }
}

/// The message of an Ack or Nak. Some servers leave out even its length: that is no message.
pub fn parse_message(data: &[u8]) -> &[u8] {
    counted("message", data).map_or(&[], |(_, message)| message)
}

/// Writes the data of an Ack or Nak.
pub fn emit_message(message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_counted(&mut out, message.as_bytes());
    out
}

fn counted<'a>(what: &'static str, input: &'a [u8]) -> Parsed<'a, &'a [u8]> {
    let (input, length) = parse::u8(what, input)?;
    parse::take(what, usize::from(length), input)
}

fn put_counted(out: &mut Vec<u8>, field: &[u8]) {
    let field = field.get(..255).unwrap_or(field);
    out.put_u8(u8::try_from(field.len()).unwrap_or(255));
    out.put(field);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Request<'_>, DecodeError> {
        Request::parse(bytes)
    }

    wire::codec_pairs! { parse, Request::emit,
        both: [2, b'm', b'e', 1, b'x'] => Request { user: b"me", password: b"x" },
        neither: [0, 0] => Request { user: b"", password: b"" },
    }

    #[test]
    fn lengths_are_checked() {
        assert_eq!(
            parse(&[3, b'm']).unwrap_err(),
            DecodeError::new(1, "peer id")
        );
        assert_eq!(parse(&[1, b'm']).unwrap_err().what, "password");
    }

    #[test]
    fn a_reply_may_lack_its_message() {
        assert_eq!(parse_message(&[]), b"");
        assert_eq!(parse_message(&[9, b'x']), b"");
        assert_eq!(parse_message(&emit_message("Welcome")), b"Welcome");
    }

    #[test]
    fn the_password_is_not_shown() {
        let shown = format!(
            "{:?}",
            Request {
                user: b"me",
                password: b"hunter2"
            }
        );
        assert_eq!(shown, "Request { user: \"me\", .. }");
    }
}
