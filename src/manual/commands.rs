//! The pages of the commands: what clap knows of them, and what is the same for all.

use clap::{Command, CommandFactory};
use roff::{Roff, bold, roman};

use super::{NO_DATE, Page, joined, see_also, terms, version, words};
use crate::cli::Cli;
use crate::config::{Config, layers::DEFAULT_FILE};

/// A page for each command that is shown in the help, in the order of the help.
pub(super) fn pages() -> anyhow::Result<Vec<Page>> {
    let mut root = Cli::command();
    root.build();
    let mut pages = Vec::new();
    add(&root, None, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, parent: Option<&Command>, pages: &mut Vec<Page>) -> anyhow::Result<()> {
    pages.push(page(command, parent)?);
    for child in children(command) {
        add(child, Some(command), pages)?;
    }
    Ok(())
}

fn children(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|child| !child.is_hide_set())
}

/// `adit-session-list.1`
fn file(command: &Command) -> String {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    format!("{name}.1")
}

fn rendered(
    render: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    render(&mut bytes)?;
    Ok(String::from_utf8(bytes)?)
}

fn page(command: &Command, parent: Option<&Command>) -> anyhow::Result<Page> {
    let file = file(command);
    let name = file.trim_end_matches(".1").to_owned();
    let is_root = parent.is_none();
    let described = clap_mangen::Man::new(command.clone())
        .title(name.to_uppercase())
        .date(NO_DATE)
        .source(version())
        .manual("adit");
    let mut parts = vec![
        rendered(|to| described.render_title(to))?,
        rendered(|to| described.render_name_section(to))?,
        rendered(|to| described.render_synopsis_section(to))?,
        rendered(|to| described.render_description_section(to))?,
    ];
    // The root's says what the exit codes are, which has a section of its own here.
    let more = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    if let Some(text) = more.filter(|_| !is_root) {
        let mut page = Roff::new();
        page.control("PP", []);
        paragraphs(&mut page, &text.to_string());
        parts.push(page.render());
    }
    parts.push(rendered(|to| described.render_options_section(to))?);
    if children(command).next().is_some() {
        parts.push(rendered(|to| described.render_subcommands_section(to))?);
    }

    let mut rest = Roff::new();
    exit_status(&mut rest);
    if is_root {
        environment(&mut rest);
        files(&mut rest);
    }
    let mut related: Vec<String> = children(command).map(self::file).collect();
    related.extend(parent.map(self::file));
    if is_root || parent.is_some_and(|parent| parent.get_name() == "adit") {
        related.push("adit.toml.5".to_owned());
    }
    see_also(&mut rest, related.iter().map(String::as_str))?;
    parts.push(rest.render());
    Ok(Page {
        file,
        text: joined(&parts),
    })
}

/// Text as it is in the help: an empty line parts paragraphs, an indented one stays as it is.
fn paragraphs(page: &mut Roff, text: &str) {
    for line in text.lines() {
        if line.is_empty() {
            page.control("PP", []);
        } else if let Some(example) = line.strip_prefix("  ") {
            page.control("br", [])
                .text([roman("    "), bold(example.trim_start())])
                .control("br", []);
        } else {
            page.text(words(line));
        }
    }
}

fn exit_status(page: &mut Roff) {
    page.control("SH", ["EXIT STATUS"]);
    terms(
        page,
        [
            ("0", "Done."),
            ("1", "Failed; standard error says why."),
            ("2", "Wrong use, or a mistake in the configuration."),
        ],
    );
}

fn environment(page: &mut Roff) {
    page.control("SH", ["ENVIRONMENT"]);
    terms(
        page,
        [
            (
                "ADIT_SECTION__KEY",
                "A setting of the configuration, for example `ADIT_PPP__MRU`; it wins over the files.",
            ),
            (
                "ADIT_PSK, ADIT_PASSWORD",
                "The pre-shared key and the password of `adit connect` and `adit load`, where no file holds them.",
            ),
            (
                "RUST_LOG",
                "What is logged, for example `info,ike=debug`; it wins over the configuration.",
            ),
        ],
    );
}

/// The files by their default names.
fn files(page: &mut Roff) {
    let defaults = Config::default();
    let secrets = defaults.ipsec.secrets.display().to_string();
    let users = defaults.ppp.secrets.display().to_string();
    let socket = defaults
        .control
        .socket
        .map(|path| path.display().to_string());
    page.control("SH", ["FILES"]);
    terms(
        page,
        [
            (DEFAULT_FILE, "The configuration; see adit.toml(5)."),
            (secrets.as_str(), "The pre-shared keys."),
            (users.as_str(), "The users."),
        ],
    );
    if let Some(socket) = &socket {
        terms(
            page,
            [(
                socket.as_str(),
                "The socket through which a running server is asked.",
            )],
        );
    }
}
