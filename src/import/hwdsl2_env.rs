//! The environment of hwdsl2's container. The container writes the files of libreswan, xl2tpd and
//! pppd from it; where those are imported as well they have the last word, and here they are made
//! up for where they are not.

use std::net::Ipv4Addr;

use zeroize::Zeroizing;

use super::{Id, Import, Kind, Source};
use crate::compat::chap_secrets::write::quoted;
use crate::compat::hwdsl2_env::{Variable, parse};
use crate::compat::ipsec_secrets::{Selector, write_entry};
use crate::diagnostic::{Diagnostic, Place};

/// Files beside adit.toml, where there are none of the old host's.
const KEYS: &str = "ipsec.secrets";
const USERS: &str = "chap-secrets";

/// Variables that hold secrets. So may those that are none of the VPN's: an environment is shared
/// by the containers of a host.
const SECRET: [&str; 3] = ["VPN_IPSEC_PSK", "VPN_PASSWORD", "VPN_ADDL_PASSWORDS"];

pub(super) fn map(source: Source, import: &mut Import) {
    let mut others = Vec::new();
    let findings = &mut import.report.findings;
    let variables = parse(&source.place(), &source.bytes, &mut others, findings);
    for place in others {
        let id = import
            .report
            .add(&place, place.line.unwrap_or(1), "(no value)");
        import
            .report
            .without_effect(id, "a variable without a value counts for nothing");
    }
    let add = |variable: Variable| {
        let name = variable.name.as_str();
        let shown = match name.starts_with("VPN_") && !SECRET.contains(&name) {
            true => variable.value.as_str(),
            false => "(secret)",
        };
        let text = format!("{}={shown}", variable.name);
        let line = variable.place.line.unwrap_or(1);
        let id = import.report.add(&variable.place, line, text);
        (variable, id)
    };
    let mut environment = Environment(Vec::new());
    for (variable, id) in variables.into_iter().map(add).collect::<Vec<_>>() {
        // As in a shell, the last one counts.
        if let Some((_, earlier)) = environment.take(&variable.name) {
            import
                .report
                .without_effect(earlier, format!("{} sets it again", variable.place));
        }
        environment.0.push((variable, id));
    }
    let has_files = import.files.has(Kind::Xl2tpd);
    if !has_files {
        made_up(import);
    }
    environment.keys(&source, import);
    environment.users(import);
    environment.addresses(import);
    environment.weak(import);
    environment.rest(import);
}

/// What the container writes whatever its environment is.
fn made_up(import: &mut Import) {
    let why = "as the container has it";
    import.assume(
        "clients.isolation",
        false,
        "the kernel lets clients of xl2tpd reach one another",
    );
    import.assume("ipsec.encapsulation", "always", why);
    import.assume("ppp.name", "l2tpd", why);
    import.assume("ppp.authentication", vec!["mschap-v2"], why);
    import.assume("ppp.mru", 1280, why);
    import.assume("tun.mtu", 1280, why);
    import.assume("ppp.echo-interval", "30s", why);
    import.assume("ppp.echo-failures", 4, why);
    import.assume("ppp.dns", vec!["8.8.8.8", "8.8.4.4"], why);
    import.assume("pool.local", "192.168.42.1", why);
    import.assume("pool.ranges", vec!["192.168.42.10-192.168.42.250"], why);
}

/// The variables that nothing has been said of.
struct Environment(Vec<(Variable, Id)>);

impl Environment {
    fn take(&mut self, name: &str) -> Option<(Zeroizing<String>, Id)> {
        let index = self
            .0
            .iter()
            .position(|(variable, _)| variable.name == name)?;
        let (variable, id) = self.0.remove(index);
        Some((variable.value, id))
    }

    fn keys(&mut self, source: &Source, import: &mut Import) {
        let Some((key, id)) = self.take("VPN_IPSEC_PSK") else {
            if !import.files.has(Kind::IpsecSecrets) {
                let message = "there is no VPN_IPSEC_PSK: the container made up a key, which is in \
                               its /etc/ipsec.secrets";
                let found = Diagnostic::warning(source.place(), message);
                import
                    .report
                    .findings
                    .push(found.hint("name that file as well"));
            }
            return;
        };
        if import.files.has(Kind::IpsecSecrets) {
            import
                .report
                .without_effect(id, "the key is read from ipsec.secrets");
            return;
        }
        let entry = write_entry(&[Selector::Any, Selector::Any], key.as_bytes());
        let text = Zeroizing::new(entry.unwrap_or_default().as_bytes().to_vec());
        import.draft.side_file(KEYS, text);
        import.keep(&[id], "ipsec.secrets", KEYS);
    }

    fn users(&mut self, import: &mut Import) {
        let mut ids = Vec::new();
        let mut words = |name: &str, environment: &mut Self| {
            let (value, id) = environment.take(name)?;
            ids.push(id);
            Some(value)
        };
        let user = words("VPN_USER", self);
        let password = words("VPN_PASSWORD", self);
        let names = words("VPN_ADDL_USERS", self);
        let passwords = words("VPN_ADDL_PASSWORDS", self);
        let addresses = words("VPN_ADDL_IP_ADDRS", self);
        if import.files.has(Kind::ChapSecrets) {
            for id in ids {
                import
                    .report
                    .without_effect(id, "the users are read from chap-secrets");
            }
            return;
        }
        let mut lines: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        if let (Some(user), Some(password)) = (&user, &password) {
            lines.push(line(user, password, "*"));
        }
        let list = |value: &Option<Zeroizing<String>>| -> Vec<Zeroizing<String>> {
            let words = value.iter().flat_map(|value| value.split_whitespace());
            words.map(|word| Zeroizing::new(word.to_owned())).collect()
        };
        let (names, passwords, addresses) = (list(&names), list(&passwords), list(&addresses));
        for (index, (name, password)) in names.iter().zip(&passwords).enumerate() {
            let address = addresses.get(index).map_or("*", |address| address.as_str());
            lines.push(line(name, password, address));
        }
        if names.len() != passwords.len() {
            let message = format!(
                "{} more users and {} more passwords: those without a partner are left out",
                names.len(),
                passwords.len()
            );
            import
                .report
                .findings
                .push(Diagnostic::warning(Place::default_value(), message));
        }
        if lines.is_empty() {
            for id in ids {
                let why = "a user needs a name and a password";
                import.report.dropped_for_clients(id, why);
            }
            return;
        }
        import.draft.side_file(USERS, joined(&lines));
        import.keep(&ids, "ppp.secrets", USERS);
    }

    fn addresses(&mut self, import: &mut Import) {
        if let Some((value, id)) = self.take("VPN_PUBLIC_IP") {
            import.keep(&[id], "listen.public-address", value.as_str());
        }
        if let Some((value, id)) = self.take("VPN_L2TP_LOCAL") {
            import.keep(&[id], "pool.local", value.as_str());
        }
        if let Some((value, id)) = self.take("VPN_L2TP_POOL") {
            let ranges: Vec<&str> = value.split_whitespace().collect();
            import.keep(&[id], "pool.ranges", ranges);
        }
        if let Some((_, id)) = self.take("VPN_L2TP_NET") {
            let why = "pool.local and pool.ranges say which addresses there are";
            import.report.without_effect(id, why);
        }
        let servers = [self.take("VPN_DNS_SRV1"), self.take("VPN_DNS_SRV2")];
        let (values, ids): (Vec<String>, Vec<Id>) = servers
            .into_iter()
            .flatten()
            .map(|(value, id)| (value.to_string(), id))
            .unzip();
        if values.iter().all(|value| value.parse::<Ipv4Addr>().is_ok()) && !values.is_empty() {
            import.keep(&ids, "ppp.dns", values);
        } else {
            for id in ids {
                let why = "name servers are given by their addresses";
                import.report.dropped_for_clients(id, why);
            }
        }
    }

    /// Algorithms that the container lets in only when asked.
    fn weak(&mut self, import: &mut Import) {
        let (mut options, mut ids) = (Vec::new(), Vec::new());
        for (name, option) in [
            ("VPN_ENABLE_MODP1024", "legacy-android"),
            ("VPN_ENABLE_MODP1536", "legacy-modp1536"),
            ("VPN_SHA2_TRUNCBUG", "esp-sha256-96"),
        ] {
            match self.take(name) {
                Some((value, id)) if *value == "yes" => {
                    options.push(option);
                    ids.push(id);
                }
                Some((_, id)) => import.report.kept(id, ""),
                None => {}
            }
        }
        if !options.is_empty() {
            import.keep(&ids, "ipsec.legacy", options);
        }
    }

    fn rest(self, import: &mut Import) {
        for (variable, id) in self.0 {
            let report = &mut import.report;
            let yes = *variable.value == "yes";
            match variable.name.as_str() {
                "VPN_ANDROID_MTU_FIX" => report.kept(id, "TCP's segments are always made to fit"),
                "VPN_DISABLE_IPSEC_L2TP" if yes => {
                    let why = "adit serves L2TP and nothing else: with it off, nobody is served";
                    report.dropped_for_clients(id, why);
                }
                "VPN_DISABLE_IPSEC_XAUTH" if yes => report.kept(id, "adit has no XAuth"),
                "VPN_DISABLE_IPSEC_L2TP" | "VPN_DISABLE_IPSEC_XAUTH" => report.kept(id, ""),
                "VPN_IKEV2_ONLY" if yes => {
                    report
                        .dropped_for_clients(id, "adit serves IKEv1: with it on, nobody is served");
                }
                name if name.starts_with("VPN_XAUTH_") => {
                    let why = "adit has no XAuth (\"Cisco IPsec\"): such clients change to L2TP";
                    report.dropped_for_clients(id, why);
                }
                "VPN_DNS_NAME"
                | "VPN_CLIENT_NAME"
                | "VPN_CLIENT_VALIDITY"
                | "VPN_PROTECT_CONFIG"
                | "VPN_SPLIT_IKEV2"
                | "VPN_IKEV2_ONLY" => {
                    report.without_effect(id, "it is about IKEv2, which adit does not serve");
                }
                name if name.starts_with("VPN_") => report.dropped(id, "adit has nothing like it"),
                _ => report.without_effect(id, "it is not a variable of the VPN's"),
            }
        }
    }
}

/// A line of the users' file.
fn line(user: &str, password: &str, address: &str) -> Zeroizing<Vec<u8>> {
    let words = [
        quoted(user.as_bytes()),
        Zeroizing::new(b" l2tpd ".to_vec()),
        quoted(password.as_bytes()),
        Zeroizing::new(format!(" {address}\n").into_bytes()),
    ];
    joined(&words)
}

/// In memory that is set aside at once: no half of a secret stays behind where it grew.
fn joined(parts: &[Zeroizing<Vec<u8>>]) -> Zeroizing<Vec<u8>> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut whole = Zeroizing::new(Vec::with_capacity(length));
    for part in parts {
        whole.extend_from_slice(part);
    }
    whole
}
