//! A layer as a flat list of settings, each with its place.
//!
//! The `config` crate merges layers but has no line numbers, and stops at the first mistake. So each
//! layer is first taken apart here: TOML with spans for files, names for environment variables. Each
//! setting is tried alone against the model, which is possible because every field has a default,
//! and that gives all mistakes at once, each with its line. What passes goes on to be merged.

use serde::de::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::model::Config;
use super::psk::Psk;
use crate::diagnostic::{Diagnostic, Place};

/// The one section that is a list of tables, `[[psk]]`. Its path is its name.
pub(super) const KEYS: &str = "psk";

/// One `key = value` of a layer.
#[derive(Clone, Debug)]
pub(super) struct Setting {
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
pub(super) fn settings_of_file(
    file: &Place,
    text: &str,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Setting> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = error
            .span()
            .map_or_else(|| file.clone(), |span| file.at_offset(text, span.start));
        findings.push(Diagnostic::error(
            place,
            error.message().replace('\n', ", "),
        ));
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
            settings.extend(settings_of_keys(place, body, &at, &mut found));
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
    // TOML's tables come in alphabetical order; people read from the top.
    found.sort_by(|a, b| a.place.cmp(&b.place));
    findings.append(&mut found);
    settings
}

/// Takes all `[[psk]]` of a file apart; what is wrong in one of them is not taken over.
fn settings_of_keys(
    place: Place,
    body: Spanned<DeValue<'_>>,
    at: &impl Fn(std::ops::Range<usize>) -> Place,
    findings: &mut Vec<Diagnostic>,
) -> Option<Setting> {
    let DeValue::Array(tables) = body.into_inner() else {
        let message = "psk is a list of keys, each with a header of its own";
        findings.push(Diagnostic::error(place, message).hint("write [[psk]]"));
        return None;
    };
    let (mut keys, mut elements) = (Vec::new(), Vec::new());
    for table in tables.iter() {
        let here = at(table.span());
        let Some(fields) = table.get_ref().as_table() else {
            let message = "psk: this is not a table";
            findings.push(Diagnostic::error(here, message).hint("write [[psk]]"));
            continue;
        };
        let mut key = toml::Table::new();
        for (name, value) in fields.iter() {
            let (here, name) = (at(name.span()), name.get_ref().as_ref());
            if !key_fields().contains_key(name) {
                findings.push(unknown_field(here, name));
                continue;
            }
            let here = at(value.span());
            match toml::Value::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(value) => match try_field(name, &value) {
                    Ok(()) => {
                        key.insert(name.to_owned(), value);
                    }
                    Err(message) => findings.push(Diagnostic::error(here, message)),
                },
                Err(error) => findings.push(Diagnostic::error(here, error.message().to_owned())),
            }
        }
        keys.push(toml::Value::Table(key));
        elements.push(here);
    }
    Some(Setting {
        path: KEYS.to_owned(),
        value: toml::Value::Array(keys),
        place,
        elements,
    })
}

/// The settings of a `[[psk]]`, with their defaults.
fn key_fields() -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(Psk::default()) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

/// Reads a `[[psk]]` with this one setting; the error is for a finding, and shows no secret.
fn try_field(name: &str, value: &toml::Value) -> Result<(), String> {
    let table = toml::Table::from_iter([(name.to_owned(), value.clone())]);
    let Err(error) = Psk::deserialize(toml::Value::Table(table)) else {
        return Ok(());
    };
    Err(match name {
        "secret" => "psk.secret: expected a text in quotes".to_owned(),
        _ => format!("psk.{name}: {}", in_words(error.message())),
    })
}

fn unknown_field(place: Place, name: &str) -> Diagnostic {
    let found = Diagnostic::warning(place, format!("unknown setting {name} in [[psk]]"));
    let fields = key_fields();
    match nearest(name, fields.keys().map(String::as_str)) {
        Some(word) => found.hint(format!("did you mean {word}?")),
        None => found.hint(format!("known are {}", join(fields.keys()))),
    }
}

/// `ADIT_PSK__NAME__KEY`: one setting of the `[[psk]]` of that name, which need not stand in a file.
fn setting_of_key(
    place: Place,
    rest: &str,
    text: &str,
    findings: &mut Vec<Diagnostic>,
) -> Option<Setting> {
    let Some((name, field)) = rest.split_once("__") else {
        let found = Diagnostic::warning(place, "does not say which key it is about");
        findings.push(found.hint("a setting of the key \"sales\" is ADIT_PSK__SALES__SECRET_FILE"));
        return None;
    };
    let (name, field) = (word(name), word(field));
    if !key_fields().contains_key(&field) {
        findings.push(unknown_field(place, &field));
        return None;
    }
    let mut readings = readings(text);
    if field == "secret" {
        readings.truncate(1);
    }
    let Some(value) = readings
        .iter()
        .find(|value| try_field(&field, value).is_ok())
    else {
        let mistake = readings
            .iter()
            .rev()
            .find_map(|value| try_field(&field, value).err());
        findings.extend(mistake.map(|message| Diagnostic::error(place, message)));
        return None;
    };
    let name = toml::Value::String(name);
    let key = toml::Table::from_iter([("name".to_owned(), name), (field, value.clone())]);
    Some(Setting {
        path: KEYS.to_owned(),
        value: toml::Value::Array(vec![toml::Value::Table(key)]),
        elements: vec![place.clone()],
        place,
    })
}

/// A part of a variable's name as files spell it.
fn word(part: &str) -> String {
    part.to_ascii_lowercase().replace('_', "-")
}

/// The `[[psk]]` of all layers as one setting: unlike other lists, those of a later layer come on
/// top of those before, so that every group can have a file of its own in `conf.d`. A variable
/// changes the key that has its name.
pub(super) fn gather_keys(layers: &mut Vec<Vec<Setting>>) {
    let (mut keys, mut elements): (Vec<toml::Value>, Vec<Place>) = (Vec::new(), Vec::new());
    let mut first = None;
    for layer in layers.iter_mut() {
        for setting in layer.extract_if(.., |setting| setting.path == KEYS) {
            let toml::Value::Array(tables) = setting.value else {
                continue;
            };
            let variable = setting.place.line.is_none();
            first.get_or_insert(setting.place);
            for (table, place) in tables.into_iter().zip(setting.elements) {
                let known = keys
                    .iter_mut()
                    .filter(|_| variable)
                    .find(|key| key.get("name") == table.get("name"));
                match (known, table) {
                    (Some(toml::Value::Table(key)), toml::Value::Table(change)) => {
                        // One of the two is enough, and the later one counts.
                        if change.contains_key("secret") || change.contains_key("secret-file") {
                            key.remove("secret");
                            key.remove("secret-file");
                        }
                        key.extend(change);
                    }
                    (_, table) => {
                        keys.push(table);
                        elements.push(place);
                    }
                }
            }
        }
    }
    if let Some(place) = first {
        layers.push(vec![Setting {
            path: KEYS.to_owned(),
            value: toml::Value::Array(keys),
            place,
            elements,
        }]);
    }
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

/// Takes `ADIT_SECTION__KEY` variables apart. Variables without the double underscore are not
/// settings: `ADIT_PSK` and `ADIT_PASSWORD` hold secrets of `adit connect`.
pub(super) fn settings_of_environment<'a>(
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
fn readings(text: &str) -> Vec<toml::Value> {
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

/// What is wrong with one setting: nothing, one finding, or one for each bad element of a list.
fn faults(setting: &Setting) -> Vec<Diagnostic> {
    let Err(message) = try_alone(&setting.path, &setting.value) else {
        return Vec::new();
    };
    if let toml::Value::Array(list) = &setting.value {
        let wrong: Vec<_> = list
            .iter()
            .enumerate()
            .filter_map(|(index, element)| {
                let single = toml::Value::Array(vec![element.clone()]);
                let message = try_alone(&setting.path, &single).err()?;
                let place = setting
                    .elements
                    .get(index)
                    .unwrap_or(&setting.place)
                    .clone();
                Some(fault(setting, element, place, &message))
            })
            .collect();
        if !wrong.is_empty() {
            return wrong;
        }
    }
    vec![fault(
        setting,
        &setting.value,
        setting.place.clone(),
        &message,
    )]
}

fn fault(setting: &Setting, value: &toml::Value, place: Place, message: &str) -> Diagnostic {
    let message = in_words(message);
    let message = if message.starts_with("not ") {
        format!("{value} is {message}")
    } else {
        message
    };
    let found = Diagnostic::error(place, format!("{}: {message}", setting.path));
    let default = setting
        .path
        .split_once('.')
        .and_then(|(section, key)| known().get(section)?.get(key).map(ToString::to_string));
    match default.as_deref() {
        None | Some("\"\"") => found,
        // The finding is about one element.
        Some(list) if list.starts_with('[') => found,
        Some(default) => found.hint(format!("the default is {default}")),
    }
}

/// Reads the model with this one setting and defaults for the rest.
fn try_alone(path: &str, value: &toml::Value) -> Result<(), String> {
    let (section, key) = path.split_once('.').unwrap_or((path, ""));
    let table = |key: &str, value: toml::Value| {
        toml::Value::Table(toml::Table::from_iter([(key.to_owned(), value)]))
    };
    let document = table(section, table(key, value.clone()));
    match Config::deserialize(document) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.message().to_owned()),
    }
}

/// serde names Rust's types; operators have numbers.
fn in_words(message: &str) -> String {
    const TYPES: [(&str, &str); 8] = [
        ("unknown variant", "unknown word"),
        ("expected u16", "expected a whole number from 0 to 65535"),
        (
            "expected u32",
            "expected a whole number from 0 to 4294967295",
        ),
        ("expected a sequence", "expected a list, such as [\"…\"]"),
        ("expected path string", "expected a path"),
        ("expected a boolean", "expected true or false"),
        ("sequence", "list"),
        ("invalid IP address syntax", "not an IP address"),
    ];
    let mut message = message.trim().replace('\n', ", ");
    for (from, to) in TYPES {
        message = message.replace(from, to);
    }
    message
}

fn unknown_section(place: Place, section: &str) -> Diagnostic {
    let sections = known();
    let found = Diagnostic::warning(place, format!("unknown section [{section}]"));
    match nearest(section, sections.keys().map(String::as_str)) {
        Some(word) => found.hint(format!("did you mean [{word}]?")),
        None => found.hint(format!("known are {}", join(sections.keys()))),
    }
}

/// A setting above the first section header.
fn outside_sections(place: Place, key: &str) -> Diagnostic {
    let found = Diagnostic::warning(place, format!("{key} stands in no section"));
    match known().iter().find(|(_, keys)| keys.get(key).is_some()) {
        Some((home, _)) => found.hint(format!("{key} belongs in [{home}]")),
        None => found.hint("every setting belongs in a [section]"),
    }
}

fn unknown_key(place: Place, section: &str, key: &str) -> Diagnostic {
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
pub(super) fn nearest<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
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
