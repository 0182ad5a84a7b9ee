//! Files that a pattern in another file names.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::{Files, Import, Kind};
use crate::diagnostic::{Diagnostic, Place};

/// As glob(3) matches.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Files that one pattern may name.
const MOST: usize = 1000;

impl Import {
    /// Opens the files that `pattern` names, in the order of their names, each once; it stands in
    /// the file `by`, at `place`. What cannot be read is a finding.
    pub(super) fn include_all(
        &mut self,
        by: &Path,
        place: &Place,
        pattern: &str,
        kind: Kind,
    ) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = if is_pattern(pattern) {
            let folder = by.parent().unwrap_or(Path::new("/"));
            self.matching(&folder.join(pattern), place)
        } else {
            vec![PathBuf::from(pattern)]
        };
        let mut opened = Vec::new();
        for path in paths {
            if let Some(mut source) = self.include(by, place, &path, kind) {
                opened.push((source.path, std::mem::take(&mut *source.bytes)));
            }
        }
        opened
    }

    /// None is no mistake: an empty folder for additions is usual.
    fn matching(&mut self, pattern: &Path, place: &Place) -> Vec<PathBuf> {
        let mut paths = vec![PathBuf::new()];
        for part in pattern.components() {
            let name = part.as_os_str().to_string_lossy();
            if !is_pattern(&name) {
                paths.iter_mut().for_each(|path| path.push(part));
                continue;
            }
            let pattern = match Pattern::new(&name) {
                Ok(pattern) => pattern,
                Err(error) => {
                    let message = format!("{name} is no pattern of file names: {}", error.msg);
                    let found = Diagnostic::warning(place.clone(), message);
                    self.report.findings.push(found.hint("nothing is included"));
                    return Vec::new();
                }
            };
            let inside = paths
                .iter()
                .flat_map(|path| list(&self.files, path, &pattern));
            paths = inside.take(MOST).collect();
        }
        paths.retain(|path| self.files.on_disk(path).is_file());
        paths
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn list(files: &Files, folder: &Path, pattern: &Pattern) -> Vec<PathBuf> {
    let mut inside = files.list(folder);
    inside.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        pattern.matches_with(&name, MATCHING)
    });
    inside
}
