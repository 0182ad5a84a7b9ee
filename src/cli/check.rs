//! `adit check`: all findings at once.

use std::io::{self, Write};

use serde::Serialize;

use super::Check;
use super::output::{count, count_findings, lines};
use crate::config::{Bundle, Sources};
use crate::diagnostic::{Diagnostic, any_error};

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    findings: &'a [Diagnostic],
}

/// Reads everything, writes what was found to `out`, and returns the exit code: 0, or 2 if there
/// are errors.
pub fn run(arguments: &Check, sources: &Sources, out: &mut dyn Write) -> io::Result<u8> {
    let (bundle, findings) = Bundle::load(sources);
    let ok = !any_error(&findings);
    if arguments.json {
        serde_json::to_writer_pretty(
            &mut *out,
            &Report {
                ok,
                findings: &findings,
            },
        )?;
        writeln!(out)?;
    } else {
        if !findings.is_empty() {
            writeln!(out, "{}", lines(&findings))?;
        }
        let counted = count_findings(&findings);
        match bundle {
            Some(bundle) => {
                let keys = count(bundle.keys.len() + bundle.named_keys.len(), "key");
                let users = count(bundle.users.records().count(), "user");
                writeln!(
                    out,
                    "{}: {keys}, {users}; {counted}",
                    arguments.config.path().display()
                )?;
            }
            None => writeln!(
                out,
                "{}: not usable; {counted}",
                arguments.config.path().display()
            )?,
        }
    }
    Ok(if ok { 0 } else { 2 })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::cli::ConfigFile;

    fn run_on(folder: &Path, json: bool) -> (u8, String) {
        let file = Some(folder.join("adit.toml"));
        let arguments = Check {
            config: ConfigFile { file: file.clone() },
            json,
        };
        let sources = Sources {
            file,
            environment: Vec::new(),
        };
        let mut out = Vec::new();
        let code = run(&arguments, &sources, &mut out).unwrap();
        let prefix = format!("{}/", folder.display());
        (code, String::from_utf8(out).unwrap().replace(&prefix, ""))
    }

    #[test]
    fn findings_and_exit_codes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        write(
            "adit.toml",
            "[ipsec]\nsecrets = \"keys\"\n[ppp]\nsecrets = \"users\"\nmtu = 1\n",
        );
        write("keys", ": PSK \"a key that is long enough\"\n");
        write("users", "bob * pw *\nann * pw *\n");
        let (code, text) = run_on(folder.path(), false);
        assert_eq!(code, 0);
        assert_eq!(
            text,
            "adit.toml:5:1: warning: unknown setting mtu in [ppp] (did you mean mru?)\n\
             adit.toml: 1 key, 2 users; no errors, 1 warning\n"
        );

        write("keys", ": PSK\n");
        write("users", "bob\n");
        let (code, text) = run_on(folder.path(), false);
        assert_eq!(code, 2);
        assert!(text.contains("keys:1: error: no key after PSK"), "{text}");
        assert!(text.contains("users:1: warning: only 1 of"), "{text}");
        assert!(
            text.ends_with("adit.toml: not usable; 2 errors, 3 warnings\n"),
            "{text}"
        );

        let (code, text) = run_on(folder.path(), true);
        assert_eq!(code, 2);
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["ok"], false);
        assert_eq!(report["findings"][1]["file"], "keys");
        assert_eq!(report["findings"][1]["line"], 1);
    }
}
