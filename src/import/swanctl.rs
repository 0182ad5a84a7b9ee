//! swanctl.conf: the connections that L2TP clients come through, and the keys of IKE.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use ike::LegacyOption;
use wire::Secret;

use super::keys::{self, Key};
use super::proposals::{Offers, Style};
use super::{Id, Import, Kind, Source};
use crate::compat::ipsec_conf::seconds;
use crate::compat::ipsec_secrets::Selector;
use crate::compat::swanctl::{self, Statement, Swanctl, Tree, What};
use crate::config::values::format_duration;
use crate::diagnostic::{Diagnostic, Place};

const CERTIFICATES: &str = "adit's clients have shared keys, and no certificates";
const ADDRESSES: &str = "L2TP clients get their addresses from PPP";

pub(super) fn map(source: Source, import: &mut Import) {
    let mut findings = Vec::new();
    let mut open = |by: &Path, place: &Place, pattern: &str, _: &mut Vec<Diagnostic>| {
        import.include_all(by, place, pattern, Kind::Swanctl)
    };
    let file = swanctl::read(&source.path, &source.bytes, &mut open, &mut findings);
    let ids: Vec<Id> = file
        .statements
        .iter()
        .map(|statement| {
            let text = text(statement);
            import
                .report
                .add(&statement.place, statement.last_line, text)
        })
        .collect();
    let tree = file.tree();
    let connections: Vec<Connection> = tree
        .children(&path(&["connections"]))
        .into_iter()
        .map(|name| Connection::new(name, &tree))
        .collect();
    if !connections.iter().any(|c| c.verdict == Verdict::Taken) {
        let message = "there is no connection here that L2TP clients could come through";
        let hint = "that takes version = 1, auth = psk on both sides, and a child with mode = \
                    transport and local_ts = dynamic[udp/1701]; adit serves L2TP clients with its \
                    defaults until told otherwise";
        findings.push(Diagnostic::warning(source.place(), message).hint(hint));
    }
    import.report.findings.append(&mut findings);
    let mut work = Work {
        file: &file,
        tree: &tree,
        ids: &ids,
        done: BTreeSet::new(),
        offers: Offers::default(),
        import,
    };
    for connection in &connections {
        if connection.verdict == Verdict::Taken {
            work.connection(connection);
        }
    }
    work.secrets();
    work.others(&connections);
    work.closing();
    let Work { offers, .. } = work;
    offers.settle(import);
}

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A statement as the report shows it, without secrets.
fn text(statement: &Statement) -> String {
    let names: Vec<&str> = statement.path.iter().map(String::as_str).collect();
    match &statement.what {
        What::Begin(parents) if parents.is_empty() => format!("{} {{", names.join(".")),
        What::Begin(parents) => format!("{} : {} {{", names.join("."), parents.join(", ")),
        What::End => "}".to_owned(),
        What::Setting { key, .. } if is_secret(&names, key) => format!("{key} = (secret)"),
        What::Setting { key, value } => {
            format!("{key} = {}", String::from_utf8_lossy(value.expose()))
        }
        What::Include(pattern) => format!("include {pattern}"),
        What::Unknown => "(cannot be read)".to_owned(),
    }
}

/// Of the sections below `secrets` only names are shown: a key may stand under a wrong name, or in
/// a wrong section.
fn is_secret(path: &[&str], key: &str) -> bool {
    let named = key == "file" || key.starts_with("id");
    key.contains("secret") || path.first() == Some(&"secrets") && !named
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Taken,
    Client,
    Other(&'static str),
}

struct Connection {
    name: String,
    verdict: Verdict,
    /// The sections of its sides and of its children that L2TP clients come through.
    sections: Vec<Vec<String>>,
}

fn value(tree: &Tree<'_>, path: &[String], key: &str) -> String {
    let value = tree.get(path, key).map(|(value, _)| value.expose());
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

impl Connection {
    fn new(name: String, tree: &Tree<'_>) -> Self {
        let own = path(&["connections", &name]);
        let inner = |name: &str| [own.clone(), path(&[name])].concat();
        let names = tree.children(&own);
        let sides: Vec<Vec<String>> = names
            .iter()
            .filter(|name| name.starts_with("local") || name.starts_with("remote"))
            .map(|name| inner(name))
            .collect();
        let children: Vec<Vec<String>> = tree
            .children(&inner("children"))
            .into_iter()
            .map(|name| [inner("children"), vec![name]].concat())
            .collect();
        let l2tp = |path: &Vec<String>| {
            let port = |key: &str| {
                let value = value(tree, path, key);
                value.contains("1701") || value.contains("/l2tp")
            };
            let mode = value(tree, path, "mode").eq_ignore_ascii_case("transport");
            (mode, port("local_ts"), port("remote_ts"))
        };
        let verdict = verdict(tree, &own, &sides, children.iter().map(l2tp));
        let mut sections = sides;
        sections.push(inner("children"));
        sections.extend(children.into_iter().filter(|child| {
            let (transport, ours, theirs) = l2tp(child);
            transport && (ours || theirs)
        }));
        Self {
            name,
            verdict,
            sections,
        }
    }
}

/// `children`: whether it is transport mode, and whether our and the peer's end is L2TP's port.
fn verdict(
    tree: &Tree<'_>,
    own: &[String],
    sides: &[Vec<String>],
    children: impl Iterator<Item = (bool, bool, bool)>,
) -> Verdict {
    let auth: Vec<String> = sides.iter().map(|side| value(tree, side, "auth")).collect();
    if auth.iter().any(|auth| auth.starts_with("xauth")) {
        return Verdict::Other(
            "it is for XAuth, which adit does not speak: its users need an L2TP connection",
        );
    }
    if value(tree, own, "version") == "2" || auth.iter().any(|auth| auth.starts_with("eap")) {
        return Verdict::Other(
            "it is for IKEv2, which adit does not speak: its users need an L2TP connection, or \
             strongSwan beside adit on another address",
        );
    }
    if auth.len() < 2 || auth.iter().any(|auth| auth != "psk") {
        return Verdict::Other("its clients have certificates, and adit has shared keys only");
    }
    let children: Vec<(bool, bool, bool)> = children.collect();
    if !children.iter().any(|(transport, ..)| *transport) {
        return Verdict::Other(
            "it is a tunnel between networks, and adit has transport mode for L2TP only: keep \
             strongSwan for it, on another address",
        );
    }
    let l2tp = |(transport, ours, theirs): &(bool, bool, bool)| *transport && (*ours || *theirs);
    let Some((_, ours, _)) = children.iter().find(|child| l2tp(child)) else {
        return Verdict::Other("it protects something else than L2TP");
    };
    let remote = value(tree, own, "remote_addrs");
    let anybody = remote.is_empty() || remote.contains('%') || remote.contains('/');
    match *ours || anybody {
        true => Verdict::Taken,
        false => Verdict::Client,
    }
}

struct Work<'a, 'b> {
    file: &'a Swanctl,
    tree: &'a Tree<'a>,
    ids: &'a [Id],
    /// The statements that are settled.
    done: BTreeSet<usize>,
    offers: Offers,
    import: &'b mut Import,
}

impl Work<'_, '_> {
    /// The report's name of a statement, once.
    fn once(&mut self, statement: usize) -> Option<Id> {
        let id = self.ids.get(statement).copied()?;
        self.done.insert(statement).then_some(id)
    }

    fn settings(&mut self, path: &[String]) -> Vec<(Id, String, String)> {
        let settings: Vec<(&str, &Secret, usize)> = self.tree.settings(path);
        let mut own = Vec::new();
        for (key, value, statement) in settings {
            if let Some(id) = self.once(statement) {
                let value = String::from_utf8_lossy(value.expose()).into_owned();
                own.push((id, key.to_owned(), value));
            }
        }
        own
    }

    fn connection(&mut self, connection: &Connection) {
        let own = path(&["connections", &connection.name]);
        let dead = seconds(&value(self.tree, &own, "dpd_delay")).unwrap_or(0);
        for (id, key, value) in self.settings(&own) {
            self.connection_key(id, &key, &value, dead);
        }
        for section in &connection.sections {
            let place = section.get(2).map_or("", String::as_str).to_owned();
            for (id, key, value) in self.settings(section) {
                if place == "children" {
                    self.child_key(id, &key, &value);
                } else {
                    self.side_key(id, place.starts_with("local"), &key, &value);
                }
            }
        }
    }

    fn connection_key(&mut self, id: Id, key: &str, value: &str, dead: u64) {
        let yes = value == "yes";
        let report = &mut self.import.report;
        match key {
            "version" if value == "1" => report.kept(id, "adit speaks IKEv1 only"),
            "version" => report.changed(id, "adit speaks IKEv1 only, and so do L2TP clients"),
            "local_addrs" => self.addresses(id, value),
            "remote_addrs" => match value {
                "%any" | "%any4" | "0.0.0.0/0" => report.kept(id, ""),
                _ => report.changed(
                    id,
                    "clients may come from any address: the key says who they are; a [[psk]] with \
                     `from` binds a key to addresses",
                ),
            },
            "proposals" => self.offers.ike(id, value, Style::Alone),
            "encap" if yes => self.import.keep(&[id], "ipsec.encapsulation", "always"),
            "encap" => report.kept(id, ""),
            "dpd_delay" => match seconds(value) {
                Some(0) => self.import.keep(&[id], "ipsec.dpd-interval", "0s"),
                Some(delay) => self.import.keep(&[id], "ipsec.dpd-interval", time(delay)),
                None => report.dropped(id, "it is no time"),
            },
            "dpd_timeout" => match seconds(value) {
                Some(timeout) if dead == 0 || timeout <= dead => {
                    let why = format!("it is not longer than dpd_delay, {} s", timeout.min(dead));
                    report.without_effect(id, why);
                }
                Some(timeout) => self.import.keep(&[id], "ipsec.dpd-timeout", time(timeout)),
                None => report.dropped(id, "it is no time"),
            },
            "fragmentation" if value == "no" => {
                self.import.keep(&[id], "ipsec.fragment-size", 0);
            }
            "fragmentation" => report.kept(id, ""),
            "aggressive" if yes => report.dropped_for_clients(
                id,
                "Aggressive Mode shows everybody a hash of the key to guess from; clients that \
                 use it do not get in, and none of those built into systems needs it",
            ),
            "aggressive" => report.kept(id, ""),
            "unique" => report.changed(
                id,
                "a client is its security association; clients.sessions-per-user says how many \
                 sessions a user may have",
            ),
            "local_port" => match value.parse::<u16>() {
                Ok(0 | 500 | 4500) => report.kept(id, ""),
                Ok(port) => self.import.keep(&[id], "listen.ike-port", i64::from(port)),
                Err(_) => report.dropped(id, "it is no port"),
            },
            "pools" | "vips" | "pull" => report.without_effect(id, ADDRESSES),
            "send_cert" | "send_certreq" => report.without_effect(id, CERTIFICATES),
            "rekey_time" | "over_time" | "rand_time" | "reauth_time" | "keyingtries" => {
                report.without_effect(id, "the client renews, and its lifetimes are taken");
            }
            "remote_port" | "mobike" | "dscp" | "ppk_id" | "ppk_required" | "mediation"
            | "mediated_by" | "mediation_peer" | "if_id_in" | "if_id_out" | "childless"
            | "ocsp" => {
                report.without_effect(id, "it is about IKEv2, or the kernel's IPsec");
            }
            _ => report.dropped(id, "this key is not known here"),
        }
    }

    fn addresses(&mut self, id: Id, value: &str) {
        let addresses: Option<Vec<IpAddr>> = value
            .split(',')
            .map(|word| word.trim().parse().ok())
            .collect();
        match addresses {
            Some(addresses) => {
                let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                self.import.keep(&[id], "listen.addresses", list);
            }
            None if value.starts_with("%any") => self.import.report.kept(id, ""),
            None => self.import.report.changed(
                id,
                "adit listens on every IPv4 address; listen.addresses narrows that",
            ),
        }
    }

    fn side_key(&mut self, id: Id, ours: bool, key: &str, value: &str) {
        let report = &mut self.import.report;
        match key {
            "auth" => report.kept(id, ""),
            "id" if !ours && matches!(value, "%any" | "") => report.kept(id, ""),
            "id" if !ours => report.changed(
                id,
                "a client is known by its key, not by its identity; [[psk]] gives keys to users \
                 or networks",
            ),
            "id" => match value.parse::<IpAddr>() {
                Ok(address) => {
                    let value = address.to_string();
                    self.import.keep(&[id], "listen.public-address", value);
                }
                Err(_) => report.changed(
                    id,
                    "adit's identity is the address that clients know it by \
                     (listen.public-address), which is what they expect",
                ),
            },
            "round" | "eap_id" | "aaa_id" | "xauth_id" => {
                report.without_effect(id, "there is one round, of shared keys");
            }
            "certs" | "cert" | "pubkeys" | "cacerts" | "cacert" | "groups" | "cert_policy"
            | "revocation" | "ca_id" => report.without_effect(id, CERTIFICATES),
            _ => report.dropped(id, "this key is not known here"),
        }
    }

    fn child_key(&mut self, id: Id, key: &str, value: &str) {
        let report = &mut self.import.report;
        match key {
            "mode" | "local_ts" => report.kept(id, ""),
            "remote_ts" if value.contains("1701") => report.changed(
                id,
                "clients behind NAT come from other ports, and get in as well",
            ),
            "remote_ts" => report.kept(id, ""),
            "esp_proposals" => self.offers.esp(id, value, Style::Alone),
            "ah_proposals" => {
                report.dropped(id, "adit has ESP only, which authenticates as well");
            }
            "sha256_96" if value == "yes" => self.offers.option(id, LegacyOption::EspSha256Cut),
            "sha256_96" => report.kept(id, ""),
            "start_action" => match value {
                "none" | "" => report.kept(id, ""),
                _ => report.changed(id, "a server waits for its clients"),
            },
            "dpd_action" => match value {
                "clear" | "none" => report.kept(id, ""),
                _ => report.changed(id, "a dead client's session ends: a server calls nobody"),
            },
            "updown" => report.dropped(
                id,
                "no script is run for a security association; those of PPP are, for each session",
            ),
            "ipcomp" if value == "yes" => {
                report.dropped(id, "there is no IPComp; clients do without");
            }
            "mark_in" | "mark_out" | "mark_in_sa" | "set_mark_in" | "set_mark_out" | "reqid"
            | "if_id_in" | "if_id_out" => report.without_effect(
                id,
                "adit tells clients behind one NAT apart by their security associations",
            ),
            "rekey_time" | "life_time" | "rand_time" | "rekey_bytes" | "life_bytes"
            | "rand_bytes" | "rekey_packets" | "life_packets" | "rand_packets" | "inactivity"
            | "close_action" => {
                report.without_effect(id, "the client renews, and its lifetimes are taken");
            }
            "ipcomp" | "policies" | "policies_fwd_out" | "hostaccess" | "priority"
            | "interface" | "tfc_padding" | "replay_window" | "hw_offload" | "copy_df"
            | "copy_ecn" | "copy_dscp" | "label" | "label_mode" | "per_cpu_sas" => {
                report.without_effect(id, "it is about the kernel's IPsec, which is not used");
            }
            _ => report.dropped(id, "this key is not known here"),
        }
    }

    /// The keys of IKE; of the other secrets, what they are for.
    fn secrets(&mut self) {
        let tree = self.tree;
        let mut written: Vec<Key<'_>> = Vec::new();
        for name in tree.children(&path(&["secrets"])) {
            let own = path(&["secrets", &name]);
            let settings = tree.settings(&own);
            if !name.starts_with("ike") {
                let why = match name.split('-').next().unwrap_or("") {
                    "xauth" | "eap" | "ntlm" => {
                        "users of L2TP are in chap-secrets: `adit user add` writes them there"
                    }
                    "ppk" => "IKEv1 has no such keys",
                    _ => CERTIFICATES,
                };
                for (_, _, statement) in settings {
                    if let Some(id) = self.once(statement) {
                        match why {
                            CERTIFICATES => self.import.report.without_effect(id, why),
                            _ => self.import.report.dropped(id, why),
                        }
                    }
                }
                continue;
            }
            let key = tree.get(&own, "secret");
            let mut parties = Vec::new();
            let mut names = false;
            for (key, value, statement) in settings {
                let Some(id) = self.once(statement) else {
                    continue;
                };
                let report = &mut self.import.report;
                let text = String::from_utf8_lossy(value.expose());
                match key {
                    "secret" => {}
                    _ if !key.starts_with("id") => report.dropped(id, "this key is not known here"),
                    _ if text == "%any" => {
                        parties.push(Selector::Any);
                        report.kept(id, "");
                    }
                    _ => match text.parse::<IpAddr>() {
                        Ok(address) => {
                            parties.push(Selector::Address(address));
                            report.kept(id, "");
                        }
                        Err(_) => {
                            names = true;
                            report.changed(
                                id,
                                "in Main Mode nobody says a name before the key is needed: the key \
                                 counts whatever the client calls itself",
                            );
                        }
                    },
                }
            }
            let Some((secret, statement)) = key else {
                continue;
            };
            let Some(id) = self.ids.get(statement).copied() else {
                continue;
            };
            let Some(decoded) = decoded(secret) else {
                let why = "the key after 0x or 0s cannot be read";
                self.import.report.dropped_for_clients(id, why);
                continue;
            };
            // Only names: for anybody, as an entry without any.
            if names && parties.is_empty() {
                parties.push(Selector::Any);
            }
            written.push(Key {
                from: id,
                parties,
                key: secret.expose(),
                spelled: decoded == Decoded::Entry,
            });
        }
        keys::write(&written, self.import);
    }

    /// What is no setting of a connection for L2TP clients.
    fn others(&mut self, connections: &[Connection]) {
        for (number, statement) in self.file.statements.iter().enumerate() {
            if self.done.contains(&number) || statement.what == What::End {
                continue;
            }
            let Some(id) = self.once(number) else {
                continue;
            };
            let names: Vec<&str> = statement.path.iter().map(String::as_str).collect();
            let begins = matches!(statement.what, What::Begin(_));
            let report = &mut self.import.report;
            match (&statement.what, names.as_slice()) {
                (What::Include(_), _) => report.kept(id, "the files it names are read"),
                (What::Unknown, _) => report.dropped(id, "it cannot be understood"),
                (_, ["connections", name, inner @ ..]) => {
                    let own = connections
                        .iter()
                        .find(|connection| connection.name == *name);
                    let part = |why: &str| format!("{name} {why}");
                    match own.map(|own| (&own.verdict, &own.sections)) {
                        Some((Verdict::Taken, _)) if begins && inner.is_empty() => {
                            report.kept(id, "L2TP clients come through it");
                        }
                        Some((Verdict::Taken, sections)) if begins => {
                            if sections.contains(&statement.path) {
                                report.kept(id, "");
                            } else {
                                let why = "it is no child that L2TP clients come through";
                                report.dropped_for_clients(id, why);
                            }
                        }
                        Some((Verdict::Taken, sections))
                            if inner.is_empty() || sections.contains(&statement.path) =>
                        {
                            report.without_effect(id, "a later line has the last word");
                        }
                        Some((Verdict::Taken, _)) => {
                            report.dropped(id, "it is of no child that L2TP clients come through");
                        }
                        Some((Verdict::Client, _)) if begins && inner.is_empty() => {
                            report.client_side(id, "it calls a server: `adit connect`");
                        }
                        Some((Verdict::Client, _)) => {
                            report.client_side(id, part("calls a server"));
                        }
                        Some((Verdict::Other(why), _)) if begins && inner.is_empty() => {
                            report.dropped_for_clients(id, *why);
                        }
                        _ => report.dropped(id, part("is not for L2TP clients")),
                    }
                }
                (_, ["pools", ..]) => report.without_effect(id, ADDRESSES),
                (_, ["authorities", ..]) => report.without_effect(id, CERTIFICATES),
                (_, ["connections" | "secrets"]) if begins => report.kept(id, ""),
                (_, ["secrets", _]) if begins => report.kept(id, ""),
                (_, ["secrets", ..]) => {
                    report.without_effect(id, "a later line has the last word");
                }
                _ if begins => report.kept(id, "others may take settings from it"),
                _ => {
                    let why = "nothing that L2TP clients come through has it";
                    report.without_effect(id, why);
                }
            }
        }
    }

    /// A closing brace goes with its section.
    fn closing(&mut self) {
        let mut open: Vec<Id> = Vec::new();
        for (statement, id) in self.file.statements.iter().zip(self.ids) {
            match statement.what {
                What::Begin(_) => open.push(*id),
                What::End => {
                    let section = open.pop();
                    let section = section.and_then(|id| self.import.report.of(id)?.disposition);
                    self.import.report.goes_with(*id, section);
                }
                _ => {}
            }
        }
    }
}

fn time(seconds: u64) -> String {
    format_duration(Duration::from_secs(seconds.min(u64::from(u32::MAX))))
}

/// How a key stands in swanctl.conf.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decoded {
    /// As it is.
    Text,
    /// In hexadecimal or base64, as it can stand in an ipsec.secrets too.
    Entry,
}

/// None if it cannot be read, or is empty.
fn decoded(secret: &Secret) -> Option<Decoded> {
    let digit = |byte: &u8| byte.is_ascii_hexdigit();
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    match secret.expose() {
        [] => None,
        [b'0', b'x', digits @ ..] => {
            let good = !digits.is_empty() && digits.len() % 2 == 0 && digits.iter().all(digit);
            good.then_some(Decoded::Entry)
        }
        [b'0', b's', digits @ ..] => {
            let good = !digits.is_empty() && digits.iter().all(base64);
            good.then_some(Decoded::Entry)
        }
        _ => Some(Decoded::Text),
    }
}

#[cfg(test)]
#[path = "swanctl_tests.rs"]
mod tests;
