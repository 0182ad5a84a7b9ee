//! Deployments of others, read in place: from `ADIT_SHARED`, by default `../shared`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

fn deployments() -> Vec<(String, Vec<PathBuf>)> {
    let shared = std::env::var_os("ADIT_SHARED").unwrap_or_else(|| "../shared".into());
    let list = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.sort();
        paths
    };
    let folders = list(&Path::new(&shared).join("data/configs"));
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let found: Vec<_> = folders
        .iter()
        .filter(|path| path.is_dir())
        .map(|path| (name(path), list(path)))
        .collect();
    if found.is_empty() {
        println!("skipped: no ADIT_SHARED data");
    }
    found
}

fn import(paths: &[PathBuf]) -> Import {
    let files = Files::named(Path::new("/"), paths).unwrap();
    run(files, Vec::new(), Path::new("/etc/adit/adit.toml"))
}

/// The lines of a file with something in them, without comments in the ways these files have them.
fn lines(path: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(path).unwrap();
    let is_said = |(_, line): &(u32, &str)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#') && !line.starts_with(';')
    };
    (1u32..)
        .zip(text.lines())
        .filter(is_said)
        .map(|(number, _)| number)
        .collect()
}

#[test]
fn every_line_is_accounted_for() {
    for (deployment, paths) in deployments() {
        let import = import(&paths);
        let mut covered: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for statement in import.report.statements() {
            let at = format!("{deployment}: {} {}", statement.place, statement.text);
            assert!(statement.disposition.is_some(), "{at}");
            assert_ne!(statement.why, report::UNSETTLED, "{at}");
            let own = covered.entry(statement.place.file.clone()).or_default();
            own.extend(statement.place.line.unwrap()..=statement.last_line);
        }
        for path in &paths {
            let path = std::path::absolute(path).unwrap();
            let own = covered
                .get(&path.display().to_string())
                .cloned()
                .unwrap_or_default();
            for line in lines(&path) {
                let count = own.iter().filter(|covered| **covered == line).count();
                assert!(count > 0, "{}:{line} is not accounted for", path.display());
                // Where a statement is a line, no line has two.
                let text = std::fs::read_to_string(&path).unwrap();
                if !text.contains(';') || text.contains("[lns") {
                    assert_eq!(count, 1, "{}:{line}", path.display());
                }
            }
        }
        let loaded = judge(Path::new("/etc/adit/adit.toml"), &import.text());
        assert!(
            loaded.config.is_some(),
            "{deployment}: {:?}",
            loaded.findings
        );
    }
}

#[test]
fn the_l2tp_deployment_loses_nothing() {
    for (deployment, paths) in deployments() {
        if !deployment.starts_with("l2tp") {
            continue;
        }
        let import = import(&paths);
        let lost: Vec<&Statement> = import
            .report
            .statements()
            .iter()
            .filter(|s| s.disposition == Some(Disposition::Dropped))
            .filter(|s| s.why != "adit has no setting for it")
            .collect();
        assert!(lost.is_empty(), "{lost:#?}");
        let value = |setting: &str| import.value(setting).map(ToString::to_string);
        for (setting, expected) in [
            ("pool.local", "\"10.10.1.1\""),
            ("pool.ranges", "[\"10.10.1.2-10.10.1.100\"]"),
            ("ppp.name", "\"LinuxVPNserver\""),
            ("ppp.authentication", "[\"mschap-v2\"]"),
            ("ppp.dns", "[\"10.10.1.1\"]"),
            ("ppp.mru", "1280"),
            ("tun.mtu", "1280"),
            ("ppp.echo-interval", "\"30s\""),
            ("ppp.echo-failures", "4"),
            ("clients.isolation", "false"),
            ("log.level", "\"info,ppp=debug\""),
        ] {
            assert_eq!(value(setting).as_deref(), Some(expected), "{setting}");
        }
    }
}
