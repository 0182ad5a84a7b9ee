//! `[[psk]]`: the one section that is a list of tables, in files and in variables.

use serde::de::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::advice::unknown_field;
use super::environment::{readings, word};
use super::fault::in_words;
use super::{KEYS, Setting};
use crate::config::psk::Psk;
use crate::diagnostic::{Diagnostic, Place};

/// Takes all `[[psk]]` of a file apart; what is wrong in one of them is not taken over.
pub(super) fn settings_of_keys(
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
pub(super) fn key_fields() -> serde_json::Map<String, serde_json::Value> {
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

/// `ADIT_PSK__NAME__KEY`: one setting of the `[[psk]]` of that name, which need not stand in a file.
pub(super) fn setting_of_key(
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

/// The `[[psk]]` of all layers as one setting: unlike other lists, those of a later layer come on
/// top of those before, so that every group can have a file of its own in `conf.d`. A variable
/// changes the key that has its name.
pub(in crate::config) fn gather_keys(layers: &mut Vec<Vec<Setting>>) {
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
