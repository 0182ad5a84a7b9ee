//! Input of setkey, which BSD calls ipsec.conf: security policies and associations that are set
//! by hand. There is nothing in it that adit could take over; it is read so that every statement
//! can be told what has become of it.

use crate::diagnostic::{Diagnostic, Place};

/// What setkey is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// `flush`, `spdflush`, `dump`, `spddump`.
    Plain(String),
    /// `spdadd`, `spdupdate`, `spddelete`: a policy.
    Policy(Policy),
    /// `add`, `get`, `delete`, `deleteall`: an association. Its keys are never kept.
    Association {
        /// The order.
        order: String,
        /// Source, destination and protocol, as far as there are any.
        words: Vec<String>,
    },
    /// Something else; a finding says what is wrong with it.
    Unknown,
}

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `spdadd` or the like.
    pub order: String,
    /// Source, with its port if there is one.
    pub source: String,
    /// Destination, likewise.
    pub destination: String,
    /// What it is for: `any`, `tcp`, `udp`, `ipencap`, or a number.
    pub upper: String,
    /// `in`, `out` or `fwd`.
    pub direction: String,
    /// `ipsec`, `none`, `discard`, `entrust` or `bypass`.
    pub action: String,
    /// What `ipsec` is to do: `esp/transport//require`.
    pub rules: Vec<Rule>,
}

/// `PROTOCOL/MODE/SOURCE-DESTINATION/LEVEL`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `esp`, `ah` or `ipcomp`.
    pub protocol: String,
    /// `transport` or `tunnel`.
    pub mode: String,
    /// The ends of the tunnel; none in transport mode.
    pub gateways: Option<(String, String)>,
    /// `default`, `use`, `require`, `unique` or `unique:N`.
    pub level: String,
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (protocol, mode) = (parts.next()?, parts.next()?);
        let gateways = parts.next().unwrap_or("");
        let level = parts.next().unwrap_or("default");
        let known = matches!(protocol, "esp" | "ah" | "ipcomp")
            && matches!(mode, "transport" | "tunnel")
            && parts.next().is_none();
        known.then(|| Self {
            protocol: protocol.to_owned(),
            mode: mode.to_owned(),
            gateways: gateways
                .split_once('-')
                .map(|(from, to)| (from.to_owned(), to.to_owned())),
            level: level.to_owned(),
        })
    }
}

/// A statement, which ends in a semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Where it begins.
    pub place: Place,
    /// Its last line.
    pub last_line: u32,
    /// What it says.
    pub order: Order,
}

/// Reads the contents of a file.
pub fn parse(file: &Place, text: &[u8], findings: &mut Vec<Diagnostic>) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let (mut first, mut last) = (1, 1);
    for token in tokens(text) {
        if token.text != ";" {
            if words.is_empty() {
                first = token.line;
            }
            last = token.line;
            words.push(token.text);
            continue;
        }
        if !words.is_empty() {
            statements.push(statement(file, (first, token.line), &words, findings));
        }
        words.clear();
    }
    if !words.is_empty() {
        let found = Diagnostic::warning(file.at_line(first), "a statement has no semicolon");
        findings.push(found.hint("every statement ends in one"));
        statements.push(statement(file, (first, last), &words, findings));
    }
    statements
}

fn statement(
    file: &Place,
    (first, last_line): (u32, u32),
    words: &[String],
    findings: &mut Vec<Diagnostic>,
) -> Statement {
    let place = file.at_line(first);
    let word = words.first().map_or("", String::as_str);
    let order = match word {
        "flush" | "spdflush" | "dump" | "spddump" => Order::Plain(word.to_owned()),
        "spdadd" | "spdupdate" | "spddelete" => policy(words).map_or(Order::Unknown, Order::Policy),
        "add" | "get" | "delete" | "deleteall" | "update" => Order::Association {
            order: word.to_owned(),
            // What follows has the keys in it.
            words: words.iter().skip(1).take(3).cloned().collect(),
        },
        _ => Order::Unknown,
    };
    if order == Order::Unknown {
        // Nothing else is shown: it may be a key.
        let message = match word {
            "spdadd" | "spdupdate" | "spddelete" => format!("this {word} cannot be understood"),
            _ => "this is no order of setkey's".to_owned(),
        };
        let hint = "such as: spdadd 10.0.0.1 10.0.0.2 any -P out ipsec esp/transport//require;";
        findings.push(Diagnostic::warning(place.clone(), message).hint(hint));
    }
    Statement {
        place,
        last_line,
        order,
    }
}

fn policy(words: &[String]) -> Option<Policy> {
    let mut words = words.iter().map(String::as_str);
    let order = words.next()?;
    let mut words = words
        .filter(|word| !matches!(*word, "-4" | "-6" | "-n"))
        .peekable();
    let mut end = || {
        let mut text = words.next()?.to_owned();
        // A port may stand apart from its address.
        while let Some(port) = words.next_if(|word| word.starts_with('[')) {
            text.push_str(port);
        }
        Some(text)
    };
    let (source, destination) = (end()?, end()?);
    let upper = words.next()?.to_owned();
    let mut policy = Policy {
        order: order.to_owned(),
        source,
        destination,
        upper,
        ..Policy::default()
    };
    // The upper protocol may have words of its own, as icmp6 has.
    if !words.any(|word| word == "-P") {
        return (order == "spddelete").then_some(policy);
    }
    policy.direction = words.next()?.to_owned();
    // A priority may stand here.
    for word in words.by_ref() {
        if matches!(word, "ipsec" | "none" | "discard" | "entrust" | "bypass") {
            policy.action = word.to_owned();
            break;
        }
    }
    if policy.action.is_empty() && order != "spddelete" {
        return None;
    }
    for word in words {
        policy.rules.push(Rule::parse(word)?);
    }
    Some(policy)
}

struct Token {
    text: String,
    line: u32,
}

/// Words and semicolons. What stands in quotes is a key, and is not kept.
fn tokens(text: &[u8]) -> Vec<Token> {
    let text = String::from_utf8_lossy(text);
    let mut tokens = Vec::new();
    let mut line = 1u32;
    let mut word = String::new();
    let mut quoted = false;
    let mut comment = false;
    for c in text.chars() {
        let ends = c == '\n' || (!quoted && (c.is_whitespace() || matches!(c, ';' | '#')));
        if !comment && ends && !word.is_empty() {
            tokens.push(Token {
                text: std::mem::take(&mut word),
                line,
            });
        }
        match c {
            '\n' => {
                line = line.saturating_add(1);
                comment = false;
                quoted = false;
            }
            _ if comment => {}
            '#' if !quoted => comment = true,
            ';' if !quoted => tokens.push(Token {
                text: ";".to_owned(),
                line,
            }),
            '"' => {
                quoted = !quoted;
                word.push('"');
            }
            _ if quoted || ends => {}
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        tokens.push(Token { text: word, line });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(text: &str) -> (Vec<Statement>, Vec<String>) {
        let mut findings = Vec::new();
        let statements = parse(&Place::file(Path::new("f")), text.as_bytes(), &mut findings);
        (
            statements,
            findings.iter().map(ToString::to_string).collect(),
        )
    }

    fn orders(text: &str) -> Vec<Order> {
        read(text).0.into_iter().map(|s| s.order).collect()
    }

    #[test]
    fn policies() {
        let rule = |mode: &str, gateways: Option<(&str, &str)>, level: &str| Rule {
            protocol: "esp".to_owned(),
            mode: mode.to_owned(),
            gateways: gateways.map(|(from, to)| (from.to_owned(), to.to_owned())),
            level: level.to_owned(),
        };
        for (text, source, upper, direction, action, rules) in [
            (
                "spdadd 198.51.100.1/32 203.0.113.1/32 ipencap -P out ipsec \
                 esp/tunnel/198.51.100.1-203.0.113.1/require;",
                "198.51.100.1/32",
                "ipencap",
                "out",
                "ipsec",
                vec![rule(
                    "tunnel",
                    Some(("198.51.100.1", "203.0.113.1")),
                    "require",
                )],
            ),
            (
                "spdadd 0.0.0.0/0 [1701] 0.0.0.0/0[any] udp -P in ipsec\n esp/transport//require # x\n;",
                "0.0.0.0/0[1701]",
                "udp",
                "in",
                "ipsec",
                vec![rule("transport", None, "require")],
            ),
            (
                "spdadd -4 10.0.0.1 10.0.0.2 any -P fwd prio low discard;",
                "10.0.0.1",
                "any",
                "fwd",
                "discard",
                vec![],
            ),
            (
                "spddelete 10.0.0.1 10.0.0.2 any -P in;",
                "10.0.0.1",
                "any",
                "in",
                "",
                vec![],
            ),
        ] {
            let orders = orders(text);
            let [Order::Policy(policy)] = &orders[..] else {
                panic!("{orders:?}")
            };
            assert_eq!(policy.source, source);
            assert_eq!(policy.upper, upper);
            assert_eq!(policy.direction, direction);
            assert_eq!(policy.action, action);
            assert_eq!(policy.rules, rules);
        }
    }

    #[test]
    fn keys_are_not_kept() {
        let text = "add 10.0.0.1 10.0.0.2 esp 0x201 -E 3des-cbc \"hush; # hush\" -A hmac-sha1 0xdeadbeef;\nflush;";
        let (statements, findings) = read(text);
        assert_eq!(findings, [] as [String; 0]);
        assert_eq!(statements.len(), 2);
        assert!(
            matches!(&statements[0].order, Order::Association { words, .. } if words.len() == 3)
        );
        let shown = format!("{statements:?}");
        assert!(
            !shown.contains("hush") && !shown.contains("deadbeef"),
            "{shown}"
        );
    }

    #[test]
    fn mistakes_hide_nothing() {
        let (statements, findings) = read("hush \"x\";\nspdadd 10.0.0.1;\n\nspdflush;\nflush");
        let lines: Vec<u32> = statements.iter().map(|s| s.place.line.unwrap()).collect();
        assert_eq!(lines, [1, 2, 4, 5]);
        assert_eq!(
            findings,
            [
                "f:1: warning: this is no order of setkey's (such as: spdadd 10.0.0.1 10.0.0.2 any \
                 -P out ipsec esp/transport//require;)",
                "f:2: warning: this spdadd cannot be understood (such as: spdadd 10.0.0.1 10.0.0.2 \
                 any -P out ipsec esp/transport//require;)",
                "f:5: warning: a statement has no semicolon (every statement ends in one)",
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(text: Vec<u8>) {
            parse(&Place::default(), &text, &mut Vec::new());
        }

        #[test]
        fn any_words_are_read(text in "((spdadd|add|-P|in|ipsec|esp/|[a-z0-9/\\[\"#]{1,5}|;|\n) ?){0,30}") {
            parse(&Place::default(), text.as_bytes(), &mut Vec::new());
        }
    }
}
