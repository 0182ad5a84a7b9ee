//! xl2tpd's secrets of tunnels. adit has one secret for all tunnels, in a file of its own.

use zeroize::Zeroizing;

use super::{Id, Import, Source};
use crate::compat::l2tp_secrets::{Entry, parse};

/// The name of that file, beside adit.toml.
const FILE: &str = "l2tp-secret";

/// A file that no xl2tpd.conf names.
pub(super) fn map(source: Source, import: &mut Import) {
    read(&source, None, import);
}

/// Takes over the secret for tunnels to anybody: `host_name` is ours, where it is known.
pub(super) fn read(source: &Source, host_name: Option<&str>, import: &mut Import) {
    let before = import.report.findings.len();
    let entries = parse(&source.place(), &source.bytes, &mut import.report.findings);
    for found in import.report.findings.split_off(before) {
        // A line without a secret is a statement as well; of the others more is said below.
        if !entries.iter().any(|entry| entry.place == found.place) {
            let line = found.place.line.unwrap_or(1);
            let id = import.report.add(&found.place, line, "(secret)");
            import
                .report
                .without_effect(id, "xl2tpd skips it: there is no secret in it");
        }
        import.report.findings.push(found);
    }
    let add = |entry: &Entry| {
        let text = format!(
            "{} {} (secret)",
            String::from_utf8_lossy(&entry.ours),
            String::from_utf8_lossy(&entry.theirs)
        );
        import
            .report
            .add(&entry.place, entry.place.line.unwrap_or(1), text)
    };
    let reported: Vec<(&Entry, Id)> = entries.iter().zip(entries.iter().map(add)).collect();
    let (ours, others): (Vec<_>, Vec<_>) = reported.into_iter().partition(|(entry, _)| {
        let name = host_name.map(str::to_ascii_lowercase);
        name.is_none_or(|name| entry.ours == b"*" || entry.ours == name.as_bytes())
    });
    for (_, id) in others {
        let why = "it is for another host name than that of this server";
        import.report.without_effect(id, why);
    }
    let Some((first, _)) = ours.first() else {
        return;
    };
    let secret = &first.secret;
    if ours.iter().any(|(entry, _)| entry.secret != *secret) {
        for (_, id) in ours {
            let why = "adit has one tunnel secret for all, and here are several: put the one that \
                       routers use into a file and name it in l2tp.secret-file";
            import.report.dropped_for_clients(id, why);
        }
        return;
    }
    let ids: Vec<Id> = ours.iter().map(|(_, id)| *id).collect();
    let why = match first.theirs.as_slice() {
        b"*" => "",
        _ => "it counts for tunnels of all hosts",
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(secret.len().saturating_add(1)));
    bytes.extend_from_slice(secret.expose());
    bytes.push(b'\n');
    import.draft.side_file(FILE, bytes);
    import.change(&ids, "l2tp.secret-file", FILE, why);
}
