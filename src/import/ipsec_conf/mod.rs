//! ipsec.conf of strongSwan and libreswan: the connections that L2TP clients come through, and
//! what becomes of everything else.
//!
//! A line counts through the connections it takes part in, in its own section or in one that
//! inherits it. If any of those is one for L2TP clients, the line's key decides ([`keys`]); if
//! not, it goes the way of its connections ([`connection`]).

mod connection;
mod keys;
mod setup;
#[cfg(test)]
mod tests;

use std::path::Path;

use connection::{Connection, Verdict};

use super::{Id, Import, Kind, Source};
use crate::compat::ipsec_conf::{self, IpsecConf, SectionKind, What};
use crate::diagnostic::{Diagnostic, Place};

pub(super) fn map(source: Source, import: &mut Import) {
    let mut findings = Vec::new();
    let mut open = |by: &Path, place: &Place, pattern: &str, _: &mut Vec<Diagnostic>| {
        import.include_all(by, place, pattern, Kind::IpsecConf)
    };
    let conf = ipsec_conf::read(&source.path, &source.bytes, None, &mut open, &mut findings);
    let ids: Vec<Id> = conf
        .statements
        .iter()
        .map(|statement| {
            let text = text(&statement.what);
            import
                .report
                .add(&statement.place, statement.last_line, text)
        })
        .collect();
    let sections = conf.sections(&mut findings);
    let connections: Vec<Connection<'_>> = sections
        .iter()
        .filter(|section| section.kind == SectionKind::Conn && section.name != "%default")
        .map(|section| {
            let effective = conf.effective(&sections, section);
            Connection::new(section, effective, conf.dialect)
        })
        .collect();
    if !connections.iter().any(Connection::is_taken) {
        let message = "there is no connection here that L2TP clients could come through";
        let hint = "that takes type=transport, authby=secret, leftprotoport=17/1701, auto=add and \
                    IKEv1; adit serves L2TP clients with its defaults until told otherwise";
        findings.push(Diagnostic::warning(source.place(), message).hint(hint));
    }
    let mut work = Work {
        conf: &conf,
        ids: &ids,
        connections: &connections,
        import,
    };
    work.frame(&sections);
    for section in &sections {
        match section.kind {
            SectionKind::Setup => work.setup(section),
            SectionKind::Ca => work.authority(section),
            SectionKind::Conn => work.section(section),
        }
    }
    work.taken();
    import.report.findings.append(&mut findings);
}

/// A statement as the report shows it. Nothing in an ipsec.conf is secret.
fn text(what: &What) -> String {
    match what {
        What::Version => "version".to_owned(),
        What::Include(pattern) => format!("include {pattern}"),
        What::Section(SectionKind::Setup, _) => "config setup".to_owned(),
        What::Section(SectionKind::Conn, name) => format!("conn {name}"),
        What::Section(SectionKind::Ca, name) => format!("ca {name}"),
        What::Setting { key, value } => format!("{key}={value}"),
        What::Unknown => "(cannot be read)".to_owned(),
    }
}

struct Work<'a, 'b> {
    conf: &'a IpsecConf,
    /// The report's names of the statements.
    ids: &'a [Id],
    connections: &'a [Connection<'a>],
    import: &'b mut Import,
}

impl Work<'_, '_> {
    fn id(&self, statement: usize) -> Option<Id> {
        self.ids.get(statement).copied()
    }

    /// What is no setting.
    fn frame(&mut self, sections: &[ipsec_conf::Section]) {
        for (statement, id) in self.conf.statements.iter().zip(self.ids) {
            let report = &mut self.import.report;
            match &statement.what {
                What::Version => report.without_effect(*id, "a mark of old files"),
                What::Include(_) => report.kept(*id, "the files it names are read"),
                What::Unknown => report.dropped(*id, "it cannot be understood"),
                What::Section(SectionKind::Setup, _) => report.kept(*id, ""),
                What::Section(SectionKind::Ca, _) => report.without_effect(*id, CERTIFICATES),
                What::Section(SectionKind::Conn, name) => self.head(*id, name, sections),
                What::Setting { .. } => {}
            }
        }
    }

    /// What becomes of a connection stands at its head.
    fn head(&mut self, id: Id, name: &str, sections: &[ipsec_conf::Section]) {
        let report = &mut self.import.report;
        let named = |connection: &&Connection<'_>| connection.name == name;
        let own = self.connections.iter().find(named);
        if name == "%default" || own.is_some_and(|own| own.template(sections)) {
            let why = "other connections take settings from it";
            return report.kept(id, why);
        }
        match own.map(|own| &own.verdict) {
            Some(Verdict::Taken) => report.kept(id, "L2TP clients come through it"),
            Some(Verdict::Client) => report.client_side(id, "it calls a server: `adit connect`"),
            Some(Verdict::Idle) => {
                let why = "it is not loaded: auto=add is missing, or auto=ignore is set";
                report.without_effect(id, why);
            }
            Some(Verdict::Other(why)) => report.dropped_for_clients(id, why.clone()),
            None => report.without_effect(id, "it holds nothing"),
        }
    }

    /// A section `ca`.
    fn authority(&mut self, section: &ipsec_conf::Section) {
        let also = section.also.iter().map(|(_, statement)| statement);
        for statement in section.settings.iter().chain(also) {
            if let Some(id) = self.id(*statement) {
                self.import.report.without_effect(id, CERTIFICATES);
            }
        }
    }

    /// The settings of a section `conn` that no connection for L2TP clients has.
    fn section(&mut self, section: &ipsec_conf::Section) {
        let own = self.connections.iter().find(|own| own.name == section.name);
        for (name, statement) in &section.also {
            let Some(id) = self.id(*statement) else {
                continue;
            };
            let report = &mut self.import.report;
            match own.map(|own| &own.verdict) {
                Some(Verdict::Other(_)) => {
                    report.dropped(id, format!("{} is not for L2TP clients", section.name));
                }
                Some(Verdict::Client) => {
                    report.client_side(id, format!("{} calls a server", section.name));
                }
                _ => report.kept(id, format!("the settings of {name} count here")),
            }
        }
        for statement in &section.settings {
            let Some(id) = self.id(*statement) else {
                continue;
            };
            let having: Vec<&Connection<'_>> = self
                .connections
                .iter()
                .filter(|connection| connection.has(*statement))
                .collect();
            let report = &mut self.import.report;
            let first = having
                .iter()
                .find(|connection| connection.verdict != Verdict::Idle)
                .or(having.first());
            if having.iter().any(|connection| connection.is_taken()) {
                // Its key decides.
            } else if let Some(connection) = first {
                let name = connection.name;
                match &connection.verdict {
                    Verdict::Client => report.client_side(id, format!("{name} calls a server")),
                    Verdict::Idle => report.without_effect(id, format!("{name} is not loaded")),
                    _ => report.dropped(id, format!("{name} is not for L2TP clients")),
                }
            } else {
                // Empty values keep an inherited one away, and are the default themselves.
                let why = "no connection has it: another line has the last word";
                report.without_effect(id, why);
            }
        }
    }
}

/// What is said of everything about certificates.
const CERTIFICATES: &str = "adit's clients have shared keys, and no certificates";
