//! The environment as a layer: `ADIT_SECTION__KEY=value`.

use serde::de::Deserialize;
use toml::de::{DeValue, ValueDeserializer};

use super::advice::{unknown_key, unknown_section};
use super::fault::faults;
use super::keys::setting_of_key;
use super::{KEYS, Setting, is_known, known};
use crate::diagnostic::{Diagnostic, Place};

/// Takes `ADIT_SECTION__KEY` variables apart. Variables without the double underscore are not
/// settings: `ADIT_PSK` and `ADIT_PASSWORD` hold secrets of `adit connect`.
pub(in crate::config) fn settings_of_environment<'a>(
    variables: impl Iterator<Item = (&'a str, &'a str)>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, text) in variables {
        let Some((section, key)) = name.strip_prefix("ADIT_").and_then(|n| n.split_once("__"))
        else {
            continue;
        };
        let place = Place::variable(name);
        if word(section) == KEYS {
            settings.extend(setting_of_key(place, key, text, findings));
            continue;
        }
        let (section, key) = (word(section), word(key));
        if !known().contains_key(&section) {
            findings.push(unknown_section(place, &section));
            continue;
        }
        if !is_known(&section, &key) {
            findings.push(unknown_key(place, &section, &key));
            continue;
        }
        let path = format!("{section}.{key}");
        // A variable has no type: it means the first of these that the model takes.
        let readings = readings(text);
        let of = |value: &toml::Value| Setting {
            path: path.clone(),
            value: value.clone(),
            place: place.clone(),
            elements: Vec::new(),
        };
        match readings
            .iter()
            .map(of)
            .find(|setting| faults(setting).is_empty())
        {
            Some(setting) => settings.push(setting),
            None => findings.extend(readings.iter().map(of).next_back().iter().flat_map(faults)),
        }
    }
    settings
}

/// What the text of a variable may mean: itself, a TOML value, a list with commas. The last one
/// is the reading to complain about.
pub(super) fn readings(text: &str) -> Vec<toml::Value> {
    let mut readings = vec![toml::Value::String(text.to_owned())];
    let value = DeValue::parse(text)
        .ok()
        .and_then(|value| toml::Value::deserialize(ValueDeserializer::from(value)).ok());
    let words = text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    let list = words
        .map(|word| toml::Value::String(word.to_owned()))
        .collect();
    readings.push(toml::Value::Array(list));
    match value {
        Some(value) => readings.push(value),
        // Not TOML: complain about the text as it stands, or about the list.
        None if text.contains(',') => {}
        None => readings.reverse(),
    }
    readings
}

/// A part of a variable's name as files spell it.
pub(super) fn word(part: &str) -> String {
    part.to_ascii_lowercase().replace('_', "-")
}
