//! One entry: what stands before the colon, the type, the key. What is read is what either dialect
//! takes, with a few liberties of the hand: no blanks around the colon, none before the quote.

use wire::Secret;

use super::key;

/// Types of secrets that exist and that L2TP with a pre-shared key has no use for.
const OTHER_TYPES: [&str; 10] = [
    "XAUTH", "EAP", "NTLM", "RSA", "ECDSA", "PKCS8", "P12", "PIN", "PPKS", "BLISS",
];

pub(super) const FORM: &str = "a line is: %any %any : PSK \"key\"";

/// What a line can be.
pub(super) enum Line {
    /// Other files stand in its place.
    Include(Include),
    /// A secret of a type that is not used here.
    Other(String),
    /// A pre-shared key.
    Key(KeyLine),
}

pub(super) struct Include {
    pub pattern: Vec<u8>,
    /// Whether anything but a comment follows.
    pub rest: bool,
    /// Whether it is spelled as both dialects want it.
    pub plain: bool,
}

pub(super) struct KeyLine {
    /// The words before the colon, without quotes.
    pub words: Vec<Vec<u8>>,
    pub secret: Secret,
    /// Whether anything but a comment follows.
    pub rest: bool,
}

impl Line {
    /// Whether nothing is left over.
    pub(super) fn is_clean(&self) -> bool {
        match self {
            Self::Include(include) => !include.rest,
            Self::Key(key) => !key.rest,
            Self::Other(_) => true,
        }
    }
}

pub(super) struct Mistake {
    pub message: &'static str,
    pub hint: &'static str,
    /// More could have come: an indented line below may be the rest of it.
    pub early: bool,
}

fn mistake(message: &'static str, hint: &'static str) -> Mistake {
    Mistake {
        message,
        hint,
        early: false,
    }
}

fn ended(message: &'static str) -> Mistake {
    Mistake {
        message,
        hint: FORM,
        early: true,
    }
}

impl Line {
    /// Reads an entry; several lines of it are joined by LF, which counts as a blank.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Mistake> {
        let text = trim(text);
        let (word, rest) = bare_word(text);
        if word.eq_ignore_ascii_case(b"include") {
            return include(word, rest).map(Self::Include);
        }
        let (words, rest) = parties(text)?;
        if is_over(rest) {
            return Err(ended("nothing stands after the colon"));
        }
        let letters = rest
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric())
            .count();
        let (kind, rest) = rest.split_at_checked(letters).unwrap_or((rest, &[]));
        let kind = String::from_utf8_lossy(kind).to_ascii_uppercase();
        if OTHER_TYPES.contains(&kind.as_str()) {
            return Ok(Self::Other(kind));
        }
        if kind != "PSK" {
            // The word is not shown: it may be the key of somebody who left the type out.
            return Err(mistake("the colon is not followed by PSK", FORM));
        }
        let text = trim(rest);
        if is_over(text) {
            return Err(ended("no key after PSK"));
        }
        let (secret, rest) = key::read(text).map_err(|(what, hint)| mistake(what, hint))?;
        Ok(Self::Key(KeyLine {
            words,
            secret,
            rest: !is_over(trim(rest)),
        }))
    }
}

/// Whether nothing is left, or a comment.
fn is_over(text: &[u8]) -> bool {
    matches!(text, [] | [b'#', ..])
}

fn include(word: &[u8], rest: &[u8]) -> Result<Include, Mistake> {
    let blank = rest.first().copied();
    let text = trim(rest);
    let (pattern, rest, quoted) = match text {
        [quote @ (b'"' | b'\''), after @ ..] => {
            let (pattern, rest) = until(after, *quote).ok_or_else(open_quote)?;
            (pattern, rest, true)
        }
        _ => {
            let (pattern, rest) = bare_word(text);
            (pattern, rest, false)
        }
    };
    if pattern.is_empty() || pattern.starts_with(b"#") && !quoted {
        return Err(ended("include names no file"));
    }
    Ok(Include {
        pattern: pattern.to_vec(),
        rest: !is_over(trim(rest)),
        plain: word == b"include" && blank == Some(b' ') && !quoted,
    })
}

fn open_quote() -> Mistake {
    mistake("a quote is not closed", FORM)
}

/// The words before the colon, and what stands after it.
fn parties(text: &[u8]) -> Result<(Vec<Vec<u8>>, &[u8]), Mistake> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = trim(rest);
        match rest {
            [] | [b'#', ..] => return Err(ended("no colon between the parties and the key")),
            // "::" is an address.
            [b':', after @ ..] if !after.starts_with(b":") => return Ok((words, trim(after))),
            [quote @ (b'"' | b'\'' | b'`'), after @ ..] => {
                let (word, after) = until(after, *quote).ok_or_else(open_quote)?;
                words.push(word.to_vec());
                rest = after;
            }
            _ => {
                let (word, after) = bare_word(rest);
                rest = after;
                // libreswan splits off a colon at the end; an IPv6 address may end in one.
                let is_address = std::str::from_utf8(word)
                    .is_ok_and(|word| word.parse::<std::net::IpAddr>().is_ok());
                match word.strip_suffix(b":") {
                    Some(word) if !is_address => {
                        words.push(word.to_vec());
                        return Ok((words, trim(after)));
                    }
                    _ => words.push(word.to_vec()),
                }
            }
        }
    }
}

/// Within a line there are spaces and tabs; an LF joins two lines of one entry.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

/// Without the blanks in front, and the comments that end before the entry does.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
        rest = rest.get(blanks..).unwrap_or(&[]);
        let end = rest.iter().position(|byte| *byte == b'\n');
        match end.and_then(|end| rest.get(end..)) {
            Some(next) if rest.starts_with(b"#") => rest = next,
            _ => return rest,
        }
    }
}

/// Up to the first blank, and the rest.
pub(super) fn bare_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().take_while(|byte| !is_blank(**byte)).count();
    text.split_at_checked(end).unwrap_or((text, &[]))
}

/// Up to `end` within the line, and what stands behind it.
pub(super) fn until(text: &[u8], end: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == end || *b == b'\n')?;
    let (before, after) = text.split_at_checked(at)?;
    Some((before, after.strip_prefix(&[end])?))
}
