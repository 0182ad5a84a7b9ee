//! What adit writes into files of keys and users, against files that strongSwan, libreswan and pppd
//! have read (`tests/interop/run secrets`): whoever changes the one has to try the other again.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "reads files of the project"
)]

use std::fs;
use std::path::PathBuf;

use adit::compat::chap_secrets::{self, Kind, Rules, write};
use adit::compat::ipsec_secrets::{self, Selector, write_entry};
use adit::diagnostic::Place;

fn file(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop/secrets");
    fs::read(folder.join(name)).expect("a file of the project")
}

/// Lines of words, each word in hexadecimal.
fn given(name: &str) -> Vec<Vec<Vec<u8>>> {
    let text = String::from_utf8(file(name)).expect("hexadecimal");
    let bytes = |word: &str| hex::decode(word).expect("hexadecimal");
    let words = |line: &str| line.split(' ').map(bytes).collect();
    text.lines().map(words).collect()
}

#[test]
fn keys_in_ipsec_secrets() {
    let keys = given("keys").concat();
    let written: String = keys
        .iter()
        .map(|key| write_entry(&[Selector::Any, Selector::Any], key).expect("a key"))
        .map(|line| line.to_string())
        .collect();
    let lines = file("ipsec.secrets");
    assert!(written.as_bytes() == lines, "not what adit writes now");
    let entries = ipsec_secrets::parse(&Place::default_value(), &lines, &mut Vec::new());
    let read: Vec<&[u8]> = entries.iter().map(|entry| entry.secret.expose()).collect();
    assert_eq!(read, keys);
}

#[test]
fn users_in_chap_secrets() {
    let mut written = Vec::new();
    let users = given("users");
    for user in &users {
        assert_eq!(write::check_name(&user[0]), Ok(()));
        assert_eq!(write::check_password(&user[1]), Ok(()));
        written.extend_from_slice(&write::name(&user[0]));
        written.extend_from_slice(b" l2tpd ");
        written.extend_from_slice(&write::quoted(&user[1]));
        written.extend_from_slice(b" *\n");
    }
    let lines = file("chap-secrets");
    assert!(written == lines, "not what adit writes now");
    let rules = Rules {
        kind: Kind::Chap,
        insecure: Default::default(),
    };
    let read = chap_secrets::parse(&Place::default_value(), &lines, rules, &mut Vec::new());
    for user in &users {
        let record = read.lookup(&user[0], b"l2tpd").expect("a record");
        let password = record.secret.password().expect("a password");
        assert_eq!(password.expose(), user[1]);
    }
}
