//! Words for shells and lists, whatever is in them.

/// A word for PowerShell. In single quotes nothing is special but the quote, which is doubled; to
/// PowerShell four more characters are such quotes (about_Quoting_Rules).
pub(crate) fn powershell(text: &str) -> String {
    let mut word = String::from("'");
    for c in text.chars() {
        word.push(c);
        if is_powershell_quote(c) {
            word.push(c);
        }
    }
    word.push('\'');
    word
}

pub(super) const fn is_powershell_quote(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}')
}

/// A word for sh.
pub(crate) fn shell(text: &str) -> String {
    if plain(text) && !text.is_empty() {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Letters, digits and a few marks that no shell and no list minds.
pub(super) fn plain(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || "-._@:/+".contains(c))
}

/// A value within nmcli's `key=value, key=value`, where a backslash takes the meaning away from a
/// comma, a backslash, and a blank at either end.
pub(super) fn list_value(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut value = String::new();
    for (index, c) in text.chars().enumerate() {
        let at_an_end = index == 0 || index == last;
        if matches!(c, '\\' | ',') || (at_an_end && c.is_ascii_whitespace()) {
            value.push('\\');
        }
        value.push(c);
    }
    value
}

/// Text within XML.
pub(super) fn xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// RFC 4648 §4.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4_usize {
            let six = bits >> (18 - 6 * index) & 0x3f;
            let letter = ALPHABET.get(six as usize).copied().unwrap_or(b'=');
            text.push(if index > chunk.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}
