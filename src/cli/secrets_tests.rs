use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

fn arguments(extra: &[&str]) -> Connect {
    let all = ["adit", "connect", "vpn.example.org", "--user", "bob"]
        .iter()
        .chain(extra);
    match Cli::try_parse_from(all).unwrap().command {
        Command::Connect(connect) => *connect,
        other => panic!("{other:?}"),
    }
}

fn run(
    extra: &[&str],
    variables: &[(&str, &str)],
    input: &str,
) -> Result<(String, String), Failure> {
    let variable = |name: &str| {
        variables
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| OsString::from(value))
    };
    let from = Surroundings {
        variable: &variable,
        input: &mut input.as_bytes(),
    };
    let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    read(&arguments(extra), Some(IpAddr::from([192, 0, 2, 1])), from)
        .map(|secrets| (text(&secrets.psk), text(&secrets.password)))
}

#[test]
fn the_environment_and_standard_input() {
    let both = [("ADIT_PSK", "k e y"), ("ADIT_PASSWORD", "p\"w")];
    assert_eq!(
        run(&[], &both, "").unwrap(),
        ("k e y".into(), "p\"w".into())
    );
    // What is named on the command line goes before what is inherited.
    let mixed = run(&["--password-file", "-"], &both, "typed in\r\n").unwrap();
    assert_eq!(mixed, ("k e y".into(), "typed in".into()));

    let error = run(&[], &both[1..], "").unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(
        error.to_string(),
        "no key: name its file with --psk-file, or set ADIT_PSK"
    );
    let error = run(&["--psk-file", "-", "--password-file", "-"], &[], "x").unwrap_err();
    assert!(error.to_string().contains("both"), "{error}");
}

fn key(text: &str) -> Result<String, String> {
    run(&["--psk-file", "-"], &[("ADIT_PASSWORD", "x")], text)
        .map(|(key, _)| key)
        .map_err(|error| error.to_string())
}

#[test]
fn keys_bare_or_from_ipsec_secrets() {
    assert_eq!(key("my long key\n"), Ok("my long key".into()));
    assert_eq!(key("a:b\n"), Ok("a:b".into()));
    assert_eq!(key("%any %any : PSK \"the key\"\n"), Ok("the key".into()));
    assert_eq!(key("# one\n\n: PSK \"the key\"\n"), Ok("the key".into()));
    let several = "%any : PSK \"any\"\n10.0.0.1 192.0.2.1 : PSK \"ours\"\n192.0.2.9 : PSK \"no\"\n";
    assert_eq!(key(several), Ok("ours".into()));
    assert_eq!(
        key("192.0.2.9 : PSK \"no\"\n"),
        Err(
            "standard input: error: there is no key for this server (add one for %any %any)".into()
        )
    );
    // Two lines are no key, and no part of them is sent anywhere.
    let error = key("line one\nline two\n").unwrap_err();
    assert!(
        error.starts_with("standard input:1: error: no colon"),
        "{error}"
    );
}

fn password(text: &str) -> Result<String, String> {
    run(&["--password-file", "-"], &[("ADIT_PSK", "x")], text)
        .map(|(_, password)| password)
        .map_err(|error| error.to_string())
}

#[test]
fn passwords_bare_or_from_chap_secrets() {
    assert_eq!(password("secret\n"), Ok("secret".into()));
    assert_eq!(password("two words\n"), Ok("two words".into()));
    assert_eq!(password("with#hash"), Ok("with#hash".into()));
    assert_eq!(
        password("bob l2tpd \"the password\" *\n"),
        Ok("the password".into())
    );
    assert_eq!(password("# users\nann * a *\nbob * b *\n"), Ok("b".into()));
    for (text, expected) in [
        (
            "ann l2tpd hers *\n",
            "the record of another user than \"bob\"",
        ),
        ("ann * hers *\n\nzoe * hers *\n", "there is no user \"bob\""),
        ("\n", "there is no user \"bob\""),
    ] {
        let error = password(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("hers"));
    }
}

#[test]
fn files_that_are_missing_are_named() {
    let error = run(&["--psk-file", "/nonexistent/key"], &[], "").unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error
            .to_string()
            .starts_with("/nonexistent/key: error: there is no such file")
    );
}
