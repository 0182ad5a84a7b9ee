//! swanctl.conf: the connections that L2TP clients come through, and the keys of IKE.

mod connection;
mod keys;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use connection::{Connection, Verdict, value};
use wire::Secret;

use super::proposals::Offers;
use super::{Id, Import, Kind, Source};
use crate::compat::ipsec_conf::seconds;
use crate::compat::swanctl::{self, Statement, Swanctl, Tree, What};
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
        self.import.assume_dpd_timeout(dead);
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
