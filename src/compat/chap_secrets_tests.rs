use super::*;

fn read(text: &str) -> (ChapSecrets, Vec<String>) {
    let mut findings = Vec::new();
    let file = Place::file(Path::new("users"));
    let users = parse(&file, text.as_bytes(), &mut findings);
    (users, findings.iter().map(ToString::to_string).collect())
}

fn secret(text: &str, user: &str) -> Option<String> {
    let (users, _) = read(text);
    let record = users.lookup(user.as_bytes(), b"l2tpd")?;
    Some(String::from_utf8_lossy(record.secret.expose()).into_owned())
}

/// What pppd's own function answers for these files and the server name l2tpd.
#[test]
fn the_record_that_counts() {
    for (file, user, expected) in [
        (r#""bob" l2tpd "p w" *"#, "bob", Some("p w")),
        ("x#y l2tpd z *", "x#y", None),
        (r"CORP\\hal l2tpd halpw *", r"CORP\hal", Some("halpw")),
        (
            "dup l2tpd first 1.1.1.1\ndup l2tpd second 2.2.2.2",
            "dup",
            Some("first"),
        ),
        ("* l2tpd w1 *\nbob * w2 *", "bob", Some("w2")),
        ("bob * w2 *\n* l2tpd w1 *", "bob", Some("w2")),
        (
            "erin \"*\" any\nerin l2tpd best 10.0.0.7",
            "erin",
            Some("best"),
        ),
        ("nosec l2tpd\n* l2tpd wild *", "nosec", Some("wild")),
        ("Bob l2tpd pw *", "bob", None),
        (r"\* l2tpd esc *", "anyone", Some("esc")),
        ("bob l2tpd @notabs *", "bob", Some("@notabs")),
        (r#""" l2tpd "" *"#, "", Some("")),
        ("bob other pw *", "bob", None),
    ] {
        assert_eq!(secret(file, user).as_deref(), expected, "{file}");
    }
}

#[test]
fn addresses_as_pppd_judges_them() {
    // Words, then addresses that are permitted, then addresses that are refused.
    for (words, good, bad) in [
        (
            "*",
            vec!["10.1.0.9"],
            vec!["127.0.0.1", "224.0.0.1", "240.0.0.1", "::1"],
        ),
        ("10.0.0.5", vec!["10.0.0.5"], vec!["10.1.0.9"]),
        ("", vec![], vec!["10.1.0.9"]),
        ("-", vec![], vec!["10.1.0.9"]),
        ("- 10.0.0.6", vec![], vec!["10.0.0.6"]),
        ("10.0.0.5 *", vec!["10.0.0.5", "10.1.0.9"], vec![]),
        (
            "10.0.0.0/24",
            vec!["10.0.0.77", "10.0.0.6"],
            vec!["10.0.1.1"],
        ),
        ("!10.0.0.6 *", vec!["10.1.0.9"], vec!["10.0.0.6"]),
        ("* !10.0.0.6", vec!["10.0.0.6"], vec![]),
        ("!10.0.0.6 10.0.0.0/24", vec!["10.0.0.7"], vec!["10.0.0.6"]),
        ("10.0.0.0/33 10.0.0.6", vec!["10.0.0.6"], vec!["10.0.0.1"]),
        ("0.0.0.0/1", vec!["10.0.0.1"], vec!["192.0.2.1"]),
    ] {
        let (users, _) = read(&format!("bob l2tpd pw {words}"));
        let policy = &users.records()[0].addresses;
        for address in good {
            assert!(
                policy.permits(address.parse().unwrap()),
                "{words}: {address}"
            );
        }
        for address in bad {
            assert!(
                !policy.permits(address.parse().unwrap()),
                "{words}: {address}"
            );
        }
    }
}

#[test]
fn the_fixed_address_is_the_first_single_one_that_is_permitted() {
    for (words, expected) in [
        ("10.0.0.5", Some("10.0.0.5")),
        ("10.0.0.0/24 10.0.0.6", Some("10.0.0.6")),
        ("!10.0.0.6 10.0.0.0/24", None),
        ("* 10.0.0.6", Some("10.0.0.6")),
        ("- 10.0.0.6", None),
        ("*", None),
        ("10.0.0.5/32", Some("10.0.0.5")),
    ] {
        let (users, _) = read(&format!("bob l2tpd pw {words}"));
        let expected = expected.map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(users.records()[0].addresses.fixed(), expected, "{words}");
    }
}

/// Every finding, with its line, in a file where every line but the last has one.
#[test]
fn findings_name_their_lines_and_hide_nothing() {
    let (users, findings) = read(
        "\u{feff}alice l2tpd pw\n\
         nosec l2tpd\n\
         al l2tpd pass#word *\n\
         bob l2tpd pw 10.0.0.0/24+ host.example *\n\
         bob l2tpd again *\n\
         carl l2tpd \"\" *\n\
         dora l2tpd @/root/secret *\n\
         erin l2tpd pw * -- mtu 1200\n\
         fred l2tpd pw *\n\
         gina l2tpd \"open *\n",
    );
    insta::assert_snapshot!(findings.join("\n"));
    let names: Vec<String> = users.records().iter().map(|r| r.user.to_string()).collect();
    assert_eq!(
        names,
        ["alice", "al", "bob", "bob", "carl", "erin", "fred", "gina"]
    );
    let erin = users.lookup_user(b"erin").unwrap();
    assert_eq!(erin.options, [b"mtu".to_vec(), b"1200".to_vec()]);
}

#[test]
fn long_secrets_and_names() {
    let (users, findings) = read(&format!(
        "bob l2tpd {} *\n{} l2tpd pw *",
        "x".repeat(300),
        "y".repeat(256)
    ));
    assert_eq!(users.records().len(), 1);
    assert_eq!(users.records()[0].secret.len(), 256);
    assert_eq!(findings.len(), 2);
    assert!(findings[1].starts_with("users:2: warning: the name of the user is longer"));
}

#[test]
fn secrets_are_not_shown() {
    let (users, findings) = read("bob l2tpd hunter2hunter2 *\ncarl l2tpd hunter2hunter2 -");
    assert!(!format!("{users:?} {findings:?}").contains("hunter2"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read(text: Vec<u8>) {
        parse(&Place::default(), &text, &mut Vec::new());
    }
}
