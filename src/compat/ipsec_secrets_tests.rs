use super::*;

fn read(text: &str) -> (Vec<Entry>, Vec<String>) {
    let mut findings = Vec::new();
    let entries = parse(
        &Place::file(Path::new("keys")),
        text.as_bytes(),
        &mut findings,
    );
    (entries, findings.iter().map(ToString::to_string).collect())
}

/// What strongSwan's own reader makes of these lines, and libreswan's where that one takes more.
#[test]
fn lines_and_their_keys() {
    for (line, selectors, key) in [
        ("%any %any : PSK \"a b#c\"", "%any %any", &b"a b#c"[..]),
        (
            "%any  %any  : PSK \"two blanks\"",
            "%any %any",
            b"two blanks",
        ),
        (": PSK plain", "", b"plain"),
        (
            "1.2.3.4 @gw : PSK 0x0a0B  # trailing",
            "1.2.3.4 @gw",
            b"\x0a\x0b",
        ),
        (": PSK unq#hash # rest", "", b"unq#hash"),
        (": PSK \"q\" trailing garbage", "", b"q"),
        ("carol : PSK 'sing\"le'", "carol", b"sing\"le"),
        ("\"C=CH, O=x\" : PSK 0sYWJj", "C=CH, O=x", b"abc"),
        ("  : PSK \"indented\"", "", b"indented"),
        (": PSK 0x", "", b"0x"),
        (": PSK 0X41", "", b"A"),
        (": PSK \"0x41\"", "", b"0x41"),
        (": PSK \"crlf\"\r", "", b"crlf"),
        (": PSK \"back\\\"", "", b"back\\"),
        ("1.1.1.1: PSK \"x\"", "1.1.1.1", b"x"),
        (":PSK \"x\"", "", b"x"),
        (": PSK\"x\"", "", b"x"),
        (": psk \"x\"", "", b"x"),
        ("%any\t:\tPSK\t\"tabs\"", "%any", b"tabs"),
        ("2001:db8::1 :: : PSK \"six\"", "2001:db8::1 %any", b"six"),
        ("2001:db8:: : PSK \"six\"", "2001:db8::", b"six"),
        (": PSK 0x41_42", "", b"AB"),
        (": PSK 0sYWI=", "", b"ab"),
    ] {
        let (entries, findings) = read(line);
        assert!(
            !findings.iter().any(|f| f.contains("error")),
            "{line}: {findings:?}"
        );
        let entry = &entries[0];
        let words: Vec<String> = entry.selectors.iter().map(ToString::to_string).collect();
        assert_eq!(words.join(" "), selectors, "{line}");
        assert_eq!(entry.secret.expose(), key, "{line}");
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
        ": PSK 0x123\n",
        ": PSK 0s!!!!\n",
        "u1 : XAUTH \"x\"\n",
        "@gw %any : PSK \"a key that is long enough\"\n",
        ": PSK \"another key that is long enough\" oops\n",
        "\"open : PSK x\n",
        ":\n",
        "\tleftover\n",
        "10.0.0.1 %any : PSK \"short\"\n",
    ));
    insta::assert_snapshot!(findings.join("\n"));
    let lines: Vec<u32> = entries
        .iter()
        .filter_map(|entry| entry.place.line)
        .collect();
    assert_eq!(lines, [2, 12, 13, 17]);
}

#[test]
fn base64_is_exact() {
    for (text, bytes) in [
        ("YQ==", &b"a"[..]),
        ("YQ", b"a"),
        ("YWJjZGVm", b"abcdef"),
        ("/+8=", b"\xff\xef"),
    ] {
        assert_eq!(base64(text.as_bytes()).as_deref(), Some(bytes), "{text}");
    }
    for text in ["Y", "YQ===", "Y=Q", "Y Q"] {
        assert_eq!(base64(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let (entries, findings) = read(": PSK \"hunter2\" hunter3\n: PSK 0xhunter\n");
    assert!(!format!("{entries:?} {findings:?}").contains("hunter"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read(text: Vec<u8>) {
        parse(&Place::default(), &text, &mut Vec::new());
    }

    /// What is quoted comes back byte for byte.
    #[test]
    fn quoted_keys_come_back(key in "[^\"\n\r]{1,64}") {
        let (entries, _) = read(&format!("%any %any : PSK \"{key}\"\n"));
        assert_eq!(entries[0].secret.expose(), key.as_bytes());
    }
}
