//! Options whose meaning is only known at the last word.

use std::path::Path;
use std::time::Duration;

use toml::Value;

use super::values::{addresses, overridden, packet_size, plugin, replace, seconds, servers};
use super::{Id, Import, Kind, Step};
use crate::compat::chap_secrets::{self, Name};
use crate::config::values::format_duration;
use crate::diagnostic::{Diagnostic, Place};

/// Parts of adit whose log is to be detailed, and who says so.
#[derive(Clone, Debug, Default)]
pub(in crate::import) struct Debugging(Vec<(&'static str, Id)>);

impl Debugging {
    pub fn of(&mut self, part: &'static str, id: Id) {
        self.0.push((part, id));
    }

    fn finish(self, import: &mut Import) {
        if self.0.is_empty() {
            return;
        }
        let mut parts: Vec<&str> = self.0.iter().map(|(part, _)| *part).collect();
        parts.sort_unstable();
        parts.dedup();
        let filters: Vec<String> = parts.iter().map(|part| format!("{part}=debug")).collect();
        let ids: Vec<Id> = self.0.iter().map(|(_, id)| *id).collect();
        import.keep(&ids, "log.level", format!("info,{}", filters.join(",")));
    }
}

/// Ways to log in, the best first.
const METHODS: [&str; 3] = ["mschap-v2", "chap", "pap"];

/// What is only known at the last word.
#[derive(Default)]
pub(super) struct Gathered {
    /// Who asks for a login.
    auth: Vec<Id>,
    /// Who asks for none.
    noauth: Vec<Id>,
    /// Whether the last of those asks for none.
    is_open: bool,
    /// The ways that are named.
    required: Vec<(&'static str, Id)>,
    dns: Vec<(String, Id)>,
    wins: Vec<(String, Id)>,
    echo_interval: Option<(u32, Id)>,
    echo_failures: Option<(u32, Id)>,
    name: bool,
    domain: Option<(String, Id)>,
    set: Vec<(String, Id)>,
    debugging: Debugging,
}

impl Gathered {
    pub(super) fn new(debugging: Debugging) -> Self {
        Self {
            debugging,
            ..Self::default()
        }
    }

    /// Options that are a setting of their own, of which the last one counts.
    pub(super) fn single(&mut self, step: &Step, import: &mut Import) -> bool {
        let from = &[step.id];
        let text = step.argument.as_str();
        match step.name.as_str() {
            "name" if text.is_empty() => {
                import
                    .report
                    .dropped_for_clients(step.id, "a server must have a name");
            }
            "name" => {
                self.name = true;
                import.keep(from, "ppp.name", text);
            }
            "mtu" => packet_size(step, "tun.mtu", import),
            "mru" => packet_size(step, "ppp.mru", import),
            "idle" => seconds(step, "clients.idle-timeout", import),
            "maxconnect" => seconds(step, "clients.session-timeout", import),
            "chap-secrets" => import.keep(from, "ppp.secrets", text),
            "pap-secrets" => import.keep(from, "ppp.pap-secrets", text),
            "proxyarp" => import.keep(from, "clients.proxy-arp", true),
            "noproxyarp" | "-proxyarp" => import.keep(from, "clients.proxy-arp", false),
            "ipparam" => import.keep(from, "scripts.ipparam", text),
            "auth-up-script" => import.keep(from, "scripts.auth-up", text),
            "auth-down-script" => import.keep(from, "scripts.auth-down", text),
            "ip-pre-up-script" => import.keep(from, "scripts.ip-pre-up", text),
            "ip-up-script" => import.keep(from, "scripts.ip-up", text),
            "ip-down-script" => import.keep(from, "scripts.ip-down", text),
            "plugin" => plugin(step, import),
            name if name.contains(':') => addresses(step, import),
            _ => return false,
        }
        true
    }

    /// Options that count together.
    pub(super) fn listed(&mut self, step: &Step, import: &mut Import) -> bool {
        let (id, text) = (step.id, step.argument.clone());
        match step.name.as_str() {
            "auth" => {
                self.auth.push(id);
                self.is_open = false;
            }
            "noauth" => {
                self.noauth.push(id);
                self.is_open = true;
            }
            "require-mschap-v2" | "+mschap-v2" | "+chapms-v2" => self.require("mschap-v2", id),
            "require-chap" | "+chap" => self.require("chap", id),
            "require-pap" | "+pap" => self.require("pap", id),
            "require-mschap" | "+mschap" | "+chapms" => {
                self.require("mschap-v2", id);
                let why = "version 1 of MS-CHAP is broken: version 2 is asked for, which every \
                           client with version 1 has";
                import.report.changed(id, why);
            }
            "ms-dns" => self.dns.push((text, id)),
            "ms-wins" => self.wins.push((text, id)),
            "lcp-echo-interval" => replace(&mut self.echo_interval, step, import),
            "lcp-echo-failure" => replace(&mut self.echo_failures, step, import),
            "domain" => {
                if let Some((_, earlier)) = self.domain.replace((text, id)) {
                    overridden(earlier, id, import);
                }
            }
            "set" => self.set.push((text, id)),
            "debug" | "-d" => self.debugging.of("ppp", id),
            _ => return false,
        }
        true
    }

    fn require(&mut self, method: &'static str, id: Id) {
        self.required.push((method, id));
        self.auth.push(id);
        self.is_open = false;
    }

    pub(super) fn finish(mut self, import: &mut Import) {
        self.authentication(import);
        servers(std::mem::take(&mut self.dns), "ppp.dns", import);
        servers(std::mem::take(&mut self.wins), "ppp.wins", import);
        self.echo(import);
        self.host(import);
        if !self.set.is_empty() {
            let ids: Vec<Id> = self.set.iter().map(|(_, id)| *id).collect();
            let values: Vec<String> = self.set.iter().map(|(text, _)| text.clone()).collect();
            import.keep(&ids, "scripts.set", values);
        }
        self.debugging.finish(import);
    }

    /// How users prove who they are. `auth` alone lets pppd offer all it has.
    fn authentication(&self, import: &mut Import) {
        let setting = "ppp.authentication";
        if self.is_open {
            for id in &self.noauth {
                let why = "nobody had to log in; adit lets nobody in without a name and a \
                           password, so that every user needs a line in the users' file";
                import.report.dropped_for_clients(*id, why);
            }
            for id in &self.auth {
                import
                    .report
                    .without_effect(*id, "noauth has the last word");
            }
            return;
        }
        for id in &self.noauth {
            import.report.without_effect(*id, "auth has the last word");
        }
        let named = |method: &&str| self.required.iter().any(|(known, _)| known == method);
        let mut methods: Vec<&str> = METHODS.into_iter().filter(|m| named(m)).collect();
        if self.auth.is_empty() {
            if import.value(setting).is_none() {
                let place = Place::default_value();
                let message = "neither auth nor a require- option is given: pppd let in whoever had \
                               the key, and adit asks for a name and a password";
                let found = Diagnostic::warning(place, message);
                let hint = "every user needs a line in the users' file";
                import.report.findings.push(found.hint(hint));
            }
            return;
        }
        if !methods.is_empty() {
            import.keep(&self.auth, setting, methods);
            return;
        }
        methods = vec!["mschap-v2", "chap"];
        if has_pap_users(import) {
            methods.push("pap");
        }
        let why = "pppd also offers EAP and version 1 of MS-CHAP, which no client needs";
        import.change(&self.auth, setting, methods, why);
    }

    fn echo(&self, import: &mut Import) {
        if let Some((interval, id)) = self.echo_interval {
            let interval = Duration::from_secs(interval.into());
            import.keep(&[id], "ppp.echo-interval", format_duration(interval));
        }
        match (self.echo_failures, self.echo_interval) {
            (None, _) => {}
            (Some((_, id)), None | Some((0, _))) => {
                let why = "pppd sends no echo without lcp-echo-interval";
                import.report.without_effect(id, why);
            }
            (Some((0, id)), _) => {
                let why = "pppd would never give a client up that does not answer; adit does";
                import.report.changed(id, why);
            }
            (Some((failures, id)), _) => {
                import.keep(&[id], "ppp.echo-failures", i64::from(failures))
            }
        }
    }

    /// pppd's name is the host's where none is given.
    fn host(&self, import: &mut Import) {
        if let Some((_, id)) = &self.domain {
            let why = "it only completes the host's name; the server's name is set";
            import.report.without_effect(*id, why);
        }
        if self.name || import.value("ppp.name").is_some() {
            return;
        }
        let file = import.files.read(Path::new("/etc/hostname"));
        let host = file.unwrap_or_default();
        let host = String::from_utf8_lossy(&host);
        let host = host.trim();
        if host.is_empty() || import.files.are_named() {
            let place = Place::default_value();
            let message = "no name is given: the server column of the users' file is the name of \
                           the host that these files are from";
            let found = Diagnostic::warning(place, message);
            import
                .report
                .findings
                .push(found.hint("set ppp.name to it, unless that column is *"));
            return;
        }
        let name = match &self.domain {
            Some((domain, _)) => format!("{host}.{}", domain.trim_start_matches('.')),
            None => host.to_owned(),
        };
        import.assume("ppp.name", name, "no name is given: pppd takes the host's");
    }
}

/// pppd offers PAP only if somebody could log in with it.
fn has_pap_users(import: &Import) -> bool {
    let name = import.value("ppp.name").and_then(Value::as_str);
    let name = name.unwrap_or_default();
    let Some(source) = import.files.peek(Kind::PapSecrets) else {
        return false;
    };
    let users = chap_secrets::parse(
        &source.place(),
        &source.bytes,
        chap_secrets::Rules::default(),
        &mut Vec::new(),
    );
    users.records().iter().any(|record| match &record.server {
        Name::Any => true,
        Name::Exact(server) => **server == *name.as_bytes(),
    })
}
