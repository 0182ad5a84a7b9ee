use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A folder with a configuration and its secrets; messages come back without the folder's name.
fn check(toml: &str, keys: &str, users: &str) -> (Option<Bundle>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("adit.toml", toml);
    write("keys", keys);
    write("users", users);
    write("tunnel", "secret of the tunnel\r\n");
    write("empty", "\n");
    let sources = Sources {
        file: Some(folder.path().join("adit.toml")),
        environment: Vec::new(),
    };
    let (bundle, findings) = Bundle::load(&sources);
    let prefix = format!("{}/", folder.path().display());
    (
        bundle,
        findings
            .iter()
            .map(|f| f.to_string().replace(&prefix, ""))
            .collect(),
    )
}

const FILES: &str = "[ipsec]\nsecrets = \"keys\"\n[ppp]\nsecrets = \"users\"\n";
const KEY: &str = "%any %any : PSK \"a key that is long enough\"\n";

#[test]
fn all_of_it_is_read_relative_to_the_file() {
    let toml = format!("{FILES}[l2tp]\nsecret-file = \"tunnel\"\n");
    let (bundle, findings) = check(&toml, KEY, "bob l2tpd pw *\n");
    assert_eq!(findings, Vec::<String>::new());
    let bundle = bundle.unwrap();
    assert_eq!(bundle.keys.len(), 1);
    assert!(bundle.users.chap.lookup(b"bob", b"l2tpd").is_some());
    assert_eq!(
        bundle.tunnel_secret.unwrap().expose(),
        b"secret of the tunnel"
    );
}

#[test]
fn the_tunnel_secret_is_an_answer_and_no_question() {
    let toml = format!("{FILES}[l2tp]\nsecret-file = \"tunnel\"\n");
    let (bundle, _) = check(&toml, KEY, "bob l2tpd pw *\n");
    let l2tp = crate::settings::engine_config(&bundle.unwrap()).l2tp;
    assert!(l2tp.secret.is_some());
    assert!(!l2tp.challenge, "Windows would not get in");
}

#[test]
fn dead_peers_have_at_least_the_time_that_is_configured() {
    for (timeout, seconds) in [("45s", 50), ("50s", 50), ("1h", 3600)] {
        let toml = format!(
            "[ipsec]\nsecrets = \"keys\"\ndpd-timeout = \"{timeout}\"\n[ppp]\nsecrets = \"users\"\n"
        );
        let (bundle, _) = check(&toml, KEY, "bob l2tpd pw *\n");
        let timing = crate::settings::engine_config(&bundle.unwrap()).ike.timing;
        let time = timing.dpd_interval * u32::from(timing.dpd_tries);
        assert_eq!(time.as_secs(), seconds, "{timeout}");
    }
}

#[test]
fn findings_of_all_files_come_together_and_nothing_is_half_applied() {
    let (bundle, findings) = check(
        &format!("{FILES}mur = 1400\n"),
        "oops\n",
        "bob l2tpd pw\n\
         carl other pw *\n\
         dora l2tpd pw 10.10.1.7\n\
         erin l2tpd pw 10.10.1.7\n\
         fred l2tpd pw 10.10.1.1\n\
         gina l2tpd pw 192.168.0.0/24\n",
    );
    assert!(bundle.is_none());
    insta::assert_snapshot!(findings.join("\n"));
}

/// Each of `words` is in one of the findings.
fn says(findings: &[String], words: &[&str]) {
    for words in words {
        let said = findings.iter().any(|line| line.contains(words));
        assert!(said, "nothing of {words:?} in {findings:#?}");
    }
}

const NAMED: &str = "[[psk]]\nname = \"sales\"\nsecret-file = \"tunnel\"\n";

#[test]
fn keys_with_names_are_read_beside_the_others_or_instead_of_them() {
    let toml = format!("{FILES}{NAMED}users = [\"bob\"]\nfrom = [\"203.0.113.0/24\"]\n");
    let (bundle, findings) = check(&toml, KEY, "bob l2tpd pw *\n");
    assert_eq!(findings, Vec::<String>::new());
    let key = &bundle.unwrap().named_keys[0];
    assert_eq!(key.name, "sales");
    assert_eq!(key.secret.expose(), b"secret of the tunnel");
    assert!(key.names(b"bob") && !key.names(b"ann"));
    assert_eq!(key.from[0].to_string(), "203.0.113.0/24");
    assert_eq!(key.place.line, Some(1));

    let toml = format!("[ipsec]\nsecrets = \"\"\n[ppp]\nsecrets = \"users\"\n{NAMED}");
    let (bundle, findings) = check(&toml, "", "bob l2tpd pw *\n");
    assert_eq!(findings, Vec::<String>::new());
    let bundle = bundle.unwrap();
    assert_eq!((bundle.keys.len(), bundle.named_keys.len()), (0, 1));
}

#[test]
fn what_is_wrong_with_keys_that_have_names() {
    // First what cannot be read at all,
    let toml = format!(
        "{FILES}{NAMED}[[psk]]\nsecret = 7\nusres = [\"bob\"]\n\
         [[psk]]\nname = \"b\"\nsecret = \"x\"\nfrom = [\"here\"]\nusers = [\"\"]\n"
    );
    let (bundle, findings) = check(&toml, KEY, "bob l2tpd pw *\n");
    assert!(bundle.is_none());
    says(
        &findings,
        &[
            "9:10: error: psk.secret: expected a text in quotes",
            "10:1: warning: unknown setting usres in [[psk]]",
            "psk.from: \"here\" is not a network",
            "is no user's name",
        ],
    );

    // then what makes no sense,
    let toml = format!(
        "{FILES}{NAMED}\
         [[psk]]\nname = \"sales\"\nsecret = \"not so long\"\nusers = []\n\
         [[psk]]\nsecret = \"x\"\n\
         [[psk]]\nname = \"a b\"\nsecret = \"x\"\nsecret-file = \"tunnel\"\n\
         [[psk]]\nname = \"nothing\"\n"
    );
    let (bundle, findings) = check(&toml, KEY, "bob l2tpd pw *\n");
    assert!(bundle.is_none());
    says(
        &findings,
        &[
            "there are two keys with the name \"sales\"",
            "\"sales\" has an empty list of users",
            "this [[psk]] has no name",
            "\"a b\" cannot be the name of a key",
            "\"a b\" has both secret-file and secret",
            "\"nothing\" has neither secret-file nor secret",
        ],
    );

    // then the secrets.
    let toml = format!(
        "{FILES}{NAMED}users = [\"bob\", \"ann\", \"x-*\"]\n\
         [[psk]]\nname = \"twin\"\nsecret = \"secret of the tunnel\"\n\
         [[psk]]\nname = \"general\"\nsecret = \"a key that is long enough\"\n\
         [[psk]]\nname = \"short\"\nsecret = \"short\"\nusers = [\"bob\"]\n\
         [[psk]]\nname = \"none\"\nsecret-file = \"none\"\n\
         [[psk]]\nname = \"empty\"\nsecret-file = \"empty\"\n\
         [[psk]]\nname = \"nothing\"\nsecret = \"\"\n"
    );
    let (bundle, findings) = check(&toml, KEY, "bob l2tpd pw *\n");
    assert!(bundle.is_none());
    says(
        &findings,
        &[
            "tunnel:1: warning: \"ann\" of the key \"sales\" is not in the users' file",
            "\"x-*\" of the key \"sales\" fits nobody",
            "the key \"twin\" is the same as the key \"sales\"",
            "the key \"general\" is the same as keys:1",
            "the key \"short\" has 5 bytes",
            "none: error: there is no such file",
            "empty: error: the key \"empty\" is empty",
            "the key \"nothing\" is empty",
        ],
    );
}

#[test]
fn more_keys_than_are_tried_is_a_finding() {
    let lines = |count: u32| -> String {
        let line = |number| format!("%any : PSK \"a key that is long enough {number}\"\n");
        (0..count).map(line).collect()
    };
    let found = |count| {
        let toml = format!("{FILES}{NAMED}");
        let (_, findings) = check(&toml, &lines(count), "bob l2tpd pw *\n");
        let found = findings
            .iter()
            .filter(|line| line.contains("from anywhere"));
        found.cloned().collect::<Vec<_>>()
    };
    assert_eq!(found(255), Vec::<String>::new());
    assert_eq!(
        found(256),
        [
            "keys:256: warning: there are 257 keys for clients from anywhere, and only 256 are \
             tried for each: clients with this key or a later one do not get in (say where \
             clients come from, or let groups share a key)"
        ]
    );
}

#[test]
fn a_secret_among_settings_that_others_may_read_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let toml = format!("{FILES}[[psk]]\nname = \"a\"\nsecret = \"a key of twenty bytes\"\n");
    write("adit.toml", &toml, 0o644);
    write("keys", KEY, 0o600);
    write("users", "bob l2tpd pw *\n", 0o600);
    let sources = Sources {
        file: Some(folder.path().join("adit.toml")),
        environment: Vec::new(),
    };
    let (_, findings) = Bundle::load(&sources);
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains("adit.toml: warning: holds secrets, but every user"));
}

#[test]
fn files_that_are_missing_or_hold_nothing() {
    let (bundle, findings) = check(
        "[ipsec]\nsecrets = \"none\"\n[ppp]\nsecrets = \"nil\"\n",
        "",
        "",
    );
    assert!(bundle.is_none());
    assert_eq!(findings.len(), 2);
    assert!(findings[0].starts_with("none: error: there is no such file"));
    assert!(findings[1].starts_with("nil: error: there is no such file"));

    let toml = format!("{FILES}[l2tp]\nsecret-file = \"empty\"\n");
    let (_, findings) = check(&toml, KEY, "# nobody\n");
    insta::assert_snapshot!(findings.join("\n"));
    let (_, findings) = check(FILES, "# none\n", "bob l2tpd pw *");
    insta::assert_snapshot!(findings.join("\n"));
}
