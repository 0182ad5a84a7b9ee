//! pppd's files of options: words, where an option and its arguments may stand in one line or in
//! several.
//!
//! pppd does not start with a word it does not know. Here that is a finding, and since nobody can
//! tell how many arguments such a word has, the words after it are read as options.

mod names;

use super::words;
use crate::diagnostic::{Diagnostic, Place};

#[cfg(test)]
pub(crate) use names::all;
use names::{Arity, arity};

/// An option with its arguments. They are bytes that nobody promises to be UTF-8; what is not, is
/// replaced by U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it begins.
    pub place: Place,
    /// The line its last argument stands in.
    pub last_line: u32,
    /// The option, as it is written, `+chap` or `require-chap`; an address pair; a tty.
    pub name: String,
    /// As many as the option takes, or fewer at the end of the file.
    pub arguments: Vec<String>,
    /// Whether pppd knows it.
    pub known: bool,
}

impl Word {
    /// The first argument, or nothing.
    pub fn argument(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }

    /// As it can be shown: without secrets.
    pub fn text(&self) -> String {
        let mut text = self.name.clone();
        for argument in &self.arguments {
            let shown = if self.name == "password" {
                "(secret)"
            } else {
                argument
            };
            text.push(' ');
            text.push_str(shown);
        }
        text
    }
}

/// Reads the contents of a file.
pub fn parse(file: &Place, bytes: &[u8], findings: &mut Vec<Diagnostic>) -> Vec<Word> {
    let mut rest = Vec::new();
    for record in words::records(bytes) {
        if record.unterminated {
            let message = "a quote is open to the end of the file";
            findings.push(Diagnostic::warning(file.at_line(record.line), message));
        }
        for word in record.words {
            rest.push((
                record.line,
                String::from_utf8_lossy(&word.bytes).into_owned(),
            ));
        }
    }
    let mut rest = rest.into_iter();
    let mut options = Vec::new();
    let mut after_password = false;
    while let Some((line, name)) = rest.next() {
        let place = file.at_line(line);
        let found = arity(&name);
        // The rest of a password with blanks that lacks its quotes is not shown.
        let name = match found {
            Arity::Unknown if after_password => "(secret)".to_owned(),
            _ => name,
        };
        after_password = name == "password" || after_password && found == Arity::Unknown;
        let wanted = match found {
            Arity::Known(arguments) => arguments,
            Arity::Unknown => {
                let message = format!("pppd knows no option {name}, and does not start with it");
                let found = Diagnostic::warning(place.clone(), message);
                findings.push(found.hint("skipped, a word at a time"));
                0
            }
        };
        let mut arguments = Vec::new();
        let mut last_line = line;
        for (line, argument) in rest.by_ref().take(wanted) {
            last_line = line;
            arguments.push(argument);
        }
        if arguments.len() < wanted {
            let message = format!("{name} takes {wanted} arguments, and the file ends before that");
            findings.push(Diagnostic::warning(place.clone(), message));
        }
        options.push(Word {
            place,
            last_line,
            name,
            arguments,
            known: found != Arity::Unknown,
        });
    }
    options
}

/// A number as pppd reads it: decimal, `0x` or octal, and nothing after it.
pub fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> (Vec<Word>, Vec<String>) {
        let mut findings = Vec::new();
        let words = parse(&Place::file(Path::new("x")), text.as_bytes(), &mut findings);
        (words, findings.iter().map(ToString::to_string).collect())
    }

    fn texts(text: &str) -> Vec<String> {
        read(text).0.iter().map(Word::text).collect()
    }

    #[test]
    fn lines_mean_nothing() {
        let expected = ["ms-dns 10.0.0.1", "mtu 1280", "noccp", "10.0.0.1:"];
        for text in [
            "ms-dns 10.0.0.1\nmtu 1280\nnoccp\n10.0.0.1:\n",
            "ms-dns\n10.0.0.1 # x\nmtu \\\n1280 noccp 10.0.0.1:",
            "\"ms-dns\" '10.0.0.1' mtu 1280\tnoccp\r\n10.0.0.1:\r\n",
        ] {
            assert_eq!(texts(text), expected, "{text}");
        }
        let (words, _) = read("# c\nms-dns\n\n10.0.0.1\nnoccp");
        assert_eq!((words[0].place.line, words[0].last_line), (Some(2), 4));
        assert_eq!(words[1].place.line, Some(5));
    }

    #[test]
    fn what_pppd_does_not_know() {
        let (words, findings) = read("frobnicate 7\nmtu 1280\nNOCCP\nmru");
        let known: Vec<(&str, bool)> = words.iter().map(|w| (w.name.as_str(), w.known)).collect();
        // A bare number is the speed of a serial line.
        let expected = [
            ("frobnicate", false),
            ("7", true),
            ("mtu", true),
            ("NOCCP", false),
            ("mru", true),
        ];
        assert_eq!(known, expected);
        assert!(findings[0].starts_with("x:1: warning: pppd knows no option frobnicate"));
        assert!(findings[1].starts_with("x:3: warning: pppd knows no option NOCCP"));
        assert!(findings[2].contains("mru takes 1 arguments, and the file ends"));
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(
            texts("user bob password hunter2"),
            ["user bob", "password (secret)"]
        );
        let (words, findings) = read("password hunter2 and more\nnoccp FROB");
        let shown: Vec<String> = words.iter().map(Word::text).collect();
        let hidden = ["password (secret)", "(secret)", "(secret)", "noccp", "FROB"];
        assert_eq!(shown, hidden);
        assert!(findings[1].contains("no option (secret)"), "{findings:?}");
    }

    #[test]
    fn numbers() {
        for (text, value) in [
            ("1280", Some(1280)),
            ("0x500", Some(1280)),
            ("0", Some(0)),
            ("010", Some(8)),
            ("", None),
            ("12x", None),
            ("-1", None),
        ] {
            assert_eq!(number(text), value, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _ = parse(&Place::file(Path::new("x")), &bytes, &mut Vec::new());
        }
    }
}
