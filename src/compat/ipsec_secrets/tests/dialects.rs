//! The same line in three programs.

use proptest::prelude::*;

use super::super::{Selector, write_entry};
use super::models::{self, libreswan, strongswan};
use super::{read, read_bytes, words};

/// What a line comes to in strongSwan.
enum Result {
    /// These words and this key, here as there.
    Same(&'static str, &'static [u8]),
    /// It stops. Here it is an error too.
    Error,
    /// It differs; here it is an error, for this reason.
    RefusedHere(&'static str),
    /// It stops; here it is these words and this key, for this reason.
    TakenHere(&'static str, &'static [u8], &'static str),
    /// It is a secret of another type, which is of no use here.
    OtherType,
}

/// The vectors that were run through strongSwan's own reader.
#[test]
fn vectors_of_strongswan() {
    use Result::{Error, OtherType, RefusedHere, Same, TakenHere};
    const LIBRESWAN: &str = "libreswan takes it";
    for (line, result) in [
        ("%any %any : PSK \"a b#c\"", Same("%any %any", b"a b#c")),
        (": PSK plain", Same("", b"plain")),
        (
            "1.2.3.4 @gw : PSK 0x0a0B  # trailing",
            Same("1.2.3.4 @gw", b"\x0a\x0b"),
        ),
        ("u1 : XAUTH \"x\\\"y\"", OtherType),
        (": PSK unq#hash # rest", Same("", b"unq#hash")),
        (": PSK \"q\" trailing garbage", Same("", b"q")),
        ("carol : EAP 'single'", OtherType),
        ("\"C=CH, O=x\" : PSK 0sYWJj", Same("C=CH, O=x", b"abc")),
        ("  : PSK \"indented\"", Same("", b"indented")),
        (": PSK \"\"", RefusedHere("an empty key is no key")),
        (": PSK 0x", Same("", b"0x")),
        (": PSK 0X41", Same("", b"A")),
        (": PSK \"crlf\"\r", Same("", b"crlf")),
        ("1.1.1.1: PSK \"x\"", TakenHere("1.1.1.1", b"x", LIBRESWAN)),
        (
            ":PSK \"x\"",
            TakenHere("", b"x", "there is no doubt what is meant"),
        ),
        (
            ": PSK\"x\"",
            TakenHere("", b"x", "there is no doubt what is meant"),
        ),
        (": psk \"x\"", TakenHere("", b"x", LIBRESWAN)),
        (": PSK \"unterminated", Error),
        (": PSK", Error),
        (": PSK ", Error),
        ("a : b : PSK \"c\"", Error),
        ("%any\t:\tPSK \"x\"", TakenHere("%any", b"x", LIBRESWAN)),
    ] {
        let (entries, findings) = read(line);
        let refused = findings.iter().any(|finding| finding.contains(": error: "));
        let told = findings
            .iter()
            .any(|finding| finding.contains("strongSwan"));
        let theirs = strongswan(line.as_bytes());
        let ours = entries
            .first()
            .map(|entry| (words(entry), entry.secret.expose().to_vec()));
        let is = |words: &str, key: &[u8]| ours == Some((words.to_owned(), key.to_vec()));
        match result {
            Same(words, key) => {
                assert!(is(words, key) && !told, "{line}: {findings:?}");
                assert_eq!(theirs[0].1, key, "{line}");
            }
            Error => assert!(refused && ours.is_none() && theirs.is_empty(), "{line}"),
            RefusedHere(why) => {
                let refused = refused && ours.is_none();
                assert!(refused && !theirs.is_empty(), "{line}: {why}");
            }
            TakenHere(words, key, why) => {
                let taken = is(words, key) && told && theirs.is_empty();
                assert!(taken, "{line}: {why}: {findings:?}");
            }
            OtherType => {
                assert!(
                    findings[0].contains("a secret of type"),
                    "{line}: {findings:?}"
                );
                assert_eq!((ours, theirs), (None, Vec::new()), "{line}");
            }
        }
    }
}

/// What each would do, told for each line on which they differ.
#[test]
fn differences_are_told() {
    const KEY: &str = "\"a key that is long enough\"";
    for (text, finding) in [
        ("%any : PSK KEY", ""),
        ("%any : PSK 'a key that is long enough'  # comment", ""),
        (
            "%any: PSK KEY",
            "strongSwan reads nothing from this line on: there must be a space on",
        ),
        (
            "%any : psk KEY",
            "strongSwan reads nothing from this line on: PSK must be in capitals",
        ),
        (
            "%any : PSK a_key_that_is_long_enough",
            "libreswan does not take the entry: the key must",
        ),
        (
            "%any : PSK `a_key_that_is_long_enough`",
            "libreswan does not take the entry: the key",
        ),
        (
            "%any : PSK KEY oops",
            "libreswan does not take the entry: there is more text",
        ),
        (
            "%any : PSK 0ta_key_that_is_long_enough",
            "strongSwan reads another key here",
        ),
        (
            "%any : PSK 0x41424344_4546474849505152535455565758",
            "strongSwan reads another key here",
        ),
        (
            "%any : PSK 0x41424344:4546474849505152535455565758",
            "libreswan does not take the entry: two digits for each byte",
        ),
        (
            "  %any : PSK KEY",
            "libreswan does not take the entry: an indented line continues",
        ),
        (
            "%any : PSK KEY\n  @a : PSK KEY",
            "libreswan does not take the entry: the indented line 2 continues it",
        ),
        (
            "%any :\n  PSK KEY",
            "strongSwan reads nothing from this line on: an entry must stand",
        ),
        (
            "\"a : b\" %any : PSK KEY",
            "strongSwan reads nothing from this line on: PSK must be in capitals",
        ),
        ("`a b` : PSK KEY", "strongSwan reads other parties here"),
        (
            ":PSK KEY",
            "strongSwan reads nothing from this line on: there must be a space on both \
            sides of the colon; libreswan does not take the entry: the colon must stand by itself",
        ),
        ("2001:db8:: : PSK KEY", "libreswan does not take the entry"),
        (
            "10.0.0.0/8 : PSK KEY",
            "libreswan leaves 1 of the words before the colon out, so that",
        ),
        (
            "10.0.0.0/8 %any : PSK KEY",
            "libreswan leaves 1 of the words before the colon out (it",
        ),
    ] {
        let (_, findings) = read(&text.replace("KEY", KEY));
        let of_line_1: Vec<&String> = findings
            .iter()
            .filter(|finding| finding.starts_with("keys:1:"))
            .filter(|finding| finding.contains("Swan") || finding.contains("libreswan"))
            .collect();
        match finding {
            "" => assert_eq!(of_line_1, [] as [&String; 0], "{text}"),
            _ => assert!(of_line_1[0].contains(finding), "{text}: {of_line_1:?}"),
        }
    }
}

/// Pieces of which lines of secrets are made, and of which they are spoilt.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 42] = [
        b" ",
        b" ",
        b" ",
        b"\t",
        b":",
        b" : ",
        b" : ",
        b": ",
        b"PSK",
        b" PSK ",
        b" : PSK ",
        b" : PSK \"",
        b"psk",
        b"RSA",
        b"XAUTH",
        b"include ",
        b"%any",
        b"%any ",
        b"192.0.2.1",
        b"10.0.0.0/8",
        b"2001:db8::",
        b"::",
        b"@gw",
        b"*.example",
        b"\"",
        b"\"",
        b"'",
        b"`",
        b"#",
        b"0x",
        b"0x4142",
        b"_",
        b"0s",
        b"YWJj",
        b"YW==",
        b"YX==",
        b"0t",
        b"0T",
        b"=",
        b"key",
        b"\\",
        b"\r",
    ];
    prop_oneof![
        9 => proptest::sample::select(pieces.to_vec()).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 1..4),
    ]
}

/// One line without its end.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let pieces = proptest::collection::vec(piece(), 0..9);
    pieces.prop_map(|pieces| {
        let line = pieces.concat();
        line.into_iter().filter(|byte| *byte != b'\n').collect()
    })
}

/// Several lines.
pub(super) fn file() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(line(), 0..6).prop_map(|lines| lines.join(&b'\n'))
}

/// A line of the usual form, spoilt in up to two places.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let lines: [&[u8]; 6] = [
        b"%any %any : PSK \"key\"",
        b"192.0.2.1 %any : PSK 'key' # comment",
        b": PSK 0x4142",
        b": PSK 0sYWJj",
        b"@gw : PSK 0tkey",
        b"\"C=CH, O=x\" : PSK key",
    ];
    let spoilt = proptest::collection::vec((any::<usize>(), piece(), any::<bool>()), 0..3);
    (proptest::sample::select(lines.to_vec()), spoilt).prop_map(|(line, spoilt)| {
        let mut line = line.to_vec();
        for (at, piece, replace) in spoilt {
            let at = at % (line.len() + 1);
            let end = if replace {
                (at + 1).min(line.len())
            } else {
                at
            };
            line.splice(at..end, piece.into_iter().filter(|byte| *byte != b'\n'));
        }
        line
    })
}

fn parties() -> impl Strategy<Value = Vec<Selector>> {
    let party = prop_oneof![
        Just(Selector::Any),
        any::<std::net::IpAddr>().prop_map(|ip| Selector::parse(ip.to_string().as_bytes())),
    ];
    proptest::collection::vec(party, 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whenever another program would read a line otherwise there is a warning that names it, and
    /// never else.
    #[test]
    fn warnings_are_as_the_models_have_it(line in prop_oneof![line(), nearly()]) {
        // A zero byte in a name is beyond what the rules say.
        prop_assume!(!line.contains(&0) && !line.starts_with(b"\xef\xbb\xbf"));
        let (entries, findings) = read_bytes(&line);
        let Some(entry) = entries.first() else {
            return Ok(());
        };
        let told = |program: &str| {
            let says = [format!("{program} reads"), format!("{program} does not take")];
            findings.iter().any(|finding| says.iter().any(|says| finding.message.contains(says)))
        };
        let ours = |theirs: &[models::Entry]| {
            let [(words, key)] = theirs else { return false };
            let meant = words.iter().map(|word| Selector::parse(word));
            *key == entry.secret.expose() && meant.eq(entry.selectors.iter().cloned())
        };
        let shown = String::from_utf8_lossy(&line);
        prop_assert_eq!(ours(&strongswan(&line)), !told("strongSwan"), "{}: {:?}", shown, findings);
        prop_assert_eq!(ours(&libreswan(&line)), !told("libreswan"), "{}: {:?}", shown, findings);
    }

    /// What is written is read back alike by all three, and without a warning of a difference.
    #[test]
    fn what_is_written_comes_back(
        parties in parties(),
        key in prop_oneof![
            proptest::collection::vec(any::<u8>(), 1..80),
            "[ -~]{1,40}".prop_map(String::into_bytes),
            "[\"'`# \\\\:0xs\u{e4}\u{20ac}]{1,20}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 900..950),
        ],
    ) {
        let line = write_entry(&parties, &key).unwrap();
        let (entries, findings) = read_bytes(line.as_bytes());
        prop_assert_eq!(&entries[0].selectors, &parties);
        prop_assert_eq!(entries[0].secret.expose(), &key[..]);
        prop_assert!(!findings.iter().any(|finding| finding.message.contains("swan")
            || finding.message.contains("Swan")), "{:?}", findings);
        for theirs in [strongswan(line.as_bytes()), libreswan(line.as_bytes())] {
            prop_assert_eq!(theirs.len(), 1, "{}", &**line);
            prop_assert_eq!(&theirs[0].1, &key);
            let meant: Vec<Selector> = theirs[0].0.iter().map(|w| Selector::parse(w)).collect();
            prop_assert_eq!(&meant, &parties);
        }
    }
}
