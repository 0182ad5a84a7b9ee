//! Which files are read: those named on the command line, or those that are in their usual places,
//! and what they include.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use zeroize::Zeroizing;

use super::kind::Kind;
use crate::config::layers::cannot_read;
use crate::diagnostic::{Diagnostic, Place};

/// Nobody's configuration is larger; a device or a log named by mistake is.
const LARGEST: u64 = 16 << 20;

/// A file to import.
#[derive(Clone)]
pub struct Source {
    /// What it is.
    pub kind: Kind,
    /// Its name, as those know it who run it: without the root, if it is below that.
    pub path: PathBuf,
    /// What is in it; may be secret.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Source {
    /// The file as a place.
    pub fn place(&self) -> Place {
        Place::file(&self.path)
    }
}

/// Why a file that another names is not read.
#[derive(Debug)]
pub enum Unread {
    /// It was read before.
    Again,
    /// It cannot be.
    Error(io::Error),
}

/// The files there are.
pub struct Files {
    root: PathBuf,
    /// They were named, so that no others are looked for.
    named: bool,
    /// Those of them that are not below the root.
    outside: Vec<PathBuf>,
    pending: Vec<Source>,
    taken: Vec<PathBuf>,
}

impl Files {
    /// Those that are in their usual places under `root`.
    pub fn usual(root: &Path, findings: &mut Vec<Diagnostic>) -> Self {
        let mut files = Self::under(root, false);
        for kind in Kind::ALL {
            for path in kind.places().iter().map(Path::new) {
                match files.read(path) {
                    Ok(bytes) => {
                        // The ipsec.conf of the BSD world is input of setkey.
                        let kind = Kind::of(path, &bytes).unwrap_or(kind);
                        files.put(kind, path, bytes);
                        break;
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => findings.push(cannot_read(Place::file(path), &error)),
                }
            }
        }
        files
    }

    /// Those named on the command line: `FILE`, or `KIND:FILE` where the name and what is in it do
    /// not tell what it is.
    ///
    /// # Errors
    /// What is wrong with each that cannot be read or recognised.
    pub fn named(root: &Path, names: &[PathBuf]) -> Result<Self, Vec<Diagnostic>> {
        let mut files = Self::under(root, true);
        let mut findings = Vec::new();
        for name in names {
            let prefixed = name.to_str().and_then(|text| {
                let (kind, path) = text.split_once(':')?;
                Some((kind.parse().ok()?, PathBuf::from(path)))
            });
            let (kind, path) = match prefixed {
                Some((kind, path)) => (Some(kind), path),
                None => (None, name.clone()),
            };
            // What adit.toml says has to hold wherever it is read.
            let path = std::path::absolute(&path).unwrap_or(path);
            let bytes = match read(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    let found = Diagnostic {
                        hint: None,
                        ..cannot_read(Place::file(&path), &error)
                    };
                    findings.push(found);
                    continue;
                }
            };
            let path = match path.strip_prefix(&files.root) {
                Ok(inside) => Path::new("/").join(inside),
                Err(_) => {
                    files.outside.push(path.clone());
                    path
                }
            };
            match kind.or_else(|| Kind::of(&path, &bytes)) {
                Some(kind) => files.put(kind, &path, bytes),
                None => {
                    let message = "cannot tell what kind of file this is";
                    let kinds = Kind::ALL.map(Kind::name).join(", ");
                    let hint = format!("write KIND:FILE; kinds are {kinds}");
                    findings.push(Diagnostic::error(Place::file(&path), message).hint(hint));
                }
            }
        }
        if findings.is_empty() {
            Ok(files)
        } else {
            Err(findings)
        }
    }

    /// One that is not on the disk: `path` is where it would be.
    #[doc(hidden)]
    pub fn of(root: &Path, kind: Kind, path: &Path, bytes: &[u8]) -> Self {
        let mut files = Self::under(root, true);
        files.put(kind, path, bytes.to_vec().into());
        files
    }

    fn under(root: &Path, named: bool) -> Self {
        Self {
            // Files are named by absolute paths, which must be found below it.
            root: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()),
            named,
            outside: Vec::new(),
            pending: Vec::new(),
            taken: Vec::new(),
        }
    }

    fn put(&mut self, kind: Kind, path: &Path, bytes: Zeroizing<Vec<u8>>) {
        if self.pending.iter().any(|source| source.path == path) {
            return;
        }
        self.pending.push(Source {
            kind,
            path: path.to_owned(),
            bytes,
        });
    }

    /// Whether there is nothing left to read.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether they were named on the command line, so that nothing else of this host is meant
    /// but what they name themselves.
    pub fn are_named(&self) -> bool {
        self.named
    }

    /// Whether a file of this kind is still to be read.
    pub fn has(&self, kind: Kind) -> bool {
        self.pending.iter().any(|source| source.kind == kind)
    }

    /// The next file of this kind, which stays to be read.
    pub fn peek(&self, kind: Kind) -> Option<&Source> {
        self.pending.iter().find(|source| source.kind == kind)
    }

    /// The next file of this kind; each comes once.
    pub fn take(&mut self, kind: Kind) -> Option<Source> {
        let index = self.pending.iter().position(|source| source.kind == kind)?;
        Some(self.take_at(index))
    }

    /// The next file for which `wanted` is true.
    pub fn take_if(&mut self, wanted: impl Fn(&Source) -> bool) -> Option<Source> {
        let index = self.pending.iter().position(wanted)?;
        Some(self.take_at(index))
    }

    fn take_at(&mut self, index: usize) -> Source {
        let source = self.pending.remove(index);
        self.taken.push(source.path.clone());
        source
    }

    /// A file that another one names: `from` is the folder of that one, which counts for a relative
    /// `path`. It is taken from the files of the command line if one of them has that name, in
    /// whatever folder, so that copies of an old host's files can be imported elsewhere.
    ///
    /// # Errors
    /// If it was read before, or cannot be.
    pub fn open(&mut self, path: &Path, from: &Path, kind: Kind) -> Result<Source, Unread> {
        let path = clean(&from.join(path));
        if self.taken.contains(&path) {
            return Err(Unread::Again);
        }
        let name = path.file_name();
        let at = |same: &dyn Fn(&Source) -> bool| self.pending.iter().position(same);
        let exact = at(&|source| source.path == path);
        let index = exact.or_else(|| {
            let same = at(&|source| source.path.file_name() == name && source.kind == kind);
            same.filter(|_| self.named)
        });
        if let Some(index) = index {
            let mut source = self.take_at(index);
            source.kind = kind;
            return Ok(source);
        }
        let bytes = self.read(&path).map_err(Unread::Error)?;
        self.taken.push(path.clone());
        Ok(Source { kind, path, bytes })
    }

    /// The names in a folder, sorted, for includes with a pattern: those on the disk, and in it
    /// only.
    pub fn list(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.on_disk(folder)).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(folder.join(entry.ok()?.file_name())))
            .collect();
        paths.sort();
        paths
    }

    /// Where a file of the tree really is.
    pub fn on_disk(&self, path: &Path) -> PathBuf {
        if self.outside.iter().any(|outside| outside == path) {
            return path.to_owned();
        }
        let inside = path.strip_prefix("/").unwrap_or(path);
        self.root.join(inside)
    }

    /// What is in a file of the tree.
    ///
    /// # Errors
    /// If it cannot be read, or is too large or no regular file.
    pub(super) fn read(&self, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        read(&self.on_disk(path))
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let about = fs::metadata(path)?;
    if about.len() > LARGEST || !(about.is_file() || about.is_dir()) {
        return Err(io::Error::other("this is not a file of settings"));
    }
    fs::read(path).map(Zeroizing::new)
}

/// Without `.` and `..`, as far as names alone can tell.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}
