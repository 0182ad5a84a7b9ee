use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use engine::{AddressPolicy, AddressRule};
use ppp::auth::Check;
use ppp::mschapv2::{self, NtHash};
use ppp::{Exchange, UserName};
use wire::Secret;

use super::*;

fn read(text: &str) -> (ChapSecrets, Vec<String>) {
    let mut findings = Vec::new();
    let file = Place::file(Path::new("users"));
    let users = parse(&file, text.as_bytes(), Rules::default(), &mut findings);
    (users, findings.iter().map(ToString::to_string).collect())
}

fn secret(text: &str, user: &str) -> Option<String> {
    let (users, _) = read(text);
    let record = users.lookup(user.as_bytes(), b"l2tpd")?;
    Some(password(record))
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

/// The rows of the reference that are about words, with what pppd's own reader answers.
#[test]
fn records_as_pppd_reads_them() {
    let any = "*";
    for (file, user, expected) in [
        ("\"bob\" l2tpd \"p w\" *", "bob", Some(("p w", any))),
        (
            "al\\ ice l2tpd pass#word 10.0.0.5",
            "al ice",
            Some(("pass", "")),
        ),
        (
            "dave l2tpd \"quoted#hash\" -",
            "dave",
            Some(("quoted#hash", "-")),
        ),
        ("bob l2tpd p\\#w *", "bob", Some(("p#w", any))),
        ("x#y l2tpd z *", "x#y", None),
        (
            "gina l2tpd gi\"na x\"y 10.1.1.2",
            "gina",
            Some(("gina xy", "10.1.1.2/32")),
        ),
        (
            "CORP\\\\hal l2tpd halpw *",
            "CORP\\hal",
            Some(("halpw", any)),
        ),
        ("ivan l2tpd iv\\x41n\\101 *", "ivan", Some(("ivAnA", any))),
        (
            "carol * 'it\"s' 10.0.0.0/24 !10.0.0.9 -",
            "carol",
            Some(("it\"s", "10.0.0.0/24 !10.0.0.9/32 -")),
        ),
        (
            "erin \"*\" erinany\nerin l2tpd erinbest 10.0.0.7 -- mtu 1200",
            "erin",
            Some(("erinbest", "10.0.0.7/32")),
        ),
        (
            "frank l2tpd \\\n   \"cont inued\" 10.1.1.1",
            "frank",
            Some(("cont inued", "10.1.1.1/32")),
        ),
        (
            "dup l2tpd first 1.1.1.1\ndup l2tpd second 2.2.2.2",
            "dup",
            Some(("first", "1.1.1.1/32")),
        ),
        ("* l2tpd w1 *\nbob * w2 *", "bob", Some(("w2", any))),
        ("bob * w2 *\n* l2tpd w1 *", "bob", Some(("w2", any))),
        ("nosec l2tpd\n* l2tpd wild *", "nosec", Some(("wild", any))),
        ("Bob l2tpd pw *", "bob", None),
        ("bob l2tpd \"a\\\"b\" *", "bob", Some(("a\"b", any))),
        ("bob l2tpd abc\"d\"e\\ f *", "bob", Some(("abcde f", any))),
        ("bob l2tpd \"pw\"* *", "bob", Some(("pw*", any))),
        (
            "bob l2tpd \"multi\nline\" *",
            "bob",
            Some(("multi\nline", any)),
        ),
        ("bob l2tpd pw *\r\n", "bob", Some(("pw", any))),
        ("\\* l2tpd esc *", "anyone", Some(("esc", any))),
        ("bob l2tpd @notabs *", "bob", Some(("@notabs", any))),
        ("\"\" l2tpd \"\" *", "", Some(("", any))),
    ] {
        let (users, _) = read(file);
        let found = users.lookup(user.as_bytes(), b"l2tpd");
        let found = found.map(|record| (password(record), rules(record)));
        let expected = expected.map(|(secret, words)| (secret.to_owned(), words.to_owned()));
        assert_eq!(found, expected, "{file}");
    }
}

fn password(record: &Record) -> String {
    let password = record.secret.password().expect("a password");
    String::from_utf8_lossy(password.expose()).into_owned()
}

fn rules(record: &Record) -> String {
    let word = |rule: &AddressRule| match rule {
        AddressRule::Any => "*".to_owned(),
        AddressRule::Stop => "-".to_owned(),
        AddressRule::Network {
            address,
            prefix,
            permit,
        } => format!("{}{address}/{prefix}", if *permit { "" } else { "!" }),
    };
    let words: Vec<String> = record.terms.addresses.rules().iter().map(word).collect();
    words.join(" ")
}

/// Which address words are rules, and which are skipped with a finding. pppd gives `A/n+` a meaning
/// by the number of its interface, of which there is none here, and looks names up.
#[test]
fn address_words() {
    for (words, expected, skipped) in [
        ("*", "*", 0),
        ("* 10.0.0.6", "*", 0),
        ("- 10.0.0.6", "-", 0),
        ("10.0.0.5 *", "10.0.0.5/32 *", 0),
        ("!10.0.0.6 10.0.0.0/24", "!10.0.0.6/32 10.0.0.0/24", 0),
        ("10.0.0.0/33 10.0.0.6", "10.0.0.6/32", 1),
        ("10.0.0.0/0 10.0.0.0/-1 10.0.0.0/x 10.0.0.0/24x *", "*", 4),
        ("10.0.0.0/24+", "", 1),
        ("10.0.0.99/24+", "", 1),
        ("10.0.0.0/30+", "", 1),
        ("host.example !host.example loopback *", "*", 3),
        ("!* *", "*", 1),
        ("10.0.0.5/32", "10.0.0.5/32", 0),
    ] {
        let (users, findings) = read(&format!("bob l2tpd pw {words}"));
        assert_eq!(rules(&users.records()[0]), expected, "{words}");
        let found = findings.iter().filter(|text| text.contains("is skipped"));
        assert_eq!(found.count(), skipped, "{words}: {findings:?}");
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
        ("127.0.0.1", vec![], vec!["127.0.0.1"]),
    ] {
        let (users, _) = read(&format!("bob l2tpd pw {words}"));
        let policy = &users.records()[0].terms.addresses;
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
        // pppd takes the refused one, and refuses it.
        ("!10.0.0.6 10.0.0.0/24", None),
        ("* 10.0.0.6", None),
        ("- 10.0.0.6", None),
        ("*", None),
        ("10.0.0.5/32", Some("10.0.0.5")),
    ] {
        let (users, _) = read(&format!("bob l2tpd pw {words}"));
        let expected = expected.map(|text| text.parse::<IpAddr>().unwrap());
        let fixed = users.records()[0].terms.addresses.fixed();
        assert_eq!(fixed, expected, "{words}");
    }
}

/// pppd's results for a server that lends 10.1.0.9, and where ours differ, why. What a client wishes
/// for does not count here: pppd takes the wish where the list has several words, but then two
/// clients can wish for the same.
#[test]
fn what_is_offered() {
    let pool = |first: &str| {
        let first: IpAddr = first.parse().unwrap();
        let range = engine::AddressRange::new(first, first).unwrap();
        engine::Pool::new(vec![range], std::collections::BTreeSet::new())
    };
    let none = || engine::Pool::default();
    let lends = || pool("10.1.0.9");
    for (words, mut pool, expected) in [
        ("*", lends(), Some("10.1.0.9")),
        ("10.0.0.5", lends(), Some("10.0.0.5")),
        ("", lends(), None),
        ("-", lends(), None),
        ("- 10.0.0.6", lends(), None),
        ("10.0.0.5 *", lends(), Some("10.1.0.9")),
        ("10.0.0.5 10.0.0.6", lends(), Some("10.0.0.5")),
        ("10.0.0.0/24", lends(), None),
        ("10.0.0.0/24", pool("10.0.0.77"), Some("10.0.0.77")),
        // pppd: 10.0.0.4, the network's address and the number of the interface and one more. Who
        // gets which number depends on who came first, so the word is skipped, with a finding.
        ("10.0.0.0/24+", lends(), None),
        ("10.0.0.99/24+", lends(), None),
        ("10.0.0.0/30+", lends(), None),
        ("!10.0.0.6 *", lends(), Some("10.1.0.9")),
        ("* !10.0.0.6", lends(), Some("10.1.0.9")),
        // pppd: offers the refused address, and refuses it.
        ("!10.0.0.6 10.0.0.0/24", lends(), None),
        ("10.0.0.0/33 10.0.0.6", lends(), Some("10.0.0.6")),
        ("10.0.0.5", none(), Some("10.0.0.5")),
        // pppd: the client has to bring one.
        ("*", none(), None),
    ] {
        let (users, _) = read(&format!("bob l2tpd pw {words}"));
        let policy = &users.records()[0].terms.addresses;
        let offered = pool.allocate(engine::SessionId(1), policy);
        let offered = offered.or_else(|| policy.fixed());
        let expected = expected.map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(offered, expected, "{words}");
    }
}

/// pppd asks one record whether anybody could log in, and if that one permits no address, nobody
/// can. Here the others come in.
#[test]
fn a_record_without_addresses_locks_nobody_else_out() {
    let (users, findings) = read("alice l2tpd pw\nbob l2tpd pw *");
    assert_eq!(users.records().len(), 2);
    assert!(findings[0].contains("alice may have no address"));
    let bob = users.lookup(b"bob", b"l2tpd").unwrap();
    assert!(!bob.terms.addresses.permits_nothing());
}

#[test]
fn secrets_in_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, text: &str, mode: u32| {
        fs::write(path(name), text).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    write("f", "# a comment\n\n \"file secret\" junk\n", 0o600);
    write("lax", "lax", 0o644);
    write("empty", "# nothing\n", 0o600);
    fs::create_dir(path("folder")).unwrap();
    let text = format!(
        "\"bo b\" \"l2 tpd\" @{} *\nlax * \"@{}\" *\nempty * @{} *\nempty * second *\n\
         gone * @{} *\n* * wild *\nfolder * @{} *\n",
        path("f"),
        path("lax"),
        path("empty"),
        path("gone-hunter2"),
        path("folder"),
    );
    let (users, findings) = read(&text);
    let secret = |user: &str| {
        let record = users.lookup(user.as_bytes(), b"l2 tpd").unwrap();
        password(record)
    };
    assert_eq!(secret("bo b"), "file secret");
    assert_eq!(secret("lax"), "lax");
    // What cannot be read does not count; whatever else stands there does.
    assert_eq!(secret("empty"), "second");
    assert_eq!(secret("gone"), "wild");
    assert_eq!(secret("folder"), "wild");
    for (finding, words) in findings.iter().zip([
        "lax: warning: holds secrets, but every user of this host may read it",
        "users:3: warning: the record of empty does not count: the file of its secret is empty",
        "users:5: warning: the record of gone does not count: the file of its secret does not exist",
        "folder: warning: ",
        "users:7: warning: the record of folder does not count: the file of its secret cannot be",
    ]) {
        assert!(finding.contains(words), "{finding}: {words}");
    }
    assert_eq!(findings.len(), 5, "{findings:?}");
    assert!(!findings.join("").contains("hunter2"));
}

#[test]
fn a_file_is_known_to_have_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("users"), folder.path().join("secret"));
    fs::write(&other, "one").unwrap();
    fs::write(&path, format!("bob * @{} *", other.display())).unwrap();
    let load = || load(&path, Rules::default(), &mut Vec::new()).unwrap();
    let users = load();
    assert!(!users.has_changed());
    fs::write(&other, "two").unwrap();
    assert!(users.has_changed());
    let users = load();
    assert!(!users.has_changed());
    fs::remove_file(&other).unwrap();
    let mut users = {
        assert!(users.has_changed());
        load()
    };
    assert!(!users.has_changed());
    fs::write(&path, "bob * pw *").unwrap();
    assert!(users.has_changed());
    users.keep();
    assert!(!users.has_changed());
}

#[test]
fn hashes_and_what_only_looks_like_one() {
    let digits = "8846F7EAEE8FB117AD06BDD830B7586C";
    for (word, is_hash) in [
        (format!("{{nt}}{digits}"), true),
        (format!("{{nt}}{}", digits.to_lowercase()), true),
        (format!("\"{{nt}}{digits}\""), false),
        (format!("{{nt}}\\{digits}"), false),
        (format!("{{nt}}'{digits}'"), false),
        (format!("{{NT}}{digits}"), false),
        (format!("{{nt}}{digits}0"), false),
        (format!("{{nt}}g{}", &digits[1..]), false),
    ] {
        let (users, findings) = read(&format!("bob l2tpd {word} *"));
        let record = users.lookup(b"bob", b"l2tpd").unwrap();
        let expected = NtHash::of(&Secret::from(&b"password"[..]));
        assert_eq!(
            record.secret == Stored::NtHash(expected),
            is_hash,
            "{word}: {findings:?}"
        );
        let doubtful = !is_hash && word.starts_with("{nt}") && !word.contains(['\\', '\'']);
        assert_eq!(
            findings.len(),
            usize::from(doubtful),
            "{word}: {findings:?}"
        );
    }
}

#[test]
fn a_hash_serves_mschapv2_and_pap_but_not_chap() {
    let user = UserName::from("bob");
    let right = Secret::from(&b"password"[..]);
    let stored = Stored::NtHash(NtHash::of(&right));
    let pap = |password: &Secret| {
        let exchange = Exchange::Pap {
            password: password.clone(),
        };
        stored.check(&exchange, &user)
    };
    assert_eq!(pap(&right), Judgement::Compared(Check::Passed(None)));
    let wrong = Secret::from(&b"Password"[..]);
    assert_eq!(pap(&wrong), Judgement::Compared(Check::Failed));
    let challenge = [7; 16];
    let of = |password: &Secret| {
        let peer_challenge = [9; 16];
        let hash = NtHash::of(password);
        let nt_response = mschapv2::nt_response(b"bob", &hash, &challenge, &peer_challenge);
        let exchange = Exchange::MsChapV2 {
            id: 1,
            challenge,
            response: mschapv2::Response {
                peer_challenge,
                nt_response,
                flags: 0,
            },
        };
        stored.check(&exchange, &user)
    };
    assert!(matches!(
        of(&right),
        Judgement::Compared(Check::Passed(Some(_)))
    ));
    assert_eq!(of(&wrong), Judgement::Compared(Check::Failed));
    let chap = Exchange::Chap {
        id: 1,
        challenge: challenge.to_vec(),
        response: [0; 16],
    };
    assert_eq!(stored.check(&chap, &user), Judgement::NeedsPassword);
    assert_eq!(
        Stored::AnyPassword.check(&chap, &user),
        Judgement::Compared(Check::Failed)
    );
}

#[test]
fn pap_secrets_differ_in_what_is_no_password() {
    let text = "ann * \"\" *\nbob * @login *\ncarl * $6$abc$defg *\ndora * pw *\nerin * $5 *\n";
    let read = |any_password| {
        let mut findings = Vec::new();
        let file = Place::file(Path::new("pap"));
        let users = parse(
            &file,
            text.as_bytes(),
            Rules {
                kind: Kind::Pap { any_password },
                ..Rules::default()
            },
            &mut findings,
        );
        let names: Vec<String> = users.records().iter().map(|r| r.user.to_string()).collect();
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        (users, names, findings)
    };
    let (_, names, findings) = read(false);
    assert_eq!(names, ["dora", "erin"]);
    for (finding, words) in findings.iter().zip([
        "pap:1: warning: the secret of ann is empty: in pppd any password would do",
        "pap:2: warning: bob is to be checked against the accounts of this host",
        "pap:3: warning: the secret of carl is a hash of crypt(3)",
    ]) {
        assert!(finding.contains(words), "{finding}");
    }
    assert_eq!(findings.len(), 3, "{findings:?}");
    let (users, names, findings) = read(true);
    assert_eq!(names, ["ann", "dora", "erin"]);
    assert_eq!(users.records()[0].secret, Stored::AnyPassword);
    assert!(findings[0].contains("any password lets ann in"));
    // In chap-secrets they are passwords like others.
    let mut none = Vec::new();
    let users = parse(
        &Place::default(),
        text.as_bytes(),
        Rules::default(),
        &mut none,
    );
    assert_eq!(users.records().len(), 5);
}

#[test]
fn options_of_a_user() {
    let (users, findings) = read(
        "bob l2tpd pw 10.0.0.5 -- mtu 1200 mru 0x500 ms-dns 10.0.0.1 ms-dns 10.0.0.2 \
         ms-dns 10.0.0.3 ms-wins 10.0.0.4 idle 600 maxconnect 3600 ipparam \"of bob\" proxyarp \
         set A=1 set B=x=y set A=2 unset B noproxyarp proxyarp\n",
    );
    assert_eq!(findings, [] as [String; 0]);
    let terms = &users.records()[0].terms;
    let ip = |last| Some([10, 0, 0, last].into());
    let expected = Terms {
        mtu: Some(1200),
        mru: Some(1280),
        dns: Some([ip(2), ip(3)]),
        wins: Some([ip(4), None]),
        idle_timeout: Some(Duration::from_secs(600)),
        session_timeout: Some(Duration::from_secs(3600)),
        ip_param: Some(b"of bob".to_vec()),
        proxy_arp: Some(true),
        variables: vec![
            (b"A".to_vec(), b"1".to_vec()),
            (b"A".to_vec(), b"2".to_vec()),
        ],
        ..Terms::with_addresses(AddressPolicy::only([10, 0, 0, 5].into()))
    };
    assert_eq!(**terms, expected);
    for (options, words) in [
        (
            "lcp-echo-interval 30 mtu 1200",
            "the option \"lcp-echo-interval\" has no effect",
        ),
        ("Passw0rd", "the option after -- has no effect"),
        ("mtu", "the option mtu lacks its value"),
        (
            "mtu 100",
            "the option mtu has no effect: its value is not from 128",
        ),
        ("mtu 70000", "its value is not from 128 to 65535"),
        (
            "idle ten",
            "the option idle has no effect: its value is not a number",
        ),
        ("ms-dns ns.example", "its value is not an IPv4 address"),
        ("set =1", "its value is not NAME=VALUE"),
        ("set A", "its value is not NAME=VALUE"),
    ] {
        let (_, findings) = read(&format!("bob l2tpd pw * -- {options}"));
        assert!(
            matches!(&findings[..], [one] if one.contains(words)),
            "{options}: {findings:?}"
        );
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
         dora l2tpd @/nonexistent/secret *\n\
         erin l2tpd pw * -- mtu 1200 debug\n\
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
    assert_eq!(erin.terms.mtu, Some(1200));
}

#[test]
fn long_secrets_and_names() {
    let (users, findings) = read(&format!(
        "bob l2tpd {} *\n{} l2tpd pw *",
        "x".repeat(300),
        "y".repeat(256)
    ));
    assert_eq!(users.records().len(), 1);
    assert_eq!(password(&users.records()[0]).len(), 256);
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
        parse(&Place::default(), &text, Rules::default(), &mut Vec::new());
    }
}
