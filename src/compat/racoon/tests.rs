use super::*;

fn read_alone(text: &[u8], findings: &mut Vec<Diagnostic>) -> Racoon {
    read(
        Path::new("f"),
        text,
        &mut |_: &Path, _: &Place, _: &str, _: &mut Vec<Diagnostic>| Vec::new(),
        findings,
    )
}

/// The statements in one line each, and the findings.
fn shown(text: &str) -> (Vec<String>, Vec<String>) {
    let mut findings = Vec::new();
    let file = read_alone(text.as_bytes(), &mut findings);
    let line = |statement: &Statement| {
        let end = match statement.end {
            End::Semicolon => ";",
            End::Block => " {",
            End::Close => "}",
            End::Missing => "?",
        };
        let (line, words) = (statement.place.line.unwrap(), statement.words.join("|"));
        let within = statement.within.map_or(String::new(), |n| format!("@{n}"));
        format!("{line}{within} {words}{end}")
    };
    let statements = file.statements.iter().map(line).collect();
    (
        statements,
        findings.iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn statements() {
    let text = "path include \"/etc/x\"; # words\nlisten { isakmp 10.0.0.1[500]; isakmp_natt\n \
                10.0.0.1 [4500]; }\nremote anonymous{exchange_mode main,aggressive;\n\
                my_identifier fqdn \"a;b # {c}\";}#}\nlog\nnotify;\n";
    let (statements, findings) = shown(text);
    assert_eq!(
        statements,
        [
            "1 path|include|/etc/x;",
            "2 listen {",
            "2@1 isakmp|10.0.0.1|[500];",
            "2@1 isakmp_natt|10.0.0.1|[4500];",
            "3@1 }",
            "4 remote|anonymous {",
            "4@5 exchange_mode|main|,|aggressive;",
            "5@5 my_identifier|fqdn|a;b # {c};",
            "5@5 }",
            "6 log|notify;",
        ]
    );
    assert_eq!(findings, [] as [String; 0]);
}

#[test]
fn mistakes_hide_nothing() {
    let text = "}\nremote a {\n;\npassive on\n}\nsainfo anonymous {\nlifetime time 1 \"hour";
    let (statements, findings) = shown(text);
    assert_eq!(
        statements,
        [
            "1 }",
            "2 remote|a {",
            "4@1 passive|on?",
            "5@1 }",
            "6 sainfo|anonymous {",
            "7@4 lifetime|time|1|hour?",
        ]
    );
    assert_eq!(
        findings,
        [
            "f:1: warning: this } closes nothing (is there one too many?)",
            "f:3: warning: this semicolon ends nothing (it can be taken out)",
            "f:4: warning: a statement has no semicolon (every statement ends in one)",
            "f:7: warning: a quote is not closed (everything up to the end of the file belongs to it)",
            "f:7: warning: a statement has no semicolon (every statement ends in one)",
            "f:6: warning: the block of sainfo is not closed (a } is missing)",
        ]
    );
}

#[test]
fn a_road_warrior_as_racoon_reads_it() {
    let text = r#"remote anonymous { exchange_mode aggressive,main; certificate_type x509 "server.crt" "server.key"; my_identifier asn1dn; proposal_check claim; generate_policy on;
nat_traversal on; dpd_delay 20; ike_frag on; esp_frag 552; script "/etc/racoon/phase1-up.sh" phase1_up; proposal { encryption_algorithm aes; hash_algorithm sha1;
authentication_method hybrid_rsa_server; dh_group 2; } }"#;
    let mut findings = Vec::new();
    let file = read_alone(text.as_bytes(), &mut findings);
    assert_eq!(findings, []);
    let remotes = file.remotes();
    assert_eq!(
        remotes,
        [Remote {
            statement: 0,
            name: "anonymous".into(),
            modes: vec!["aggressive".into(), "main".into()],
            own_id: ("asn1dn".into(), None),
            proposal_check: "claim".into(),
            generate_policy: "on".into(),
            nat_traversal: "on".into(),
            dpd: (20, 5, 5),
            ike_frag: "on".into(),
            esp_frag: Some(552),
            proposals: vec![PhaseOne {
                statement: 11,
                cipher: ("aes".into(), None),
                hash: "sha1".into(),
                method: "hybrid_rsa_server".into(),
                group: "modp1024".into(),
            }],
        }]
    );
    assert_eq!(remotes[0].proposals[0].bits(), Some(128));
}

#[test]
fn phase_two() {
    let text = b"sainfo address 10.0.0.0/8 any address 10.1.0.0/16[500] any { pfs_group 14; \
                 encryption_algorithm aes 256, 3des; authentication_algorithm hmac_sha1,hmac_md5; }\n\
                 sainfo anonymous { encryption_algorithm aes; }\n";
    let sainfos = read_alone(text, &mut Vec::new()).sainfos();
    assert_eq!(
        sainfos[0].ids,
        "address 10.0.0.0/8 any address 10.1.0.0/16 [500] any"
    );
    assert_eq!(sainfos[0].pfs_group.as_deref(), Some("modp2048"));
    assert_eq!(
        sainfos[0].ciphers,
        [("aes".into(), Some(256)), ("3des".into(), None)]
    );
    assert_eq!(sainfos[0].hashes, ["sha1", "md5"]);
    assert_eq!(sainfos[1].pfs_group, None);
    assert_eq!(sainfos[1].hashes, [] as [String; 0]);
}

#[test]
fn secrets_are_not_kept() {
    let text = b"radiuscfg { auth \"host\" \"hush\"; auth h [1812] \"hush\"; timeout 3; }\n\
                 ldapcfg { host \"h\"; bind_pw \"hush\"; }\n";
    let file = read_alone(text, &mut Vec::new());
    let shown = format!("{file:?}");
    assert!(!shown.contains("hush"), "{shown}");
    assert!(shown.contains("1812") || shown.contains("(secret)"));
}

#[test]
fn includes_are_relative_to_their_base() {
    let mut asked = Vec::new();
    let mut open = |by: &Path, place: &Place, pattern: &str, _: &mut Vec<Diagnostic>| {
        asked.push(format!(
            "{} {} {pattern}",
            by.display(),
            place.line.unwrap()
        ));
        vec![(
            "r.conf".into(),
            b"remote a { passive on; }\ninclude \"r.conf\";".to_vec(),
        )]
    };
    let mut findings = Vec::new();
    let text = b"include \"one\";\npath include \"/etc/x\";\n";
    let file = read(Path::new("f"), text, &mut open, &mut findings);
    assert_eq!(asked[..2], ["f 1 one", "r.conf 2 r.conf"]);
    assert_eq!(asked.len(), 9);
    assert_eq!(file.remotes().len(), 9);
    assert!(findings[0].to_string().contains("nested 10 deep"));
    let mut asked = Vec::new();
    let mut open = |_: &Path, _: &Place, pattern: &str, _: &mut Vec<Diagnostic>| {
        asked.push(pattern.to_owned());
        Vec::new()
    };
    let text = b"path include \"/etc/x\";\ninclude \"d/*.conf\";\n";
    read(Path::new("f"), text, &mut open, &mut Vec::new());
    assert_eq!(asked, ["/etc/x/d/*.conf"]);
}

#[test]
fn depth_has_an_end() {
    let text = "a { ".repeat(100_000) + &"} ".repeat(100_000) + "log notify;";
    let mut findings = Vec::new();
    let file = read_alone(text.as_bytes(), &mut findings);
    assert_eq!(findings.len(), 1);
    assert_eq!(file.statements.last().unwrap().within, None);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read(text: Vec<u8>) {
        read_alone(&text, &mut Vec::new());
    }

    #[test]
    fn any_statements_are_read(
        text in "(remote|sainfo|proposal|dh_group|dpd_delay|[ab1]|\\[|\\]|,|;|\\{|\\}|\"|#|\n| ){0,60}",
    ) {
        let file = read_alone(text.as_bytes(), &mut Vec::new());
        file.remotes();
        file.sainfos();
    }
}
