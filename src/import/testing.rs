//! What the tests of mappings share.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Files, Import, run};
use crate::config::layers::judge;

/// Imports files of a host that has no others, and checks what holds for every import: each line
/// that is no comment is accounted for, no secret is shown, and what would be written loads.
pub(super) fn import(files: &[(&str, &str)]) -> Import {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut findings = Vec::new();
    let usual = Files::usual(root.path(), &mut findings);
    let output = root.path().join("etc/adit/adit.toml");
    let import = run(usual, findings, &output);
    for (path, text) in files {
        for (line, number) in text.lines().zip(1u32..) {
            let line = line.trim();
            let of_line = |statement: &&super::Statement| {
                statement.place.file == *path
                    && (statement.place.line.unwrap()..=statement.last_line).contains(&number)
            };
            let found = import.report.statements().iter().find(of_line);
            assert!(
                found.is_some() || line.is_empty() || line.starts_with('#'),
                "{path}:{number}: {line} is not accounted for"
            );
        }
    }
    let shown = lines(&import).join("\n") + &import.text();
    assert!(!shown.contains("hush"), "{shown}");
    assert!(!shown.contains("no rule of"), "{shown}");
    for file in &import.draft.side_files {
        fs::create_dir_all(output.parent().unwrap()).unwrap();
        let path = output.with_file_name(&file.name);
        fs::write(&path, &*file.bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let loaded = judge(Path::new(&output), &import.text());
    let errors = loaded.findings.iter().filter(|finding| finding.is_error());
    let errors: Vec<String> = errors.map(ToString::to_string).collect();
    assert_eq!(errors, [] as [String; 0], "{}", import.text());
    import
}

/// The report: `3 pfs=no: kept (setting, setting): why`.
pub(super) fn lines(import: &Import) -> Vec<String> {
    let line = |statement: &super::Statement| {
        let number = statement.place.line.unwrap_or_default();
        let disposition = statement.disposition.unwrap().name();
        let mut line = format!("{number} {}: {disposition}", statement.text);
        if statement.clients_notice {
            line.push('!');
        }
        if !statement.settings.is_empty() {
            line.push_str(&format!(" ({})", statement.settings.join(", ")));
        }
        if !statement.why.is_empty() {
            line.push_str(&format!(": {}", statement.why));
        }
        line
    };
    import.report.statements().iter().map(line).collect()
}

/// The settings, without the comments.
pub(super) fn settings(import: &Import) -> Vec<String> {
    let text = import.text();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(str::to_owned).collect()
}
