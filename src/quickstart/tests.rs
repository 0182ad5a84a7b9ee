use std::os::unix::fs::PermissionsExt;

use clap::Parser;
use rand_core::SeedableRng as _;

use super::*;
use crate::cli::secrets::{self, Surroundings};
use crate::cli::{Cli, Command};
use crate::random::ALPHABET;

fn rng() -> wire::Rng {
    wire::Rng::from_seed([7; 32])
}

fn prepare_in(dir: &Path) -> Result<Prepared, Failure> {
    let host = Host {
        addresses: vec![[10, 10, 0, 5].into()],
        dns: vec![[10, 10, 0, 2].into()],
    };
    prepare(dir, &host, false, Vec::new(), &mut rng())
}

fn listing(dir: &Path) -> Vec<String> {
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn a_whole_configuration_is_made_and_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("new/adit");
    let prepared = prepare_in(&dir).unwrap();
    assert_eq!(
        listing(&dir),
        ["adit.toml", "chap-secrets", "ipsec.secrets"]
    );
    for (name, mode) in [
        ("chap-secrets", 0o600),
        ("ipsec.secrets", 0o600),
        ("adit.toml", 0o644),
    ] {
        let metadata = fs::metadata(dir.join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
    assert!(prepared.findings.is_empty(), "{:?}", prepared.findings);
    let bundle = &prepared.bundle;
    let key = bundle.keys[0].secret.expose();
    assert!(key.len() >= 20 && key.iter().all(|byte| ALPHABET.contains(byte)));
    let user = bundle.users.chap.lookup(b"vpnuser", b"l2tpd").unwrap();
    let password = user.secret.password().unwrap();
    assert_eq!(password.len(), PASSWORD_LENGTH);
    assert!(
        user.terms
            .addresses
            .permits(bundle.config.pool.ranges[0].first)
    );
    // Not the network the host is in.
    assert_eq!(bundle.config.pool.local.to_string(), "172.29.77.1");
    assert_eq!(bundle.config.ppp.dns, [IpAddr::from([10, 10, 0, 2])]);
}

#[test]
fn a_second_run_changes_nothing_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let read = || {
        listing(folder.path())
            .iter()
            .map(|n| fs::read(folder.path().join(n)).unwrap())
            .collect::<Vec<_>>()
    };
    let first = prepare_in(folder.path()).unwrap();
    let before = read();
    let second = prepare_in(folder.path()).unwrap();
    assert_eq!(read(), before);
    assert!(second.made.is_empty());
    let without_made = |text: String| text.lines().skip(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        without_made(first.instructions("vpn.example.org", "adit")).join("\n"),
        second.instructions("vpn.example.org", "adit").trim_end(),
    );
}

#[test]
fn what_exists_is_kept_and_only_what_is_missing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let toml = "[ipsec]\nsecrets = \"keys\"\n[ppp]\nsecrets = \"users\"\nname = \"my vpn\"\n";
    fs::write(path("adit.toml"), toml).unwrap();
    let keys = ": PSK \"the first of two long keys\"\n: PSK \"the second of two long keys\"\n";
    fs::write(path("keys"), keys).unwrap();
    let prepared = prepare_in(folder.path()).unwrap();
    assert_eq!(prepared.made, [path("users")]);
    assert_eq!(fs::read_to_string(path("keys")).unwrap(), keys);
    assert!(
        prepared
            .bundle
            .users
            .chap
            .lookup(b"vpnuser", b"my vpn")
            .is_some()
    );
    let text = prepared.instructions("192.0.2.1", "adit");
    assert!(
        !text.contains("two long keys"),
        "a choice of keys is not shown:\n{text}"
    );
    assert!(text.contains("Pre-shared key   (in "));

    // Several users: nobody's password.
    fs::write(
        path("users"),
        "ann * annspassword *\nbob * bobspassword *\n",
    )
    .unwrap();
    let text = prepare_in(folder.path())
        .unwrap()
        .instructions("192.0.2.1", "adit");
    assert!(!text.contains("spassword"), "{text}");
    assert!(text.contains("--user ann "), "{text}");
}

#[test]
fn errors_in_what_exists_stop_it_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("adit.toml"), "[ppp]\nmru = \"x\"\n").unwrap();
    let failure = prepare_in(folder.path()).unwrap_err();
    assert_eq!(failure.exit_code(), 2);
    assert!(
        failure
            .to_string()
            .contains("adit.toml:2:7: error: ppp.mru"),
        "{failure}"
    );
    assert_eq!(listing(folder.path()), ["adit.toml"]);
}

#[test]
fn files_appear_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets");
    create(&path, b"first", 0o600).unwrap();
    let error = create(&path, b"second", 0o600).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"first");
    // A link to nowhere is something, too.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("/nonexistent/target", &link).unwrap();
    assert!(create(&link, b"second", 0o600).is_err());
    assert_eq!(listing(folder.path()), ["link", "secrets"]);
    // A place that cannot be written to.
    assert!(create(&path.join("below-a-file"), b"x", 0o600).is_err());
    let failure = prepare_in(&path).unwrap_err();
    assert_eq!(failure.exit_code(), 1);
}

/// The line for trying it out is one that our own command line and readers understand.
#[test]
fn the_example_line_works_on_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("with a blank");
    let prepared = prepare_in(&dir).unwrap();
    let text = prepared.instructions("vpn.example.org", "./target/release/adit");
    let line = text
        .lines()
        .find(|line| line.contains(" connect "))
        .unwrap();
    // Only the two paths are quoted here: split at quotes, then outside them at blanks.
    let words = line
        .split('\'')
        .enumerate()
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
    let Command::Connect(arguments) = Cli::try_parse_from(words).unwrap().command else {
        panic!("{line}");
    };
    assert!(arguments.check && arguments.server == "127.0.0.1");
    let from = Surroundings {
        variable: &|_| None,
        input: &mut io::empty(),
    };
    let server = arguments.server.parse().unwrap();
    let secrets = secrets::read(&arguments, Some(server), from).unwrap();
    assert_eq!(secrets.psk, prepared.bundle.keys[0].secret);
    let user = &prepared.bundle.users.chap.records()[0];
    assert_eq!(Some(&secrets.password), user.secret.password());
}

#[test]
fn the_instructions() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepare_in(folder.path()).unwrap();
    let text = prepared.instructions("203.0.113.9", "./target/release/adit");
    insta::assert_snapshot!(text.replace(&*folder.path().to_string_lossy(), "/etc/adit"));
}

#[test]
fn masquerading_is_written_into_what_is_made_and_nowhere_else() {
    let with = |dir: &Path| prepare(dir, &Host::default(), true, Vec::new(), &mut rng());
    let folder = tempfile::tempdir().unwrap();
    let prepared = with(folder.path()).unwrap();
    assert!(prepared.bundle.config.nat.masquerade);
    let text = prepared.instructions("203.0.113.9", "adit");
    assert!(
        text.contains("Clients reach what this host reaches"),
        "{text}"
    );
    // What exists already says so.
    assert!(with(folder.path()).unwrap().made.is_empty());

    let other = tempfile::tempdir().unwrap();
    prepare_in(other.path()).unwrap();
    let failure = with(other.path()).unwrap_err();
    assert_eq!(failure.exit_code(), 2);
    assert!(
        failure
            .to_string()
            .contains("masquerade = true below [nat]"),
        "{failure}"
    );
}

#[test]
fn random_words_use_the_whole_alphabet_evenly() {
    let text = random_text(&mut rng(), 56_000);
    for letter in ALPHABET {
        let count = text.bytes().filter(|byte| byte == letter).count();
        assert!(
            (850..1150).contains(&count),
            "{}: {count}",
            char::from(*letter)
        );
    }
    for ambiguous in "0Oo1lI".chars() {
        assert!(!text.contains(ambiguous));
    }
}

#[test]
fn name_servers_of_the_host() {
    let text = "# x\nsearch example.org\nnameserver 127.0.0.53\nnameserver  192.0.2.53 # c\nnameserver ::1\n";
    let dns = name_servers(text);
    assert_eq!(dns.len(), 3);
    let host = Host {
        addresses: Vec::new(),
        dns,
    };
    assert_eq!(host.dns_for_clients(), [IpAddr::from([192, 0, 2, 53])]);
    assert_eq!(
        Host::default().dns_for_clients(),
        PUBLIC_DNS.map(IpAddr::from)
    );
}

#[test]
fn secrets_are_not_in_debug() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepare_in(folder.path()).unwrap();
    let (_, password) = prepared.shown.user.as_ref().unwrap();
    let shown = format!("{prepared:?}");
    assert!(!shown.contains(password.as_str()));
    assert!(!shown.contains(prepared.shown.key.as_ref().unwrap().as_str()));
}
