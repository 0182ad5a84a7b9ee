//! A layer as a flat list of settings, each with its place.
//!
//! The `config` crate merges layers but has no line numbers, and stops at the first mistake. So each
//! layer is first taken apart here: TOML with spans for files, names for environment variables. Each
//! setting is tried alone against the model, which is possible because every field has a default,
//! and that gives all mistakes at once, each with its line. What passes goes on to be merged.

mod advice;
mod environment;
mod fault;
mod keys;

use serde::de::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use self::advice::{outside_sections, unknown_key, unknown_section};
use self::fault::faults;
use super::model::Config;
use crate::diagnostic::{Diagnostic, Place};

pub(super) use self::advice::nearest;
pub(super) use self::environment::settings_of_environment;
pub(super) use self::keys::gather_keys;

/// The one section that is a list of tables, `[[psk]]`. Its path is its name.
pub(super) const KEYS: &str = "psk";

/// One `key = value` of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// `section.key`.
    pub path: String,
    pub value: toml::Value,
    pub place: Place,
    /// Where the elements of a list stand.
    pub elements: Vec<Place>,
}

/// Every `section.key` there is, with its default, as JSON.
pub(super) fn known() -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(Config::default()) {
        Ok(serde_json::Value::Object(sections)) => sections,
        // The model is structs of plain values: a test holds that it serialises.
        _ => serde_json::Map::new(),
    }
}

fn is_known(section: &str, key: &str) -> bool {
    known()
        .get(section)
        .is_some_and(|section| section.get(key).is_some())
}

/// Takes a TOML file apart.
pub(crate) fn settings_of_file(
    file: &Place,
    text: &str,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Setting> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut broken = Vec::new();
    for error in &errors {
        let place = error
            .span()
            .map_or_else(|| file.clone(), |span| file.at_offset(text, span.start));
        // What the parser stumbles over further on in a line it has misread helps nobody.
        if broken.contains(&place.line) {
            continue;
        }
        broken.push(place.line);
        let found = Diagnostic::error(place.clone(), error.message().replace('\n', ", "));
        findings.push(match unquoted(text, place.line) {
            Some(value) => found.hint(format!("write \"{value}\", in quotes")),
            None => found,
        });
    }
    let at = |span: std::ops::Range<usize>| file.at_offset(text, span.start);
    let sections = known();
    let mut settings = Vec::new();
    let mut found = Vec::new();
    for (name, body) in document.into_inner() {
        let (place, section) = (at(name.span()), name.into_inner());
        if !sections.contains_key(section.as_ref()) {
            found.push(if body.get_ref().is_table() {
                unknown_section(place, &section)
            } else {
                outside_sections(place, &section)
            });
            continue;
        }
        if section == KEYS {
            settings.extend(keys::settings_of_keys(place, body, &at, &mut found));
            continue;
        }
        let DeValue::Table(keys) = body.into_inner() else {
            let message = format!("{section} is a section, not a value");
            let hint = format!("write [{section}] and its settings below it");
            found.push(Diagnostic::error(place, message).hint(hint));
            continue;
        };
        for (name, value) in keys {
            let (place, key) = (at(name.span()), name.into_inner());
            if !is_known(&section, &key) {
                found.push(unknown_key(place, &section, &key));
                continue;
            }
            if let Some(setting) = setting(format!("{section}.{key}"), value, at, &mut found) {
                found.extend(faults(&setting));
                settings.push(setting);
            }
        }
    }
    found.retain(|finding| !broken.contains(&finding.place.line));
    // TOML's tables come in alphabetical order; people read from the top.
    found.sort_by(|a, b| a.place.cmp(&b.place));
    findings.append(&mut found);
    settings
}

/// The value of a line `key = value`, if it is a text or an address that lacks its quotes.
fn unquoted(text: &str, line: Option<u32>) -> Option<&str> {
    let index = usize::try_from(line?.checked_sub(1)?).ok()?;
    let (_, value) = text.lines().nth(index)?.split_once('=')?;
    let value = value.split('#').next()?.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "./:-_*".contains(c);
    (!value.is_empty() && value.chars().all(plain)).then_some(value)
}

fn setting(
    path: String,
    value: Spanned<DeValue<'_>>,
    at: impl Fn(std::ops::Range<usize>) -> Place,
    findings: &mut Vec<Diagnostic>,
) -> Option<Setting> {
    let place = at(value.span());
    let elements = match value.get_ref().as_array() {
        Some(list) => list.iter().map(|element| at(element.span())).collect(),
        None => Vec::new(),
    };
    match toml::Value::deserialize(ValueDeserializer::from(value)) {
        Ok(value) => Some(Setting {
            path,
            value,
            place,
            elements,
        }),
        Err(error) => {
            findings.push(Diagnostic::error(place, error.message().to_owned()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_serialises_to_two_levels() {
        let known = known();
        assert!(known.len() >= 9);
        for (section, keys) in known.iter().filter(|(section, _)| *section != KEYS) {
            let keys = keys.as_object().unwrap();
            assert!(!keys.is_empty(), "{section}");
            for (key, value) in keys {
                assert!(!value.is_object() && !value.is_null(), "{section}.{key}");
            }
        }
    }
}
