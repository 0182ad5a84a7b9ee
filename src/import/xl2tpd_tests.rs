use std::path::{Path, PathBuf};

use crate::import::{Disposition, Files, Import, run};

/// An import of an xl2tpd.conf and the files beside it.
fn import(files: &[(&str, &str)]) -> Import {
    let folder = tempfile::tempdir().unwrap();
    let write = |(name, text): &(&str, &str)| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    let paths: Vec<PathBuf> = files.iter().map(write).collect();
    let files = Files::named(folder.path(), &paths).unwrap();
    run(files, Vec::new(), &folder.path().join("adit.toml"))
}

fn value_of(import: &Import, setting: &str) -> String {
    import
        .value(setting)
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn server(lines: &str, setting: &str) -> String {
    let import = import(&[("xl2tpd.conf", &format!("[lns default]\n{lines}"))]);
    value_of(&import, setting)
}

fn disposition(text: &str, line: u32) -> (Option<Disposition>, String) {
    let import = import(&[("xl2tpd.conf", text)]);
    let statement = import
        .report
        .statements()
        .iter()
        .find(|s| s.place.line == Some(line));
    let statement = statement.unwrap();
    (statement.disposition, statement.why.clone())
}

/// Later ranges override earlier ones.
#[test]
fn the_pool() {
    for (lines, ranges) in [
        ("ip range = 10.0.0.1", "[\"10.0.0.1\"]"),
        (
            "ip range = 192.168.1.128-254",
            "[\"192.168.1.128-192.168.1.254\"]",
        ),
        (
            "ip range = 10.0.0.128-254\nno ip range = 10.0.0.130-135\nip range = 10.0.0.133",
            "[\"10.0.0.128-10.0.0.129\", \"10.0.0.136-10.0.0.254\", \"10.0.0.133\"]",
        ),
        (
            "no ip range = 10.0.0.5\nip range = 10.0.0.4-6",
            "[\"10.0.0.4-10.0.0.6\"]",
        ),
        (
            "ip range = 10.0.0.4-6\nip range = 10.0.0.5-9",
            "[\"10.0.0.4-10.0.0.6\", \"10.0.0.7-10.0.0.9\"]",
        ),
        (
            "ip range = 10.0.0.1-9\nlocal ip = 10.0.0.1",
            "[\"10.0.0.2-10.0.0.9\"]",
        ),
        (
            "ip range = 0.0.0.0-255.255.255.255\nno ip range = 0.0.0.0-255.255.255.254",
            "[\"255.255.255.255\"]",
        ),
        ("ip range = 10.0.0.1\nassign ip = no", "[]"),
        ("local ip = 10.0.0.1", "[]"),
    ] {
        assert_eq!(server(lines, "pool.ranges"), ranges, "{lines}");
    }
    assert_eq!(
        server("local ip range = 10.9.0.1-9", "pool.local"),
        "\"10.9.0.1\""
    );
}

/// What xl2tpd says on pppd's command line, and what a file it names changes about it.
#[test]
fn who_has_the_last_word() {
    let conf = "[lns default]\nname = fromlns\nrequire chap = yes\nlocal ip = 10.0.0.1\n\
                ip range = 10.0.0.2-9\npppoptfile = /etc/ppp/options.xl2tpd\npass peer = yes\n";
    let files = [
        ("xl2tpd.conf", conf),
        ("etc/ppp/options", "name host\nmtu 1500\nrequire-pap\n"),
        ("options.xl2tpd", "mtu 1280\n10.0.0.100:\nipparam office\n"),
    ];
    let with = import(&files);
    assert_eq!(value_of(&with, "ppp.name"), "\"fromlns\"");
    assert_eq!(value_of(&with, "tun.mtu"), "1280");
    assert_eq!(value_of(&with, "pool.local"), "\"10.0.0.100\"");
    assert_eq!(value_of(&with, "ppp.authentication"), "[\"chap\", \"pap\"]");

    let files = [files[0], files[1], ("options.xl2tpd", "name fromfile\n")];
    let named = import(&files);
    assert_eq!(value_of(&named, "ppp.name"), "\"fromfile\"");
    let earlier = named
        .report
        .statements()
        .iter()
        .find(|s| s.text == "name = fromlns")
        .unwrap();
    assert_eq!(earlier.disposition, Some(Disposition::WithoutEffect));
    assert!(
        earlier.why.contains("options.xl2tpd:1 has the last word"),
        "{}",
        earlier.why
    );
}

#[test]
fn settings_of_the_daemon() {
    for (lines, setting, expected) in [
        (
            "listen-addr = 192.0.2.1",
            "listen.addresses",
            "[\"192.0.2.1\"]",
        ),
        ("max retries = 8", "l2tp.retransmissions", "8"),
        ("debug tunnel = yes", "log.level", "\"info,l2tp=debug\""),
        ("debug tunnel = no", "log.level", ""),
    ] {
        let import = import(&[(
            "xl2tpd.conf",
            &format!("[global]\n{lines}\n[lns default]\n"),
        )]);
        assert_eq!(value_of(&import, setting), expected, "{lines}");
    }
    assert_eq!(server("tunnel rws = 16", "l2tp.window"), "16");
    assert_eq!(server("hostname = gate", "l2tp.host-name"), "\"gate\"");
    assert_eq!(server("length bit = yes", "clients.isolation"), "false");
}

#[test]
fn what_becomes_of_a_line() {
    use Disposition::*;
    let lns = |line: &str| format!("[lns default]\n{line}\n");
    let global = |line: &str| format!("[global]\n{line}\n[lns default]\n");
    for (text, expected) in [
        (global("port = 1701"), Kept),
        (global("port = 1702"), Dropped),
        (global("access control = no"), Kept),
        (global("access control = yes"), Dropped),
        (global("cap backoff = 3"), WithoutEffect),
        (global("ipsec saref = yes"), Changed),
        (global("ipsec saref = no"), WithoutEffect),
        (global("force userspace = yes"), WithoutEffect),
        (global("listen-addr = gate.example"), Dropped),
        (global("auth file = /nowhere/l2tp-secrets"), Dropped),
        (lns("refuse pap = yes"), WithoutEffect),
        (lns("refuse pap = no"), Kept),
        (lns("require authentication = yes"), Changed),
        (lns("require pap = no"), Kept),
        (lns("challenge = no"), Kept),
        (lns("challenge = yes"), Dropped),
        (lns("hidden bit = yes"), Dropped),
        (lns("exclusive = yes"), WithoutEffect),
        (lns("lac = 192.0.2.0-192.0.2.9"), WithoutEffect),
        (lns("unix authentication = yes"), Dropped),
        (lns("name = a\nname = b"), WithoutEffect),
        (lns("require pap = yes\nrequire pap = no"), WithoutEffect),
        (lns("nonsense = 1"), Dropped),
        (lns("name = vpn"), Kept),
        (lns("pppoptfile = /nowhere/options"), Dropped),
        ("[lac office]\nlns = 192.0.2.1\n".to_owned(), ClientSide),
    ] {
        let (found, why) = disposition(&text, 2);
        assert_eq!(found, Some(expected), "{text}: {why}");
    }
}

#[test]
fn one_server_of_several() {
    let text = "[lns site]\nip range = 10.1.0.2-9\n\n[lns default]\nip range = 10.0.0.2-9\n";
    assert_eq!(
        value_of(&import(&[("xl2tpd.conf", text)]), "pool.ranges"),
        "[\"10.0.0.2-10.0.0.9\"]"
    );
    assert_eq!(disposition(text, 2).0, Some(Disposition::WithoutEffect));
    let text = text.replace("\n\n", "\nlac = 192.0.2.1\n\n");
    let (found, why) = disposition(&text, 2);
    assert_eq!(found, Some(Disposition::Dropped));
    assert!(why.contains("adit is one server for all"), "{why}");
    // The only one is it, whatever its name.
    let text = "[lns site]\nip range = 10.1.0.2-9\n";
    assert_eq!(
        value_of(&import(&[("xl2tpd.conf", text)]), "pool.ranges"),
        "[\"10.1.0.2-10.1.0.9\"]"
    );
}

#[test]
fn tunnel_secrets_become_one_file() {
    let conf = "[global]\nauth file = /etc/xl2tpd/l2tp-secrets\n[lns default]\nhostname = gate\n\
                hidden bit = yes\n";
    let with = |secrets: &str| import(&[("xl2tpd.conf", conf), ("l2tp-secrets", secrets)]);
    let one = with("* * tunnel secret\nother site unused\ngate * tunnel secret\n");
    assert_eq!(value_of(&one, "l2tp.secret-file"), "\"l2tp-secret\"");
    assert_eq!(value_of(&one, "l2tp.hide-avps"), "true");
    assert_eq!(&one.draft.side_files[0].bytes[..], b"tunnel secret\n");
    assert!(!one.text().contains("tunnel secret"));
    let texts: Vec<&str> = one
        .report
        .statements()
        .iter()
        .map(|s| s.text.as_str())
        .collect();
    assert!(texts.contains(&"* * (secret)"), "{texts:?}");

    let several = with("gate site1 one\ngate site2 two\n");
    assert_eq!(value_of(&several, "l2tp.secret-file"), "");
    assert!(several.draft.side_files.is_empty());
    assert!(several.report.is_lossy());
}

/// Whatever stands in the file, what comes of it is a configuration.
#[test]
fn what_is_refused_is_taken_back() {
    let text = "[lns default]\nlocal ip = 127.0.0.1\nip range = 10.0.0.2-9\n";
    let import = import(&[("xl2tpd.conf", text)]);
    assert_eq!(value_of(&import, "pool.local"), "");
    let local = &import.report.statements()[1];
    assert_eq!(local.disposition, Some(Disposition::Dropped));
    assert!(
        local
            .why
            .starts_with("adit refuses it: pool.local: 127.0.0.1"),
        "{}",
        local.why
    );
    let loaded = crate::config::layers::judge(Path::new("/x/adit.toml"), &import.text());
    assert!(loaded.config.is_some(), "{:?}", loaded.findings);
}

/// Lines as people write them, right and wrong ones.
fn any_line() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let key = proptest::sample::select(vec![
        "ip range",
        "no ip range",
        "local ip",
        "local ip range",
        "assign ip",
        "name",
        "hostname",
        "tunnel rws",
        "hidden bit",
        "pass peer",
        "require chap",
        "ppp debug",
        "listen-addr",
        "max retries",
        "debug avp",
    ]);
    let value = prop_oneof![
        Just("yes".to_owned()),
        any::<u16>().prop_map(|number| number.to_string()),
        "[0-9]{1,3}\\.[0-9]{1,2}\\.0\\.[0-9]{1,3}",
        "10\\.10\\.1\\.[0-9]{1,2} - [0-9]{1,3}",
        "\\PC{0,12}",
    ];
    (key, value).prop_map(|(key, value)| format!("{key} = {value}\n"))
}

proptest::proptest! {
    /// Whatever stands in the files, what is written loads, and every statement has its word.
    #[test]
    fn what_is_written_always_loads(
        global in proptest::collection::vec(any_line(), 0..4),
        lns in proptest::collection::vec(any_line(), 0..8),
        size in proptest::prelude::any::<u32>(),
        server in "[0-9.]{1,12}|\\PC{0,9}",
    ) {
        let conf = format!("[global]\n{}[lns default]\n{}", global.concat(), lns.concat());
        let options = format!("mtu {size}\nmru {size}\nms-dns '{server}'\nlcp-echo-interval {size}\n");
        let import = import(&[("xl2tpd.conf", &conf), ("options", &options)]);
        let loaded = crate::config::layers::judge(Path::new("/x/adit.toml"), &import.text());
        proptest::prop_assert!(loaded.config.is_some(), "{:?}", loaded.findings);
        for statement in import.report.statements() {
            proptest::prop_assert!(statement.disposition.is_some());
            proptest::prop_assert_ne!(&statement.why, crate::import::report::UNSETTLED);
        }
    }
}
