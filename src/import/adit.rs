//! An adit.toml among the files: it stays as it is, and what the others say is added to it.

use toml::Value;

use super::{Import, Source};
use crate::config::tree::settings_of_file;
use crate::diagnostic::{Diagnostic, Place};

pub(super) fn map(source: Source, import: &mut Import) {
    let place = source.place();
    if let Some((base, _)) = &import.base {
        let message = format!(
            "only one adit.toml can be added to, and that is {}",
            base.display()
        );
        import
            .report
            .findings
            .push(Diagnostic::error(place, message));
        return;
    }
    let text = match std::str::from_utf8(&source.bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            import
                .report
                .findings
                .push(Diagnostic::error(place, "not UTF-8"));
            return;
        }
    };
    let mut findings = Vec::new();
    for setting in settings_of_file(&place, &text, &mut findings) {
        match setting.value {
            // A table of a list, such as [[psk]], goes by its name.
            Value::Array(tables) if tables.iter().any(Value::is_table) => {
                for (table, at) in tables.into_iter().zip(setting.elements) {
                    let name = table
                        .get("name")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    fix(format!("{}.{name}", setting.path), table, &at, import);
                }
            }
            value => fix(setting.path, value, &setting.place, import),
        }
    }
    import.report.findings.append(&mut findings);
    import.base = Some((source.path, text));
}

/// What nothing else may change.
fn fix(setting: String, value: Value, at: &Place, import: &mut Import) {
    let place = Place {
        column: None,
        ..at.clone()
    };
    let id = import.report.add(&place, 0, setting.clone());
    import.report.became(id, &setting, "");
    import.draft.fixed.insert(setting, (value, place));
}
