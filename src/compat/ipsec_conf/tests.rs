use super::*;
use proptest::prelude::*;

use Dialect::{Libreswan, StrongSwan};

/// What was read, in one line each, and the findings.
fn read(text: &str, dialect: Option<Dialect>) -> (Vec<String>, Vec<String>) {
    let mut findings = Vec::new();
    let conf = parse(
        &Place::file(Path::new("f")),
        text.as_bytes(),
        dialect,
        &mut findings,
    );
    let line = |statement: &Statement| {
        let line = statement.place.line.unwrap();
        match &statement.what {
            What::Version => format!("{line} version"),
            What::Include(pattern) => format!("{line} include {pattern}"),
            What::Section(kind, name) => format!("{line} {kind:?} {name}"),
            What::Setting { key, value } => format!("{line} {key}={value}"),
            What::Unknown => format!("{line} ?"),
        }
    };
    let statements = conf.statements.iter().map(line).collect();
    (
        statements,
        findings.iter().map(ToString::to_string).collect(),
    )
}

/// The value of `key` in a connection, and how many findings there are.
fn value(line: &str, dialect: Option<Dialect>) -> (String, usize) {
    let (statements, findings) = read(&format!("conn c\n\t{line}\n"), dialect);
    let value = statements[1].split_once('=').unwrap().1.to_owned();
    (value, findings.len())
}

#[test]
fn values_of_each_dialect() {
    for (line, strongswan, libreswan) in [
        ("left=%any", ("%any", 0), ("%any", 0)),
        ("left = %any", ("%any", 0), ("%any", 0)),
        ("left=", ("", 0), ("", 0)),
        ("left=%any # words", ("%any", 0), ("%any", 0)),
        ("left=%any\r", ("%any", 0), ("%any", 0)),
        // A # within a word.
        ("leftid=a#b", ("a", 0), ("a#b", 0)),
        ("leftid=@#0102", ("@#0102", 0), ("@#0102", 0)),
        ("leftid=@#01#02", ("@#01", 0), ("@#01#02", 0)),
        // More than one word.
        ("esp=aes256   sha1", ("aes256 sha1", 0), ("aes256 sha1", 1)),
        // A = within a value.
        ("leftid=C=CH", ("C=CH", 1), ("C=CH", 0)),
        // Quotes, braces, escapes.
        ("leftid=\"C=CH, O=x\"", ("C=CH, O=x", 0), ("C=CH, O=x", 0)),
        ("leftid=\"a#b\" # c", ("a#b", 0), ("a#b", 0)),
        (r#"x="a\"b\tc\\d""#, ("a\"b\tc\\d", 0), (r"a\ b\tc\\d", 1)),
        (r#"x="a\nb\rc\qd""#, ("a\nb\rcqd", 0), (r"a\nb\rc\qd", 0)),
        ("x={a b}", ("{a b}", 0), ("a b", 0)),
        ("x={a b", ("{a b", 0), ("a b", 1)),
        (
            "x-note=some words # and more",
            ("some words", 0),
            ("some words # and more", 0),
        ),
    ] {
        let expected = |(value, findings): (&str, usize)| (value.to_owned(), findings);
        let mut libreswan = expected(libreswan);
        if line.starts_with("x=\"a\\\"") {
            // The quote ends the value there, and what follows is more than one word.
            libreswan = (r#"a\ b\tc\\d""#.to_owned(), 1);
        }
        assert_eq!(
            value(line, Some(StrongSwan)),
            expected(strongswan),
            "{line}"
        );
        assert_eq!(value(line, Some(Libreswan)), libreswan, "{line}");
    }
    // Nothing shows the dialect: strongSwan's reading, and a finding.
    assert_eq!(value("leftid=a#b", None), ("a".to_owned(), 1));
}

#[test]
fn lines_joined_within_quotes() {
    let text = "conn c\n  leftid=\"a\\\n b\n c\"\n  right=x\n";
    let (statements, findings) = read(text, Some(StrongSwan));
    assert_eq!(statements, ["1 Conn c", "2 leftid=a b\n c", "5 right=x"]);
    assert_eq!(findings, [] as [String; 0]);
    let mut findings = Vec::new();
    let conf = parse(
        &Place::default(),
        text.as_bytes(),
        Some(StrongSwan),
        &mut findings,
    );
    assert_eq!(conf.statements[1].last_line, 4);
}

#[test]
fn the_outline() {
    let text = "version 2.0\n\n# words\nconfig setup\n  # words\n\tuniqueids=no\n\n\
                include /etc/ipsec.d/*.conf # more\nconn l2tp-psk # one\n    auto=add\n\
                ca x\n  cacert=y\nconn %default\n include \"a b\"\n include a\\ b\n";
    let (statements, findings) = read(text, Some(StrongSwan));
    assert_eq!(
        statements,
        [
            "1 version",
            "4 Setup ",
            "6 uniqueids=no",
            "8 include /etc/ipsec.d/*.conf",
            "9 Conn l2tp-psk",
            "10 auto=add",
            "11 Ca x",
            "12 cacert=y",
            "13 Conn %default",
            "14 include a b",
            "15 include a b",
        ]
    );
    assert_eq!(findings, [] as [String; 0]);
}

#[test]
fn mistakes_hide_nothing() {
    let text = "left=x\nconn\n  a=b\nconn a b\nauto=add\n  conn d\n  word\n  =x\nwhat is this\n\
                config files\n  a=b\nconn c\n  right=%any\n  leftid=\"open\n";
    let (statements, findings) = read(text, None);
    assert_eq!(
        statements,
        [
            "1 ?",
            "2 ?",
            "3 ?",
            "4 Conn a",
            "5 auto=add",
            "6 ?",
            "7 ?",
            "8 ?",
            "9 ?",
            "10 ?",
            "11 ?",
            "12 Conn c",
            "13 right=%any",
            "14 leftid=open\n",
        ]
    );
    let messages: Vec<&str> = findings
        .iter()
        .map(|text| text.split_once(": warning: ").unwrap().1)
        .collect();
    assert_eq!(
        messages,
        [
            "left stands in the first column (put a blank before it; both programs refuse the \
             whole file like this)",
            "left stands in no section (write it below a line such as: conn l2tp-psk)",
            "this section has no name (such as: conn l2tp-psk)",
            "a stands in no section (write it below a line such as: conn l2tp-psk)",
            "there is more than a name in this line (names are single words without quotes)",
            "auto stands in the first column (put a blank before it; both programs refuse the \
             whole file like this)",
            "conn is indented, and so no section begins here (sections begin in the first column)",
            "\"word\" is neither a setting nor a section (a setting is key=value, a section begins \
             with conn, config or ca)",
            "a line begins with a key (key=value)",
            "\"what\" is neither a setting nor a section (a setting is key=value, a section begins \
             with conn, config or ca)",
            "there is no such section (it is called: config setup)",
            "a stands in no section (write it below a line such as: conn l2tp-psk)",
            "a quote is not closed (everything up to the end of the file belongs to it)",
        ]
    );
}

#[test]
fn the_dialect_shows() {
    for (text, expected) in [
        ("conn c\n left=%any\n", None),
        ("conn c\n ikev2=never\n", Some(Libreswan)),
        (
            "config setup\n virtual-private=%v4:10.0.0.0/8\n",
            Some(Libreswan),
        ),
        (
            "config setup\n protostack=netkey\n virtual_private=x\n",
            Some(Libreswan),
        ),
        (
            "conn c\n rightaddresspool=10.0.0.1-10.0.0.9\n",
            Some(Libreswan),
        ),
        ("conn c\n keyexchange=ikev1\n", Some(StrongSwan)),
        ("conn c\n keyexchange=ikev1\n ikev2=no\n", Some(Libreswan)),
        ("conn c\n forceencaps=yes\n", Some(StrongSwan)),
        ("conn c\n rightfirewall=yes\n", Some(StrongSwan)),
        ("ca x\n auto=add\n", Some(StrongSwan)),
        ("conn c\n x-made-by=me\n", Some(Libreswan)),
    ] {
        let conf = parse(&Place::default(), text.as_bytes(), None, &mut Vec::new());
        assert_eq!(conf.dialect, expected, "{text}");
    }
    let conf = parse(
        &Place::default(),
        b"conn c\n ikev2=no\n",
        Some(StrongSwan),
        &mut Vec::new(),
    );
    assert_eq!(conf.dialect, Some(StrongSwan));
}

/// What holds for a connection, as `key=value` words.
fn effective(text: &str, name: &str) -> (String, Vec<String>) {
    let mut findings = Vec::new();
    let file = Place::file(Path::new("f"));
    let conf = parse(&file, text.as_bytes(), Some(StrongSwan), &mut findings);
    let sections = conf.sections(&mut findings);
    let section = sections
        .iter()
        .find(|section| section.name == name)
        .unwrap();
    let effective = conf.effective(&sections, section);
    let words: Vec<String> = effective
        .iter()
        .map(|(key, value, statement)| {
            let place = &conf.statements[statement].place;
            format!("{key}={value}@{}", place.line.unwrap())
        })
        .collect();
    (
        words.join(" "),
        findings.iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn inheritance() {
    for (text, expected) in [
        // The last of several values holds, and sections of one name are one.
        (
            "conn c\n a=1\n a=2\nconn d\n a=9\nconn c\n b=3\n",
            "a=2@3 b=3@7",
        ),
        // Everything inherits from %default, wherever it stands.
        ("conn c\n a=1\nconn %default\n a=2\n b=3\n", "a=1@2 b=3@5"),
        // Own values win over inherited ones, wherever `also` stands; forward references.
        ("conn c\n also=d\n a=1\nconn d\n a=2\n b=3\n", "a=1@3 b=3@6"),
        // Of several, the last one wins.
        (
            "conn c\n also=d\n also=e\nconn d\n a=1\n b=1\nconn e\n a=2\n",
            "a=2@8 b=1@6",
        ),
        // A parent's parent; %default comes behind all.
        (
            "conn %default\n z=0\n a=0\nconn c\n also=d\nconn d\n also=e\nconn e\n a=2\n",
            "a=2@9 z=0@2",
        ),
        // D inherits from C and B, both of which inherit from A: A comes behind both.
        (
            "conn a\n x=a\nconn b\n also=a\n x=b\nconn c\n also=a\nconn c\n y=c\n\
             conn dd\nconn c\n also=b\n also=a\n",
            "x=b@5 y=c@9",
        ),
        // An empty value is the default, also in place of an inherited one.
        ("conn c\n a=\nconn %default\n a=2\n", ""),
        // Sections that name each other, or themselves.
        (
            "conn c\n also=d\n a=1\nconn d\n also=c\n b=2\n",
            "a=1@3 b=2@6",
        ),
        ("conn c\n also=c\n a=1\n", "a=1@3"),
    ] {
        assert_eq!(effective(text, "c").0, expected, "{text}");
    }
    let (_, findings) = effective("conn c\n also=missing\n", "c");
    assert_eq!(
        findings,
        [
            "f:2: warning: there is no section missing to take settings from (both programs refuse this)"
        ]
    );
}

#[test]
fn a_repeated_section_is_told_of_where_libreswan_may_read_it() {
    let text = b"conn c\n a=1\nconn c\n ikev2=no\n";
    let mut findings = Vec::new();
    let conf = parse(&Place::file(Path::new("f")), text, None, &mut findings);
    conf.sections(&mut findings);
    assert_eq!(
        findings[0].to_string(),
        "f:3: warning: c begins a second time (read as one with f:1, as strongSwan does; \
         libreswan refuses it)"
    );
}

#[test]
fn times_and_booleans() {
    for (value, expected) in [
        ("20m", Some(1200)),
        ("8h", Some(28_800)),
        ("30", Some(30)),
        ("45s", Some(45)),
        ("1d", Some(86_400)),
        ("s", None),
        ("", None),
        ("+5", None),
        ("99999999999999999999d", None),
        ("%forever", None),
    ] {
        assert_eq!(seconds(value), expected, "{value}");
    }
    for (value, strongswan, libreswan) in [
        ("yes", Some(true), Some(true)),
        ("no", Some(false), Some(false)),
        ("true", None, Some(true)),
        ("off", None, Some(false)),
        ("1", None, Some(true)),
        ("n", None, Some(false)),
        ("maybe", None, None),
    ] {
        assert_eq!(boolean(value, Some(StrongSwan)), strongswan, "{value}");
        assert_eq!(boolean(value, Some(Libreswan)), libreswan, "{value}");
        assert_eq!(boolean(value, None), libreswan, "{value}");
    }
}

#[test]
fn included_files_stand_where_they_are_included() {
    let mut asked = Vec::new();
    let mut open = |by: &Path, place: &Place, pattern: &str, _: &mut Vec<Diagnostic>| {
        let line = place.line.unwrap();
        asked.push(format!("{}:{line} {pattern}", by.display()));
        match pattern {
            "d/*.conf" => vec![
                ("d/a".into(), b"include more\n a=2\n".to_vec()),
                ("d/b".into(), b"conn b\n leftid=x#y\n".to_vec()),
            ],
            _ => vec![],
        }
    };
    let text = b"config setup\n ikev1-policy=accept\ninclude d/*.conf\nconn z\n a=1\n";
    let conf = super::read(Path::new("f"), text, None, &mut open, &mut Vec::new());
    assert_eq!(asked, ["f:3 d/*.conf", "d/a:1 more"]);
    let places: Vec<String> = conf
        .statements
        .iter()
        .map(|s| s.place.to_string())
        .collect();
    assert_eq!(
        places,
        [
            "f:1", "f:2", "f:3", "d/a:1", "d/a:2", "d/b:1", "d/b:2", "f:4", "f:5"
        ]
    );
    // The dialect of the first file holds for all.
    assert_eq!(conf.dialect, Some(Libreswan));
    let leftid = What::Setting {
        key: "leftid".into(),
        value: "x#y".into(),
    };
    assert_eq!(conf.statements[6].what, leftid);
}

#[test]
fn files_that_include_each_other_come_to_an_end() {
    let mut files = 0;
    let mut open = |_: &Path, _: &Place, _: &str, _: &mut Vec<Diagnostic>| {
        files += 1;
        vec![("g".into(), b"include f\n".to_vec())]
    };
    let mut findings = Vec::new();
    super::read(
        Path::new("f"),
        b"include g\n",
        None,
        &mut open,
        &mut findings,
    );
    assert_eq!(files, 9);
    assert!(findings[0].to_string().contains("nested 10 deep"));
}

/// A walk over every way through this would not end.
#[test]
fn many_ways_to_one_section_take_no_time() {
    let mut text = String::new();
    for n in 0..200 {
        let next = n + 1;
        text += &format!("conn c{n}\n also=c{next}\n also=c{next}\n also=c0\n");
    }
    text += "conn c200\n a=1\n";
    assert_eq!(effective(&text, "c0").0, "a=1@802");
}

proptest! {
    #[test]
    fn any_bytes_are_read(text: Vec<u8>, dialect in prop::sample::select(vec![None, Some(StrongSwan), Some(Libreswan)])) {
        let mut findings = Vec::new();
        parse(&Place::default(), &text, dialect, &mut findings);
    }

    #[test]
    fn any_lines_are_read(
        text in "((conn|ca|config|include|version)?[ \t]?[a-z%@#=\"{}\\\\ ]{0,8}\r?\n){0,12}",
        dialect in prop::sample::select(vec![None, Some(StrongSwan), Some(Libreswan)]),
    ) {
        let mut findings = Vec::new();
        let conf = parse(&Place::default(), text.as_bytes(), dialect, &mut findings);
        for section in &conf.sections(&mut findings) {
            conf.effective(&conf.sections(&mut Vec::new()), section);
        }
        // Nothing is passed over: a line is blank, a comment, or of a statement.
        for (line, number) in text.lines().zip(1u32..) {
            let covered = conf.statements.iter().any(|statement| {
                (statement.place.line.unwrap()..=statement.last_line).contains(&number)
            });
            let nothing = line.trim().is_empty() || line.trim_start().starts_with('#');
            prop_assert!(covered || nothing, "{number}: {line:?}");
        }
    }
}
