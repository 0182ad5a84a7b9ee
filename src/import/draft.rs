//! The settings an import arrives at, and the lines each of them comes from.

use std::collections::BTreeMap;

use toml::{Table, Value};
use zeroize::Zeroizing;

use super::report::{Id, Report};
use super::write::exists;
use crate::diagnostic::Place;

/// One setting to be written.
#[derive(Clone, Debug)]
pub struct Drafted {
    /// Its value.
    pub value: Value,
    /// The statements it comes from; none for what the old programs do without being told.
    pub from: Vec<Id>,
    /// What the comment above it says, a line each.
    pub comment: Vec<String>,
}

/// A table of a list of tables, such as `[[psk]]`.
#[derive(Clone, Debug)]
pub struct DraftedTable {
    /// The name of the list.
    pub list: String,
    /// What stands in it.
    pub table: Table,
    /// What the comment above it says, a line each.
    pub comment: Vec<String>,
}

/// A file that is written beside adit.toml, for what must not or cannot stand in there.
#[derive(Clone)]
pub struct SideFile {
    /// Its name, without a folder.
    pub name: String,
    /// What is in it. It is readable to its owner only.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// The settings so far.
#[derive(Clone, Default)]
pub struct Draft {
    /// By `section.key`.
    pub(super) settings: BTreeMap<String, Drafted>,
    /// Likewise, but written as comments: what an administrator may want.
    pub(super) suggestions: BTreeMap<String, Drafted>,
    pub(super) tables: Vec<DraftedTable>,
    /// Files beside adit.toml.
    pub side_files: Vec<SideFile>,
    /// What the adit.toml that is being added to says already, and where.
    pub(super) fixed: BTreeMap<String, (Value, Place)>,
}

impl Draft {
    /// The value of `section.key` so far.
    pub fn value(&self, setting: &str) -> Option<&Value> {
        let drafted = self.settings.get(setting).map(|drafted| &drafted.value);
        drafted.or_else(|| self.fixed.get(setting).map(|(value, _)| value))
    }

    /// Writes `bytes` to a file of this name beside adit.toml, which only its owner may read. The
    /// setting that names it holds the bare name, which is relative to adit.toml.
    pub fn side_file(&mut self, name: &str, bytes: Zeroizing<Vec<u8>>) {
        self.side_files.retain(|file| file.name != name);
        let name = name.to_owned();
        self.side_files.push(SideFile { name, bytes });
    }

    /// Sets `setting`, as the statements `from` have it; `why` says what is different, or is empty.
    /// Statements that set it earlier have no effect any more, and are told so.
    pub(super) fn set(
        &mut self,
        report: &mut Report,
        from: &[Id],
        setting: &str,
        value: Value,
        why: &str,
    ) {
        if let Some((fixed, place)) = self.fixed.get(setting) {
            for id in from {
                if *fixed == value {
                    report.became(*id, setting, why);
                } else {
                    let why = format!("{setting} stays as {place} has it");
                    report.unmade(*id, setting, |report, id| report.without_effect(id, why));
                }
            }
            return;
        }
        if !exists(setting) {
            for id in from {
                let why = "adit has no setting for it";
                report.unmade(*id, setting, |report, id| {
                    report.dropped_for_clients(id, why)
                });
            }
            return;
        }
        // Who says the same agrees.
        if let Some(earlier) = self.settings.get_mut(setting)
            && earlier.value == value
        {
            earlier.from.extend(
                from.iter()
                    .filter(|id| !earlier.from.contains(id))
                    .copied()
                    .collect::<Vec<Id>>(),
            );
            earlier.comment = comment(report, &earlier.from, why);
            from.iter().for_each(|id| report.became(*id, setting, why));
            return;
        }
        let last_word = from
            .first()
            .and_then(|id| report.of(*id))
            .map(|s| s.place.to_string());
        if let Some(earlier) = self.settings.remove(setting) {
            for id in earlier.from.iter().filter(|id| !from.contains(id)) {
                let why = match &last_word {
                    Some(place) => format!("{place} has the last word on {setting}"),
                    None => format!("something else has the last word on {setting}"),
                };
                report.unmade(*id, setting, |report, id| report.without_effect(id, why));
            }
        }
        for id in from {
            report.became(*id, setting, why);
        }
        let drafted = Drafted {
            value,
            from: from.to_vec(),
            comment: comment(report, from, why),
        };
        self.settings.insert(setting.to_owned(), drafted);
    }

    /// Takes a setting back: its statements are dropped for the reason `why`.
    pub(super) fn unset(&mut self, report: &mut Report, setting: &str, why: &str) -> bool {
        let Some(drafted) = self.settings.remove(setting) else {
            return false;
        };
        for id in drafted.from {
            report.unmade(id, setting, |report, id| {
                report.dropped_for_clients(id, why)
            });
        }
        true
    }
}

/// Where a value comes from, a line for each statement: `/etc/ppp/options:3: mtu 1280`.
pub(super) fn comment(report: &Report, from: &[Id], why: &str) -> Vec<String> {
    let origin = |id: &Id| {
        let statement = report.of(*id)?;
        Some(format!("{}: {}", statement.place, statement.text))
    };
    let mut lines: Vec<String> = from.iter().filter_map(origin).collect();
    if !why.is_empty() {
        lines.push(format!("({why})"));
    }
    lines
}
