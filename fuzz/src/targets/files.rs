//! Files of operators, ours and those of other programs: nothing that stands in one makes a reader panic, and
//! what a finding points at is a line of the file.

use std::path::Path;

use adit::compat::{
    chap_secrets, hwdsl2_env, ipsec_conf, ipsec_secrets, l2tp_secrets, pppd_options, psk_txt,
    racoon, setkey, swanctl, xl2tpd,
};
use adit::config::layers;
use adit::diagnostic::{Diagnostic, Place};
use adit::import::{self, Files, Kind};

const FILE: &str = "/nowhere/file";

fn place() -> Place {
    Place::file(Path::new(FILE))
}

/// Lines count from 1, and an error at the end of a file may stand behind the last one.
fn judge(data: &[u8], findings: &[Diagnostic]) {
    let lines = data.split(|byte| *byte == b'\n').count() + 1;
    for finding in findings {
        let line = finding.place.line.unwrap_or(1);
        let inside = usize::try_from(line).is_ok_and(|line| (1..=lines).contains(&line));
        assert!(inside, "{finding} is beyond line {lines}");
        let text = finding.to_string();
        let printable = |c: char| c == '\n' || !c.is_control();
        assert!(
            text.chars().all(printable),
            "{text:?} is not for a terminal"
        );
    }
}

pub fn ipsec_secrets(data: &[u8]) {
    let mut findings = Vec::new();
    ipsec_secrets::parse(&place(), data, &mut findings);
    judge(data, &findings);
}

pub fn psk_txt(data: &[u8]) {
    let mut findings = Vec::new();
    psk_txt::parse(&place(), data, &mut findings);
    judge(data, &findings);
}

pub fn l2tp_secrets(data: &[u8]) {
    let mut findings = Vec::new();
    l2tp_secrets::parse(&place(), data, &mut findings);
    judge(data, &findings);
}

pub fn xl2tpd_conf(data: &[u8]) {
    let mut findings = Vec::new();
    xl2tpd::parse(&place(), data, &mut findings);
    judge(data, &findings);
}

pub fn pppd_options(data: &[u8]) {
    let mut findings = Vec::new();
    pppd_options::parse(&place(), data, &mut findings);
    judge(data, &findings);
}

pub fn setkey_conf(data: &[u8]) {
    let mut findings = Vec::new();
    setkey::parse(&place(), data, &mut findings);
    judge(data, &findings);
}

pub fn hwdsl2_env(data: &[u8]) {
    let (mut others, mut findings) = (Vec::new(), Vec::new());
    hwdsl2_env::parse(&place(), data, &mut others, &mut findings);
    judge(data, &findings);
}

pub fn ipsec_conf(data: &[u8]) {
    let mut findings = Vec::new();
    ipsec_conf::parse(&place(), data, None, &mut findings);
    judge(data, &findings);
}

pub fn swanctl_conf(data: &[u8]) {
    let mut findings = Vec::new();
    let mut nothing = |_: &Path, _: &Place, _: &str, _: &mut Vec<Diagnostic>| Vec::new();
    swanctl::read(Path::new(FILE), data, &mut nothing, &mut findings).tree();
    judge(data, &findings);
}

pub fn racoon_conf(data: &[u8]) {
    let mut findings = Vec::new();
    let mut nothing = |_: &Path, _: &Place, _: &str, _: &mut Vec<Diagnostic>| Vec::new();
    racoon::read(Path::new(FILE), data, &mut nothing, &mut findings);
    judge(data, &findings);
}

/// A file of users, read, and changed as `adit user` does.
pub fn chap_secrets(data: &[u8]) {
    use chap_secrets::edit::{Editor, Refused};
    use chap_secrets::{Kind, Name, Rules, Stored};

    let kinds = [
        Kind::Chap,
        Kind::Pap {
            any_password: false,
        },
    ];
    for kind in kinds {
        let rules = Rules {
            kind,
            ..Rules::default()
        };
        let mut findings = Vec::new();
        chap_secrets::parse(&place(), data, rules, &mut findings);
        judge(data, &findings);
        let secret = Stored::Password(wire::Secret::from(&b"a new one"[..]));
        match Editor::new(data, rules).add(b"newcomer", &Name::Any, &secret, &[]) {
            Ok(text) => {
                let users = chap_secrets::parse(&place(), &text, rules, &mut Vec::new());
                assert!(users.lookup_user(b"newcomer").is_some());
                let removed = Editor::new(&text, rules).remove(b"newcomer", &Name::Any);
                assert!(removed.is_ok_and(|(_, count)| count == 1));
            }
            Err(Refused::Absent) => panic!("nobody need be there to be added"),
            Err(_) => {}
        }
    }
}

/// Our own file.
pub fn adit_toml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let loaded = layers::judge(Path::new(FILE), &text);
    judge(text.as_bytes(), &loaded.findings);
    let errors = loaded.findings.iter().any(Diagnostic::is_error);
    assert_eq!(loaded.config.is_none(), errors, "{:?}", loaded.findings);
}

/// Any of them, by the first byte, on its way into a configuration: what comes out is one.
pub fn import(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    let kind = Kind::ALL[usize::from(*kind) % Kind::ALL.len()];
    let files = Files::of(Path::new("/nowhere"), kind, Path::new("/etc/file"), bytes);
    let imported = import::run(files, Vec::new(), Path::new("/etc/adit/adit.toml"));
    let text = imported.text();
    // Of our own file there is what was in it.
    if kind != Kind::Adit {
        let loaded = layers::judge(Path::new("/etc/adit/adit.toml"), &text);
        let errors: Vec<_> = loaded
            .findings
            .iter()
            .filter(|found| found.is_error())
            .collect();
        assert!(errors.is_empty(), "{errors:#?}\n{text}");
    }
}
