//! Reading: nom's `complete` combinators with an error that says what was expected.
//!
//! A decoder is a function `fn(&[u8]) -> Parsed<'_, T>` built from these parts; its public face
//! calls [`finish`] and so returns a [`DecodeError`] with the offset.
//!
//! ```
//! use wire::parse::{self, Parsed};
//!
//! fn option(input: &[u8]) -> Parsed<'_, (u8, &[u8])> {
//!     let (input, kind) = parse::u8("option type", input)?;
//!     let (input, len) = parse::u8("option length", input)?;
//!     let (input, value) = parse::take("option value", usize::from(len), input)?;
//!     Ok((input, (kind, value)))
//! }
//!
//! assert_eq!(parse::finish(&[1, 2, 0xaa, 0xbb], option), Ok((1, &[0xaa, 0xbb][..])));
//! let error = parse::finish(&[1, 9, 0xaa], option).unwrap_err();
//! assert_eq!((error.offset, error.what), (2, "option value"));
//! ```

use nom::bytes::complete as bytes;
use nom::error::{ErrorKind, ParseError};
use nom::number::complete as number;
use nom::{IResult, Parser};

use crate::DecodeError;

/// What a combinator returns.
pub type Parsed<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

/// Where a combinator gave up, and what it wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    fn from_error_kind(rest: &'a [u8], _: ErrorKind) -> Self {
        Self {
            rest,
            what: "malformed",
        }
    }

    fn append(_: &'a [u8], _: ErrorKind, inner: Self) -> Self {
        inner
    }
}

/// A failure at `rest`.
pub fn fault<'a, T>(what: &'static str, rest: &'a [u8]) -> Parsed<'a, T> {
    Err(nom::Err::Error(Fault { rest, what }))
}

/// Names the failure of a nom combinator.
fn named<'a, T>(
    what: &'static str,
    input: &'a [u8],
    mut parser: impl Parser<&'a [u8], Output = T, Error = Fault<'a>>,
) -> Parsed<'a, T> {
    parser
        .parse(input)
        .map_err(|e| e.map(|f: Fault<'a>| Fault { rest: f.rest, what }))
}

/// One byte.
pub fn u8<'a>(what: &'static str, input: &'a [u8]) -> Parsed<'a, u8> {
    named(what, input, number::u8)
}

/// Two bytes, most significant first.
pub fn be_u16<'a>(what: &'static str, input: &'a [u8]) -> Parsed<'a, u16> {
    named(what, input, number::be_u16)
}

/// Four bytes, most significant first.
pub fn be_u32<'a>(what: &'static str, input: &'a [u8]) -> Parsed<'a, u32> {
    named(what, input, number::be_u32)
}

/// Eight bytes, most significant first.
pub fn be_u64<'a>(what: &'static str, input: &'a [u8]) -> Parsed<'a, u64> {
    named(what, input, number::be_u64)
}

/// Exactly `count` bytes.
pub fn take<'a>(what: &'static str, count: usize, input: &'a [u8]) -> Parsed<'a, &'a [u8]> {
    named(what, input, bytes::take(count))
}

/// Exactly `N` bytes, as an array.
pub fn array<'a, const N: usize>(what: &'static str, input: &'a [u8]) -> Parsed<'a, [u8; N]> {
    match input.split_first_chunk::<N>() {
        Some((head, rest)) => Ok((rest, *head)),
        None => fault(what, input),
    }
}

/// Whatever is left.
pub fn rest(input: &[u8]) -> Parsed<'_, &[u8]> {
    Ok((&[], input))
}

/// As many items as the input holds. `item` must consume something each time; one that does not
/// is a failure and not an endless loop.
pub fn many<'a, T>(
    mut input: &'a [u8],
    mut item: impl FnMut(&'a [u8]) -> Parsed<'a, T>,
) -> Parsed<'a, Vec<T>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        let (rest, value) = item(input)?;
        if rest.len() >= input.len() {
            return fault("an empty item", input);
        }
        items.push(value);
        input = rest;
    }
    Ok((input, items))
}

/// Runs `parser` over all of `input` and turns its failure into a [`DecodeError`].
///
/// Bytes that are left over are an error: a decoder for which they are not takes [`rest`].
pub fn finish<'a, T>(
    input: &'a [u8],
    parser: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
) -> Result<T, DecodeError> {
    let at = |rest: &[u8]| input.len().saturating_sub(rest.len());
    match parser(input) {
        Ok(([], value)) => Ok(value),
        Ok((rest, _)) => Err(DecodeError::new(at(rest), "unexpected bytes after the end")),
        Err(nom::Err::Error(f) | nom::Err::Failure(f)) => Err(DecodeError::new(at(f.rest), f.what)),
        // `complete` combinators never ask for more.
        Err(nom::Err::Incomplete(_)) => Err(DecodeError::new(input.len(), "truncated")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_reported_where_they_start() {
        let error = finish(&[1, 2, 3], |i| be_u16("number", i)).unwrap_err();
        assert_eq!(error, DecodeError::new(2, "unexpected bytes after the end"));
    }

    #[test]
    fn many_refuses_items_of_no_length() {
        let error = finish(&[1], |i| many(i, |i| Ok((i, ())))).unwrap_err();
        assert_eq!(error.what, "an empty item");
    }

    #[test]
    fn arrays_and_numbers_name_what_is_missing() {
        assert_eq!(
            finish(&[1, 2], |i| array::<4>("cookie", i))
                .unwrap_err()
                .what,
            "cookie"
        );
        assert_eq!(
            finish(&[0, 0, 1], |i| be_u32("spi", i)).unwrap_err().what,
            "spi"
        );
        assert_eq!(finish(&[0, 0, 1, 0], |i| be_u32("spi", i)), Ok(256));
    }
}
