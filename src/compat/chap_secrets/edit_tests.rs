use ppp::mschapv2::NtHash;
use proptest::prelude::*;
use wire::Secret;

use super::*;

const FILE: &str = "# the users\n\
    bob\tl2tpd  \"old\"  10.0.0.5   # of sales\r\n\
    \n\
    'al ice' * @notabs\n\
    carol l2tpd pw * -- mtu 1200\n\
    bob other pw *\n\
    bob * pw * # as well\n\
    last l2tpd pw -";

fn l2tpd() -> Name {
    Name::Exact(b"l2tpd"[..].into())
}

fn stored(password: &str) -> Stored {
    Stored::Password(Secret::from(password.as_bytes()))
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn text(result: Result<Zeroizing<Vec<u8>>, Refused>) -> Result<String, Refused> {
    result.map(|text| String::from_utf8(text.to_vec()).unwrap())
}

#[test]
fn what_is_added_comes_last() {
    let editor = Editor::new(FILE.as_bytes(), Rules::default());
    let hash = Stored::NtHash(NtHash([0xab; 16]));
    let add = |user: &str, secret: &Stored, addresses: &str| {
        text(editor.add(user.as_bytes(), &l2tpd(), secret, &words(addresses)))
    };
    assert_eq!(
        add("dora", &stored("p\"w"), "*").unwrap(),
        format!("{FILE}\ndora\tl2tpd\t\"p\\\"w\"\t*\n")
    );
    assert_eq!(
        add("x#y", &hash, "10.0.0.6 *").unwrap(),
        format!(
            "{FILE}\n\"x#y\"\tl2tpd\t{{nt}}{}\t10.0.0.6 *\n",
            "ab".repeat(16)
        )
    );
    assert_eq!(add("bob", &hash, "*"), Err(Refused::Present(2)));
    assert_eq!(add("al ice", &hash, "*"), Err(Refused::Present(4)));
    let taken = Refused::AddressTaken {
        user: "bob".to_owned(),
        line: 2,
    };
    assert_eq!(add("dora", &hash, "10.0.0.5"), Err(taken));
}

#[test]
fn only_the_words_that_change_are_written_anew() {
    let editor = Editor::new(FILE.as_bytes(), Rules::default());
    let set = |user: &str, secret: Option<&Stored>, addresses: Option<&[String]>| {
        text(editor.set(user.as_bytes(), &l2tpd(), &Wish { secret, addresses }))
    };
    let new = stored("n w");
    assert_eq!(
        set("bob", Some(&new), None).unwrap(),
        FILE.replace("\"old\"", "\"n w\"")
    );
    assert_eq!(
        set("bob", None, Some(&words("10.0.0.7 *"))).unwrap(),
        FILE.replace("10.0.0.5", "10.0.0.7 *")
    );
    // A user without addresses gets some, one for any server is found too, options stay.
    assert_eq!(
        set("al ice", Some(&new), Some(&words("*"))).unwrap(),
        FILE.replace("@notabs", "\"n w\"\t*")
    );
    assert_eq!(
        set("carol", None, Some(&words("-"))).unwrap(),
        FILE.replace("pw * --", "pw - --")
    );
    assert_eq!(set("Bob", Some(&new), None), Err(Refused::Absent));
}

#[test]
fn all_records_of_a_user_for_the_server_go() {
    let editor = Editor::new(FILE.as_bytes(), Rules::default());
    let (left, number) = editor.remove(b"bob", &l2tpd()).unwrap();
    let expected: Vec<&str> = FILE
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("bob\t") && !line.starts_with("bob *"))
        .collect();
    assert_eq!(left.as_slice(), expected.concat().as_bytes());
    assert_eq!(number, 2);
    assert_eq!(editor.remove(b"dora", &l2tpd()), Err(Refused::Absent));
}

#[test]
fn what_would_not_be_read_back_is_refused() {
    for text in [
        "bob l2tpd \"pw *\n",
        "bob l2tpd pw * \\\n",
        "bob l2tpd pw * \\",
    ] {
        let editor = Editor::new(text.as_bytes(), Rules::default());
        let added = editor.add(b"ann", &l2tpd(), &stored("pw"), &words("*"));
        assert_eq!(added, Err(Refused::NotReadBack), "{text}");
    }
}

/// What pppd makes of a file: the words of each line. Written from its manual and what it was seen
/// to do, not from the reader here: one character after the other, through a table of states.
mod pppd {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Between,
        Comment,
        Word(Option<u8>),
    }

    pub fn lines(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut lines = vec![Vec::new()];
        let mut word = Vec::new();
        let mut state = State::Between;
        let mut at = 0;
        let is_space = |c: u8| matches!(c, b' ' | 9..=13);
        while at < text.len() {
            let c = text[at];
            at += 1;
            if state == State::Comment {
                if c == b'\n' {
                    state = State::Between;
                    lines.push(Vec::new());
                }
                continue;
            }
            let quote = match state {
                State::Word(quote) => quote,
                _ => None,
            };
            if c == b'\\' {
                let Some(next) = text.get(at).copied() else {
                    break;
                };
                at += 1;
                if next == b'\n' {
                    continue;
                }
                state = State::Word(quote);
                let digits = |from: usize, radix: u32, most: usize| {
                    let run = text[from..].iter().take(most);
                    run.take_while(|c| char::from(**c).is_digit(radix)).count()
                };
                let (count, start, radix) = match next {
                    b'0'..=b'7' => (digits(at - 1, 8, 3), at - 1, 8),
                    b'x' => (digits(at, 16, 2), at, 16),
                    _ => (0, at, 0),
                };
                if radix != 0 {
                    let number = std::str::from_utf8(&text[start..start + count]).unwrap();
                    let value = u32::from_str_radix(number, radix).unwrap_or(0);
                    word.push((value & 0xff) as u8);
                    at = start + count;
                    continue;
                }
                let plain = b"abfnrst";
                let meant = b"\x07\x08\x0c\n\r \t";
                let found = plain.iter().position(|letter| *letter == next);
                word.push(found.map_or(next, |index| meant[index]));
                continue;
            }
            match quote {
                Some(open) if c == open => state = State::Word(None),
                Some(_) => word.push(c),
                None if c == b'"' || c == b'\'' => state = State::Word(Some(c)),
                None if c == b'#' || is_space(c) => {
                    if state != State::Between {
                        lines.last_mut().unwrap().push(std::mem::take(&mut word));
                    }
                    state = if c == b'#' {
                        State::Comment
                    } else {
                        State::Between
                    };
                    if c == b'\n' {
                        lines.push(Vec::new());
                    }
                }
                None => {
                    word.push(c);
                    state = State::Word(None);
                }
            }
        }
        if state != State::Between && state != State::Comment && !word.is_empty() {
            lines.last_mut().unwrap().push(word);
        }
        lines.retain(|line: &Vec<Vec<u8>>| !line.is_empty());
        lines
    }
}

#[test]
fn the_model_reads_what_pppd_was_seen_to_read() {
    for (text, expected) in [
        (
            "al\\ ice l2tpd pass#word 1",
            &["al ice", "l2tpd", "pass"][..],
        ),
        (
            "gina l2tpd gi\"na x\"y 1",
            &["gina", "l2tpd", "gina xy", "1"],
        ),
        (
            "iv\\x41n\\101 \"a\\\"b\" 'it\"s'",
            &["ivAnA", "a\"b", "it\"s"],
        ),
        ("frank \\\n  \"a\nb\"\r\n", &["frank", "a\nb"]),
        ("\"\" \"\" *", &["", "", "*"]),
    ] {
        let lines = pppd::lines(text.as_bytes());
        let words: Vec<&[u8]> = lines[0].iter().map(Vec::as_slice).collect();
        let expected: Vec<&[u8]> = expected.iter().map(|word| word.as_bytes()).collect();
        assert_eq!(words, expected, "{text}");
    }
}

/// Letters that mean something in such files come often.
fn hard(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let letter = prop_oneof![
        3 => prop::sample::select(b"\"'\\# \t\n\r\x0b\x0c\x01\x7f0127x*@/-!{}nt".to_vec()),
        1 => 1..=255_u8,
    ];
    prop_oneof![
        4 => prop::collection::vec(letter, 1..longest),
        1 => "\\PC{1,40}".prop_map(String::into_bytes),
    ]
}

proptest! {
    /// Whatever can be written is read back equal, by us and by the model of pppd, and leaves what
    /// was there alone.
    #[test]
    fn any_name_and_password_is_read_back(
        user in hard(60),
        password in hard(60),
        server in hard(20),
    ) {
        let writable = write::check_name(&user).is_ok()
            && write::check_name(&server).is_ok()
            && write::check_password(&password).is_ok();
        prop_assume!(writable);
        let (user, server) = (user.as_slice(), Name::Exact(server.into()));
        let Name::Exact(server_name) = &server else { unreachable!() };
        let secret = Stored::Password(Secret::from(password.as_slice()));
        let before = "ann l2tpd pw *\n";
        let editor = Editor::new(before.as_bytes(), Rules::default());
        prop_assume!(user != b"ann");
        let text = editor.add(user, &server, &secret, &words("10.0.0.5 *")).unwrap();
        let (users, _) = read(&text, Rules::default());
        let record = users.lookup(user, server_name).unwrap();
        prop_assert!(record.secret == secret);
        let lines = pppd::lines(&text);
        let expected: [&[u8]; 5] = [user, server_name, &password, b"10.0.0.5", b"*"];
        prop_assert_eq!(lines.len(), 2);
        prop_assert_eq!(&lines[1], &expected.map(<[u8]>::to_vec));

        // The password is changed and changed back, and the user goes again.
        let other = stored("another");
        let editor = Editor::new(&text, Rules::default());
        let wish = Wish { secret: Some(&other), addresses: None };
        let changed = editor.set(user, &server, &wish).unwrap();
        let wish = Wish { secret: Some(&secret), addresses: None };
        let back = Editor::new(&changed, Rules::default()).set(user, &server, &wish).unwrap();
        prop_assert_eq!(back.as_slice(), text.as_slice());
        let (left, _) = editor.remove(user, &server).unwrap();
        prop_assert_eq!(left.as_slice(), before.as_bytes());
    }

    /// What stands around a record that changes stays, in any file.
    #[test]
    fn in_any_file_nothing_else_changes(before in hard(200), after in hard(200)) {
        // A backslash at the end of a line would make that line the beginning of zoe's record.
        prop_assume!(!before.ends_with(b"\\"));
        let mut text = before.clone();
        text.extend_from_slice(b"\nzoe l2tpd pw *\n");
        text.extend_from_slice(&after);
        let editor = Editor::new(&text, Rules::default());
        if let Ok((left, 1)) = editor.remove(b"zoe", &l2tpd()) {
            let mut expected = before;
            expected.push(b'\n');
            expected.extend_from_slice(&after);
            prop_assert_eq!(left.as_slice(), expected.as_slice());
        }
    }
}
