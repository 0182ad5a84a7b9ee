//! The vectors were obtained by running xl2tpd's own parser.

use std::path::Path;

use super::*;

fn read(text: &str) -> (Vec<Statement>, Vec<String>) {
    let mut findings = Vec::new();
    let place = Place::file(Path::new("x"));
    let statements = parse(&place, text.as_bytes(), &mut findings);
    let texts = findings.iter().map(ToString::to_string).collect();
    (statements, texts)
}

/// The last statement.
fn last(text: &str) -> Content {
    let (statements, _) = read(text);
    statements.into_iter().next_back().unwrap().content
}

fn setting(key: &str, value: Value) -> Content {
    Content::Setting {
        key: key.to_owned(),
        value,
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn range_of(first: &str, last: &str) -> Value {
    let (first, last) = (first.parse().unwrap(), last.parse().unwrap());
    Value::Range(Range { first, last })
}

#[test]
fn what_xl2tpd_accepts() {
    for (line, expected) in [
        (
            "name = my server ; comment",
            setting("name", text("my server")),
        ),
        ("name = a=b", setting("name", text("a=b"))),
        ("name = \"quoted\"", setting("name", text("\"quoted\""))),
        (
            "IP RANGE = 10.0.0.1",
            setting("ip range", range_of("10.0.0.1", "10.0.0.1")),
        ),
        (
            "ip range = 192.168.1.128-254",
            setting("ip range", range_of("192.168.1.128", "192.168.1.254")),
        ),
        (
            "no ip range = 10.0.0.1 - 1.9",
            setting("no ip range", range_of("10.0.0.1", "10.0.1.9")),
        ),
        ("hostname   =   h w  ", setting("hostname", text("h w"))),
        ("name=", setting("name", text(""))),
        (
            "length bit = Yes",
            setting("length bit", Value::Truth(true)),
        ),
        (
            "require chap = n",
            setting("require chap", Value::Truth(false)),
        ),
        (
            "tunnel rws = 12 messages",
            setting("tunnel rws", Value::Number(12)),
        ),
    ] {
        let (statements, findings) = read(&format!("[lns default] ; c\n{line}\r\n"));
        assert_eq!(
            statements[0].section,
            Some(Section::Lns("default".to_owned()))
        );
        assert_eq!(statements[1].content, expected, "{line}");
        assert_eq!(statements[1].place.line, Some(2));
        assert_eq!(findings, [] as [String; 0], "{line}");
    }
    for (line, expected) in [
        (
            "access control=yes",
            setting("access control", Value::Truth(true)),
        ),
        ("port = abc", setting("port", Value::Number(0))),
        ("port = 1701", setting("port", Value::Number(1701))),
    ] {
        assert_eq!(last(&format!("[global]\n{line}")), expected, "{line}");
    }
}

#[test]
fn what_keeps_xl2tpd_from_starting() {
    for (lines, words) in [
        (
            "[lns default]\nflow bits = yes",
            "there is no key flow bits",
        ),
        ("[ lns default ]", "there is no section [ lns default ]"),
        ("[foo]", "there is no section [foo]"),
        ("[global", "there is no ]"),
        ("[global]\nport 1701", "there is no ="),
        ("port = 1", "port stands in no section"),
        ("[foo]\nport = 1", "port stands in no section"),
        (
            "[lns x]\nport = 1",
            "port does not belong into this section",
        ),
        (
            "[lns x]\nip range = 10.0.0.9-10.0.0.1",
            "the range ends (10.0.0.1) before it begins",
        ),
        (
            "[lns x]\nip range = host.example",
            "is not an address, and names are not looked up",
        ),
        (
            "[lns x]\nlocal ip = 10.0.0.1\nlocal ip range = 10.0.0.1",
            "exclude each other",
        ),
        (
            "[lns x]\nrequire chap = maybe",
            "\"maybe\" is neither yes nor no",
        ),
        ("[lns x]\ntunnel rws = 0", "tunnel rws must be at least 1"),
        ("[global]\nport = -1", "\"-1\" is below 0"),
    ] {
        let Content::Mistake(mistake) = last(lines) else {
            panic!("{lines} is accepted")
        };
        assert!(mistake.contains(words), "{lines}: {mistake}");
        let (_, findings) = read(lines);
        let found = findings.last().unwrap();
        assert!(
            found.ends_with("xl2tpd does not start with this line"),
            "{found}"
        );
    }
}

/// xl2tpd refuses the line; we take it for the comment that was meant.
#[test]
fn a_number_sign_is_a_finding() {
    let (statements, findings) = read("[lns default]\n# x = 1\n\n;y\nname = a # b\n");
    assert_eq!(statements.len(), 2);
    assert_eq!(statements[1].content, setting("name", text("a # b")));
    assert_eq!(findings.len(), 1);
    assert!(
        findings[0].starts_with("x:2: warning: # begins no comment"),
        "{findings:?}"
    );
}

#[test]
fn sections_go_on_whatever_the_case() {
    let (statements, _) = read("[lns site2]\nlocal ip = 10.0.0.1\n[LNS SITE2]\nname = x\n[lns]\n");
    let sections: Vec<Option<Section>> = statements.into_iter().map(|s| s.section).collect();
    let site = Some(Section::Lns("site2".to_owned()));
    let nameless = Some(Section::Lns(String::new()));
    assert_eq!(
        sections,
        [site.clone(), site.clone(), site.clone(), site, nameless]
    );
}

#[test]
fn what_is_too_long_is_told() {
    let (_, findings) = read(&format!("[lns x]\nname = {}\n", "n".repeat(100)));
    assert!(
        findings[0].contains("cuts the value after 99 bytes"),
        "{findings:?}"
    );
    let (_, findings) = read(&format!("[lns x]\nname = {}\n", "n".repeat(1100)));
    assert!(
        findings[0].contains("longer than the 1023 bytes"),
        "{findings:?}"
    );
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read(bytes: Vec<u8>) {
        let _ = parse(&Place::file(Path::new("x")), &bytes, &mut Vec::new());
    }
}
