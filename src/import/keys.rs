//! Pre-shared keys of other programs, in an ipsec.secrets of adit's own beside adit.toml.

use std::path::Path;

use glob::Pattern;
use zeroize::Zeroizing;

use super::{Id, Import, Kind};
use crate::compat::ipsec_secrets::{Selector, write_entry, write_spelled_entry};

/// The name of that file.
const FILE: &str = "ipsec.secrets";

/// A key to be written: the statement it comes from, whom it is for (nobody: anybody), the key.
pub(super) struct Key<'a> {
    pub from: Id,
    pub parties: Vec<Selector>,
    pub key: &'a [u8],
    /// It is digits of bytes, with `0x` or `0s` before them, and written as it is.
    pub spelled: bool,
}

/// Writes keys, in their order, and settles their statements as kept.
pub(super) fn write(keys: &[Key<'_>], import: &mut Import) {
    if keys.is_empty() {
        return;
    }
    let earlier = import
        .draft
        .side_files
        .iter()
        .find(|file| file.name == FILE);
    let mut text = match earlier {
        Some(file) => file.bytes.clone(),
        None => {
            let mut text = Zeroizing::new(Vec::new());
            text.extend_from_slice(b"# Made by `adit import`. Parties : PSK \"key\".\n");
            // Keys that adit reads as they are go on counting.
            let source = import.files.peek(Kind::IpsecSecrets);
            if let Some(include) = source.and_then(|source| include(&source.path)) {
                text.extend_from_slice(format!("{include}\n").as_bytes());
            }
            text
        }
    };
    let mut from: Vec<Id> = Vec::new();
    for key in keys {
        let line = line(key);
        // Grown at once: no half of a key stays behind in freed memory.
        let mut longer = Zeroizing::new(Vec::with_capacity(text.len().saturating_add(line.len())));
        longer.extend_from_slice(&text);
        longer.extend_from_slice(&line);
        text = longer;
        if !from.contains(&key.from) {
            from.push(key.from);
        }
    }
    if let Some(earlier) = import.draft.settings.get("ipsec.secrets") {
        from.extend(
            earlier
                .from
                .iter()
                .filter(|_| earlier.value.as_str() == Some(FILE)),
        );
    }
    import.draft.side_file(FILE, text);
    import.keep(&from, "ipsec.secrets", FILE);
}

/// Whether the file at `path` counts through the one that is written.
pub(super) fn includes(import: &Import, path: &Path) -> bool {
    let mut files = import.draft.side_files.iter();
    let written = files.find(|file| file.name == FILE);
    let include = include(path);
    let mut lines = written
        .into_iter()
        .flat_map(|file| file.bytes.split(|b| *b == b'\n'));
    include.is_some_and(|include| lines.any(|line| line == include.as_bytes()))
}

/// The line that includes the file at `path` and no other. None if its name cannot be written: it
/// is no text, or has both quotes in it.
fn include(path: &Path) -> Option<String> {
    let pattern = Pattern::escape(path.to_str().filter(|path| !path.contains('\n'))?);
    if !pattern.contains([' ', '\t']) {
        return Some(format!("include {pattern}"));
    }
    let quote = ['"', '\''].into_iter().find(|q| !pattern.contains(*q))?;
    Some(format!("include {quote}{pattern}{quote}"))
}

fn line(key: &Key<'_>) -> Zeroizing<Vec<u8>> {
    let entry = match key.spelled {
        true => {
            let digits = std::str::from_utf8(key.key).unwrap_or_default();
            write_spelled_entry(&key.parties, digits)
        }
        false => write_entry(&key.parties, key.key).unwrap_or_default(),
    };
    Zeroizing::new(entry.as_bytes().to_vec())
}
