//! Values that are not plain words.

use super::Dialect;

/// A boolean; none if the dialect has no such word. strongSwan has `yes` and `no` only.
pub fn boolean(value: &str, dialect: Option<Dialect>) -> Option<bool> {
    match (value.to_ascii_lowercase().as_str(), dialect) {
        ("yes", _) => Some(true),
        ("no", _) => Some(false),
        (_, Some(Dialect::StrongSwan)) => None,
        ("y" | "true" | "on" | "1", _) => Some(true),
        ("n" | "false" | "off" | "0", _) => Some(false),
        _ => None,
    }
}

/// A time in seconds: a number with `s`, `m`, `h` or `d`, seconds without; none if it is none.
pub fn seconds(value: &str) -> Option<u64> {
    let unit = value.chars().next_back()?;
    let (digits, factor) = match unit {
        's' => (value.strip_suffix(unit)?, 1),
        'm' => (value.strip_suffix(unit)?, 60),
        'h' => (value.strip_suffix(unit)?, 3600),
        'd' => (value.strip_suffix(unit)?, 86_400),
        _ => (value, 1),
    };
    // `parse` alone would take a sign.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor)
}
