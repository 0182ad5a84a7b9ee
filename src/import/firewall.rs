//! Firewall rules that know clients by the names of pppd's interfaces.

use std::path::Path;

use super::Import;
use crate::diagnostic::{Diagnostic, Place};

/// Where rules are kept.
const PLACES: [&str; 5] = [
    "/etc/nftables.conf",
    "/etc/iptables/rules.v4",
    "/etc/iptables.rules",
    "/etc/sysconfig/iptables",
    "/etc/ufw/before.rules",
];

/// Tells of rules that would let clients of adit through, or keep them out, no more: its interface
/// has another name.
pub(super) fn look(import: &mut Import) {
    if import.files.are_named() {
        return;
    }
    for path in PLACES.map(Path::new) {
        let text = import.files.read(path).unwrap_or_default();
        let mut lines = (1u32..).zip(text.split(|byte| *byte == b'\n'));
        if let Some((line, _)) = lines.find(|(_, line)| names_ppp(line)) {
            let message = "this rule, and perhaps more of them, is for the interfaces of pppd, and \
                           adit's is adit0";
            let hint = "change the rules, or set tun.mode = \"per-session\", with which clients have \
                        interfaces ppp0, ppp1 and so on";
            let found = Diagnostic::warning(Place::file(path).at_line(line), message);
            import.report.findings.push(found.hint(hint));
        }
    }
}

/// Whether a word of the line is `ppp+`, `ppp*` or `ppp` with a number.
fn names_ppp(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let is_interface = |word: &[u8]| {
        let rest = word.strip_prefix(b"ppp");
        rest.is_some_and(|rest| {
            !rest.is_empty()
                && (rest == b"+" || rest == b"*" || rest.iter().all(u8::is_ascii_digit))
        })
    };
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b',' | b'{' | b'}');
    !line.starts_with(b"#") && line.split(ends).any(is_interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_both_kinds() {
        for (line, expected) in [
            ("-A FORWARD -i ppp+ -j ACCEPT", true),
            ("  iifname \"ppp*\" accept", true),
            ("iifname { \"ppp0\", \"eth1\" } drop", true),
            ("# -A FORWARD -i ppp+ -j ACCEPT", false),
            (
                "-A FORWARD -i eth0 -m comment --comment ppp -j ACCEPT",
                false,
            ),
            ("-A INPUT -i pppoe0 -j DROP", false),
        ] {
            assert_eq!(names_ppp(line.as_bytes()), expected, "{line}");
        }
    }
}
