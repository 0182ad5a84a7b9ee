//! The spellings of a key. There are no escapes in either dialect.

use wire::Secret;
use zeroize::Zeroizing;

use super::line::{bare_word, until};

type Fault = (&'static str, &'static str);

/// The key at the front of `text`, and what stands after it.
pub(super) fn read(text: &[u8]) -> Result<(Secret, &[u8]), Fault> {
    let (bytes, rest) = match text {
        [quote @ (b'"' | b'\''), after @ ..] => {
            let (key, rest) = until(after, *quote).ok_or((
                "the quote around the key is not closed",
                "end the key with the same quote; a quote within it needs the other kind",
            ))?;
            (Zeroizing::new(key.to_vec()), rest)
        }
        // To the end of the line, blanks and all; those at the end do not count.
        [b'0', b't', after @ ..] if !after.is_empty() => {
            let end = after.iter().position(|byte| *byte == b'\n');
            let (key, rest) = after
                .split_at_checked(end.unwrap_or(after.len()))
                .unwrap_or((after, &[]));
            (Zeroizing::new(key.trim_ascii_end().to_vec()), rest)
        }
        _ => {
            let (word, rest) = bare_word(text);
            (bare(word)?, rest)
        }
    };
    if bytes.is_empty() {
        return Err(("the key is empty", "write one of at least 20 characters"));
    }
    Ok((Secret::from(&bytes[..]), rest))
}

fn bare(word: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
    match word {
        [b'0', b'x' | b'X', digits @ ..] if !digits.is_empty() => hexadecimal(digits).ok_or((
            "the key after 0x is not hexadecimal",
            "two hexadecimal digits for each byte, or put the text in quotes",
        )),
        [b'0', b's' | b'S', digits @ ..] if !digits.is_empty() => base64(digits).ok_or((
            "the key after 0s is not base64",
            "four characters for every three bytes, the last four filled up with =; or put the \
             text in quotes",
        )),
        // libreswan refuses what is neither quoted nor marked; to strongSwan it is text, and a
        // back-quote is a character of it.
        _ => Ok(Zeroizing::new(word.to_vec())),
    }
}

/// libreswan lets underscores stand between bytes; strongSwan colons, and an odd digit in front.
fn hexadecimal(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut clean = Zeroizing::new(Vec::with_capacity(digits.len().saturating_add(1)));
    let count = digits.iter().filter(|b| !matches!(b, b'_' | b':')).count();
    if count % 2 == 1 {
        clean.push(b'0');
    }
    clean.extend(digits.iter().filter(|b| !matches!(b, b'_' | b':')));
    hex::decode(&*clean).ok().map(Zeroizing::new)
}

/// RFC 4648 §4 in whole groups: of one that is cut short strongSwan takes nothing, and libreswan
/// does not take the key.
pub(super) fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = text.get(..text.len().checked_sub(padding)?)?;
    if !text.len().is_multiple_of(4) || padding > 2 || digits.is_empty() {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in digits {
        bits = (bits << 6 | sextet(*byte)?) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// Six bits.
fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// Whether the bits of the last digit that belong to no byte are zero.
pub(super) fn is_filled_with_zeros(text: &[u8]) -> bool {
    let unused = match text {
        [.., last, b'=', b'='] => sextet(*last).map(|bits| bits & 0xf),
        [.., last, b'='] => sextet(*last).map(|bits| bits & 0x3),
        _ => Some(0),
    };
    unused == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_exact() {
        for (text, bytes) in [
            ("YQ==", &b"a"[..]),
            ("YWI=", b"ab"),
            ("YWJjZGVm", b"abcdef"),
            ("/+8=", b"\xff\xef"),
        ] {
            let found = base64(text.as_bytes()).map(|bytes| bytes.to_vec());
            assert_eq!(found.as_deref(), Some(bytes), "{text}");
        }
        for text in ["Y", "YQ", "YWI", "YQ===", "Y=Q", "Y Q=", "====", "A==="] {
            assert!(base64(text.as_bytes()).is_none(), "{text}");
        }
    }
}
