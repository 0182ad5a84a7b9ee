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
    assert!(bundle.users.lookup(b"bob", b"l2tpd").is_some());
    assert_eq!(
        bundle.tunnel_secret.unwrap().expose(),
        b"secret of the tunnel"
    );
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
