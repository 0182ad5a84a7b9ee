//! The file of pre-shared keys that strongSwan and libreswan share by name: `selectors : PSK "key"`.
//!
//! The two dialects differ. Read here is their union: blanks around the colon are optional, the
//! type is in any case, an indented line may continue an entry. Where one of the two would read
//! something else there is a warning that says what. A line that neither would take is an error,
//! and the lines after it count all the same. `docs/secrets.md` has the grammar.

mod dialects;
mod judge;
mod key;
mod line;
mod records;
mod selector;
mod write;

use std::path::Path;

use wire::Secret;

use super::InsecurePermissions;
use super::include::Includes;
use crate::diagnostic::{Diagnostic, Place};
use line::{Include, KeyLine, Line};
use records::records;

pub use selector::Selector;
pub use write::entry as write_entry;
pub(crate) use write::spelled_entry as write_spelled_entry;

/// Shorter keys can be guessed from a recorded handshake in reasonable time.
pub(crate) const SHORT_KEY: usize = 20;

/// A pre-shared key, and for whom it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The words before the colon, in their order; none: for anybody.
    pub selectors: Vec<Selector>,
    /// The key.
    pub secret: Secret,
    /// Where it stands.
    pub place: Place,
}

impl Entry {
    /// The key as IKE wants it, known by its place.
    pub fn key(&self) -> ike::Key {
        ike::Key {
            label: self.place.to_string(),
            selectors: self.selectors.iter().map(Selector::for_ike).collect(),
            secret: self.secret.clone(),
        }
    }
}

/// Reads the file at `path` and those it includes; none if it cannot be read.
pub fn load(
    path: &Path,
    insecure: InsecurePermissions,
    findings: &mut Vec<Diagnostic>,
) -> Option<Vec<Entry>> {
    let bytes = super::read_secret_file(path, insecure, findings)?;
    Some(parse_file(path, &bytes, insecure, findings))
}

/// Reads the contents of the file at `path`, and the files that it includes. Entries come in
/// the order in which they stand, those of a file where it is included.
pub(crate) fn parse_file(
    path: &Path,
    text: &[u8],
    insecure: InsecurePermissions,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Entry> {
    let mut reader = Reader {
        includes: Includes::new(path),
        insecure,
        findings,
        entries: Vec::new(),
    };
    reader.read(&Place::file(path), path.parent(), text);
    reader.finish()
}

/// Reads text that is in no file: includes are not followed, as they would be relative to it.
pub fn parse(file: &Place, text: &[u8], findings: &mut Vec<Diagnostic>) -> Vec<Entry> {
    let mut reader = Reader {
        includes: Includes::new(Path::new("")),
        insecure: InsecurePermissions::default(),
        findings,
        entries: Vec::new(),
    };
    reader.read(file, None, text);
    reader.finish()
}

/// Whether a line says anything in the language of such files.
pub(crate) fn reads_as_entry(line: &[u8]) -> bool {
    Line::parse(line).is_ok()
}

/// The lines in which secrets of types begin that are not used here, and their types.
pub(crate) fn of_other_types(text: &[u8]) -> Vec<(u32, String)> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let records = records(text).into_iter();
    records
        .filter_map(|record| match record.said {
            Ok(Line::Other(kind)) => Some((record.line, kind)),
            _ => None,
        })
        .collect()
}

struct Reader<'a> {
    includes: Includes,
    insecure: InsecurePermissions,
    findings: &'a mut Vec<Diagnostic>,
    entries: Vec<Entry>,
}

impl Reader<'_> {
    fn finish(self) -> Vec<Entry> {
        judge::duplicates(&self.entries, self.findings);
        self.entries
    }

    fn warn(&mut self, place: &Place, message: impl Into<String>, hint: &str) {
        let found = Diagnostic::warning(place.clone(), message);
        self.findings.push(found.hint(hint));
    }

    /// Reads a file's contents; `folder` is where it is.
    fn read(&mut self, file: &Place, folder: Option<&Path>, text: &[u8]) {
        let text = match text.strip_prefix(b"\xef\xbb\xbf") {
            None => text,
            Some(rest) => {
                let hint = "skipped here; other programs refuse the line";
                self.warn(&file.at_line(1), "begins with a byte order mark", hint);
                rest
            }
        };
        for record in records(text) {
            let place = file.at_line(record.line);
            match &record.said {
                Ok(Line::Include(include)) => self.include(&place, folder, include),
                Ok(Line::Other(kind)) => {
                    let message = format!("a secret of type {kind} is not used here");
                    self.warn(&place, message, "only PSK is");
                }
                Ok(Line::Key(line)) => {
                    let entry = entry(line, place);
                    judge::entry(&record, line, &entry, self.findings);
                    self.entries.push(entry);
                }
                Err(mistake) => {
                    let found = Diagnostic::error(place, mistake.message);
                    self.findings.push(found.hint(mistake.hint));
                }
            }
        }
    }

    fn include(&mut self, place: &Place, folder: Option<&Path>, include: &Include) {
        let Ok(pattern) = std::str::from_utf8(&include.pattern) else {
            let hint = "give the file a name that is UTF-8";
            return self.warn(place, "include: the name of the file is not UTF-8", hint);
        };
        let Some(folder) = folder else {
            let message = format!("include: {pattern} is not followed here");
            return self.warn(place, message, "`adit serve` and `adit check` follow it");
        };
        if include.rest {
            let hint = "libreswan does not read such an include at all";
            self.warn(place, "the text after the pattern is ignored", hint);
        }
        if !include.plain {
            let hint = "write it as: include /etc/ipsec.d/*.secrets";
            self.warn(place, "strongSwan does not take this for an include", hint);
        }
        let files = self.includes.expand(pattern, folder, place, self.findings);
        self.includes.enter();
        for path in files {
            let bytes = super::read_secret_file(&path, self.insecure, self.findings);
            if let Some(bytes) = bytes {
                self.read(&Place::file(&path), path.parent(), &bytes);
            }
        }
        self.includes.leave();
    }
}

fn entry(line: &KeyLine, place: Place) -> Entry {
    Entry {
        selectors: line
            .words
            .iter()
            .map(|word| Selector::parse(word))
            .collect(),
        secret: line.secret.clone(),
        place,
    }
}

#[cfg(test)]
mod tests;
