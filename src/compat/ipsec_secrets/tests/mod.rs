use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

mod dialects;
mod models;

fn read_bytes(text: &[u8]) -> (Vec<Entry>, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let entries = parse(&Place::file(Path::new("keys")), text, &mut findings);
    (entries, findings)
}

fn read(text: &str) -> (Vec<Entry>, Vec<String>) {
    let (entries, findings) = read_bytes(text.as_bytes());
    (entries, findings.iter().map(ToString::to_string).collect())
}

fn words(entry: &Entry) -> String {
    let words: Vec<String> = entry.selectors.iter().map(ToString::to_string).collect();
    words.join(" ")
}

/// What is neither in the vectors of strongSwan nor a matter of dispute.
#[test]
fn lines_and_their_keys() {
    for (line, selectors, key) in [
        (
            "%any  %any  : PSK \"two blanks\"",
            "%any %any",
            &b"two blanks"[..],
        ),
        ("carol : PSK 'sing\"le'", "carol", b"sing\"le"),
        (": PSK \"0x41\"", "", b"0x41"),
        (": PSK \"back\\\"", "", b"back\\"),
        (": PSK `back`", "", b"`back`"),
        ("`a b` c : PSK \"k\"", "a b c", b"k"),
        ("%any\t:\tPSK\t\"tabs\"", "%any", b"tabs"),
        ("2001:db8::1 :: : PSK \"six\"", "2001:db8::1 %any", b"six"),
        ("2001:db8:: : PSK \"six\"", "2001:db8::", b"six"),
        (
            "%any: psk 0t to the end # of it  ",
            "%any",
            b" to the end # of it",
        ),
        (": PSK 0t", "", b"0t"),
        (": PSK 0x41_42", "", b"AB"),
        (": PSK 0x41:42", "", b"AB"),
        (": PSK 0x141", "", b"\x01A"),
        (": PSK 0sYWI=", "", b"ab"),
        (": PSK 0SYWJj", "", b"abc"),
        (": PSK 0s", "", b"0s"),
        (": PSK \"k\"#x", "", b"k"),
        (
            "10.0.0.0/8 10.1.1.1-10.1.1.9 : PSK k",
            "10.0.0.0/8 10.1.1.1-10.1.1.9",
            b"k",
        ),
    ] {
        let (entries, findings) = read(line);
        assert!(
            !findings.iter().any(|f| f.contains("error")),
            "{line}: {findings:?}"
        );
        assert_eq!(words(&entries[0]), selectors, "{line}");
        assert_eq!(entries[0].secret.expose(), key, "{line}");
    }
}

/// Every kind of bad line, each with its finding, and the good lines among them.
#[test]
fn findings_name_their_lines_and_hide_nothing() {
    let (entries, findings) = read(concat!(
        "# comment\n",
        ": PSK \"a key that is long enough\"\n",
        "include /etc/ipsec.d/*.secrets\n",
        ": PSK \"unterminated\n",
        ": PSK\n",
        "a : b : PSK \"c\"\n",
        "just words\n",
        ": PSK \"\"\n",
        ": PSK 0x12g4\n",
        ": PSK 0s!!!!\n",
        "u1 : XAUTH \"x\"\n",
        "@gw %any : PSK \"a key that is long enough\"\n",
        ": PSK \"another key that is long enough\" oops\n",
        "\"open : PSK x\n",
        ":\n",
        "\tleftover\n",
        "10.0.0.1 %any : PSK \"short\"\n",
        "10.0.0.0/8 : PSK \"the key of a whole network\"\n",
        "gw.example.org 10.0.0.2/32 : PSK \"the key of a name and a host\"\n",
        ": PSK # not yet\n",
        "include\n",
    ));
    insta::assert_snapshot!(findings.join("\n"));
    let lines: Vec<u32> = entries
        .iter()
        .filter_map(|entry| entry.place.line)
        .collect();
    assert_eq!(lines, [2, 12, 13, 17, 18, 19]);
}

/// An indented line is joined to an entry that ended too early; else it is one of its own.
#[test]
fn indented_lines() {
    const KEY: &str = "\"a key that is long enough\"";
    for (text, expected) in [
        ("%any :\n  PSK\n\t\"k\"\n", &[(1, "%any", "k")][..]),
        ("192.0.2.1\n  : PSK \"k\"\n", &[(1, "192.0.2.1", "k")]),
        (
            "192.0.2.1 # us\n\n# them\n  %any : PSK \"k\"\n",
            &[(1, "192.0.2.1 %any", "k")],
        ),
        // Both are whole: two entries, as strongSwan has it.
        (
            "%any : PSK \"k\"\n  @a : PSK \"l\"\n",
            &[(1, "%any", "k"), (2, "@a", "l")],
        ),
        // Joined it would be a key with something behind it.
        (": PSK\n  @a : PSK \"l\"\n", &[(2, "@a", "l")]),
        // A bad line below an entry does not take it along.
        ("%any : PSK \"k\"\n  junk\n", &[(1, "%any", "k")]),
        (
            "%any : PSK\n  0tto the end\n: PSK \"m\"\n",
            &[(1, "%any", "to the end"), (3, "", "m")],
        ),
        // The fields of a key in braces belong to it.
        (
            ": RSA {\n  Modulus: 0x0a\n  }\n: PSK \"m\"\n",
            &[(4, "", "m")],
        ),
    ] {
        let (entries, _) = read(text);
        let found: Vec<(u32, String, String)> = entries
            .iter()
            .map(|entry| {
                let key = String::from_utf8_lossy(entry.secret.expose());
                (entry.place.line.unwrap(), words(entry), key.into_owned())
            })
            .collect();
        let found: Vec<(u32, &str, &str)> = found
            .iter()
            .map(|(line, words, key)| (*line, &**words, &**key))
            .collect();
        assert_eq!(found, expected, "{text}");
    }
    let (_, findings) = read(&format!("%any : PSK {KEY}\n  junk\n"));
    assert!(
        findings
            .iter()
            .any(|f| f.starts_with("keys:2: error: no colon")),
        "{findings:?}"
    );
    let (_, findings) = read(": RSA {\n  Modulus: 0x0a\n  }\n");
    assert_eq!(findings.len(), 1, "{findings:?}");
}

/// A folder of files; findings come back without its name.
fn load_files(files: &[(&str, &str)], mode: u32) -> (Option<Vec<Entry>>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(
            &path,
            text.replace("FOLDER", &folder.path().display().to_string()),
        )
        .unwrap();
        let mode = if *name == "keys" { 0o600 } else { mode };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut findings = Vec::new();
    let path = folder.path().join("keys");
    let mut entries = load(&path, InsecurePermissions::Refuse, &mut findings);
    let prefix = format!("{}/", folder.path().display());
    for entry in entries.iter_mut().flatten() {
        entry.place.file = entry.place.file.replace(&prefix, "");
    }
    let findings = findings.iter().map(|f| f.to_string().replace(&prefix, ""));
    (entries, findings.collect())
}

fn places(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| entry.place.to_string())
        .collect()
}

#[test]
fn included_files_stand_where_they_are_included() {
    let (entries, findings) = load_files(
        &[
            (
                "keys",
                "@a : PSK \"a key that is long enough 1\"\n\
                 include more.d/*.secrets\n\
                 include FOLDER/other # the rest\n\
                 include nothing.d/*.secrets\n\
                 include missing\n\
                 @z : PSK \"a key that is long enough 2\"\n",
            ),
            (
                "more.d/2.secrets",
                "\n@c : PSK \"a key that is long enough 3\"\n",
            ),
            (
                "more.d/1.secrets",
                "@b : PSK \"a key that is long enough 4\"\ninclude deeper\n",
            ),
            ("more.d/deeper", "include ../keys\n%any : PSK oops \"\n"),
            ("more.d/.3.secrets", "this is not read\n"),
            (
                "other",
                "include more.d/1.secrets\n%any : PSK \"a key that is long enough 5\"\n",
            ),
        ],
        0o600,
    );
    assert_eq!(
        places(&entries.unwrap()),
        [
            "keys:1",
            "more.d/1.secrets:1",
            "more.d/deeper:2",
            "more.d/2.secrets:2",
            "other:2",
            "keys:6"
        ]
    );
    let not_about_names = |finding: &&String| !finding.contains("is not an address");
    let findings: Vec<&str> = findings
        .iter()
        .filter(not_about_names)
        .map(|f| &**f)
        .collect();
    insta::assert_snapshot!(findings.join("\n"));
}

#[test]
fn included_files_are_guarded_like_the_first() {
    let files = [
        ("keys", "include more\n"),
        ("more", ": PSK \"a key that is long enough\"\n"),
    ];
    let (entries, findings) = load_files(&files, 0o644);
    assert_eq!(places(&entries.unwrap()), ["more:1"]);
    assert!(
        findings[0].starts_with("more: warning: holds secrets"),
        "{findings:?}"
    );
    let (entries, findings) = load_files(&files, 0o666);
    assert_eq!(places(&entries.unwrap()), [] as [String; 0]);
    assert!(
        findings[0].starts_with("more: error: holds secrets"),
        "{findings:?}"
    );
}

#[test]
fn includes_come_to_an_end() {
    let texts: Vec<(String, String)> = (0..14)
        .map(|n| {
            (
                format!("{n}"),
                format!("include {}\n@k{n} : PSK k{n}\n", n + 1),
            )
        })
        .collect();
    let mut files = vec![("keys", "include 0\n")];
    files.extend(texts.iter().map(|(name, text)| (&**name, &**text)));
    let (entries, findings) = load_files(&files, 0o600);
    assert_eq!(entries.unwrap().len(), 9);
    assert!(
        findings
            .iter()
            .any(|f| f.starts_with("8:1: warning: 9 is not read: includes are nested")),
        "{findings:?}"
    );
}

#[test]
fn a_pipe_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let mut findings = Vec::new();
    let path = folder.path().join("keys");
    let entries = parse_file(
        &path,
        b"include pipe\n",
        InsecurePermissions::Refuse,
        &mut findings,
    );
    assert!(entries.is_empty());
    assert!(
        findings[0].to_string().contains("it is no regular file"),
        "{findings:?}"
    );
}

#[test]
fn secrets_are_not_shown() {
    let (entries, findings) =
        read(": PSK \"hunter2\" hunter3\n: PSK 0xhunter\n: hunter4\nx: PSK\n hunter5\n");
    assert!(!format!("{entries:?} {findings:?}").contains("hunter"));
}

/// Files as deployed read without loss.
#[test]
fn deployed_files() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");
    let root = std::env::var("ADIT_SHARED").unwrap_or_else(|_| beside.to_owned());
    let path = format!("{root}/data/configs/l2tp-strongswan-xl2tpd/ipsec.secrets");
    let Ok(text) = fs::read(&path) else {
        eprintln!("skipped: no ADIT_SHARED data");
        return;
    };
    let (entries, findings) = read_bytes(&text);
    assert!(!crate::diagnostic::any_error(&findings), "{findings:?}");
    let count = text.windows(4).filter(|window| window == b"PSK ").count();
    assert_eq!(entries.len(), count);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read(text: Vec<u8>) {
        read_bytes(&text);
    }

    /// Nothing vanishes: every line is in an entry, a comment, blank, followed, or has a finding.
    #[test]
    fn every_line_is_accounted_for(text in dialects::file()) {
        let (entries, findings) = read_bytes(&text);
        let all = records(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text));
        for (line, number) in text.split(|byte| *byte == b'\n').zip(1u32..) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if matches!(line::trim(line), [] | [b'#', ..]) {
                continue;
            }
            let record = all.iter().find(|record| (record.line..=record.last).contains(&number));
            let first = record.map(|record| record.line);
            let entry = entries.iter().any(|entry| entry.place.line == first);
            let told = findings.iter().any(|finding| finding.place.line == first);
            assert!(first.is_some() && (entry || told), "line {number}");
        }
    }
}
