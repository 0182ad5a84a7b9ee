//! Holds the direction of dependencies: `src → engine → {ike, l2tp, ppp, dataplane} → {esp} →
//! wire`. The protocols do not know each other, and none of them knows the operating system.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "reads the manifests"
)]

use std::collections::BTreeSet;

/// Each crate, and the ones of this workspace that it may depend on.
const LAYERS: [(&str, &[&str]); 7] = [
    ("wire", &[]),
    ("esp", &["wire"]),
    ("ike", &["wire"]),
    ("l2tp", &["wire"]),
    ("ppp", &["wire"]),
    ("dataplane", &["wire", "esp"]),
    (
        "engine",
        &["wire", "esp", "ike", "l2tp", "ppp", "dataplane"],
    ),
];

/// Members that are programs for benchmarks and fuzzing: nothing of adit depends on them.
const TOOLS: [&str; 3] = ["bench/tools", "bench/instruction-counts", "fuzz"];

/// Through these a protocol crate could reach a socket, a file, a clock, a thread or the
/// operating system's randomness.
const OUTSIDE: [&str; 8] = [
    "tokio",
    "socket2",
    "quinn-udp",
    "tun-rs",
    "rustix",
    "getrandom",
    "rand",
    "config",
];

fn manifest(folder: &str) -> toml::Table {
    let path = format!("{}/{folder}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    text.parse().expect(&path)
}

/// What a crate depends on, tests aside.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let manifest = manifest(folder);
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn every_member_has_its_layer() {
    let workspace = manifest(".");
    let members = workspace["workspace"]["members"]
        .as_array()
        .expect("a list of members");
    let members: BTreeSet<_> = members.iter().filter_map(toml::Value::as_str).collect();
    let known = LAYERS.iter().map(|(name, _)| *name).chain(TOOLS);
    assert_eq!(members, known.collect());
}

#[test]
fn dependencies_point_downwards() {
    let ours: BTreeSet<String> = LAYERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for (name, allowed) in LAYERS {
        for dependency in dependencies(name).intersection(&ours) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} depends on {dependency}"
            );
        }
    }
}

#[test]
fn protocols_do_not_reach_outside() {
    for (name, _) in LAYERS {
        let dependencies = dependencies(name);
        assert!(
            name == "wire" || dependencies.contains("wire"),
            "{name} was not read"
        );
        for outside in OUTSIDE {
            assert!(
                !dependencies.contains(outside),
                "{name} depends on {outside}"
            );
        }
    }
}
