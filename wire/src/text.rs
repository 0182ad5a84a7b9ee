//! Text that peers choose and people read.

/// Whether `c` may go to a log or a terminal as it is: neither a control character nor one that
/// prints nothing but changes how the rest looks (bidirectional overrides, line separators,
/// zero-width joiners).
pub fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_or_turns_the_text_around_is_not_printable() {
        for c in [
            '\n', '\u{1b}', '\u{7f}', '\u{85}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}',
        ] {
            assert!(!is_printable(c), "{c:?}");
        }
        for c in ['a', ' ', 'é', '\u{2010}', '\u{202f}', '\u{1f511}'] {
            assert!(is_printable(c), "{c:?}");
        }
    }
}
