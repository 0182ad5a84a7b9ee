use super::*;

fn admits(pattern: &str, user: &str) -> bool {
    let pattern: UserPattern = pattern.parse().unwrap();
    pattern.admits(user.as_bytes())
}

#[test]
fn a_star_stands_for_any_run_of_characters_and_nothing_else_is_special() {
    for (pattern, user, expected) in [
        ("alice", "alice", true),
        ("alice", "Alice", false),
        ("alice", "alice2", false),
        ("sales-*", "sales-", true),
        ("sales-*", "sales-anne", true),
        ("sales-*", "xsales-anne", false),
        ("*@corp.example", "ann@corp.example", true),
        ("*@corp.example", "ann@corp.example.org", false),
        ("a*b*c", "abc", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "acb", false),
        // The parts must not overlap.
        ("ab*ba", "aba", false),
        ("a*a", "a", false),
        ("**", "anything", true),
        ("*", "", true),
        ("a?c", "abc", false),
        ("[ab]", "a", false),
    ] {
        assert_eq!(admits(pattern, user), expected, "{pattern} {user}");
    }
    assert!("".parse::<UserPattern>().is_err());
}

#[test]
fn a_secret_among_the_settings_is_not_shown() {
    let psk: Psk = toml::from_str("name = \"a\"\nsecret = \"hush hush\"").unwrap();
    assert_eq!(psk.secret.as_ref().unwrap().0.expose(), b"hush hush");
    let shown = format!("{psk:?} {}", serde_json::to_string(&psk).unwrap());
    assert!(!shown.contains("hush"), "{shown}");
}
