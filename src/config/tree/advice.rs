//! What an unknown word was probably meant to be.

use super::keys::key_fields;
use super::known;
use crate::diagnostic::{Diagnostic, Place};

pub(super) fn unknown_section(place: Place, section: &str) -> Diagnostic {
    let sections = known();
    let found = Diagnostic::warning(place, format!("unknown section [{section}]"));
    match nearest(section, sections.keys().map(String::as_str)) {
        Some(word) => found.hint(format!("did you mean [{word}]?")),
        None => found.hint(format!("known are {}", join(sections.keys()))),
    }
}

/// A setting above the first section header.
pub(super) fn outside_sections(place: Place, key: &str) -> Diagnostic {
    let found = Diagnostic::warning(place, format!("{key} stands in no section"));
    match known().iter().find(|(_, keys)| keys.get(key).is_some()) {
        Some((home, _)) => found.hint(format!("{key} belongs in [{home}]")),
        None => found.hint("every setting belongs in a [section]"),
    }
}

pub(super) fn unknown_key(place: Place, section: &str, key: &str) -> Diagnostic {
    let sections = known();
    let found = Diagnostic::warning(place, format!("unknown setting {key} in [{section}]"));
    let own = sections.get(section).and_then(serde_json::Value::as_object);
    let own_keys = || own.into_iter().flat_map(|keys| keys.keys());
    if let Some(word) = nearest(key, own_keys().map(String::as_str)) {
        return found.hint(format!("did you mean {word}?"));
    }
    match sections.iter().find(|(_, keys)| keys.get(key).is_some()) {
        Some((home, _)) => found.hint(format!("{key} belongs in [{home}]")),
        None => found.hint(format!("known are {}", join(own_keys()))),
    }
}

fn join<'a>(words: impl Iterator<Item = &'a String>) -> String {
    words.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The word that `typed` was probably meant to be: at most a third of its letters differ.
pub(in crate::config) fn nearest<'a>(
    typed: &str,
    words: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase().replace('_', "-");
    words
        .map(|word| (distance(&typed, word), word))
        .filter(|(distance, word)| *distance <= word.len().max(3) / 3)
        .min()
        .map(|(_, word)| word)
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let next = (diagonal + usize::from(x != y))
                .min(left + 1)
                .min(*cell + 1);
            diagonal = *cell;
            *cell = next;
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

pub(super) fn unknown_field(place: Place, name: &str) -> Diagnostic {
    let found = Diagnostic::warning(place, format!("unknown setting {name} in [[psk]]"));
    let fields = key_fields();
    match nearest(name, fields.keys().map(String::as_str)) {
        Some(word) => found.hint(format!("did you mean {word}?")),
        None => found.hint(format!("known are {}", join(fields.keys()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        let words = ["ike-port", "natt-port", "addresses", "public-address"];
        let near = |typed| nearest(typed, words.into_iter());
        assert_eq!(near("ike_port"), Some("ike-port"));
        assert_eq!(near("adresses"), Some("addresses"));
        assert_eq!(near("zebra"), None);
    }
}
