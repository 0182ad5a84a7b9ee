//! The ipsec.conf of strongSwan and libreswan: `conn NAME` with `key=value` lines beneath.
//!
//! The two programs share the outline and differ in details ([`Dialect`]). Nothing here stops at
//! a mistake, though the originals refuse a whole file for one: what a line must have meant is
//! taken, and a finding says what the original makes of it.

mod dialect;
mod lines;
mod sections;
#[cfg(test)]
mod tests;
mod values;

use std::path::Path;

use crate::compat::include::{DEEPEST, Open, too_deep};
use crate::diagnostic::{Diagnostic, Place};

pub use dialect::Dialect;
pub use sections::{Effective, Section, SectionKind};
pub use values::{boolean, seconds};

/// Everything in a file but blank lines and comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Where it begins.
    pub place: Place,
    /// Its last line: a quoted value may have several.
    pub last_line: u32,
    /// What it is.
    pub what: What,
}

/// What a statement is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `version 2.0`, of FreeS/WAN's time.
    Version,
    /// `include PATTERN`.
    Include(String),
    /// `conn NAME` and the like.
    Section(SectionKind, String),
    /// `key=value` of the section above it.
    Setting {
        /// In small letters where the dialect does not care for case.
        key: String,
        /// Without quotes; empty for `key=`.
        value: String,
    },
    /// Something that cannot be understood; a finding says why.
    Unknown,
}

/// A file with all it includes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpsecConf {
    /// In which dialect it was read; none if that could not be told, and the union was read.
    pub dialect: Option<Dialect>,
    /// Its statements in order, those of an included file behind the include.
    pub statements: Vec<Statement>,
}

/// Reads a file and, with `open`, what it includes. Without `dialect`, the file itself shows it, or
/// the union is read.
pub fn read(
    path: &Path,
    text: &[u8],
    dialect: Option<Dialect>,
    open: &mut Open<'_>,
    findings: &mut Vec<Diagnostic>,
) -> IpsecConf {
    let text = String::from_utf8_lossy(text);
    let dialect = dialect.or_else(|| recognise(&text));
    let mut reader = Reader {
        dialect,
        open,
        depth: 1,
        statements: Vec::new(),
    };
    reader.file(path, &text, findings);
    IpsecConf {
        dialect,
        statements: reader.statements,
    }
}

/// Reads the contents of one file; includes are not followed.
pub fn parse(
    file: &Place,
    text: &[u8],
    dialect: Option<Dialect>,
    findings: &mut Vec<Diagnostic>,
) -> IpsecConf {
    let text = String::from_utf8_lossy(text);
    let dialect = dialect.or_else(|| recognise(&text));
    IpsecConf {
        dialect,
        statements: lines::statements(file, &text, dialect, findings),
    }
}

/// The dialect that the words of a file show.
fn recognise(text: &str) -> Option<Dialect> {
    let statements = lines::statements(&Place::default(), text, None, &mut Vec::new());
    Dialect::recognise(&statements)
}

struct Reader<'a, 'b> {
    dialect: Option<Dialect>,
    open: &'a mut Open<'b>,
    depth: usize,
    statements: Vec<Statement>,
}

impl Reader<'_, '_> {
    fn file(&mut self, path: &Path, text: &str, findings: &mut Vec<Diagnostic>) {
        for statement in lines::statements(&Place::file(path), text, self.dialect, findings) {
            let include = match &statement.what {
                What::Include(pattern) => Some((pattern.clone(), statement.place.clone())),
                _ => None,
            };
            self.statements.push(statement);
            let Some((pattern, place)) = include else {
                continue;
            };
            if self.depth >= DEEPEST {
                findings.push(too_deep(&place, &pattern));
                continue;
            }
            self.depth = self.depth.saturating_add(1);
            for (path, text) in (self.open)(path, &place, &pattern, findings) {
                self.file(&path, &String::from_utf8_lossy(&text), findings);
            }
            self.depth = self.depth.saturating_sub(1);
        }
    }
}
