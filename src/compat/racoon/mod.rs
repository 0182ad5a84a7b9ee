//! racoon.conf: statements that end in `;`, and blocks of them in braces.
//!
//! racoon refuses a file for any mistake. Here everything is read: what is a statement is told by
//! its end, and what it means by its first words.

mod meaning;
#[cfg(test)]
mod tests;
mod words;

use std::path::{Path, PathBuf};

pub use meaning::{PhaseOne, Remote, Sainfo};

use crate::compat::include::{DEEPEST, Open, too_deep};
use crate::diagnostic::{Diagnostic, Place};

/// Blocks within blocks; racoon knows two.
const DEEPEST_BLOCK: usize = 8;

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Where it begins.
    pub place: Place,
    /// Its last line; of a block, that of its opening brace.
    pub last_line: u32,
    /// Its words. A port in brackets, and a comma, is one of them.
    pub words: Vec<String>,
    /// The number of the statement whose block it stands in.
    pub within: Option<usize>,
    /// How it ends.
    pub end: End,
}

/// How a statement ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With `;`.
    Semicolon,
    /// With `{`: the following ones are within it.
    Block,
    /// It is nothing but the `}` of the block it is within.
    Close,
    /// Not at all; a finding says so.
    Missing,
}

impl Statement {
    /// The word at `index`; empty if there are not so many.
    pub fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }
}

/// A file with all it includes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Racoon {
    /// Its statements in order, those of an included file behind the include.
    pub statements: Vec<Statement>,
}

/// Reads a file and, with `open`, what it includes.
pub fn read(
    path: &Path,
    text: &[u8],
    open: &mut Open<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Racoon {
    let mut reader = Reader {
        base: None,
        depth: 1,
        blocks: Vec::new(),
        too_deep: 0,
        statements: Vec::new(),
        open,
        findings,
    };
    reader.file(path, text);
    if let Some(block) = reader.blocks.last()
        && let Some(statement) = reader.statements.get(*block)
    {
        let message = format!("the block of {} is not closed", statement.word(0));
        let found = Diagnostic::warning(statement.place.clone(), message);
        reader.findings.push(found.hint("a } is missing"));
    }
    Racoon {
        statements: reader.statements,
    }
}

struct Reader<'a, 'b> {
    /// What `path include` says.
    base: Option<PathBuf>,
    depth: usize,
    /// The statements whose blocks are open.
    blocks: Vec<usize>,
    /// Blocks that are open beyond those.
    too_deep: usize,
    statements: Vec<Statement>,
    open: &'a mut Open<'b>,
    findings: &'a mut Vec<Diagnostic>,
}

impl Reader<'_, '_> {
    fn file(&mut self, path: &Path, text: &[u8]) {
        let file = Place::file(path);
        let text = String::from_utf8_lossy(text);
        let mut words: Vec<String> = Vec::new();
        let (mut first, mut last) = (1, 1);
        for token in words::tokens(&text) {
            if token.unterminated {
                let found = Diagnostic::warning(file.at_line(token.line), "a quote is not closed");
                let hint = "everything up to the end of the file belongs to it";
                self.findings.push(found.hint(hint));
            }
            if words.is_empty() {
                first = token.line;
            }
            last = token.last_line;
            let end = match token.mark {
                None => {
                    words.push(token.text);
                    continue;
                }
                Some(';') if words.is_empty() => {
                    // Harmless, and racoon refuses it all the same.
                    let message = "this semicolon ends nothing";
                    self.warn(&file.at_line(first), message, "it can be taken out");
                    continue;
                }
                Some(';') => End::Semicolon,
                Some('{') => End::Block,
                Some(_) => End::Close,
            };
            if end == End::Close && !words.is_empty() {
                self.unfinished(&file, (first, last), std::mem::take(&mut words));
                first = token.line;
            }
            self.statement(&file, (first, last), std::mem::take(&mut words), end);
            self.include(path);
        }
        if !words.is_empty() {
            self.unfinished(&file, (first, last), words);
        }
    }

    fn warn(&mut self, place: &Place, message: &str, hint: &str) {
        let found = Diagnostic::warning(place.clone(), message);
        self.findings.push(found.hint(hint));
    }

    fn unfinished(&mut self, file: &Place, lines: (u32, u32), words: Vec<String>) {
        let hint = "every statement ends in one";
        self.warn(&file.at_line(lines.0), "a statement has no semicolon", hint);
        self.statement(file, lines, words, End::Missing);
    }

    fn statement(
        &mut self,
        file: &Place,
        (first, last_line): (u32, u32),
        words: Vec<String>,
        end: End,
    ) {
        let place = file.at_line(first);
        let within = self.blocks.last().copied();
        let number = self.statements.len();
        match end {
            End::Block if self.blocks.len() >= DEEPEST_BLOCK => {
                if self.too_deep == 0 {
                    self.warn(&place, "blocks are nested too deep", "racoon knows two");
                }
                self.too_deep = self.too_deep.saturating_add(1);
            }
            End::Block => self.blocks.push(number),
            End::Close if self.too_deep > 0 => self.too_deep = self.too_deep.saturating_sub(1),
            End::Close => {
                if self.blocks.pop().is_none() {
                    self.warn(&place, "this } closes nothing", "is there one too many?");
                }
            }
            End::Semicolon | End::Missing => {}
        }
        let words = self.without_secrets(within, words);
        self.statements.push(Statement {
            place,
            last_line,
            words,
            within,
            end,
        });
    }

    /// The secrets of RADIUS and the password for LDAP: nobody has use for them.
    fn without_secrets(&self, within: Option<usize>, mut words: Vec<String>) -> Vec<String> {
        let block = within
            .and_then(|within| self.statements.get(within))
            .map_or("", |block| block.word(0));
        let keep = match (block, words.first().map_or("", String::as_str)) {
            ("radiuscfg", "auth" | "acct") => 2,
            (_, "bind_pw") => 1,
            _ => return words,
        };
        if words.len() > keep {
            words.truncate(keep);
            words.push("(secret)".to_owned());
        }
        words
    }

    /// Follows the last statement, if it is an include.
    fn include(&mut self, by: &Path) {
        let Some(statement) = self.statements.last() else {
            return;
        };
        let (first, second) = (statement.word(0), statement.word(1));
        if (first, second) == ("path", "include") {
            self.base = Some(PathBuf::from(statement.word(2)));
            return;
        }
        if first != "include" || second.is_empty() || statement.end != End::Semicolon {
            return;
        }
        let pattern = match &self.base {
            Some(base) => base.join(second).to_string_lossy().into_owned(),
            None => second.to_owned(),
        };
        let place = statement.place.clone();
        if self.depth >= DEEPEST {
            self.findings.push(too_deep(&place, &pattern));
            return;
        }
        self.depth = self.depth.saturating_add(1);
        for (path, text) in (self.open)(by, &place, &pattern, self.findings) {
            self.file(&path, &text);
        }
        self.depth = self.depth.saturating_sub(1);
    }
}
