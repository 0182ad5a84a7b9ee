//! The manual pages and the completions, judged by the programs they are for, where those are
//! installed.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "runs shells and formatters on what the program prints"
)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use adit::cli::Cli;
use adit::config::Config;
use adit::manual::{Page, pages};
use clap::CommandFactory;

fn adit(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
    command.args(arguments).output().unwrap()
}

/// What a program says, on either of its outputs, when it is given `input`; none if it is not
/// installed.
fn told_by(program: &str, arguments: &[&str], input: &[u8]) -> Option<String> {
    let child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: {program}: {error}");
            return None;
        }
    };
    // Whoever complains early may not read to the end.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn page(file: &str) -> Page {
    let mut all = pages().unwrap().into_iter();
    all.find(|page| page.file == file).unwrap()
}

#[test]
fn every_command_has_a_page_that_names_its_options() {
    fn visit(command: &clap::Command, files: &mut Vec<String>) {
        let file = format!("{}.1", command.get_display_name().unwrap_or("adit"));
        let text = page(&file).text;
        for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
            if let Some(long) = argument.get_long() {
                let written = format!("\\-\\-{}", long.replace('-', "\\-"));
                assert!(text.contains(&written), "{file}: {long}");
            }
        }
        files.push(file);
        for child in command.get_subcommands().filter(|c| !c.is_hide_set()) {
            visit(child, files);
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut files = Vec::new();
    visit(&root, &mut files);
    assert!(files.contains(&"adit-session-list.1".to_owned()));
    files.push("adit.toml.5".to_owned());

    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("pages");
    let output = adit(&["man", "--dir", dir.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let mut written: Vec<String> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    files.sort();
    assert_eq!(written, files);
}

#[test]
fn the_page_of_the_configuration_has_every_setting_in_its_section() {
    let text = page("adit.toml.5").text;
    let defaults = serde_json::to_value(Config::default()).unwrap();
    for (section, settings) in defaults.as_object().unwrap() {
        // Lists of tables are empty by default; their settings are in the example.
        let Some(settings) = settings.as_object() else {
            assert!(text.contains(&format!(".SS [[{section}]]\n")), "{section}");
            continue;
        };
        let (_, rest) = text.split_once(&format!(".SS [{section}]\n")).unwrap();
        let own = rest.split(".SS ").next().unwrap();
        for key in settings.keys() {
            let written = format!("\\fB{}\\fR = ", key.replace('-', "\\-"));
            assert!(own.contains(&written), "{section}.{key}");
        }
    }
}

#[test]
fn one_page_is_printed_by_its_name() {
    for (asked, file) in [
        (&["man"][..], "adit.1"),
        (&["man", "serve"], "adit-serve.1"),
        (&["man", "session", "list"], "adit-session-list.1"),
        (&["man", "adit-session-list"], "adit-session-list.1"),
        (&["man", "adit.toml"], "adit.toml.5"),
    ] {
        let output = adit(asked);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), page(file).text);
    }
    let output = adit(&["man", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("nonsense") && told.contains("adit-serve"),
        "{told}"
    );
}

#[test]
fn groff_has_no_complaints() {
    let arguments = ["-man", "-Tutf8", "-ww", "-z"];
    for page in pages().unwrap() {
        match told_by("groff", &arguments, page.text.as_bytes()) {
            Some(told) => assert_eq!(told, "", "{}", page.file),
            None => return,
        }
    }
    let told = told_by("groff", &arguments, b".TH A 1\n.NOSUCH\n").unwrap();
    assert!(told.contains("NOSUCH"), "{told}");
}

#[test]
fn mandoc_has_no_complaints() {
    for page in pages().unwrap() {
        let arguments = ["-Tlint", "-Wwarning"];
        let Some(told) = told_by("mandoc", &arguments, page.text.as_bytes()) else {
            return;
        };
        let serious: Vec<&str> = told
            .lines()
            // There is none on purpose. The breaks are those of the generator, around lists of
            // possible values, and have no effect.
            .filter(|line| !line.contains("missing date") && !line.contains("skipping paragraph"))
            .collect();
        assert!(serious.is_empty(), "{}: {serious:#?}", page.file);
    }
}

/// What bash offers after `line`, whose last word is incomplete.
fn bash_offers(script: &Path, line: &str) -> Option<String> {
    let words: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
    let current = words.len() - 1;
    let session = format!(
        "source {script} || exit
        complete -p adit >/dev/null || exit
        COMP_WORDS=({words}) COMP_CWORD={current} COMP_LINE='{line}' COMP_POINT={point}
        _adit adit {last} {previous}
        printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script = script.display(),
        words = words.join(" "),
        point = line.len(),
        last = words.last().unwrap(),
        previous = words.get(current.wrapping_sub(1)).unwrap(),
    );
    told_by("bash", &["--norc", "--noprofile", "-c", &session], b"")
}

#[test]
fn bash_completes_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("adit");
    std::fs::write(&script, adit(&["completions", "bash"]).stdout).unwrap();
    for (line, expected) in [
        ("adit ser", "serve\n"),
        ("adit session cl", "close\n"),
        ("adit status --js", "--json\n"),
        ("adit completions fi", "fish\n"),
        ("adit connect --profile windows1", "windows10\nwindows11\n"),
    ] {
        match bash_offers(&script, line) {
            Some(offered) => assert_eq!(offered, expected, "{line}"),
            None => return,
        }
    }
}

#[test]
fn other_shells_read_theirs() {
    for shell in ["zsh", "fish"] {
        let script = adit(&["completions", shell]).stdout;
        assert!(script.windows(10).any(|words| words == b"quickstart"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("adit");
        std::fs::write(&file, script).unwrap();
        if let Some(told) = told_by(shell, &["-n", file.to_str().unwrap()], b"") {
            assert_eq!(told, "", "{shell}");
        }
    }
}
