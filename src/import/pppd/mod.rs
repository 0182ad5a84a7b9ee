//! What pppd is told, by its files and by the command line xl2tpd makes for it.
//!
//! pppd has levels: defaults, then files (`/etc/ppp/options`), then the command line, of which a
//! `file F` is a part. Within a level the later word wins. So whoever calls this puts the words in
//! that order, and [`apply`] lets the last one have its way.

mod rules;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Value;

use self::rules::{Fate, fate};
use super::{Id, Import, Kind, Source};
use crate::compat::chap_secrets::{self, Name};
use crate::compat::pppd_options::{number, parse};
use crate::config::values::format_duration;
use crate::diagnostic::{Diagnostic, Place};

/// Includes deeper than this are a circle.
const DEEPEST: usize = 8;

/// A word of pppd's, with its argument, wherever it was written.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The option.
    pub name: String,
    /// Its argument; empty if it has none.
    pub argument: String,
    /// The statement it comes from.
    pub id: Id,
}

impl Step {
    pub fn new(name: &str, argument: &str, id: Id) -> Self {
        Self {
            name: name.to_owned(),
            argument: argument.to_owned(),
            id,
        }
    }
}

/// A file of options that nobody has read yet: as if it were the only one.
pub(super) fn map(source: Source, import: &mut Import) {
    let mut steps = Vec::new();
    read(source, import, &mut steps, 0);
    apply(steps, Debugging::default(), import);
    let why =
        "no file says which addresses there are: only users with one of their own can connect";
    import.assume("pool.ranges", Vec::<String>::new(), why);
}

/// Appends the words of a file, with those of the files it includes in their places.
pub(super) fn read(source: Source, import: &mut Import, steps: &mut Vec<Step>, depth: usize) {
    let words = parse(&source.place(), &source.bytes, &mut import.report.findings);
    for word in words {
        let id = import.report.add(&word.place, word.last_line, word.text());
        if !word.known {
            let why = "pppd knows no such option";
            import.report.dropped_for_clients(id, why);
            continue;
        }
        let path = match word.name.as_str() {
            "file" => PathBuf::from(word.argument()),
            "call" => Path::new("/etc/ppp/peers").join(word.argument()),
            _ => {
                steps.push(Step::new(&word.name, word.argument(), id));
                continue;
            }
        };
        if depth >= DEEPEST {
            import
                .report
                .dropped(id, "files include one another without end");
            continue;
        }
        include(&source.path, &word.place, &path, id, import, steps, depth);
    }
}

/// A file that the statement `id` at `place` in `by` names.
pub(super) fn include(
    by: &Path,
    place: &Place,
    path: &Path,
    id: Id,
    import: &mut Import,
    steps: &mut Vec<Step>,
    depth: usize,
) {
    let before = import.report.findings.len();
    match import.include(by, place, path, Kind::PppdOptions) {
        Some(source) => {
            import.report.kept(id, "its lines are imported");
            read(source, import, steps, depth.saturating_add(1));
        }
        None if import.report.findings.len() == before => {
            import
                .report
                .without_effect(id, "that file is read in any case");
        }
        None => {
            import
                .report
                .dropped_for_clients(id, "that file cannot be read, and is not imported");
        }
    }
}

/// Parts of adit whose log is to be detailed, and who says so.
#[derive(Clone, Debug, Default)]
pub(super) struct Debugging(Vec<(&'static str, Id)>);

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
struct Gathered {
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

/// Says of every step what becomes of it.
pub(super) fn apply(steps: Vec<Step>, debugging: Debugging, import: &mut Import) {
    let mut gathered = Gathered {
        debugging,
        ..Gathered::default()
    };
    for step in &steps {
        if !gathered.single(step, import) && !gathered.listed(step, import) {
            settle(step, import);
        }
    }
    gathered.finish(import);
}

/// Options whose fate is always the same.
fn settle(step: &Step, import: &mut Import) {
    let report = &mut import.report;
    match fate(&step.name) {
        Some(Fate::Kept(why)) => report.kept(step.id, why),
        Some(Fate::Changed(why)) => report.changed(step.id, why),
        Some(Fate::WithoutEffect(why)) => report.without_effect(step.id, why),
        Some(Fate::ClientSide(why)) => report.client_side(step.id, why),
        Some(Fate::Dropped(why)) => report.dropped(step.id, why),
        Some(Fate::DroppedForClients(why)) => report.dropped_for_clients(step.id, why),
        None => report.dropped(step.id, "adit has nothing like it"),
    }
}

impl Gathered {
    /// Options that are a setting of their own, of which the last one counts.
    fn single(&mut self, step: &Step, import: &mut Import) -> bool {
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
    fn listed(&mut self, step: &Step, import: &mut Import) -> bool {
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

    fn finish(mut self, import: &mut Import) {
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

/// The scripts that pppd runs from its folder where they are, without being told.
pub(super) fn scripts(import: &mut Import) {
    if import.files.are_named() {
        return;
    }
    for name in ["auth-up", "ip-pre-up", "ip-up", "ip-down", "auth-down"] {
        let path = Path::new("/etc/ppp").join(name);
        if import.files.on_disk(&path).is_file() {
            let setting = format!("scripts.{name}");
            let why = "it is there, and pppd runs it for each session";
            import.assume(&setting, path.display().to_string(), why);
        }
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

/// The last one counts.
fn replace(place: &mut Option<(u32, Id)>, step: &Step, import: &mut Import) {
    let Some(value) = number(&step.argument) else {
        not_a_number(step, import);
        return;
    };
    if let Some((_, id)) = place.replace((value, step.id)) {
        overridden(id, step.id, import);
    }
}

fn overridden(id: Id, by: Id, import: &mut Import) {
    let by = import
        .report
        .of(by)
        .map(|s| s.place.to_string())
        .unwrap_or_default();
    import
        .report
        .without_effect(id, format!("{by} has the last word"));
}

fn not_a_number(step: &Step, import: &mut Import) {
    let why = format!(
        "{:?} is not a number: pppd does not start with it",
        step.argument
    );
    import.report.dropped_for_clients(step.id, why);
}

fn seconds(step: &Step, setting: &str, import: &mut Import) {
    match number(&step.argument) {
        Some(value) => {
            let value = format_duration(Duration::from_secs(value.into()));
            import.keep(&[step.id], setting, value);
        }
        None => not_a_number(step, import),
    }
}

/// `mtu` and `mru`.
fn packet_size(step: &Step, setting: &str, import: &mut Import) {
    const LEAST: u32 = 576;
    const MOST: u32 = 1500;
    let from = &[step.id];
    match number(&step.argument) {
        None => not_a_number(step, import),
        Some(value @ LEAST..=MOST) => import.keep(from, setting, i64::from(value)),
        Some(value) if value < LEAST => {
            let why = "TCP hardly works below 576 bytes";
            import.change(from, setting, i64::from(LEAST), why);
        }
        Some(_) => {
            let why = "no client agrees to more than 1500 bytes";
            import.change(from, setting, i64::from(MOST), why);
        }
    }
}

/// `LOCAL:REMOTE`, either of which may be missing.
fn addresses(step: &Step, import: &mut Import) {
    let (local, remote) = step.name.split_once(':').unwrap_or((&step.name, ""));
    let from = &[step.id];
    let mut said = false;
    for (text, setting) in [(local, "pool.local"), (remote, "pool.ranges")] {
        match text.parse::<Ipv4Addr>() {
            Ok(address) if address.is_unspecified() => {}
            Ok(address) if setting == "pool.local" => {
                said = true;
                import.keep(from, setting, address.to_string());
            }
            Ok(address) => {
                said = true;
                let why = "one address for all: only one client at a time can have it";
                import.change(from, setting, vec![address.to_string()], why);
            }
            Err(_) if text.is_empty() => {}
            Err(_) => {
                said = true;
                let why = format!("{text:?} is the name of a host, and names are not looked up");
                import.report.dropped_for_clients(step.id, why);
            }
        }
    }
    if !said {
        import.report.without_effect(step.id, "it names no address");
    }
}

/// Of the servers given to clients, the last two count.
fn servers(all: Vec<(String, Id)>, setting: &str, import: &mut Import) {
    let mut good: Vec<(String, Id)> = Vec::new();
    for (text, id) in all {
        match text.parse::<Ipv4Addr>() {
            Ok(address) if address.is_unspecified() || address.is_loopback() => {
                let why = format!("{address} means something else on the client");
                import.report.dropped_for_clients(id, why);
            }
            Ok(address) => good.push((address.to_string(), id)),
            Err(_) => {
                let why = format!("{text:?} is not an address, and names are not looked up");
                import.report.dropped_for_clients(id, why);
            }
        }
    }
    while good.len() > 2 {
        let (_, id) = good.remove(0);
        import
            .report
            .without_effect(id, "clients are given two, and pppd keeps the last two");
    }
    // pppd says one that is alone twice; so does adit's IPCP say it once and clients ask no more.
    let ids: Vec<Id> = good.iter().map(|(_, id)| *id).collect();
    let mut values: Vec<String> = good.into_iter().map(|(text, _)| text).collect();
    values.dedup();
    if !values.is_empty() {
        import.keep(&ids, setting, values);
    }
}

fn plugin(step: &Step, import: &mut Import) {
    let name = step.argument.rsplit('/').next().unwrap_or_default();
    let report = &mut import.report;
    match name {
        "pppol2tp.so" | "openl2tp.so" => {
            report.without_effect(step.id, "sessions are not in the kernel");
        }
        "radius.so" | "radattr.so" | "radrealms.so" => {
            let why =
                "users are not asked for at a RADIUS server: they need lines in the users' file";
            report.dropped_for_clients(step.id, why);
        }
        "winbind.so" => {
            let why =
                "users of a Windows domain are not asked for: they need lines in the users' file";
            report.dropped_for_clients(step.id, why);
        }
        _ => report.dropped_for_clients(step.id, "plugins of pppd are its own"),
    }
}
