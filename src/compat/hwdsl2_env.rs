//! The environment that hwdsl2's container and scripts are set up with: `VPN_IPSEC_PSK=…`, one
//! variable a line.
//!
//! Blanks and quotes around a value do not belong to it. A value holds neither quotes nor
//! backslashes, so there is nothing to escape.

use zeroize::Zeroizing;

use crate::diagnostic::{Diagnostic, Place};

/// A variable with a value, which may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; not empty.
    pub value: Zeroizing<String>,
    /// Where it stands.
    pub place: Place,
}

/// Reads the contents of a file. Variables without a value are left out, as they count for nothing;
/// `others` gets the lines that set none.
pub fn parse(
    file: &Place,
    bytes: &[u8],
    others: &mut Vec<Place>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Variable> {
    let mut variables = Vec::new();
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1u32..) {
        let place = file.at_line(number);
        let line = Zeroizing::new(String::from_utf8_lossy(line).into_owned());
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let text = text.strip_prefix("export ").unwrap_or(text);
        let Some((name, value)) = text.split_once('=') else {
            let found = Diagnostic::warning(place.clone(), "sets no variable");
            findings.push(found.hint("lines are NAME=value"));
            others.push(place);
            continue;
        };
        let value = unquoted(value);
        if value.is_empty() {
            others.push(place);
            continue;
        }
        if value.contains(['"', '\'', '\\']) {
            let message = format!("the value of {name} holds a quote or a backslash");
            let found = Diagnostic::warning(place.clone(), message);
            findings.push(found.hint("the container refuses it; taken as it is here"));
        }
        variables.push(Variable {
            name: name.trim().to_owned(),
            value: Zeroizing::new(value.to_owned()),
            place,
        });
    }
    variables
}

/// Without blanks around it, and quotes around that.
fn unquoted(value: &str) -> &str {
    let value = value.trim();
    let inside = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    inside.unwrap_or(value).trim()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn variables() {
        let text =
            "# x\nVPN_USER=ann\nexport VPN_PASSWORD=' p w '\r\nVPN_DNS_SRV1=\nx\nA=\"b'c\"\n";
        let (mut others, mut findings) = (Vec::new(), Vec::new());
        let file = Place::file(Path::new("e"));
        let variables = parse(&file, text.as_bytes(), &mut others, &mut findings);
        let read: Vec<(&str, &str, Option<u32>)> = variables
            .iter()
            .map(|v| (v.name.as_str(), v.value.as_str(), v.place.line))
            .collect();
        let expected = [
            ("VPN_USER", "ann", Some(2)),
            ("VPN_PASSWORD", "p w", Some(3)),
            ("A", "b'c", Some(6)),
        ];
        assert_eq!(read, expected);
        let lines: Vec<Option<u32>> = others.iter().map(|place| place.line).collect();
        assert_eq!(lines, [Some(4), Some(5)]);
        let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(
            texts[0].starts_with("e:5: warning: sets no variable"),
            "{texts:?}"
        );
        assert!(
            texts[1].starts_with("e:6: warning: the value of A holds a quote"),
            "{texts:?}"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _ = parse(&Place::default(), &bytes, &mut Vec::new(), &mut Vec::new());
        }
    }
}
