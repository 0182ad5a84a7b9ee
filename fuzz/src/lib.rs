//! What adit must survive, whatever bytes come: each [`Target`] is a function that takes an input and panics if
//! something is not as it must be.
//!
//! A fuzzer looks for inputs that make one panic (the program `adit-fuzz`, run by `fuzz/run`). The ordinary tests
//! run all of them with the inputs that are known (`tests/replay.rs`).
#![forbid(unsafe_code)]
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a target says that something is wrong"
)]

#[allow(dead_code, reason = "the simulation needs more of it")]
#[path = "../../tests/simulation/datagram.rs"]
mod datagram;
#[allow(dead_code, reason = "the simulation needs more of it")]
#[path = "../../tests/simulation/echo.rs"]
mod echo;
mod input;
#[allow(dead_code, reason = "the simulation needs more of it")]
#[path = "../../tests/simulation/mutator.rs"]
mod mutator;
#[path = "../../bench/session-memory/net.rs"]
mod net;
#[allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    dead_code,
    reason = "the tests need more of it"
)]
#[path = "../../dataplane/src/offload/coalesce/tests/model.rs"]
mod packet_model;
#[allow(dead_code, reason = "the simulation needs more of it")]
#[path = "../../tests/simulation/party.rs"]
mod party;
mod targets;

use targets::{
    engine_steps, esp_packets, files, ike_datagrams, ike_encrypted, ike_fragments, l2tp_messages,
    l2tp_tunnel, natt, offload, packets, payloads, plane, ppp_frames, ppp_link,
};

/// Something that takes any bytes.
#[derive(Debug)]
pub struct Target {
    /// Its name, also that of its folders of seeds and regressions.
    pub name: &'static str,
    /// Does what is to be tried; panics if the outcome is wrong.
    pub run: fn(&[u8]),
    /// Folders of the shared data `fuzz-seeds` whose files are inputs as they are.
    pub shared: &'static [&'static str],
    /// Bytes of the longest input that is worth trying.
    pub longest: usize,
}

const fn target(
    name: &'static str,
    run: fn(&[u8]),
    shared: &'static [&'static str],
    longest: usize,
) -> Target {
    Target {
        name,
        run,
        shared,
        longest,
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("isakmp", payloads::message, &["isakmp"], 2_048),
    target("ike-payload", payloads::payload, &["strongswan-ids"], 512),
    target("ike-datagram", ike_datagrams::one, &["isakmp"], 2_048),
    target("ike-datagrams", ike_datagrams::several, &[], 4_096),
    target("ike-main-mode", ike_encrypted::main_mode, &[], 1_024),
    target("ike-established", ike_encrypted::established, &[], 2_048),
    target("ike-fragments", ike_fragments::run, &[], 512),
    target("natt", natt::run, &["udp4500"], 512),
    target("esp", esp_packets::run, &["esp"], 2_048),
    target("ingress", plane::ingress, &["l2tp"], 2_048),
    target("egress", plane::egress, &[], 4_096),
    target("l2tp", l2tp_messages::message, &["l2tp"], 1_024),
    target("l2tp-avps", l2tp_messages::attributes, &["l2tp-avp"], 1_024),
    target("l2tp-tunnel", l2tp_tunnel::run, &[], 2_048),
    target("ppp", ppp_frames::run, &["ppp"], 1_024),
    target("ppp-link", ppp_link::run, &[], 2_048),
    target("ip", packets::ip, &[], 1_500),
    target("dhcp", packets::dhcp, &[], 1_024),
    target("vnet", packets::vnet, &[], 16),
    target("segments", offload::segments, &[], 512),
    target("coalesce", offload::coalesce, &[], 1_024),
    target("ipsec.secrets", files::ipsec_secrets, &[], 2_048),
    target("chap-secrets", files::chap_secrets, &[], 2_048),
    target("l2tp-secrets", files::l2tp_secrets, &[], 1_024),
    target("xl2tpd.conf", files::xl2tpd_conf, &[], 2_048),
    target("pppd-options", files::pppd_options, &[], 2_048),
    target("ipsec.conf", files::ipsec_conf, &[], 2_048),
    target("swanctl.conf", files::swanctl_conf, &[], 2_048),
    target("racoon.conf", files::racoon_conf, &[], 2_048),
    target("setkey.conf", files::setkey_conf, &[], 2_048),
    target("psk.txt", files::psk_txt, &[], 1_024),
    target("hwdsl2.env", files::hwdsl2_env, &[], 1_024),
    target("adit.toml", files::adit_toml, &[], 2_048),
    target("import", files::import, &[], 2_048),
    target("engine", engine_steps::run, &[], 2_048),
];

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
