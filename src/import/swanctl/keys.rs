//! The settings of connections for L2TP clients.

use std::net::IpAddr;
use std::time::Duration;

use ike::LegacyOption;

use super::{ADDRESSES, CERTIFICATES, Work};
use crate::compat::ipsec_conf::seconds;
use crate::config::values::format_duration;
use crate::import::Id;
use crate::import::proposals::Style;

impl Work<'_, '_> {
    pub(super) fn connection_key(&mut self, id: Id, key: &str, value: &str, dead: u64) {
        let yes = value == "yes";
        let report = &mut self.import.report;
        match key {
            "version" if value == "1" => report.kept(id, "adit speaks IKEv1 only"),
            "version" => report.changed(id, "adit speaks IKEv1 only, and so do L2TP clients"),
            "local_addrs" => self.addresses(id, value),
            "remote_addrs" => match value {
                "%any" | "%any4" | "0.0.0.0/0" => report.kept(id, ""),
                _ => report.changed(
                    id,
                    "clients may come from any address: the key says who they are; a [[psk]] with \
                     `from` binds a key to addresses",
                ),
            },
            "proposals" => self.offers.ike(id, value, Style::Alone),
            "encap" if yes => self.import.keep(&[id], "ipsec.encapsulation", "always"),
            "encap" => report.kept(id, ""),
            "dpd_delay" => match seconds(value) {
                Some(0) => self.import.keep(&[id], "ipsec.dpd-interval", "0s"),
                Some(delay) => self.import.keep(&[id], "ipsec.dpd-interval", time(delay)),
                None => report.dropped(id, "it is no time"),
            },
            "dpd_timeout" => match seconds(value) {
                Some(timeout) if dead == 0 || timeout <= dead => {
                    let why = format!("it is not longer than dpd_delay, {} s", timeout.min(dead));
                    report.without_effect(id, why);
                }
                Some(timeout) => self.import.keep(&[id], "ipsec.dpd-timeout", time(timeout)),
                None => report.dropped(id, "it is no time"),
            },
            "fragmentation" if value == "no" => {
                self.import.keep(&[id], "ipsec.fragment-size", 0);
            }
            "fragmentation" => report.kept(id, ""),
            "aggressive" if yes => report.dropped_for_clients(
                id,
                "Aggressive Mode shows everybody a hash of the key to guess from; clients that \
                 use it do not get in, and none of those built into systems needs it",
            ),
            "aggressive" => report.kept(id, ""),
            "unique" => report.changed(
                id,
                "a client is its security association; clients.sessions-per-user says how many \
                 sessions a user may have",
            ),
            "local_port" => match value.parse::<u16>() {
                Ok(0 | 500 | 4500) => report.kept(id, ""),
                Ok(port) => self.import.keep(&[id], "listen.ike-port", i64::from(port)),
                Err(_) => report.dropped(id, "it is no port"),
            },
            "pools" | "vips" | "pull" => report.without_effect(id, ADDRESSES),
            "send_cert" | "send_certreq" => report.without_effect(id, CERTIFICATES),
            "rekey_time" | "over_time" | "rand_time" | "reauth_time" | "keyingtries" => {
                report.without_effect(id, "the client renews, and its lifetimes are taken");
            }
            "remote_port" | "mobike" | "dscp" | "ppk_id" | "ppk_required" | "mediation"
            | "mediated_by" | "mediation_peer" | "if_id_in" | "if_id_out" | "childless"
            | "ocsp" => {
                report.without_effect(id, "it is about IKEv2, or the kernel's IPsec");
            }
            _ => report.dropped(id, "this key is not known here"),
        }
    }

    fn addresses(&mut self, id: Id, value: &str) {
        let addresses: Option<Vec<IpAddr>> = value
            .split(',')
            .map(|word| word.trim().parse().ok())
            .collect();
        match addresses {
            Some(addresses) => {
                let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                self.import.keep(&[id], "listen.addresses", list);
            }
            None if value.starts_with("%any") => self.import.report.kept(id, ""),
            None => self.import.report.changed(
                id,
                "adit listens on every IPv4 address; listen.addresses narrows that",
            ),
        }
    }

    pub(super) fn side_key(&mut self, id: Id, ours: bool, key: &str, value: &str) {
        let report = &mut self.import.report;
        match key {
            "auth" => report.kept(id, ""),
            "id" if !ours && matches!(value, "%any" | "") => report.kept(id, ""),
            "id" if !ours => report.changed(
                id,
                "a client is known by its key, not by its identity; [[psk]] gives keys to users \
                 or networks",
            ),
            "id" => match value.parse::<IpAddr>() {
                Ok(address) => {
                    let value = address.to_string();
                    self.import.keep(&[id], "listen.public-address", value);
                }
                Err(_) => report.changed(
                    id,
                    "adit's identity is the address that clients know it by \
                     (listen.public-address), which is what they expect",
                ),
            },
            "round" | "eap_id" | "aaa_id" | "xauth_id" => {
                report.without_effect(id, "there is one round, of shared keys");
            }
            "certs" | "cert" | "pubkeys" | "cacerts" | "cacert" | "groups" | "cert_policy"
            | "revocation" | "ca_id" => report.without_effect(id, CERTIFICATES),
            _ => report.dropped(id, "this key is not known here"),
        }
    }

    pub(super) fn child_key(&mut self, id: Id, key: &str, value: &str) {
        let report = &mut self.import.report;
        match key {
            "mode" | "local_ts" => report.kept(id, ""),
            "remote_ts" if value.contains("1701") => report.changed(
                id,
                "clients behind NAT come from other ports, and get in as well",
            ),
            "remote_ts" => report.kept(id, ""),
            "esp_proposals" => self.offers.esp(id, value, Style::Alone),
            "ah_proposals" => {
                report.dropped(id, "adit has ESP only, which authenticates as well");
            }
            "sha256_96" if value == "yes" => self.offers.option(id, LegacyOption::EspSha256Cut),
            "sha256_96" => report.kept(id, ""),
            "start_action" => match value {
                "none" | "" => report.kept(id, ""),
                _ => report.changed(id, "a server waits for its clients"),
            },
            "dpd_action" => match value {
                "clear" | "none" => report.kept(id, ""),
                _ => report.changed(id, "a dead client's session ends: a server calls nobody"),
            },
            "updown" => report.dropped(
                id,
                "no script is run for a security association; those of PPP are, for each session",
            ),
            "ipcomp" if value == "yes" => {
                report.dropped(id, "there is no IPComp; clients do without");
            }
            "mark_in" | "mark_out" | "mark_in_sa" | "set_mark_in" | "set_mark_out" | "reqid"
            | "if_id_in" | "if_id_out" => report.without_effect(
                id,
                "adit tells clients behind one NAT apart by their security associations",
            ),
            "rekey_time" | "life_time" | "rand_time" | "rekey_bytes" | "life_bytes"
            | "rand_bytes" | "rekey_packets" | "life_packets" | "rand_packets" | "inactivity"
            | "close_action" => {
                report.without_effect(id, "the client renews, and its lifetimes are taken");
            }
            "ipcomp" | "policies" | "policies_fwd_out" | "hostaccess" | "priority"
            | "interface" | "tfc_padding" | "replay_window" | "hw_offload" | "copy_df"
            | "copy_ecn" | "copy_dscp" | "label" | "label_mode" | "per_cpu_sas" => {
                report.without_effect(id, "it is about the kernel's IPsec, which is not used");
            }
            _ => report.dropped(id, "this key is not known here"),
        }
    }
}

fn time(seconds: u64) -> String {
    format_duration(Duration::from_secs(seconds.min(u64::from(u32::MAX))))
}
