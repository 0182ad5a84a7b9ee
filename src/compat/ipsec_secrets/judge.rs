//! What is odd about entries that can be used.

use std::collections::BTreeMap;

use super::dialects::Differences;
use super::line::KeyLine;
use super::records::Record;
use super::{Entry, SHORT_KEY, Selector};
use crate::diagnostic::{Diagnostic, Place};

/// Findings about one entry, whatever the others are.
pub(super) fn entry(
    record: &Record<'_>,
    line: &KeyLine,
    entry: &Entry,
    findings: &mut Vec<Diagnostic>,
) {
    let mut warn = |message: String, hint: &str| {
        findings.push(Diagnostic::warning(entry.place.clone(), message).hint(hint));
    };
    if entry.secret.len() < SHORT_KEY {
        let length = entry.secret.len();
        let message = format!("the key has {length} bytes; under {SHORT_KEY} it can be guessed");
        warn(
            message,
            "everybody who has the key can also play the server: make it long",
        );
    }
    if line.rest {
        warn(
            "the text after the key is ignored".into(),
            "is a quote missing, or the wrong kind?",
        );
    }
    let Differences {
        strongswan,
        libreswan,
    } = Differences::of(record, line);
    let told = [("strongSwan", strongswan), ("libreswan", libreswan)];
    let told = told.map(|(who, what)| what.map(|what| format!("{who} {what}")));
    let told: Vec<String> = told.into_iter().flatten().collect();
    if !told.is_empty() {
        let hint = "all read alike: parties : PSK \"key\" in one line, with a space on both sides \
                    of the colon";
        warn(told.join("; "), hint);
    }
    parties(line, entry, &mut warn);
}

fn parties(line: &KeyLine, entry: &Entry, warn: &mut impl FnMut(String, &str)) {
    let mut left_out = 0;
    for (word, selector) in line.words.iter().zip(&entry.selectors) {
        let word = String::from_utf8_lossy(word);
        match selector {
            Selector::Name(name) => {
                let message = format!("{name} is not an address, and only addresses are compared");
                let hint = match name.contains(['@', '=', ':', '*', '%', '/']) {
                    true => "use %any, or the peer's address",
                    false => "use %any, or the peer's address: names are not looked up",
                };
                warn(message, hint);
            }
            Selector::Network(_) | Selector::Range(..) => left_out += 1,
            // An address with a type in front of it, or a star, is no address to libreswan.
            Selector::Address(_) | Selector::Any if !libreswan_knows(&word) => left_out += 1,
            Selector::Address(_) | Selector::Any => {}
        }
    }
    if left_out > 0 {
        let all = match left_out == line.words.len() {
            true => ", so that the key is for anybody",
            false => "",
        };
        let message = format!("libreswan leaves {left_out} of the words before the colon out{all}");
        warn(message, "it knows addresses, %any, and names with @");
    }
}

fn libreswan_knows(word: &str) -> bool {
    matches!(word, "%any" | "%any6" | "0::0") || word.parse::<std::net::IpAddr>().is_ok()
}

/// Findings about keys for the same parties.
pub(super) fn duplicates(entries: &[Entry], findings: &mut Vec<Diagnostic>) {
    let mut known: BTreeMap<Vec<&Selector>, &Place> = BTreeMap::new();
    for entry in entries {
        let mut parties: Vec<&Selector> = entry.selectors.iter().collect();
        parties.sort();
        if let Some(first) = known.get(&parties) {
            let what = match first.file == entry.place.file {
                true => format!("line {}", first.line.unwrap_or_default()),
                false => first.to_string(),
            };
            let message = format!("{what} has a key for the same parties; both are tried");
            let found = Diagnostic::warning(entry.place.clone(), message);
            findings.push(found.hint("strongSwan takes the last one, libreswan the first"));
        } else {
            known.insert(parties, &entry.place);
        }
    }
}
