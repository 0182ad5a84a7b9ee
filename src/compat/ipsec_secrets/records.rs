//! Lines, and which of them belong together.
//!
//! To strongSwan every line is an entry, indented or not; to libreswan an indented line continues
//! the one above. Both are met: an indented line is joined to an entry that ended too early, or
//! else stands for itself.

use zeroize::Zeroizing;

use super::line::{Line, Mistake, is_blank, trim};

/// Lines of which an entry may consist, so that a file full of beginnings is not read again and
/// again.
const MOST_LINES: usize = 64;

/// The lines of one entry. Comments and blank lines are in none.
pub(super) struct Record<'a> {
    /// The first line, from 1.
    pub line: u32,
    /// The last one.
    pub last: u32,
    /// Its lines without their ends.
    pub parts: Vec<&'a [u8]>,
    /// What it says.
    pub said: Result<Line, Mistake>,
    /// The first indented line below that is not part of it, although libreswan would take it for
    /// one.
    pub indented_below: Option<u32>,
}

impl<'a> Record<'a> {
    fn new(number: u32, line: &'a [u8]) -> Self {
        Self {
            line: number,
            last: number,
            parts: vec![line],
            said: Line::parse(line),
            indented_below: None,
        }
    }

    fn join(&mut self, number: u32, line: &'a [u8]) {
        self.parts.push(line);
        self.last = number;
    }

    /// Takes an indented line if it is the rest of this entry.
    fn take(&mut self, number: u32, line: &'a [u8]) -> bool {
        let alone = Line::parse(line);
        match &self.said {
            // The fields of a key in braces.
            Ok(Line::Other(_)) if alone.is_err() => {
                self.join(number, line);
                return true;
            }
            Err(mistake) if mistake.early && self.parts.len() < MOST_LINES => {
                self.parts.push(line);
                let joined = Line::parse(&Zeroizing::new(self.parts.join(&b'\n')));
                self.parts.pop();
                if alone.is_err() || joined.as_ref().is_ok_and(Line::is_clean) {
                    self.join(number, line);
                    self.said = joined;
                    return true;
                }
            }
            _ => {}
        }
        self.indented_below.get_or_insert(number);
        false
    }
}

/// Takes a file apart.
pub(super) fn records(text: &[u8]) -> Vec<Record<'_>> {
    let mut records: Vec<Record> = Vec::new();
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1u32..) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if matches!(trim(line), [] | [b'#', ..]) {
            continue;
        }
        let indented = line.first().is_some_and(|byte| is_blank(*byte));
        let taken = match records.last_mut() {
            Some(open) if indented => open.take(number, line),
            _ => false,
        };
        if !taken {
            records.push(Record::new(number, line));
        }
    }
    records
}
