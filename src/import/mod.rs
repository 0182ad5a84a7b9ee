//! `adit import`: from the files of the programs that adit takes the place of to adit.toml, and an
//! account of every line of them.
//!
//! A format is two halves. Its **reader** in [`crate::compat`] is pure: bytes to statements, each
//! with its [`Place`](crate::diagnostic::Place), and findings; it never stops at a mistake. Its
//! **mapping** is a module here, called by [`run`] for each file of its [`Kind`]:
//!
//! ```ignore
//! pub(super) fn map(source: Source, import: &mut Import) {
//!     let file = compat::racoon::parse(&source.place(), &source.bytes, &mut import.report.findings);
//!     // 1. Every statement is taken in, each brace and head of a section too; no secret in the text.
//!     let id = import.report.add(&statement.place, statement.last_line, "nat_traversal force");
//!     // 2. Of each is said, once, what becomes of it. Either it becomes a setting,
//!     import.keep(&[id], "ipsec.encapsulation", "always");         // the same,
//!     import.change(&[id], "ppp.mru", 1400, "why it is not the same");
//!     // or it does not:
//!     import.report.kept(id, "");                                  // adit does that by itself
//!     import.report.changed(id, "what adit does instead");
//!     import.report.without_effect(id, "there is no serial line");
//!     import.report.client_side(id, "a server does not dial");
//!     import.report.dropped(id, "why, when no client sees it");
//!     import.report.dropped_for_clients(id, "why, and what that means for clients");
//! }
//! ```
//!
//! What holds for all of them:
//! - A setting takes any number of statements (three `ip range`s make one list); a statement may
//!   become several settings. A value is anything `toml::Value` can be made of.
//! - A later `keep` or `change` of a setting has the last word, and the earlier statements are told
//!   that they have no effect. Within one file, later or earlier is the mapping's business; between
//!   files it is the order of [`Kind::ALL`]. [`Import::value`] asks what there is so far.
//! - What the old programs do without being told, and adit does not, is [`Import::assume`]d; what an
//!   administrator may want is [`Import::suggest`]ed, in a comment.
//! - Tables such as `[[psk]]` are [`Import::push`]ed, by their `name`.
//! - A secret never stands in adit.toml: it goes into a file of its own beside it, by
//!   [`Draft::side_file`].
//! - Included files are opened by [`Import::include`]. Other kinds of files that are wanted together
//!   (psk.txt with racoon.conf) are taken from [`Import::files`], in which case they do not come
//!   again.
//! - A statement nobody speaks for is reported as dropped, and a setting that the configuration's
//!   own validation refuses is taken back, so that what is written always loads. Neither should
//!   happen: a mapping says why in words of its own.

mod adit;
mod draft;
mod files;
mod firewall;
mod hwdsl2_env;
mod includes;
mod ipsec_conf;
mod keys;
mod kind;
mod pppd;
mod proposals;
mod psk_txt;
mod racoon;
mod references;
mod report;
mod setkey;
mod swanctl;
#[cfg(test)]
mod testing;
mod tunnel_secrets;
mod write;
mod xauth_passwords;
mod xl2tpd;

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

pub use draft::{Draft, SideFile};
pub use files::{Files, Source, Unread};
pub use kind::Kind;
pub use report::{Disposition, Id, Report, Statement};

use crate::config::layers::{cannot_read, judge};
use crate::config::values::format_duration;
use crate::diagnostic::{Diagnostic, Place};

/// An import under way, and then what came of it.
pub struct Import {
    /// The files, those that are still to be read and those on the disk.
    pub files: Files,
    /// What becomes of their statements.
    pub report: Report,
    /// The settings so far.
    pub draft: Draft,
    /// The files that were read, in their order.
    pub sources: Vec<(Kind, PathBuf)>,
    /// The adit.toml that is added to.
    base: Option<(PathBuf, String)>,
}

impl Import {
    /// `setting`, as `section.key`, has this value, just as the statements `from` say.
    pub fn keep(&mut self, from: &[Id], setting: &str, value: impl Into<Value>) {
        self.draft
            .set(&mut self.report, from, setting, value.into(), "");
    }

    /// `setting` has this value, which is not quite what the statements `from` say; `why` is a
    /// sentence without its full stop.
    pub fn change(&mut self, from: &[Id], setting: &str, value: impl Into<Value>, why: &str) {
        self.draft
            .set(&mut self.report, from, setting, value.into(), why);
    }

    /// `setting` has this value because the old programs do so without being told.
    pub fn assume(&mut self, setting: &str, value: impl Into<Value>, why: &str) {
        let said = self.draft.settings.contains_key(setting);
        if !said && !self.draft.fixed.contains_key(setting) {
            self.draft
                .set(&mut self.report, &[], setting, value.into(), "");
            if let Some(drafted) = self.draft.settings.get_mut(setting) {
                drafted.comment.push(why.to_owned());
            }
        }
    }

    /// A dpd-timeout that goes with a dpd-interval of `delay` seconds, where no file has spoken of
    /// one and the default does not.
    fn assume_dpd_timeout(&mut self, delay: u64) {
        let default = crate::config::Ipsec::default().dpd_timeout;
        if delay >= default.as_secs() && self.value("ipsec.dpd-timeout").is_none() {
            let timeout = format_duration(Duration::from_secs(delay.saturating_mul(5)));
            let why = "longer than dpd-interval, as it has to be";
            self.assume("ipsec.dpd-timeout", timeout, why);
        }
    }

    /// A comment that shows `setting` with this value, for the reason `why`.
    pub fn suggest(&mut self, setting: &str, value: impl Into<Value>, why: &str) {
        let drafted = draft::Drafted {
            value: value.into(),
            from: Vec::new(),
            comment: vec![why.to_owned()],
        };
        self.draft.suggestions.insert(setting.to_owned(), drafted);
    }

    /// A table of the list `list`, such as "psk". One with the same `name` is there already if an
    /// adit.toml is added to that came from the same files.
    pub fn push(&mut self, from: &[Id], list: &str, table: Table) {
        let name = table
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let path = format!("{list}.{name}");
        for id in from {
            self.report.became(*id, &path, "");
        }
        if self.draft.fixed.contains_key(&path) {
            return;
        }
        let comment = draft::comment(&self.report, from, "");
        self.draft.tables.push(draft::DraftedTable {
            list: list.to_owned(),
            table,
            comment,
        });
    }

    /// The value of a setting so far, if any file has spoken of it.
    pub fn value(&self, setting: &str) -> Option<&Value> {
        self.draft.value(setting)
    }

    /// Opens a file that the statement at `place` in `by` names, where a relative `path` is relative
    /// to the folder of `by`. None, with a finding, if it cannot be read.
    pub fn include(&mut self, by: &Path, place: &Place, path: &Path, kind: Kind) -> Option<Source> {
        let folder = by.parent().unwrap_or(Path::new("/"));
        match self.files.open(path, folder, kind) {
            Ok(source) => {
                self.sources.push((kind, source.path.clone()));
                Some(source)
            }
            Err(Unread::Again) => None,
            Err(Unread::Error(error)) => {
                let why = cannot_read(place.clone(), &error).message;
                let message = format!("names {}: {why}", path.display());
                let found = Diagnostic::warning(place.clone(), message);
                self.report
                    .findings
                    .push(found.hint("its lines are not imported"));
                None
            }
        }
    }

    fn take(&mut self, kind: Kind) -> Option<Source> {
        let source = self.files.take(kind)?;
        self.sources.push((kind, source.path.clone()));
        Some(source)
    }

    /// The text of adit.toml.
    pub fn text(&self) -> String {
        let sources = self.sources.iter();
        let sources: Vec<String> = sources
            .map(|(_, path)| path.display().to_string())
            .collect();
        match &self.base {
            // It was read before as TOML.
            Some((_, base)) => self.draft.added_to(base).unwrap_or_else(|_| base.clone()),
            None => self.draft.text(&sources),
        }
    }

    /// The adit.toml that is added to, if one was named.
    pub fn base(&self) -> Option<&Path> {
        self.base.as_ref().map(|(path, _)| path.as_path())
    }

    /// Takes back what the validation of the configuration refuses. `output` is where the text
    /// will be.
    fn take_back(&mut self, output: &Path) {
        loop {
            let text = self.text();
            let errors = errors_of(output, &text);
            if errors.is_empty() {
                return;
            }
            let written = errors.iter().find_map(|error| {
                let setting = write::setting_at(&text, error.place.line?)?;
                let known = self.draft.settings.contains_key(&setting);
                known.then(|| (setting, error.message.clone()))
            });
            // Defaults need not go with the rest: addresses of nobody's choice give way.
            let pool = "pool.ranges";
            let ranges = |error: &Diagnostic| error.message.starts_with(pool);
            if written.is_none() && self.value(pool).is_none() && errors.iter().any(ranges) {
                let why = "the addresses that adit lends by default do not go with the rest";
                self.assume(pool, Vec::<String>::new(), why);
                continue;
            }
            let Some((setting, message)) = written.or_else(|| self.at_odds(output, &errors)) else {
                return;
            };
            let why = format!("adit refuses it: {message}");
            self.draft.unset(&mut self.report, &setting, &why);
        }
    }

    /// A setting without which there are fewer errors than these, and the message of one that is
    /// gone then: a default, or the adit.toml that is added to, does not go with it.
    fn at_odds(&mut self, output: &Path, errors: &[Diagnostic]) -> Option<(String, String)> {
        let settings: Vec<String> = self.draft.settings.keys().cloned().collect();
        settings.into_iter().find_map(|setting| {
            let drafted = self.draft.settings.remove(&setting)?;
            let left = errors_of(output, &self.text());
            self.draft.settings.insert(setting.clone(), drafted);
            let is_gone = |error: &&Diagnostic| left.iter().all(|l| l.message != error.message);
            let gone = errors.iter().find(is_gone)?;
            (left.len() < errors.len()).then(|| (setting, gone.message.clone()))
        })
    }
}

/// What keeps `text` from being the configuration in `output`.
fn errors_of(output: &Path, text: &str) -> Vec<Diagnostic> {
    let mut findings = judge(output, text).findings;
    findings.retain(Diagnostic::is_error);
    findings
}

/// Imports `files`. `output` is where the configuration will be; nothing is written here.
pub fn run(files: Files, findings: Vec<Diagnostic>, output: &Path) -> Import {
    let mut import = Import {
        files,
        report: Report::default(),
        draft: Draft::default(),
        sources: Vec::new(),
        base: None,
    };
    import.report.findings = findings;
    for kind in Kind::ALL {
        while let Some(source) = import.take(kind) {
            map(source, &mut import);
        }
    }
    import.take_back(output);
    import.report.finish();
    import
}

fn map(source: Source, import: &mut Import) {
    match source.kind {
        Kind::Adit => adit::map(source, import),
        Kind::IpsecSecrets | Kind::ChapSecrets | Kind::PapSecrets => {
            references::map(source, import);
        }
        Kind::Hwdsl2Env => hwdsl2_env::map(source, import),
        Kind::IpsecConf => ipsec_conf::map(source, import),
        Kind::Swanctl => swanctl::map(source, import),
        Kind::Racoon => racoon::map(source, import),
        Kind::PskTxt => psk_txt::map(source, import),
        Kind::Setkey => setkey::map(source, import),
        Kind::Xl2tpd => xl2tpd::map(source, import),
        Kind::L2tpSecrets => tunnel_secrets::map(source, import),
        Kind::PppdOptions => pppd::map(source, import),
        Kind::XauthPasswords => xauth_passwords::map(source, import),
    }
}

#[cfg(test)]
#[path = "deployments_tests.rs"]
mod deployments;
