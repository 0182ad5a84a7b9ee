//! `adit import`: writes adit.toml, and tells what became of every line.
//!
//! Nothing that exists is overwritten without `--force`; what is written appears whole or not at
//! all, after it has been read as `adit serve` would read it.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use zeroize::Zeroizing;

use super::Failure;
use super::output::count;
use super::replace::{replace, take_after};
use crate::config::layers::{DEFAULT_FILE, judge};
use crate::diagnostic::{Diagnostic, any_error};
use crate::import::{self, Disposition, Files, Import, Kind, Statement};

mod table;

/// `adit import`
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Arguments {
    /// Files to import, or KIND:FILE where name and contents do not tell the kind; all that are in
    /// their usual places if left out
    #[arg(value_name = "FILES")]
    pub files: Vec<PathBuf>,
    /// Where to write [default: /etc/adit/adit.toml under the root, or the adit.toml among FILES]
    #[arg(long, value_name = "FILE", conflicts_with = "stdout")]
    pub output: Option<PathBuf>,
    /// Write the configuration to standard output and the report to standard error, and no file
    #[arg(long)]
    pub stdout: bool,
    /// Replace what is there already
    #[arg(long)]
    pub force: bool,
    /// Exit with 1 if something is lost that clients see
    #[arg(long)]
    pub strict: bool,
    /// Take DIR for /: to import from a mounted disk or a container's files
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Print the report as one JSON object
    #[arg(long, conflicts_with = "stdout")]
    pub json: bool,
}

/// The report for programs.
#[derive(Serialize)]
struct Report<'a> {
    /// Where the configuration is.
    output: &'a Path,
    /// What became of that file.
    outcome: Outcome,
    files: Vec<FileReport<'a>>,
    totals: Totals,
    findings: &'a [Diagnostic],
    /// What stands in `output`.
    configuration: &'a str,
}

#[derive(Serialize)]
struct FileReport<'a> {
    file: &'a Path,
    kind: Kind,
    statements: Vec<&'a Statement>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Totals {
    kept: usize,
    changed: usize,
    without_effect: usize,
    client_side: usize,
    dropped: usize,
}

/// What became of the file that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Written,
    /// It was there, and just so.
    Unchanged,
    /// It went to standard output.
    Shown,
}

/// Imports, writes and reports; returns the exit code.
pub fn run(
    arguments: &Arguments,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<u8, Failure> {
    let mut findings = Vec::new();
    let files = if arguments.files.is_empty() {
        Files::usual(&arguments.root, &mut findings)
    } else {
        Files::named(&arguments.root, &arguments.files).map_err(Failure::Configuration)?
    };
    if files.is_empty() {
        let root = arguments.root.display();
        let message =
            format!("there is nothing to import in the usual places under {root}; name the files");
        return Err(Failure::Failed(message));
    }
    let written_to = arguments.output.clone();
    let default = arguments.root.join(DEFAULT_FILE.trim_start_matches('/'));
    let place = written_to.clone().unwrap_or_else(|| default.clone());
    let import = import::run(files, findings, &place);
    let output = written_to
        .or_else(|| Some(import.files.on_disk(import.base()?)))
        .unwrap_or(default);
    let text = import.text();
    let loaded = judge(&output, &text);
    if any_error(&loaded.findings) {
        return Err(Failure::Configuration(loaded.findings));
    }
    let outcome = if arguments.stdout {
        Outcome::Shown
    } else {
        write(&import, &output, &text, arguments.force)?
    };
    let told = if arguments.stdout {
        write!(out, "{text}").and_then(|()| table::write(&import, outcome, &output, errors))
    } else if arguments.json {
        json(&import, outcome, &output, &text, out)
    } else {
        table::write(&import, outcome, &output, out)
    };
    told.map_err(anyhow::Error::from)?;
    let lossy = arguments.strict && import.report.is_lossy();
    Ok(u8::from(lossy))
}

fn json(
    import: &Import,
    outcome: Outcome,
    output: &Path,
    text: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let count = |of| import.report.count(of);
    let report = Report {
        output,
        outcome,
        files: import
            .sources
            .iter()
            .map(|(kind, path)| FileReport {
                file: path,
                kind: *kind,
                statements: statements_of(import, path),
            })
            .collect(),
        totals: Totals {
            kept: count(Disposition::Kept),
            changed: count(Disposition::Changed),
            without_effect: count(Disposition::WithoutEffect),
            client_side: count(Disposition::ClientSide),
            dropped: count(Disposition::Dropped),
        },
        findings: &import.report.findings,
        configuration: text,
    };
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}

/// The statements of one file, by line.
fn statements_of<'a>(import: &'a Import, path: &Path) -> Vec<&'a Statement> {
    let name = path.display().to_string();
    let statements = import.report.statements().iter();
    let mut own: Vec<&Statement> = statements.filter(|s| s.place.file == name).collect();
    own.sort_by_key(|statement| statement.place.line);
    own
}

/// Writes the configuration and the files beside it: all of them or, if one may not be replaced,
/// none.
fn write(import: &Import, output: &Path, text: &str, force: bool) -> Result<Outcome, Failure> {
    let folder = output.parent().unwrap_or(Path::new(""));
    let beside = import.draft.side_files.iter();
    let mut files: Vec<(PathBuf, &[u8], u32)> = beside
        .map(|file| (folder.join(&file.name), &file.bytes[..], 0o600))
        .collect();
    // Last, so that no configuration ever names a file that is not there.
    let old = fs::metadata(output).ok();
    let mode = old
        .as_ref()
        .map_or(0o644, |old| old.permissions().mode() & 0o777);
    files.push((output.to_owned(), text.as_bytes(), mode));
    let mut changed = Vec::new();
    for (path, bytes, mode) in files {
        match fs::read(&path).map(Zeroizing::new) {
            Ok(there) if **there == *bytes => {}
            Ok(_) if is_old(import, &path) => {
                let path = path.display();
                let message = format!(
                    "{path} is one of the files to import, which stay as they are: --output FILE \
                     writes into another folder, --stdout only shows what would be in it"
                );
                return Err(Failure::Failed(message));
            }
            // What is added to an adit.toml leaves all that is in it.
            Ok(_)
                if force
                    || import
                        .base()
                        .is_some_and(|base| import.files.on_disk(base) == path) =>
            {
                changed.push((path, bytes, mode));
            }
            Ok(_) => {
                let path = path.display();
                let message = format!(
                    "{path} exists and is different: --force replaces it, --output FILE writes \
                     elsewhere, --stdout only shows what would be in it"
                );
                return Err(Failure::Failed(message));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => changed.push((path, bytes, mode)),
            Err(error) => return Err(failed(&path, &error)),
        }
    }
    if changed.is_empty() {
        return Ok(Outcome::Unchanged);
    }
    let made = DirBuilder::new().recursive(true).mode(0o755).create(folder);
    made.map_err(|error| failed(folder, &error))?;
    for (path, bytes, mode) in changed {
        let old = old.as_ref().filter(|_| path == output);
        // What a link leads to is replaced, not the link.
        let path = fs::canonicalize(&path).unwrap_or(path);
        replace(&path, bytes, mode, |draft| {
            old.map_or(Ok(()), |old| take_after(old, draft))
        })
        .map_err(|error| failed(&path, &error))?;
    }
    Ok(Outcome::Written)
}

/// Whether the file, which exists, is one of those that are imported, other than the adit.toml that
/// is added to: with it the way back would be lost.
fn is_old(import: &Import, path: &Path) -> bool {
    let identity = |path: &Path| fs::canonicalize(path).ok();
    let mut sources = import.sources.iter();
    sources.any(|(kind, source)| {
        *kind != Kind::Adit && identity(&import.files.on_disk(source)) == identity(path)
    })
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
}

/// `12 kept, 1 changed, 3 without effect, 0 dropped`
fn totals(import: &Import) -> String {
    let of = |disposition: Disposition| {
        format!(
            "{} {}",
            import.report.count(disposition),
            disposition.name()
        )
    };
    let all = count(import.report.statements().len(), "statement");
    format!("{all}: {}", Disposition::ALL.map(of).join(", "))
}

#[cfg(test)]
#[path = "import/tests.rs"]
mod tests;
