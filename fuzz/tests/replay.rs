//! Every target with every input that is there: the seeds and regressions of the tree, and the shared data in
//! place. Ordinary code, without a fuzzer.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "reads files, and says which one it was"
)]

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fuzz::{TARGETS, Target};

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

/// The inputs that make a target panic.
fn failing(target: &Target, inputs: &[PathBuf]) -> Vec<PathBuf> {
    let fails = |path: &&PathBuf| {
        let bytes = std::fs::read(path).expect("a file that was listed");
        catch_unwind(|| (target.run)(&bytes)).is_err()
    };
    inputs.iter().filter(fails).cloned().collect()
}

fn own(kind: &str, target: &Target) -> Vec<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    files(&package.join(kind).join(target.name))
}

#[test]
fn nothing_that_was_found_is_back() {
    let failing = TARGETS
        .iter()
        .flat_map(|target| failing(target, &own("regressions", target)));
    assert_eq!(failing.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn every_target_takes_its_seeds() {
    for target in TARGETS {
        let inputs = own("seeds", target);
        assert!(!inputs.is_empty(), "{} has no seeds", target.name);
        assert_eq!(failing(target, &inputs), Vec::<PathBuf>::new());
    }
}

#[test]
fn every_folder_is_of_a_target() {
    for kind in ["seeds", "regressions"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind);
        let entries = std::fs::read_dir(folder).expect("a folder");
        for name in entries.map(|entry| entry.expect("a folder").file_name()) {
            let name = name.to_string_lossy();
            assert!(fuzz::find(&name).is_some(), "{kind}/{name}");
        }
    }
}

#[test]
fn every_target_takes_what_others_have_recorded() {
    let folder = std::env::var("ADIT_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let folder = root
        .expect("a workspace")
        .join(folder)
        .join("data/fuzz-seeds");
    if !folder.exists() {
        eprintln!("skipped: no ADIT_SHARED data");
        return;
    }
    for target in TARGETS {
        for name in target.shared {
            let inputs = files(&folder.join(name));
            assert!(!inputs.is_empty(), "no inputs in {name}");
            assert_eq!(failing(target, &inputs), Vec::<PathBuf>::new());
        }
    }
}
