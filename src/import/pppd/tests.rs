use crate::compat::pppd_options::all;
use crate::import::{Disposition, Files, Import, Statement, run};

/// An import of one file of options.
fn import(text: &str) -> Import {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("options");
    std::fs::write(&path, text).unwrap();
    let files = Files::named(folder.path(), &[path]).unwrap();
    run(files, Vec::new(), &folder.path().join("adit.toml"))
}

fn value(import: &Import, setting: &str) -> String {
    import
        .value(setting)
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn one(text: &str) -> Statement {
    import(text).report.statements()[0].clone()
}

/// A new option in the reader's table has to be spoken of here.
#[test]
fn every_option_of_pppd_has_a_fate() {
    for name in all().filter(|name| !matches!(*name, "file" | "call")) {
        let statement = one(&format!("{name} 1500"));
        assert_ne!(statement.why, "adit has nothing like it", "{name}");
        assert!(statement.disposition.is_some(), "{name}");
    }
}

#[test]
fn options_that_are_settings() {
    for (text, setting, expected) in [
        ("name vpn", "ppp.name", "\"vpn\""),
        ("mtu 1280", "tun.mtu", "1280"),
        ("mtu 1280 mtu 1300", "tun.mtu", "1300"),
        ("mtu 200", "tun.mtu", "576"),
        ("mru 9000", "ppp.mru", "1500"),
        ("mtu x", "tun.mtu", ""),
        ("10.0.0.1:", "pool.local", "\"10.0.0.1\""),
        ("0.0.0.0:", "pool.local", ""),
        (":10.0.0.2", "pool.ranges", "[\"10.0.0.2\"]"),
        ("ms-dns 10.0.0.1", "ppp.dns", "[\"10.0.0.1\"]"),
        (
            "ms-dns 1.1.1.1 ms-dns 2.2.2.2 ms-dns 3.3.3.3",
            "ppp.dns",
            "[\"2.2.2.2\", \"3.3.3.3\"]",
        ),
        ("ms-dns dns.example", "ppp.dns", ""),
        (
            "ms-wins 1.1.1.1 ms-wins 2.2.2.2",
            "ppp.wins",
            "[\"1.1.1.1\", \"2.2.2.2\"]",
        ),
        (
            "lcp-echo-interval 30 lcp-echo-failure 4",
            "ppp.echo-interval",
            "\"30s\"",
        ),
        (
            "lcp-echo-interval 30 lcp-echo-failure 4",
            "ppp.echo-failures",
            "4",
        ),
        ("lcp-echo-failure 4", "ppp.echo-failures", ""),
        (
            "lcp-echo-interval 30 lcp-echo-failure 0",
            "ppp.echo-failures",
            "",
        ),
        (
            "chap-secrets /etc/vpn/users",
            "ppp.secrets",
            "\"/etc/vpn/users\"",
        ),
        ("debug", "log.level", "\"info,ppp=debug\""),
    ] {
        assert_eq!(value(&import(text), setting), expected, "{text}");
    }
}

/// What pppd accepts from clients; `refuse-` options are about what it gives away itself.
#[test]
fn ways_to_log_in() {
    for (text, expected) in [
        ("require-mschap-v2", "[\"mschap-v2\"]"),
        ("+mschap-v2", "[\"mschap-v2\"]"),
        ("require-pap require-chap auth", "[\"chap\", \"pap\"]"),
        ("+chap +mschap-v2", "[\"mschap-v2\", \"chap\"]"),
        ("require-mschap", "[\"mschap-v2\"]"),
        ("auth", "[\"mschap-v2\", \"chap\"]"),
        (
            "auth refuse-chap refuse-mschap-v2",
            "[\"mschap-v2\", \"chap\"]",
        ),
        ("noauth", ""),
        ("auth noauth", ""),
        ("noauth auth", "[\"mschap-v2\", \"chap\"]"),
        ("", ""),
    ] {
        assert_eq!(
            value(&import(text), "ppp.authentication"),
            expected,
            "{text}"
        );
    }
    assert!(import("auth noauth").report.is_lossy());
    assert!(!import("auth").report.is_lossy());
}

#[test]
fn what_becomes_of_a_word() {
    use Disposition::*;
    for (text, disposition) in [
        ("require-mschap-v2", Kept),
        ("auth", Changed),
        ("require-mschap", Changed),
        ("mtu 1280", Kept),
        ("mtu 100", Changed),
        ("crtscts", WithoutEffect),
        ("connect-delay 5000", WithoutEffect),
        ("115200", WithoutEffect),
        ("/dev/ttyS0", WithoutEffect),
        ("noccp", Kept),
        ("refuse-pap", WithoutEffect),
        ("plugin /usr/lib/pppd/2.4.9/pppol2tp.so", WithoutEffect),
        ("plugin radius.so", Dropped),
        ("usepeerdns", ClientSide),
        ("user bob", ClientSide),
        ("linkname x", Dropped),
        ("frobnicate", Dropped),
        ("lcp-echo-failure 4", WithoutEffect),
        (":", WithoutEffect),
    ] {
        assert_eq!(one(text).disposition, Some(disposition), "{text}");
    }
    // The earlier of two is told who has the last word.
    let import = import("mtu 1300\nmtu 1280\n");
    let first = &import.report.statements()[0];
    assert_eq!(first.disposition, Some(WithoutEffect));
    assert!(
        first.why.contains("options:2 has the last word on tun.mtu"),
        "{}",
        first.why
    );
}

proptest::proptest! {
    /// However often they are said, and in whatever order, somebody speaks of every word.
    #[test]
    fn every_word_is_spoken_of(
        names in proptest::collection::vec(proptest::sample::select(all().collect::<Vec<_>>()), 0..12),
    ) {
        let mut names = names;
        names.retain(|name| !matches!(*name, "file" | "call"));
        let text: String = names.iter().map(|name| format!("{name} 1500\n")).collect();
        for statement in import(&text).report.statements() {
            proptest::prop_assert_ne!(&statement.why, crate::import::report::UNSETTLED);
        }
    }
}
