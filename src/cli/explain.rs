//! `adit explain`: what the log, or a device, means by its few words.

use std::fmt::Write as _;
use std::io::Write;

use engine::{Cause, Explanation, Family};
use serde::Serialize;

use super::{Explain, Failure};

/// Writes the explanations of what is asked for to `out`.
///
/// # Errors
/// When nothing is known about it, or `out` cannot be written.
pub fn run(arguments: &Explain, out: &mut dyn Write) -> Result<(), Failure> {
    let asked = arguments.what.join(" ");
    let found = matching(&asked);
    if found.is_empty() {
        return Err(Failure::Usage(format!(
            "nothing is known about \"{asked}\"; `adit explain` lists all causes"
        )));
    }
    let text = if arguments.markdown {
        page()
    } else if arguments.json {
        let entries: Vec<Entry> = found.into_iter().map(Entry::of).collect();
        let json = serde_json::to_string_pretty(&entries).map_err(anyhow::Error::from)?;
        format!("{json}\n")
    } else if asked.is_empty() {
        list(&found)
    } else {
        let entries: Vec<String> = found.into_iter().map(entry).collect();
        entries.join("\n")
    };
    write!(out, "{text}").map_err(|error| Failure::Failed(format!("standard output: {error}")))
}

/// The causes that are meant: by name, by the number that Windows shows, or by words of what
/// another device shows.
fn matching(asked: &str) -> Vec<&'static Explanation> {
    let all = Cause::ALL.iter().map(|cause| cause.explanation());
    if let Ok(cause) = asked.parse::<Cause>() {
        return vec![cause.explanation()];
    }
    if let Ok(number) = asked.parse::<u32>() {
        return all
            .filter(|entry| entry.windows_errors().any(|error| error == number))
            .collect();
    }
    let words = asked.to_lowercase();
    all.filter(|entry| {
        let mut shown = entry.shown.iter();
        asked.is_empty() || shown.any(|(_, text)| text.to_lowercase().contains(&words))
    })
    .collect()
}

/// All of them, a line each.
fn list(entries: &[&Explanation]) -> String {
    let mut text = String::new();
    for entry in entries {
        let errors: Vec<String> = entry.windows_errors().map(|e| e.to_string()).collect();
        let _ = writeln!(
            text,
            "{:<24} {:<15} {:<12} {}",
            entry.cause.name(),
            stage(entry),
            errors.join(" "),
            entry.what
        );
    }
    format!(
        "{:<24} {:<15} {:<12} MEANING\n{text}",
        "CAUSE", "STAGE", "WINDOWS"
    )
}

/// One of them, in full.
fn entry(entry: &Explanation) -> String {
    let mut text = format!("{} ({})\n  {}\n", entry.cause, stage(entry), entry.what);
    let mut line = |what: &str, says: &str| {
        if !says.is_empty() {
            let _ = writeln!(text, "  {what}: {says}");
        }
    };
    line("at the client", entry.client);
    for (family, says) in entry.fields {
        line(&format!("at the client, {family}"), says);
    }
    line("at the server", entry.server);
    for (family, says) in entry.shown {
        line(&format!("{family} shows"), says);
    }
    if !entry.logged {
        line("note", "the server does not notice this, and logs nothing");
    }
    text
}

fn stage(entry: &Explanation) -> &'static str {
    entry.stage.map_or("any", engine::Stage::name)
}

/// One entry as JSON.
#[derive(Serialize)]
struct Entry {
    cause: &'static str,
    stage: &'static str,
    what: &'static str,
    client: &'static str,
    server: &'static str,
    logged: bool,
    windows_errors: Vec<u32>,
    families: Vec<FamilyEntry>,
}

/// What goes for one family of clients.
#[derive(Serialize)]
struct FamilyEntry {
    family: String,
    help: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<&'static str>,
}

impl Entry {
    fn of(entry: &'static Explanation) -> Self {
        let family = |family: &Family| FamilyEntry {
            family: family.to_string(),
            help: entry.help(*family),
            shown: entry.shown(*family),
        };
        Self {
            cause: entry.cause.name(),
            stage: stage(entry),
            what: entry.what,
            client: entry.client,
            server: entry.server,
            logged: entry.logged,
            windows_errors: entry.windows_errors().collect(),
            families: Family::ALL.iter().map(family).collect(),
        }
    }
}

/// The head of docs/errors.md.
const HEAD: &str = "\
# What keeps a client from getting in

<!-- Written by the program: cargo run -q -- explain --markdown > docs/errors.md -->

Each connection attempt that fails is one line in the log, `client refused` or `login failed`, with the
fields `client stage cause reason help shown` ([operations.md](operations.md)). `cause` is a name of this
page; `adit explain CAUSE` prints its section, and `adit explain 789` all that a number can mean.
`adit status` shows the last attempts that failed.

What a device shows is known for some causes only, and is given only where it is; Android shows
\"Unsuccessful\" for nearly all of them. Setting names in `code` are those of
[adit.toml](../etc/adit.toml).
";

/// The page of the documentation, in full.
pub fn page() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n## By the number on Windows\n\n| error | causes |\n| --- | --- |\n");
    let mut errors: Vec<u32> = Cause::ALL
        .iter()
        .flat_map(|cause| cause.explanation().windows_errors())
        .collect();
    errors.sort_unstable();
    errors.dedup();
    for error in errors {
        let causes: Vec<String> = matching(&error.to_string())
            .iter()
            .map(|entry| format!("[{0}](#{0})", entry.cause))
            .collect();
        let _ = writeln!(text, "| {error} | {} |", causes.join(", "));
    }
    text.push_str(
        "\n## By what other devices show\n\n| shown | by | causes |\n| --- | --- | --- |\n",
    );
    for (family, shown) in other_messages() {
        let causes: Vec<String> = Cause::ALL
            .iter()
            .map(|cause| cause.explanation())
            .filter(|entry| entry.shown(family) == Some(shown))
            .map(|entry| format!("[{0}](#{0})", entry.cause))
            .collect();
        let _ = writeln!(text, "| {shown} | {family} | {} |", causes.join(", "));
    }
    text.push_str("\n## The causes\n");
    for cause in Cause::ALL {
        section(&mut text, cause.explanation());
    }
    text
}

/// What families other than Windows show, each text once. Android's says nothing.
fn other_messages() -> Vec<(Family, &'static str)> {
    let mut messages: Vec<(Family, &'static str)> = Vec::new();
    for cause in Cause::ALL {
        for (family, shown) in cause.explanation().shown {
            let telling = !matches!(family, Family::Windows | Family::Android);
            if telling && !messages.contains(&(*family, shown)) {
                messages.push((*family, shown));
            }
        }
    }
    messages
}

fn section(text: &mut String, entry: &Explanation) {
    let _ = write!(text, "\n### {}\n\n", entry.cause);
    let at = match entry.stage {
        Some(stage) => format!("Stage `{}`", stage.name()),
        None => "Any stage".to_owned(),
    };
    let unseen = match entry.logged {
        true => "",
        false => " The server does not notice it: there is no line.",
    };
    let _ = writeln!(text, "{at}: {}.{unseen}\n", entry.what);
    let mut rows: Vec<(String, &str)> = Vec::new();
    if !entry.client.is_empty() {
        rows.push(("at the client".to_owned(), entry.client));
    }
    for (family, says) in entry.fields {
        rows.push((format!("at the client, {family}"), says));
    }
    if !entry.server.is_empty() {
        rows.push(("at the server".to_owned(), entry.server));
    }
    for (family, says) in entry.shown {
        rows.push((format!("{family} shows"), says));
    }
    if rows.is_empty() {
        return;
    }
    text.push_str("| | |\n| --- | --- |\n");
    for (what, says) in rows {
        let _ = writeln!(text, "| {what} | {says} |");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(what: &str, json: bool) -> Result<String, Failure> {
        let arguments = Explain {
            what: what.split_whitespace().map(str::to_owned).collect(),
            json,
            markdown: false,
        };
        let mut out = Vec::new();
        run(&arguments, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// The page says what the program says. To mend it after a change of the table:
    /// `cargo run -q -- explain --markdown > docs/errors.md`.
    #[test]
    fn the_page_in_docs_is_up_to_date_and_names_every_cause() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
        let page = page();
        if std::env::var_os("ADIT_WRITE_DOCS").is_some() {
            std::fs::write(file, &page).unwrap();
        }
        for cause in Cause::ALL {
            assert!(page.contains(&format!("\n### {cause}\n")), "{cause}");
        }
        let written = std::fs::read_to_string(file).unwrap();
        assert!(
            written == page,
            "docs/errors.md is not what the table says: run this test with ADIT_WRITE_DOCS=1, \
             or `cargo run -q -- explain --markdown > docs/errors.md`"
        );
    }

    #[test]
    fn a_number_lists_what_it_can_mean() {
        let text = explained("789", false).unwrap();
        assert!(text.contains("wrong-key (phase1)"), "{text}");
        assert!(text.contains("no-ike-proposal (phase1)"), "{text}");
        assert!(!text.contains("wrong-password"), "{text}");
        let text = explained("691", false).unwrap();
        assert!(text.contains("wrong-password (authentication)"), "{text}");
    }

    #[test]
    fn words_of_a_message_are_found_too() {
        let text = explained("did not respond", false).unwrap();
        assert!(text.contains("aggressive-mode"), "{text}");
        assert!(!text.contains("wrong-password"), "{text}");
        let error = explained("the moon", false).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn a_cause_is_explained_in_full() {
        insta::assert_snapshot!(explained("aggressive-mode", false).unwrap());
    }

    #[test]
    fn everything_is_a_line_each_and_an_object_each() {
        let text = explained("", false).unwrap();
        assert_eq!(text.lines().count(), Cause::ALL.len() + 1);
        let json: serde_json::Value = serde_json::from_str(&explained("", true).unwrap()).unwrap();
        assert_eq!(json.as_array().unwrap().len(), Cause::ALL.len());
        let wrong_key = json
            .as_array()
            .unwrap()
            .iter()
            .find(|e| e["cause"] == "wrong-key");
        assert_eq!(wrong_key.unwrap()["windows_errors"][0], 789);
    }

    /// Every setting that is named exists.
    #[test]
    fn settings_are_called_by_their_names() {
        let settings = include_str!("../../etc/adit.toml");
        for entry in Cause::ALL.iter().map(|cause| cause.explanation()) {
            for name in entry.server.split('`').skip(1).step_by(2) {
                let key = name.split([' ', '=']).next().unwrap_or_default();
                let (section, key) = key.split_once('.').unwrap_or_else(|| panic!("{name}"));
                let here = settings
                    .split(&format!("\n[{section}]\n"))
                    .nth(1)
                    .and_then(|rest| rest.split("\n[").next())
                    .unwrap_or_else(|| panic!("no section for {name}"));
                assert!(
                    here.lines().any(|line| line
                        .trim_start_matches('#')
                        .starts_with(&format!("{key} ="))),
                    "{name} of {} is no setting",
                    entry.cause
                );
            }
        }
    }
}
