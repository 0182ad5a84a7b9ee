//! How numbers and findings look on a terminal.

use crate::diagnostic::{Diagnostic, Severity};

/// One finding a line.
pub(super) fn lines(findings: &[Diagnostic]) -> String {
    findings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// `3 errors, 1 warning`
pub(super) fn count_findings(findings: &[Diagnostic]) -> String {
    let of = |severity| findings.iter().filter(|f| f.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
}

/// `no users`, `1 user`, `2 users`
pub(super) fn count(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// `512 B`, `1.5 KiB`, `23 MiB`: three digits at most.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number;
    let mut rest = 0;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024 {
            break;
        }
        rest = value % 1024;
        value /= 1024;
        unit = next;
    }
    match value {
        0..10 => format!("{value}.{} {unit}", rest * 10 / 1024),
        _ => format!("{value} {unit}"),
    }
}

/// `42s`, `5m 3s`, `2h 13m`, `9d 4h`: the two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
        ];
        let more = [(10 << 20, "10 MiB"), ((3 << 30) + (900 << 20), "3.8 GiB")];
        for (number, expected) in cases.into_iter().chain(more) {
            assert_eq!(bytes(number), expected);
        }
        assert_eq!(bytes(u64::MAX), "15 EiB");
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (303, "5m 3s"),
            (8_000, "2h 13m"),
            (792_000, "9d 4h"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }
}
