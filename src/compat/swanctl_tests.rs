use super::*;

fn read_alone(text: &[u8], findings: &mut Vec<Diagnostic>) -> Swanctl {
    read(
        Path::new("f"),
        text,
        &mut |_: &Path, _: &Place, _: &str, _: &mut Vec<Diagnostic>| Vec::new(),
        findings,
    )
}

/// The statements in one line each, and the findings.
fn shown(text: &str) -> (Vec<String>, Vec<String>) {
    let mut findings = Vec::new();
    let file = read_alone(text.as_bytes(), &mut findings);
    let line = |statement: &Statement| {
        let line = statement.place.line.unwrap();
        let path = statement.path.join(".");
        match &statement.what {
            What::Begin(parents) if parents.is_empty() => format!("{line} {path} {{"),
            What::Begin(parents) => format!("{line} {path} : {} {{", parents.join(", ")),
            What::End => format!("{line} {path} }}"),
            What::Setting { key, value } => {
                let value = String::from_utf8_lossy(value.expose()).into_owned();
                format!("{line} {path} {key}={value}")
            }
            What::Include(pattern) => format!("{line} {path} include {pattern}"),
            What::Unknown => format!("{line} {path} ?"),
        }
    };
    let statements = file.statements.iter().map(line).collect();
    (
        statements,
        findings.iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn statements() {
    let text = "# words\nconnections {\n  l2tp : base, more.deep {\n    version = 1 # one\n    \
                local_addrs = %any , x\n    local { auth = psk\n id = \"C=CH, O=\\\"x\\\"\" }\n  }\n}\n\
                secrets\n{\n  ike-1 { secret = \"a\\\n b#c}\"  }\n empty =\n}\n\
                include conf.d/*.conf # more\ninclude \"a b\"\ninclude a\\ b\n";
    let (statements, findings) = shown(text);
    assert_eq!(
        statements,
        [
            "2 connections {",
            "3 connections.l2tp : base, more.deep {",
            "4 connections.l2tp version=1",
            "5 connections.l2tp local_addrs=%any , x",
            "6 connections.l2tp.local {",
            "6 connections.l2tp.local auth=psk",
            "7 connections.l2tp.local id=C=CH, O=\"x\"",
            "7 connections.l2tp.local }",
            "8 connections.l2tp }",
            "9 connections }",
            "10 secrets {",
            "12 secrets.ike-1 {",
            "12 secrets.ike-1 secret=a b#c}",
            "13 secrets.ike-1 }",
            "14 secrets empty=",
            "15 secrets }",
            "16  include conf.d/*.conf",
            "17  include a b",
            "18  include a b",
        ]
    );
    assert_eq!(findings, [] as [String; 0]);
}

#[test]
fn mistakes_hide_nothing() {
    let text = "}\nconnections {\n = x\n word\n \"hush\"\n  a = 1\n";
    let (statements, findings) = shown(text);
    assert_eq!(
        statements,
        [
            "1  }",
            "2 connections {",
            "3 connections ?",
            "3 connections ?",
            "4 connections ?",
            "5 connections ?",
            "6 connections a=1",
        ]
    );
    assert_eq!(
        findings,
        [
            "f:1: warning: this } closes nothing (is there one too many?)",
            "f:3: warning: '=' stands where a name should (a statement is key = value or name { … })",
            "f:3: warning: a word is neither a setting nor a section (a statement is key = value or \
             name { … })",
            "f:4: warning: a word is neither a setting nor a section (a statement is key = value or \
             name { … })",
            "f:5: warning: '\"' stands where a name should (a statement is key = value or name { … })",
            "f: warning: the section connections is not closed (a } is missing)",
        ]
    );
}

fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

#[test]
fn sections_of_one_name_are_one_and_inherit() {
    let text = "base {\n version = 1\n local {\n auth = psk\n id = own\n}\n}\n\
                connections {\n a : base {\n  local {\n   id = a\n  }\n }\n}\n\
                connections {\n a {\n  encap = yes\n  encap = no\n }\n b : b { x = 1 }\n}\n";
    let file = read_alone(text.as_bytes(), &mut Vec::new());
    let tree = file.tree();
    let get = |section: &str, key: &str| {
        let (value, _) = tree.get(&path(section), key)?;
        Some(String::from_utf8(value.expose().to_vec()).unwrap())
    };
    for (section, key, expected) in [
        ("connections.a", "version", Some("1")),
        ("connections.a", "encap", Some("no")),
        ("connections.a.local", "auth", Some("psk")),
        ("connections.a.local", "id", Some("a")),
        ("connections.b", "x", Some("1")),
        ("connections.b", "y", None),
        ("nothing", "y", None),
    ] {
        assert_eq!(get(section, key).as_deref(), expected, "{section}.{key}");
    }
    assert_eq!(tree.children(&path("connections")), ["a", "b"]);
    assert_eq!(tree.children(&path("connections.a")), ["local"]);
    let settings = tree.settings(&path("connections.a.local"));
    let settings: Vec<(&str, usize)> = settings.iter().map(|(key, _, n)| (*key, *n)).collect();
    assert_eq!(settings, [("auth", 3), ("id", 10)]);
}

#[test]
fn included_files_go_on_where_they_are_included() {
    let mut open = |_: &Path, _: &Place, pattern: &str, _: &mut Vec<Diagnostic>| match pattern {
        "keys" => vec![("keys".into(), b"ike-1 { secret = x }\n".to_vec())],
        _ => vec![("again".into(), b"include again\n".to_vec())],
    };
    let mut findings = Vec::new();
    let text = b"secrets {\n include keys\n}\ninclude again\n";
    let file = read(Path::new("f"), text, &mut open, &mut findings);
    let tree = file.tree();
    assert!(tree.get(&path("secrets.ike-1"), "secret").is_some());
    assert!(findings[0].to_string().contains("nested 10 deep"));
    assert_eq!(findings.len(), 1);
}

#[test]
fn depth_has_an_end() {
    let text = "a { ".repeat(100_000) + "x = 1" + &" }".repeat(100_000) + "\nb = 2\n";
    let mut findings = Vec::new();
    let file = read_alone(text.as_bytes(), &mut findings);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(file.tree().get(&[], "b").is_some());
}

#[test]
fn secrets_are_not_shown() {
    let file = read_alone(b"secrets { ike { secret = hush } }", &mut Vec::new());
    assert!(!format!("{file:?}").contains("hush"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read(text: Vec<u8>) {
        read_alone(&text, &mut Vec::new());
    }

    #[test]
    fn any_statements_are_read(text in "([ab]|=|:|,|\\{|\\}|\"|\\\\|#|\n| |include ){0,60}") {
        let mut findings = Vec::new();
        let file = read_alone(text.as_bytes(), &mut findings);
        let tree = file.tree();
        for statement in &file.statements {
            tree.settings(&statement.path);
            tree.children(&statement.path);
        }
    }
}
