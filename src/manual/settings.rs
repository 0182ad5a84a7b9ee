//! The page of the configuration, adit.toml(5), made from `etc/adit.toml`. A test of the
//! configuration holds that file and the model together, so that the page has every setting, with
//! its default.

use roff::{Roff, bold};

use super::{NO_DATE, Page, joined, see_also, version, words};
use crate::config::layers::DEFAULT_FILE;

const SHIPPED: &str = include_str!("../../etc/adit.toml");

/// Comments of the file.
#[derive(Debug, PartialEq, Eq)]
enum Text<'a> {
    /// Lines that flow.
    Paragraph(Vec<&'a str>),
    /// Lines that stay as they are: those indented by three blanks.
    Table(Vec<&'a str>),
}

/// One setting, or several with one description.
#[derive(Debug, PartialEq, Eq)]
struct Setting<'a> {
    /// `key = value`
    lines: Vec<&'a str>,
    text: Vec<Text<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Section<'a> {
    /// With its brackets.
    name: &'a str,
    settings: Vec<Setting<'a>>,
    /// What is not about one setting.
    text: Vec<Text<'a>>,
}

/// The comments before the first section, and the sections.
fn read(file: &str) -> (Vec<Text<'_>>, Vec<Section<'_>>) {
    let mut head = Vec::new();
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut text = Vec::new();
    let mut within_paragraph = false;
    // Settings right below one another share the description of the first.
    let mut after_setting = false;
    for line in file.lines().chain([""]) {
        let setting = line
            .strip_prefix('#')
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        if line.starts_with('[') {
            let (settings, text) = (Vec::new(), std::mem::take(&mut text));
            sections.push(Section {
                name: line,
                settings,
                text,
            });
        } else if let (Some(line), Some(section)) = (setting, sections.last_mut()) {
            match section.settings.last_mut().filter(|_| after_setting) {
                Some(last) => last.lines.push(line),
                None => section.settings.push(Setting {
                    lines: vec![line],
                    text: std::mem::take(&mut text),
                }),
            }
        } else if let Some(words) = line.strip_prefix("# ") {
            add(&mut text, words, within_paragraph);
        } else if line.is_empty() && !text.is_empty() {
            let text = std::mem::take(&mut text);
            match (table_of(&text), sections.last_mut()) {
                // A list of tables, which is empty by default: the file shows it in words.
                (Some(name), _) => sections.push(Section {
                    name,
                    settings: Vec::new(),
                    text,
                }),
                (None, Some(section)) => section.text.extend(text),
                (None, None) => head.extend(text),
            }
        }
        within_paragraph = line.starts_with("# ");
        after_setting = setting.is_some();
    }
    (head, sections)
}

fn add<'a>(text: &mut Vec<Text<'a>>, words: &'a str, within_paragraph: bool) {
    let indented = words.strip_prefix("  ");
    match (text.last_mut(), indented) {
        (Some(Text::Table(lines)), Some(line)) => lines.push(line),
        (_, Some(line)) => text.push(Text::Table(vec![line])),
        (Some(Text::Paragraph(lines)), None) if within_paragraph => lines.push(words),
        (_, None) => text.push(Text::Paragraph(vec![words])),
    }
}

/// The `[[name]]` that a description begins its example with.
fn table_of<'a>(text: &[Text<'a>]) -> Option<&'a str> {
    text.iter().find_map(|part| match part {
        Text::Table(lines) => lines.first().copied().filter(|line| line.starts_with("[[")),
        Text::Paragraph(_) => None,
    })
}

/// adit.toml(5).
pub(super) fn page() -> Page {
    let mut page = Roff::new();
    page.control("TH", ["ADIT.TOML", "5", NO_DATE, &version(), "adit"])
        .control("SH", ["NAME"])
        .text(words("adit.toml - configuration of adit"))
        .control("SH", ["SYNOPSIS"])
        .text([bold(DEFAULT_FILE)])
        .control("SH", ["DESCRIPTION"]);
    for line in [
        "The configuration of the server that `adit serve` runs, in TOML. Below are all sections",
        "with all settings and their defaults; what is not set has its default, and an empty file",
        "is a configuration. `adit check` tells what is unknown or wrong, with the line.",
    ] {
        page.text(words(line));
    }
    let (head, sections) = read(SHIPPED);
    // The first two paragraphs are about the file itself.
    for text in head.iter().skip(2) {
        page.control("PP", []);
        add_text(&mut page, text, TABLE);
    }
    page.control("SH", ["SETTINGS"]);
    for section in &sections {
        page.control("SS", [section.name]);
        for (index, text) in section.text.iter().enumerate() {
            if index > 0 {
                page.control("PP", []);
            }
            add_text(&mut page, text, TABLE);
        }
        for setting in &section.settings {
            add_setting(&mut page, setting);
        }
    }
    page.control("SH", ["FILES"])
        .control("TP", [])
        .text([bold(DEFAULT_FILE)])
        .text(words("Read when no other file is named."))
        .control("TP", [])
        .text([bold("conf.d/*.toml")])
        .text(words("Beside that file: more of it."));
    // The names have sections: this cannot fail.
    let _ = see_also(&mut page, ["adit.1", "adit-check.1", "adit-serve.1"]);
    Page {
        file: "adit.toml.5".to_owned(),
        text: joined(&[page.render()]),
    }
}

fn add_setting(page: &mut Roff, setting: &Setting<'_>) {
    for (index, line) in setting.lines.iter().enumerate() {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let tag = if index == 0 { "TP" } else { "TQ" };
        let mut head = vec![bold(key.trim())];
        head.extend(words(&format!(" = {}", value.trim())));
        page.control(tag, []).text(head);
    }
    for (index, text) in setting.text.iter().enumerate() {
        if index > 0 && matches!(text, Text::Paragraph(_)) {
            page.control("IP", []);
        }
        add_text(page, text, TABLE_OF_SETTING);
    }
}

/// How far a table is moved in, from the left edge of a section's text.
const TABLE: &str = "4n";
/// The same below a setting, whose words are moved in already.
const TABLE_OF_SETTING: &str = "11n";

fn add_text(page: &mut Roff, text: &Text<'_>, indentation: &str) {
    match text {
        Text::Paragraph(lines) => {
            for line in lines {
                page.text(words(line));
            }
        }
        Text::Table(lines) => {
            page.control("RS", [indentation]).control("nf", []);
            for line in lines {
                page.text(words(line));
            }
            page.control("fi", []).control("RE", []);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_falls_into_sections_settings_and_words() {
        let file = "\
# head
#
# second
# line

[one]
# about a
#a = 1
# about b and c:
#   x    first
#         and more
# more
#b = []
#c = \"=\"

# Lists:
#
#   [[two]]
#   d = 1
";
        let (head, sections) = read(file);
        let paragraph = |lines: &[&'static str]| Text::Paragraph(lines.to_vec());
        assert_eq!(head, [paragraph(&["head"]), paragraph(&["second", "line"])]);
        let a = Setting {
            lines: vec!["a = 1"],
            text: vec![paragraph(&["about a"])],
        };
        let both = Setting {
            lines: vec!["b = []", "c = \"=\""],
            text: vec![
                paragraph(&["about b and c:"]),
                Text::Table(vec!["x    first", "      and more"]),
                paragraph(&["more"]),
            ],
        };
        let one = Section {
            name: "[one]",
            settings: vec![a, both],
            text: Vec::new(),
        };
        let two = Section {
            name: "[[two]]",
            settings: Vec::new(),
            text: vec![
                paragraph(&["Lists:"]),
                Text::Table(vec!["[[two]]", "d = 1"]),
            ],
        };
        assert_eq!(sections, [one, two]);
    }

    /// No word of the file is lost on the way.
    #[test]
    fn the_shipped_file_is_read_whole() {
        let (head, sections) = read(SHIPPED);
        let of_text = |text: &[Text<'_>]| -> usize {
            text.iter()
                .map(|part| match part {
                    Text::Paragraph(lines) | Text::Table(lines) => lines.len(),
                })
                .sum()
        };
        let of_section = |section: &Section<'_>| -> usize {
            let settings = section.settings.iter();
            of_text(&section.text)
                + settings
                    .map(|setting| setting.lines.len() + of_text(&setting.text))
                    .sum::<usize>()
        };
        let read = of_text(&head) + sections.iter().map(of_section).sum::<usize>();
        let written = SHIPPED
            .lines()
            .filter(|line| line.starts_with('#') && *line != "#")
            .count();
        assert_eq!(read, written);
    }
}
