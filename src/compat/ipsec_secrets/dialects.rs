//! What strongSwan and libreswan would make of an entry: where one of them would read something
//! else, an operator who changes over, or back, wants to know.

use zeroize::Zeroizing;

use super::key;
use super::line::KeyLine;
use super::records::Record;

/// What a program would read.
struct Reading {
    words: Vec<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
}

/// What differs from our reading; none if nothing does.
pub(super) struct Differences {
    pub strongswan: Option<String>,
    pub libreswan: Option<String>,
}

impl Differences {
    pub(super) fn of(record: &Record<'_>, ours: &KeyLine) -> Self {
        let compare = |reading: Reading| {
            if *reading.key != ours.secret.expose() {
                Some("reads another key here")
            } else if reading.words != ours.words {
                Some("reads other parties here")
            } else {
                None
            }
        };
        Self {
            strongswan: match strongswan(record) {
                Ok(reading) => compare(reading).map(str::to_owned),
                Err(why) => Some(format!("reads nothing from this line on: {why}")),
            },
            libreswan: match libreswan(record) {
                Ok(reading) => compare(reading).map(str::to_owned),
                Err(why) => Some(format!("does not take the entry: {why}")),
            },
        }
    }
}

/// strongSwan reads lines: parties and key are parted by the first " : ".
fn strongswan(record: &Record<'_>) -> Result<Reading, String> {
    let fault = |why: &str| Err(why.to_owned());
    let [line] = record.parts[..] else {
        return fault("an entry must stand in one line");
    };
    let line = skip(line);
    let (mut parties, rest) = match line {
        [b':', b' ', rest @ ..] if !rest.is_empty() => (&[][..], rest),
        _ => {
            let Some(at) = line.windows(3).position(|window| window == b" : ") else {
                return fault("there must be a space on both sides of the colon");
            };
            (slice(line, 0, at), slice(line, at + 3, line.len()))
        }
    };
    let rest = skip(rest);
    let Some(end) = rest.iter().position(|byte| blank(*byte)) else {
        return fault("there must be a blank after PSK");
    };
    if slice(rest, 0, end) != b"PSK" {
        return fault("PSK must be in capitals, with a blank behind it");
    }
    let mut text = skip(slice(rest, end, rest.len()));
    let key = match text {
        [] | [b'#', ..] => return fault("no key after PSK"),
        [b'"' | b'\'', ..] => match quoted(&mut text) {
            Some(key) => Zeroizing::new(key.to_vec()),
            None => return fault("the quote around the key is not closed"),
        },
        _ => {
            let end = text.iter().position(|byte| blank(*byte));
            match slice(text, 0, end.unwrap_or(text.len())) {
                [b'0', b'x' | b'X', digits @ ..] if !digits.is_empty() => strongswan_hex(digits),
                [b'0', b's' | b'S', digits @ ..] if !digits.is_empty() => {
                    // It would take something for what is no base64.
                    key::base64(digits).unwrap_or_default()
                }
                word => Zeroizing::new(word.to_vec()),
            }
        }
    };
    let mut words = Vec::new();
    loop {
        parties = skip(parties);
        match parties {
            [] => break,
            [b'"' | b'\'', ..] => match quoted(&mut parties) {
                Some([]) => {}
                Some(word) => words.push(word.to_vec()),
                None => return fault("a quote before the colon is not closed"),
            },
            _ => {
                let end = parties.iter().position(|byte| blank(*byte));
                let end = end.unwrap_or(parties.len());
                words.push(slice(parties, 0, end).to_vec());
                parties = slice(parties, end, parties.len());
            }
        }
    }
    Ok(Reading { words, key })
}

/// From the right, colons left out; what is no digit counts as 0.
fn strongswan_hex(digits: &[u8]) -> Zeroizing<Vec<u8>> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or(0);
    let digits: Zeroizing<Vec<u8>> = Zeroizing::new(
        digits
            .iter()
            .filter(|digit| **digit != b':')
            .map(|digit| u8::try_from(value(digit)).unwrap_or(0))
            .collect(),
    );
    let bytes = digits.rchunks(2).rev().map(|pair| match pair {
        [high, low] => high << 4 | low,
        _ => pair.first().copied().unwrap_or(0),
    });
    Zeroizing::new(bytes.collect())
}

/// Longest line that libreswan reads as one.
const LONGEST: usize = 2047;

/// libreswan reads tokens: a colon at the end of one is a token of its own.
fn libreswan(record: &Record<'_>) -> Result<Reading, String> {
    let fault = |why: &str| Err(why.to_owned());
    if record
        .parts
        .first()
        .is_some_and(|line| line.first().is_some_and(|byte| blank(*byte)))
    {
        return fault("an indented line continues the entry above it");
    }
    if let Some(line) = record.indented_below {
        return Err(format!("the indented line {line} continues it"));
    }
    let mut tokens = Vec::new();
    for line in &record.parts {
        if line.len() > LONGEST || line.contains(&0) {
            return fault("a line of it is too long, or has a zero byte in it");
        }
        tokenise(line.trim_ascii_end(), &mut tokens);
    }
    let colon = tokens.iter().position(|token| token.text == b":");
    let Some((parties, [_, rest @ ..])) = colon.and_then(|at| tokens.split_at_checked(at)) else {
        return fault("the colon must stand by itself, or end a word");
    };
    let words = parties.iter().map(|token| token.text.to_vec()).collect();
    let value = match rest {
        [kind, value] if kind.text.eq_ignore_ascii_case(b"PSK") => value,
        [kind, _, _, ..] if kind.text.eq_ignore_ascii_case(b"PSK") => {
            return fault("there is more text after the key");
        }
        _ => return fault("there must be a blank after PSK"),
    };
    let key = match (value.quote, value.text) {
        (Some(b'"' | b'\''), text) => Zeroizing::new(text.to_vec()),
        (None, [b'0', b'x' | b'X', digits @ ..]) => match libreswan_hex(digits) {
            Some(key) => key,
            None => return fault("two digits for each byte must follow 0x"),
        },
        (None, [b'0', b's' | b'S', digits @ ..]) => match key::base64(digits) {
            Some(key) if key::is_filled_with_zeros(digits) => key,
            _ => return fault("the bits that fill up the base64 must be zero"),
        },
        (None, [b'0', b't' | b'T', text @ ..]) if !text.is_empty() => Zeroizing::new(text.to_vec()),
        _ => return fault("the key must be in \" or ', or begin with 0x, 0s or 0t"),
    };
    Ok(Reading { words, key })
}

/// Whole bytes, with an underscore between any two of them.
fn libreswan_hex(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    let mut rest = digits;
    while let [high, low, after @ ..] = rest {
        bytes.extend(hex::decode([*high, *low]).ok()?);
        rest = match after {
            [b'_', more @ ..] if !more.is_empty() => more,
            _ => after,
        };
    }
    (rest.is_empty() && !bytes.is_empty()).then_some(bytes)
}

struct Token<'a> {
    text: &'a [u8],
    quote: Option<u8>,
}

fn tokenise<'a>(line: &'a [u8], tokens: &mut Vec<Token<'a>>) {
    let mut rest = line;
    loop {
        rest = skip(rest);
        let (text, quote, after) = match rest {
            [] | [b'#', ..] => return,
            [quote @ (b'"' | b'\'' | b'`'), ..] => match quoted(&mut rest) {
                Some(text) => (text, Some(*quote), rest),
                None => (rest, None, &[][..]),
            },
            [b'0', b't', ..] => (rest, None, &[][..]),
            _ => {
                let end = rest.iter().position(|byte| blank(*byte));
                let end = end.unwrap_or(rest.len());
                let end = match slice(rest, 0, end) {
                    [_, .., b':'] => end - 1,
                    _ => end,
                };
                (slice(rest, 0, end), None, slice(rest, end, rest.len()))
            }
        };
        tokens.push(Token { text, quote });
        rest = after;
    }
}

fn blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn skip(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| blank(**byte)).count();
    slice(text, blanks, text.len())
}

/// What is within the quotes at the front of `text`, which goes on behind them.
fn quoted<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (quote, after) = text.split_first()?;
    let end = after.iter().position(|byte| byte == quote)?;
    *text = slice(after, end + 1, after.len());
    Some(slice(after, 0, end))
}

fn slice(text: &[u8], from: usize, to: usize) -> &[u8] {
    text.get(from..to).unwrap_or(&[])
}
