//! `[limits]`: how much of everything there may be; and what is wrong with it. Limits that belong to
//! one thing stand with it: half-open handshakes in `[ipsec]`, sessions of a user in `[clients]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::validate::Check;
use super::values::duration;
use crate::settings::{ESP_SAS, PEERS};

/// What one IKE message in fragments may hold, with what it costs to keep it.
const ONE_MESSAGE: u32 = 64 << 10;

/// A few computations and the way to a client and back.
const SHORTEST_BACKLOG: Duration = Duration::from_millis(100);

/// Places in a queue: what a control thread does in a minute or so.
const LONGEST_QUEUE: u32 = 1 << 20;

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Limits {
    /// Established IKE SAs, in all: the clients there can be.
    pub ike_sas: u32,
    /// Of these, of one address (of IPv6: its /64).
    pub ike_sas_per_address: u32,
    /// Quick Modes under way on one IKE SA.
    pub quick_modes: u32,
    /// ESP SA pairs of one IKE SA; one more, and the oldest goes.
    pub child_sas: u32,
    /// ESP SAs towards us, in all.
    pub esp_sas: u32,
    /// What handshakes that have begun may be work for before new ones wait for their answer.
    #[serde(with = "duration")]
    pub handshake_backlog: Duration,
    /// New ones that may wait for that.
    pub waiting_handshakes: u32,
    /// Bytes of IKE messages of which fragments are missing, in all.
    pub fragment_memory: u32,
    /// Such messages of one address that does not know a cookie of ours yet.
    pub fragmented_messages: u32,
    /// L2TP tunnels, in all.
    pub tunnels: u32,
    /// L2TP tunnels of one client.
    pub tunnels_per_client: u32,
    /// Sessions in one tunnel.
    pub sessions_per_tunnel: u32,
    /// Sessions, in all.
    pub sessions: u32,
    /// Sessions of one client.
    pub sessions_per_client: u32,
    /// IKE messages a second that begin something, from one address (of IPv6: its /64).
    pub first_messages: u32,
    /// Other IKE messages a second, likewise.
    pub messages: u32,
    /// Messages out of SAs that wait for the control thread.
    pub control_queue: u32,
    /// Of these, of one client.
    pub control_queue_per_client: u32,
    /// IKE messages with a cookie of ours that wait for it.
    pub ike_queue: u32,
    /// IKE messages that begin something and wait for it.
    pub first_ike_queue: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ike_sas: u32::try_from(PEERS).unwrap_or(u32::MAX),
            ike_sas_per_address: 16_384,
            quick_modes: 16,
            child_sas: 64,
            esp_sas: u32::try_from(ESP_SAS).unwrap_or(u32::MAX),
            handshake_backlog: Duration::from_secs(1),
            waiting_handshakes: 4096,
            fragment_memory: 4 << 20,
            fragmented_messages: 8,
            tunnels: 131_072,
            tunnels_per_client: 8,
            sessions_per_tunnel: 4,
            sessions: 65_536,
            sessions_per_client: 32,
            first_messages: 100,
            messages: 4_000,
            control_queue: 4_096,
            control_queue_per_client: 64,
            ike_queue: 1_024,
            first_ike_queue: 512,
        }
    }
}

impl Check<'_> {
    pub(super) fn limits(&mut self, limits: &Limits) {
        for (path, number, most) in [
            ("limits.ike-sas", limits.ike_sas, PEERS),
            ("limits.esp-sas", limits.esp_sas, ESP_SAS),
        ] {
            if usize::try_from(number).unwrap_or(usize::MAX) > most {
                let message = format!("the tables have room for {most}");
                self.error(path, message, "");
            }
        }
        if limits.handshake_backlog < SHORTEST_BACKLOG {
            let message = "threads would be idle while clients wait";
            self.error("limits.handshake-backlog", message, "such as \"1s\"");
        }
        if limits.fragment_memory < ONE_MESSAGE {
            let message = "not even one message in fragments fits into it";
            self.error("limits.fragment-memory", message, "65536 or more");
        }
        for (path, number) in [
            ("limits.control-queue", limits.control_queue),
            ("limits.ike-queue", limits.ike_queue),
            ("limits.first-ike-queue", limits.first_ike_queue),
            ("limits.waiting-handshakes", limits.waiting_handshakes),
        ] {
            if number > LONGEST_QUEUE {
                let message = "whoever waits that long has given up long before";
                self.error(path, message, &format!("at most {LONGEST_QUEUE}"));
            }
        }
        for (path, number) in [
            ("limits.ike-sas", limits.ike_sas),
            ("limits.ike-sas-per-address", limits.ike_sas_per_address),
            ("limits.quick-modes", limits.quick_modes),
            ("limits.child-sas", limits.child_sas),
            ("limits.esp-sas", limits.esp_sas),
            ("limits.fragmented-messages", limits.fragmented_messages),
            ("limits.tunnels", limits.tunnels),
            ("limits.tunnels-per-client", limits.tunnels_per_client),
            ("limits.sessions-per-tunnel", limits.sessions_per_tunnel),
            ("limits.sessions", limits.sessions),
            ("limits.sessions-per-client", limits.sessions_per_client),
            ("limits.first-messages", limits.first_messages),
            ("limits.messages", limits.messages),
            ("limits.control-queue", limits.control_queue),
            (
                "limits.control-queue-per-client",
                limits.control_queue_per_client,
            ),
            ("limits.ike-queue", limits.ike_queue),
            ("limits.first-ike-queue", limits.first_ike_queue),
        ] {
            if number == 0 {
                self.error(path, "with 0 nobody gets in", "1 or more");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::layers::Origins;
    use crate::config::validate::validate;

    #[test]
    fn the_defaults_are_those_of_the_crates() {
        let limits = Limits::default();
        let number = |number| usize::try_from(number).unwrap();
        let ike = ike::Limits::default();
        assert_eq!(
            number(limits.ike_sas_per_address),
            ike.established_per_source
        );
        assert_eq!(number(limits.quick_modes), ike.quick_modes_per_sa);
        assert_eq!(number(limits.child_sas), ike.children_per_sa);
        assert_eq!(limits.handshake_backlog, ike.backlog);
        assert_eq!(number(limits.waiting_handshakes), ike.waiting);
        assert_eq!(number(limits.fragment_memory), ike.fragment_bytes);
        assert_eq!(
            number(limits.fragmented_messages),
            ike.fragmented_per_source
        );
        let l2tp = l2tp::Config::default().limits;
        assert_eq!(number(limits.tunnels), l2tp.tunnels);
        assert_eq!(number(limits.tunnels_per_client), l2tp.tunnels_per_peer);
        assert_eq!(number(limits.sessions_per_tunnel), l2tp.sessions_per_tunnel);
        assert_eq!(number(limits.sessions_per_client), l2tp.sessions_per_peer);
        assert_eq!(number(limits.sessions), l2tp.sessions);
        let config = Config::default();
        let workers = crate::settings::worker_limits(&config);
        assert_eq!(workers, crate::io::worker::Limits::default());
    }

    #[test]
    fn each_mistake_is_found() {
        for (toml, words) in [
            ("ike-sas = 100_000", "room for 65536"),
            ("esp-sas = 1_000_000", "room for 262144"),
            ("fragment-memory = 1000", "not even one message"),
            ("sessions-per-tunnel = 0", "nobody gets in"),
            ("first-messages = 0", "nobody gets in"),
            ("handshake-backlog = \"1ms\"", "would be idle"),
            ("control-queue = 10_000_000", "at most 1048576"),
        ] {
            let config: Config = toml::from_str(&format!("[limits]\n{toml}")).unwrap();
            let mut findings = Vec::new();
            validate(&config, &Origins::default(), &mut findings);
            let text = findings.iter().map(ToString::to_string);
            let found: Vec<String> = text.filter(|text| text.contains("limits.")).collect();
            assert!(
                matches!(&found[..], [one] if one.contains(words)),
                "{toml}: {found:?}"
            );
        }
    }
}
