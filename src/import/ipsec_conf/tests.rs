use crate::import::testing::{import, lines, settings};

const PATH: &str = "/etc/ipsec.conf";

/// A server as guides for strongSwan make it; `{}` is more of it.
fn server(more: &str) -> String {
    format!(
        "conn l2tp\n keyexchange=ikev1\n type=transport\n authby=secret\n left=%defaultroute\n \
         leftprotoport=17/1701\n right=%any\n rightprotoport=17/%any\n auto=add\n{more}"
    )
}

/// What becomes of one more line of such a server.
fn more(line: &str) -> (String, Vec<String>) {
    let import = import(&[(PATH, &server(&format!(" {line}\n")))]);
    let report = lines(&import).pop().unwrap();
    (
        report.trim_start_matches("10 ").to_owned(),
        settings(&import),
    )
}

#[test]
fn a_plain_server_loses_nothing() {
    let import = import(&[(PATH, &server(""))]);
    for line in lines(&import) {
        assert!(line.contains(": kept"), "{line}");
    }
    assert_eq!(settings(&import), [] as [&str; 0]);
}

#[test]
fn what_becomes_of_each_key() {
    for (line, disposition, wanted) in [
        (
            "leftid=203.0.113.9",
            "kept (listen.public-address)",
            "public-address = \"203.0.113.9\"",
        ),
        ("leftid=@vpn.example", "changed: adit's identity", ""),
        ("rightid=%any", "kept", ""),
        ("rightid=@me", "changed: a client is known by its key", ""),
        (
            "rightsubnet=vhost:%priv,%no",
            "without effect: in transport mode",
            "",
        ),
        ("pfs=no", "kept: it is not asked for", ""),
        ("rekey=no", "kept: the client renews", ""),
        ("rekey=yes", "without effect", ""),
        (
            "ikelifetime=20m",
            "without effect: the client's lifetimes",
            "",
        ),
        ("lifetime=1h", "without effect", ""),
        ("keylife=1h", "without effect", ""),
        ("margintime=3m", "without effect", ""),
        ("keyingtries=3", "without effect", ""),
        (
            "forceencaps=yes",
            "kept (ipsec.encapsulation)",
            "encapsulation = \"always\"",
        ),
        ("forceencaps=no", "kept", ""),
        ("fragmentation=yes", "kept", ""),
        (
            "fragmentation=no",
            "kept (ipsec.fragment-size)",
            "fragment-size = 0",
        ),
        ("aggressive=no", "kept", ""),
        ("aggressive=yes", "dropped!: Aggressive Mode shows", ""),
        (
            "mark=%unique",
            "without effect: adit tells clients behind one NAT apart",
            "",
        ),
        (
            "sha256_96=yes",
            "kept (ipsec.legacy): esp-sha256-96: check values",
            "legacy = [\"esp-sha256-96\"]",
        ),
        ("sha256_96=no", "kept", ""),
        ("leftfirewall=yes", "dropped: the firewall", ""),
        ("leftupdown=/x", "dropped: no script", ""),
        (
            "leftcert=x.pem",
            "without effect: adit's clients have shared keys",
            "",
        ),
        (
            "rightsourceip=10.0.0.0/24",
            "without effect: it is for XAuth",
            "",
        ),
        ("compress=no", "without effect", ""),
        ("mobike=no", "without effect", ""),
        ("nonsense=1", "dropped: this key is not known here", ""),
        ("dpddelay=20", "without effect: without dpdaction", ""),
        ("rightfirewall=", "without effect: no connection has it", ""),
    ] {
        let (report, settings) = more(line);
        let expected = format!("{line}: {disposition}");
        assert!(report.starts_with(&expected), "{report}");
        let settings = settings.iter().filter(|line| !line.starts_with('['));
        assert_eq!(
            settings.map(String::as_str).collect::<Vec<_>>().join(" "),
            wanted,
            "{line}"
        );
    }
}

#[test]
fn algorithms() {
    for (line, groups, ciphers, hashes, esp, legacy) in [
        (
            "ike=aes256-sha1-modp2048,aes128-sha256-modp1024!",
            "modp2048 modp1024",
            "aes256 aes128",
            "sha1 sha256",
            "",
            "legacy-android",
        ),
        // Without the mark, strongSwan's own list follows, and so does ours.
        (
            "ike=3des-sha1-modp1536",
            "modp1536 ecp384 ecp256 ecp521 modp3072 modp4096 modp2048",
            "3des aes256 aes192 aes128",
            "sha1 sha256 sha384 sha512",
            "",
            "legacy-modp1536 legacy-3des",
        ),
        (
            "esp=aes256gcm16,aes128-sha1!",
            "",
            "",
            "",
            "aes256gcm16 aes128-sha1",
            "",
        ),
        (
            "esp=3des-md5-modp1024!",
            "",
            "",
            "",
            "3des-md5",
            "legacy-3des legacy-md5 pfs-modp1024",
        ),
        (
            "esp=aes256-sha256_96!",
            "",
            "",
            "",
            "aes256-sha256",
            "esp-sha256-96",
        ),
        ("ike=aes256!", "", "aes256", "", "", ""),
        // What libreswan writes; its `aes` is of both lengths.
        (
            "phase2alg=aes_gcm-null,aes256-sha2_512,aes-sha1",
            "",
            "",
            "",
            "aes256gcm16 aes128gcm16 aes256-sha512 aes256-sha1 aes128-sha1",
            "",
        ),
        (
            "ike=aes256-sha2;modp2048,aes128+aes256-sha1;dh14\n salifetime=1h",
            "modp2048",
            "aes256 aes128",
            "sha256 sha1",
            "",
            "",
        ),
    ] {
        let (_, settings) = more(line);
        for (key, wanted) in [
            ("groups", groups),
            ("ciphers", ciphers),
            ("hashes", hashes),
            ("esp", esp),
            ("legacy", legacy),
        ] {
            let begin = format!("{key} = ");
            let value = settings.iter().find_map(|line| line.strip_prefix(&begin));
            let value = value.unwrap_or("[]").replace(['[', ']', ',', '"'], "");
            assert_eq!(value, wanted, "{key} of {line}");
        }
    }
}

#[test]
fn algorithms_that_are_not_there() {
    let (report, settings) = more("ike=aes256-sha1-modp2048,blowfish256-sha1-curve25519!");
    assert!(
        report.contains("changed (ipsec.groups, ipsec.ciphers, ipsec.hashes): without"),
        "{report}"
    );
    assert!(
        settings
            .iter()
            .any(|line| line.starts_with("groups = [\"modp2048\"")),
        "{settings:?}"
    );
    let (report, settings) = more("esp=des-md5!");
    assert!(
        report.contains("dropped!: nothing of it is left without des, which is not safe"),
        "{report}"
    );
    assert_eq!(settings, [] as [&str; 0]);
    // Words that name no algorithm.
    let (report, settings) = more("ike=esn-!");
    assert_eq!(report, "ike=esn-!: kept: adit's own list holds");
    assert_eq!(settings, [] as [&str; 0]);
}

/// What becomes of a connection stands at its head.
#[test]
fn which_connections_are_for_l2tp_clients() {
    for (change, head) in [
        (("", ""), "kept: L2TP clients come through it"),
        (("left=%defaultroute\n", "left=10.0.0.1\n"), "kept"),
        (("keyexchange=ikev1\n", ""), "kept"),
        (
            ("authby=secret\n", "leftauth=psk\n rightauth=psk\n"),
            "kept",
        ),
        (("17/1701", "udp/l2tp"), "kept"),
        (("17/%any", "17/0"), "kept"),
        (("17/%any", "17/1701"), "kept"),
        (("17/1701", "17/%any"), "kept"),
        (("right=%any", "right=192.0.2.7"), "kept"),
        (
            ("keyexchange=ikev1", "keyexchange=ikev2"),
            "dropped!: it is for IKEv2",
        ),
        (
            ("keyexchange=ikev1", "ikev2=insist"),
            "dropped!: it is for IKEv2",
        ),
        (("keyexchange=ikev1", "ikev2=never"), "kept"),
        (
            ("authby=secret", "authby=xauthpsk"),
            "dropped!: it is for XAuth",
        ),
        (
            ("authby=secret", "authby=secret\n xauth=server"),
            "dropped!: it is for XAuth",
        ),
        (
            ("authby=secret", "authby=rsasig"),
            "dropped!: its clients have certificates",
        ),
        (("type=transport\n", ""), "dropped!: it is a tunnel"),
        (
            ("type=transport", "type=passthrough"),
            "dropped!: it exempts traffic",
        ),
        (("17/1701", "47"), "dropped!: it protects something else"),
        (
            ("auto=add", "auto=ignore"),
            "without effect: it is not loaded",
        ),
        (("auto=add\n", ""), "without effect: it is not loaded"),
        (
            (
                "right=%any\n rightprotoport=17/%any",
                "right=vpn.example\n rightprotoport=17/1701",
            ),
            "client-side: it calls a server",
        ),
    ] {
        let text = server("").replace(change.0, change.1);
        let import = import(&[(PATH, &text)]);
        let first = lines(&import).remove(0);
        assert!(
            first.starts_with(&format!("1 conn l2tp: {head}")),
            "{first}\n{text}"
        );
        // Whoever gets no connection is told what one takes.
        let told = import.report.findings.iter().any(|found| {
            found
                .message
                .contains("no connection here that L2TP clients could come through")
        });
        assert_eq!(told, !head.starts_with("kept"), "{text}");
    }
}

/// left and right are names only.
#[test]
fn sides_may_be_swapped() {
    let text = server("")
        .replace("left", "LEFT")
        .replace("right", "left")
        .replace("LEFT", "right");
    let text = text.replace(
        "right=%defaultroute",
        "right=192.0.2.1\n rightid=203.0.113.9",
    );
    let import = import(&[(PATH, &text)]);
    assert_eq!(
        settings(&import),
        [
            "[listen]",
            "addresses = [\"192.0.2.1\"]",
            "public-address = \"203.0.113.9\""
        ]
    );
}

#[test]
fn dead_peer_detection() {
    for (text, wanted) in [
        (
            "dpdaction=clear\n dpddelay=20\n dpdtimeout=60",
            "dpd-interval = \"20s\" dpd-timeout = \"1m\"",
        ),
        (
            "ikev2=no\n dpddelay=30\n dpdtimeout=300",
            "dpd-interval = \"30s\" dpd-timeout = \"5m\"",
        ),
        ("dpdaction=none\n dpddelay=30", "dpd-interval = \"0s\""),
        // Too short for what adit makes of it.
        (
            "dpdaction=clear\n dpddelay=30\n dpdtimeout=20",
            "dpd-interval = \"30s\" dpd-timeout = \"2m30s\"",
        ),
        (
            "dpdaction=clear\n dpddelay=300s",
            "dpd-interval = \"5m\" dpd-timeout = \"25m\"",
        ),
    ] {
        let (_, settings) = more(text);
        let settings = settings.iter().filter(|line| !line.starts_with('['));
        assert_eq!(
            settings.map(String::as_str).collect::<Vec<_>>().join(" "),
            wanted,
            "{text}"
        );
    }
}

/// The configuration of the scripts that most people have.
#[test]
fn hwdsl2() {
    let text = "version 2.0\n\nconfig setup\n  ikev1-policy=accept\n  \
        virtual-private=%v4:10.0.0.0/8,%v4:!192.168.42.0/24\n  uniqueids=no\n\n\
        conn shared\n  left=%defaultroute\n  leftid=203.0.113.9\n  right=%any\n  encapsulation=yes\n  \
        authby=secret\n  pfs=no\n  rekey=no\n  keyingtries=5\n  dpddelay=30\n  dpdtimeout=300\n  \
        dpdaction=clear\n  ikev2=never\n  \
        ike=aes256-sha2;modp2048,aes128-sha2;modp2048,aes256-sha1;modp2048,aes128-sha1;modp2048\n  \
        phase2alg=aes_gcm-null,aes128-sha1,aes256-sha1,aes256-sha2_512,aes128-sha2,aes256-sha2\n  \
        ikelifetime=24h\n  salifetime=24h\n  sha2-truncbug=no\n\n\
        conn l2tp-psk\n  auto=add\n  leftprotoport=17/1701\n  rightprotoport=17/%any\n  \
        type=transport\n  also=shared\n\n\
        conn xauth-psk\n  auto=add\n  leftsubnet=0.0.0.0/0\n  rightaddresspool=192.168.43.10-192.168.43.250\n  \
        modecfgdns=\"8.8.8.8 8.8.4.4\"\n  leftxauthserver=yes\n  rightxauthclient=yes\n  \
        leftmodecfgserver=yes\n  rightmodecfgclient=yes\n  modecfgpull=yes\n  cisco-unity=yes\n  also=shared\n\n\
        include /etc/ipsec.d/*.conf\n";
    let ikev2 = "conn ikev2-cp\n  left=%defaultroute\n  ikev2=insist\n  auto=add\n";
    let import = import(&[(PATH, text), ("/etc/ipsec.d/ikev2.conf", ikev2)]);
    insta::assert_snapshot!("hwdsl2_lines", lines(&import).join("\n"));
    insta::assert_snapshot!("hwdsl2_settings", settings(&import).join("\n"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    /// Whatever connections and lines come together, every line is accounted for and the
    /// configuration loads.
    #[test]
    fn anything_is_accounted_for(
        lines in proptest::collection::vec("conn [ab%]|config setup| (also=[ab]|(ike|esp|phase2alg)=[a-z0-9,;-]{0,12}!?|type=transport|auto=add|authby=secret|(left|right)(id|protoport|)=(%any|17/1701|10\\.0\\.0\\.[19]|x)|dpd(delay|timeout)=[0-9]{1,3}[smhd]?|dpdaction=(clear|none)|forceencaps=yes|sha2-truncbug=yes|pfs(group)?=(yes|modp1024|x)|[a-z]{1,4}=)", 0..24),
    ) {
        import(&[(PATH, &(lines.join("\n") + "\n"))]);
    }
}
