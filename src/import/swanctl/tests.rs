use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::compat::{InsecurePermissions, ipsec_secrets};
use crate::import::testing::{import, lines, settings};
use crate::import::{Files, run};

const PATH: &str = "/etc/swanctl/swanctl.conf";

const SERVER: &str = "connections {\n l2tp {\n  version = 1\n  local_addrs = %any\n  \
    proposals = aes256-sha256-modp2048,aes256-sha1-modp1024\n  encap = yes\n  dpd_delay = 30s\n  \
    dpd_timeout = 150s\n  unique = never\n  pools = p\n  local {\n   auth = psk\n   \
    id = 203.0.113.9\n  }\n  remote {\n   auth = psk\n  }\n  children {\n   l2tp {\n    \
    mode = transport\n    local_ts = dynamic[udp/1701]\n    remote_ts = dynamic[udp]\n    \
    esp_proposals = aes256-sha1,3des-sha1\n    start_action = trap\n    updown = /x\n   }\n   \
    net {\n    local_ts = 10.0.0.0/8\n   }\n  }\n }\n win {\n  version = 2\n  remote {\n   \
    auth = eap-mschapv2\n  }\n }\n}\n\
    secrets {\n ike-a {\n  id-1 = 192.0.2.7\n  id-2 = %any\n  secret = \"hush # one\"\n }\n \
    ike-b {\n  id = ann@example\n  secret = 0x68757368\n }\n ike-c {\n  secret = 0sbad!\n }\n \
    ike-d {\n  secret = \"hush \\\" two\"\n }\n eap-ann {\n  id = ann\n  secret = hush\n }\n}\n\
    pools {\n p {\n  addrs = 10.9.0.0/24\n }\n}\n";

#[test]
fn a_server() {
    let import = import(&[(PATH, SERVER)]);
    insta::assert_snapshot!("swanctl_lines", lines(&import).join("\n"));
    insta::assert_snapshot!("swanctl_settings", settings(&import).join("\n"));
    let file = &import.draft.side_files[0];
    let text = String::from_utf8(file.bytes.to_vec()).unwrap();
    let entries: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(
        entries,
        [
            "192.0.2.7 %any : PSK \"hush # one\"",
            "%any : PSK 0x68757368",
            ": PSK 'hush \" two'",
        ]
    );
}

/// strongSwan allows for a time that is not longer than the pause between questions, or for none.
#[test]
fn a_long_pause_has_a_longer_timeout() {
    for timeout in ["", "  dpd_timeout = 5m\n"] {
        let text = SERVER.replace("dpd_delay = 30s", "dpd_delay = 300s");
        let text = text.replace("  dpd_timeout = 150s\n", timeout);
        let import = import(&[(PATH, &text)]);
        let settings = settings(&import);
        for wanted in ["dpd-interval = \"5m\"", "dpd-timeout = \"25m\""] {
            assert!(settings.iter().any(|line| line == wanted), "{settings:?}");
        }
    }
}

/// strongSwan compares them with addresses, and so does adit.
#[test]
fn keys_for_networks_stay_theirs() {
    let text = "secrets {\n ike-a {\n  id = 203.0.113.0/24\n  secret = hush\n }\n ike-b {\n  \
        id-1 = 198.51.100.1-198.51.100.9\n  id-2 = 0.0.0.0\n  secret = hush\n }\n}\n";
    let import = import(&[(PATH, text)]);
    let file = &import.draft.side_files[0];
    let text = String::from_utf8(file.bytes.to_vec()).unwrap();
    assert_eq!(
        text.lines().skip(1).collect::<Vec<_>>(),
        [
            "203.0.113.0/24 : PSK \"hush\"",
            "198.51.100.1-198.51.100.9 %any : PSK \"hush\"",
        ]
    );
    assert_eq!(lines(&import)[2], "3 id = 203.0.113.0/24: kept");
}

/// One key that an ipsec.secrets cannot hold would take all others with it.
#[test]
fn base64_is_whole_or_dropped() {
    let text = "secrets {\n ike-a {\n  secret = 0sYWI=\n }\n ike-b {\n  secret = 0sYWI\n }\n}\n";
    let import = import(&[(PATH, text)]);
    let file = &import.draft.side_files[0];
    let text = String::from_utf8(file.bytes.to_vec()).unwrap();
    assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), [": PSK 0sYWI="]);
    let lost = lines(&import)
        .into_iter()
        .find(|line| line.starts_with("6 "));
    assert!(lost.unwrap().contains("dropped!"));
}

/// What becomes of a connection stands at its head.
#[test]
fn which_connections_are_for_l2tp_clients() {
    let server = "connections {\n c {\n  version = 1\n  remote_addrs = %any\n  local { auth = psk }\n  \
        remote { auth = psk }\n  children {\n   k {\n    mode = transport\n    \
        local_ts = dynamic[udp/1701]\n   }\n  }\n }\n}\n";
    for (change, head) in [
        (("", ""), "kept: L2TP clients come through it"),
        (("  version = 1\n", ""), "kept"),
        (("version = 1", "version = 2"), "dropped!: it is for IKEv2"),
        (
            (
                "remote { auth = psk }",
                "remote { auth = psk }\n remote-2 { auth = xauth }",
            ),
            "dropped!: it is for XAuth",
        ),
        (
            ("remote { auth = psk }", "remote { auth = pubkey }"),
            "dropped!: its clients have certificates",
        ),
        (
            ("remote { auth = psk }", "remote { }"),
            "dropped!: its clients have certificates",
        ),
        (("    mode = transport\n", ""), "dropped!: it is a tunnel"),
        (("udp/1701", "gre"), "dropped!: it protects something else"),
        (
            (
                "local_ts = dynamic[udp/1701]",
                "remote_ts = dynamic[udp/1701]",
            ),
            "kept",
        ),
        (
            (
                "remote_addrs = %any\n  local { auth = psk }\n  remote { auth = psk }\n  children {\n   k {\n    mode = transport\n    local_ts",
                "remote_addrs = vpn.example\n  local { auth = psk }\n  remote { auth = psk }\n  children {\n   k {\n    mode = transport\n    remote_ts",
            ),
            "client-side: it calls a server",
        ),
    ] {
        let text = server.replace(change.0, change.1);
        let import = import(&[(PATH, &text)]);
        let second = lines(&import).remove(1);
        assert!(
            second.starts_with(&format!("2 connections.c {{: {head}")),
            "{second}\n{text}"
        );
        let told = import.report.findings.iter().any(|found| {
            found
                .message
                .contains("no connection here that L2TP clients could come through")
        });
        assert_eq!(told, !head.starts_with("kept"), "{text}");
    }
}

#[test]
fn inherited_settings_count() {
    let text = "base {\n version = 1\n local { auth = psk }\n remote { auth = psk }\n encap = yes\n}\n\
        connections {\n c : base {\n  children {\n   k {\n    mode = transport\n    \
        local_ts = dynamic[17/1701]\n   }\n  }\n }\n}\ninclude conf.d/*.conf\n";
    let keys = "secrets { ike { secret = hush } }\n";
    let import = import(&[(PATH, text), ("/etc/swanctl/conf.d/keys.conf", keys)]);
    assert_eq!(
        settings(&import),
        [
            "[ipsec]",
            "secrets = \"ipsec.secrets\"",
            "encapsulation = \"always\""
        ]
    );
}

/// Keys that are there as adit reads them go on counting.
#[test]
fn an_ipsec_secrets_beside_it_is_included() {
    let import = import(&[
        (PATH, "secrets {\n ike {\n  secret = hush\n }\n}\n"),
        (
            "/etc/ipsec.secrets",
            "%any : PSK \"hush hush hush hush hush\"\n",
        ),
    ]);
    let file = &import.draft.side_files[0];
    let text = String::from_utf8(file.bytes.to_vec()).unwrap();
    assert!(
        text.contains("\ninclude /etc/ipsec.secrets\n: PSK \"hush\"\n"),
        "{text}"
    );
}

/// A blank would end its name, and a bracket make it a pattern.
#[test]
fn the_folder_of_an_included_ipsec_secrets_may_have_any_name() {
    for name in ["plain", "old server", "backup[1]", "it's \tthe *old* one?"] {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &[u8]| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        let key = b"secrets {\n ike {\n  secret = hush\n }\n}\n";
        let swanctl = write("swanctl.conf", key);
        let keys = b"192.0.2.1 : PSK \"hush hush hush hush hush\"\n";
        let old = write(&format!("{name}/ipsec.secrets"), keys);
        let files = Files::named(Path::new("/"), &[swanctl, old]).unwrap();
        let import = run(files, Vec::new(), &root.path().join("adit.toml"));
        let written = write("ipsec.secrets", &import.draft.side_files[0].bytes);
        let mut findings = Vec::new();
        let refuse = InsecurePermissions::Refuse;
        let entries = ipsec_secrets::load(&written, refuse, &mut findings).unwrap();
        assert_eq!(entries.len(), 2, "{name}: {findings:?}");
        let report = lines(&import);
        assert_eq!(report.last().unwrap(), "1 (secret): kept: read as it is");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn anything_is_accounted_for(
        lines in proptest::collection::vec("(connections|secrets|pools|[abk]|ike|local|remote|children)( : [ab])? \\{|\\}|(version|auth|mode|local_ts|remote_ts|proposals|esp_proposals|secret|id|dpd_delay|dpd_timeout|encap) = (1|2|psk|transport|dynamic\\[udp/1701\\]|[a-z0-9,-]{1,9}|0x4|30s|yes)|include x", 0..40),
    ) {
        import(&[(PATH, &(lines.join("\n") + "\n"))]);
    }
}
