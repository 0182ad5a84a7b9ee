use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use clap::Parser;
use rand_core::SeedableRng;

use super::*;
use crate::cli::{Cli, Command};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write(
            "adit.toml",
            "[ppp]\nsecrets = \"users\"\nname = \"my vpn\"\n",
        );
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn read(&self) -> String {
        fs::read_to_string(self.path("users")).unwrap()
    }

    /// Runs `adit user …` with this standard input; what it says, or its exit code and complaint.
    fn run(&self, words: &str, input: &str) -> Result<String, (u8, String)> {
        let config = self.path("adit.toml").display().to_string();
        let words = words.split(' ').map(|word| word.replace('_', " "));
        let line = ["adit".to_owned(), "user".to_owned()]
            .into_iter()
            .chain(words);
        let line = line.chain(["--config".to_owned(), config]);
        let Command::User(user) = Cli::try_parse_from(line).unwrap().command else {
            panic!("another command");
        };
        let mut out = Vec::new();
        let mut rng = wire::Rng::from_seed([7; 32]);
        let mut text = input.as_bytes();
        let mut input = Input::Reader(&mut text);
        let prefix = format!("{}/", self.0.path().display());
        match run(&user, Vec::new(), &mut input, &mut rng, &mut out) {
            Ok(()) => Ok(String::from_utf8(out).unwrap().replace(&prefix, "")),
            Err(failure) => Err((
                failure.exit_code(),
                failure.to_string().replace(&prefix, ""),
            )),
        }
    }
}

#[test]
fn a_user_comes_changes_and_goes() {
    let folder = Folder::new();
    let said = folder.run("add ann", "p\"w #1\nnot this\n").unwrap();
    assert_eq!(said, "ann is in users now\n");
    assert_eq!(folder.read(), "ann\t\"my vpn\"\t\"p\\\"w #1\"\t*\n");
    let mode = fs::metadata(folder.path("users")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);

    let said = folder.run("add bob_b --address 10.0.0.5 --generate --server *", "");
    let said = said.unwrap();
    let password = said.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(
        said,
        format!("bob b is in users now\npassword: {password}\n")
    );
    assert_eq!(password.len(), 16);
    assert!(
        folder
            .read()
            .ends_with(&format!("\"bob b\"\t*\t\"{password}\"\t10.0.0.5\n"))
    );

    folder
        .run("set bob_b --address !10.0.0.9 --address *", "")
        .unwrap();
    assert!(
        folder
            .read()
            .ends_with(&format!("\"{password}\"\t!10.0.0.9 *\n"))
    );
    folder.run("set ann --nt-hash", "password").unwrap();
    let hash = "{nt}8846f7eaee8fb117ad06bdd830b7586c";
    assert!(
        folder
            .read()
            .starts_with(&format!("ann\t\"my vpn\"\t{hash}\t*\n"))
    );

    let said = folder.run("list", "").unwrap();
    assert_eq!(
        said,
        "USER   SERVER  SECRET    ADDRESSES    LINE\n\
         ann    my vpn  NT hash   *            1\n\
         bob b  *       password  !10.0.0.9 *  2\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&folder.run("list --json", "").unwrap()).unwrap();
    assert_eq!(json["users"][1]["addresses"][0], "!10.0.0.9");
    assert!(!json.to_string().contains(password));

    let said = folder.run("remove ann", "").unwrap();
    assert_eq!(said, "ann is no longer in users (1 record)\n");
    assert!(!folder.read().contains("ann"));
}

#[test]
fn what_was_there_stays_and_so_does_the_file_s_place() {
    let folder = Folder::new();
    let before = "# ours\r\nann * pw *\t# first\n\n\u{e9} * x *\n";
    folder.write("real", before);
    fs::set_permissions(folder.path("real"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real", folder.path("users")).unwrap();
    folder.run("add bob", "pw").unwrap();
    let expected = format!("{before}bob\t\"my vpn\"\t\"pw\"\t*\n");
    assert_eq!(folder.read(), expected);
    assert!(
        fs::symlink_metadata(folder.path("users"))
            .unwrap()
            .is_symlink()
    );
    let mode = fs::metadata(folder.path("real")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o640);
    let mut names: Vec<_> = fs::read_dir(folder.0.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["adit.toml", "real", "users"]);
}

#[test]
fn a_name_that_pppd_does_not_find_wants_to_be_meant() {
    let folder = Folder::new();
    for (name, found) in [
        ("ann", true),
        ("~a_n\tn", true),
        ("\u{e9}", false),
        ("a\u{7f}", false),
        ("a\u{1}", false),
    ] {
        match folder.run(&format!("add {name}"), "pw") {
            Ok(_) => assert!(found, "{name:?}"),
            Err((code, complaint)) => {
                assert!(!found, "{name:?}");
                assert_eq!(code, 2);
                assert!(complaint.contains("--not-for-pppd"), "{complaint}");
                folder
                    .run(&format!("add {name} --not-for-pppd"), "pw")
                    .unwrap();
            }
        }
    }
    assert_eq!(folder.read().lines().count(), 5);
}

#[test]
fn refusals_change_nothing() {
    let folder = Folder::new();
    let before = "ann * pw 10.0.0.5\n* * \"for all\" *\n";
    folder.write("users", before);
    for (words, input, code, complaint) in [
        ("add ann", "pw", 1, "users: ann is there already, in line 1"),
        (
            "add bob --address 10.0.0.5",
            "pw",
            1,
            "fixed for ann in line 1",
        ),
        ("set bob", "pw", 1, "users: bob is not there"),
        ("remove bob", "", 1, "users: bob is not there"),
        ("add *", "pw", 2, "the name of the user is *, which"),
        ("add bob", "", 2, "the password is empty"),
        ("add bob", "@/etc/passwd", 2, "the password begins with @/"),
        (
            "add bob --address host.example",
            "pw",
            2,
            "names of hosts and networks",
        ),
        (
            "add bob --address 10.10.1.1",
            "pw",
            2,
            "this is the server's own",
        ),
        (
            "add bob --password-file /nonexistent",
            "",
            1,
            "/nonexistent: ",
        ),
    ] {
        let (found, text) = folder.run(words, input).unwrap_err();
        assert_eq!(found, code, "{words}: {text}");
        assert!(text.contains(complaint), "{words}: {text}");
        assert_eq!(folder.read(), before, "{words}");
    }
    let said = folder.run("remove ann", "").unwrap();
    assert!(
        said.contains("line 1 still lets in whoever knows its password"),
        "{said}"
    );
}

/// The server's name may be another than the default.
#[test]
fn a_broken_configuration_is_not_the_default() {
    let folder = Folder::new();
    let users = folder.path("users").display().to_string();
    for server in ["", "--server l2tpd"] {
        let line = format!("adit user add ann --file {users} {server}");
        let words = line.split_whitespace();
        let Command::User(user) = Cli::try_parse_from(words).unwrap().command else {
            panic!("another command");
        };
        let environment = vec![("ADIT_PPP__MRU".to_owned(), "x".to_owned())];
        let mut rng = wire::Rng::from_seed([7; 32]);
        let mut text = "pw".as_bytes();
        let mut input = Input::Reader(&mut text);
        let done = run(&user, environment, &mut input, &mut rng, &mut Vec::new());
        let failure = done.unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains("ADIT_PPP__MRU"), "{failure}");
        assert!(!folder.path("users").exists());
    }
    // To look at a file that is named needs none.
    folder.write("users", "ann l2tpd pw *\n");
    let words = ["adit", "user", "list", "--file", &users];
    let Command::User(user) = Cli::try_parse_from(words).unwrap().command else {
        panic!("another command");
    };
    let environment = vec![("ADIT_PPP__MRU".to_owned(), "x".to_owned())];
    let mut rng = wire::Rng::from_seed([7; 32]);
    let (mut nothing, mut out) = (&b""[..], Vec::new());
    let mut input = Input::Reader(&mut nothing);
    run(&user, environment, &mut input, &mut rng, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("ann"));
}

/// Each of many that run at the same time does its part.
#[test]
fn changes_at_the_same_time_are_all_made() {
    let folder = Folder::new();
    folder.write("users", "");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let folder = &folder;
            scope.spawn(move || folder.run(&format!("add user{number}"), "pw").unwrap());
        }
    });
    assert_eq!(folder.read().lines().count(), 8);
}
