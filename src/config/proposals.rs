//! Algorithms in the words of the configuration file: `aes256-sha256-modp2048` for phase 1,
//! `aes256gcm16` or `aes256-sha1` for phase 2, and the named options that let weak ones in.
//!
//! Plain values on purpose: the protocol crates have their own types, and the program converts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::values::serde_as_string;

/// An option that admits something weak which an old client needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Legacy {
    /// Group 2 in phase 1, with AES only: Android's built-in client, old racoon.
    LegacyAndroid,
    /// Group 5 in phase 1: very old iOS.
    LegacyModp1536,
    /// 3DES in phase 1 and in ESP: old routers, Windows XP.
    #[serde(rename = "legacy-3des")]
    Legacy3des,
    /// HMAC-MD5 in phase 1 and in ESP: some home routers.
    LegacyMd5,
    /// Group 2 as the Quick Mode PFS group: MikroTik's default.
    PfsModp1024,
}

impl Legacy {
    /// Every option.
    pub const ALL: [Self; 5] = [
        Self::LegacyAndroid,
        Self::LegacyModp1536,
        Self::Legacy3des,
        Self::LegacyMd5,
        Self::PfsModp1024,
    ];

    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::LegacyAndroid => "legacy-android",
            Self::LegacyModp1536 => "legacy-modp1536",
            Self::Legacy3des => "legacy-3des",
            Self::LegacyMd5 => "legacy-md5",
            Self::PfsModp1024 => "pfs-modp1024",
        }
    }

    /// What is weak about it, as the end of a sentence.
    pub const fn weakness(self) -> &'static str {
        match self {
            Self::LegacyAndroid | Self::PfsModp1024 => {
                "1024-bit Diffie-Hellman is within reach of large attackers (RFC 8247 §2.4)"
            }
            Self::LegacyModp1536 => "1536-bit Diffie-Hellman is below today's strength",
            Self::Legacy3des => "blocks of 64 bits collide after some gigabytes (Sweet32)",
            Self::LegacyMd5 => "MD5 is broken as a hash, and tolerable only within HMAC",
        }
    }
}

impl fmt::Display for Legacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A block cipher in CBC mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Cbc {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
}

/// A hash: of phase 1, or the HMAC of phase 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// A Diffie-Hellman group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Group {
    Modp1024,
    Modp1536,
    Modp2048,
    Modp3072,
    Modp4096,
    Ecp256,
    Ecp384,
    Ecp521,
}

impl Group {
    /// The number in the IANA registry of IKE groups.
    pub const fn number(self) -> u16 {
        match self {
            Self::Modp1024 => 2,
            Self::Modp1536 => 5,
            Self::Modp2048 => 14,
            Self::Modp3072 => 15,
            Self::Modp4096 => 16,
            Self::Ecp256 => 19,
            Self::Ecp384 => 20,
            Self::Ecp521 => 21,
        }
    }
}

const CBC: [(&str, Cbc); 4] = [
    ("aes128", Cbc::Aes128),
    ("aes192", Cbc::Aes192),
    ("aes256", Cbc::Aes256),
    ("3des", Cbc::TripleDes),
];
const HASH: [(&str, Hash); 5] = [
    ("md5", Hash::Md5),
    ("sha1", Hash::Sha1),
    ("sha256", Hash::Sha256),
    ("sha384", Hash::Sha384),
    ("sha512", Hash::Sha512),
];
const GROUP: [(&str, Group); 8] = [
    ("modp1024", Group::Modp1024),
    ("modp1536", Group::Modp1536),
    ("modp2048", Group::Modp2048),
    ("modp3072", Group::Modp3072),
    ("modp4096", Group::Modp4096),
    ("ecp256", Group::Ecp256),
    ("ecp384", Group::Ecp384),
    ("ecp521", Group::Ecp521),
];
const GCM: [(&str, Gcm); 3] = [
    ("aes128gcm16", Gcm::Aes128),
    ("aes192gcm16", Gcm::Aes192),
    ("aes256gcm16", Gcm::Aes256),
];

/// Words of other programs for the same thing.
const SYNONYMS: [(&str, &str); 10] = [
    ("aes", "aes128"),
    ("sha", "sha1"),
    ("sha2_256", "sha256"),
    ("sha2_384", "sha384"),
    ("sha2_512", "sha512"),
    ("aes128gcm128", "aes128gcm16"),
    ("aes192gcm128", "aes192gcm16"),
    ("aes256gcm128", "aes256gcm16"),
    ("aes_gcm128", "aes128gcm16"),
    ("aes_gcm256", "aes256gcm16"),
];

fn lookup<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    let word = SYNONYMS
        .iter()
        .find(|(from, _)| *from == word)
        .map_or(word, |(_, to)| to);
    table
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, value)| *value)
}

fn name<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> &'static str {
    table
        .iter()
        .find(|(_, v)| *v == value)
        .map_or("?", |(name, _)| name)
}

fn choices<T>(table: &[(&str, T)]) -> String {
    table
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// AES in Galois/counter mode with a tag of 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Gcm {
    Aes128,
    Aes192,
    Aes256,
}

/// A phase 1 proposal: `aes256-sha256-modp2048`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Phase1Proposal {
    pub cipher: Cbc,
    pub hash: Hash,
    pub group: Group,
}

impl Phase1Proposal {
    /// The options without which this is not accepted. Of group 2's two options the one for
    /// phase 1; it covers AES only.
    pub fn requires(&self) -> Vec<Legacy> {
        let mut needed = Vec::new();
        match self.group {
            Group::Modp1024 => needed.push(Legacy::LegacyAndroid),
            Group::Modp1536 => needed.push(Legacy::LegacyModp1536),
            _ => {}
        }
        if self.cipher == Cbc::TripleDes {
            needed.push(Legacy::Legacy3des);
        }
        if self.hash == Hash::Md5 {
            needed.push(Legacy::LegacyMd5);
        }
        needed
    }
}

impl fmt::Display for Phase1Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cipher, hash) = (name(&CBC, self.cipher), name(&HASH, self.hash));
        write!(f, "{cipher}-{hash}-{}", name(&GROUP, self.group))
    }
}

impl FromStr for Phase1Proposal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.trim().split('-').collect();
        let [cipher, hash, group] = words[..] else {
            return Err(format!(
                "{text:?} is not a phase 1 proposal: cipher-hash-group, such as \
                 \"aes256-sha256-modp2048\""
            ));
        };
        let unknown = |word: &str, what: &str, choices: String| {
            format!("{word:?} in {text:?} is not a {what} for phase 1; known are {choices}")
        };
        Ok(Self {
            cipher: lookup(&CBC, cipher).ok_or_else(|| unknown(cipher, "cipher", choices(&CBC)))?,
            hash: lookup(&HASH, hash).ok_or_else(|| unknown(hash, "hash", choices(&HASH)))?,
            group: lookup(&GROUP, group).ok_or_else(|| unknown(group, "group", choices(&GROUP)))?,
        })
    }
}

serde_as_string!(Phase1Proposal);

/// What protects the packets of a phase 2 proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// A CBC cipher and an HMAC.
    Cbc(Cbc, Hash),
    /// One algorithm for both.
    Gcm(Gcm),
}

/// A phase 2 proposal: `aes256gcm16`, `aes256-sha1`, with a group when perfect forward secrecy is
/// wanted (`aes256-sha1-modp2048`; only the client role asks for it, a server takes what comes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phase2Proposal {
    /// Cipher and integrity.
    pub protection: Protection,
    /// The group of perfect forward secrecy.
    pub group: Option<Group>,
}

impl Phase2Proposal {
    /// The options without which this is not accepted.
    pub fn requires(&self) -> Vec<Legacy> {
        let mut needed = Vec::new();
        if let Protection::Cbc(cipher, hash) = self.protection {
            if cipher == Cbc::TripleDes {
                needed.push(Legacy::Legacy3des);
            }
            if hash == Hash::Md5 {
                needed.push(Legacy::LegacyMd5);
            }
        }
        match self.group {
            Some(Group::Modp1024) => needed.push(Legacy::PfsModp1024),
            Some(Group::Modp1536) => needed.push(Legacy::LegacyModp1536),
            _ => {}
        }
        needed
    }
}

impl fmt::Display for Phase2Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protection {
            Protection::Cbc(cipher, hash) => {
                write!(f, "{}-{}", name(&CBC, cipher), name(&HASH, hash))?;
            }
            Protection::Gcm(gcm) => f.write_str(name(&GCM, gcm))?,
        }
        match self.group {
            Some(group) => write!(f, "-{}", name(&GROUP, group)),
            None => Ok(()),
        }
    }
}

impl FromStr for Phase2Proposal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.trim().split('-').peekable();
        let cipher = words.next().unwrap_or_default();
        let protection = if let Some(gcm) = lookup(&GCM, cipher) {
            Protection::Gcm(gcm)
        } else {
            let cbc = lookup(&CBC, cipher).ok_or_else(|| {
                format!(
                    "{cipher:?} in {text:?} is not a cipher for phase 2; known are {}, {}",
                    choices(&GCM),
                    choices(&CBC)
                )
            })?;
            let hash = words.next().ok_or_else(|| {
                format!("{text:?} has no integrity algorithm: write {text}-sha256, or a gcm16")
            })?;
            let hash = lookup(&HASH, hash).ok_or_else(|| {
                let known = choices(&HASH);
                format!("{hash:?} in {text:?} is not an integrity algorithm; known are {known}")
            })?;
            Protection::Cbc(cbc, hash)
        };
        let group = match words.next() {
            None => None,
            Some(word) => Some(lookup(&GROUP, word).ok_or_else(|| {
                let known = choices(&GROUP);
                format!("{word:?} in {text:?} is not a group; known are {known}")
            })?),
        };
        match words.next() {
            None => Ok(Self { protection, group }),
            Some(extra) => Err(format!("{text:?} goes on with {extra:?} after its group")),
        }
    }
}

serde_as_string!(Phase2Proposal);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_reads_what_it_writes() {
        for (_, cipher) in CBC {
            for (_, hash) in HASH {
                for (_, group) in GROUP {
                    let one = Phase1Proposal {
                        cipher,
                        hash,
                        group,
                    };
                    assert_eq!(one.to_string().parse(), Ok(one));
                }
                let two = Phase2Proposal {
                    protection: Protection::Cbc(cipher, hash),
                    group: None,
                };
                assert_eq!(two.to_string().parse(), Ok(two));
            }
        }
        for (text, gcm) in GCM {
            let two = Phase2Proposal {
                protection: Protection::Gcm(gcm),
                group: Some(Group::Ecp384),
            };
            assert_eq!(two.to_string(), format!("{text}-ecp384"));
            assert_eq!(two.to_string().parse(), Ok(two));
        }
    }

    #[test]
    fn words_of_other_programs_are_understood() {
        assert_eq!(
            "aes-sha-modp2048"
                .parse::<Phase1Proposal>()
                .unwrap()
                .to_string(),
            "aes128-sha1-modp2048"
        );
        assert_eq!(
            "aes256gcm128"
                .parse::<Phase2Proposal>()
                .unwrap()
                .to_string(),
            "aes256gcm16"
        );
        assert_eq!(
            "aes256-sha2_512"
                .parse::<Phase2Proposal>()
                .unwrap()
                .to_string(),
            "aes256-sha512"
        );
    }

    #[test]
    fn what_is_weak_names_its_option() {
        let one = |text: &str| text.parse::<Phase1Proposal>().unwrap().requires();
        assert_eq!(one("aes256-sha256-modp2048"), []);
        assert_eq!(one("aes128-sha1-modp1024"), [Legacy::LegacyAndroid]);
        assert_eq!(
            one("3des-md5-modp1536"),
            [
                Legacy::LegacyModp1536,
                Legacy::Legacy3des,
                Legacy::LegacyMd5
            ]
        );
        let two = |text: &str| text.parse::<Phase2Proposal>().unwrap().requires();
        assert_eq!(two("aes256gcm16"), []);
        assert_eq!(
            two("3des-sha1-modp1024"),
            [Legacy::Legacy3des, Legacy::PfsModp1024]
        );
    }

    #[test]
    fn mistakes_name_the_word_and_the_choices() {
        let one = |text: &str| text.parse::<Phase1Proposal>().unwrap_err();
        assert!(one("aes256-sha256").contains("cipher-hash-group"));
        assert!(one("des-sha1-modp2048").starts_with("\"des\" in \"des-sha1-modp2048\""));
        assert!(one("aes256-sha1-modp768").contains("known are modp1024"));
        let two = |text: &str| text.parse::<Phase2Proposal>().unwrap_err();
        assert!(two("aes256").contains("no integrity algorithm"));
        assert!(two("null-sha1").contains("not a cipher"));
        assert!(two("aes256-sha1-modp2048-x").contains("after its group"));
    }

    #[test]
    fn legacy_words_and_serde_agree() {
        for option in Legacy::ALL {
            assert_eq!(serde_json::to_value(option).unwrap(), option.word());
        }
    }
}
