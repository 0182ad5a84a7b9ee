//! xl2tpd.conf: sections, and in them `key = value`. A semicolon begins a comment anywhere; there
//! are no quotes, and no line goes on in the next.
//!
//! xl2tpd does not start if anything in the file is wrong. Here each mistake is a finding, and the
//! other lines count.

mod keys;

use std::net::Ipv4Addr;

use keys::{Key, Type};

use crate::diagnostic::{Diagnostic, Place};

/// xl2tpd reads lines into a buffer of 1,024 bytes.
const LONGEST_LINE: usize = 1023;
/// And keeps this many bytes of a text.
const LONGEST_TEXT: usize = 99;

/// The section a line is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Section {
    /// `[global]`
    Global,
    /// `[lns NAME]`: a server. Names are compared without case, so they are in lower case here.
    Lns(String),
    /// `[lac NAME]`: a client.
    Lac(String),
}

/// A run of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The lowest.
    pub first: Ipv4Addr,
    /// The highest, not below `first`.
    pub last: Ipv4Addr,
}

/// A value, of the type that its key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, not quoted.
    Text(String),
    /// A number.
    Number(u32),
    /// yes or no.
    Truth(bool),
    /// Addresses.
    Range(Range),
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A section begins, or goes on.
    Head,
    /// `key = value`
    Setting {
        /// In lower case.
        key: String,
        /// Read.
        value: Value,
    },
    /// xl2tpd would not start: the reason is also a finding.
    Mistake(String),
}

/// A line that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Where it stands.
    pub place: Place,
    /// As it was written, without comment and surrounding blanks.
    pub text: String,
    /// The section it is in, or begins; none before the first, and in unknown ones.
    pub section: Option<Section>,
    /// What it says.
    pub content: Content,
}

/// Reads the contents of a file.
pub fn parse(file: &Place, bytes: &[u8], findings: &mut Vec<Diagnostic>) -> Vec<Statement> {
    let mut statements: Vec<Statement> = Vec::new();
    let mut section = None;
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1u32..) {
        let place = file.at_line(number);
        if line.len() > LONGEST_LINE {
            let message = format!("longer than the {LONGEST_LINE} bytes xl2tpd reads");
            let found = Diagnostic::warning(place.clone(), message);
            findings.push(found.hint("xl2tpd takes the rest for a line of its own"));
        }
        let line = String::from_utf8_lossy(line);
        let text = line.split(';').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        if text.starts_with('#') {
            let message = "# begins no comment in xl2tpd.conf, and xl2tpd does not start with it";
            let found = Diagnostic::warning(place, message);
            findings.push(found.hint("taken for a comment here; those begin with ;"));
            continue;
        }
        let read = if text.starts_with('[') {
            head(text).map(|begun| {
                section = begun;
                Content::Head
            })
        } else {
            setting(text, section.as_ref(), &statements)
        };
        let content = read.unwrap_or_else(|mistake| {
            // What stands in a section nobody knows is not of the one before.
            if text.starts_with('[') {
                section = None;
            }
            let message = format!("{mistake}: xl2tpd does not start with this line");
            findings.push(Diagnostic::warning(place.clone(), message));
            Content::Mistake(mistake)
        });
        if let Content::Setting {
            value: Value::Text(value),
            ..
        } = &content
            && value.len() > LONGEST_TEXT
        {
            let message = format!("xl2tpd cuts the value after {LONGEST_TEXT} bytes");
            findings.push(Diagnostic::warning(place.clone(), message));
        }
        statements.push(Statement {
            place,
            text: text.to_owned(),
            section: section.clone(),
            content,
        });
    }
    statements
}

/// `[kind name]`
fn head(text: &str) -> Result<Option<Section>, String> {
    let inside = text.strip_prefix('[').unwrap_or(text);
    let (inside, _) = inside.split_once(']').ok_or("there is no ]")?;
    let (kind, name) = match inside.split_once(' ') {
        Some((kind, name)) => (kind, name.trim().to_ascii_lowercase()),
        None => (inside, String::new()),
    };
    match kind.to_ascii_lowercase().as_str() {
        "global" => Ok(Some(Section::Global)),
        "lns" => Ok(Some(Section::Lns(name))),
        "lac" => Ok(Some(Section::Lac(name))),
        _ => Err(format!("there is no section [{inside}]")),
    }
}

fn setting(
    text: &str,
    section: Option<&Section>,
    earlier: &[Statement],
) -> Result<Content, String> {
    let (key, value) = text.split_once('=').ok_or("there is no =")?;
    let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
    let section = section.ok_or_else(|| format!("{key} stands in no section"))?;
    let known = Key::find(&key, section).ok_or_else(|| {
        if Key::is_anywhere(&key) {
            format!("{key} does not belong into this section")
        } else {
            format!("there is no key {key}")
        }
    })?;
    let has = |other: &str| {
        earlier.iter().any(|statement| {
            statement.section.as_ref() == Some(section)
                && matches!(&statement.content, Content::Setting { key, .. } if key == other)
        })
    };
    if (key == "local ip" && has("local ip range")) || (key == "local ip range" && has("local ip"))
    {
        return Err("local ip and local ip range exclude each other".to_owned());
    }
    Ok(Content::Setting {
        value: known.read(value)?,
        key,
    })
}

impl Key {
    fn read(&self, value: &str) -> Result<Value, String> {
        match self.of {
            Type::Text => Ok(Value::Text(value.to_owned())),
            Type::Truth => match value.to_ascii_lowercase().as_str() {
                "yes" | "y" | "true" => Ok(Value::Truth(true)),
                "no" | "n" | "false" => Ok(Value::Truth(false)),
                _ => Err(format!("{value:?} is neither yes nor no")),
            },
            Type::Number { least } => {
                let number = leading_number(value)?;
                if number < least {
                    return Err(format!("{} must be at least {least}", self.name));
                }
                Ok(Value::Number(number))
            }
            Type::Range => range(value).map(Value::Range),
        }
    }
}

/// As C's atoi has it: what begins with no digit is 0.
fn leading_number(value: &str) -> Result<u32, String> {
    if value.starts_with('-') {
        return Err(format!("{value:?} is below 0"));
    }
    let digits = value
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(value.len());
    match value.get(..digits).unwrap_or_default() {
        "" => Ok(0),
        digits => digits.parse().map_err(|_| format!("{digits} is too large")),
    }
}

/// `A - B`, `A-B`, `A`; of B the leading numbers may be missing, which are then those of A.
fn range(value: &str) -> Result<Range, String> {
    let address = |text: &str| {
        text.parse::<Ipv4Addr>()
            .map_err(|_| format!("{text:?} is not an address, and names are not looked up"))
    };
    let Some((first, last)) = value.split_once('-') else {
        let only = address(value)?;
        return Ok(Range {
            first: only,
            last: only,
        });
    };
    let (first, last) = (address(first.trim())?, last.trim());
    let missing = 3usize.saturating_sub(last.matches('.').count());
    let begin: Vec<String> = first
        .octets()
        .iter()
        .take(missing)
        .map(u8::to_string)
        .collect();
    let last = if missing == 0 {
        address(last)?
    } else {
        address(&format!("{}.{last}", begin.join(".")))?
    };
    if last < first {
        return Err(format!(
            "the range ends ({last}) before it begins ({first})"
        ));
    }
    Ok(Range { first, last })
}

#[cfg(test)]
mod tests;
