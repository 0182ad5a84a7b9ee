//! strongSwan's swanctl.conf: sections within sections, and `key = value`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wire::Secret;
use zeroize::Zeroizing;

use crate::compat::include::{DEEPEST, Open, too_deep};
use crate::diagnostic::{Diagnostic, Place};

/// Sections within sections; strongSwan itself looks at four.
const DEEPEST_SECTION: usize = 16;

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Where it begins.
    pub place: Place,
    /// Its last line.
    pub last_line: u32,
    /// The sections it stands in, the outermost first; of a section's own beginning, that one is
    /// the last.
    pub path: Vec<String>,
    /// What it is.
    pub what: What,
}

/// What a statement is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `name {`, with the sections behind a colon: it inherits from those.
    Begin(Vec<String>),
    /// `}`.
    End,
    /// `key = value`.
    Setting {
        /// The key.
        key: String,
        /// The value without its quotes, which may be a secret; empty if there is none.
        value: Secret,
    },
    /// `include PATTERN`.
    Include(String),
    /// Something that cannot be understood; a finding says why.
    Unknown,
}

/// A file with all it includes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swanctl {
    /// Its statements in order, those of an included file behind the include.
    pub statements: Vec<Statement>,
}

/// Reads a file and, with `open`, what it includes.
pub fn read(
    path: &Path,
    text: &[u8],
    open: &mut Open<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Swanctl {
    let mut reader = Reader {
        rest: text,
        line: 1,
        file: Place::file(path),
        path: path.to_owned(),
        depth: 1,
        sections: Vec::new(),
        too_deep: 0,
        statements: Vec::new(),
        open,
        findings,
    };
    reader.file();
    if let Some(name) = reader.sections.last() {
        let message = format!("the section {name} is not closed");
        let place = reader.file.clone();
        reader
            .findings
            .push(Diagnostic::warning(place, message).hint("a } is missing"));
    }
    Swanctl {
        statements: reader.statements,
    }
}

struct Reader<'a, 'b, 'c> {
    rest: &'a [u8],
    line: u32,
    file: Place,
    path: std::path::PathBuf,
    depth: usize,
    sections: Vec<String>,
    /// Sections that are open beyond those.
    too_deep: usize,
    statements: Vec<Statement>,
    open: &'b mut Open<'c>,
    findings: &'b mut Vec<Diagnostic>,
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

impl Reader<'_, '_, '_> {
    fn file(&mut self) {
        while self.peek().is_some() {
            self.statement();
        }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        if *first == b'\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(*first)
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.next();
        }
    }

    /// Blanks, line ends and comments.
    fn skip_space(&mut self) {
        loop {
            self.skip(|byte| is_blank(byte) || byte == b'\n');
            if self.peek() != Some(b'#') {
                return;
            }
            self.skip(|byte| byte != b'\n');
        }
    }

    fn warn(&mut self, line: u32, message: impl Into<String>, hint: &str) {
        let found = Diagnostic::warning(self.file.at_line(line), message);
        self.findings.push(found.hint(hint));
    }

    fn push(&mut self, line: u32, what: What) {
        self.statements.push(Statement {
            place: self.file.at_line(line),
            last_line: self.line,
            path: self.sections.clone(),
            what,
        });
    }

    fn statement(&mut self) {
        self.skip_space();
        let line = self.line;
        match self.peek() {
            None => {}
            Some(b'}') => {
                self.next();
                self.push(line, What::End);
                if self.too_deep > 0 {
                    self.too_deep = self.too_deep.saturating_sub(1);
                } else if self.sections.pop().is_none() {
                    self.warn(line, "this } closes nothing", "is there one too many?");
                }
            }
            Some(byte @ (b'{' | b'"' | b'=' | b':' | b',')) => {
                self.next();
                let message = format!("{:?} stands where a name should", char::from(byte));
                self.warn(line, message, "a statement is key = value or name { … }");
                // What follows a quote may be a secret: nothing of it is looked at.
                if byte == b'"' {
                    self.string(&mut Zeroizing::new(Vec::new()));
                }
                if byte == b'{' {
                    self.begin(line, "?".to_owned(), Vec::new());
                } else {
                    self.push(line, What::Unknown);
                }
            }
            Some(_) => self.named(line),
        }
    }

    /// A word of letters that may stand in a name.
    fn name(&mut self) -> String {
        let end = self
            .rest
            .iter()
            .position(|byte| is_blank(*byte) || b"\n#{}=\",:".contains(byte))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        String::from_utf8_lossy(name).into_owned()
    }

    fn named(&mut self, line: u32) {
        let name = self.name();
        let before = self.rest;
        self.skip(is_blank);
        if name == "include" && self.peek() != Some(b'=') && before.len() > self.rest.len() {
            return self.include(line);
        }
        match self.peek() {
            Some(b'=') => {
                self.next();
                let value = self.value();
                let what = What::Setting { key: name, value };
                self.push(line, what);
            }
            Some(b':') => {
                let mut parents = Vec::new();
                while matches!(self.peek(), Some(b':' | b',')) {
                    self.next();
                    self.skip_space();
                    parents.push(self.name());
                    self.skip_space();
                }
                self.brace(line, name, parents);
            }
            _ => {
                self.skip_space();
                self.brace(line, name, Vec::new());
            }
        }
    }

    fn brace(&mut self, line: u32, name: String, parents: Vec<String>) {
        if self.peek() == Some(b'{') {
            self.next();
            return self.begin(line, name, parents);
        }
        // Not shown: it may be the rest of a secret without its quotes.
        let message = "a word is neither a setting nor a section";
        self.warn(line, message, "a statement is key = value or name { … }");
        self.statements.push(Statement {
            place: self.file.at_line(line),
            last_line: line,
            path: self.sections.clone(),
            what: What::Unknown,
        });
    }

    fn begin(&mut self, line: u32, name: String, parents: Vec<String>) {
        if self.sections.len() >= DEEPEST_SECTION {
            if self.too_deep == 0 {
                let hint = "swanctl looks at four of them";
                self.warn(line, "sections are nested too deep", hint);
            }
            self.too_deep = self.too_deep.saturating_add(1);
            return self.push(line, What::Unknown);
        }
        self.sections.push(name);
        self.push(line, What::Begin(parents));
    }

    /// Words joined by single blanks, up to the end of the line or of the section; strings in
    /// quotes may have several lines.
    fn value(&mut self) -> Secret {
        let mut value = Zeroizing::new(Vec::new());
        let mut words = 0u32;
        loop {
            self.skip(is_blank);
            match self.peek() {
                None | Some(b'\n' | b'#' | b'}') => break,
                Some(_) if words > 0 => value.push(b' '),
                Some(_) => {}
            }
            words = words.saturating_add(1);
            if self.peek() == Some(b'"') {
                self.next();
                self.string(&mut value);
                continue;
            }
            while let Some(byte) = self.peek() {
                if is_blank(byte) || b"\n#}\"".contains(&byte) {
                    break;
                }
                self.next();
                value.push(byte);
            }
        }
        Secret::from(&value[..])
    }

    /// Up to the closing quote; the opening one is taken already.
    fn string(&mut self, into: &mut Zeroizing<Vec<u8>>) {
        let line = self.line;
        while let Some(byte) = self.next() {
            match byte {
                b'"' => return,
                b'\r' => {}
                b'\\' => match self.next() {
                    None | Some(b'\n') => {}
                    Some(b'\r') => self.skip(|byte| byte == b'\n'),
                    Some(b'n') => into.push(b'\n'),
                    Some(b'r') => into.push(b'\r'),
                    Some(b't') => into.push(b'\t'),
                    Some(other) => into.push(other),
                },
                _ => into.push(byte),
            }
        }
        let hint = "everything up to the end of the file belongs to it";
        self.warn(line, "a quote is not closed", hint);
    }

    fn include(&mut self, line: u32) {
        let mut pattern = Zeroizing::new(Vec::new());
        if self.peek() == Some(b'"') {
            self.next();
            self.string(&mut pattern);
        } else {
            while let Some(byte) = self.peek() {
                match byte {
                    b'\n' | b'#' | b'}' | b' ' | b'\t' | b'\r' => break,
                    b'\\' => {
                        self.next();
                        match self.peek() {
                            Some(byte @ (b'"' | b'#' | b'}' | b' ')) => {
                                self.next();
                                pattern.push(byte);
                            }
                            _ => pattern.push(byte),
                        }
                    }
                    _ => {
                        self.next();
                        pattern.push(byte);
                    }
                }
            }
        }
        let pattern = String::from_utf8_lossy(&pattern).into_owned();
        let place = self.file.at_line(line);
        self.push(line, What::Include(pattern.clone()));
        if self.depth >= DEEPEST {
            self.findings.push(too_deep(&place, &pattern));
            return;
        }
        for (path, text) in (self.open)(&self.path, &place, &pattern, self.findings) {
            let text = Zeroizing::new(text);
            let mut reader = Reader {
                rest: &text,
                line: 1,
                file: Place::file(&path),
                path,
                depth: self.depth.saturating_add(1),
                sections: std::mem::take(&mut self.sections),
                too_deep: self.too_deep,
                statements: std::mem::take(&mut self.statements),
                open: self.open,
                findings: self.findings,
            };
            reader.file();
            self.sections = reader.sections;
            self.too_deep = reader.too_deep;
            self.statements = reader.statements;
        }
    }
}

/// Sections by their names, with what they inherit. Sections of one name are one.
#[derive(Clone, Debug, Default)]
pub struct Tree<'a> {
    sections: BTreeMap<&'a [String], Section<'a>>,
}

#[derive(Clone, Debug, Default)]
struct Section<'a> {
    settings: BTreeMap<&'a str, (&'a Secret, usize)>,
    parents: Vec<Vec<String>>,
}

impl Swanctl {
    /// The sections, for asking.
    pub fn tree(&self) -> Tree<'_> {
        let mut tree = Tree::default();
        for (index, statement) in self.statements.iter().enumerate() {
            match &statement.what {
                What::Begin(parents) => {
                    let section = tree.sections.entry(&statement.path).or_default();
                    for parent in parents {
                        let path = parent.split('.').map(str::to_owned).collect();
                        section.parents.push(path);
                    }
                }
                What::Setting { key, value } => {
                    let section = tree.sections.entry(&statement.path).or_default();
                    section.settings.insert(key, (value, index));
                }
                _ => {}
            }
        }
        tree
    }
}

impl<'a> Tree<'a> {
    /// The sections that `path` is, and those it inherits from, its own first.
    fn sources(&self, path: &[String]) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![path.to_vec()];
        while let Some(path) = open.pop() {
            if path.len() > DEEPEST_SECTION || !seen.insert(path.clone()) {
                continue;
            }
            // A section inherits where it, or any section around it, names others. The outermost
            // come last, and of several the last one named.
            for split in 0..=path.len() {
                let (outer, inner) = path.split_at_checked(split).unwrap_or((&path, &[]));
                let parents = self.sections.get(outer).map(|section| &section.parents);
                for parent in parents.into_iter().flatten().rev() {
                    open.push([parent, inner].concat());
                }
            }
            found.push(path);
        }
        found
    }

    /// The value of a setting and the number of its statement.
    pub fn get(&self, path: &[String], key: &str) -> Option<(&'a Secret, usize)> {
        let sources = self.sources(path);
        let mut values = sources.iter().filter_map(|path| {
            let section = self.sections.get(path.as_slice())?;
            section.settings.get(key).copied()
        });
        values.next().filter(|(value, _)| !value.is_empty())
    }

    /// The names of the sections in `path`, in alphabetical order.
    pub fn children(&self, path: &[String]) -> Vec<String> {
        let mut names = BTreeSet::new();
        for path in self.sources(path) {
            for other in self.sections.keys() {
                if let Some([name]) = other.strip_prefix(path.as_slice()) {
                    names.insert(name.clone());
                }
            }
        }
        names.into_iter().collect()
    }

    /// All settings of a section, own and inherited: key, value, number of the statement.
    pub fn settings(&self, path: &[String]) -> Vec<(&'a str, &'a Secret, usize)> {
        let mut settings = BTreeMap::new();
        for path in self.sources(path) {
            let section = self.sections.get(path.as_slice());
            for (key, setting) in section.into_iter().flat_map(|section| &section.settings) {
                settings.entry(*key).or_insert(*setting);
            }
        }
        let settings = settings.into_iter();
        settings
            .map(|(key, (value, statement))| (key, value, statement))
            .collect()
    }
}

#[cfg(test)]
#[path = "swanctl_tests.rs"]
mod tests;
