use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use super::*;

/// A host's files, in a folder that stands for its root.
struct Host(tempfile::TempDir);

impl Host {
    fn new(files: &[(&str, &str)]) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            let path = host.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn arguments(&self, line: &str) -> Arguments {
        let root = self.0.path().to_str().unwrap();
        let line = format!("adit import --root {root} {}", line.replace("ROOT", root));
        match <crate::cli::Cli as clap::Parser>::parse_from(line.split_whitespace()).command {
            crate::cli::Command::Import(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    /// Exit code and standard output, with ROOT for the root.
    fn import(&self, line: &str) -> Result<(u8, String), Failure> {
        let mut out = Vec::new();
        let code = run(&self.arguments(line), &mut out, &mut Vec::new())?;
        let text = String::from_utf8(out).unwrap();
        Ok((code, text.replace(self.0.path().to_str().unwrap(), "ROOT")))
    }
}

const SECRETS: &[(&str, &str)] = &[
    (
        "/etc/ipsec.secrets",
        "# keys\n%any %any : PSK \"a key that is long enough\"\n",
    ),
    (
        "/etc/ppp/chap-secrets",
        "ann l2tpd \"pw of ann\" *\nbob l2tpd \"pw of bob\" *\n",
    ),
];

#[test]
fn files_that_are_read_as_they_are() {
    let host = Host::new(SECRETS);
    let (code, report) = host.import("").unwrap();
    assert_eq!(code, 0);
    insta::assert_snapshot!(report);
    insta::assert_snapshot!(fs::read_to_string(host.path("/etc/adit/adit.toml")).unwrap());
}

#[test]
fn a_second_time_changes_nothing() {
    let host = Host::new(SECRETS);
    host.import("").unwrap();
    let before = fs::read(host.path("/etc/adit/adit.toml")).unwrap();
    let (_, report) = host.import("").unwrap();
    assert!(
        report.ends_with("ROOT/etc/adit/adit.toml: is just so already\n"),
        "{report}"
    );
    // Its own output among the files: alone, and with those it came from.
    for files in ["", "ROOT/etc/ipsec.secrets ROOT/etc/ppp/chap-secrets"] {
        let (code, report) = host
            .import(&format!("ROOT/etc/adit/adit.toml {files}"))
            .unwrap();
        assert_eq!(code, 0);
        assert!(
            report.ends_with("ROOT/etc/adit/adit.toml: is just so already\n"),
            "{report}"
        );
    }
    assert_eq!(fs::read(host.path("/etc/adit/adit.toml")).unwrap(), before);
}

#[test]
fn nothing_is_overwritten_unasked() {
    let host = Host::new(SECRETS);
    let output = host.path("/etc/adit/adit.toml");
    fs::create_dir_all(output.parent().unwrap()).unwrap();
    fs::write(&output, "# mine\n").unwrap();
    let Err(Failure::Failed(message)) = host.import("") else {
        panic!("overwritten")
    };
    assert!(
        message.contains("exists and is different: --force"),
        "{message}"
    );
    assert_eq!(fs::read_to_string(&output).unwrap(), "# mine\n");
    host.import("--force").unwrap();
    assert!(fs::read_to_string(&output).unwrap().contains("[ppp]"));
    // Nothing is left beside it.
    assert_eq!(fs::read_dir(output.parent().unwrap()).unwrap().count(), 1);
}

/// Without them there is no way back.
#[test]
fn old_files_stay_even_with_force() {
    let mut files = SECRETS.to_vec();
    files.push(("/etc/racoon/psk.txt", "* another key that is long enough\n"));
    let host = Host::new(&files);
    let Err(Failure::Failed(message)) = host.import("--force --output ROOT/etc/adit.toml") else {
        panic!("overwritten")
    };
    assert!(message.contains("one of the files to import"), "{message}");
    let keys = fs::read_to_string(host.path("/etc/ipsec.secrets")).unwrap();
    assert_eq!(keys, SECRETS[0].1);
    assert!(!host.path("/etc/adit.toml").exists());
}

#[test]
fn files_outside_of_the_root_are_where_they_are() {
    let host = Host::new(CLASSIC);
    let other = Host::new(&[
        ("/adit.toml", "[ppp]\nmru = 1300\n"),
        SECRETS[0],
        ("/psk.txt", "* another key that is long enough\n"),
    ]);
    let outside = |path: &str| other.path(path).display().to_string();
    let line = format!("{} ROOT/etc/ppp/options.xl2tpd", outside("/adit.toml"));
    host.import(&line).unwrap();
    let text = fs::read_to_string(outside("/adit.toml")).unwrap();
    assert!(text.contains("mtu = 1280\n"), "{text}");
    // Nothing has been made of its name within the root.
    assert_eq!(fs::read_dir(host.0.path()).unwrap().count(), 1);

    let [keys, psk] = ["/etc/ipsec.secrets", "/psk.txt"].map(outside);
    let output = outside("/etc/adit.toml");
    let line = format!("--force --output {output} {keys} {psk}");
    let Err(Failure::Failed(message)) = host.import(&line) else {
        panic!("overwritten")
    };
    assert!(message.contains("one of the files to import"), "{message}");
    assert_eq!(fs::read_to_string(keys).unwrap(), SECRETS[0].1);
}

#[test]
fn a_link_and_the_owner_of_what_it_leads_to_stay() {
    let host = Host::new(CLASSIC);
    let real = host.path("/srv/vpn.toml");
    let link = host.path("/etc/adit/adit.toml");
    for path in [&real, &link] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    fs::write(&real, "[ppp]\nmru = 1300\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    // Only root may give it to somebody else; it is not to become root's then.
    let _ = chown(&real, Some(4321), Some(4321));
    symlink(&real, &link).unwrap();
    let about = |path: &Path| {
        let about = fs::metadata(path).unwrap();
        (about.uid(), about.gid(), about.mode())
    };
    let before = about(&real);
    host.import("ROOT/etc/adit/adit.toml ROOT/etc/ppp/options.xl2tpd")
        .unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let text = fs::read_to_string(&real).unwrap();
    assert!(text.contains("mtu = 1280\n"), "{text}");
    assert_eq!(about(&real), before);
}

#[test]
fn what_cannot_be_read_is_wrong_use() {
    let host = Host::new(&[("/x", "hello\n")]);
    let Err(Failure::Configuration(findings)) = host.import("ROOT/x ROOT/nowhere") else {
        panic!("read")
    };
    let texts: Vec<String> = findings.iter().map(|f| f.message.clone()).collect();
    assert_eq!(
        texts,
        [
            "cannot tell what kind of file this is",
            "there is no such file"
        ]
    );
    assert!(matches!(host.import(""), Err(Failure::Failed(_))));
}

/// What hwdsl2's script leaves on a host, with words of our own.
const CLASSIC: &[(&str, &str)] = &[
    (
        "/etc/ipsec.secrets",
        "%any  %any  : PSK \"a key that is long enough\"\n",
    ),
    (
        "/etc/xl2tpd/xl2tpd.conf",
        "[global]\nport = 1701\n\n[lns default]\nip range = 192.168.42.10-192.168.42.250\n\
         local ip = 192.168.42.1\nrequire chap = yes\nrefuse pap = yes\n\
         require authentication = yes\nname = l2tpd\npppoptfile = /etc/ppp/options.xl2tpd\n\
         length bit = yes\n",
    ),
    (
        "/etc/ppp/options.xl2tpd",
        "+mschap-v2\nipcp-accept-local\nipcp-accept-remote\nnoccp\nauth\nmtu 1280\nmru 1280\n\
         lcp-echo-failure 4\nlcp-echo-interval 30\nconnect-delay 5000\nms-dns 9.9.9.9\n\
         ms-dns 1.1.1.1\n",
    ),
    (
        "/etc/ppp/options",
        "# of the distribution\nasyncmap 0\nauth\ncrtscts\nlock\nhide-password\nmodem\n\
         lcp-echo-interval 60\nlcp-echo-failure 9\nnoipx\n",
    ),
    ("/etc/ppp/ip-up", "#!/bin/sh\n"),
    (
        "/etc/ppp/chap-secrets",
        "\"ann\" l2tpd \"pw of ann\" *\n\"bob\" l2tpd \"pw of bob\" 192.168.42.7\n",
    ),
];

#[test]
fn a_classic_host() {
    let host = Host::new(CLASSIC);
    let (code, report) = host.import("--strict").unwrap();
    assert_eq!(code, 0, "{report}");
    insta::assert_snapshot!(report);
    let text = fs::read_to_string(host.path("/etc/adit/adit.toml")).unwrap();
    insta::assert_snapshot!(text);
    // Again, alone, and with everything it came from.
    for line in [
        "",
        "ROOT/etc/adit/adit.toml",
        "ROOT/etc/adit/adit.toml ROOT/etc/xl2tpd/xl2tpd.conf",
    ] {
        let (_, report) = host.import(line).unwrap();
        assert!(report.ends_with("is just so already\n"), "{line}: {report}");
    }
    assert_eq!(
        fs::read_to_string(host.path("/etc/adit/adit.toml")).unwrap(),
        text
    );
}

#[test]
fn the_report_for_programs() {
    let host = Host::new(CLASSIC);
    let (_, report) = host.import("--json").unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["outcome"], "written");
    assert_eq!(report["files"].as_array().unwrap().len(), 5);
    assert_eq!(report["totals"]["dropped"], 0);
    let xl2tpd = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["kind"] == "xl2tpd")
        .unwrap();
    let range = &xl2tpd["statements"][3];
    assert_eq!(range["line"], 5);
    assert_eq!(range["text"], "ip range = 192.168.42.10-192.168.42.250");
    assert_eq!(range["disposition"], "kept");
    assert_eq!(range["settings"][0], "pool.ranges");
    assert_eq!(
        report["configuration"],
        fs::read_to_string(host.path("/etc/adit/adit.toml")).unwrap()
    );
    assert!(!report.to_string().contains("pw of"));
}

#[test]
fn an_environment_of_a_container() {
    let host = Host::new(&[(
        "/opt/src/vpn.env",
        "# set by hand\nVPN_IPSEC_PSK=a key that is long enough\nVPN_USER=ann\nVPN_PASSWORD='pw of ann'\n\
         VPN_ADDL_USERS=bob cid\nVPN_ADDL_PASSWORDS=pwbob pwcid\nVPN_ADDL_IP_ADDRS=192.168.42.7\n\
         VPN_DNS_SRV1=9.9.9.9\nVPN_ENABLE_MODP1024=yes\nVPN_XAUTH_NET=192.168.43.0/24\n",
    )]);
    let (code, report) = host.import("").unwrap();
    assert_eq!(code, 0);
    insta::assert_snapshot!(report);
    insta::assert_snapshot!(fs::read_to_string(host.path("/etc/adit/adit.toml")).unwrap());
    for (file, expected) in [
        (
            "ipsec.secrets",
            "%any %any : PSK \"a key that is long enough\"\n",
        ),
        (
            "chap-secrets",
            "\"ann\" l2tpd \"pw of ann\" *\n\"bob\" l2tpd \"pwbob\" 192.168.42.7\n\"cid\" l2tpd \"pwcid\" *\n",
        ),
    ] {
        let path = host.path("/etc/adit").join(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    // What was lost is seen only where that is asked for.
    assert_eq!(host.import("--strict").unwrap().0, 1);
}

#[test]
fn shown_and_not_written() {
    let host = Host::new(CLASSIC);
    let (_, text) = host.import("--stdout").unwrap();
    assert!(text.starts_with("# adit: configuration"), "{text}");
    assert!(!host.path("/etc/adit").exists());
}

/// What an administrator has set stays; what only the old files say is added.
#[test]
fn an_existing_configuration_is_added_to() {
    let host = Host::new(CLASSIC);
    let path = host.path("/etc/adit/adit.toml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mine = "# mine\n[ppp]   # all of it\nmru = 1300\n\n[log]\nformat = \"json\"\n";
    fs::write(&path, mine).unwrap();
    let old = "ROOT/etc/xl2tpd/xl2tpd.conf ROOT/etc/ppp/options.xl2tpd ROOT/etc/ppp/options";
    let (_, report) = host
        .import(&format!("ROOT/etc/adit/adit.toml {old}"))
        .unwrap();
    let row = report
        .lines()
        .find(|line| line.contains("mru 1280"))
        .unwrap();
    assert!(
        row.contains("ppp.mru stays as /etc/adit/adit.toml:3 has it"),
        "{report}"
    );
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("# mine\n[ppp]   # all of it\nmru = 1300\n"),
        "{text}"
    );
    assert!(
        text.contains("# /etc/xl2tpd/xl2tpd.conf:10: name = l2tpd\nname = \"l2tpd\"\n"),
        "{text}"
    );
    let (_, report) = host
        .import(&format!("ROOT/etc/adit/adit.toml {old}"))
        .unwrap();
    assert!(report.ends_with("is just so already\n"), "{report}");
}

/// It has the last word also where only two settings together make no sense.
#[test]
fn what_an_existing_configuration_rules_out_is_left_out() {
    let host = Host::new(&[
        ("/etc/adit/adit.toml", "[ipsec]\ndpd-timeout = \"1m\"\n"),
        (
            "/etc/ipsec.conf",
            "conn l2tp\n type=transport\n authby=secret\n left=%defaultroute\n \
             leftprotoport=17/1701\n right=%any\n auto=add\n dpdaction=clear\n dpddelay=120s\n",
        ),
    ]);
    let line = "--strict ROOT/etc/adit/adit.toml ROOT/etc/ipsec.conf";
    let (code, report) = host.import(line).unwrap();
    assert_eq!(code, 1, "{report}");
    let row = report.lines().find(|line| line.contains("dpddelay=120s"));
    assert!(row.unwrap().contains("dropped !"), "{report}");
    let text = fs::read_to_string(host.path("/etc/adit/adit.toml")).unwrap();
    assert!(!text.contains("dpd-interval"), "{text}");
}

/// Users and keys that count with pppd and strongSwan only.
#[test]
fn lines_of_secrets_that_do_not_count_are_lost() {
    let options = ("/etc/ppp/options", "auth\nrequire-pap\n");
    for (path, text) in [
        ("/etc/ppp/pap-secrets", "ann * @login *\n"),
        ("/etc/ppp/pap-secrets", "ann * $6$salt$hash *\n"),
        ("/etc/ppp/pap-secrets", "ann * \"\" *\n"),
        ("/etc/ppp/chap-secrets", "jo l2tpd pw 10.0.0.0/24+\n"),
        ("/etc/ppp/chap-secrets", "jo l2tpd pw host.example\n"),
        ("/etc/ipsec.secrets", "jo : XAUTH \"pw\"\n"),
    ] {
        let (code, report) = Host::new(&[options, (path, text)])
            .import("--strict")
            .unwrap();
        assert_eq!(code, 1, "{text}: {report}");
        assert!(report.contains("(secret)  dropped !"), "{text}: {report}");
    }
}

#[test]
fn rules_for_the_old_interfaces_are_told() {
    let mut files = CLASSIC.to_vec();
    files.push((
        "/etc/iptables/rules.v4",
        "*filter\n-A FORWARD -i ppp+ -j ACCEPT\nCOMMIT\n",
    ));
    let (_, report) = Host::new(&files).import("").unwrap();
    let line = report
        .lines()
        .find(|line| line.starts_with("/etc/iptables/rules.v4:2: warning"));
    assert!(
        line.unwrap().contains("tun.mode = \"per-session\""),
        "{report}"
    );
}
