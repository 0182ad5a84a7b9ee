//! The settings of connections for L2TP clients.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ike::LegacyOption;

use super::setup::ALL_ADDRESSES;
use super::{CERTIFICATES, Work};
use crate::compat::ipsec_conf::{Dialect, boolean, seconds};
use crate::config::values::format_duration;
use crate::import::proposals::{Offers, Style};
use crate::import::{Id, Import};

/// One line of a connection: the report's name of it, and its value.
type Line = (Id, String);

/// The lines of all connections for L2TP clients, by their keys. `our-` and `peer-` stand before
/// those that say a side, and of several names of one key the usual one is taken.
type Lines = BTreeMap<String, Vec<Line>>;

/// The key's usual name.
fn usual(key: &str) -> &str {
    match key {
        "phase2alg" => "esp",
        "keylife" | "salifetime" | "ipsec-lifetime" => "lifetime",
        "rekeymargin" => "margintime",
        "forceencaps" => "encapsulation",
        "sha256-96" => "sha2-truncbug",
        "aggrmode" => "aggressive",
        "xauth" => "xauthby",
        other => other,
    }
}

impl Work<'_, '_> {
    /// The lines that connections for L2TP clients have.
    pub(super) fn taken(&mut self) {
        let mut lines = Lines::new();
        let mut seen = Vec::new();
        for connection in self.connections.iter().filter(|c| c.is_taken()) {
            for (key, value, statement) in connection.settings.iter() {
                let Some(id) = self.id(statement).filter(|id| !seen.contains(id)) else {
                    continue;
                };
                seen.push(id);
                let key = key.replace('_', "-");
                let side = |name: &str, whose: &str| {
                    let rest = key.strip_prefix(name)?;
                    Some(match rest {
                        "" => whose.to_owned(),
                        rest => format!("{whose}-{}", rest.trim_start_matches('-')),
                    })
                };
                let (ours, peer) = match connection.ours.name() {
                    "left" => ("left", "right"),
                    _ => ("right", "left"),
                };
                let key = side(ours, "our")
                    .or_else(|| side(peer, "peer"))
                    .unwrap_or_else(|| usual(&key).to_owned());
                lines.entry(key).or_default().push((id, value.to_owned()));
            }
        }
        let mut mapping = Mapping {
            dialect: self.conf.dialect,
            offers: Offers::default(),
            import: self.import,
        };
        mapping.addresses(&mut lines);
        mapping.dead_peers(&mut lines);
        for (key, lines) in &lines {
            for (id, value) in lines {
                mapping.line(*id, key, value);
            }
        }
        mapping.offers.settle(mapping.import);
    }
}

struct Mapping<'a> {
    dialect: Option<Dialect>,
    offers: Offers,
    import: &'a mut Import,
}

impl Mapping<'_> {
    fn boolean(&self, value: &str) -> Option<bool> {
        boolean(value, self.dialect)
    }

    /// Our address and our identity.
    fn addresses(&mut self, lines: &mut Lines) {
        let ours = lines.remove("our").unwrap_or_default();
        let address = |(_, value): &Line| value.parse::<IpAddr>().ok();
        let fixed: Vec<IpAddr> = ours.iter().filter_map(address).collect();
        let mut from = Vec::new();
        let mut list: Vec<String> = Vec::new();
        for line in &ours {
            let id = line.0;
            match address(line) {
                Some(address) if !address.is_unspecified() => {
                    from.push(id);
                    let text = address.to_string();
                    if !list.contains(&text) {
                        list.push(text);
                    }
                }
                Some(_) => self.import.report.kept(id, ""),
                None if matches!(&*line.1, "%defaultroute" | "%any" | "%any4") => {
                    self.import
                        .report
                        .kept(id, "adit listens on every IPv4 address");
                }
                None => self.import.report.changed(id, ALL_ADDRESSES),
            }
        }
        // One that listens everywhere hears what is meant for the others.
        if from.len() == ours.len() && !from.is_empty() {
            self.import.keep(&from, "listen.addresses", list);
        } else {
            for id in from {
                self.import.report.changed(id, ALL_ADDRESSES);
            }
        }
        for line in lines.remove("our-id").unwrap_or_default() {
            match address(&line) {
                Some(address) if fixed.contains(&address) => {
                    self.import
                        .report
                        .kept(line.0, "adit's identity is its address");
                }
                Some(address) => {
                    let value = address.to_string();
                    self.import.keep(&[line.0], "listen.public-address", value);
                }
                None => self.import.report.changed(
                    line.0,
                    "adit's identity is the address that clients know it by \
                     (listen.public-address), which is what they expect",
                ),
            }
        }
    }

    /// Dead peer detection: three keys that belong together.
    fn dead_peers(&mut self, lines: &mut Lines) {
        let never = |value: &str| matches!(value, "none" | "disabled" | "0");
        let actions = lines.remove("dpdaction").unwrap_or_default();
        let delays = lines.remove("dpddelay").unwrap_or_default();
        let timeouts = lines.remove("dpdtimeout").unwrap_or_default();
        let off: Vec<Id> = actions
            .iter()
            .chain(&delays)
            .filter(|(_, value)| never(value) || seconds(value) == Some(0))
            .map(|(id, _)| *id)
            .collect();
        let on = actions.iter().any(|(_, value)| !never(value));
        for (id, value) in actions.iter().filter(|(id, _)| !off.contains(id)) {
            match value.as_str() {
                "clear" => self.import.report.kept(*id, ""),
                _ => {
                    let why = "a dead client's session ends: a server calls nobody";
                    self.import.report.changed(*id, why);
                }
            }
        }
        if !off.is_empty() {
            self.import.keep(&off, "ipsec.dpd-interval", "0s");
            for (id, _) in delays.iter().chain(&timeouts) {
                if !off.contains(id) {
                    let why = "no client is asked whether it lives";
                    self.import.report.without_effect(*id, why);
                }
            }
            return;
        }
        // strongSwan asks only where an action is set, and adit always does.
        let idle = self.dialect == Some(Dialect::StrongSwan) && !on;
        let delay = self.longest(&delays, "ipsec.dpd-interval", idle);
        let default = crate::config::Ipsec::default();
        let delay = delay.unwrap_or(default.dpd_interval.as_secs());
        // libreswan allows for a time that is not longer than the pause between questions.
        let long = |value: &str| seconds(value).is_some_and(|timeout| timeout > delay);
        let (usable, short): (Vec<Line>, Vec<Line>) =
            timeouts.into_iter().partition(|(_, value)| long(value));
        for (id, _) in short {
            let why = format!(
                "it is not longer than dpddelay; {} is taken",
                format_duration(Duration::from_secs(delay.saturating_mul(5)))
            );
            let value = format_duration(Duration::from_secs(delay.saturating_mul(5)));
            self.import.change(&[id], "ipsec.dpd-timeout", value, &why);
        }
        if self.longest(&usable, "ipsec.dpd-timeout", idle).is_none() {
            self.import.assume_dpd_timeout(delay);
        }
    }

    /// Sets a time from several lines; the longest one, which spares clients that sleep.
    fn longest(&mut self, lines: &[Line], setting: &str, idle: bool) -> Option<u64> {
        let mut longest = None;
        let mut from = Vec::new();
        for (id, value) in lines {
            match seconds(value) {
                Some(_) if idle => {
                    let why = "without dpdaction nobody is asked; adit asks, at times of its own";
                    self.import.report.without_effect(*id, why);
                }
                Some(seconds) => {
                    longest = longest.max(Some(seconds));
                    from.push(*id);
                }
                None => self.import.report.dropped(*id, "it is no time"),
            }
        }
        let value = format_duration(Duration::from_secs(longest?));
        self.import.keep(&from, setting, value);
        longest
    }

    fn line(&mut self, id: Id, key: &str, value: &str) {
        let yes = self.boolean(value) == Some(true);
        let report = &mut self.import.report;
        match key {
            "type" | "our-protoport" => report.kept(id, ""),
            "keyexchange" | "ikev2" => match value {
                "ike" => report.changed(id, "adit speaks IKEv1 only, and so do L2TP clients"),
                _ => report.kept(id, "adit speaks IKEv1 only"),
            },
            "authby" | "our-auth" | "peer-auth" | "auth" => match value {
                "secret" | "psk" => report.kept(id, ""),
                _ => report.changed(id, "only shared keys are taken"),
            },
            "peer" => self.peer(id, value),
            "peer-id" => match value {
                "%any" | "" => report.kept(id, ""),
                _ => report.changed(
                    id,
                    "a client is known by its key, not by its identity; [[psk]] gives keys to \
                     users or networks",
                ),
            },
            "peer-protoport" if value.ends_with("1701") || value.ends_with("l2tp") => report
                .changed(
                    id,
                    "clients behind NAT come from other ports, and get in as well",
                ),
            "peer-protoport" => report.kept(id, ""),
            "our-subnet" | "peer-subnet" | "our-subnets" | "peer-subnets" | "our-subnetwithin"
            | "peer-subnetwithin" | "our-nexthop" | "peer-nexthop" => {
                report.without_effect(id, "in transport mode a client is its own address");
            }
            "ike" => self.offers.ike(id, value, self.style()),
            "esp" => self.offers.esp(id, value, self.style()),
            "ah" => report.dropped(id, "adit has ESP only, which authenticates as well"),
            "phase2" | "auth-protocol" => match value {
                "esp" => report.kept(id, ""),
                _ => report.dropped(id, "adit has ESP only, which authenticates as well"),
            },
            "pfs" if yes => {
                let why = "clients may ask for forward secrecy, and need not";
                report.changed(id, why);
            }
            "pfs" => report.kept(id, "it is not asked for"),
            "pfsgroup" => self.offers.pfs(id, value),
            "ikelifetime" | "lifetime" | "lifebytes" | "lifepackets" | "marginbytes"
            | "marginpackets" | "ipsec-max-bytes" | "ipsec-max-packets" => {
                report.without_effect(id, "the client's lifetimes are taken");
            }
            "margintime"
            | "rekeyfuzz"
            | "keyingtries"
            | "reauth"
            | "retransmit-timeout"
            | "retransmit-interval"
            | "inactivity"
            | "closeaction"
            | "failureshunt"
            | "negotiationshunt" => {
                report.without_effect(id, "the client renews, and adit calls nobody");
            }
            "rekey" if yes => {
                let why = "the client renews: adit serves it, and begins nothing itself";
                report.without_effect(id, why);
            }
            "rekey" => report.kept(id, "the client renews"),
            "encapsulation" => match value {
                "auto" => report.kept(id, ""),
                _ if yes => self.import.keep(&[id], "ipsec.encapsulation", "always"),
                // strongSwan's `no` is: only where there is NAT.
                _ if self.dialect == Some(Dialect::Libreswan) => {
                    let why = "where there is NAT, ESP goes in UDP: without it nothing arrives";
                    report.changed(id, why);
                }
                _ => report.kept(id, ""),
            },
            "nat-ikev1-method" => {
                report.without_effect(id, "the RFC and its drafts are both understood");
            }
            "sha2-truncbug" if yes => self.offers.option(id, LegacyOption::EspSha256Cut),
            "sha2-truncbug" => report.kept(id, ""),
            "fragmentation" => match value {
                "no" | "never" => self.import.keep(&[id], "ipsec.fragment-size", 0),
                _ => report.kept(id, ""),
            },
            "aggressive" if yes => report.dropped_for_clients(
                id,
                "Aggressive Mode shows everybody a hash of the key to guess from; clients that \
                 use it do not get in, and none of those built into systems needs it",
            ),
            "aggressive" => report.kept(id, ""),
            "mark" | "mark-in" | "mark-out" | "overlapip" | "sareftrack" | "set-mark-in"
            | "set-mark-out" | "our-allowany" | "peer-allowany" | "peer-natip" | "our-natip" => {
                report.without_effect(
                    id,
                    "adit tells clients behind one NAT apart by their security associations",
                );
            }
            "auto" => match value {
                "add" => report.kept(id, ""),
                _ => report.changed(id, "a server waits for its clients"),
            },
            "compress" if yes => report.dropped(id, "there is no IPComp; clients do without"),
            "our-updown" | "peer-updown" => report.dropped(
                id,
                "no script is run for a security association; those of PPP are, for each session",
            ),
            "our-firewall" | "peer-firewall" | "our-hostaccess" | "peer-hostaccess" if yes => {
                report.dropped(id, "the firewall's rules are left alone");
            }
            "our-ikeport" => match value.parse::<u16>() {
                Ok(port) => self.import.keep(&[id], "listen.ike-port", i64::from(port)),
                Err(_) => report.dropped(id, "it is no port"),
            },
            _ => rest(id, key, report),
        }
    }

    /// Where clients come from.
    fn peer(&mut self, id: Id, value: &str) {
        let report = &mut self.import.report;
        match value {
            "%any" | "%any4" | "%any6" | "0.0.0.0" => report.kept(id, ""),
            _ => report.changed(
                id,
                "clients may come from any address: the key says who they are; a [[psk]] with \
                 `from` binds a key to addresses",
            ),
        }
    }

    fn style(&self) -> Style {
        match self.dialect {
            Some(Dialect::Libreswan) => Style::Libreswan,
            _ => Style::StrongSwan,
        }
    }
}

/// Keys whose values do not matter.
fn rest(id: Id, key: &str, report: &mut crate::import::Report) {
    let plain = key
        .strip_prefix("our-")
        .or_else(|| key.strip_prefix("peer-"))
        .unwrap_or(key);
    match plain {
        "cert" | "cert2" | "ckaid" | "sendcert" | "ca" | "ca2" | "rsasigkey" | "rsasigkey2"
        | "pubkey" | "sigkey" | "certpolicy" | "groups" | "groups2" | "sendca" | "id2"
        | "auth2" | "eap" | "eap-identity" | "aaa-identity" => {
            report.without_effect(id, CERTIFICATES)
        }
        "sourceip" | "addresspool" | "dns" | "modecfgdns" | "modecfgdns1" | "modecfgdns2"
        | "modecfgdomains" | "modecfgbanner" | "modeconfig" | "modecfgpull" | "modecfgserver"
        | "modecfgclient" | "xauthby" | "xauthserver" | "xauthclient" | "xauthfail"
        | "xauthusername" | "xauth-identity" | "username" | "cisco-unity" | "remote-peer-type"
        | "cat" | "subnets-acl" => report.without_effect(
            id,
            "it is for XAuth and IKEv2: L2TP clients get their addresses from PPP",
        ),
        "compress" | "replay-window" | "reqid" | "tfc" | "installpolicy" | "mobike" | "esn"
        | "firewall" | "hostaccess" | "priority" | "nflog-group" | "nflog" | "mtu" | "metric"
        | "ikepad" | "narrowing" | "decap-dscp" | "encap-dscp" | "nopmtudisc"
        | "connaddrfamily" | "hostaddrfamily" | "clientaddrfamily" | "initial-contact"
        | "send-vendorid" | "accept-redirect" | "send-redirect" | "redirect-to"
        | "vti-interface" | "vti-routing" | "vti-shared" | "ipsec-interface" | "nic-offload"
        | "fake-strongswan" | "intermediate" | "ppk" | "dpdaction" | "mediation"
        | "mediated-by" | "me-peerid" | "labeled-ipsec" | "policy-label" | "sec-label"
        | "interface-ip" | "vti" | "ike-frag" | "pam-authorize" | "share-lease" | "keep-alive" => {
            report.without_effect(
                id,
                "it is about IKEv2, tunnels or the kernel's IPsec, none of which is there",
            )
        }
        _ if key.starts_with("x-") => report.without_effect(id, "a comment"),
        _ => report.dropped(id, "this key is not known here"),
    }
}
