//! racoon's psk.txt: its keys for addresses become those of an ipsec.secrets.

use std::net::IpAddr;

use super::keys::{self, Key};
use super::{Id, Import, Source};
use crate::compat::ipsec_secrets::Selector;
use crate::compat::psk_txt::{self, Entry};

pub(super) fn map(source: Source, import: &mut Import) {
    let place = source.place();
    let before = import.report.findings.len();
    let path = import.files.on_disk(&source.path);
    import.report.findings.extend(psk_txt::refused(&path));
    let entries = psk_txt::parse(&place, &source.bytes, &mut import.report.findings);
    // A line without a key is a statement as well.
    let without: Vec<_> = import
        .report
        .findings
        .iter()
        .skip(before)
        .cloned()
        .collect();
    for found in without {
        let known = entries.iter().any(|entry| entry.place == found.place);
        if let Some(line) = found.place.line.filter(|_| !known) {
            let id = import.report.add(&found.place, line, "(no key)");
            import
                .report
                .without_effect(id, "racoon skips it: there is no key in it");
        }
    }
    let ids: Vec<Id> = entries
        .iter()
        .map(|entry| {
            let name = String::from_utf8_lossy(&entry.identifier);
            let line = entry.place.line.unwrap_or(1);
            import
                .report
                .add(&entry.place, line, format!("{name} (secret)"))
        })
        .collect();
    let mut written: Vec<Key<'_>> = Vec::new();
    for (entry, id) in entries.iter().zip(ids) {
        let hidden = psk_txt::lookup(&entries, &entry.identifier)
            .filter(|first| first.place != entry.place && !entry.identifier.is_empty());
        if entry.identifier.is_empty() {
            let why = "a blank stands before it: racoon never finds it";
            import.report.without_effect(id, why);
        } else if let Some(first) = hidden {
            let why = format!("{} comes first, and is for the same clients", first.place);
            import.report.without_effect(id, why);
        } else {
            key(entry, id, import)
                .into_iter()
                .for_each(|key| written.push(key));
        }
    }
    keys::write(&written, import);
}

fn key<'a>(entry: &'a Entry, id: Id, import: &mut Import) -> Option<Key<'a>> {
    let Some(secret) = &entry.secret else {
        let why = "its hexadecimal digits make no key, and its clients do not get in with racoon \
                   either: write the key into ipsec.secrets";
        import.report.dropped_for_clients(id, why);
        return None;
    };
    let parties = if entry.is_any() {
        vec![Selector::Any]
    } else {
        let text = std::str::from_utf8(&entry.identifier).ok();
        let Some(address) = text.and_then(|text| text.parse::<IpAddr>().ok()) else {
            let why = "in Main Mode, which L2TP clients use, nobody says a name before the key is \
                       needed: racoon does not find it there either";
            import.report.dropped(id, why);
            return None;
        };
        vec![Selector::Address(address)]
    };
    Some(Key {
        from: id,
        parties,
        key: secret.expose(),
        spelled: false,
    })
}

#[cfg(test)]
mod tests {
    use crate::import::testing::{import, lines};

    #[test]
    fn keys_for_addresses_are_taken_over() {
        let text = "# words\n10.0.0.2\thush one\n10.0.0.3 0x68757368\n10.0.0.3 hush\n 10.0.0.4 hush\n\
                    10.0.0.5\n10.0.0.6 0x1\nann@example hush\n2001:db8::1 hush\u{e9}\n* hush four\n10.0.0.9 hush\n";
        let import = import(&[("/etc/racoon/psk.txt", text)]);
        let report: Vec<String> = lines(&import);
        assert_eq!(
            report,
            [
                "6 (no key): without effect: racoon skips it: there is no key in it",
                "2 10.0.0.2 (secret): kept (ipsec.secrets)",
                "3 10.0.0.3 (secret): kept (ipsec.secrets)",
                "4 10.0.0.3 (secret): without effect: /etc/racoon/psk.txt:3 comes first, and is for \
                 the same clients",
                "5  (secret): without effect: a blank stands before it: racoon never finds it",
                "7 10.0.0.6 (secret): dropped!: its hexadecimal digits make no key, and its clients \
                 do not get in with racoon either: write the key into ipsec.secrets",
                "8 ann@example (secret): dropped: in Main Mode, which L2TP clients use, nobody says \
                 a name before the key is needed: racoon does not find it there either",
                "9 2001:db8::1 (secret): kept (ipsec.secrets)",
                "10 * (secret): kept (ipsec.secrets)",
                "11 10.0.0.9 (secret): without effect: /etc/racoon/psk.txt:10 comes first, and is \
                 for the same clients",
            ]
        );
        let file = &import.draft.side_files[0];
        let text = String::from_utf8(file.bytes.to_vec()).unwrap();
        let entries: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            entries,
            [
                "10.0.0.2 : PSK \"hush one\"",
                "10.0.0.3 : PSK \"hush\"",
                "\"2001:db8::1\" : PSK \"hushé\"",
                "%any : PSK \"hush four\"",
            ]
        );
    }
}
