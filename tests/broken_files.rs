//! Forty files with one mistake each, as operators make them: `adit check` finds each of them, says
//! in which line it is, and nothing else.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "runs the program on files in a folder of its own"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const TOML: &str = "adit.toml";
const KEYS: &str = "ipsec.secrets";
const USERS: &str = "chap-secrets";

/// The three files without a mistake.
const SOUND: [(&str, &str); 3] = [
    (
        TOML,
        "[ipsec]\nsecrets = \"ipsec.secrets\"\n[ppp]\nsecrets = \"chap-secrets\"\n",
    ),
    (
        KEYS,
        "%any %any : PSK \"a key of more than twenty bytes\"\n",
    ),
    (USERS, "\"alice\" l2tpd \"wonderland\" *\n"),
];

/// Which file, what is added to it, in which line of the whole the mistake is, and what is said.
const BROKEN: [(&str, &str, u32, &str); 40] = [
    (TOML, "[pool\n", 5, "error: unclosed table"),
    (
        TOML,
        "[pool]\nlocal = 10.10.1.1\n",
        6,
        "write \"10.10.1.1\", in quotes",
    ),
    (TOML, "[pool]\nlocal = \"10.10.1.1\n", 6, "error: "),
    (TOML, "[ppp]\nmru = 1300\n", 5, "error: duplicate key"),
    (
        TOML,
        "[pol]\nlocal = \"10.10.1.1\"\n",
        5,
        "did you mean [pool]?",
    ),
    (
        TOML,
        "[pool]\nlokal = \"10.10.1.1\"\n",
        6,
        "did you mean local?",
    ),
    (
        TOML,
        "[pool]\nlocal = \"10.10.1.1111\"\n",
        6,
        "is not an IP address",
    ),
    (
        TOML,
        "[pool]\nranges = [\n  \"10.10.1.2-10.10.1.100\",\n  \"10.10.1.300\",\n]\n",
        8,
        "\"10.10.1.300\" is not an address",
    ),
    (
        TOML,
        "[pool]\nranges = [\"10.10.1.9-10.10.1.2\"]\n",
        6,
        "ends (10.10.1.2) before it begins",
    ),
    (
        TOML,
        "[pool]\nlocal = \"10.10.1.5\"\n",
        6,
        "holds the server's own address",
    ),
    (TOML, "[pool]\nranges = []\n", 6, "no addresses to lend"),
    (
        TOML,
        "[tun]\nname = \"a-name-of-sixteen\"\n",
        6,
        "Linux takes 15",
    ),
    (
        TOML,
        "[tun]\nmtu = 100000\n",
        6,
        "a whole number from 0 to 65535",
    ),
    (
        TOML,
        "[tun]\nmode = \"per-client\"\n",
        6,
        "expected `shared` or `per-session`",
    ),
    (TOML, "[listen]\nike-port = 0\n", 6, "0 is no port"),
    (
        TOML,
        "[listen]\naddresses = []\n",
        6,
        "nothing to listen on",
    ),
    (TOML, "[ipsec.legacy]\nandroid = true\n", 5, "error: "),
    (
        TOML,
        "authentication = [\"mschap-v3\"]\n",
        5,
        "is not a way to authenticate",
    ),
    (
        TOML,
        "dns = [\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\"]\n",
        5,
        "IPCP can give only two",
    ),
    (TOML, "mru = 70\n", 5, "70 is below 576"),
    (
        TOML,
        "[clients]\nroutes = [\"10.0.0.1/8\"]\n",
        6,
        "did you mean \"10.0.0.0/8\"?",
    ),
    (
        TOML,
        "[clients]\non-limit = \"ask\"\n",
        6,
        "expected `replace` or `refuse`",
    ),
    (
        TOML,
        "[control]\nmode = \"999\"\n",
        6,
        "not a file mode in octal",
    ),
    (TOML, "[log]\nlevel = \"loud\"\n", 6, "is not a level"),
    (
        TOML,
        "[l2tp]\nhide-avps = true\n",
        6,
        "needs a secret that both sides know",
    ),
    (
        TOML,
        "[scripts]\nip-up = \"missing\"\n",
        6,
        "there is no such file",
    ),
    (
        TOML,
        "[[psk]]\nname = \"sales\"\n",
        5,
        "neither secret-file nor secret",
    ),
    (
        TOML,
        "[[psk]]\nname = \"sales\"\nsecret = \"short\"\n",
        5,
        "under 20 it can be guessed",
    ),
    (
        TOML,
        "[[psk]]\nname = \"sales\"\nsecret = \"a key of its own, long enough\"\nusers = [\"bob\"]\n",
        5,
        "\"bob\" of the key \"sales\" is not in the users' file",
    ),
    (
        KEYS,
        "%any : PSK \"unterminated\n",
        2,
        "quote around the key is not closed",
    ),
    (KEYS, "%any : PSK\n", 2, "no key after PSK"),
    (KEYS, "%any : PSK \"\"\n", 2, "the key is empty"),
    (KEYS, "%any : PSK 0xzz\n", 2, "error: "),
    (KEYS, ": RSA server.key\n", 2, "of type RSA is not used"),
    (
        KEYS,
        "%any \"a key, but no colon before it\"\n",
        2,
        "no colon between the parties and the key",
    ),
    (USERS, "bob l2tpd\n", 2, "only 2 of the three words"),
    (USERS, "bob l2tpd secret\n", 2, "may have no address"),
    (USERS, "alice l2tpd again *\n", 2, "is in line 1 already"),
    (
        USERS,
        "bob l2tpd secret 10.10.1.1\n",
        2,
        "is the server's own",
    ),
    (
        USERS,
        "bob l2tpd one 10.10.9.9\ncarol l2tpd two 10.10.9.9\n",
        3,
        "is fixed for another user in chap-secrets:2",
    ),
];

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The findings of `adit check`, and its exit code.
fn check(folder: &Path) -> (Vec<String>, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_adit"))
        .args(["check", "--config", TOML])
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let summary = lines.pop().unwrap();
    assert!(summary.starts_with("adit.toml: "), "{summary}");
    (lines, output.status.code().unwrap())
}

#[test]
fn every_mistake_is_found_with_its_line_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (file, addition, line, words) in BROKEN {
        for (name, text) in SOUND {
            let addition = if name == file { addition } else { "" };
            write(folder.path(), name, &format!("{text}{addition}"));
        }
        let (findings, code) = check(folder.path());
        let place = format!("{file}:{line}:");
        let right = match findings.as_slice() {
            [finding] => {
                let expected = if finding.contains(" error: ") { 2 } else { 0 };
                finding.starts_with(&place) && finding.contains(words) && code == expected
            }
            _ => false,
        };
        if !right {
            wrong.push(format!("{addition:?}: exit {code}, {findings:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sound_files_have_no_findings() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in SOUND {
        write(folder.path(), name, text);
    }
    assert_eq!(check(folder.path()), (Vec::new(), 0));
}
