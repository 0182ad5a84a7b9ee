//! What the blocks `remote` and `sainfo` of a racoon.conf say.

use super::{End, Racoon, Statement};

/// The `remote` block: how phase 1 goes with some peers. The numbers are those of statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The statement that begins it.
    pub statement: usize,
    /// `anonymous`, an address, or a name.
    pub name: String,
    /// The exchange modes, the one for own attempts first.
    pub modes: Vec<String>,
    /// The kind of the own identity, and its value if it has one. A certificate's subject if it is
    /// `asn1dn` without one.
    pub own_id: (String, Option<String>),
    /// `obey`, `strict`, `claim` or `exact`.
    pub proposal_check: String,
    /// `off`, `on`, `require` or `unique`.
    pub generate_policy: String,
    /// `off`, `on` or `force`.
    pub nat_traversal: String,
    /// Seconds between probes (0: none), seconds to the repetition of one, and probes.
    pub dpd: (u64, u64, u64),
    /// `off`, `on` or `force`.
    pub ike_frag: String,
    /// Size of ESP fragments in bytes.
    pub esp_frag: Option<u64>,
    /// The proposals.
    pub proposals: Vec<PhaseOne>,
}

/// A `proposal` block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhaseOne {
    /// The statement that begins it.
    pub statement: usize,
    /// The cipher and its key length in bits, if that is given.
    pub cipher: (String, Option<u32>),
    /// The hash.
    pub hash: String,
    /// `pre_shared_key`, `hybrid_rsa_server`, …
    pub method: String,
    /// The group, as `modp1024`.
    pub group: String,
}

impl PhaseOne {
    /// Bits of the cipher's key: of AES 128 where nothing is said.
    pub fn bits(&self) -> Option<u32> {
        let usual = (self.cipher.0 == "aes").then_some(128);
        self.cipher.1.or(usual)
    }
}

/// The `sainfo` block: how phase 2 goes for some identities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sainfo {
    /// The statement that begins it.
    pub statement: usize,
    /// Which it is for, as written: `anonymous`, or identities.
    pub ids: String,
    /// The group of perfect forward secrecy, if one is demanded.
    pub pfs_group: Option<String>,
    /// Ciphers and their key lengths.
    pub ciphers: Vec<(String, Option<u32>)>,
    /// Hashes, without `hmac_`.
    pub hashes: Vec<String>,
}

impl Racoon {
    /// The statements in the block that statement `block` begins, and their numbers.
    pub fn within(&self, block: usize) -> impl Iterator<Item = (usize, &Statement)> {
        let statements = self.statements.iter().enumerate();
        statements
            .skip(block)
            .filter(move |(_, statement)| statement.within == Some(block))
    }

    /// The blocks that begin with `word`, outside others.
    fn blocks<'a>(&'a self, word: &'a str) -> impl Iterator<Item = (usize, &'a Statement)> {
        let statements = self.statements.iter().enumerate();
        statements.filter(move |(_, statement)| {
            statement.end == End::Block && statement.within.is_none() && statement.word(0) == word
        })
    }

    /// The last statement in `block` that begins with `word`: the last one holds.
    fn last(&self, block: usize, word: &str) -> Option<&Statement> {
        let statements = self.within(block).map(|(_, statement)| statement);
        statements
            .filter(|statement| statement.word(0) == word)
            .last()
    }

    /// Its second word, or what racoon does without it.
    fn word(&self, block: usize, word: &str, default: &str) -> String {
        let statement = self.last(block, word);
        statement
            .map_or(default, |statement| statement.word(1))
            .to_owned()
    }

    fn number(&self, block: usize, word: &str) -> Option<u64> {
        self.last(block, word)?.word(1).parse().ok()
    }

    /// The `remote` blocks.
    pub fn remotes(&self) -> Vec<Remote> {
        let remote = |(block, statement): (usize, &Statement)| {
            let own_id = self.last(block, "my_identifier");
            let value = |statement: &Statement| statement.words.get(2).cloned();
            let proposals = self
                .within(block)
                .filter(|(_, inner)| inner.end == End::Block && inner.word(0) == "proposal");
            Remote {
                statement: block,
                name: statement.word(1).to_owned(),
                modes: self
                    .last(block, "exchange_mode")
                    .map_or_else(Vec::new, |statement| listed(statement, 1)),
                own_id: own_id.map_or(("address".to_owned(), None), |statement| {
                    (statement.word(1).to_owned(), value(statement))
                }),
                proposal_check: self.word(block, "proposal_check", "strict"),
                generate_policy: self.word(block, "generate_policy", "off"),
                nat_traversal: self.word(block, "nat_traversal", "off"),
                dpd: (
                    self.number(block, "dpd_delay").unwrap_or(0),
                    self.number(block, "dpd_retry").unwrap_or(5),
                    self.number(block, "dpd_maxfail").unwrap_or(5),
                ),
                ike_frag: self.word(block, "ike_frag", "off"),
                esp_frag: self.number(block, "esp_frag"),
                proposals: proposals.map(|(block, _)| self.proposal(block)).collect(),
            }
        };
        self.blocks("remote").map(remote).collect()
    }

    fn proposal(&self, block: usize) -> PhaseOne {
        let cipher = self.last(block, "encryption_algorithm");
        PhaseOne {
            statement: block,
            cipher: cipher.map_or((String::new(), None), |statement| {
                (statement.word(1).to_owned(), statement.word(2).parse().ok())
            }),
            hash: self.word(block, "hash_algorithm", ""),
            method: self.word(block, "authentication_method", ""),
            group: group(&self.word(block, "dh_group", "")),
        }
    }

    /// The `sainfo` blocks.
    pub fn sainfos(&self) -> Vec<Sainfo> {
        let sainfo = |(block, statement): (usize, &Statement)| {
            let pfs_group = self.last(block, "pfs_group");
            let ciphers = self.last(block, "encryption_algorithm");
            let hashes = self.last(block, "authentication_algorithm");
            Sainfo {
                statement: block,
                ids: statement.words.get(1..).unwrap_or_default().join(" "),
                pfs_group: pfs_group.map(|statement| group(statement.word(1))),
                ciphers: ciphers.map_or_else(Vec::new, with_lengths),
                hashes: hashes.map_or_else(Vec::new, |statement| {
                    let names = listed(statement, 1).into_iter();
                    names
                        .map(|name| name.trim_start_matches("hmac_").to_owned())
                        .collect()
                }),
            }
        };
        self.blocks("sainfo").map(sainfo).collect()
    }
}

/// The words from `from` on, without the commas.
fn listed(statement: &Statement, from: usize) -> Vec<String> {
    let words = statement.words.iter().skip(from);
    words.filter(|word| *word != ",").cloned().collect()
}

/// `aes 256, 3des`: a number belongs to the name before it.
fn with_lengths(statement: &Statement) -> Vec<(String, Option<u32>)> {
    let mut ciphers: Vec<(String, Option<u32>)> = Vec::new();
    for word in listed(statement, 1) {
        match (word.parse(), ciphers.last_mut()) {
            (Ok(bits), Some(cipher)) => cipher.1 = Some(bits),
            _ => ciphers.push((word, None)),
        }
    }
    ciphers
}

/// Groups by number and by name are the same.
fn group(word: &str) -> String {
    let name = match word {
        "1" => "modp768",
        "2" => "modp1024",
        "5" => "modp1536",
        "14" => "modp2048",
        "15" => "modp3072",
        "16" => "modp4096",
        "17" => "modp6144",
        "18" => "modp8192",
        other => other,
    };
    name.to_owned()
}
