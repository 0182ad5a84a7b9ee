//! Files that adit reads as they are: the configuration names them, and every line counts as it
//! stands there, unless only the old programs took it.

use std::collections::BTreeMap;

use super::{Import, Kind, Source, keys};
use crate::compat::chap_secrets::{self, Rules};
use crate::compat::ipsec_secrets;
use crate::diagnostic::Diagnostic;

pub(super) fn map(source: Source, import: &mut Import) {
    let mut findings = Vec::new();
    let place = source.place();
    let (setting, fates) = match source.kind {
        Kind::IpsecSecrets => {
            let fates = fates_of_keys(&source, &mut findings);
            ("ipsec.secrets", fates)
        }
        Kind::ChapSecrets => {
            let fates = fates_of_users(&source, Rules::default(), &mut findings);
            ("ppp.secrets", fates)
        }
        _ => {
            let any_password = import
                .value("ppp.weak-pap-without-password")
                .and_then(toml::Value::as_bool);
            let rules = Rules {
                kind: chap_secrets::Kind::Pap {
                    any_password: any_password.unwrap_or(false),
                },
                ..Rules::default()
            };
            let fates = fates_of_users(&source, rules, &mut findings);
            ("ppp.pap-secrets", fates)
        }
    };
    let path = source.path.display().to_string();
    let other = import
        .value(setting)
        .is_some_and(|named| named.as_str() != Some(&path))
        && !keys::includes(import, &source.path);
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
    let mut fate = &Fate::Kept;
    for (number, _) in lines(&source.bytes) {
        // A line in which no record begins goes on with the one above.
        fate = fates.get(&number).unwrap_or(fate);
        let id = import.report.add(&place.at_line(number), number, SECRET);
        match fate {
            Fate::Kept => import.report.kept(id, "read as it is"),
            Fate::WithoutEffect(why) => import.report.without_effect(id, why),
            Fate::Dropped(why) => import.report.dropped_for_clients(id, why),
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

/// What becomes of a record, and why.
enum Fate {
    Kept,
    WithoutEffect(String),
    /// Clients see the difference.
    Dropped(String),
}

/// By the lines in which they begin.
type Fates = BTreeMap<u32, Fate>;

fn fates_of_keys(source: &Source, findings: &mut Vec<Diagnostic>) -> Fates {
    let entries = ipsec_secrets::parse(&source.place(), &source.bytes, findings);
    let kept = entries.iter().filter_map(|entry| entry.place.line);
    let mut fates: Fates = kept.map(|line| (line, Fate::Kept)).collect();
    for found in findings.iter() {
        let Some(line) = found.place.line else {
            continue;
        };
        let fate = match found.is_error() {
            true => Fate::Dropped(found.message.clone()),
            // An include among them.
            false => Fate::Kept,
        };
        fates.insert(line, fate);
    }
    for (line, kind) in ipsec_secrets::of_other_types(&source.bytes) {
        let why = format!("a secret of type {kind} is not used here");
        let fate = match kind.as_str() {
            // Users; the others are keys of certificates, or of IKEv2.
            "XAUTH" | "EAP" | "NTLM" => Fate::Dropped(why),
            _ => Fate::WithoutEffect(why),
        };
        fates.insert(line, fate);
    }
    fates
}

fn fates_of_users(source: &Source, rules: Rules, findings: &mut Vec<Diagnostic>) -> Fates {
    let users = chap_secrets::parse(&source.place(), &source.bytes, rules, findings);
    // pppd ignores what is neither a record nor lost; the last finding says why.
    let told = findings.iter().filter_map(|found| {
        let why = found.message.clone();
        Some((found.place.line?, Fate::WithoutEffect(why)))
    });
    let mut fates: Fates = told.collect();
    let kept = users.records().iter();
    fates.extend(kept.map(|record| (record.line, Fate::Kept)));
    let lost = users.lost().iter().cloned();
    fates.extend(lost.map(|(line, why)| (line, Fate::Dropped(why))));
    fates
}

/// The lines with something in them, and their numbers.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    (1u32..)
        .zip(lines)
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
}

#[cfg(test)]
mod tests {
    use crate::import::Import;
    use crate::import::testing::{import, lines};

    fn secrets(import: &Import) -> Vec<String> {
        let mut lines = lines(import);
        lines.retain(|line| line.contains(" (secret): "));
        lines
    }

    /// What pppd would not take either is no loss.
    #[test]
    fn users_who_only_got_in_with_pppd() {
        let import = import(&[(
            "/etc/ppp/chap-secrets",
            "# users\nann l2tpd \"hush one\" *\njo l2tpd hush 10.0.0.0/24+\nkim l2tpd hush \\\n  \
             host.example\nlee l2tpd hush -\nnosec l2tpd\nmia l2tpd hush host.example *\n",
        )]);
        assert_eq!(
            secrets(&import),
            [
                "2 (secret): kept: read as it is",
                "3 (secret): dropped!: jo may have no address, and so cannot connect",
                "4 (secret): dropped!: kim may have no address, and so cannot connect",
                "5 (secret): dropped!: kim may have no address, and so cannot connect",
                "6 (secret): kept: read as it is",
                "7 (secret): without effect: only 2 of the three words user, server and secret: \
                 ignored",
                "8 (secret): kept: read as it is",
            ]
        );
    }

    #[test]
    fn users_of_pap_without_a_password_here() {
        let options = "auth\nrequire-pap\n";
        let users = "ann * @login *\nbo * $6$salt$hush *\ncy * \"\" *\ndee * hush *\n";
        let import = import(&[
            ("/etc/ppp/options", options),
            ("/etc/ppp/pap-secrets", users),
        ]);
        assert_eq!(
            secrets(&import),
            [
                "1 (secret): dropped!: ann is to be checked against the accounts of this host",
                "2 (secret): dropped!: the secret of bo is a hash of crypt(3)",
                "3 (secret): dropped!: the secret of cy is empty: in pppd any password would do, \
                 here the record does not count",
                "4 (secret): kept: read as it is",
            ]
        );
    }

    #[test]
    fn secrets_of_other_types() {
        let import = import(&[(
            "/etc/ipsec.secrets",
            "%any : PSK \"hush hush hush hush hush\"\njo : XAUTH \"hush\"\n: RSA {\n  \
             Modulus: 0x0a\n  }\ninclude /etc/ipsec.d/*.secrets\n: PSK\n",
        )]);
        assert_eq!(
            secrets(&import),
            [
                "1 (secret): kept: read as it is",
                "2 (secret): dropped!: a secret of type XAUTH is not used here",
                "3 (secret): without effect: a secret of type RSA is not used here",
                "4 (secret): without effect: a secret of type RSA is not used here",
                "5 (secret): without effect: a secret of type RSA is not used here",
                "6 (secret): kept: read as it is",
                "7 (secret): dropped!: no key after PSK",
            ]
        );
    }
}
