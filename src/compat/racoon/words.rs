//! Words, and the marks between them.

/// A word, or a mark.
pub(super) struct Token {
    /// The word, without its quotes.
    pub text: String,
    /// `;`, `{` or `}`, where it is none.
    pub mark: Option<char>,
    /// Where it begins.
    pub line: u32,
    /// Where it ends: strings may have several lines.
    pub last_line: u32,
    /// A string without its end.
    pub unterminated: bool,
}

/// Takes a file apart. `#` begins a comment anywhere but in strings, which have no escapes.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1u32;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |from: usize| {
            let end = rest.get(from..).and_then(|rest| rest.find(is_end));
            end.map_or(rest.len(), |end| end.saturating_add(from))
        };
        let (length, kind) = match first {
            _ if first.is_whitespace() => (first.len_utf8(), Kind::Space),
            '#' => (rest.find('\n').unwrap_or(rest.len()), Kind::Space),
            ';' | '{' | '}' => (1, Kind::Mark),
            ',' => (1, Kind::Word),
            '"' => match rest.get(1..).and_then(|rest| rest.find('"')) {
                Some(end) => (end.saturating_add(2), Kind::Quoted),
                None => (rest.len(), Kind::Open),
            },
            // A port needs no blank before it, nor one behind it.
            '[' => {
                let end = word(1);
                let close = rest.get(..end).and_then(|rest| rest.find(']'));
                (
                    close.map_or(end, |close| close.saturating_add(1)),
                    Kind::Word,
                )
            }
            _ => {
                let end = word(0);
                let port = rest.get(..end).and_then(|rest| rest.find('['));
                (port.unwrap_or(end), Kind::Word)
            }
        };
        let (taken, left) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = left;
        let begin = line;
        let ends = taken.bytes().filter(|byte| *byte == b'\n').count();
        line = line.saturating_add(u32::try_from(ends).unwrap_or(u32::MAX));
        if kind != Kind::Space {
            tokens.push(Token {
                text: match kind {
                    Kind::Quoted | Kind::Open => taken.trim_matches('"').to_owned(),
                    _ => taken.to_owned(),
                },
                mark: (kind == Kind::Mark).then_some(first),
                line: begin,
                last_line: line,
                unterminated: kind == Kind::Open,
            });
        }
    }
    tokens
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Blanks and comments.
    Space,
    Mark,
    Word,
    Quoted,
    /// A string without its end.
    Open,
}

fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '{' | '}' | ',' | '"' | '#')
}
