//! What each setting means with the others: every rule finds its own place in the files.

use std::net::IpAddr;
use std::time::Duration;

use super::layers::Origins;
use super::model::{Config, OnLimit};
use crate::diagnostic::Diagnostic;

/// pppd's limit of a name, and that of an L2TP AVP's value is far above it.
const NAME: usize = 255;
/// RFC 791: every host takes a datagram of 576 bytes; below that TCP hardly works.
const SMALLEST_MTU: u16 = 576;

/// Adds what is wrong with `config` to `findings`.
pub fn validate(config: &Config, origins: &Origins, findings: &mut Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut check = Check {
        origins,
        findings: &mut found,
    };
    check.listen(config);
    check.ipsec(config);
    check.l2tp(config);
    check.ppp(config);
    check.pool(config);
    check.tun(&config.tun);
    check.workers(config);
    check.nat(config);
    check.clients(config);
    check.guard(&config.guard);
    check.limits(&config.limits);
    check.scripts(&config.scripts);
    check.rest(config);
    super::psk::validate(&config.psk, origins, &mut found);
    // By file and line: people read from the top.
    found.sort_by(|a, b| a.place.cmp(&b.place));
    findings.append(&mut found);
}

pub(super) struct Check<'a> {
    origins: &'a Origins,
    findings: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    pub(super) fn error(&mut self, path: &str, message: impl std::fmt::Display, hint: &str) {
        let found = Diagnostic::error(self.origins.of(path), format!("{path}: {message}"));
        self.add(found, hint);
    }

    pub(super) fn warning(&mut self, path: &str, message: impl std::fmt::Display, hint: &str) {
        let found = Diagnostic::warning(self.origins.of(path), format!("{path}: {message}"));
        self.add(found, hint);
    }

    pub(super) fn element_error(
        &mut self,
        path: &str,
        index: usize,
        message: impl std::fmt::Display,
        hint: &str,
    ) {
        let place = self.origins.of_element(path, index);
        self.add(Diagnostic::error(place, format!("{path}: {message}")), hint);
    }

    pub(super) fn element_warning(
        &mut self,
        path: &str,
        index: usize,
        message: impl std::fmt::Display,
        hint: &str,
    ) {
        let place = self.origins.of_element(path, index);
        self.add(
            Diagnostic::warning(place, format!("{path}: {message}")),
            hint,
        );
    }

    /// `hint` may be empty.
    fn add(&mut self, found: Diagnostic, hint: &str) {
        self.findings.push(if hint.is_empty() {
            found
        } else {
            found.hint(hint)
        });
    }

    fn listen(&mut self, config: &Config) {
        let listen = &config.listen;
        let path = "listen.addresses";
        if listen.addresses.is_empty() {
            self.error(
                path,
                "there is nothing to listen on",
                "\"0.0.0.0\" is every address",
            );
        }
        for (index, address) in listen.addresses.iter().enumerate() {
            let wildcard = |of: &IpAddr| of.is_unspecified() && of.is_ipv4() == address.is_ipv4();
            if address.is_multicast() || is_broadcast(*address) {
                self.element_error(
                    path,
                    index,
                    format!("{address} is not a host's address"),
                    "",
                );
            } else if listen
                .addresses
                .iter()
                .take(index)
                .any(|earlier| earlier == address)
            {
                self.element_error(path, index, format!("{address} is listed twice"), "");
            } else if !address.is_unspecified() && listen.addresses.iter().any(wildcard) {
                let message = format!("{address} is part of the unspecified address beside it");
                self.element_error(path, index, message, "list one or the other");
            }
        }
        if listen.ike_port == 0 {
            self.error("listen.ike-port", "0 is no port", "clients expect 500");
        }
        if listen.natt_port == 0 {
            self.error("listen.natt-port", "0 is no port", "clients expect 4500");
        }
        if listen.ike_port == listen.natt_port && listen.ike_port != 0 {
            let path = if self.origins.is_written("listen.natt-port") {
                "listen.natt-port"
            } else {
                "listen.ike-port"
            };
            let message = "ike-port and natt-port are the same, but the two speak differently";
            self.error(path, message, "clients expect 500 and 4500");
        }
        let ports = (listen.ike_port, listen.natt_port);
        if ports != (500, 4500) && ports.0 != 0 && ports.1 != 0 {
            let path = if listen.ike_port == 500 {
                "listen.natt-port"
            } else {
                "listen.ike-port"
            };
            let message = "clients built into systems know only ports 500 and 4500";
            self.warning(path, message, "fine for tests with `adit connect --port`");
        }
        if let Some(address) = listen.public_address
            && (address.is_unspecified() || address.is_loopback() || address.is_multicast())
        {
            let message = format!("{address} is not an address clients can reach");
            self.error(
                "listen.public-address",
                message,
                "the address they type in, or \"\"",
            );
        }
    }

    fn ipsec(&mut self, config: &Config) {
        let ipsec = &config.ipsec;
        if ipsec.secrets.as_os_str().is_empty() && config.psk.is_empty() {
            self.error(
                "ipsec.secrets",
                "no file is named",
                "without a key no client can connect",
            );
        }
        for (index, option) in ipsec.legacy.iter().enumerate() {
            let place = self.origins.of_element("ipsec.legacy", index);
            let message = format!("ipsec.legacy: {option} is on: {}", option.warning());
            self.findings.push(Diagnostic::warning(place, message));
        }
        for fault in ipsec.algorithm_faults() {
            self.element_error(fault.setting, fault.index, &fault.error, &fault.hint());
        }
        for (path, names, _) in ipsec.algorithms() {
            for (index, name) in names.iter().enumerate() {
                if names.iter().take(index).any(|earlier| earlier == name) {
                    let place = self.origins.of_element(path, index);
                    let message = format!("{path}: {name} is listed twice");
                    self.findings.push(Diagnostic::warning(place, message));
                }
            }
        }
        if !ipsec.dpd_interval.is_zero() && ipsec.dpd_timeout <= ipsec.dpd_interval {
            let message = "not longer than dpd-interval: every quiet peer would be taken for dead";
            self.error(
                "ipsec.dpd-timeout",
                message,
                "five times dpd-interval is usual",
            );
        }
        if ipsec.half_open == 0 || ipsec.half_open_per_source == 0 {
            let path = if ipsec.half_open == 0 {
                "ipsec.half-open"
            } else {
                "ipsec.half-open-per-source"
            };
            self.error(path, "with 0 nobody could connect", "");
        } else if ipsec.half_open_per_source > ipsec.half_open {
            let message = "above half-open, so one source can take all of it";
            self.warning("ipsec.half-open-per-source", message, "");
        }
        if (1..SMALLEST_MTU).contains(&ipsec.fragment_size) {
            let message = format!(
                "{} is below {SMALLEST_MTU}: long messages would not fit the fragments clients take",
                ipsec.fragment_size
            );
            self.error("ipsec.fragment-size", message, "try 1280, or 0 for never");
        }
        if ipsec.half_open_timeout < Duration::from_secs(5) {
            let message = "clients on slow lines need at least five seconds";
            self.error("ipsec.half-open-timeout", message, "try \"30s\"");
        }
    }

    fn l2tp(&mut self, config: &Config) {
        let l2tp = &config.l2tp;
        if l2tp.window == 0 {
            self.error(
                "l2tp.window",
                "a window of 0 stops the tunnel",
                "try 8 (RFC 2661 §4.4.3)",
            );
        }
        if l2tp.retransmissions == 0 {
            let message = "one lost packet would end the tunnel";
            self.error(
                "l2tp.retransmissions",
                message,
                "RFC 2661 §5.8 recommends 5",
            );
        }
        self.name("l2tp.host-name", &l2tp.host_name);
        if l2tp.hide_avps && l2tp.secret_file.is_none() {
            let message = "hiding needs a secret that both sides know";
            self.error("l2tp.hide-avps", message, "name it with secret-file");
        }
    }

    fn name(&mut self, path: &str, name: &str) {
        if name.len() > NAME {
            self.error(path, format!("longer than {NAME} bytes"), "");
        }
        if name.chars().any(char::is_control) {
            self.error(path, "holds a control character", "");
        }
    }

    fn ppp(&mut self, config: &Config) {
        let ppp = &config.ppp;
        if ppp.secrets.as_os_str().is_empty() {
            self.error(
                "ppp.secrets",
                "no file is named",
                "without users nobody can log in",
            );
        }
        if ppp.name.is_empty() {
            let hint = "it is the server column of the users' file, usually \"l2tpd\"";
            self.error("ppp.name", "the server must have a name", hint);
        }
        self.name("ppp.name", &ppp.name);
        if ppp.authentication.is_empty() {
            let message = "the list is empty: anybody with the key could come in";
            self.error("ppp.authentication", message, "try [\"mschap-v2\"]");
        }
        for (path, list) in [("ppp.dns", &ppp.dns), ("ppp.wins", &ppp.wins)] {
            if list.len() > 2 {
                let message = format!("{} servers, but IPCP can give only two", list.len());
                self.element_error(path, 2, message, "RFC 1877");
            }
            for (index, address) in list.iter().enumerate() {
                if !address.is_ipv4() {
                    let message = format!("{address} is not IPv4, and IPCP can give no other");
                    self.element_error(path, index, message, "");
                } else if address.is_unspecified() || address.is_loopback() {
                    let message = format!("{address} means something else on the client");
                    self.element_error(path, index, message, "name the address of a server");
                }
            }
        }
        self.mtu("ppp.mru", ppp.mru);
        if !ppp.echo_interval.is_zero() && ppp.echo_failures == 0 {
            let message = "with 0 the first echo would end the session";
            self.error(
                "ppp.echo-failures",
                message,
                "echo-interval = \"0s\" turns echoes off",
            );
        }
    }

    pub(super) fn mtu(&mut self, path: &str, mtu: u16) {
        if mtu < SMALLEST_MTU {
            self.error(path, format!("{mtu} is below {SMALLEST_MTU}"), "try 1400");
        } else if mtu > 1500 {
            let message = format!("{mtu} is above 1500, which no client agrees to");
            self.warning(path, message, "try 1400");
        }
    }

    fn pool(&mut self, config: &Config) {
        let pool = &config.pool;
        let local = pool.local;
        if local.is_unspecified() || local.is_multicast() || local.is_loopback() {
            let message = format!("{local} cannot be the server's inner address");
            self.error(
                "pool.local",
                message,
                "take a private one, such as \"10.10.1.1\"",
            );
        }
        if !local.is_ipv4() {
            self.error("pool.local", "inner addresses are IPv4", "");
        }
        let path = "pool.ranges";
        if pool.ranges.is_empty() {
            let message = "no addresses to lend: only users with a fixed address can connect";
            self.warning(path, message, "");
        }
        for (index, range) in pool.ranges.iter().enumerate() {
            if !range.first.is_ipv4() {
                self.element_error(path, index, "inner addresses are IPv4", "");
            }
            if range.contains(local) {
                let message = format!("{range} holds the server's own address {local}");
                let hint = "begin the range after pool.local";
                // Where the mistake is: the default range is nobody's.
                if self.origins.is_written(path) {
                    self.element_error(path, index, message, hint);
                } else {
                    self.error("pool.local", message, "set pool.ranges as well");
                }
            }
            if let Some(other) = pool.ranges.iter().take(index).find(|r| r.overlaps(range)) {
                self.element_error(path, index, format!("{range} overlaps {other}"), "");
            }
            if let Some(address) = config
                .listen
                .addresses
                .iter()
                .find(|address| range.contains(**address))
            {
                let message = format!("{range} holds {address}, on which the server listens");
                self.element_error(path, index, message, "use a network of its own");
            }
        }
    }

    fn rest(&mut self, config: &Config) {
        let clients = &config.clients;
        if clients.sessions_per_user == 0 && clients.on_limit != OnLimit::default() {
            let message = "without effect as long as sessions-per-user is 0, which is no limit";
            self.warning("clients.on-limit", message, "set sessions-per-user");
        }
        let named = config.psk.iter().any(|key| key.users.is_some());
        if config.ipsec.own_key_only && !named {
            let message = "without effect, as no [[psk]] names any users";
            self.warning("ipsec.own-key-only", message, "");
        }
        let control = &config.control;
        if control.mode.0 & 0o007 != 0 {
            let message = format!("{} lets every user of this host in", control.mode);
            self.warning("control.mode", message, "try \"0660\" with a group");
        }
        if !control.group.is_empty() && control.mode.0 & 0o060 != 0o060 {
            let message = format!(
                "{} does not let the group {:?} in",
                control.mode, control.group
            );
            self.warning("control.mode", message, "try \"0660\"");
        }
        // The path of a unix socket has 108 bytes, with the terminating NUL.
        if control
            .socket
            .as_ref()
            .is_some_and(|path| path.as_os_str().len() > 107)
        {
            self.error(
                "control.socket",
                "longer than the 107 bytes Linux takes",
                "",
            );
        }
        if let Err(error) = crate::logging::parse_level(&config.log.level) {
            let hint = "error, warn, info, debug or trace, or a filter such as \"info,ike=debug\"";
            self.error("log.level", error, hint);
        }
    }
}

fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_broadcast())
}
