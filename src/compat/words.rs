//! The words of pppd's files: white space between them, quotes, backslashes, comments.

use std::iter;
use std::ops::Range;

use zeroize::{Zeroize, Zeroizing};

/// The longest word in bytes; pppd cuts longer ones.
pub(super) const LONGEST_WORD: usize = 1023;

/// A word, without its quotes and escapes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub bytes: Zeroizing<Vec<u8>>,
    /// Written without quotes and backslashes.
    pub bare: bool,
    /// Where it is written, quotes and backslashes included.
    pub span: Range<usize>,
}

/// The words of one record, which ends with its line unless quotes or a backslash carry it on.
pub(super) struct Record {
    /// Line of the first word, from 1.
    pub line: u32,
    pub words: Vec<Word>,
    /// Everything it takes up, from the beginning of its first line to the end of its last one.
    pub span: Range<usize>,
    /// A comment that began in the middle of a word, as in `pass#word`.
    pub comment_in_word: bool,
    /// A quote was still open at the end of the file.
    pub unterminated: bool,
    /// A word was longer than [`LONGEST_WORD`], and is cut.
    pub too_long: bool,
    /// A word had a byte 0 in it, where pppd takes it to end; so do we.
    pub zero: bool,
}

/// Takes a file apart into records, one at a time; empty ones are left out.
pub(super) fn records(text: &[u8]) -> impl Iterator<Item = Record> {
    let mut reader = Reader {
        rest: text,
        length: text.len(),
        line: 1,
    };
    let records = iter::from_fn(move || (!reader.rest.is_empty()).then(|| reader.record()));
    records.filter(|record| !record.words.is_empty())
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Of the whole text.
    length: usize,
    line: u32,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        if *first == b'\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(*first)
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn position(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    fn record(&mut self) -> Record {
        let mut record = Record {
            line: self.line,
            words: Vec::new(),
            span: self.position()..self.position(),
            comment_in_word: false,
            unterminated: false,
            too_long: false,
            zero: false,
        };
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => {
                    self.next();
                    break;
                }
                b'#' => self.skip_comment(),
                // The white space of C's isspace.
                b' ' | b'\t' | b'\r' | 0x0b | 0x0c => {
                    self.next();
                }
                _ => {
                    let line = self.line;
                    if let Some(word) = self.word(&mut record) {
                        if record.words.is_empty() {
                            record.line = line;
                        }
                        record.words.push(word);
                    }
                }
            }
        }
        record.span.end = self.position();
        record
    }

    /// Up to the end of the line, which stays.
    fn skip_comment(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.next();
        }
    }

    /// A word; none if it was nothing but an escaped end of line, or, as in pppd, an empty one at
    /// the very end of the file.
    fn word(&mut self, record: &mut Record) -> Option<Word> {
        let start = self.position();
        let mut bare = true;
        let mut bytes = Zeroizing::new(Vec::new());
        let mut anything = false;
        let mut quote: Option<u8> = None;
        while let Some(byte) = self.peek() {
            match (byte, quote) {
                (b'\\', _) => {
                    bare = false;
                    self.next();
                    if let Some(byte) = self.escape() {
                        push(&mut bytes, byte);
                        anything = true;
                    }
                    continue;
                }
                (_, Some(open)) if byte == open => quote = None,
                (_, Some(_)) => push(&mut bytes, byte),
                (b'"' | b'\'', None) => {
                    quote = Some(byte);
                    bare = false;
                    anything = true;
                }
                (b'#', None) => {
                    record.comment_in_word |= anything;
                    break;
                }
                (b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c, None) => break,
                (_, None) => {
                    push(&mut bytes, byte);
                    anything = true;
                }
            }
            self.next();
        }
        let span = start..self.position();
        if self.rest.is_empty() && bytes.is_empty() {
            return None;
        }
        record.unterminated |= quote.is_some();
        record.too_long |= bytes.len() > LONGEST_WORD;
        cut(&mut bytes, LONGEST_WORD);
        if let Some(zero) = bytes.iter().position(|byte| *byte == 0) {
            record.zero = true;
            cut(&mut bytes, zero);
        }
        anything.then_some(Word { bytes, bare, span })
    }

    /// What stands after a backslash; none for an end of line, which vanishes.
    fn escape(&mut self) -> Option<u8> {
        Some(match self.next()? {
            b'\n' => return None,
            b'a' => 0x07,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b's' => b' ',
            b't' => b'\t',
            b'x' => self.digits(0, 16, 2),
            digit @ b'0'..=b'7' => self.digits(digit - b'0', 8, 2),
            other => other,
        })
    }

    /// Up to `most` further digits; what does not fit a byte is cut off, as C does it.
    fn digits(&mut self, first: u8, radix: u8, most: usize) -> u8 {
        let mut value = first;
        for _ in 0..most {
            let digit = self
                .peek()
                .and_then(|b| char::from(b).to_digit(u32::from(radix)));
            let Some(digit) = digit.and_then(|digit| u8::try_from(digit).ok()) else {
                break;
            };
            value = value.wrapping_mul(radix).wrapping_add(digit);
            self.next();
        }
        value
    }
}

/// Cuts by hand, so that what is cut off is wiped.
pub(super) fn cut(bytes: &mut Zeroizing<Vec<u8>>, length: usize) {
    if let Some(rest) = bytes.get_mut(length..) {
        rest.zeroize();
        bytes.truncate(length);
    }
}

/// Grows by hand, so that no copy of half a secret stays behind in freed memory.
fn push(bytes: &mut Zeroizing<Vec<u8>>, byte: u8) {
    if bytes.len() == bytes.capacity() {
        let mut larger = Vec::with_capacity(bytes.capacity().saturating_mul(2).max(32));
        larger.extend_from_slice(bytes);
        std::mem::swap(&mut **bytes, &mut larger);
        larger.zeroize();
    }
    bytes.push(byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let text_of = |word: &Word| String::from_utf8_lossy(&word.bytes).into_owned();
        let of = |record: &Record| record.words.iter().map(text_of).collect();
        records(text.as_bytes()).map(|record| of(&record)).collect()
    }

    #[test]
    fn words_as_pppd_reads_them() {
        for (text, expected) in [
            (r#""bob" l2tpd "p w" *"#, vec!["bob", "l2tpd", "p w", "*"]),
            (
                r"al\ ice l2tpd pass#word 10.0.0.5",
                vec!["al ice", "l2tpd", "pass"],
            ),
            (
                r#"dave l2tpd "quoted#hash" -"#,
                vec!["dave", "l2tpd", "quoted#hash", "-"],
            ),
            (r"bob l2tpd p\#w *", vec!["bob", "l2tpd", "p#w", "*"]),
            ("x#y l2tpd z *", vec!["x"]),
            (
                r#"gina l2tpd gi"na x"y 10.1.1.2"#,
                vec!["gina", "l2tpd", "gina xy", "10.1.1.2"],
            ),
            (
                r"CORP\\hal l2tpd halpw *",
                vec![r"CORP\hal", "l2tpd", "halpw", "*"],
            ),
            (
                r"ivan l2tpd iv\x41n\101 *",
                vec!["ivan", "l2tpd", "ivAnA", "*"],
            ),
            (
                r#"carol * 'it"s' !10.0.0.9 -"#,
                vec!["carol", "*", "it\"s", "!10.0.0.9", "-"],
            ),
            (
                "frank l2tpd \\\n   \"cont inued\" 10.1.1.1",
                vec!["frank", "l2tpd", "cont inued", "10.1.1.1"],
            ),
            (r#"bob l2tpd "a\"b" *"#, vec!["bob", "l2tpd", "a\"b", "*"]),
            (
                r#"bob l2tpd abc"d"e\ f *"#,
                vec!["bob", "l2tpd", "abcde f", "*"],
            ),
            (r#"bob l2tpd "pw"* *"#, vec!["bob", "l2tpd", "pw*", "*"]),
            (
                "bob l2tpd \"multi\nline\" *",
                vec!["bob", "l2tpd", "multi\nline", "*"],
            ),
            ("bob l2tpd pw *\r\n", vec!["bob", "l2tpd", "pw", "*"]),
            (r#""" l2tpd "" *"#, vec!["", "l2tpd", "", "*"]),
            ("a\\\nb c", vec!["ab", "c"]),
            ("a b\\0c d", vec!["a", "b", "d"]),
            ("a \"\" \"\"\n", vec!["a", "", ""]),
            ("a \"\" \"\"", vec!["a", ""]),
        ] {
            assert_eq!(words(text), [expected], "{text}");
        }
        assert_eq!(words("\n# nothing\n  \t\n"), Vec::<Vec<String>>::new());
        assert_eq!(words("a b # c\nd"), [vec!["a", "b"], vec!["d"]]);
    }

    #[test]
    fn where_words_and_records_are() {
        let text = b"# users\n\n \"b\\x20b\"  c#d\n\\\ne \"f\ng\"";
        let found: Vec<Record> = records(text).collect();
        let piece = |span: &Range<usize>| String::from_utf8_lossy(&text[span.clone()]).into_owned();
        let pieces: Vec<Vec<String>> = found
            .iter()
            .map(|record| record.words.iter().map(|word| piece(&word.span)).collect())
            .collect();
        assert_eq!(
            pieces,
            [vec!["\"b\\x20b\"", "c"], vec!["\\\ne", "\"f\ng\""]]
        );
        let whole: Vec<String> = found.iter().map(|record| piece(&record.span)).collect();
        assert_eq!(whole, [" \"b\\x20b\"  c#d\n", "\\\ne \"f\ng\""]);
        let bare: Vec<bool> = found
            .iter()
            .flat_map(|r| &r.words)
            .map(|w| w.bare)
            .collect();
        assert_eq!(bare, [false, true, false, false]);
    }

    #[test]
    fn slips_are_noticed() {
        let long = format!("a {}\n", "x".repeat(1024));
        let first = |text: &[u8]| records(text).next().unwrap();
        assert!(first(long.as_bytes()).too_long);
        assert_eq!(first(long.as_bytes()).words[1].bytes.len(), 1023);
        assert!(first(b"a b\\x").zero);
        assert!(first(b"a b c#d").comment_in_word);
        assert!(!first(b"a b c #d").comment_in_word);
        assert!(first(b"a b \"c\n").unterminated);
        assert_eq!(
            records(b"\n\na \\\nb\nc")
                .map(|r| r.line)
                .collect::<Vec<_>>(),
            [3, 5]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(text: Vec<u8>) {
            records(&text).for_each(drop);
        }
    }
}
