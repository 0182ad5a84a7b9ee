//! Lines to statements.

use super::{Dialect, SectionKind, Statement, What};
use crate::diagnostic::{Diagnostic, Place};

/// Takes the contents of one file apart.
pub(super) fn statements(
    file: &Place,
    text: &str,
    dialect: Option<Dialect>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Statement> {
    let text = match text.strip_prefix('\u{feff}') {
        None => text,
        Some(rest) => {
            let found = Diagnostic::warning(file.at_line(1), "begins with a byte order mark");
            findings.push(found.hint("skipped here; other programs refuse the line"));
            rest
        }
    };
    let mut reader = Reader {
        rest: text,
        line: 1,
        file,
        dialect,
        in_section: false,
        findings,
    };
    let mut statements = Vec::new();
    while !reader.rest.is_empty() {
        let place = file.at_line(reader.line);
        if let Some(what) = reader.statement() {
            let last_line = reader.line;
            statements.push(Statement {
                place,
                last_line,
                what,
            });
        }
        reader.end_of_line();
    }
    statements
}

struct Reader<'a> {
    rest: &'a str,
    /// Of `rest`, from 1.
    line: u32,
    file: &'a Place,
    dialect: Option<Dialect>,
    in_section: bool,
    findings: &'a mut Vec<Diagnostic>,
}

fn is_blank(c: char) -> bool {
    // A carriage return before the end of the line is one of Windows' line ends.
    matches!(c, ' ' | '\t' | '\r')
}

impl<'a> Reader<'a> {
    fn warn(&mut self, message: impl Into<String>, hint: &str) {
        let place = self.file.at_line(self.line);
        self.findings
            .push(Diagnostic::warning(place, message).hint(hint));
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        if c == '\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(c)
    }

    /// What stands before the first character that `ends`.
    fn take_until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(is_blank);
    }

    /// What is left of the line, without what is behind it.
    fn rest_of_line(&mut self) -> &'a str {
        self.take_until(|c| c == '\n')
    }

    fn end_of_line(&mut self) {
        self.rest_of_line();
        self.next();
    }

    /// One statement, which begins with its line; none in a line without one.
    fn statement(&mut self) -> Option<What> {
        let indented = self.peek().is_some_and(is_blank);
        self.skip_blanks();
        if matches!(self.peek(), None | Some('\n' | '#')) {
            return None;
        }
        let word = self.take_until(|c| is_blank(c) || matches!(c, '\n' | '=' | '#' | '"'));
        self.skip_blanks();
        let assigned = self.peek() == Some('=');
        Some(match word {
            "version" if !assigned => {
                self.rest_of_line();
                What::Version
            }
            "include" if !assigned => self.include(),
            "config" | "conn" | "ca" if !indented && !assigned => self.section(word),
            "" => {
                self.warn("a line begins with a key", "key=value");
                What::Unknown
            }
            _ if assigned => {
                self.next();
                self.setting(word, indented)
            }
            "config" | "conn" | "ca" => {
                let message = format!("{word} is indented, and so no section begins here");
                self.warn(message, "sections begin in the first column");
                What::Unknown
            }
            _ => {
                let hint = "a setting is key=value, a section begins with conn, config or ca";
                self.warn(format!("{word:?} is neither a setting nor a section"), hint);
                What::Unknown
            }
        })
    }

    fn section(&mut self, word: &str) -> What {
        let name = self.take_until(|c| is_blank(c) || matches!(c, '\n' | '#' | '"'));
        self.skip_blanks();
        if !matches!(self.peek(), None | Some('\n' | '#')) {
            let hint = "names are single words without quotes";
            self.warn("there is more than a name in this line", hint);
        }
        let (kind, name) = match (word, name) {
            ("config", "setup") => (SectionKind::Setup, ""),
            ("config", _) => {
                self.warn("there is no such section", "it is called: config setup");
                self.in_section = false;
                return What::Unknown;
            }
            (_, "") => {
                self.warn("this section has no name", "such as: conn l2tp-psk");
                self.in_section = false;
                return What::Unknown;
            }
            ("ca", name) => (SectionKind::Ca, name),
            (_, name) => (SectionKind::Conn, name),
        };
        if kind == SectionKind::Ca && self.dialect == Some(Dialect::Libreswan) {
            self.warn("libreswan has no section ca", "only strongSwan does");
        }
        self.in_section = true;
        What::Section(kind, name.to_owned())
    }

    fn include(&mut self) -> What {
        let mut pattern = String::new();
        if self.peek() == Some('"') {
            self.quoted(&mut pattern);
        } else {
            while let Some(c) = self.peek() {
                match c {
                    '\n' | '#' | ' ' | '\t' | '\r' => break,
                    '\\' => {
                        self.next();
                        if let Some(c @ ('"' | '#' | '}' | ' ')) = self.peek() {
                            self.next();
                            pattern.push(c);
                        } else {
                            pattern.push('\\');
                        }
                    }
                    _ => {
                        self.next();
                        pattern.push(c);
                    }
                }
            }
        }
        if pattern.is_empty() {
            self.warn("include names no file", "such as: include ipsec.d/*.conf");
            return What::Unknown;
        }
        What::Include(pattern)
    }

    fn setting(&mut self, key: &str, indented: bool) -> What {
        if !indented {
            let hint = "put a blank before it; both programs refuse the whole file like this";
            self.warn(format!("{key} stands in the first column"), hint);
        }
        if !self.in_section {
            let hint = "write it below a line such as: conn l2tp-psk";
            self.warn(format!("{key} stands in no section"), hint);
            self.rest_of_line();
            return What::Unknown;
        }
        let libreswan = self.dialect == Some(Dialect::Libreswan);
        // strongSwan tells large letters from small ones, and nobody uses large ones.
        let key = match self.dialect {
            Some(Dialect::StrongSwan) => key.to_owned(),
            _ => key.to_ascii_lowercase(),
        };
        let comment = key.starts_with("x-") || key.starts_with("x_");
        let value = match libreswan {
            true if comment => self.rest_of_line().trim_matches(is_blank).to_owned(),
            true => self.libreswan_value(),
            false => self.strongswan_value(),
        };
        What::Setting { key, value }
    }

    /// Words joined by single blanks, some of which may be quoted.
    fn strongswan_value(&mut self) -> String {
        let mut words: Vec<String> = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some('\n' | '#') => break,
                Some('"') => {
                    let mut word = String::new();
                    self.quoted(&mut word);
                    words.push(word);
                }
                Some(_) => words.push(self.bare()),
            }
        }
        words.join(" ")
    }

    /// A word of strongSwan's. `#` ends it, but for one behind an `@` at its beginning.
    fn bare(&mut self) -> String {
        let start = match self.rest.strip_prefix("@#") {
            Some(rest) => {
                self.rest = rest;
                "@#"
            }
            None => "",
        };
        let word = self.take_until(|c| is_blank(c) || matches!(c, '\n' | '#' | '"'));
        if word.contains('=') {
            let message = "there is a = in this value, which strongSwan refuses";
            self.warn(message, "put the value in quotes");
        }
        if self.peek() == Some('#') && self.dialect.is_none() {
            let hint = "strongSwan ends the value at the #, libreswan does not: use quotes";
            self.warn("there is a # within a word", hint);
        }
        format!("{start}{word}")
    }

    /// From one quote to the next; lines may lie between them.
    fn quoted(&mut self, into: &mut String) {
        let begin = self.line;
        self.next();
        while let Some(c) = self.next() {
            match c {
                '"' => return,
                '\\' => match self.next() {
                    None | Some('\n') => {}
                    Some('\r') if self.peek() == Some('\n') => {
                        self.next();
                    }
                    Some('n') => into.push('\n'),
                    Some('r') => into.push('\r'),
                    Some('t') => into.push('\t'),
                    Some(other) => into.push(other),
                },
                _ => into.push(c),
            }
        }
        self.findings.push(
            Diagnostic::warning(self.file.at_line(begin), "a quote is not closed")
                .hint("everything up to the end of the file belongs to it"),
        );
    }

    /// One word, or one in quotes or braces, without escapes.
    fn libreswan_value(&mut self) -> String {
        self.skip_blanks();
        let mut value = match self.peek() {
            None | Some('\n' | '#') => return String::new(),
            Some('"') => self.delimited('"'),
            Some('{') => self.delimited('}'),
            Some(_) => {
                let word = self.take_until(|c| is_blank(c) || c == '\n');
                word.to_owned()
            }
        };
        self.skip_blanks();
        if !matches!(self.peek(), None | Some('\n' | '#')) {
            self.warn(
                "there is more than one word in this value, which libreswan refuses",
                "put the value in quotes",
            );
            let more = self.take_until(|c| matches!(c, '\n' | '#'));
            value.push(' ');
            let words: Vec<&str> = more
                .split(is_blank)
                .filter(|word| !word.is_empty())
                .collect();
            value.push_str(&words.join(" "));
        }
        value
    }

    fn delimited(&mut self, end: char) -> String {
        self.next();
        let value = self.take_until(|c| c == end || c == '\n').to_owned();
        if self.peek() == Some(end) {
            self.next();
        } else {
            self.warn(
                format!("{end} is missing at the end of this value"),
                "a value ends in its line",
            );
        }
        value
    }
}
