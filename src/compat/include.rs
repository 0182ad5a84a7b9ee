//! Files that others pull in: `include ipsec.d/*.conf`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use glob::MatchOptions;

use crate::diagnostic::{Diagnostic, Place};

/// Opens the files that an include names: in which file it stands, where there, and the pattern.
/// What it gives are files that were not read before, each with its contents, in their order.
pub type Open<'a> =
    dyn FnMut(&Path, &Place, &str, &mut Vec<Diagnostic>) -> Vec<(PathBuf, Vec<u8>)> + 'a;

/// How deep files may include one another. libreswan's limit; strongSwan's is higher, and nobody
/// gets near either.
pub(super) const DEEPEST: usize = 10;

/// Files that one import or one set of secrets may consist of.
const MOST_FILES: usize = 1000;

/// As the shell and glob(3) match: `*` does not reach into folders or find hidden files.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// What has been included so far: every file is read once, so that files that include each other
/// come to an end.
#[derive(Debug)]
pub struct Includes {
    seen: BTreeSet<PathBuf>,
    /// Files that are being read: the first one, and those that led to the current one.
    depth: usize,
}

impl Includes {
    /// Begins with the file that nothing includes.
    pub fn new(first: &Path) -> Self {
        Self {
            seen: BTreeSet::from([identity(first)]),
            depth: 1,
        }
    }

    /// The files that `pattern` names, in the order of their names, without those that have been
    /// read. `folder` is what a relative pattern is relative to, `place` where the include stands.
    ///
    /// Those of one pattern are to be read between [`enter`](Self::enter) and
    /// [`leave`](Self::leave).
    pub fn expand(
        &mut self,
        pattern: &str,
        folder: &Path,
        place: &Place,
        findings: &mut Vec<Diagnostic>,
    ) -> Vec<PathBuf> {
        if self.depth >= DEEPEST {
            findings.push(too_deep(place, pattern));
            return Vec::new();
        }
        let mut warn = |message: String, hint: &str| {
            findings.push(Diagnostic::warning(place.clone(), message).hint(hint));
        };
        // Only the pattern is one; the folder may have any name.
        let folder = glob::Pattern::escape(&folder.to_string_lossy());
        let whole = Path::new(&folder).join(pattern);
        let paths = match glob::glob_with(&whole.to_string_lossy(), MATCHING) {
            Ok(paths) => paths,
            Err(error) => {
                let message = format!("{pattern} is not a pattern of file names: {}", error.msg);
                warn(message, "nothing is included");
                return Vec::new();
            }
        };
        let mut files = Vec::new();
        let mut any = false;
        for path in paths {
            any = true;
            // A folder that may not be listed: what is in it is not to be had.
            let path = match path {
                Ok(path) => path,
                Err(error) => {
                    let message = format!("{} cannot be searched", error.path().display());
                    warn(message, "run this as root");
                    continue;
                }
            };
            // Reading from a pipe could wait for ever.
            if !path.is_file() {
                if !path.is_dir() {
                    let message = format!("{} is not read: it is no regular file", path.display());
                    warn(message, "nothing is included");
                }
                continue;
            }
            if self.seen.len() >= MOST_FILES {
                let message = format!("{} is not read: too many files", path.display());
                warn(message, "a thousand are read at most");
                break;
            }
            if self.seen.insert(identity(&path)) {
                files.push(path);
            } else {
                let message = format!("{} has been read already", path.display());
                warn(message, "it counts where it was included first");
            }
        }
        // A pattern that matches nothing is usual: an empty folder for additions.
        if !any && !pattern.contains(['*', '?', '[']) {
            let message = format!("{pattern}: there is no such file");
            warn(message, "nothing is included");
        }
        files
    }

    /// An included file begins.
    pub fn enter(&mut self) {
        self.depth = self.depth.saturating_add(1);
    }

    /// It ends.
    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

/// Includes that are nested too deep.
pub(super) fn too_deep(place: &Place, pattern: &str) -> Diagnostic {
    let message = format!("{pattern} is not read: includes are nested {DEEPEST} deep");
    Diagnostic::warning(place.clone(), message).hint("do the files include one another?")
}

/// Links to one file are that file.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(files: &[PathBuf]) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        files.iter().map(name).collect()
    }

    #[test]
    fn patterns_are_relative_sorted_and_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir(path.join("d")).unwrap();
        for name in ["b.conf", "a.conf", ".hidden.conf", "c.txt"] {
            fs::write(path.join("d").join(name), "").unwrap();
        }
        let first = path.join("ipsec.conf");
        fs::write(&first, "").unwrap();
        let place = Place::file(&first).at_line(3);
        let mut findings = Vec::new();
        let mut includes = Includes::new(&first);
        let mut expand = |pattern: &str| {
            let files = includes.expand(pattern, path, &place, &mut findings);
            (names(&files), std::mem::take(&mut findings))
        };
        assert_eq!(
            expand("d/*.conf").0,
            ["a.conf".to_owned(), "b.conf".to_owned()]
        );
        assert_eq!(expand("other/*.conf"), (vec![], vec![]));
        let (files, found) = expand("d/a.conf");
        assert_eq!(files, [] as [String; 0]);
        assert!(found[0].to_string().contains("has been read already"));
        let (_, found) = expand("ipsec.conf");
        assert!(found[0].to_string().contains("has been read already"));
        let (_, found) = expand("missing.conf");
        assert!(found[0].to_string().contains("there is no such file"));
        let (_, found) = expand("d/***.conf");
        assert!(found[0].to_string().contains("is not a pattern"));
    }

    #[test]
    fn depth_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("0");
        let mut findings = Vec::new();
        let mut includes = Includes::new(&first);
        for n in 1..20 {
            fs::write(folder.path().join(n.to_string()), "").unwrap();
            let place = Place::file(&first);
            let found = includes.expand(&n.to_string(), folder.path(), &place, &mut findings);
            assert_eq!(found.len(), usize::from(n < DEEPEST), "{n}");
            includes.enter();
        }
        assert!(findings[0].to_string().contains("nested 10 deep"));
    }
}
