//! What pppd is told, by its files and by the command line xl2tpd makes for it.
//!
//! pppd has levels: defaults, then files (`/etc/ppp/options`), then the command line, of which a
//! `file F` is a part. Within a level the later word wins. So whoever calls this puts the words in
//! that order, and [`apply`] lets the last one have its way.

mod gathered;
mod rules;
#[cfg(test)]
mod tests;
mod values;

use std::path::{Path, PathBuf};

pub(super) use gathered::Debugging;
use gathered::Gathered;
use rules::{Fate, fate};

use super::{Id, Import, Kind, Source};
use crate::compat::pppd_options::parse;
use crate::diagnostic::Place;

/// Includes deeper than this are a circle.
const DEEPEST: usize = 8;

/// A word of pppd's, with its argument, wherever it was written.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The option.
    pub name: String,
    /// Its argument; empty if it has none.
    pub argument: String,
    /// The statement it comes from.
    pub id: Id,
}

impl Step {
    pub fn new(name: &str, argument: &str, id: Id) -> Self {
        Self {
            name: name.to_owned(),
            argument: argument.to_owned(),
            id,
        }
    }
}

/// A file of options that nobody has read yet: as if it were the only one.
pub(super) fn map(source: Source, import: &mut Import) {
    let mut steps = Vec::new();
    read(source, import, &mut steps, 0);
    apply(steps, Debugging::default(), import);
    let why =
        "no file says which addresses there are: only users with one of their own can connect";
    import.assume("pool.ranges", Vec::<String>::new(), why);
}

/// Appends the words of a file, with those of the files it includes in their places.
pub(super) fn read(source: Source, import: &mut Import, steps: &mut Vec<Step>, depth: usize) {
    let words = parse(&source.place(), &source.bytes, &mut import.report.findings);
    for word in words {
        let id = import.report.add(&word.place, word.last_line, word.text());
        if !word.known {
            let why = "pppd knows no such option";
            import.report.dropped_for_clients(id, why);
            continue;
        }
        let path = match word.name.as_str() {
            "file" => PathBuf::from(word.argument()),
            "call" => Path::new("/etc/ppp/peers").join(word.argument()),
            _ => {
                steps.push(Step::new(&word.name, word.argument(), id));
                continue;
            }
        };
        if depth >= DEEPEST {
            import
                .report
                .dropped(id, "files include one another without end");
            continue;
        }
        include(&source.path, &word.place, &path, id, import, steps, depth);
    }
}

/// A file that the statement `id` at `place` in `by` names.
pub(super) fn include(
    by: &Path,
    place: &Place,
    path: &Path,
    id: Id,
    import: &mut Import,
    steps: &mut Vec<Step>,
    depth: usize,
) {
    let before = import.report.findings.len();
    match import.include(by, place, path, Kind::PppdOptions) {
        Some(source) => {
            import.report.kept(id, "its lines are imported");
            read(source, import, steps, depth.saturating_add(1));
        }
        None if import.report.findings.len() == before => {
            import
                .report
                .without_effect(id, "that file is read in any case");
        }
        None => {
            import
                .report
                .dropped_for_clients(id, "that file cannot be read, and is not imported");
        }
    }
}

/// Says of every step what becomes of it.
pub(super) fn apply(steps: Vec<Step>, debugging: Debugging, import: &mut Import) {
    let mut gathered = Gathered::new(debugging);
    for step in &steps {
        if !gathered.single(step, import) && !gathered.listed(step, import) {
            settle(step, import);
        }
    }
    gathered.finish(import);
}

/// Options whose fate is always the same.
fn settle(step: &Step, import: &mut Import) {
    let report = &mut import.report;
    match fate(&step.name) {
        Some(Fate::Kept(why)) => report.kept(step.id, why),
        Some(Fate::Changed(why)) => report.changed(step.id, why),
        Some(Fate::WithoutEffect(why)) => report.without_effect(step.id, why),
        Some(Fate::ClientSide(why)) => report.client_side(step.id, why),
        Some(Fate::Dropped(why)) => report.dropped(step.id, why),
        Some(Fate::DroppedForClients(why)) => report.dropped_for_clients(step.id, why),
        None => report.dropped(step.id, "adit has nothing like it"),
    }
}

/// The scripts that pppd runs from its folder where they are, without being told.
pub(super) fn scripts(import: &mut Import) {
    if import.files.are_named() {
        return;
    }
    for name in ["auth-up", "ip-pre-up", "ip-up", "ip-down", "auth-down"] {
        let path = Path::new("/etc/ppp").join(name);
        if import.files.on_disk(&path).is_file() {
            let setting = format!("scripts.{name}");
            let why = "it is there, and pppd runs it for each session";
            import.assume(&setting, path.display().to_string(), why);
        }
    }
}
