use crate::import::testing::{import, lines, settings};

const PATH: &str = "/etc/racoon/racoon.conf";

#[test]
fn a_server_with_keys() {
    let text = "path pre_shared_key \"psk.txt\";\npath certificate \"/c\";\nlog notify;\n\
        padding { randomize off; }\nlisten { isakmp 192.0.2.1 [500]; isakmp_natt 192.0.2.1 [4500];\n\
        adminsock disabled; }\ntimer {\n phase1 30 sec;\n}\nremote anonymous {\n \
        exchange_mode main,aggressive;\n my_identifier address 203.0.113.9;\n nat_traversal force;\n \
        dpd_delay 20;\n dpd_retry 5;\n passive on;\n generate_policy unique;\n esp_frag 552;\n \
        script \"up\" phase1_up;\n proposal_check obey;\n nonsense;\n proposal {\n  \
        encryption_algorithm aes 256;\n  hash_algorithm sha1;\n  authentication_method pre_shared_key;\n  \
        dh_group 2;\n  lifetime time 1 hour;\n }\n proposal {\n  encryption_algorithm aes;\n  \
        hash_algorithm sha256;\n  authentication_method xauth_psk_server;\n  dh_group 14;\n }\n}\n\
        sainfo anonymous {\n pfs_group 2;\n encryption_algorithm aes 256, 3des;\n \
        authentication_algorithm hmac_sha1, hmac_md5;\n compression_algorithm deflate;\n}\n\
        sainfo address 10.0.0.0/8 any address 10.1.0.0/16 any {\n encryption_algorithm aes;\n}\n\
        mode_cfg {\n network4 10.9.0.1;\n}\nradiuscfg {\n auth \"h\" \"hush\";\n}\n";
    let keys = "192.0.2.7 hush\n";
    let import = import(&[(PATH, text), ("/etc/racoon/psk.txt", keys)]);
    insta::assert_snapshot!("racoon_lines", lines(&import).join("\n"));
    insta::assert_snapshot!("racoon_settings", settings(&import).join("\n"));
}

/// 3DES with a group of 1024 bits: nobody would get in with the lists that these are.
#[test]
fn what_protects_nothing_is_not_taken_over() {
    let text = "remote anonymous {\n exchange_mode main;\n proposal {\n  encryption_algorithm 3des;\n  \
        hash_algorithm sha1;\n  authentication_method pre_shared_key;\n  dh_group 2;\n }\n}\n\
        sainfo anonymous {\n encryption_algorithm 3des;\n authentication_algorithm hmac_sha1;\n}\n";
    let import = import(&[(PATH, text)]);
    let report = lines(&import);
    for line in [3, 4, 6] {
        assert!(
            report[line].contains("dropped!: nothing of it is left without 3DES with modp1024"),
            "{}",
            report[line]
        );
    }
    assert_eq!(
        settings(&import),
        [
            "[ipsec]",
            "legacy = [\"legacy-3des\"]",
            "esp = [\"3des-sha1\"]"
        ]
    );
}

/// What becomes of a remote stands at its head.
#[test]
fn which_remotes_let_clients_in() {
    for (mode, method, head) in [
        (
            "main",
            "pre_shared_key",
            "kept: L2TP clients come through it",
        ),
        (
            "aggressive",
            "pre_shared_key",
            "dropped!: its clients use Aggressive Mode",
        ),
        (
            "main",
            "hybrid_rsa_server",
            "dropped!: it is for hybrid authentication",
        ),
        ("main", "xauth_psk_server", "dropped!: it is for XAuth"),
        ("main", "rsasig", "dropped!: its clients have certificates"),
    ] {
        let text = format!(
            "remote anonymous {{ exchange_mode {mode};\nproposal {{ encryption_algorithm aes; \
             hash_algorithm sha1; authentication_method {method}; dh_group 14; }} }}\n"
        );
        let import = import(&[(PATH, &text)]);
        let first = lines(&import).remove(0);
        assert!(
            first.starts_with(&format!("1 remote anonymous {{: {head}")),
            "{first}"
        );
        let told = import
            .report
            .findings
            .iter()
            .any(|found| found.message.contains("no remote here lets in clients"));
        assert_eq!(told, !head.starts_with("kept"), "{text}");
    }
}

/// A semicolon is missing, and the next block belongs to that statement.
#[test]
fn blocks_of_statements_that_have_none() {
    for text in [
        "path pre_shared_key \"x\"\nremote anonymous {\n exchange_mode main;\n}\n",
        "remote anonymous {\n x {\n  y;\n }\n proposal { authentication_method pre_shared_key; }\n}\n",
        "log notify\ntimer {\n counter 5;\n}\n",
    ] {
        import(&[(PATH, text)]);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn anything_is_accounted_for(
        lines in proptest::collection::vec("(remote|sainfo) (anonymous|10\\.0\\.0\\.1) \\{|(proposal|listen|mode_cfg|timer|[ab]) \\{|\\}|(exchange_mode main|authentication_method pre_shared_key|encryption_algorithm (aes|3des|des)|hash_algorithm (sha1|md5)|dh_group (1|2|14)|authentication_algorithm hmac_sha1|pfs_group (2|x)|dpd_delay [0-9]{1,4}|isakmp 10\\.0\\.0\\.1|path pre_shared_key \"x\"|[a-z]{1,3}( on)?);?", 0..40),
    ) {
        import(&[(PATH, &(lines.join("\n") + "\n"))]);
    }
}
