//! What became of every statement of every file.

use serde::Serialize;

use super::write::one_line;
use crate::diagnostic::{Diagnostic, Place};

/// What becomes of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// It means the same in adit.
    Kept,
    /// Something else is done instead, or only a part of it, and nothing is missing.
    Changed,
    /// It changes nothing: there is nothing it could act on, or another statement has the last
    /// word.
    WithoutEffect,
    /// It says how to be a client, and the server's file has no room for that.
    ClientSide,
    /// It is lost.
    Dropped,
}

impl Disposition {
    /// All of them, in the order of totals.
    pub const ALL: [Self; 5] = [
        Self::Kept,
        Self::Changed,
        Self::WithoutEffect,
        Self::ClientSide,
        Self::Dropped,
    ];

    /// What people are shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Changed => "changed",
            Self::WithoutEffect => "without effect",
            Self::ClientSide => "client-side",
            Self::Dropped => "dropped",
        }
    }
}

/// One statement of a file: a `key = value`, an option with its arguments, the head of a section.
/// A line may hold several of them, and one may take several lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Where it begins.
    #[serde(flatten)]
    pub place: Place,
    /// The line it ends in, counted from 1.
    pub last_line: u32,
    /// As it was written, with nothing secret in it.
    pub text: String,
    /// What became of it; none while nobody has said.
    pub disposition: Option<Disposition>,
    /// The settings it became, as `section.key`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// Why, or what that means, as a sentence without its full stop; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Whether clients see a difference.
    pub clients_notice: bool,
}

/// Names a statement of a [`Report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(usize);

/// What became of every statement, and what was found on the way.
#[derive(Clone, Debug, Default)]
pub struct Report {
    statements: Vec<Statement>,
    /// What the readers found; everything that is odd and no statement's own.
    pub findings: Vec<Diagnostic>,
}

impl Report {
    /// Takes in a statement, of which somebody has yet to say what becomes of it. `place` is where
    /// it begins, `last_line` the line it ends in; `text` must hold no secret. What would make a
    /// terminal do something is left out of it.
    pub fn add(&mut self, place: &Place, last_line: u32, text: impl Into<String>) -> Id {
        let text: String = text.into();
        self.statements.push(Statement {
            place: place.clone(),
            last_line: last_line.max(place.line.unwrap_or(1)),
            text: one_line(&text),
            disposition: None,
            settings: Vec::new(),
            why: String::new(),
            clients_notice: false,
        });
        Id(self.statements.len().saturating_sub(1))
    }

    /// The statement of this name.
    pub fn of(&self, id: Id) -> Option<&Statement> {
        self.statements.get(id.0)
    }

    /// All statements, in the order they were taken in.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// How many statements became this.
    pub fn count(&self, of: Disposition) -> usize {
        let same = |statement: &&Statement| statement.disposition == Some(of);
        self.statements.iter().filter(same).count()
    }

    /// Whether clients see a difference that is a loss.
    pub fn is_lossy(&self) -> bool {
        let lossy = |statement: &Statement| {
            statement.disposition == Some(Disposition::Dropped) && statement.clients_notice
        };
        self.statements.iter().any(lossy)
    }

    /// The last word on a statement.
    fn settle(&mut self, id: Id, disposition: Disposition, why: String, clients_notice: bool) {
        if let Some(statement) = self.statements.get_mut(id.0) {
            statement.disposition = Some(disposition);
            statement.why = why;
            statement.clients_notice = clients_notice;
            if !matches!(disposition, Disposition::Kept | Disposition::Changed) {
                statement.settings.clear();
            }
        }
    }

    /// It means the same in adit, where no setting is needed for that. `why` may be empty.
    pub fn kept(&mut self, id: Id, why: impl Into<String>) {
        self.settle(id, Disposition::Kept, why.into(), false);
    }

    /// Something else is done instead, where no setting is needed for that.
    pub fn changed(&mut self, id: Id, why: impl Into<String>) {
        self.settle(id, Disposition::Changed, why.into(), false);
    }

    /// It changes nothing.
    pub fn without_effect(&mut self, id: Id, why: impl Into<String>) {
        self.settle(id, Disposition::WithoutEffect, why.into(), false);
    }

    /// It is for a client.
    pub fn client_side(&mut self, id: Id, why: impl Into<String>) {
        self.settle(id, Disposition::ClientSide, why.into(), false);
    }

    /// It is lost, and no client sees the difference.
    pub fn dropped(&mut self, id: Id, why: impl Into<String>) {
        self.settle(id, Disposition::Dropped, why.into(), false);
    }

    /// It is lost, and clients see the difference: `why` says which.
    pub fn dropped_for_clients(&mut self, id: Id, why: impl Into<String>) {
        self.settle(id, Disposition::Dropped, why.into(), true);
    }

    /// A closing brace, which goes the way of its block.
    pub(super) fn goes_with(&mut self, id: Id, block: Option<Disposition>) {
        let disposition = match block {
            Some(Disposition::Changed) => Disposition::Kept,
            other => other.unwrap_or(Disposition::WithoutEffect),
        };
        self.settle(id, disposition, String::new(), false);
    }

    /// It became this setting, beside those it became already. An empty `why`: as it is.
    pub(super) fn became(&mut self, id: Id, setting: &str, why: &str) {
        let Some(statement) = self.statements.get_mut(id.0) else {
            return;
        };
        if !statement.settings.iter().any(|known| known == setting) {
            statement.settings.push(setting.to_owned());
        }
        // Changed once is changed, whatever else of it was kept.
        if why.is_empty() {
            if statement.disposition != Some(Disposition::Changed) {
                statement.disposition = Some(Disposition::Kept);
                statement.why.clear();
            }
        } else {
            statement.disposition = Some(Disposition::Changed);
            why.clone_into(&mut statement.why);
        }
        statement.clients_notice = false;
    }

    /// `setting`, which it became, has come to nothing: `otherwise` says what is left of it if
    /// that was all.
    pub(super) fn unmade(&mut self, id: Id, setting: &str, otherwise: impl FnOnce(&mut Self, Id)) {
        let Some(statement) = self.statements.get_mut(id.0) else {
            return;
        };
        statement.settings.retain(|known| known != setting);
        if statement.settings.is_empty() {
            otherwise(self, id);
        }
    }

    /// Whatever nobody spoke for is lost, and says so.
    pub(super) fn finish(&mut self) {
        for statement in &mut self.statements {
            if statement.disposition.is_none() {
                statement.disposition = Some(Disposition::Dropped);
                UNSETTLED.clone_into(&mut statement.why);
                statement.clients_notice = true;
            }
        }
    }
}

/// What is said of a statement that no rule of ours spoke for.
pub(super) const UNSETTLED: &str = "no rule of `adit import` speaks of it";
