use crate::import::testing::{import, lines, settings};

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

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn anything_is_accounted_for(
        lines in proptest::collection::vec("(connections|secrets|pools|[abk]|ike|local|remote|children)( : [ab])? \\{|\\}|(version|auth|mode|local_ts|remote_ts|proposals|esp_proposals|secret|id|dpd_delay|dpd_timeout|encap) = (1|2|psk|transport|dynamic\\[udp/1701\\]|[a-z0-9,-]{1,9}|0x4|30s|yes)|include x", 0..40),
    ) {
        import(&[(PATH, &(lines.join("\n") + "\n"))]);
    }
}
