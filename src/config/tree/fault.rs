//! What is wrong with one setting, in an operator's words.

use serde::de::Deserialize;

use super::{Setting, known};
use crate::config::model::Config;
use crate::diagnostic::{Diagnostic, Place};

/// What is wrong with one setting: nothing, one finding, or one for each bad element of a list.
pub(super) fn faults(setting: &Setting) -> Vec<Diagnostic> {
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
pub(super) fn in_words(message: &str) -> String {
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
