//! Files that adit reads as they are: the configuration names them, and every line counts as it
//! stands there.

use super::{Import, Kind, Source, keys};
use crate::compat::chap_secrets::{self, Rules};
use crate::compat::ipsec_secrets;
use crate::diagnostic::{Diagnostic, Severity};

pub(super) fn map(source: Source, import: &mut Import) {
    let mut findings = Vec::new();
    let place = source.place();
    let setting = match source.kind {
        Kind::IpsecSecrets => {
            ipsec_secrets::parse(&place, &source.bytes, &mut findings);
            "ipsec.secrets"
        }
        Kind::ChapSecrets => {
            chap_secrets::parse(&place, &source.bytes, Rules::default(), &mut findings);
            "ppp.secrets"
        }
        _ => {
            let rules = Rules {
                kind: chap_secrets::Kind::Pap {
                    any_password: false,
                },
                ..Rules::default()
            };
            chap_secrets::parse(&place, &source.bytes, rules, &mut findings);
            "ppp.pap-secrets"
        }
    };
    let path = source.path.display().to_string();
    let other = import
        .value(setting)
        .is_some_and(|named| named.as_str() != Some(&path))
        && !keys::includes(import, &path);
    let unused = if source.kind == Kind::PapSecrets && !offers_pap(import) {
        Some("nobody is asked to log in with PAP".to_owned())
    } else {
        other.then(|| format!("{setting} names another file"))
    };
    if let Some(why) = unused {
        for (number, _) in lines(&source.bytes) {
            let id = import.report.add(&place.at_line(number), number, SECRET);
            import.report.without_effect(id, why.clone());
        }
        return;
    }
    for (number, _) in lines(&source.bytes) {
        let id = import.report.add(&place.at_line(number), number, SECRET);
        let of_line = |finding: &&Diagnostic| finding.place.line == Some(number);
        match findings
            .iter()
            .filter(of_line)
            .find(|finding| is_skipped(finding))
        {
            Some(finding) => import
                .report
                .dropped_for_clients(id, finding.message.clone()),
            None => import.report.kept(id, "read as it is"),
        }
    }
    import.assume(setting, path, "read as it is");
    import.report.findings.append(&mut findings);
}

/// What is shown of a line that may hold a secret.
const SECRET: &str = "(secret)";

fn offers_pap(import: &Import) -> bool {
    let methods = import
        .value("ppp.authentication")
        .and_then(toml::Value::as_array);
    methods.is_some_and(|methods| methods.iter().any(|method| method.as_str() == Some("pap")))
}

/// Whether a finding says that its line does not count.
fn is_skipped(finding: &Diagnostic) -> bool {
    finding.severity == Severity::Error
}

/// The lines with something in them, and their numbers.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    (1u32..)
        .zip(lines)
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
}
