//! `config setup`.

use std::net::IpAddr;

use super::{CERTIFICATES, Work};
use crate::compat::ipsec_conf::{Section, What, boolean};
use crate::import::Id;

impl Work<'_, '_> {
    pub(super) fn setup(&mut self, section: &Section) {
        for (number, statement) in section.settings.iter().enumerate() {
            let (Some(id), Some(What::Setting { key, value })) = (
                self.id(*statement),
                self.conf.statements.get(*statement).map(|s| &s.what),
            ) else {
                continue;
            };
            let again = section.settings.iter().skip(number.saturating_add(1));
            let same = |later: &&usize| {
                let later = self.conf.statements.get(**later).map(|s| &s.what);
                matches!(later, Some(What::Setting { key: later, .. }) if later == key)
            };
            if again.clone().any(|later| same(&later)) {
                let why = "a later line has the last word";
                self.import.report.without_effect(id, why);
            } else {
                self.setup_key(id, &key.replace('_', "-"), value);
            }
        }
        for (_, statement) in &section.also {
            if let Some(id) = self.id(*statement) {
                let why = "config setup takes nothing from other sections";
                self.import.report.without_effect(id, why);
            }
        }
    }

    fn setup_key(&mut self, id: Id, key: &str, value: &str) {
        let dialect = self.conf.dialect;
        let import = &mut *self.import;
        match key {
            _ if value.is_empty() => import.report.without_effect(id, "it says the default"),
            "uniqueids" => match boolean(value, dialect) {
                Some(false) => {
                    let why = "a client is told from others by its security association";
                    import.report.kept(id, why);
                }
                _ => import.report.changed(
                    id,
                    "a client that comes again replaces nobody until it logs in; \
                     clients.sessions-per-user says how many sessions a user may have",
                ),
            },
            "virtual-private" => import.report.without_effect(
                id,
                "clients may have any address behind their NAT: adit tells them apart by their \
                 security associations",
            ),
            "nat-traversal" => match boolean(value, dialect) {
                Some(false) => {
                    let why = "adit always finds out whether there is NAT";
                    import.report.changed(id, why);
                }
                _ => import.report.kept(id, ""),
            },
            "ikev1-policy" => match value {
                "accept" => import.report.kept(id, ""),
                _ => import.report.changed(
                    id,
                    "with this libreswan answers no L2TP client at all, and adit does",
                ),
            },
            "listen" => {
                let words = value.split(',').map(str::trim);
                let addresses: Option<Vec<IpAddr>> = words.map(|word| word.parse().ok()).collect();
                match addresses {
                    Some(addresses) => {
                        let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                        import.keep(&[id], "listen.addresses", list);
                    }
                    None => import.report.changed(id, ALL_ADDRESSES),
                }
            }
            "ikeport" | "nat-ikeport" => {
                let setting = match key {
                    "ikeport" => "listen.ike-port",
                    _ => "listen.natt-port",
                };
                match value.parse::<u16>() {
                    Ok(port) => import.keep(&[id], setting, i64::from(port)),
                    Err(_) => import.report.dropped(id, "it is no port"),
                }
            }
            "secretsfile" => import.keep(&[id], "ipsec.secrets", value),
            "interfaces" => match value {
                "%defaultroute" | "%none" => import.report.kept(id, ""),
                _ => import.report.changed(id, ALL_ADDRESSES),
            },
            "plutodebug" | "klipsdebug" | "charondebug" | "logfile" | "plutostderrlog"
            | "logtime" | "logappend" | "logip" | "syslog" | "plutostderrlogtime" | "audit-log"
            | "statsbin" => {
                import.report.changed(
                    id,
                    "adit writes to its standard error, as much as log.level says",
                );
            }
            "protostack"
            | "nhelpers"
            | "dumpdir"
            | "overridemtu"
            | "hidetos"
            | "fragicmp"
            | "plutorestartoncrash"
            | "uniqueid"
            | "ipsecdir"
            | "nssdir"
            | "seedbits"
            | "seccomp"
            | "myvendorid"
            | "dnssec-enable"
            | "dnssec-rootkey-file"
            | "dnssec-anchors"
            | "curl-iface"
            | "curl-timeout"
            | "perpeerlog"
            | "perpeerlogdir"
            | "charonstart"
            | "plutostart"
            | "prepluto"
            | "postpluto"
            | "plutoopts"
            | "pluto"
            | "forwardcontrol"
            | "rp-filter"
            | "packetdefault"
            | "oe"
            | "drop-oppo-null"
            | "global-redirect"
            | "global-redirect-to"
            | "keep-alive"
            | "force-keepalive"
            | "disable-port-floating"
            | "shuntlifetime"
            | "xfrmlifetime"
            | "ike-socket-bufsize"
            | "ike-socket-errqueue"
            | "nflog-all"
            | "expire-shunt-interval"
            | "listen-tcp"
            | "listen-udp"
            | "sareftrack"
            | "pkcs11module"
            | "pkcs11initargs"
            | "pkcs11keepstate"
            | "pkcs11proxy" => {
                import.report.without_effect(
                    id,
                    "it is about the inner workings of the old program, or the kernel's IPsec",
                );
            }
            "ddos-mode" | "ddos-ike-threshold" | "ddos-ike-treshold" | "max-halfopen-ike"
            | "force-busy" => import.report.changed(
                id,
                "ipsec.half-open and ipsec.half-open-per-source bound unfinished handshakes",
            ),
            "strictcrlpolicy" | "cachecrls" | "crlcheckinterval" | "nocrsend" => {
                import.report.without_effect(id, CERTIFICATES);
            }
            _ if key.starts_with("crl") || key.starts_with("ocsp") => {
                import.report.without_effect(id, CERTIFICATES);
            }
            _ if key.starts_with("x-") => import.report.without_effect(id, "a comment"),
            _ => import.report.dropped(id, "this key is not known here"),
        }
    }
}

pub(super) const ALL_ADDRESSES: &str =
    "adit listens on every IPv4 address; listen.addresses narrows that";
