//! `adit man` and `adit completions`: the manual pages and what shells complete, made from the
//! definitions of the command line and from `etc/adit.toml`, so that they cannot fall behind.

mod commands;
mod settings;

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, anyhow};
use clap::CommandFactory;
use roff::{Inline, Roff, bold, roman};

use crate::cli::{Cli, Completions, Failure, Man};

/// A manual page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its file: `adit-serve.1`.
    pub file: String,
    /// Its source, for man(7).
    pub text: String,
}

impl Page {
    /// The name it is asked for by: the file without its section.
    pub fn name(&self) -> &str {
        self.file
            .rsplit_once('.')
            .map_or(&self.file, |(name, _)| name)
    }
}

/// All pages: one for each command, and one for the configuration.
///
/// # Errors
/// When a page cannot be composed, which would be a mistake in the definitions.
pub fn pages() -> anyhow::Result<Vec<Page>> {
    let mut pages = commands::pages()?;
    pages.push(settings::page());
    Ok(pages)
}

/// `adit man`: one page to `out`, or all of them into a folder.
///
/// # Errors
/// When there is no such page, or it cannot be written.
pub fn man(arguments: &Man, out: &mut dyn Write) -> Result<(), Failure> {
    let pages = pages()?;
    if let Some(dir) = &arguments.dir {
        return Ok(write_all(dir, &pages)?);
    }
    // "session list" on the command line is one page, and so is "adit-session-list".
    let asked = arguments.page.join("-");
    let page = pages
        .iter()
        .find(|page| page.name() == asked || page.name().strip_prefix("adit-") == Some(&asked));
    let Some(page) = page else {
        let names: Vec<&str> = pages.iter().map(Page::name).collect();
        return Err(Failure::Usage(format!(
            "there is no page \"{asked}\"; there are {}",
            names.join(", ")
        )));
    };
    out.write_all(page.text.as_bytes())
        .map_err(|error| Failure::Failed(format!("standard output: {error}")))
}

fn write_all(dir: &Path, pages: &[Page]) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    for page in pages {
        let path = dir.join(&page.file);
        fs::write(&path, &page.text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// `adit completions`: what a shell is to read.
///
/// # Errors
/// When `out` cannot be written.
pub fn completions(arguments: &Completions, out: &mut dyn Write) -> Result<(), Failure> {
    // The generator panics when it cannot write; into memory it always can.
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "adit", &mut text);
    out.write_all(&text)
        .map_err(|error| Failure::Failed(format!("standard output: {error}")))
}

/// The date of a page: none, so that the same program gives the same pages. An argument that is
/// empty has to be written with its quotes.
const NO_DATE: &str = "\"\"";

/// The last field of a page's footer.
fn version() -> String {
    format!("adit {}", env!("CARGO_PKG_VERSION"))
}

/// Several documents as one. Each brings the same definition of an apostrophe along, of which
/// the first is enough.
fn joined(parts: &[String]) -> String {
    let definition = Roff::new().render();
    let bodies: String = parts
        .iter()
        .map(|part| part.strip_prefix(&definition).unwrap_or(part))
        .collect();
    definition + &bodies
}

/// A line of text, in which words between backticks are bold.
fn words(line: &str) -> Vec<Inline> {
    let pieces = line.split('`').enumerate();
    pieces
        .filter(|(_, piece)| !piece.is_empty())
        .map(|(index, piece)| match index % 2 {
            0 => roman(piece),
            _ => bold(piece),
        })
        .collect()
}

/// A list of terms, each with a paragraph.
fn terms<'a>(page: &mut Roff, list: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (term, text) in list {
        page.control("TP", []).text([bold(term)]).text(words(text));
    }
}

/// `SEE ALSO`: pages with their sections, in bold as is the custom.
fn see_also<'a>(page: &mut Roff, files: impl IntoIterator<Item = &'a str>) -> anyhow::Result<()> {
    page.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for file in files {
        let (name, section) = file
            .rsplit_once('.')
            .ok_or_else(|| anyhow!("the page {file} has no section"))?;
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(name), roman(format!("({section})"))]);
    }
    page.text(line);
    Ok(())
}
