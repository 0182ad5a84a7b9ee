use std::os::unix::fs::PermissionsExt;

use super::*;

/// A host's files, in a folder that stands for its root.
struct Host(tempfile::TempDir);

impl Host {
    fn new(files: &[(&str, &str)]) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            let path = host.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn arguments(&self, line: &str) -> Arguments {
        let root = self.0.path().to_str().unwrap();
        let line = format!("adit import --root {root} {}", line.replace("ROOT", root));
        match <crate::cli::Cli as clap::Parser>::parse_from(line.split_whitespace()).command {
            crate::cli::Command::Import(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    /// Exit code and standard output, with ROOT for the root.
    fn import(&self, line: &str) -> Result<(u8, String), Failure> {
        let mut out = Vec::new();
        let code = run(&self.arguments(line), &mut out, &mut Vec::new())?;
        let text = String::from_utf8(out).unwrap();
        Ok((code, text.replace(self.0.path().to_str().unwrap(), "ROOT")))
    }
}

const SECRETS: &[(&str, &str)] = &[
    (
        "/etc/ipsec.secrets",
        "# keys\n%any %any : PSK \"a key that is long enough\"\n",
    ),
    (
        "/etc/ppp/chap-secrets",
        "ann l2tpd \"pw of ann\" *\nbob l2tpd \"pw of bob\" *\n",
    ),
];

#[test]
fn files_that_are_read_as_they_are() {
    let host = Host::new(SECRETS);
    let (code, report) = host.import("").unwrap();
    assert_eq!(code, 0);
    insta::assert_snapshot!(report);
    insta::assert_snapshot!(fs::read_to_string(host.path("/etc/adit/adit.toml")).unwrap());
}

#[test]
fn a_second_time_changes_nothing() {
    let host = Host::new(SECRETS);
    host.import("").unwrap();
    let before = fs::read(host.path("/etc/adit/adit.toml")).unwrap();
    let (_, report) = host.import("").unwrap();
    assert!(
        report.ends_with("ROOT/etc/adit/adit.toml: is just so already\n"),
        "{report}"
    );
    // Its own output among the files: alone, and with those it came from.
    for files in ["", "ROOT/etc/ipsec.secrets ROOT/etc/ppp/chap-secrets"] {
        let (code, report) = host
            .import(&format!("ROOT/etc/adit/adit.toml {files}"))
            .unwrap();
        assert_eq!(code, 0);
        assert!(
            report.ends_with("ROOT/etc/adit/adit.toml: is just so already\n"),
            "{report}"
        );
    }
    assert_eq!(fs::read(host.path("/etc/adit/adit.toml")).unwrap(), before);
}

#[test]
fn nothing_is_overwritten_unasked() {
    let host = Host::new(SECRETS);
    let output = host.path("/etc/adit/adit.toml");
    fs::create_dir_all(output.parent().unwrap()).unwrap();
    fs::write(&output, "# mine\n").unwrap();
    let Err(Failure::Failed(message)) = host.import("") else {
        panic!("overwritten")
    };
    assert!(
        message.contains("exists and is different: --force"),
        "{message}"
    );
    assert_eq!(fs::read_to_string(&output).unwrap(), "# mine\n");
    host.import("--force").unwrap();
    assert!(fs::read_to_string(&output).unwrap().contains("[ppp]"));
    // Nothing is left beside it.
    assert_eq!(fs::read_dir(output.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_read_is_wrong_use() {
    let host = Host::new(&[("/x", "hello\n")]);
    let Err(Failure::Configuration(findings)) = host.import("ROOT/x ROOT/nowhere") else {
        panic!("read")
    };
    let texts: Vec<String> = findings.iter().map(|f| f.message.clone()).collect();
    assert_eq!(
        texts,
        [
            "cannot tell what kind of file this is",
            "there is no such file"
        ]
    );
    assert!(matches!(host.import(""), Err(Failure::Failed(_))));
}
