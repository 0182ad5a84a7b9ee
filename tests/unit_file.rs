//! The unit of the service and its drop-ins, judged by systemd itself where it is installed.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "runs systemd's own tool on copies of the files"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Highest exposure that `systemd-analyze security` may report, in tenths.
const EXPOSURE: u32 = 20;

const UNIT: &str = include_str!("../systemd/adit.service");
const DROP_INS: [(&str, &str); 2] = [
    ("loosen", include_str!("../systemd/loosen.conf.example")),
    (
        "credentials",
        include_str!("../systemd/credentials.conf.example"),
    ),
];

/// For systemd 253 and later: older ones do not know its type of service.
const NOTIFY_RELOAD: &str = include_str!("../systemd/notify-reload.conf.example");

/// What the tool says to `arguments`; none if it is not there.
fn systemd_analyze(arguments: &[&str], file: &Path) -> Option<Output> {
    let run = Command::new("systemd-analyze")
        .args(arguments)
        .arg(file)
        .env("LC_ALL", "C")
        .output();
    match run {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: systemd-analyze: {error}");
            None
        }
    }
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(&[&out[..], &err[..]].concat()).into_owned()
}

/// A folder with the unit, whose program is one that exists.
fn unit(extra: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adit.service");
    let unit = UNIT.replace("/usr/bin/adit", env!("CARGO_BIN_EXE_adit"));
    fs::write(&path, unit + extra).unwrap();
    (folder, path)
}

/// Unknown names and values are only told, and ignored: so nothing at all may be told.
fn complaints(file: &Path) -> Option<String> {
    let output = systemd_analyze(&["verify"], file)?;
    let text = text(&output);
    assert!(output.status.success() || !text.is_empty());
    Some(text)
}

#[test]
fn systemd_understands_every_line() {
    let (_folder, path) = unit("");
    if let Some(told) = complaints(&path) {
        assert_eq!(told, "");
        let (_folder, path) = unit("[Service]\nNoSuchSetting=yes\n");
        assert!(complaints(&path).unwrap().contains("NoSuchSetting"));
    }
}

/// The examples too, those lines included that are commented out.
#[test]
fn systemd_understands_the_drop_ins() {
    for (name, drop_in) in DROP_INS {
        let (folder, path) = unit("");
        let dir = folder.path().join("adit.service.d");
        fs::create_dir(&dir).unwrap();
        // A comment that begins with a letter is a line that can be switched on.
        let switched_on: Vec<&str> = drop_in
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.starts_with(char::is_alphabetic) => rest,
                _ => line,
            })
            .collect();
        fs::write(dir.join(format!("{name}.conf")), switched_on.join("\n")).unwrap();
        match complaints(&path) {
            Some(told) => assert_eq!(told, "", "{name}"),
            None => return,
        }
    }
}

/// Older ones tell so in one line, and have no complaint but that one.
#[test]
fn a_newer_systemd_understands_the_drop_in_for_it() {
    let (folder, path) = unit("");
    let dir = folder.path().join("adit.service.d");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("notify-reload.conf"), NOTIFY_RELOAD).unwrap();
    if let Some(told) = complaints(&path) {
        let unexpected: Vec<&str> = told
            .lines()
            .filter(|line| !(systemd_version() < 253 && line.contains("notify-reload")))
            .collect();
        assert!(unexpected.is_empty(), "{told}");
    }
}

/// The number in `systemd 252 (252.38-1~deb12u1)`.
fn systemd_version() -> u32 {
    let output = Command::new("systemd-analyze").arg("--version").output();
    let text = text(&output.unwrap());
    let number = text.split_whitespace().nth(1).unwrap();
    number.split(['.', '~']).next().unwrap().parse().unwrap()
}

#[test]
fn the_sandbox_is_tight() {
    let threshold = format!("--threshold={EXPOSURE}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold];
    let (_folder, path) = unit("");
    if let Some(output) = systemd_analyze(&arguments, &path) {
        assert!(output.status.success(), "{}", text(&output));
        let (_folder, path) = unit("[Service]\nPrivateDevices=no\nNoNewPrivileges=no\n");
        let output = systemd_analyze(&arguments, &path).unwrap();
        assert!(!output.status.success(), "a loose one passes");
    }
}

/// Of what the program relies on at run time, nothing got lost.
#[test]
fn the_program_finds_what_it_needs() {
    for line in [
        "Type=notify",
        "ExecReload=/usr/bin/adit reload",
        "RuntimeDirectory=adit",
        "BindPaths=/dev/net/tun",
        "DeviceAllow=/dev/net/tun rw",
        "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    ] {
        assert!(UNIT.lines().any(|own| own == line), "{line}");
    }
}
