//! Why somebody did not get in, in the words of the administrator, of the configuration and of
//! the device: one table for the log, for `adit status`, for `adit explain` and for the page in
//! docs/.
//!
//! A [`Cause`] is what happened, a [`Family`] is whose client it happened to, and the
//! [`Explanation`] of a cause says what helps and what each family shows its user. A [`Failure`]
//! is one connection attempt that failed of it.

mod cause;
mod classify;
mod family;
mod table;

use std::net::SocketAddr;

use ike::Make;

pub use cause::Cause;
pub use family::{Family, recognise};

use crate::Stage;

/// What there is to say about a [`Cause`], whoever it happens to.
#[derive(Debug, Clone, Copy)]
pub struct Explanation {
    /// What it explains.
    pub cause: Cause,
    /// The stage that is not completed; `None` if it can be any.
    pub stage: Option<Stage>,
    /// What happened, in a sentence.
    pub what: &'static str,
    /// What helps at the server: a setting by its name in the configuration, a firewall rule.
    /// Empty where nothing does.
    pub server: &'static str,
    /// What helps at the client, whatever it is. Empty where it depends on the client, or where
    /// nothing does.
    pub client: &'static str,
    /// What helps in the clients of one family: the field by its name there.
    pub fields: &'static [(Family, &'static str)],
    /// What the user is shown, by family, as far as it is known.
    pub shown: &'static [(Family, &'static str)],
    /// Whether this server notices, and logs a line. The others are here because the numbers that
    /// users report may mean them too.
    pub logged: bool,
}

impl Explanation {
    /// What helps a client of `family`: what is to be done there, then here.
    pub fn help(&self, family: Family) -> String {
        let fields: Vec<&str> = self
            .fields
            .iter()
            .filter(|(of, _)| *of == family || family == Family::Other)
            .map(|(_, text)| *text)
            .collect();
        let mut parts = vec![self.client];
        // A field that is named for one family says more than what goes for all.
        if !fields.is_empty() {
            parts = fields;
        }
        parts.push(self.server);
        parts.retain(|part| !part.is_empty());
        parts.join("; ")
    }

    /// What a user of `family` is shown.
    pub fn shown(&self, family: Family) -> Option<&'static str> {
        let mut shown = self.shown.iter();
        shown.find(|(of, _)| *of == family).map(|(_, text)| *text)
    }

    /// The numbers that Windows shows for it.
    pub fn windows_errors(&self) -> impl Iterator<Item = u32> + '_ {
        let shown = self.shown(Family::Windows).unwrap_or_default();
        shown
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
    }
}

/// One connection attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where the client is, outside.
    pub outer: SocketAddr,
    /// Whether it gets our answers, as all do who have come as far as message 3 of phase 1. If not,
    /// its address may be forged.
    pub proven: bool,
    /// Its make, as far as it is known.
    pub make: Make,
    /// The stage that was not completed.
    pub stage: Stage,
    /// What happened.
    pub cause: Cause,
    /// What happened in particular, in a sentence.
    pub what: String,
    /// What would help, if that is more particular than what the table says.
    setting: Option<String>,
}

impl Failure {
    /// A failure of a client that gets our answers and had all stages before `at` behind it.
    pub fn new(outer: SocketAddr, make: Make, at: Stage, cause: Cause, what: String) -> Self {
        Self {
            outer,
            proven: true,
            make,
            stage: cause.explanation().stage.unwrap_or(at),
            cause,
            what,
            setting: None,
        }
    }

    /// What would help: first at the client, then the setting here.
    pub fn help(&self) -> String {
        let general = self.cause.explanation().help(Family::of(self.make));
        match &self.setting {
            Some(setting) => setting.clone(),
            None => general,
        }
    }

    /// What the user of this client is shown, if it is known.
    pub fn shown(&self) -> Option<&'static str> {
        self.cause.explanation().shown(Family::of(self.make))
    }
}

#[cfg(test)]
mod tests;
