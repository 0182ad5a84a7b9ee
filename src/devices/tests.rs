use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use clap::ValueEnum as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use rand_core::SeedableRng as _;

use super::quoting::{base64, is_powershell_quote, list_value};
use super::*;
use crate::config::Sources;
use crate::config::{Authentication, Bundle};

fn rng() -> wire::Rng {
    wire::Rng::from_seed([3; 32])
}

fn account(user: &str, key: &str, password: &str) -> Account {
    Account {
        server: "vpn.example.org".to_owned(),
        user: user.to_owned(),
        key: Some(Zeroizing::new(key.to_owned())),
        password: Some(Zeroizing::new(password.to_owned())),
        authentication: vec![Authentication::MschapV2],
        ..Account::default()
    }
}

/// What every text is for the account, with a split tunnel, with and without secrets.
#[test]
fn the_text_for_each_device() {
    let with = Account {
        routes: vec![
            "10.0.0.0/8".parse().unwrap(),
            "192.168.7.0/24".parse().unwrap(),
        ],
        domain: "corp.example".to_owned(),
        ..account("alice", "it's a, key \\", "<pass> & word")
    };
    let without = Account {
        key: None,
        password: None,
        ..with.clone()
    };
    let mut all = String::new();
    for device in Device::value_variants() {
        for (words, account) in [("with", &with), ("without", &without)] {
            let text = text(*device, account, &mut rng()).unwrap();
            all.push_str(&format!("--- {device:?} {words} secrets\n{}", *text));
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn nothing_secret_is_in_a_text_without_secrets() {
    assert!(!format!("{:?}", account("a", "KEY", "WORD")).contains("KEY"));
    let account = Account {
        key: None,
        password: None,
        ..account("alice", "", "")
    };
    for device in Device::value_variants() {
        let text = text(*device, &account, &mut rng()).unwrap();
        assert!(!text.contains("SharedSecret</key>") && !text.contains("AuthPassword"));
        assert!(!text.contains("vpn.secrets") && !text.contains("#   Password"));
    }
}

/// What PowerShell makes of a word in single quotes (its tokenizer's ScanStringLiteral); none if
/// it ends before the word does, or not at all.
fn powershell_reads(word: &str) -> Option<String> {
    let mut characters = word.chars();
    characters.next().filter(|c| is_powershell_quote(*c))?;
    let mut text = String::new();
    let mut rest = characters.peekable();
    while let Some(c) = rest.next() {
        if is_powershell_quote(c) && rest.next_if(|next| is_powershell_quote(*next)).is_none() {
            return rest.next().is_none().then_some(text);
        }
        text.push(c);
    }
    None
}

/// The arguments that programs get from these lines, when a real sh runs them: `nmcli` writes its
/// own down, and nothing else of the lines counts.
fn run_sh(lines: &str, input: &str) -> Vec<String> {
    let script = format!(
        "nmcli() {{ [ \"$1\" = --ask ] || for word; do printf '%s\\0' \"$word\"; done; }}\n\
         stty() {{ :; }}\n{lines}"
    );
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script}");
    let text = String::from_utf8(output.stdout).unwrap();
    // What the question for the key has printed stands before the first word.
    let at = text.find("connection\0").unwrap();
    text[at..]
        .split_terminator('\0')
        .map(str::to_owned)
        .collect()
}

/// How nmcli takes `key=value, key=value` apart: commas and blanks at the ends count unless a
/// backslash is before them, and the first `=` ends a key.
fn nmcli_reads(list: &str) -> BTreeMap<String, String> {
    let mut items = Vec::new();
    let mut item: Vec<(char, bool)> = Vec::new();
    let mut rest = list.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                let next = rest.next().unwrap();
                assert!(matches!(next, '\\' | ',') || next.is_ascii_whitespace());
                item.push((next, true));
            }
            ',' => items.push(std::mem::take(&mut item)),
            c => item.push((c, false)),
        }
    }
    items.push(item);
    let trimmed = |mut part: &[(char, bool)]| {
        let blank = |(c, escaped): &(char, bool)| c.is_ascii_whitespace() && !escaped;
        while part.first().is_some_and(blank) {
            part = &part[1..];
        }
        while part.last().is_some_and(blank) {
            part = &part[..part.len() - 1];
        }
        part.iter().map(|(c, _)| *c).collect::<String>()
    };
    items
        .iter()
        .map(|item| {
            let equals = item.iter().position(|c| *c == ('=', false)).unwrap();
            (trimmed(&item[..equals]), trimmed(&item[equals + 1..]))
        })
        .collect()
}

fn argument<'a>(arguments: &'a [String], name: &str) -> &'a str {
    let at = arguments.iter().position(|word| word == name).unwrap();
    &arguments[at + 1]
}

/// The key as the plug-in takes it.
fn is_key(value: &str, key: &str) -> bool {
    match value.strip_prefix("0s") {
        Some(encoded) => encoded == base64(key.as_bytes()),
        None => value == key,
    }
}

/// Text with much of what is special somewhere.
fn awkward() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ \t,\\\\='\"$`#;&|<>*?~!(){}a-z\u{2018}-\u{201b}\u{e4}\u{1f511}-]{1,24}",
        "\\PC{1,24}",
        "0s[a-zA-Z0-9+/]{4,8}",
    ]
}

proptest! {
    #[test]
    fn powershell_reads_what_was_meant(text: String) {
        prop_assert_eq!(powershell_reads(&powershell(&text)), Some(text));
    }

    #[test]
    fn nmcli_reads_what_was_meant(text in "[^\0]{0,20}") {
        let list = format!("a={}, b=1", list_value(&text));
        prop_assert_eq!(&nmcli_reads(&list)["a"], &text);
    }
}

proptest! {
    // Each case is a process.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_real_shell_hands_nmcli_what_was_meant(
        user in awkward(), key in awkward(), password in awkward()
    ) {
        let account = account(&user, &key, &password);
        let arguments = run_sh(&linux::lines(&account), "");
        let data = nmcli_reads(argument(&arguments, "vpn.data"));
        prop_assert_eq!(&data["gateway"], "vpn.example.org");
        prop_assert_eq!(&data["user"], &user);
        prop_assert!(is_key(&data["ipsec-psk"], &key), "{}", data["ipsec-psk"]);
        let secrets = nmcli_reads(argument(&arguments, "vpn.secrets"));
        prop_assert_eq!(&secrets["password"], &password);
        prop_assert_eq!(data.len() + secrets.len(), 6);
    }

    #[test]
    fn a_key_that_is_typed_in_arrives_too(user in awkward(), key in awkward()) {
        let account = Account { key: None, password: None, ..account(&user, "", "") };
        let arguments = run_sh(&linux::lines(&account), &format!("{key}\n"));
        let data = nmcli_reads(argument(&arguments, "vpn.data"));
        prop_assert_eq!(&data["user"], &user);
        prop_assert!(is_key(&data["ipsec-psk"], &key), "{}", data["ipsec-psk"]);
    }
}

/// Python's reader of property lists, and what it finds in the profiles; none if it is not here.
fn plistlib(profiles: &[String]) -> Option<serde_json::Value> {
    let program = "
import json, plistlib, sys
found = []
for text in json.load(sys.stdin):
    profile = plistlib.loads(text.encode())
    vpn, = profile['PayloadContent']
    ipsec, ppp = vpn['IPSec'], vpn['PPP']
    found.append([profile['PayloadType'], vpn['PayloadType'], vpn['VPNType'],
        profile['PayloadUUID'] != vpn['PayloadUUID'], ppp['AuthName'], ppp.get('AuthPassword'),
        ppp['CommRemoteAddress'], ipsec['AuthenticationMethod'],
        ipsec['SharedSecret'].decode() if 'SharedSecret' in ipsec else None,
        vpn['IPv4']['OverridePrimary']])
json.dump(found, sys.stdout)
";
    let mut child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    serde_json::to_writer(&mut stdin, profiles).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn a_real_reader_finds_in_profiles_what_was_meant() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut draw = || {
        awkward()
            .new_tree(&mut runner)
            .unwrap()
            .current()
            .replace('\t', "")
    };
    let accounts: Vec<Account> = (0..200)
        .map(|number| match number {
            0 => account("a]]>b", "&amp;", "<!--"),
            _ => account(&draw(), &draw(), &draw()),
        })
        .collect();
    let profile = |account: &Account| apple::profile(account, &mut rng()).unwrap().to_string();
    let profiles: Vec<String> = accounts.iter().map(profile).collect();
    let Some(found) = plistlib(&profiles) else {
        println!("skipped: no python3");
        return;
    };
    for (account, found) in accounts.iter().zip(found.as_array().unwrap()) {
        let text = |secret: &Option<Zeroizing<String>>| secret.as_deref().cloned().unwrap();
        assert_eq!(
            *found,
            serde_json::json!([
                "Configuration",
                "com.apple.vpn.managed",
                "L2TP",
                true,
                account.user,
                text(&account.password),
                account.server,
                "SharedSecret",
                text(&account.key),
                1
            ])
        );
    }
}

#[test]
fn what_xml_cannot_hold_is_refused() {
    let error = apple::profile(&account("a\u{1}", "k", "p"), &mut rng()).unwrap_err();
    assert!(error.contains("the name of the user"), "{error}");
}

#[test]
fn base64_of_rfc_4648() {
    for (text, encoded) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foobar", "Zm9vYmFy"),
        ("\u{3ff}\u{3fe}", "z7/Pvg=="),
    ] {
        assert_eq!(base64(text.as_bytes()), encoded);
    }
}

/// Loads a configuration of these files.
fn bundle(settings: &str, keys: &str, users: &str) -> Bundle {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    let own = "[ipsec]\nsecrets = \"keys\"\n[ppp]\nsecrets = \"users\"\n";
    write("adit.toml", &format!("{own}{settings}"));
    write("keys", keys);
    write("users", users);
    let sources = Sources {
        file: Some(folder.path().join("adit.toml")),
        environment: Vec::new(),
    };
    let (bundle, findings) = Bundle::load(&sources);
    bundle.unwrap_or_else(|| panic!("{findings:?}"))
}

#[test]
fn a_user_has_the_own_key_or_that_of_everybody() {
    let bundle = bundle(
        "[[psk]]\nname = \"sales\"\nsecret = \"key of the salespeople\"\nusers = [\"sales-*\"]\n\
         [[psk]]\nname = \"bob\"\nsecret = \"key of sales-bob alone\"\nusers = [\"sales-bob\"]\n\
         [[psk]]\nname = \"office\"\nsecret = \"key of one network\"\nusers = [\"ann\"]\n\
         from = [\"203.0.113.0/24\"]\n",
        "192.0.2.1 : PSK \"key of one address only\"\n%any : PSK \"key of everybody there is\"\n",
        "sales-ann * \"her password\" *\nsales-bob * \"his password\" *\nann * pw *\n",
    );
    let of = |user| Account::of_user(&bundle, user, "vpn", true).unwrap();
    let key = |user| of(user).key.unwrap().to_string();
    assert_eq!(key("sales-ann"), "key of the salespeople");
    assert_eq!(key("sales-bob"), "key of sales-bob alone");
    assert_eq!(key("ann"), "key of everybody there is");
    assert_eq!(of("sales-bob").password.unwrap().as_str(), "his password");
    let hidden = Account::of_user(&bundle, "ann", "vpn", false).unwrap();
    assert!(hidden.key.is_none() && hidden.password.is_none());
    let failure = Account::of_user(&bundle, "nobody", "vpn", false).unwrap_err();
    assert_eq!(failure.exit_code(), 2);
    assert!(
        failure
            .to_string()
            .starts_with("there is no user \"nobody\""),
        "{failure}"
    );
}

#[test]
fn a_user_without_a_key_is_told_so() {
    let bundle = bundle(
        "",
        "192.0.2.1 : PSK \"key of one address only\"\n",
        "ann * pw *\n",
    );
    let failure = Account::of_user(&bundle, "ann", "vpn", true).unwrap_err();
    assert!(
        failure.to_string().contains("no pre-shared key"),
        "{failure}"
    );
    Account::of_user(&bundle, "ann", "vpn", false).unwrap();
}
