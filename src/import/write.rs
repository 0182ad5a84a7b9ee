//! The draft as the text of adit.toml: the settings in the order of the example, each below the
//! lines it comes from.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table};

use super::draft::{Draft, Drafted};

/// The example, whose order is that of everything written here.
const EXAMPLE: &str = include_str!("../../etc/adit.toml");

/// Every `(section, key)` there is, in the order of the example.
fn order() -> Vec<(&'static str, &'static str)> {
    let mut section = "";
    let mut keys = Vec::new();
    for line in EXAMPLE.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name;
        } else if let Some((key, _)) = line
            .strip_prefix('#')
            .and_then(|rest| rest.split_once(" = "))
            && key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        {
            keys.push((section, key));
        }
    }
    keys
}

/// Whether there is a setting `section.key`.
pub(super) fn exists(setting: &str) -> bool {
    let same = |(section, key): (&str, &str)| setting.split_once('.') == Some((section, key));
    order().into_iter().any(same)
}

impl Draft {
    /// A new adit.toml; `sources` are the files it comes from.
    pub(super) fn text(&self, sources: &[String]) -> String {
        let mut text = String::from("# adit: configuration, made by `adit import` from\n");
        for source in sources {
            text.push_str(&format!("#   {}\n", one_line(source)));
        }
        text.push_str(
            "# Above each setting stands the line it comes from. What is not here has its default.\n",
        );
        let order = order();
        let mut sections: Vec<&str> = order.iter().map(|(section, _)| *section).collect();
        sections.dedup();
        for section in sections {
            let mut body = String::new();
            for (_, key) in order.iter().filter(|(of, _)| *of == section) {
                let path = format!("{section}.{key}");
                if let Some(drafted) = self.settings.get(&path) {
                    body.push_str(&remarks(&drafted.comment));
                    body.push_str(&format!("{key} = {}\n", drafted.value));
                } else if let Some(drafted) = self.suggestions.get(&path) {
                    body.push_str(&remarks(&drafted.comment));
                    body.push_str(&format!("#{key} = {}\n", drafted.value));
                }
            }
            if !body.is_empty() {
                text.push_str(&format!("\n[{section}]\n{body}"));
            }
        }
        for drafted in &self.tables {
            text.push_str(&format!(
                "\n{}[[{}]]\n",
                remarks(&drafted.comment),
                drafted.list
            ));
            for (key, value) in &drafted.table {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }

    /// What `base`, an adit.toml that is there already, becomes: everything in it stays, to the
    /// byte, and what it does not say is added.
    ///
    /// # Errors
    /// If `base` is not TOML.
    pub(super) fn added_to(&self, base: &str) -> Result<String, toml_edit::TomlError> {
        if self.settings.is_empty() && self.tables.is_empty() {
            return Ok(base.to_owned());
        }
        let mut document: DocumentMut = base.parse()?;
        for (section, key) in order() {
            if let Some(drafted) = self.settings.get(&format!("{section}.{key}")) {
                add(&mut document, section, key, drafted)?;
            }
        }
        for drafted in &self.tables {
            let list = document
                .entry(&drafted.list)
                .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
            let Some(list) = list.as_array_of_tables_mut() else {
                continue;
            };
            let mut table = Table::new();
            for (key, value) in &drafted.table {
                table.insert(key, Item::Value(value.to_string().parse()?));
            }
            let remarks = remarks(&drafted.comment);
            table.decor_mut().set_prefix(format!("\n{remarks}"));
            list.push(table);
        }
        Ok(document.to_string())
    }
}

fn add(
    document: &mut DocumentMut,
    section: &str,
    key: &str,
    drafted: &Drafted,
) -> Result<(), toml_edit::TomlError> {
    let table = document.entry(section).or_insert_with(|| {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        Item::Table(table)
    });
    if let Some(table) = table.as_table_like_mut() {
        table.insert(key, Item::Value(drafted.value.to_string().parse()?));
        if let Some(mut key) = table.key_mut(key) {
            key.leaf_decor_mut().set_prefix(remarks(&drafted.comment));
        }
    }
    Ok(())
}

/// Comment lines.
fn remarks(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("# {}\n", one_line(line)))
        .collect()
}

/// What stands in a comment of TOML and in the report: one line without control characters,
/// whatever a file held.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if wire::is_printable(c) { c } else { ' ' })
        .collect()
}

/// The setting in whose line, or comment, line `line` of `text` is, as `section.key`.
pub(super) fn setting_at(text: &str, line: u32) -> Option<String> {
    let mut section = "";
    let mut found = None;
    for (content, number) in text.lines().zip(1u32..) {
        if let Some(name) = content.strip_prefix('[') {
            section = name.split(']').next().unwrap_or_default();
        } else if let Some((key, _)) = content
            .split_once(" = ")
            .filter(|_| !content.starts_with('#'))
            && number >= line
        {
            found = Some(format!("{section}.{key}"));
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// A setting that the example did not have would be lost without a word.
    #[test]
    fn the_example_names_every_setting() {
        let order = order();
        let serde_json::Value::Object(sections) = serde_json::to_value(Config::default()).unwrap()
        else {
            panic!("not a table")
        };
        let mut count = 0;
        for (section, keys) in &sections {
            for key in keys.as_object().into_iter().flat_map(|keys| keys.keys()) {
                assert!(order.contains(&(section, key)), "{section}.{key}");
                count += 1;
            }
        }
        assert_eq!(order.len(), count);
    }

    #[test]
    fn the_setting_of_a_line() {
        let text = "# x\n[a]\n# y\nb = 1\nc-d = 2\n\n[e]\nf = 3\n";
        for (line, setting) in [(3, "a.b"), (4, "a.b"), (5, "a.c-d"), (7, "e.f"), (8, "e.f")] {
            assert_eq!(setting_at(text, line), Some(setting.to_owned()), "{line}");
        }
        assert_eq!(setting_at(text, 9), None);
    }
}
