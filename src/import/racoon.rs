//! racoon.conf: of its blocks `remote` and `sainfo` those that Main Mode with a shared key uses.

use std::path::{Path, PathBuf};

use super::proposals::{Offers, Parts, Style};
use super::{Id, Import, Kind, Source, psk_txt};
use crate::compat::racoon::{self, End, PhaseOne, Racoon, Remote, Statement};
use crate::config::values::format_duration;
use crate::diagnostic::{Diagnostic, Place};

pub(super) fn map(source: Source, import: &mut Import) {
    let mut findings = Vec::new();
    let mut open = |by: &Path, place: &Place, pattern: &str, _: &mut Vec<Diagnostic>| {
        import.include_all(by, place, pattern, Kind::Racoon)
    };
    let file = racoon::read(&source.path, &source.bytes, &mut open, &mut findings);
    let ids: Vec<Id> = file
        .statements
        .iter()
        .map(|statement| {
            let text = text(statement);
            import
                .report
                .add(&statement.place, statement.last_line, text)
        })
        .collect();
    let remotes = file.remotes();
    let taken: Vec<&Remote> = remotes.iter().filter(|r| refusal(r).is_none()).collect();
    if taken.is_empty() {
        let message = "no remote here lets in clients with a shared key in Main Mode";
        let hint = "L2TP clients need one: write it into ipsec.secrets as %any : PSK \"…\"; adit \
                    serves them with its defaults until told otherwise";
        findings.push(Diagnostic::warning(source.place(), message).hint(hint));
    }
    import.report.findings.append(&mut findings);
    let mut work = Work {
        file: &file,
        ids: &ids,
        any: !taken.is_empty(),
        keys: None,
        offers: Offers::default(),
        import,
    };
    for remote in &remotes {
        work.remote(remote);
    }
    work.sainfos();
    for (number, statement) in file.statements.iter().enumerate() {
        if statement.within.is_none() && !matches!(statement.word(0), "remote" | "sainfo") {
            work.outer(number, statement);
        }
    }
    let Work { offers, keys, .. } = work;
    offers.settle(import);
    for id in &ids {
        let settled = import
            .report
            .of(*id)
            .is_some_and(|s| s.disposition.is_some());
        if !settled {
            import
                .report
                .dropped(*id, "it stands where nothing is known of it");
        }
    }
    closing(&file, &ids, import);
    if let Some((path, place, id)) = keys {
        match import.include(&source.path, &place, &path, Kind::PskTxt) {
            Some(file) => psk_txt::map(file, import),
            None => {
                let why = "its keys are not imported: write them into ipsec.secrets";
                import.report.dropped_for_clients(id, why);
            }
        }
    }
}

/// A statement as the report shows it; its secrets are gone already.
fn text(statement: &Statement) -> String {
    let words = statement.words.join(" ").replace(" ,", ",");
    match statement.end {
        End::Block => format!("{words} {{"),
        End::Close => "}".to_owned(),
        End::Semicolon | End::Missing => format!("{words};"),
    }
}

/// Why no L2TP client comes through this; none if one does.
fn refusal(remote: &Remote) -> Option<&'static str> {
    let method = |wanted: &str| remote.proposals.iter().any(|p| p.method.contains(wanted));
    if remote
        .proposals
        .iter()
        .any(|p| p.method == "pre_shared_key")
    {
        let main = remote.modes.is_empty() || remote.modes.iter().any(|mode| mode == "main");
        return (!main).then_some(
            "its clients use Aggressive Mode, which shows everybody a hash of the key to guess \
             from; adit has Main Mode only",
        );
    }
    Some(if method("hybrid") {
        "it is for hybrid authentication (a certificate here, XAuth there), which adit does not \
         have in this version: its users need an L2TP connection with a shared key"
    } else if method("xauth") {
        "it is for XAuth, which adit does not have in this version: its users need an L2TP \
         connection with a shared key"
    } else {
        "its clients have certificates, which adit does not have in this version: they need a \
         shared key"
    })
}

struct Work<'a, 'b> {
    file: &'a Racoon,
    ids: &'a [Id],
    /// Whether any client comes through anything.
    any: bool,
    /// The file of keys, and where it is named.
    keys: Option<(PathBuf, Place, Id)>,
    offers: Offers,
    import: &'b mut Import,
}

impl Work<'_, '_> {
    fn id(&self, statement: usize) -> Option<Id> {
        self.ids.get(statement).copied()
    }

    /// The statements of a block, and of the blocks in it, as (name, statement).
    fn inner(&self, block: usize) -> Vec<(usize, Id)> {
        let mut inner = Vec::new();
        let mut blocks = vec![block];
        while let Some(block) = blocks.pop() {
            for (number, statement) in self.file.within(block) {
                if statement.end == End::Block {
                    blocks.push(number);
                }
                if let Some(id) = self.id(number).filter(|_| statement.end != End::Close) {
                    inner.push((number, id));
                }
            }
        }
        inner
    }

    fn statement(&self, number: usize) -> Option<&Statement> {
        self.file.statements.get(number)
    }

    /// A block nothing of which is taken over.
    fn drop_block(&mut self, block: usize, why: &str, inside: &str) {
        if let Some(id) = self.id(block) {
            self.import.report.dropped_for_clients(id, why);
        }
        for (_, id) in self.inner(block) {
            self.import.report.dropped(id, inside);
        }
    }

    fn remote(&mut self, remote: &Remote) {
        if let Some(why) = refusal(remote) {
            let inside = format!("remote {} is not for L2TP clients", remote.name);
            self.drop_block(remote.statement, why, &inside);
            return;
        }
        if let Some(id) = self.id(remote.statement) {
            match remote.name.as_str() {
                "anonymous" => self.import.report.kept(id, "L2TP clients come through it"),
                _ => self.import.report.changed(
                    id,
                    "clients may come from any address: the key says who they are",
                ),
            }
        }
        for (number, id) in self.inner(remote.statement) {
            let Some(statement) = self.statement(number).cloned() else {
                continue;
            };
            if statement.within == Some(remote.statement) {
                self.of_remote(id, &statement, remote);
            }
        }
        for proposal in &remote.proposals {
            self.proposal(proposal);
        }
    }

    fn of_remote(&mut self, id: Id, statement: &Statement, remote: &Remote) {
        let (word, value) = (statement.word(0), statement.word(1));
        let report = &mut self.import.report;
        match word {
            "exchange_mode" if remote.modes.len() > 1 => {
                report.changed(id, "Main Mode only, which is what L2TP clients use");
            }
            "exchange_mode" | "proposal" | "initial_contact" => report.kept(id, ""),
            "passive" => report.kept(id, "adit calls nobody"),
            "remote_address" => report.changed(
                id,
                "clients may come from any address: the key says who they are",
            ),
            "my_identifier" => match (value, statement.word(2).parse::<std::net::IpAddr>()) {
                ("address", Ok(address)) => {
                    let value = address.to_string();
                    self.import.keep(&[id], "listen.public-address", value);
                }
                ("address", _) => report.kept(id, ""),
                _ => report.changed(
                    id,
                    "adit's identity is the address that clients know it by \
                     (listen.public-address), which is what they expect",
                ),
            },
            "peers_identifier" | "verify_identifier" => report.changed(
                id,
                "a client is known by its key, not by its identity; [[psk]] gives keys to users \
                 or networks",
            ),
            "certificate_type" | "ca_type" | "peers_certfile" | "verify_cert" | "send_cert"
            | "send_cr" | "match_empty_cr" => {
                report.without_effect(id, "adit's clients have shared keys, and no certificates");
            }
            "lifetime" | "proposal_check" | "rekey" => {
                report.without_effect(id, "the client's lifetimes are taken");
            }
            "generate_policy" => {
                report.kept(id, "each client is its own security association");
            }
            "nat_traversal" if value == "force" => {
                self.import.keep(&[id], "ipsec.encapsulation", "always");
            }
            "nat_traversal" if value == "off" => {
                report.changed(id, "adit always finds out whether there is NAT");
            }
            "nat_traversal" | "ike_frag" => report.kept(id, ""),
            "dpd_delay" => match value.parse::<u64>() {
                Ok(0) => self.import.keep(&[id], "ipsec.dpd-interval", "0s"),
                Ok(seconds) => {
                    let (_, retry, tries) = remote.dpd;
                    let waiting = retry.saturating_mul(tries);
                    let text = |seconds| {
                        let most = u64::from(u32::MAX);
                        format_duration(std::time::Duration::from_secs(most.min(seconds)))
                    };
                    self.import.keep(&[id], "ipsec.dpd-interval", text(seconds));
                    let timeout = text(seconds.saturating_add(waiting.max(1)));
                    let why = "dpd_delay, and dpd_retry as often as dpd_maxfail says";
                    self.import.assume("ipsec.dpd-timeout", timeout, why);
                }
                Err(_) => report.dropped(id, "it is no number of seconds"),
            },
            "dpd_retry" | "dpd_maxfail" => {
                report.changed(id, "ipsec.dpd-timeout says how long a client may be silent");
            }
            "esp_frag" => report.changed(
                id,
                "the MTU and the TCP MSS of each session are such that ESP fits",
            ),
            "script" => report.dropped(
                id,
                "no script is run for a security association; those of PPP are, for each session",
            ),
            "mode_cfg" | "xauth_login" => {
                report.without_effect(id, "L2TP clients get their addresses from PPP");
            }
            "doi" | "situation" | "support_proxy" | "weak_phase1_check" | "nonce_size"
            | "ph1id" | "keepalive" => report.without_effect(id, "nothing depends on it"),
            _ => report.dropped(id, "this statement is not known here"),
        }
    }

    fn proposal(&mut self, proposal: &PhaseOne) {
        let inner = self.inner(proposal.statement);
        if proposal.method != "pre_shared_key" {
            let why = format!("authentication by {} is not there", proposal.method);
            let own = self
                .id(proposal.statement)
                .map(|id| (proposal.statement, id));
            for (_, id) in own.into_iter().chain(inner) {
                self.import.report.dropped(id, why.clone());
            }
            return;
        }
        let mut from: Option<Parts> = None;
        for (number, id) in &inner {
            let word = self.statement(*number).map_or("", |s| s.word(0)).to_owned();
            let report = &mut self.import.report;
            let from = from.get_or_insert(Parts::one(*id));
            match word.as_str() {
                "encryption_algorithm" => from.cipher = *id,
                "hash_algorithm" => from.hash = *id,
                "dh_group" => from.group = *id,
                "authentication_method" => report.kept(*id, ""),
                "lifetime" => report.without_effect(*id, "the client's lifetimes are taken"),
                _ => report.dropped(*id, "this statement is not known here"),
            }
        }
        let Some(from) = from else { return };
        let bits = proposal
            .bits()
            .map_or_else(String::new, |bits| bits.to_string());
        let list = format!(
            "{}{bits}-{}-{}",
            proposal.cipher.0, proposal.hash, proposal.group
        );
        self.offers.ike_from(from, &list, Style::Alone);
    }

    /// Phase 2. Which of several serves a client is decided by identities that say nothing about
    /// L2TP, so all of them count.
    fn sainfos(&mut self) {
        for sainfo in self.file.sainfos() {
            if !self.any {
                let why = "there is no remote that clients could come through to it";
                let Some(id) = self.id(sainfo.statement) else {
                    continue;
                };
                self.import.report.dropped(id, why);
                for (_, id) in self.inner(sainfo.statement) {
                    self.import.report.dropped(id, why);
                }
                continue;
            }
            // One between networks is for a tunnel.
            if sainfo.ids.contains('/') {
                let why = "it is for a tunnel between networks, and adit has transport mode for \
                           L2TP only: keep racoon for it, on another address";
                self.drop_block(sainfo.statement, why, "it is for a tunnel between networks");
                continue;
            }
            if let Some(id) = self.id(sainfo.statement) {
                self.import.report.kept(id, "");
            }
            let list: Vec<String> = sainfo
                .ciphers
                .iter()
                .flat_map(|(cipher, bits)| {
                    let usual = (cipher == "aes").then_some(128);
                    let bits = bits
                        .or(usual)
                        .map_or_else(String::new, |bits| bits.to_string());
                    let hashes = sainfo.hashes.iter();
                    hashes.map(move |hash| format!("{cipher}{bits}-{hash}"))
                })
                .collect();
            for (number, id) in self.inner(sainfo.statement) {
                let Some(statement) = self.statement(number).cloned() else {
                    continue;
                };
                let report = &mut self.import.report;
                match statement.word(0) {
                    "encryption_algorithm" | "authentication_algorithm" => {
                        self.offers.esp(id, &list.join(","), Style::Alone);
                    }
                    "pfs_group" => {
                        let group = sainfo.pfs_group.clone().unwrap_or_default();
                        self.offers.pfs(id, &group);
                    }
                    "lifetime" => report.without_effect(id, "the client's lifetimes are taken"),
                    "compression_algorithm" => {
                        report.without_effect(id, "no L2TP client asks for IPComp");
                    }
                    "remoteid" | "my_identifier" => {
                        report.without_effect(id, "there is one phase 2 for all clients");
                    }
                    _ => report.dropped(id, "this statement is not known here"),
                }
            }
        }
    }

    /// What stands outside `remote` and `sainfo`.
    fn outer(&mut self, number: usize, statement: &Statement) {
        let Some(id) = self.id(number) else { return };
        let report = &mut self.import.report;
        let (word, value) = (statement.word(0), statement.word(1));
        match (word, value) {
            _ if statement.end == End::Close => {}
            ("path", "pre_shared_key") => {
                report.kept(id, "its keys go into ipsec.secrets");
                let path = PathBuf::from(statement.word(2));
                self.keys = Some((path, statement.place.clone(), id));
            }
            ("path", "certificate") => {
                report.without_effect(id, "adit's clients have shared keys, and no certificates");
            }
            ("path", "include") | ("include", _) => report.kept(id, ""),
            ("path", _) => report.without_effect(id, "adit has no such file"),
            ("log", _) => report.changed(id, "log.level says how much is written"),
            ("listen", _) => self.listen(number, id),
            ("timer", _) => self.all(number, "adit has times of its own for repetitions"),
            ("padding", _) => self.all(number, "padding is as RFC 4303 has it"),
            ("privsep", _) => {
                self.all(
                    number,
                    "adit needs no helper: its unit takes away its rights",
                );
            }
            ("mode_cfg", _) => self.drop_block(
                number,
                "Mode Config is not there in this version: addresses and name servers of L2TP \
                 clients are pool.ranges and ppp.dns",
                "L2TP clients get these from PPP",
            ),
            ("radiuscfg" | "ldapcfg", _) => self.drop_block(
                number,
                "users are in the file that ppp.secrets names, and asked for nowhere else",
                "users are in the file that ppp.secrets names",
            ),
            ("complex_bundle" | "gss_id_enc" | "pfkey_buffer", _) => {
                report.without_effect(id, "it is about the inner workings of racoon");
            }
            _ => {
                report.dropped(id, "this statement is not known here");
                for (_, id) in self.inner(number) {
                    self.import
                        .report
                        .dropped(id, "this statement is not known here");
                }
            }
        }
    }

    /// A block without effect.
    fn all(&mut self, block: usize, why: &str) {
        let own = self.id(block).map(|id| (block, id));
        for (_, id) in own.into_iter().chain(self.inner(block)) {
            self.import.report.without_effect(id, why);
        }
    }

    fn listen(&mut self, block: usize, head: Id) {
        self.import.report.kept(head, "");
        let mut from = Vec::new();
        let mut addresses: Vec<String> = Vec::new();
        for (number, id) in self.inner(block) {
            let Some(statement) = self.statement(number).cloned() else {
                continue;
            };
            let report = &mut self.import.report;
            let port = statement.word(2);
            match statement.word(0) {
                "isakmp" | "isakmp_natt" => {
                    let usual = matches!(port, "" | "[500]" | "[4500]");
                    match statement.word(1).parse::<std::net::IpAddr>() {
                        Ok(address) if usual => {
                            from.push(id);
                            let text = address.to_string();
                            if !addresses.contains(&text) {
                                addresses.push(text);
                            }
                        }
                        Ok(_) => report.changed(
                            id,
                            "adit listens on ports 500 and 4500, the only ones that clients know",
                        ),
                        Err(_) => report.changed(
                            id,
                            "adit listens on every IPv4 address; listen.addresses narrows that",
                        ),
                    }
                }
                "adminsock" => report.changed(id, "control.socket is what `adit status` asks"),
                "strict_address" => report.kept(id, "an address that is not there is an error"),
                _ => report.dropped(id, "this statement is not known here"),
            }
        }
        if !from.is_empty() {
            self.import.keep(&from, "listen.addresses", addresses);
        }
    }
}

/// A closing brace goes with its block.
fn closing(file: &Racoon, ids: &[Id], import: &mut Import) {
    for (statement, id) in file.statements.iter().zip(ids) {
        if statement.end == End::Close {
            let block = statement.within.and_then(|block| ids.get(block));
            let block = block.and_then(|block| import.report.of(*block)?.disposition);
            import.report.goes_with(*id, block);
        }
    }
}

#[cfg(test)]
#[path = "racoon_tests.rs"]
mod tests;
