//! Sections, and what they inherit from one another.

use std::collections::{BTreeMap, BTreeSet};

use super::{Dialect, IpsecConf, What};
use crate::diagnostic::{Diagnostic, Place};

/// The name of the section that all others of its kind inherit from.
const DEFAULT: &str = "%default";

/// The kinds of sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SectionKind {
    /// `config setup`.
    Setup,
    /// `conn NAME`: a connection.
    Conn,
    /// `ca NAME`: a certification authority, of strongSwan.
    Ca,
}

/// A section; those of one name are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it describes.
    pub kind: SectionKind,
    /// Its name; empty for `config setup`.
    pub name: String,
    /// Where it begins first.
    pub place: Place,
    /// The numbers of its own settings among the statements, in order; `also` is not one of them.
    pub settings: Vec<usize>,
    /// The sections that it takes settings from, and the statement that says so.
    pub also: Vec<(String, usize)>,
}

/// What holds for a section: its own settings, and those that it inherits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective<'a> {
    settings: BTreeMap<&'a str, (&'a str, usize)>,
}

impl<'a> Effective<'a> {
    /// The value of `key`; none if it has its default.
    pub fn value(&self, key: &str) -> Option<&'a str> {
        self.settings.get(key).map(|(value, _)| *value)
    }

    /// The number of the statement that sets `key`.
    pub fn statement(&self, key: &str) -> Option<usize> {
        self.settings.get(key).map(|(_, statement)| *statement)
    }

    /// All of it: key, value, and the number of the statement.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str, usize)> + '_ {
        let settings = self.settings.iter();
        settings.map(|(key, (value, statement))| (*key, *value, *statement))
    }
}

impl IpsecConf {
    /// The sections in the order in which they begin.
    pub fn sections(&self, findings: &mut Vec<Diagnostic>) -> Vec<Section> {
        let mut sections: Vec<Section> = Vec::new();
        let mut numbers: BTreeMap<(SectionKind, &str), usize> = BTreeMap::new();
        let mut current = None;
        for (index, statement) in self.statements.iter().enumerate() {
            match &statement.what {
                What::Section(kind, name) => {
                    let known = numbers.get(&(*kind, name.as_str())).copied();
                    if let Some(first) = known.and_then(|known| sections.get(known))
                        && *kind != SectionKind::Setup
                        && self.dialect != Some(Dialect::StrongSwan)
                    {
                        let message = format!("{name} begins a second time");
                        let hint = format!(
                            "read as one with {}, as strongSwan does; libreswan refuses it",
                            first.place
                        );
                        let place = statement.place.clone();
                        findings.push(Diagnostic::warning(place, message).hint(hint));
                    }
                    current = Some(known.unwrap_or(sections.len()));
                    if known.is_none() {
                        numbers.insert((*kind, name), sections.len());
                        sections.push(Section {
                            kind: *kind,
                            name: name.clone(),
                            place: statement.place.clone(),
                            settings: Vec::new(),
                            also: Vec::new(),
                        });
                    }
                }
                What::Setting { key, value } => {
                    let Some(section) = current.and_then(|current| sections.get_mut(current))
                    else {
                        continue;
                    };
                    if key == "also" {
                        // Everything inherits from %default anyway.
                        if !value.is_empty() && value != DEFAULT {
                            section.also.push((value.clone(), index));
                        }
                    } else {
                        section.settings.push(index);
                    }
                }
                // What was indented below a section that cannot be read is not of the one
                // before it; the reader has said so.
                _ => {}
            }
        }
        for section in &sections {
            for (name, statement) in &section.also {
                let known = numbers.contains_key(&(section.kind, name.as_str()));
                if !known && let Some(statement) = self.statements.get(*statement) {
                    let message = format!("there is no section {name} to take settings from");
                    let found = Diagnostic::warning(statement.place.clone(), message);
                    findings.push(found.hint("both programs refuse this"));
                }
            }
        }
        sections
    }

    /// What holds for `section`. Its own settings come first, then those of the sections it names,
    /// the last one named first, and at the very end those of `%default`; a section that is
    /// reached in several ways counts where it comes last. That is strongSwan's order.
    pub fn effective<'a>(&'a self, sections: &'a [Section], section: &'a Section) -> Effective<'a> {
        let mut order = linear(sections, section);
        let default = sections
            .iter()
            .find(|other| other.kind == section.kind && other.name == DEFAULT);
        if let Some(default) = default.filter(|default| default.name != section.name) {
            order.retain(|other| other.name != DEFAULT);
            order.push(default);
        }
        let mut effective = Effective::default();
        for section in order {
            // Within a section the last one holds.
            let mut own: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
            for index in &section.settings {
                if let Some(What::Setting { key, value }) =
                    self.statements.get(*index).map(|statement| &statement.what)
                {
                    own.insert(key, (value, *index));
                }
            }
            for (key, setting) in own {
                effective.settings.entry(key).or_insert(setting);
            }
        }
        // `key=` keeps an inherited value from counting, and is none itself.
        effective.settings.retain(|_, (value, _)| !value.is_empty());
        effective
    }
}

/// `section` and those it takes settings from, the most important first.
///
/// What is wanted is the walk from each section to those it names, the last one named first, with
/// only the last occurrence of each section left in. Backwards that is a walk that comes to every
/// section once, so that neither loops nor many ways to one section make it long; the sections
/// that are still to be walked are kept in a list, so that long chains need no deep stack.
fn linear<'a>(sections: &'a [Section], section: &'a Section) -> Vec<&'a Section> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![(section, section.also.iter())];
    seen.insert(section.name.as_str());
    while let Some((current, also)) = open.last_mut() {
        let Some((name, _)) = also.next() else {
            order.push(*current);
            open.pop();
            continue;
        };
        let parent = sections
            .iter()
            .find(|other| other.kind == section.kind && other.name == *name);
        if let Some(parent) = parent
            && seen.insert(parent.name.as_str())
        {
            open.push((parent, parent.also.iter()));
        }
    }
    order.reverse();
    order
}
