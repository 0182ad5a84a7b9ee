//! Lists of algorithms, as the old programs write them, in the words of adit's configuration.

use std::collections::BTreeMap;

use ike::{LegacyOption, Policy, PolicyError};

use super::{Id, Import};

/// The lists that hold where nothing is written, the best first.
const GROUPS: [&str; 6] = [
    "ecp384", "ecp256", "ecp521", "modp3072", "modp4096", "modp2048",
];
const CIPHERS: [&str; 3] = ["aes256", "aes192", "aes128"];
const HASHES: [&str; 4] = ["sha256", "sha384", "sha512", "sha1"];

/// What a word in a proposal is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// Ciphers: one, or several where the key length is left open.
    Ciphers(&'static [&'static str]),
    /// The same with their own integrity; names of whole suites.
    Aead(&'static [&'static str]),
    Hash(&'static str),
    /// SHA-256 cut to 96 bits.
    CutSha256,
    Group(&'static str),
    /// Says nothing that adit would have to be told.
    Neutral,
    /// Not to be had in adit; why.
    Lost(&'static str),
}

const UNSAFE: &str = "which is not safe, and which adit never takes";
const ABSENT: &str = "which adit does not have";

/// Reads a word. `any_length`: a cipher without its key length is one of all lengths, as libreswan
/// has it, and not of 128 bits.
fn word(text: &str, any_length: bool) -> Word {
    let plain: String = text
        .chars()
        .filter(|c| !matches!(c, '_'))
        .collect::<String>()
        .to_ascii_lowercase();
    match plain.as_str() {
        "aes" | "aescbc" if any_length => Word::Ciphers(&["aes256", "aes128"]),
        "aes" | "aescbc" | "aes128" | "aescbc128" => Word::Ciphers(&["aes128"]),
        "aes192" | "aescbc192" => Word::Ciphers(&["aes192"]),
        "aes256" | "aescbc256" => Word::Ciphers(&["aes256"]),
        "3des" | "3descbc" | "des3" => Word::Ciphers(&["3des"]),
        "aesgcm" | "aesgcm16" | "aesgcmc" if any_length => {
            Word::Aead(&["aes256gcm16", "aes128gcm16"])
        }
        "aesgcm" | "aesgcm16" | "aesgcmc" | "aes128gcm" | "aes128gcm16" | "aes128gcm128"
        | "aesgcm128" | "aesgcm16128" | "aesgcmc128" => Word::Aead(&["aes128gcm16"]),
        "aes192gcm" | "aes192gcm16" | "aes192gcm128" | "aesgcm192" | "aesgcm16192"
        | "aesgcmc192" => Word::Aead(&["aes192gcm16"]),
        "aes256gcm" | "aes256gcm16" | "aes256gcm128" | "aesgcm256" | "aesgcm16256"
        | "aesgcmc256" => Word::Aead(&["aes256gcm16"]),
        "sha" | "sha1" | "hmacsha1" => Word::Hash("sha1"),
        "sha2" | "sha256" | "sha2256" | "hmacsha256" | "hmacsha2256" => Word::Hash("sha256"),
        "sha384" | "sha2384" | "hmacsha384" | "hmacsha2384" => Word::Hash("sha384"),
        "sha512" | "sha2512" | "hmacsha512" | "hmacsha2512" => Word::Hash("sha512"),
        "md5" | "hmacmd5" => Word::Hash("md5"),
        "sha25696" => Word::CutSha256,
        "modp1024" | "dh2" => Word::Group("modp1024"),
        "modp1536" | "dh5" => Word::Group("modp1536"),
        "modp2048" | "dh14" => Word::Group("modp2048"),
        "modp3072" | "dh15" => Word::Group("modp3072"),
        "modp4096" | "dh16" => Word::Group("modp4096"),
        "ecp256" | "dh19" => Word::Group("ecp256"),
        "ecp384" | "dh20" => Word::Group("ecp384"),
        "ecp521" | "dh21" => Word::Group("ecp521"),
        "" | "esn" | "noesn" | "none" | "default" => Word::Neutral,
        _ if plain.starts_with("prf") => Word::Neutral,
        "des" | "desiv64" | "modp768" | "dh1" | "dh22" | "modp1024s160" => Word::Lost(UNSAFE),
        _ => Word::Lost(ABSENT),
    }
}

/// What is offered, as far as adit has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    groups: Wanted,
    ciphers: Wanted,
    hashes: Wanted,
    esp: Wanted,
    /// Groups for forward secrecy.
    pfs: Vec<&'static str>,
    /// Options that are needed for other reasons than an algorithm's name.
    options: BTreeMap<LegacyOption, Vec<Id>>,
    /// What is left out, by statement.
    lost: Vec<(Id, String)>,
    /// The statements of groups for forward secrecy.
    pfs_from: Vec<Id>,
}

/// A list under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    names: Vec<String>,
    from: Vec<Id>,
    /// Whether something does not say which, so that the built-in ones follow.
    open: bool,
}

impl Wanted {
    fn add(&mut self, name: &str, from: Id) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
        self.from(from);
    }

    fn from(&mut self, id: Id) {
        if !self.from.contains(&id) {
            self.from.push(id);
        }
    }

    /// With the built-in names at the end, where they are meant too.
    fn list(&self, built_in: &[&str]) -> Vec<String> {
        let mut names = self.names.clone();
        if self.open {
            for name in built_in {
                if !names.iter().any(|known| known == name) {
                    names.push((*name).to_owned());
                }
            }
        }
        names
    }
}

/// How a list of proposals is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `aes256-sha1-modp2048,…`; unless the list ends in `!`, the built-in proposals follow.
    StrongSwan,
    /// `aes256-sha1;modp2048,…`, `+` between alternatives; nothing follows.
    Libreswan,
    /// As strongSwan writes it, but nothing follows: swanctl.conf and racoon.conf.
    Alone,
}

/// The statements that a proposal of phase 1 comes from: in racoon.conf each of its parts has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub cipher: Id,
    pub hash: Id,
    pub group: Id,
}

impl Parts {
    /// All from one statement.
    pub(super) fn one(id: Id) -> Self {
        Self {
            cipher: id,
            hash: id,
            group: id,
        }
    }
}

impl Offers {
    /// Takes in a list for phase 1.
    pub(super) fn ike(&mut self, id: Id, list: &str, style: Style) {
        self.ike_from(Parts::one(id), list, style);
    }

    /// The same from several statements.
    pub(super) fn ike_from(&mut self, from: Parts, list: &str, style: Style) {
        let (proposals, open) = split(list, style);
        if open {
            self.groups.open = true;
            self.ciphers.open = true;
            self.hashes.open = true;
        }
        for proposal in proposals {
            let read = |text: &&str| word(text, style == Style::Libreswan);
            let words: Vec<(&str, Word)> = proposal.iter().map(|t| (*t, read(t))).collect();
            let all = |wanted: &dyn Fn(&Word) -> Option<bool>| {
                let mut found = words.iter().filter_map(|(_, word)| wanted(word)).peekable();
                found.peek().is_some() && found.all(|is| is)
            };
            // adit never takes the two together, whatever is admitted.
            if all(&|word| match word {
                Word::Ciphers(names) => Some(*names == ["3des"]),
                _ => None,
            }) && all(&|word| match word {
                Word::Group(name) => Some(*name == "modp1024"),
                _ => None,
            }) {
                let why = "which together protect nothing, so that adit never takes them";
                self.lose(from.cipher, "3DES with modp1024", why);
                self.lose(from.group, "3DES with modp1024", why);
                self.lose(from.hash, "3DES with modp1024", why);
                continue;
            }
            let (mut group, mut cipher, mut hash) = (false, false, false);
            for (text, word) in words {
                match word {
                    Word::Ciphers(names) => {
                        cipher = true;
                        names
                            .iter()
                            .for_each(|name| self.ciphers.add(name, from.cipher));
                    }
                    Word::Hash(name) => {
                        hash = true;
                        self.hashes.add(name, from.hash);
                    }
                    Word::CutSha256 => {
                        hash = true;
                        self.hashes.add("sha256", from.hash);
                    }
                    Word::Group(name) => {
                        group = true;
                        self.groups.add(name, from.group);
                    }
                    Word::Aead(_) => {
                        cipher = true;
                        self.lose(from.cipher, text, "which IKEv1 does not have");
                    }
                    Word::Neutral => {}
                    Word::Lost(why) => {
                        // Whatever it was: a group is always called so.
                        let begins = ["modp", "ecp", "dh", "curve", "x25519", "x448"];
                        let is_group = begins.iter().any(|begin| text.starts_with(begin));
                        group |= is_group;
                        let id = if is_group { from.group } else { from.cipher };
                        self.lose(id, text, why);
                    }
                }
            }
            self.groups.open |= !group;
            self.ciphers.open |= !cipher;
            self.hashes.open |= !hash;
        }
        self.groups.from(from.group);
        self.ciphers.from(from.cipher);
        self.hashes.from(from.hash);
    }

    /// Takes in a list for phase 2.
    pub(super) fn esp(&mut self, id: Id, list: &str, style: Style) {
        let (proposals, open) = split(list, style);
        self.esp.open |= open;
        for proposal in proposals {
            let (mut ciphers, mut hashes) = (Vec::new(), Vec::new());
            let mut lost = false;
            for text in proposal {
                match word(text, style == Style::Libreswan) {
                    Word::Ciphers(names) => ciphers.extend_from_slice(names),
                    Word::Aead(names) => names.iter().for_each(|name| self.esp.add(name, id)),
                    Word::Hash(name) => hashes.push(name),
                    Word::CutSha256 => {
                        hashes.push("sha256");
                        self.option(id, LegacyOption::EspSha256Cut);
                    }
                    Word::Group(name) => self.pfs(id, name),
                    Word::Neutral => {}
                    // libreswan writes it behind ciphers with integrity of their own.
                    Word::Lost(_) if text == "null" && ciphers.is_empty() => {}
                    Word::Lost(why) => {
                        lost = true;
                        self.lose(id, text, why);
                    }
                }
            }
            if hashes.is_empty() && !lost {
                hashes.extend(HASHES);
            }
            for cipher in &ciphers {
                for hash in &hashes {
                    self.esp.add(&format!("{cipher}-{hash}"), id);
                }
            }
        }
        self.esp.from(id);
    }

    /// A group that clients want for forward secrecy.
    pub(super) fn pfs(&mut self, id: Id, name: &str) {
        if let Word::Group(name) = word(name, false) {
            if !self.pfs.contains(&name) {
                self.pfs.push(name);
            }
            if !self.pfs_from.contains(&id) {
                self.pfs_from.push(id);
            }
        } else {
            self.lose(id, name, ABSENT);
        }
    }

    /// An option that something else than a list asks for.
    pub(super) fn option(&mut self, id: Id, option: LegacyOption) {
        self.options.entry(option).or_default().push(id);
    }

    fn lose(&mut self, id: Id, name: &str, why: &str) {
        let lost = (id, format!("without {name}, {why}"));
        if !self.lost.contains(&lost) {
            self.lost.push(lost);
        }
    }

    /// Makes settings of it.
    pub(super) fn settle(mut self, import: &mut Import) {
        let policy = Policy::new(&LegacyOption::ALL);
        let esp: Vec<String> = Policy::default()
            .esp()
            .iter()
            .map(ToString::to_string)
            .collect();
        let esp: Vec<&str> = esp.iter().map(String::as_str).collect();
        // A suite such as 3des-sha384 can be written, and need not exist.
        self.esp
            .names
            .retain(|name| policy.clone().with_esp(&[name]).is_ok());
        type With = fn(Policy, &[&str]) -> Result<Policy, PolicyError>;
        let lists: [(&str, &Wanted, &[&str], With); 4] = [
            ("ipsec.groups", &self.groups, &GROUPS, Policy::with_groups),
            (
                "ipsec.ciphers",
                &self.ciphers,
                &CIPHERS,
                Policy::with_ciphers,
            ),
            ("ipsec.hashes", &self.hashes, &HASHES, Policy::with_hashes),
            ("ipsec.esp", &self.esp, &esp, Policy::with_esp),
        ];
        let mut options = self.options.clone();
        let mut empty: Vec<Id> = Vec::new();
        for (setting, wanted, built_in, with) in lists {
            if wanted.names.is_empty() {
                if !wanted.open {
                    empty.extend(&wanted.from);
                }
                continue;
            }
            let names = wanted.list(built_in);
            for name in &names {
                for option in needs(with, name) {
                    options.entry(option).or_default().extend(&wanted.from);
                }
            }
            import.keep(&wanted.from, setting, names);
        }
        // Any group that is taken in phase 1 serves; this one has an option of its own.
        if self.pfs.contains(&"modp1024") {
            let from = options.entry(LegacyOption::PfsModp1024).or_default();
            from.extend(&self.pfs_from);
        }
        for id in &self.pfs_from {
            if !empty.contains(id) && import.report.of(*id).is_some_and(|s| s.settings.is_empty()) {
                import
                    .report
                    .kept(*id, "clients may ask for forward secrecy");
            }
        }
        for (id, why) in &self.lost {
            if !empty.contains(id) {
                import.report.changed(*id, why.clone());
            }
        }
        legacy(&options, import);
        for (_, wanted, ..) in lists {
            for id in &wanted.from {
                let settled = import
                    .report
                    .of(*id)
                    .is_some_and(|s| s.disposition.is_some());
                if !settled && !empty.contains(id) {
                    import.report.kept(*id, "adit's own list holds");
                }
            }
        }
        empty.dedup();
        for id in empty {
            let why = match self.lost.iter().find(|(lost, _)| *lost == id) {
                Some((_, why)) => format!("nothing of it is left {why}; adit's own list holds"),
                None => "it names nothing".to_owned(),
            };
            import.report.dropped_for_clients(id, why);
        }
    }
}

/// The options without which a name is refused; none for one that is not known.
fn needs(
    with: fn(Policy, &[&str]) -> Result<Policy, PolicyError>,
    name: &str,
) -> Vec<LegacyOption> {
    let mut options = Vec::new();
    while let Err(PolicyError::NeedsOption { option, .. }) = with(Policy::new(&options), &[name]) {
        options.push(option);
    }
    options
}

/// Writes `ipsec.legacy`, beside what is there, and says of each statement what it admits.
fn legacy(options: &BTreeMap<LegacyOption, Vec<Id>>, import: &mut Import) {
    if options.is_empty() {
        return;
    }
    let mut from: Vec<Id> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    if let Some(known) = import.value("ipsec.legacy").and_then(toml::Value::as_array) {
        let known = known.iter().filter_map(toml::Value::as_str);
        names.extend(known.map(str::to_owned));
    }
    if let Some(earlier) = import.draft.settings.get("ipsec.legacy") {
        from.extend(&earlier.from);
    }
    for (option, ids) in options {
        if !names.iter().any(|name| name == option.name()) {
            names.push(option.name().to_owned());
        }
        for id in ids {
            if !from.contains(id) {
                from.push(*id);
            }
        }
    }
    // What is different, and what is weak, stands in the report beside one another.
    let before: Vec<Option<(bool, String)>> = from
        .iter()
        .map(|id| {
            let statement = import.report.of(*id)?;
            let changed = statement.disposition == Some(super::Disposition::Changed);
            Some((changed, statement.why.clone()))
        })
        .collect();
    import.keep(&from, "ipsec.legacy", names);
    for (id, before) in from.iter().zip(before) {
        let (changed, mut why) = before.unwrap_or_default();
        for (option, ids) in options {
            if ids.contains(id) {
                if !why.is_empty() {
                    why.push_str("; ");
                }
                why.push_str(&format!("{option}: {}", option.warning()));
            }
        }
        if changed {
            import.report.changed(*id, why);
        } else {
            import.report.kept(*id, why);
        }
    }
}

/// The proposals of a list and their words, and whether the built-in ones follow.
fn split(list: &str, style: Style) -> (Vec<Vec<&str>>, bool) {
    let list = list.trim();
    let (list, strict) = match list.strip_suffix('!') {
        Some(list) => (list, true),
        None => (list, style != Style::StrongSwan),
    };
    let proposals = list
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let mut open = !strict;
    let mut split = Vec::new();
    for proposal in proposals {
        if proposal == "default" {
            open = true;
        } else {
            split.push(proposal.split(['-', ';', '+']).collect());
        }
    }
    (split, open)
}
