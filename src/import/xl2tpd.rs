//! xl2tpd.conf, with the tunnel secrets and the files of pppd's options that go with it.

use std::net::Ipv4Addr;
use std::path::Path;

use super::pppd::{self, Debugging, Step};
use super::{Id, Import, Kind, Source, firewall, tunnel_secrets};
use crate::compat::xl2tpd::{Content, Range, Section, Statement, Value, parse};
use crate::diagnostic::{Diagnostic, Place};

/// The port of L2TP, and the only one IPsec's clients send it to.
const PORT: u32 = 1701;

/// A statement with its name in the report.
type Reported = (Statement, Id);

pub(super) fn map(source: Source, import: &mut Import) {
    let place = source.place();
    let statements = parse(&place, &source.bytes, &mut import.report.findings);
    let add = |statement: Statement| {
        let line = statement.place.line.unwrap_or(1);
        let id = import
            .report
            .add(&statement.place, line, statement.text.clone());
        (statement, id)
    };
    let statements: Vec<Reported> = statements.into_iter().map(add).collect();
    let chosen = chosen(&statements);
    let mut call = Call {
        path: source.path.clone(),
        ..Call::default()
    };
    for (statement, id) in &statements {
        if let Some(place) = set_again(statement, *id, &statements) {
            import
                .report
                .without_effect(*id, format!("{place} sets it again"));
            continue;
        }
        match (&statement.content, &statement.section) {
            (Content::Mistake(mistake), _) => {
                let why = format!("{mistake}; xl2tpd does not start with it");
                import.report.dropped_for_clients(*id, why);
            }
            (_, Some(Section::Lac(_))) => {
                import
                    .report
                    .client_side(*id, "a lac dials; `adit connect` is adit's client");
            }
            (_, Some(Section::Lns(name))) if Some(name) != chosen.as_ref() => {
                not_chosen(name, &statements, *id, import);
            }
            (Content::Head, _) => import.report.kept(*id, ""),
            (Content::Setting { key, value }, Some(Section::Global)) => {
                call.global(key, value, *id, import);
            }
            (Content::Setting { key, value }, _) => call.lns(key, value, statement, *id, import),
        }
    }
    if chosen.is_none() {
        let message = "no [lns] section: xl2tpd is no server with this file";
        import
            .report
            .findings
            .push(Diagnostic::warning(place, message));
    }
    call.finish(import);
}

/// Keys that count as often as they are there.
const REPEATED: [&str; 4] = ["ip range", "no ip range", "lac", "no lac"];

/// Where the same section sets the same key later, if it does.
fn set_again<'a>(statement: &Statement, id: Id, all: &'a [Reported]) -> Option<&'a Place> {
    let key = |of: &Statement| match &of.content {
        Content::Setting { key, .. } => Some(key.clone()),
        _ => None,
    };
    let own = key(statement).filter(|key| !REPEATED.contains(&key.as_str()))?;
    let is_same = |later: &Statement| {
        later.section == statement.section && key(later).as_deref() == Some(&own)
    };
    let mut later = all.iter().filter(|(_, later)| *later > id);
    let (later, _) = later.find(|(later, _)| is_same(later))?;
    Some(&later.place)
}

/// The server that clients reach: `default`, else the only one, else the first.
fn chosen(statements: &[Reported]) -> Option<String> {
    let names = || {
        statements
            .iter()
            .filter_map(|(statement, _)| match &statement.section {
                Some(Section::Lns(name)) => Some(name),
                _ => None,
            })
    };
    names()
        .find(|name| *name == "default")
        .or_else(|| names().next())
        .cloned()
}

/// A statement of another server than the one that is imported.
fn not_chosen(name: &str, statements: &[Reported], id: Id, import: &mut Import) {
    let is_reached = statements.iter().any(|(statement, _)| {
        statement.section == Some(Section::Lns(name.to_owned()))
            && matches!(&statement.content, Content::Setting { key, .. } if key == "lac")
    });
    if is_reached {
        let why = "adit is one server for all: the clients that this section's lac admits get what \
                   [lns default] says";
        import.report.dropped_for_clients(id, why);
    } else {
        let why = "without lac, no client reaches this section: all are served by [lns default]";
        import.report.without_effect(id, why);
    }
}

/// What xl2tpd starts a pppd with, and what is only known at the end.
#[derive(Default)]
struct Call {
    /// xl2tpd.conf.
    path: std::path::PathBuf,
    local: Option<(Ipv4Addr, Id)>,
    ranges: Vec<(bool, Range, Id)>,
    assign: Option<(bool, Id)>,
    /// The line for pppd, without its file.
    steps: Vec<Step>,
    options: Option<(String, Place, Id)>,
    ipparam: Option<Step>,
    debugging: Debugging,
    access_control: Option<Id>,
    lac: Vec<Id>,
    hidden: Option<Id>,
    secrets: Option<(String, Place, Id)>,
    host_name: Option<String>,
}

impl Call {
    fn global(&mut self, key: &str, value: &Value, id: Id, import: &mut Import) {
        let report = &mut import.report;
        match (key, value) {
            ("port", Value::Number(PORT)) => report.kept(id, "the port of L2TP"),
            ("port", _) => {
                let why = "IPsec protects L2TP at port 1701, and clients send to no other";
                report.dropped_for_clients(id, why);
            }
            ("listen-addr", Value::Text(text)) => match text.parse::<Ipv4Addr>() {
                Ok(address) => import.keep(&[id], "listen.addresses", vec![address.to_string()]),
                Err(_) => {
                    let why = format!("{text:?} is not an address, and names are not looked up");
                    report.dropped(id, why + ": adit listens at all addresses");
                }
            },
            ("auth file", Value::Text(text)) => {
                let place = report.of(id).map(|s| s.place.clone()).unwrap_or_default();
                self.secrets = Some((text.clone(), place, id));
            }
            ("access control", Value::Truth(true)) => self.access_control = Some(id),
            ("access control", _) => report.kept(id, ""),
            ("max retries", Value::Number(0)) => {
                report.dropped(id, "one lost packet would end a tunnel");
            }
            ("max retries", Value::Number(number)) => {
                import.keep(&[id], "l2tp.retransmissions", i64::from(*number));
            }
            ("ipsec saref", Value::Truth(true)) => {
                let why = "clients behind one address are told apart without it";
                report.changed(id, why);
            }
            ("ipsec saref" | "saref refinfo", _) => {
                report.without_effect(id, "only the kernel patch KLIPS knows it");
            }
            ("cap backoff", _) => report.without_effect(id, "xl2tpd itself does not use it"),
            ("force userspace", _) => report.without_effect(id, "sessions are not in the kernel"),
            ("rand source", _) => report.without_effect(id, "random numbers are the kernel's"),
            (_, Value::Truth(true)) if key.starts_with("debug ") => self.debugging.of("l2tp", id),
            _ if key.starts_with("debug ") => report.kept(id, ""),
            _ => report.dropped(id, "adit has nothing like it"),
        }
    }

    fn lns(&mut self, key: &str, value: &Value, at: &Statement, id: Id, import: &mut Import) {
        let truth = *value == Value::Truth(true);
        match (key, value) {
            ("ip range", Value::Range(range)) => self.ranges.push((true, *range, id)),
            ("no ip range", Value::Range(range)) => self.ranges.push((false, *range, id)),
            ("assign ip", _) => self.assign = Some((truth, id)),
            ("local ip", Value::Text(text)) => match text.parse::<Ipv4Addr>() {
                Ok(address) => self.local = Some((address, id)),
                Err(_) => {
                    let why = format!("{text:?} is not an address, and names are not looked up");
                    import.report.dropped_for_clients(id, why);
                }
            },
            ("local ip range", Value::Range(range)) => {
                self.local = Some((range.first, id));
                let why = "the server has one address for all clients: the first of these";
                import.report.changed(id, why);
            }
            ("lac" | "no lac", _) => self.lac.push(id),
            ("hidden bit", _) if truth => self.hidden = Some(id),
            ("challenge", _) if truth => {
                let why = "adit answers a tunnel's challenge and makes none: clients are proven by \
                           IPsec";
                import.report.dropped(id, why);
            }
            ("tunnel rws", Value::Number(number)) => {
                let window = i64::from(*number.min(&u32::from(u16::MAX)));
                import.keep(&[id], "l2tp.window", window);
            }
            ("hostname", Value::Text(text)) => {
                self.host_name = Some(text.clone());
                import.keep(&[id], "l2tp.host-name", text.clone());
            }
            ("pppoptfile", Value::Text(text)) => {
                self.options = Some((text.clone(), at.place.clone(), id));
            }
            ("pass peer", _) if truth => self.ipparam = Some(Step::new("ipparam", "%outer", id)),
            _ => match step(key, value, id) {
                Some(step) => self.steps.push(step),
                None => without_setting(key, truth, id, import),
            },
        }
    }

    fn finish(mut self, import: &mut Import) {
        import.assume(
            "clients.isolation",
            false,
            "the kernel lets clients of xl2tpd reach one another; true: not any more",
        );
        import.suggest(
            "tun.mode",
            "per-session",
            "an interface pppN for each client, for firewall rules and scripts that name ppp+",
        );
        self.access(import);
        self.pool(import);
        self.secrets(import);
        // The files that every pppd reads come first, its command line after them.
        let mut steps = Vec::new();
        self.usual_options(import, &mut steps);
        // xl2tpd's own order, whatever that in its file is.
        self.steps
            .sort_by_key(|step| ORDER.iter().position(|name| *name == step.name));
        steps.append(&mut self.steps);
        if let Some((name, place, id)) = self.options.take() {
            let named = Path::new(&name);
            pppd::include(&self.path, &place, named, id, import, &mut steps, 0);
        }
        steps.extend(self.ipparam.take());
        pppd::apply(steps, self.debugging, import);
        pppd::scripts(import);
        firewall::look(import);
    }

    fn usual_options(&self, import: &mut Import, steps: &mut Vec<Step>) {
        let usual = Path::new("/etc/ppp/options");
        // A file of that very name in another folder may be the one that pppoptfile means.
        let meant = self
            .options
            .as_ref()
            .and_then(|(name, _, _)| Path::new(name).file_name());
        let found = import.files.take_if(|source| {
            let is_meant = meant.is_some() && source.path.file_name() == meant;
            source.kind == Kind::PppdOptions && (source.path == usual || !is_meant)
        });
        if let Some(source) = found {
            import.sources.push((source.kind, source.path.clone()));
            pppd::read(source, import, steps, 0);
        } else if import.files.are_named() {
            let message = "every pppd reads /etc/ppp/options, which is not among the files";
            let found = Diagnostic::warning(Place::file(&self.path), message);
            import
                .report
                .findings
                .push(found.hint("name it as well, if it says anything"));
        }
    }

    fn access(&self, import: &mut Import) {
        let report = &mut import.report;
        if let Some(id) = self.access_control {
            let why = "clients of any address get in with the key; `from` of a [[psk]] limits that";
            report.dropped_for_clients(id, why);
            for id in &self.lac {
                report.dropped_for_clients(*id, why);
            }
        } else {
            for id in &self.lac {
                let why = "without access control, [lns default] serves all clients anyway";
                report.without_effect(*id, why);
            }
        }
    }

    fn pool(&self, import: &mut Import) {
        if let Some((address, id)) = self.local {
            let before = import
                .report
                .of(id)
                .map(|s| s.why.clone())
                .unwrap_or_default();
            import.change(&[id], "pool.local", address.to_string(), &before);
        }
        let ids: Vec<Id> = self.ranges.iter().map(|(_, _, id)| *id).collect();
        if let Some((assign, id)) = self.assign {
            if assign {
                import.report.kept(id, "");
            } else {
                for id in ids {
                    import
                        .report
                        .without_effect(id, "assign ip = no: addresses are not lent");
                }
                import.keep(&[id], "pool.ranges", Vec::<String>::new());
                return;
            }
        }
        if self.ranges.is_empty() {
            import.assume(
                "pool.ranges",
                Vec::<String>::new(),
                "there is no ip range: only users with an address of their own can connect",
            );
            return;
        }
        let mut free = Pool::default();
        for (allow, range, _) in &self.ranges {
            if *allow {
                free.allow(*range);
            } else {
                free.deny(*range);
            }
        }
        let own = self.local.filter(|(address, _)| free.holds(*address));
        let mut why = String::new();
        if let Some((address, _)) = own {
            free.deny(Range {
                first: address,
                last: address,
            });
            why = format!("{address} is the server's own, and is left out");
        }
        import.change(&ids, "pool.ranges", free.texts(), &why);
    }

    fn secrets(&mut self, import: &mut Import) {
        let mut source = None;
        if let Some((name, place, id)) = self.secrets.take() {
            let path = Path::new(&name);
            source = import.include(&self.path, &place, path, Kind::L2tpSecrets);
            if source.is_some() {
                import.report.kept(id, "its lines are imported");
            } else {
                import.report.dropped(id, "that file cannot be read");
            }
        } else if let Some(usual) = import.files.take(Kind::L2tpSecrets) {
            import.sources.push((usual.kind, usual.path.clone()));
            source = Some(usual);
        }
        if let Some(source) = source {
            tunnel_secrets::read(&source, self.host_name.as_deref(), import);
        }
        if let Some(id) = self.hidden {
            if import.value("l2tp.secret-file").is_some() {
                import.keep(&[id], "l2tp.hide-avps", true);
            } else {
                import
                    .report
                    .dropped(id, "nothing can be hidden without a tunnel secret");
            }
        }
    }
}

/// The order in which xl2tpd gives its words to pppd.
const ORDER: [&str; 9] = [
    "refuse-pap",
    "refuse-chap",
    "noauth",
    "auth",
    "require-pap",
    "require-chap",
    "login",
    "name",
    "debug",
];

/// The word that xl2tpd makes of a setting for pppd, if it makes one.
fn step(key: &str, value: &Value, id: Id) -> Option<Step> {
    let word = match (key, value) {
        ("name", Value::Text(name)) => return Some(Step::new("name", name, id)),
        ("refuse pap", Value::Truth(true)) => "refuse-pap",
        ("refuse chap", Value::Truth(true)) => "refuse-chap",
        ("require authentication" | "require auth", Value::Truth(true)) => "auth",
        ("require pap", Value::Truth(true)) => "require-pap",
        ("require chap", Value::Truth(true)) => "require-chap",
        ("unix authentication" | "unix auth", Value::Truth(true)) => "login",
        ("ppp debug", Value::Truth(true)) => "debug",
        _ => return None,
    };
    Some(Step::new(word, "", id))
}

/// Keys of an [lns] that no setting of adit's stands for.
fn without_setting(key: &str, truth: bool, id: Id, import: &mut Import) {
    let report = &mut import.report;
    match key {
        "length bit" => {
            report.without_effect(id, "data messages are read with a length and without");
        }
        "exclusive" | "flow bit" | "call rws" => {
            report.without_effect(id, "it changes nothing in xl2tpd either");
        }
        "tx bps" | "rx bps" | "bps" => {
            report.without_effect(id, "clients show a speed of their own");
        }
        "refuse authentication" | "refuse auth" => {
            let why = "it is about xl2tpd logging in at the client, which none asks for";
            report.without_effect(id, why);
        }
        // What is off in adit unless it is asked for.
        _ if !truth => report.kept(id, ""),
        _ => report.dropped(id, "adit has nothing like it"),
    }
}

/// Addresses to lend, in the order in which they were allowed.
#[derive(Default)]
struct Pool(Vec<(u32, u32)>);

impl Pool {
    /// A later range overrides an earlier one.
    fn allow(&mut self, range: Range) {
        let mut fresh = Self(vec![(range.first.into(), range.last.into())]);
        for (first, last) in &self.0 {
            fresh.cut(*first, *last);
        }
        self.0.append(&mut fresh.0);
    }

    fn deny(&mut self, range: Range) {
        self.cut(range.first.into(), range.last.into());
    }

    fn cut(&mut self, first: u32, last: u32) {
        let rest = self.0.iter().flat_map(|(low, high)| {
            let below = first.checked_sub(1).map(|end| (*low, end.min(*high)));
            let above = last.checked_add(1).map(|begin| (begin.max(*low), *high));
            [below, above]
                .into_iter()
                .flatten()
                .filter(|(low, high)| low <= high)
        });
        self.0 = rest.collect();
    }

    fn holds(&self, address: Ipv4Addr) -> bool {
        let address = u32::from(address);
        self.0
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&address))
    }

    fn texts(&self) -> Vec<String> {
        let text = |(low, high): &(u32, u32)| {
            let (low, high) = (Ipv4Addr::from(*low), Ipv4Addr::from(*high));
            if low == high {
                low.to_string()
            } else {
                format!("{low}-{high}")
            }
        };
        self.0.iter().map(text).collect()
    }
}

#[cfg(test)]
#[path = "xl2tpd_tests.rs"]
mod tests;
