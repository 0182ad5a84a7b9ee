//! Findings about what an operator wrote: where, what, and what to do about it.

use std::fmt::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be, and worth knowing.
    Note,
    /// Read and understood, but probably not what was meant.
    Warning,
    /// Not usable: nothing of the configuration takes effect.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Where something was written: the layer a setting came from, and the line in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// A file, or the words "environment variable ADIT_…", or "default".
    pub file: String,
    /// Line, from 1; none when the whole file is meant, or there are no lines.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<u32>,
}

impl Place {
    /// A whole file.
    pub fn file(path: &Path) -> Self {
        Self {
            file: path.display().to_string(),
            line: None,
            column: None,
        }
    }

    /// An environment variable.
    pub fn variable(name: &str) -> Self {
        Self {
            file: format!("environment variable {name}"),
            line: None,
            column: None,
        }
    }

    /// A value nobody wrote.
    pub fn default_value() -> Self {
        Self {
            file: "default".to_owned(),
            line: None,
            column: None,
        }
    }

    /// The same file at `line`, counted from 1.
    #[must_use]
    pub fn at_line(&self, line: u32) -> Self {
        Self {
            file: self.file.clone(),
            line: Some(line),
            column: None,
        }
    }

    /// The same file at the line and column of byte `offset` of `text`, its contents.
    #[must_use]
    pub fn at_offset(&self, text: &str, offset: usize) -> Self {
        let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
        let line = before.bytes().filter(|b| *b == b'\n').count();
        let column = before.rsplit('\n').next().unwrap_or("").chars().count();
        let one_based = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        Self {
            file: self.file.clone(),
            line: Some(one_based(line)),
            column: Some(one_based(column)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// What it is, as a sentence without its full stop.
    pub message: String,
    /// What to do, likewise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Something that keeps the configuration from being used.
    pub fn error(place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place,
            message: message.into(),
            hint: None,
        }
    }

    /// Something that is right, and worth knowing.
    pub fn note(place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            place,
            message: message.into(),
            hint: None,
        }
    }

    /// Something that is worth a look.
    pub fn warning(place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            place,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether this keeps the configuration from being used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// One line that terminals and logs take as text: messages quote words of files, in which there may be
/// control characters.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = self.hint.as_ref().map(|hint| format!(" ({hint})"));
        let (place, severity, message) = (&self.place, self.severity, &self.message);
        let line = format!("{place}: {severity}: {message}{}", hint.unwrap_or_default());
        for character in line.chars() {
            match character.is_control() {
                true => write!(f, "{}", character.escape_default())?,
                false => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// Whether any of `findings` is an error.
pub fn any_error(findings: &[Diagnostic]) -> bool {
    findings.iter().any(Diagnostic::is_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_reaches_a_terminal() {
        let place = Place::file(Path::new("secrets")).at_line(1);
        let found = Diagnostic::warning(place, "odd word a\u{1b}[2Jb\nc").hint("\u{9b}x");
        assert_eq!(
            found.to_string(),
            "secrets:1: warning: odd word a\\u{1b}[2Jb\\nc (\\u{9b}x)"
        );
    }

    #[test]
    fn display_is_what_editors_jump_to() {
        let place = Place::file(Path::new("/etc/adit/adit.toml"));
        let found = Diagnostic::error(place.at_offset("a\nbé = 1\n", 5), "no such thing");
        assert_eq!(
            found.to_string(),
            "/etc/adit/adit.toml:2:3: error: no such thing"
        );
        let found = Diagnostic::warning(place.at_line(7), "odd").hint("make it even");
        assert_eq!(
            found.to_string(),
            "/etc/adit/adit.toml:7: warning: odd (make it even)"
        );
        let found = Diagnostic::error(Place::variable("ADIT_PPP__MRU"), "not a number");
        assert_eq!(
            found.to_string(),
            "environment variable ADIT_PPP__MRU: error: not a number"
        );
    }

    #[test]
    fn json_is_flat_and_reads_back() {
        let found = Diagnostic::warning(Place::file(Path::new("f")).at_line(3), "odd").hint("h");
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(
            text,
            r#"{"severity":"warning","file":"f","line":3,"message":"odd","hint":"h"}"#
        );
        assert_eq!(serde_json::from_str::<Diagnostic>(&text).unwrap(), found);
    }
}
